//! Services that run elsewhere, as the probe needs them: the operator's login,
//! the command line's key, and the databases.

use anyhow::Context;
use aws_lc_rs::hmac;
use kit::Clock;
use kit::config::{Reader, Secret, Wrong};
use kit::keys::{SERVICE_KID, SigningKey};
use tenantdb::bootstrap::SERVICES;
use tenantdb::{Hints, TenantDb};

use crate::cli::client::Session;
use crate::cli::provider;
use crate::secrets::COMMAND_LINE;
use crate::serve::pem_or_der;

/// The database of each service, as it is given to that service itself.
const DATABASES: [&str; 5] = [
    "MANYDESK_TENANTS_DATABASE_URL",
    "MANYDESK_TICKETS_DATABASE_URL",
    "MANYDESK_ROUTING_DATABASE_URL",
    "MANYDESK_WORKFORCE_DATABASE_URL",
    "MANYDESK_BILLING_DATABASE_URL",
];

/// See the module.
pub struct Fleet {
    operator: String,
    operator_password: Secret,
    key: SigningKey,
    databases: Vec<(&'static str, Secret)>,
}

impl Fleet {
    /// Reads the settings; all faults at once. The databases are needed where
    /// tables are looked at.
    pub fn read(vars: &dyn Fn(&str) -> Option<String>, with_databases: bool) -> Result<Fleet, Vec<Wrong>> {
        const KEY_FILE: &str = "MANYDESK_SERVICE_KEY_FILE";
        let mut reader = Reader::new(vars);
        let operator = reader.required("MANYDESK_OPERATOR_EMAIL");
        let operator_password = Secret(reader.required("MANYDESK_OPERATOR_PASSWORD"));
        reader.required(KEY_FILE);
        let key = reader.file(KEY_FILE).and_then(|bytes| {
            let key = SigningKey::from_pkcs8(format!("{SERVICE_KID}{COMMAND_LINE}"), &pem_or_der(&bytes)).ok();
            if key.is_none() {
                reader.wrong(KEY_FILE, format!("must name the file {COMMAND_LINE}.pem that `manydesk keys` made"));
            }
            key
        });
        let mut databases = Vec::new();
        if with_databases {
            for (service, variable) in SERVICES.into_iter().zip(DATABASES) {
                databases.push((service, Secret(reader.required(variable))));
            }
        }
        match key {
            Some(key) => reader.finish(Fleet { operator, operator_password, key, databases }),
            None => reader.finish(()).and(Err(Vec::new())),
        }
    }

    /// The operator's session.
    pub async fn operator(&self, url: &str) -> anyhow::Result<Session> {
        Session::login(url, &self.operator, &self.operator_password.0).await
    }

    /// The administrator of a canary provider, which is founded on first use.
    /// Nothing is kept here: the password follows from the command line's key.
    pub async fn canary(
        &self,
        url: &str,
        operator: &mut Session,
        (handle, name): (&str, &str),
    ) -> anyhow::Result<Session> {
        let email = provider::admin_of(handle);
        let password = self.password(&email);
        if let Ok(session) = Session::login(url, &email, &password).await {
            return Ok(session);
        }
        provider::found(url, operator, (handle, name), &password)
            .await
            .with_context(|| format!("{handle} cannot be signed in to; perhaps it was founded with another key"))?;
        Session::login(url, &email, &password).await
    }

    fn password(&self, email: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.pkcs8());
        let digest = hmac::sign(&key, format!("password of {email}").as_bytes());
        digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key by which the command line acts as a service.
    pub fn key(&self) -> SigningKey {
        self.key.clone()
    }

    /// The databases, as the services see them.
    pub async fn databases(&self, clock: &Clock) -> anyhow::Result<Vec<TenantDb>> {
        let mut databases = Vec::new();
        for (service, url) in &self.databases {
            // nothing is relayed from here
            let (app_url, relay_url) = (url.0.clone(), url.0.clone());
            let settings = tenantdb::Settings { service, app_url, relay_url, connections: 1 };
            databases.push(TenantDb::open(&settings, clock.clone(), Hints::new(Hints::shared())).await?);
        }
        Ok(databases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_lacks_is_told_at_once() {
        let lacking = |with_databases| {
            let wrong = Fleet::read(&|_| None, with_databases).err().unwrap_or_default();
            wrong.into_iter().map(|w| w.variable).collect::<Vec<_>>()
        };
        let always = ["MANYDESK_OPERATOR_EMAIL", "MANYDESK_OPERATOR_PASSWORD", "MANYDESK_SERVICE_KEY_FILE"];
        assert_eq!(lacking(false), always);
        assert_eq!(lacking(true), [&always[..], &DATABASES[..]].concat());
    }
}
