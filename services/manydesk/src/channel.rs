//! The channels of a process that runs alone to its peers: a connection to an
//! address, or one to each address of a name.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http::Uri;
use kit::spread;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error, Identity};

/// Mutual TLS between processes.
#[derive(Clone)]
pub(crate) struct Tls {
    /// Certificate of this process, PEM.
    pub certificate: Vec<u8>,
    /// Its key, PEM.
    pub key: Vec<u8>,
    /// The authority of all of them, PEM.
    pub ca: Vec<u8>,
}

/// The channel to a peer; connects when it is called.
pub(crate) fn to_peer(url: &str, tls: Option<&Tls>) -> anyhow::Result<Channel> {
    let not_valid = || format!("{url} is not a URL of a service");
    let uri: Uri = url.parse().with_context(not_valid)?;
    let host = uri.host().ok_or_else(|| anyhow!(not_valid()))?.trim_matches(['[', ']']).to_owned();
    let by_name = endpoint(uri.clone(), &host, tls)?;
    if host.parse::<IpAddr>().is_ok() {
        return Ok(by_name.connect_lazy());
    }
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let lookup = spread::system(&host, port);
    let (scheme, tls) = (if encrypted { "https" } else { "http" }, tls.cloned());
    let at: spread::At = Box::new(move |address| {
        let place = Endpoint::from_shared(format!("{scheme}://{address}"))?;
        // the peer is called and proves itself by its name, wherever it is
        Ok(endpoint(place.uri().clone(), &host, tls.as_ref())?.origin(uri.clone()))
    });
    Ok(spread::channel(by_name, at, lookup, spread::ASK_EVERY))
}

/// The channel to one replica, at an address of its own; with mutual TLS it
/// proves the name by which everybody calls the service.
pub(crate) fn to_replica(url: &str, name: Option<&str>, tls: Option<&Tls>) -> anyhow::Result<Channel> {
    let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL of a replica"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Ok(endpoint(uri, name.unwrap_or(&host), tls)?.connect_lazy())
}

fn endpoint(uri: Uri, name: &str, tls: Option<&Tls>) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::from(uri)
        .connect_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_while_idle(true);
    let Some(tls) = tls else { return Ok(endpoint) };
    let config = ClientTlsConfig::new()
        .domain_name(name)
        .ca_certificate(Certificate::from_pem(&tls.ca))
        .identity(Identity::from_pem(&tls.certificate, &tls.key));
    endpoint.tls_config(config)
}
