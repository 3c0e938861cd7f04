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

/// Applies the text of a file; documents lie beside it, in `folder`. `told` hears
/// of every step once it is done, in the order of the file.
pub async fn apply(
    session: &mut Session,
    text: &str,
    folder: &Path,
    told: &mut (dyn FnMut(&Step) + Send),
) -> anyhow::Result<Applied> {
    let plan = file::parse(text).map_err(|problems| not_applied(&problems))?;
    let calls = from_file::calls(&plan, folder).map_err(|problems| not_applied(&problems))?;
    let transport = session.transport().await?;
    let known = Known::read(transport.clone(), &plan).await?;
    let outcomes = known.outcomes(&calls);
    let steps: Vec<Step> =
        calls.iter().zip(outcomes).map(|(call, outcome)| Step { outcome, title: call.title() }).collect();
    // Creating the seller also finds it, so that call is always made.
    let is_due =
        |(place, call): &(usize, Call)| steps[*place].outcome != Outcome::Kept || matches!(call, Call::CreateSeller(_));
    let (places, due): (Vec<usize>, Vec<Call>) = calls.into_iter().enumerate().filter(is_due).unzip();
    let (mut begun, mut done) = (0, 0);
    let applied = apply::apply(transport, due, |_| {
        // A call begins: all steps before it are done.
        let place = places.get(begun).copied().unwrap_or(steps.len());
        steps[done..place].iter().for_each(&mut *told);
        (begun, done) = (begun + 1, place);
    })
    .await
    .map_err(refused)?;
    steps[done..].iter().for_each(told);
    Ok(Applied { seller: applied.seller, checklist: applied.checklist, steps })
}

/// Shows a step.
pub fn show_step(step: &Step) {
    let word = match step.outcome {
        Outcome::Created => "created",
        Outcome::Changed => "changed",
        Outcome::Kept => "there",
    };
    println!("  {word:<8} {}", step.title);
}

/// Shows what became of a file.
pub fn show(applied: &Applied) {
    let (created, changed) = (applied.count(Outcome::Created), applied.count(Outcome::Changed));
    let state = applied.seller.state().as_str_name().trim_start_matches("SELLER_STATE_").to_lowercase();
    println!(
        "{} is {state}: {created} created, {changed} changed, {} there already",
        applied.seller.name,
        applied.count(Outcome::Kept)
    );
    if applied.open().next().is_some() {
        println!("open on its checklist:");
        for item in applied.open() {
            println!("  {:<24} {}", item.item, item.missing.join(", "));
        }
    }
}

/// Every problem with its line.
fn not_applied(problems: &[FileProblem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    anyhow!("the file was not applied:{}", lines.concat())
}

fn refused(refused: Refused) -> anyhow::Error {
    anyhow!("{refused} (the steps above are done; the file can be applied again)")
}
