//! People of a provider: state, roles and grants, and who may change them.

use jiff::Timestamp;
use kit::{SellerId, UserId};

use super::refusal::Refusal;
use super::role::{Role, Roles};

/// Most sellers granted one by one.
pub const MAX_SELLERS: usize = 500;

/// Whether somebody can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Has a link but no password yet.
    Invited,
    Active,
    Disabled,
}

impl State {
    /// The name in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Invited => "invited",
            State::Active => "active",
            State::Disabled => "disabled",
        }
    }

    /// The state of a name.
    pub fn parse(name: &str) -> Option<State> {
        [State::Invited, State::Active, State::Disabled].into_iter().find(|s| s.as_str() == name)
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub language: String,
    pub state: State,
    pub roles: Roles,
    /// Granted one by one; sorted, each once.
    pub sellers: Vec<SellerId>,
    /// Rises whenever roles, grants or state change; stands in tokens.
    pub revision: i64,
    /// Rises with every write.
    pub version: i64,
    pub created_at: Timestamp,
}

/// Who changes somebody.
#[derive(Clone, Debug)]
pub struct Actor {
    /// None for a program.
    pub user: Option<UserId>,
    pub roles: Roles,
    /// None = every seller of the provider.
    pub sellers: Option<Vec<SellerId>>,
    /// Whether the actor's provider is the platform itself.
    pub in_platform: bool,
}

/// A changed user, and whether tokens issued before are now too wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub user: User,
    pub narrows: bool,
}

impl Actor {
    /// Refuses sellers that the actor does not hold.
    fn must_hold(&self, sellers: &[SellerId]) -> Result<(), Refusal> {
        match &self.sellers {
            Some(own) if sellers.iter().any(|seller| !own.contains(seller)) => {
                Err(Refusal::RolesIncompatible("a seller that is not granted to you cannot be granted by you"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the actor may see a user: herself, and everybody if she holds
    /// every seller; otherwise whoever shares a seller with her.
    pub fn may_see(&self, user: &User) -> bool {
        self.user == Some(user.id)
            || match &self.sellers {
                None => true,
                Some(own) => self.in_platform || user.sellers.iter().any(|seller| own.contains(seller)),
            }
    }
}

/// What is asked for when a user is made.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub email: String,
    pub name: String,
    pub language: String,
    pub roles: Roles,
    pub sellers: Vec<SellerId>,
}

impl User {
    /// A new user, if the actor may make one like this.
    pub fn make(id: UserId, wanted: Wanted, state: State, actor: &Actor, now: Timestamp) -> Result<User, Refusal> {
        actor.roles.must_grant(&wanted.roles)?;
        let sellers = sorted(wanted.sellers);
        wanted.roles.must_fit(actor.in_platform, sellers.len())?;
        actor.must_hold(&sellers)?;
        within_limit(&sellers)?;
        Ok(User {
            id,
            email: wanted.email,
            name: wanted.name,
            language: wanted.language,
            state,
            roles: wanted.roles,
            sellers,
            revision: 1,
            version: 1,
            created_at: now,
        })
    }

    /// Whether the user works for the provider (and is told of to other services).
    pub fn is_staff(&self) -> bool {
        self.roles.iter().any(Role::is_staff)
    }

    /// The seller of a seller's own user.
    pub fn home(&self) -> Option<SellerId> {
        if self.roles.are_of_seller() { self.sellers.first().copied() } else { None }
    }

    /// Refuses an actor who could not have made this user.
    pub fn must_be_managed_by(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.roles.must_grant(&self.roles)
    }

    /// Replaces the roles.
    pub fn with_roles(&self, roles: Roles, actor: &Actor, other_admins: i64) -> Result<Change, Refusal> {
        self.must_be_managed_by(actor)?;
        actor.roles.must_grant(&roles)?;
        if roles == self.roles {
            return Ok(Change { user: self.clone(), narrows: false });
        }
        let sellers = if roles.cover_all_sellers() { Vec::new() } else { self.sellers.clone() };
        roles.must_fit(actor.in_platform, sellers.len())?;
        let leads = |roles: &Roles| roles.has(Role::ProviderAdmin) || roles.has(Role::PlatformOperator);
        if self.state == State::Active && leads(&self.roles) && !leads(&roles) && other_admins == 0 {
            return Err(Refusal::LastAdmin);
        }
        Ok(Change { user: User { roles, sellers, ..self.clone() }.revised(), narrows: true })
    }

    /// Keeps the user from signing in. A seller's own people leave it an
    /// administrator; a provider may take away the last one.
    pub fn disabled(&self, actor: &Actor, other_admins: i64) -> Result<Change, Refusal> {
        self.must_be_managed_by(actor)?;
        if actor.user == Some(self.id) {
            return Err(Refusal::OwnAccount);
        }
        if self.state == State::Disabled {
            return Ok(Change { user: self.clone(), narrows: false });
        }
        let leads = self.roles.has(Role::ProviderAdmin)
            || self.roles.has(Role::PlatformOperator)
            || (self.roles.has(Role::SellerAdmin) && actor.roles.are_of_seller());
        if self.state == State::Active && leads && other_admins == 0 {
            return Err(Refusal::LastAdmin);
        }
        Ok(Change { user: User { state: State::Disabled, ..self.clone() }.revised(), narrows: true })
    }

    /// Lets the user sign in again: with the password kept, or through a link.
    pub fn enabled(&self, actor: &Actor, has_password: bool) -> Result<Change, Refusal> {
        self.must_be_managed_by(actor)?;
        if self.state != State::Disabled {
            return Ok(Change { user: self.clone(), narrows: false });
        }
        let state = if has_password { State::Active } else { State::Invited };
        Ok(Change { user: User { state, ..self.clone() }.revised(), narrows: false })
    }

    /// Grants sellers.
    pub fn granted(&self, sellers: &[SellerId], actor: &Actor) -> Result<Change, Refusal> {
        self.must_be_managed_by(actor)?;
        actor.must_hold(sellers)?;
        let all = sorted(self.sellers.iter().chain(sellers).copied().collect());
        if all == self.sellers {
            return Ok(Change { user: self.clone(), narrows: false });
        }
        within_limit(&all)?;
        self.roles.must_fit(actor.in_platform, all.len())?;
        Ok(Change { user: User { sellers: all, ..self.clone() }.revised(), narrows: false })
    }

    /// Takes sellers away.
    pub fn revoked(&self, sellers: &[SellerId], actor: &Actor) -> Result<Change, Refusal> {
        self.must_be_managed_by(actor)?;
        actor.must_hold(sellers)?;
        let rest: Vec<SellerId> = self.sellers.iter().filter(|s| !sellers.contains(s)).copied().collect();
        if rest == self.sellers {
            return Ok(Change { user: self.clone(), narrows: false });
        }
        self.roles.must_fit(actor.in_platform, rest.len())?;
        Ok(Change { user: User { sellers: rest, ..self.clone() }.revised(), narrows: true })
    }

    /// Follows a link: the person has shown that the address is hers.
    pub fn activated(&self) -> Result<User, Refusal> {
        match self.state {
            State::Disabled => Err(Refusal::LinkRefused),
            State::Active => Ok(self.clone()),
            State::Invited => Ok(User { state: State::Active, ..self.clone() }.revised()),
        }
    }

    fn revised(mut self) -> User {
        self.revision += 1;
        self
    }
}

fn sorted(mut sellers: Vec<SellerId>) -> Vec<SellerId> {
    sellers.sort_unstable();
    sellers.dedup();
    sellers
}

fn within_limit(sellers: &[SellerId]) -> Result<(), Refusal> {
    if sellers.len() > MAX_SELLERS {
        return Err(Refusal::TooManyGrants { limit: MAX_SELLERS });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::ids::Uuid;
    use proptest::prelude::*;

    fn seller(n: u128) -> SellerId {
        SellerId(Uuid::from_u128(n))
    }

    fn actor(roles: &[Role], sellers: Option<Vec<SellerId>>) -> Actor {
        Actor {
            user: Some(UserId(Uuid::from_u128(1))),
            roles: roles.iter().copied().collect(),
            sellers,
            in_platform: false,
        }
    }

    fn user(roles: &[Role], sellers: &[SellerId]) -> User {
        User {
            id: UserId(Uuid::from_u128(9)),
            email: "b@x.example".into(),
            name: "B".into(),
            language: "en".into(),
            state: State::Active,
            roles: roles.iter().copied().collect(),
            sellers: sellers.to_vec(),
            revision: 3,
            version: 5,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_supervisor_grants_agents_her_own_sellers_only() {
        let boss = actor(&[Role::Supervisor], Some(vec![seller(1), seller(2)]));
        let agent = user(&[Role::Agent], &[seller(1)]);
        let change = agent.granted(&[seller(2)], &boss).unwrap();
        assert_eq!((change.user.sellers, change.user.revision, change.narrows), (vec![seller(1), seller(2)], 4, false));
        assert!(agent.granted(&[seller(3)], &boss).is_err());
        assert!(matches!(
            user(&[Role::Supervisor], &[]).granted(&[seller(1)], &boss),
            Err(Refusal::RoleNotGrantable { role: "supervisor" })
        ));
        assert!(agent.revoked(&[seller(1)], &boss).unwrap().narrows);
    }

    #[test]
    fn granting_what_is_granted_changes_nothing() {
        let boss = actor(&[Role::ProviderAdmin], None);
        let agent = user(&[Role::Agent], &[seller(1)]);
        assert_eq!(agent.granted(&[seller(1)], &boss).unwrap().user, agent);
        assert_eq!(agent.revoked(&[seller(7)], &boss).unwrap().user, agent);
    }

    #[test]
    fn the_last_administrator_stays() {
        let boss = actor(&[Role::ProviderAdmin], None);
        let admin = user(&[Role::ProviderAdmin], &[]);
        assert_eq!(admin.disabled(&boss, 0), Err(Refusal::LastAdmin));
        assert_eq!(admin.with_roles([Role::Agent].into_iter().collect(), &boss, 0), Err(Refusal::LastAdmin));
        assert!(admin.disabled(&boss, 1).unwrap().narrows);
        let me = User { id: UserId(Uuid::from_u128(1)), ..admin };
        assert_eq!(me.disabled(&boss, 1), Err(Refusal::OwnAccount));
    }

    #[test]
    fn the_last_administrator_of_a_seller_is_taken_away_by_the_provider_only() {
        let owner = user(&[Role::SellerAdmin], &[seller(1)]);
        let colleague = actor(&[Role::SellerAdmin], Some(vec![seller(1)]));
        assert_eq!(owner.disabled(&colleague, 0), Err(Refusal::LastAdmin));
        assert!(owner.disabled(&colleague, 1).unwrap().narrows);
        assert!(user(&[Role::SellerViewer], &[seller(1)]).disabled(&colleague, 0).unwrap().narrows);
        assert!(owner.disabled(&actor(&[Role::ProviderAdmin], None), 0).unwrap().narrows);
    }

    #[test]
    fn a_sellers_user_keeps_exactly_one_seller() {
        let boss = actor(&[Role::ProviderAdmin], None);
        let viewer = user(&[Role::SellerViewer], &[seller(1)]);
        assert!(viewer.granted(&[seller(2)], &boss).is_err());
        assert!(viewer.revoked(&[seller(1)], &boss).is_err());
    }

    #[test]
    fn becoming_an_administrator_drops_single_grants() {
        let boss = actor(&[Role::ProviderAdmin], None);
        let agent = user(&[Role::Agent], &[seller(1)]);
        let change = agent.with_roles([Role::ProviderAdmin].into_iter().collect(), &boss, 1).unwrap();
        assert!(change.user.sellers.is_empty() && change.narrows);
    }

    #[test]
    fn a_disabled_user_cannot_follow_a_link() {
        let gone = User { state: State::Disabled, ..user(&[Role::Agent], &[]) };
        assert_eq!(gone.activated(), Err(Refusal::LinkRefused));
        let boss = actor(&[Role::ProviderAdmin], None);
        assert_eq!(gone.enabled(&boss, false).unwrap().user.state, State::Invited);
    }

    fn some_roles() -> impl Strategy<Value = Roles> {
        proptest::collection::vec(0usize..Role::ALL.len(), 1..3)
            .prop_map(|list| list.into_iter().map(|i| Role::ALL[i]).collect())
    }

    fn some_sellers() -> impl Strategy<Value = Vec<SellerId>> {
        proptest::collection::vec((1u128..5).prop_map(seller), 0..4).prop_map(sorted)
    }

    proptest! {
        /// Whoever makes or changes whom: nobody hands out a seller or a role beyond her own reach.
        #[test]
        fn nobody_hands_out_more_than_she_has(
            by in some_roles(), own in proptest::option::of(some_sellers()),
            roles in some_roles(), sellers in some_sellers(), more in some_sellers(),
        ) {
            let actor = Actor { user: None, roles: by, sellers: own, in_platform: false };
            let wanted = Wanted { email: String::new(), name: String::new(), language: String::new(), roles, sellers };
            if let Ok(made) = User::make(UserId(Uuid::from_u128(9)), wanted, State::Active, &actor, Timestamp::UNIX_EPOCH) {
                prop_assert!(made.roles.must_fit(false, made.sellers.len()).is_ok());
                prop_assert!(actor.must_hold(&made.sellers).is_ok());
                prop_assert!(actor.roles.must_grant(&made.roles).is_ok());
                if let Ok(change) = made.granted(&more, &actor) {
                    prop_assert!(actor.must_hold(&change.user.sellers).is_ok());
                    prop_assert!(change.user.roles.must_fit(false, change.user.sellers.len()).is_ok());
                    prop_assert_eq!(change.user.revision > made.revision, change.user.sellers != made.sellers);
                }
            }
        }
    }
}
