//! Simulating a scenario: the routing engine under a simulated clock.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use simulator::{Control, Outcome, Plan, plan, plot, report};

/// What `simulate` is told.
#[derive(Args)]
pub struct Simulate {
    /// The scenario, TOML; services/simulator/SCENARIO.md tells its keys.
    scenario: PathBuf,
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
        let text = fs::read_to_string(&self.scenario).with_context(|| format!("{}", self.scenario.display()))?;
        let plan = plan::read(&text)
            .and_then(|plan| plan.with(self.replications, self.seed))
            .map_err(|wrong| anyhow::anyhow!("{} cannot be run:\n{wrong}", self.scenario.display()))?;
        let outcome = watched(&plan, self.threads())?;
        if let Some(file) = &self.csv {
            write(file, &report::csv(&outcome))?;
        }
        let in_terminal = self.plot.as_deref() == Some(Path::new("-"));
        if let Some(file) = self.plot.as_deref().filter(|_| !in_terminal) {
            write(file, &plot::svg(&outcome))?;
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&outcome)?);
        } else {
            print!("{}", report::table(&outcome));
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
