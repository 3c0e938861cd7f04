//! A site's opening hours: civil times in its zone, told to the engine as instants.

use std::collections::BTreeSet;

use engine::ids::At;
use engine::site::SiteHours;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Most openings of a week.
pub const OPENINGS_MAX: usize = 64;
/// Most days on which a site is closed.
pub const CLOSED_DAYS_MAX: usize = 1_000;
/// Minutes of a day.
pub const DAY_MINUTES: i32 = 1_440;
/// Days ahead for which the engine is told: it is told anew every day.
const AHEAD_DAYS: i64 = 10;

/// One opening of every week, from the start of the first minute to the end of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// 1 = Monday … 7 = Sunday.
    pub weekday: i8,
    /// Minutes after midnight of that day, 0 to 1,439.
    pub start: i32,
    /// Minutes after the same midnight, after the start and at most 2,880: past midnight.
    pub end: i32,
}

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name, as in agents' profiles.
    pub name: String,
    /// IANA name.
    pub zone: String,
    /// Its week. An opening that begins on a closed day falls out whole.
    pub openings: Vec<Opening>,
    /// Civil days on which it does not open.
    pub closed: BTreeSet<Date>,
    /// Rises with every change, from 1.
    pub version: i64,
}

impl Site {
    /// When it is open, from a day before `now` until some days after it. A time
    /// that the clocks skip moves forward, one that happens twice is the first of both.
    #[must_use]
    pub fn hours(&self, now: Timestamp) -> SiteHours {
        let zone = TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC);
        let today = now.to_zoned(zone.clone()).date();
        let days = (-2..=AHEAD_DAYS).filter_map(|days| today.checked_add(days.days()).ok());
        let mut open: Vec<(At, At)> = days
            .filter(|day| !self.closed.contains(day))
            .flat_map(|day| {
                let of_day = self.openings.iter().filter(move |o| o.weekday == day.weekday().to_monday_one_offset());
                let zone = zone.clone();
                of_day.filter_map(move |o| Some((instant(day, o.start, &zone)?, instant(day, o.end, &zone)?)))
            })
            .filter(|(start, end)| start < end)
            .collect();
        open.sort_unstable();
        SiteHours { site: self.name.clone(), open: joined(open) }
    }
}

/// The instant of minutes after the midnight of a day, past midnight on the next one.
fn instant(day: Date, minutes: i32, zone: &TimeZone) -> Option<At> {
    let day = day.checked_add(i64::from(minutes / DAY_MINUTES).days()).ok()?;
    let minutes = minutes % DAY_MINUTES;
    let civil = day.at(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0);
    zone.to_ambiguous_timestamp(civil).compatible().ok().map(At::of)
}

/// Hours that touch or overlap become one.
fn joined(open: Vec<(At, At)>) -> Vec<(At, At)> {
    let mut whole: Vec<(At, At)> = Vec::with_capacity(open.len());
    for (start, end) in open {
        match whole.last_mut() {
            Some((_, last)) if start <= *last => *last = (*last).max(end),
            _ => whole.push((start, end)),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn site(zone: &str, openings: &[(i8, i32, i32)]) -> Site {
        Site {
            name: "lisbon".to_owned(),
            zone: zone.to_owned(),
            openings: openings
                .iter()
                .map(|(weekday, start, end)| Opening { weekday: *weekday, start: *start, end: *end })
                .collect(),
            closed: BTreeSet::new(),
            version: 1,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn hours(site: &Site, now: &str) -> Vec<(String, String)> {
        let text = |at: At| Timestamp::from_microsecond(at.0).expect("an instant").to_string();
        site.hours(at(now)).open.into_iter().map(|(from, to)| (text(from), text(to))).collect()
    }

    #[test]
    fn civil_hours_become_instants_across_a_clock_change() {
        // 2026-10-25 is the Sunday on which Lisbon goes from +01:00 to +00:00
        let both = site("Europe/Lisbon", &[(6, 9 * 60, 17 * 60), (1, 9 * 60, 17 * 60)]);
        let found = hours(&both, "2026-10-24T12:00:00Z");
        assert!(found.contains(&("2026-10-24T08:00:00Z".into(), "2026-10-24T16:00:00Z".into())), "{found:?}");
        assert!(found.contains(&("2026-10-26T09:00:00Z".into(), "2026-10-26T17:00:00Z".into())), "{found:?}");
    }

    #[test]
    fn a_night_across_the_clock_change_has_its_true_length_and_days_off_fall_out() {
        let mut night = site("Europe/Lisbon", &[(6, 22 * 60, 30 * 60)]);
        let found = hours(&night, "2026-10-24T12:00:00Z");
        assert_eq!(found[0], ("2026-10-24T21:00:00Z".into(), "2026-10-25T06:00:00Z".into()), "nine hours");
        night.closed.insert("2026-10-24".parse().expect("a day"));
        assert!(!hours(&night, "2026-10-24T12:00:00Z").contains(&found[0]));
    }

    #[test]
    fn around_the_clock_is_one_stretch_and_never_is_none() {
        let always: Vec<(i8, i32, i32)> = (1..=7).map(|day| (day, 0, DAY_MINUTES)).collect();
        assert_eq!(hours(&site("Asia/Manila", &always), "2026-10-24T12:00:00Z").len(), 1);
        assert_eq!(hours(&site("Asia/Manila", &[]), "2026-10-24T12:00:00Z"), []);
    }

    proptest! {
        #[test]
        fn hours_ascend_and_lie_apart(
            openings in prop::collection::vec((1_i8..=7, 0_i32..DAY_MINUTES, 1_i32..=DAY_MINUTES), 0..20),
            zone in prop::sample::select(vec!["Europe/Lisbon", "America/New_York", "Asia/Manila", "Australia/Lord_Howe"]),
            days in 0_i64..400,
        ) {
            let openings: Vec<(i8, i32, i32)> = openings.into_iter().map(|(day, start, length)| (day, start, start + length)).collect();
            let now = at("2026-01-01T00:00:00Z").checked_add((days * 24).hours()).expect("an instant");
            let open = site(zone, &openings).hours(now).open;
            prop_assert!(open.iter().all(|(from, to)| from < to));
            prop_assert!(open.windows(2).all(|two| two[0].1 < two[1].0), "{open:?}");
        }
    }
}
