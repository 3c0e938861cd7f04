//! The private PostgreSQL cluster of `manydesk up`: one data folder, one server, reached over a Unix
//! socket that only its owner can open, started with this process and ended with it.
//!
//! Blocking functions, std only. Start reading at [`Cluster::start`]; then `binaries` (which server),
//! `install` (getting one), `account` (whom it runs as), `folder` (what lies where, who may enter),
//! `server` and `settings` (running it), `process` (commands, signals), `trouble` (what can go wrong).
//!
//! The server is never run as root, never listens on a network, and never touches a system cluster.

mod account;
mod binaries;
mod folder;
mod install;
mod process;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod trouble;

use std::path::{Path, PathBuf};

use account::Account;
use binaries::Binaries;
use folder::Folder;
use server::Server;

pub use binaries::pg_dir;
pub use folder::default_data;
pub use trouble::Trouble;

/// The superuser of the private cluster; it exists on the socket only.
pub const SUPERUSER: &str = "postgres";

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; made when it is not there.
    pub data: PathBuf,
    /// Where `postgres` and `initdb` are; `None` means: find them, or get them.
    pub bin: Option<PathBuf>,
}

/// A running private cluster. Dropping it stops the server.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    bin: PathBuf,
    major: u32,
    socket: PathBuf,
    // Last, so that the folder stays locked until the server is gone.
    _folder: Folder,
}

impl Cluster {
    /// Starts the cluster of the data folder, making it first where there is none.
    ///
    /// Blocks until the server accepts connections. `progress` hears one short line per step.
    pub fn start(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Self, Trouble> {
        let folder = Folder::open(&options.data)?;
        let account = Account::choose(&folder.cluster())?;
        folder.admit(&account)?;
        server::stop_left_over(&folder, &account, progress)?;

        let made_by = folder.made_by()?;
        if made_by.is_some() {
            account.take_over(&folder.cluster())?;
        }
        let binaries = Binaries::obtain(options.bin.as_deref(), folder.root(), made_by, &account, progress)?;
        if let Some(major) = made_by
            && major != binaries.major
        {
            return Err(Trouble::OtherVersion {
                data: folder.cluster(),
                made_by: major,
                found: binaries.major,
                bin: binaries.dir,
            });
        }
        account.can_enter(&binaries.dir)?;
        if made_by.is_none() {
            progress(&format!("creating a PostgreSQL {} cluster in {}", binaries.major, folder.cluster().display()));
            server::init(&binaries, &folder, &account)?;
        }
        let socket = folder.socket_dir(&account)?;
        progress(&format!("starting PostgreSQL {}", binaries.major));
        let server = Server::start(&binaries, &folder, &account, &socket, progress)?;
        Ok(Self { server, bin: binaries.dir, major: binaries.major, socket, _folder: folder })
    }

    /// The address of a database for a user, as libpq and sqlx read it.
    pub fn url(&self, db: &str, user: &str) -> String {
        settings::url(&self.socket, db, user)
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The folder of the binaries in use, where `psql` and `pgbench` usually lie too.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The major version of the server.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Says how the server ended, if it ended by itself.
    pub fn died(&mut self) -> Option<Trouble> {
        self.server.died()
    }

    /// Stops the server: connections are cut, what is committed is kept.
    ///
    /// Waits, but not for ever. Returns whether the server ended in order; a server that had to be
    /// killed loses nothing committed and recovers at the next start. Calling it again does nothing.
    pub fn stop(&mut self) -> bool {
        self.server.stop()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// URL of a database of the cluster that another process runs on a data folder.
pub fn running_url(data: &Path, database: &str) -> std::io::Result<String> {
    let text = std::fs::read_to_string(data.join("cluster").join("postmaster.pid"))?;
    let lines: Vec<&str> = text.lines().collect();
    match (lines.get(3), lines.get(4)) {
        (Some(port), Some(socket)) => {
            Ok(format!("postgresql:///{database}?user={SUPERUSER}&host={}&port={}", socket.trim(), port.trim()))
        }
        _ => Err(std::io::Error::other("the database is just starting")),
    }
}
