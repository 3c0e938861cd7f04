//! The way to a mail server. A name is looked up once, its addresses are judged, and one of those that
//! were judged is connected to: a name that leads elsewhere a moment later leads nobody there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::Fault;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Reason, Trouble};

/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;
/// Names whose TLS settings are remembered; beyond it the memory starts afresh.
const REMEMBERED: usize = 1_000;
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Finds the way to servers.
pub struct Dial {
    internal: bool,
    authorities: Vec<CertificateDer<'static>>,
    tls: Arc<ClientConfig>,
    of_names: Mutex<HashMap<String, TlsParameters>>,
}

impl Dial {
    /// `internal`: also to servers at addresses that are not public. `authorities`: certificates to be trusted besides
    /// the system's, as PEM.
    pub fn new(internal: bool, authorities: Option<&[u8]>) -> Result<Dial, Fault> {
        let given = authorities.unwrap_or_default();
        let mut authorities = CertificateDer::pem_slice_iter(given)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Fault::Internal(Box::new(error)))?;
        authorities.extend(rustls_native_certs::load_native_certs().certs);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::Internal(Box::new(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Dial { internal, authorities, tls: Arc::new(tls), of_names: Mutex::default() })
    }

    /// The addresses of a server that may be connected to.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Trouble> {
        let found = tokio::time::timeout(CONNECT, lookup_host((host, port))).await;
        let found: Vec<SocketAddr> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(Trouble::new(Reason::Unreachable, error)),
            Err(_) => return Err(Trouble::new(Reason::Timeout, "the name was not found in time")),
        };
        if found.is_empty() {
            return Err(Trouble::new(Reason::Unreachable, "the name has no address"));
        }
        let mut admitted: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.internal || kit::outside::is_public(address.ip())).collect();
        admitted.truncate(ADDRESSES);
        if admitted.is_empty() {
            return Err(Trouble::new(Reason::AddressRefused, "the server's address is not a public one"));
        }
        Ok(admitted)
    }

    /// A connection to a server.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Trouble> {
        let mut trouble = Trouble::new(Reason::Unreachable, "");
        for address in self.addresses(host, port).await? {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => trouble = Trouble::new(Reason::Unreachable, error),
                Err(_) => trouble = Trouble::new(Reason::Timeout, "no connection in time"),
            }
        }
        Err(trouble)
    }

    /// Makes a connection secret.
    pub async fn secure<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, Trouble>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Trouble::new(Reason::Tls, error))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector.connect(name, stream).await.map_err(|error| Trouble::new(Reason::Tls, error))
    }

    /// The same for the sending client, which makes its connections secret itself.
    pub fn tls_parameters(&self, host: &str) -> Result<TlsParameters, Trouble> {
        if let Ok(known) = self.of_names.lock()
            && let Some(parameters) = known.get(host)
        {
            return Ok(parameters.clone());
        }
        let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
        for authority in &self.authorities {
            // One that cannot be read is not trusted.
            if let Ok(certificate) = Certificate::from_der(authority.to_vec()) {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let parameters = builder.build_rustls().map_err(|error| Trouble::new(Reason::Tls, error))?;
        if let Ok(mut known) = self.of_names.lock() {
            if REMEMBERED < known.len() {
                known.clear();
            }
            known.insert(host.to_owned(), parameters.clone());
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_led_to_the_platforms_own_network() {
        let outside = Dial::new(false, None).unwrap();
        for host in ["127.0.0.1", "localhost", "::1", "10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1", "0.0.0.0"] {
            let refused = outside.addresses(host, 25).await.map_err(|trouble| trouble.reason);
            assert_eq!(refused, Err(Reason::AddressRefused), "{host}");
            assert_eq!(outside.connect(host, 25).await.map_err(|trouble| trouble.reason).err(), refused.err());
        }
        assert!(outside.addresses("8.8.8.8", 25).await.is_ok());
        let inside = Dial::new(true, None).unwrap();
        assert!(inside.addresses("127.0.0.1", 25).await.is_ok());
    }
}
