//! What a seller's terms say about tickets, ready to use.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ids::ChannelAccountId;
use super::sla::marketplace::{Case, RULES};
use super::sla::policy::{About, Policy, Promise};

/// Kinds of channels.
pub const CHANNELS: [&str; 9] =
    ["email", "marketplace", "chat", "phone", "social", "whatsapp", "web_form", "review", "api"];

/// Where messages come in and go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: ChannelAccountId,
    /// One of [`CHANNELS`].
    pub channel: String,
    /// As customers use it; mail in lower case.
    pub address: String,
    pub marketplace: String,
    pub country: String,
    pub active: bool,
}

/// One version of a seller's terms.
#[derive(Debug, Clone)]
pub struct Settings {
    pub version: i64,
    /// Prefix of ticket numbers.
    pub prefix: String,
    pub zone: TimeZone,
    pub country: String,
    /// Languages the seller is served in, the first is the usual one.
    pub languages: Vec<String>,
    pub accounts: Vec<Account>,
    pub policy: Policy,
    /// How long tickets that are over keep what was said; None for ever.
    pub retention: Option<SignedDuration>,
    /// False for a seller that is leaving or has left.
    pub receives: bool,
}

impl Settings {
    /// An account by its id.
    pub fn account(&self, id: ChannelAccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The mailbox that one of these addresses names, plus-addresses included. Where several accounts
    /// share it, that of the store: a marketplace and its country.
    pub fn mailbox(&self, addresses: &[String], store: Option<(&str, &str)>) -> Option<&Account> {
        let plain: BTreeSet<String> = addresses.iter().map(|address| without_plus(address)).collect();
        let mailbox = |account: &&Account| matches!(account.channel.as_str(), "email" | "marketplace" | "web_form");
        let fits = |account: &Account| match store {
            Some((marketplace, country)) if account.marketplace == marketplace => {
                if account.country == country {
                    3
                } else {
                    2
                }
            }
            _ if account.marketplace.is_empty() => 1,
            _ => 0,
        };
        let named =
            self.accounts.iter().filter(mailbox).filter(|account| plain.contains(&without_plus(&account.address)));
        // Of equals the first.
        named.rev().max_by_key(|account| fits(account))
    }

    /// Everything promised about a ticket.
    pub fn promises(&self, about: &About<'_>) -> Vec<Promise> {
        let mut promises = self.policy.promises(about);
        if !about.marketplace.is_empty() {
            let begun = Timestamp::from_second(about.begun).unwrap_or(Timestamp::UNIX_EPOCH);
            promises.extend(RULES.promises(&Case {
                marketplace: about.marketplace,
                site_country: about.country,
                seller_country: &self.country,
                on: self.zone.to_datetime(begun).date(),
            }));
        }
        promises
    }
}

/// An address in lower case without what follows a plus in its local part.
pub fn without_plus(address: &str) -> String {
    let address = address.trim().to_lowercase();
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
        None => address,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::ids::Uuid;

    #[test]
    fn of_accounts_that_share_a_mailbox_the_stores_own_is_found() {
        let account = |n: u128, channel: &str, marketplace: &str, country: &str| Account {
            id: ChannelAccountId(Uuid::from_u128(n)),
            channel: channel.into(),
            address: "help@shop.it".into(),
            marketplace: marketplace.into(),
            country: country.into(),
            active: true,
        };
        let settings = Settings {
            version: 1,
            prefix: "MAS".into(),
            zone: TimeZone::UTC,
            country: "IT".into(),
            languages: Vec::new(),
            accounts: vec![
                account(1, "marketplace", "amazon", "DE"),
                account(2, "marketplace", "amazon", "IT"),
                account(3, "marketplace", "ebay", ""),
                account(4, "email", "", ""),
                account(5, "chat", "", ""),
            ],
            policy: Policy::new(1, Vec::new(), BTreeMap::new()).unwrap(),
            retention: None,
            receives: true,
        };
        let found =
            |store| settings.mailbox(&["Help+MAS-1@Shop.it".into()], store).map(|account| account.id.0.as_u128());
        assert_eq!(found(Some(("amazon", "IT"))), Some(2));
        assert_eq!(found(Some(("amazon", "FR"))), Some(1), "the marketplace's before a plain one");
        assert_eq!(found(Some(("ebay", "GB"))), Some(3));
        assert_eq!(found(Some(("etsy", ""))), Some(4));
        assert_eq!(found(None), Some(4), "a person's mail is no marketplace's");
        assert!(settings.mailbox(&["other@shop.it".into()], None).is_none());
    }
}
