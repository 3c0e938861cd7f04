//! Roles: what goes together, and who may grant what.

use std::collections::BTreeSet;

use super::refusal::Refusal;

/// What a person, a key or a process may be. Names are those in tokens and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    PlatformOperator,
    ProviderAdmin,
    Supervisor,
    Planner,
    Agent,
    BillingClerk,
    SellerAdmin,
    SellerViewer,
    Service,
    ApiKey,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 10] = [
        Role::PlatformOperator,
        Role::ProviderAdmin,
        Role::Supervisor,
        Role::Planner,
        Role::Agent,
        Role::BillingClerk,
        Role::SellerAdmin,
        Role::SellerViewer,
        Role::Service,
        Role::ApiKey,
    ];

    /// The name in tokens and rows.
    pub fn as_str(self) -> &'static str {
        match self {
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

    /// The role of a name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether the role belongs to the provider's own people.
    pub fn is_staff(self) -> bool {
        matches!(self, Role::ProviderAdmin | Role::Supervisor | Role::Planner | Role::Agent | Role::BillingClerk)
    }

    /// Whether the role belongs to people of a seller.
    pub fn is_of_seller(self) -> bool {
        matches!(self, Role::SellerAdmin | Role::SellerViewer)
    }

    /// Whether the role covers every seller of the provider.
    pub fn covers_all_sellers(self) -> bool {
        matches!(self, Role::ProviderAdmin | Role::BillingClerk)
    }

    /// Whether somebody with this role may grant `role`.
    pub fn may_grant(self, role: Role) -> bool {
        match self {
            Role::PlatformOperator => matches!(role, Role::PlatformOperator | Role::ProviderAdmin),
            Role::ProviderAdmin => role.is_staff() || role.is_of_seller() || role == Role::ApiKey,
            Role::Supervisor => role == Role::Agent,
            Role::SellerAdmin => role.is_of_seller() || role == Role::ApiKey,
            Role::Planner | Role::Agent | Role::BillingClerk | Role::SellerViewer | Role::Service | Role::ApiKey => {
                false
            }
        }
    }
}

/// A set of roles, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Roles {
        Roles(roles.into_iter().collect())
    }
}

impl Roles {
    /// Whether the set holds a role.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// The roles in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// The names in a fixed order, as they stand in tokens and rows.
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(Role::as_str).collect()
    }

    /// Whether somebody with these roles sees every seller of the provider.
    pub fn cover_all_sellers(&self) -> bool {
        self.iter().any(Role::covers_all_sellers)
    }

    /// Whether these are roles of a seller's own people.
    pub fn are_of_seller(&self) -> bool {
        self.iter().any(Role::is_of_seller)
    }

    /// Refuses unless every one of `wanted` may be granted by one of these.
    pub fn must_grant(&self, wanted: &Roles) -> Result<(), Refusal> {
        match wanted.iter().find(|role| !self.iter().any(|mine| mine.may_grant(*role))) {
            Some(role) => Err(Refusal::RoleNotGrantable { role: role.as_str() }),
            None => Ok(()),
        }
    }

    /// Refuses roles that do not go together, or not with so many sellers.
    pub fn must_fit(&self, in_platform: bool, sellers: usize) -> Result<(), Refusal> {
        let wrong = |why| Err(Refusal::RolesIncompatible(why));
        if self.0.is_empty() {
            return wrong("a user needs at least one role");
        }
        if self.has(Role::Service) || self.has(Role::ApiKey) {
            return wrong("service and api_key are not roles of people");
        }
        if in_platform || self.has(Role::PlatformOperator) {
            return match (in_platform, self.0.len(), self.has(Role::PlatformOperator), sellers) {
                (true, 1, true, 0) => Ok(()),
                _ => wrong("platform operators live in the platform, have no other role and no sellers"),
            };
        }
        if self.are_of_seller() {
            if self.0.len() > 1 {
                return wrong("a seller's user has exactly one role");
            }
            if sellers != 1 {
                return wrong("a seller's user belongs to exactly one seller");
            }
            return Ok(());
        }
        if self.has(Role::BillingClerk) && self.iter().any(|r| !r.covers_all_sellers()) {
            return wrong("billing clerks see all sellers and therefore have no role that is limited to some");
        }
        if self.cover_all_sellers() && sellers > 0 {
            return wrong("provider administrators and billing clerks have all sellers; none are granted one by one");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roles(list: &[Role]) -> Roles {
        list.iter().copied().collect()
    }

    #[test]
    fn names_come_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn who_may_grant_what() {
        use Role::*;
        let table: &[(Role, &[Role])] = &[
            (PlatformOperator, &[PlatformOperator, ProviderAdmin]),
            (
                ProviderAdmin,
                &[ProviderAdmin, Supervisor, Planner, Agent, BillingClerk, SellerAdmin, SellerViewer, ApiKey],
            ),
            (Supervisor, &[Agent]),
            (Planner, &[]),
            (Agent, &[]),
            (BillingClerk, &[]),
            (SellerAdmin, &[SellerAdmin, SellerViewer, ApiKey]),
            (SellerViewer, &[]),
            (Service, &[]),
            (ApiKey, &[]),
        ];
        for (granter, granted) in table {
            for role in Role::ALL {
                assert_eq!(granter.may_grant(role), granted.contains(&role), "{granter:?} grants {role:?}");
            }
        }
    }

    #[test]
    fn what_goes_together() {
        use Role::*;
        let good: &[(bool, &[Role], usize)] = &[
            (true, &[PlatformOperator], 0),
            (false, &[ProviderAdmin], 0),
            (false, &[ProviderAdmin, Agent], 0),
            (false, &[ProviderAdmin, BillingClerk], 0),
            (false, &[Supervisor, Agent, Planner], 3),
            (false, &[Agent], 0),
            (false, &[SellerAdmin], 1),
        ];
        for (platform, list, sellers) in good {
            assert_eq!(roles(list).must_fit(*platform, *sellers), Ok(()), "{list:?}");
        }
        let bad: &[(bool, &[Role], usize)] = &[
            (false, &[], 0),
            (true, &[ProviderAdmin], 0),
            (true, &[PlatformOperator], 1),
            (false, &[PlatformOperator], 0),
            (true, &[PlatformOperator, Agent], 0),
            (false, &[SellerAdmin], 0),
            (false, &[SellerAdmin], 2),
            (false, &[SellerAdmin, SellerViewer], 1),
            (false, &[SellerViewer, Agent], 1),
            (false, &[BillingClerk, Supervisor], 0),
            (false, &[ProviderAdmin], 1),
            (false, &[Service], 0),
            (false, &[ApiKey], 1),
        ];
        for (platform, list, sellers) in bad {
            assert!(roles(list).must_fit(*platform, *sellers).is_err(), "{list:?} with {sellers}");
        }
    }

    proptest! {
        /// Granting never climbs: whatever a chain of grants hands out, the first
        /// granter could have handed out herself.
        #[test]
        fn granting_never_climbs(chain in proptest::collection::vec(0usize..Role::ALL.len(), 2..8)) {
            let chain: Vec<Role> = chain.into_iter().map(|i| Role::ALL[i]).collect();
            let valid = chain.windows(2).all(|pair| pair[0].may_grant(pair[1]));
            if valid && chain[0] != Role::PlatformOperator {
                prop_assert!(chain[0].may_grant(chain[chain.len() - 1]));
                prop_assert!(chain.iter().all(|role| *role != Role::PlatformOperator && *role != Role::Service));
            }
        }
    }
}
