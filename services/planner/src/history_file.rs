//! History from before the platform, read from the lines of a file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Lines of one piece at most.
pub const MOST_LINES: usize = 50_000;
const HALF_HOUR: i64 = 1_800;
const MOST_CONTACTS: i64 = 10_000_000;
/// From 1990 to 2100.
const YEARS: std::ops::Range<i64> = 631_152_000..4_102_444_800;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// Contacts that came in.
    pub offered: i64,
    /// Mean handling seconds, if known.
    pub handle_seconds: Option<f64>,
}

/// Half hours by start, language and channel.
pub type Rows = BTreeMap<(Timestamp, String, String), Told>;

/// A file's columns: where in a line each figure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    start: usize,
    language: usize,
    channel: usize,
    contacts: usize,
    handle_seconds: Option<usize>,
}

impl Columns {
    /// Finds the columns by their names, in any order and case; the missing one's name otherwise.
    pub fn find<'a>(names: impl Iterator<Item = &'a str>) -> Result<Columns, &'static str> {
        let names: Vec<String> =
            names.map(|name| name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase()).collect();
        let place = |wanted: &'static str| names.iter().position(|name| name == wanted).ok_or(wanted);
        Ok(Columns {
            start: place("start")?,
            language: place("language")?,
            channel: place("channel")?,
            contacts: place("contacts")?,
            handle_seconds: place("handle_seconds").ok(),
        })
    }

    /// Reads a line; what is wrong with it otherwise.
    pub fn read<'a>(
        &self,
        cell: impl Fn(usize) -> Option<&'a str>,
        zone: &TimeZone,
    ) -> Result<((Timestamp, String, String), Told), &'static str> {
        let text = |place: usize| cell(place).map(str::trim).filter(|text| !text.is_empty());
        let start = instant(text(self.start).ok_or("start is missing")?, zone)?;
        let language = text(self.language).ok_or("language is missing")?;
        if !is_language(language) {
            return Err("language is not a BCP 47 tag such as it or pt-BR");
        }
        let channel = text(self.channel).ok_or("channel is missing")?;
        if 40 < channel.chars().count() || channel.chars().any(char::is_control) {
            return Err("channel is not 1 to 40 characters");
        }
        let offered: i64 =
            text(self.contacts).ok_or("contacts is missing")?.parse().map_err(|_| "contacts is not a whole number")?;
        if !(0..=MOST_CONTACTS).contains(&offered) {
            return Err("contacts is not 0 to 10000000");
        }
        let handle_seconds = match self.handle_seconds.and_then(text) {
            None => None,
            Some(text) => {
                let seconds: f64 = text.parse().map_err(|_| "handle_seconds is not a number")?;
                if !(0.0 < seconds && seconds <= 86_400.0) {
                    return Err("handle_seconds is not above 0 and at most 86400");
                }
                Some(seconds)
            }
        };
        Ok(((start, language.to_owned(), channel.to_owned()), Told { offered, handle_seconds }))
    }

    /// The second of the two half hours that a line's civil time names when the clocks go back; none where it names one.
    pub fn second<'a>(&self, cell: impl Fn(usize) -> Option<&'a str>, zone: &TimeZone) -> Option<Timestamp> {
        let text = cell(self.start)?.trim();
        let civil: DateTime = text.parse::<Timestamp>().err().and_then(|_| text.parse().ok())?;
        let ambiguous = zone.to_ambiguous_timestamp(civil);
        if matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. }) { ambiguous.later().ok() } else { None }
    }
}

fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, &'static str> {
    let wrong = "start is not an instant or YYYY-MM-DD HH:MM";
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| wrong)?;
            let ambiguous = zone.to_ambiguous_timestamp(civil);
            if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
                return Err("start is a time that the clocks skip in the zone");
            }
            ambiguous.compatible().map_err(|_| wrong)?
        }
    };
    if !YEARS.contains(&at.as_second()) {
        return Err("start is not between 1990 and 2100");
    }
    if at.as_second() % HALF_HOUR != 0 || at.subsec_nanosecond() != 0 {
        return Err("start is not the start of a half hour");
    }
    Ok(at)
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let head = parts.next().unwrap_or_default();
    (2..=3).contains(&head.len())
        && head.bytes().all(|b| b.is_ascii_lowercase())
        && tag.len() <= 35
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::civil;

    fn read(line: &str) -> Result<((Timestamp, String, String), Told), &'static str> {
        let columns = Columns::find("start,language,channel,contacts,handle_seconds".split(',')).expect("all there");
        let cells: Vec<&str> = line.split(',').collect();
        columns.read(|place| cells.get(place).copied(), &civil::zone("Europe/Rome").expect("known"))
    }

    #[test]
    fn columns_are_found_by_name() {
        let found = Columns::find("\u{feff}Contacts; CHANNEL;x;language;start".split(';')).expect("all there");
        assert_eq!((found.contacts, found.channel, found.language, found.start), (0, 1, 3, 4));
        assert_eq!(found.handle_seconds, None);
        assert_eq!(Columns::find(["start", "language"].into_iter()), Err("channel"));
    }

    #[test]
    fn lines_are_read_or_refused_with_the_reason() {
        let ((start, language, channel), told) = read("2026-01-05 10:30,it,email,12,300.5").expect("good");
        assert_eq!(
            (start.to_string().as_str(), language.as_str(), channel.as_str()),
            ("2026-01-05T09:30:00Z", "it", "email")
        );
        assert_eq!(told, Told { offered: 12, handle_seconds: Some(300.5) });
        assert_eq!(read("2026-01-05T10:30:00+01:00,pt-BR,chat,0,").expect("good").0.0, start);
        // Of an hour that comes twice the first is meant, and then the second.
        assert_eq!(read("2026-10-25 02:30,it,email,1,").expect("good").0.0.to_string(), "2026-10-25T00:30:00Z");
        let columns = Columns::find("start,language,channel,contacts".split(',')).expect("all there");
        let second = |start| columns.second(|_| Some(start), &civil::zone("Europe/Rome").expect("known"));
        assert_eq!(second("2026-10-25 02:30").map(|at| at.to_string()).as_deref(), Some("2026-10-25T01:30:00Z"));
        assert_eq!([second("2026-10-25T02:30:00+02:00"), second("2026-10-25 03:00"), second("x")], [None; 3]);
        for (line, problem) in [
            ("2026-01-05 10:15,it,email,1,", "start is not the start of a half hour"),
            ("2026-03-29 02:30,it,email,1,", "start is a time that the clocks skip in the zone"),
            ("yesterday,it,email,1,", "start is not an instant or YYYY-MM-DD HH:MM"),
            ("0001-01-05 10:30,it,email,1,", "start is not between 1990 and 2100"),
            ("2026-01-05 10:30,Italian!,email,1,", "language is not a BCP 47 tag such as it or pt-BR"),
            ("2026-01-05 10:30,it,,1,", "channel is missing"),
            ("2026-01-05 10:30,it,email,-1,", "contacts is not 0 to 10000000"),
            ("2026-01-05 10:30,it,email,1.5,", "contacts is not a whole number"),
            ("2026-01-05 10:30,it,email,1,NaN", "handle_seconds is not above 0 and at most 86400"),
            ("2026-01-05 10:30,it", "channel is missing"),
        ] {
            assert_eq!(read(line), Err(problem), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".{0,80}") {
            let _ = read(&line);
        }
    }
}
