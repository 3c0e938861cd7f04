//! Making a cluster, running its server, ending it; and ending one that an earlier process left over.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::SUPERUSER;
use super::account::Account;
use super::binaries::Binaries;
use super::folder::Folder;
use super::process;
use super::settings;
use super::trouble::{Trouble, io};

const INIT: Duration = Duration::from_secs(120);
/// Long, because a server that was killed under load first replays what it had promised.
const READY: Duration = Duration::from_secs(600);
const STOP_FAST: Duration = Duration::from_secs(20);
const STOP_NOW: Duration = Duration::from_secs(5);
const LOG_BYTES: u64 = 8 << 20;

/// Ends the server when we are gone: reads until our end of the pipe closes, which the system does
/// however we end. A word on the pipe means that the server was stopped in order.
const WATCH: &str = r#"
IFS= read -r word && exit 0
{ IFS= read -r pid <"$1/postmaster.pid"; } 2>/dev/null || exit 0
if [ -e /proc/self/cwd ] && [ "$(readlink "/proc/$pid/cwd")" != "$1" ]; then exit 0; fi
kill -s INT "$pid"
"#;

/// A running server and its watchdog.
#[derive(Debug)]
pub(super) struct Server {
    child: Option<Child>,
    watchdog: Option<Child>,
    pid: u32,
    log: PathBuf,
    socket: PathBuf,
}

impl Server {
    /// Starts the server and waits until it takes connections.
    pub fn start(
        binaries: &Binaries,
        folder: &Folder,
        account: &Account,
        socket: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, Trouble> {
        let log = folder.log();
        let out = open_log(&log)?;
        account.own(&log)?;
        let copy = out.try_clone().map_err(io("write", &log))?;
        let program = binaries.dir.join("postgres");
        let child = account
            .command(&program)
            .arg("-D")
            .arg(folder.cluster())
            .args(settings::words(socket))
            .stdout(out)
            .stderr(copy)
            .spawn()
            .map_err(io("run", &program))?;
        let mut server = Self { pid: child.id(), child: Some(child), watchdog: None, log, socket: socket.to_owned() };
        // From here on dropping `server` stops it.
        server.watchdog = Some(watch(folder, account)?);
        server.wait_until_ready(&folder.cluster(), progress)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, cluster: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), Trouble> {
        let start = Instant::now();
        let mut told = 0;
        let mut died = None;
        let ready = process::until(READY, || {
            let seconds = start.elapsed().as_secs();
            if told + 5 <= seconds {
                told = seconds;
                progress(&format!("PostgreSQL is still starting ({seconds} s): {}", self.last_line()));
            }
            died = self.died();
            died.is_some() || is_ready(&pid_file(cluster), self.pid)
        });
        match (died, ready) {
            (Some(trouble), _) => Err(trouble),
            (None, true) => Ok(()),
            (None, false) => Err(self.failed(format!("not ready after {} s", READY.as_secs()))),
        }
    }

    fn last_line(&self) -> String {
        let tail = process::tail(&self.log);
        tail.lines().last().unwrap_or_default().trim().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn died(&mut self) -> Option<Trouble> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        self.release();
        Some(self.failed(status.to_string()))
    }

    fn failed(&self, how: String) -> Trouble {
        Trouble::Failed {
            what: "the PostgreSQL server".to_owned(),
            how,
            log: self.log.clone(),
            tail: process::tail(&self.log),
        }
    }

    /// SIGINT (fast), then SIGQUIT (recovers at the next start), then SIGKILL; each with its bound.
    pub fn stop(&mut self) -> bool {
        let Some(mut child) = self.child.take() else {
            return true;
        };
        process::signal(self.pid, "INT");
        let mut ended = process::wait(&mut child, STOP_FAST);
        let in_order = ended.is_some_and(|status| status.success());
        if ended.is_none() {
            process::signal(self.pid, "QUIT");
            ended = process::wait(&mut child, STOP_NOW);
        }
        if ended.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.release();
        in_order
    }

    /// Sends the watchdog home and clears the socket folder away.
    fn release(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            if let Some(mut pipe) = watchdog.stdin.take() {
                let _ = pipe.write_all(b"stopped\n");
            }
            let _ = watchdog.wait();
        }
        // Only when it is empty, as it is after a stop in order.
        let _ = fs::remove_dir(&self.socket);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes a cluster under another name and renames it when it is whole.
pub(super) fn init(binaries: &Binaries, folder: &Folder, account: &Account) -> Result<(), Trouble> {
    let fresh = folder.unfinished();
    let log = folder.root().join("initdb.log");
    let program = binaries.dir.join("initdb");
    let locales = locales(binaries.major);
    let mut result = Ok(());
    for locale in locales {
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(io("remove", &fresh))?;
        }
        DirBuilder::new().mode(0o700).create(&fresh).map_err(io("create", &fresh))?;
        account.own(&fresh)?;
        let mut command = account.command(&program);
        command
            .arg("-D")
            .arg(&fresh)
            .args(["--username", SUPERUSER, "--encoding", "UTF8", "--data-checksums"])
            .args(["--auth-local", "trust", "--auth-host", "reject", "--no-instructions"])
            .args(*locale);
        result = process::run("creating the database cluster (initdb)", &mut command, &log, INIT);
        match &result {
            Err(Trouble::Failed { tail, .. }) if tail.contains("locale") => {}
            _ => break,
        }
    }
    result?;
    let _ = fs::remove_file(&log);
    let cluster = folder.cluster();
    fs::rename(&fresh, &cluster).map_err(io("name the new cluster", &cluster))?;
    File::open(folder.root()).and_then(|root| root.sync_all()).map_err(io("sync", folder.root()))
}

/// Locales to try, best first. All sort by code point, so that an index means the same on every machine.
fn locales(major: u32) -> &'static [&'static [&'static str]] {
    if 17 <= major {
        &[
            &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"],
            &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
        ]
    } else {
        &[&["--locale=C.UTF-8"], &["--locale=C"]]
    }
}

/// Ends what an earlier process left running on the folder. We hold its lock, so nobody else uses it.
pub(super) fn stop_left_over(
    folder: &Folder,
    account: &Account,
    progress: &mut dyn FnMut(&str),
) -> Result<(), Trouble> {
    let cluster = folder.cluster();
    let running = || running(&cluster, account);
    let pids = running();
    if !pids.is_empty() {
        let recorded = recorded_pid(&pid_file(&cluster));
        let leader = recorded.filter(|pid| pids.contains(pid));
        progress(&format!(
            "stopping a PostgreSQL server left over on this folder (process {})",
            leader.unwrap_or(pids[0])
        ));
        if let Some(pid) = leader {
            process::signal(pid, "INT");
        }
        let mut gone = process::until(STOP_FAST, || running().is_empty());
        for signal in ["QUIT", "KILL"] {
            if !gone {
                for pid in running() {
                    process::signal(pid, signal);
                }
                gone = process::until(STOP_NOW, || running().is_empty());
            }
        }
        if !gone {
            return Err(Trouble::LeftOver { pids: running(), data: cluster });
        }
    }
    // A stale file whose number now belongs to some other process would keep the server from
    // starting. It may go only where `/proc` has proved that nothing runs here any more.
    if process::working_in(&cluster, account).is_some_and(|pids| pids.is_empty()) {
        let _ = fs::remove_file(pid_file(&cluster));
    }
    Ok(())
}

/// The server processes of a cluster: all of them on Linux, elsewhere the one in the pid file.
fn running(cluster: &Path, account: &Account) -> Vec<u32> {
    process::working_in(cluster, account).unwrap_or_else(|| {
        let recorded = recorded_pid(&pid_file(cluster));
        recorded.filter(|pid| process::signal(*pid, "0")).into_iter().collect()
    })
}

fn watch(folder: &Folder, account: &Account) -> Result<Child, Trouble> {
    let shell = Path::new("/bin/sh");
    account
        .command(shell)
        .args(["-c", WATCH, "sh"])
        .arg(folder.cluster())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io("run", shell))
}

fn open_log(log: &Path) -> Result<File, Trouble> {
    if fs::metadata(log).is_ok_and(|meta| LOG_BYTES < meta.len()) {
        fs::rename(log, log.with_extension("log.1")).map_err(io("rename", log))?;
    }
    File::options().append(true).create(true).mode(0o600).open(log).map_err(io("write", log))
}

fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

fn recorded_pid(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}

/// Whether the pid file is this server's and its eighth line says `ready`, as pg_ctl reads it.
fn is_ready(file: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(file) else {
        return false;
    };
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_when_its_own_pid_file_says_so() {
        let file = std::env::temp_dir().join(format!("manydesk-pid-{}", std::process::id()));
        let lines = |state: &str| format!("42\n/data\n1700000000\n5432\n/run\n\n  1 2\n{state}\n");
        let say = |text: String| fs::write(&file, text).unwrap();
        say(lines("starting"));
        assert!(!is_ready(&file, 42));
        say(lines("ready   "));
        assert!(is_ready(&file, 42));
        assert!(!is_ready(&file, 43), "another server's file");
        say("42\n/data\n".into());
        assert!(!is_ready(&file, 42), "half written");
        assert_eq!(recorded_pid(&file), Some(42));
        say(String::new());
        assert_eq!(recorded_pid(&file), None);
        fs::remove_file(&file).unwrap();
        assert!(!is_ready(&file, 42));
    }
}
