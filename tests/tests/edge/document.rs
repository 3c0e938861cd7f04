//! The OpenAPI document is valid and complete.

use std::collections::BTreeSet;
use std::process::Stdio;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::world;
use crate::support::python;

#[tokio::test]
async fn the_document_is_valid_openapi_3_1() {
    let Some(interpreter) = python::interpreter("the OpenAPI document") else { return };
    let text = world().await.browser().request(Method::GET, "/openapi.json").send().await.expect("an answer");
    assert_eq!(text.headers()["content-type"], "application/json");
    let text = text.text().await.expect("a text");
    let mut command = python::script(&interpreter, "openapi_check.py");
    command.stderr(Stdio::piped());
    let output = python::run(command, text).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    println!("{told}");
}

#[tokio::test]
async fn every_unary_rpc_is_in_the_document_with_its_path_and_its_access() {
    let document = world().await.browser().get("/openapi.json").await.body;
    let paths = document["paths"].as_object().expect("paths");
    let mut described: BTreeSet<String> = BTreeSet::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            let tag = operation["tags"][0].as_str().expect("a tag");
            described.insert(id.splitn(3, '_').take(2).collect::<Vec<_>>().join("_"));
            assert!(operation["description"].as_str().is_some_and(|d| 10 < d.len()), "{id} has no description");
            let declared: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .expect("parameters")
                .iter()
                .filter(|p| p["in"] == "path")
                .map(|p| p["name"].as_str().expect("a name"))
                .collect();
            let used: BTreeSet<&str> =
                path.split(['{', '}']).enumerate().filter(|(n, _)| n % 2 == 1).map(|(_, name)| name).collect();
            assert_eq!(declared, used, "{method} {path} of {tag}");
        }
    }
    for rule in proto::ACCESS.iter().filter(|rule| !rule.client_streaming && !rule.server_streaming) {
        let (service, method) = rule.path.trim_start_matches('/').rsplit_once('/').expect("a path");
        let id = format!("{}_{method}", service.rsplit_once('.').expect("a package").1);
        assert!(described.contains(&id), "{} is not in the document", rule.path);
    }
    let open: BTreeSet<&str> = operations(&document)
        .filter(|operation| operation["security"] == serde_json::json!([]))
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    assert!(open.contains("AuthService_Login") && !open.contains("UsersService_WhoAmI"), "{open:?}");
}

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    document["paths"].as_object().expect("paths").values().flat_map(|path| path.as_object().expect("a path").values())
}

/// Each GET without variables leads to its RPC and nowhere else: no answer is
/// "no such path", whatever else it is.
#[tokio::test]
async fn every_described_path_is_served() {
    let world = world().await;
    let browser = world.browser();
    let document = browser.get("/openapi.json").await.body;
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        if operations.get("get").is_none() {
            continue;
        }
        let path = path.replace("{seller_id}", &world.seller).replace("{ticket_id}", &world.ticket);
        let filled: String = path
            .split('{')
            .map(|part| part.rsplit_once('}').map_or(part, |(_, rest)| rest))
            .collect::<Vec<_>>()
            .join("none");
        let response = browser.request(Method::GET, &filled).timeout(std::time::Duration::from_secs(5)).send().await;
        let Ok(response) = response else { continue }; // a stream that has nothing to say
        let status = response.status();
        assert!(!status.is_server_error(), "{filled}: {status}");
        if status == StatusCode::NOT_FOUND {
            let body: Value = response.json().await.expect("JSON");
            assert_ne!(body["message"], "no such path", "{filled}");
        }
        asked += 1;
    }
    assert!(40 < asked, "{asked}");
}
