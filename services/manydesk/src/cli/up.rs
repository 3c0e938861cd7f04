//! `manydesk up`, `serve` and `migrate`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use kit::Clock;
use kit::config::{Reader, Secret};
use kit::telemetry::{self, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{demo, local};
use crate::serve::Alone;

/// `manydesk up`.
#[derive(Args)]
pub struct Up {
    /// Where to listen.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Data folder.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Load no demo data at the first start.
    #[arg(long)]
    no_demo: bool,
}

impl Up {
    /// Runs until Ctrl-C or SIGTERM.
    pub async fn run(self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut config = local::read_config()?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.data = self.data.unwrap_or(config.data);
        let _telemetry = start_telemetry(&config, "manydesk")?;
        let stop = stop_signal()?;

        eprintln!("manydesk {} · data in {}", env!("CARGO_PKG_VERSION"), config.data.display());
        let mut progress = |line: &str| eprintln!("  {line} …");
        let mut platform = tokio::select! {
            started = local::start(&config, &mut progress) => started?,
            () = stop.cancelled() => return Ok(()),
        };
        local::note_running(&config.data, &platform.url)?;
        let answered = begun.elapsed();
        let outcome = if self.no_demo || platform.secrets.demo_loaded {
            Ok(())
        } else {
            eprintln!("  loading demo data …");
            tokio::select! {
                loaded = demo::load(&mut platform) => loaded,
                () = stop.cancelled() => Ok(()),
            }
        };
        if let Err(error) = &outcome {
            eprintln!("manydesk: the demo data could not be loaded: {error:#}");
        }
        if !stop.is_cancelled() {
            demo::greet(&platform, answered);
        }
        let mut look = tokio::time::interval(Duration::from_secs(1));
        let died = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                _ = look.tick() => if let Some(why) = platform.database_died() { break Some(why) },
            }
        };
        if died.is_none() {
            eprintln!("\nstopping …");
        }
        local::forget_running(&config.data);
        platform.stop().await;
        match died {
            Some(why) => {
                Err(anyhow::anyhow!("the database ended: {why}. Nothing that was acknowledged is lost: start again"))
            }
            None => Ok(()),
        }
    }
}

/// `manydesk serve`.
pub async fn serve(service: &str) -> anyhow::Result<()> {
    let (config, alone) = read_alone(service)?;
    let _telemetry = start_telemetry(&config, service)?;
    crate::serve::run(&config, alone, Clock::System, stop_signal()?).await
}

/// `manydesk operator`.
pub async fn operator(email: &str) -> anyhow::Result<()> {
    let config = local::read_config()?;
    let vars = kit::config::environment;
    let mut reader = Reader::new(&vars);
    let app_url = Secret(reader.required("MANYDESK_DATABASE_URL"));
    let password = reader.required("MANYDESK_OPERATOR_PASSWORD");
    reader.finish(()).map_err(|wrong| local::not_valid(&wrong))?;
    let _telemetry = start_telemetry(&config, "operator")?;
    if crate::serve::operator(&app_url, Clock::System, &stop_signal()?, (email, &password)).await? {
        println!("{email} is the platform's operator");
    } else {
        println!("the platform has an operator already; nothing was changed");
    }
    Ok(())
}

/// `manydesk reseal`.
pub async fn reseal(service: &str) -> anyhow::Result<()> {
    let config = local::read_config()?;
    let vars = kit::config::environment;
    let mut reader = Reader::new(&vars);
    let service = ["tickets", "billing"].into_iter().find(|of| *of == service).unwrap_or("tenants");
    let app_url = Secret(reader.required("MANYDESK_DATABASE_URL"));
    // rows are found across tenants by the role that sees only which are due
    let relay = "MANYDESK_RELAY_DATABASE_URL";
    let relay_url = if service != "tenants" { Secret(reader.required(relay)) } else { app_url.clone() };
    let masters = crate::master::read(&mut reader, service);
    reader.finish(()).map_err(|wrong| local::not_valid(&wrong))?;
    let masters = masters.ok_or_else(|| anyhow::anyhow!("there is no master key"))?;
    let _telemetry = start_telemetry(&config, "reseal")?;
    let urls = (&app_url, &relay_url);
    let (kept, anew) = crate::serve::reseal(service, urls, &masters, Clock::System, &stop_signal()?).await?;
    println!("{anew} of {kept} secrets were sealed anew; all are under the first key of the file");
    Ok(())
}

/// The settings of a process that runs alone. All are read before anything
/// starts, so that all faults are told at once.
fn read_alone(service: &str) -> anyhow::Result<(crate::config::Config, Alone)> {
    let config = local::read_config();
    let alone = Alone::read(service, &kit::config::environment).map_err(|wrong| local::not_valid(&wrong));
    match (config, alone) {
        (Ok(config), Ok(alone)) => Ok((config, alone)),
        (Err(a), Err(b)) => anyhow::bail!("{a}\n{b}"),
        (Err(a), _) | (_, Err(a)) => Err(a),
    }
}

/// `manydesk migrate`.
pub async fn migrate(url: &str) -> anyhow::Result<()> {
    let passwords = |role: &str| kit::config::environment(&format!("MANYDESK_PASSWORD_{}", role.to_uppercase()));
    crate::platform::migrate(url, &passwords).await?;
    println!("roles and schemas are up to date");
    Ok(())
}

fn start_telemetry(config: &crate::config::Config, service: &str) -> anyhow::Result<telemetry::Guard> {
    telemetry::start(&Settings {
        log: config.log.clone(),
        format: config.log_format,
        otlp: config.otlp.clone(),
        service: service.to_owned(),
    })
    .map_err(|error| anyhow::anyhow!(error))
}

/// Ends at Ctrl-C or SIGTERM; a second one ends the process at once.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round == 1 {
                std::process::exit(130);
            }
            told.cancel();
        }
    });
    Ok(stop)
}
