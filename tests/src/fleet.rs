//! The platform as it runs in a cluster: a process per service and the gateway,
//! on one private PostgreSQL, on free ports of this machine.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kit::keys::{SERVICE_KID, SigningKey};
use kit::peers::{Calls, Peer, Peers};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::{IsolationProbe, RecordIsolationProbeRequest};
use tenantdb::bootstrap::SERVICES;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::desk::{Desk, OPERATOR, Recorder};
use crate::people::PASSWORD;
use scratch::TemporaryCluster;

/// What tokens name as their issuer.
const ISSUER: &str = "https://desk.fleet.example";

/// Six processes, or more, and a database. All of it ends when it is dropped.
pub struct Fleet {
    /// The gateway, as a test talks to it.
    pub desk: &'static Desk,
    executable: PathBuf,
    folder: tempfile::TempDir,
    tls: bool,
    /// NATS as the bus between the processes.
    nats: Option<String>,
    parts: BTreeMap<&'static str, Part>,
    cluster: TemporaryCluster,
}

/// One process.
struct Part {
    port: u16,
    metrics: u16,
    child: Option<Child>,
}

impl Fleet {
    /// Prepares the database, makes keys and the first operator, and starts
    /// everything; with `tls` the processes speak mutual TLS among themselves.
    pub async fn start(executable: &Path, tls: bool) -> Fleet {
        Fleet::start_with(executable, tls, &[], None).await
    }

    /// The same with NATS as the bus between the processes.
    pub async fn start_on_jetstream(executable: &Path, url: &str) -> Fleet {
        Fleet::start_with(executable, false, &[], Some(url.to_owned())).await
    }

    /// The same with a second routing, and a second gateway that calls that one.
    pub async fn start_doubled(executable: &Path, tls: bool) -> Fleet {
        Fleet::start_with(executable, tls, &SECOND, None).await
    }

    async fn start_with(executable: &Path, tls: bool, second: &[&'static str], nats: Option<String>) -> Fleet {
        let cluster = tokio::task::spawn_blocking(TemporaryCluster::start).await.expect("a cluster");
        tenantdb::bootstrap::create_database(&cluster.admin(), "manydesk").await.expect("a database");
        let folder = tempfile::Builder::new().prefix("manydesk-fleet-").tempdir_in("/tmp").expect("a temporary folder");
        let parts = free_parts(second);
        let desk = Desk {
            url: url(false, parts["gateway"].port),
            database: cluster.url("manydesk", "postgres"),
            role_url: {
                let pattern = cluster.url("manydesk", "ROLE");
                Box::new(move |role: &str| pattern.replace("ROLE", role))
            },
            operator_password: PASSWORD.to_owned(),
            record: recorder(folder.path(), tls, parts["tenants"].port),
        };
        if tls {
            make_certificates(folder.path());
        }
        let desk: &'static Desk = Box::leak(Box::new(desk));
        let mut fleet = Fleet { desk, executable: executable.to_owned(), folder, tls, nats, parts, cluster };
        fleet.run(&["migrate", "--database-url", &desk.database], &[]);
        let keys = fleet.folder.path().join("keys");
        fleet.run(&["keys", keys.to_str().expect("a text")], &[]);
        let settings = [
            ("MANYDESK_DATABASE_URL".to_owned(), fleet.cluster.url("manydesk", "tenants_app")),
            ("MANYDESK_OPERATOR_PASSWORD".to_owned(), PASSWORD.to_owned()),
        ];
        let told = fleet.run(&["operator", "--email", OPERATOR], &settings);
        assert!(told.contains(OPERATOR), "{told}");
        let told = fleet.run(&["operator", "--email", OPERATOR], &settings);
        assert!(told.contains("already"), "a second time changes nothing: {told}");
        let names: Vec<&'static str> = fleet.parts.keys().copied().collect();
        for name in names.iter().copied() {
            fleet.spawn(name);
        }
        for name in names {
            fleet.ready(name).await;
        }
        fleet
    }

    /// The settings of one process.
    fn settings(&self, name: &'static str) -> Vec<(String, String)> {
        let (part, service) = (&self.parts[name], service_of(name));
        let key = |file: &str| self.folder.path().join("keys").join(file).display().to_string();
        let mut settings = vec![
            ("MANYDESK_LISTEN", format!("127.0.0.1:{}", part.port)),
            ("MANYDESK_METRICS_LISTEN", format!("127.0.0.1:{}", part.metrics)),
            ("MANYDESK_PUBLIC_URL", ISSUER.to_owned()),
            ("MANYDESK_SERVICE_KEY_FILE", key(&format!("{service}.pem"))),
            ("MANYDESK_SERVICE_JWKS_FILE", key("services.jwks.json")),
            ("MANYDESK_PAGE_KEY_FILE", key("pages.key")),
            ("MANYDESK_TENANT_CALLS_PER_SECOND", "1000000".to_owned()),
            ("MANYDESK_ADDRESS_CALLS_PER_SECOND", "1000000".to_owned()),
            ("MANYDESK_LOG", "info".to_owned()),
        ];
        if matches!(service, "tenants" | "tickets" | "billing") {
            settings.push(("MANYDESK_MASTER_KEY_FILE", key("master.key")));
        }
        if matches!(service, "tickets" | "billing") {
            settings.push(("MANYDESK_MAIL_INTERNAL_SERVERS", "true".to_owned()));
            settings.push(("MANYDESK_MAIL_FIRST_RETRY_MS", "100".to_owned()));
            settings.push(("MANYDESK_MAIL_ATTEMPT_LIMIT_MS", "3000".to_owned()));
        }
        if service != "gateway" {
            settings.push(("MANYDESK_DATABASE_URL", self.cluster.url("manydesk", &format!("{service}_app"))));
            settings.push(("MANYDESK_RELAY_DATABASE_URL", self.cluster.url("manydesk", &format!("{service}_relay"))));
            settings.push(("MANYDESK_ADVERTISE", "127.0.0.1".to_owned()));
        }
        if let Some(url) = &self.nats {
            settings.push(("MANYDESK_NATS_URL", url.clone()));
        }
        if self.tls {
            for (variable, file) in [
                ("MANYDESK_TLS_CERT_FILE", CERTIFICATE),
                ("MANYDESK_TLS_KEY_FILE", KEY),
                ("MANYDESK_TLS_CA_FILE", AUTHORITY),
            ] {
                settings.push((variable, self.folder.path().join(file).display().to_string()));
            }
        }
        let mut settings: Vec<(String, String)> = settings.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        for peer in SERVICES {
            let beside = format!("{peer}-2");
            let second = name == "gateway-2" && self.parts.contains_key(beside.as_str());
            let url = self.url(if second { &beside } else { peer });
            settings.push((format!("MANYDESK_{}_URL", peer.to_uppercase()), url));
        }
        settings
    }

    fn command(&self, settings: &[(String, String)]) -> Command {
        let mut command = Command::new(&self.executable);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/tmp").stdin(Stdio::null());
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The settings of `manydesk reseal`.
    pub fn reseal_settings(&self) -> Vec<(String, String)> {
        let key = self.folder.path().join("keys/master.key");
        vec![
            ("MANYDESK_DATABASE_URL".to_owned(), self.cluster.url("manydesk", "tenants_app")),
            ("MANYDESK_MASTER_KEY_FILE".to_owned(), key.display().to_string()),
        ]
    }

    /// The settings of `manydesk reseal tickets`.
    pub fn reseal_tickets_settings(&self) -> Vec<(String, String)> {
        let key = self.folder.path().join("keys/master.key");
        vec![
            ("MANYDESK_DATABASE_URL".to_owned(), self.cluster.url("manydesk", "tickets_app")),
            ("MANYDESK_RELAY_DATABASE_URL".to_owned(), self.cluster.url("manydesk", "tickets_relay")),
            ("MANYDESK_MASTER_KEY_FILE".to_owned(), key.display().to_string()),
        ]
    }

    /// The settings of `manydesk verify isolation`.
    pub fn probe_settings(&self) -> Vec<(String, String)> {
        let key = self.folder.path().join("keys/cli.pem");
        let mut settings = vec![
            ("MANYDESK_URL".to_owned(), self.desk.url.clone()),
            ("MANYDESK_SERVICE_KEY_FILE".to_owned(), key.display().to_string()),
            ("MANYDESK_OPERATOR_EMAIL".to_owned(), OPERATOR.to_owned()),
            ("MANYDESK_OPERATOR_PASSWORD".to_owned(), PASSWORD.to_owned()),
        ];
        for service in SERVICES {
            let url = self.cluster.url("manydesk", &format!("{service}_app"));
            settings.push((format!("MANYDESK_{}_DATABASE_URL", service.to_uppercase()), url));
        }
        settings
    }

    /// Runs a command to its end; what it printed.
    pub fn run(&self, arguments: &[&str], settings: &[(String, String)]) -> String {
        let output = self.command(settings).args(arguments).output().expect("manydesk starts");
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = || format!("{}{}", told(&output.stdout), told(&output.stderr));
        assert!(output.status.success(), "manydesk {}:\n{}", arguments.join(" "), said());
        told(&output.stdout)
    }

    /// Runs a command that must fail; what it said.
    pub fn fails(&self, arguments: &[&str], settings: &[(String, String)]) -> String {
        let output = self.command(settings).args(arguments).output().expect("manydesk starts");
        assert!(!output.status.success(), "manydesk {} did not fail", arguments.join(" "));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts a process; `ready` waits for it.
    pub fn spawn(&mut self, name: &'static str) {
        let log = OpenOptions::new().create(true).append(true).open(self.log(name)).expect("a log");
        let mut command = self.command(&self.settings(name));
        command.args(["serve", service_of(name)]).stdout(Stdio::null()).stderr(log);
        let part = self.parts.get_mut(name).expect("a part of the fleet");
        part.child = Some(command.spawn().expect("manydesk starts"));
    }

    /// Waits until a process says that it can answer.
    pub async fn ready(&mut self, name: &'static str) {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let begun = Instant::now();
        loop {
            let answer = http.get(format!("http://127.0.0.1:{}/readyz", self.parts[name].metrics)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            if let Some(status) = self.ended(name) {
                panic!("{name} ended with {status}:\n{}", self.told(name));
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{name} is not ready:\n{}", self.told(name));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How a process ended, if it did.
    pub fn ended(&mut self, name: &str) -> Option<ExitStatus> {
        self.parts.get_mut(name)?.child.as_mut()?.try_wait().expect("a child")
    }

    /// Ends a process without a word.
    pub fn kill(&mut self, name: &'static str) {
        let mut child = self.parts.get_mut(name).and_then(|part| part.child.take()).expect("it runs");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }

    /// Ends a process without a word, and starts it anew.
    pub async fn kill_and_restart(&mut self, name: &'static str) {
        self.kill(name);
        self.spawn(name);
        self.ready(name).await;
    }

    /// Ends all processes, and starts them anew with NATS as the bus between them.
    pub async fn move_to_jetstream(&mut self, url: &str) {
        let names: Vec<&'static str> = self.parts.keys().copied().collect();
        for name in names.iter().copied() {
            if self.parts[name].child.is_some() {
                self.kill(name);
            }
        }
        self.nats = Some(url.to_owned());
        for name in names.iter().copied() {
            self.spawn(name);
        }
        for name in names {
            self.ready(name).await;
        }
    }

    /// Asks a process to stop.
    pub fn terminate(&self, name: &str) {
        let id = self.parts[name].child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", "--", &id]).status().expect("kill runs").success());
    }

    /// Waits for the end of a process that was asked to stop, which must be soon
    /// and in order.
    pub async fn ends_well(&mut self, name: &'static str) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.ended(name) {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} does not end:\n{}", self.told(name));
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.parts.get_mut(name).expect("a part").child = None;
        assert!(status.success(), "{name} ended with {status}:\n{}", self.told(name));
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// What a process logged.
    pub fn told(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    /// Where a service listens.
    pub fn url(&self, service: &str) -> String {
        url(self.tls, self.parts[service].port)
    }

    /// Where people reach a gateway.
    pub fn edge(&self, gateway: &str) -> String {
        url(false, self.parts[gateway].port)
    }

    /// The process that listens at an advertised address.
    pub fn part_at(&self, address: &str) -> Option<&'static str> {
        let at = |part: &Part| address == format!("127.0.0.1:{}", part.port);
        self.parts.iter().find(|(_, part)| at(part)).map(|(name, _)| *name)
    }

    /// A channel to one service, past the gateway, as another service has it.
    pub fn channel(&self, service: &str) -> Channel {
        channel(self.folder.path(), self.tls, self.parts[service].port)
    }

    /// The folder with `authority.pem`, `fleet.pem` and `fleet.key`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for (name, part) in &mut self.parts {
            if let Some(mut child) = part.child.take() {
                let ended = child.try_wait();
                let _ = child.kill();
                let _ = child.wait();
                if let (true, Ok(Some(status))) = (std::thread::panicking(), ended) {
                    eprintln!("{name} had ended with {status}");
                }
            }
        }
        if std::thread::panicking() {
            for name in self.parts.keys() {
                let told = self.told(name);
                let lines: Vec<&str> = told.lines().collect();
                eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(25)..].join("\n"));
            }
        }
    }
}

fn url(tls: bool, port: u16) -> String {
    if tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") }
}

fn channel(folder: &Path, tls: bool, port: u16) -> Channel {
    let mut endpoint = Endpoint::from_shared(url(tls, port)).expect("a URL").tcp_nodelay(true);
    if tls {
        let read = |file: &str| fs::read(folder.join(file)).expect("a certificate");
        let config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(AUTHORITY)))
            .identity(Identity::from_pem(read(CERTIFICATE), read(KEY)));
        endpoint = endpoint.tls_config(config).expect("a TLS configuration");
    }
    endpoint.connect_lazy()
}

/// What a doubled fleet has besides.
const SECOND: [&str; 2] = ["routing-2", "gateway-2"];

/// What a process runs.
fn service_of(name: &'static str) -> &'static str {
    name.strip_suffix("-2").unwrap_or(name)
}

/// A part per process, none started, on ports of their own.
fn free_parts(second: &[&'static str]) -> BTreeMap<&'static str, Part> {
    let part = || Part { port: crate::free_port(), metrics: crate::free_port(), child: None };
    SERVICES.into_iter().chain(["gateway"]).chain(second.iter().copied()).map(|name| (name, part())).collect()
}

/// Records a green isolation probe as the tenants service itself, with its key.
fn recorder(folder: &Path, tls: bool, port: u16) -> Recorder {
    let folder = folder.to_owned();
    Box::new(move |provider: String, seller: String| {
        let folder = folder.clone();
        Box::pin(async move {
            let pem = fs::read_to_string(folder.join("keys/tenants.pem")).expect("a key");
            let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).expect("base64");
            let key = SigningKey::from_pkcs8(format!("{SERVICE_KID}tenants"), &der).expect("a key");
            let clock = kit::Clock::System;
            let peers = Peers::default();
            peers.set("tenants", Peer::Remote(channel(&folder, tls, port)));
            let calls = Calls::new(peers, "tenants", key, ISSUER, clock.clone());
            let scope = kit::Scope::of_event(
                kit::Id::parse("provider_id", &provider).expect("an id"),
                Some(kit::Id::parse("seller_id", &seller).expect("an id")),
            );
            let time = Some(kit::wire::timestamp(clock.now()));
            let probe = IsolationProbe { time, green: true, tables: 1, rpcs: 1, detail: "tests".to_owned() };
            let request = RecordIsolationProbeRequest {
                seller_id: seller,
                probe: Some(probe),
                request_id: clock.new_uuid().to_string(),
            };
            OnboardingServiceClient::new(calls.for_scope("tenants", &scope).expect("a token"))
                .record_isolation_probe(request)
                .await
                .expect("the probe is recorded");
        })
    })
}

pub(crate) const AUTHORITY: &str = "authority.pem";
pub(crate) const CERTIFICATE: &str = "fleet.pem";
pub(crate) const KEY: &str = "fleet.key";

/// Whether certificates can be made here.
pub fn has_openssl() -> bool {
    Command::new("openssl")
        .arg("version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// An authority, and one certificate for all processes. A stranger's own
/// authority and certificate lie beside them.
pub(crate) fn make_certificates(folder: &Path) {
    for (authority, certificate, key) in [(AUTHORITY, CERTIFICATE, KEY), STRANGER] {
        openssl(
            folder,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
                 -addext basicConstraints=critical,CA:TRUE -keyout authority.key -out {authority}"
            ),
        );
        openssl(
            folder,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=fleet \
                 -addext subjectAltName=DNS:localhost -keyout {key} -out request.pem"
            ),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in request.pem -CA {authority} -CAkey authority.key -CAcreateserial -days 2 \
                 -copy_extensions copy -out {certificate}"
            ),
        );
    }
}

/// Files of a stranger: authority, certificate, key.
pub const STRANGER: (&str, &str, &str) = ("stranger-authority.pem", "stranger.pem", "stranger.key");

fn openssl(folder: &Path, arguments: &str) {
    let log = File::create(folder.join("openssl.log")).expect("a log");
    let status = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(log)
        .status()
        .expect("openssl runs");
    let told = || fs::read_to_string(folder.join("openssl.log")).unwrap_or_default();
    assert!(status.success(), "openssl {arguments}:\n{}", told());
}
