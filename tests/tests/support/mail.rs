//! Mail servers that the tests start.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::python;

/// The password of every mailbox.
pub const PASSWORD: &str = "pass-word-of-the-mailbox";

/// A mail server that answers are handed to; it ends when it is dropped.
pub struct SmtpServer {
    child: Child,
    pub port: u16,
    file: PathBuf,
    #[allow(dead_code, reason = "the folder goes with its owner")]
    folder: tempfile::TempDir,
}

/// A mail that the server took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub from: String,
    pub to: String,
    pub raw: String,
    pub tls: bool,
    pub user: Option<String>,
}

impl Taken {
    /// The first header of a name, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

impl SmtpServer {
    /// Starts it without TLS; none, loudly, where its packages are missing.
    pub fn start(test: &str) -> Option<SmtpServer> {
        SmtpServer::start_with(test, &[])
    }

    /// Starts it with a certificate for localhost; `how` is `tls` or `starttls`.
    pub fn start_secure(test: &str, how: &str) -> Option<SmtpServer> {
        let files = tests::certificates();
        SmtpServer::start_with(test, &[&files.certificate.display().to_string(), &files.key.display().to_string(), how])
    }

    /// Starts one where access tokens are shown by a mechanism of SASL; those in a file, one a line, are good.
    pub fn start_with_tokens(test: &str, tokens: &std::path::Path, mechanism: &str) -> Option<SmtpServer> {
        SmtpServer::start_with(test, &[&tokens.display().to_string(), mechanism])
    }

    /// Starts it without TLS at a port.
    pub fn start_at(test: &str, port: u16) -> Option<SmtpServer> {
        SmtpServer::start_at_with(test, port, &[])
    }

    fn start_with(test: &str, arguments: &[&str]) -> Option<SmtpServer> {
        SmtpServer::start_at_with(test, tests::free_port(), arguments)
    }

    fn start_at_with(test: &str, port: u16, arguments: &[&str]) -> Option<SmtpServer> {
        let python = python::interpreter(test)?;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mails.jsonl");
        let mut command = python::script(&python, "smtp_server.py");
        command.arg(port.to_string()).arg(&file).args(arguments).stderr(Stdio::null());
        let mut child = command.spawn().expect("python starts");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready).expect("a line");
        assert_eq!(ready.trim(), "ready", "the mail server does not start");
        Some(SmtpServer { child, port, file, folder })
    }

    /// The mails taken for an address.
    pub fn taken(&self, to: &str) -> Vec<Taken> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mails = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        mails
            .map(|mail| Taken {
                from: text(&mail["from"]),
                to: text(&mail["to"][0]),
                raw: text(&mail["raw"]),
                tls: mail["tls"].as_bool().unwrap_or_default(),
                user: mail["user"].as_str().map(str::to_owned),
            })
            .filter(|mail| mail.to == to)
            .collect()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
