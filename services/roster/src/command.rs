//! A file in, a roster out: what the command line does once its arguments are read.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::daily::Daily;
use crate::engine::solve::{Options, Outcome, Progress, solve};
use crate::engine::space::Space;
use crate::engine::walk::Unbuilt;
use crate::formats::{Format, Wrong, curtois, detect, multi};
use crate::model::Breach;

/// Why there is no roster.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{path} cannot be read")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path} cannot be written")]
    Unwritable { path: String, source: std::io::Error },
    #[error("{path} is larger than {most} bytes")]
    TooLarge { path: String, most: u64 },
    #[error("{path}")]
    Wrong { path: String, source: Wrong },
    #[error("no plan was found that keeps all rules of {person}: they contradict each other, or nearly so")]
    Impossible { person: String },
    #[error("the time was over when {found} of {people} people had a plan")]
    Late { found: usize, people: usize },
    #[error("nothing that meets every minimum was found in time: {missing} are missing")]
    Short { missing: i64 },
    #[error("the answer does not keep the rules")]
    Broken(#[source] Breach),
}

/// How to solve.
pub struct How<'a> {
    /// How long, on the clock, from the reading of the file on.
    pub time: Duration,
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    pub cancel: &'a AtomicBool,
    pub seed: u64,
    pub threads: usize,
    /// Rounds of the search, where the answer must not depend on the machine's speed.
    pub rounds: Option<u64>,
}

impl How<'_> {
    fn options(&self, until: Duration) -> Options<'_> {
        Options {
            seed: self.seed,
            until: Some(until),
            clock: self.clock,
            rounds: self.rounds,
            threads: self.threads,
            cancel: self.cancel,
            start: Vec::new(),
        }
    }
}

/// What came of it. It prints as the last line of the command: `penalty P bound B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub penalty: i64,
    pub bound: i64,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "penalty {} bound {}", self.penalty, self.bound)
    }
}

/// Files beyond this are no roster problems.
const LARGEST: u64 = 256 << 20;

/// Reads a problem in either format, solves it and writes the roster. Nothing is written where nothing was found.
pub fn run(file: &Path, out: &Path, how: &How<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Answer, Failure> {
    let until = (how.clock)() + how.time;
    let path = file.display().to_string();
    let text = read(file).map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
    let text = text.ok_or_else(|| Failure::TooLarge { path: path.clone(), most: LARGEST })?;
    let (roster, answer) = text_to_roster(&text, how, until, progress).map_err(|fault| match fault {
        Fault::Wrong(source) => Failure::Wrong { path, source },
        Fault::Failed(failure) => failure,
    })?;
    std::fs::write(out, roster).map_err(|source| Failure::Unwritable { path: out.display().to_string(), source })?;
    Ok(answer)
}

fn read(file: &Path) -> std::io::Result<Option<String>> {
    if std::fs::metadata(file)?.len() > LARGEST {
        return Ok(None);
    }
    std::fs::read_to_string(file).map(Some)
}

enum Fault {
    Wrong(Wrong),
    Failed(Failure),
}

fn text_to_roster(
    text: &str,
    how: &How<'_>,
    until: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<(String, Answer), Fault> {
    match detect(text).map_err(Fault::Wrong)? {
        Format::Shifts => {
            let problem = curtois::read(text).map_err(Fault::Wrong)?;
            let name = |person: usize| problem.people[person].name.clone();
            let outcome = found(&Daily::new(&problem), how, until, progress, name).map_err(Fault::Failed)?;
            let roster: Vec<_> = outcome.columns.iter().map(|column| column.plan.clone()).collect();
            let breach = roster.iter().enumerate().find_map(|(person, plan)| problem.breach(person, plan));
            if let Some(breach) = breach {
                return Err(Fault::Failed(Failure::Broken(breach)));
            }
            Ok((curtois::write(&problem, &roster), answer(&outcome)))
        }
        Format::Activities => {
            let mut problem = multi::read(text).map_err(Fault::Wrong)?;
            let mut bound = 0;
            loop {
                let name = |person: usize| problem.people[person].name.clone();
                let outcome = found(&crate::quarters::Quarters::new(&problem), how, until, progress, name)
                    .map_err(Fault::Failed)?;
                let missing = problem.missing(outcome.columns.iter().map(|column| &column.plan[..]));
                // What a lower price proves of all rosters holds for those that miss nobody.
                let proved = outcome.bound.unwrap_or(0);
                bound = proved.max(bound);
                if missing == 0 {
                    let plans: Vec<_> = outcome.columns.iter().map(|column| column.plan.clone()).collect();
                    let answer = Answer { penalty: outcome.cost, bound: bound.clamp(0, outcome.cost) };
                    return Ok((multi::write(&problem, &plans), answer));
                }
                // It is cheaper to miss somebody than to have that many elsewhere: at this price.
                let is_best = outcome.cost <= proved && !how.cancel.load(Ordering::Relaxed);
                if !is_best || !multi::raise_missing(&mut problem) {
                    return Err(Fault::Failed(Failure::Short { missing }));
                }
            }
        }
    }
}

fn found<S: Space + Clone + Send>(
    space: &S,
    how: &How<'_>,
    until: Duration,
    progress: &mut dyn FnMut(Progress),
    name: impl Fn(usize) -> String,
) -> Result<Outcome, Failure> {
    solve(space, &how.options(until), progress).map_err(|unbuilt| match unbuilt {
        Unbuilt::Impossible(person) => Failure::Impossible { person: name(person) },
        Unbuilt::Late(found) => Failure::Late { found, people: space.people() },
    })
}

/// No cost is negative, so where nothing is proved, nothing is 0.
fn answer(outcome: &Outcome) -> Answer {
    Answer { penalty: outcome.cost, bound: outcome.bound.unwrap_or(0).clamp(0, outcome.cost) }
}
