//! How an answer is addressed and written as a mail (RFC 5322). What was once addressed stays as it is:
//! every attempt hands in the same bytes.

use courier::Mail;
use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

use crate::domain::intake::Direction;
use crate::domain::intake::thread::numbers_in;

/// Messages named in References, the newest.
pub const REFERENCES: usize = 20;
/// Longest subject, in characters.
const SUBJECT_LIMIT: usize = 250;

/// A message of the ticket, as far as an answer refers to it.
#[derive(Clone)]
pub struct Said {
    pub direction: Direction,
    /// Message-ID without brackets, or what else identifies it in its channel; empty for none.
    pub external_id: String,
    pub address: String,
    pub name: String,
    pub subject: String,
    pub automatic: bool,
}

/// To whom an answer goes, and what it refers to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Addressed {
    pub recipient: String,
    pub recipient_name: String,
    pub subject: String,
    /// Message-ID without brackets; empty for none.
    pub in_reply_to: String,
    /// Message-IDs without brackets, the oldest first.
    pub references: Vec<String>,
    /// The ticket's number, for the address that asks for answers; empty where the account's own does.
    pub reply_tag: String,
}

/// The ticket that is answered.
pub struct Of<'a> {
    pub number: &'a str,
    pub prefix: &'a str,
    pub subject: &'a str,
    pub tagged: bool,
}

/// Addresses an answer to the ticket's customer at the address from which she wrote last, a person before a
/// machine. Whoever else wrote is not answered: a stranger who got in would be told what is hers. A customer who
/// is known by no address, such as one who was split off, is whoever wrote first. None if nobody who wrote has a
/// mail address. `said` is the ticket's messages, the newest first; `hers` are her addresses in lower case.
pub fn address(of: &Of<'_>, said: &[Said], hers: &[String]) -> Option<Addressed> {
    let inbound = || said.iter().filter(|said| said.direction == Direction::Inbound && is_mail_address(&said.address));
    let wrote = |automatic: bool| {
        inbound().find(|said| said.automatic == automatic && hers.contains(&said.address.trim().to_lowercase()))
    };
    let answered = match (wrote(false).or_else(|| wrote(true)), hers.iter().find(|address| is_mail_address(address))) {
        (Some(answered), _) => answered,
        (None, Some(address)) => return Some(begin(of, address, "", said)),
        (None, None) => inbound().rfind(|said| !said.automatic).or_else(|| inbound().next_back())?,
    };
    let subject = if answered.subject.trim().is_empty() { of.subject } else { &answered.subject };
    let ids = said.iter().map(|said| said.external_id.as_str()).filter(|id| is_message_id(id));
    let mut references: Vec<String> = ids.take(REFERENCES).map(str::to_owned).collect();
    references.reverse();
    Some(Addressed {
        recipient: answered.address.clone(),
        recipient_name: line(&answered.name, 100),
        subject: reply_subject(subject, of.number, of.prefix),
        in_reply_to: Some(&answered.external_id).filter(|id| is_message_id(id)).cloned().unwrap_or_default(),
        references,
        reply_tag: if of.tagged { of.number.to_owned() } else { String::new() },
    })
}

fn is_mail_address(address: &str) -> bool {
    address.parse::<Address>().is_ok()
}

/// Addresses what we write first. `said` is what we said in the ticket before, the newest first.
pub fn begin(of: &Of<'_>, address: &str, name: &str, said: &[Said]) -> Addressed {
    let ids = said.iter().map(|said| said.external_id.as_str()).filter(|id| is_message_id(id));
    let mut references: Vec<String> = ids.take(REFERENCES).map(str::to_owned).collect();
    references.reverse();
    let subject = line(of.subject, SUBJECT_LIMIT);
    Addressed {
        recipient: address.to_owned(),
        recipient_name: line(name, 100),
        subject: format!("{subject} [{}]", of.number).trim().to_owned(),
        in_reply_to: references.last().cloned().unwrap_or_default(),
        references,
        reply_tag: if of.tagged { of.number.to_owned() } else { String::new() },
    }
}

/// Whether a text is a Message-ID as mail programs write them; ids of our own making are not.
fn is_message_id(id: &str) -> bool {
    let one_at = id.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
    one_at && id.len() <= 250 && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
}

/// `Re: Where is my parcel? [MAS-1042]`, whatever prefixes and numbers stood there before.
fn reply_subject(subject: &str, number: &str, prefix: &str) -> String {
    const AGAIN: [&str; 12] =
        ["re:", "aw:", "antw:", "sv:", "vs:", "odp:", "res:", "ref:", "r:", "antwort:", "回复:", "返信:"];
    let mut rest = line(subject, SUBJECT_LIMIT);
    for old in numbers_in(&rest, prefix) {
        rest = rest.replace(&format!("[{old}]"), " ");
    }
    let mut rest = rest.trim();
    while let Some(word) = AGAIN.iter().find(|word| starts_with(rest, word)) {
        let chars = word.chars().count();
        rest = rest.char_indices().nth(chars).map_or("", |(at, _)| &rest[at..]).trim_start();
    }
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    match (rest.is_empty(), number.is_empty()) {
        (true, _) => format!("Re: [{number}]"),
        (false, true) => format!("Re: {rest}"),
        (false, false) => format!("Re: {rest} [{number}]"),
    }
}

fn starts_with(text: &str, word: &str) -> bool {
    let head: String = text.chars().take(word.chars().count()).flat_map(char::to_lowercase).collect();
    head == word
}

/// Text for one line of a header: what ends lines or steers machines becomes a space.
fn line(text: &str, limit: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit).collect();
    plain.trim().to_owned()
}

/// Everything that a mail is written from.
pub struct Letter<'a> {
    /// The account's address.
    pub from: &'a str,
    pub from_name: &'a str,
    pub addressed: &'a Addressed,
    /// Message-ID without brackets.
    pub message_id: &'a str,
    /// No person wrote it (RFC 3834).
    pub automatic: bool,
    pub at: Timestamp,
    pub text: &'a str,
    pub files: &'a [Enclosed],
}

/// A file that a mail takes along.
#[derive(Clone, PartialEq, Eq)]
pub struct Enclosed {
    pub name: String,
    /// As whoever handed it in declared it; may be empty.
    pub declared: String,
    /// What its first bytes say.
    pub detected: String,
    pub bytes: Vec<u8>,
}

impl Enclosed {
    /// What the mail says that it is: what its bytes say, or, where these tell only its wrapping, what was declared.
    fn content_type(&self) -> Result<ContentType, Unsendable> {
        const WRAPPINGS: [&str; 4] =
            ["application/zip", "application/octet-stream", "application/x-ole-storage", "text/plain"];
        let declared = Some(self.declared.as_str()).filter(|_| WRAPPINGS.contains(&self.detected.as_str()));
        let declared = declared.and_then(|declared| ContentType::parse(declared).ok());
        declared.map_or_else(|| ContentType::parse(&self.detected).map_err(|_| Unsendable::Body), Ok)
    }
}

/// Why a mail cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    #[error("the account's address is no mail address")]
    From,
    #[error("the customer's address is no mail address")]
    To,
    #[error("the Message-ID is not one")]
    MessageId,
    #[error("the mail cannot be written")]
    Body,
}

/// Writes the mail; the same bytes every time.
pub fn write(letter: &Letter<'_>) -> Result<Mail, Unsendable> {
    let from: Address = letter.from.parse().map_err(|_| Unsendable::From)?;
    let to: Address = letter.addressed.recipient.parse().map_err(|_| Unsendable::To)?;
    if !is_message_id(letter.message_id) {
        return Err(Unsendable::MessageId);
    }
    let named = |name: &str, address: &Address| {
        Mailbox::new(Some(line(name, 100)).filter(|name| !name.is_empty()), address.clone())
    };
    let mut mail = Message::builder()
        .date(letter.at.into())
        .from(named(letter.from_name, &from))
        .to(named(&letter.addressed.recipient_name, &to))
        .subject(line(&letter.addressed.subject, SUBJECT_LIMIT + 40))
        .message_id(Some(format!("<{}>", letter.message_id)));
    if !letter.addressed.in_reply_to.is_empty() {
        mail = mail.in_reply_to(format!("<{}>", letter.addressed.in_reply_to));
    }
    if !letter.addressed.references.is_empty() {
        let ids: Vec<String> = letter.addressed.references.iter().map(|id| format!("<{id}>")).collect();
        mail = mail.references(ids.join(" "));
    }
    if let Some(tagged) = tagged(&from, &letter.addressed.reply_tag) {
        mail = mail.reply_to(named(letter.from_name, &tagged));
    }
    if letter.automatic {
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        // RFC 3834 §5: what answers nothing is generated, not a reply.
        let replies = !letter.addressed.in_reply_to.is_empty();
        let how = if replies { "auto-replied" } else { "auto-generated" };
        mail = mail.raw_header(HeaderValue::new(name, how.to_owned()));
    }
    let mail = mail.envelope(Envelope::new(Some(from), vec![to]).map_err(|_| Unsendable::To)?);
    let text = SinglePart::plain(letter.text.to_owned());
    let mail = match letter.files {
        [] => mail.singlepart(text),
        files => {
            let mut parts = courier::parts(letter.message_id, letter.text);
            for file in files {
                parts = parts.singlepart(courier::file(&line(&file.name, 200), file.content_type()?, &file.bytes));
            }
            mail.multipart(parts)
        }
    };
    let mail = mail.map_err(|_| Unsendable::Body)?;
    Ok(Mail { envelope: mail.envelope().clone(), bytes: mail.formatted() })
}

/// The account's address with a tag behind a plus.
fn tagged(address: &Address, tag: &str) -> Option<Address> {
    let user = address.user().split('+').next()?;
    (!tag.is_empty()).then(|| Address::new(format!("{user}+{tag}"), address.domain()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::intake::mail;

    fn said(direction: Direction, id: &str, address: &str, subject: &str) -> Said {
        Said {
            direction,
            external_id: id.into(),
            address: address.into(),
            name: "Anna".into(),
            subject: subject.into(),
            automatic: false,
        }
    }

    fn of() -> Of<'static> {
        Of { number: "MAS-1042", prefix: "MAS", subject: "Pacco", tagged: true }
    }

    #[test]
    fn an_answer_goes_to_its_customer_where_she_wrote_last_and_names_the_thread() {
        let mut away = said(Direction::Inbound, "c@x", "anna@example.it", "Out of office: Pacco");
        away.automatic = true;
        let thread = [
            away,
            said(Direction::Outbound, "m1@masque.example", "help@masque.example", ""),
            said(Direction::Inbound, "b@x", "anna.new@example.it", "AW: Pacco [MAS-1042]"),
            said(Direction::Inbound, "sha256:00", "anna@example.it", "Pacco"),
        ];
        let hers = ["anna.new@example.it".to_owned(), "anna@example.it".to_owned()];
        let addressed = address(&of(), &thread, &hers).unwrap();
        assert_eq!(addressed.recipient, "anna.new@example.it");
        assert_eq!((addressed.subject.as_str(), addressed.in_reply_to.as_str()), ("Re: Pacco [MAS-1042]", "b@x"));
        assert_eq!(addressed.references, ["b@x", "m1@masque.example", "c@x"]);
        assert_eq!(addressed.reply_tag, "MAS-1042");
        assert!(address(&of(), &thread[1..2], &[]).is_none());
        assert!(address(&of(), &[said(Direction::Inbound, "1", "buyer-77", "x")], &[]).is_none());
    }

    #[test]
    fn nobody_else_who_writes_gets_the_answer() {
        let thread = [
            said(Direction::Inbound, "c@x", "eve@example.it", "Re: Pacco"),
            said(Direction::Inbound, "b@x", "Anna@Example.it", "Pacco"),
        ];
        let hers = ["anna@example.it".to_owned()];
        assert_eq!(address(&of(), &thread, &hers).unwrap().recipient, "Anna@Example.it");
        // Also where nothing of hers is left to answer, and where nobody knows her address.
        let begun = address(&of(), &thread[..1], &hers).unwrap();
        assert_eq!(
            (begun.recipient.as_str(), begun.references.as_slice()),
            ("anna@example.it", &["c@x".to_owned()][..])
        );
        assert_eq!(address(&of(), &thread, &[]).unwrap().recipient, "Anna@Example.it", "whoever wrote first");
    }

    #[test]
    fn what_we_begin_goes_to_the_customer_and_answers_nothing() {
        let first = begin(&of(), "anna@example.it", "Anna\r\nBcc: x", &[]);
        assert_eq!((first.subject.as_str(), first.in_reply_to.as_str()), ("Pacco [MAS-1042]", ""));
        assert_eq!((first.recipient_name.as_str(), first.reply_tag.as_str()), ("Anna  Bcc: x", "MAS-1042"));
        let before = said(Direction::Outbound, "m1@masque.example", "help@masque.example", "");
        assert_eq!(begin(&of(), "anna@example.it", "", &[before]).in_reply_to, "m1@masque.example");
    }

    #[test]
    fn a_subject_names_the_ticket_once() {
        for (before, after) in [
            ("Pacco", "Re: Pacco [MAS-1042]"),
            ("Re: AW: re: Pacco [MAS-1042]", "Re: Pacco [MAS-1042]"),
            ("Pacco [MAS-7] perso", "Re: Pacco perso [MAS-1042]"),
            ("", "Re: [MAS-1042]"),
            ("Re:", "Re: [MAS-1042]"),
            ("Reise: Gepäck", "Re: Reise: Gepäck [MAS-1042]"),
            ("a\r\nBcc: x@y.z", "Re: a Bcc: x@y.z [MAS-1042]"),
        ] {
            assert_eq!(reply_subject(before, "MAS-1042", "MAS"), after, "{before}");
        }
    }

    fn letter<'a>(addressed: &'a Addressed, text: &'a str, from_name: &'a str) -> Letter<'a> {
        Letter {
            from: "help@masque.example",
            from_name,
            addressed,
            message_id: "message_01@masque.example",
            automatic: false,
            at: Timestamp::from_second(1_750_000_000).unwrap(),
            text,
            files: &[],
        }
    }

    #[test]
    fn a_mail_is_read_again_as_it_was_meant() {
        let addressed = Addressed {
            recipient: "anna@example.it".into(),
            recipient_name: "Anna Müller".into(),
            subject: "Re: Où est mon colis? [MAS-1042]".into(),
            in_reply_to: "b@x".into(),
            references: vec!["a@x".into(), "b@x".into()],
            reply_tag: "MAS-1042".into(),
        };
        let text = "Arriva domani.\n.\nCiao è qui\n";
        let written = write(&letter(&addressed, text, "Masque, Noir")).unwrap();
        assert_eq!(written.bytes, write(&letter(&addressed, text, "Masque, Noir")).unwrap().bytes);
        assert!(written.bytes.is_ascii());
        let read = mail::read(&written.bytes).unwrap();
        assert_eq!(read.message_id.as_deref(), Some("message_01@masque.example"));
        assert_eq!(read.references, ["b@x", "a@x"]);
        assert_eq!((read.author.address.as_str(), read.author.name.as_str()), ("help@masque.example", "Masque, Noir"));
        assert_eq!(read.recipients, ["anna@example.it"]);
        assert_eq!(read.subject, "Re: Où est mon colis? [MAS-1042]");
        assert_eq!(read.text.trim().replace("\r\n", "\n"), text.trim());
        assert_eq!(read.automatic, None);
        let head = String::from_utf8(written.bytes).unwrap();
        assert!(head.contains("<help+MAS-1042@masque.example>"), "{head}");
        assert!(!head.contains("Auto-Submitted"));

        let automatic = Letter { automatic: true, ..letter(&addressed, text, "") };
        let read = mail::read(&write(&automatic).unwrap().bytes).unwrap();
        assert_eq!(read.automatic, Some("auto_reply"));

        let first = Addressed { in_reply_to: String::new(), references: Vec::new(), ..addressed };
        let automatic = Letter { automatic: true, ..letter(&first, text, "") };
        let read = mail::read(&write(&automatic).unwrap().bytes).unwrap();
        assert_eq!(read.automatic, Some("auto_submitted"));
    }

    #[test]
    fn files_are_taken_along_as_they_are() {
        let addressed = Addressed { recipient: "anna@example.it".into(), ..Addressed::default() };
        let file = |name: &str, declared: &str, detected: &str, bytes: &[u8]| Enclosed {
            name: name.into(),
            declared: declared.into(),
            detected: detected.into(),
            bytes: bytes.into(),
        };
        let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        let files = [
            file("étiquette retour.pdf", "", "application/pdf", b"%PDF-1.7\r\n--=_0\r\n\x00\xff"),
            file("a.docx", word, "application/zip", b"PK\x03\x04...."),
            file("x\r\nBcc: eve@x.it\".txt", "text/html\r\nX-Evil: 1", "text/plain", b"ciao"),
        ];
        let letter = Letter { files: &files, ..letter(&addressed, "In allegato.\n--=_0\n", "") };
        let written = write(&letter).unwrap();
        assert_eq!(written.bytes, write(&letter).unwrap().bytes, "every attempt hands in the same bytes");
        let read = mail::read(&written.bytes).unwrap();
        assert_eq!(read.text.trim().replace("\r\n", "\n"), "In allegato.\n--=_0");
        let names: Vec<&str> = read.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!((names[0], names[1], names.len()), ("étiquette retour.pdf", "a.docx", 3));
        assert!(read.files.iter().zip(&files).all(|(read, sent)| read.bytes == sent.bytes));
        let types: Vec<&str> = read.files.iter().map(|file| file.declared.as_str()).collect();
        assert_eq!(types, ["application/pdf", word, "text/plain"]);
        let text = String::from_utf8_lossy(&written.bytes).to_ascii_lowercase();
        assert!(!text.contains("\nbcc:") && !text.contains("\nx-evil:"), "{text}");
        assert_eq!(read.recipients, ["anna@example.it"]);
    }

    #[test]
    fn what_has_no_address_is_not_written() {
        let to = |recipient: &str| Addressed { recipient: recipient.into(), ..Addressed::default() };
        for bad in ["", "anna", "a b@x.it", "anna@example.it\r\nBcc: eve@x.it", "<anna@example.it>, eve@x.it"] {
            assert_eq!(write(&letter(&to(bad), "x", "")).err(), Some(Unsendable::To), "{bad}");
        }
        let good = to("anna@example.it");
        let bad_id = Letter { message_id: "a b@x", ..letter(&good, "x", "") };
        assert_eq!(write(&bad_id).err(), Some(Unsendable::MessageId));
    }

    proptest! {
        /// Nothing that anybody wrote becomes a header of its own.
        #[test]
        fn no_text_makes_a_header(subject in "(?s).{0,80}", name in "(?s).{0,40}", text in "(?s).{0,200}") {
            let evil = format!("{subject}\r\nX-Evil: 1\r\n\r\nbody{subject}");
            let addressed = Addressed {
                recipient: "anna@example.it".into(),
                recipient_name: format!("{name}\nX-Evil: 1"),
                subject: reply_subject(&evil, "MAS-1", "MAS"),
                ..Addressed::default()
            };
            let from_name = format!("{name}\r\nX-Evil: 2");
            let written = write(&letter(&addressed, &text, &from_name)).unwrap();
            let parsed = mail_parser::MessageParser::default().parse(&written.bytes).unwrap();
            for (header, _) in parsed.headers_raw() {
                prop_assert!(!header.eq_ignore_ascii_case("X-Evil") && !header.eq_ignore_ascii_case("Bcc"), "{header}");
            }
            prop_assert_eq!(parsed.headers_raw().count(), 8);
            prop_assert!(!written.bytes.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r'));
        }
    }
}
