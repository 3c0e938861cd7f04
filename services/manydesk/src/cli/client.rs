//! A client of a platform's gateway that keeps its token fresh.

use std::time::Duration;

use anyhow::{Context, anyhow};
use proto::tenants::v1::LoginRequest;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// A signed-in client.
#[derive(Clone)]
pub struct Session {
    channel: Channel,
    email: String,
    password: String,
    token: String,
    fresh_until: i64,
}

/// Adds the token to every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<tonic::metadata::Ascii>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// The transport that generated clients take.
pub type Transport = InterceptedService<Channel, Bearer>;

/// Where a private authority's certificate may be named, PEM.
const CA_FILE: &str = "MANYDESK_CA_FILE";

/// Reaches a gateway. With `https://` it must prove its name by a certificate of an authority that the system
/// trusts, or of the one in the file that MANYDESK_CA_FILE names.
pub async fn channel(url: &str) -> anyhow::Result<Channel> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url} is not a URL"))?
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true);
    if url.starts_with("https://") {
        endpoint = endpoint.tls_config(trusted()?)?;
    }
    endpoint.connect().await.with_context(|| format!("no platform answers at {url}"))
}

fn trusted() -> anyhow::Result<ClientTlsConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut tls = ClientTlsConfig::new().trust_anchors(roots.roots);
    if let Some(path) = kit::config::environment(CA_FILE) {
        let authority = std::fs::read(&path).with_context(|| format!("{CA_FILE}: {path} cannot be read"))?;
        tls = tls.ca_certificate(Certificate::from_pem(authority));
    }
    Ok(tls)
}

impl Session {
    /// Signs in.
    pub async fn login(url: &str, email: &str, password: &str) -> anyhow::Result<Session> {
        let mut session = Session {
            channel: channel(url).await?,
            email: email.to_owned(),
            password: password.to_owned(),
            token: String::new(),
            fresh_until: 0,
        };
        session.renew().await?;
        Ok(session)
    }

    async fn renew(&mut self) -> anyhow::Result<()> {
        let request = LoginRequest {
            email: self.email.clone(),
            password: self.password.clone(),
            client: "manydesk command line".to_owned(),
            ..LoginRequest::default()
        };
        let answer = AuthServiceClient::new(self.channel.clone())
            .login(request)
            .await
            .map_err(|status| anyhow!("signing in as {} failed: {}", self.email, status.message()))?
            .into_inner();
        let tokens = answer.tokens.ok_or_else(|| anyhow!("the answer to the login holds no tokens"))?;
        self.token = tokens.access_token;
        self.fresh_until = tokens.access_expires_at.map_or(0, |at| at.seconds);
        Ok(())
    }

    /// An access token that is good for a while yet.
    pub async fn token(&mut self) -> anyhow::Result<String> {
        self.transport().await?;
        Ok(self.token.clone())
    }

    /// A transport with a token that is good for a while yet.
    pub async fn transport(&mut self) -> anyhow::Result<Transport> {
        if kit::Clock::System.now().as_second() + 60 > self.fresh_until {
            self.renew().await?;
        }
        let value = format!("Bearer {}", self.token).parse().context("the token is not printable")?;
        Ok(InterceptedService::new(self.channel.clone(), Bearer(value)))
    }
}

/// A status as a person reads it.
pub fn told(status: &Status) -> anyhow::Error {
    anyhow!("{}", status.message())
}

/// A transport with a given token.
pub async fn with_token(url: &str, token: &str) -> anyhow::Result<Transport> {
    let value = format!("Bearer {token}").parse().context("the token is not printable")?;
    Ok(InterceptedService::new(channel(url).await?, Bearer(value)))
}

/// What a token says of itself. Not verified: for showing, never for deciding.
pub fn claims(token: &str) -> anyhow::Result<kit::caller::Claims> {
    use base64::Engine;
    let body = token.split('.').nth(1).ok_or_else(|| anyhow!("this is no token"))?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).context("this is no token")?;
    serde_json::from_slice(&bytes).context("this is no token of the platform")
}
