//! Shifts as files: a calendar (RFC 5545) and a table (RFC 4180).

use icalendar::{Calendar, Component, Event, Property};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::agent::Duty;
use super::civil;
use super::record::Shift;

/// Columns of the table.
const COLUMNS: [&str; 16] = [
    "user_id",
    "name",
    "day",
    "zone",
    "local_start",
    "local_end",
    "start_utc",
    "end_utc",
    "break_start_utc",
    "break_end_utc",
    "work_seconds",
    "paid_break_start_utc",
    "paid_break_end_utc",
    "activity",
    "activity_start_utc",
    "activity_end_utc",
];

/// Shifts as a calendar: instants in UTC, one event a shift with an id that stays, breaks in its text. `name` says
/// whose shift it is, where more than one person's are shown.
pub fn calendar<'a>(title: &str, shifts: impl Iterator<Item = (&'a Shift, Option<&'a str>)>, now: Timestamp) -> String {
    let mut calendar = Calendar::new();
    calendar.append_property(Property::new("PRODID", "-//Manydesk//Workforce//EN"));
    calendar.name(title);
    for (shift, name) in shifts {
        let mut event = Event::new();
        event.add_property("UID", format!("{}@manydesk", shift.id));
        event.add_property("DTSTAMP", instant(now));
        event.add_property("DTSTART", instant(second(shift.duty.start)));
        event.add_property("DTEND", instant(second(shift.duty.end)));
        event.add_property("SUMMARY", name.map_or_else(|| "Shift".to_owned(), |name| format!("Shift of {name}")));
        let breaks: Vec<String> = shift
            .duty
            .breaks
            .iter()
            .chain(&shift.duty.paid_breaks)
            .map(|(from, to)| format!("Break {}-{} ({})", clock(shift, *from), clock(shift, *to), shift.zone))
            .collect();
        let sessions = shift.duty.activities.iter().map(|session| {
            let (from, to) = (clock(shift, session.from), clock(shift, session.to));
            format!("{} {from}-{to} ({})", session.title, shift.zone)
        });
        let inside: Vec<String> = breaks.into_iter().chain(sessions).collect();
        if !inside.is_empty() {
            event.add_property("DESCRIPTION", inside.join("\n"));
        }
        calendar.push(event.done());
    }
    calendar.to_string()
}

/// Shifts as a table with a head.
pub fn table<'a>(shifts: impl Iterator<Item = (&'a Shift, &'a str)>, with_head: bool) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_head {
        writer.write_record(COLUMNS)?;
    }
    for (shift, name) in shifts {
        let utc = |at: i64| second(at).to_string();
        // Several breaks share a cell.
        let starts = |ranges: &[(i64, i64)]| ranges.iter().map(|range| utc(range.0)).collect::<Vec<_>>().join(";");
        let ends = |ranges: &[(i64, i64)]| ranges.iter().map(|range| utc(range.1)).collect::<Vec<_>>().join(";");
        let Duty { breaks, paid_breaks, activities, .. } = &shift.duty;
        let titles: Vec<&str> = activities.iter().map(|session| &*session.title).collect();
        let sessions: Vec<(i64, i64)> = activities.iter().map(|session| (session.from, session.to)).collect();
        writer.write_record([
            shift.user.to_string(),
            safe(name),
            shift.day.to_string(),
            shift.zone.clone(),
            clock(shift, shift.duty.start),
            clock(shift, shift.duty.end),
            utc(shift.duty.start),
            utc(shift.duty.end),
            starts(breaks),
            ends(breaks),
            shift.duty.work().to_string(),
            starts(paid_breaks),
            ends(paid_breaks),
            safe(&titles.join(";")),
            starts(&sessions),
            ends(&sessions),
        ])?;
    }
    writer.into_inner().map_err(|failed| csv::Error::from(failed.into_error()))
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap_or(Timestamp::MAX)
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn clock(shift: &Shift, at: i64) -> String {
    let civil = civil::zone(&shift.zone).unwrap_or(TimeZone::UTC).to_datetime(second(at));
    format!("{:02}:{:02}", civil.hour(), civil.minute())
}

/// A word as a spreadsheet leaves it alone.
fn safe(word: &str) -> String {
    match word.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{word}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use icalendar::parser::{read_calendar, unfold};
    use kit::UserId;
    use kit::ids::Uuid;

    use super::*;
    use crate::record::{ScheduleId, ShiftId};

    /// The night in which the clocks of Lisbon go forward: seven hours long.
    fn night() -> Shift {
        let start = "2026-03-28T22:00:00Z".parse::<Timestamp>().expect("an instant").as_second();
        Shift {
            id: ShiftId(Uuid::from_u128(1)),
            schedule: ScheduleId(Uuid::from_u128(2)),
            user: UserId(Uuid::from_u128(3)),
            day: civil::day("2026-03-28").expect("a day"),
            zone: "Europe/Lisbon".into(),
            duty: Duty {
                start,
                end: start + 7 * 3_600,
                breaks: vec![(start + 10_800, start + 12_600)],
                paid_breaks: vec![(start + 3_600, start + 4_500), (start + 18_000, start + 18_900)],
                ..Duty::default()
            },
        }
    }

    #[test]
    fn a_calendar_is_read_back_with_true_instants_and_no_line_too_long() {
        let shift = night();
        let name =
            "Ada, Augusta; Countess of a name that is so long that no line of a calendar could ever hold it whole";
        let now = Timestamp::from_second(1_767_571_200).expect("in range");
        let text = calendar("Shifts", [(&shift, Some(name))].into_iter(), now);
        assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
        let unfolded = unfold(&text);
        let read = read_calendar(&unfolded).expect("a calendar");
        let event = read.components.iter().find(|one| one.name == "VEVENT").expect("an event");
        let of = |key: &str| event.find_prop(key).expect("there").val.to_string();
        assert_eq!(
            [of("DTSTART"), of("DTEND"), of("DTSTAMP")],
            ["20260328T220000Z", "20260329T050000Z", "20260105T000000Z"]
        );
        assert!(text.contains("Ada\\, Augusta\\; Countess"), "{text}");
        assert!(of("UID").starts_with("shift_") && of("SUMMARY").ends_with(name), "{}", of("SUMMARY"));
        // The break begins as the clocks go from one to two.
        assert!(of("DESCRIPTION").contains("02:00-02:30 (Europe/Lisbon)"), "{}", of("DESCRIPTION"));
        assert!(calendar("None", std::iter::empty(), now).contains("END:VCALENDAR"));
    }

    #[test]
    fn a_table_is_read_back_and_holds_no_formula() {
        let shift = night();
        let bytes = table([(&shift, "=cmd(\"x\"), Ada")].into_iter(), true).expect("written");
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let head = reader.headers().expect("a head").clone();
        let row = reader.records().next().expect("a row").expect("read");
        let of =
            |name: &str| row.get(head.iter().position(|column| column == name).expect("a column")).expect("a cell");
        assert_eq!(of("break_start_utc"), "2026-03-29T01:00:00Z");
        assert_eq!(of("paid_break_start_utc"), "2026-03-28T23:00:00Z;2026-03-29T03:00:00Z");
        assert_eq!(of("paid_break_end_utc"), "2026-03-28T23:15:00Z;2026-03-29T03:15:00Z");
        assert_eq!((of("name"), of("local_start"), of("local_end")), ("'=cmd(\"x\"), Ada", "22:00", "06:00"));
        assert_eq!((of("start_utc"), of("work_seconds")), ("2026-03-28T22:00:00Z", "23400"));
    }
}
