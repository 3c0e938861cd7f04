//! Real calls: what is estimated from a log of them, and how far a simulation
//! from those estimates reproduces what happened.
//!
//! The log is a CSV with a call a line: `date` (YYYY-MM-DD), `type`, `priority`
//! (2 goes before others), `entry_s` (second of the day), `vru_s` (seconds with
//! the machine before the queue; a clock that was set may make it negative), `wait_s`, `outcome` (`AGENT`, `HANG`, and
//! others that are left out), `service_s`, `agent`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::chance::Dist;
use crate::outcome::Outcome;
use crate::plan::Wrong;
use crate::scenario::{AgentOrder, Arrivals, ContactType, Group, Horizon, PolicyPart, Scenario, ServiceLevel, Shift};
use crate::units::{Moment, Rate, Span};

/// Answered within this many seconds is in time.
pub const TARGET: f64 = 20.0;
/// How far the simulation may be from what happened, in points: the share of the
/// answered that were answered in time, and the share that abandoned; over all,
/// and in each hour of the day with calls enough.
pub const BOUNDS: [(f64, f64); 2] = [(0.05, 0.035), (0.15, 0.10)];
/// Calls that an hour of the day must have had to be judged.
pub const ENOUGH: f64 = 500.0;

/// After a call, so many seconds count as turning to the next one.
const TURN: f64 = 30.0;
/// An agent without a call for longer, though nobody waits, is away.
const IDLE: f64 = 300.0;
/// The credit of those with priority: they join the queue so much ahead.
const CREDIT: f64 = 90.0;
/// The promise of all others: first come, first served.
const PROMISE: f64 = 30.0 * 86_400.0;
const DAYS_MAX: i32 = 400;
const DAY: f64 = 86_400.0;
const HOUR: f64 = 3_600.0;
/// Calls of a type that are fewer than this share of an agent's are rare.
const RARE: f64 = 0.03;
/// What the name of a type that goes before others ends with.
const WITH_PRIORITY: &str = " with priority";
/// Points of an empirical distribution.
const POINTS: usize = 200;

/// A line of the log.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    date: String,
    #[serde(rename = "type")]
    kind: String,
    priority: u32,
    entry_s: f64,
    vru_s: f64,
    wait_s: f64,
    outcome: String,
    service_s: Option<f64>,
    agent: Option<String>,
}

/// A call that reached the queue; times in seconds from the first midnight.
#[derive(Debug, Clone)]
struct Call {
    kind: String,
    priority: bool,
    joined: f64,
    wait: f64,
    /// Its service and its agent, if it was answered.
    answered: Option<(f64, String)>,
}

impl Call {
    fn start(&self) -> f64 {
        self.joined + self.wait
    }
}

/// A log of calls.
#[derive(Debug, Clone)]
pub struct Log {
    calls: Vec<Call>,
    days: u32,
}

/// How long customers wait before they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// Exponential: all waits over the number that abandoned.
    #[default]
    Exponential,
    /// As Kaplan and Meier estimate it.
    KaplanMeier,
}

/// What is estimated of one type.
#[derive(Debug, Clone, Serialize)]
pub struct KindEstimate {
    pub calls: u32,
    /// Mean of the exponential patience, seconds.
    pub patience: f64,
    /// Half have left by then, by Kaplan and Meier, if half ever do.
    pub patience_half: Option<f64>,
    /// Mean handling, with turning to the next call, seconds.
    pub handling: f64,
    /// Of those who waited, the share with priority.
    pub priority: f64,
}

/// What a log lets be estimated.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    pub days: u32,
    /// Mean seconds from the end of a call to the next, while somebody waits.
    pub turnaround: f64,
    pub kinds: BTreeMap<String, KindEstimate>,
    /// Agents there, by hour of the day, as a mean over the days.
    pub agents: Vec<f64>,
    #[serde(skip)]
    pub scenario: Scenario,
}

impl Log {
    /// Reads a log. Calls that never reached the queue are left out: those that
    /// hung up without a wait were still with the machine.
    pub fn read(text: &str) -> Result<Log, Wrong> {
        let refuse = |place: String, problem: String| Wrong(vec![(place, problem)]);
        let mut lines = Vec::new();
        for (i, line) in csv::Reader::from_reader(text.as_bytes()).deserialize().enumerate() {
            let line: Line = line.map_err(|error| refuse(format!("line {}", i + 2), error.to_string()))?;
            let date: jiff::civil::Date = line
                .date
                .parse()
                .map_err(|_| refuse(format!("line {}", i + 2), format!("\"{}\" is no date", line.date)))?;
            let times = [line.entry_s, line.wait_s, line.service_s.unwrap_or(0.0)];
            // Clocks that were set make times with the machine that are negative.
            if times.into_iter().any(|time| !(0.0..=DAY).contains(&time)) || line.vru_s.abs() > DAY {
                return Err(refuse(format!("line {}", i + 2), "a time is negative, or longer than a day".to_owned()));
            }
            lines.push((date, line));
        }
        let Some(first) = lines.iter().map(|(date, _)| *date).min() else {
            return Err(refuse(String::new(), "there are no calls".to_owned()));
        };
        let mut calls = Vec::new();
        let mut days = 0;
        for (date, line) in lines {
            let day = (date - first).get_days();
            if day >= DAYS_MAX {
                return Err(refuse(String::new(), format!("there are more than {DAYS_MAX} days")));
            }
            days = days.max(day + 1);
            let answered = match line.outcome.as_str() {
                "AGENT" => Some((line.service_s.unwrap_or(0.0), line.agent.unwrap_or_default())),
                "HANG" if line.wait_s > 0.0 => None,
                _ => continue,
            };
            calls.push(Call {
                kind: line.kind,
                priority: line.priority == 2,
                joined: f64::from(day) * DAY + line.entry_s + line.vru_s,
                wait: line.wait_s,
                answered,
            });
        }
        calls.sort_by(|a, b| a.joined.total_cmp(&b.joined));
        Ok(Log { calls, days: u32::try_from(days).unwrap_or(0) })
    }

    fn length(&self) -> f64 {
        f64::from(self.days) * DAY
    }

    /// Estimates arrivals by hour and type, patience, handling and who was there.
    #[must_use]
    pub fn estimate(&self, patience: Patience) -> Estimate {
        let queue = Stretches::of(&self.calls);
        let work = self.work();
        let turnaround = turnaround(&work, &queue);
        let mut kinds = BTreeMap::new();
        let mut contacts = Vec::new();
        let names: BTreeSet<&str> = self.calls.iter().map(|call| call.kind.as_str()).collect();
        for name in names {
            let of: Vec<&Call> = self.calls.iter().filter(|call| call.kind == name).collect();
            let (estimate, types) = self.kind(name, &of, turnaround, patience);
            kinds.insert(name.to_owned(), estimate);
            contacts.extend(types);
        }
        let mut agents = vec![0.0; 24];
        let mut groups = Vec::new();
        for (name, calls) in &work {
            let there = presence(calls, &queue, turnaround);
            for (hour, seconds) in by_hour(&there, self.length()).iter().enumerate() {
                agents[hour % 24] += seconds / HOUR / f64::from(self.days);
            }
            groups.extend((0..self.days).filter_map(|day| group(name, day, calls, &there, &contacts)));
        }
        // Types that nobody is seen to serve would wait for ever.
        let served: BTreeSet<&String> = groups.iter().flat_map(|group| group.serves.iter().flatten()).collect();
        contacts.retain(|contact| served.contains(&contact.name));
        let scenario = self.scenario(contacts, groups);
        Estimate { days: self.days, turnaround, kinds, agents, scenario }
    }

    /// Every agent's calls, by their start: start, end, type.
    fn work(&self) -> BTreeMap<String, Vec<(f64, f64, String)>> {
        let mut work: BTreeMap<String, Vec<(f64, f64, String)>> = BTreeMap::new();
        for call in &self.calls {
            if let Some((service, agent)) = &call.answered {
                let start = call.start();
                work.entry(agent.clone()).or_default().push((start, start + service, call.kind.clone()));
            }
        }
        for calls in work.values_mut() {
            calls.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        work
    }

    /// A type, as one of priority and one without.
    fn kind(&self, name: &str, of: &[&Call], turnaround: f64, patience: Patience) -> (KindEstimate, Vec<ContactType>) {
        let waits: f64 = of.iter().map(|call| call.wait).sum();
        let left = of.iter().filter(|call| call.answered.is_none()).count();
        let exponential = if left == 0 { f64::INFINITY } else { waits / left as f64 };
        let survival = kaplan_meier(of.iter().filter(|call| call.wait > 0.0).map(|c| (c.wait, c.answered.is_none())));
        let mut handling: Vec<f64> =
            of.iter().filter_map(|call| Some(call.answered.as_ref()?.0 + turnaround)).collect();
        handling.sort_by(f64::total_cmp);
        let waited: Vec<&&Call> = of.iter().filter(|call| call.wait > 0.0).collect();
        // Who did not wait is logged without priority, whoever it was.
        let priority = waited.iter().filter(|call| call.priority).count() as f64 / (waited.len() as f64).max(1.0);
        let estimate = KindEstimate {
            calls: of.len() as u32,
            patience: exponential,
            patience_half: survival.iter().find(|(_, share)| *share <= 0.5).map(|(wait, _)| *wait),
            handling: handling.iter().sum::<f64>() / (handling.len() as f64).max(1.0),
            priority,
        };
        let mut hours = vec![0.0; (self.length() / HOUR) as usize];
        for call in of {
            if let Some(hour) = hours.get_mut((call.joined / HOUR) as usize) {
                *hour += 1.0;
            }
        }
        let patience = match patience {
            _ if left == 0 => None,
            Patience::Exponential => Some(Dist::Exponential(Span(exponential))),
            Patience::KaplanMeier => Some(steps(&survival)),
        };
        let handling: Vec<Span> = points(&handling).into_iter().map(Span).collect();
        let mut types = Vec::new();
        for (ahead, share) in [(true, priority), (false, 1.0 - priority)] {
            if share <= 0.0 || handling.is_empty() {
                continue;
            }
            types.push(ContactType {
                name: if ahead { format!("{name}{WITH_PRIORITY}") } else { name.to_owned() },
                seller: Some("calls".to_owned()),
                language: None,
                channel: "phone".to_owned(),
                priority: "normal".to_owned(),
                skills: Vec::new(),
                preferred_skills: Vec::new(),
                arrivals: Arrivals {
                    rate: None,
                    rates: Some(hours.iter().map(|n| Rate(n * share / HOUR)).collect()),
                    every: Some(Span(HOUR)),
                    gaps: None,
                    at: None,
                    from: None,
                    until: None,
                    surges: Vec::new(),
                    batch: None,
                    day_factor: None,
                    day_factors: Vec::new(),
                },
                handling: Dist::Empirical { values: handling.clone(), weights: Vec::new(), never: 0.0 },
                patience: patience.clone(),
                balk: 0.0,
                waiting_places: None,
                retry: None,
                answer_within: Some(Span(TARGET)),
                promise: Some(Span(if ahead { PROMISE - CREDIT } else { PROMISE })),
            });
        }
        (estimate, types)
    }

    fn scenario(&self, contact: Vec<ContactType>, group: Vec<Group>) -> Scenario {
        Scenario {
            name: format!("{} calls of {} days", self.calls.len(), self.days),
            description: String::new(),
            seed: 1,
            replications: 20,
            confidence: 0.95,
            service_level: ServiceLevel::Answered,
            answer_within: Span(TARGET),
            waiting_places: None,
            lines: None,
            day_factor: None,
            day_factors: Vec::new(),
            horizon: Horizon {
                length: Span(self.length()),
                start: Moment::Clock(0.0),
                day: Span(self.length()),
                warm_up: Span(0.0),
                batches: 1,
                interval: Some(Span(HOUR)),
                fold: Some(Span(DAY)),
                end: None,
            },
            window: Vec::new(),
            policy: PolicyPart { agent_order: Some(AgentOrder::LongestIdle), ..PolicyPart::default() },
            seller: BTreeMap::new(),
            contact,
            group,
        }
    }
}

/// Stretches in which somebody waited.
struct Stretches(Vec<(f64, f64)>);

impl Stretches {
    fn of(calls: &[Call]) -> Stretches {
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for call in calls.iter().filter(|call| call.wait > 0.0) {
            match merged.last_mut() {
                Some(last) if call.joined <= last.1 => last.1 = last.1.max(call.start()),
                _ => merged.push((call.joined, call.start())),
            }
        }
        Stretches(merged)
    }

    /// The stretches that are not over at a moment.
    fn after(&self, at: f64) -> impl Iterator<Item = &(f64, f64)> {
        let first = self.0.partition_point(|(_, end)| *end <= at);
        self.0[first..].iter()
    }

    fn at(&self, at: f64) -> bool {
        self.after(at).next().is_some_and(|(start, _)| *start <= at)
    }
}

/// How long agents take to turn to the next call, while somebody waits.
fn turnaround(work: &BTreeMap<String, Vec<(f64, f64, String)>>, queue: &Stretches) -> f64 {
    let gaps: Vec<f64> = work
        .values()
        .flat_map(|calls| calls.windows(2))
        .filter(|pair| queue.at(pair[0].1))
        .map(|pair| pair[1].0 - pair[0].1)
        .filter(|gap| (0.0..=TURN).contains(gap))
        .collect();
    gaps.iter().sum::<f64>() / (gaps.len() as f64).max(1.0)
}

/// When an agent was there: at her calls, turning to the next, and between two
/// calls for a while - until somebody waits and she does not take the call.
fn presence(calls: &[(f64, f64, String)], queue: &Stretches, turnaround: f64) -> Vec<(f64, f64)> {
    let mut there: Vec<(f64, f64)> = Vec::new();
    for (i, (start, end, _)) in calls.iter().enumerate() {
        let next = calls.get(i + 1).map(|call| call.0).filter(|next| next >= end);
        let until = match next {
            None => *end,
            Some(next) if next - end <= TURN => next,
            Some(next) => {
                let missed = queue
                    .after(*end)
                    .take_while(|(from, _)| *from < next)
                    .map(|(from, to)| (from.max(*end), to.min(next)))
                    .find(|(from, to)| to - from > turnaround && *to < next);
                match missed {
                    Some((from, _)) => from.min(end + IDLE),
                    None if next - end <= IDLE => next,
                    None => *end,
                }
            }
        };
        match there.last_mut() {
            Some(last) if *start <= last.1 + 1.0 => last.1 = last.1.max(until),
            _ => there.push((*start, until)),
        }
    }
    there
}

/// Seconds of each hour within stretches.
fn by_hour(there: &[(f64, f64)], length: f64) -> Vec<f64> {
    let mut hours = vec![0.0; (length / HOUR) as usize];
    for (from, to) in there {
        for hour in (from / HOUR) as usize..=(to / HOUR) as usize {
            let start = hour as f64 * HOUR;
            if let Some(seconds) = hours.get_mut(hour) {
                *seconds += (to.min(start + HOUR) - from.max(start)).max(0.0);
            }
        }
    }
    hours.into_iter().map(|seconds| f64::min(seconds, HOUR)).collect()
}

/// An agent of a day as a group: there when she was there, and serving what she
/// took that day; what is too rare to be taken every day, what she ever took.
fn group(
    name: &str,
    day: u32,
    calls: &[(f64, f64, String)],
    there: &[(f64, f64)],
    contacts: &[ContactType],
) -> Option<Group> {
    let of_day = |at: f64| (at / DAY) as u32 == day;
    let shifts: Vec<Shift> = there
        .iter()
        .filter(|(from, to)| of_day(*from) && to > from)
        .map(|(from, to)| Shift { agents: 1, from: Moment::After(*from), to: Moment::After(*to), days: None })
        .collect();
    let mut taken: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (start, _, kind) in calls {
        let counts = taken.entry(kind).or_default();
        counts.0 += 1;
        counts.1 += u32::from(of_day(*start));
    }
    let all: u32 = taken.values().map(|counts| counts.0).sum();
    let serves = |kind: &str| {
        taken.get(kind).is_some_and(|(ever, today)| {
            let rare = f64::from(*ever) < RARE * f64::from(all);
            *today > 0 || (rare && *ever >= 3)
        })
    };
    let serves: Vec<String> = contacts
        .iter()
        .map(|contact| contact.name.clone())
        .filter(|name| serves(name.trim_end_matches(WITH_PRIORITY)))
        .collect();
    if serves.is_empty() || shifts.is_empty() {
        return None;
    }
    Some(Group {
        name: format!("{} on day {}", if name.is_empty() { "not named" } else { name }, day + 1),
        agents: None,
        counts: None,
        every: None,
        shifts: Some(shifts),
        serves: Some(serves),
        in_order: false,
        primary: None,
        sellers: None,
        languages: None,
        skills: None,
        channels: None,
        capacity: None,
        speed: 1.0,
        handling: BTreeMap::new(),
        accept_after: None,
    })
}

/// The share that lasts longer than each wait at which somebody left, from waits
/// and whether they ended by leaving (Kaplan and Meier 1958).
fn kaplan_meier(waits: impl Iterator<Item = (f64, bool)>) -> Vec<(f64, f64)> {
    let mut waits: Vec<(f64, bool)> = waits.collect();
    waits.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lasting = 1.0;
    let mut steps = Vec::new();
    let mut i = 0;
    while i < waits.len() {
        let at = waits[i].0;
        let there = (waits.len() - i) as f64;
        let (mut gone, mut left) = (0, 0.0);
        while let Some((_, leaves)) = waits.get(i + gone).filter(|(wait, _)| *wait == at) {
            gone += 1;
            left += if *leaves { 1.0 } else { 0.0 };
        }
        if left > 0.0 {
            lasting *= 1.0 - left / there;
            steps.push((at, lasting));
        }
        i += gone;
    }
    steps
}

/// A survival curve as a distribution.
fn steps(survival: &[(f64, f64)]) -> Dist {
    let mut before = 1.0;
    let mut weights = Vec::new();
    for (_, share) in survival {
        weights.push(before - share);
        before = *share;
    }
    let values = survival.iter().map(|(wait, _)| Span(*wait)).collect();
    Dist::Empirical { values, weights, never: before.clamp(0.0, 0.999) }
}

/// Evenly spaced points of sorted values.
fn points(sorted: &[f64]) -> Vec<f64> {
    if sorted.len() <= POINTS {
        return sorted.to_vec();
    }
    (0..POINTS).map(|i| sorted[(sorted.len() as f64 * (i as f64 + 0.5) / POINTS as f64) as usize]).collect()
}

/// What happened beside what was simulated.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// The hour of the day, the type, or `all`.
    pub of: String,
    /// Calls that reached the queue.
    pub calls: f64,
    pub calls_simulated: f64,
    /// Share of the answered that were answered in time.
    pub in_time: f64,
    pub in_time_simulated: f64,
    /// Share that abandoned.
    pub abandoned: f64,
    pub abandoned_simulated: f64,
    /// Mean wait of the answered, seconds.
    pub answer: f64,
    pub answer_simulated: f64,
    /// Whether the simulation is within its bounds; types are not judged.
    pub within: Option<bool>,
}

/// How far a simulation reproduces a log.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub estimate: Estimate,
    pub all: Beside,
    pub hours: Vec<Beside>,
    pub types: Vec<Beside>,
    /// Where model and reality differ, in words.
    pub remarks: Vec<String>,
}

/// Sums of a part of the log: calls, abandoned, in time, waits of the answered.
#[derive(Default)]
struct Seen([f64; 4]);

impl Seen {
    fn of<'a>(calls: impl Iterator<Item = &'a Call>) -> Seen {
        let mut seen = [0.0; 4];
        for call in calls {
            seen[0] += 1.0;
            if call.answered.is_none() {
                seen[1] += 1.0;
            } else {
                seen[2] += if call.wait <= TARGET { 1.0 } else { 0.0 };
                seen[3] += call.wait;
            }
        }
        Seen(seen)
    }

    fn beside(&self, of: String, simulated: [f64; 4], bounds: Option<(f64, f64)>) -> Beside {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let ratios = |s: &[f64; 4]| (share(s[2], s[0] - s[1]), share(s[1], s[0]), share(s[3], s[0] - s[1]));
        let (real, model) = (ratios(&self.0), ratios(&simulated));
        Beside {
            of,
            calls: self.0[0],
            calls_simulated: simulated[0],
            in_time: real.0,
            in_time_simulated: model.0,
            abandoned: real.1,
            abandoned_simulated: model.1,
            answer: real.2,
            answer_simulated: model.2,
            within: bounds.map(|(level, left)| (real.0 - model.0).abs() <= level && (real.1 - model.1).abs() <= left),
        }
    }
}

/// Puts a simulation from estimates beside the log that they come from.
#[must_use]
pub fn compare(log: &Log, estimate: Estimate, outcome: &Outcome) -> Comparison {
    let sums = |figures: &crate::outcome::Figures| {
        let value = |name: &str| figures.get(name).map_or(0.0, |figure| figure.value);
        [value("offered"), value("abandoned"), value("good"), value("asa") * value("served")]
    };
    let all = Seen::of(log.calls.iter()).beside("all".to_owned(), sums(&outcome.whole.all), Some(BOUNDS[0]));
    let hours = outcome
        .intervals
        .iter()
        .enumerate()
        .map(|(hour, row)| {
            let seen = Seen::of(log.calls.iter().filter(|call| (call.joined / HOUR) as usize % 24 == hour));
            let bounds = (seen.0[0] >= ENOUGH).then_some(BOUNDS[1]);
            seen.beside(row.label.clone(), sums(&row.all), bounds)
        })
        .filter(|hour| hour.calls > 0.0)
        .collect();
    let types = estimate
        .kinds
        .keys()
        .map(|kind| {
            let mut simulated = [0.0; 4];
            for name in [kind.clone(), format!("{kind}{WITH_PRIORITY}")] {
                if let Some(figures) = outcome.whole.types.get(&name) {
                    simulated.iter_mut().zip(sums(figures)).for_each(|(sum, more)| *sum += more);
                }
            }
            Seen::of(log.calls.iter().filter(|call| call.kind == *kind)).beside(kind.clone(), simulated, None)
        })
        .collect();
    let mut comparison = Comparison { estimate, all, hours, types, remarks: Vec::new() };
    comparison.remarks = remarks(&comparison);
    comparison
}

fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut remarks = Vec::new();
    let points = |share: f64| format!("{:+.1} points", share * 100.0);
    let differs = |beside: &Beside| {
        format!(
            "answered in time {}, abandoned {}",
            points(beside.in_time_simulated - beside.in_time),
            points(beside.abandoned_simulated - beside.abandoned)
        )
    };
    let all = &comparison.all;
    let verdict = if all.within == Some(true) { "within" } else { "outside" };
    remarks.push(format!(
        "Over all the model differs by: {}; {verdict} the bounds of {:.1} and {:.1} points.",
        differs(all),
        BOUNDS[0].0 * 100.0,
        BOUNDS[0].1 * 100.0
    ));
    let judged: Vec<&Beside> = comparison.hours.iter().filter(|hour| hour.within.is_some()).collect();
    let outside: Vec<&&Beside> = judged.iter().filter(|hour| hour.within == Some(false)).collect();
    remarks.push(format!(
        "Of {} hours of the day with {ENOUGH} calls or more, {} are within {:.0} and {:.0} points.",
        judged.len(),
        judged.len() - outside.len(),
        BOUNDS[1].0 * 100.0,
        BOUNDS[1].1 * 100.0
    ));
    remarks.extend(outside.iter().map(|hour| format!("At {}: {}.", hour.of, differs(hour))));
    for kind in comparison.types.iter().filter(|kind| kind.calls >= ENOUGH) {
        let gap = (kind.in_time_simulated - kind.in_time).abs().max((kind.abandoned_simulated - kind.abandoned).abs());
        if gap > BOUNDS[0].0 {
            remarks.push(format!("Type {}: {}.", kind.of, differs(kind)));
        }
    }
    remarks.push(
        "The model knows: arrivals as Poisson with the rate of each hour, one patience and one handling distribution \
         for each type, and when each agent was there. It does not know: busier and calmer quarters within an \
         hour, agents who are quicker than others or prefer some calls, who was there before her first call, and customers who leave \
         because of what they are told while they wait."
            .to_owned(),
    );
    remarks
}

/// The comparison as tables to be read in a terminal.
#[must_use]
pub fn table(comparison: &Comparison) -> String {
    let mut out = String::new();
    let estimate = &comparison.estimate;
    let _ = writeln!(
        out,
        "estimated from {} days; turning to the next call takes {:.1} s\n\n{:<16}{:>8}{:>14}{:>14}{:>12}{:>14}",
        estimate.days, estimate.turnaround, "type", "calls", "handling s", "patience s", "half left", "with priority"
    );
    for (name, kind) in &estimate.kinds {
        let half = kind.patience_half.map_or("-".to_owned(), |half| format!("{half:.0} s"));
        let _ = writeln!(
            out,
            "{name:<16}{:>8}{:>14.1}{:>14.1}{half:>12}{:>12.1} %",
            kind.calls,
            kind.handling,
            kind.patience,
            kind.priority * 100.0
        );
    }
    let _ = writeln!(
        out,
        "\n{:<16}{:>8}{:>8}{:>12}{:>10}{:>12}{:>10}{:>10}{:>8}{:>8}",
        "", "calls", "model", "in time %", "model", "abandoned %", "model", "answer s", "model", "agents"
    );
    let mut line = |beside: &Beside, agents: Option<f64>| {
        let mark = if beside.within == Some(false) { " *" } else { "" };
        let _ = writeln!(
            out,
            "{:<16}{:>8.0}{:>8.0}{:>12.1}{:>10.1}{:>12.1}{:>10.1}{:>10.1}{:>8.1}{:>8}{mark}",
            beside.of,
            beside.calls,
            beside.calls_simulated,
            beside.in_time * 100.0,
            beside.in_time_simulated * 100.0,
            beside.abandoned * 100.0,
            beside.abandoned_simulated * 100.0,
            beside.answer,
            beside.answer_simulated,
            agents.map_or(String::new(), |agents| format!("{agents:.1}"))
        );
    };
    line(&comparison.all, None);
    for hour in &comparison.hours {
        let number = hour.of.split(':').next().and_then(|hour| hour.parse::<usize>().ok());
        line(hour, number.and_then(|hour| estimate.agents.get(hour)).copied());
    }
    for kind in &comparison.types {
        line(kind, None);
    }
    out.push('\n');
    for remark in &comparison.remarks {
        let _ = writeln!(out, "{remark}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survival_is_as_kaplan_and_meier_worked_it_out() {
        // Their own example: deaths at 0.8, 3.1, 5.4, 9.2; losses at 1.0, 2.7, 7.0, 12.1.
        let waits = [
            (0.8, true),
            (1.0, false),
            (2.7, false),
            (3.1, true),
            (5.4, true),
            (7.0, false),
            (9.2, true),
            (12.1, false),
        ];
        let steps = kaplan_meier(waits.into_iter());
        let want = [(0.8, 0.875), (3.1, 0.7), (5.4, 0.525), (9.2, 0.2625)];
        assert_eq!(steps.len(), want.len());
        for ((at, share), (wanted_at, wanted)) in steps.into_iter().zip(want) {
            assert!(at == wanted_at && (share - wanted).abs() < 1e-12, "{at} {share}");
        }
    }

    #[test]
    fn an_agent_is_there_until_somebody_waits_for_her_in_vain() {
        let queue = Stretches(vec![(100.0, 150.0), (400.0, 402.0)]);
        let call = |start: f64, end: f64| (start, end, "PS".to_owned());
        // Turns to the next call; is away from the moment somebody waits long; a long pause without a queue is away.
        let calls = [call(0.0, 60.0), call(70.0, 90.0), call(300.0, 390.0), call(500.0, 520.0), call(2_000.0, 2_010.0)];
        let there = presence(&calls, &queue, 7.0);
        assert_eq!(there, [(0.0, 100.0), (300.0, 520.0), (2_000.0, 2_010.0)]);
        assert_eq!(by_hour(&there, 7_200.0)[0], 330.0);
    }

    #[test]
    fn a_log_is_read_and_what_is_wrong_with_it_is_told_with_its_line() {
        let head = "date,type,priority,entry_s,vru_s,wait_s,outcome,service_s,agent\n";
        let log = Log::read(&format!(
            "{head}1999-08-01,PS,2,36000,5,40,AGENT,100,S01\n1999-08-01,PS,0,36000,5,0,HANG,0,\n\
             1999-08-02,PS,1,36000,5,60,HANG,0,\n1999-08-02,NW,1,36010,5,0,PHANTOM,0,\n"
        ))
        .expect("a log");
        assert_eq!((log.calls.len(), log.days), (2, 2));
        let estimate = log.estimate(Patience::Exponential);
        assert_eq!(estimate.kinds["PS"].patience, 100.0);
        assert_eq!(estimate.kinds["PS"].priority, 0.5);
        for (line, place) in
            [("1999-08-32,PS,0,1,1,1,AGENT,1,S", "line 2"), ("1999-08-01,PS,0,-1,1,1,AGENT,1,S", "line 2")]
        {
            let wrong = Log::read(&format!("{head}{line}\n")).expect_err("wrong");
            assert_eq!(wrong.0[0].0, place);
        }
        assert!(Log::read(head).is_err());
    }
}
