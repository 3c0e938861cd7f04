//! What an operator sees from outside: one trace through everything, and figures
//! that Prometheus reads.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tests::{PASSWORD, eventually};

use crate::support::http::Browser;
use crate::support::process::{Up, data_folder, executable, free_port};
use crate::support::python;

/// A collector of spans in another process.
struct Receiver {
    child: Child,
    spans: Arc<Mutex<Vec<Value>>>,
    endpoint: String,
}

impl Receiver {
    fn start(interpreter: &std::path::Path) -> Receiver {
        let mut child = python::script(interpreter, "otlp_receiver.py").spawn().expect("the receiver starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let port = lines.next().expect("a line").expect("the receiver tells its port");
        let spans: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(span) = serde_json::from_str(&line) {
                    kept.lock().expect("the lock").push(span);
                }
            }
        });
        Receiver { child, spans, endpoint: format!("http://127.0.0.1:{}", port.trim()) }
    }

    /// The spans of a trace so far.
    fn of(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("the lock");
        spans.iter().filter(|span| span["trace"] == trace).map(Span::of).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[derive(Clone, Debug)]
struct Span {
    id: String,
    parent: String,
    name: String,
    attributes: HashMap<String, String>,
}

impl Span {
    fn of(value: &Value) -> Span {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let attributes = serde_json::from_value(value["attributes"].clone()).unwrap_or_default();
        Span { id: text("span"), parent: text("parent"), name: text("name"), attributes }
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.attributes.get(name).is_some_and(|v| v == value)
    }
}

/// A provider's administrator on a fresh platform, with a seller and a mailbox.
async fn shop(up: &Up) -> (Browser, String, Value) {
    let open = Browser::new(&up.url, "");
    let login = async |email: &str, password: &str| {
        let answer = open.post("/v1/auth:login", &json!({ "email": email, "password": password })).await;
        let token =
            answer.body["tokens"]["accessToken"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned();
        Browser::new(&up.url, &token)
    };
    let operator = login("operator@platform.example", &up.password("operator@platform.example")).await;
    let founded = operator
        .post(
            "/v1/providers",
            &json!({
                "handle": "traced", "name": "Traced", "country": "PT", "timeZone": "Europe/Lisbon",
                "adminEmail": "ada@traced.example", "adminName": "Ada Admin", "requestId": "traced",
            }),
        )
        .await
        .body;
    let accept = json!({ "invitationToken": founded["invitationToken"], "password": PASSWORD });
    open.post("/v1/auth:acceptInvitation", &accept).await;
    let admin = login("ada@traced.example", PASSWORD).await;
    let seller =
        admin.post("/v1/sellers", &json!({ "handle": "shop", "name": "Shop", "requestId": "shop" })).await.body;
    let seller = seller["seller"]["sellerId"].as_str().unwrap_or_else(|| panic!("{seller}")).to_owned();
    let put = admin.request(reqwest::Method::POST, &format!("/v1/sellers/{seller}/channelAccounts"));
    let account = json!({ "channelAccount": { "channel": "email", "address": "help@shop.example", "active": true } });
    let put = admin.send(put.json(&account)).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let account = put.body["channelAccount"]["channelAccountId"].clone();
    (admin, seller, account)
}

fn letter(account: &Value, n: usize) -> Value {
    json!({
        "channelAccountId": account, "externalId": format!("<{n}@mail.example>"),
        "author": { "address": "customer@mail.example", "name": "Zaphod Beeblebrox" },
        "subject": "Parcel", "text": "Where is my parcel? It has been two weeks now and I hear nothing.",
    })
}

#[tokio::test]
async fn one_trace_joins_caller_gateway_service_database_event_and_consumer() {
    let Some(manydesk) = executable("one trace") else { return };
    let Some(interpreter) = python::interpreter("one trace") else { return };
    let receiver = Receiver::start(&interpreter);
    let folder = data_folder();
    let data = folder.path().join("data");
    let variables = [("MANYDESK_OTLP_ENDPOINT", receiver.endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let mut up = Up::spawn(&manydesk, &data, free_port(), &variables);
    up.ready().await;
    let (admin, seller, account) = shop(&up).await;

    let (trace, caller) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let request = admin.request(reqwest::Method::POST, &format!("/v1/sellers/{seller}/messages:receive"));
    let request = request.header("traceparent", format!("00-{trace}-{caller}-01")).json(&letter(&account, 1));
    let answer = admin.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let spans = eventually("the trace to be whole", || async {
        let spans = receiver.of(trace);
        let consumed = spans.iter().any(|s| s.name.starts_with("consume ") && s.is("service", "billing"));
        let queued = spans.iter().any(|s| s.name == "consume ticket_needs_work" && s.is("service", "routing"));
        (consumed && queued && spans.iter().any(|s| s.parent == caller)).then_some(spans)
    })
    .await;
    let rpc = "/manydesk.tickets.v1.TicketsService/ReceiveMessage";
    let one = |role: &str| {
        let found: Vec<&Span> = spans.iter().filter(|s| s.name == rpc && s.is("role", role)).collect();
        assert_eq!(found.len(), 1, "{role}: {spans:#?}");
        found[0]
    };
    let gateway = one("gateway");
    assert_eq!(gateway.parent, caller, "the gateway continues the caller's trace");
    assert!(gateway.is("rpc.code", "0") && gateway.attributes.contains_key("provider.id"), "{gateway:#?}");
    let tickets = one("tickets");
    assert_eq!(tickets.parent, gateway.id, "the service is called by the gateway");
    let transactions: Vec<&Span> =
        spans.iter().filter(|s| s.name == "db.transaction" && s.parent == tickets.id).collect();
    assert!(
        transactions.iter().any(|s| s.is("db.namespace", "tickets") && s.is("db.outcome", "committed")),
        "{spans:#?}"
    );
    for (event, consumer) in [("consume ticket_needs_work", "routing"), ("consume message_stored", "billing")] {
        let found = spans.iter().find(|s| s.name == event && s.is("service", consumer));
        let found = found.unwrap_or_else(|| panic!("{consumer} did not {event}: {spans:#?}"));
        assert_eq!(found.parent, tickets.id, "the event came from the call");
        assert!(found.is("event.source", "tickets"));
    }
    let everything = format!("{:?}", receiver.spans.lock().expect("the lock"));
    for personal in ["Zaphod", "customer@mail", "Where is my parcel", "ada@traced", PASSWORD, "eyJ"] {
        assert!(!everything.contains(personal), "{personal} is in a span");
    }
    up.signal("INT");
    assert!(up.take_end(std::time::Duration::from_secs(20)).await.0.success());
}

/// One sample of the text format: name, labels, value.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| {
        (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("labels do not end: {line}")))
    });
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    assert!(name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit()), "{line}");
    let mut found = BTreeMap::new();
    for pair in labels.split("\",").filter(|p| !p.is_empty()) {
        let (label, text) = pair.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        found.insert(label.trim_start_matches(',').to_owned(), text.trim_end_matches('"').to_owned());
    }
    (name.to_owned(), found, value)
}

#[tokio::test]
async fn metrics_are_prometheus_and_tell_rate_errors_and_duration() {
    let Some(manydesk) = executable("metrics") else { return };
    let folder = data_folder();
    let data = folder.path().join("data");
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut up = Up::spawn(&manydesk, &data, free_port(), &[("MANYDESK_METRICS_LISTEN", &metrics)]);
    up.ready().await;
    let (admin, seller, account) = shop(&up).await;
    for n in 0..3 {
        let answer = admin.post(&format!("/v1/sellers/{seller}/messages:receive"), &letter(&account, n)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let bad = admin.post(&format!("/v1/sellers/{seller}/messages:receive"), &json!({})).await;
    assert_eq!(bad.status, 400);

    let scrape = Browser::new(&format!("http://{metrics}"), "");
    let text = |path: &'static str| {
        let request = scrape.request(reqwest::Method::GET, path);
        async move { request.send().await.expect("an answer").text().await.expect("a text") }
    };
    assert_eq!(text("/healthz").await, "ok\n");
    assert_eq!(text("/readyz").await, "ready\n");
    let page = text("/metrics").await;
    let mut kinds: HashMap<String, String> = HashMap::new();
    let mut samples = Vec::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
        } else if !line.starts_with('#') {
            samples.push(sample(line));
        }
    }
    let value = |name: &str, wanted: &[(&str, &str)]| -> f64 {
        let fits =
            |labels: &BTreeMap<String, String>| wanted.iter().all(|(k, v)| labels.get(*k).is_some_and(|x| x == v));
        samples.iter().filter(|(n, labels, _)| n == name && fits(labels)).map(|(_, _, value)| value).sum()
    };
    let call = [("service", "manydesk.tickets.v1.TicketsService"), ("method", "ReceiveMessage")];
    let with = |more: (&'static str, &'static str)| [call[0], call[1], more];
    let total = "manydesk_rpc_requests_total";
    assert_eq!(kinds[total], "counter");
    assert!(3.0 <= value(total, &with(("code", "0"))), "rate");
    assert!(1.0 <= value(total, &with(("code", "3"))), "errors");
    let duration = "manydesk_rpc_duration_seconds";
    assert_eq!(kinds[duration], "histogram", "duration, with buckets that can be added up");
    let count = value(&format!("{duration}_count"), &call);
    assert_eq!(count, value(total, &call), "each call has a duration");
    assert_eq!(count, value(&format!("{duration}_bucket"), &with(("le", "+Inf"))));
    assert!(0.0 < value(&format!("{duration}_sum"), &call));
    for gauge in ["manydesk_pool_connections", "manydesk_outbox_pending", "manydesk_consumer_lag_events"] {
        assert_eq!(kinds.get(gauge).map(String::as_str), Some("gauge"), "{gauge}");
    }
    assert!(!page.contains(&seller) && !page.contains("traced"), "no tenant in a label");
    up.signal("INT");
    assert!(up.take_end(std::time::Duration::from_secs(20)).await.0.success());
}
