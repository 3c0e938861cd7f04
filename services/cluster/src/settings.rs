//! What the server is told at every start, and the address its clients are given.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::folder::PORT;

/// Sized for a small machine. What makes a commit durable stays on.
const SETTINGS: [(&str, &str); 20] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "200"),
    ("shared_buffers", "128MB"),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("wal_compression", "on"),
    ("jit", "off"),
    // Solid-state storage.
    ("random_page_cost", "1.1"),
    // Before a table was looked at, the planner takes a whole seller for one row: a fresh import must not
    // wait a minute for better plans.
    ("autovacuum_naptime", "10s"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", "%m [%p] "),
    ("log_checkpoints", "off"),
    // People's data is in statements and in the details of errors: neither goes to the log.
    ("log_statement", "none"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
];

/// The settings as words of the command line.
pub(super) fn words(socket: &Path) -> Vec<OsString> {
    // A list of folders, so commas and blanks need the double quotes.
    let mut folders = OsString::from("unix_socket_directories=\"");
    folders.push(socket);
    folders.push("\"");
    let mut words = vec!["-c".into(), folders, "-c".into(), format!("port={PORT}").into()];
    for (name, value) in SETTINGS {
        words.extend(["-c".into(), format!("{name}={value}").into()]);
    }
    words
}

/// `postgresql:///db?user=…&host=…&port=…`: the form that libpq and the `url` crate both take; with
/// `user@` before an empty host the latter refuses the address.
pub(super) fn url(socket: &Path, db: &str, user: &str) -> String {
    format!(
        "postgresql:///{}?user={}&host={}&port={PORT}",
        encoded(OsStr::new(db)),
        encoded(OsStr::new(user)),
        encoded(socket.as_os_str()),
    )
}

fn encoded(text: &OsStr) -> String {
    text.as_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_blanks_slashes_and_letters_beyond_ascii() {
        assert_eq!(
            url(Path::new("/var/lib/many desk/rün"), "a/b", "tickets_app"),
            "postgresql:///a%2Fb?user=tickets_app&host=%2Fvar%2Flib%2Fmany%20desk%2Fr%C3%BCn&port=5432"
        );
    }

    #[test]
    fn the_socket_folder_is_quoted_and_nothing_listens_on_a_network() {
        let said = words(Path::new("/a, b"));
        assert!(said.contains(&OsString::from("unix_socket_directories=\"/a, b\"")));
        assert!(said.contains(&OsString::from("listen_addresses=")));
        assert!(said.contains(&OsString::from("fsync=on")));
    }
}
