//! A simulation beside what happened.

use std::fmt::Write;

use serde::Serialize;

use super::{Call, Estimate, HOUR, Log, TARGET, WITH_PRIORITY};
use crate::outcome::{Figures, Outcome};

/// How far the simulation may be from what happened, in points: the share of the
/// answered that were answered in time, and the share that abandoned; over all,
/// and in each hour of the day with calls enough.
pub const BOUNDS: [(f64, f64); 2] = [(0.05, 0.035), (0.15, 0.10)];
/// Calls that an hour of the day must have had to be judged.
pub const ENOUGH: f64 = 500.0;

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
    let sums = |figures: &Figures| {
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
