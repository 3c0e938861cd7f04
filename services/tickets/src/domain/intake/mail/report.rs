//! What a mail server tells of a mail that we sent (RFC 3464).

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use super::{bare_id, guard, header};

/// What became of a mail of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    Relayed,
    Expanded,
}

impl Action {
    pub const ALL: [Action; 5] =
        [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded];

    pub fn name(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        }
    }

    pub fn named(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// A report of delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub action: Action,
    /// Three numbers, such as `5.1.1`; empty where none was given.
    pub status: String,
    /// Message-ID of the mail it is about.
    pub original: Option<String>,
}

/// The report that a mail is, if it is one. Of several recipients the worst outcome counts.
pub fn read(message: &Message<'_>) -> Option<Report> {
    let parts = || message.parts.iter().take(super::PARTS_LIMIT);
    let fields = parts().filter(|part| is(part, "message", "delivery-status")).map(contents).next();
    let original = parts()
        .filter(|part| {
            is(part, "message", "rfc822") || is(part, "text", "rfc822-headers") || is(part, "message", "global")
        })
        .find_map(|part| original_id(&guard::unveiled(part.contents())));
    let Some(fields) = fields else {
        // Servers older than the standard say as much in a header.
        header(message, "X-Failed-Recipients")?;
        return Some(Report { action: Action::Failed, status: String::new(), original });
    };
    let values = |name: &str| -> Vec<String> {
        let lines = fields.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_lowercase()).collect()
    };
    let actions: Vec<Action> = values("Action").iter().filter_map(|word| Action::named(word)).collect();
    let action = Action::ALL.into_iter().find(|action| actions.contains(action))?;
    let status = values("Status").into_iter().filter_map(|value| status_in(&value)).max().unwrap_or_default();
    Some(Report { action, status, original })
}

fn is(part: &mail_parser::MessagePart<'_>, kind: &str, sub: &str) -> bool {
    part.content_type().is_some_and(|of| {
        of.ctype().eq_ignore_ascii_case(kind)
            && of.subtype().is_some_and(|found| guard::unveiled_text(found).eq_ignore_ascii_case(sub))
    })
}

fn contents(part: &mail_parser::MessagePart<'_>) -> String {
    match &part.body {
        PartType::Text(text) => text.chars().take(20_000).collect(),
        _ => String::from_utf8_lossy(part.contents().get(..20_000).unwrap_or(part.contents())).into_owned(),
    }
}

fn original_id(mail: &[u8]) -> Option<String> {
    let head = mail.get(..64 * 1024).unwrap_or(mail);
    // Headers that stand alone lack the empty line that ends them.
    let mut head = head.to_vec();
    head.extend_from_slice(b"\r\n\r\n");
    MessageParser::default().parse_headers(&head)?.message_id().and_then(bare_id)
}

/// `5.1.1` at the beginning of a text such as `5.1.1 (no such user)`.
fn status_in(value: &str) -> Option<String> {
    let word = value.split_whitespace().next()?;
    let numbers: Vec<&str> = word.split('.').collect();
    let known = |number: &&str| (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    (numbers.len() == 3 && numbers.iter().all(known)).then(|| word.to_owned())
}
