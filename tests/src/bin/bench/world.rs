//! A platform to measure: the executable in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use manydesk::cli::Session;
use manydesk::secrets::Secrets;

/// A running platform.
pub struct World {
    child: Child,
    folder: tempfile::TempDir,
    /// Its gateway.
    pub url: String,
    /// Seconds from the start of the process to the first answered call.
    pub started: f64,
}

/// The executable beside this one.
fn executable() -> PathBuf {
    let here = std::env::current_exe().expect("this executable has a path");
    let path = here.parent().expect("in a folder").join("manydesk");
    assert!(path.exists(), "build it first: cargo build --release -p manydesk");
    path
}

impl World {
    /// Starts one in a fresh folder.
    pub async fn start() -> World {
        World::start_in(World::folder()).await
    }

    /// Starts one in a fresh folder, with the demo's sellers.
    pub async fn start_with_demo() -> World {
        let folder = World::folder();
        World::begin(folder, &["up"]).await
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::Builder::new().prefix("manydesk-bench-").tempdir_in("/tmp").expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder's mode");
        folder
    }

    /// Starts one in a folder that was used before.
    pub async fn start_in(folder: tempfile::TempDir) -> World {
        World::begin(folder, &["up", "--no-demo"]).await
    }

    async fn begin(folder: tempfile::TempDir, command: &[&str]) -> World {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let url = format!("http://127.0.0.1:{port}");
        let begun = Instant::now();
        let mut child = Command::new(executable())
            .args(command)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder.path().join("data"))
            .env("MANYDESK_TENANT_CALLS_PER_SECOND", "1000000")
            .env("MANYDESK_IN_FLIGHT", "4096")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the platform starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its messages"));
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).unwrap_or(0) > 0 {
                if line.contains("manydesk:") || line.contains("ERROR") {
                    eprint!("{line}");
                }
                line.clear();
            }
        });
        let client = reqwest::Client::new();
        loop {
            if let Ok(answer) = client.get(format!("{url}/.well-known/jwks.json")).send().await
                && answer.status().is_success()
            {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the platform does not answer");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let started = begun.elapsed().as_secs_f64();
        World { child, folder, url, started }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Somebody of the demo, once it is loaded.
    pub async fn demo(&self, email: &str) -> Session {
        for _ in 0..3_000 {
            if let Ok(secrets) = Secrets::open(&self.data())
                && let Some(password) = secrets.logins.get(email)
                && let Ok(session) = Session::login(&self.url, email, password).await
            {
                return session;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{email} cannot sign in");
    }

    /// The operator's session.
    pub async fn operator(&self) -> Session {
        for _ in 0..500 {
            if let Ok(secrets) = Secrets::open(&self.data())
                && let Some(password) = secrets.logins.get("operator@platform.example")
            {
                return Session::login(&self.url, "operator@platform.example", password).await.expect("signed in");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no operator was made");
    }

    /// An administrator of a fresh provider.
    pub async fn admin(&self, handle: &str) -> Session {
        drop(self.operator().await);
        let mut secrets = Secrets::open(&self.data()).expect("secrets");
        manydesk::cli::ensure_provider(&self.url, &mut secrets, handle, "Benchmark").await.expect("a provider")
    }

    /// PID of the database server, and its socket folder and port.
    pub fn postgres(&self) -> (u32, String, String) {
        let file = find(&self.data(), "postmaster.pid").expect("a running database");
        let text = std::fs::read_to_string(file).expect("postmaster.pid");
        let lines: Vec<&str> = text.lines().collect();
        (lines[0].parse().expect("a pid"), lines[4].to_owned(), lines[3].to_owned())
    }

    /// URL of the database as the superuser.
    pub fn database(&self) -> String {
        let (_, socket, port) = self.postgres();
        format!("postgresql:///manydesk?user=postgres&host={socket}&port={port}")
    }

    /// Stops it and keeps its folder.
    pub fn stop(mut self) -> tempfile::TempDir {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        self.folder
    }
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|n| n == name) {
            return Some(path);
        }
        if path.is_dir()
            && let Some(found) = find(&path, name)
        {
            return Some(found);
        }
    }
    None
}
