//! What is kept of a customer: given out whole, erased whole, and erased again after a restore.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser;
use proto::Role;
use proto::tenants::v1 as tenants_pb;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tickets::v1 as pb;
use proto::tickets::v1::answering_service_client::AnsweringServiceClient;
use proto::tickets::v1::customers_service_client::CustomersServiceClient;
use proto::tickets::v1::export_customer_response::Piece;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::questions_service_client::QuestionsServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::workflow_service_client::WorkflowServiceClient;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tests::{PASSWORD, Tenant, desk, eventually, reason};
use tickets::domain::privacy::{Fate, Holds, TABLES};
use tokio_stream::StreamExt;
use tonic::{Code, Status};

type Transport = manydesk::cli::Transport;

/// What everything of the customer to be erased holds, in lower case as addresses are kept.
const MARK: &str = "malvasia-9c1e";
/// What everything of somebody else holds.
const OTHER: &str = "nebbiolo-77ad";

struct Shop {
    tenant: Tenant,
    seller: String,
    mailbox: String,
    tickets: TicketsServiceClient<Transport>,
    customers: CustomersServiceClient<Transport>,
    privacy: PrivacyServiceClient<Transport>,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let mailbox = tenant.account(&seller, "email", "help@masque.example").await;
    let transport = tenant.admin.transport().await.unwrap();
    Shop {
        tenant,
        seller,
        mailbox,
        tickets: TicketsServiceClient::new(transport.clone()),
        customers: CustomersServiceClient::new(transport.clone()),
        privacy: PrivacyServiceClient::new(transport),
    }
}

async fn superuser() -> PgConnection {
    PgConnection::connect(&desk().await.database).await.expect("the database answers")
}

/// The tables of all services and of the log between them.
async fn tables(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname in ('tenants', 'tickets', 'routing', 'workforce', 'billing', 'bus')
            and c.relkind in ('r', 'p') and c.relname <> '_migrations' order by 1",
    )
    .fetch_all(conn)
    .await
    .unwrap()
}

/// The tables with rows that hold a mark, as letters or within bytes, with how many.
async fn holding(mark: &str) -> BTreeMap<String, i64> {
    let mut conn = superuser().await;
    let mut found = BTreeMap::new();
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    for table in tables(&mut conn).await {
        let text = format!(
            "select count(*) from {table} t where lower(t::text) like '%' || $1 || '%' or t::text like '%' || $2 || '%'"
        );
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(text)).bind(mark).bind(&hex).fetch_one(&mut conn).await.unwrap();
        if 0 < count {
            found.insert(table, count);
        }
    }
    found
}

fn mail(id: &str, mark: &str, file: &str) -> String {
    format!(
        "From: {mark} <{mark}@casa.example>\r\nTo: help@masque.example\r\nMessage-ID: <{id}-{mark}@casa.example>\r\n\
         Subject: {mark} asks\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nWhere is my parcel? {mark}\r\n--b\r\n\
         Content-Type: text/csv; name={mark}.csv\r\nContent-Disposition: attachment\r\n\r\n{file}\r\n--b--\r\n"
    )
}

impl Shop {
    /// What people add to a ticket: a value, a draft, a question to the seller.
    async fn extras(&mut self, mark: &str, ticket: &str) {
        let transport = self.tenant.admin.transport().await.unwrap();
        let mut workflow = WorkflowServiceClient::new(transport.clone());
        let definition = pb::FieldDefinition {
            key: "shelf".into(),
            name: "Shelf".into(),
            r#type: pb::FieldType::Text.into(),
            active: true,
            ..Default::default()
        };
        let put = pb::PutFieldDefinitionRequest {
            seller_id: self.seller.clone(),
            request_id: String::new(),
            definition: Some(definition),
        };
        workflow.put_field_definition(put).await.unwrap();
        let set = pb::SetTicketFieldsRequest {
            seller_id: self.seller.clone(),
            ticket_id: ticket.to_owned(),
            fields: vec![pb::FieldValue { key: "shelf".into(), value: format!("beside {mark}") }],
            ..Default::default()
        };
        workflow.set_ticket_fields(set).await.unwrap();
        let draft = pb::PutDraftRequest {
            seller_id: self.seller.clone(),
            ticket_id: ticket.to_owned(),
            text: format!("Dear {mark}, perhaps"),
            ..Default::default()
        };
        AnsweringServiceClient::new(transport.clone()).put_draft(draft).await.unwrap();
        let ask = pb::AskSellerRequest {
            seller_id: self.seller.clone(),
            request_id: format!("ask-{}", kit::Clock::System.new_uuid().simple()),
            ticket_id: ticket.to_owned(),
            original: format!("What does {mark} get?"),
            original_language: "en".into(),
            ..Default::default()
        };
        QuestionsServiceClient::new(transport).ask_seller(ask).await.unwrap();
    }

    async fn send(&mut self, raw: String) -> pb::ReceiveEmailResponse {
        let request = pb::ReceiveEmailRequest {
            seller_id: self.seller.clone(),
            request_id: format!("mail-{}", kit::Clock::System.new_uuid().simple()),
            channel_account_id: self.mailbox.clone(),
            raw: raw.into_bytes().into(),
        };
        self.tickets.receive_email(request).await.expect("a mail").into_inner()
    }

    /// A customer with everything that can be kept of one: mails with files, answers, notes, a mail that
    /// could not be taken in, a second identity that was joined, a change of what is known.
    async fn customer(&mut self, mark: &str) -> (String, Vec<String>) {
        let first = self.send(mail("1", mark, &format!("{mark} alone"))).await.ticket.unwrap();
        let second = self.send(mail("2", mark, "sent by everybody")).await.ticket.unwrap();
        let odd = format!(
            "From: {mark}@casa.example\r\nTo: help@masque.example\r\nMessage-ID: <odd-{mark}@x>\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/octet-stream; name=a.exe\r\n\
             Content-Disposition: attachment\r\n\r\nMZ {mark}\r\n--b--\r\n"
        );
        assert!(self.send(odd).await.quarantined.is_some(), "a mail that cannot be taken in");
        let key = |what: &str| format!("{what}-{}", kit::Clock::System.new_uuid().simple());
        let note = pb::AddNoteRequest {
            seller_id: self.seller.clone(),
            request_id: key("note"),
            ticket_id: first.id.clone(),
            text: format!("{mark} is angry"),
        };
        self.tickets.add_note(note).await.unwrap();
        let reply = pb::ReplyRequest {
            seller_id: self.seller.clone(),
            request_id: key("reply"),
            ticket_id: first.id.clone(),
            text: format!("Dear {mark}"),
            ..Default::default()
        };
        self.tickets.reply(reply).await.unwrap();
        let account = self.tenant.account(&self.seller.clone(), "chat", "desk").await;
        let chat = pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            request_id: key("chat"),
            channel_account_id: account,
            external_id: format!("chat-{mark}"),
            external_thread_id: format!("thread-{mark}"),
            author: Some(pb::Author { address: format!("handle-{mark}"), name: mark.into() }),
            text: format!("Hi, {mark} here"),
            order_id: format!("order-{mark}"),
            ..Default::default()
        };
        let chat = self.tickets.receive_message(chat).await.unwrap().into_inner().ticket.unwrap();
        let merge = pb::MergeCustomersRequest {
            seller_id: self.seller.clone(),
            request_id: key("merge"),
            customer_id: chat.customer_id.clone(),
            target_customer_id: first.customer_id.clone(),
            ..Default::default()
        };
        self.customers.merge_customers(merge).await.unwrap();
        let update = pb::UpdateCustomerRequest {
            seller_id: self.seller.clone(),
            request_id: key("update"),
            customer_id: first.customer_id.clone(),
            customer: Some(pb::Customer {
                name: format!("{mark} the Second"),
                tier: "vip".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.customers.update_customer(update).await.unwrap();
        self.extras(mark, &chat.id).await;
        (first.customer_id, vec![first.id, second.id, chat.id])
    }

    async fn erase(&mut self, customer: &str) -> Result<pb::CustomerErasure, Status> {
        let request = pb::EraseCustomerRequest {
            seller_id: self.seller.clone(),
            customer_id: customer.into(),
            ..Default::default()
        };
        Ok(self.privacy.erase_customer(request).await?.into_inner().erasure.unwrap())
    }

    async fn export(&mut self, customer: &str) -> Vec<Piece> {
        let request = pb::ExportCustomerRequest { seller_id: self.seller.clone(), customer_id: customer.into() };
        let pieces = self.privacy.export_customer(request).await.expect("an export").into_inner();
        pieces.map(|piece| piece.expect("a piece").piece.expect("something")).collect().await
    }

    async fn ticket(&mut self, id: &str) -> pb::Ticket {
        let request = pb::GetTicketRequest { ticket_id: id.into(), ..Default::default() };
        self.tickets.get_ticket(request).await.unwrap().into_inner().ticket.unwrap()
    }

    /// Waits until the news of these tickets have gone to the other services.
    async fn settled(&self) {
        let provider = kit::ids::decode("prov", &self.tenant.provider_id).unwrap();
        eventually("the outbox is empty", || async move {
            let waiting: i64 = sqlx::query_scalar("select count(*) from tickets.outbox where provider_id = $1")
                .bind(provider)
                .fetch_one(&mut superuser().await)
                .await
                .unwrap();
            (waiting == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn every_table_and_column_says_what_it_holds_of_a_customer() {
    let mut conn = superuser().await;
    let rows = sqlx::query(
        "select c.relname::text, a.attname::text, a.atttypid::regtype::text
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          where n.nspname = 'tickets' and c.relkind in ('r', 'p') and not c.relispartition",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut there: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for row in rows {
        there.entry(row.get(0)).or_default().insert(row.get(1), row.get(2));
    }
    let told: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    let known: BTreeSet<&str> = there.keys().map(String::as_str).collect();
    assert_eq!(told, known, "domain/privacy.rs does not tell about each table");
    for table in &TABLES {
        let columns = &there[table.name];
        let has = |column: &str| columns.contains_key(column);
        let by = match table.holds {
            Holds::Customer => "customer_id",
            Holds::Ticket => "ticket_id",
            Holds::Message => "message_id",
            Holds::File => "sha256",
            Holds::Quarantine => "quarantine_id",
            Holds::Answer => "response",
            Holds::Nothing(why) => {
                for column in ["customer_id", "ticket_id", "message_id"] {
                    assert!(!has(column), "{}.{column}: holds nothing, because {why}?", table.name);
                }
                continue;
            }
        };
        assert!(has(by), "{} has no {by}", table.name);
        assert!(table.bytes.is_none_or(has), "{} has no such bytes", table.name);
        let blanked: Vec<&str> = match table.fate {
            Fate::Removed => continue,
            Fate::Blanked(columns) => columns.iter().map(|(column, _)| *column).collect(),
            Fate::Kept => Vec::new(),
        };
        for (column, kind) in columns {
            // Ids, instants and figures tell of nobody; all else could.
            let plain = matches!(
                kind.as_str(),
                "uuid"
                    | "boolean"
                    | "smallint"
                    | "integer"
                    | "bigint"
                    | "double precision"
                    | "date"
                    | "timestamp with time zone"
            );
            let said = plain || blanked.contains(&column.as_str()) || table.ours.contains(&column.as_str());
            let keys =
                table.holds == Holds::Answer && matches!(column.as_str(), "method" | "request_id" | "fingerprint");
            assert!(said || keys, "{}.{column} ({kind}) stays after an erasure: may it?", table.name);
        }
    }
}

#[tokio::test]
async fn an_export_is_everything_of_one_customer_with_the_bytes() {
    let mut shop = shop("Exported").await;
    let (customer, tickets) = shop.customer(MARK).await;
    shop.customer(OTHER).await;
    let pieces = shop.export(&customer).await;
    let mut rows: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    let mut bytes: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let mut summary = None;
    for piece in &pieces {
        match piece {
            Piece::Row(row) => {
                rows.entry(row.table.clone()).or_default().push(serde_json::from_str(&row.json_line).expect("JSON"));
            }
            Piece::Bytes(of) => {
                bytes.entry((of.table.clone(), of.key.clone())).or_default().extend_from_slice(&of.data);
            }
            Piece::Summary(told) => summary = Some(told.clone()),
        }
        assert!(!format!("{piece:?}").contains(OTHER), "somebody else's: {piece:?}");
    }
    let summary = summary.expect("an end");
    assert_eq!(summary.customer_ids.len(), 2, "with the one that was joined");
    for table in &summary.tables {
        assert_eq!(rows.get(&table.table).map_or(0, Vec::len) as i64, table.rows, "{}", table.table);
    }
    let told: BTreeSet<&str> = summary.tables.iter().map(|table| table.table.as_str()).collect();
    let all: BTreeSet<&str> =
        TABLES.iter().filter(|table| !matches!(table.holds, Holds::Nothing(_))).map(|table| table.name).collect();
    assert_eq!(told, all);
    assert_eq!((rows["ticket"].len(), rows["customer_identity"].len(), tickets.len()), (3, 2, 3));
    let bodies: Vec<&str> = rows["message"].iter().filter_map(|row| row["body"].as_str()).collect();
    assert!(bodies.iter().any(|body| body.contains("is angry")), "notes are about the customer: {bodies:?}");

    // Nothing that holds the mark is left out.
    for (table, count) in holding(MARK).await {
        let name = table.strip_prefix("tickets.").expect("the mark is in no other service");
        let given = match TABLES.iter().find(|of| of.name == name).and_then(|of| of.bytes) {
            Some(_) => bytes.keys().filter(|(of, _)| of == name).count(),
            None => rows[name].iter().filter(|row| row.to_string().to_lowercase().contains(MARK)).count(),
        };
        if name != "replay" {
            assert!(count <= given as i64, "{table}: {given} of {count}");
        }
    }
    let raw = bytes.iter().filter(|((table, _), _)| table == "message_raw").map(|(_, data)| data);
    assert!(
        raw.clone().any(|data| *data == mail("1", MARK, &format!("{MARK} alone")).into_bytes()),
        "the mail's bytes"
    );
    let mut files: Vec<String> = bytes
        .iter()
        .filter(|((table, _), _)| table == "file_part")
        .map(|(_, data)| String::from_utf8_lossy(data).trim().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, [format!("{MARK} alone"), "sent by everybody".into()]);

    let mut agent = shop.tenant.person("Ada Agent", Role::Agent, &[&shop.seller.clone()]).await;
    let mut hers = PrivacyServiceClient::new(agent.session.transport().await.unwrap());
    let request = pb::ExportCustomerRequest { seller_id: shop.seller.clone(), customer_id: customer };
    assert_eq!(hers.export_customer(request).await.unwrap_err().code(), Code::PermissionDenied);
}

/// Rows of tables as they are, to be put back later.
async fn photograph(seller: &str) -> Vec<(String, Vec<serde_json::Value>)> {
    let seller = kit::ids::decode("seller", seller).unwrap();
    let mut conn = superuser().await;
    let mut out = Vec::new();
    for table in TABLES.iter().filter(|table| !matches!(table.holds, Holds::Nothing(_) | Holds::Answer)) {
        let text = format!("select to_jsonb(t) from tickets.{} t where seller_id = $1", table.name);
        let rows = sqlx::query_scalar(AssertSqlSafe(text)).bind(seller).fetch_all(&mut conn).await.unwrap();
        out.push((table.name.to_owned(), rows));
    }
    out
}

/// Puts an older state of a seller back: the rows as they were, and none of the log.
async fn restore(seller: &str, rows: &[(String, Vec<serde_json::Value>)]) {
    let seller = kit::ids::decode("seller", seller).unwrap();
    let mut conn = superuser().await;
    let mut tx = conn.begin().await.unwrap();
    sqlx::raw_sql("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    for table in ["erasure_row", "erasure_customer", "erasure"] {
        let text = format!("delete from tickets.{table} where seller_id = $1");
        sqlx::query(AssertSqlSafe(text)).bind(seller).execute(&mut *tx).await.unwrap();
    }
    for (table, rows) in rows {
        let text = format!("delete from tickets.{table} where seller_id = $1");
        sqlx::query(AssertSqlSafe(text)).bind(seller).execute(&mut *tx).await.unwrap();
        // What is made of other columns is made again.
        let columns: String = sqlx::query_scalar(
            "select string_agg(quote_ident(attname), ', ') from pg_attribute
              where attrelid = ('tickets.' || $1)::regclass and 0 < attnum and not attisdropped and attgenerated = ''",
        )
        .bind(table)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        let text = format!(
            "insert into tickets.{table} ({columns}) select {columns} from jsonb_populate_record(null::tickets.{table}, $1)"
        );
        for row in rows {
            sqlx::query(AssertSqlSafe(text.clone())).bind(row).execute(&mut *tx).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn an_erased_customer_is_gone_everywhere_and_stays_so_after_a_restore() {
    let mut shop = shop("Erased").await;
    let (customer, tickets) = shop.customer("barolo-51f2").await;
    shop.customer("sangiovese-03ba").await;
    let mark = "barolo-51f2";
    shop.settled().await;
    let before: Vec<String> = holding(mark).await.into_keys().collect();
    for table in ["message", "message_raw", "ticket", "customer", "customer_identity", "quarantine", "replay"] {
        assert!(before.contains(&format!("tickets.{table}")), "{table} holds nothing to be erased: {before:?}");
    }
    let elsewhere: Vec<&String> = before.iter().filter(|table| !table.starts_with("tickets.")).collect();
    assert!(elsewhere.is_empty(), "no other service is told who a customer is: {elsewhere:?}");
    let others = holding("sangiovese-03ba").await;
    let old = photograph(&shop.seller).await;
    let figures = shop.ticket(&tickets[0]).await;

    let erasure = shop.erase(&customer).await.unwrap();
    shop.settled().await;
    assert_eq!(holding(mark).await, BTreeMap::new(), "nothing holds anything of the customer");
    assert_eq!(holding("sangiovese-03ba").await, others, "somebody else keeps everything, the shared file too");
    assert_eq!((erasure.reason.as_str(), erasure.customer_ids.len(), erasure.ticket_ids.len()), ("requested", 2, 3));
    let of = |name: &str| erasure.tables.iter().find(|table| table.table == name).unwrap();
    assert_eq!((of("message").blanked, of("message_raw").removed), (5, 2));
    assert_eq!((of("customer_identity").removed, of("quarantine").removed, of("file").removed), (2, 1, 1));
    assert!(0 < of("replay").blanked && !erasure.user_id.is_empty());

    // The figures stay under ids that lead to nobody.
    let after = shop.ticket(&tickets[0]).await;
    assert_eq!((after.state(), after.subject.as_str(), after.order_id.as_str()), (pb::TicketState::Closed, "", ""));
    assert_eq!(
        (after.number, after.created_at, after.first_response_at, after.message_count, after.language),
        (figures.number, figures.created_at, figures.first_response_at, figures.message_count, figures.language)
    );
    let known = pb::GetCustomerRequest { customer_id: customer.clone(), ..Default::default() };
    let known = shop.tickets.get_customer(known).await.unwrap().into_inner().customer.unwrap();
    assert!(known.erased_at.is_some() && known.name.is_empty() && known.identities.is_empty(), "{known:?}");

    // Again it is the same certificate; the customer is changed no more; who writes again is somebody new.
    assert_eq!(shop.erase(&customer).await.unwrap(), erasure);
    let refused = pb::UpdateCustomerRequest {
        seller_id: shop.seller.clone(),
        customer_id: customer.clone(),
        customer: Some(pb::Customer { name: "X".into(), ..Default::default() }),
        ..Default::default()
    };
    assert_eq!(reason(&shop.customers.update_customer(refused).await.unwrap_err()), "CUSTOMER_ERASED");

    // The log is kept outside, an older state comes back, and the log is done again.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("erasures.jsonl");
    let email = format!("admin@{}.example", shop.tenant.handle);
    let run = |verb: &'static str| {
        let arguments = ["manydesk", "erasures", verb, file.to_str().unwrap(), "--url", &shop.tenant.desk.url];
        let arguments = arguments.into_iter().chain(["--email", &email, "--password", PASSWORD]);
        manydesk::cli::Cli::parse_from(arguments).run()
    };
    run("export").await.expect("the log is written");
    let log = std::fs::read_to_string(&file).unwrap();
    assert_eq!(log.lines().count(), 1);
    assert!(!log.contains(mark), "the log names nobody");

    restore(&shop.seller, &old).await;
    assert!(!holding(mark).await.is_empty(), "the older state is back");
    assert!(list(&mut shop).await.is_empty(), "and has forgotten the erasure");
    for _ in 0..2 {
        run("replay").await.expect("the log is done again");
        shop.settled().await;
        assert_eq!(holding(mark).await, BTreeMap::new(), "gone again");
    }
    let listed = list(&mut shop).await;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].replayed_at.is_some());
    assert_eq!(pb::CustomerErasure { replayed_at: None, ..listed[0].clone() }, erasure, "the certificate is the same");

    let again = shop.send(mail("9", mark, "new")).await.ticket.unwrap();
    assert_ne!(again.customer_id, customer, "somebody new");
    assert!(!tickets.contains(&again.id));
}

async fn list(shop: &mut Shop) -> Vec<pb::CustomerErasure> {
    shop.privacy.list_erasures(pb::ListErasuresRequest::default()).await.unwrap().into_inner().erasures
}

#[tokio::test]
async fn old_tickets_are_erased_when_their_time_has_come() {
    let mut shop = shop("Aged").await;
    let (mark, young_mark) = ("dolcetto-61aa", "barbera-20c4");
    let (old_customer, old_tickets) = shop.customer(mark).await;
    let (_, young) = shop.customer(young_mark).await;
    for ticket in old_tickets.iter().chain(&young[..1]) {
        let request =
            pb::SolveTicketRequest { seller_id: shop.seller.clone(), ticket_id: ticket.clone(), ..Default::default() };
        shop.tickets.solve_ticket(request).await.unwrap();
    }
    // As if it had been forty days ago; another old ticket is not over.
    let mut conn = superuser().await;
    let aged: Vec<_> =
        old_tickets.iter().chain(&young[1..2]).map(|id| kit::ids::decode("ticket", id).unwrap()).collect();
    sqlx::query("update tickets.ticket set updated_at = updated_at - interval '40 days' where ticket_id = any ($1)")
        .bind(&aged)
        .execute(&mut conn)
        .await
        .unwrap();
    let mut onboarding = OnboardingServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    let agreement = tenants_pb::UploadDocumentRequest {
        seller_id: shop.seller.clone(),
        document: Some(tenants_pb::Document {
            kind: "processing_agreement".into(),
            file_name: "agreement.txt".into(),
            media_type: "text/plain".into(),
            ..Default::default()
        }),
        content: b"Thirty days and no more."[..].into(),
        ..Default::default()
    };
    let agreement = onboarding.upload_document(agreement).await.expect("a document").into_inner().document.unwrap();
    let record = tenants_pb::PutDataProtectionRecordRequest {
        seller_id: shop.seller.clone(),
        record: Some(tenants_pb::DataProtectionRecord {
            agreement_sha256: agreement.sha256,
            retention_days: 30,
            officer_email: "officer@masque.example".into(),
            data_categories: "names and addresses of customers".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    onboarding.put_data_protection_record(record).await.expect("thirty days");

    let certificates = eventually("the old tickets are erased", || {
        let mut privacy = shop.privacy.clone();
        async move {
            let listed = privacy.list_erasures(pb::ListErasuresRequest::default()).await.unwrap().into_inner().erasures;
            Some(listed).filter(|listed| !listed.is_empty())
        }
    })
    .await;
    assert_eq!(certificates.len(), 1);
    let mut erased = certificates[0].ticket_ids.clone();
    erased.sort();
    let mut expected = old_tickets.clone();
    expected.sort();
    assert_eq!(
        (certificates[0].reason.as_str(), erased, certificates[0].user_id.as_str()),
        ("retention", expected, "")
    );
    assert!(certificates[0].customer_ids.contains(&old_customer), "who has no other ticket goes too");
    // Answers are kept for three days for retries; these are of today, though their ticket got old.
    let left: Vec<String> = holding(mark).await.into_keys().collect();
    assert!(left.is_empty() || left == ["tickets.replay"], "{left:?}");
    let kept = shop.ticket(&young[0]).await;
    assert!(kept.subject.contains(young_mark), "what is over since today stays");
    let open = shop.ticket(&young[1]).await;
    assert_eq!(
        (open.state(), open.subject.contains(young_mark)),
        (pb::TicketState::New, true),
        "what is not over stays"
    );
}
