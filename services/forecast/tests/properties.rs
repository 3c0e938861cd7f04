//! What holds of every series.

mod support;

use forecast::{Absent, Calendar, Effect, Event, Holiday, forecast};
use proptest::prelude::*;
use support::{Chance, ask, day, history, later, midnight, next, office};

/// A series of a random shape: hours, level, weekend, noise, a trend, holes.
fn any_history() -> impl Strategy<Value = forecast::History> {
    let zones =
        prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC"]);
    (any::<u64>(), zones, 1_i64..80, 0.01_f64..3_000.0, 0.0_f64..0.5, 0_i64..360, any::<bool>()).prop_map(
        |(seed, zone, days, volume, noise, start, missing)| {
            let mut chance = Chance(seed);
            let wobble: Vec<f64> = (0..days).map(|_| (noise * chance.normal()).exp()).collect();
            let first = later(day("2025-01-01"), start);
            let weekend = chance.uniform();
            let counts: Vec<f64> = (0..days * 50).map(|_| chance.uniform()).collect();
            let mut history = history(zone, first, days, |date, minute| {
                let index = (date - first).get_days() as usize;
                let monday = later(date, -i64::from(date.weekday().to_monday_zero_offset()));
                let share = if 5 <= date.weekday().to_monday_zero_offset() {
                    weekend * office(monday, minute)
                } else {
                    office(date, minute)
                };
                let count = (volume * wobble[index] * share + counts[index * 48 + (minute / 30) as usize] - 0.5)
                    .round()
                    .max(0.0);
                (!missing || 0.1 < counts[index * 48 + (minute / 30) as usize]).then_some(count)
            });
            if missing {
                history.absent = Absent::Missing;
            }
            history
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forecasts_are_finite_not_negative_and_within_their_ranges(history in any_history(), days in 1_u32..60) {
        prop_assume!(!history.points.is_empty());
        let answer = next(&history, days);
        for interval in &answer.intervals {
            prop_assert!(interval.contacts.is_finite() && 0.0 <= interval.contacts);
            let (low, high) = interval.ranges[0];
            prop_assert!(low.is_finite() && high.is_finite() && 0.0 <= low && low <= high);
            prop_assert!(interval.contacts == 0.0 || (low <= interval.contacts + 1.0 && interval.contacts <= high + 1.0));
        }
        prop_assert!(answer.intervals.windows(2).all(|pair| pair[0].start < pair[1].start));
        let end = midnight(&history.zone, later(ask(&history, days).first, i64::from(days)));
        let last = answer.intervals.last().expect("intervals").start;
        prop_assert_eq!(end.as_second() - last.as_second(), 1_800);
        let weights: f64 = answer.report.methods.iter().map(|method| method.1).sum();
        prop_assert!((weights - 1.0).abs() < 1e-9);
        for power in &answer.damping.powers {
            prop_assert!((0.0..=1.0).contains(power));
        }
    }

    #[test]
    fn the_same_history_gives_the_same_forecast_in_any_order_of_points(history in any_history()) {
        prop_assume!(!history.points.is_empty());
        let mut turned = history.clone();
        turned.points.reverse();
        prop_assert_eq!(next(&history, 7), next(&turned, 7));
    }

    #[test]
    fn ten_times_the_contacts_are_ten_times_the_forecast(seed in any::<u64>(), times in 2.0_f64..50.0, weeks in 2_i64..14) {
        let mut chance = Chance(seed);
        let wobble: Vec<f64> = (0..7 * weeks).map(|_| (0.1 * chance.normal()).exp()).collect();
        let first = day("2025-01-06");
        // Busy enough that nothing of it is a rarity.
        let made = |times: f64| {
            let history = history("Europe/Berlin", first, 7 * weeks, |date, minute| {
                Some(times * 4_000.0 * wobble[(date - first).get_days() as usize] * office(date, minute))
            });
            next(&history, 7).intervals
        };
        for (one, many) in made(1.0).iter().zip(made(times)) {
            prop_assert!((one.contacts * times - many.contacts).abs() <= 1e-6 * many.contacts.max(1.0));
            prop_assert_eq!(one.handle_seconds.map(|s| s.round()), many.handle_seconds.map(|s| s.round()));
        }
    }

    #[test]
    fn a_known_factor_multiplies_the_days_to_come_and_nothing_else(factor in 0.1_f64..5.0, seed in any::<u64>()) {
        let mut chance = Chance(seed);
        let wobble: Vec<f64> = (0..70).map(|_| (0.1 * chance.normal()).exp()).collect();
        let first = day("2025-01-06");
        let history = history("Europe/Berlin", first, 70, |date, minute| {
            Some(1_000.0 * wobble[(date - first).get_days() as usize] * office(date, minute))
        });
        let event = Event { name: "Sale".into(), first: day("2025-03-19"), last: day("2025-03-20"), effect: Effect::Factor(factor) };
        let calendar = Calendar { events: vec![event], ..Calendar::default() };
        let sale = forecast(&history, &calendar, None, &ask(&history, 7)).expect("a forecast").intervals;
        for (index, (plain, sale)) in next(&history, 7).intervals.iter().zip(&sale).enumerate() {
            let times = if [2, 3].contains(&(index / 48)) { factor } else { 1.0 };
            prop_assert!((plain.contacts * times - sale.contacts).abs() <= 1e-9 * sale.contacts.max(1.0));
        }
    }

    #[test]
    fn no_calendar_breaks_it(history in any_history(), days in prop::collection::vec((0_i64..200, 0_i64..30, 0_u8..4), 0..40)) {
        prop_assume!(!history.points.is_empty());
        let first = day("2025-01-01");
        let mut calendar = Calendar::default();
        for (at, length, kind) in days {
            let date = later(first, at * 2);
            let name = format!("number {}", at % 7);
            let event = |effect| Event { name: name.clone(), first: date, last: later(date, length), effect };
            match kind {
                0 => calendar.holidays.push(Holiday { date, name }),
                1 => calendar.events.push(event(Effect::Learnt)),
                2 => calendar.events.push(event(Effect::LeaveOut)),
                _ => { calendar.opening.exceptions.insert(date, Vec::new()); }
            }
        }
        let answer = forecast(&history, &calendar, None, &ask(&history, 14)).expect("a forecast");
        for interval in answer.intervals {
            prop_assert!(interval.contacts.is_finite() && 0.0 <= interval.contacts);
        }
    }
}

/// Ranges hold what comes as often as they say, on series of a known making.
#[test]
fn ranges_hold_what_they_promise() {
    for (volume, moved) in [(40.0, 0.05), (400.0, 0.1), (8_000.0, 0.08), (8_000.0, 0.0)] {
        let (mut held, mut all) = (0.0, 0.0);
        for seed in 0..6 {
            let mut chance = Chance(1_000 * seed + volume as u64);
            let first = day("2025-01-06");
            let rates: Vec<Vec<f64>> = (0..140 + 28)
                .map(|index| {
                    let busy = (moved * chance.normal()).exp();
                    let date = later(first, index);
                    (0..48).map(|slot| chance.poisson(volume * busy * office(date, slot * 30))).collect()
                })
                .collect();
            for week in 0..4 {
                let history = history("Europe/Berlin", first, 140 + 7 * week, |date, minute| {
                    Some(rates[(date - first).get_days() as usize][(minute / 30) as usize])
                });
                for (index, interval) in next(&history, 7).intervals.iter().enumerate() {
                    let actual = rates[140 + 7 * week as usize + index / 48][index % 48];
                    if 0.0 < interval.contacts {
                        let (low, high) = interval.ranges[0];
                        all += 1.0;
                        held += f64::from(u8::from(low <= actual && actual <= high));
                    }
                }
            }
        }
        // Of small counts whole numbers must hold at least as much; else eight in ten, within the sampling of days.
        let share = held / all;
        let most = if volume < 100.0 { 0.98 } else { 0.88 };
        assert!((0.74..=most).contains(&share), "{volume} contacts, days moved by {moved}: {share}");
    }
}
