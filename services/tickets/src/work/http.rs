//! HTTP to addresses that a provider's people type in: over https to the public internet only, without
//! redirects and proxies. A name is looked up when it is connected to, and what it leads to is judged then.

use std::time::Duration;

use courier::{Reason, Trouble};
use kit::Fault;
use kit::outside::{self, NOT_PUBLIC};
use reqwest::{Certificate, Client, RequestBuilder, Response, Url};

use super::mail::Settings;

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
        let mut builder = outside::client(internal);
        for authority in authorities {
            builder = builder.add_root_certificate(authority);
        }
        let client = builder.build().map_err(|error| Fault::Internal(Box::new(error)))?;
        Ok(Http { client, internal })
    }

    /// The address, if it may be connected to as far as it alone tells.
    pub fn allowed(&self, text: &str) -> Option<Url> {
        outside::allowed(text, self.internal)
    }

    pub fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
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
