//! Signs access tokens with the active key. The keys themselves live in the
//! database; every process keeps a copy and looks again regularly.

use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use kit::caller::{AUDIENCE, All, Claims, Granted, Kind};
use kit::keys::{Jwk, Jwks, SigningKey};
use kit::{Id, ProviderId};

use crate::domain::identity::claims::Access;

/// The keys as this process knows them.
#[derive(Clone, Default)]
struct Known {
    active: Option<SigningKey>,
    published: Vec<Jwk>,
}

/// Signs access tokens.
#[derive(Clone)]
pub struct Signer {
    issuer: Arc<str>,
    known: Arc<RwLock<Known>>,
}

/// Why a token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    #[error("there is no active signing key yet")]
    NoKey,
    #[error("the token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// A signed access token.
pub struct Signed {
    pub token: String,
    pub expires_at: Timestamp,
}

impl Signer {
    /// A signer of an issuer, without keys yet.
    pub fn new(issuer: &str) -> Signer {
        Signer { issuer: issuer.into(), known: Arc::default() }
    }

    /// Replaces the keys.
    pub fn learn(&self, active: Option<SigningKey>, published: Vec<Jwk>) {
        if let Ok(mut known) = self.known.write() {
            *known = Known { active, published };
        }
    }

    /// The public keys.
    pub fn published(&self) -> Jwks {
        Jwks { keys: self.known.read().map(|known| known.published.clone()).unwrap_or_default() }
    }

    /// Whether tokens can be signed.
    pub fn is_ready(&self) -> bool {
        self.known.read().is_ok_and(|known| known.active.is_some())
    }

    /// Signs what an access token says.
    pub fn sign(&self, provider: ProviderId, access: &Access, kind: Kind) -> Result<Signed, Unsigned> {
        let active = self.known.read().ok().and_then(|known| known.active.clone()).ok_or(Unsigned::NoKey)?;
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: AUDIENCE.to_owned(),
            sub: access.subject,
            prv: provider.uuid(),
            roles: access.roles.names().into_iter().map(str::to_owned).collect(),
            sellers: match &access.sellers {
                None => Granted::OfProvider(All::All),
                Some(list) => Granted::These(list.iter().map(|seller| seller.uuid()).collect()),
            },
            rev: access.revision,
            sid: access.session.map(Id::uuid),
            jti: access.token,
            iat: access.issued_at.as_second(),
            exp: access.expires_at.as_second(),
            kind,
            act: None,
        };
        Ok(Signed { token: active.sign(&claims)?, expires_at: access.expires_at })
    }
}
