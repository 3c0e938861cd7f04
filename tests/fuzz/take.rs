//! One mail through the whole intake, as a server that hands it in would have it taken: read, recognised, given
//! its ticket, stored in a book, answered. What may never happen ends in a panic. Run by the tests over the seeds
//! and what they are spoilt into, and by libFuzzer for as long as somebody lets it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tickets::domain::ids::{ChannelAccountId, Uuid};
use tickets::domain::intake::book::{self, Book, NotTaken};
use tickets::domain::intake::mail::{self, Care, Mail};
use tickets::domain::intake::{
    Direction, ID_LIMIT, Incoming, OfMail, REFERENCES_LIMIT, SUBJECT_LIMIT, TEXT_LIMIT, file, thread,
};
use tickets::domain::outgoing::letter::{self, Letter, Of, Said};
use tickets::domain::settings::{Account, Settings};
use tickets::domain::sla::policy::Policy;

/// Bytes of a mail's headers that an answer names: what somebody wrote must not grow in it.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Takes a mail in; panics if anything is not as it must be.
pub fn take(raw: &[u8]) {
    let (sender, subject) = mail::head(raw);
    assert!(!sender.chars().chain(subject.chars()).any(char::is_control), "a head of more than one line");
    let _ = mail::written_at(raw);
    no_script(raw);
    let without_files = mail::read_with(raw, Care::WithoutFiles);
    let mail = match mail::read(raw) {
        Ok(mail) => mail,
        Err(no) => {
            // What is set aside for its files can be read without them; everything else stays what it is.
            let for_files = matches!(no, mail::NoMail::TooManyFiles | mail::NoMail::Dangerous);
            assert_eq!(without_files.is_ok(), for_files, "{no:?}");
            return;
        }
    };
    let bare = without_files.expect("a mail that can be read can be read without its files");
    assert!(bare.files.is_empty() && bare.text == mail.text && bare.author == mail.author);
    looks_right(&mail);

    let settings = settings();
    let (mut book, mut serial) = (Book::default(), 1_000);
    let mut new_id = || {
        serial += 1;
        Uuid::from_u128(serial)
    };
    let incoming = incoming(&settings, &mail, raw, new_id());
    let keys = book::keys_to_load(&settings, &incoming);
    assert!(keys.len() <= REFERENCES_LIMIT + 1 + 3 + 1 + incoming.recipients.len(), "{} keys", keys.len());
    assert!(keys.len() >= thread::keys(&incoming, &settings.prefix).len());
    let taken = book.receive(&settings, incoming.clone(), Timestamp::UNIX_EPOCH, &mut new_id);
    match taken {
        Ok(outcome) => assert!(!outcome.duplicate && outcome.opened),
        Err(NotTaken::ReportOfNothing) => return,
        Err(why) => panic!("a mail is stored or set aside: {why:?}"),
    }
    let again = Incoming { message_id: new_id(), ..incoming };
    let again = book.receive(&settings, again, Timestamp::UNIX_EPOCH, &mut new_id).expect("the same mail again");
    assert!(again.duplicate && !again.opened, "the same mail twice is one");
    assert_eq!(book.dossiers.len(), 1);
    let ticket = &book.dossiers[0].ticket;
    assert!(ticket.subject.chars().count() <= SUBJECT_LIMIT && !ticket.subject.contains(['\r', '\n', '\0']));
    for message in &book.dossiers[0].new_messages {
        for decision in &message.decisions {
            assert!(decision.detail.len() <= ID_LIMIT && !decision.detail.contains(['\r', '\n', '\0']));
        }
    }
    answer(&settings, &mail);
}

fn incoming(settings: &Settings, mail: &Mail, raw: &[u8], id: Uuid) -> Incoming {
    let account = &settings.accounts[0];
    let original = mail.report.as_ref().and_then(|report| report.original.clone());
    Incoming {
        direction: Direction::Inbound,
        account: account.id,
        external_id: mail.message_id.clone().unwrap_or_else(|| "sha256:00".into()),
        external_thread_id: String::new(),
        references: original.into_iter().chain(mail.references.clone()).collect(),
        recipients: mail.recipients.clone(),
        author: mail.author.clone(),
        subject: mail.subject.clone(),
        text: mail.text.clone(),
        order_id: String::new(),
        automatic: mail.automatic_at(&account.address),
        occurred_at: 1_705_309_200_000_000,
        historical: false,
        raw: Some(Arc::from(raw)),
        mail: Some(Arc::new(OfMail {
            relayed: mail.relayed.clone(),
            report: mail.report.clone(),
            forwarded: mail.forwarded,
            wants_no_answer: mail.wants_no_answer,
            split_of: None,
            delivered: None,
            files: mail.files.clone(),
            awaited: Vec::new(),
        })),
        message_id: id,
    }
}

/// Nothing of a mail can be more than its row holds, or more lines than one.
fn looks_right(mail: &Mail) {
    assert!(mail.text.len() <= TEXT_LIMIT && !mail.text.contains('\0'));
    for line in [&mail.subject, &mail.author.address, &mail.author.name] {
        assert!(line.len() <= ID_LIMIT && !line.chars().any(char::is_control), "{line:?}");
    }
    assert!(!mail.author.address.is_empty() && mail.references.len() <= REFERENCES_LIMIT);
    for id in mail.references.iter().chain(&mail.message_id) {
        assert!(id.len() <= ID_LIMIT && !id.chars().any(char::is_control));
    }
    assert!(mail.files.len() <= file::FILES_LIMIT);
    for file in &mail.files {
        assert!(!file.is_dangerous() && !file.name.contains(['/', '\\']) && file.bytes.len() <= file::FILE_LIMIT);
        assert_eq!(file.sha256.len(), 32);
    }
}

/// What a script says is nothing that people read, whatever HTML stands before it.
fn no_script(raw: &[u8]) {
    let before = String::from_utf8_lossy(raw);
    let head = "From: a@b.it\r\nTo: help@masque.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";
    let html = format!("{head}{before}><script>scriptmark7f3a()</script><p>end</p>");
    if let Ok(mail) = mail::read(html.as_bytes()) {
        assert!(!mail.text.contains("scriptmark7f3a"), "what a script says is shown");
    }
}

/// An answer to it has the headers that we write and no others, whatever was in the mail.
fn answer(settings: &Settings, mail: &Mail) {
    let said = Said {
        direction: Direction::Inbound,
        external_id: mail.message_id.clone().unwrap_or_default(),
        address: mail.author.address.clone(),
        name: mail.author.name.clone(),
        subject: mail.subject.clone(),
        automatic: mail.automatic.is_some(),
    };
    let of = Of { number: "MAS-1001", prefix: &settings.prefix, subject: "Pacco", tagged: true };
    let Some(addressed) = letter::address(&of, &[said], &[]) else { return };
    let letter = Letter {
        from: "help@masque.example",
        from_name: "Masque",
        addressed: &addressed,
        message_id: "message_01@masque.example",
        automatic: false,
        at: Timestamp::UNIX_EPOCH,
        text: &mail.text[..mail.text.floor_char_boundary(1_000)],
        files: &[],
    };
    let written = match letter::write(&letter) {
        Ok(written) => written,
        Err(why) => panic!("an answer that was addressed cannot be written: {why}"),
    };
    assert!(written.bytes.len() <= ANSWER_LIMIT, "an answer of {} bytes", written.bytes.len());
    assert_eq!(written.envelope.to().len(), 1);
    let head = &written.bytes[..written.bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head")];
    let head = std::str::from_utf8(head).expect("headers are ASCII");
    for line in head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
        let name = line.split(':').next().unwrap_or_default();
        const OURS: [&str; 11] = [
            "Date",
            "From",
            "To",
            "Subject",
            "Message-ID",
            "In-Reply-To",
            "References",
            "Reply-To",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ];
        assert!(OURS.contains(&name), "{line:?}");
        assert!(!line.contains(['\r', '\n']));
    }
    let read = mail::read(&written.bytes).expect("our own answer is a mail");
    assert_eq!(read.author.address, "help@masque.example");
    assert_eq!(read.recipients.len(), 1, "{:?}", read.recipients);
}

fn settings() -> Settings {
    let account = Account {
        id: ChannelAccountId(Uuid::from_u128(1)),
        channel: "email".into(),
        address: "help@masque.example".into(),
        marketplace: String::new(),
        country: String::new(),
        active: true,
    };
    Settings {
        version: 1,
        prefix: "MAS".into(),
        zone: TimeZone::UTC,
        country: "IT".into(),
        languages: vec!["it".into()],
        accounts: vec![account],
        policy: Policy::new(1, Vec::new(), BTreeMap::new()).expect("a policy without promises"),
        retention: None,
        receives: true,
    }
}
