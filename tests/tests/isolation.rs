//! Nobody hears anything of somebody else's rows, through any RPC.

use tests::desk;

#[tokio::test]
async fn a_stranger_hears_of_foreign_rows_what_she_hears_of_absent_ones() {
    let desk = desk().await;
    let mut first = desk.provider("Probed").await;
    let mut second = desk.provider("Stranger").await;
    let findings = manydesk::cli::isolation::probe_all(&desk.url, &mut first.admin, &mut second.admin)
        .await
        .expect("the probe runs");
    println!(
        "{} RPCs, {} calls, {} looked up and found nothing, decided {}",
        findings.rpcs.len(),
        findings.calls,
        findings.looked_up,
        findings.decided.len()
    );
    assert!(findings.leaks.is_empty(), "{:#?}", findings.leaks);
    // every RPC but the public ones and uploads was probed
    let expected =
        proto::ACCESS.iter().filter(|r| r.scope != proto::Scope::Public as i32 && !r.client_streaming).count();
    assert_eq!(findings.rpcs.len(), expected);
    assert!(findings.looked_up > 100, "the probe hardly reached a row: {}", findings.looked_up);
}
