//! A private PostgreSQL in a folder that goes with it, for tests and for checking queries.

use cluster::{Cluster, Options};

/// A cluster in a temporary folder; both go when it is dropped.
pub struct TemporaryCluster {
    cluster: Cluster,
    _folder: tempfile::TempDir,
}

impl TemporaryCluster {
    /// Starts one; says on a panic why there is none.
    pub fn start() -> TemporaryCluster {
        let folder = tempfile::Builder::new().prefix("manydesk-test-").tempdir_in("/tmp").expect("a temporary folder");
        // the server may run as another user than the test
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder's mode");
        let options = Options { data: folder.path().join("data"), bin: None };
        let cluster =
            Cluster::start(&options, &mut |_| {}).unwrap_or_else(|trouble| panic!("no PostgreSQL: {trouble}"));
        TemporaryCluster { cluster, _folder: folder }
    }

    /// URL of the superuser.
    pub fn admin(&self) -> String {
        self.cluster.url("postgres", "postgres")
    }

    /// URL of a database and a role.
    pub fn url(&self, database: &str, role: &str) -> String {
        self.cluster.url(database, role)
    }
}
