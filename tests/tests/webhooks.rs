//! What other systems deliver: signed by who they say they are, taken in once, and nothing of it lost.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::channel_senders_service_client::ChannelSendersServiceClient;
use proto::tickets::v1::customers_service_client::CustomersServiceClient;
use proto::tickets::v1::outgoing_mails_service_client::OutgoingMailsServiceClient;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::webhooks_service_client::WebhooksServiceClient;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tests::{Tenant, desk, eventually, reason, violated};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::rows::superuser;
use crate::support::server::{Reply, Server};

mod leaving;
mod media;

type Transport = manydesk::cli::Transport;

/// The app secret that Meta would have made.
const APP_SECRET: &str = "5f1d3b0a9c8e7f6a5b4c3d2e1f0a9b8c";

struct Shop {
    tenant: Tenant,
    seller: String,
    webhooks: WebhooksServiceClient<Transport>,
    tickets: TicketsServiceClient<Transport>,
    http: reqwest::Client,
}

/// What an HTTP call was answered.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    /// Stored, duplicates, quarantined, ignored.
    fn counts(&self) -> [i64; 4] {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        ["stored", "duplicates", "quarantined", "ignored"].map(|name| self.body[name].as_i64().expect("a number"))
    }
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let transport = tenant.admin.transport().await.expect("a token");
    Shop {
        tenant,
        seller,
        webhooks: WebhooksServiceClient::new(transport.clone()),
        tickets: TicketsServiceClient::new(transport),
        http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
    }
}

fn now() -> i64 {
    kit::Clock::System.now().as_second()
}

fn unique() -> String {
    kit::Clock::System.new_uuid().simple().to_string()
}

fn hmac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

fn key_of(secret: &str) -> Vec<u8> {
    STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64")
}

fn signature(secret: &str, id: &str, at: i64, body: &[u8]) -> String {
    let signed = hmac(&key_of(secret), &[id.as_bytes(), b".", at.to_string().as_bytes(), b".", body]);
    format!("v1,{}", STANDARD.encode(signed))
}

fn written(id: &str, text: &str) -> Value {
    json!({"type": "message.received", "data": {
        "message_id": id, "thread_id": "talk-1", "text": text,
        "author": {"address": "anna@casa.example", "name": "Anna Rossi"}
    }})
}

impl Shop {
    async fn put(&mut self, account: &str, webhook: pb::Webhook) -> Result<pb::Webhook, tonic::Status> {
        let request = pb::PutWebhookRequest {
            seller_id: self.seller.clone(),
            channel_account_id: account.into(),
            webhook: Some(webhook),
            ..Default::default()
        };
        Ok(self.webhooks.put_webhook(request).await?.into_inner().webhook.expect("a webhook"))
    }

    fn rotation(&self, account: &str, kind: pb::WebhookSecretKind) -> pb::RotateWebhookSecretRequest {
        pb::RotateWebhookSecretRequest {
            seller_id: self.seller.clone(),
            request_id: unique(),
            channel_account_id: account.into(),
            kind: kind.into(),
            ..Default::default()
        }
    }

    async fn rotate(&mut self, request: pb::RotateWebhookSecretRequest) -> Result<String, tonic::Status> {
        Ok(self.webhooks.rotate_webhook_secret(request).await?.into_inner().secret)
    }

    /// An account with a webhook in the platform's own form; its secret.
    async fn standard(&mut self, channel: &str) -> (String, String) {
        let account = self.tenant.account(&self.seller, channel, &format!("{channel}-{}", unique())).await;
        self.put(&account, webhook(pb::WebhookFormat::Standard, "")).await.expect("a webhook");
        let secret = self.rotate(self.rotation(&account, pb::WebhookSecretKind::Signing)).await.expect("a secret");
        (account, secret)
    }

    /// An account that Meta knows under an id.
    async fn meta(&mut self, channel: &str, platform_id: &str) -> String {
        let address = if channel == "whatsapp" { format!("+390212345{platform_id}") } else { platform_id.to_owned() };
        let account = self.tenant.account(&self.seller, channel, &address).await;
        self.put(&account, webhook(pb::WebhookFormat::Meta, platform_id)).await.expect("a webhook");
        let mut rotation = self.rotation(&account, pb::WebhookSecretKind::Signing);
        rotation.secret = APP_SECRET.into();
        assert_eq!(self.rotate(rotation).await.expect("a secret"), "", "what was given is not told");
        account
    }

    fn post(&self, account: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.http.post(format!("{}/webhooks/{account}", self.tenant.desk.url));
        request.header("content-type", "application/json").body(body)
    }

    /// A delivery signed as it must be.
    fn signed(&self, account: &str, secret: &str, id: &str, body: &[u8]) -> RequestBuilder {
        self.signed_at(account, secret, id, now(), body)
    }

    fn signed_at(&self, account: &str, secret: &str, id: &str, at: i64, body: &[u8]) -> RequestBuilder {
        let request = self.post(account, body.to_vec());
        request
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature(secret, id, at, body))
    }

    async fn deliver(&self, account: &str, secret: &str, id: &str, body: &Value) -> Answer {
        sent(self.signed(account, secret, id, body.to_string().as_bytes())).await
    }

    async fn by_meta(&self, account: &str, secret: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let hex: String = hmac(secret.as_bytes(), &[body.as_bytes()]).iter().map(|b| format!("{b:02x}")).collect();
        sent(self.post(account, body).header("x-hub-signature-256", format!("sha256={hex}"))).await
    }

    async fn all(&mut self) -> Vec<pb::Ticket> {
        let request = pb::ListTicketsRequest { seller_id: self.seller.clone(), page_size: 200, ..Default::default() };
        self.tickets.list_tickets(request).await.expect("a list").into_inner().tickets
    }

    async fn messages(&mut self, ticket: &str) -> Vec<pb::Message> {
        let request = pb::ListMessagesRequest { ticket_id: ticket.into(), ..Default::default() };
        self.tickets.list_messages(request).await.expect("a list").into_inner().messages
    }

    async fn quarantined(&mut self) -> Vec<pb::QuarantinedMail> {
        let request = pb::ListQuarantinedMailsRequest { seller_id: self.seller.clone(), ..Default::default() };
        self.tickets.list_quarantined_mails(request).await.expect("a list").into_inner().mails
    }

    async fn replay(&mut self, id: &str, account: &str) -> Result<pb::ReplayQuarantinedMailResponse, tonic::Status> {
        let request = pb::ReplayQuarantinedMailRequest {
            seller_id: self.seller.clone(),
            quarantine_id: id.into(),
            channel_account_id: account.into(),
            ..Default::default()
        };
        Ok(self.tickets.replay_quarantined_mail(request).await?.into_inner())
    }
}

fn webhook(format: pb::WebhookFormat, platform_id: &str) -> pb::Webhook {
    pb::Webhook { format: format.into(), enabled: true, platform_id: platform_id.into(), ..Default::default() }
}

async fn sent(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the gateway answers");
    let status = response.status();
    let text = response.text().await.expect("a whole answer");
    Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

fn why(answer: &Answer) -> &str {
    answer.body["details"][0]["reason"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_signed_message_is_taken_in_once_as_any_other() {
    let mut shop = shop("Delivered").await;
    let (account, secret) = shop.standard("chat").await;
    let mut body = written("1", "Buongiorno, dov'è il mio pacco? Lo aspetto da due settimane.");
    body["data"]["files"] =
        json!([{"name": "bill.csv", "content_type": "text/csv", "content": STANDARD.encode("a,b")}]);
    body["data"]["order_id"] = json!("IT-77");
    body["data"]["sent_at"] = json!(kit::Clock::System.now().to_string());
    assert_eq!(shop.deliver(&account, &secret, "d-1", &body).await.counts(), [1, 0, 0, 0]);
    assert_eq!(shop.deliver(&account, &secret, "d-1", &body).await.counts(), [1, 0, 0, 0], "as it was answered before");
    assert_eq!(shop.deliver(&account, &secret, "d-2", &body).await.counts(), [0, 1, 0, 0], "the same message again");

    let tickets = shop.all().await;
    let ticket = &tickets[0];
    assert_eq!((tickets.len(), ticket.channel(), ticket.language.as_str()), (1, pb::Channel::Chat, "it"));
    assert_eq!((ticket.order_id.as_str(), &ticket.channel_account_id), ("IT-77", &account));
    assert!(ticket.due_at.is_some() || ticket.state() == pb::TicketState::New, "it waits for an answer");
    let message = shop.messages(&ticket.id).await.remove(0);
    assert_eq!(message.author.as_ref().map(|author| author.address.as_str()), Some("anna@casa.example"));
    let steps: Vec<&str> = message.decisions.iter().map(|one| one.step.as_str()).collect();
    assert!(steps.contains(&"webhook") && steps.contains(&"language"), "{steps:?}");
    let raw = pb::GetRawMessageRequest { message_id: message.id.clone(), ..Default::default() };
    let raw = shop.tickets.get_raw_message(raw).await.expect("its bytes").into_inner();
    assert_eq!((raw.content_type.as_str(), &raw.raw[..]), ("application/json", body.to_string().as_bytes()));
    let files = pb::ListAttachmentsRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let files = shop.tickets.list_attachments(files).await.expect("files").into_inner().attachments;
    assert_eq!((files.len(), files[0].name.as_str(), files[0].size), (1, "bill.csv", 3));

    // Another message of the same thread belongs to the same ticket; the customer is known by the mail address.
    assert_eq!(shop.deliver(&account, &secret, "d-3", &written("2", "Sono ancora qui")).await.counts(), [1, 0, 0, 0]);
    assert_eq!((shop.all().await.len(), shop.messages(&ticket.id).await.len()), (1, 2));
    let (form, other) = shop.standard("web_form").await;
    assert_eq!(shop.deliver(&form, &other, "d-1", &written("1", "Per favore rispondete")).await.counts(), [1, 0, 0, 0]);
    let customers: Vec<String> = shop.all().await.into_iter().map(|ticket| ticket.customer_id).collect();
    assert_eq!((customers.len(), &customers[0]), (2, &customers[1]));
}

#[tokio::test]
async fn the_same_delivery_at_the_same_moment_is_one_message() {
    let mut shop = shop("Twins").await;
    let (account, secret) = shop.standard("chat").await;
    let body = written("once", "Where is my parcel?");
    let answers = futures(&shop, &account, &secret, &body).await;
    let stored: i64 = answers.iter().map(|answer| answer.counts()[0]).sum();
    let known: i64 = answers.iter().map(|answer| answer.counts()[1]).sum();
    // Of those that carry the same id some may be told the first one's answer.
    assert!(stored + known == 8 && 1 <= stored, "{answers:?}");
    let tickets = shop.all().await;
    assert_eq!(tickets.len(), 1);
    assert_eq!(shop.messages(&tickets[0].id).await.len(), 1);
}

async fn futures(shop: &Shop, account: &str, secret: &str, body: &Value) -> Vec<Answer> {
    let one = || shop.deliver(account, secret, "d-1", body);
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    let other = |id: &'static str| shop.deliver(account, secret, id, body);
    let (e, f, g, h) = tokio::join!(other("d-2"), other("d-3"), other("d-4"), one());
    vec![a, b, c, d, e, f, g, h]
}

#[tokio::test]
async fn who_may_not_deliver_learns_nothing() {
    let mut shop = shop("Guarded").await;
    let (account, secret) = shop.standard("chat").await;
    let body = written("1", "Hello").to_string().into_bytes();
    let right = sent(shop.signed(&account, &secret, "d-0", &body)).await;
    assert_eq!(right.counts(), [1, 0, 0, 0]);

    // Another seller's secret, another provider's, one that nobody has.
    let mut stranger = shop_with("Stranger").await;
    let (theirs, foreign) = stranger.standard("chat").await;
    let (_, neighbour) = shop.standard("chat").await;
    let none = format!("whsec_{}", STANDARD.encode([7; 32]));
    let (off, of_off) = shop.standard("chat").await;
    let disabled = pb::Webhook { enabled: false, ..webhook(pb::WebhookFormat::Standard, "") };
    shop.put(&off, disabled).await.expect("switched off");
    let bare = shop.tenant.account(&shop.seller, "chat", "bare").await;
    let secretless = shop.tenant.account(&shop.seller, "chat", "secretless").await;
    shop.put(&secretless, webhook(pb::WebhookFormat::Standard, "")).await.expect("a webhook");
    let meta = shop.meta("whatsapp", "177").await;
    let at = now();
    let sign = signature(&secret, "d-1", at, &body);
    let with = |id: &str, time: String, sign: &str| {
        let request = shop.post(&account, body.clone());
        request.header("webhook-id", id).header("webhook-timestamp", time).header("webhook-signature", sign)
    };
    let refused = vec![
        ("another secret of the seller", shop.signed(&account, &neighbour, "d-1", &body)),
        ("another provider's secret", shop.signed(&account, &foreign, "d-1", &body)),
        ("a secret of nobody", shop.signed(&account, &none, "d-1", &body)),
        ("another provider's account", shop.signed(&theirs, &secret, "d-1", &body)),
        ("an account of nobody", shop.signed("chan_01h455vb4pex5vsknk084sn02q", &secret, "d-1", &body)),
        ("no account", shop.signed("x", &secret, "d-1", &body)),
        ("an empty account", shop.signed("", &secret, "d-1", &body)),
        ("an account that is switched off", shop.signed(&off, &of_off, "d-1", &body)),
        ("an account without a webhook", shop.signed(&bare, &secret, "d-1", &body)),
        ("a webhook without a secret", shop.signed(&secretless, &none, "d-1", &body)),
        ("another format", shop.signed(&meta, &secret, "d-1", &body)),
        ("no header", shop.post(&account, body.clone())),
        ("no id", shop.post(&account, body.clone()).header("webhook-timestamp", at).header("webhook-signature", &sign)),
        ("no time", shop.post(&account, body.clone()).header("webhook-id", "d-1").header("webhook-signature", &sign)),
        ("no signature", shop.post(&account, body.clone()).header("webhook-id", "d-1").header("webhook-timestamp", at)),
        ("another id", with("d-2", at.to_string(), &sign)),
        ("another time", with("d-1", (at + 1).to_string(), &sign)),
        ("two ids", with("d-1", at.to_string(), &sign).header("webhook-id", "d-1")),
        ("half a signature", with("d-1", at.to_string(), &sign[..20])),
        ("an endless signature", with("d-1", at.to_string(), &"v1,AAAA ".repeat(4_000))),
    ];
    for (case, request) in refused {
        let answer = sent(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{case}: {answer:?}");
        assert_eq!(why(&answer), "WEBHOOK_REFUSED", "{case}");
        let first = sent(shop.post("chan_01h455vb4pex5vsknk084sn02q", "{}")).await;
        assert_eq!(answer, first, "{case} is told apart");
    }
    // What is signed and old is told as that: who signed it knows the rest.
    for far in [-301, 302, -now(), -now() - 11_644_473_600, 250_000_000_000] {
        let answer = sent(shop.signed_at(&account, &secret, "d-1", now() + far, &body)).await;
        assert_eq!((answer.status, why(&answer)), (StatusCode::BAD_REQUEST, "WEBHOOK_TIMESTAMP"), "{far}");
    }
    // What is announced as too large is refused before it is sent.
    let host = shop.tenant.desk.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.expect("the gateway listens");
    let head = format!(
        "POST /webhooks/{account} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 4194305\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.expect("an answer");
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    let full = [body.clone(), vec![b' '; 4 * 1024 * 1024 - body.len()]].concat();
    assert_eq!(sent(shop.signed(&account, &secret, "d-9", &full)).await.counts(), [0, 1, 0, 0], "4 MiB are taken");
    let wrong = shop.http.put(format!("{}/webhooks/{account}", shop.tenant.desk.url)).body("{}");
    assert_eq!(sent(wrong).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!((shop.all().await.len(), shop.quarantined().await.len()), (1, 0), "nothing of it was kept");
    assert_eq!(stranger.all().await.len(), 0);
}

async fn shop_with(name: &str) -> Shop {
    shop(name).await
}

#[tokio::test]
async fn what_cannot_be_taken_in_is_set_aside_and_replayed() {
    let mut shop = shop("Aside").await;
    let (account, secret) = shop.standard("chat").await;
    let far = |at: &str, id: &str| {
        let mut body = written(id, "Hello");
        body["data"]["sent_at"] = json!(at);
        body.to_string().into_bytes()
    };
    let mut exe = written("exe", "Open this");
    exe["data"]["files"] = json!([{"name": "a.exe", "content": "AAAA"}]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not_json", b"{\"type\": \"message.received\", ".to_vec()),
        ("not_utf8", b"{\"type\": \"\xff\xfe\"}".to_vec()),
        ("unknown_payload", b"[1, 2]".to_vec()),
        ("unsupported_content", json!({"type": "order.paid", "data": {"id": 7}}).to_string().into_bytes()),
        ("no_message_id", json!({"type": "message.received", "data": {"text": "a"}}).to_string().into_bytes()),
        ("too_old", far("1601-01-01T00:00:00Z", "old")),
        ("in_future", far("9999-12-30T00:00:00Z", "late")),
        ("bad_time", far("9999-12-31T23:59:59Z", "never")),
        ("bad_time", far("31.12.2026", "odd")),
        ("dangerous_file", exe.to_string().into_bytes()),
        ("not_json", "[".repeat(50_000).into_bytes()),
    ];
    for (index, (reason, body)) in cases.iter().enumerate() {
        let answer = sent(shop.signed(&account, &secret, &format!("d-{index}"), body)).await;
        assert_eq!(answer.counts(), [0, 0, 1, 0], "{reason}");
        let again = sent(shop.signed(&account, &secret, &format!("e-{index}"), body)).await;
        assert_eq!(again.counts(), [0, 0, 1, 0], "{reason}");
    }
    let aside = shop.quarantined().await;
    assert_eq!(aside.len(), cases.len(), "each once");
    assert_eq!(aside.iter().filter(|entry| entry.reason == "bad_time").count(), 2);
    let of = |reason: &str| aside.iter().find(|entry| entry.reason == reason).unwrap_or_else(|| panic!("{reason}"));
    for (reason, _) in &cases {
        assert_eq!((of(reason).content.as_str(), &of(reason).channel_account_id), ("standard", &account));
    }
    assert_eq!(of("too_old").sender, "anna@casa.example");

    // An id of a delivery that comes again with another message: the message is not lost.
    assert_eq!(shop.deliver(&account, &secret, "same", &written("m1", "One")).await.counts(), [1, 0, 0, 0]);
    assert_eq!(shop.deliver(&account, &secret, "same", &written("m2", "Two")).await.counts(), [0, 0, 1, 0]);
    let reused = shop.quarantined().await.into_iter().find(|entry| entry.reason == "webhook_id_reused").unwrap();
    let taken = shop.replay(&reused.id, "").await.expect("taken in");
    assert_eq!(taken.message.expect("a message").text, "Two");

    // Somebody decides that the old one counts; what is still no message stays.
    let old = of("too_old").id.clone();
    let taken = shop.replay(&old, "").await.expect("taken in");
    let message = taken.message.expect("a message");
    assert_eq!((message.external_id.as_str(), taken.duplicate), ("old", false));
    assert!(shop.replay(&old, "").await.expect("the same").duplicate);
    let refused = shop.replay(&of("unsupported_content").id.clone(), "").await.unwrap_err();
    assert_eq!(reason(&refused), "STILL_QUARANTINED");
    let bytes =
        pb::DownloadQuarantinedMailRequest { seller_id: shop.seller.clone(), quarantine_id: of("not_utf8").id.clone() };
    let mut pieces = shop.tickets.download_quarantined_mail(bytes).await.expect("bytes").into_inner();
    let mut raw = Vec::new();
    while let Some(piece) = pieces.next().await {
        raw.extend_from_slice(&piece.expect("a piece").data);
    }
    assert_eq!(raw, cases[1].1);
}

#[tokio::test]
async fn a_secret_is_told_once_and_followed_by_another() {
    let mut shop = shop("Rotated").await;
    let account = shop.tenant.account(&shop.seller, "chat", "chat").await;
    let mailbox = shop.tenant.account(&shop.seller, "email", "help@masque.example").await;
    let made = shop.put(&account, webhook(pb::WebhookFormat::Standard, "")).await.expect("a webhook");
    assert_eq!((made.path, made.secrets.len()), (format!("/webhooks/{account}"), 0));
    let rotation = shop.rotation(&account, pb::WebhookSecretKind::Signing);
    let first = shop.rotate(rotation.clone()).await.expect("a secret");
    assert!(first.starts_with("whsec_") && key_of(&first).len() == 32);
    assert_eq!(shop.rotate(rotation).await.expect("the same request"), "", "told once");
    let next = pb::RotateWebhookSecretRequest {
        former_valid_seconds: 3_600,
        ..shop.rotation(&account, pb::WebhookSecretKind::Signing)
    };
    let second = shop.rotate(next).await.expect("a secret");
    for (id, secret) in [("a", &first), ("b", &second)] {
        assert_eq!(shop.deliver(&account, secret, id, &written(id, "Hello")).await.counts(), [1, 0, 0, 0]);
    }
    let get = pb::GetWebhookRequest { channel_account_id: account.clone(), ..Default::default() };
    let shown = shop.webhooks.get_webhook(get.clone()).await.expect("it").into_inner().webhook.expect("it");
    assert_eq!(shown.secrets.len(), 2);
    assert!(shown.secrets[0].valid_until.is_none() && shown.secrets[1].valid_until.is_some());
    // The one after it ends the first at once; given by somebody, it is told to nobody.
    let given = format!("whsec_{}", STANDARD.encode([9; 40]));
    let third = pb::RotateWebhookSecretRequest {
        secret: given.clone(),
        ..shop.rotation(&account, pb::WebhookSecretKind::Signing)
    };
    assert_eq!(shop.rotate(third).await.expect("kept"), "");
    assert_eq!(shop.deliver(&account, &given, "c", &written("c", "Hello")).await.counts(), [1, 0, 0, 0]);
    for ended in [&first, &second] {
        assert_eq!(shop.deliver(&account, ended, "d", &written("d", "Hello")).await.status, StatusCode::UNAUTHORIZED);
    }

    // No answer and no row holds a secret.
    let list = pb::ListWebhooksRequest { seller_id: shop.seller.clone(), ..Default::default() };
    let listed = shop.webhooks.list_webhooks(list.clone()).await.expect("a list").into_inner();
    assert_eq!((listed.webhooks.len(), listed.webhooks[0].secrets.len()), (1, 1));
    let mut conn = superuser(desk().await).await;
    for secret in [&first, &second, &given] {
        let hex: String = key_of(secret).iter().map(|byte| format!("{byte:02x}")).collect();
        let bare = secret.strip_prefix("whsec_").expect("a secret");
        let seen: i64 = sqlx::query_scalar(
            "select (select count(*) from tickets.webhook_secret t where t::text like '%' || $1 || '%')
                  + (select count(*) from tickets.replay r where r::text like '%' || $1 || '%'
                        or position(convert_to($2, 'UTF8') in r.response) > 0)",
        )
        .bind(&hex)
        .bind(bare)
        .fetch_one(&mut conn)
        .await
        .expect("the rows");
        assert_eq!(seen, 0);
    }

    // Who may, and what is wrong.
    let mut agent = shop.tenant.person("Agent", Role::Agent, &[&shop.seller]).await;
    let mut hers = WebhooksServiceClient::new(agent.session.transport().await.expect("a token"));
    assert_eq!(hers.list_webhooks(list).await.unwrap_err().code(), Code::PermissionDenied);
    let take = pb::TakeDeliveryRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: account.clone(),
        body: written("x", "x").to_string().into_bytes().into(),
        ..Default::default()
    };
    assert_eq!(shop.webhooks.take_delivery(take).await.unwrap_err().code(), Code::PermissionDenied);
    let refused = shop.put(&mailbox, webhook(pb::WebhookFormat::Standard, "")).await.unwrap_err();
    assert_eq!(violated(&refused), ["channel_account_id"]);
    let refused = shop.put(&account, webhook(pb::WebhookFormat::Meta, "1")).await.unwrap_err();
    assert_eq!(violated(&refused), ["channel_account_id"], "a chat is none of Meta's");
    let stale = pb::Webhook { etag: "v9".into(), ..webhook(pb::WebhookFormat::Standard, "") };
    assert_eq!(shop.put(&account, stale).await.unwrap_err().code(), Code::Aborted);
    for wrong in ["whsec_AAAA", "a password that I like", &format!("whsec_{}", STANDARD.encode([1; 65]))] {
        let rotation = pb::RotateWebhookSecretRequest {
            secret: wrong.into(),
            ..shop.rotation(&account, pb::WebhookSecretKind::Signing)
        };
        assert_eq!(violated(&shop.rotate(rotation).await.unwrap_err()), ["secret"]);
    }
    let verify = shop.rotation(&account, pb::WebhookSecretKind::VerifyToken);
    assert_eq!(violated(&shop.rotate(verify).await.unwrap_err()), ["kind"]);
    let delete = pb::DeleteWebhookRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: account.clone(),
        ..Default::default()
    };
    shop.webhooks.delete_webhook(delete.clone()).await.expect("gone");
    assert_eq!(shop.webhooks.delete_webhook(delete).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(shop.webhooks.get_webhook(get).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(shop.deliver(&account, &given, "e", &written("e", "Hello")).await.status, StatusCode::UNAUTHORIZED);
}

fn whatsapp(phone_number_id: &str, messages: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "390612345678", "phone_number_id": phone_number_id},
        "contacts": [{"profile": {"name": "Anna"}, "wa_id": "393331234567"}],
        "messages": messages
    }}]}]})
}

fn said(id: &str, from: &str, text: &str, at: i64) -> Value {
    json!({"from": from, "id": id, "timestamp": at.to_string(), "type": "text", "text": {"body": text}})
}

#[tokio::test]
async fn whatsapp_is_verified_by_meta_and_every_message_of_a_batch_is_kept() {
    let mut shop = shop("Meta").await;
    let account = shop.meta("whatsapp", "106").await;
    let second = shop.meta("whatsapp", "107").await;
    let url = format!("{}/webhooks/{account}", shop.tenant.desk.url);

    // The challenge.
    let token = shop.rotate(shop.rotation(&account, pb::WebhookSecretKind::VerifyToken)).await.expect("a token");
    let ask = |url: &str, mode: &str, token: &str| {
        let query = [("hub.mode", mode), ("hub.verify_token", token), ("hub.challenge", "1158201444")];
        let url = reqwest::Url::parse_with_params(url, query).expect("a URL");
        sent(shop.http.get(url))
    };
    let right = ask(&url, "subscribe", &token).await;
    assert_eq!((right.status, right.body), (StatusCode::OK, json!(1_158_201_444)));
    let nowhere = format!("{}/webhooks/chan_01h455vb4pex5vsknk084sn02q", shop.tenant.desk.url);
    let refused = ask(&nowhere, "subscribe", &token).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    for (mode, token) in [("subscribe", "wrong"), ("subscribe", ""), ("unsubscribe", &token), ("subscribe", APP_SECRET)]
    {
        assert_eq!(ask(&url, mode, token).await, refused);
    }

    // A batch: two messages, one of a kind that nobody knows, one of long ago, news, and one for another number.
    let odd = json!({"from": "393331234567", "id": "wamid.odd", "timestamp": now().to_string(), "type": "hologram"});
    let photo = json!({"from": "393331234567", "id": "wamid.2", "timestamp": now().to_string(), "type": "image",
                       "image": {"id": "9", "mime_type": "image/jpeg", "caption": "Ecco la foto"}});
    let mut batch = whatsapp(
        "106",
        &json!([
            said("wamid.1", "393331234567", "Buongiorno, il pacco è arrivato rotto", now()),
            odd,
            photo,
            said("wamid.old", "393331234567", "Tempo fa", now() - 8 * 86_400),
            said("wamid.1601", "393331234567", "Tempo fa", -11_644_473_600),
            said("wamid.9999", "393331234567", "Domani", 253_402_207_199),
        ]),
    );
    let status = json!({"field": "messages", "value": {"metadata": {"phone_number_id": "106"},
                        "statuses": [{"id": "wamid.x", "status": "read", "recipient_id": "393331234567"}]}});
    batch["entry"][0]["changes"].as_array_mut().expect("a list").push(status);
    let to = |id: &str, message: &str| whatsapp(id, &json!([said(message, "393337654321", "Ciao!", now())]));
    for other in [to("107", "wamid.3"), to("999", "wamid.4")] {
        let entry = other["entry"][0].clone();
        batch["entry"].as_array_mut().expect("a list").push(entry);
    }
    assert_eq!(shop.by_meta(&account, "another app secret", &batch).await.status, StatusCode::UNAUTHORIZED);
    let unsigned = sent(shop.post(&account, batch.to_string())).await;
    assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.by_meta(&account, APP_SECRET, &batch).await.counts(), [3, 0, 5, 1]);
    assert_eq!(shop.by_meta(&account, APP_SECRET, &batch).await.counts(), [0, 3, 5, 1], "the same batch again");

    let tickets = shop.all().await;
    assert_eq!(tickets.len(), 2, "a conversation is a ticket");
    let of = |account: &str| tickets.iter().find(|t| t.channel_account_id == account).expect("a ticket").clone();
    let (hers, his) = (of(&account), of(&second));
    assert_eq!((hers.channel(), hers.language.as_str()), (pb::Channel::Whatsapp, "it"));
    let texts: Vec<String> = shop.messages(&hers.id).await.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["Buongiorno, il pacco è arrivato rotto", "[image · image/jpeg]\nEcco la foto"]);
    let author = shop.messages(&his.id).await.remove(0).author.expect("an author");
    assert_eq!(author.address, "+393337654321");
    let aside = shop.quarantined().await;
    let mut reasons: Vec<&str> = aside.iter().map(|entry| entry.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["in_future", "other_account", "too_old", "too_old", "unsupported_content"]);
    assert!(aside.iter().all(|entry| entry.content == "meta" && entry.sender.starts_with("+39333")));

    // Somebody says to which account the stray one belongs.
    let stray = aside.iter().find(|entry| entry.reason == "other_account").expect("the stray one").id.clone();
    let taken = shop.replay(&stray, &second).await.expect("taken in");
    assert_eq!(taken.ticket.expect("a ticket").channel_account_id, second);

    // The platform's id is one account's.
    let third = shop.tenant.account(&shop.seller, "whatsapp", "+390212345999").await;
    let twice = shop.put(&third, webhook(pb::WebhookFormat::Meta, "106")).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::AlreadyExists, "PLATFORM_ID_TAKEN"));
    let mut stranger = shop_with("Other Meta").await;
    stranger.meta("whatsapp", "106").await;
    assert_eq!(stranger.all().await.len(), 0);

    // What was set aside of a customer goes with her.
    let transport = shop.tenant.admin.transport().await.expect("a token");
    let mut customers = CustomersServiceClient::new(transport.clone());
    let search = pb::ListCustomersRequest { seller_id: shop.seller.clone(), ..Default::default() };
    let found = customers.list_customers(search).await.expect("a list").into_inner().customers;
    let anna = found.iter().find(|customer| customer.id == hers.customer_id).expect("Anna");
    let erase =
        pb::EraseCustomerRequest { seller_id: shop.seller.clone(), customer_id: anna.id.clone(), request_id: unique() };
    PrivacyServiceClient::new(transport).erase_customer(erase).await.expect("erased");
    let left = shop.quarantined().await;
    assert_eq!(left.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), [stray.as_str()]);
}

#[tokio::test]
async fn messenger_and_instagram_are_taken_in_and_our_own_words_are_not() {
    let mut shop = shop("Social").await;
    let account = shop.meta("social", "9").await;
    let event = |id: &str, extra: Value| {
        let mut message = json!({"mid": id, "text": "Ciao, avete questa maschera in nero?"});
        for (key, value) in extra.as_object().expect("an object") {
            message[key] = value.clone();
        }
        json!({"sender": {"id": "51"}, "recipient": {"id": "9"}, "timestamp": now() * 1_000, "message": message})
    };
    let page = json!({"object": "page", "entry": [{"id": "9", "time": 1, "messaging": [
        event("m1", json!({})), event("m2", json!({"is_echo": true})),
        {"sender": {"id": "51"}, "recipient": {"id": "9"}, "timestamp": 1, "read": {"watermark": 1}}
    ]}]});
    assert_eq!(shop.by_meta(&account, APP_SECRET, &page).await.counts(), [1, 0, 0, 2]);
    let mut instagram = json!({"object": "instagram", "entry": [{"id": "9", "messaging": [event("i1", json!({}))]}]});
    assert_eq!(shop.by_meta(&account, APP_SECRET, &instagram).await.counts(), [1, 0, 0, 0]);
    let mut customers: Vec<String> = shop.all().await.into_iter().map(|ticket| ticket.customer_id).collect();
    customers.dedup();
    assert_eq!(customers.len(), 2, "the same number on two platforms is two people");
    instagram["entry"][0]["changes"] = json!([{"field": "comments", "value": {"id": "c", "from": {"id": "7"}}}]);
    assert_eq!(shop.by_meta(&account, APP_SECRET, &instagram).await.counts(), [0, 1, 1, 0]);
    assert_eq!(shop.quarantined().await[0].sender, "ig:7");
}
