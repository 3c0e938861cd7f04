//! `manydesk roster`: a file with a rostering problem in, the best roster found
//! in the time given out, and how good it is at least.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use roster::command::{Answer, Failure, How, run};
use roster::engine::solve::Progress;

/// The arguments.
#[derive(Args)]
pub struct Roster {
    /// The problem, in one of two public formats: shifts of given types (Curtois and Qu's instances 1 to 24, sections
    /// `SECTION_HORIZON` …), or shifts built freely from activities on quarter hours (Qu and Curtois's instances).
    file: PathBuf,
    /// Seconds to search; Ctrl-C ends it before, with the best roster so far.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    seconds: u32,
    /// Where the roster goes: a line a person in the file's order; shift by day separated by commas, empty for off.
    #[arg(long)]
    out: PathBuf,
    /// Another seed is another search.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads, 1 or 2; without it as many as there are processors, at most 2.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    threads: Option<u8>,
}

impl Roster {
    /// Runs the command. Its last line is `penalty P bound B`: no roster has a penalty below the bound.
    pub async fn run(self) -> anyhow::Result<()> {
        let cancel = Arc::new(AtomicBool::new(false));
        let mut solving = tokio::task::spawn_blocking({
            let cancel = cancel.clone();
            move || self.solve(&cancel)
        });
        let solved = tokio::select! {
            solved = &mut solving => solved,
            _ = tokio::signal::ctrl_c() => {
                cancel.store(true, Ordering::Relaxed);
                solving.await
            }
        };
        let answer = solved.context("the search broke off")??;
        println!("{answer}");
        Ok(())
    }

    fn solve(&self, cancel: &AtomicBool) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let threads = self.threads.map_or_else(|| available_parallelism().map_or(1, NonZero::get).min(2), usize::from);
        let how = How {
            time: Duration::from_secs(u64::from(self.seconds)),
            clock: &|| begun.elapsed(),
            cancel,
            seed: self.seed,
            threads,
            rounds: None,
        };
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let answer = run(&self.file, &self.out, &how, &mut |progress| bar.set_message(told(&progress)));
        bar.finish_and_clear();
        answer
    }
}

fn told(progress: &Progress) -> String {
    let bound = progress.bound.map_or_else(|| "none yet".to_owned(), |bound| bound.to_string());
    let gap = progress.gap().map(|gap| format!(", {:.2} % apart at most", gap * 100.0)).unwrap_or_default();
    format!("penalty {}, bound {bound}{gap}", progress.cost)
}
