//! A log of calls whose making is known: what is estimated from it is what it
//! was made with, and a simulation from the estimates reproduces it.

use std::fmt::Write;

use simulator::calls::{Log, Patience, compare, table};
use simulator::{Control, plan};

const DAYS: usize = 8;
const AGENTS: usize = 5;
const HANDLING: f64 = 180.0;
const PATIENCE: f64 = 240.0;

/// Numbers in (0, 1) that look like chance, from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.next().ln()
    }
}

/// A log of days from nine to five: five agents, calls of one type, in whole
/// seconds; with the shares answered in time and abandoned.
fn made(rate: impl Fn(f64) -> f64) -> (String, f64, f64) {
    let mut numbers = Numbers(7);
    let mut text = "date,type,priority,entry_s,vru_s,wait_s,outcome,service_s,agent\n".to_owned();
    let (mut calls, mut good, mut served) = (0.0, 0.0, 0.0);
    for day in 1..=DAYS {
        let mut free = [9.0_f64 * 3_600.0; AGENTS];
        let mut at = 9.0 * 3_600.0;
        loop {
            at += numbers.exponential(1.0 / rate(at));
            if at >= 17.0 * 3_600.0 {
                break;
            }
            let patience = numbers.exponential(PATIENCE);
            let (agent, first) = free.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("agents");
            let wait = (first - at).max(0.0);
            calls += 1.0;
            if wait > patience {
                let _ = writeln!(text, "2030-01-{day:02},A,0,{:.0},0,{:.0},HANG,0,", at.floor(), patience.ceil());
                continue;
            }
            let service = numbers.exponential(HANDLING).ceil();
            free[agent] = at + wait + service + 4.0;
            served += 1.0;
            good += if wait <= 20.0 { 1.0 } else { 0.0 };
            let _ = writeln!(
                text,
                "2030-01-{day:02},A,0,{:.0},0,{:.0},AGENT,{service:.0},S{agent}",
                at.floor(),
                wait.floor()
            );
        }
    }
    (text, good / served, 1.0 - served / calls)
}

#[test]
fn a_log_is_reproduced_from_what_is_estimated_of_it() {
    let (text, in_time, abandoned) = made(|at| if at < 13.0 * 3_600.0 { 110.0 / 3_600.0 } else { 85.0 / 3_600.0 });
    let log = Log::read(&text).expect("a log");
    for patience in [Patience::Exponential, Patience::KaplanMeier] {
        let estimate = log.estimate(patience);
        let kind = &estimate.kinds["A"];
        assert!((kind.patience / PATIENCE - 1.0).abs() < 0.12, "{}", kind.patience);
        assert!((kind.handling / (HANDLING + 4.5) - 1.0).abs() < 0.05, "{}", kind.handling);
        assert!((3.0..6.0).contains(&estimate.turnaround), "{}", estimate.turnaround);
        let mut scenario = estimate.scenario.clone();
        scenario.replications = 10;
        let plan = plan::make(&scenario).expect("a plan");
        let outcome = simulator::simulate(&plan, 2, &Control::default()).expect("an outcome");
        let comparison = compare(&log, estimate, &outcome);
        assert!((comparison.all.in_time - in_time).abs() < 0.01, "{comparison:?}");
        assert!((comparison.all.abandoned - abandoned).abs() < 0.01, "{comparison:?}");
        assert_eq!(comparison.all.within, Some(true), "{}", table(&comparison));
        assert_eq!(comparison.hours.len(), 8);
    }
}
