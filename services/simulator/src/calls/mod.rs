//! Real calls: what is estimated from a log of them, and how far a simulation
//! from those estimates reproduces what happened.
//!
//! The log is a CSV with a call a line: `date` (YYYY-MM-DD), `type`, `priority`
//! (2 goes before others), `entry_s` (second of the day), `vru_s` (seconds with
//! the machine before the queue; a clock that was set may make it negative), `wait_s`, `outcome` (`AGENT`, `HANG`, and
//! others that are left out), `service_s`, `agent`.

mod compare;
mod estimate;
mod presence;
mod survival;

use serde::Deserialize;

use crate::plan::Wrong;

pub use compare::{BOUNDS, Beside, Comparison, ENOUGH, compare, table};
pub use estimate::{Estimate, KindEstimate, Patience};

/// Answered within this many seconds is in time.
pub const TARGET: f64 = 20.0;
const DAYS_MAX: i32 = 400;
const DAY: f64 = 86_400.0;
const HOUR: f64 = 3_600.0;
/// What the name of a type that goes before others ends with.
const WITH_PRIORITY: &str = " with priority";

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
