//! `manydesk keys DIR`: the secrets that processes running alone share.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kit::keys::{Jwks, SERVICE_KID, SigningKey};
use tenantdb::bootstrap::SERVICES;

use crate::secrets::COMMAND_LINE;

/// Writes a private key per service, for the gateway and for the command line,
/// the JWKS of all of them, a master key and a key for page tokens. Nothing that
/// exists is overwritten.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut jwks = Jwks::default();
    for name in SERVICES.into_iter().chain(["gateway", COMMAND_LINE]) {
        let key = SigningKey::generate(format!("{SERVICE_KID}{name}"))?;
        let body = STANDARD.encode(key.pkcs8());
        secret(
            &folder.join(format!("{name}.pem")),
            &format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
        )?;
        jwks.keys.push(key.public().clone());
    }
    secret(&folder.join("services.jwks.json"), &serde_json::to_string_pretty(&jwks)?)?;
    for name in ["master.key", "pages.key"] {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("no randomness"))?;
        let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        secret(&folder.join(name), &digits)?;
    }
    Ok(())
}

fn secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("writing {} (existing secrets are not overwritten)", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
