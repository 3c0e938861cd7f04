//! Messages written into a book: threading, customers, languages, duplicates - and the shared
//! conversations, seller by seller, with the figures they must give.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::*;
use crate::domain::intake::Author;
use crate::domain::sla::policy::{Metric, Policy, Target};
use crate::domain::ticket::Step;

struct Desk {
    book: Book,
    settings: Settings,
    serial: u128,
}

fn account(n: u128, channel: &str, marketplace: &str) -> Account {
    Account {
        id: ChannelAccountId(Uuid::from_u128(n)),
        channel: channel.into(),
        address: format!("help{n}@shop.it"),
        marketplace: marketplace.into(),
        country: String::new(),
        active: true,
    }
}

impl Desk {
    fn new() -> Desk {
        let targets = Metric::ALL.into_iter().map(|metric| Target::for_all(metric, 3_600, "")).collect();
        let settings = Settings {
            version: 1,
            prefix: "MAS".into(),
            zone: TimeZone::UTC,
            country: "IT".into(),
            languages: vec!["it".into()],
            accounts: vec![account(1, "email", ""), account(2, "marketplace", "amazon"), account(3, "social", "")],
            policy: Policy::new(1, targets, BTreeMap::new()).unwrap(),
            retention: None,
            receives: true,
        };
        Desk { book: Book::default(), settings, serial: 1_000 }
    }

    fn receive(&mut self, message: Incoming) -> Result<Outcome, NotTaken> {
        let mut serial = self.serial;
        let outcome = self.book.receive(&self.settings, message, Timestamp::UNIX_EPOCH, &mut || {
            serial += 1;
            Uuid::from_u128(serial)
        });
        self.serial = serial;
        self.book.number("MAS", i64::try_from(serial).unwrap());
        for dossier in &mut self.book.dossiers {
            dossier.is_new = false;
        }
        outcome
    }

    fn mail(&mut self, external: &str, change: impl FnOnce(&mut Incoming)) -> Outcome {
        let mut message = incoming(1, external);
        change(&mut message);
        self.receive(message).unwrap()
    }

    fn how(&self, outcome: Outcome) -> &'static str {
        let dossier = self.book.dossier(outcome.ticket).unwrap();
        let message = dossier.new_messages.iter().find(|m| m.id == outcome.message).unwrap();
        message.decisions.iter().find(|d| d.step == "thread").unwrap().outcome
    }

    fn close(&mut self, ticket: TicketId) {
        let dossier = self.book.dossiers.iter_mut().find(|d| d.ticket.id == ticket).unwrap();
        dossier.ticket.state = State::Closed;
    }
}

fn incoming(account: u128, external: &str) -> Incoming {
    Incoming {
        direction: Direction::Inbound,
        account: ChannelAccountId(Uuid::from_u128(account)),
        external_id: external.into(),
        external_thread_id: String::new(),
        references: vec![],
        recipients: vec![],
        author: Author { address: "anna@example.it".into(), name: "Anna".into() },
        subject: String::new(),
        text: "Buongiorno, dov'è il mio pacco?".into(),
        order_id: String::new(),
        automatic: None,
        occurred_at: 1_705_309_200_000_000,
        historical: false,
        raw: None,
        mail: None,
        message_id: Uuid::from_u128(external.bytes().fold(7, |n, b| n * 251 + u128::from(b))),
    }
}

#[test]
fn a_message_is_stored_once_per_account_and_external_id() {
    let mut desk = Desk::new();
    let first = desk.mail("m1", |_| {});
    let again = desk.mail("m1", |m| m.text = "something else".into());
    assert!(first.opened && !first.duplicate && again.duplicate && !again.opened);
    assert_eq!((first.ticket, first.message), (again.ticket, again.message));
    let other_account = desk.receive(incoming(3, "m1")).unwrap();
    assert!(!other_account.duplicate && other_account.ticket != first.ticket);
}

#[test]
fn a_mail_finds_its_ticket_by_each_of_its_keys() {
    let mut desk = Desk::new();
    let first = desk.mail("m1", |m| m.order_id = "A-1".into());
    let number = desk.book.dossier(first.ticket).unwrap().ticket.number.clone();
    let reference = desk.mail("m2", |m| m.references = vec!["unknown".into(), "m1".into()]);
    let subject = desk.mail("m3", |m| m.subject = format!("Re: [{number}] ciao"));
    let plus = desk.mail("m4", |m| m.recipients = vec![format!("help+{}@shop.it", number.to_lowercase())]);
    let by_id = desk.mail("m5", |m| m.recipients = vec![format!("help+{}@shop.it", first.ticket)]);
    let order = desk.mail("m6", |m| m.order_id = "A-1".into());
    let hows: Vec<&str> = [reference, subject, plus, by_id, order].into_iter().map(|o| desk.how(o)).collect();
    assert_eq!(hows, ["in_reply_to", "subject_number", "plus_address", "plus_address", "order_id"]);
    assert!([reference, subject, plus, by_id, order].iter().all(|o| o.ticket == first.ticket));
    let stranger = desk.mail("m7", |m| {
        m.order_id = "A-1".into();
        m.author.address = "eve@example.it".into();
    });
    assert_ne!(stranger.ticket, first.ticket, "an order id alone does not open somebody else's ticket");
}

#[test]
fn a_mail_with_anothers_message_id_is_a_mail_of_its_own() {
    let mut desk = Desk::new();
    let mail = |m: &mut Incoming| m.raw = Some(Arc::from(&b"raw"[..]));
    let first = desk.mail("m1@x", mail);
    let again = desk.mail("m1@x", |m| m.raw = Some(Arc::from(&b"the same by another hop"[..])));
    assert!(again.duplicate && again.message == first.message);
    let other = |m: &mut Incoming| {
        mail(m);
        m.text = "Something else altogether".into();
        m.message_id = Uuid::from_u128(99);
    };
    let second = desk.mail("m1@x", other);
    assert!(!second.duplicate && second.message != first.message);
    let stored = desk.book.dossier(second.ticket).unwrap().new_messages.last().unwrap().clone();
    let decided = stored.decisions.iter().find(|d| d.step == "message_id").unwrap();
    assert_eq!((decided.outcome, decided.detail.as_str()), ("used_before", "m1@x"));
    assert!(stored.external_id.unwrap().starts_with("said:"));
    assert!(desk.mail("m1@x", other).duplicate, "and it is stored once");
}

#[test]
fn a_number_that_anybody_can_guess_opens_nobody_elses_ticket() {
    let mut desk = Desk::new();
    let first = desk.mail("m1", |_| {});
    let number = desk.book.dossier(first.ticket).unwrap().ticket.number.clone();
    let eve = |m: &mut Incoming| m.author.address = "eve@example.it".into();
    let subject = desk.mail("m2", |m| {
        eve(m);
        m.subject = format!("Re: [{number}] ciao");
    });
    let plus = desk.mail("m3", |m| {
        eve(m);
        m.recipients = vec![format!("help+{}@shop.it", number.to_lowercase())];
    });
    for outcome in [subject, plus] {
        assert!(outcome.opened && outcome.ticket != first.ticket);
        assert_eq!(desk.how(outcome), "other_author");
        assert!(desk.book.links.contains(&(outcome.ticket, first.ticket)));
    }
    // Ids of our own making are not guessed: a colleague who answers a mail that she was sent is let in.
    let colleague = desk.mail("m4", |m| {
        eve(m);
        m.references = vec!["m1".into()];
    });
    assert_eq!((colleague.ticket, desk.how(colleague)), (first.ticket, "in_reply_to"));
}

#[test]
fn a_closed_ticket_gets_a_successor_and_a_solved_one_opens_again() {
    let mut desk = Desk::new();
    let first = desk.mail("m1", |_| {});
    let dossier = &mut desk.book.dossiers[0];
    let at = dossier.ticket.created_at;
    dossier.solve(crate::domain::dossier::Act { user: None, at }).unwrap();
    let second = desk.mail("m2", |m| m.references = vec!["m1".into()]);
    assert_eq!((second.ticket, desk.book.dossiers[0].ticket.state), (first.ticket, State::Open));
    desk.close(first.ticket);
    let third = desk.mail("m3", |m| m.references = vec!["m2".into()]);
    assert_eq!(desk.how(third), "new_after_closed");
    let fourth = desk.mail("m4", |m| m.references = vec!["m3".into(), "m2".into()]);
    assert_eq!(fourth.ticket, third.ticket);
    assert!(crate::domain::ticket::next(State::Closed, Step::CustomerWrites).is_err());
}

#[test]
fn a_customer_is_one_within_the_seller_and_speaks_the_language_last_heard() {
    let mut desk = Desk::new();
    desk.mail("m1", |_| {});
    let second = desk.mail("m2", |m| {
        m.author.address = "ANNA@example.IT".into();
        m.text = "ok".into();
    });
    assert_eq!(desk.book.customers.len(), 1);
    assert_eq!(
        desk.book.dossier(second.ticket).unwrap().ticket.language.as_deref(),
        Some("it"),
        "known from the customer"
    );
    desk.mail("m3", |m| m.text = "Hallo, wann kommt meine Bestellung endlich an?".into());
    let customer = desk.book.customers.values().next().unwrap();
    assert_eq!(customer.language.as_deref(), Some("de"));
}

#[test]
fn a_marketplaces_order_id_is_read_from_the_text() {
    let mut desk = Desk::new();
    let mut message = incoming(2, "a1");
    message.text = "Bestellung 028-1234567-7654321 ist nicht da".into();
    let first = desk.receive(message).unwrap();
    let mut other = incoming(2, "a2");
    other.author.address = "relay2@marketplace.amazon.de".into();
    other.subject = "Re: 028-1234567-7654321".into();
    let second = desk.receive(other).unwrap();
    assert_eq!((second.ticket, desk.how(second)), (first.ticket, "order_id"));
    assert_eq!(desk.book.dossiers[0].ticket.order_id.as_deref(), Some("028-1234567-7654321"));
}

#[test]
fn an_answer_to_nothing_and_an_unknown_account_are_refused() {
    let mut desk = Desk::new();
    let mut answer = incoming(3, "x1");
    answer.direction = Direction::Outbound;
    answer.external_thread_id = "t".into();
    assert_eq!(desk.receive(answer), Err(NotTaken::AnswerToNothing));
    assert_eq!(desk.receive(incoming(9, "x2")), Err(NotTaken::UnknownAccount));
    assert!(desk.book.dossiers.is_empty());
}

#[test]
fn a_merged_ticket_leads_to_the_end_of_its_chain_and_a_circle_to_a_new_one() {
    let mut desk = Desk::new();
    let [a, b, c] = ["m1", "m2", "m3"].map(|id| desk.mail(id, |_| {}).ticket);
    let merge = |desk: &mut Desk, from: TicketId, into: TicketId| {
        let dossier = desk.book.dossiers.iter_mut().find(|d| d.ticket.id == from).unwrap();
        (dossier.ticket.state, dossier.ticket.merged_into) = (State::Closed, Some(into));
    };
    merge(&mut desk, a, b);
    merge(&mut desk, b, c);
    let number = desk.book.dossier(a).unwrap().ticket.number.clone();
    assert_eq!(desk.mail("m4", |m| m.references = vec!["m1".into()]).ticket, c);
    let by_number = desk.mail("m5", |m| m.subject = format!("Re: {number}"));
    assert_eq!(by_number.ticket, c);
    let stored = &desk.book.dossier(c).unwrap().new_messages;
    let decided = &stored.iter().find(|m| m.id == by_number.message).unwrap().decisions;
    assert!(decided.contains(&Decision::new("thread", "merged", number)));
    // Nothing makes a circle; if there is one, it leads to what is open in it, else to a new ticket.
    merge(&mut desk, c, a);
    let new = desk.mail("m6", |m| m.references = vec!["m1".into()]);
    assert!(new.opened && ![a, b, c].contains(&new.ticket));
    desk.book.dossiers.iter_mut().find(|d| d.ticket.id == b).unwrap().ticket.state = State::Solved;
    assert_eq!(desk.mail("m7", |m| m.references = vec!["m3".into()]).ticket, b);
}

#[test]
fn an_unverified_relays_order_reaches_only_its_own_customers_ticket() {
    let mut desk = Desk::new();
    let relayed = |verified: bool| {
        let relayed = relay::Relayed {
            marketplace: "amazon".into(),
            country: "DE".into(),
            order_id: "028-1234567-7654321".into(),
            kind: MessageKind::Question,
            verified,
        };
        Some(Arc::new(OfMail { relayed: Some(relayed), ..OfMail::default() }))
    };
    let mut send = |external: &str, from: &str, mail: Option<Arc<OfMail>>| {
        desk.mail(external, |m| {
            m.author.address = from.into();
            m.raw = Some(Arc::from(b"x".as_slice()));
            m.mail = mail;
        })
    };
    let first = send("r1", "one@marketplace.amazon.de", relayed(true));
    let claim = send("r2", "atoz@amazon.de", relayed(true));
    assert_eq!(claim.ticket, first.ticket, "the same order is the same matter");
    let spoofed = send("r3", "eve@marketplace.amazon.de", relayed(false));
    assert_ne!(spoofed.ticket, first.ticket);
    let forwarded = send("r4", "one@marketplace.amazon.de", relayed(false));
    assert_eq!(forwarded.ticket, first.ticket, "her own matter");
}

/// The file of conversations and what is expected of it, if they are there.
fn shared() -> Option<(String, Value)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/conversations"));
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    match (read("conversations.jsonl"), read("expected.json")) {
        (Ok(lines), Ok(expected)) => Some((lines, serde_json::from_str(&expected).unwrap())),
        _ => {
            eprintln!("SKIPPED: {} is not there; the conversations were NOT replayed", folder.display());
            None
        }
    }
}

fn past(line: &Value, message: &Value) -> Incoming {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at: Timestamp = text(&message["at"]).parse().unwrap();
    Incoming {
        direction: Direction::named(&text(&message["direction"])).unwrap(),
        external_thread_id: text(&line["conversation"]),
        references: message["in_reply_to"].as_str().map(str::to_owned).into_iter().collect(),
        author: Author { address: text(&message["author"]), name: String::new() },
        text: text(&message["text"]),
        occurred_at: at.as_microsecond(),
        historical: true,
        ..incoming(3, &text(&message["id"]))
    }
}

#[test]
fn the_shared_conversations_give_the_expected_figures() {
    let Some((lines, expected)) = shared() else { return };
    let mut desks: BTreeMap<String, Desk> = BTreeMap::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let desk = desks.entry(line["seller"].as_str().unwrap().to_owned()).or_insert_with(Desk::new);
        for message in line["messages"].as_array().unwrap() {
            desk.receive(past(&line, message)).unwrap();
        }
    }
    let figures: serde_json::Map<String, Value> =
        desks.iter().map(|(seller, desk)| (seller.clone(), figures(&desk.book))).collect();
    assert_eq!(Value::Object(figures), expected);
    let told = desks.values().flat_map(|desk| &desk.book.dossiers).flat_map(|dossier| &dossier.told);
    assert!(told.into_iter().all(|told| !matches!(told, crate::domain::dossier::Told::NeedsWork { .. })));
}

fn figures(book: &Book) -> Value {
    let tickets: Vec<&Ticket> = book.dossiers.iter().map(|dossier| &dossier.ticket).collect();
    let mut first: Vec<i64> = tickets
        .iter()
        .filter_map(|t| t.first_outbound_at.map(|at| at.as_second() - t.first_message_at.as_second()))
        .collect();
    first.sort_unstable();
    serde_json::json!({
        "conversations": tickets.len(),
        "messages_inbound": tickets.iter().map(|t| t.inbound_count).sum::<i32>(),
        "messages_outbound": tickets.iter().map(|t| t.outbound_count).sum::<i32>(),
        "answered": first.len(),
        "first_response_seconds_total": first.iter().sum::<i64>(),
        "first_response_seconds_median_low": first.get(first.len().saturating_sub(1) / 2),
        "first_response_within_1h": first.iter().filter(|s| **s <= 3_600).count(),
        "first_response_within_24h": first.iter().filter(|s| **s <= 86_400).count(),
    })
}
