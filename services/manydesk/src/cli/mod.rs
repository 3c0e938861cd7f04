//! The command line.

mod client;
mod conversations;
mod dead_letters;
pub mod demo;
mod erasures;
pub mod isolation;
mod local;
pub mod onboard;
mod past;
mod provider;
mod replay;
mod roster;
mod set_aside;
mod simulate;
mod up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use client::{Session, Transport, claims, with_token};
pub use provider::ensure as ensure_provider;

/// The open platform for outsourced contact centers.
#[derive(Parser)]
#[command(name = "manydesk", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole platform in this process, with a database of its own.
    Up(up::Up),
    /// Run one service, or the gateway, alone.
    Serve {
        /// tenants, tickets, routing, workforce, billing or gateway.
        service: String,
    },
    /// Make roles and schemas in a database and bring them up to date.
    Migrate {
        /// URL of a role that may create roles.
        #[arg(long, env = "MANYDESK_OWNER_DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Make the first operator of a platform whose services run alone, unless it
    /// has one. Reads the database of the tenants service from
    /// MANYDESK_DATABASE_URL, waits until it is there, and takes the password from
    /// MANYDESK_OPERATOR_PASSWORD.
    Operator {
        /// Who signs in with it.
        #[arg(long, env = "MANYDESK_OPERATOR_EMAIL")]
        email: String,
    },
    /// Make the secrets that services running alone share.
    Keys {
        /// Folder to write to.
        folder: PathBuf,
    },
    /// Seal the secrets of a platform whose services run alone under a new master
    /// key: the first line of the file that MANYDESK_MASTER_KEY_FILE names, with
    /// the former key in the second. Reads the database of the service from
    /// MANYDESK_DATABASE_URL, and for tickets and billing MANYDESK_RELAY_DATABASE_URL too.
    Reseal {
        /// Whose secrets: tenants, tickets or billing.
        #[arg(default_value = "tenants", value_parser = ["tenants", "tickets", "billing"])]
        service: String,
    },
    /// Bring past conversations in.
    #[command(subcommand)]
    Import(Import),
    /// The log of customers whose data was erased: kept beside the backups, and done again after one of
    /// them came back.
    #[command(subcommand)]
    Erasures(Erasures),
    /// Events that a service could not apply.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// What the routing engine was told and could not carry out.
    #[command(subcommand)]
    SetAside(set_aside::SetAside),
    /// Show figures.
    #[command(subcommand)]
    Report(Report),
    /// Tell a day's journal to the routing engine again and compare every decision
    /// with the one that is stored; fails if any differs.
    ReplayRouting {
        /// The day in UTC, YYYY-MM-DD.
        #[arg(long)]
        day: String,
        /// Handle of the provider, on a platform of a data folder; with --url it
        /// is that of the administrator.
        #[arg(long)]
        provider: Option<String>,
        /// As one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        at: At,
    },
    /// Check a live system.
    #[command(subcommand)]
    Verify(Verify),
    /// Simulate a scenario: the engine that routes in production, under a simulated clock.
    Simulate(simulate::Simulate),
    /// Solve a rostering problem: who works when, at what penalty, and how far from the best at most.
    Roster(roster::Roster),
    /// Bring a seller in from a TOML file; repeating it changes nothing.
    Onboard {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Subcommand)]
enum Import {
    /// One conversation a line, JSON; every brand of the file becomes a seller.
    Conversations {
        /// The file.
        file: PathBuf,
        /// Write rejected lines, with number and reason, to this file.
        #[arg(long)]
        rejected: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Mails of an mbox file, into one seller, as they were written. Interrupted, it goes on where it was;
    /// repeated, it doubles nothing. Mails from the mailbox itself are answers.
    Mbox {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        into: past::Into,
    },
    /// Mails of a folder, one a file: .eml files, and maildirs.
    Eml {
        /// The folder; folders in it are read too.
        folder: PathBuf,
        #[command(flatten)]
        into: past::Into,
    },
    /// Tickets of Zendesk's CSV export. It holds no comments: a ticket brings its subject, requester,
    /// state, priority and times.
    Zendesk {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        reading: past::Reading,
        #[command(flatten)]
        into: past::Into,
    },
    /// Tickets of Freshdesk's CSV export.
    Freshdesk {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        reading: past::Reading,
        #[command(flatten)]
        into: past::Into,
    },
}

#[derive(Subcommand)]
enum Erasures {
    /// Write the log to a file, an erasure a line.
    Export {
        /// The file; what is in it is replaced.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Do the erasures of a log again; repeating it changes nothing.
    Replay {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Subcommand)]
enum Report {
    /// Conversations and first responses, per seller.
    Conversations {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
        /// All conversations, not only those of the latest import.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Subcommand)]
enum Verify {
    /// Two canary sellers probe each other through every call; nothing may cross.
    Isolation {
        #[command(flatten)]
        noted: isolation::Noted,
        #[command(flatten)]
        at: At,
    },
}

/// Which platform a command talks to.
#[derive(Args, Clone, Default)]
pub struct At {
    /// URL of a gateway; without it the platform of the data folder, which is
    /// started for the command if it does not run.
    #[arg(long, env = "MANYDESK_URL")]
    pub url: Option<String>,
    /// E-mail of a provider's administrator, with --url.
    #[arg(long, env = "MANYDESK_EMAIL")]
    pub email: Option<String>,
    /// The password, with --url; best given by the variable.
    #[arg(long, env = "MANYDESK_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Data folder of a platform on this machine.
    #[arg(long, env = "MANYDESK_DATA")]
    pub data: Option<PathBuf>,
}

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Up(up) => up.run().await,
            Command::Serve { service } => up::serve(&service).await,
            Command::Migrate { database_url } => up::migrate(&database_url).await,
            Command::Operator { email } => up::operator(&email).await,
            Command::Reseal { service } => up::reseal(&service).await,
            Command::Keys { folder } => crate::keys::write(&folder),
            Command::Import(Import::Conversations { file, rejected, at }) => {
                conversations::import(&at, &file, rejected.as_deref()).await
            }
            Command::Import(Import::Mbox { file, into }) => past::mbox(&into, &file).await,
            Command::Import(Import::Eml { folder, into }) => past::eml(&into, &folder).await,
            Command::Import(Import::Zendesk { file, reading, into }) => past::zendesk(&into, &reading, &file).await,
            Command::Import(Import::Freshdesk { file, reading, into }) => past::freshdesk(&into, &reading, &file).await,
            Command::Erasures(Erasures::Export { file, at }) => erasures::export(&at, &file).await,
            Command::Erasures(Erasures::Replay { file, at }) => erasures::replay(&at, &file).await,
            Command::DeadLetters(command) => dead_letters::run(command).await,
            Command::SetAside(command) => set_aside::run(command).await,
            Command::Report(Report::Conversations { json, all, at }) => conversations::report(&at, json, all).await,
            Command::ReplayRouting { day, provider, json, at } => {
                replay::replay(&at, provider.as_deref(), &day, json).await
            }
            Command::Verify(Verify::Isolation { noted, at }) => isolation::verify(&at, &noted).await,
            Command::Simulate(simulate) => simulate.run(),
            Command::Roster(roster) => roster.run().await,
            Command::Onboard { file, at } => provider::onboard(&at, &file).await,
        }
    }
}
