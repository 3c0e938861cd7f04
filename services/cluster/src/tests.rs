//! The launcher against real servers; skipped, loudly, where there is no PostgreSQL on the machine.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::account::Account;
use super::process;
use super::*;

/// Names the data folder for `a_parent_that_is_killed`, which is the helper of another test.
const PARENT: &str = "MANYDESK_TEST_PARENT_DATA";

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("manydesk-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o755).create(&path).unwrap();
        Self(path)
    }

    fn options(&self) -> Options {
        Options { data: self.0.join("data"), bin: None }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn servers_exist() -> bool {
    let found = pg_dir(None, None).is_some();
    if !found {
        eprintln!("SKIPPED: no PostgreSQL server on this machine; the launcher was not tried");
    }
    found
}

fn start(options: &Options) -> Result<Cluster, Trouble> {
    Cluster::start(options, &mut |step| eprintln!("{step}"))
}

fn sql(cluster: &Cluster, statement: &str) -> String {
    let output = Command::new(cluster.bin().join("psql"))
        .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .arg(cluster.url("postgres", SUPERUSER))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{statement}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn gone(pid: u32) -> bool {
    process::until(Duration::from_secs(20), || !process::signal(pid, "0"))
}

#[test]
fn what_was_committed_is_there_after_a_stop_a_kill_and_a_restart() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let mut cluster = start(&temp.options()).unwrap();
    sql(&cluster, "create table kept (n int)");
    sql(&cluster, "insert into kept values (1)");
    assert_eq!(sql(&cluster, "show listen_addresses"), "");
    assert_eq!(sql(&cluster, "show fsync"), "on");
    assert_eq!(sql(&cluster, "show data_checksums"), "on");
    assert_eq!(sql(&cluster, "select lower('ÄÉ')"), "äé", "letters beyond ASCII have cases");
    assert!(cluster.died().is_none());
    let first = cluster.pid();
    assert!(cluster.stop(), "ended in order");
    assert!(gone(first));
    assert!(cluster.stop(), "a second stop does nothing");
    drop(cluster);

    let mut cluster = start(&temp.options()).unwrap();
    assert_eq!(sql(&cluster, "select n from kept"), "1");
    sql(&cluster, "insert into kept values (2)");
    process::signal(cluster.pid(), "KILL");
    assert!(process::until(Duration::from_secs(10), || cluster.died().is_some()));
    drop(cluster);

    let cluster = start(&temp.options()).unwrap();
    assert_eq!(sql(&cluster, "select sum(n) from kept"), "3");
    let last = cluster.pid();
    drop(cluster);
    assert!(gone(last), "dropping stops the server");
}

#[test]
fn a_second_start_on_the_same_folder_names_the_process_that_has_it() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let cluster = start(&temp.options()).unwrap();
    let trouble = start(&temp.options()).unwrap_err();
    let text = trouble.to_string();
    assert!(matches!(trouble, Trouble::Busy { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert_eq!(sql(&cluster, "select 1"), "1", "the first is not disturbed");
}

/// Not a test by itself: the parent process that the next test kills.
#[test]
fn a_parent_that_is_killed() {
    let Some(data) = std::env::var_os(PARENT) else {
        return;
    };
    let options = Options { data: PathBuf::from(data), bin: None };
    let cluster = start(&options).unwrap();
    fs::write(options.data.join("started"), cluster.pid().to_string()).unwrap();
    // Ends by itself, should nobody kill it.
    std::thread::sleep(Duration::from_secs(60));
}

fn parent(data: &Path) -> (Child, u32) {
    let name = concat!(module_path!(), "::a_parent_that_is_killed");
    let (_, name) = name.split_once("::").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PARENT, data)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = None;
    process::until(Duration::from_secs(40), || {
        let text = fs::read_to_string(data.join("started")).unwrap_or_default();
        server = text.parse().ok();
        server.is_some()
    });
    (child, server.unwrap())
}

#[test]
fn the_server_ends_when_its_parent_is_killed() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let (mut child, server) = parent(&temp.options().data);
    assert!(process::signal(server, "0"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(gone(server), "the watchdog stopped it");
    assert_eq!(sql(&start(&temp.options()).unwrap(), "select 1"), "1");
}

#[test]
fn a_server_left_over_is_stopped_and_a_stale_pid_file_does_not_matter() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let mut cluster = start(&temp.options()).unwrap();
    sql(&cluster, "create table kept (n int)");
    cluster.stop();
    let folder = fs::canonicalize(temp.options().data).unwrap().join("cluster");
    let account = Account::choose(&folder).unwrap();
    let bin = cluster.bin().to_owned();
    drop(cluster);

    let mut stray = account
        .command(bin.join("postgres"))
        .arg("-D")
        .arg(&folder)
        .args(["-c", "listen_addresses=", "-c", "unix_socket_directories=."])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid_file = folder.join("postmaster.pid");
    assert!(process::until(Duration::from_secs(10), || pid_file.exists()));
    let mut steps = Vec::new();
    let waiter = std::thread::spawn(move || stray.wait().unwrap());
    let mut cluster = Cluster::start(&temp.options(), &mut |step| steps.push(step.to_owned())).unwrap();
    assert!(waiter.join().unwrap().success(), "asked to stop, not killed");
    assert!(steps[0].contains("left over"), "{steps:?}");
    assert_eq!(sql(&cluster, "select count(*) from kept"), "0");
    cluster.stop();
    drop(cluster);

    // The number in the file is alive, but it is not a server of this folder.
    fs::write(&pid_file, format!("{}\n/elsewhere\n", std::process::id())).unwrap();
    assert_eq!(sql(&start(&temp.options()).unwrap(), "select 1"), "1");
}

#[test]
fn a_folder_of_another_version_or_of_no_version_is_refused_and_left_alone() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let found = start(&temp.options()).unwrap().major();
    let version = temp.options().data.join("cluster/PG_VERSION");
    fs::write(&version, "13\n").unwrap();
    let text = start(&temp.options()).unwrap_err().to_string();
    assert!(text.contains("was made by PostgreSQL 13"), "{text}");
    assert!(text.contains(&format!("only PostgreSQL {found} was found")), "{text}");
    fs::remove_file(&version).unwrap();
    let text = start(&temp.options()).unwrap_err().to_string();
    assert!(text.contains("not a PostgreSQL cluster"), "{text}");
    fs::write(&version, format!("{found}\n")).unwrap();
    assert_eq!(sql(&start(&temp.options()).unwrap(), "select 1"), "1");
}

#[test]
fn a_cluster_half_made_is_made_again() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let half = temp.options().data.join("cluster.new/base");
    fs::create_dir_all(&half).unwrap();
    let cluster = start(&temp.options()).unwrap();
    assert_eq!(sql(&cluster, "select 1"), "1");
    assert!(!half.exists());
}

#[test]
fn a_folder_too_deep_for_a_socket_works_and_leaves_nothing_behind() {
    if !servers_exist() {
        return;
    }
    let temp = Temp::new();
    let options = Options { data: temp.0.join("deep ".repeat(20)).join("d".repeat(60)), bin: pg_dir(None, None) };
    let mut cluster = start(&options).unwrap();
    assert_eq!(sql(&cluster, "select 1"), "1");
    let socket = cluster.socket.clone();
    assert!(socket.starts_with("/tmp"));
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o700);
    cluster.stop();
    assert!(!socket.exists());
    drop(cluster);

    fs::create_dir(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    let text = start(&options).unwrap_err().to_string();
    fs::remove_dir(&socket).unwrap();
    assert!(text.contains("its mode is 777"), "{text}");
}

#[test]
fn a_configured_folder_without_a_server_is_refused() {
    let temp = Temp::new();
    let options = Options { bin: Some(temp.0.clone()), ..temp.options() };
    let text = start(&options).unwrap_err().to_string();
    assert!(text.contains("there is no initdb in"), "{text}");
}

#[test]
fn root_is_told_which_folder_keeps_the_server_out() {
    let temp = Temp::new();
    let account = Account::choose(Path::new("/nonexistent")).unwrap();
    if !account.is_root() {
        eprintln!("SKIPPED: not root, so the server runs as this user and enters what it enters");
        return;
    }
    let closed = temp.0.join("closed");
    DirBuilder::new().mode(0o700).create(&closed).unwrap();
    let options = Options { data: closed.join("data"), bin: None };
    let text = start(&options).unwrap_err().to_string();
    assert!(text.contains(&format!("chmod o+x {}`", closed.display())), "{text}");

    // The data folder itself is ours to open, and only to the server's group.
    let own = Folder::open(&closed).unwrap();
    own.admit(&account).unwrap();
    assert_eq!(fs::metadata(&closed).unwrap().mode() & 0o777, 0o710);
}
