//! A mail (RFC 5322, MIME) read into what intake works with. The parser takes anything; what it takes
//! for a mail is judged here.

use mail_parser::{Address, HeaderValue, Message, MessageParser};

use super::{Author, ID_LIMIT, REFERENCES_LIMIT, TEXT_LIMIT, storable};

/// Largest mail taken in, in bytes.
pub const MAIL_LIMIT: usize = 4 * 1024 * 1024;

/// What intake needs of a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Message-ID without brackets; None where the mail has none.
    pub message_id: Option<String>,
    /// Message-IDs it answers, the nearest first.
    pub references: Vec<String>,
    pub author: Author,
    /// Addresses in Delivered-To, To and Cc, in this order, in lower case.
    pub recipients: Vec<String>,
    pub subject: String,
    pub text: String,
    /// Why no person wrote it, if none did.
    pub automatic: Option<&'static str>,
}

/// Why bytes are no mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMail {
    #[error("must hold a mail with headers")]
    Unreadable,
    #[error("must have a sender (From)")]
    NoSender,
    #[error("must not exceed 4 MiB")]
    TooLarge,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("automatic", &self.automatic).finish_non_exhaustive()
    }
}

/// Reads a mail.
pub fn read(raw: &[u8]) -> Result<Mail, NoMail> {
    if MAIL_LIMIT < raw.len() {
        return Err(NoMail::TooLarge);
    }
    let message = MessageParser::default().parse(raw).ok_or(NoMail::Unreadable)?;
    let author = author(&message)?;
    let automatic = automatic(&message, &author);
    Ok(Mail {
        message_id: message.message_id().and_then(bare_id),
        references: references(&message),
        recipients: recipients(&message),
        subject: storable(message.subject().unwrap_or_default().trim(), ID_LIMIT),
        text: storable(message.body_text(0).unwrap_or_default().trim(), TEXT_LIMIT),
        author,
        automatic,
    })
}

fn author(message: &Message<'_>) -> Result<Author, NoMail> {
    let from = message.from().or_else(|| message.sender()).and_then(Address::first).ok_or(NoMail::NoSender)?;
    let address = from.address().map(str::trim).filter(|address| !address.is_empty()).ok_or(NoMail::NoSender)?;
    Ok(Author { address: storable(address, 320), name: storable(from.name().unwrap_or_default().trim(), 200) })
}

fn recipients(message: &Message<'_>) -> Vec<String> {
    let delivered = ["Delivered-To", "X-Original-To", "Envelope-To"];
    let mut out: Vec<String> = delivered
        .iter()
        .filter_map(|name| message.header_raw(*name))
        .map(|value| value.trim().trim_matches(['<', '>']).to_lowercase())
        .collect();
    for list in [message.to(), message.cc()].into_iter().flatten() {
        out.extend(list.iter().filter_map(|addr| addr.address()).map(str::to_lowercase).take(50));
    }
    out.retain(|address| address.contains('@') && address.len() <= 320);
    out.dedup();
    out
}

fn references(message: &Message<'_>) -> Vec<String> {
    let mut out: Vec<String> = ids(message.in_reply_to());
    out.extend(ids(message.references()).into_iter().rev());
    let mut seen = std::collections::HashSet::new();
    out.retain(|id| seen.insert(id.clone()));
    out.truncate(REFERENCES_LIMIT);
    out
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    match value {
        HeaderValue::Text(id) => bare_id(id).into_iter().collect(),
        HeaderValue::TextList(list) => list.iter().filter_map(|id| bare_id(id)).collect(),
        _ => Vec::new(),
    }
}

fn bare_id(id: &str) -> Option<String> {
    let id = id.trim().trim_matches(['<', '>']).trim();
    (!id.is_empty() && id.len() <= ID_LIMIT).then(|| storable(id, ID_LIMIT))
}

/// Whether a machine wrote it (RFC 3834 and the customs before it).
fn automatic(message: &Message<'_>, author: &Author) -> Option<&'static str> {
    let header = |name: &'static str| message.header_raw(name).map(|value| value.trim().to_ascii_lowercase());
    let sender = author.address.to_ascii_lowercase();
    let local = sender.split('@').next().unwrap_or_default();
    if header("Return-Path").is_some_and(|path| path == "<>") || matches!(local, "mailer-daemon" | "postmaster") {
        return Some("bounce");
    }
    if header("Content-Type").is_some_and(|kind| kind.starts_with("multipart/report")) {
        return Some("report");
    }
    if header("Auto-Submitted").is_some_and(|value| !value.starts_with("no")) {
        return Some("auto_submitted");
    }
    if header("X-Autoreply").is_some() || header("X-Autorespond").is_some() {
        return Some("auto_reply");
    }
    match header("Precedence").as_deref() {
        Some("bulk" | "junk" | "list" | "auto_reply") => Some("bulk"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        assert_eq!(with("Auto-Submitted: auto-replied"), Some("auto_submitted"));
        assert_eq!(with("Auto-Submitted: no"), None);
        assert_eq!(with("Precedence: bulk"), Some("bulk"));
        assert_eq!(with("Return-Path: <>"), Some("bounce"));
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
}
