//! Bad input: a precise refusal, never a panic, never an endless run.

mod support;

use forecast::{Accuracy, Ask, Calendar, Effect, Event, Expected, History, Hours, Pool, Refusal, forecast, reforecast};
use jiff::Timestamp;
use support::{ask, day, history, midnight, next, sum};

fn good() -> History {
    history("Europe/Berlin", day("2025-01-06"), 28, |_, _| Some(5.0))
}

fn refusal(history: &History, calendar: &Calendar, ask: &Ask) -> Refusal {
    forecast(history, calendar, None, ask).expect_err("must be refused")
}

fn refused(change: impl Fn(&mut History)) -> Refusal {
    let mut history = good();
    let ask = ask(&history, 7);
    change(&mut history);
    refusal(&history, &Calendar::default(), &ask)
}

#[test]
fn histories_that_cannot_be() {
    assert_eq!(refused(|history| history.zone = "Mars/Olympus".into()), Refusal::UnknownZone("Mars/Olympus".into()));
    assert_eq!(refused(|history| history.step_minutes = 25), Refusal::Step(25));
    assert_eq!(refused(|history| history.points.clear()), Refusal::NoHistory);
    assert_eq!(refused(|history| history.end = history.start), Refusal::NoHistory);
    assert_eq!(refused(|history| std::mem::swap(&mut history.start, &mut history.end)), Refusal::EndsBeforeStart);
    assert_eq!(
        refused(|history| history.start = midnight("Europe/Berlin", day("1990-01-01"))),
        Refusal::HistoryTooLong { days: 12_817, most: 3_660 }
    );
    assert_eq!(refused(|history| history.points.push(history.points[40])), Refusal::Duplicate { index: 1_344 });
    let shifted = |seconds: i64| {
        move |history: &mut History| {
            let at = history.points[40].start.as_second() + seconds;
            history.points[40].start = Timestamp::from_second(at).expect("a time");
        }
    };
    assert_eq!(refused(shifted(60)), Refusal::Unaligned { index: 40 });
    assert_eq!(refused(shifted(-86_400 * 30)), Refusal::OutsideHistory { index: 40 });
    assert_eq!(refused(shifted(86_400 * 30)), Refusal::OutsideHistory { index: 40 });
}

#[test]
fn values_that_cannot_be() {
    for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e10] {
        let refusal = refused(|history| history.points[3].contacts = value);
        assert!(matches!(refusal, Refusal::Value { index: 3, field: "contacts", .. }), "{value}: {refusal}");
        let refusal = refused(|history| history.points[3].timed = value);
        assert!(matches!(refusal, Refusal::Value { index: 3, field: "timed", .. }), "{value}: {refusal}");
    }
    let refusal = refused(|history| history.points[3].handle_seconds = -0.5);
    assert!(matches!(refusal, Refusal::Value { index: 3, field: "handle_seconds", .. }));
}

#[test]
fn ten_million_contacts_an_interval_are_many_and_possible() {
    let busy = history("Europe/Berlin", day("2025-01-06"), 56, |_, _| Some(1e7));
    let forecast = next(&busy, 7);
    assert!((sum(&forecast.intervals) / (336.0 * 1e7) - 1.0).abs() < 1e-6);
    // Out of the blue: from next to nothing to the most there can be, and back.
    let wild =
        history("Europe/Berlin", day("2025-01-06"), 56, |date, _| Some(if date.day() % 5 == 0 { 1e9 } else { 0.0 }));
    assert!(next(&wild, 7).intervals.iter().all(|interval| interval.contacts.is_finite()));
}

#[test]
fn horizons_that_cannot_be() {
    let history = good();
    let of =
        |first: &str, days| refusal(&history, &Calendar::default(), &Ask { first: day(first), days, levels: vec![] });
    assert_eq!(of("2025-02-03", 3 * 365), Refusal::Horizon { days: 1_095, most: 550 });
    assert_eq!(of("2025-02-03", 0), Refusal::Horizon { days: 0, most: 550 });
    assert_eq!(of("2025-02-03", u32::MAX), Refusal::Horizon { days: 4_294_967_295, most: 550 });
    assert_eq!(of("2025-02-02", 7), Refusal::HorizonInThePast { first: day("2025-02-02") });
    assert_eq!(of("2029-02-02", 7), Refusal::HorizonTooFar { first: day("2029-02-02"), most: 550 });
    assert_eq!(of("2026-08-01", 30), Refusal::Horizon { days: 574, most: 550 });
    for level in [0.0, 1.0, -0.5, f64::NAN] {
        let ask = Ask { levels: vec![0.5, level], ..ask(&history, 7) };
        assert!(matches!(refusal(&history, &Calendar::default(), &ask), Refusal::Level(_)));
    }
}

#[test]
fn calendars_that_cannot_be() {
    let history = good();
    let refused = |calendar: Calendar| refusal(&history, &calendar, &ask(&history, 7));
    let event =
        |first: &str, last: &str, effect| Event { name: "Sale".into(), first: day(first), last: day(last), effect };
    let with = |event| refused(Calendar { events: vec![event], ..Calendar::default() });
    let problem = |problem| Refusal::Event { name: "Sale".into(), problem };
    assert_eq!(with(event("2025-02-05", "2025-02-04", Effect::Learnt)), problem("it ends before it starts"));
    assert_eq!(with(event("2025-02-05", "2028-02-04", Effect::Learnt)), problem("it lasts more than 400 days"));
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 101.0] {
        let refusal = with(event("2025-02-05", "2025-02-06", Effect::Factor(factor)));
        assert_eq!(refusal, problem("its factor is not a number from 0.01 to 100"));
    }
    let mut calendar = Calendar::default();
    calendar.opening.exceptions.insert(day("2025-02-05"), vec![Hours { from: 600, to: 540 }]);
    assert_eq!(refused(calendar), Refusal::Hours { from: 600, to: 540 });
    let mut calendar = Calendar::default();
    calendar.opening.week = Some(std::array::from_fn(|_| vec![Hours { from: 600, to: 1441 }]));
    assert_eq!(refused(calendar), Refusal::Hours { from: 600, to: 1441 });
    let events = vec![event("2025-02-05", "2025-02-06", Effect::Learnt); 501];
    let most = refused(Calendar { events, ..Calendar::default() });
    assert_eq!(most, Refusal::TooMany { what: "events", count: 501, most: 500 });
    assert_eq!(Calendar::default().with_holidays_of("XX"), Err(Refusal::UnknownRegion("XX".into())));
}

#[test]
fn pools_that_cannot_be() {
    let (plain, half_hours) = (Calendar::default(), good());
    assert_eq!(Pool::of(&[]), Err(Refusal::NoAnalogue));
    let hours = support::stepped("Europe/Berlin", 60, day("2025-01-06"), 28, |_, _| Some(5.0));
    assert_eq!(
        Pool::of(&[(&half_hours, &plain), (&hours, &plain)]),
        Err(Refusal::PoolStep { index: 1, minutes: 60, first: 30 })
    );
    let silent = history("Europe/Berlin", day("2025-01-06"), 28, |_, _| Some(0.0));
    assert_eq!(Pool::of(&[(&silent, &plain)]), Err(Refusal::NoAnalogue));
    let pool = Pool::of(&[(&half_hours, &plain)]).expect("a pool");
    let wrong = forecast(&hours, &plain, Some(&pool), &ask(&hours, 7));
    assert_eq!(wrong, Err(Refusal::PoolStep { index: 0, minutes: 60, first: 30 }));
    for volume in [-1.0, f64::NAN, f64::INFINITY] {
        let refusal = pool.by_analogy("Europe/Berlin", &plain, volume, &ask(&hours, 7));
        assert!(matches!(refusal, Err(Refusal::Volume(_))));
    }
    let refusal = pool.by_analogy("Nowhere", &plain, 10.0, &ask(&hours, 7));
    assert_eq!(refusal, Err(Refusal::UnknownZone("Nowhere".into())));
}

#[test]
fn mornings_that_cannot_be() {
    let forecast = next(&good(), 1);
    let day: &[Expected] = &forecast.intervals;
    assert_eq!(
        reforecast(day, &vec![Some(1.0); 49], &forecast.damping),
        Err(Refusal::Lengths { actual: 49, forecast: 48 })
    );
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let refusal = reforecast(day, &[Some(1.0), Some(value)], &forecast.damping);
        assert!(matches!(refusal, Err(Refusal::Value { index: 1, .. })));
    }
    assert!(matches!(Accuracy::of(&[1.0], &[1.0, 2.0], 1.0), Err(Refusal::Lengths { .. })));
}
