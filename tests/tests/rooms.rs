//! The rooms of the house: which part may know which. Read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

const SERVICES: [&str; 5] = ["tenants", "tickets", "routing", "workforce", "billing"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live in the repository").to_owned()
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "sql") {
            let text = fs::read_to_string(&path).expect("a source is text");
            found.push((path, text));
        }
    }
}

fn read(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// Code lines, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//") && !line.trim_start().starts_with("--"))
}

fn forbid(folder: &str, words: &[&str], why: &str) {
    let mut broken = Vec::new();
    for (path, text) in read(folder) {
        for (number, line) in lines(&text) {
            for word in words {
                if line.contains(word) {
                    broken.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{why}:\n{}", broken.join("\n"));
}

#[test]
fn the_domain_knows_neither_wire_nor_database_nor_runtime() {
    for service in SERVICES {
        let words = ["proto::", "tonic::", "sqlx::", "tenantdb::", "tokio::", "crate::store", "crate::api", "prost"];
        forbid(&format!("services/{service}/src/domain"), &words, "the domain is pure");
    }
    // Workforce's rules are a crate of their own: they are optimised where nothing else is.
    forbid(
        "services/planner/src",
        &["proto::", "tonic::", "sqlx::", "tenantdb::", "tokio::", "prost"],
        "planning is pure",
    );
    // Most of routing's rules are a crate of their own: simulations run them as well.
    forbid(
        "services/engine/src",
        &["proto::", "tonic::", "sqlx::", "tenantdb::", "tokio::", "prost"],
        "the engine is pure",
    );
    forbid(
        "services/forecast/src",
        &["proto::", "tonic::", "sqlx::", "tenantdb::", "tokio::", "prost", "std::fs", "std::time", "println!"],
        "the forecast is pure",
    );
    // Its command reads and writes the two files that it is told.
    forbid(
        "services/roster/src",
        &["proto::", "tonic::", "sqlx::", "tenantdb::", "tokio::", "prost", "Instant::now", "println!"],
        "the optimiser is pure",
    );
    forbid(
        "services/simulator/src",
        &["proto::", "tonic::", "sqlx::", "tenantdb::", "tokio::", "prost", "std::fs", "std::time", "println!"],
        "the simulator is pure",
    );
}

#[test]
fn documents_are_written_without_reading_anything_but_the_invoice() {
    forbid(
        "services/documents/src",
        &[
            "proto::",
            "tonic::",
            "sqlx::",
            "tenantdb::",
            "tokio::",
            "prost",
            "std::fs",
            "std::env",
            "std::time",
            "println!",
            "Zoned::now",
            "Timestamp::now",
            "load_system_fonts",
        ],
        "documents are a pure function of the invoice",
    );
    // Points of a page are floats; money is in none of these files.
    for part in ["check", "terms.rs", "ubl.rs", "cii.rs", "tables.rs", "journal.rs", "xml.rs"] {
        let path = root().join("services/documents/src").join(part);
        let mut found = Vec::new();
        if path.is_dir() {
            sources(&path, &mut found);
        } else {
            found.push((path.clone(), fs::read_to_string(&path).expect("a source")));
        }
        assert!(!found.is_empty(), "{part}");
        for (path, text) in found {
            let float = lines(&text).find(|(_, line)| ["f64", "f32", "round_dp("].iter().any(|w| line.contains(w)));
            assert!(float.is_none(), "{}: {float:?}", path.display());
        }
    }
}

#[test]
fn the_store_knows_neither_wire_nor_handlers() {
    for service in SERVICES {
        forbid(&format!("services/{service}/src/store"), &["tonic::", "crate::api"], "the store is SQL and domain");
    }
}

#[test]
fn no_service_imports_another() {
    for service in SERVICES {
        let manifest = fs::read_to_string(root().join(format!("services/{service}/Cargo.toml"))).expect("a manifest");
        for other in SERVICES.iter().filter(|other| **other != service).chain(&["manydesk", "gateway"]) {
            let dependency = format!("\n{other}.workspace");
            assert!(!manifest.contains(&dependency), "{service} depends on {other}");
        }
    }
    for (crate_name, above) in [
        ("kit", "tenantdb"),
        ("kit", "sqlx"),
        ("tenantdb", "gateway"),
        ("engine", "proto"),
        ("engine", "tenantdb"),
        ("engine", "routing"),
        ("engine", "tokio"),
        ("engine", "simulator"),
        ("forecast", "proto"),
        ("forecast", "tenantdb"),
        ("forecast", "workforce"),
        ("forecast", "tokio"),
        ("planner", "proto"),
        ("planner", "tenantdb"),
        ("planner", "workforce"),
        ("planner", "tokio"),
        ("roster", "proto"),
        ("roster", "tenantdb"),
        ("roster", "workforce"),
        ("roster", "tokio"),
        ("documents", "proto"),
        ("documents", "tenantdb"),
        ("documents", "billing"),
        ("documents", "tokio"),
        ("simulator", "proto"),
        ("simulator", "tenantdb"),
        ("simulator", "routing"),
        ("simulator", "tokio"),
    ] {
        let manifest =
            fs::read_to_string(root().join(format!("services/{crate_name}/Cargo.toml"))).expect("a manifest");
        assert!(!manifest.contains(&format!("\n{above}.workspace")), "{crate_name} depends on {above}");
    }
    let gateway = fs::read_to_string(root().join("gateway/Cargo.toml")).expect("a manifest");
    assert!(!gateway.contains("sqlx") && !gateway.contains("tenantdb"), "the gateway knows the database");
}

#[test]
fn nothing_but_the_clock_asks_for_the_time() {
    let words = [
        "SystemTime::now",
        "Timestamp::now",
        "Zoned::now",
        "Uuid::now_v7",
        "Uuid::new_v4",
        "OffsetDateTime::now",
        "Utc::now",
    ];
    for folder in SERVICES.iter().map(|s| format!("services/{s}/src")).chain([
        "services/engine/src".into(),
        "services/planner/src".into(),
        "services/simulator/src".into(),
        "services/tenantdb/src".into(),
        "gateway/src".into(),
    ]) {
        forbid(&folder, &words, "the time is given by kit::clock");
    }
    for service in SERVICES {
        forbid(
            &format!("services/{service}/migrations"),
            &["now()", "current_timestamp", "clock_timestamp", "gen_random_uuid"],
            "time and ids are inputs",
        );
        forbid(
            &format!("services/{service}/src/store"),
            &[" now()", "(now()", ",now()", "current_timestamp", "clock_timestamp"],
            "time is an input",
        );
    }
}

#[test]
fn nothing_but_tenantdb_holds_a_pool() {
    for folder in SERVICES.iter().map(|s| format!("services/{s}/src")) {
        forbid(&folder, &["PgPool", "PgConnectOptions", "PgListener"], "only tenantdb reaches the database");
    }
}

#[test]
fn money_is_never_a_float() {
    forbid("services/billing/src", &["f64", "f32", "round_dp("], "money is exact, and rounded by a named rule");
    forbid("services/billing/migrations", &["double precision", " real", "float"], "money is exact");
}
