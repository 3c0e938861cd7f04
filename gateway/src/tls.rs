//! The port's own TLS, where a certificate is given: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. The files are
//! read again every minute, so that a renewed certificate is used without a restart; one that cannot be used
//! is told of, and the one before it stays.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Where the certificate lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain, PEM, the port's own certificate first.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file cannot be read.
    #[error("{path} cannot be read ({kind})")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// It holds no certificate.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    /// It holds no key.
    #[error("{0} holds no private key in PEM form")]
    NoKey(PathBuf),
    /// They do not belong together, or the key is of an unknown kind.
    #[error("certificate and key cannot be used together: {0}")]
    Mismatched(rustls::Error),
}

/// What accepts connections.
#[derive(Clone)]
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// The certificate of now.
struct Current {
    provider: Arc<CryptoProvider>,
    key: RwLock<Arc<CertifiedKey>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key.read().ok().map(|key| key.clone())
    }
}

impl Tls {
    /// Reads the files.
    pub fn read(files: Files) -> Result<Tls, Unusable> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = RwLock::new(Arc::new(certified(&files, &provider)?));
        let current = Arc::new(Current { provider: provider.clone(), key });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Unusable::Mismatched)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls { files, current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The handshake; `None` where there is none within its time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        match tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "no handshake");
                None
            }
            Err(_) => None,
        }
    }

    /// Uses what is in the files by now; says whether that is another certificate.
    pub fn refresh(&self) -> Result<bool, Unusable> {
        let found = certified(&self.files, &self.current.provider)?;
        let Ok(mut key) = self.current.key.write() else { return Ok(false) };
        let is_other = key.cert != found.cert;
        if is_other {
            *key = Arc::new(found);
        }
        Ok(is_other)
    }

    /// Looks at the files again and again; ends never.
    pub(crate) async fn follow(&self) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.refresh() {
                Ok(true) => tracing::info!("a renewed certificate is used"),
                Ok(false) => {}
                Err(error) => tracing::error!(error = %error, "the certificate on file is not used"),
            }
        }
    }
}

fn certified(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, Unusable> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|error| Unusable::Unreadable { path: path.clone(), kind: error.kind() })
    };
    let chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| Unusable::NoCertificate(files.certificate.clone()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|_| Unusable::NoKey(files.key.clone()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(Unusable::Mismatched)
}
