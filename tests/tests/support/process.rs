//! The platform as a process of its own, as a person starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use manydesk::cli::Session;

/// The executable beside the tests; none, loudly, where nobody built it.
pub fn executable(test: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().expect("a test has a path");
    let found = own.parent().and_then(Path::parent).expect("target/debug/deps").join("manydesk");
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED {test}: there is no {} (cargo build -p manydesk)", found.display());
    None
}

/// A data folder that the database's user may enter; it goes with its owner.
pub fn data_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("manydesk-process-").tempdir_in("/tmp").expect("a temporary folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("the folder's mode");
    folder
}

/// A port that nobody listens on at the moment.
pub use tests::free_port;

/// `manydesk up` as a child.
pub struct Up {
    child: Child,
    told: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    pub url: String,
    pub data: PathBuf,
}

impl Up {
    /// Starts it, without demo data, with these variables besides.
    pub fn spawn(executable: &Path, data: &Path, port: u16, variables: &[(&str, &str)]) -> Up {
        let mut command = Command::new(executable);
        command.args(["up", "--no-demo", "--data"]).arg(data).args(["--listen", &format!("127.0.0.1:{port}")]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MANYDESK_") || name == "DATABASE_URL") {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("manydesk starts");
        let told = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            follow(child.stdout.take().expect("piped"), &told),
            follow(child.stderr.take().expect("piped"), &told),
        ];
        Up { child, told, readers, url: format!("http://127.0.0.1:{port}"), data: data.to_owned() }
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) {
        let begun = Instant::now();
        loop {
            if self.told().contains("Manydesk is ready") {
                return;
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("manydesk ended with {status}:\n{}", self.told());
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "manydesk does not become ready:\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything it printed so far.
    pub fn told(&self) -> String {
        self.told.lock().expect("the lock").clone()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, "--", &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "no signal {name}");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; how it ended and what it printed.
    pub async fn take_end(&mut self, within: Duration) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(begun.elapsed() < within, "manydesk does not end:\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        for reader in std::mem::take(&mut self.readers) {
            let _ = reader.join();
        }
        (status, self.told())
    }

    /// The password of a login that this installation made.
    pub fn password(&self, email: &str) -> String {
        let text = std::fs::read_to_string(self.data.join("secrets.json")).expect("the secrets of the installation");
        let secrets: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        secrets["logins"][email].as_str().unwrap_or_else(|| panic!("no login {email}")).to_owned()
    }

    /// The operator's session.
    pub async fn operator(&self) -> Session {
        let password = self.password("operator@platform.example");
        Session::login(&self.url, "operator@platform.example", &password).await.expect("the operator signs in")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // a test that failed half-way leaves nothing running
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            let begun = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn follow(from: impl Read + Send + 'static, to: &Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    let to = Arc::clone(to);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if let Ok(mut to) = to.lock() {
                to.push_str(&line);
                to.push('\n');
            }
        }
    })
}

/// Processes whose working folder is this one: PostgreSQL works in its cluster.
pub fn working_in(folder: &Path) -> Vec<u32> {
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let Ok(listing) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder)).collect()
}
