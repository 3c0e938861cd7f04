//! Whatever arrives ends in one of few ways: stored, found stored, set aside, or refused with a reason.
//! Mails of every kind are cut, spliced, repeated and spoilt; what is stored is then looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::book::{Book, NotTaken};
use super::mail::{self, Care, Mail};
use super::*;
use crate::domain::settings::{Account, Settings};
use crate::domain::sla::policy::Policy;

/// How a mail ends.
#[derive(Debug, PartialEq)]
enum End {
    Stored,
    Duplicate,
    Quarantine(&'static str),
    Refused(NotTaken),
}

const SEEDS: [&str; 8] = [
    "From: Anna <anna@example.it>\r\nTo: help@masque.example\r\nMessage-ID: <m1@x>\r\nSubject: Re: MAS-7\r\n\
     In-Reply-To: <m0@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDov'è il mio pacco?\r\n",
    "From: a@b.it\r\nTo: help+MAS-7@masque.example\r\nContent-Type: text/html; charset=iso-8859-1\r\n\
     Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=FC=DFe<script>alert(1)</script><!-- x --></p>\r\n",
    "From: a@b.it\r\nTo: help@masque.example\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
     Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\none\r\n--c\r\n\
     Content-Type: text/html\r\n\r\n<b>one</b>\r\n--c--\r\n--b\r\nContent-Type: image/png; name=\"=?utf-8?B?w6kucG5n?=\"\r\n\
     Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\niVBORw0KGgoAAAAN\r\n--b--\r\n",
    "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx\r\nTo: help@masque.example\r\nContent-Type: multipart/report; boundary=r\r\n\r\n\
     --r\r\n\r\nno\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n--r\r\n\
     Content-Type: message/rfc822\r\n\r\nMessage-ID: <m1@x>\r\n\r\nx\r\n--r--\r\n",
    "Return-Path: <b@bounces.amazon.de>\r\nFrom: Jo <x@marketplace.amazon.de>\r\nTo: help@masque.example\r\n\
     Subject: =?utf-8?Q?R=C3=BCcksendung?= 028-1111111-2222222\r\n\r\nHallo\r\n",
    "From: a@b.it\r\nTo: help@masque.example\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@d.it\r\n\
     Content-Type: message/rfc822\r\n\r\nFrom: e@f.it\r\n\r\ndeep\r\n",
    "From: a@b.it\r\nTo: help@masque.example\r\nList-Id: <help.masque.example>\r\nPrecedence: list\r\n\
     Date: Fri, 31 Dec 9999 23:59:59 +0000\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3\x1b(B\r\n",
    "\x00\x01\x02",
];

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
        policy: Policy::new(1, Vec::new(), BTreeMap::new()).unwrap(),
        retention: None,
        receives: true,
    }
}

/// What the call does with a mail, without its database.
fn take(book: &mut Book, settings: &Settings, raw: &[u8], serial: &mut u128) -> End {
    let mail = match mail::read(raw) {
        Ok(mail) => mail,
        Err(no) => {
            let (sender, subject) = mail::head(raw);
            assert!(!sender.chars().chain(subject.chars()).any(char::is_control));
            return End::Quarantine(no.name());
        }
    };
    looks_right(&mail);
    let Some(account) = settings.mailbox(&mail.recipients, None) else { return End::Quarantine("unknown_mailbox") };
    let automatic = mail.automatic_at(&account.address);
    let original = mail.report.as_ref().and_then(|report| report.original.clone());
    let incoming = Incoming {
        direction: Direction::Inbound,
        account: account.id,
        external_id: mail
            .message_id
            .clone()
            .unwrap_or_else(|| format!("{:?}", raw.iter().take(200).collect::<Vec<_>>())),
        external_thread_id: String::new(),
        references: original.into_iter().chain(mail.references).collect(),
        recipients: mail.recipients,
        author: mail.author,
        subject: mail.subject,
        text: mail.text,
        order_id: String::new(),
        automatic,
        occurred_at: 1_705_309_200_000_000,
        historical: false,
        raw: Some(Arc::from(raw)),
        mail: Some(Arc::new(OfMail {
            delivered: None,
            relayed: mail.relayed,
            report: mail.report,
            forwarded: mail.forwarded,
            wants_no_answer: mail.wants_no_answer,
            split_of: None,
            files: mail.files,
            awaited: Vec::new(),
        })),
        message_id: {
            *serial += 1;
            Uuid::from_u128(*serial)
        },
    };
    let outcome = book.receive(settings, incoming, Timestamp::UNIX_EPOCH, &mut || {
        *serial += 1;
        Uuid::from_u128(*serial)
    });
    match outcome {
        Ok(outcome) if outcome.duplicate => End::Duplicate,
        Ok(_) => End::Stored,
        Err(NotTaken::ReportOfNothing) => End::Quarantine("report_of_nothing"),
        Err(why) => End::Refused(why),
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
    }
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Spoil {
    Cut(usize, usize),
    Put(usize, Vec<u8>),
    Repeat(usize, usize, usize),
    Flip(usize, u8),
    Splice(usize, usize),
}

fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let words = prop::sample::select(vec![
        "\r\n\r\n".as_bytes(),
        b"\n",
        b"--b",
        b"--b--",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"charset=utf-7",
        b"=?utf-8?Q?=0D=0A?=",
        b"<script>",
        b"<!--",
        b"\x00",
        b"\xff\xfe",
        b"From: \r\n",
        b"boundary=",
        b"Content-Transfer-Encoding: base64\r\n",
        b"\x7f",
        b"multipart/digest; boundary=b",
        b"=",
        b"name*0*=x'",
        b"Message-ID: <m1@x>\r\n",
        b"\xe3\x81\x93",
        b"amazon.de",
    ]);
    let spoil = prop_oneof![
        (any::<usize>(), 0..200_usize).prop_map(|(at, length)| Spoil::Cut(at, length)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Spoil::Put(at, bytes)),
        (any::<usize>(), words).prop_map(|(at, word)| Spoil::Put(at, word.to_vec())),
        (any::<usize>(), 0..120_usize, 1..60_usize).prop_map(|(at, length, times)| Spoil::Repeat(at, length, times)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Flip(at, byte)),
        (any::<usize>(), 0..SEEDS.len()).prop_map(|(at, seed)| Spoil::Splice(at, seed)),
    ];
    prop::collection::vec(spoil, 0..8)
}

fn spoilt(seed: usize, spoils: &[Spoil]) -> Vec<u8> {
    let mut raw = SEEDS[seed].as_bytes().to_vec();
    for spoil in spoils {
        let place = |at: usize| at % (raw.len() + 1);
        match spoil {
            Spoil::Cut(at, length) => {
                let from = place(*at);
                raw.drain(from..(from + length).min(raw.len()));
            }
            Spoil::Put(at, bytes) => {
                let from = place(*at);
                raw.splice(from..from, bytes.iter().copied());
            }
            Spoil::Repeat(at, length, times) => {
                let from = place(*at);
                let piece = raw[from..(from + length).min(raw.len())].repeat(*times);
                raw.splice(from..from, piece);
            }
            Spoil::Flip(at, byte) => {
                let from = place(*at);
                if let Some(found) = raw.get_mut(from) {
                    *found = *byte;
                }
            }
            Spoil::Splice(at, other) => {
                let from = place(*at);
                raw.splice(from..from, SEEDS[*other].bytes());
            }
        }
    }
    raw
}

// PROPTEST_CASES asks for more of them.
proptest! {
    #[test]
    fn every_mail_ends_in_one_of_few_ways(mails in prop::collection::vec((0..SEEDS.len(), spoils()), 1..5)) {
        let settings = settings();
        let (mut book, mut serial) = (Book::default(), 0);
        for (seed, spoils) in &mails {
            let raw = spoilt(*seed, spoils);
            let before: usize = book.dossiers.iter().map(|dossier| dossier.new_messages.len()).sum();
            let end = take(&mut book, &settings, &raw, &mut serial);
            let after: usize = book.dossiers.iter().map(|dossier| dossier.new_messages.len()).sum();
            prop_assert_eq!(after - before, usize::from(end == End::Stored));
            prop_assert!(!matches!(end, End::Refused(_)), "a mail is stored or set aside: {:?}", end);
            // The same bytes again change nothing.
            let again = take(&mut book, &settings, &raw, &mut serial);
            prop_assert_eq!(&again, if end == End::Stored { &End::Duplicate } else { &end });
            // What was set aside for its files can be read without them.
            if end == End::Quarantine("dangerous_file") || end == End::Quarantine("too_many_files") {
                prop_assert!(mail::read_with(&raw, Care::WithoutFiles).is_ok());
            }
        }
    }
}

#[test]
fn every_seed_ends_as_it_should() {
    let settings = settings();
    let (mut book, mut serial) = (Book::default(), 0);
    let ends: Vec<End> = SEEDS.iter().map(|raw| take(&mut book, &settings, raw.as_bytes(), &mut serial)).collect();
    let stored = ends.iter().filter(|end| **end == End::Stored).count();
    assert_eq!(stored, 7, "{ends:?}");
    assert_eq!(ends.last(), Some(&End::Quarantine("no_sender")));
}
