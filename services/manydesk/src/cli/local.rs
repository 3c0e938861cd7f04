//! The platform of a data folder: the running one if there is one, otherwise
//! one that is started for the command.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use kit::Clock;
use kit::config::Wrong;
use serde::{Deserialize, Serialize};

use super::At;
use super::client::Session;
use crate::config::Config;
use crate::platform::{Database, Platform};
use crate::secrets::Secrets;

/// What a running platform leaves in its data folder.
#[derive(Serialize, Deserialize)]
struct Running {
    url: String,
    pid: u32,
    /// When the process began, as the system counts: its id may be another one's after a crash or a reboot.
    #[serde(default)]
    began: Option<u64>,
}

fn path(data: &Path) -> PathBuf {
    data.join("running.json")
}

/// Notes where the platform of a data folder is reached.
pub fn note_running(data: &Path, url: &str) -> anyhow::Result<()> {
    let pid = std::process::id();
    let running = Running { url: url.to_owned(), pid, began: began(pid) };
    fs::write(path(data), serde_json::to_string(&running)?).with_context(|| format!("writing to {}", data.display()))
}

/// Removes the note.
pub fn forget_running(data: &Path) {
    let _ = fs::remove_file(path(data));
}

/// The running platform of a data folder, if the process that noted it lives.
fn running(data: &Path) -> Option<Running> {
    let running: Running = serde_json::from_str(&fs::read_to_string(path(data)).ok()?).ok()?;
    let noted = running.began?;
    (began(running.pid)? == noted).then_some(running)
}

/// When a process began, in ticks since the start of the system; none if there is no such process.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name, which may hold anything, ends at the last parenthesis; the instant is the 20th word after it
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// A platform to talk to.
pub struct Reached {
    /// Its URL.
    pub url: String,
    /// Secrets, if it is the platform of a data folder on this machine.
    pub secrets: Option<Secrets>,
    started: Option<Platform>,
}

impl Reached {
    /// Finds or starts the platform.
    pub async fn find(at: &At) -> anyhow::Result<Reached> {
        if let Some(url) = &at.url {
            return Ok(Reached { url: url.trim_end_matches('/').to_owned(), secrets: None, started: None });
        }
        let mut config = read_config_at(at)?;
        if let Some(running) = running(&config.data) {
            let secrets = Secrets::open(&config.data)?;
            return Ok(Reached { url: running.url, secrets: Some(secrets), started: None });
        }
        eprintln!("no platform runs on {}: starting it for this command", config.data.display());
        config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        config.metrics = None;
        config.tenant_rate = f64::from(1_000_000);
        let platform = start(&config, &mut |line| eprintln!("  {line}")).await?;
        Ok(Reached { url: platform.url.clone(), secrets: Some(Secrets::open(&config.data)?), started: Some(platform) })
    }

    /// Signs in as the administrator of a provider: the one named on the command
    /// line, or one of this installation that is founded on first use.
    pub async fn as_admin(&mut self, at: &At, handle: &str, name: &str) -> anyhow::Result<Session> {
        if let (Some(email), Some(password)) = (&at.email, &at.password) {
            return Session::login(&self.url, email, password).await;
        }
        let Some(secrets) = &mut self.secrets else {
            anyhow::bail!("with --url, give --email and MANYDESK_PASSWORD of a provider's administrator");
        };
        super::provider::ensure(&self.url, secrets, handle, name).await
    }

    /// Stops the platform if it was started for the command.
    pub async fn leave(self) {
        if let Some(platform) = self.started {
            platform.stop().await;
        }
    }
}

/// The settings of this process, for the data folder that a command names.
pub fn read_config_at(at: &At) -> anyhow::Result<Config> {
    let mut config = read_config()?;
    if let Some(data) = &at.data {
        config.data.clone_from(data);
    }
    Ok(config)
}

/// The settings of this process.
pub fn read_config() -> anyhow::Result<Config> {
    Config::read(&kit::config::environment).map_err(|wrong| not_valid(&wrong))
}

/// Everything that is wrong with the settings, a line each.
pub fn not_valid(wrong: &[Wrong]) -> anyhow::Error {
    let lines: Vec<String> = wrong.iter().map(|w| format!("\n  {w}")).collect();
    anyhow::anyhow!("these settings are not valid:{}", lines.concat())
}

/// Starts the platform of a data folder, with the first operator.
pub async fn start(config: &Config, progress: &mut (dyn FnMut(&str) + Send)) -> anyhow::Result<Platform> {
    fs::create_dir_all(&config.data).with_context(|| format!("creating the data folder {}", config.data.display()))?;
    let database = match &config.database_url {
        None => Database::Embedded,
        Some(url) => Database::Given { admin: url.0.clone(), name: None, trusted: false },
    };
    let secrets = Secrets::open(&config.data)?;
    let mut platform = Platform::start(config, database, secrets, Clock::System, progress).await?;
    super::provider::ensure_operator(&mut platform).await?;
    Ok(platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_believed_only_of_the_process_that_left_it() {
        let data = std::env::temp_dir().join(format!("manydesk-note-{}", Clock::System.new_uuid()));
        fs::create_dir_all(&data).expect("a folder");
        assert!(running(&data).is_none());
        note_running(&data, "http://127.0.0.1:1").expect("noted");
        assert_eq!(running(&data).map(|found| found.url).as_deref(), Some("http://127.0.0.1:1"));

        // a crash left it, and the id is another process's by now
        let pid = std::process::id();
        let leave = |began: Option<u64>| {
            let note = Running { url: "http://127.0.0.1:1".to_owned(), pid, began };
            fs::write(path(&data), serde_json::to_string(&note).expect("JSON")).expect("written");
        };
        leave(began(pid).map(|instant| instant + 1));
        assert!(running(&data).is_none());
        leave(None);
        assert!(running(&data).is_none());
        forget_running(&data);
        assert!(!path(&data).exists());
        let _ = fs::remove_dir_all(&data);
    }
}
