//! HTTP to addresses that a provider's people type in: over https to the public internet only, without
//! redirects and proxies. A name is looked up when it is connected to, and what it leads to is judged then.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kit::Fault;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, RequestBuilder, Response, Url};

use super::mail::Settings;
use crate::domain::connection::is_public;
use crate::domain::outgoing::attempt::{Reason, Trouble};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Finds the way to servers.
pub struct Http {
    client: Client,
    internal: bool,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    /// For how long it asks to be left alone.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Http {
    pub fn new(settings: &Settings) -> Result<Http, Fault> {
        let internal = settings.internal_servers;
        let given = settings.authorities.as_deref().unwrap_or_default();
        let authorities = Certificate::from_pem_bundle(given).map_err(|error| Fault::Internal(Box::new(error)))?;
        let mut builder = Client::builder();
        for authority in authorities {
            builder = builder.add_root_certificate(authority);
        }
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .user_agent("manydesk")
            .dns_resolver(Arc::new(Careful { internal }))
            .build()
            .map_err(|error| Fault::Internal(Box::new(error)))?;
        Ok(Http { client, internal })
    }

    /// The address, if it may be connected to as far as it alone tells.
    pub fn allowed(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let literal = url.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let scheme = url.scheme() == "https" || (self.internal && url.scheme() == "http");
        let public = self.internal || literal.is_none_or(is_public);
        (scheme && public && url.username().is_empty() && url.password().is_none()).then_some(url)
    }

    pub fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request within a time and reads the answer, of at most so many bytes.
    pub async fn send(request: RequestBuilder, within: Duration, limit: usize) -> Result<Answer, Trouble> {
        let response = request.timeout(within).send().await.map_err(trouble)?;
        read(response, limit).await
    }
}

async fn read(mut response: Response, limit: usize) -> Result<Answer, Trouble> {
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let mut answer = Answer { status: response.status().as_u16(), retry_after, body: Vec::new() };
    while let Some(piece) = response.chunk().await.map_err(trouble)? {
        if limit < answer.body.len() + piece.len() {
            return Err(Trouble::new(Reason::Protocol, "the answer is too long"));
        }
        answer.body.extend_from_slice(&piece);
    }
    Ok(answer)
}

/// What stopped a request; the address, which may hold what others should not read, is left out.
fn trouble(error: reqwest::Error) -> Trouble {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let chain = kit::fault::chain(&error);
    let reason = match () {
        () if chain.contains(NOT_PUBLIC) => Reason::AddressRefused,
        () if timed_out => Reason::Timeout,
        () if error.is_connect() && chain.contains("certificate") => Reason::Tls,
        () if error.is_connect() => Reason::Unreachable,
        () => Reason::Lost,
    };
    Trouble::new(reason, chain)
}

const NOT_PUBLIC: &str = "the name leads to no public address";

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

    #[tokio::test]
    async fn nobody_is_led_to_the_platforms_own_network() {
        let outside = Http::new(&Settings::default()).unwrap();
        for url in [
            "http://mt.example",
            "https://127.0.0.1",
            "https://[::1]:8080",
            "https://10.0.0.1/x",
            "https://169.254.169.254",
            "https://[::ffff:192.168.0.1]",
            "https://user@mt.example",
            "https://u:p@mt.example",
            "ftp://mt.example",
            "x",
            "",
            "https://0x7f.1",
            "https://2130706433",
        ] {
            assert!(outside.allowed(url).is_none(), "{url}");
        }
        let local = outside.allowed("https://localhost:1/").unwrap();
        let refused = Http::send(outside.post(local), Duration::from_secs(5), 10).await;
        assert_eq!(refused.map(|answer| answer.status).unwrap_err().reason, Reason::AddressRefused);
        let inside = Http::new(&Settings { internal_servers: true, ..Settings::default() }).unwrap();
        let nobody = inside.allowed("http://127.0.0.1:1/").unwrap();
        let refused = Http::send(inside.post(nobody), Duration::from_secs(5), 10).await;
        assert_eq!(refused.map(|answer| answer.status).unwrap_err().reason, Reason::Unreachable);
    }
}
