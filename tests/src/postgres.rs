//! One private PostgreSQL for a run of tests, in a folder of its own.

use manydesk::postgres::{Cluster, Options};

/// A cluster in a temporary folder; both go when it is dropped.
pub struct TestCluster {
    cluster: Cluster,
    _folder: tempfile::TempDir,
}

impl TestCluster {
    /// Starts one.
    pub fn start() -> TestCluster {
        let folder = tempfile::Builder::new().prefix("manydesk-test-").tempdir_in("/tmp").expect("a temporary folder");
        // the server may run as another user than the test
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder's mode");
        let options = Options { data: folder.path().join("data"), bin: None };
        let cluster =
            Cluster::start(&options, &mut |_| {}).unwrap_or_else(|trouble| panic!("no PostgreSQL: {trouble}"));
        TestCluster { cluster, _folder: folder }
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
