//! What an access token says, before it is written and signed.

use jiff::{SignedDuration, Timestamp};
use kit::ids::{Id, Uuid};
use kit::{SellerId, UserId};

use super::ids::{ApiKeyId, SessionId};
use super::role::{Role, Roles};
use super::session::Session;
use super::user::User;

/// How long an access token lives.
pub const LIVES: SignedDuration = SignedDuration::from_mins(10);
/// How long after a revocation tokens from before it may still be alive
/// somewhere: their life, and room for clocks that differ.
pub const REVOCATIONS_MATTER: SignedDuration = SignedDuration::from_mins(15);

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user or API key.
    pub subject: Uuid,
    pub roles: Roles,
    /// None = every seller of the provider.
    pub sellers: Option<Vec<SellerId>>,
    /// Tokens below a revoked revision are void.
    pub revision: i64,
    /// None for an API key.
    pub session: Option<SessionId>,
    /// Unique id of the token.
    pub token: Uuid,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Access {
    /// For a user's session in its living generation. The same generation always
    /// says the same, so that a repeated exchange is answered alike.
    pub fn of_session(user: &User, session: &Session) -> Access {
        Access {
            subject: user.id.uuid(),
            roles: user.roles.clone(),
            sellers: (!user.roles.cover_all_sellers()).then(|| user.sellers.clone()),
            revision: user.revision,
            session: Some(session.id),
            token: Uuid::from_u128(session.id.uuid().as_u128() ^ u128::from(session.generation)),
            issued_at: session.rotated_at,
            expires_at: session.rotated_at + LIVES,
        }
    }

    /// For an API key; never longer than the key itself.
    pub fn of_api_key(key: &ApiKey, token: Uuid, now: Timestamp) -> Access {
        Access {
            subject: key.id.uuid(),
            roles: key.roles.clone(),
            sellers: Some(vec![key.seller]),
            revision: 1,
            session: None,
            token,
            issued_at: now,
            expires_at: (now + LIVES).min(key.expires_at),
        }
    }
}

/// Most live API keys of one seller.
pub const MAX_API_KEYS: usize = 50;

/// An API key as it is kept; its secret is kept hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub seller: SellerId,
    pub name: String,
    pub hint: String,
    pub roles: Roles,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    /// Who made it; none for keys from before that was kept.
    pub created_by: Option<UserId>,
}

impl ApiKey {
    /// Whether it works at an instant.
    pub fn works(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// The roles of a key: what was asked for and always `api_key`; seller roles only.
    pub fn roles(asked: &Roles) -> Option<Roles> {
        let roles: Roles = asked.iter().chain([Role::ApiKey]).collect();
        let fits = roles.iter().all(|role| role == Role::ApiKey || role.is_of_seller());
        fits.then_some(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(expires: i64) -> ApiKey {
        let at = |s| Timestamp::from_second(s).unwrap();
        ApiKey {
            id: ApiKeyId(Uuid::from_u128(1)),
            seller: SellerId(Uuid::from_u128(2)),
            name: "shop".into(),
            hint: String::new(),
            roles: [Role::ApiKey].into_iter().collect(),
            created_at: at(0),
            expires_at: at(expires),
            revoked_at: None,
            last_used_at: None,
            created_by: None,
        }
    }

    #[test]
    fn a_token_never_outlives_its_api_key() {
        let now = Timestamp::from_second(1_000).unwrap();
        let access = Access::of_api_key(&key(1_060), Uuid::nil(), now);
        assert_eq!(access.expires_at.as_second(), 1_060);
        assert_eq!(access.sellers, Some(vec![SellerId(Uuid::from_u128(2))]));
        assert_eq!(Access::of_api_key(&key(99_999), Uuid::nil(), now).expires_at.as_second(), 1_600);
        assert!(!key(1_000).works(now));
    }

    #[test]
    fn an_api_key_has_seller_roles_only() {
        let of = |list: &[Role]| list.iter().copied().collect::<Roles>();
        assert_eq!(ApiKey::roles(&of(&[])), Some(of(&[Role::ApiKey])));
        assert_eq!(ApiKey::roles(&of(&[Role::SellerViewer])), Some(of(&[Role::SellerViewer, Role::ApiKey])));
        for role in [Role::ProviderAdmin, Role::Agent, Role::Service, Role::PlatformOperator] {
            assert_eq!(ApiKey::roles(&of(&[role])), None);
        }
    }
}
