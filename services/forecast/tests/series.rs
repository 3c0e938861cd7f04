//! What forecasts of made-up series must be.

mod support;

use forecast::{
    Absent, Calendar, Effect, Event, Forecast, Holiday, Hours, Method, Opening, Pool, forecast, reforecast,
};
use jiff::civil::Date;
use support::{Chance, ask, by_day, day, history, later, midnight, next, office, stepped, sum};

fn with(history: &forecast::History, calendar: &Calendar, days: u32) -> Forecast {
    forecast(history, calendar, None, &ask(history, days)).expect("a forecast")
}

fn near(one: f64, other: f64, share: f64) {
    assert!((one - other).abs() <= share * other.abs().max(1e-9), "{one} is not within {share} of {other}");
}

#[test]
fn a_constant_series_stays_constant() {
    for weeks in [1, 2, 5, 30] {
        let history = history("Europe/Berlin", day("2025-01-06"), 7 * weeks, |_, _| Some(12.0));
        for interval in next(&history, 14).intervals {
            near(interval.contacts, 12.0, 1e-6);
            near(interval.handle_seconds.expect("measured"), 240.0, 1e-9);
        }
    }
}

#[test]
fn a_week_that_repeats_is_repeated() {
    let history = history("Europe/Berlin", day("2025-01-06"), 84, |date, minute| Some(1_000.0 * office(date, minute)));
    let forecast = next(&history, 7);
    for (date, contacts) in by_day("Europe/Berlin", &forecast.intervals) {
        let weekday = date.weekday().to_monday_zero_offset() as usize;
        near(contacts, [1_200.0, 1_000.0, 950.0, 950.0, 900.0, 0.0, 0.0][weekday], 0.01);
    }
    assert!(forecast.report.accuracy.wape().expect("contacts") < 0.01);
    assert_eq!(forecast.report.outliers, []);
}

#[test]
fn one_week_and_one_day_are_enough_to_say_something() {
    let week = history("Europe/Berlin", day("2025-01-06"), 7, |date, minute| Some(1_000.0 * office(date, minute)));
    let days = by_day("Europe/Berlin", &next(&week, 7).intervals);
    near(days[0].1, 1_200.0, 0.15);
    assert_eq!(days[5].1, 0.0, "closed weekdays stay closed");
    let one = history("Europe/Berlin", day("2025-01-06"), 1, |date, minute| Some(1_000.0 * office(date, minute)));
    near(by_day("Europe/Berlin", &next(&one, 1).intervals)[0].1, 1_200.0, 0.2);
}

#[test]
fn nothing_came_and_nothing_is_expected() {
    let silent = history("UTC", day("2025-01-06"), 60, |_, _| Some(0.0));
    let forecast = next(&silent, 7);
    assert_eq!(sum(&forecast.intervals), 0.0);
    assert_eq!(forecast.report.accuracy.wape(), None);
}

#[test]
fn civil_hours_keep_their_shape_when_the_clocks_change() {
    // Around the clock with a peak at 02:30 that the spring day does not have, and the autumn day has twice.
    let shape = |_: Date, minute: u32| Some(if minute == 150 { 50.0 } else { 10.0 });
    let spring = history("Europe/Rome", day("2026-01-05"), 79, shape);
    let forecast = next(&spring, 14);
    let days = by_day("Europe/Rome", &forecast.intervals);
    let change = days.iter().position(|(date, _)| *date == day("2026-03-29")).expect("within");
    near(days[change].1, 46.0 * 10.0 - 10.0 + 10.0, 0.01);
    near(days[change + 1].1, 47.0 * 10.0 + 50.0, 0.01);
    let intervals = |date: Date| {
        let (from, to) = (midnight("Europe/Rome", date), midnight("Europe/Rome", later(date, 1)));
        forecast.intervals.iter().filter(|interval| (from..to).contains(&interval.start)).count()
    };
    assert_eq!((intervals(day("2026-03-28")), intervals(day("2026-03-29"))), (48, 46));

    let autumn = history("Europe/Rome", day("2026-08-03"), 79, shape);
    let days = by_day("Europe/Rome", &next(&autumn, 7).intervals);
    let change = days.iter().position(|(date, _)| *date == day("2026-10-25")).expect("within");
    near(days[change].1, 48.0 * 10.0 + 100.0, 0.01);

    // And a history with both changes in it teaches nothing wrong.
    let year = history("Europe/Rome", day("2025-03-03"), 280, shape);
    for (_, contacts) in by_day("Europe/Rome", &next(&year, 7).intervals) {
        near(contacts, 47.0 * 10.0 + 50.0, 0.01);
    }
}

#[test]
fn missing_is_not_zero() {
    let shape = |date: Date, minute: u32| Some(1_000.0 * office(date, minute));
    let whole = history("Europe/Berlin", day("2025-01-06"), 63, shape);
    // Recording was out for two days and a half.
    let mut holed = whole.clone();
    let gap = midnight("Europe/Berlin", day("2025-02-25"))..midnight("Europe/Berlin", day("2025-02-27"));
    holed.points.retain(|point| !gap.contains(&point.start));
    let zeros = holed.clone();
    holed.gaps = vec![gap];
    let expected = sum(&next(&whole, 7).intervals);
    near(sum(&next(&holed, 7).intervals), expected, 0.02);
    // Without the gap being told, two working days in a row had nobody: closed, and not learnt as a lower level either.
    near(sum(&next(&zeros, 7).intervals), expected, 0.1);

    // Of imported rows some are missing every morning: the hours that are there tell the level.
    let mut rows = whole.clone();
    rows.absent = Absent::Missing;
    let early = |start: jiff::Timestamp| start.as_second() % 86_400 < 9 * 3_600 && start.as_second() / 86_400 % 3 == 0;
    rows.points.retain(|point| !early(point.start));
    near(sum(&next(&rows, 7).intervals), expected, 0.03);
}

#[test]
fn stated_hours_are_kept_and_exceptions_count() {
    let weekday = vec![Hours { from: 480, to: 1080 }];
    let closed = Vec::new();
    let week = [0, 1, 2, 3, 4, 5, 6].map(|day| if day < 5 { weekday.clone() } else { closed.clone() });
    let mut calendar = Calendar { opening: Opening { week: Some(week), ..Opening::default() }, ..Calendar::default() };
    let history = history("Europe/Berlin", day("2025-01-06"), 84, |date, minute| Some(1_000.0 * office(date, minute)));
    let first = day("2025-03-31");
    calendar.opening.exceptions.insert(later(first, 2), Vec::new());
    calendar.opening.exceptions.insert(later(first, 3), vec![Hours { from: 480, to: 780 }]);
    let days = by_day("Europe/Berlin", &with(&history, &calendar, 7).intervals);
    near(days[0].1, 1_200.0, 0.02);
    assert_eq!(days[2].1, 0.0);
    near(days[3].1, 475.0, 0.25);
    assert_eq!((days[5].1, days[6].1), (0.0, 0.0));
}

#[test]
fn a_closed_day_lifts_the_next_by_what_was_seen() {
    // Every fourth week its Wednesday is closed, and half of its contacts come on Thursday.
    let closed = |date: Date| {
        let weeks = (date - day("2025-01-06")).get_days() / 7;
        weeks % 4 == 2 && date.weekday() == jiff::civil::Weekday::Wednesday
    };
    let history = history("Europe/Berlin", day("2025-01-06"), 7 * 30, |date, minute| {
        let lift = if closed(later(date, -1)) { 1.5 } else { 1.0 };
        Some(if closed(date) { 0.0 } else { lift * 1_000.0 * office(date, minute) })
    });
    let mut calendar = Calendar::default();
    let first = day("2025-08-04");
    let plain = by_day("Europe/Berlin", &with(&history, &calendar, 7).intervals);
    calendar.opening.exceptions.insert(later(first, 2), Vec::new());
    let lifted = by_day("Europe/Berlin", &with(&history, &calendar, 7).intervals);
    near(plain[3].1, 950.0, 0.05);
    assert_eq!(lifted[2].1, 0.0);
    near(lifted[3].1, 1_425.0, 0.08);
    near(lifted[4].1, plain[4].1, 0.05);
}

#[test]
fn holidays_are_learnt_by_name_with_the_days_around_them() {
    // Three years; on the first of May half comes, the day before a tenth more.
    let may = |date: Date| date.month() == 5 && date.day() == 1;
    let history = history("Europe/Berlin", day("2022-06-06"), 1_050, |date, minute| {
        let bears = if may(date) { 0.5 } else { 1.0 } * if may(later(date, 1)) { 1.1 } else { 1.0 };
        Some(
            bears
                * 1_000.0
                * (office(date, minute) + if 5 <= date.weekday().to_monday_zero_offset() { 0.01 } else { 0.0 }),
        )
    });
    let mut calendar = Calendar::default();
    for year in 2022..=2025 {
        calendar.holidays.push(Holiday { date: Date::new(year, 5, 1).expect("a day"), name: "Labour Day".into() });
    }
    let plain = by_day("Europe/Berlin", &with(&history, &Calendar::default(), 14).intervals);
    let told = by_day("Europe/Berlin", &with(&history, &calendar, 14).intervals);
    let at = |days: &[(Date, f64)], date| days.iter().find(|day| day.0 == date).expect("within").1;
    let (holiday, eve) = (day("2025-05-01"), day("2025-04-30"));
    assert!(at(&told, holiday) < 0.65 * at(&plain, later(holiday, -7)), "{told:?}");
    assert!(at(&plain, later(holiday, -7)) < at(&told, eve), "{told:?}");
}

#[test]
fn a_holiday_on_which_it_was_always_closed_is_closed_again() {
    let rests = |date: Date| (date.month(), date.day()) == (5, 1) || (date.month(), date.day()) == (1, 1);
    let history = history("Europe/Berlin", day("2023-11-06"), 539, |date, minute| {
        Some(if rests(date) { 0.0 } else { 1_000.0 * office(date, minute) })
    });
    let calendar = Calendar::default().with_holidays_of("DE").expect("known");
    let days = by_day("Europe/Berlin", &with(&history, &calendar, 14).intervals);
    let may = days.iter().find(|(date, _)| *date == day("2025-05-01")).expect("within");
    assert_eq!(may.1, 0.0);
}

#[test]
fn events_multiply_what_comes_and_are_learnt_or_left_out() {
    let peak = |date: Date| (24..31).contains(&date.day()) && date.month() == 11;
    let shape = |date: Date, minute: u32| Some((if peak(date) { 2.0 } else { 1.0 }) * 1_000.0 * office(date, minute));
    let history = history("Europe/Berlin", day("2024-06-03"), 532, shape);
    let event = |year: i16, effect| Event {
        name: "Black Week".into(),
        first: Date::new(year, 11, 24).expect("a day"),
        last: Date::new(year, 11, 30).expect("a day"),
        effect,
    };
    let week = |effects: &[(i16, Effect)]| {
        let events = effects.iter().map(|(year, effect)| event(*year, *effect)).collect();
        let calendar = Calendar { events, ..Calendar::default() };
        let forecast = with(&history, &calendar, 14);
        let days = by_day("Europe/Berlin", &forecast.intervals);
        let black: f64 = days.iter().filter(|(date, _)| peak(*date)).map(|day| day.1).sum();
        (black, forecast.report.unlearnt)
    };
    near(week(&[(2024, Effect::Factor(2.0)), (2025, Effect::Factor(3.0))]).0, 15_000.0, 0.05);
    let (learnt, unlearnt) = week(&[(2024, Effect::Learnt), (2025, Effect::Learnt)]);
    near(learnt, 10_000.0, 0.12);
    assert!(unlearnt.is_empty());
    assert_eq!(week(&[(2025, Effect::Learnt)]).1, ["Black Week"]);
    near(week(&[(2024, Effect::LeaveOut)]).0, 5_000.0, 0.05);
}

#[test]
fn a_strange_day_is_marked_and_not_learnt_and_a_new_level_is_learnt() {
    let strange = day("2025-03-19");
    let shape = |date: Date, minute: u32| 1_000.0 * office(date, minute);
    let mut chance = Chance(5);
    let wobble: Vec<f64> = (0..90).map(|_| 1.0 + 0.03 * chance.normal()).collect();
    let at = |date: Date| wobble[(date - day("2025-01-06")).get_days() as usize];
    let once = history("Europe/Berlin", day("2025-01-06"), 84, |date, minute| {
        Some(shape(date, minute) * at(date) * if date == strange { 4.0 } else { 1.0 })
    });
    let forecast = next(&once, 7);
    assert_eq!(forecast.report.outliers.iter().map(|outlier| outlier.date).collect::<Vec<_>>(), [strange]);
    near(sum(&forecast.intervals), 5_000.0, 0.05);

    let shift = day("2025-03-03");
    let since = history("Europe/Berlin", day("2025-01-06"), 84, |date, minute| {
        Some(shape(date, minute) * at(date) * if shift <= date { 2.0 } else { 1.0 })
    });
    let forecast = next(&since, 7);
    near(sum(&forecast.intervals), 10_000.0, 0.07);
}

#[test]
fn growth_goes_on_and_ends() {
    let history = history("Europe/Berlin", day("2025-01-06"), 140, |date, minute| {
        let weeks = f64::from((date - day("2025-01-06")).get_days()) / 7.0;
        Some(1.03_f64.powf(weeks) * 1_000.0 * office(date, minute))
    });
    let forecast = next(&history, 7 * 8);
    let weeks: Vec<f64> = forecast.intervals.chunks(336).map(sum).collect();
    let last = 1.03_f64.powf(19.5) * 5_000.0;
    assert!(1.005 * last < weeks[0], "{weeks:?} after {last}");
    assert!(weeks[7] < 1.3 * last, "{weeks:?}");
}

#[test]
fn a_year_repeats_after_two() {
    let season = |date: Date| 1.0 + 0.5 * (std::f64::consts::TAU * f64::from(date.day_of_year()) / 365.25).sin();
    let history = history("Europe/Berlin", day("2022-01-03"), 1_001, |date, minute| {
        Some(season(date) * 1_000.0 * office(date, minute))
    });
    let forecast = next(&history, 84);
    for week in by_day("Europe/Berlin", &forecast.intervals).chunks(7) {
        let actual: f64 = week
            .iter()
            .map(|(date, _)| season(*date) * (0..48).map(|slot| 1_000.0 * office(*date, slot * 30)).sum::<f64>())
            .sum();
        near(week.iter().map(|day| day.1).sum(), actual, 0.12);
    }
}

#[test]
fn siblings_lend_their_shape_to_the_thin() {
    let mut chance = Chance(11);
    let mut rates = |volume: f64, days: usize| -> Vec<Vec<f64>> {
        let date = |index| later(day("2025-01-06"), index as i64);
        (0..days)
            .map(|index| (0..48).map(|slot| chance.poisson(volume * office(date(index), slot * 30))).collect())
            .collect()
    };
    let made = |rates: &[Vec<f64>]| {
        history("Europe/Berlin", day("2025-01-06"), rates.len() as i64, |date, minute| {
            let index = (date - day("2025-01-06")).get_days() as usize;
            Some(rates[index][(minute / 30) as usize])
        })
    };
    let large = made(&rates(2_000.0, 84));
    let other = made(&rates(900.0, 84));
    let thin = made(&rates(6.0, 28));
    let plain = Calendar::default();
    let pool = Pool::of(&[(&large, &plain), (&other, &plain), (&thin, &plain)]).expect("a pool");
    let truth = |step: usize, slot: usize| 6.0 * office(later(day("2025-02-03"), step as i64), slot as u32 * 30);
    let error = |pool: Option<&Pool>| -> f64 {
        let forecast = forecast(&thin, &plain, pool, &ask(&thin, 7)).expect("a forecast");
        forecast.intervals.iter().enumerate().map(|(i, e)| (e.contacts - truth(i / 48, i % 48)).abs()).sum::<f64>()
            / 30.0
    };
    let (alone, pooled) = (error(None), error(Some(&pool)));
    assert!(pooled < 0.8 * alone, "{pooled} with siblings, {alone} alone");
    assert!(pooled < 0.2, "{pooled}");

    // Their order is of no account.
    let turned = Pool::of(&[(&thin, &plain), (&large, &plain), (&other, &plain)]).expect("a pool");
    assert_eq!(pool, turned);

    // A new seller like these, with 700 contacts a week.
    let ask = forecast::Ask { first: day("2025-06-02"), days: 14, levels: vec![0.8] };
    let new = pool.by_analogy("Europe/Berlin", &plain, 700.0, &ask).expect("a forecast");
    near(sum(&new[..336]), 700.0, 1e-9);
    let days = by_day("Europe/Berlin", &new);
    near(days[0].1 / days[4].1, 1.2 / 0.9, 0.05);
    assert_eq!(days[6].1, 0.0);
    assert!(new.iter().all(|interval| interval.handle_seconds.is_some_and(|seconds| (seconds - 240.0).abs() < 1e-6)));
}

#[test]
fn handling_times_follow_the_hour_and_the_last_weeks() {
    let mut long = history("Europe/Berlin", day("2025-01-06"), 84, |date, minute| Some(1_000.0 * office(date, minute)));
    let change = midnight("Europe/Berlin", day("2025-02-24"));
    for point in &mut long.points {
        let evening = 57_600 <= point.start.as_second() % 86_400;
        point.handle_seconds =
            point.timed * (if change <= point.start { 300.0 } else { 240.0 }) * (if evening { 1.3 } else { 1.0 });
    }
    let forecast = next(&long, 7);
    let seconds = |slot: usize| forecast.intervals[slot].handle_seconds.expect("measured");
    near(seconds(24), 300.0, 0.04);
    near(seconds(34), 390.0, 0.06);
    assert!(forecast.report.handling_error.expect("measured") < 0.1);

    for point in &mut long.points {
        (point.timed, point.handle_seconds) = (0.0, 0.0);
    }
    assert!(next(&long, 1).intervals.iter().all(|interval| interval.handle_seconds.is_none()));
}

#[test]
fn the_rest_of_a_day_follows_its_morning_as_far_as_days_did() {
    let mut chance = Chance(3);
    // Whole days are busier or calmer: the rest follows in full. Or mornings are, and the rest does not.
    for (whole_day, least, most) in [(true, 0.7, 1.0), (false, 0.0, 0.3)] {
        let busy: Vec<f64> = (0..140).map(|_| (0.15 * chance.normal()).exp()).collect();
        let history = history("Europe/Berlin", day("2025-01-06"), 140, |date, minute| {
            let busy = busy[(date - day("2025-01-06")).get_days() as usize];
            let busy = if whole_day || minute < 660 { busy } else { 1.0 };
            Some(busy * 10_000.0 * office(date, minute))
        });
        let forecast = next(&history, 1);
        let actual: Vec<Option<f64>> = forecast.intervals[..22].iter().map(|i| Some(1.2 * i.contacts)).collect();
        let again = reforecast(&forecast.intervals, &actual, &forecast.damping).expect("fits");
        assert!((least..=most).contains(&again.power), "{whole_day}: {}", again.power);
        near(again.ratio.expect("expected"), 1.2, 1e-9);
        near(sum(&again.rest), sum(&forecast.intervals[22..]) * again.factor, 1e-9);
        assert_eq!(again.rest.len(), 26);
    }
}

#[test]
fn before_anything_was_expected_nothing_changes() {
    let history = history("Europe/Berlin", day("2025-01-06"), 84, |date, minute| Some(1_000.0 * office(date, minute)));
    let forecast = next(&history, 1);
    let again = reforecast(&forecast.intervals, &[Some(0.0), None], &forecast.damping).expect("fits");
    assert_eq!((again.ratio, again.factor), (None, 1.0));
    assert_eq!(again.rest, forecast.intervals[2..]);
}

#[test]
fn the_record_may_end_within_a_day() {
    let mut history =
        history("Europe/Berlin", day("2025-01-06"), 80, |date, minute| Some(1_000.0 * office(date, minute)));
    let noon = midnight("Europe/Berlin", day("2025-03-26")).as_second() + 12 * 3_600;
    history.end = jiff::Timestamp::from_second(noon).expect("a time");
    history.points.retain(|point| point.start < history.end);
    let ask = forecast::Ask { first: day("2025-03-27"), days: 1, levels: vec![] };
    let answer = forecast(&history, &Calendar::default(), None, &ask).expect("a forecast");
    near(sum(&answer.intervals), 950.0, 0.03);
}

#[test]
fn the_report_names_what_the_forecast_is_made_of() {
    let mut chance = Chance(1);
    let wobble: Vec<f64> = (0..140).map(|_| 1.0 + 0.1 * chance.normal()).collect();
    let history = stepped("Europe/Berlin", 15, day("2025-01-06"), 140, |date, minute| {
        Some(wobble[(date - day("2025-01-06")).get_days() as usize] * 500.0 * office(date, minute - minute % 30))
    });
    let report = next(&history, 7).report;
    assert_eq!((report.days, report.origins), (140, 12));
    near(report.methods.iter().map(|method| method.1).sum(), 1.0, 1e-9);
    assert!(report.methods.iter().any(|method| method.0 == Method::Structural));
    let (ours, naive) = (report.accuracy.wape().expect("contacts"), report.seasonal_naive.wape().expect("contacts"));
    assert!(ours < 0.9 * naive, "{ours} against {naive}");
    assert!(report.accuracy.mase().expect("changes") < 1.0);
    assert!(report.accuracy.bias().expect("contacts").abs() < 0.05);
}
