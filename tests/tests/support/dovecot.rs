//! Debian's dovecot with folders of its own: mailboxes that are filled over LMTP and read over IMAP.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::mail::PASSWORD;

/// A mail server that runs; it ends when it is dropped.
pub struct Dovecot {
    child: Child,
    /// In the clear, or STARTTLS.
    pub imap: u16,
    /// TLS from the first byte.
    pub imaps: u16,
    lmtp: u16,
    #[allow(dead_code, reason = "the folder goes with its owner")]
    folder: tempfile::TempDir,
}

/// The program; none, loudly, where it is missing.
fn program(test: &str) -> Option<PathBuf> {
    let found =
        ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"].map(PathBuf::from).into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED {test}: there is no dovecot (apt-get install dovecot-imapd dovecot-lmtpd)");
    }
    found
}

impl Dovecot {
    /// Starts it; everybody has a mailbox, all with the same password.
    pub fn start(test: &str) -> Option<Dovecot> {
        Dovecot::start_with(test, None)
    }

    /// Starts one where nobody signs in by password: access tokens are shown by a mechanism of SASL, and whether one
    /// is good is asked of an authorization server (RFC 7662).
    pub fn start_with_tokens(test: &str, mechanism: &str, introspection: &str) -> Option<Dovecot> {
        Dovecot::start_with(test, Some((mechanism, introspection)))
    }

    fn start_with(test: &str, tokens: Option<(&str, &str)>) -> Option<Dovecot> {
        let program = program(test)?;
        let folder = tempfile::Builder::new().prefix("manydesk-dovecot-").tempdir_in("/tmp").expect("a folder");
        let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder's mode");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a folder");
        let everybody: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&home, everybody).expect("the folder's mode");
        let (imap, imaps, lmtp) = (tests::free_port(), tests::free_port(), tests::free_port());
        let file = folder.path().join("dovecot.conf");
        let signing_in = match tokens {
            None => format!("passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n"),
            Some((mechanism, introspection)) => by_token(folder.path(), mechanism, introspection),
        };
        std::fs::write(&file, settings(folder.path(), imap, imaps, lmtp) + &signing_in).expect("written");
        let child = Command::new(program)
            .args(["-F", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dovecot starts");
        let server = Dovecot { child, imap, imaps, lmtp, folder };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", lmtp)).is_err() || TcpStream::connect(("127.0.0.1", imap)).is_err() {
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(20), "dovecot does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// Makes the server forget the numbers of a mailbox, so that it gives its mails new ones.
    pub fn renumber(&self, user: &str) {
        let mailbox = self.folder.path().join("home").join(user).join("Maildir");
        for entry in std::fs::read_dir(mailbox).expect("a mailbox").flatten() {
            if entry.file_name().to_string_lossy().starts_with("dovecot") && entry.path().is_file() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Delivers a mail over LMTP, as a mail server does: what is put off is brought again.
    pub fn deliver(&self, to: &str, raw: &str) {
        for _ in 0..50 {
            let answer = self.hand_in(to, raw);
            if answer.starts_with("250") {
                return;
            }
            assert!(answer.starts_with('4'), "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("dovecot puts the mail off again and again");
    }

    fn hand_in(&self, to: &str, raw: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.lmtp)).expect("dovecot answers");
        let mut answers = BufReader::new(stream.try_clone().expect("the same connection"));
        let mut answer = || loop {
            let mut line = String::new();
            answers.read_line(&mut line).expect("an answer");
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        };
        assert!(answer().starts_with("220"));
        for (line, code) in [
            ("LHLO tests".to_owned(), "250"),
            ("MAIL FROM:<>".to_owned(), "250"),
            (format!("RCPT TO:<{to}>"), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            stream.write_all(format!("{line}\r\n").as_bytes()).expect("sent");
            let answered = answer();
            if !answered.starts_with(code) {
                return answered;
            }
        }
        stream.write_all(format!("{}\r\n.\r\n", raw.replace("\r\n.", "\r\n..")).as_bytes()).expect("sent");
        answer()
    }
}

fn by_token(folder: &Path, mechanism: &str, introspection: &str) -> String {
    let file = folder.join("oauth2.conf");
    let settings = format!(
        "introspection_mode = post\nintrospection_url = {introspection}\nusername_attribute = username\n\
         active_attribute = active\nactive_value = true\n"
    );
    std::fs::write(&file, settings).expect("written");
    format!(
        "auth_mechanisms = {mechanism}\nauth_cache_size = 0\n\
         passdb {{\n  driver = oauth2\n  mechanisms = {mechanism}\n  args = {}\n}}\n",
        file.display()
    )
}

fn settings(folder: &Path, imap: u16, imaps: u16, lmtp: u16) -> String {
    let files = tests::certificates();
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let folder = folder.display();
    format!(
        "protocols = imap lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"
    )
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-s", "TERM", "--", &self.child.id().to_string()]).status();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
