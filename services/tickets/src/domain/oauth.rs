//! How access tokens for mail servers are got (RFC 6749).

use std::time::Duration;

use courier::{Reason, Trouble};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// A token is asked for anew so long before the one that is known ends.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// What a token lasts of which the server does not say it.
const LASTS: Duration = Duration::from_secs(600);
/// Longest that is believed.
const LASTS_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest answer of an authorization server, in bytes.
pub const ANSWER_LIMIT: usize = 64 * 1024;
/// Longest token that is kept, in bytes.
const TOKEN_LIMIT: usize = 16 * 1024;

/// What access tokens are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    RefreshToken,
    ClientCredentials,
}

impl Grant {
    pub fn name(self) -> &'static str {
        match self {
            Grant::RefreshToken => "refresh_token",
            Grant::ClientCredentials => "client_credentials",
        }
    }

    pub fn named(name: &str) -> Option<Grant> {
        [Grant::RefreshToken, Grant::ClientCredentials].into_iter().find(|grant| grant.name() == name)
    }
}

/// Where access tokens are asked for, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct OAuth {
    pub grant: Grant,
    pub token_url: String,
    pub client_id: String,
    pub scope: String,
    pub has_client_secret: bool,
    pub has_refresh_token: bool,
    pub standing: Standing,
}

// Who asks stays out of logs.
impl std::fmt::Debug for OAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuth").field("grant", &self.grant).finish_non_exhaustive()
    }
}

/// How it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The end of the newest token; none while there is none that is of use.
    pub expires_at: Option<Timestamp>,
    pub renewed_at: Option<Timestamp>,
    /// Attempts that failed since.
    pub failures: i32,
    /// What stopped the last; empty while it works.
    pub reason: String,
    pub said: String,
    /// Nobody asks before.
    pub again_at: Option<Timestamp>,
}

impl Standing {
    /// Whether the token that is known may still be used.
    pub fn is_good(&self, now: Timestamp) -> bool {
        let renewed_at = self.expires_at.and_then(|at| at.checked_sub(AHEAD).ok());
        renewed_at.is_some_and(|at| now < at)
    }

    /// What nobody asks about again yet.
    pub fn refused(&self, now: Timestamp) -> Option<Trouble> {
        let waits = self.again_at.is_some_and(|at| now < at);
        let reason = Reason::named(&self.reason)?;
        waits.then(|| Trouble::new(reason, &self.said))
    }
}

/// Whether stored secrets may be used with what is set anew: whoever changes where they go must know them.
pub fn keeps_secrets(before: Option<&OAuth>, after: &OAuth) -> bool {
    before.is_some_and(|before| {
        before.token_url == after.token_url && before.client_id == after.client_id && before.grant == after.grant
    })
}

/// What is asked (RFC 6749 §§ 4.4.2 and 6).
pub fn form<'a>(oauth: &'a OAuth, client_secret: &'a str, refresh_token: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut form = vec![("grant_type", oauth.grant.name()), ("client_id", oauth.client_id.as_str())];
    let of_grant = match oauth.grant {
        Grant::RefreshToken => refresh_token,
        Grant::ClientCredentials => "",
    };
    form.extend([("client_secret", client_secret), ("refresh_token", of_grant), ("scope", &oauth.scope)]);
    form.retain(|(_, value)| !value.is_empty());
    form
}

/// A token that was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    pub access: String,
    pub lasts: Duration,
    /// It takes the place of the one that was shown.
    pub refresh: Option<String>,
}

// Tokens stay out of logs.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Success {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Some servers write the number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: String,
    error_description: String,
}

/// Reads an authorization server's answer (RFC 6749 §§ 5.1 and 5.2).
pub fn answer(status: u16, body: &[u8]) -> Result<Given, Trouble> {
    if (200..300).contains(&status) {
        let odd = || Trouble::new(Reason::Protocol, "the authorization server's answer holds no access token");
        let success: Success = serde_json::from_slice(body).map_err(|_| odd())?;
        let refresh = success.refresh_token.filter(|token| !token.is_empty());
        let fits =
            |token: &str| (1..=TOKEN_LIMIT).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        if !fits(&success.access_token) || refresh.as_deref().is_some_and(|token| !fits(token)) {
            return Err(odd());
        }
        let lasts = match success.expires_in {
            Some(Seconds::Number(seconds)) => Some(seconds),
            Some(Seconds::Text(text)) => text.parse().ok(),
            None => None,
        };
        let lasts = lasts.map_or(LASTS, Duration::from_secs).min(LASTS_AT_MOST);
        return Ok(Given { access: success.access_token, lasts, refresh });
    }
    if matches!(status, 408 | 425 | 429 | 500..=599) {
        return Err(Trouble::new(Reason::Later, format_args!("the authorization server answered HTTP {status}")));
    }
    let failure: Failure = serde_json::from_slice(body).unwrap_or_default();
    let meaning = match failure.error.as_str() {
        "temporarily_unavailable" | "slow_down" => {
            return Err(Trouble::new(Reason::Later, format_args!("the authorization server said {}", failure.error)));
        }
        "invalid_grant" => {
            "the grant has ended or was revoked: somebody must sign in again and a new refresh token be set"
        }
        "invalid_client" => "the application's id or secret is wrong, or the secret has ended: set a new one",
        "unauthorized_client" => "the application may not use this kind of grant",
        "invalid_scope" => "the scope is not one that this application may ask for",
        "unsupported_grant_type" => "the authorization server does not know this kind of grant",
        "invalid_request" => "the authorization server takes the request for incomplete",
        "interaction_required" | "consent_required" | "login_required" => {
            "somebody must sign in again and agree: the authorization server asks for it"
        }
        _ => "the authorization server gives no token",
    };
    // Microsoft writes a trace behind the first line.
    let said = failure.error_description.lines().next().unwrap_or_default();
    let code = if failure.error.is_empty() { format!("HTTP {status}") } else { failure.error };
    let parted = if said.is_empty() { "" } else { ": " };
    Err(Trouble::new(Reason::Grant, format_args!("{meaning} ({code}{parted}{said})")))
}

/// When a token that was given now is of no use any more.
pub fn expires_at(now: Timestamp, lasts: Duration) -> Timestamp {
    SignedDuration::try_from(lasts).ok().and_then(|lasts| now.checked_add(lasts).ok()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth(grant: Grant) -> OAuth {
        OAuth {
            grant,
            token_url: "https://id.example/token".into(),
            client_id: "app".into(),
            scope: String::new(),
            has_client_secret: false,
            has_refresh_token: false,
            standing: Standing::default(),
        }
    }

    #[test]
    fn what_is_asked_holds_what_the_grant_needs() {
        let asked = oauth(Grant::RefreshToken);
        assert_eq!(
            form(&asked, "", "r1"),
            [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "r1")]
        );
        let asked = OAuth { scope: "s/.default".into(), ..oauth(Grant::ClientCredentials) };
        assert_eq!(
            form(&asked, "sec", "left over"),
            [
                ("grant_type", "client_credentials"),
                ("client_id", "app"),
                ("client_secret", "sec"),
                ("scope", "s/.default")
            ]
        );
    }

    #[test]
    fn answers_are_read() {
        let given = answer(200, br#"{"access_token":"a","token_type":"Bearer","expires_in":3599}"#).unwrap();
        assert_eq!((given.access.as_str(), given.lasts.as_secs(), given.refresh), ("a", 3599, None));
        let given = answer(200, br#"{"access_token":"a","expires_in":"60","refresh_token":"r2"}"#).unwrap();
        assert_eq!((given.lasts.as_secs(), given.refresh.as_deref()), (60, Some("r2")));
        assert_eq!(answer(200, br#"{"access_token":"a"}"#).unwrap().lasts, LASTS);
        let for_ever = answer(200, br#"{"access_token":"a","expires_in":18446744073709551615}"#).unwrap();
        assert_eq!(for_ever.lasts, LASTS_AT_MOST);
        for odd in [&b"{}"[..], b"", b"<html>", br#"{"access_token":""}"#, br#"{"access_token":"a\r\nb"}"#] {
            assert_eq!(answer(200, odd).unwrap_err().reason, Reason::Protocol);
        }
    }

    #[test]
    fn a_refusal_says_what_must_be_done() {
        let body = br#"{"error":"invalid_grant","error_description":"AADSTS700082: expired.\r\nTrace ID: 1"}"#;
        let refused = answer(400, body).unwrap_err();
        assert_eq!(refused.reason, Reason::Grant);
        assert!(
            refused.said.contains("sign in again") && refused.said.ends_with("(invalid_grant: AADSTS700082: expired.)")
        );
        assert!(answer(401, br#"{"error":"invalid_client"}"#).unwrap_err().said.contains("secret"));
        assert!(answer(404, b"nothing here").unwrap_err().said.ends_with("(HTTP 404)"));
        for later in [429, 500, 503] {
            assert_eq!(answer(later, b"").unwrap_err().reason, Reason::Later);
        }
        assert_eq!(answer(400, br#"{"error":"temporarily_unavailable"}"#).unwrap_err().reason, Reason::Later);
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let at = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
        let standing = Standing { expires_at: Some(at(60)), ..Standing::default() };
        assert!(standing.is_good(at(54)) && !standing.is_good(at(55)) && !standing.is_good(at(61)));
        assert!(!Standing::default().is_good(at(0)));
        let refused =
            Standing { reason: "grant".into(), said: "no".into(), again_at: Some(at(10)), ..Standing::default() };
        assert_eq!(refused.refused(at(9)), Some(Trouble::new(Reason::Grant, "no")));
        assert_eq!(refused.refused(at(10)), None);
        assert_eq!(Standing { again_at: Some(at(10)), ..Standing::default() }.refused(at(9)), None);
    }

    #[test]
    fn secrets_stay_with_the_server_they_were_given_for() {
        let before = oauth(Grant::RefreshToken);
        assert!(keeps_secrets(Some(&before), &OAuth { scope: "more".into(), ..before.clone() }));
        assert!(!keeps_secrets(Some(&before), &OAuth { token_url: "https://evil.example".into(), ..before.clone() }));
        assert!(!keeps_secrets(Some(&before), &OAuth { client_id: "other".into(), ..before.clone() }));
        assert!(!keeps_secrets(Some(&before), &oauth(Grant::ClientCredentials)));
        assert!(!keeps_secrets(None, &before));
    }
}
