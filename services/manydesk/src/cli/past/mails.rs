//! Mails from mbox files and from folders.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use proto::tickets::v1::ImportedEmail;

use super::Run;

/// The largest mail that is sent, in bytes. The platform takes no larger one.
const MAIL_LIMIT: usize = 12 * 1024 * 1024;
/// Mails of a batch.
const BATCH: usize = 50;
/// Bytes of a batch, unless one mail alone has more.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Mails that wait to be sent, with their places.
#[derive(Default)]
struct Waiting {
    emails: Vec<ImportedEmail>,
    places: Vec<String>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, place: String, raw: Vec<u8>, received: Option<Timestamp>) {
        self.bytes += raw.len();
        self.places.push(place);
        self.emails.push(ImportedEmail { raw: raw.into(), received_at: received.map(kit::wire::timestamp) });
    }

    fn is_full(&self) -> bool {
        BATCH <= self.emails.len() || BATCH_BYTES <= self.bytes
    }

    async fn send(&mut self, run: &mut Run, cursor: &str) -> anyhow::Result<()> {
        let sent = std::mem::take(self);
        if sent.emails.is_empty() {
            return Ok(());
        }
        let results = run.sender.mails(sent.emails, cursor, run.left_out).await?;
        run.note(&sent.places, &results)
    }
}

/// Brings an mbox file in. Its cursor is the byte at which the next mail begins.
pub async fn mbox(run: &mut Run, file: &Path) -> anyhow::Result<()> {
    let start: u64 = run.cursor.parse().unwrap_or(0);
    let mut input = File::open(file).with_context(|| format!("reading {}", file.display()))?;
    input.seek(SeekFrom::Start(start))?;
    run.bar.set_position(start);
    let mut mails = Mbox::new(BufReader::new(input), start);
    let mut waiting = Waiting::default();
    while let Some(mail) = mails.next()? {
        let place = format!("byte {}", mail.begins);
        match mail.raw {
            Some(raw) => waiting.push(place, raw, mail.received),
            None => run.leave_out(&place, "the mail is larger than 12 MiB")?,
        }
        run.bar.set_position(mail.ends);
        if waiting.is_full() {
            waiting.send(run, &mail.ends.to_string()).await?;
        }
    }
    waiting.send(run, &mails.position.to_string()).await
}

/// A mail of an mbox file.
#[derive(Debug, PartialEq, Eq)]
struct Letter {
    /// Its first byte, and the one behind its last.
    begins: u64,
    ends: u64,
    /// None if it is too large.
    raw: Option<Vec<u8>>,
    /// As its first line says.
    received: Option<Timestamp>,
}

/// Reads an mbox file mail by mail: a mail begins with a line `From …` at the start or behind an empty
/// line; in it such lines are quoted with `>`.
struct Mbox<R> {
    input: R,
    position: u64,
    /// The first line of the next mail, with its place.
    opened: Option<(u64, Vec<u8>)>,
}

impl<R: BufRead> Mbox<R> {
    fn new(input: R, position: u64) -> Mbox<R> {
        Mbox { input, position, opened: None }
    }

    /// A line, of which no more is kept than of a mail; how long it was.
    fn line(&mut self, line: &mut Vec<u8>) -> std::io::Result<u64> {
        line.clear();
        let mut read = 0;
        loop {
            let chunk = self.input.fill_buf()?;
            let end = chunk.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = end.unwrap_or(chunk.len());
            let room = (MAIL_LIMIT + 1).saturating_sub(line.len());
            line.extend_from_slice(&chunk[..taken.min(room)]);
            self.input.consume(taken);
            read += taken as u64;
            if end.is_some() || taken == 0 {
                self.position += read;
                return Ok(read);
            }
        }
    }

    fn next(&mut self) -> std::io::Result<Option<Letter>> {
        let mut line = Vec::new();
        // What stands before the first mail is no mail.
        while self.opened.is_none() {
            let begins = self.position;
            if self.line(&mut line)? == 0 {
                return Ok(None);
            }
            if is_opening(&line) {
                self.opened = Some((begins, std::mem::take(&mut line)));
            }
        }
        let Some((begins, opening)) = self.opened.take() else { return Ok(None) };
        let mut raw = Vec::new();
        let (mut is_whole, mut is_behind_empty) = (true, false);
        loop {
            let here = self.position;
            if self.line(&mut line)? == 0 {
                break;
            }
            if is_behind_empty && is_opening(&line) {
                self.opened = Some((here, std::mem::take(&mut line)));
                break;
            }
            is_behind_empty = matches!(line.as_slice(), b"\n" | b"\r\n");
            let text = unquoted(&line);
            is_whole &= raw.len() + text.len() <= MAIL_LIMIT;
            if is_whole {
                raw.extend_from_slice(text);
            }
        }
        let ends = self.opened.as_ref().map_or(self.position, |(at, _)| *at);
        // The empty line before the next mail belongs to the file.
        if raw.ends_with(b"\n\n") {
            raw.pop();
        } else if raw.ends_with(b"\r\n\r\n") {
            raw.truncate(raw.len() - 2);
        }
        Ok(Some(Letter { begins, ends, raw: is_whole.then_some(raw), received: received_at(&opening) }))
    }
}

/// Whether a line begins a mail: it names an address or a time. In files that do not quote, a sentence may
/// begin so too.
fn is_opening(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let word: Vec<u8> = rest.iter().copied().take_while(|byte| !byte.is_ascii_whitespace()).collect();
    word.contains(&b'@') || matches!(word.as_slice(), b"-" | b"MAILER-DAEMON") || received_at(line).is_some()
}

/// A line without the quote that keeps it from being taken for the first line of a mail.
fn unquoted(line: &[u8]) -> &[u8] {
    let rest = line.iter().take_while(|byte| **byte == b'>').count();
    if 0 < rest && line[rest..].starts_with(b"From ") { &line[1..] } else { line }
}

/// When a mail was received, as the first line says: `From anna@casa.example Thu Jan  1 00:00:00 2015`.
fn received_at(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = text.split_whitespace().skip(2).collect();
    let at = words.iter().position(|word| ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(word))?;
    let date = words.get(at + 1..at + 5)?.join(" ");
    let broken = BrokenDownTime::parse("%b %d %H:%M:%S %Y", &date).ok()?;
    broken.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Brings a folder in, in the order of names. Its cursor is the last file's path in it.
pub async fn folder(run: &mut Run, folder: &Path) -> anyhow::Result<()> {
    let behind = PathBuf::from(&run.cursor);
    let mut waiting = Waiting::default();
    let (mut open, mut last) = (vec![listed(folder)?], String::new());
    while let Some(level) = open.last_mut() {
        let Some(path) = level.pop() else {
            open.pop();
            continue;
        };
        let inside = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
        // What an earlier run sent is skipped, and so are whole folders before it.
        if !behind.as_os_str().is_empty() && inside <= behind && !behind.starts_with(&inside) {
            continue;
        }
        if path.is_dir() {
            open.push(listed(&path)?);
            continue;
        }
        if inside == behind || !is_mail(&path) {
            continue;
        }
        let place = inside.to_string_lossy().replace(char::is_control, "?");
        match read(&path) {
            Ok(Some(raw)) => waiting.push(place, raw, modified(&path)),
            Ok(None) => run.leave_out(&place, "the mail is larger than 12 MiB")?,
            Err(error) => run.leave_out(&place, &format!("cannot be read: {}", error.kind()))?,
        }
        last = inside.to_string_lossy().into_owned();
        if waiting.is_full() {
            waiting.send(run, cursor(&last)).await?;
        }
    }
    waiting.send(run, cursor(&last)).await
}

/// A path that is longer than a cursor may be begins the folder anew; nothing is doubled by that.
fn cursor(path: &str) -> &str {
    if path.chars().count() <= 1_024 && !path.chars().any(char::is_control) { path } else { "" }
}

/// What is in a folder, the first name last.
fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort_by(|a, b| b.cmp(a));
    Ok(paths)
}

/// Mails are the `.eml` files, and whatever lies in a maildir's `cur` and `new`.
fn is_mail(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let is_eml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("eml"));
    is_eml || matches!(folder, "cur" | "new")
}

fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut raw = Vec::new();
    File::open(path)?.take(MAIL_LIMIT as u64 + 1).read_to_end(&mut raw)?;
    Ok((raw.len() <= MAIL_LIMIT).then_some(raw))
}

fn modified(path: &Path) -> Option<Timestamp> {
    let at = std::fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<Letter> {
        let mut mbox = Mbox::new(text.as_bytes(), 0);
        std::iter::from_fn(|| mbox.next().unwrap()).collect()
    }

    #[test]
    fn an_mbox_is_read_mail_by_mail_with_places_and_times() {
        let text = "junk\nFrom a@b.it Thu Jan  1 10:20:30 2015\nSubject: 1\n\nhello\n>From the sea\n>>From x\n\n\
                    From c@d.it Fri Feb 13 23:31:30 2015 +0100\r\nSubject: 2\r\n\r\nFrom here on\r\n";
        let found = letters(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].raw.as_deref(), Some(&b"Subject: 1\n\nhello\nFrom the sea\n>From x\n"[..]));
        assert_eq!(found[0].begins, 5);
        assert_eq!(found[0].ends, found[1].begins);
        assert_eq!(found[1].ends, text.len() as u64);
        assert_eq!(found[0].received, Some("2015-01-01T10:20:30Z".parse().unwrap()));
        assert_eq!(found[1].received, Some("2015-02-13T23:31:30Z".parse().unwrap()));
        let again: Vec<Letter> = {
            let start = found[1].begins as usize;
            let mut mbox = Mbox::new(&text.as_bytes()[start..], start as u64);
            std::iter::from_fn(|| mbox.next().unwrap()).collect()
        };
        assert_eq!(again, found[1..], "reading goes on at a mail's first byte");
    }

    #[test]
    fn a_mail_that_is_too_large_is_told_and_the_next_one_is_read() {
        let big = "x".repeat(MAIL_LIMIT + 10);
        let found = letters(&format!("From a@b Thu Jan  1 10:20:30 2015\nS: 1\n\n{big}\n\nFrom c@d\nS: 2\n\nok\n"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].raw, None);
        assert_eq!(found[1].raw.as_deref(), Some(&b"S: 2\n\nok\n"[..]));
        assert_eq!(found[1].received, None);
        assert!(letters("").is_empty());
        assert!(letters("no mail at all\n").is_empty());
    }

    #[test]
    fn mails_are_known_by_their_names_and_folders() {
        assert!(is_mail(Path::new("a/b.EML")) && is_mail(Path::new("box/cur/1500.M1:2,S")));
        assert!(!is_mail(Path::new("a/notes.txt")) && !is_mail(Path::new("box/tmp/1500")));
    }
}
