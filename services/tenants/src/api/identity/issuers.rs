//! The external issuers of a provider.

use kit::caller::Caller;
use kit::{Checks, Fault};
use proto::tenants::v1 as wire;

use super::Identity;
use super::oidc::secret_place;
use crate::domain::identity::contact;
use crate::domain::identity::oidc::{Issuer, redirect_fits};
use crate::store::identity::oidc;

/// Most issuers of a provider.
const MOST: usize = 20;

impl Identity {
    pub(super) async fn put_oidc_issuer(
        &self,
        caller: &Caller,
        request: wire::PutOidcIssuerRequest,
    ) -> Result<wire::PutOidcIssuerResponse, Fault> {
        let mut issuer = read(&request)?;
        let expected = kit::wire::version(&request.etag)?;
        self.issuers.metadata(&issuer.url, self.deps.clock.now()).await?;
        let provider = caller.provider();
        let sealed = match request.client_secret.is_empty() {
            true => None,
            false => Some(self.vault.seal(&secret_place(provider, &issuer.name), request.client_secret.as_bytes())?),
        };
        let mut tx = self.begin(provider).await?;
        let before = oidc::issuers(&mut tx).await?;
        let same_name = before.iter().find(|known| known.name == issuer.name);
        let sealed = match sealed {
            None if !request.public_client && same_name.is_some_and(|known| known.is_same_client(&issuer)) => {
                oidc::lock_secret(&mut tx, &issuer.name).await?
            }
            given => given,
        };
        if same_name.is_none() && before.len() >= MOST {
            return Err(Fault::invalid("name", "must be one of the 20 issuers a provider can have"));
        }
        if same_name.is_some_and(|known| known.url != issuer.url) {
            oidc::unlink_all(&mut tx, &issuer.name).await?;
        }
        issuer.version = oidc::put(&mut tx, &issuer, sealed.as_deref(), expected).await?.ok_or(Fault::Stale)?;
        tx.commit().await?;
        Ok(wire::PutOidcIssuerResponse { issuer: Some(shown(&issuer)) })
    }

    pub(super) async fn list_oidc_issuers(&self, caller: &Caller) -> Result<wire::ListOidcIssuersResponse, Fault> {
        let mut tx = self.begin(caller.provider()).await?;
        let issuers = oidc::issuers(&mut tx).await?;
        Ok(wire::ListOidcIssuersResponse { issuers: issuers.iter().map(shown).collect() })
    }

    pub(super) async fn delete_oidc_issuer(
        &self,
        caller: &Caller,
        request: wire::DeleteOidcIssuerRequest,
    ) -> Result<wire::DeleteOidcIssuerResponse, Fault> {
        let mut tx = self.begin(caller.provider()).await?;
        oidc::delete(&mut tx, &request.name).await?;
        tx.commit().await?;
        Ok(wire::DeleteOidcIssuerResponse {})
    }
}

fn read(request: &wire::PutOidcIssuerRequest) -> Result<Issuer, Fault> {
    let mut checks = Checks::new();
    let name_fits = contact::handle(&request.name);
    checks.require(name_fits, "name", "must have 2 to 40 of a-z, 0-9 and -, beginning with a letter");
    let url = checks.line("issuer_url", &request.issuer_url, 1..=300);
    let client = checks.line("client_id", &request.client_id, 1..=300);
    checks.require(request.client_secret.len() <= 1_000, "client_secret", "must have at most 1,000 bytes");
    let contradicts = request.public_client && !request.client_secret.is_empty();
    checks.require(!contradicts, "public_client", "must not be set beside a client secret");
    checks.count("redirect_uris", request.redirect_uris.len(), 1..=10);
    for (i, uri) in request.redirect_uris.iter().enumerate().take(10) {
        let fits = redirect_fits(uri);
        checks.require(fits, format!("redirect_uris[{i}]"), "must be an https address (http for localhost) without #");
    }
    checks.count("email_domains", request.email_domains.len(), 1..=50);
    for (i, domain) in request.email_domains.iter().enumerate().take(50) {
        checks.require(contact::host(domain), format!("email_domains[{i}]"), "must be a domain such as desk.example");
    }
    checks.finish()?;
    Ok(Issuer {
        name: request.name.clone(),
        url,
        client,
        redirect_uris: request.redirect_uris.clone(),
        email_domains: request.email_domains.iter().map(|domain| domain.to_lowercase()).collect(),
        version: 1,
    })
}

fn shown(issuer: &Issuer) -> wire::OidcIssuer {
    wire::OidcIssuer {
        name: issuer.name.clone(),
        issuer_url: issuer.url.clone(),
        client_id: issuer.client.clone(),
        redirect_uris: issuer.redirect_uris.clone(),
        email_domains: issuer.email_domains.clone(),
        etag: kit::wire::etag(issuer.version),
    }
}
