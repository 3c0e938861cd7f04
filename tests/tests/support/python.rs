//! Clients, servers and checkers in Python: everything that must not share a
//! line of code with what it checks.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folder of the scripts.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// The interpreter with the packages of `requirements.txt`; none, loudly, where
/// nobody installed them.
pub fn interpreter(test: &str) -> Option<PathBuf> {
    let given = kit::config::environment("MANYDESK_TEST_PYTHON").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
    let found = given.unwrap_or(usual);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED {test}: there is no {} (tests/run.sh makes it)", found.display());
    None
}

/// A script of the folder, not started yet.
pub fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command
        .arg("-u")
        .arg(folder().join(name))
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Runs a script to its end with a text on its standard input.
pub async fn run(mut command: Command, input: String) -> Output {
    tokio::task::spawn_blocking(move || {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("python starts");
        let mut stdin = child.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("python ends");
        let _ = writer.join();
        output
    })
    .await
    .expect("the thread ends")
}
