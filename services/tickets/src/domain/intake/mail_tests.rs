//! Mails as they come: whole, broken, and by machines.

use proptest::prelude::*;

use super::*;
use crate::domain::intake::TEXT_LIMIT;

const PLAIN: &str = "From: Anna Rossi <Anna@Example.IT>\r\n\
    To: \"Masque\" <help+MAS-7@shop.it>, other@shop.it\r\n\
    Message-ID: <m2@example.it>\r\n\
    In-Reply-To: <m1@shop.it>\r\n\
    References: <m0@shop.it> <m1@shop.it>\r\n\
    Subject: =?utf-8?Q?Dov'=C3=A8_il_mio_pacco=3F?=\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    \r\n\
    Buongiorno,\r\n\
    dov'è il mio pacco?\r\n";

#[test]
fn a_plain_mail_is_read_whole() {
    let mail = read(PLAIN.as_bytes()).unwrap();
    assert_eq!(mail.message_id.as_deref(), Some("m2@example.it"));
    assert_eq!(mail.references, ["m1@shop.it", "m0@shop.it"]);
    assert_eq!((mail.author.address.as_str(), mail.author.name.as_str()), ("Anna@Example.IT", "Anna Rossi"));
    assert_eq!(mail.recipients, ["help+mas-7@shop.it", "other@shop.it"]);
    assert_eq!(mail.subject, "Dov'è il mio pacco?");
    assert_eq!(mail.text, "Buongiorno,\r\ndov'è il mio pacco?");
    assert_eq!(mail.automatic, None);
}

#[test]
fn html_alone_becomes_text_without_its_scripts() {
    let raw = "From: a@b.it\r\nSubject: x\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n\
        <html><head><script>alert(1)</script></head><body><p>Gr\u{fc}\u{df}e <b>aus</b> Wien</p></body></html>";
    let latin1: Vec<u8> = raw.chars().map(|c| c as u8).collect();
    let mail = read(&latin1).unwrap();
    assert!(mail.text.contains("Grüße aus Wien"), "{}", mail.text);
    assert!(!mail.text.contains("alert"));
}

#[test]
fn what_machines_wrote_is_recognised() {
    let with = |header: &str| {
        read(PLAIN.replacen("Subject:", &format!("{header}\r\nSubject:"), 1).as_bytes()).unwrap().automatic
    };
    assert_eq!(with("Auto-Submitted: auto-replied"), Some("auto_reply"));
    assert_eq!(with("Auto-Submitted: auto-generated"), Some("auto_submitted"));
    assert_eq!(with("Auto-Submitted: no"), None);
    assert_eq!(with("Precedence: bulk"), Some("bulk"));
    assert_eq!(with("Return-Path: <>"), Some("null_sender"));
    assert_eq!(with("X-Autoreply: yes"), Some("auto_reply"));
    let daemon = PLAIN.replacen("Anna@Example.IT", "MAILER-DAEMON@mx.example.it", 1);
    assert_eq!(read(daemon.as_bytes()).unwrap().automatic, Some("bounce"));
}

#[test]
fn bytes_that_are_no_mail_are_refused() {
    assert_eq!(read(b""), Err(NoMail::Unreadable));
    assert_eq!(read(b"Subject: nobody wrote this\r\n\r\nx"), Err(NoMail::NoSender));
    assert_eq!(read(&vec![b'x'; MAIL_LIMIT + 1]), Err(NoMail::TooLarge));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..400), at in 0..600_usize) {
        let mut raw = PLAIN.as_bytes().to_vec();
        let at = at.min(raw.len());
        raw.splice(at..at, noise);
        if let Ok(mail) = read(&raw) {
            prop_assert!(!mail.text.contains('\0') && mail.text.len() <= TEXT_LIMIT);
            prop_assert!(!mail.author.address.is_empty());
        }
    }
}

fn mail(headers: &str, body: &str) -> Mail {
    read(format!("From: anna@example.it\r\n{headers}\r\n\r\n{body}").as_bytes()).unwrap()
}

#[test]
fn scripts_and_styles_are_never_shown() {
    for (html, wanted) in [
        ("<p>Hi</p><script>alert(1)</script><p>there</p>", "Hi there"),
        ("<SCRIPT type=x>alert(1)</ScRiPt >Hi", "Hi"),
        ("<style>p{color:alert}</style>Hi", "Hi"),
        ("Hi<script>alert(1)", "Hi"),
        ("Hi <scr<script>alert(1)</script>ipt>there</script>", "Hi"),
        ("<!-- alert <script> -->Hi", "Hi"),
        ("Hi<!-- alert", "Hi"),
        ("<svg><script>alert(1)</script><text>alert</text></svg>Hi", "Hi"),
        ("<noscript>alert</noscript><template>alert</template><iframe>alert</iframe>Hi", "Hi"),
        ("<img src=x onerror=alert(1)>Hi <a href='javascript:alert(1)'>there</a>", "Hi there"),
        ("<title>alert</title>Hi", "Hi"),
        ("5 < 6 &amp; 7 &gt; 6, Hi", "5 < 6 & 7 > 6, Hi"),
        ("&lt;script&gt;Hi", "<script>Hi"),
        ("Gr&uuml;&#223;e&nbsp;Hi", "Grüße\u{a0}Hi"),
    ] {
        let mail = mail("Content-Type: text/html; charset=utf-8", html);
        let words: Vec<&str> = mail.text.split(' ').map(str::trim).filter(|word| !word.is_empty()).collect();
        let text = words.join(" ");
        assert!(!text.contains("alert"), "{html}: {text}");
        assert!(text.starts_with(wanted), "{html}: {text}");
    }
}

#[test]
fn charsets_that_nobody_knows_are_read_as_well_as_can_be() {
    let with = |charset: &str, encoding: &str, body: &[u8]| {
        let mut raw = format!(
            "From: a@b.it\r\nContent-Type: text/plain{charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        )
        .into_bytes();
        raw.extend_from_slice(body);
        read(&raw).unwrap().text
    };
    assert_eq!(with("", "8bit", b"Gr\xfc\xdfe"), "Grüße");
    assert_eq!(with("; charset=x-unknown", "8bit", b"Gr\xfc\xdfe"), "Grüße");
    assert_eq!(with("; charset=\"utf-9\"", "quoted-printable", b"Gr=FC=DFe"), "Grüße");
    assert_eq!(with("; charset=", "base64", b"R3L832U="), "Grüße");
    assert_eq!(with("; charset=utf-8", "8bit", "Grüße".as_bytes()), "Grüße");
    assert_eq!(with("; charset=utf-8", "8bit", b"Gr\xfc\xdfe"), "Grüße", "says UTF-8 and is none");
    assert_eq!(with("; charset=iso-2022-jp", "7bit", b"\x1b$B$3$s$K$A$O\x1b(B"), "こんにちは");
    assert_eq!(with("; charset=shift_jis", "8bit", b"\x82\xb1\x82\xf1"), "こん");
}

#[test]
fn every_shown_part_is_read_and_files_are_taken_out() {
    let mixed = mail(
        "Content-Type: multipart/mixed; boundary=b",
        "--b\r\nContent-Type: text/plain\r\n\r\nBefore\r\n--b\r\nContent-Type: image/png; name=\"a.png\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"../photo.png\"\r\n\r\n\
         iVBORw0KGgoAAAAN\r\n--b\r\nContent-Type: text/plain\r\n\r\nAfter\r\n--b\r\nContent-Type: text/csv; charset=iso-8859-1\r\n\
         Content-Transfer-Encoding: 8bit\r\nContent-Disposition: attachment; filename=list.csv\r\n\r\na;b\r\n--b--\r\n",
    );
    assert_eq!(mixed.text, "Before\n\nAfter");
    let files: Vec<_> =
        mixed.files.iter().map(|f| (f.name.as_str(), f.declared.as_str(), f.detected, f.bytes.len())).collect();
    assert_eq!(files, [("photo.png", "image/png", "image/png", 12), ("list.csv", "text/csv", "text/plain", 3)]);
}

#[test]
fn an_attached_mail_is_a_file_and_never_the_message() {
    let outer = mail(
        "Content-Type: multipart/mixed; boundary=b\r\nSubject: Fwd: help",
        "--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         From: eve@evil.example\r\nSubject: inner rfc822\r\nContent-Type: text/plain\r\n\r\ninner text\r\n--b--\r\n",
    );
    assert_eq!((outer.author.address.as_str(), outer.text.as_str()), ("anna@example.it", "see below"));
    assert_eq!(outer.forwarded, Some("forwarded"));
    assert_eq!(outer.files.len(), 1);
    assert_eq!(outer.files[0].declared, "message/rfc822");
    assert!(outer.files[0].bytes.starts_with(b"From: eve@evil.example\r\nSubject: inner rfc822\r\n"));
}

#[test]
fn mails_inside_mails_without_end_cost_no_stack() {
    for header in [
        "Content-Type: message/rfc822\r\n\r\n",
        "C o ntent-Type: MESSAGE/Global\r\n\r\n",
        "Content-Type:\r\n message/rfc822\r\n\r\n",
    ] {
        let raw = format!("From: a@b.it\r\n{}text", header.repeat(60_000));
        assert!(read(raw.as_bytes()).is_ok(), "{header}");
    }
    // The same inside an encoding, where it cannot be seen before.
    let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let hidden: String = inner
        .bytes()
        .map(|byte| format!("={byte:02X}"))
        .collect::<Vec<_>>()
        .chunks(20)
        .map(|line| line.concat() + "=\r\n")
        .collect();
    let raw = format!(
        "From: a@b.it\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{hidden}"
    );
    let read_back = read(raw.as_bytes()).unwrap();
    assert_eq!(read_back.files.len(), 1);
    let nested = (0..90).fold(String::from("From: a@b.it\r\n"), |raw, n| {
        raw + &format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")
    });
    assert!(read(nested.as_bytes()).is_ok());
    assert_eq!(read(nested.repeat(2).as_bytes()).err(), Some(NoMail::TooDeep));
}

#[test]
fn parts_and_files_without_end_are_refused() {
    let parts = |count: usize, part: &str| {
        format!(
            "From: a@b.it\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            format!("--b\r\n{part}\r\n").repeat(count)
        )
    };
    assert_eq!(read(parts(10_000, "\r\nx").as_bytes()).err(), Some(NoMail::TooManyParts));
    let file = "Content-Type: image/png\r\nContent-Disposition: attachment\r\n\r\nx";
    assert_eq!(read(parts(51, file).as_bytes()).err(), Some(NoMail::TooManyFiles));
    assert_eq!(read(parts(50, file).as_bytes()).unwrap().files.len(), 50);
    let program =
        parts(1, "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nf0VMRgIBAQ==");
    assert_eq!(read(program.as_bytes()).err(), Some(NoMail::Dangerous));
    let headers = format!("From: a@b.it\r\n{}\r\nx", "a: b\r\n".repeat(400_001));
    assert_eq!(read(headers.as_bytes()).err(), Some(NoMail::TooManyLines));
    // A zip is a file like any other and is never opened, whatever it holds.
    let zip = parts(
        1,
        "Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAAAIAA==",
    );
    assert_eq!(read(zip.as_bytes()).unwrap().files[0].detected, "application/zip");
}

#[test]
fn encoded_line_ends_become_no_headers() {
    let raw = "From: =?utf-8?Q?Anna=0D=0ABcc:_x@y.z?= <anna@example.it>\r\nSubject: =?utf-8?Q?Hi=0D=0ABcc:_eve@evil.example?=\r\n\
        Message-ID: <m1@x>\r\n\r\nx";
    let mail = read(raw.as_bytes()).unwrap();
    for text in [&mail.subject, &mail.author.name, &mail.author.address] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert!(mail.subject.starts_with("Hi"));
}

#[test]
fn dates_are_not_believed() {
    for date in ["Fri, 31 Dec 9999 23:59:59 +0000", "Mon, 1 Jan 1601 00:00:00 +0000", "yesterday", ""] {
        assert_eq!(mail(&format!("Date: {date}"), "x").text, "x");
    }
}

#[test]
fn a_report_tells_which_mail_was_not_delivered() {
    let report = |original: &str, action: &str, status: &str| {
        format!(
            "From: Mail Delivery System <MAILER-DAEMON@mx.example>\r\nReturn-Path: <>\r\nAuto-Submitted: auto-replied\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"r\"\r\n\r\n\
             --r\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n\
             --r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
             Final-Recipient: rfc822; anna@example.it\r\nAction: {action}\r\nStatus: {status}\r\n\
             --r\r\nContent-Type: {original}\r\n\r\nFrom: help@masque.example\r\nMessage-ID: <ours@masque.example>\r\n\
             Subject: Re: x\r\n\r\nHello\r\n--r--\r\n"
        )
    };
    for original in ["message/rfc822", "text/rfc822-headers", "message/RFC822"] {
        let mail = read(report(original, "failed", "5.1.1 (no such user)").as_bytes()).unwrap();
        let told = mail.report.unwrap();
        assert_eq!((told.action, told.status.as_str()), (report::Action::Failed, "5.1.1"));
        assert_eq!(told.original.as_deref(), Some("ours@masque.example"), "{original}");
        assert_eq!(mail.automatic, Some("report"));
    }
    let delayed = read(report("message/rfc822", "delayed", "4.4.1").as_bytes()).unwrap().report.unwrap();
    assert_eq!(delayed.action, report::Action::Delayed);
    let exim = mail("X-Failed-Recipients: anna@example.it\r\nIn-Reply-To: <ours@x>", "Undelivered");
    assert_eq!((exim.automatic, exim.report.unwrap().action), (Some("bounce"), report::Action::Failed));
}

#[test]
fn absent_people_lists_and_machines_are_told_apart() {
    let why = |headers: &str| mail(headers, "x").automatic;
    assert_eq!(why("Subject: Automatische Antwort: Re: Ihre Bestellung"), Some("out_of_office"));
    assert_eq!(why("Auto-Submitted: auto-replied (vacation)\r\nReturn-Path: <>"), Some("auto_reply"));
    assert_eq!(why("Auto-Submitted: auto-generated"), Some("auto_submitted"));
    assert_eq!(why("List-Id: Users <users.lists.example>"), Some("mailing_list"));
    assert_eq!(why("Precedence: list"), Some("mailing_list"));
    assert_eq!(why("Subject: where is my automatic reply: machine"), None);
    let from = |address: &str, headers: &str| {
        read(format!("From: {address}\r\n{headers}Subject: x\r\n\r\nx").as_bytes()).unwrap()
    };
    assert_eq!(from("no-reply@carrier.example", "").automatic, Some("no_reply"));
    assert_eq!(
        from("noreplyton@people.example", "").automatic,
        Some("no_reply"),
        "a name that says so is taken at its word"
    );
    let form = from("noreply@shop.example", "Reply-To: Anna <anna@example.it>\r\n");
    assert_eq!((form.automatic, form.author.address.as_str()), (None, "anna@example.it"), "a form writes for a person");
    let plain = from("anna@example.it", "Reply-To: eve@evil.example\r\n");
    assert_eq!(plain.author.address, "anna@example.it");
    let quiet = mail("X-Auto-Response-Suppress: All", "x");
    assert_eq!((quiet.automatic, quiet.wants_no_answer), (None, true));
    let group = mail("List-Id: <help.masque.example>\r\nPrecedence: list", "x");
    assert_eq!(group.automatic_at("help@masque.example"), None, "the seller's own list");
    assert_eq!(group.automatic_at("help@other.example"), Some("mailing_list"));
}
