//! Photos and documents come after their message: asked for by who has the token, kept once, told of where they do
//! not come.

use proto::tickets::v1::awaited_files_service_client::AwaitedFilesServiceClient;

use super::*;

const PDF: &str = "%PDF-1.4 the receipt";

impl Shop {
    async fn awaited(&mut self) -> AwaitedFilesServiceClient<Transport> {
        AwaitedFilesServiceClient::new(self.tenant.admin.transport().await.expect("a token"))
    }

    /// The files of a ticket that are not here, once nothing is tried any more.
    async fn missing(&mut self, ticket: &str) -> Vec<pb::AwaitedFile> {
        let client = self.awaited().await;
        eventually("files to be fetched or given up", || {
            let mut client = client.clone();
            let request = pb::ListAwaitedFilesRequest { ticket_id: ticket.into(), ..Default::default() };
            async move {
                let files = client.list_awaited_files(request).await.expect("files").into_inner().awaited_files;
                files.iter().all(|file| file.given_up).then_some(files)
            }
        })
        .await
    }

    async fn attached(&mut self, ticket: &str) -> Vec<pb::Attachment> {
        let request = pb::ListAttachmentsRequest { ticket_id: ticket.into(), ..Default::default() };
        self.tickets.list_attachments(request).await.expect("attachments").into_inner().attachments
    }

    async fn bytes(&mut self, attachment: &str) -> Vec<u8> {
        let request = pb::DownloadAttachmentRequest { attachment_id: attachment.into(), ..Default::default() };
        let pieces = self.tickets.download_attachment(request).await.expect("bytes").into_inner();
        pieces.map(|piece| piece.expect("a piece").data).collect::<Vec<_>>().await.concat()
    }
}

fn file(message: &str, kind: &str, id: &str) -> Value {
    json!({"from": "393331234567", "id": message, "timestamp": now().to_string(), "type": kind,
           kind: {"id": id, "mime_type": "image/jpeg", "filename": format!("{id}.pdf")}})
}

#[tokio::test]
async fn files_of_whatsapp_are_fetched_with_the_token_and_told_of_where_they_do_not_come() {
    let server = Server::start(|asked, before| {
        let host = format!("http://{}", asked.header("host"));
        let times = before.iter().filter(|one| one.path == asked.path).count();
        let told = |size: u64| {
            let url = format!("{host}/files/{}", asked.path.rsplit('/').next().unwrap_or_default());
            Reply::json(200, &json!({"url": url, "mime_type": "application/pdf", "file_size": size}))
        };
        let text = |body: &str| Reply { status: 200, headers: Vec::new(), body: body.to_owned() };
        if asked.header("authorization") != "Bearer good" {
            return Reply::json(401, &json!({"error": {"message": "bad token", "code": 190}}));
        }
        match asked.path.as_str() {
            "/v23.0/huge" => told(20_000_000),
            "/v23.0/gone" => Reply::json(404, &json!({"error": {"message": "gone", "code": 100}})),
            "/v23.0/busy" if times < 2 => Reply::json(503, &json!({})),
            path if path.starts_with("/v23.0/") => told(20),
            "/files/larger" => text(&"x".repeat(11 * 1024 * 1024)),
            "/files/script" => text("#!/bin/sh\nrm -rf /"),
            // The address that was told has ended.
            "/files/slow" if times < 1 => Reply::json(404, &json!({})),
            _ => text(PDF),
        }
    })
    .await;
    let mut shop = shop("Media").await;
    let account = shop.meta("whatsapp", "106").await;
    let ids = ["photo", "huge", "gone", "busy", "larger", "script", "slow"];
    let batch: Vec<Value> = ids.iter().map(|id| file(&format!("wamid.{id}"), "document", id)).collect();
    let batch = whatsapp("106", &json!(batch));
    assert_eq!(shop.by_meta(&account, APP_SECRET, &batch).await.counts(), [7, 0, 0, 0]);
    assert_eq!(shop.by_meta(&account, APP_SECRET, &batch).await.counts(), [0, 7, 0, 0]);
    let ticket = shop.all().await.remove(0);

    // Nobody has a token yet.
    let missing = shop.missing(&ticket.id).await;
    assert_eq!((missing.len(), shop.attached(&ticket.id).await.len()), (7, 0));
    assert!(missing.iter().all(|file| file.reason == "no_connection" && file.attempts == 1), "{missing:?}");
    let sender = pb::ChannelSender {
        kind: pb::ChannelSenderKind::Whatsapp.into(),
        address: format!("{}/v23.0", server.address),
        phone_number_id: "106".into(),
        secret: "good".into(),
        ..Default::default()
    };
    shop.send_by(&account, sender).await.expect("a sender");
    let mut client = shop.awaited().await;
    let retry = |file: &pb::AwaitedFile| pb::RetryAwaitedFileRequest {
        seller_id: file.seller_id.clone(),
        attachment_id: file.attachment_id.clone(),
        request_id: format!("retry-{}", file.attachment_id),
    };
    for file in &missing {
        let again = client.retry_awaited_file(retry(file)).await.expect("once more").into_inner();
        assert!(again.awaited_file.as_ref().is_some_and(|file| !file.given_up), "{again:?}");
        assert_eq!(client.retry_awaited_file(retry(file)).await.expect("the same answer").into_inner(), again);
    }
    let lost = shop.missing(&ticket.id).await;
    let mut told: Vec<_> = lost.iter().map(|file| (file.name.as_str(), file.reason.as_str())).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("gone.pdf", "rejected"),
            ("huge.pdf", "too_large"),
            ("larger.pdf", "too_large"),
            ("script.pdf", "dangerous_file"),
        ]
    );
    let attached = shop.attached(&ticket.id).await;
    let names: Vec<_> = attached.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["photo.pdf", "busy.pdf", "slow.pdf"]);
    let photo = &attached[0];
    assert_eq!((photo.detected_type.as_str(), photo.declared_type.as_str()), ("application/pdf", "application/pdf"));
    assert!(missing.iter().any(|file| file.attachment_id == photo.id && file.message_id == photo.message_id));
    assert_eq!(shop.bytes(&photo.id).await, PDF.as_bytes());
    let fetched = pb::RetryAwaitedFileRequest { attachment_id: photo.id.clone(), ..retry(&missing[0]) };
    let fetched = pb::RetryAwaitedFileRequest { request_id: "fetched".into(), ..fetched };
    assert_eq!(client.retry_awaited_file(fetched).await.expect_err("it is here").code(), Code::NotFound);

    // Who asks to be forgotten is, with what did not come.
    let mut privacy = PrivacyServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    let erase = pb::EraseCustomerRequest {
        seller_id: shop.seller.clone(),
        customer_id: ticket.customer_id.clone(),
        ..Default::default()
    };
    privacy.erase_customer(erase).await.expect("erased");
    assert_eq!((shop.missing(&ticket.id).await.len(), shop.attached(&ticket.id).await.len()), (0, 0));
}

#[tokio::test]
async fn files_of_messenger_are_fetched_from_where_they_are_without_any_token() {
    let server = Server::start(|_, _| Reply { status: 200, headers: Vec::new(), body: PDF.to_owned() }).await;
    let mut shop = shop("Messenger media").await;
    let account = shop.meta("social", "900").await;
    let url = format!("{}/cdn/receipt", server.address);
    let attachments = json!([
        {"type": "file", "payload": {"url": url}},
        {"type": "fallback", "payload": {"title": "a link", "url": "https://shop.example/"}}
    ]);
    let body = json!({"object": "page", "entry": [{"id": "900", "messaging": [{
        "sender": {"id": "51"}, "recipient": {"id": "900"}, "timestamp": now() * 1_000,
        "message": {"mid": "m_1", "text": "Ecco", "attachments": attachments}
    }]}]});
    assert_eq!(shop.by_meta(&account, APP_SECRET, &body).await.counts(), [1, 0, 0, 0]);
    let ticket = shop.all().await.remove(0);
    assert_eq!(shop.missing(&ticket.id).await.len(), 0);
    let attached = shop.attached(&ticket.id).await;
    assert_eq!(attached.len(), 1);
    assert_eq!(shop.bytes(&attached[0].id).await, PDF.as_bytes());
    assert_eq!(server.heard()[0].header("authorization"), "");
    let texts: Vec<String> = shop.messages(&ticket.id).await.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["Ecco\n[file]\n[fallback · a link · https://shop.example/, not fetched]"]);
}
