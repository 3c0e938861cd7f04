//! Holidays from an iCalendar file (RFC 5545): whole days, one or several, once or every year. What is not a
//! whole day, or recurs in another way, is named and left out; nothing is guessed.

use std::collections::BTreeMap;

use icalendar::parser::{Component, read_calendar, unfold};
use jiff::ToSpan;
use jiff::civil::Date;

/// Bytes that a file may have.
pub const MOST_BYTES: usize = 1 << 20;
/// Events that a file may hold.
const MOST_EVENTS: usize = 5_000;
/// Days that one event may last.
const MOST_DAYS: i32 = 31;
/// A recurrence without an end is followed until the table of public holidays ends.
const LAST_YEAR: i16 = *holidays::YEARS.end();

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The name of every whole day; of two events on a day the first.
    pub days: BTreeMap<Date, String>,
    /// Events that were left out: which, from 1, and why.
    pub skipped: Vec<(usize, &'static str)>,
}

/// Why a file cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    #[error("must be an iCalendar file of at most 1 MiB in UTF-8")]
    NoCalendar,
    #[error("must hold at most 5,000 events")]
    TooMany,
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Result<Read, BadFile> {
    if MOST_BYTES < bytes.len() {
        return Err(BadFile::NoCalendar);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| BadFile::NoCalendar)?;
    let text = unfold(text.trim_start_matches('\u{feff}'));
    let calendar = read_calendar(&text).map_err(|_| BadFile::NoCalendar)?;
    let events: Vec<&Component<'_>> = calendar.components.iter().filter(|c| c.name == "VEVENT").collect();
    if MOST_EVENTS < events.len() {
        return Err(BadFile::TooMany);
    }
    let mut found = Read::default();
    for (number, event) in (1..).zip(events) {
        match days(event) {
            Ok(days) => {
                let name = name(event);
                for day in days {
                    found.days.entry(day).or_insert_with(|| name.clone());
                }
            }
            Err(why) => found.skipped.push((number, why)),
        }
    }
    Ok(found)
}

fn value<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a str> {
    event.properties.iter().find(|property| property.name == name).map(|property| property.val.as_str())
}

/// One line of at most 200 characters.
fn name(event: &Component<'_>) -> String {
    let text = value(event, "SUMMARY").unwrap_or_default().replace("\\,", ",").replace("\\;", ";").replace("\\n", " ");
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(200).collect()
}

fn days(event: &Component<'_>) -> Result<Vec<Date>, &'static str> {
    if value(event, "STATUS").is_some_and(|status| status.eq_ignore_ascii_case("cancelled")) {
        return Err("it is cancelled");
    }
    let start = value(event, "DTSTART").ok_or("it has no DTSTART")?;
    let first = whole_day(start).ok_or("it is not a whole day")?;
    let length = match value(event, "DTEND") {
        // The end is the first day after it.
        Some(end) => {
            let end = whole_day(end).ok_or("it is not a whole day")?;
            first.until(end).map_or(0, |span| span.get_days()).max(1)
        }
        None => 1,
    };
    if MOST_DAYS < length {
        return Err("it lasts longer than 31 days");
    }
    let firsts = match value(event, "RRULE") {
        Some(rule) => every_year(first, rule)?,
        None => vec![first],
    };
    let without: Vec<Date> = event
        .properties
        .iter()
        .filter(|property| property.name == "EXDATE")
        .flat_map(|property| property.val.as_str().split(',').filter_map(whole_day).collect::<Vec<_>>())
        .collect();
    let mut days = Vec::new();
    for first in firsts.into_iter().filter(|first| !without.contains(first)) {
        for offset in 0..length {
            days.extend(first.checked_add(offset.days()).ok().filter(usable));
        }
    }
    Ok(days)
}

fn usable(date: &Date) -> bool {
    (1990..=2100).contains(&date.year())
}

/// `20261224`; what has a time is no whole day.
fn whole_day(text: &str) -> Option<Date> {
    let text = text.trim();
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |part: &str| part.parse::<i16>().ok();
    let (year, month, day) = (number(&text[..4])?, number(&text[4..6])?, number(&text[6..])?);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().filter(usable)
}

/// The first days of an event that recurs on its date in every n-th year.
fn every_year(first: Date, rule: &str) -> Result<Vec<Date>, &'static str> {
    const OTHER: &str = "it recurs in another way than on its date every year";
    let (mut yearly, mut interval, mut count, mut until) = (false, 1_i16, usize::MAX, None);
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (key, text) = part.split_once('=').ok_or(OTHER)?;
        match key {
            "FREQ" => yearly = text == "YEARLY",
            "INTERVAL" => interval = text.parse().ok().filter(|years| (1..=100).contains(years)).ok_or(OTHER)?,
            "COUNT" => count = text.parse().map_err(|_| OTHER)?,
            "UNTIL" => until = Some(text.get(..8).and_then(whole_day).ok_or(OTHER)?),
            "BYMONTH" if text.parse() == Ok(first.month()) => {}
            "BYMONTHDAY" if text.parse() == Ok(first.day()) => {}
            "WKST" => {}
            _ => return Err(OTHER),
        }
    }
    if !yearly {
        return Err(OTHER);
    }
    let years = (first.year()..=LAST_YEAR.max(first.year())).step_by(usize::from(interval.unsigned_abs()));
    // A date that a year does not have, the 29th of February, is left out (RFC 5545, 3.3.10).
    let dates = years.filter_map(|year| Date::new(year, first.month(), first.day()).ok()).take(count);
    Ok(dates.take_while(|date| until.is_none_or(|until| *date <= until)).collect())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn file(events: &[&str]) -> String {
        let events: String = events
            .iter()
            .map(|event| format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", event.replace('\n', "\r\n")))
            .collect();
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{events}END:VCALENDAR\r\n")
    }

    fn days_of(event: &str) -> Vec<String> {
        let read = read(file(&[event]).as_bytes()).expect("a calendar");
        assert!(read.skipped.is_empty(), "{:?}", read.skipped);
        read.days.keys().map(Date::to_string).collect()
    }

    #[test]
    fn whole_days_are_read_one_or_several() {
        assert_eq!(days_of("DTSTART;VALUE=DATE:20261224\nSUMMARY:Heiligabend"), ["2026-12-24"]);
        assert_eq!(
            days_of("DTSTART;VALUE=DATE:20261230\nDTEND;VALUE=DATE:20270102"),
            ["2026-12-30", "2026-12-31", "2027-01-01"]
        );
        let read = read(file(&["DTSTART;VALUE=DATE:20261224\nSUMMARY:Christmas\\, the\n  eve"]).as_bytes()).unwrap();
        assert_eq!(read.days[&date(2026, 12, 24)], "Christmas, the eve", "folded and escaped");
    }

    #[test]
    fn what_comes_every_year_comes_until_the_table_ends() {
        let all = days_of("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY");
        assert_eq!(all, ["2024-02-29", "2028-02-29", "2032-02-29"]);
        let some = days_of("DTSTART;VALUE=DATE:20250506\nRRULE:FREQ=YEARLY;COUNT=3\nEXDATE;VALUE=DATE:20260506");
        assert_eq!(some, ["2025-05-06", "2027-05-06"]);
        let until = days_of("DTSTART;VALUE=DATE:20250506\nRRULE:FREQ=YEARLY;INTERVAL=2;UNTIL=20280101T000000Z");
        assert_eq!(until, ["2025-05-06", "2027-05-06"]);
    }

    #[test]
    fn what_is_no_holiday_is_named_and_left_out() {
        let text = file(&[
            "DTSTART:20261224T120000Z",
            "DTSTART;VALUE=DATE:20261224\nSTATUS:CANCELLED",
            "SUMMARY:nothing",
            "DTSTART;VALUE=DATE:20261224\nRRULE:FREQ=WEEKLY",
            "DTSTART;VALUE=DATE:20261224\nRRULE:FREQ=YEARLY;BYDAY=1MO",
            "DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260301",
            "DTSTART;VALUE=DATE:16010101",
        ]);
        let read = read(text.as_bytes()).unwrap();
        assert!(read.days.is_empty());
        assert_eq!(read.skipped.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(super::read(b"no calendar at all"), Err(BadFile::NoCalendar));
        assert_eq!(super::read(&[0xff; 40]), Err(BadFile::NoCalendar));
        assert_eq!(super::read(&vec![b' '; MOST_BYTES + 1]), Err(BadFile::NoCalendar));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(event in "(?s).{0,200}", rule in "[A-Z=;0-9]{0,30}", day in 0u32..99_999_999) {
            let _ = read(event.as_bytes());
            let _ = read(file(&[&event]).as_bytes());
            let _ = read(file(&[&format!("DTSTART;VALUE=DATE:{day:08}\nRRULE:FREQ=YEARLY;{rule}")]).as_bytes());
        }
    }
}
