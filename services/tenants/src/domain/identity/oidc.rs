//! Signing in at an external issuer: what a flow is, and what an ID token must
//! say before it is believed (OpenID Connect Core §3.1.3.7).

use jiff::{SignedDuration, Timestamp};
use kit::ids::Uuid;

use super::contact;
use super::refusal::Refusal;

/// How long a flow may take.
pub const FLOW_LIVES: SignedDuration = SignedDuration::from_mins(10);
/// Tolerated difference of the issuer's clock.
const LEEWAY: i64 = 60;

/// An issuer that people of a provider may sign in at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    pub url: String,
    pub client: String,
    pub redirect_uris: Vec<String>,
    pub email_domains: Vec<String>,
    pub version: i64,
}

impl Issuer {
    /// Whether it is the same client at the same issuer: what its secret is for.
    pub fn is_same_client(&self, other: &Issuer) -> bool {
        self.url == other.url && self.client == other.client
    }
}

/// A sign-in under way; its secrets are kept hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub id: Uuid,
    pub issuer: String,
    pub state_digest: Vec<u8>,
    pub browser_digest: Vec<u8>,
    pub redirect_uri: String,
    pub expires_at: Timestamp,
}

/// The claims of an ID token that matter here.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct IdToken {
    pub iss: String,
    pub sub: String,
    pub aud: Audience,
    pub exp: i64,
    #[serde(default)]
    pub iat: Option<i64>,
    #[serde(default)]
    pub azp: Option<String>,
    #[serde(default)]
    pub nonce: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub email_verified: Option<bool>,
}

/// One audience or several.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What the flow expects.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

impl IdToken {
    /// Refuses a token that is not for this flow.
    pub fn must_answer(&self, expected: &Expected<'_>) -> Result<(), Refusal> {
        let now = expected.now.as_second();
        let audience = match &self.aud {
            Audience::One(one) => one == expected.client,
            Audience::Several(list) => {
                list.iter().any(|one| one == expected.client)
                    && (list.len() == 1 || self.azp.as_deref() == Some(expected.client))
            }
        };
        let party = self.azp.as_deref().is_none_or(|azp| azp == expected.client);
        let alive = now < self.exp.saturating_add(LEEWAY) && self.iat.is_none_or(|iat| iat <= now + LEEWAY);
        let fits = self.iss == expected.issuer
            && audience
            && party
            && alive
            && self.nonce.as_deref() == Some(expected.nonce)
            && (1..=255).contains(&self.sub.len());
        if fits { Ok(()) } else { Err(Refusal::OidcRefused) }
    }

    /// The address that the issuer vouches for, if it may vouch for that domain.
    pub fn vouched_email(&self, domains: &[String]) -> Option<String> {
        let email = contact::email(self.email.as_deref()?)?;
        let (_, domain) = email.rsplit_once('@')?;
        (self.email_verified == Some(true) && domains.iter().any(|d| d == domain)).then_some(email)
    }
}

/// Whether a browser may be sent to an address: https, or http on the own machine.
pub fn redirect_fits(uri: &str) -> bool {
    let rest = match (uri.strip_prefix("https://"), uri.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (_, Some(rest)) => {
            let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
            if !matches!(host, "localhost" | "127.0.0.1") {
                return false;
            }
            rest
        }
        _ => return false,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    uri.len() <= 300
        && !authority.is_empty()
        && !authority.contains('@')
        && !uri.contains('#')
        && uri.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_one_client_at_one_issuer() {
        let issuer = Issuer {
            name: "own".into(),
            url: "https://id.example".into(),
            client: "desk".into(),
            redirect_uris: vec!["https://desk.example/back".into()],
            email_domains: vec!["north.example".into()],
            version: 3,
        };
        let moved = Issuer { redirect_uris: Vec::new(), email_domains: Vec::new(), version: 4, ..issuer.clone() };
        assert!(issuer.is_same_client(&moved));
        assert!(!issuer.is_same_client(&Issuer { url: "https://other.example".into(), ..issuer.clone() }));
        assert!(!issuer.is_same_client(&Issuer { client: "another".into(), ..issuer.clone() }));
    }

    fn token() -> IdToken {
        IdToken {
            iss: "https://id.example".into(),
            sub: "s-1".into(),
            aud: Audience::One("desk".into()),
            exp: 1_000,
            iat: Some(900),
            azp: None,
            nonce: Some("n".into()),
            email: Some("Anna@North.example".into()),
            email_verified: Some(true),
        }
    }

    fn accepted(token: &IdToken) -> bool {
        let now = Timestamp::from_second(950).unwrap();
        token.must_answer(&Expected { issuer: "https://id.example", client: "desk", nonce: "n", now }).is_ok()
    }

    #[test]
    fn the_right_token_is_accepted() {
        assert!(accepted(&token()));
        assert!(accepted(&IdToken { aud: Audience::Several(vec!["desk".into()]), ..token() }));
        let several = Audience::Several(vec!["desk".into(), "other".into()]);
        assert!(accepted(&IdToken { aud: several, azp: Some("desk".into()), ..token() }));
    }

    #[test]
    fn every_other_token_is_refused() {
        let several = Audience::Several(vec!["desk".into(), "other".into()]);
        for wrong in [
            IdToken { iss: "https://id.example/".into(), ..token() },
            IdToken { sub: String::new(), ..token() },
            IdToken { aud: Audience::One("other".into()), ..token() },
            IdToken { aud: several.clone(), ..token() },
            IdToken { aud: several, azp: Some("other".into()), ..token() },
            IdToken { azp: Some("other".into()), ..token() },
            IdToken { exp: 880, ..token() },
            IdToken { exp: i64::MIN, ..token() },
            IdToken { iat: Some(1_100), ..token() },
            IdToken { nonce: Some("m".into()), ..token() },
            IdToken { nonce: None, ..token() },
        ] {
            assert!(!accepted(&wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_address_needs_a_verified_mark_and_a_known_domain() {
        let domains = vec!["north.example".to_owned()];
        assert_eq!(token().vouched_email(&domains).as_deref(), Some("anna@north.example"));
        assert_eq!(token().vouched_email(&["south.example".to_owned()]), None);
        assert_eq!(IdToken { email_verified: None, ..token() }.vouched_email(&domains), None);
        let evil = Some("anna@north.example.evil.example".to_owned());
        assert_eq!(IdToken { email: evil, ..token() }.vouched_email(&domains), None);
    }

    #[test]
    fn where_a_browser_may_be_sent() {
        for good in ["https://desk.example/back", "http://localhost:8080/back", "http://127.0.0.1/"] {
            assert!(redirect_fits(good), "{good}");
        }
        for bad in [
            "",
            "http://desk.example/",
            "javascript:alert(1)",
            "https://",
            "https://a@b/",
            "https://a/#x",
            "https://a/ b",
            "http://localhost.evil.example/",
            "http://localhost@evil.example/",
        ] {
            assert!(!redirect_fits(bad), "{bad}");
        }
    }
}
