//! `manydesk dead-letters list|replay|drop`: events that a service could not apply.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use kit::config::{Reader, Secret};
use kit::{Clock, Id, ProviderId};
use tenantdb::bootstrap::SERVICES;
use tenantdb::events::dead::{self, Dead};
use tenantdb::{Hints, TenantDb};

use super::{At, local};
use crate::platform::open_databases;
use crate::secrets::Secrets;

/// Letters shown, and asked for, at most.
const MOST: i64 = 1_000;
/// How long an asked letter is watched.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub enum DeadLetters {
    /// Show them, the oldest first: service, kind, age and reason, and nothing of what is in them.
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Have the running service apply them again; what is applied is gone, what fails again stays with its reason.
    Replay {
        #[command(flatten)]
        which: Which,
        /// The event, `event_…`; without it all that the other settings name.
        #[arg(long)]
        event: Option<String>,
    },
    /// Give one up: its effect will never come.
    Drop {
        #[command(flatten)]
        which: Which,
        /// The event, `event_…`.
        #[arg(long)]
        event: String,
    },
}

#[derive(Args)]
pub struct Which {
    /// tenants, tickets, routing, workforce or billing; all without it. Of a service that runs alone the databases
    /// are read from MANYDESK_DATABASE_URL and MANYDESK_RELAY_DATABASE_URL.
    #[arg(long)]
    service: Option<String>,
    /// Only of this provider, `prov_…`.
    #[arg(long)]
    provider: Option<String>,
    #[command(flatten)]
    at: At,
}

/// Runs the command.
pub async fn run(command: DeadLetters) -> anyhow::Result<()> {
    match command {
        DeadLetters::List { which } => {
            let mut out = std::io::stdout();
            for db in open(&which).await? {
                for dead in found(&db, &which, None).await? {
                    writeln!(out, "{}", line(db.service(), &dead, db.clock()))?;
                }
                db.close().await;
            }
        }
        DeadLetters::Replay { which, event } => {
            let (mut applied, mut left) = (0, 0);
            for db in open(&which).await? {
                let asked = found(&db, &which, event.as_deref()).await?;
                for dead in &asked {
                    dead::ask(&db, dead).await?;
                }
                let (done, waits) = watch(&db, &which, &asked).await?;
                (applied, left) = (applied + done, left + waits);
                db.close().await;
            }
            println!("{applied} events applied, {left} still to be applied");
            if 0 < left {
                bail!("not everything was applied: see `manydesk dead-letters list`");
            }
        }
        DeadLetters::Drop { which, event } => {
            let mut dropped = 0;
            for db in open(&which).await? {
                for dead in found(&db, &which, Some(&event)).await? {
                    dropped += usize::from(dead::drop(&db, &dead).await?);
                }
                db.close().await;
            }
            if dropped == 0 {
                bail!("there is no such dead letter");
            }
            println!("{dropped} dropped");
        }
    }
    Ok(())
}

/// The databases that are asked for.
async fn open(which: &Which) -> anyhow::Result<Vec<TenantDb>> {
    let named = match &which.service {
        Some(name) => {
            let known = SERVICES.into_iter().find(|service| service == name);
            Some(known.ok_or_else(|| anyhow!("a service is one of {}", SERVICES.join(", ")))?)
        }
        None => None,
    };
    let vars = kit::config::environment;
    if let Some(service) = named
        && vars("MANYDESK_RELAY_DATABASE_URL").is_some()
    {
        let mut reader = Reader::new(&vars);
        let app_url = Secret(reader.required("MANYDESK_DATABASE_URL"));
        let relay_url = Secret(reader.required("MANYDESK_RELAY_DATABASE_URL"));
        reader.finish(()).map_err(|wrong| local::not_valid(&wrong))?;
        let settings = tenantdb::Settings { service, app_url: app_url.0, relay_url: relay_url.0, connections: 1 };
        return Ok(vec![TenantDb::open(&settings, Clock::System, Hints::new(Hints::shared())).await?]);
    }
    let config = local::read_config_at(&which.at)?;
    let secrets = Secrets::open(&config.data)?;
    let all = open_databases(&config, &secrets, &Clock::System).await.context("the platform must run")?;
    Ok(all.into_iter().filter(|db| named.is_none_or(|service| service == db.service())).collect())
}

async fn found(db: &TenantDb, which: &Which, event: Option<&str>) -> anyhow::Result<Vec<Dead>> {
    let provider = match &which.provider {
        Some(text) => {
            let id = kit::ids::decode(ProviderId::PREFIX, text).map(ProviderId);
            Some(id.ok_or_else(|| anyhow!("{text} is no provider's id"))?)
        }
        None => None,
    };
    let mut all = dead::list(db, provider, MOST).await?;
    all.retain(|dead| event.is_none_or(|event| dead.event.to_string() == event));
    Ok(all)
}

/// Waits until the service looked at what was asked; how many were applied, and how many not.
async fn watch(db: &TenantDb, which: &Which, asked: &[Dead]) -> anyhow::Result<(usize, usize)> {
    let mut waited = Duration::ZERO;
    loop {
        let there = found(db, which, None).await?;
        let is_there = |dead: &&Dead| there.iter().any(|other| other.event == dead.event);
        let waits = asked.iter().any(|dead| there.iter().any(|other| other.event == dead.event && other.asked));
        if !waits || PATIENCE <= waited {
            let left = asked.iter().filter(is_there).count();
            return Ok((asked.len() - left, left));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        waited += Duration::from_millis(250);
    }
}

fn line(service: &str, dead: &Dead, clock: &Clock) -> String {
    let minutes = clock.now().duration_since(dead.failed_at).as_mins().max(0);
    let age = match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    };
    let seller = dead.seller.map(|seller| seller.to_string()).unwrap_or_default();
    let (event, kind, source, reason) = (&dead.event, &dead.kind, &dead.source, &dead.reason);
    format!("{service}\t{event}\t{kind}\tfrom {source}\t{age}\t{reason}\t{}\t{seller}", dead.provider)
}
