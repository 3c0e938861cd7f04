//! Keys that tokens are checked with, and the key a service signs its own
//! calls with. Ed25519 only: a token that asks for another algorithm is refused
//! before its claims are looked at.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Key ids of services start with this; the rest is the service's name.
pub const SERVICE_KID: &str = "svc-";

/// One public key of a JWKS (RFC 8037).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// Key id.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// `EdDSA`.
    pub alg: String,
}

/// A set of public keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// A key pair to sign with.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    public: Jwk,
    pkcs8: Arc<Vec<u8>>,
}

/// A key that could not be read or made.
#[derive(Debug, thiserror::Error)]
#[error("the signing key is not an Ed25519 key in PKCS#8 form")]
pub struct BadKey;

impl SigningKey {
    /// A fresh key.
    pub fn generate(kid: impl Into<String>) -> Result<SigningKey, BadKey> {
        let pair = Ed25519KeyPair::generate().map_err(|_| BadKey)?;
        let document = pair.to_pkcs8v1().map_err(|_| BadKey)?;
        SigningKey::from_pkcs8(kid, document.as_ref())
    }

    /// The key of a secret: the same secret gives the same key.
    pub fn from_seed(kid: impl Into<String>, seed: &[u8; 32]) -> Result<SigningKey, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
        let document = pair.to_pkcs8v1().map_err(|_| BadKey)?;
        SigningKey::from_pkcs8(kid, document.as_ref())
    }

    /// A stored key, PKCS#8 DER.
    pub fn from_pkcs8(kid: impl Into<String>, der: &[u8]) -> Result<SigningKey, BadKey> {
        let kid = kid.into();
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| BadKey)?;
        let public = Jwk {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            kid: kid.clone(),
            x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
            usage: "sig".into(),
            alg: "EdDSA".into(),
        };
        Ok(SigningKey { kid, encoding: EncodingKey::from_ed_der(der), public, pkcs8: Arc::new(der.to_vec()) })
    }

    /// Key id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half.
    pub fn public(&self) -> &Jwk {
        &self.public
    }

    /// The private half as PKCS#8 DER, to be stored encrypted.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Signs claims as a compact JWT.
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }
}

/// The public keys that tokens are checked with, shared and replaceable.
#[derive(Clone, Default)]
pub struct Keyring {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    users: RwLock<Arc<HashMap<String, DecodingKey>>>,
    services: RwLock<Arc<HashMap<String, DecodingKey>>>,
    wanted: Notify,
}

impl Keyring {
    /// Replaces the keys of the token issuer.
    pub fn replace_issuer_keys(&self, jwks: &Jwks) {
        let keys = readable(jwks, |kid| !kid.starts_with(SERVICE_KID));
        if let Ok(mut slot) = self.inner.users.write() {
            *slot = Arc::new(keys);
        }
    }

    /// Replaces the keys of the services, which are configuration.
    pub fn replace_service_keys(&self, jwks: &Jwks) {
        let keys = readable(jwks, |kid| kid.starts_with(SERVICE_KID));
        if let Ok(mut slot) = self.inner.services.write() {
            *slot = Arc::new(keys);
        }
    }

    /// The key of an id. An unknown id wakes whoever refreshes the keys.
    pub fn find(&self, kid: &str) -> Option<DecodingKey> {
        let slot = if kid.starts_with(SERVICE_KID) { &self.inner.services } else { &self.inner.users };
        let found = slot.read().ok().and_then(|keys| keys.get(kid).cloned());
        if found.is_none() && !kid.starts_with(SERVICE_KID) {
            self.inner.wanted.notify_one();
        }
        found
    }

    /// Whether a key of that id is known now.
    pub fn knows(&self, kid: &str) -> bool {
        let slot = if kid.starts_with(SERVICE_KID) { &self.inner.services } else { &self.inner.users };
        slot.read().is_ok_and(|keys| keys.contains_key(kid))
    }

    /// Whether the issuer's keys have arrived.
    pub fn is_ready(&self) -> bool {
        self.inner.users.read().is_ok_and(|keys| !keys.is_empty())
    }

    /// Waits until an unknown key id was seen.
    pub async fn unknown_key_seen(&self) {
        self.inner.wanted.notified().await;
    }
}

fn readable(jwks: &Jwks, wanted: impl Fn(&str) -> bool) -> HashMap<String, DecodingKey> {
    jwks.keys
        .iter()
        .filter(|key| wanted(&key.kid) && key.kty == "OKP" && key.crv == "Ed25519")
        .filter_map(|key| Some((key.kid.clone(), DecodingKey::from_ed_components(&key.x).ok()?)))
        .collect()
}
