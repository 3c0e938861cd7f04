//! Invitations and password links: one-time links by which a user sets a
//! password. Making a new one replaces all older ones of the user, and so does
//! whatever changes what the user may do: who holds a link was given it for what
//! the user was when it was made.

use jiff::{SignedDuration, Timestamp};
use kit::UserId;

use super::ids::InvitationId;
use super::refusal::Refusal;
use super::user::User;

/// How long a link works.
pub const LIVES: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A link as it is kept; its secret is kept hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub id: InvitationId,
    pub user: UserId,
    /// The revision of the user for which it was made.
    pub revision: i64,
    pub expires_at: Timestamp,
    /// When it was used or replaced.
    pub closed_at: Option<Timestamp>,
}

impl Link {
    /// Refuses a link that was used or replaced, or has expired.
    pub fn must_work(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.closed_at.is_some() || now >= self.expires_at {
            return Err(Refusal::LinkRefused);
        }
        Ok(())
    }

    /// Refuses a link that was made before the user's roles, sellers or state changed.
    pub fn must_fit(&self, user: &User) -> Result<(), Refusal> {
        if self.revision == user.revision { Ok(()) } else { Err(Refusal::LinkOutdated) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::role::Role;
    use crate::domain::identity::user::{Actor, State};
    use kit::SellerId;
    use kit::ids::Uuid;

    fn link(expires_at: Timestamp) -> Link {
        let (id, user) = (InvitationId(Uuid::nil()), UserId(Uuid::nil()));
        Link { id, user, revision: 1, expires_at, closed_at: None }
    }

    #[test]
    fn a_link_works_once_and_not_for_ever() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let link = link(at(100));
        assert_eq!(link.must_work(at(99)), Ok(()));
        assert_eq!(link.must_work(at(100)), Err(Refusal::LinkRefused));
        assert_eq!(Link { closed_at: Some(at(1)), ..link }.must_work(at(2)), Err(Refusal::LinkRefused));
    }

    #[test]
    fn a_link_is_for_what_the_user_was_when_it_was_made() {
        let link = link(Timestamp::UNIX_EPOCH);
        let invited = User {
            id: link.user,
            email: "b@x.example".into(),
            name: "B".into(),
            language: "en".into(),
            state: State::Invited,
            roles: [Role::Agent].into_iter().collect(),
            sellers: Vec::new(),
            revision: 1,
            version: 7,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let roles = [Role::ProviderAdmin].into_iter().collect();
        let boss = Actor { user: None, roles, sellers: None, in_platform: false };
        let seller = SellerId(Uuid::from_u128(1));
        assert_eq!(link.must_fit(&invited), Ok(()));
        let signed_in_elsewhere = invited.activated().expect("active");
        let promoted = invited.with_roles([Role::ProviderAdmin].into_iter().collect(), &boss, 1).expect("allowed").user;
        let granted = invited.granted(&[seller], &boss).expect("allowed").user;
        let back = invited.disabled(&boss, 1).expect("allowed").user.enabled(&boss, false).expect("allowed").user;
        for changed in [signed_in_elsewhere, promoted, granted, back] {
            assert_eq!(link.must_fit(&changed), Err(Refusal::LinkOutdated), "{changed:?}");
        }
        let renamed = User { name: "Bea".into(), version: 8, ..invited };
        assert_eq!(link.must_fit(&renamed), Ok(()));
    }
}
