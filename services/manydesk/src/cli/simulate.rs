//! Simulating a scenario: the routing engine under a simulated clock.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use simulator::calls::{self, Log};
use simulator::{Control, Outcome, Plan, plan, plot, report};

/// How patience is estimated.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Patience {
    /// Exponential: all waits over the number that abandoned.
    Exponential,
    /// As Kaplan and Meier estimate it.
    KaplanMeier,
}

impl From<Patience> for calls::Patience {
    fn from(patience: Patience) -> Self {
        match patience {
            Patience::Exponential => calls::Patience::Exponential,
            Patience::KaplanMeier => calls::Patience::KaplanMeier,
        }
    }
}

/// What `simulate` is told.
#[derive(Args)]
pub struct Simulate {
    /// The scenario, TOML; services/simulator/SCENARIO.md tells its keys.
    #[arg(required_unless_present = "calls", conflicts_with = "calls")]
    scenario: Option<PathBuf>,
    /// Instead of a scenario: a log of real calls, CSV. Rates, patience, handling and staffing are estimated
    /// from it, simulated, and compared with what happened.
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// How patience is estimated from a log of calls.
    #[arg(long, value_enum, default_value = "exponential", requires = "calls")]
    patience: Patience,
    /// As one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Write every figure to this file, one a line.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw the figures: into this SVG file, or with - in the terminal.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// How often it is run; without it what the scenario says.
    #[arg(long)]
    replications: Option<u32>,
    /// Where chance begins; without it what the scenario says.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; without it one for each processor. The figures are the same with any number.
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

impl Simulate {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let (file, is_log) = match (&self.scenario, &self.calls) {
            (_, Some(file)) => (file, true),
            (Some(file), None) => (file, false),
            (None, None) => anyhow::bail!("there is neither a scenario nor a log of calls"),
        };
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        let refused = |wrong| anyhow::anyhow!("{} cannot be run:\n{wrong}", file.display());
        let log = if is_log { Some(Log::read(&text).map_err(refused)?) } else { None };
        let estimated = log.map(|log| (log.estimate(self.patience.into()), log));
        let plan = match &estimated {
            Some((estimate, _)) => plan::make(&estimate.scenario),
            None => plan::read(&text),
        };
        let plan = plan.and_then(|plan| plan.with(self.replications, self.seed)).map_err(refused)?;
        let outcome = watched(&plan, self.threads())?;
        let comparison = estimated.map(|(estimate, log)| calls::compare(&log, estimate, &outcome));
        if let Some(file) = &self.csv {
            write(file, &report::csv(&outcome))?;
        }
        let in_terminal = self.plot.as_deref() == Some(Path::new("-"));
        if let Some(file) = self.plot.as_deref().filter(|_| !in_terminal) {
            write(file, &plot::svg(&outcome))?;
        }
        match (&comparison, self.json) {
            (Some(comparison), true) => println!("{}", serde_json::to_string_pretty(comparison)?),
            (Some(comparison), false) => print!("{}", calls::table(comparison)),
            (None, true) => println!("{}", serde_json::to_string_pretty(&outcome)?),
            (None, false) => print!("{}", report::table(&outcome)),
        }
        if in_terminal {
            print!("\n{}", plot::terminal(&outcome));
        }
        Ok(())
    }

    fn threads(&self) -> usize {
        self.threads.or_else(|| available_parallelism().ok()).map_or(1, NonZero::get)
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// Runs a plan, and shows on the terminal how far it is.
fn watched(plan: &Plan, threads: usize) -> anyhow::Result<Outcome> {
    let control = Control::default();
    let bar = ProgressBar::new(u64::from(plan.replications));
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} replications, {eta} left")?);
    let outcome = std::thread::scope(|scope| {
        let running = scope.spawn(|| simulator::simulate(plan, threads, &control));
        while !running.is_finished() {
            bar.set_position(u64::from(control.done.load(Ordering::Relaxed)));
            std::thread::sleep(Duration::from_millis(50));
        }
        running.join()
    });
    bar.finish_and_clear();
    match outcome {
        Ok(outcome) => Ok(outcome?),
        Err(_) => anyhow::bail!("the simulation broke off"),
    }
}
