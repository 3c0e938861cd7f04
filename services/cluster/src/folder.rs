//! What lies where in the data folder, who may enter it, and that one process at a time uses it.
//!
//! ```text
//! lock              held while a manydesk uses the folder; holds its process id
//! cluster/          PostgreSQL's own folder (cluster.new/ while it is being made)
//! run/              the socket, 0700; below /tmp when the path is too long for a socket
//! postgres.log      what the server says (.1: the one before)
//! postgresql/       server binaries, where they had to be downloaded
//! ```

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::trouble::{self, Trouble};

/// The port in the socket's name; nothing listens on it.
pub(super) const PORT: u16 = 5432;

/// The longest socket path the system takes, without its closing zero.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A data folder that this process has locked.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    cluster: PathBuf,
    // The lock is the open file: it goes when the process goes, however it goes.
    lock: File,
}

impl Drop for Folder {
    /// Closing the file is not enough: a child that is being started holds a copy of it until its
    /// program runs, and the lock would live on in that copy.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// Where the data lies when nobody says: `/var/lib/manydesk` for root (the server's user cannot
/// enter root's home), else `manydesk` in the user's data folder.
pub fn default_data(root: bool, home: Option<&Path>, xdg_data_home: Option<&Path>) -> PathBuf {
    let system = PathBuf::from("/var/lib/manydesk");
    if root {
        return system;
    }
    match (xdg_data_home, home) {
        (Some(data), _) if data.is_absolute() => data.join("manydesk"),
        (_, Some(home)) if home.is_absolute() => home.join(".local/share/manydesk"),
        _ => system,
    }
}

/// The major version that made the cluster of a data folder; `None` when there is no cluster yet.
pub(super) fn made_by(data: &Path) -> Result<Option<u32>, Trouble> {
    let cluster = data.join("cluster");
    let mut items = match fs::read_dir(&cluster) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble::io("list", &cluster)(error)),
    };
    if items.next().is_none() {
        return Ok(None);
    }
    fs::read_to_string(cluster.join("PG_VERSION"))
        .ok()
        .and_then(|text| major(&text))
        .map(Some)
        .ok_or(Trouble::NotACluster { path: cluster })
}

/// Reads `15` or `9.6` from the file PG_VERSION.
fn major(text: &str) -> Option<u32> {
    text.trim().split('.').next()?.parse().ok()
}

impl Folder {
    /// Makes the folder where it is not there, and locks it.
    pub fn open(data: &Path) -> Result<Self, Trouble> {
        // Others may pass through (the server's user must), but not look around.
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(data)
            .map_err(trouble::io("create the data folder", data))?;
        let root = fs::canonicalize(data).map_err(trouble::io("find the data folder", data))?;
        let lock = lock(&root)?;
        let cluster = root.join("cluster");
        let cluster = fs::canonicalize(&cluster).unwrap_or(cluster);
        Ok(Self { root, cluster, lock })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn cluster(&self) -> PathBuf {
        self.cluster.clone()
    }

    /// Where a cluster is made before it gets its name, so that a half-made one is never started.
    pub fn unfinished(&self) -> PathBuf {
        self.root.join("cluster.new")
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    pub fn made_by(&self) -> Result<Option<u32>, Trouble> {
        made_by(&self.root)
    }

    /// Lets the server's user pass through the data folder; what lies above it is not ours to open.
    pub fn admit(&self, account: &Account) -> Result<(), Trouble> {
        let Some(gid) = account.gid() else {
            return Ok(());
        };
        if account.can_enter(&self.root).is_ok() {
            return Ok(());
        }
        let meta = fs::metadata(&self.root).map_err(trouble::io("look at", &self.root))?;
        if meta.uid() == 0 && meta.mode() & 0o001 == 0 {
            std::os::unix::fs::chown(&self.root, None, Some(gid))
                .map_err(trouble::io("change the group of", &self.root))?;
            fs::set_permissions(&self.root, Permissions::from_mode(meta.mode() & 0o7777 | 0o010))
                .map_err(trouble::io("change the mode of", &self.root))?;
        }
        account.can_enter(&self.root)
    }

    /// Makes the private folder for the socket.
    pub fn socket_dir(&self, account: &Account) -> Result<PathBuf, Trouble> {
        let near = self.root.join("run");
        let dir = if fits(&near) {
            // Inside the data folder nobody else can have put anything.
            make_private(&near)?;
            near
        } else {
            let far = far(&self.root);
            if let Some(problem) = taken(&far, account)? {
                return Err(Trouble::UnsafeSocket { path: far, problem });
            }
            make_private(&far)?;
            far
        };
        account.own(&dir)?;
        Ok(dir)
    }
}

fn make_private(dir: &Path) -> Result<(), Trouble> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(trouble::io("create the socket folder", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Takes the lock, or says who has it.
fn lock(root: &Path) -> Result<File, Trouble> {
    let path = root.join("lock");
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => {
            return Err(match (error.kind(), fs::metadata(&path).or_else(|_| fs::metadata(root))) {
                (io::ErrorKind::PermissionDenied, Ok(meta)) => {
                    Trouble::OtherOwner { path: root.to_owned(), owner: meta.uid() }
                }
                _ => trouble::io("open the lock", &path)(error),
            });
        }
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(Trouble::Busy { data: root.to_owned(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(trouble::io("lock", &path)(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(trouble::io("write", &path))?;
    Ok(file)
}

fn fits(dir: &Path) -> bool {
    let socket = dir.join(format!(".s.PGSQL.{PORT}"));
    socket.as_os_str().as_bytes().len() <= LONGEST_SOCKET
}

/// A short folder that is the same for the same data folder at every start.
fn far(root: &Path) -> PathBuf {
    // FNV-1a: std's hasher may differ between releases.
    let hash = root
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    PathBuf::from(format!("/tmp/manydesk-{hash:016x}"))
}

/// What is wrong with a folder that is already where ours should be, in a place open to everyone.
fn taken(dir: &Path, account: &Account) -> Result<Option<String>, Trouble> {
    let meta = match fs::symlink_metadata(dir) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble::io("look at", dir)(error)),
    };
    let ours = meta.uid() == account.uid()? || (meta.uid() == 0 && account.is_root());
    Ok(if !meta.is_dir() {
        Some("it is no folder".to_owned())
    } else if !ours {
        Some(format!("it belongs to user {}", meta.uid()))
    } else if meta.mode() & 0o077 != 0 {
        Some(format!("its mode is {:o}", meta.mode() & 0o777))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_data_folder_is_one_the_server_can_reach() {
        let home = Some(Path::new("/home/ada"));
        let data = |root, home, xdg| default_data(root, home, xdg).display().to_string();
        assert_eq!(data(true, Some(Path::new("/root")), None), "/var/lib/manydesk");
        assert_eq!(data(false, home, None), "/home/ada/.local/share/manydesk");
        assert_eq!(data(false, home, Some(Path::new("/data"))), "/data/manydesk");
        assert_eq!(
            data(false, home, Some(Path::new("relative"))),
            "/home/ada/.local/share/manydesk",
            "the standard says to ignore a relative XDG_DATA_HOME"
        );
    }

    #[test]
    fn a_folder_given_up_is_free_though_a_child_being_started_still_has_its_file() {
        let data = std::env::temp_dir().join(format!("manydesk-folder-{}", std::process::id()));
        let folder = Folder::open(&data).unwrap();
        // What a fork copies, until exec closes it.
        let inherited = folder.lock.try_clone().unwrap();
        assert!(matches!(Folder::open(&data), Err(Trouble::Busy { .. })));
        drop(folder);
        let again = Folder::open(&data).unwrap();
        drop((again, inherited));
        fs::remove_dir_all(&data).unwrap();
    }

    #[test]
    fn the_version_file_is_read_and_anything_else_is_no_version() {
        assert_eq!(major("15\n"), Some(15));
        assert_eq!(major("9.6\n"), Some(9));
        assert_eq!(major(""), None);
        assert_eq!(major("fifteen"), None);
    }

    #[test]
    fn a_path_too_long_for_a_socket_gets_a_short_one_that_stays_the_same() {
        assert!(fits(Path::new("/var/lib/manydesk/run")));
        let deep = PathBuf::from(format!("/{}", "d".repeat(120)));
        assert!(!fits(&deep));
        let exact = "/".to_owned() + &"d".repeat(LONGEST_SOCKET - 1 - "/.s.PGSQL.5432".len());
        assert!(fits(Path::new(&exact)));
        assert!(!fits(Path::new(&(exact + "d"))));
        assert!(fits(&far(&deep)));
        assert_eq!(far(&deep), far(&deep));
        assert_ne!(far(&deep), far(&deep.join("x")));
        assert_eq!(far(Path::new("")), Path::new("/tmp/manydesk-cbf29ce484222325"));
    }
}
