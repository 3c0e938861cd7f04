//! The calendar against a naive oracle that walks second by second in steps of a minute, and against
//! its own laws.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::calendar::{BadCalendar, Calendar, DAY, Hours, Plan, Span};
use super::paused;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Santiago",
];

/// Around changes of offset of those zones, and an ordinary day.
fn days() -> impl Strategy<Value = Date> {
    let anchors = vec![
        date(2024, 3, 29),
        date(2024, 10, 25),
        date(2018, 11, 2),
        date(2018, 2, 16),
        date(2011, 12, 27),
        date(2024, 4, 5),
        date(2024, 9, 6),
        date(2024, 6, 10),
    ];
    (prop::sample::select(anchors), 0..5_i64).prop_map(|(day, add)| day.checked_add(add.days()).unwrap())
}

fn hours() -> impl Strategy<Value = Vec<Hours>> {
    let one = (0..96_u32, 1..96_u32)
        .prop_map(|(start, length)| Hours { start: start * 900, end: ((start + length) * 900).min(2 * DAY) });
    prop::collection::vec(one, 0..3)
}

fn dated() -> impl Strategy<Value = BTreeMap<Date, Vec<Hours>>> {
    prop::collection::btree_map(days(), hours(), 0..3)
}

prop_compose! {
    fn plans()(
        zone in prop::sample::select(ZONES.to_vec()),
        week in prop::array::uniform7(hours()),
        shifts in dated(),
        breaks in dated(),
        holidays in prop::collection::btree_set(days(), 0..3),
    ) -> Plan {
        Plan { zone: zone.into(), week, shifts, breaks, holidays }
    }
}

fn instants() -> impl Strategy<Value = i64> {
    (days(), 0..86_400_i64)
        .prop_map(|(day, second)| day.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second() + second)
}

fn pauses() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec(
        (instants(), 1..90_000_i64).prop_map(|(start, length)| Span { start, end: start + length }),
        0..4,
    )
}

/// All open spans that begin within ten days around an instant, straight from the definition.
fn naive_open(plan: &Plan, around: i64) -> (Vec<Span>, Vec<Span>) {
    let zone = TimeZone::get(&plan.zone).unwrap();
    let today = zone.to_datetime(Timestamp::from_second(around).unwrap()).date();
    let at = |day: Date, second: u32| {
        let day = day.checked_add(i64::from(second / DAY).days()).unwrap();
        let second = second % DAY;
        let local = day.at((second / 3_600) as i8, (second / 60 % 60) as i8, (second % 60) as i8, 0);
        zone.to_timestamp(local).unwrap().as_second()
    };
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for offset in -10..=10_i64 {
        let day = today.checked_add(offset.days()).unwrap();
        let regular = &plan.week[day.weekday().to_monday_zero_offset() as usize];
        let hours = if plan.holidays.contains(&day) { &Vec::new() } else { plan.shifts.get(&day).unwrap_or(regular) };
        open.extend(hours.iter().map(|h| Span { start: at(day, h.start), end: at(day, h.end) }));
        closed.extend(
            plan.breaks.get(&day).into_iter().flatten().map(|h| Span { start: at(day, h.start), end: at(day, h.end) }),
        );
    }
    (open, closed)
}

fn naive_elapsed(plan: &Plan, start: i64, end: i64, pauses: &[Span]) -> i64 {
    let (open, closed) = naive_open(plan, start);
    let inside = |spans: &[Span], at: i64| spans.iter().any(|s| s.start <= at && at < s.end);
    (start..end).step_by(60).filter(|&at| inside(&open, at) && !inside(&closed, at) && !inside(pauses, at)).count()
        as i64
        * 60
}

fn whole_minutes(at: i64) -> i64 {
    at - at.rem_euclid(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn elapsed_equals_the_naive_oracle(plan in plans(), start in instants(), length in 0..5_000_i64, pauses in pauses()) {
        let Ok(calendar) = Calendar::new(plan.clone()) else { return Ok(()) };
        let start = whole_minutes(start);
        let pauses: Vec<Span> = pauses.iter().map(|p| Span { start: whole_minutes(p.start), end: whole_minutes(p.end) }).collect();
        let end = start + length * 60;
        prop_assert_eq!(paused::elapsed(&calendar, start, end, &pauses), naive_elapsed(&plan, start, end, &pauses));
    }

    #[test]
    fn add_and_elapsed_are_inverse(plan in plans(), start in instants(), seconds in 0..2_000_000_i64, pauses in pauses()) {
        let Ok(calendar) = Calendar::new(plan) else { return Ok(()) };
        let Some(due) = paused::add(&calendar, start, seconds, &pauses) else { return Ok(()) };
        prop_assert!(start <= due);
        prop_assert_eq!(paused::elapsed(&calendar, start, due, &pauses), seconds);
        if 0 < seconds {
            // The earliest such moment: one second less and the target is not used up.
            prop_assert_eq!(paused::elapsed(&calendar, start, due - 1, &pauses), seconds - 1);
        } else {
            // The first open moment: the second after it counts.
            prop_assert_eq!(paused::elapsed(&calendar, due, due + 1, &pauses), 1);
        }
    }

    #[test]
    fn subtract_undoes_add(plan in plans(), end in instants(), seconds in 1..2_000_000_i64, pauses in pauses()) {
        let Ok(calendar) = Calendar::new(plan) else { return Ok(()) };
        let Some(since) = paused::subtract(&calendar, end, seconds, &pauses) else { return Ok(()) };
        prop_assert_eq!(paused::elapsed(&calendar, since, end, &pauses), seconds);
        prop_assert_eq!(paused::elapsed(&calendar, since + 1, end, &pauses), seconds - 1);
    }

    #[test]
    fn skipping_weeks_changes_nothing(plan in plans(), start in instants(), years in 1..40_i64, split in 1..1_000_i64) {
        let Ok(calendar) = Calendar::new(plan) else { return Ok(()) };
        let end = start + years * 31_000_000;
        let middle = start + (end - start) * split / 1_000;
        let parts: i64 = (0..).map(|n| (middle + n * 600_000, (middle + (n + 1) * 600_000).min(end)))
            .take_while(|(from, _)| *from < end).map(|(from, until)| calendar.elapsed(from, until)).sum();
        prop_assert_eq!(calendar.elapsed(start, end), calendar.elapsed(start, middle) + parts);
    }

    #[test]
    fn a_holiday_never_moves_a_due_time_earlier(plan in plans(), start in instants(), seconds in 0..500_000_i64, day in days()) {
        let Ok(calendar) = Calendar::new(plan.clone()) else { return Ok(()) };
        let Some(before) = calendar.add(start, seconds) else { return Ok(()) };
        let mut more = plan;
        more.holidays.insert(day);
        let Ok(calendar) = Calendar::new(more) else { return Ok(()) };
        prop_assert!(calendar.add(start, seconds).is_none_or(|after| before <= after));
    }

    #[test]
    fn more_start_or_more_target_is_never_due_earlier(plan in plans(), start in instants(), seconds in 0..500_000_i64, more in 0..50_000_i64) {
        let Ok(calendar) = Calendar::new(plan) else { return Ok(()) };
        let Some(due) = calendar.add(start, seconds) else { return Ok(()) };
        prop_assert!(calendar.add(start, seconds + more).is_none_or(|later| due <= later));
        prop_assert!(calendar.add(start + more, seconds).is_none_or(|later| due <= later));
    }

    #[test]
    fn paused_time_is_business_time(plan in plans(), start in instants(), seconds in 1..200_000_i64, at in 0..1_000_i64, length in 1..200_000_i64) {
        let Ok(calendar) = Calendar::new(plan) else { return Ok(()) };
        let Some(unpaused) = calendar.add(start, seconds) else { return Ok(()) };
        let begin = start + (unpaused - start - 1) * at / 1_000;
        let pause = Span { start: begin, end: begin + length };
        let stood = calendar.elapsed(pause.start, pause.end);
        prop_assert_eq!(paused::add(&calendar, start, seconds, &[pause]), calendar.add(start, seconds + stood));
    }

    #[test]
    fn periods_add_up_to_elapsed(plan in plans(), start in instants(), length in 0..1_000_000_i64) {
        let Ok(calendar) = Calendar::new(plan) else { return Ok(()) };
        let periods = calendar.periods(start, start + length, usize::MAX);
        prop_assert!(periods.windows(2).all(|pair| pair[0].end < pair[1].start));
        prop_assert_eq!(periods.iter().map(|p| p.seconds()).sum::<i64>(), calendar.elapsed(start, start + length));
    }
}

#[test]
fn around_the_clock_loses_no_second_in_any_zone() {
    for zone in ZONES {
        let whole = vec![Hours::parse("00:00", "24:00").unwrap()];
        let plan = Plan { zone: zone.into(), week: std::array::from_fn(|_| whole.clone()), ..Plan::default() };
        let shortcut = Calendar::new(plan.clone()).unwrap();
        assert!(shortcut.is_around_the_clock());
        // A dated entry that changes nothing takes the long way.
        let mut long = plan;
        long.shifts.insert(date(2024, 6, 10), whole);
        let long = Calendar::new(long).unwrap();
        assert!(!long.is_around_the_clock());
        let (start, end) = (1_300_000_000, 1_750_000_017);
        assert_eq!(shortcut.elapsed(start, end), end - start);
        assert_eq!(long.elapsed(start, end), end - start, "{zone}");
        assert_eq!(long.add(start, 86_400), Some(start + 86_400));
        assert_eq!(long.add(start, end - start), Some(end));
    }
}

#[test]
fn a_calendar_that_is_never_open_is_refused() {
    let plan = Plan { zone: "UTC".into(), ..Plan::default() };
    assert_eq!(Calendar::new(plan.clone()).unwrap_err(), BadCalendar::NeverOpen);
    let shifts = BTreeMap::from([(date(2024, 6, 10), vec![Hours { start: 0, end: DAY }])]);
    let closed = Plan { shifts: shifts.clone(), holidays: BTreeSet::from([date(2024, 6, 10)]), ..plan.clone() };
    assert_eq!(Calendar::new(closed).unwrap_err(), BadCalendar::NeverOpen);
    let once = Calendar::new(Plan { shifts, ..plan.clone() }).unwrap();
    let start = date(2020, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
    assert!(once.add(start, 86_400).is_some());
    assert_eq!(once.add(start, 86_401), None, "used up for ever, and said so at once");
    assert!(matches!(Calendar::new(Plan { zone: "Mars/Base".into(), ..plan }), Err(BadCalendar::Zone(_))));
}

#[test]
fn times_that_are_none_are_refused() {
    for (start, end) in [
        ("9:00", "17:00"),
        ("09:60", "17:00"),
        ("09:00", "48:01"),
        ("17:00", "09:00"),
        ("-1:00", "09:00"),
        ("09:00", ""),
    ] {
        assert!(Hours::parse(start, end).is_err(), "{start} to {end}");
    }
    assert_eq!(Hours::parse("22:30", "28:00"), Ok(Hours { start: 81_000, end: 100_800 }));
}

#[test]
fn the_ends_of_time_are_no_panic() {
    let plan = Plan {
        zone: "Europe/Berlin".into(),
        week: std::array::from_fn(|_| vec![Hours { start: 0, end: 3_600 }]),
        ..Plan::default()
    };
    let calendar = Calendar::new(plan).unwrap();
    for at in [i64::MIN, Timestamp::MIN.as_second(), 0, Timestamp::MAX.as_second(), i64::MAX] {
        let _ =
            (calendar.add(at, 10), calendar.subtract(at, 10), calendar.elapsed(at, at), calendar.periods(at, at, 3));
    }
    assert_eq!(calendar.add(Timestamp::MAX.as_second() - 86_400, 86_400), None);
}
