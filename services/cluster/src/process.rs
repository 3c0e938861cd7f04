//! Commands and signals, bounded in time and without unsafe code: std and `sh`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::account::Account;
use super::trouble::{Trouble, io};

const PAUSE: Duration = Duration::from_millis(20);

/// No variable of ours (PGOPTIONS, PGDATA, HOME …) may change what a server or tool does.
pub(super) fn bare(command: &mut Command) {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0);
}

/// Runs a command to its end with its output in a log; kills it when it takes longer than `limit`.
pub(super) fn run(what: &str, command: &mut Command, log: &Path, limit: Duration) -> Result<(), Trouble> {
    let program = PathBuf::from(command.get_program());
    let file = File::create(log).map_err(io("write", log))?;
    let copy = file.try_clone().map_err(io("write", log))?;
    let mut child = command.stdout(file).stderr(copy).spawn().map_err(io("run", &program))?;
    let how = match wait(&mut child, limit) {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => {
            // The group, because package managers have children of their own.
            signal_group(child.id(), "KILL");
            let _ = child.wait();
            format!("no end after {} s", limit.as_secs())
        }
    };
    Err(Trouble::Failed { what: what.to_owned(), how, log: log.to_owned(), tail: tail(log) })
}

/// Waits for a child, at most so long.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let mut ended = None;
    until(limit, || {
        ended = child.try_wait().ok().flatten();
        ended.is_some()
    });
    ended
}

/// Asks again and again until it is so, at most so long; says whether it became so.
pub(super) fn until(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if so() {
            return true;
        }
        if limit <= start.elapsed() {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

/// Sends a signal by name; false when the process is gone or not ours to signal.
pub(super) fn signal(pid: u32, name: &str) -> bool {
    shell_kill(name, &pid.to_string())
}

fn signal_group(leader: u32, name: &str) -> bool {
    shell_kill(name, &format!("-{leader}"))
}

fn shell() -> Command {
    let mut command = Command::new("/bin/sh");
    bare(&mut command);
    command
}

fn shell_kill(name: &str, target: &str) -> bool {
    shell()
        .args(["-c", r#"kill -s "$1" -- "$2""#, "sh", name, target])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The processes that work in a folder, as the account sees them; `None` where there is no `/proc`.
///
/// Asked as the account, because root in a container may not look at others' working folders.
pub(super) fn working_in(folder: &Path, account: &Account) -> Option<Vec<u32>> {
    if !Path::new("/proc/self/cwd").exists() {
        return None;
    }
    let output = account
        .command("/bin/sh")
        .args(["-c", "exec ls -ld /proc/[0-9]*/cwd"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(workers(&String::from_utf8_lossy(&output.stdout), folder))
}

/// Reads `lrwxrwxrwx 1 postgres postgres 0 Nov 21 22:50 /proc/4711/cwd -> /data/cluster`.
fn workers(listing: &str, folder: &Path) -> Vec<u32> {
    let folder = folder.to_string_lossy();
    listing
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(" /proc/")?;
            let (pid, target) = rest.split_once("/cwd -> ")?;
            (target == folder).then(|| pid.parse().ok())?
        })
        .collect()
}

/// The last lines of a log, for a person.
pub(super) fn tail(log: &Path) -> String {
    const MOST: u64 = 2_000;
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let length = file.metadata().map_or(0, |meta| meta.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(MOST)));
        let _ = file.take(MOST).read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(12);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_a_folder_are_found_in_the_listing() {
        let listing = "lrwxrwxrwx 1 postgres postgres 0 Nov 21 22:50 /proc/4711/cwd -> /data/cluster\n\
            lrwxrwxrwx 1 root root 0 Nov 21 22:50 /proc/1/cwd -> /\n\
            lrwxrwxrwx 1 p p 0 Nov 21 22:50 /proc/99/cwd -> /data/cluster2\n\
            lrwxrwxrwx 1 p p 0 Nov 21 22:50 /proc/98/cwd -> /data/cluster\n\
            ls: cannot read symbolic link '/proc/2/cwd': Permission denied\n";
        assert_eq!(workers(listing, Path::new("/data/cluster")), [4711, 98]);
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_its_children() {
        let log = std::env::temp_dir().join(format!("manydesk-run-{}.log", std::process::id()));
        let start = Instant::now();
        let trouble = run(
            "a long sleep",
            shell().args(["-c", "echo begun; sleep 60 & sleep 60"]),
            &log,
            Duration::from_millis(300),
        )
        .unwrap_err()
        .to_string();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(trouble.contains("a long sleep failed (no end after 0 s)"), "{trouble}");
        assert!(trouble.contains("  begun"), "{trouble}");
        let _ = std::fs::remove_file(log);
    }
}
