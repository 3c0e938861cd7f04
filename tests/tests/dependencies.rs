//! Every crate that is built in has a licence that may be, and none a known vulnerability.

use std::path::PathBuf;
use std::process::Command;

use rustsec::database::Query;
use rustsec::{Database, Lockfile};

const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "OpenSSL",
    "MPL-2.0",
    "Apache-2.0 WITH LLVM-exception",
];

#[test]
fn every_dependency_has_an_allowed_licence() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100);
    let mut refused = Vec::new();
    for package in packages {
        let expression = package["license"].as_str().unwrap_or_default();
        if !allowed(expression) {
            refused.push(format!("{} {}: {expression:?}", package["name"], package["version"]));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The advisories are no part of the repository, and a new one breaks nothing that was built: they are looked at
/// where they are at hand. `make audit` brings them.
#[test]
fn no_dependency_has_a_known_vulnerability() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folder = std::env::var_os("MANYDESK_ADVISORIES").map_or_else(|| root.join("target/advisories"), PathBuf::from);
    if !folder.join("crates").is_dir() {
        eprintln!("SKIPPED: no advisories in {}; `make audit` brings them", folder.display());
        return;
    }
    let advisories = Database::open(&folder).expect("the advisories can be read");
    assert!(500 < advisories.iter().count(), "these are not all advisories");
    let locked = Lockfile::load(root.join("Cargo.lock")).expect("the lock file");
    // our own crates share names with strangers' in the registry
    let from_registry = |name: &str| locked.packages.iter().any(|p| p.name.as_str() == name && p.source.is_some());
    let found: Vec<String> = advisories
        .query_vulnerabilities(&locked, &Query::crate_scope())
        .into_iter()
        .filter(|v| from_registry(v.package.name.as_str()))
        .map(|v| format!("{} {} {}: {}", v.advisory.id, v.package.name, v.package.version, v.advisory.title))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// One allowed alternative is enough; all parts of an alternative must be allowed.
fn allowed(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    !flat.trim().is_empty()
        && flat.split(" OR ").any(|alternative| alternative.split(" AND ").all(|part| ALLOWED.contains(&part.trim())))
}
