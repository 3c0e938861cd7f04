use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::ask::{About, Ask, Dimension, Filter};
use super::count::count;
use super::tally::*;
use crate::domain::dossier::Clock;
use crate::domain::ids::Uuid;
use crate::domain::sla::clock::{Hand, Verdict};
use crate::domain::sla::policy::{Family, Metric};
use crate::domain::ticket::{Fact, Kind, State};

fn rome() -> TimeZone {
    TimeZone::get("Europe/Rome").unwrap()
}

fn at(zone: &TimeZone, text: &str) -> i64 {
    let civil: jiff::civil::DateTime = text.parse().unwrap();
    zone.to_zoned(civil).unwrap().timestamp().as_second()
}

fn fact(sequence: i64, at: i64, kind: Kind, state: State) -> Fact {
    Fact { sequence, at, kind, state, automatic: false, since: None }
}

fn sort() -> Sort {
    Sort { channel: "email".into(), country: "IT".into(), marketplace: "amazon".into(), language: "it".into() }
}

fn by(dimensions: &[Dimension]) -> BTreeSet<Dimension> {
    dimensions.iter().copied().collect()
}

fn ask(first: Date, last: Date, dimensions: &[Dimension]) -> Ask {
    Ask { first: day_of(first), end: day_of(last) + 1, by: by(dimensions), filter: Filter::default() }
}

/// Answers a question from sums as the database does.
fn answer(ask: &Ask, sums: &Sums) -> Vec<super::ask::Line> {
    let seller = Uuid::nil();
    let mut lines: BTreeMap<About, Tally> = BTreeMap::new();
    for piece in ask.pieces() {
        for (key, tally) in sums {
            if key.grain == piece.grain && (piece.from..piece.end).contains(&key.day) {
                lines.entry(ask.about(seller, key)).or_default().merge(tally, 1);
            }
        }
    }
    let mut open: BTreeMap<About, [i64; AGES.len()]> = BTreeMap::new();
    for piece in ask.pieces_before() {
        for (key, tally) in sums {
            if key.grain == piece.grain && (piece.from..piece.end).contains(&key.day) {
                let about = About { day: None, ..ask.about(seller, key) };
                open.entry(about).or_default().iter_mut().zip(tally.ages()).for_each(|(sum, one)| *sum += one);
            }
        }
    }
    ask.lines(lines, open).unwrap()
}

#[test]
fn a_ticket_is_counted_where_it_happened() {
    let zone = rome();
    let history = [
        fact(1, at(&zone, "2026-03-02T23:50:00"), Kind::CustomerWrote, State::New),
        fact(2, at(&zone, "2026-03-03T00:10:00"), Kind::CustomerWrote, State::New),
        fact(3, at(&zone, "2026-03-03T09:00:00"), Kind::Answered, State::Solved),
        fact(4, at(&zone, "2026-03-10T10:00:00"), Kind::CustomerWrote, State::Open),
        Fact { automatic: true, ..fact(5, at(&zone, "2026-03-10T10:01:00"), Kind::Answered, State::Open) },
        fact(6, at(&zone, "2026-03-10T12:00:00"), Kind::Solved, State::Solved),
    ];
    let share = count(sort(), &history, &[], &zone);
    let mut sums = Sums::new();
    share.add_to(&mut sums, 1);
    let lines = answer(&ask(date(2026, 3, 1), date(2026, 3, 31), &[Dimension::Day]), &sums);
    let days: Vec<_> = lines.iter().map(|line| (date_of(line.about.day.unwrap()).day(), line.open.unwrap())).collect();
    assert_eq!(days, [(2, [1, 0, 0, 0, 0]), (3, [0; 5]), (10, [0; 5])], "open over the first night only");
    let of = |line: usize, count| lines[line].tally.count(count);
    assert_eq!((of(0, Count::Opened), of(0, Count::Received), of(0, Count::MessagesIn)), (1, 1, 1));
    assert_eq!((of(1, Count::Received), of(1, Count::MessagesIn), of(1, Count::Handled)), (0, 1, 1), "she waited");
    assert_eq!((of(1, Count::Solved), of(2, Count::Reopened), of(2, Count::Solved)), (1, 1, 1));
    assert_eq!((of(2, Count::MessagesOut), of(2, Count::Handled)), (1, 0), "a machine's answer handles nothing");
    let wait = |line: usize, metric| lines[line].tally.figures.waits.get(&(metric, false)).map(|waits| waits.count());
    assert_eq!((wait(0, Metric::FirstResponse), wait(2, Metric::NextResponse)), (Some(1), Some(1)));
    let total = ask(date(2026, 3, 1), date(2026, 3, 31), &[Dimension::Day]).total(&lines);
    assert_eq!((total.tally.count(Count::MessagesIn), total.open), (3, Some([0; 5])));

    let hours = answer(&ask(date(2026, 3, 1), date(2026, 3, 31), &[Dimension::Weekday, Dimension::Hour]), &sums);
    let first = &hours[0].about;
    assert_eq!((first.weekday, first.hour), (Some(1), Some(23)), "a Monday, before midnight in Rome");
}

#[test]
fn open_tickets_grow_older_from_day_to_day() {
    let zone = rome();
    let history = [
        fact(1, at(&zone, "2026-01-30T12:00:00"), Kind::CustomerWrote, State::New),
        fact(2, at(&zone, "2026-02-10T12:00:00"), Kind::Solved, State::Solved),
        fact(3, at(&zone, "2026-02-11T12:00:00"), Kind::Reopened, State::Open),
    ];
    let share = count(sort(), &history, &[], &zone);
    let mut sums = Sums::new();
    share.add_to(&mut sums, 1);
    let on = |day: Date| answer(&ask(day, day, &[]), &sums).first().and_then(|line| line.open);
    assert_eq!(on(date(2026, 1, 29)), None);
    assert_eq!(on(date(2026, 1, 30)), Some([1, 0, 0, 0, 0]));
    assert_eq!(on(date(2026, 1, 31)), Some([0, 1, 0, 0, 0]));
    assert_eq!(on(date(2026, 2, 2)), Some([0, 0, 1, 0, 0]));
    assert_eq!(on(date(2026, 2, 9)), Some([0, 0, 0, 1, 0]));
    assert_eq!(on(date(2026, 2, 10)), Some([0; 5]), "solved that day");
    assert_eq!(on(date(2026, 2, 11)), Some([0, 0, 0, 1, 0]), "as old as it is");
    assert_eq!(on(date(2026, 3, 1)), Some([0, 0, 0, 0, 1]));
    assert_eq!(on(date(2027, 3, 1)), Some([0, 0, 0, 0, 1]));
}

#[test]
fn an_hour_that_comes_twice_is_one_and_one_that_is_skipped_is_empty() {
    let zone = rome();
    // 2026-10-25 in Rome: 02:00 to 03:00 comes twice; 2026-03-29: it does not come.
    let twice = at(&TimeZone::UTC, "2026-10-24T23:00:00");
    let hours: Vec<u8> = (0..5).map(|n| stamp(&zone, twice + n * 3_600).1).collect();
    assert_eq!(hours, [1, 2, 2, 3, 4]);
    let skipped = at(&TimeZone::UTC, "2026-03-28T23:00:00");
    let hours: Vec<u8> = (0..4).map(|n| stamp(&zone, skipped + n * 3_600).1).collect();
    assert_eq!(hours, [0, 1, 3, 4]);
}

#[test]
fn promises_stand_as_their_clocks_do_and_a_merged_one_nowhere() {
    let clock = |hand, verdict, metric| Clock {
        family: Family::Contract,
        metric,
        cycle: 1,
        hand,
        verdict,
        target: 3_600,
        elapsed: 600,
        started_at: 0,
        stopped_at: None,
        due_at: None,
        version: 1,
        calendar: String::new(),
        source: String::new(),
        told: None,
        warned: 0,
        priority: None,
        stands_in: None,
    };
    let clocks = [
        clock(Hand::Stopped, Verdict::Kept, Metric::FirstResponse),
        clock(Hand::Stopped, Verdict::Missed, Metric::NextResponse),
        clock(Hand::Stopped, Verdict::Open, Metric::Resolution),
        clock(Hand::Running, Verdict::Missed, Metric::NextResponse),
        clock(Hand::Paused, Verdict::Open, Metric::NextResponse),
    ];
    let share = count(sort(), &[], &clocks, &TimeZone::UTC);
    let figures = &share.cells[&(0, Some(0))].figures;
    let stand = |metric| figures.promises.get(&(Family::Contract, metric)).copied();
    assert_eq!(stand(Metric::FirstResponse), Some(Stand { kept: 1, ..Stand::default() }));
    assert_eq!(stand(Metric::NextResponse), Some(Stand { kept: 0, missed: 1, running: 1, overdue: 1 }));
    assert_eq!(stand(Metric::Resolution), None);
    assert_eq!(figures.waits[&(Metric::FirstResponse, true)].percentile(50), Some(594), "within 1 % of 600");
}

#[test]
fn a_question_reads_months_and_the_days_at_their_edges() {
    let pieces = |first, last, by: &[Dimension]| -> Vec<(Grain, Date, Date)> {
        let pieces = ask(first, last, by).pieces();
        pieces.into_iter().map(|piece| (piece.grain, date_of(piece.from), date_of(piece.end))).collect()
    };
    let year = pieces(date(2025, 1, 1), date(2025, 12, 31), &[Dimension::Channel]);
    assert_eq!(year, [(Grain::Month, date(2025, 1, 1), date(2026, 1, 1))]);
    let ragged = pieces(date(2025, 1, 20), date(2025, 4, 3), &[Dimension::Hour]);
    assert_eq!(
        ragged,
        [
            (Grain::DayHour, date(2025, 1, 20), date(2025, 2, 1)),
            (Grain::MonthHour, date(2025, 2, 1), date(2025, 4, 1)),
            (Grain::DayHour, date(2025, 4, 1), date(2025, 4, 4)),
        ]
    );
    let short = pieces(date(2025, 1, 20), date(2025, 2, 3), &[]);
    assert_eq!(short, [(Grain::Day, date(2025, 1, 20), date(2025, 2, 4))]);
    let weeks = pieces(date(2025, 1, 1), date(2025, 12, 31), &[Dimension::Week]);
    assert_eq!(weeks, [(Grain::Day, date(2025, 1, 1), date(2026, 1, 1))]);
    assert!(ask(date(2025, 1, 1), date(2025, 1, 2), &[Dimension::Day, Dimension::Week]).check().is_err());
    assert!(ask(date(2025, 1, 1), date(2025, 1, 2), &[Dimension::Hour, Dimension::Country]).check().is_err());
    assert!(ask(date(2025, 1, 1), date(2025, 1, 2), &[Dimension::Hour, Dimension::Channel]).check().is_ok());
}

#[test]
fn what_is_kept_is_read_back() {
    let zone = rome();
    let history = [
        fact(1, 1_700_000_000, Kind::CustomerWrote, State::New),
        fact(2, 1_700_090_000, Kind::Answered, State::PendingCustomer),
    ];
    let share = count(sort(), &history, &[], &zone);
    let bytes = write_share(&share).unwrap();
    assert!(bytes.len() < 250, "{}", bytes.len());
    assert_eq!(read_share(&bytes).unwrap(), share);
    assert_eq!(read_share(&bytes[..bytes.len() / 2]), Err(Unreadable));
    for tally in share.cells.values() {
        assert_eq!(read_figures(&write_figures(&tally.figures).unwrap()).unwrap(), tally.figures);
    }
}

/// A history that may happen: kinds with the states they lead to, at rising times.
fn histories() -> impl Strategy<Value = Vec<Fact>> {
    let step = (0..7_usize, 0..200_000_i64, any::<bool>());
    proptest::collection::vec(step, 1..25).prop_map(|steps| {
        let (mut at, mut facts) = (1_711_800_000_i64, Vec::new());
        let mut state = State::New;
        for (sequence, (kind, after, automatic)) in (1..).zip(steps) {
            let done = state.is_done();
            let (kind, next) = match kind {
                0 | 1 if automatic => (Kind::CustomerWrote, state),
                0 | 1 if state == State::New => (Kind::CustomerWrote, State::New),
                0 | 1 => (Kind::CustomerWrote, State::Open),
                2 if automatic => (Kind::Answered, state),
                2 => (Kind::Answered, if done { State::Solved } else { State::PendingCustomer }),
                3 => (Kind::Answered, State::Solved),
                4 if !done => (Kind::Solved, State::Solved),
                5 if done => (Kind::Reopened, State::Open),
                _ => (Kind::Noted, state),
            };
            facts.push(Fact {
                sequence,
                at,
                kind,
                state: next,
                automatic: automatic && kind != Kind::Solved,
                since: None,
            });
            (at, state) = (at + after, next);
        }
        facts
    })
}

fn zones() -> impl Strategy<Value = TimeZone> {
    let names =
        ["Europe/Rome", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago"];
    proptest::sample::select(names.to_vec()).prop_map(|name| TimeZone::get(name).unwrap())
}

proptest! {
    /// The open tickets of every day are those that a look at the end of the day finds.
    #[test]
    fn the_backlog_of_every_day_is_what_a_look_at_its_end_finds(
        histories in proptest::collection::vec(histories(), 1..4), zone in zones()
    ) {
        let mut sums = Sums::new();
        histories.iter().for_each(|history| count(sort(), history, &[], &zone).add_to(&mut sums, 1));
        let first = date(2024, 3, 28);
        for n in 0..70 {
            let day = first.checked_add(n.days()).unwrap();
            let end = zone.to_zoned(day.checked_add(1.day()).unwrap().at(0, 0, 0, 0)).unwrap().timestamp().as_second();
            let mut found = [0_i64; AGES.len()];
            for history in &histories {
                let Some(last) = history.iter().rfind(|fact| fact.at < end) else { continue };
                if !last.state.is_done() {
                    let age = day_of(day) - stamp(&zone, history[0].at).0;
                    found[AGES.iter().rposition(|least| *least <= age).unwrap()] += 1;
                }
            }
            let lines = answer(&ask(day, day, &[]), &sums);
            let told = lines.first().and_then(|line| line.open).unwrap_or_default();
            prop_assert_eq!(told, found, "{}", day);
        }
    }

    /// However a span is cut into days, weeks, months and hours, the figures are the same; and what is taken off
    /// leaves nothing.
    #[test]
    fn every_way_to_ask_adds_up_to_the_same(
        histories in proptest::collection::vec(histories(), 1..4), zone in zones(), from in 0..20_i64, length in 1..80_i64
    ) {
        let mut sums = Sums::new();
        let shares: Vec<Share> = histories.iter().map(|history| count(sort(), history, &[], &zone)).collect();
        shares.iter().for_each(|share| share.add_to(&mut sums, 1));
        let first = date(2024, 3, 20).checked_add(from.days()).unwrap();
        let last = first.checked_add(length.days()).unwrap();
        let plain = ask(first, last, &[]);
        let expected = plain.total(&answer(&plain, &sums));
        for dimensions in [&[Dimension::Day][..], &[Dimension::Week], &[Dimension::Month, Dimension::Channel],
            &[Dimension::Language, Dimension::Day], &[Dimension::Hour], &[Dimension::Weekday, Dimension::Hour],
            &[Dimension::Weekday], &[Dimension::Weekday, Dimension::Country]] {
            let other = ask(first, last, dimensions);
            let lines = answer(&other, &sums);
            let total = other.total(&lines);
            for count in Count::ALL {
                prop_assert_eq!(total.tally.count(count), expected.tally.count(count), "{:?} {:?}", dimensions, count);
            }
            prop_assert_eq!(&total.tally.figures, &expected.tally.figures, "{:?}", dimensions);
            if other.has_backlog() {
                prop_assert_eq!(total.open, expected.open, "{:?}", dimensions);
            }
        }
        shares.iter().for_each(|share| share.add_to(&mut sums, -1));
        prop_assert!(sums.values().all(Tally::is_empty));
    }

    /// The hour of a stamp is that of the local clock, found by counting from a known offset.
    #[test]
    fn stamps_follow_the_local_clock(second in 1_500_000_000_i64..1_900_000_000, zone in zones()) {
        let instant = jiff::Timestamp::from_second(second).unwrap();
        let offset = zone.to_offset(instant);
        let local = second + i64::from(offset.seconds());
        prop_assert_eq!(stamp(&zone, second), (local.div_euclid(86_400) as i32, (local.rem_euclid(86_400) / 3_600) as u8));
        let later = instant.checked_add(SignedDuration::from_hours(30)).unwrap();
        prop_assert!(stamp(&zone, second).0 <= stamp(&zone, later.as_second()).0);
    }
}
