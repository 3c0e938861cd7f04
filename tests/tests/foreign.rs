//! A client written by somebody else: Python, without generated code, knowing
//! of the platform only what reflection tells.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use tests::{PASSWORD, desk};
use tokio::sync::mpsc;

use crate::support::python;

#[tokio::test]
async fn a_foreign_client_that_knows_only_reflection_does_the_main_job() {
    let Some(interpreter) = python::interpreter("the foreign client") else { return };
    let mut tenant = desk().await.provider("Foreign").await;
    let admin = tenant.person("Foreign Admin", proto::Role::ProviderAdmin, &[]).await;
    let mut command = python::script(&interpreter, "foreign_client.py");
    command
        .env("MANYDESK_TARGET", tenant.desk.url.trim_start_matches("http://"))
        .env("MANYDESK_EMAIL", &admin.email)
        .env("MANYDESK_PASSWORD", PASSWORD);
    let mut child = command.stdin(Stdio::null()).spawn().expect("python starts");
    let stdout = child.stdout.take().expect("piped");
    let (told, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
    });
    let mut last = String::new();
    while let Some(line) = lines.recv().await {
        println!("{line}");
        if let Some(seller) = line.strip_prefix("probe wanted: ") {
            tenant.desk.record_green_probe(&tenant.provider_id, seller).await;
        }
        last = line;
    }
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("a thread").expect("python ends");
    assert!(status.success(), "the foreign client failed after: {last}");
    let steps = last.strip_prefix("foreign client: ").and_then(|rest| rest.strip_suffix(" steps ok"));
    let steps: u32 = steps.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("it ended with: {last}"));
    assert!(30 <= steps, "only {steps} steps");
}
