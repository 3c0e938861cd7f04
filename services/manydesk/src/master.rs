//! Where the master keys of services come from: the secrets of an installation,
//! or a file that a process running alone is given. One file gives each service
//! keys of its own.

use kit::config::Reader;
use kit::master::MasterKeys;

use crate::secrets::{Secrets, derived};

const FILE: &str = "MANYDESK_MASTER_KEY_FILE";
const PURPOSE: &str = "signing keys at rest";

/// What a service keeps secret.
fn purpose(service: &str) -> &'static str {
    match service {
        "tickets" => "mail passwords at rest",
        "billing" => "billing mail passwords at rest",
        _ => PURPOSE,
    }
}

/// The master key of a service of an installation.
pub fn of_installation(secrets: &Secrets, service: &str) -> MasterKeys {
    MasterKeys::one(secrets.key(purpose(service)))
}

/// The master keys of the file that a variable names. *tenants* cannot be without;
/// *tickets* and *billing* without keep no passwords of mail servers.
pub fn read(reader: &mut Reader<'_>, service: &str) -> Option<MasterKeys> {
    if !matches!(service, "tickets" | "billing") {
        reader.required(FILE);
    }
    let file = reader.file(FILE)?;
    let keys = of_file_for(&file, service);
    if keys.is_none() {
        reader.wrong(
            FILE,
            "must name a file with 64 hexadecimal digits (see `manydesk keys`), and those of former keys in further lines",
        );
    }
    keys
}

/// The master keys of *tenants* in a file.
pub fn of_file(file: &[u8]) -> Option<MasterKeys> {
    of_file_for(file, "tenants")
}

/// One key a line, 64 hexadecimal digits: the first is used, the others open what
/// was sealed with them.
pub fn of_file_for(file: &[u8], service: &str) -> Option<MasterKeys> {
    let text = std::str::from_utf8(file).ok()?;
    let is_key = |line: &str| line.len() == 64 && line.bytes().all(|b| b.is_ascii_hexdigit());
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        keys.push(is_key(line).then(|| derived(&line.to_ascii_lowercase(), purpose(service)))?);
    }
    let (current, former) = keys.split_first()?;
    Some(MasterKeys { current: (*current).into(), former: former.iter().map(|key| (*key).into()).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_key_and_the_others_were() {
        let (new, old) = ("a1".repeat(32), "B2".repeat(32));
        let former = |text: &str| of_file(text.as_bytes()).map(|keys| keys.former.len());
        assert_eq!(former(&new), Some(0));
        assert_eq!(former(&format!("{new}\n\n {old}\n")), Some(1));
        for bad in [String::new(), "abc".to_owned(), format!("{new}\nabc"), "z1".repeat(32), format!("{new}{old}")] {
            assert_eq!(former(&bad), None, "{bad}");
        }
    }
}
