//! A NATS server with JetStream, in a folder of its own.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs; it ends when it is dropped.
pub struct Nats {
    program: PathBuf,
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

/// The password of the one who may sign in.
const PASSWORD: &str = "let-me-through";

impl Nats {
    /// Starts it; none, loudly, where it is missing.
    pub fn start(test: &str) -> Option<Nats> {
        let places = ["/usr/sbin/nats-server", "/usr/local/bin/nats-server", "/usr/bin/nats-server"];
        let Some(program) = places.map(PathBuf::from).into_iter().find(|path| path.exists()) else {
            eprintln!("SKIPPED {test}: there is no nats-server (apt-get install nats-server)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("manydesk-nats-").tempdir_in("/tmp").expect("a folder");
        let port = tests::free_port();
        let child = spawn(&program, port, &folder);
        Some(Nats { program, child, port, folder })
    }

    /// Where it is, with the password.
    pub fn url(&self) -> String {
        format!("nats://manydesk:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// A look at it past the platform.
    pub async fn client(&self) -> async_nats::Client {
        let options = async_nats::ConnectOptions::with_user_and_password("manydesk".into(), PASSWORD.into());
        options.connect(format!("127.0.0.1:{}", self.port)).await.expect("the server answers")
    }

    /// Ends it without a word, and starts it anew with what it has on its disk.
    pub fn kill_and_restart(&mut self) {
        self.end();
        self.child = spawn(&self.program, self.port, &self.folder);
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(program: &PathBuf, port: u16, folder: &tempfile::TempDir) -> Child {
    let child = Command::new(program)
        .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--user", "manydesk", "--pass", PASSWORD])
        .args(["--jetstream", "--store_dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts");
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nats-server does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}
