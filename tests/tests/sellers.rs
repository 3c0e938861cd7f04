//! Sellers from a file to live and to their end, as their provider does it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_lc_rs::digest;
use kit::Id;
use manydesk::cli::Session;
use prost::Message;
use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{Meter, RecordUsageRequest, UsageItem};
use proto::events::v1::envelope::Body;
use proto::events::v1::{Calendar, ClockInterval, Envelope, RatePlanSigned, SlaPolicy, SlaTarget, WeeklyHours};
use proto::routing::v1::ListQueueRequest;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::tenants::v1::knowledge_service_client::KnowledgeServiceClient;
use proto::tenants::v1::offboarding_service_client::OffboardingServiceClient;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::questionnaire_service_client::QuestionnaireServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::*;
use proto::tickets::v1::articles_service_client::ArticlesServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{ArticleDraft, Author, CreateArticleRequest, ReceiveEmailRequest, ReceiveMessageRequest};
use proto::types::v1::LocalizedText;
use sqlx::{Connection, PgConnection};
use tenants::api::onboarding::{apply, from_file};
use tenants::domain::onboarding::file;
use tests::{Tenant, desk, eventually, reason, violated};
use tonic::Code;

type Transport = manydesk::cli::Transport;

async fn transport(session: &mut Session) -> Transport {
    session.transport().await.expect("a token")
}

async fn sellers(session: &mut Session) -> SellersServiceClient<Transport> {
    SellersServiceClient::new(transport(session).await)
}

async fn onboarding(session: &mut Session) -> OnboardingServiceClient<Transport> {
    OnboardingServiceClient::new(transport(session).await)
}

async fn questionnaires(session: &mut Session) -> QuestionnaireServiceClient<Transport> {
    QuestionnaireServiceClient::new(transport(session).await)
}

async fn offboarding(session: &mut Session) -> OffboardingServiceClient<Transport> {
    OffboardingServiceClient::new(transport(session).await)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

async fn open_items(session: &mut Session, seller_id: &str) -> Vec<String> {
    let request = GetChecklistRequest { seller_id: seller_id.to_owned() };
    let list = onboarding(session).await.get_checklist(request).await.expect("a checklist").into_inner();
    list.items.into_iter().filter(|i| i.required && !i.done).map(|i| i.item).collect()
}

async fn apply_example(session: &mut Session) -> apply::Applied {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/tenants/examples");
    let text = std::fs::read_to_string(folder.join("onboard.toml")).expect("the example");
    let plan = file::parse(&text).expect("a plan");
    let calls = from_file::calls(&plan, &folder).expect("calls");
    apply::apply(transport(session).await, calls, |_| {}).await.unwrap_or_else(|refused| panic!("{refused}"))
}

/// Takes an export, which hashes to its manifest table by table and as a whole.
async fn export(session: &mut Session, seller_id: &str) -> (ExportManifest, BTreeMap<String, Vec<serde_json::Value>>) {
    let request = ExportSellerRequest { seller_id: seller_id.to_owned(), ..Default::default() };
    let mut pieces = offboarding(session).await.export_seller(request).await.expect("an export").into_inner();
    let mut whole = digest::Context::new(&digest::SHA256);
    let mut tables: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut manifest = None;
    while let Some(piece) = pieces.message().await.expect("a piece") {
        whole.update(&piece.lines);
        if !piece.table.is_empty() {
            tables.entry(piece.table).or_default().extend_from_slice(&piece.lines);
        }
        manifest = piece.manifest.or(manifest);
    }
    let manifest = manifest.expect("a manifest at the end");
    assert_eq!(manifest.sha256, hex(whole.finish().as_ref()));
    let mut rows = BTreeMap::new();
    for told in &manifest.tables {
        let lines = tables.remove(&told.table).unwrap_or_default();
        assert_eq!(told.sha256, hex(digest::digest(&digest::SHA256, &lines).as_ref()), "{}", told.table);
        let read: Vec<serde_json::Value> = lines
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a JSON document"))
            .collect();
        assert_eq!(i64::try_from(read.len()).expect("a number"), told.rows, "{}", told.table);
        rows.insert(told.table.clone(), read);
    }
    assert!(tables.is_empty(), "not in the manifest: {:?}", tables.keys());
    (manifest, rows)
}

/// Tables in which intake keeps what came with a mail.
const INTAKE: [&str; 5] =
    ["tickets.attachment", "tickets.file", "tickets.file_part", "tickets.quarantine", "tickets.quarantine_part"];

/// A message, what follows from it in the other services, a mail with a file to the same ticket, one that
/// cannot be taken in, and a row of usage.
async fn leave_traces(tenant: &mut Tenant, seller_id: &str, text: &str) {
    let account = tenant.account(seller_id, "email", "traces@shop.example").await;
    let message = ReceiveMessageRequest {
        seller_id: seller_id.to_owned(),
        channel_account_id: account.clone(),
        external_id: "trace@shop.example".into(),
        author: Some(Author { address: "anna@example.it".into(), name: "Anna".into() }),
        text: text.into(),
        ..Default::default()
    };
    let stored = TicketsServiceClient::new(transport(&mut tenant.admin).await).receive_message(message).await;
    let ticket = stored.expect("a message").into_inner().ticket.expect("a ticket");
    let with_file = format!(
        "From: anna@example.it\r\nMessage-ID: <file@example.it>\r\nIn-Reply-To: <trace@shop.example>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\n\
         Content-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n\r\n{text}\r\n--b--\r\n"
    );
    for raw in [with_file, format!("no mail: {text}")] {
        let request = ReceiveEmailRequest {
            seller_id: seller_id.to_owned(),
            channel_account_id: account.clone(),
            raw: raw.into_bytes().into(),
            ..Default::default()
        };
        let client = TicketsServiceClient::new(transport(&mut tenant.admin).await).receive_email(request).await;
        client.expect("taken in or set aside");
    }
    meter(&mut tenant.admin, seller_id, "trace").await;
    let client = RoutingServiceClient::new(transport(&mut tenant.admin).await);
    eventually("the contact to reach routing", || {
        let mut client = client.clone();
        let request = ListQueueRequest { seller_id: seller_id.to_owned(), ..Default::default() };
        let id = ticket.id.clone();
        async move {
            let queue = client.list_queue(request).await.ok()?.into_inner();
            queue.contacts.iter().any(|contact| contact.ticket_id == id).then_some(())
        }
    })
    .await;
}

/// Records one contact to be billed.
async fn meter(session: &mut Session, seller_id: &str, key: &str) {
    let item = UsageItem {
        source: "traces".into(),
        event_key: key.into(),
        meter: Meter::Contact.into(),
        quantity: "1".into(),
        event_time: Some(kit::wire::timestamp(kit::Clock::System.now())),
        ..Default::default()
    };
    let request = RecordUsageRequest { seller_id: seller_id.to_owned(), item: Some(item), request_id: String::new() };
    BillingServiceClient::new(transport(session).await).record_usage(request).await.expect("usage is recorded");
}

/// What billing tells when a plan is signed, put on the bus as billing does.
async fn tell_rate_plan(tenant: &Tenant, seller_id: &str) {
    let provider = kit::ProviderId::parse("provider_id", &tenant.provider_id).expect("an id");
    let seller = kit::SellerId::parse("seller_id", seller_id).expect("an id");
    let event = kit::Clock::System.new_id::<kit::EventId>();
    let now = kit::Clock::System.now();
    let body = RatePlanSigned { rate_plan_id: "plan_test".into(), version: 1, effective_from: "2026-01-01".into() };
    let envelope = Envelope {
        event_id: event.to_string(),
        provider_id: provider.to_string(),
        seller_id: seller.to_string(),
        key: seller.to_string(),
        occurred_at: Some(kit::wire::timestamp(now)),
        traceparent: String::new(),
        body: Some(Body::RatePlanSigned(body)),
    };
    let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database answers");
    sqlx::query(
        "insert into bus.event (source, event_id, provider_id, seller_id, key, kind, payload, traceparent, occurred_at)
         values ('billing', $1, $2, $3, $4, 'rate_plan_signed', $5, '', to_timestamp($6))",
    )
    .bind(event.0)
    .bind(provider.0)
    .bind(seller.0)
    .bind(seller.to_string())
    .bind(envelope.encode_to_vec())
    .bind(now.as_second() as f64)
    .execute(&mut conn)
    .await
    .expect("an event");
}

/// What the isolation probe records, which only a service may.
async fn record_probe(tenant: &Tenant, seller_id: &str) {
    let provider = kit::ProviderId::parse("provider_id", &tenant.provider_id).expect("an id");
    let seller = kit::SellerId::parse("seller_id", seller_id).expect("an id");
    let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database answers");
    sqlx::query(
        "insert into tenants.isolation_probe
                (provider_id, seller_id, probe_id, probed_at, green, tables, rpcs, detail, recorded_by)
         values ($1, $2, $3, to_timestamp($4), true, 100, 200, '', $1)",
    )
    .bind(provider.0)
    .bind(seller.0)
    .bind(kit::Clock::System.new_uuid())
    .bind(kit::Clock::System.now().as_second() as f64)
    .execute(&mut conn)
    .await
    .expect("a probe");
}

#[tokio::test]
async fn a_seller_written_in_a_file_goes_live() {
    let mut tenant = desk().await.provider("File").await;
    let first = apply_example(&mut tenant.admin).await;
    let seller_id = first.seller.seller_id.clone();
    assert_eq!(first.seller.state(), SellerState::Onboarding);
    let open = ["questionnaire", "agents_certified", "rate_plan", "isolation_probe"];
    assert_eq!(open_items(&mut tenant.admin, &seller_id).await, open);

    // The file again changes nothing, not even a version.
    let second = apply_example(&mut tenant.admin).await;
    assert_eq!((second.seller.etag, second.seller.terms_version), (first.seller.etag, first.seller.terms_version));

    let go = GoLiveRequest { seller_id: seller_id.clone(), ..Default::default() };
    let refused = sellers(&mut tenant.admin).await.go_live(go.clone()).await.expect_err("not yet");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "EVIDENCE_MISSING"));
    assert!(refused.message().contains("rate_plan"), "{}", refused.message());

    // Nobody reviews her own answers; somebody else does, and they become knowledge.
    let review = |key: &str| ReviewAnswersRequest {
        seller_id: seller_id.clone(),
        template_key: key.to_owned(),
        approve_rest: true,
        ..Default::default()
    };
    let own = questionnaires(&mut tenant.admin).await.review_answers(review("general")).await.expect_err("her own");
    assert_eq!(reason(&own), "FOUR_EYES");
    let mut lead = tenant.person("Lea Lead", Role::Supervisor, &[&seller_id]).await;
    let mut articles = 0;
    for key in ["general", "cosmetics"] {
        let done = questionnaires(&mut lead.session).await.review_answers(review(key)).await.expect("a review");
        let done = done.into_inner();
        assert_eq!(done.questionnaire.expect("a questionnaire").state, "approved");
        articles += done.articles;
    }
    let list = ListArticlesRequest { seller_id: seller_id.clone(), language: "de".into(), ..Default::default() };
    let mut knowledge = KnowledgeServiceClient::new(transport(&mut lead.session).await);
    let german = knowledge.list_articles(list).await.expect("articles").into_inner().articles;
    assert_eq!((articles, german.len()), (7, 2));
    assert!(german.iter().any(|a| a.body == "Zwei bis drei Werktage."));

    // The rest of the evidence comes from elsewhere.
    for (name, language) in [("Giulia", "it"), ("Jonas", "de"), ("Claire", "fr")] {
        tenant.agent(name, language, &[&seller_id]).await;
    }
    tell_rate_plan(&tenant, &seller_id).await;
    record_probe(&tenant, &seller_id).await;
    let admin = tenant.admin.clone();
    eventually("the rate plan to be known", || {
        let (mut admin, seller_id) = (admin.clone(), seller_id.clone());
        async move { open_items(&mut admin, &seller_id).await.is_empty().then_some(()) }
    })
    .await;
    let live = sellers(&mut tenant.admin).await.go_live(go).await.expect("live").into_inner().seller.expect("a seller");
    assert_eq!(live.state(), SellerState::Live);
    assert!(live.live_time.is_some());

    let asked = ListSellerTransitionsRequest { seller_id: seller_id.clone(), ..Default::default() };
    let moved =
        sellers(&mut lead.session).await.list_seller_transitions(asked).await.expect("transitions").into_inner();
    let states: Vec<SellerState> = moved.transitions.iter().map(SellerTransition::to).collect();
    assert_eq!(states, [SellerState::Live, SellerState::Onboarding]);
    assert!(moved.transitions.iter().all(|t| !t.evidence.is_empty()));
}

#[tokio::test]
async fn a_leaving_seller_takes_everything_and_leaves_a_certificate() {
    let mut tenant = desk().await.provider("Leaving").await;
    let seller_id = apply_example(&mut tenant.admin).await.seller.seller_id;
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller_id]).await;
    let mut owner = tenant.person("Oda Owner", Role::SellerAdmin, &[&seller_id]).await;
    let other_id = tenant.seller("somebody-else").await;
    leave_traces(&mut tenant, &seller_id, "a bottle that leaked").await;
    leave_traces(&mut tenant, &other_id, "a lamp that broke").await;
    let leave = StartOffboardingRequest {
        seller_id: seller_id.clone(),
        reason: "the contract was not renewed".into(),
        contract_end_date: "2026-01-31".into(),
        ..Default::default()
    };
    sellers(&mut tenant.admin).await.start_offboarding(leave).await.expect("leaving");
    let erase = |handle: &str, key: &str| RequestErasureRequest {
        seller_id: seller_id.clone(),
        confirm_handle: handle.to_owned(),
        request_id: key.to_owned(),
    };
    let refused =
        offboarding(&mut tenant.admin).await.request_erasure(erase("masque", "e1")).await.expect_err("not yet");
    assert_eq!(reason(&refused), "EVIDENCE_MISSING");

    // What the seller's own people take is theirs, and no evidence.
    let (theirs, rows) = export(&mut owner.session, &seller_id).await;
    assert!(!theirs.whole && rows.keys().all(|table| table.starts_with("tenants.")), "{:?}", rows.keys());
    let refused =
        offboarding(&mut tenant.admin).await.request_erasure(erase("masque-noir", "e1")).await.expect_err("not yet");
    assert!(refused.message().contains("an export of all services"), "{}", refused.message());

    // The whole one holds what every service keeps of this seller, and nothing of another.
    let (manifest, rows) = export(&mut tenant.admin, &seller_id).await;
    assert!(manifest.whole);
    let count = |table: &str| rows.get(table).map_or(0, Vec::len);
    assert_eq!((count("tenants.contact"), count("tenants.document_content"), count("tenants.app_user")), (2, 2, 2));
    assert_eq!((count("tickets.message"), count("tickets.ticket"), count("routing.contact")), (2, 1, 1));
    for table in INTAKE {
        assert_eq!(count(table), 1, "{table}");
    }
    let metered = |row: &&serde_json::Value| row["source"] == "traces" && row["event_key"] == "trace";
    assert_eq!(rows["billing.usage_event"].iter().filter(metered).count(), 1);
    let services: BTreeSet<&str> = manifest.tables.iter().filter_map(|t| t.table.split('.').next()).collect();
    assert_eq!(services, BTreeSet::from(["tenants", "tickets", "routing", "workforce", "billing"]));
    let text = serde_json::to_string(&rows).expect("JSON");
    assert!(text.contains("a bottle that leaked") && !text.contains("a lamp that broke"));
    let other = kit::SellerId::parse("seller_id", &other_id).expect("an id");
    assert!(!text.contains(&other.0.to_string()));

    // Whatever comes after it asks for a newer one.
    meter(&mut tenant.admin, &seller_id, "late").await;
    let late =
        offboarding(&mut tenant.admin).await.request_erasure(erase("masque-noir", "e1")).await.expect_err("outdated");
    assert!(late.message().contains("billing.usage_event"), "{}", late.message());
    let wrong =
        offboarding(&mut tenant.admin).await.request_erasure(erase("masque", "e2")).await.expect_err("the handle");
    assert!(wrong.message().contains("handle"), "{}", wrong.message());
    // Something is being written as the erasure begins: it holds the seller's row, as every write does.
    let gone = kit::SellerId::parse("seller_id", &seller_id).expect("an id");
    let provider = kit::ids::decode("prov", &tenant.provider_id).expect("an id");
    let mut late = PgConnection::connect(&desk().await.database).await.expect("the database answers");
    let mut writing = late.begin().await.expect("a transaction");
    for statement in [
        "select from tickets.seller where provider_id = $1 and seller_id = $2 for key share",
        "insert into tickets.tag (provider_id, seller_id, tag, tickets) values ($1, $2, 'late', 0)",
    ] {
        sqlx::query(statement).bind(provider).bind(gone.0).execute(&mut *writing).await.expect("written");
    }
    // What followed from the message may still have been on its way.
    let admin = tenant.admin.clone();
    let (manifest, erasure_id) = eventually("an export that nothing comes after", || {
        let (mut admin, seller_id, request) = (admin.clone(), seller_id.clone(), erase("masque-noir", "e3"));
        async move {
            let (manifest, _) = export(&mut admin, &seller_id).await;
            match offboarding(&mut admin).await.request_erasure(request).await {
                Ok(asked) => Some((manifest, asked.into_inner().erasure.expect("an erasure").erasure_id)),
                Err(outdated) => {
                    assert!(outdated.message().contains("a newer export"), "{outdated}");
                    None
                }
            }
        }
    })
    .await;
    let again = offboarding(&mut tenant.admin).await.request_erasure(erase("masque-noir", "e3")).await.expect("again");
    assert_eq!(again.into_inner().erasure.map(|e| e.erasure_id), Some(erasure_id.clone()));
    let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database answers");
    let holder: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *writing).await.expect("a process");
    eventually("the erasure to wait for what is being written", || async {
        let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database answers");
        let waits: bool =
            sqlx::query_scalar("select exists (select from pg_stat_activity where $1 = any (pg_blocking_pids(pid)))")
                .bind(holder)
                .fetch_one(&mut conn)
                .await
                .expect("an answer");
        waits.then_some(())
    })
    .await;
    writing.commit().await.expect("committed");
    let admin = tenant.admin.clone();
    let done = eventually("every service to have erased the seller", || {
        let (mut admin, erasure_id) = (admin.clone(), erasure_id.clone());
        async move {
            let asked = offboarding(&mut admin).await.get_erasure(GetErasureRequest { erasure_id }).await;
            let erasure = asked.expect("an erasure").into_inner().erasure.expect("an erasure");
            (erasure.state == "done").then_some(erasure)
        }
    })
    .await;
    assert_eq!(done.shares.len(), 5);
    let certificate = digest::digest(&digest::SHA256, done.certificate.as_bytes());
    assert_eq!(done.certificate_sha256, hex(certificate.as_ref()));
    assert!(done.certificate.contains(&manifest.sha256) && !done.certificate.contains("masque"));

    for table in INTAKE.into_iter().chain(["tickets.tag"]) {
        let statement = format!("select count(*) from {table} where seller_id = $1");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(gone.0)
            .fetch_one(&mut conn)
            .await
            .expect("a count");
        assert_eq!(rows, 0, "{table}");
    }

    // What the engine was told of its contacts is gone as well, and the journal begins anew.
    let contact = rows["routing.contact"][0]["contact_id"].as_str().expect("an id").to_owned();
    eventually("a journal without the seller", || async {
        let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database answers");
        let (epochs, named): (i64, i64) = sqlx::query_as(
            "select (select count(*) from routing.journal_epoch where provider_id = $1),
                    (select count(*) from routing.journal
                      where provider_id = $1 and convert_from(content, 'utf8') like '%' || $2 || '%')
                  + (select count(*) from routing.journal_snapshot
                      where provider_id = $1 and convert_from(content, 'utf8') like '%' || $2 || '%')",
        )
        .bind(provider)
        .bind(&contact)
        .fetch_one(&mut conn)
        .await
        .expect("counts");
        (epochs >= 1 && named == 0).then_some(())
    })
    .await;

    // Nothing comes after it that nobody would erase any more.
    let draft = ArticleDraft {
        language: "it".into(),
        title: "Resi".into(),
        body: "Entro trenta giorni.".into(),
        ..ArticleDraft::default()
    };
    let write = CreateArticleRequest { seller_id: seller_id.clone(), request_id: "late".into(), draft: Some(draft) };
    let mut articles = ArticlesServiceClient::new(transport(&mut tenant.admin).await);
    let refused = articles.create_article(write).await.expect_err("the seller is erased");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "SELLER_ERASED"));
    let invite = InviteSellerUserRequest {
        seller_id: seller_id.clone(),
        email: "late@masque.example".into(),
        display_name: "Lia Late".into(),
        role: Role::SellerViewer.into(),
        request_id: "late".into(),
        ..InviteSellerUserRequest::default()
    };
    let mut people = UsersServiceClient::new(transport(&mut tenant.admin).await);
    let refused = people.invite_seller_user(invite).await.expect_err("the seller is erased");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");

    // A shell is left; the name is free; the seller's people are gone.
    let get = GetSellerRequest { seller_id: seller_id.clone() };
    let shell = sellers(&mut tenant.admin).await.get_seller(get.clone()).await.expect("a shell").into_inner();
    let shell = shell.seller.expect("a seller");
    assert_eq!((shell.state(), shell.name.as_str(), shell.brands.len()), (SellerState::Erased, "erased", 0));
    // The file that brought it in brings it in again, as another seller.
    let fresh = apply_example(&mut tenant.admin).await.seller.seller_id;
    assert_ne!(fresh, seller_id);
    assert_eq!(apply_example(&mut tenant.admin).await.seller.seller_id, fresh, "and meets its own seller then");
    assert!(Session::login(&tenant.desk.url, &viewer.email, "correct-horse-battery-42").await.is_err());
    let viewer_session = &mut viewer.session;
    eventually("the seller's own tokens to end", || {
        let (mut session, get) = (viewer_session.clone(), get.clone());
        async move {
            let Ok(transport) = session.transport().await else { return Some(()) };
            SellersServiceClient::new(transport)
                .get_seller(get)
                .await
                .is_err_and(|s| s.code() == Code::Unauthenticated)
                .then_some(())
        }
    })
    .await;
}

/// What of identity would be kept of a seller, each told by its refusal.
async fn writes_of_identity(tenant: &mut Tenant, seller_id: &str, agent: &str, key: &str) -> Vec<(String, String)> {
    let mut users = users_service_client::UsersServiceClient::new(transport(&mut tenant.admin).await);
    let seller_ids = vec![seller_id.to_owned()];
    let invite = InviteUserRequest {
        email: format!("late-{key}@{}.example", tenant.handle),
        display_name: "Lea Late".into(),
        roles: vec![Role::Agent.into()],
        seller_ids: seller_ids.clone(),
        request_id: format!("invite-{key}"),
        ..Default::default()
    };
    let create = CreateUserRequest {
        email: invite.email.clone(),
        display_name: "Lea Late".into(),
        roles: vec![Role::SellerViewer.into()],
        seller_ids: seller_ids.clone(),
        password: "correct-horse-battery-42".into(),
        request_id: format!("create-{key}"),
        ..Default::default()
    };
    let own = InviteSellerUserRequest {
        seller_id: seller_id.to_owned(),
        email: invite.email.clone(),
        display_name: "Lea Late".into(),
        role: Role::SellerViewer.into(),
        request_id: format!("own-{key}"),
        ..Default::default()
    };
    let api_key = CreateApiKeyRequest {
        seller_id: seller_id.to_owned(),
        name: "late".into(),
        request_id: format!("key-{key}"),
        ..Default::default()
    };
    let user_id = agent.to_owned();
    let grant = GrantSellersRequest { user_id: user_id.clone(), seller_ids, ..Default::default() };
    let certify = CertifyAgentRequest { seller_id: seller_id.to_owned(), user_id, ..Default::default() };
    [
        ("InviteUser", users.invite_user(invite).await.map(drop)),
        ("CreateUser", users.create_user(create).await.map(drop)),
        ("InviteSellerUser", users.invite_seller_user(own).await.map(drop)),
        ("CreateApiKey", users.create_api_key(api_key).await.map(drop)),
        ("GrantSellers", users.grant_sellers(grant).await.map(drop)),
        ("CertifyAgent", users.certify_agent(certify).await.map(drop)),
    ]
    .into_iter()
    .map(|(call, outcome)| (call.to_owned(), outcome.map_or_else(|refused| reason(&refused), |()| "kept".to_owned())))
    .collect()
}

#[tokio::test]
async fn nothing_new_is_kept_of_a_seller_that_is_being_erased() {
    let mut tenant = desk().await.provider("Erasing").await;
    let seller_id = tenant.seller("going").await;
    let agent = tenant.agent("Al Agent", "en", &[]).await;
    let mut conn = PgConnection::connect(&desk().await.database).await.expect("the database answers");
    let seller = kit::SellerId::parse("seller_id", &seller_id).expect("an id");
    for (statement, refusal) in [
        ("update tenants.seller set erasing = true where seller_id = $1", "ERASURE_REQUESTED"),
        ("update tenants.seller set erasing = false, state = 'erased' where seller_id = $1", "SELLER_ERASED"),
    ] {
        sqlx::query(statement).bind(seller.0).execute(&mut conn).await.expect("as an erasure leaves it");
        for (call, told) in writes_of_identity(&mut tenant, &seller_id, &agent.user_id, refusal).await {
            assert_eq!(told, refusal, "{call}");
        }
    }
    let kept: i64 = sqlx::query_scalar(
        "select (select count(*) from tenants.app_user where home_id = $1)
              + (select count(*) from tenants.api_key where seller_id = $1)
              + (select count(*) from tenants.seller_grant where for_seller_id = $1)
              + (select count(*) from tenants.certification where for_seller_id = $1)",
    )
    .bind(seller.0)
    .fetch_one(&mut conn)
    .await
    .expect("a count");
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_is_wrong_is_told_field_by_field_and_nothing_is_kept() {
    let mut tenant = desk().await.provider("Wrong").await;
    let seller_id = tenant.seller("acme").await;
    let mut client = sellers(&mut tenant.admin).await;
    let update = UpdateSellerRequest {
        seller_id: seller_id.clone(),
        seller: Some(Seller {
            languages: vec!["it".into(), "IT".into()],
            countries: vec!["UK".into()],
            time_zone: "Mars/Base".into(),
            legal_entity: Some(LegalEntity { vat_id: "IT00743110158".into(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = client.update_seller(update).await.expect_err("wrong");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let wanted = ["seller.legal_entity.vat_id", "seller.languages[1]", "seller.countries[0]", "seller.time_zone"];
    assert_eq!(violated(&refused), wanted);

    let mask = prost_types::FieldMask { paths: vec!["state".into()] };
    let update = UpdateSellerRequest {
        seller_id: seller_id.clone(),
        seller: Some(Seller::default()),
        update_mask: Some(mask),
        ..Default::default()
    };
    assert_eq!(violated(&client.update_seller(update).await.expect_err("a state")), ["update_mask.paths[0]"]);

    let never = Calendar { name: "never".into(), time_zone: "Europe/Rome".into(), ..Default::default() };
    let put = PutCalendarRequest { seller_id: seller_id.clone(), calendar: Some(never), ..Default::default() };
    assert_eq!(violated(&client.put_calendar(put).await.expect_err("never open")), ["calendar"]);

    let target = |channels: &[&str]| SlaTarget {
        metric: "first_response".into(),
        channels: channels.iter().map(|c| (*c).to_owned()).collect(),
        target_seconds: 60,
        catch_all: Some(channels.is_empty()),
        ..Default::default()
    };
    let policy = SlaPolicy { targets: vec![target(&[]), target(&["chat"])], ..Default::default() };
    let put = PutSlaPolicyRequest { seller_id: seller_id.clone(), sla_policy: Some(policy), ..Default::default() };
    assert_eq!(violated(&client.put_sla_policy(put).await.expect_err("a dead target")), ["sla_policy.targets[1]"]);

    let get = GetSellerRequest { seller_id: seller_id.clone() };
    let seller = client.get_seller(get).await.expect("the seller").into_inner().seller.expect("a seller");
    assert_eq!((seller.terms_version, seller.etag.as_str()), (1, "v1"));

    // Only a service records a probe, and only the provider creates sellers.
    let probe = RecordIsolationProbeRequest { seller_id: seller_id.clone(), ..Default::default() };
    let refused = onboarding(&mut tenant.admin).await.record_isolation_probe(probe).await.expect_err("a person");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_retry_meets_its_own_seller_and_a_stale_change_is_refused() {
    let mut tenant = desk().await.provider("Retry").await;
    let mut client = sellers(&mut tenant.admin).await;
    let create = |handle: &str, name: &str, key: &str| CreateSellerRequest {
        handle: handle.into(),
        name: name.into(),
        ticket_prefix: String::new(),
        request_id: key.into(),
    };
    let made =
        client.create_seller(create("acme", "Acme", "k1")).await.expect("made").into_inner().seller.expect("a seller");
    let again = client.create_seller(create("acme", "Acme", "k1")).await.expect("again").into_inner().seller;
    assert_eq!(again.expect("a seller"), made);
    let other = client.create_seller(create("acme", "Acme & Co", "k1")).await.expect_err("another content");
    assert_eq!((other.code(), reason(&other).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let taken = client.create_seller(create("acme", "Acme", "k2")).await.expect_err("the handle");
    assert_eq!((taken.code(), reason(&taken).as_str()), (Code::AlreadyExists, "HANDLE_TAKEN"));
    let mut prefixes = vec![made.ticket_prefix.clone()];
    for n in 0..4 {
        let next = client.create_seller(create(&format!("acme-{n}"), "Acme", &format!("p{n}"))).await.expect("made");
        prefixes.push(next.into_inner().seller.expect("a seller").ticket_prefix);
    }
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(prefixes.len(), 5, "{prefixes:?}");

    let update = |etag: &str, name: &str| UpdateSellerRequest {
        seller_id: made.seller_id.clone(),
        seller: Some(Seller { name: name.into(), ..Default::default() }),
        etag: etag.into(),
        ..Default::default()
    };
    let changed = client.update_seller(update(&made.etag, "Acme S.p.A.")).await.expect("changed").into_inner().seller;
    assert_eq!(changed.expect("a seller").etag, "v2");
    let stale = client.update_seller(update(&made.etag, "Acme GmbH")).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));

    // Pages hold every seller once.
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = ListSellersRequest { page_size: 2, page_token, ..Default::default() };
        let page = client.list_sellers(list).await.expect("a page").into_inner();
        seen.extend(page.sellers.into_iter().map(|s| s.handle));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["acme", "acme-0", "acme-1", "acme-2", "acme-3"]);
}

#[tokio::test]
async fn another_provider_hears_nothing_of_a_seller() {
    let mut tenant = desk().await.provider("Mine").await;
    let mut stranger = desk().await.provider("Theirs").await;
    let seller_id = tenant.seller("acme").await;
    let absent = kit::SellerId(kit::Clock::System.new_uuid()).to_string();
    let mut client = sellers(&mut stranger.admin).await;
    let mut said = Vec::new();
    for id in [&seller_id, &absent] {
        let read = client.get_seller(GetSellerRequest { seller_id: id.clone() }).await.expect_err("not hers");
        let hours = vec![ClockInterval { start: "09:00".into(), end: "17:00".into() }];
        let calendar = Calendar {
            name: "office".into(),
            time_zone: "Europe/Rome".into(),
            hours: vec![WeeklyHours { weekday: 1, intervals: hours }],
            ..Default::default()
        };
        let put = PutCalendarRequest { seller_id: id.clone(), calendar: Some(calendar), ..Default::default() };
        let write = client.put_calendar(put).await.expect_err("not hers");
        assert_eq!((read.code(), write.code()), (Code::NotFound, Code::NotFound));
        said.push((
            read.message().to_owned(),
            read.details().to_vec(),
            write.message().to_owned(),
            write.details().to_vec(),
        ));
    }
    assert_eq!(said[0], said[1]);
    assert!(client.list_sellers(ListSellersRequest::default()).await.expect("none").into_inner().sellers.is_empty());
    // A handle is unique within a provider, and only there.
    stranger.seller("acme").await;
}

#[tokio::test]
async fn a_template_grows_in_versions_and_answers_move_along() {
    let mut tenant = desk().await.provider("Template").await;
    let seller_id = tenant.seller("acme").await;
    let texts = |text: &str, languages: &[&str]| -> Vec<LocalizedText> {
        languages.iter().map(|l| LocalizedText { language: (*l).to_owned(), text: format!("{text} {l}") }).collect()
    };
    let question = |key: &str, languages: &[&str]| Question {
        question_key: key.into(),
        kind: "faq".into(),
        texts: texts(key, languages),
        required: true,
        answer_kind: "text".into(),
        becomes_knowledge: true,
        ..Default::default()
    };
    let template = |questions: Vec<Question>| Template {
        template_key: "general".into(),
        titles: texts("title", &["en", "it"]),
        languages: vec!["en".into(), "it".into()],
        questions,
        ..Default::default()
    };
    let mut client = questionnaires(&mut tenant.admin).await;
    let put = |t: Template| PutTemplateRequest { template: Some(t), request_id: String::new() };
    let publish = PublishTemplateRequest { template_key: "general".into(), request_id: String::new() };
    client.put_template(put(template(vec![question("time", &["en"])]))).await.expect("a draft");
    let refused = client.publish_template(publish.clone()).await.expect_err("a language lacks");
    assert_eq!(reason(&refused), "TEMPLATE_INCOMPLETE");
    let both = || vec![question("time", &["en", "it"]), question("price", &["en", "it"])];
    client.put_template(put(template(both()))).await.expect("a draft");
    client.publish_template(publish.clone()).await.expect("published");

    let assign = AssignQuestionnaireRequest {
        seller_id: seller_id.clone(),
        template_key: "general".into(),
        request_id: String::new(),
    };
    let first = client.assign_questionnaire(assign.clone()).await.expect("assigned").into_inner().questionnaire;
    let first = first.expect("a questionnaire");
    // A seller without languages is asked in the template's first.
    assert_eq!((first.template_version, first.languages.as_slice()), (1, ["en".to_owned()].as_slice()));
    let answer = |key: &str| GivenAnswer { question_key: key.into(), language: "en".into(), text: "yes".into() };
    let give = AnswerQuestionsRequest {
        seller_id: seller_id.clone(),
        template_key: "general".into(),
        answers: vec![answer("time"), answer("price")],
        etag: first.etag.clone(),
        ..Default::default()
    };
    client.answer_questions(give.clone()).await.expect("answered");
    let stale = client.answer_questions(AnswerQuestionsRequest { answers: vec![answer("time")], ..give }).await;
    assert_eq!(stale.expect_err("stale").code(), Code::Aborted);

    let mut changed = both();
    changed[1].texts = texts("cost", &["en", "it"]);
    let draft = client.put_template(put(template(changed))).await.expect("a draft").into_inner().template;
    assert_eq!(draft.map(|t| (t.version, t.state)), Some((2, "draft".to_owned())));
    client.publish_template(publish).await.expect("published");
    let moved = client.assign_questionnaire(assign).await.expect("moved").into_inner().questionnaire;
    let moved = moved.expect("a questionnaire");
    assert_eq!(moved.template_version, 2);
    assert_eq!(moved.answers.iter().map(|a| a.question_key.as_str()).collect::<Vec<_>>(), ["time"]);
}
