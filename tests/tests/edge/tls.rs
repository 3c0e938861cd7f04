//! The edge's own TLS: who may be spoken to, in which protocols, and a certificate that is renewed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gateway::tls::{Files, Tls, Unusable};
use proto::tenants::v1::LoginRequest;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use reqwest::{Certificate, Client, Version};
use tests::certificates;
use tests::fleet::STRANGER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Certificate as Pem, ClientTlsConfig, Endpoint};

use crate::support::process::{Up, data_folder, executable, free_port};

/// A gateway's port, with a renewable certificate in a folder of its own.
struct Port {
    port: u16,
    tls: Tls,
    files: Files,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Port {
    async fn open() -> Port {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        put(&certificates().certificate, &files.certificate);
        put(&certificates().key, &files.key);
        let tls = Tls::read(files.clone()).expect("a certificate");
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let app = Router::new().route("/", get(|| async { "here" }));
        let stop = CancellationToken::new();
        tokio::spawn(gateway::serve(listener, Some(tls.clone()), app, stop.clone(), Duration::from_secs(1)));
        Port { port, tls, files, stop, _folder: folder }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.port)
    }

    /// Asks by HTTP/1.1 over a new connection, trusting one authority.
    async fn ask(&self, authority: &Path) -> Option<String> {
        let authority = Certificate::from_pem(&fs::read(authority).expect("a file")).expect("a certificate");
        let client = Client::builder().no_proxy().tls_certs_only([authority]).build().expect("a client");
        let answer = client.get(self.url()).send().await.ok()?;
        assert_eq!(answer.version(), Version::HTTP_11);
        Some(answer.text().await.expect("a text"))
    }

    /// Calls by gRPC, which is HTTP/2, for something that nobody serves here.
    async fn call(&self, authority: &Path) -> Code {
        let tls = ClientTlsConfig::new().ca_certificate(Pem::from_pem(fs::read(authority).expect("a file")));
        let endpoint = Endpoint::from_shared(self.url()).expect("a URL").tls_config(tls).expect("settings");
        let mut client = AuthServiceClient::new(endpoint.connect_lazy());
        client.login(LoginRequest::default()).await.expect_err("nobody serves it").code()
    }
}

fn put(from: &Path, to: &Path) {
    fs::copy(from, to).expect("a copy");
}

/// A file of the stranger's, who has an authority of her own.
fn of_stranger(name: &str) -> std::path::PathBuf {
    certificates().authority.with_file_name(name)
}

#[tokio::test]
async fn both_protocols_are_spoken_and_only_to_who_trusts_the_certificate() {
    let port = Port::open().await;
    let authority = &certificates().authority;
    assert_eq!(port.ask(authority).await.as_deref(), Some("here"));
    assert_eq!(port.ask(&of_stranger(STRANGER.0)).await, None);
    assert_eq!(port.call(authority).await, Code::Unimplemented, "it came to the port");
    assert_eq!(port.call(&of_stranger(STRANGER.0)).await, Code::Unavailable);

    let mut plain = TcpStream::connect(("127.0.0.1", port.port)).await.expect("the port accepts");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("written");
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard).await;
    assert!(!String::from_utf8_lossy(&heard).contains("here"), "without TLS nothing is answered");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let port = Port::open().await;
    let (authority, other) = (&certificates().authority, of_stranger(STRANGER.0));
    assert!(!port.tls.refresh().expect("it is still there"), "nothing was renewed");

    // the certificate is there before its key, and then nothing at all
    put(&of_stranger(STRANGER.1), &port.files.certificate);
    assert!(matches!(port.tls.refresh(), Err(Unusable::Mismatched(_))));
    fs::write(&port.files.certificate, "").expect("written");
    assert!(matches!(port.tls.refresh(), Err(Unusable::NoCertificate(_))));
    fs::remove_file(&port.files.key).expect("removed");
    fs::remove_file(&port.files.certificate).expect("removed");
    assert!(matches!(port.tls.refresh(), Err(Unusable::Unreadable { .. })));
    assert!(port.ask(authority).await.is_some(), "the one before it stays");

    put(&of_stranger(STRANGER.1), &port.files.certificate);
    put(&of_stranger(STRANGER.2), &port.files.key);
    assert!(port.tls.refresh().expect("both are there"));
    assert_eq!(port.ask(authority).await, None);
    assert!(port.ask(&other).await.is_some());
}

#[tokio::test]
async fn the_platform_speaks_tls_to_others_and_its_commands_reach_it_both_ways() {
    let Some(manydesk) = executable("the edge's TLS") else { return };
    let (folder, number) = (data_folder(), free_port());
    let file = |path: &Path| path.to_str().expect("a text").to_owned();
    let files = certificates();
    let url = format!("https://localhost:{number}");
    let variables = [
        ("MANYDESK_EDGE_CERT_FILE", file(&files.certificate)),
        ("MANYDESK_EDGE_KEY_FILE", file(&files.key)),
        ("MANYDESK_PUBLIC_URL", url.clone()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut up = Up::spawn(&manydesk, folder.path(), number, &variables);
    up.ready().await;
    assert!(up.told().contains(&format!("ready at {url}")), "{}", up.told());

    let told = |arguments: &[&str], authority: Option<&Path>| {
        let mut command = std::process::Command::new(&manydesk);
        command.args(["report", "conversations", "--json"]).args(arguments).env("MANYDESK_PASSWORD", "not hers");
        command.env_remove("MANYDESK_CA_FILE");
        command.envs(authority.map(|path| ("MANYDESK_CA_FILE", path)));
        let output = command.output().expect("manydesk starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (data, who) = (file(folder.path()), "nobody@nowhere.example");
    let refused = format!("signing in as {who} failed");
    let outside = ["--url", url.as_str(), "--email", who];
    let trusted = told(&outside, Some(&files.authority));
    assert!(trusted.contains(&refused), "{trusted}");
    let stranger = told(&outside, None);
    assert!(stranger.contains("no platform answers"), "{stranger}");
    let local = told(&["--data", &data, "--email", who], None);
    assert!(local.contains(&refused), "{local}");
}
