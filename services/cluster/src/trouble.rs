//! Everything that can keep the private cluster from running, said so that a person knows what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why there is no running cluster.
#[derive(Debug, Error)]
pub enum Trouble {
    #[error(
        "the data folder {data} is in use by another manydesk{}; stop that one, or choose another data folder",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), data = data.display()
    )]
    Busy { data: PathBuf, pid: Option<u32> },

    #[error(
        "PostgreSQL does not run as root, so it runs here as user {user}, who may not enter {}; \
         choose a data folder elsewhere (for example /var/lib/manydesk), or let that user in with \
         `chmod o+x {}`",
        folder.display(), folder.display()
    )]
    Unreachable { folder: PathBuf, user: String },

    #[error(
        "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody to \
         run it as; add one with `useradd --system postgres`, or start manydesk as another user"
    )]
    NoUser,

    #[error(
        "{} belongs to another user (uid {owner}), and only that user or root can start its \
         PostgreSQL; start manydesk as that user, or choose another data folder",
        path.display()
    )]
    OtherOwner { path: PathBuf, owner: u32 },

    #[error(
        "the data in {} was made by PostgreSQL {made_by}, but only PostgreSQL {found} was found (in {}); \
         install PostgreSQL {made_by} (Debian and Ubuntu: `apt-get install postgresql-{made_by}`), or \
         configure the folder of its binaries, or choose another data folder to begin anew",
        data.display(), bin.display()
    )]
    OtherVersion { data: PathBuf, made_by: u32, found: u32, bin: PathBuf },

    #[error(
        "{} holds something that is not a PostgreSQL cluster (no readable PG_VERSION file); move it \
         away, or choose another data folder",
        path.display()
    )]
    NotACluster { path: PathBuf },

    #[error(
        "the configured folder {} holds no usable PostgreSQL server: {problem}",
        folder.display()
    )]
    BadBinaries { folder: PathBuf, problem: String },

    #[error(
        "no PostgreSQL server ({oldest} or later) was found and none could be installed.\n{}\
         Install it (Debian and Ubuntu: `apt-get install postgresql`; Fedora: `dnf install \
         postgresql-server`; macOS: `brew install postgresql`), or configure the folder that holds \
         `postgres` and `initdb`, or set DATABASE_URL to a database of your own",
        tried.iter().map(|line| format!("  {line}\n")).collect::<String>(),
        oldest = super::binaries::OLDEST
    )]
    NoBinaries { tried: Vec<String> },

    #[error(
        "an earlier PostgreSQL server still runs on {} and does not stop (processes {}); end it by \
         hand, then start again",
        data.display(),
        pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    LeftOver { data: PathBuf, pids: Vec<u32> },

    #[error(
        "the socket folder {} is not a private folder of this server's user: {problem}; remove it, or \
         choose a data folder with a shorter path",
        path.display()
    )]
    UnsafeSocket { path: PathBuf, problem: String },

    #[error("{what} failed ({how}); the end of {}:\n{tail}", log.display())]
    Failed { what: String, how: String, log: PathBuf, tail: String },

    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Names the attempt that an I/O error ended, for `map_err`.
pub(super) fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Trouble + 'a {
    move |source| Trouble::Io { what, path: path.to_owned(), source }
}
