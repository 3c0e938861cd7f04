//! What is looked at before the parser sees a mail: that it cannot cost much, and that it has no mail
//! inside a mail.
//!
//! The parser keeps a structure for every line of a header and every part, and one inside the other
//! for attached mails, so lines, parts and attached mails without end would cost memory and stack. An
//! attached mail is an attachment like any other here; the one byte that makes the parser look into it
//! is changed before and changed back after.

use super::NoMail;

/// Largest mail taken in, in bytes.
pub const MAIL_LIMIT: usize = 12 * 1024 * 1024;
/// Lines of a mail. A mail of the largest size has some 160,000 of the usual length.
const LINES_LIMIT: usize = 400_000;
/// Multiparts, one inside the other or not. The parser looks for the end of each in all of the rest.
const MULTIPARTS_LIMIT: usize = 100;

/// Words that make the parser look into an attached mail, the place of the byte that is changed, and
/// the byte in both letter cases. A digest's parts are mails without saying so.
const WORDS: [(&[u8], usize); 3] = [(b"rfc822", 4), (b"global", 3), (b"digest", 3)];
/// What stands in the place of that byte. No mail has it in these words.
const VEIL: u8 = 0x7f;

/// Refuses what would cost too much.
pub fn check(raw: &[u8]) -> Result<(), NoMail> {
    if MAIL_LIMIT < raw.len() {
        return Err(NoMail::TooLarge);
    }
    if LINES_LIMIT < raw.iter().filter(|byte| **byte == b'\n').count() {
        return Err(NoMail::TooManyLines);
    }
    let multiparts = raw
        .split(|byte| *byte == b'\n')
        .filter(|line| is_header_like(line) && find(line, b"multipart").is_some())
        .take(MULTIPARTS_LIMIT + 1)
        .count();
    if MULTIPARTS_LIMIT < multiparts {
        return Err(NoMail::TooDeep);
    }
    Ok(())
}

/// The mail with attached mails veiled; None where there are none.
pub fn veiled(raw: &[u8]) -> Option<Vec<u8>> {
    if WORDS.iter().all(|(word, _)| find(raw, word).is_none()) {
        return None;
    }
    let mut out = raw.to_vec();
    let mut start = 0;
    while start < raw.len() {
        let end = raw[start..].iter().position(|byte| *byte == b'\n').map_or(raw.len(), |at| start + at + 1);
        if is_header_like(&raw[start..end]) {
            for (word, place) in WORDS {
                let mut from = start;
                while let Some(at) = find(&raw[from..end], word) {
                    out[from + at + place] = VEIL;
                    from += at + word.len();
                }
            }
        }
        start = end;
    }
    Some(out)
}

/// Bytes of a veiled mail as they were.
pub fn unveiled(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in bytes.iter().enumerate().filter(|(_, byte)| **byte == VEIL).map(|(at, _)| at) {
        for (word, place) in WORDS {
            let Some(start) = at.checked_sub(place) else { continue };
            let Some(found) = bytes.get(start..start + word.len()) else { continue };
            let same = |(index, byte): (usize, &u8)| index == place || byte.eq_ignore_ascii_case(&word[index]);
            if found.iter().enumerate().all(same) {
                let capital = found.iter().any(u8::is_ascii_uppercase) && !found.iter().any(u8::is_ascii_lowercase);
                out[at] = if capital { word[place].to_ascii_uppercase() } else { word[place] };
            }
        }
    }
    out
}

/// [`unveiled`] for text.
pub fn unveiled_text(text: &str) -> String {
    if !text.contains(char::from(VEIL)) {
        return text.to_owned();
    }
    String::from_utf8(unveiled(text.as_bytes())).unwrap_or_else(|_| text.to_owned())
}

/// Whether a line may be one of a header or its continuation. Lines of base64 are not.
fn is_header_like(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) || line.contains(&b':')
}

/// Where a word stands, in any letter case.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let (first, length) = (*word.first()?, word.len());
    let mut from = 0;
    while from + length <= text.len() {
        let rest = &text[from..=text.len() - length];
        let at = from + rest.iter().position(|byte| byte.eq_ignore_ascii_case(&first))?;
        if text[at..at + length].eq_ignore_ascii_case(word) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_mails_are_veiled_in_headers_and_come_back_as_they_were() {
        let raw = b"Content-Type: Message/RFC822\n\tx=DIGEST; global\nSubject: rfc822\nrfc822base64\n\nbody rfc822\n";
        let veiled = veiled(raw).unwrap();
        assert!(find(&veiled[..60], b"rfc822").is_none() && find(&veiled[..60], b"digest").is_none());
        assert!(find(&veiled, b"rfc822base64").is_some(), "base64 stays as it is");
        assert_eq!(unveiled(&veiled), raw);
        assert!(super::veiled(b"From: a@b.it\n\nhello").is_none());
        assert_eq!(unveiled_text("a\u{7f}b"), "a\u{7f}b");
    }

    #[test]
    fn what_would_cost_too_much_is_refused() {
        assert_eq!(check(&vec![b'x'; MAIL_LIMIT + 1]), Err(NoMail::TooLarge));
        assert_eq!(check(&vec![b'\n'; LINES_LIMIT + 1]), Err(NoMail::TooManyLines));
        assert_eq!(check("Content-Type: MultiPart/mixed\n".repeat(101).as_bytes()), Err(NoMail::TooDeep));
        assert_eq!(check("Content-Type: multipart/mixed\n".repeat(100).as_bytes()), Ok(()));
    }
}
