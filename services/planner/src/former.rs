//! A former schedule as the start of a new one: its shifts laid on the new days by the clock on the wall, some of them to
//! stay, and how much the new one differs.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::UserId;

use super::agent::Duty;
use super::change::differences;
use super::civil::{self, Gap};

/// A shift of the former schedule.
#[derive(Debug, Clone)]
pub struct Former {
    /// Whose.
    pub user: UserId,
    /// On which day.
    pub day: Date,
    /// Its zone.
    pub zone: TimeZone,
    /// When.
    pub duty: Duty,
    /// Whether it must stay as it is.
    pub stays: bool,
}

/// Shifts by agent.
pub type ByUser = BTreeMap<UserId, Vec<Duty>>;

/// The former shifts on the days of the new schedule, and those of them that must stay. A former schedule that is shorter
/// begins anew; what the clocks skip on a new day is left out.
pub fn laid(former: &[Former], (old, old_days): (Date, i64), (new, new_days): (Date, i64)) -> (ByUser, ByUser) {
    let (mut all, mut stay) = (ByUser::new(), ByUser::new());
    for one in former {
        let offset = i64::from(old.until(one.day).map_or(-1, |span| span.get_days()));
        if offset < 0 || old_days <= offset {
            continue;
        }
        for at in (offset..new_days).step_by(usize::try_from(old_days.max(1)).unwrap_or(1)) {
            let Some(duty) = moved(&one.duty, &one.zone, one.day, civil::later(new, at)) else { continue };
            if one.stays {
                stay.entry(one.user).or_default().push(duty.clone());
            }
            all.entry(one.user).or_default().push(duty);
        }
    }
    for duties in all.values_mut().chain(stay.values_mut()) {
        duties.sort_by_key(|duty| duty.start);
    }
    (all, stay)
}

/// The same shift by the clock on another day; none where the clocks skip an edge of it.
fn moved(duty: &Duty, zone: &TimeZone, from: Date, to: Date) -> Option<Duty> {
    if from == to {
        return Some(duty.clone());
    }
    let at = |second: i64| {
        let local = zone.to_datetime(jiff::Timestamp::from_second(second).ok()?);
        let days = from.until(local.date()).ok()?.get_days();
        let minutes = days * 1_440 + i32::from(local.hour()) * 60 + i32::from(local.minute());
        civil::instant(to, minutes, zone, Gap::Refuse).map(|at| at.as_second())
    };
    let all = |ranges: &[(i64, i64)]| ranges.iter().map(|(start, end)| at(*start).zip(at(*end))).collect::<Option<_>>();
    let moved = Duty {
        start: at(duty.start)?,
        end: at(duty.end)?,
        breaks: all(&duty.breaks)?,
        paid_breaks: all(&duty.paid_breaks)?,
        // What was attended then is not attended again.
        activities: Vec::new(),
    };
    (moved.start < moved.end).then_some(moved)
}

/// How a schedule differs from the one it began with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Shifts that are the same.
    pub kept: i32,
    /// On the same day of the same agent, at another time or with another break.
    pub moved: i32,
    /// On a day without one before, and the other way round.
    pub added: i32,
    /// Gone.
    pub removed: i32,
    /// Seconds inside shifts, breaks included, that were outside them before.
    pub seconds: i64,
}

/// Compares rosters by agent and day.
pub fn compare(before: &BTreeMap<(UserId, Date), Duty>, after: &BTreeMap<(UserId, Date), Duty>) -> Comparison {
    let mut found = Comparison::default();
    for one in differences(before, after) {
        match (&one.before, &one.after) {
            (Some(_), None) => found.removed += 1,
            (None, Some(after)) => {
                found.added += 1;
                found.seconds += after.end - after.start;
            }
            (Some(before), Some(after)) => {
                found.moved += 1;
                let same = (before.end.min(after.end) - before.start.max(after.start)).max(0);
                found.seconds += after.end - after.start - same;
            }
            (None, None) => {}
        }
    }
    found.kept = i32::try_from(after.len()).unwrap_or(i32::MAX) - found.moved - found.added;
    found
}

#[cfg(test)]
mod tests {
    use kit::ids::Uuid;
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    fn berlin() -> TimeZone {
        civil::zone("Europe/Berlin").expect("known")
    }

    fn shift(day: &str, from: i32, to: i32, stays: bool) -> Former {
        let day = civil::day(day).expect("a day");
        let at = |minutes| civil::instant(day, minutes, &berlin(), Gap::Refuse).expect("exists").as_second();
        let duty =
            Duty { start: at(from), end: at(to), breaks: vec![(at(from + 180), at(from + 210))], ..Duty::default() };
        Former { user: user(1), day, zone: berlin(), duty, stays }
    }

    #[test]
    fn shifts_keep_their_clock_times_over_the_change_of_clocks_and_begin_anew() {
        let old = (civil::day("2026-03-16").expect("a day"), 7);
        let new = (civil::day("2026-03-23").expect("a day"), 14);
        let sunday_night = shift("2026-03-22", 0, 480, true);
        let in_the_gap = shift("2026-03-22", 150, 600, false);
        let monday = shift("2026-03-16", 540, 1_020, false);
        let (all, stay) = laid(&[sunday_night, in_the_gap, monday], old, new);
        let starts: Vec<String> = all[&user(1)]
            .iter()
            .map(|duty| berlin().to_datetime(jiff::Timestamp::from_second(duty.start).expect("in range")).to_string())
            .collect();
        // Half past two does not exist on the 29th; the other shift of that night is an hour shorter.
        let expected = [
            "2026-03-23T09:00:00",
            "2026-03-29T00:00:00",
            "2026-03-30T09:00:00",
            "2026-04-05T00:00:00",
            "2026-04-05T02:30:00",
        ];
        assert_eq!(starts, expected);
        let lengths: Vec<i64> = stay[&user(1)].iter().map(|duty| (duty.end - duty.start) / HOUR).collect();
        assert_eq!(lengths, [7, 8]);
    }

    proptest! {
        #[test]
        fn a_comparison_counts_every_shift_once(
            before in proptest::collection::btree_map(0_i64..14, 0_i64..6, 0..10),
            after in proptest::collection::btree_map(0_i64..14, 0_i64..6, 0..10),
        ) {
            let first = civil::day("2026-06-01").expect("a day");
            let lay = |map: &BTreeMap<i64, i64>| -> BTreeMap<(UserId, Date), Duty> {
                let duty = |day: &i64, at: &i64| {
                    let start = day * 24 * HOUR + at * HOUR;
                    Duty { start, end: start + 4 * HOUR, ..Duty::default() }
                };
                map.iter().map(|(day, at)| ((user(1), civil::later(first, *day)), duty(day, at))).collect()
            };
            let (before, after) = (lay(&before), lay(&after));
            let found = compare(&before, &after);
            prop_assert_eq!(found.kept + found.moved + found.added, after.len() as i32);
            prop_assert_eq!(found.kept + found.moved + found.removed, before.len() as i32);
            prop_assert!(0 <= found.seconds && found.seconds <= after.len() as i64 * 4 * HOUR);
            prop_assert_eq!(found.seconds == 0, found.moved + found.added == 0);
        }
    }
}
