//! Whom the server runs as: PostgreSQL refuses root, so root becomes somebody else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::bare;
use super::trouble::{Trouble, io};

/// Whom the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Set when we are root and the server must become somebody else.
    other: Option<Entry>,
}

/// One line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// Ourselves; but for root the owner of the cluster, else `postgres`, else `nobody`.
    pub fn choose(cluster: &Path) -> Result<Self, Trouble> {
        let owner = fs::metadata(cluster).ok().map(|meta| meta.uid());
        let me = effective_uid()?;
        if me != 0 {
            return match owner {
                Some(owner) if owner != me => Err(Trouble::OtherOwner { path: cluster.to_owned(), owner }),
                _ => Ok(Self { other: None }),
            };
        }
        let file = Path::new("/etc/passwd");
        let passwd = fs::read(file).map_err(io("read", file))?;
        let other = pick(&String::from_utf8_lossy(&passwd), owner).ok_or(Trouble::NoUser)?;
        Ok(Self { other: Some(other) })
    }

    pub fn is_root(&self) -> bool {
        self.other.is_some()
    }

    /// A command that runs as this account, with a bare environment and its own process group, so
    /// that Ctrl-C in the terminal reaches us alone and we decide the order of the stops.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        bare(&mut command);
        if let Some(entry) = &self.other {
            command.uid(entry.uid).gid(entry.gid);
        }
        command
    }

    /// Gives a path to this account.
    pub fn own(&self, path: &Path) -> Result<(), Trouble> {
        let Some(entry) = &self.other else {
            return Ok(());
        };
        std::os::unix::fs::lchown(path, Some(entry.uid), Some(entry.gid)).map_err(io("change the owner of", path))
    }

    /// Gives a folder and all in it to this account, where it belongs to root or to a user that is
    /// no longer there.
    pub fn take_over(&self, path: &Path) -> Result<(), Trouble> {
        let meta = fs::symlink_metadata(path).map_err(io("look at", path))?;
        if meta.uid() == self.uid()? {
            return Ok(());
        }
        if meta.is_dir() {
            for item in fs::read_dir(path).map_err(io("list", path))? {
                self.take_over(&item.map_err(io("list", path))?.path())?;
            }
        }
        // The folder last, so that an interrupted walk is walked again.
        self.own(path)
    }

    pub fn uid(&self) -> Result<u32, Trouble> {
        self.other.as_ref().map_or_else(effective_uid, |entry| Ok(entry.uid))
    }

    pub fn gid(&self) -> Option<u32> {
        self.other.as_ref().map(|entry| entry.gid)
    }

    /// Proves that the account can enter a folder, by entering it; else names the folder that stops it.
    pub fn can_enter(&self, folder: &Path) -> Result<(), Trouble> {
        let Some(entry) = &self.other else {
            return Ok(());
        };
        let entered = self
            .command("/bin/sh")
            .args(["-c", r#"cd "$1""#, "sh"])
            .arg(folder)
            .stderr(Stdio::null())
            .status()
            .map_err(io("enter as an unprivileged user", folder))?;
        if entered.success() {
            return Ok(());
        }
        Err(Trouble::Unreachable {
            folder: closed(folder, entry).unwrap_or_else(|| folder.to_owned()),
            user: entry.name.clone(),
        })
    }
}

/// The first user that may run the server: the cluster's owner, then `postgres`, then `nobody`.
fn pick(passwd: &str, owner: Option<u32>) -> Option<Entry> {
    let entries: Vec<Entry> = passwd.lines().filter_map(entry).collect();
    let by_uid = |uid: u32| entries.iter().find(|entry| entry.uid == uid);
    let by_name = |name: &str| entries.iter().find(|entry| entry.name == name);
    owner
        .and_then(by_uid)
        .into_iter()
        .chain(by_name("postgres"))
        .chain(by_name("nobody"))
        .find(|entry| entry.uid != 0)
        .cloned()
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Entry { name: name.to_owned(), uid, gid })
}

/// The outermost folder on the way that the mode bits keep the account out of.
fn closed(folder: &Path, entry: &Entry) -> Option<PathBuf> {
    let mut way: Vec<&Path> = folder.ancestors().collect();
    way.reverse();
    way.into_iter()
        .find(|part| {
            fs::metadata(part)
                .is_ok_and(|meta| !may_enter(meta.mode(), meta.uid() == entry.uid, meta.gid() == entry.gid))
        })
        .map(Path::to_owned)
}

fn may_enter(mode: u32, owner: bool, group: bool) -> bool {
    let bit = match (owner, group) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    mode & bit != 0
}

fn effective_uid() -> Result<u32, Trouble> {
    let own = Path::new("/proc/self");
    if let Ok(meta) = fs::metadata(own) {
        return Ok(meta.uid());
    }
    let id = Path::new("id");
    let output = Command::new(id).arg("-u").output().map_err(io("run", id))?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| io("read the user from", id)(std::io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        broken line\n:x:7:7::/:\n\
        ada:x:1000:1001:Ada,,,:/home/ada:/bin/bash\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    fn picked(passwd: &str, owner: Option<u32>) -> Option<String> {
        pick(passwd, owner).map(|entry| entry.name)
    }

    #[test]
    fn root_becomes_the_owner_then_postgres_then_nobody() {
        assert_eq!(picked(PASSWD, None).as_deref(), Some("postgres"));
        assert_eq!(picked(PASSWD, Some(1000)).as_deref(), Some("ada"));
        assert_eq!(picked(PASSWD, Some(0)).as_deref(), Some("postgres"), "never root");
        assert_eq!(picked(PASSWD, Some(4242)).as_deref(), Some("postgres"), "an owner that is no user");
        let few = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        assert_eq!(picked(few, None).as_deref(), Some("nobody"));
        assert_eq!(pick(few, None).map(|entry| entry.gid), Some(65533));
        assert_eq!(picked("root:x:0:0::/root:/bin/sh\n", None), None);
    }

    #[test]
    fn the_mode_bits_that_count_are_those_of_the_first_class_that_fits() {
        assert!(may_enter(0o700, true, false));
        assert!(!may_enter(0o700, false, true));
        assert!(may_enter(0o710, false, true));
        assert!(!may_enter(0o706, false, true), "group first, though others may");
        assert!(may_enter(0o711, false, false));
        assert!(!may_enter(0o770, false, false));
    }
}
