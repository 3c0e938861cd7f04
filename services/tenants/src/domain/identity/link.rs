//! Invitations and password links: one-time links by which a user sets a
//! password. Making a new one replaces all older ones of the user.

use jiff::{SignedDuration, Timestamp};
use kit::UserId;

use super::ids::InvitationId;
use super::refusal::Refusal;

/// How long a link works.
pub const LIVES: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A link as it is kept; its secret is kept hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub id: InvitationId,
    pub user: UserId,
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::ids::Uuid;

    #[test]
    fn a_link_works_once_and_not_for_ever() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let link =
            Link { id: InvitationId(Uuid::nil()), user: UserId(Uuid::nil()), expires_at: at(100), closed_at: None };
        assert_eq!(link.must_work(at(99)), Ok(()));
        assert_eq!(link.must_work(at(100)), Err(Refusal::LinkRefused));
        assert_eq!(Link { closed_at: Some(at(1)), ..link }.must_work(at(2)), Err(Refusal::LinkRefused));
    }
}
