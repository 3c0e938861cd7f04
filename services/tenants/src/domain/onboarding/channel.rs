//! Channel accounts: where a seller's customers write.

use super::check::Problems;

/// The kinds of channels.
pub const CHANNELS: [&str; 9] =
    ["email", "marketplace", "chat", "phone", "social", "whatsapp", "web_form", "review", "api"];

/// A mailbox, a marketplace account, a number, a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelAccount {
    pub channel: String,
    pub address: String,
    pub marketplace: String,
    pub country: String,
    pub store_id: String,
    pub active: bool,
}

impl ChannelAccount {
    /// Checks and normalises; the rules depend on the kind of channel.
    pub fn checked(mut self, path: &str, problems: &mut Problems) -> ChannelAccount {
        let at = |field: &str| format!("{path}.{field}");
        self.channel = problems.one_of(&at("channel"), &self.channel, &CHANNELS);
        self.address = match self.channel.as_str() {
            "email" => problems.email(&at("address"), &self.address).to_ascii_lowercase(),
            "phone" | "whatsapp" => problems.phone(&at("address"), &self.address),
            _ => problems.line(&at("address"), &self.address, 1..=200),
        };
        self.store_id = problems.line(&at("store_id"), &self.store_id, 0..=100);
        if !self.country.is_empty() {
            self.country = problems.country(&at("country"), &self.country);
        }
        if !self.marketplace.is_empty() {
            self.marketplace = problems.slug(&at("marketplace"), &self.marketplace);
        }
        if self.channel == "marketplace" {
            problems.require(
                !self.marketplace.is_empty(),
                at("marketplace"),
                "must be given for a marketplace account",
            );
            problems.require(!self.country.is_empty(), at("country"), "must be given for a marketplace account");
        }
        self
    }

    /// Whether it stands for a store of the seller.
    pub fn serves(&self, marketplace: &str, country: &str) -> bool {
        self.active && self.marketplace == marketplace && self.country == country
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(account: ChannelAccount) -> Vec<String> {
        let mut problems = Problems::new();
        account.checked("account", &mut problems);
        problems.into_vec().into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn each_channel_has_its_own_address() {
        let account = |channel: &str, address: &str| ChannelAccount {
            channel: channel.into(),
            address: address.into(),
            ..ChannelAccount::default()
        };
        assert!(paths(account("email", "Help@Example.com")).is_empty());
        assert_eq!(paths(account("email", "help")), ["account.address"]);
        assert!(paths(account("phone", "+39 02 1234 5678")).is_empty());
        assert_eq!(paths(account("phone", "02 1234")), ["account.address"]);
        assert!(paths(account("social", "@masque_noir")).is_empty());
        assert_eq!(paths(account("fax", "x")), ["account.channel"]);
        assert_eq!(paths(account("marketplace", "masque")), ["account.marketplace", "account.country"]);
    }
}
