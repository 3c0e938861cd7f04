//! Who is calling. A [`Caller`] exists only where a token was verified; a
//! [`Scope`] comes only from a caller (or an event), so a store function cannot
//! be reached without one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use aws_lc_rs::digest;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use proto::Role;
use serde::{Deserialize, Serialize};
use tonic::{Request, Status};
use uuid::Uuid;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::ids::{Id, ProviderId, SellerId, UserId};
use crate::keys::{Keyring, SERVICE_KID};
use crate::scope::{Readable, Scope};

/// Seconds that clocks of different machines may differ.
const LEEWAY_SECONDS: i64 = 5;
/// Verified tokens that are remembered; beyond it the memory starts afresh.
const REMEMBERED: usize = 20_000;
/// The audience of tokens for people and programs.
pub const AUDIENCE: &str = "manydesk";

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer, the platform's URL.
    pub iss: String,
    /// Audience: `manydesk`, or a service's name.
    pub aud: String,
    /// Bare UUID of the user or API key.
    pub sub: Uuid,
    /// Bare UUID of the provider.
    pub prv: Uuid,
    /// Role words, e.g. `agent`.
    pub roles: Vec<String>,
    /// Sellers granted.
    pub sellers: Granted,
    /// Revision of the grants.
    pub rev: i64,
    /// Session, if a person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// Unique id of the token.
    pub jti: Uuid,
    /// Issued at, seconds since the epoch.
    pub iat: i64,
    /// Expires at, seconds since the epoch.
    pub exp: i64,
    /// What the subject is.
    pub kind: Kind,
    /// The service that acts, in calls between services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
}

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person.
    User,
    /// A program with an API key.
    ApiKey,
    /// A service of the platform.
    Service,
}

/// Sellers granted by a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Granted {
    /// These sellers, bare UUIDs.
    These(Vec<Uuid>),
    /// The word `all`: the provider's sellers, enumerated where they are read.
    OfProvider(All),
}

/// The word `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum All {
    /// `all`.
    #[serde(rename = "all")]
    All,
}

/// The word of a role in tokens and on command lines.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "",
        Role::PlatformOperator => "platform_operator",
        Role::ProviderAdmin => "provider_admin",
        Role::Supervisor => "supervisor",
        Role::Planner => "planner",
        Role::Agent => "agent",
        Role::BillingClerk => "billing_clerk",
        Role::SellerAdmin => "seller_admin",
        Role::SellerViewer => "seller_viewer",
        Role::Service => "service",
        Role::ApiKey => "api_key",
    }
}

/// The role of a word.
pub fn role_of(word: &str) -> Option<Role> {
    (1..=10).filter_map(|n| Role::try_from(n).ok()).find(|role| role_word(*role) == word)
}

/// A principal whose token was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    provider: ProviderId,
    subject: Uuid,
    kind: Kind,
    roles: Vec<Role>,
    granted: Granted,
    revision: i64,
    session: Option<Uuid>,
    acting: Option<String>,
    expires_at: i64,
}

impl Caller {
    /// The caller of verified claims.
    fn of(claims: &Claims) -> Caller {
        Caller {
            provider: ProviderId(claims.prv),
            subject: claims.sub,
            kind: claims.kind,
            roles: claims.roles.iter().filter_map(|word| role_of(word)).collect(),
            granted: claims.sellers.clone(),
            revision: claims.rev,
            session: claims.sid,
            acting: claims.act.clone(),
            expires_at: claims.exp,
        }
    }

    /// The provider, from the token.
    pub fn provider(&self) -> ProviderId {
        self.provider
    }

    /// The person; none for a program or a service without one.
    pub fn user(&self) -> Option<UserId> {
        (self.kind != Kind::ApiKey && !self.subject.is_nil()).then_some(UserId(self.subject))
    }

    /// The person, or a refusal for calls that only a person makes.
    pub fn person(&self) -> Result<UserId, Fault> {
        match self.kind {
            Kind::User => Ok(UserId(self.subject)),
            Kind::ApiKey | Kind::Service => Err(Fault::Denied("PERSON_REQUIRED")),
        }
    }

    /// Bare id of whoever it is: user, API key, or nil for a service on its own.
    pub fn subject(&self) -> Uuid {
        self.subject
    }

    /// What the subject is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The roles.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Whether the caller has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The session, if a person's.
    pub fn session(&self) -> Option<Uuid> {
        self.session
    }

    /// Revision of the grants in the token.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The service that acts, in calls between services.
    pub fn acting(&self) -> Option<&str> {
        self.acting.as_deref()
    }

    /// The sellers granted.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// The seller, if only one is granted.
    pub fn only_seller(&self) -> Option<SellerId> {
        match &self.granted {
            Granted::These(list) if list.len() == 1 => Some(SellerId(list[0])),
            _ => None,
        }
    }

    /// When the token ends.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.expires_at).unwrap_or(Timestamp::MAX)
    }

    fn has_run_out(&self, now: i64) -> bool {
        self.expires_at.saturating_add(LEEWAY_SECONDS) <= now
    }

    /// Whether the caller is the seller's own (and sees portal fields only).
    pub fn is_seller_side(&self) -> bool {
        self.has(Role::SellerAdmin) || self.has(Role::SellerViewer)
    }

    /// The scope to read and write one seller. An empty id means the only
    /// seller granted. A seller that is not granted is "no such seller".
    pub fn act_for(&self, seller_id: &str) -> Result<Scope, Fault> {
        Ok(Scope::one(self.provider, self.named_or_only(seller_id)?))
    }

    /// The scope to read one seller, or with an empty id all that are granted.
    pub fn view(&self, seller_id: &str) -> Result<Scope, Fault> {
        if !seller_id.is_empty() {
            let seller = self.named_or_only(seller_id)?;
            return Ok(Scope::reading(self.provider, Readable::These(vec![seller])));
        }
        Ok(Scope::reading(self.provider, self.readable()))
    }

    /// Provider-level rows, and to read, the sellers granted.
    pub fn of_provider(&self) -> Scope {
        Scope::reading(self.provider, self.readable())
    }

    fn readable(&self) -> Readable {
        match &self.granted {
            Granted::These(list) => Readable::These(list.iter().copied().map(SellerId).collect()),
            Granted::OfProvider(_) => Readable::OfProvider,
        }
    }

    fn named_or_only(&self, seller_id: &str) -> Result<SellerId, Fault> {
        match (&self.granted, seller_id.is_empty()) {
            (Granted::These(list), true) if list.len() == 1 => Ok(SellerId(list[0])),
            (_, true) => Err(Fault::invalid("seller_id", "must name the seller you act for")),
            (Granted::These(list), false) => {
                let seller = SellerId::parse("seller_id", seller_id)?;
                if list.contains(&seller.uuid()) { Ok(seller) } else { Err(Fault::NotFound("seller")) }
            }
            (Granted::OfProvider(_), false) => SellerId::parse("seller_id", seller_id),
        }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("provider", &self.provider)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// What was revoked before its token ran out. Every process keeps a copy, fed
/// by the tenants service; a token older than a revocation is refused.
#[derive(Clone, Default)]
pub struct Revoked(Arc<RwLock<Revocations>>);

#[derive(Default)]
struct Revocations {
    /// Lowest revision that is still good, by user or API key.
    revisions: HashMap<Uuid, i64>,
    sessions: HashMap<Uuid, i64>,
}

impl Revoked {
    /// Grants of a subject below this revision are void.
    pub fn below_revision(&self, subject: Uuid, revision: i64) {
        if let Ok(mut revoked) = self.0.write() {
            let lowest = revoked.revisions.entry(subject).or_insert(revision);
            *lowest = revision.max(*lowest);
        }
    }

    /// A session is over; the entry may be dropped after the instant (epoch seconds).
    pub fn session(&self, session: Uuid, until: i64) {
        if let Ok(mut revoked) = self.0.write() {
            revoked.sessions.insert(session, until);
        }
    }

    /// Forgets sessions whose last token has run out.
    pub fn prune(&self, now: Timestamp) {
        if let Ok(mut revoked) = self.0.write() {
            revoked.sessions.retain(|_, until| *until > now.as_second());
        }
    }

    /// Whether the caller's token is still good. What cannot be told is refused.
    pub fn admits(&self, caller: &Caller) -> bool {
        self.0.read().is_ok_and(|revoked| {
            revoked.revisions.get(&caller.subject).is_none_or(|lowest| caller.revision >= *lowest)
                && caller.session.is_none_or(|session| !revoked.sessions.contains_key(&session))
        })
    }
}

/// Verifies access tokens; remembers the good ones until they run out.
#[derive(Clone)]
pub struct Verifier {
    keys: Keyring,
    revoked: Revoked,
    clock: Clock,
    issuer: Arc<str>,
    audiences: Arc<[String]>,
    remembered: Arc<Mutex<HashMap<[u8; 32], Remembered>>>,
}

impl Verifier {
    /// Accepts tokens of one issuer for the given audiences.
    pub fn new(keys: Keyring, revoked: Revoked, clock: Clock, issuer: &str, audiences: &[&str]) -> Verifier {
        Verifier {
            keys,
            revoked,
            clock,
            issuer: issuer.into(),
            audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
            remembered: Arc::default(),
        }
    }

    /// The shared list of what was revoked.
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The shared keys.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The caller of an `authorization` header.
    pub fn verify_header(&self, header: Option<&http::HeaderValue>) -> Result<Arc<Caller>, Fault> {
        let header = header.ok_or(Fault::Unauthenticated("TOKEN_MISSING"))?;
        let text = header.to_str().map_err(|_| Fault::Unauthenticated("TOKEN_INVALID"))?;
        let (scheme, token) = text.split_once(' ').ok_or(Fault::Unauthenticated("TOKEN_INVALID"))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Fault::Unauthenticated("TOKEN_INVALID"));
        }
        self.verify(token.trim())
    }

    /// The caller of a token.
    pub fn verify(&self, token: &str) -> Result<Arc<Caller>, Fault> {
        if token.len() > 16 * 1024 {
            return Err(Fault::Unauthenticated("TOKEN_INVALID"));
        }
        let now = self.clock.now().as_second();
        let mut key = [0u8; 32];
        key.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let known = self.remembered.lock().ok().and_then(|seen| seen.get(&key).cloned());
        // a key that was dropped takes with it what it signed
        let caller = match known.filter(|known| self.keys.knows(&known.kid)) {
            Some(known) => known.caller,
            None => {
                let (caller, kid) = self.check(token, now)?;
                let caller = Arc::new(caller);
                if let Ok(mut seen) = self.remembered.lock() {
                    if seen.len() >= REMEMBERED {
                        seen.clear();
                    }
                    seen.insert(key, Remembered { kid: kid.into(), caller: caller.clone() });
                }
                caller
            }
        };
        if caller.has_run_out(now) {
            return Err(Fault::Unauthenticated("TOKEN_EXPIRED"));
        }
        if !self.revoked.admits(&caller) {
            return Err(Fault::Unauthenticated("TOKEN_REVOKED"));
        }
        Ok(caller)
    }

    /// Whether a call that was admitted may go on. Services go on beyond their
    /// short-lived tokens: nobody can take anything away from them.
    pub fn still_good(&self, caller: &Caller) -> Result<(), Fault> {
        if caller.kind != Kind::Service && caller.has_run_out(self.clock.now().as_second()) {
            return Err(Fault::Unauthenticated("TOKEN_EXPIRED"));
        }
        if self.revoked.admits(caller) { Ok(()) } else { Err(Fault::Unauthenticated("TOKEN_REVOKED")) }
    }

    fn check(&self, token: &str, now: i64) -> Result<(Caller, String), Fault> {
        const INVALID: Fault = Fault::Unauthenticated("TOKEN_INVALID");
        let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID)?;
        if header.alg != Algorithm::EdDSA {
            return Err(INVALID);
        }
        let kid = header.kid.ok_or(INVALID)?;
        let Some(key) = self.keys.find(&kid) else {
            if !self.keys.is_ready() && !kid.starts_with(SERVICE_KID) {
                return Err(Fault::Unavailable("the issuer's keys have not arrived yet".into()));
            }
            return Err(INVALID);
        };
        // Times, issuer and audience are checked below against the given clock.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| INVALID)?.claims;

        let by_service = kid.strip_prefix(SERVICE_KID);
        let told_truth = match by_service {
            // A service signs only as itself, and only with the service role.
            Some(name) => {
                claims.kind == Kind::Service && claims.act.as_deref() == Some(name) && claims.roles == ["service"]
            }
            None => claims.kind != Kind::Service && !claims.roles.iter().any(|r| r == "service"),
        };
        let for_us = claims.iss == *self.issuer && self.audiences.contains(&claims.aud);
        let lifetime_sane = claims.iat <= now + LEEWAY_SECONDS && claims.exp > claims.iat;
        if !told_truth || !for_us || !lifetime_sane {
            return Err(INVALID);
        }
        Ok((Caller::of(&claims), kid))
    }
}

/// A token that was good, and the key that signed it.
#[derive(Clone)]
struct Remembered {
    kid: Arc<str>,
    caller: Arc<Caller>,
}

/// Takes the caller that the gate put into the request.
pub fn admitted<T>(mut request: Request<T>) -> Result<(Arc<Caller>, T), Status> {
    match request.extensions_mut().remove::<Arc<Caller>>() {
        Some(caller) => Ok((caller, request.into_inner())),
        None => Err(Fault::internal("an RPC was reached past the gate").into()),
    }
}

/// Where a call without a token came from, for throttling.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Address of the client, as the edge saw it; empty if unknown.
    pub address: String,
}

/// Takes a request of a public RPC.
pub fn public<T>(request: Request<T>) -> (Origin, T) {
    let address = request
        .metadata()
        .get(crate::gate::CLIENT_ADDRESS)
        .and_then(|v| v.to_str().ok())
        .map_or_else(|| request.remote_addr().map(|a| a.ip().to_string()).unwrap_or_default(), str::to_owned);
    (Origin { address }, request.into_inner())
}
