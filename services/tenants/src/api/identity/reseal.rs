//! Secrets at rest are sealed anew when the master key changes.

use kit::{Fault, ProviderId, Scope};
use tenantdb::TenantDb;

use super::key_place;
use super::oidc::secret_place;
use crate::credentials::{MasterKeys, Vault};
use crate::domain::identity::ids::PLATFORM;
use crate::store::identity::{oidc, providers, signing_keys};

/// Providers read at once.
const PAGE: i64 = 200;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Secrets that are kept.
    pub kept: u64,
    /// Those of them that were sealed anew.
    pub anew: u64,
}

/// Seals everything under the current master key. What no key opens ends it;
/// what was done until then stays, and it can be repeated. Meant to run beside
/// the service: a secret that is changed meanwhile is left as it is.
pub async fn reseal(db: &TenantDb, masters: &MasterKeys) -> Result<Resealed, Fault> {
    let vault = Vault::new(masters)?;
    let mut done = Resealed::default();
    signing_keys_of_the_platform(db, &vault, &mut done).await?;
    secrets_of_issuers(db, &vault, PLATFORM, &mut done).await?;
    let mut after = String::new();
    loop {
        let mut tx = db.begin(&Scope::provider(PLATFORM)).await?;
        let page = providers::list(&mut tx, &after, PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { return Ok(done) };
        after.clone_from(&last.handle);
        for provider in page {
            secrets_of_issuers(db, &vault, provider.id, &mut done).await?;
        }
    }
}

async fn signing_keys_of_the_platform(db: &TenantDb, vault: &Vault, done: &mut Resealed) -> Result<(), Fault> {
    let mut tx = db.begin(&Scope::provider(PLATFORM)).await?;
    signing_keys::lock_all(&mut tx).await?;
    for kept in signing_keys::all(&mut tx).await? {
        done.kept += 1;
        if let Some(anew) = vault.reseal(&key_place(&kept.key.kid), &kept.sealed)? {
            signing_keys::set_sealed(&mut tx, &kept.key.kid, &anew).await?;
            done.anew += 1;
        }
    }
    Ok(tx.commit().await?)
}

async fn secrets_of_issuers(
    db: &TenantDb,
    vault: &Vault,
    provider: ProviderId,
    done: &mut Resealed,
) -> Result<(), Fault> {
    let mut tx = db.begin(&Scope::provider(provider)).await?;
    for (name, sealed) in oidc::secrets(&mut tx).await? {
        done.kept += 1;
        if let Some(anew) = vault.reseal(&secret_place(provider, &name), &sealed)? {
            done.anew += oidc::set_secret(&mut tx, &name, &sealed, &anew).await?;
        }
    }
    Ok(tx.commit().await?)
}
