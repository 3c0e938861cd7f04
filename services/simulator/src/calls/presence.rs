//! Who was there, and how quickly she turned to the next call.

use std::collections::BTreeMap;

use super::{Call, HOUR};

/// After a call, so many seconds count as turning to the next one.
const TURN: f64 = 30.0;
/// An agent without a call for longer, though nobody waits, is away.
const IDLE: f64 = 300.0;

/// Stretches in which somebody waited.
pub(super) struct Stretches(Vec<(f64, f64)>);

impl Stretches {
    pub(super) fn of(calls: &[Call]) -> Stretches {
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
    pub(super) fn after(&self, at: f64) -> impl Iterator<Item = &(f64, f64)> {
        let first = self.0.partition_point(|(_, end)| *end <= at);
        self.0[first..].iter()
    }

    pub(super) fn at(&self, at: f64) -> bool {
        self.after(at).next().is_some_and(|(start, _)| *start <= at)
    }
}

/// How long agents take to turn to the next call, while somebody waits.
pub(super) fn turnaround(work: &BTreeMap<String, Vec<(f64, f64, String)>>, queue: &Stretches) -> f64 {
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
pub(super) fn presence(calls: &[(f64, f64, String)], queue: &Stretches, turnaround: f64) -> Vec<(f64, f64)> {
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
pub(super) fn by_hour(there: &[(f64, f64)], length: f64) -> Vec<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
