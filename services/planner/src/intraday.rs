//! The day as it goes: what came against what was forecast, the rest forecast again, and whether the promises will
//! be kept by those who are scheduled.

use std::collections::BTreeMap;

use ::forecast::{Damping, Expected, reforecast};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::erlang::{self, Load, Target};

/// Contacts are recorded by the half hour.
const RECORDED: i64 = 1_800;
/// The handling time of so many contacts says as much as the forecast's.
const USUAL_HANDLED: f64 = 20.0;
/// Intervals shown as short at most.
const MOST_SHORTS: usize = 20;
/// A share this close to the promise keeps it.
const HAIR: f64 = 1e-6;

/// Equal intervals of a forecast, and which of them are the day's.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Start of the forecast's first interval.
    pub start: i64,
    /// Length of an interval.
    pub step: i64,
    /// The day's intervals.
    pub day: std::ops::Range<usize>,
    /// The first interval of which actual figures were read.
    pub known: usize,
    /// Intervals of the forecast that are over.
    pub over: usize,
    /// Zone of the day.
    pub zone: TimeZone,
}

impl Frame {
    /// Start of an interval.
    pub fn at(&self, interval: usize) -> i64 {
        self.start + interval as i64 * self.step
    }
}

/// What came in one half hour.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Came {
    /// Contacts.
    pub offered: f64,
    /// Those with a known handling time.
    pub timed: f64,
    /// Their handling seconds.
    pub handle_seconds: f64,
}

/// What was forecast of one series over the whole horizon.
#[derive(Debug, Clone, Copy)]
pub struct Foreseen<'a> {
    /// Contacts per interval.
    pub contacts: &'a [f64],
    /// Mean handling seconds per interval.
    pub handle_seconds: &'a [f64],
    /// How much the rest of a day follows its morning, by half hour; empty = as usual.
    pub damping: &'a [f64],
}

/// One series by what is known now, over the whole horizon.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised {
    /// Contacts: actual where the interval is over, else forecast, the rest of the day again.
    pub contacts: Vec<f64>,
    /// Mean handling seconds.
    pub handle_seconds: Vec<f64>,
    /// Mean handling seconds of what came; 0 where none was measured.
    pub actual_handle: Vec<f64>,
    /// Actual over forecast of the day so far.
    pub ratio: Option<f64>,
    /// By which the rest of the day was multiplied.
    pub factor: f64,
}

/// Forecasts the rest of the day again. `came` holds half hours by their start; one that is missing had no contacts.
pub fn revise(
    frame: &Frame,
    foreseen: Foreseen<'_>,
    came: &BTreeMap<i64, Came>,
) -> Result<Revised, ::forecast::Refusal> {
    let mut contacts = foreseen.contacts.to_vec();
    let mut handle_seconds = foreseen.handle_seconds.to_vec();
    let mut actual_handle = vec![0.0; contacts.len()];
    for interval in frame.known..frame.over.min(contacts.len()) {
        let seen = during(frame, interval, came);
        contacts[interval] = seen.offered;
        let mean = if seen.timed > 0.0 { seen.handle_seconds / seen.timed } else { 0.0 };
        if mean > 0.0 {
            handle_seconds[interval] = mean;
        }
        actual_handle[interval] = mean;
    }
    // The crate compares by half hours or longer intervals, in the order of the day.
    let bucket = frame.step.max(RECORDED);
    let per = (bucket / frame.step) as usize;
    let mut day: Vec<Expected> = Vec::new();
    let mut actual: Vec<Option<f64>> = Vec::new();
    let (mut timed, mut taken, mut thought) = (0.0, 0.0, 0.0);
    for first in frame.day.clone().step_by(per) {
        let members = first..(first + per).min(frame.day.end);
        let start = Timestamp::from_second(frame.at(first)).unwrap_or(Timestamp::MAX);
        let civil = frame.zone.to_datetime(start);
        let expected = members.clone().map(|i| foreseen.contacts[i]).sum();
        if members.end <= frame.over {
            actual.push(Some(members.clone().map(|i| contacts[i]).sum()));
            for interval in members {
                let seen = during(frame, interval, came);
                timed += seen.timed;
                taken += seen.handle_seconds;
                thought += seen.timed * foreseen.handle_seconds[interval];
            }
        }
        day.push(Expected {
            start,
            slot: usize::from(civil.hour().unsigned_abs()) * 2 + usize::from(30 <= civil.minute()),
            contacts: expected,
            ranges: Vec::new(),
            handle_seconds: None,
        });
    }
    let damping = Damping { powers: foreseen.damping.to_vec(), scatter: Vec::new() };
    let again = reforecast(&day, &actual, &damping)?;
    let slower = if 0.0 < timed && 0.0 < thought && 0.0 < taken {
        (taken / thought).clamp(0.25, 4.0).powf(timed / (timed + USUAL_HANDLED))
    } else {
        1.0
    };
    for interval in frame.day.clone().filter(|interval| frame.over <= *interval) {
        contacts[interval] *= again.factor;
        handle_seconds[interval] = (handle_seconds[interval] * slower).clamp(1.0, 86_400.0);
    }
    Ok(Revised { contacts, handle_seconds, actual_handle, ratio: again.ratio, factor: again.factor })
}

/// What came in an interval: half hours summed, or the interval's share of one.
fn during(frame: &Frame, interval: usize, came: &BTreeMap<i64, Came>) -> Came {
    let (from, to) = (frame.at(interval), frame.at(interval + 1));
    let share = if frame.step < RECORDED { frame.step as f64 / RECORDED as f64 } else { 1.0 };
    let first = from.div_euclid(RECORDED) * RECORDED;
    let mut sum = Came::default();
    for (_, seen) in came.range(first..to) {
        sum.offered += seen.offered * share;
        sum.timed += seen.timed * share;
        sum.handle_seconds += seen.handle_seconds * share;
    }
    sum
}

/// How a channel's work is promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Promise {
    /// Customers wait on the line.
    RealTime {
        /// The target.
        target: Target,
        /// Mean patience in seconds.
        patience: Option<f64>,
    },
    /// Within so many seconds.
    Deferred {
        /// From arrival to answer.
        seconds: i64,
        /// Share of an agent's time that it may fill.
        occupancy: f64,
    },
}

/// One language of a channel, over the whole horizon.
#[derive(Debug, Clone)]
pub struct Line {
    /// BCP 47 language.
    pub language: String,
    /// Contacts by what is known now.
    pub contacts: Vec<f64>,
    /// Mean handling seconds.
    pub handle_seconds: Vec<f64>,
    /// People to schedule.
    pub required: Vec<f64>,
    /// People scheduled for it.
    pub covered: Vec<f64>,
}

/// An interval with too few people.
#[derive(Debug, Clone, PartialEq)]
pub struct Short {
    /// Index in the horizon.
    pub interval: usize,
    /// Language.
    pub language: String,
    /// People to schedule, and scheduled.
    pub required: f64,
    pub covered: f64,
    /// Share of its contacts expected to be answered in time.
    pub expected: f64,
}

/// Whether a promise will be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// The share promised.
    pub target: f64,
    /// The time promised.
    pub within: i64,
    /// Whether anything is expected at all.
    pub idle: bool,
    /// Whether the day's share keeps the promise.
    pub kept: bool,
    /// Shares expected of the day, and of what is left of it.
    pub day: f64,
    pub rest: f64,
    /// Intervals left that are too thin, the worst first.
    pub shorts: Vec<Short>,
}

/// Looks ahead for one channel. `shrinkage` is the share of scheduled people who do not work contacts.
pub fn outlook(frame: &Frame, promise: &Promise, shrinkage: f64, lines: &[Line]) -> Result<Outlook, erlang::Refusal> {
    let (target, within) = match promise {
        Promise::RealTime { target, .. } => (target.service_level, target.within_seconds as i64),
        Promise::Deferred { seconds, .. } => (1.0, *seconds),
    };
    let (mut all, mut kept, mut rest, mut rest_kept) = (0.0, 0.0, 0.0, 0.0);
    let mut shorts = Vec::new();
    for line in lines {
        let shares = shares(frame, promise, shrinkage, line)?;
        for interval in frame.day.clone() {
            let (contacts, share) = (line.contacts[interval], shares[interval]);
            all += contacts;
            kept += contacts * share;
            if interval < frame.over {
                continue;
            }
            rest += contacts;
            rest_kept += contacts * share;
            let (required, covered) = (line.required[interval], line.covered[interval]);
            let wanting = match promise {
                Promise::RealTime { .. } => share + HAIR < target,
                Promise::Deferred { .. } => share + HAIR < 1.0,
            };
            if 0.0 < contacts && wanting {
                let language = line.language.clone();
                shorts.push(Short { interval, language, required, covered, expected: share });
            }
        }
    }
    let lost = |short: &Short| {
        let line = lines.iter().find(|line| line.language == short.language);
        line.map_or(0.0, |line| line.contacts[short.interval]) * (1.0 - short.expected)
    };
    shorts.sort_by(|a, b| lost(b).total_cmp(&lost(a)).then(a.interval.cmp(&b.interval)));
    shorts.truncate(MOST_SHORTS);
    let share = |part: f64, whole: f64| if 0.0 < whole { (part / whole).min(1.0) } else { 1.0 };
    let day = share(kept, all);
    Ok(Outlook {
        target,
        within,
        idle: all <= 0.0,
        kept: target <= day + HAIR,
        day,
        rest: share(rest_kept, rest),
        shorts,
    })
}

/// Share of each interval's contacts that is answered in time.
fn shares(frame: &Frame, promise: &Promise, shrinkage: f64, line: &Line) -> Result<Vec<f64>, erlang::Refusal> {
    let working = |interval: usize| line.covered[interval] * (1.0 - shrinkage);
    match promise {
        Promise::RealTime { target, patience } => {
            let mut shares = vec![1.0; line.contacts.len()];
            for interval in frame.day.clone().filter(|interval| 0.0 < line.contacts[*interval]) {
                let load = Load {
                    contacts: line.contacts[interval],
                    interval_seconds: frame.step as f64,
                    handle_seconds: line.handle_seconds[interval],
                    patience_seconds: *patience,
                };
                shares[interval] = served(&load, target, working(interval))?;
            }
            Ok(shares)
        }
        Promise::Deferred { seconds, occupancy } => {
            let arrivals: Vec<f64> = line.contacts.iter().zip(&line.handle_seconds).map(|(c, h)| c * h).collect();
            let capacity: Vec<f64> =
                (0..line.contacts.len()).map(|i| working(i) * occupancy * frame.step as f64).collect();
            Ok(done_in_time(&arrivals, &capacity, (seconds / frame.step).max(1) as usize))
        }
    }
}

/// The service level of so many people; of a part of a person, the level between the whole ones.
fn served(load: &Load, target: &Target, people: f64) -> Result<f64, erlang::Refusal> {
    // A hair of tolerance, so that 2.23 people less a tenth are two.
    let people = (people + 0.01).max(0.0);
    let of = |people: f64| {
        let servers = (people as u32).saturating_mul(target.concurrency);
        if servers == 0 {
            return Ok(0.0);
        }
        Ok(erlang::figures(load, servers, target.within_seconds)?.service_level(target.definition))
    };
    let (low, part) = (people.floor(), people.fract());
    let below = of(low)?;
    Ok(if part < 0.02 { below } else { below + part * (of(low + 1.0)? - below) })
}

/// First come, first served: the share of each interval's work that is done within so many intervals, its own
/// counted. Work whose deadline lies beyond the horizon counts as done in time: nobody knows yet.
pub fn done_in_time(arrivals: &[f64], capacity: &[f64], window: usize) -> Vec<f64> {
    let count = arrivals.len();
    let mut late = vec![0.0; count];
    let mut queue: std::collections::VecDeque<(usize, f64)> = std::collections::VecDeque::new();
    for now in 0..count {
        // What came in an interval can be worked on from the next one, unless its promise ends with it.
        if window <= 1 && 0.0 < arrivals[now] {
            queue.push_back((now, arrivals[now]));
        }
        let mut room = capacity[now];
        while let Some((came, left)) = queue.front_mut() {
            let taken = room.min(*left);
            if *came + window <= now {
                late[*came] += taken;
            }
            room -= taken;
            *left -= taken;
            if 1e-9 < *left {
                break;
            }
            queue.pop_front();
        }
        if 1 < window && 0.0 < arrivals[now] {
            queue.push_back((now, arrivals[now]));
        }
    }
    for (came, left) in queue {
        if came + window <= count {
            late[came] += left;
        }
    }
    let share = |interval: usize| {
        if 0.0 < arrivals[interval] { (1.0 - late[interval] / arrivals[interval]).clamp(0.0, 1.0) } else { 1.0 }
    };
    (0..count).map(share).collect()
}

/// Divides the people who cover a language among its channels: those whose customers wait first, each in the
/// measure of what it requires; what they leave, and nothing else, is for deferred work. People beyond every
/// requirement are shared in the same measure. Amounts of one interval.
pub fn divide(covered: f64, required: &[(bool, f64)]) -> Vec<f64> {
    let sum = |waiting: bool| required.iter().filter(|one| one.0 == waiting).map(|one| one.1).sum::<f64>();
    let (first, second) = (sum(true), sum(false));
    let for_first = if second <= 0.0 { covered } else { covered.min(first) };
    let (for_first, for_second) =
        if first <= 0.0 { (0.0, covered) } else { (for_first, (covered - for_first).max(0.0)) };
    let part = |(waiting, people): &(bool, f64)| {
        let (of, whole) = if *waiting { (for_first, first) } else { (for_second, second) };
        if 0.0 < whole { of * people / whole } else { 0.0 }
    };
    required.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::erlang::Definition;

    fn frame(over: usize) -> Frame {
        Frame { start: 0, step: 1_800, day: 0..48, known: 0, over, zone: TimeZone::UTC }
    }

    fn target() -> Target {
        Target {
            within_seconds: 20.0,
            service_level: 0.8,
            definition: Definition::OfOffered,
            max_occupancy: 1.0,
            max_mean_wait: None,
            max_abandonment: None,
            concurrency: 1,
        }
    }

    #[test]
    fn a_busier_morning_raises_the_rest_by_less_than_itself() {
        let (contacts, handle) = (vec![10.0; 48], vec![300.0; 48]);
        let foreseen = Foreseen { contacts: &contacts, handle_seconds: &handle, damping: &[] };
        let busy = Came { offered: 20.0, timed: 20.0, handle_seconds: 20.0 * 360.0 };
        let came: BTreeMap<i64, Came> = (0..24).map(|i| (i * 1_800, busy)).collect();
        let revised = revise(&frame(24), foreseen, &came).expect("fits");
        assert_eq!((revised.contacts[0], revised.ratio), (20.0, Some(2.0)));
        assert!((revised.factor - 2.0_f64.sqrt()).abs() < 0.01, "{}", revised.factor);
        assert!((revised.contacts[47] - 10.0 * revised.factor).abs() < 1e-9);
        assert!((350.0..360.0).contains(&revised.handle_seconds[47]), "{}", revised.handle_seconds[47]);
        let learnt = Foreseen { damping: &[1.0; 48], ..foreseen };
        let whole = revise(&frame(24), learnt, &came).expect("fits");
        assert!((whole.factor - 2.0).abs() < 0.01, "{}", whole.factor);
    }

    #[test]
    fn quarters_and_hours_are_compared_with_half_hours() {
        let came: BTreeMap<i64, Came> = (0..4).map(|i| (i * 1_800, Came { offered: 8.0, ..Came::default() })).collect();
        let (contacts, handle) = (vec![4.0; 96], vec![300.0; 96]);
        let quarters = Frame { step: 900, day: 0..96, over: 8, ..frame(8) };
        let foreseen = Foreseen { contacts: &contacts, handle_seconds: &handle, damping: &[] };
        let revised = revise(&quarters, foreseen, &came).expect("fits");
        assert_eq!((revised.contacts[3], revised.ratio, revised.factor), (4.0, Some(1.0), 1.0));
        let hours = Frame { step: 3_600, day: 0..24, over: 2, ..frame(2) };
        let (contacts, handle) = (vec![16.0; 24], vec![300.0; 24]);
        let foreseen = Foreseen { contacts: &contacts, handle_seconds: &handle, damping: &[] };
        assert_eq!(revise(&hours, foreseen, &came).expect("fits").ratio, Some(1.0));
    }

    fn line(contacts: f64, covered: f64) -> Line {
        Line {
            language: "it".into(),
            contacts: vec![contacts; 48],
            handle_seconds: vec![180.0; 48],
            required: vec![14.0; 48],
            covered: vec![covered; 48],
        }
    }

    #[test]
    fn enough_people_keep_the_promise_and_too_few_put_it_at_risk_with_the_reason() {
        let promise = Promise::RealTime { target: target(), patience: None };
        // A hundred calls of three minutes in half an hour need fourteen for 80 % in 20 seconds.
        let good = outlook(&frame(20), &promise, 0.0, &[line(100.0, 14.0)]).expect("computed");
        assert!(good.kept && good.shorts.is_empty() && 0.8 < good.day, "{good:?}");
        let mut thin = line(100.0, 14.0);
        for interval in 30..48 {
            thin.covered[interval] = 10.0;
        }
        let risk = outlook(&frame(20), &promise, 0.0, &[thin]).expect("computed");
        assert!(!risk.kept && risk.shorts.len() == 18, "{risk:?}");
        assert_eq!((risk.shorts[0].interval, risk.shorts[0].required, risk.shorts[0].covered), (30, 14.0, 10.0));
        assert!(risk.rest < risk.day);
        let idle = outlook(&frame(20), &promise, 0.0, &[line(0.0, 0.0)]).expect("computed");
        assert!(idle.idle && idle.kept);
    }

    #[test]
    fn deferred_work_is_done_in_its_order_and_late_beyond_its_promise() {
        // Ten seconds of work in each of four intervals, capacity in the third and fourth only.
        assert_eq!(done_in_time(&[10.0; 4], &[0.0, 0.0, 20.0, 20.0], 2), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(done_in_time(&[10.0, 0.0, 0.0, 0.0], &[0.0; 4], 2), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(done_in_time(&[10.0], &[10.0], 1), [1.0]);
    }

    #[test]
    fn those_who_wait_come_first() {
        assert_eq!(divide(3.0, &[(true, 2.0), (false, 2.0)]), [2.0, 1.0]);
        assert_eq!(divide(1.0, &[(true, 2.0), (false, 2.0)]), [1.0, 0.0]);
        assert_eq!(divide(6.0, &[(true, 2.0), (true, 1.0)]), [4.0, 2.0]);
        assert_eq!(divide(6.0, &[(false, 2.0)]), [6.0]);
        assert_eq!(divide(6.0, &[(true, 0.0), (false, 2.0)]), [0.0, 6.0]);
    }

    proptest! {
        #[test]
        fn more_people_never_put_a_promise_at_risk(contacts in 1.0_f64..200.0, few in 0.0_f64..40.0, more in 0.0_f64..10.0) {
            let promise = Promise::RealTime { target: target(), patience: Some(120.0) };
            let thin = outlook(&frame(0), &promise, 0.1, &[line(contacts, few)]).unwrap();
            let thick = outlook(&frame(0), &promise, 0.1, &[line(contacts, few + more)]).unwrap();
            prop_assert!(thin.day <= thick.day + 1e-9);
        }

        #[test]
        fn nobody_is_divided_twice(covered in 0.0_f64..50.0, required in proptest::collection::vec((any::<bool>(), 0.0_f64..20.0), 1..6)) {
            let parts = divide(covered, &required);
            prop_assert!(parts.iter().sum::<f64>() <= covered + 1e-9);
            prop_assert!(parts.iter().all(|part| 0.0 <= *part));
        }
    }
}
