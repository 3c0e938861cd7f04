//! Talking to external OpenID Connect issuers: discovery, the exchange of a code,
//! and the signature of ID tokens. What a token must say is decided in `domain`.
//!
//! The address of an issuer is typed in by a provider's administrator, so a
//! request must not become a way into our own network: public addresses over
//! https only, no redirects, no proxy, answers of bounded size, little patience.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::identity::oidc::IdToken;

/// The largest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;
/// How long a discovery document is believed.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);
/// Signatures that are believed. Symmetric ones never: the key would be the
/// client secret. `none` does not exist for the library.
const BELIEVED: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a discovery document says.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// A code to exchange.
pub struct Exchange<'a> {
    pub client: &'a str,
    pub secret: Option<&'a str>,
    pub code: &'a str,
    pub verifier: &'a str,
    pub redirect_uri: &'a str,
}

/// What went wrong with an issuer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It does not answer, or not as an issuer must.
    #[error("the issuer cannot be used: {0}")]
    Unusable(String),
    /// It refuses the code, or its token is not believed.
    #[error("the issuer's answer is not believed: {0}")]
    Refused(String),
}

/// A discovery document, and when it was fetched.
type Known = (Timestamp, Arc<Metadata>);

/// Talks to issuers.
#[derive(Clone)]
pub struct Issuers {
    http: Client,
    private_allowed: bool,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

impl Issuers {
    /// With `private_allowed`, issuers over http and in private networks are
    /// allowed too: for tests and closed installations.
    pub fn new(private_allowed: bool) -> Result<Issuers, Trouble> {
        let http = kit::outside::client(private_allowed)
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|e| Trouble::Unusable(e.to_string()))?;
        Ok(Issuers { http, private_allowed, known: Arc::default() })
    }

    /// The discovery document of an issuer.
    pub async fn metadata(&self, issuer: &str, now: Timestamp) -> Result<Arc<Metadata>, Trouble> {
        let remembered = self.known.lock().ok().and_then(|known| known.get(issuer).cloned());
        if let Some((at, metadata)) = remembered
            && now.duration_since(at).abs() < REMEMBERED
        {
            return Ok(metadata);
        }
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = self.answer(self.http.get(self.allowed(&url)?)).await?;
        if metadata.issuer != issuer {
            return Err(Trouble::Unusable("its discovery document names another issuer".to_owned()));
        }
        for url in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
            self.allowed(url)?;
        }
        let metadata = Arc::new(metadata);
        if let Ok(mut known) = self.known.lock() {
            if known.len() >= 1_000 {
                known.clear();
            }
            known.insert(issuer.to_owned(), (now, metadata.clone()));
        }
        Ok(metadata)
    }

    /// Exchanges a code for an ID token whose signature is the issuer's.
    pub async fn exchange(&self, metadata: &Metadata, exchange: &Exchange<'_>) -> Result<IdToken, Trouble> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", exchange.code),
            ("redirect_uri", exchange.redirect_uri),
            ("code_verifier", exchange.verifier),
        ];
        let mut request = self.http.post(self.allowed(&metadata.token_endpoint)?);
        match exchange.secret {
            Some(secret) if metadata.takes_basic() => {
                request = request.basic_auth(form_encoded(exchange.client), Some(form_encoded(secret)));
            }
            Some(secret) => form.extend([("client_id", exchange.client), ("client_secret", secret)]),
            None => form.push(("client_id", exchange.client)),
        }
        let answer: TokenAnswer = self.answer(request.form(&form)).await.map_err(|e| match e {
            Trouble::Unusable(why) if why.starts_with("it answers 4") => Trouble::Refused(why),
            other => other,
        })?;
        let keys: JwkSet = self.answer(self.http.get(self.allowed(&metadata.jwks_uri)?)).await?;
        believed(&answer.id_token, &keys)
    }

    fn allowed(&self, text: &str) -> Result<Url, Trouble> {
        let refused = || Trouble::Unusable("its addresses must be public and https".to_owned());
        kit::outside::allowed(text, self.private_allowed).ok_or_else(refused)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        let unusable = |e: reqwest::Error| Trouble::Unusable(kit::fault::chain(&e.without_url()));
        let mut response = request.header("accept", "application/json").send().await.map_err(unusable)?;
        if !response.status().is_success() {
            return Err(Trouble::Unusable(format!("it answers {}", response.status().as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unusable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Trouble::Unusable("its answer is too long".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| Trouble::Unusable("its answer is not the expected JSON".to_owned()))
    }
}

impl Metadata {
    /// OpenID Connect Discovery §3: left out means client_secret_basic.
    fn takes_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|list| list.is_empty() || list.iter().any(|method| method == "client_secret_basic"))
    }

    /// Where the browser is sent.
    pub fn authorization_url(&self, parameters: &[(&str, &str)]) -> Result<String, Trouble> {
        let mut url = Url::parse(&self.authorization_endpoint)
            .map_err(|_| Trouble::Unusable("no authorization URL".to_owned()))?;
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url.into())
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

/// The claims of an ID token that one of the keys signed.
fn believed(token: &str, keys: &JwkSet) -> Result<IdToken, Trouble> {
    let refused = |why: &str| Trouble::Refused(why.to_owned());
    let header = jsonwebtoken::decode_header(token).map_err(|_| refused("the ID token is no JWT"))?;
    if !BELIEVED.contains(&header.alg) {
        return Err(refused("the ID token is signed in a way that is not believed"));
    }
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    let key = key.ok_or_else(|| refused("the ID token's key is not published"))?;
    let key = DecodingKey::from_jwk(key).map_err(|_| refused("the ID token's key cannot be used"))?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<IdToken>(token, &key, &validation);
    Ok(decoded.map_err(|_| refused("the ID token's signature or form is wrong"))?.claims)
}

/// RFC 6749 §2.3.1: client id and secret are form-encoded before basic auth.
fn form_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsigned_or_symmetric_token_is_not_believed() {
        let keys = JwkSet { keys: Vec::new() };
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
        let hs = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
        for token in [none, hs, "", "a.b", "a.b.c"] {
            assert!(matches!(believed(token, &keys), Err(Trouble::Refused(_))), "{token}");
        }
    }
}
