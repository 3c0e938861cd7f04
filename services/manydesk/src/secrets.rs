//! Secrets of one installation, made at the first start and kept in the data
//! folder, readable by its owner only.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_lc_rs::{hmac, rand};
use kit::keys::{SERVICE_KID, SigningKey};
use serde::{Deserialize, Serialize};

/// The name under which the command line acts.
pub const COMMAND_LINE: &str = "cli";

/// See the module.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    #[serde(skip)]
    path: PathBuf,
    /// From which keys and passwords of this installation derive.
    seed: String,
    /// Logins that were made by this executable, by e-mail.
    pub logins: BTreeMap<String, String>,
    /// Whether the demo data was loaded.
    pub demo_loaded: bool,
}

impl Secrets {
    /// Reads the secrets of a data folder, or makes them.
    pub fn open(data: &Path) -> anyhow::Result<Secrets> {
        let path = data.join("secrets.json");
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let mut secrets: Secrets = serde_json::from_str(&text).with_context(|| {
                format!("{} is damaged; restore it from a backup of the data folder", path.display())
            })?;
            secrets.path = path;
            return Ok(secrets);
        }
        let mut seed = [0u8; 32];
        rand::fill(&mut seed).map_err(|_| anyhow::anyhow!("no randomness"))?;
        let secrets = Secrets { path, seed: hex(&seed), logins: BTreeMap::new(), demo_loaded: false };
        secrets.save()?;
        Ok(secrets)
    }

    /// Secrets that live as long as the process.
    pub fn ephemeral() -> anyhow::Result<Secrets> {
        let mut seed = [0u8; 32];
        rand::fill(&mut seed).map_err(|_| anyhow::anyhow!("no randomness"))?;
        Ok(Secrets { path: PathBuf::new(), seed: hex(&seed), logins: BTreeMap::new(), demo_loaded: false })
    }

    /// Writes them back, whole or not at all.
    pub fn save(&self) -> anyhow::Result<()> {
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let draft = self.path.with_extension("json.new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path).with_context(|| format!("writing {}", self.path.display()))
    }

    /// A key for one purpose.
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        derived(&self.seed, purpose)
    }

    /// The key by which the command line acts as a service of this installation:
    /// whoever reads the secrets owns the installation anyway.
    pub fn command_line_key(&self) -> anyhow::Result<SigningKey> {
        Ok(SigningKey::from_seed(format!("{SERVICE_KID}{COMMAND_LINE}"), &self.key("command line"))?)
    }

    /// A password for one purpose.
    pub fn password(&self, purpose: &str) -> String {
        hex(&self.key(purpose)[..12])
    }
}

/// A key for one purpose, from a seed in hexadecimal digits.
pub(crate) fn derived(seed: &str, purpose: &str) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seed.as_bytes());
    let mut derived = [0u8; 32];
    derived.copy_from_slice(hmac::sign(&key, purpose.as_bytes()).as_ref());
    derived
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
