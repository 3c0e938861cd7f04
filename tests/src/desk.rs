//! The platform that all tests of a run share.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{LazyLock, mpsc};

use manydesk::cli::Session;
use manydesk::config::Config;
use manydesk::platform::{Database, Platform};
use manydesk::secrets::Secrets;
use tokio::sync::OnceCell;
use tonic::transport::Channel;

use crate::people::Tenant;
use scratch::TemporaryCluster;

/// A running platform.
pub struct Desk {
    /// Its gateway.
    pub url: String,
    /// Superuser's URL of its database, for looking past every rule.
    pub database: String,
    /// URL of a role of its database.
    pub role_url: Box<dyn Fn(&str) -> String + Send + Sync>,
    pub operator_password: String,
    pub(crate) record: Recorder,
}

/// Records a green isolation probe of a provider's seller.
pub(crate) type Recorder = Box<dyn Fn(String, String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The e-mail of the operator.
pub const OPERATOR: &str = "operator@platform.example";

/// The shared platform.
pub async fn desk() -> &'static Desk {
    static DESK: OnceCell<Desk> = OnceCell::const_new();
    DESK.get_or_init(|| async { tokio::task::spawn_blocking(start).await.expect("the platform starts") }).await
}

/// Files of a certificate for localhost, of its key, and of the authority that the
/// platform trusts for mail servers.
pub struct Certificates {
    /// The authority.
    pub authority: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The certificate of the mail servers of tests, made on first use.
pub fn certificates() -> &'static Certificates {
    static MADE: LazyLock<(Certificates, tempfile::TempDir)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        crate::fleet::make_certificates(folder.path());
        let file = |name: &str| folder.path().join(name);
        let made = Certificates {
            authority: file(crate::fleet::AUTHORITY),
            certificate: file(crate::fleet::CERTIFICATE),
            key: file(crate::fleet::KEY),
        };
        (made, folder)
    });
    &MADE.0
}

/// Where the shared platform is handed mail over SMTP and over LMTP.
pub fn mail_ports() -> (u16, u16) {
    static PORTS: LazyLock<(u16, u16)> = LazyLock::new(|| (crate::free_port(), crate::free_port()));
    *PORTS
}

/// Where the shared platform hands in mails that tell people of alerts; a test that looks at them listens there.
pub fn notice_port() -> u16 {
    static PORT: LazyLock<u16> = LazyLock::new(crate::free_port);
    *PORT
}

/// The address that those mails come from.
pub const NOTICES_FROM: &str = "alerts@platform.example";

/// Settings for tests: port 0, no limits in the way.
pub fn config() -> Config {
    let mut config =
        Config::read(&|name| (name == "MANYDESK_DATA").then(|| "/nonexistent".to_owned())).expect("defaults are valid");
    config.listen = ([127, 0, 0, 1], 0).into();
    config.tenant_rate = 1e6;
    config.address_rate = 1e6;
    // mail servers of tests are on this machine, and nobody waits long for them
    config.mail.internal_servers = true;
    config.mail.authorities = Some(std::fs::read(&certificates().authority).expect("the authority"));
    config.mail.first_retry = std::time::Duration::from_millis(100);
    config.mail.attempts = 4;
    config.mail.attempt_limit = std::time::Duration::from_secs(10);
    config
}

/// The platform lives in a thread and a runtime of its own: each test has a
/// runtime that ends with it.
fn start() -> Desk {
    let (told, started) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let cluster = TemporaryCluster::start();
            let database = Database::Given { admin: cluster.admin(), name: Some("manydesk".to_owned()), trusted: true };
            let secrets = Secrets::ephemeral().expect("secrets");
            let operator_password = secrets.password(OPERATOR);
            let mut config = config();
            let (smtp, lmtp) = mail_ports();
            config.mail.smtp_listen = Some(([127, 0, 0, 1], smtp).into());
            config.mail.lmtp_listen = Some(([127, 0, 0, 1], lmtp).into());
            config.mail.notices = Some(tickets::mail::Notices {
                host: "127.0.0.1".to_owned(),
                port: notice_port(),
                security: tickets::mail::Security::None,
                user: String::new(),
                password: String::new(),
                from: NOTICES_FROM.to_owned(),
            });
            let platform = Platform::start(&config, database, secrets, kit::Clock::System, &mut |_| {})
                .await
                .expect("the platform starts");
            manydesk::ensure_operator(&platform, OPERATOR, &operator_password).await.expect("an operator");
            let (admin_url, urls) = (cluster.url("manydesk", "postgres"), cluster);
            let url = platform.url.clone();
            let role_urls = std::sync::Arc::new(urls);
            let for_desk = role_urls.clone();
            let role_url = Box::new(move |role: &str| for_desk.url("manydesk", role));
            let record = recorder(&platform, tokio::runtime::Handle::current());
            told.send(Desk { url, database: admin_url, role_url, operator_password, record }).expect("the test waits");
            std::future::pending::<()>().await;
            drop((platform, role_urls));
        });
    });
    started.recv().expect("the platform's thread lives")
}

/// Records probes where the platform runs: its database connections live there.
fn recorder(platform: &Platform, runtime: tokio::runtime::Handle) -> Recorder {
    let (tenants, databases) = (platform.tenants.clone(), platform.databases.clone());
    Box::new(move |provider, seller| {
        let (tenants, databases, runtime) = (tenants.clone(), databases.clone(), runtime.clone());
        Box::pin(async move {
            let findings = manydesk::probe::Findings::default();
            let recorded =
                async move { manydesk::record_probe(&tenants, &databases, &provider, &seller, &findings).await };
            runtime.spawn(recorded).await.expect("the platform lives").expect("the probe is recorded");
        })
    })
}

impl Desk {
    /// A channel to the gateway, without a token.
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.url.clone()).expect("a URL").connect().await.expect("the gateway answers")
    }

    /// The operator's session.
    pub async fn operator(&self) -> Session {
        Session::login(&self.url, OPERATOR, &self.operator_password).await.expect("the operator signs in")
    }

    /// Records a green isolation probe of a seller, as the platform does after one.
    pub async fn record_green_probe(&self, provider_id: &str, seller_id: &str) {
        (self.record)(provider_id.to_owned(), seller_id.to_owned()).await;
    }

    /// A provider of the test's own.
    pub async fn provider(&'static self, name: &str) -> Tenant {
        Tenant::found(self, name).await
    }
}
