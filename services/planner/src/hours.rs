//! Classes of paid hours: by the agent's clock, and by the holidays of the place where she works.

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::activity::Session;
use super::civil;
use super::paid::{self, Part};
use super::realtime::common;

/// The night by the clock, in minutes of the day; it ends on the next one.
const NIGHT: (i32, i32) = (22 * 60, 6 * 60);

/// When work was done, by the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HourClass {
    /// By day on a weekday.
    Regular,
    /// From ten in the evening to six.
    Night,
    /// By day on a Sunday.
    Sunday,
    /// On a public holiday, at whatever hour.
    Holiday,
}

impl HourClass {
    /// Every class.
    pub const ALL: [HourClass; 4] = [HourClass::Regular, HourClass::Night, HourClass::Sunday, HourClass::Holiday];

    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            HourClass::Regular => "regular",
            HourClass::Night => "night",
            HourClass::Sunday => "sunday",
            HourClass::Holiday => "holiday",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<HourClass> {
        HourClass::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// The classes of a local day, each with its parts: a holiday goes before the night, the night before a Sunday.
pub fn of_day(day: Date, zone: &TimeZone, is_holiday: bool) -> Vec<(HourClass, Vec<(i64, i64)>)> {
    let at = |minutes| civil::instant(day, minutes, zone, civil::Gap::Forward).unwrap_or(Timestamp::MAX).as_second();
    let midnights = (civil::midnight(day, zone).as_second(), civil::midnight(civil::later(day, 1), zone).as_second());
    if is_holiday {
        return vec![(HourClass::Holiday, vec![midnights])];
    }
    let (morning, evening) = (at(NIGHT.1), at(NIGHT.0));
    let by_day = if day.weekday() == Weekday::Sunday { HourClass::Sunday } else { HourClass::Regular };
    vec![(by_day, vec![(morning, evening)]), (HourClass::Night, vec![(midnights.0, morning), (evening, midnights.1)])]
}

/// Whether an instant is at night.
pub fn is_night(at: Timestamp, zone: &TimeZone) -> bool {
    let local = zone.to_datetime(at);
    let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
    minutes < NIGHT.1 || NIGHT.0 <= minutes
}

/// Seconds that an agent handled for somebody on a day: in all, and those of them at night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handled<K> {
    /// For whom.
    pub seller: K,
    /// In all.
    pub seconds: i64,
    /// At night.
    pub night: i64,
}

/// What a day's paid time of one class comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassHours<K> {
    /// Which class.
    pub class: HourClass,
    /// Paid seconds without those that are charged to one seller.
    pub shared: i64,
    /// What they are shared by, in seconds.
    pub handled: Vec<(K, i64)>,
    /// Everybody's part, with what is charged to her.
    pub parts: Vec<Part<K>>,
}

/// Divides a day's paid time, class by class: each by what was handled in it, or by the whole day's where nothing was.
/// Sessions in it may be charged to one seller alone.
pub fn divide<K: Copy + Ord>(
    classes: &[(HourClass, Vec<(i64, i64)>)],
    paid: &[(i64, i64)],
    sessions: &[Session],
    charged: impl Fn(&Session) -> Option<K>,
    handled: &[Handled<K>],
) -> Vec<ClassHours<K>> {
    let length = |ranges: &[(i64, i64)]| -> i64 { ranges.iter().map(|(from, to)| to - from).sum() };
    let of_class = |(class, within): &(HourClass, Vec<(i64, i64)>)| {
        let worked = length(&common(paid, within));
        let alone = sessions.iter().filter_map(|session| Some((charged(session)?, (session.from, session.to))));
        let alone: Vec<(K, i64)> = alone.map(|(seller, time)| (seller, length(&common(&[time], within)))).collect();
        let shared = worked - alone.iter().map(|(_, seconds)| seconds).sum::<i64>();
        let own = |one: &Handled<K>| match class {
            HourClass::Night => one.night,
            HourClass::Holiday => one.seconds,
            HourClass::Regular | HourClass::Sunday => one.seconds - one.night,
        };
        let in_class: Vec<(K, i64)> = handled.iter().map(|one| (one.seller, own(one))).collect();
        let is_own = in_class.iter().any(|(_, seconds)| 0 < *seconds);
        let by = if is_own { in_class } else { handled.iter().map(|one| (one.seller, one.seconds)).collect() };
        let mut parts = paid::divide(shared, &by);
        if !is_own {
            // What was handled counts once, in the class in which it was.
            parts.iter_mut().for_each(|part| part.productive = 0);
        }
        let parts = paid::charge(parts, &alone);
        ClassHours { class: *class, shared: shared.max(0), handled: by, parts }
    };
    classes.iter().map(of_class).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    fn berlin() -> TimeZone {
        civil::zone("Europe/Berlin").expect("known")
    }

    #[test]
    fn every_instant_of_a_day_has_one_class_also_where_the_clocks_change() {
        for (day, hours) in [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 2), 24)] {
            for is_holiday in [false, true] {
                let classes = of_day(day, &berlin(), is_holiday);
                let mut all: Vec<(i64, i64)> = classes.iter().flat_map(|(_, ranges)| ranges.clone()).collect();
                all.sort_unstable();
                assert!(all.windows(2).all(|two| two[0].1 == two[1].0));
                assert_eq!(all[all.len() - 1].1 - all[0].0, hours * HOUR);
                for (class, ranges) in &classes {
                    for (from, to) in ranges {
                        for at in [*from, *to - 1] {
                            let at = Timestamp::from_second(at).expect("in range");
                            assert_eq!(
                                is_night(at, &berlin()),
                                *class == HourClass::Night || {
                                    let hour = berlin().to_datetime(at).hour();
                                    is_holiday && !(6..22).contains(&hour)
                                }
                            );
                        }
                    }
                }
            }
        }
        let names: Vec<HourClass> =
            of_day(date(2026, 3, 29), &berlin(), false).iter().map(|(class, _)| *class).collect();
        assert_eq!(names, [HourClass::Sunday, HourClass::Night]);
        // The night in which the clocks go forward is an hour shorter.
        let night = &of_day(date(2026, 3, 29), &berlin(), false)[1].1;
        assert_eq!(night.iter().map(|(from, to)| (to - from) / HOUR).collect::<Vec<_>>(), [5, 2]);
        assert_eq!(HourClass::ALL.map(|class| HourClass::parse(class.name())), HourClass::ALL.map(Some));
        assert_eq!(HourClass::parse("weekend"), None);
    }

    #[test]
    fn each_class_is_shared_by_what_was_handled_in_it() {
        let day = date(2026, 6, 2);
        let at = |hour: i64| civil::midnight(day, &berlin()).as_second() + hour * HOUR;
        let classes = of_day(day, &berlin(), false);
        // Six hours by day, two at night.
        let paid = [(at(16), at(24))];
        let handled =
            [Handled { seller: 'a', seconds: 3 * HOUR, night: 0 }, Handled { seller: 'b', seconds: HOUR, night: HOUR }];
        let found = divide(&classes, &paid, &[], |_| None, &handled);
        assert_eq!(found.iter().map(|of| of.class).collect::<Vec<_>>(), [HourClass::Regular, HourClass::Night]);
        assert_eq!(found[0].parts, [Part { seller: 'a', paid: 6 * HOUR, productive: 3 * HOUR }]);
        assert_eq!(found[1].parts, [Part { seller: 'b', paid: 2 * HOUR, productive: HOUR }]);
        // Nobody was handled at night: the night is shared as the day, and what was handled counts once.
        let handled = [Handled { seller: 'a', seconds: HOUR, night: 0 }];
        let found = divide(&classes, &paid, &[], |_| None, &handled);
        assert_eq!(found[1].parts, [Part { seller: 'a', paid: 2 * HOUR, productive: 0 }]);
        // On a holiday the hour does not matter.
        let found = divide(&of_day(day, &berlin(), true), &paid, &[], |_| None, &handled);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].parts, [Part { seller: 'a', paid: 8 * HOUR, productive: HOUR }]);
    }

    proptest! {
        #[test]
        fn no_second_is_lost_between_the_classes(
            from in 0_i64..20, length in 1_i64..12, handled in proptest::collection::vec((0_i64..9_000, 0_i64..9_000), 1..5),
            is_holiday: bool,
        ) {
            let day = date(2026, 6, 7);
            let start = civil::midnight(day, &berlin()).as_second();
            let paid = [(start + from * HOUR, (start + (from + length) * HOUR).min(start + 24 * HOUR))];
            let handled: Vec<Handled<usize>> = handled
                .into_iter()
                .enumerate()
                .map(|(seller, (by_day, night))| Handled { seller, seconds: by_day + night, night })
                .collect();
            let found = divide(&of_day(day, &berlin(), is_holiday), &paid, &[], |_| None, &handled);
            let told: i64 = found.iter().flat_map(|of| &of.parts).map(|part| part.paid).sum();
            let shared: i64 = found.iter().map(|of| of.shared).sum();
            prop_assert_eq!(shared, paid[0].1 - paid[0].0);
            let somebody = handled.iter().any(|one| 0 < one.seconds);
            prop_assert_eq!(told, if somebody { shared } else { 0 });
            let productive: i64 = found.iter().flat_map(|of| &of.parts).map(|part| part.productive).sum();
            prop_assert!(productive <= handled.iter().map(|one| one.seconds).sum::<i64>());
        }
    }
}
