//! The way to a mail server. A name is looked up once, its addresses are judged, and one of those that
//! were judged is connected to: a name that leads elsewhere a moment later leads nobody there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use kit::Fault;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::lookup_host;

use super::Settings;
use crate::domain::connection::is_public;
use crate::domain::outgoing::attempt::{Reason, Trouble};

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
    of_names: Mutex<HashMap<String, TlsParameters>>,
}

impl Dial {
    pub fn new(settings: &Settings) -> Result<Dial, Fault> {
        let given = settings.authorities.as_deref().unwrap_or_default();
        let mut authorities = CertificateDer::pem_slice_iter(given)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Fault::Internal(Box::new(error)))?;
        authorities.extend(rustls_native_certs::load_native_certs().certs);
        Ok(Dial { internal: settings.internal_servers, authorities, of_names: Mutex::default() })
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
            found.into_iter().filter(|address| self.internal || is_public(address.ip())).collect();
        admitted.truncate(ADDRESSES);
        if admitted.is_empty() {
            return Err(Trouble::new(Reason::AddressRefused, "the server's address is not a public one"));
        }
        Ok(admitted)
    }

    /// How a connection to a server is made secret.
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
