//! The servers of a channel account, and which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use super::ids::ChannelAccountId;

/// The folder mail is fetched from where none is named.
pub const INBOX: &str = "INBOX";

/// How a connection is kept from being read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    None,
    StartTls,
    Tls,
}

impl Security {
    pub const ALL: [Security; 3] = [Security::None, Security::StartTls, Security::Tls];

    pub fn name(self) -> &'static str {
        match self {
            Security::None => "none",
            Security::StartTls => "starttls",
            Security::Tls => "tls",
        }
    }

    pub fn named(name: &str) -> Option<Security> {
        Security::ALL.into_iter().find(|security| security.name() == name)
    }
}

/// A mail server and who signs in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Empty to send without signing in.
    pub user: String,
    pub has_password: bool,
}

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    Smtp,
    Imap,
}

impl Use {
    pub fn name(self) -> &'static str {
        match self {
            Use::Smtp => "smtp",
            Use::Imap => "imap",
        }
    }

    pub fn named(name: &str) -> Option<Use> {
        [Use::Smtp, Use::Imap].into_iter().find(|of| of.name() == name)
    }
}

/// The servers of a channel account.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    pub account: ChannelAccountId,
    pub smtp: Option<Server>,
    pub imap: Option<Server>,
    pub imap_folder: String,
    pub from_name: String,
    pub reply_to_ticket: bool,
    pub updated_at: Timestamp,
    pub version: i64,
}

// Who signs in stays out of logs.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("port", &self.port).field("security", &self.security).finish_non_exhaustive()
    }
}

/// Whether a stored password may be used with a server that is set anew: whoever changes where it goes
/// must know it.
pub fn keeps_password(before: Option<&Server>, after: &Server) -> bool {
    before.is_some_and(|before| {
        before.has_password
            && before.host.eq_ignore_ascii_case(&after.host)
            && before.user == after.user
            && (before.security == after.security || after.security != Security::None)
    })
}

/// Whether an address is one of the public internet. Everything else - this machine, private networks,
/// the metadata service of a cloud, what embeds such an address - could be reached from the platform and
/// not from outside, so that nobody may name it who is outside.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol = a == 192 && b == 0 && c == 0;
    let relay = a == 192 && b == 88 && c == 99;
    let benchmark = a == 198 && (18..20).contains(&b);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || shared
        || protocol
        || relay
        || benchmark)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match s {
        // NAT64 and 6to4 lead to the IPv4 address in them.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Of 2001::/23 nothing is a mail server; 2001:db8:: is for examples.
        [0x2001, second, ..] => 0x0200 <= second && second != 0x0db8,
        // What is given out lies in 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000 && first != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for internal in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!is_public(internal.parse().unwrap()), "{internal}");
        }
    }

    #[test]
    fn a_password_stays_with_the_server_it_was_given_for() {
        let server = |host: &str, user: &str, security| Server {
            host: host.into(),
            port: 587,
            security,
            user: user.into(),
            has_password: true,
        };
        let before = server("mail.shop.it", "help", Security::StartTls);
        assert!(keeps_password(Some(&before), &server("Mail.Shop.it", "help", Security::Tls)));
        assert!(!keeps_password(Some(&before), &server("mail.evil.it", "help", Security::StartTls)));
        assert!(!keeps_password(Some(&before), &server("mail.shop.it", "other", Security::StartTls)));
        assert!(!keeps_password(Some(&before), &server("mail.shop.it", "help", Security::None)));
        assert!(!keeps_password(None, &before));
        assert!(!keeps_password(Some(&Server { has_password: false, ..before.clone() }), &before));
    }
}
