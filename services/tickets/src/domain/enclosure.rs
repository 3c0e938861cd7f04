//! Files that an answer takes along: which may, and how many.

use super::intake::file::{FILE_LIMIT, File};

/// Files of one answer.
pub const MOST: usize = 10;
/// Bytes of the files of one answer; mail servers take little more, and a mail carries a third more than they are.
pub const MOST_BYTES: i64 = 15 * 1024 * 1024;
/// Files that wait on one ticket.
pub const MOST_WAITING: i64 = 50;

/// Endings that promise a kind of file, and what its first bytes must say then.
const PROMISES: [(&str, &str); 14] = [
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("zip", "application/zip"),
    ("docx", "application/zip"),
    ("xlsx", "application/zip"),
    ("rtf", "application/rtf"),
    ("gz", "application/gzip"),
];

/// What a browser would run if the file were opened in it.
const ACTIVE: [&str; 2] = ["text/html", "image/svg+xml"];

/// Why a file is not taken along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("must not exceed 10 MiB")]
    TooLarge,
    #[error("must not be empty")]
    Empty,
    #[error("must not run when it is opened")]
    Dangerous,
    #[error("must be what its name says")]
    NotWhatItSays,
}

/// Why an answer does not leave with its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    #[error("an answer takes at most {MOST} files along")]
    Files,
    #[error("the files of an answer are 15 MiB at most")]
    Bytes,
    #[error("at most {MOST_WAITING} files wait on a ticket")]
    Waiting,
}

/// A file that may be taken along.
pub fn check(name: &str, declared: &str, bytes: Vec<u8>) -> Result<File, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if FILE_LIMIT < bytes.len() {
        return Err(Refusal::TooLarge);
    }
    let file = File::new(name, declared, bytes);
    if file.is_dangerous() || ACTIVE.contains(&file.detected) {
        return Err(Refusal::Dangerous);
    }
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let promised = PROMISES.iter().find(|(known, _)| *known == ending);
    if promised.is_some_and(|(_, kind)| *kind != file.detected) {
        return Err(Refusal::NotWhatItSays);
    }
    Ok(file)
}

/// Whether an answer may take files of these sizes along.
pub fn may_leave(sizes: &[i64]) -> Result<(), TooMuch> {
    if MOST < sizes.len() {
        return Err(TooMuch::Files);
    }
    let total = sizes.iter().fold(0_i64, |sum, size| sum.saturating_add(*size));
    if MOST_BYTES < total { Err(TooMuch::Bytes) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide_and_no_name() {
        let taken = |name: &str, bytes: &[u8]| check(name, "application/pdf", bytes.to_vec()).map(|file| file.detected);
        assert_eq!(taken("label.pdf", b"%PDF-1.7"), Ok("application/pdf"));
        assert_eq!(taken("photo.JPG", b"\xff\xd8\xff\xe0"), Ok("image/jpeg"));
        assert_eq!(taken("notes.txt", b"Ciao"), Ok("text/plain"));
        let pe = [b"MZ\x90\0".as_slice(), &[0; 64]].concat();
        assert_eq!(taken("invoice.pdf", &pe), Err(Refusal::Dangerous));
        assert_eq!(taken("setup.exe", b"hello"), Err(Refusal::Dangerous));
        assert_eq!(taken("page.pdf", b"<!doctype html><script>x</script>"), Err(Refusal::Dangerous));
        assert_eq!(taken("drawing.svg", b"<svg onload=x>"), Err(Refusal::Dangerous));
        assert_eq!(taken("photo.png", b"%PDF-1.7"), Err(Refusal::NotWhatItSays));
        assert_eq!(taken("empty.txt", b""), Err(Refusal::Empty));
        assert_eq!(check("big.txt", "", vec![b'a'; FILE_LIMIT + 1]).err(), Some(Refusal::TooLarge));
        assert!(check("big.txt", "", vec![b'a'; FILE_LIMIT]).is_ok());
    }

    #[test]
    fn an_answer_takes_so_much_along_and_no_more() {
        assert_eq!(may_leave(&[1; MOST]), Ok(()));
        assert_eq!(may_leave(&[1; MOST + 1]), Err(TooMuch::Files));
        assert_eq!(may_leave(&[MOST_BYTES]), Ok(()));
        assert_eq!(may_leave(&[MOST_BYTES, 1]), Err(TooMuch::Bytes));
        assert_eq!(may_leave(&[i64::MAX, i64::MAX]), Err(TooMuch::Bytes));
    }
}
