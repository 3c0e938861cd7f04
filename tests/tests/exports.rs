//! One service's rows of a seller, read out whole.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{
    BatchRecordUsageRequest, ExportSellerRowsRequest, ExportSellerRowsResponse, Meter, UsageItem,
};
use tests::desk;
use tokio_stream::StreamExt;
use tonic::Code;

type Client = BillingServiceClient<manydesk::cli::Transport>;

async fn read(client: &mut Client, seller_id: &str, counts_only: bool) -> Vec<ExportSellerRowsResponse> {
    let request = ExportSellerRowsRequest { seller_id: seller_id.to_owned(), counts_only };
    let rows = client.export_seller_rows(request).await.expect("an export").into_inner();
    rows.map(|row| row.expect("a row")).collect().await
}

#[tokio::test]
async fn every_row_is_read_once_however_many_pages_there_are() {
    const MANY: usize = 450;
    let mut tenant = desk().await.provider("Pages").await;
    let seller = tenant.seller("many").await;
    let mut agent = tenant.person("Ada Agent", Role::Agent, &[&seller]).await;
    let mut client = BillingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let item = |n: usize| UsageItem {
        source: "pages".into(),
        event_key: format!("event {n}"),
        meter: Meter::Contact.into(),
        quantity: "1".into(),
        event_time: Some(kit::wire::timestamp(kit::Clock::System.now())),
        ..UsageItem::default()
    };
    let items = (0..MANY).map(item).collect();
    let batch = BatchRecordUsageRequest { seller_id: seller.clone(), items, request_id: String::new() };
    client.batch_record_usage(batch).await.expect("usage is recorded");

    let mut keys = BTreeSet::new();
    let mut lines = digest::Context::new(&digest::SHA256);
    let mut ended = None;
    let all = read(&mut client, &seller, false).await;
    for told in all.iter().filter(|told| told.table == "billing.usage_event") {
        assert!(ended.is_none(), "a row after the end of its table");
        if told.json_line.is_empty() {
            ended = Some(told);
            continue;
        }
        lines.update(told.json_line.as_bytes());
        lines.update(b"\n");
        let row: serde_json::Value = serde_json::from_str(&told.json_line).expect("JSON");
        assert!(keys.insert(row["event_key"].to_string()), "a row came twice: {row}");
    }
    let ended = ended.expect("an end");
    let sha256: String = lines.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((keys.len(), ended.rows, &ended.sha256), (MANY, 450, &sha256));

    let ends = |told: &[ExportSellerRowsResponse]| -> Vec<(String, i64)> {
        told.iter().filter(|t| t.json_line.is_empty()).map(|t| (t.table.clone(), t.rows)).collect()
    };
    let counted = read(&mut client, &seller, true).await;
    assert_eq!(ends(&counted), ends(&all));
    assert_eq!(ends(&counted).len(), counted.len(), "counts come without rows");

    let mut hers = BillingServiceClient::new(agent.session.transport().await.expect("a token"));
    let request = ExportSellerRowsRequest { seller_id: seller, counts_only: false };
    let refused = hers.export_seller_rows(request).await.expect_err("not for agents");
    assert_eq!(refused.code(), Code::PermissionDenied);
}
