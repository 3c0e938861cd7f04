//! Which ticket a message belongs to. The first key that finds a ticket which is not closed decides:
//! the channel's own thread, the messages it answers, the ticket named in a plus-address, the number
//! in the subject, the order. A number is easily guessed: it opens a ticket to its own customer only.

use super::{Incoming, REFERENCES_LIMIT};
use crate::domain::ids::TicketId;
use crate::domain::ticket::State;

/// Something in a message that may name its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The channel's own thread id. Where there is one, nothing else is asked.
    Thread(String),
    /// External id of a message that it answers.
    Reference(String),
    /// A ticket's id in a plus-address.
    PlusTicket(TicketId),
    /// A ticket's number in a plus-address.
    PlusNumber(String),
    /// A ticket's number in the subject.
    SubjectNumber(String),
    /// An order id.
    Order(String),
}

impl Key {
    /// The ticket's number, where that is all it names: numbers follow one another, so that anybody can guess one.
    pub fn number(&self) -> Option<&str> {
        match self {
            Key::PlusNumber(number) | Key::SubjectNumber(number) => Some(number),
            Key::Thread(_) | Key::Reference(_) | Key::PlusTicket(_) | Key::Order(_) => None,
        }
    }

    /// The word for it in a decision.
    pub fn name(&self) -> &'static str {
        match self {
            Key::Thread(_) => "external_thread",
            Key::Reference(_) => "in_reply_to",
            Key::PlusTicket(_) | Key::PlusNumber(_) => "plus_address",
            Key::SubjectNumber(_) => "subject_number",
            Key::Order(_) => "order_id",
        }
    }
}

/// A ticket that a key found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    pub ticket: TicketId,
    pub state: State,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It belongs to this ticket, found by this key.
    Ticket(TicketId, Key),
    /// It begins a ticket; where the only ticket found was closed, that one and its key.
    New(Option<(TicketId, Key)>),
}

/// The keys of a message, strongest first. `prefix` is that of the seller's numbers.
pub fn keys(message: &Incoming, prefix: &str) -> Vec<Key> {
    if !message.external_thread_id.is_empty() {
        return vec![Key::Thread(message.external_thread_id.clone())];
    }
    let mut keys: Vec<Key> =
        message.references.iter().take(REFERENCES_LIMIT).map(|id| Key::Reference(id.clone())).collect();
    for tag in message.recipients.iter().filter_map(|address| plus_tag(address)) {
        if let Some(id) = kit::ids::decode("ticket", &tag.to_lowercase()) {
            keys.push(Key::PlusTicket(TicketId(id)));
        } else if let Some(number) = numbers_in(tag, prefix).into_iter().next() {
            keys.push(Key::PlusNumber(number));
        }
    }
    keys.extend(numbers_in(&message.subject, prefix).into_iter().take(3).map(Key::SubjectNumber));
    if !message.order_id.is_empty() {
        keys.push(Key::Order(message.order_id.clone()));
    }
    keys
}

/// Decides by the keys in order; `find` gives the newest ticket that a key names.
pub fn choose(keys: &[Key], find: impl Fn(&Key) -> Option<Hit>) -> Choice {
    let mut closed = None;
    for key in keys {
        match find(key) {
            Some(hit) if hit.state == State::Closed => {
                closed.get_or_insert((hit.ticket, key.clone()));
            }
            Some(hit) => return Choice::Ticket(hit.ticket, key.clone()),
            None => {}
        }
    }
    Choice::New(closed)
}

/// What follows the plus in an address's local part.
fn plus_tag(address: &str) -> Option<&str> {
    let (local, _) = address.rsplit_once('@')?;
    local.split_once('+').map(|(_, tag)| tag)
}

/// The seller's ticket numbers in a text, in order of appearance, in capitals.
pub fn numbers_in(text: &str, prefix: &str) -> Vec<String> {
    let text = text.to_ascii_uppercase();
    let needle = format!("{}-", prefix.to_ascii_uppercase());
    let mut out = Vec::new();
    for (at, _) in text.match_indices(&needle) {
        let before = text[..at].chars().next_back();
        let rest = &text[at + needle.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let after = rest[digits.len()..].chars().next();
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        if (1..=12).contains(&digits.len()) && !digits.starts_with('0') && alone(before) && alone(after) {
            let number = format!("{needle}{digits}");
            if !out.contains(&number) {
                out.push(number);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;
    use crate::domain::intake::{Author, Direction};

    fn message() -> Incoming {
        Incoming {
            direction: Direction::Inbound,
            account: crate::domain::ids::ChannelAccountId(Uuid::nil()),
            external_id: "1".into(),
            external_thread_id: String::new(),
            references: vec![],
            recipients: vec![],
            author: Author::default(),
            subject: String::new(),
            text: String::new(),
            order_id: String::new(),
            automatic: None,
            occurred_at: 0,
            historical: false,
            raw: None,
            mail: None,
            message_id: Uuid::nil(),
        }
    }

    fn ticket(n: u128) -> TicketId {
        TicketId(Uuid::from_u128(n))
    }

    #[test]
    fn numbers_are_read_wherever_they_stand_alone() {
        assert_eq!(numbers_in("Re: [MAS-1042] Wo ist mein Paket?", "MAS"), ["MAS-1042"]);
        assert_eq!(numbers_in("aw: #mas-7, MAS-7 und mas-8", "MAS"), ["MAS-7", "MAS-8"]);
        for none in ["XMAS-12", "MAS-", "MAS-007", "MAS-12a", "MAS-1234567890123", "mas 12", "éMAS-1"] {
            assert!(numbers_in(none, "MAS").is_empty(), "{none}");
        }
    }

    #[test]
    fn the_channels_own_thread_decides_alone() {
        let mut message = message();
        message.external_thread_id = "t".into();
        message.references = vec!["a".into()];
        message.subject = "MAS-1".into();
        assert_eq!(keys(&message, "MAS"), [Key::Thread("t".into())]);
    }

    #[test]
    fn keys_come_strongest_first() {
        let mut message = message();
        message.references = vec!["b@x".into(), "a@x".into()];
        message.recipients =
            vec![format!("help+{}@shop.it", ticket(5)), "help+mas-9@shop.it".into(), "help@shop.it".into()];
        message.subject = "Re: MAS-3".into();
        message.order_id = "028-1234567-1234567".into();
        assert_eq!(
            keys(&message, "MAS"),
            [
                Key::Reference("b@x".into()),
                Key::Reference("a@x".into()),
                Key::PlusTicket(ticket(5)),
                Key::PlusNumber("MAS-9".into()),
                Key::SubjectNumber("MAS-3".into()),
                Key::Order("028-1234567-1234567".into()),
            ]
        );
    }

    #[test]
    fn a_closed_ticket_is_passed_over_and_remembered() {
        let keys = [Key::Reference("a".into()), Key::SubjectNumber("MAS-3".into())];
        let found = |open: bool| {
            move |key: &Key| match key {
                Key::Reference(_) => Some(Hit { ticket: ticket(1), state: State::Closed }),
                _ => open.then_some(Hit { ticket: ticket(3), state: State::Solved }),
            }
        };
        assert_eq!(choose(&keys, found(true)), Choice::Ticket(ticket(3), keys[1].clone()));
        assert_eq!(choose(&keys, found(false)), Choice::New(Some((ticket(1), keys[0].clone()))));
        assert_eq!(choose(&[], found(true)), Choice::New(None));
    }
}
