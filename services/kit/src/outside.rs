//! Addresses that people type in - of an issuer, a mail server, a webhook - must not become a way into the
//! platform's own network: what is not of the public internet is never connected to. A name is judged when it is
//! connected to, by what it leads to then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Url};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// What the error of a request holds whose name led to no public address.
pub const NOT_PUBLIC: &str = "the name leads to no public address";

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

/// The address, if it may be asked as far as it alone tells: https, public where it names no name, without
/// anybody's password. `internal` installations - tests, closed networks - ask over http and in their own network
/// as well.
#[must_use]
pub fn allowed(text: &str, internal: bool) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let literal = url.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let scheme = url.scheme() == "https" || (internal && url.scheme() == "http");
    let public = internal || literal.is_none_or(is_public);
    (scheme && public && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// A client for such addresses: no redirects, no proxy, names led to public addresses only.
pub fn client(internal: bool) -> ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .user_agent("manydesk")
        .dns_resolver(Arc::new(Careful { internal }))
}

/// Looks names up, and forgets addresses that are not public.
struct Careful {
    internal: bool,
}

impl Resolve for Careful {
    fn resolve(&self, name: Name) -> Resolving {
        let internal = self.internal;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| internal || is_public(address.ip())).collect();
            if kept.is_empty() {
                return Err(NOT_PUBLIC.into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
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
    fn only_public_https_addresses_are_asked() {
        assert!(allowed("https://id.example/x", false).is_some());
        for bad in [
            "http://id.example",
            "https://127.0.0.1",
            "https://[::1]:8080/",
            "https://[::ffff:192.168.0.1]",
            "file:///etc/passwd",
            "https://user@id.example",
            "https://u:p@id.example",
            "https://0x7f.1",
            "https://2130706433",
            "x",
            "",
        ] {
            assert!(allowed(bad, false).is_none(), "{bad}");
        }
        assert!(allowed("http://127.0.0.1:9400", true).is_some());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let client = client(false).build().unwrap();
        let refused = client.get("https://localhost:1/").send().await.unwrap_err();
        assert!(crate::fault::chain(&refused).contains(NOT_PUBLIC));
    }
}
