//! Where the probe runs: on the platform of a data folder, or on services that
//! run elsewhere.

use kit::Clock;
use kit::keys::SigningKey;
use tenantdb::TenantDb;

use super::fleet::Fleet;
use crate::cli::At;
use crate::cli::client::Session;
use crate::cli::local::{Reached, read_config_at};
use crate::cli::provider;
use crate::config::Config;
use crate::platform::open_databases;
use crate::secrets::Secrets;

/// See the module.
pub struct Ground<'a> {
    url: String,
    owner: Owner<'a>,
}

enum Owner<'a> {
    /// The data folder with the installation's secrets.
    Folder(&'a mut Secrets, Box<Config>),
    /// Whoever runs the services.
    Fleet(Box<Fleet>),
}

impl<'a> Ground<'a> {
    /// The platform that was reached; `noting` says whether its tables are looked
    /// at and the outcome is noted.
    pub fn find(at: &At, reached: &'a mut Reached, noting: bool) -> anyhow::Result<Ground<'a>> {
        let url = reached.url.clone();
        let owner = match &mut reached.secrets {
            Some(secrets) => Owner::Folder(secrets, Box::new(read_config_at(at)?)),
            None => Owner::Fleet(Box::new(Fleet::read(&kit::config::environment, noting).map_err(|wrong| {
                let lines: Vec<String> = wrong.iter().map(|w| format!("\n  {w}")).collect();
                anyhow::anyhow!("to probe services that run elsewhere, these settings are needed:{}", lines.concat())
            })?)),
        };
        Ok(Ground { url, owner })
    }

    /// Where the gateway is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The operator's session.
    pub async fn operator(&self) -> anyhow::Result<Session> {
        match &self.owner {
            Owner::Folder(secrets, _) => provider::operator(&self.url, secrets).await,
            Owner::Fleet(fleet) => fleet.operator(&self.url).await,
        }
    }

    /// The administrator of a canary provider, which is founded on first use.
    pub async fn canary(&mut self, operator: &mut Session, canary: (&str, &str)) -> anyhow::Result<Session> {
        match &mut self.owner {
            Owner::Folder(secrets, _) => provider::ensure(&self.url, secrets, canary.0, canary.1).await,
            Owner::Fleet(fleet) => fleet.canary(&self.url, operator, canary).await,
        }
    }

    /// The key by which the command line acts as a service.
    pub fn key(&self) -> anyhow::Result<SigningKey> {
        match &self.owner {
            Owner::Folder(secrets, _) => secrets.command_line_key(),
            Owner::Fleet(fleet) => Ok(fleet.key()),
        }
    }

    /// The databases, as the services see them.
    pub async fn databases(&self, clock: &Clock) -> anyhow::Result<Vec<TenantDb>> {
        match &self.owner {
            Owner::Folder(secrets, config) => open_databases(config, secrets, clock).await,
            Owner::Fleet(fleet) => fleet.databases(clock).await,
        }
    }
}
