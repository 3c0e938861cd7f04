//! `manydesk import mbox`, `eml`, `zendesk` and `freshdesk`: mails and tickets of other systems, brought in
//! through the public API. Files are read as they are needed, never whole. Every batch tells the platform
//! where it ended, so that an import that was interrupted goes on there.

mod csv_rows;
mod desks;
mod mails;
mod sending;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use aws_lc_rs::digest;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::At;
use super::local::Reached;
use sending::Sender;

/// The provider of a platform on this machine.
const OWN: (&str, &str) = ("archive", "Conversation archive");

/// What every import of the past is told.
#[derive(Args)]
pub struct Into {
    /// Handle of the seller.
    #[arg(long)]
    seller: String,
    /// Address of the seller's mailbox. It is made if it is not there; without it mails are given to the
    /// mailbox they were sent to or from.
    #[arg(long)]
    mailbox: Option<String>,
    /// Write what was rejected or set aside, with place and reason, to this file.
    #[arg(long)]
    rejected: Option<PathBuf>,
    /// Begin again at the start instead of where an earlier run ended. Nothing is doubled.
    #[arg(long)]
    from_start: bool,
    #[command(flatten)]
    at: At,
}

/// What an export of another system leaves open.
#[derive(Args)]
pub struct Reading {
    /// IANA zone in which the export tells times that name none, such as Europe/Rome: that of the account
    /// it was exported from.
    #[arg(long)]
    time_zone: String,
    /// What a state of one's own means: NAME=new, open, pending_customer, pending_seller, on_hold, solved
    /// or closed. Can be given several times.
    #[arg(long = "status", value_name = "NAME=STATE")]
    statuses: Vec<String>,
}

/// What became of an import.
#[derive(Default)]
pub struct Tally {
    pub stored: u64,
    pub duplicates: u64,
    pub rejected: u64,
    pub set_aside: u64,
}

/// Brings a mail folder in mbox format in.
pub async fn mbox(into: &Into, file: &Path) -> anyhow::Result<()> {
    let size = size(file)?;
    let mut run = Run::begin(into, &format!("mbox:{}", fingerprint(file)?), size).await?;
    let result = mails::mbox(&mut run, file).await;
    run.end(result).await
}

/// Brings a folder of mails in, one a file, with all folders in it (maildir among them).
pub async fn eml(into: &Into, folder: &Path) -> anyhow::Result<()> {
    let whole = folder.canonicalize().with_context(|| format!("reading {}", folder.display()))?;
    let digest = digest::digest(&digest::SHA256, whole.as_os_str().as_encoded_bytes());
    let mut run = Run::begin(into, &format!("eml:{}", hex(digest.as_ref())), 0).await?;
    let result = mails::folder(&mut run, &whole).await;
    run.end(result).await
}

/// Brings tickets of Zendesk's CSV export in.
pub async fn zendesk(into: &Into, reading: &Reading, file: &Path) -> anyhow::Result<()> {
    tickets(into, reading, file, &desks::ZENDESK).await
}

/// Brings tickets of Freshdesk's CSV export in.
pub async fn freshdesk(into: &Into, reading: &Reading, file: &Path) -> anyhow::Result<()> {
    tickets(into, reading, file, &desks::FRESHDESK).await
}

async fn tickets(into: &Into, reading: &Reading, file: &Path, desk: &'static desks::Desk) -> anyhow::Result<()> {
    let reader = desks::Reader::new(desk, &reading.time_zone, &reading.statuses)?;
    let size = size(file)?;
    let mut run = Run::begin(into, &format!("{}:{}", desk.name, fingerprint(file)?), size).await?;
    let result = desks::bring(&mut run, &reader, file).await;
    run.end(result).await
}

/// An import that runs.
pub struct Run {
    reached: Reached,
    pub sender: Sender,
    pub tally: Tally,
    pub bar: ProgressBar,
    report: Option<File>,
    shown: Vec<String>,
    /// Where an earlier run ended; empty to begin.
    pub cursor: String,
    /// Left out since the last batch, without having been sent.
    pub left_out: i64,
}

impl Run {
    async fn begin(into: &Into, key: &str, size: u64) -> anyhow::Result<Run> {
        let report = match &into.rejected {
            Some(path) => Some(File::create(path).with_context(|| format!("writing {}", path.display()))?),
            None => None,
        };
        let mut reached = Reached::find(&into.at).await?;
        let session = reached.as_admin(&into.at, OWN.0, OWN.1).await?;
        let made = Sender::new(session, &into.seller, into.mailbox.as_deref(), key).await;
        let mut sender = match made {
            Ok(sender) => sender,
            Err(error) => {
                reached.leave().await;
                return Err(error);
            }
        };
        let cursor = if into.from_start { String::new() } else { sender.cursor().await? };
        let bar = if size > 0 { ProgressBar::new(size) } else { ProgressBar::no_length() };
        let look = if size > 0 { "{bar:30} {percent:>3}% {bytes}/{total_bytes} {msg}" } else { "{spinner} {msg}" };
        bar.set_style(ProgressStyle::with_template(look)?);
        if !cursor.is_empty() {
            bar.suspend(|| eprintln!("going on where the last run ended"));
        }
        Ok(Run { reached, sender, tally: Tally::default(), bar, report, shown: Vec::new(), cursor, left_out: 0 })
    }

    /// Notes something that is not brought in: where it is, and why.
    pub fn leave_out(&mut self, place: &str, reason: &str) -> anyhow::Result<()> {
        self.tally.rejected += 1;
        self.left_out += 1;
        self.tell(place, reason)
    }

    fn tell(&mut self, place: &str, reason: &str) -> anyhow::Result<()> {
        if let Some(report) = &mut self.report {
            writeln!(report, "{place}\t{reason}")?;
        }
        if self.shown.len() < 20 {
            self.shown.push(format!("  {place}: {reason}"));
        }
        Ok(())
    }

    /// Notes what became of a batch, whose places are named in order.
    pub fn note(&mut self, places: &[String], results: &[proto::tickets::v1::ImportResult]) -> anyhow::Result<()> {
        use proto::tickets::v1::ImportOutcome;
        self.left_out = 0;
        for (place, result) in places.iter().zip(results) {
            match result.outcome() {
                ImportOutcome::Stored => self.tally.stored += 1,
                ImportOutcome::Duplicate => self.tally.duplicates += 1,
                ImportOutcome::Quarantined => {
                    self.tally.set_aside += 1;
                    self.tell(place, &format!("set aside: {} ({})", result.reason, result.quarantine_id))?;
                }
                ImportOutcome::Rejected | ImportOutcome::Unspecified => {
                    self.tally.rejected += 1;
                    self.tell(place, &result.reason)?;
                }
            }
        }
        self.bar.set_message(format!("{} stored", self.tally.stored));
        Ok(())
    }

    async fn end(self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        self.reached.leave().await;
        result?;
        let tally = &self.tally;
        println!(
            "{} stored, {} were there before, {} set aside, {} rejected",
            tally.stored, tally.duplicates, tally.set_aside, tally.rejected
        );
        for line in &self.shown {
            println!("{line}");
        }
        match tally.rejected + tally.set_aside {
            0 => Ok(()),
            some => Err(anyhow!("{some} were not brought in")),
        }
    }
}

fn size(file: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?.len())
}

fn fingerprint(file: &Path) -> anyhow::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut reader = BufReader::new(File::open(file).with_context(|| format!("reading {}", file.display()))?);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(hex(context.finish().as_ref()));
        }
        context.update(chunk);
        let read = chunk.len();
        reader.consume(read);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
