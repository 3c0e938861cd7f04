//! `manydesk onboard FILE.toml`: the file is checked whole, compared with what
//! is there, and only the difference is done. Every call is idempotent, so that
//! a run that broke off is simply repeated.

mod known;

use std::path::Path;

use anyhow::anyhow;
use proto::tenants::v1::{ChecklistItem, Seller};
use tenants::api::onboarding::apply::{self, Refused};
use tenants::api::onboarding::from_file::{self, Call};
use tenants::domain::onboarding::file::{self, FileProblem};

use super::client::Session;
use known::Known;

/// What a step of the file comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there and said something else.
    Changed,
    /// It was there already; nothing was done.
    Kept,
}

/// One step of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it came to.
    pub outcome: Outcome,
    /// What it is about.
    pub title: String,
}

/// A file that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The seller as it is now.
    pub seller: Seller,
    /// What it takes to go live, and what of it is done.
    pub checklist: Vec<ChecklistItem>,
    /// Every step of the file, in order.
    pub steps: Vec<Step>,
}

impl Applied {
    /// Steps of one outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.steps.iter().filter(|step| step.outcome == outcome).count()
    }

    /// What is required and still open, with what lacks.
    pub fn open(&self) -> impl Iterator<Item = &ChecklistItem> {
        self.checklist.iter().filter(|item| item.required && !item.done)
    }
}

/// Applies the text of a file; documents lie beside it, in `folder`.
pub async fn apply(session: &mut Session, text: &str, folder: &Path) -> anyhow::Result<Applied> {
    let plan = file::parse(text).map_err(|problems| told(&problems))?;
    let calls = from_file::calls(&plan, folder).map_err(|problems| told(&problems))?;
    let transport = session.transport().await?;
    let known = Known::read(transport.clone(), &plan).await?;
    let outcomes = known.outcomes(&calls);
    let steps = calls.iter().zip(&outcomes).map(|(call, outcome)| Step { outcome: *outcome, title: call.title() });
    let steps = steps.collect();
    // Creating the seller also finds it, so that call is always made.
    let due = calls
        .into_iter()
        .zip(outcomes)
        .filter(|(call, outcome)| *outcome != Outcome::Kept || matches!(call, Call::CreateSeller(_)));
    let due = due.map(|(call, _)| call).collect();
    let applied = apply::apply(transport, due, |_| {}).await.map_err(refused)?;
    Ok(Applied { seller: applied.seller, checklist: applied.checklist, steps })
}

/// Shows what became of a file.
pub fn show(applied: &Applied) {
    for step in &applied.steps {
        let word = match step.outcome {
            Outcome::Created => "created",
            Outcome::Changed => "changed",
            Outcome::Kept => "there",
        };
        println!("  {word:<8} {}", step.title);
    }
    let (created, changed) = (applied.count(Outcome::Created), applied.count(Outcome::Changed));
    let state = applied.seller.state().as_str_name().trim_start_matches("SELLER_STATE_").to_lowercase();
    println!(
        "{} is {state}: {created} created, {changed} changed, {} there already",
        applied.seller.name,
        applied.count(Outcome::Kept)
    );
    if applied.open().next().is_some() {
        println!("open before it can go live:");
        for item in applied.open() {
            println!("  {:<24} {}", item.item, item.missing.join(", "));
        }
    }
}

/// Every problem with its line.
fn told(problems: &[FileProblem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    anyhow!("the file was not applied:{}", lines.concat())
}

fn refused(refused: Refused) -> anyhow::Error {
    anyhow!("{refused}; what stands before it in the file is done, and the file can be applied again")
}
