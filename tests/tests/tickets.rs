//! Tickets: a message becomes a ticket, an answer stops its clocks, and nothing is stored twice.

use proto::events::v1::{SlaPolicy, SlaTarget};
use proto::tenants::v1::PutSlaPolicyRequest;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tickets::v1 as pb;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use serde_json::{Value, json};
use tests::{Person, Tenant, desk, eventually, reason};
use tonic::Code;
use tonic::codegen::{Body, Bytes, StdError};

struct Shop {
    tenant: Tenant,
    seller: String,
    account: String,
    agent: Person,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "email", "help@masque.example").await;
    let agent = tenant.agent("Giulia", "it", &[&seller]).await;
    Shop { tenant, seller, account, agent }
}

impl Shop {
    async fn promise(&mut self, metric: &str, seconds: i64) {
        let target =
            SlaTarget { metric: metric.into(), target_seconds: seconds, catch_all: Some(true), ..SlaTarget::default() };
        let policy = SlaPolicy { targets: vec![target], ..SlaPolicy::default() };
        SellersServiceClient::new(self.tenant.admin.transport().await.unwrap())
            .put_sla_policy(PutSlaPolicyRequest {
                seller_id: self.seller.clone(),
                sla_policy: Some(policy),
                ..PutSlaPolicyRequest::default()
            })
            .await
            .expect("a policy is kept");
    }

    fn message(&self, external_id: &str, text: &str) -> pb::ReceiveMessageRequest {
        pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            external_id: external_id.into(),
            author: Some(pb::Author { address: "anna@example.it".into(), name: "Anna".into() }),
            text: text.into(),
            ..pb::ReceiveMessageRequest::default()
        }
    }
}

async fn receive<T>(client: &mut TicketsServiceClient<T>, request: pb::ReceiveMessageRequest) -> pb::Ticket
where
    T: tonic::client::GrpcService<tonic::body::Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    client.receive_message(request).await.expect("a message is taken in").into_inner().ticket.expect("a ticket")
}

const MAIL: &str = "From: Anna Rossi <anna@example.it>\r\nTo: help@masque.example\r\nMessage-ID: <m1@example.it>\r\n\
    Subject: Dov'e' il mio pacco?\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Buongiorno, non ho ancora ricevuto il mio ordine. Quando arriva?\r\n";

#[tokio::test]
async fn a_mail_becomes_a_ticket_and_an_answer_stops_its_clocks() {
    let mut shop = shop("Mail").await;
    shop.promise("first_response", 3_600).await;
    let mut admin = TicketsServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    let mail = pb::ReceiveEmailRequest {
        seller_id: shop.seller.clone(),
        raw: MAIL.as_bytes().to_vec().into(),
        ..pb::ReceiveEmailRequest::default()
    };
    // The policy reaches this service a moment after it was kept.
    let mut serial = 0;
    let (ticket, message) = eventually("a mail with a running clock", || {
        serial += 1;
        let raw = MAIL.replace("m1@", &format!("m{serial}@"));
        let mail = pb::ReceiveEmailRequest { raw: raw.into_bytes().into(), ..mail.clone() };
        let mut admin = admin.clone();
        async move {
            let taken = admin.receive_email(mail).await.expect("a mail is taken in").into_inner();
            let ticket = taken.ticket?;
            ticket.due_at.is_some().then_some((ticket, taken.message?))
        }
    })
    .await;
    assert_eq!((ticket.language.as_str(), ticket.state()), ("it", pb::TicketState::New));
    assert!(ticket.number.starts_with("MAS-"), "{}", ticket.number);
    assert_eq!(message.channel_account_id, shop.account, "found by its recipient");
    let created = ticket.created_at.unwrap();
    assert_eq!(ticket.due_at.unwrap().seconds, created.seconds + 3_600);

    let mut agent = TicketsServiceClient::new(shop.agent.session.transport().await.unwrap());
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: "reply-1".into(),
        ticket_id: ticket.id.clone(),
        etag: ticket.etag.clone(),
        text: "Buongiorno Anna, il pacco arriva domani.".into(),
        solve: false,
        upload_ids: Vec::new(),
    };
    let first = agent.reply(reply.clone()).await.expect("an answer").into_inner();
    let again = agent.reply(reply.clone()).await.expect("the same answer").into_inner();
    assert_eq!(first, again, "a retry gets the same answer");
    let other = agent.reply(pb::ReplyRequest { text: "x".into(), ..reply.clone() }).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let stale = agent.reply(pb::ReplyRequest { request_id: "reply-2".into(), ..reply }).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));

    let answered = first.ticket.unwrap();
    assert_eq!(
        (answered.state(), answered.due_at, answered.message_count),
        (pb::TicketState::PendingCustomer, None, 2)
    );
    let explain = pb::ExplainSlaRequest { seller_id: String::new(), ticket_id: ticket.id.clone() };
    let clocks = agent.explain_sla(explain).await.expect("an explanation").into_inner().clocks;
    assert_eq!(clocks.len(), 1);
    assert_eq!((clocks[0].verdict(), clocks[0].state()), (pb::Verdict::Kept, pb::ClockState::Stopped));
    assert_eq!((clocks[0].family(), clocks[0].source.as_str()), (pb::ClockFamily::Contract, "contract"));

    // Her answer to ours comes back to the ticket by the Message-ID we gave, under another subject.
    let ours = first.message.unwrap().external_id;
    let raw = format!(
        "From: anna@example.it\r\nTo: help@masque.example\r\nMessage-ID: <back@example.it>\r\nIn-Reply-To: <{ours}>\r\n\
         Subject: ok\r\n\r\nGrazie mille!\r\n"
    );
    let back = pb::ReceiveEmailRequest { raw: raw.clone().into_bytes().into(), ..mail.clone() };
    let back = admin.receive_email(back).await.expect("a mail is taken in").into_inner();
    let (back_ticket, back_message) = (back.ticket.unwrap(), back.message.unwrap());
    assert_eq!((back_ticket.id.as_str(), back_ticket.state()), (ticket.id.as_str(), pb::TicketState::Open));
    assert!(back_message.decisions.iter().any(|d| d.step == "thread" && d.outcome == "in_reply_to"));

    let note = pb::AddNoteRequest {
        seller_id: shop.seller.clone(),
        request_id: "note-1".into(),
        ticket_id: ticket.id.clone(),
        text: "she is happy".into(),
    };
    agent.add_note(note).await.expect("a note");
    let solve = pb::SolveTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        ..pb::SolveTicketRequest::default()
    };
    let solved = agent.solve_ticket(solve.clone()).await.expect("solved").into_inner().ticket.unwrap();
    assert_eq!(solved.state(), pb::TicketState::Solved);
    let twice = agent.solve_ticket(solve).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::FailedPrecondition, "TICKET_STATE"));

    let list = pb::ListMessagesRequest { ticket_id: ticket.id.clone(), ..pb::ListMessagesRequest::default() };
    let directions = |messages: Vec<pb::Message>| messages.iter().map(pb::Message::direction).collect::<Vec<_>>();
    let all = agent.list_messages(list.clone()).await.unwrap().into_inner().messages;
    use pb::Direction::{Inbound, Note, Outbound};
    assert_eq!(directions(all), [Inbound, Outbound, Inbound, Note]);
    let mut viewer = shop.tenant.person("Vera", proto::Role::SellerViewer, &[&shop.seller]).await;
    let mut viewer = TicketsServiceClient::new(viewer.session.transport().await.unwrap());
    let seen = viewer.list_messages(list).await.unwrap().into_inner().messages;
    assert!(seen.iter().all(|message| message.user_id.is_empty() && message.decisions.is_empty()));
    assert_eq!(directions(seen), [Inbound, Outbound, Inbound], "the seller sees no notes");

    let raw_message = pb::GetRawMessageRequest { message_id: back_message.id, ..pb::GetRawMessageRequest::default() };
    let original = agent.get_raw_message(raw_message).await.unwrap().into_inner();
    assert_eq!((original.raw.as_ref(), original.content_type.as_str()), (raw.as_bytes(), "message/rfc822"));
    let events = pb::ListTicketEventsRequest { ticket_id: ticket.id.clone(), ..pb::ListTicketEventsRequest::default() };
    let kinds: Vec<String> =
        agent.list_ticket_events(events).await.unwrap().into_inner().events.into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["customer_wrote", "answered", "customer_wrote", "noted", "solved"]);
}

#[tokio::test]
async fn a_message_delivered_many_times_at_once_is_stored_once() {
    let mut shop = shop("Twins").await;
    let client = TicketsServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    receive(&mut client.clone(), shop.message("warm-up", "Ciao")).await;
    let same: Vec<_> = (0..12).map(|_| (client.clone(), shop.message("same", "Dov'è il mio pacco?"))).collect();
    let calls = same.into_iter().map(|(mut client, request)| {
        tokio::spawn(async move { client.receive_message(request).await.expect("taken in").into_inner() })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    let fresh = answers.iter().filter(|answer| !answer.duplicate).count();
    let ids: std::collections::BTreeSet<_> = answers.iter().map(|a| a.message.as_ref().unwrap().id.clone()).collect();
    assert_eq!((fresh, ids.len()), (1, 1));

    // Different first messages of one thread meet in one ticket, each of them once.
    let thread: Vec<_> = (0..12)
        .map(|n| {
            let request = pb::ReceiveMessageRequest {
                external_thread_id: "thread-1".into(),
                ..shop.message(&format!("t{n}"), "Dov'è il mio pacco?")
            };
            let mut client = client.clone();
            tokio::spawn(async move { receive(&mut client, request).await.id })
        })
        .collect();
    let mut tickets = std::collections::BTreeSet::new();
    for call in thread {
        tickets.insert(call.await.unwrap());
    }
    assert_eq!(tickets.len(), 1);
    let list =
        pb::ListMessagesRequest { ticket_id: tickets.first().unwrap().clone(), ..pb::ListMessagesRequest::default() };
    let positions: Vec<i32> =
        client.clone().list_messages(list).await.unwrap().into_inner().messages.iter().map(|m| m.position).collect();
    assert_eq!(positions, (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_as_it_must_be_is_named_and_stored_nowhere() {
    let mut shop = shop("Bad input").await;
    let mut client = TicketsServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    let bad = pb::ReceiveMessageRequest {
        external_id: String::new(),
        channel_account_id: "ticket_1".into(),
        author: None,
        text: "x".repeat(300_000),
        ..shop.message("", "")
    };
    let refused = client.receive_message(bad).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    for field in ["external_id", "channel_account_id", "author", "text"] {
        assert!(refused.message().contains(field), "{field} is named in {}", refused.message());
    }
    let unknown = pb::ReceiveMessageRequest {
        channel_account_id: "chan_00000000000000000000000001".into(),
        ..shop.message("a", "b")
    };
    assert_eq!(client.receive_message(unknown).await.unwrap_err().code(), Code::InvalidArgument);
    let no_mail = pb::ReceiveEmailRequest {
        seller_id: shop.seller.clone(),
        raw: vec![0_u8, 255, 13, 10].into(),
        ..pb::ReceiveEmailRequest::default()
    };
    let aside = client.receive_email(no_mail.clone()).await.expect("it is kept").into_inner();
    assert!(aside.quarantined.is_some() && aside.message.is_none() && aside.ticket.is_none());
    let nothing = pb::ReceiveEmailRequest { raw: Default::default(), ..no_mail };
    assert_eq!(client.receive_email(nothing).await.unwrap_err().code(), Code::InvalidArgument);
    let answer_to_nothing = pb::ImportMessagesRequest {
        seller_id: shop.seller.clone(),
        import_key: "k".into(),
        channel_account_id: shop.account.clone(),
        messages: vec![past("1", "2017-10-31T01:57:03Z", "outbound", "t")],
        ..pb::ImportMessagesRequest::default()
    };
    let refused = client.import_messages(answer_to_nothing).await.unwrap_err();
    assert!(refused.message().contains("messages[0].direction"), "{}", refused.message());
    let all = client.list_tickets(pb::ListTicketsRequest::default()).await.unwrap().into_inner();
    assert!(all.tickets.is_empty());

    let odd = pb::ReceiveMessageRequest { text: "a\0b \u{202e} \r\n".into(), ..shop.message("odd-\u{1f383}", "") };
    let stored = client.receive_message(odd).await.expect("odd text is stored").into_inner().message.unwrap();
    assert_eq!(stored.text, "a\u{fffd}b \u{202e} \r\n");
}

#[tokio::test]
async fn lists_are_paged_in_both_orders_and_over_several_sellers() {
    let mut shop = shop("Lists").await;
    shop.promise("first_response", 3_600).await;
    let second = shop.tenant.seller("second").await;
    let second_account = shop.tenant.account(&second, "email", "help@second.example").await;
    let mut client = TicketsServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    let mut expected = Vec::new();
    for n in 0..23 {
        let mut request = shop.message(&format!("l{n}"), "Ciao, dov'è il mio ordine?");
        if n % 3 == 0 {
            request.seller_id = second.clone();
            request.channel_account_id = second_account.clone();
        }
        expected.push(receive(&mut client, request).await.id);
    }
    expected.reverse();
    let pages = async |order: pb::TicketOrder, states: Vec<i32>| {
        let mut client = client.clone();
        let mut request =
            pb::ListTicketsRequest { page_size: 7, order: order.into(), states, ..pb::ListTicketsRequest::default() };
        let mut found = Vec::new();
        loop {
            let page = client.list_tickets(request.clone()).await.expect("a page").into_inner();
            found.extend(page.tickets);
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    };
    let ids = |tickets: &[pb::Ticket]| tickets.iter().map(|t| t.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&pages(pb::TicketOrder::Newest, vec![]).await), expected);
    assert_eq!(ids(&pages(pb::TicketOrder::Newest, vec![pb::TicketState::New.into()]).await), expected);
    assert!(pages(pb::TicketOrder::Newest, vec![pb::TicketState::Solved.into()]).await.is_empty());
    let due = pages(pb::TicketOrder::Due, vec![]).await;
    let instants: Vec<_> = due.iter().map(|t| t.due_at.map(|at| (at.seconds, at.nanos))).collect();
    assert!(instants.is_sorted() && instants.iter().all(Option::is_some));

    let one = client
        .list_tickets(pb::ListTicketsRequest { number: "mas-1001".into(), ..pb::ListTicketsRequest::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(one.tickets.len(), 1);
    let first = client
        .list_tickets(pb::ListTicketsRequest { page_size: 2, ..pb::ListTicketsRequest::default() })
        .await
        .unwrap()
        .into_inner();
    let foreign = pb::ListTicketsRequest {
        page_size: 2,
        page_token: first.next_page_token.clone(),
        unassigned: true,
        ..pb::ListTicketsRequest::default()
    };
    assert_eq!(client.list_tickets(foreign).await.unwrap_err().code(), Code::InvalidArgument, "another filter");
    let mut agent = TicketsServiceClient::new(shop.agent.session.transport().await.unwrap());
    let hers = agent.list_tickets(pb::ListTicketsRequest::default()).await.unwrap().into_inner().tickets;
    assert!(!hers.is_empty() && hers.iter().all(|ticket| ticket.seller_id == shop.seller));
    let not_hers = pb::GetTicketRequest {
        seller_id: String::new(),
        ticket_id: expected.iter().find(|id| hers.iter().all(|t| t.id != **id)).unwrap().clone(),
    };
    let absent = pb::GetTicketRequest { ticket_id: "ticket_00000000000000000000000001".into(), ..not_hers.clone() };
    let (foreign, absent) =
        (agent.get_ticket(not_hers).await.unwrap_err(), agent.get_ticket(absent).await.unwrap_err());
    assert_eq!(
        (foreign.code(), foreign.message(), foreign.details()),
        (Code::NotFound, absent.message(), absent.details())
    );
}

#[tokio::test]
async fn a_promise_that_runs_out_is_missed_without_anybody_touching_the_ticket() {
    let mut shop = shop("Breach").await;
    shop.promise("first_response", 1).await;
    let mut client = TicketsServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    let mut serial = 0;
    let request = shop.message("", "Dov'è il mio pacco?");
    let ticket = eventually("a ticket with a promise", || {
        serial += 1;
        let request = pb::ReceiveMessageRequest { external_id: format!("b{serial}"), ..request.clone() };
        let mut client = client.clone();
        async move { Some(receive(&mut client, request).await).filter(|ticket| ticket.due_at.is_some()) }
    })
    .await;
    let report = pb::GetSlaReportRequest { seller_id: shop.seller.clone(), ..pb::GetSlaReportRequest::default() };
    let row = eventually("the miss", || {
        let (mut client, report) = (client.clone(), report.clone());
        async move {
            let rows = client.get_sla_report(report).await.unwrap().into_inner().rows;
            rows.into_iter().find(|row| 0 < row.overdue)
        }
    })
    .await;
    assert_eq!((row.metric(), row.kept, row.missed), (pb::SlaMetric::FirstResponse, 0, 0));
    let told = eventually("the verdict told to others", || async {
        let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&shop.tenant.desk.database).await.unwrap();
        let count: i64 =
            sqlx::query_scalar("select count(*) from bus.event where kind = 'sla_verdict_reached' and key = $1")
                .bind(&ticket.id)
                .fetch_one(&mut admin)
                .await
                .unwrap();
        Some(count).filter(|count| 0 < *count)
    })
    .await;
    assert_eq!(told, 1, "once");
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: "late".into(),
        ticket_id: ticket.id.clone(),
        text: "Eccolo".into(),
        ..pb::ReplyRequest::default()
    };
    client.reply(reply).await.expect("a late answer");
    let rows = client.get_sla_report(report).await.unwrap().into_inner().rows;
    assert!(rows.iter().any(|row| row.missed == 1), "{rows:?}");
}

fn past(id: &str, at: &str, direction: &str, thread: &str) -> pb::ImportedMessage {
    let at: jiff::Timestamp = at.parse().unwrap();
    let direction = if direction == "inbound" { pb::Direction::Inbound } else { pb::Direction::Outbound };
    pb::ImportedMessage {
        external_id: id.into(),
        external_thread_id: thread.into(),
        direction: direction.into(),
        author: Some(pb::Author { address: "115798".into(), name: String::new() }),
        text: "ciao".into(),
        occurred_at: Some(kit::wire::timestamp(at)),
        ..pb::ImportedMessage::default()
    }
}

#[tokio::test]
async fn the_past_is_imported_once_and_reported_exactly() {
    let mut shop = shop("Past").await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/conversations");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}"));
    let (Ok(lines), Ok(expected)) = (read("conversations.jsonl"), read("expected.json")) else {
        eprintln!("SKIPPED: {folder} is not there; the import was NOT checked");
        return;
    };
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let brand = "AmazonHelp";
    let mut messages = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["seller"] != brand {
            continue;
        }
        for message in line["messages"].as_array().unwrap() {
            let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
            let thread = line["conversation"].as_str().unwrap();
            messages.push(pb::ImportedMessage {
                in_reply_to: text("in_reply_to"),
                author: Some(pb::Author { address: text("author"), name: String::new() }),
                text: text("text"),
                ..past(&text("id"), &text("at"), &text("direction"), thread)
            });
        }
    }
    let account = shop.tenant.account(&shop.seller, "social", "@amazonhelp").await;
    let mut client = TicketsServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    receive(
        &mut client,
        pb::ReceiveMessageRequest { channel_account_id: account.clone(), ..shop.message("live", "Ciao") },
    )
    .await;
    let mut duplicates = 0;
    for _ in 0..2 {
        for batch in messages.chunks(200) {
            let request = pb::ImportMessagesRequest {
                seller_id: shop.seller.clone(),
                import_key: "the-file".into(),
                channel_account_id: account.clone(),
                messages: batch.to_vec(),
                ..pb::ImportMessagesRequest::default()
            };
            duplicates += client.import_messages(request).await.expect("a batch").into_inner().duplicates;
        }
    }
    assert_eq!(usize::try_from(duplicates).unwrap(), messages.len(), "the second time everything was there");
    let report = pb::GetConversationReportRequest { import_key: "the-file".into(), ..Default::default() };
    let rows = client.get_conversation_report(report).await.unwrap().into_inner().rows;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    let got = json!({
        "conversations": row.conversations,
        "messages_inbound": row.messages_inbound,
        "messages_outbound": row.messages_outbound,
        "answered": row.answered,
        "first_response_seconds_total": row.first_response_seconds_total,
        "first_response_seconds_median_low": row.first_response_seconds_median_low,
        "first_response_within_1h": row.first_response_within_1h,
        "first_response_within_24h": row.first_response_within_24h,
    });
    assert_eq!(got, expected[brand]);
    let everything =
        client.get_conversation_report(pb::GetConversationReportRequest::default()).await.unwrap().into_inner();
    assert_eq!(everything.rows[0].conversations, row.conversations + 1, "the live message is no part of the import");
    let imports = client.list_imports(pb::ListImportsRequest::default()).await.unwrap().into_inner().imports;
    assert_eq!(
        (imports.len(), imports[0].conversations, imports[0].messages),
        (1, row.conversations, messages.len() as i64)
    );
}
