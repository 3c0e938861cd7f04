//! Intake in depth: marketplaces by mail, machines' mail, files, quarantine, merges and splits.

use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{Person, Tenant, desk, reason};
use tokio_stream::StreamExt;
use tonic::Code;

type Client = TicketsServiceClient<manydesk::cli::Transport>;

struct Shop {
    tenant: Tenant,
    seller: String,
    client: Client,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    tenant.account(&seller, "email", "help@masque.example").await;
    let client = TicketsServiceClient::new(tenant.admin.transport().await.unwrap());
    let mut shop = Shop { tenant, seller, client };
    // The account is known here once a mail found it.
    tests::eventually("the mailbox", || {
        let (mut client, seller) = (shop.client.clone(), shop.seller.clone());
        async move {
            let request = pb::ReceiveEmailRequest {
                seller_id: seller,
                raw: mail("warm-up", "anna@example.it", "", "Ciao").into_bytes().into(),
                ..Default::default()
            };
            client.receive_email(request).await.ok()?.into_inner().ticket
        }
    })
    .await;
    for entry in shop.quarantined().await {
        shop.discard(&entry.id).await.unwrap();
    }
    shop
}

fn mail(id: &str, from: &str, headers: &str, text: &str) -> String {
    format!(
        "From: {from}\r\nTo: help@masque.example\r\nMessage-ID: <{id}@sender.example>\r\n{headers}\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
}

impl Shop {
    async fn send(&mut self, raw: impl Into<Vec<u8>>) -> pb::ReceiveEmailResponse {
        let raw: Vec<u8> = raw.into();
        let request = pb::ReceiveEmailRequest { seller_id: self.seller.clone(), raw: raw.into(), ..Default::default() };
        self.client.receive_email(request).await.expect("a mail is taken or set aside").into_inner()
    }

    async fn taken(&mut self, raw: impl Into<Vec<u8>>) -> (pb::Message, pb::Ticket) {
        let answer = self.send(raw).await;
        assert_eq!(answer.quarantined, None);
        (answer.message.unwrap(), answer.ticket.unwrap())
    }

    async fn aside(&mut self, raw: impl Into<Vec<u8>>) -> pb::QuarantinedMail {
        let answer = self.send(raw).await;
        assert!(answer.message.is_none() && answer.ticket.is_none());
        answer.quarantined.expect("an entry")
    }

    async fn quarantined(&mut self) -> Vec<pb::QuarantinedMail> {
        let mut found = Vec::new();
        let mut request = pb::ListQuarantinedMailsRequest {
            page_size: 2,
            state: pb::QuarantineState::Waiting.into(),
            ..Default::default()
        };
        loop {
            let page = self.client.list_quarantined_mails(request.clone()).await.expect("a page").into_inner();
            found.extend(page.mails);
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn discard(&mut self, id: &str) -> Result<pb::QuarantinedMail, tonic::Status> {
        let request = pb::DiscardQuarantinedMailRequest {
            seller_id: self.seller.clone(),
            quarantine_id: id.into(),
            ..Default::default()
        };
        Ok(self.client.discard_quarantined_mail(request).await?.into_inner().mail.unwrap())
    }

    async fn replay(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut pb::ReplayQuarantinedMailRequest),
    ) -> Result<pb::ReplayQuarantinedMailResponse, tonic::Status> {
        let mut request = pb::ReplayQuarantinedMailRequest {
            seller_id: self.seller.clone(),
            quarantine_id: id.into(),
            ..Default::default()
        };
        change(&mut request);
        Ok(self.client.replay_quarantined_mail(request).await?.into_inner())
    }

    async fn download(&mut self, id: &str) -> Vec<u8> {
        let request = pb::DownloadQuarantinedMailRequest { quarantine_id: id.into(), ..Default::default() };
        let pieces = self.client.download_quarantined_mail(request).await.expect("the bytes").into_inner();
        pieces.map(|piece| piece.expect("a piece").data.to_vec()).collect::<Vec<_>>().await.concat()
    }

    async fn ticket(&mut self, id: &str) -> pb::Ticket {
        let request = pb::GetTicketRequest { ticket_id: id.into(), ..Default::default() };
        self.client.get_ticket(request).await.unwrap().into_inner().ticket.unwrap()
    }

    async fn messages(&mut self, ticket: &str) -> Vec<pb::Message> {
        let request = pb::ListMessagesRequest { ticket_id: ticket.into(), ..Default::default() };
        self.client.list_messages(request).await.unwrap().into_inner().messages
    }

    async fn events(&mut self, ticket: &str) -> Vec<String> {
        let request = pb::ListTicketEventsRequest { ticket_id: ticket.into(), ..Default::default() };
        let events = self.client.list_ticket_events(request).await.unwrap().into_inner().events;
        events.into_iter().map(|event| event.kind).collect()
    }

    async fn reply(&mut self, ticket: &str, solve: bool) -> pb::Message {
        let request = pb::ReplyRequest {
            seller_id: self.seller.clone(),
            request_id: format!("reply-{}", kit::Clock::System.new_uuid().simple()),
            ticket_id: ticket.into(),
            text: "Arriva domani.".into(),
            solve,
            ..Default::default()
        };
        self.client.reply(request).await.expect("an answer").into_inner().message.unwrap()
    }

    async fn merge(&mut self, from: &str, into: &str) -> Result<pb::MergeTicketResponse, tonic::Status> {
        let request = pb::MergeTicketRequest {
            seller_id: self.seller.clone(),
            ticket_id: from.into(),
            target_ticket_id: into.into(),
            ..Default::default()
        };
        Ok(self.client.merge_ticket(request).await?.into_inner())
    }
}

const RELAY: &str = "Return-Path: <x@bounces.amazon.de>\r\n";

#[tokio::test]
async fn a_marketplaces_mail_brings_its_country_order_and_kind() {
    let mut shop = shop("Relays").await;
    let question = mail("a1", "Jo <one@marketplace.amazon.de>", RELAY, "Wo ist Bestellung 028-1111111-2222222?");
    let (message, ticket) = shop.taken(question).await;
    assert_eq!((message.marketplace.as_str(), message.country.as_str()), ("amazon", "DE"));
    assert_eq!((message.kind(), message.origin()), (pb::MessageKind::Question, pb::MessageOrigin::Verified));
    assert_eq!((ticket.marketplace.as_str(), ticket.country.as_str()), ("amazon", "DE"));
    assert_eq!((ticket.order_id.as_str(), ticket.kind()), ("028-1111111-2222222", pb::MessageKind::Question));
    assert!(ticket.due_at.is_some(), "the marketplace's clock runs");

    // A claim about the same order comes from the marketplace itself, to the same ticket, and weighs more.
    let headers =
        format!("{RELAY}X-Space-Notification-Type: A_Z_CLAIM_RESPONDENT_NOTIFY\r\nAuto-Submitted: auto-generated\r\n");
    let claim = mail("a2", "atoz-guarantee-no-reply@amazon.de", &headers, "Bestellung 028-1111111-2222222");
    let (message, claimed) = shop.taken(claim).await;
    assert_eq!((claimed.id.as_str(), claimed.kind()), (ticket.id.as_str(), pb::MessageKind::Claim));
    assert!(!message.automatic, "a claim is work");

    // Who only says so does not reach another's ticket by the order's number.
    let spoofed =
        mail("a3", "Eve <two@marketplace.amazon.de>", "Return-Path: <eve@evil.example>\r\n", "028-1111111-2222222");
    let (message, other) = shop.taken(spoofed).await;
    assert_eq!(message.origin(), pb::MessageOrigin::Unverified);
    assert_ne!(other.id, ticket.id);
    let lookalike = mail("a4", "Eve <x@marketplace.amazon.de.evil.example>", RELAY, "028-1111111-2222222");
    let (message, other) = shop.taken(lookalike).await;
    assert_eq!((message.marketplace.as_str(), message.kind()), ("", pb::MessageKind::Unspecified));
    assert_ne!(other.id, ticket.id);

    // News about orders are kept and ask for nothing.
    let notice =
        mail("a5", "auto-confirm@amazon.de", &format!("{RELAY}Subject: Jetzt versenden\r\n"), "028-3333333-4444444");
    let (message, ticket) = shop.taken(notice).await;
    assert_eq!((message.automatic_reason.as_str(), ticket.due_at), ("order_notice", None));
}

#[tokio::test]
async fn a_machines_mail_opens_nothing_again_and_a_report_marks_the_answer() {
    let mut shop = shop("Machines").await;
    let (_, ticket) = shop.taken(mail("b1", "anna@example.it", "", "Dov'è il mio pacco?")).await;
    let ours = shop.reply(&ticket.id, true).await;
    let away = format!("In-Reply-To: <{}>\r\nAuto-Submitted: auto-replied\r\n", ours.external_id);
    let (message, after) = shop.taken(mail("b2", "anna@example.it", &away, "Sono in vacanza.")).await;
    assert_eq!((after.id.as_str(), after.state()), (ticket.id.as_str(), pb::TicketState::Solved));
    assert!(message.automatic && message.answered_by_people_only);
    assert_eq!(message.automatic_reason, "auto_reply");

    let report = |id: &str, original: &str| {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nTo: help@masque.example\r\nReturn-Path: <>\r\nMessage-ID: <{id}@mx.example>\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\n\r\nSorry.\r\n\
             --r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nAction: failed\r\n\
             Status: 5.1.1\r\n--r\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{original}>\r\n\r\nx\r\n--r--\r\n"
        )
    };
    let (bounce, after) = shop.taken(report("b3", &ours.external_id)).await;
    assert_eq!((after.id.as_str(), after.state()), (ticket.id.as_str(), pb::TicketState::Solved));
    assert_eq!(bounce.automatic_reason, "report");
    let marked = shop.messages(&ticket.id).await.into_iter().find(|m| m.id == ours.id).unwrap();
    assert_eq!((marked.delivery(), marked.delivery_status.as_str()), (pb::DeliveryState::Failed, "5.1.1"));
    assert!(shop.events(&ticket.id).await.contains(&"undelivered".to_owned()));

    // A report about nothing of ours is no ticket either.
    let before = shop.client.list_tickets(pb::ListTicketsRequest::default()).await.unwrap().into_inner().tickets.len();
    assert_eq!(shop.aside(report("b4", "theirs@elsewhere.example")).await.reason, "report_of_nothing");
    let after = shop.client.list_tickets(pb::ListTicketsRequest::default()).await.unwrap().into_inner().tickets.len();
    assert_eq!(before, after);
}

fn with_file(id: &str, to: &str, name: &str, base64: &str) -> String {
    format!(
        "From: anna@example.it\r\nTo: {to}\r\nMessage-ID: <{id}@sender.example>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nEcco la foto.\r\n--b\r\n\
         Content-Type: application/pdf; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment\r\n\r\n{base64}\r\n--b--\r\n"
    )
}

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ";

#[tokio::test]
async fn files_are_stored_once_in_a_seller_and_handed_out_to_who_may_read_the_ticket() {
    let mut shop = shop("Files").await;
    let (_, ticket) = shop.taken(with_file("c1", "help@masque.example", "../a.pdf", PNG)).await;
    let (message, again) = shop.taken(with_file("c2", "help@masque.example", "b.pdf", PNG)).await;
    let list =
        |ticket: &str| pb::ListAttachmentsRequest { ticket_id: ticket.into(), page_size: 1, ..Default::default() };
    let first = shop.client.list_attachments(list(&ticket.id)).await.unwrap().into_inner().attachments;
    let second = shop.client.list_attachments(list(&again.id)).await.unwrap().into_inner().attachments;
    assert_eq!((first.len(), second.len()), (1, 1));
    let file = &second[0];
    assert_eq!((first[0].name.as_str(), file.name.as_str(), &file.message_id), ("a.pdf", "b.pdf", &message.id));
    assert_eq!((file.declared_type.as_str(), file.detected_type.as_str()), ("application/pdf", "image/png"));
    assert_eq!((&first[0].sha256, first[0].size), (&file.sha256, file.size), "one file");

    let download = pb::DownloadAttachmentRequest { attachment_id: file.id.clone(), ..Default::default() };
    let pieces = shop.client.download_attachment(download.clone()).await.unwrap().into_inner();
    let bytes = pieces.map(|piece| piece.unwrap().data.to_vec()).collect::<Vec<_>>().await.concat();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() as i64 == file.size);

    // An agent of another seller hears what she would hear of nothing, whatever her seller stored.
    let other = shop.tenant.seller("other").await;
    let mut stranger: Person = shop.tenant.agent("Vera", "it", &[&other]).await;
    let mut hers = TicketsServiceClient::new(stranger.session.transport().await.unwrap());
    let foreign = hers.download_attachment(download).await.unwrap_err();
    let absent = pb::DownloadAttachmentRequest {
        attachment_id: "attachment_00000000000000000000000001".into(),
        ..Default::default()
    };
    let absent = hers.download_attachment(absent).await.unwrap_err();
    assert_eq!(
        (foreign.code(), foreign.message(), foreign.details()),
        (Code::NotFound, absent.message(), absent.details())
    );
    assert_eq!(hers.list_attachments(list(&ticket.id)).await.unwrap_err().code(), Code::NotFound);
    let mut mine = shop.tenant.agent("Giulia", "it", &[&shop.seller]).await;
    let mut mine = TicketsServiceClient::new(mine.session.transport().await.unwrap());
    assert_eq!(mine.list_attachments(list(&ticket.id)).await.unwrap().into_inner().attachments.len(), 1);

    // The seller's export has the file once, with its bytes.
    let export = pb::ExportSellerRowsRequest { seller_id: shop.seller.clone(), counts_only: true };
    let rows = shop.client.export_seller_rows(export).await.unwrap().into_inner();
    let counts: Vec<(String, i64)> = rows.map(|row| row.map(|row| (row.table, row.rows)).unwrap()).collect().await;
    for (table, rows) in [("tickets.file", 1), ("tickets.file_part", 1), ("tickets.attachment", 2)] {
        assert!(counts.contains(&(table.into(), rows)), "{table}: {counts:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_in_is_kept_listed_replayed_and_discarded() {
    let mut shop = shop("Quarantine").await;
    let noise: Vec<u8> = vec![0, 255, 13, 10];
    let first = shop.aside(noise.clone()).await;
    assert_eq!((first.reason.as_str(), first.state(), first.size), ("unreadable", pb::QuarantineState::Waiting, 4));
    assert_eq!(shop.aside(noise.clone()).await.id, first.id, "the same bytes are one entry");
    assert_eq!(shop.download(&first.id).await, noise);
    let large =
        [mail("d1", "anna@example.it", "Subject: big\r\n", "").into_bytes(), vec![b'x'; 12 * 1024 * 1024]].concat();
    let big = shop.aside(large.clone()).await;
    assert_eq!(
        (big.reason.as_str(), big.sender.as_str(), big.subject.as_str()),
        ("too_large", "anna@example.it", "big")
    );
    assert_eq!(shop.download(&big.id).await.len(), large.len(), "never lost");
    let program = shop.aside(with_file("d2", "help@masque.example", "x.pdf", "f0VMRgIBAQ==")).await;
    assert_eq!(program.reason, "dangerous_file");
    let astray = shop.aside(mail("d3", "anna@example.it", "", "Ciao").replace("To: help@", "To: nobody@")).await;
    assert_eq!(astray.reason, "unknown_mailbox");
    let waiting: Vec<String> = shop.quarantined().await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(waiting, [&astray, &program, &big, &first].map(|entry| entry.id.clone()), "received last first");

    // Nothing was mended yet.
    let still = shop.replay(&astray.id, |_| {}).await.unwrap_err();
    assert_eq!((still.code(), reason(&still).as_str()), (Code::FailedPrecondition, "STILL_QUARANTINED"));
    let account = shop.tenant.account(&shop.seller, "email", "nobody@masque.example").await;
    let mended = shop.replay(&astray.id, |request| request.channel_account_id = account.clone()).await.unwrap();
    let message = mended.message.unwrap();
    assert_eq!((message.text.as_str(), mended.duplicate), ("Ciao", false));
    let entry = mended.mail.unwrap();
    assert_eq!((entry.state(), entry.message_id.as_str()), (pb::QuarantineState::Replayed, message.id.as_str()));
    assert!(entry.decided_by_user_id.starts_with("user_"));
    let again = shop.replay(&astray.id, |_| {}).await.unwrap();
    assert_eq!((again.duplicate, again.message.unwrap().id), (true, message.id), "once");
    let decided = shop.discard(&astray.id).await.unwrap_err();
    assert_eq!(reason(&decided), "ALREADY_DECIDED");

    // The text without the file that runs.
    assert_eq!(reason(&shop.replay(&program.id, |_| {}).await.unwrap_err()), "STILL_QUARANTINED");
    let bare = shop.replay(&program.id, |request| request.without_files = true).await.unwrap();
    assert_eq!(bare.message.unwrap().text, "Ecco la foto.");
    let files = pb::ListAttachmentsRequest { ticket_id: bare.ticket.unwrap().id, ..Default::default() };
    assert!(shop.client.list_attachments(files).await.unwrap().into_inner().attachments.is_empty());

    assert_eq!(shop.discard(&first.id).await.unwrap().state(), pb::QuarantineState::Discarded);
    assert_eq!(shop.discard(&first.id).await.unwrap().state(), pb::QuarantineState::Discarded, "twice is once");
    assert_eq!(reason(&shop.replay(&first.id, |_| {}).await.unwrap_err()), "ALREADY_DECIDED");
    assert!(shop.download(&first.id).await.is_empty());
    assert_eq!(shop.aside(noise).await.state(), pb::QuarantineState::Discarded);

    // No business of agents.
    let mut agent = shop.tenant.person("Ada", Role::Agent, &[&shop.seller]).await;
    let mut agent = TicketsServiceClient::new(agent.session.transport().await.unwrap());
    let refused = agent.list_quarantined_mails(pb::ListQuarantinedMailsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // Larger than a message may be: said so, at once. The mail stays with whoever delivers it.
    let huge = pb::ReceiveEmailRequest {
        seller_id: shop.seller.clone(),
        raw: vec![b'x'; 60 * 1024 * 1024].into(),
        ..Default::default()
    };
    let refused = shop.client.receive_email(huge).await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused:?}");
}

#[tokio::test]
async fn what_is_written_to_a_merged_ticket_reaches_the_end_of_the_chain() {
    let mut shop = shop("Merges").await;
    let mut tickets = Vec::new();
    for n in 1..=3 {
        let (_, ticket) =
            shop.taken(mail(&format!("e{n}"), &format!("c{n}@example.it"), "", "Dov'è il mio pacco?")).await;
        tickets.push(ticket);
    }
    let [a, b, c] = [0, 1, 2].map(|n: usize| tickets[n].id.clone());
    shop.reply(&b, true).await;
    let merged = shop.merge(&a, &b).await.unwrap();
    let (source, target) = (merged.ticket.unwrap(), merged.target.unwrap());
    assert_eq!(
        (source.state(), source.merged_into_ticket_id.as_str(), source.due_at),
        (pb::TicketState::Closed, b.as_str(), None)
    );
    assert_eq!(target.state(), pb::TicketState::Open, "a customer waits there now");
    assert_eq!(shop.messages(&a).await.len(), 1, "messages stay where they were");
    assert_eq!(shop.events(&a).await, ["customer_wrote", "merged"]);
    assert_eq!(shop.events(&b).await.last().map(String::as_str), Some("joined"));
    // The chain goes on, and cannot become a circle.
    let named = shop.merge(&b, &c).await.unwrap();
    assert_eq!(named.target.unwrap().id, c);
    for (from, into) in [(&c, &a), (&c, &b), (&c, &c)] {
        let circle = shop.merge(from, into).await.unwrap_err();
        assert_eq!(reason(&circle), "MERGE_INTO_ITSELF");
    }
    let closed = shop.merge(&a, &c).await.unwrap_err();
    assert_eq!(reason(&closed), "TICKET_CLOSED");
    let (message, ticket) =
        shop.taken(mail("e4", "c1@example.it", "In-Reply-To: <e1@sender.example>\r\n", "E allora?")).await;
    assert_eq!(ticket.id, c);
    assert!(
        message.decisions.iter().any(|d| d.outcome == "merged" && d.detail == tickets[0].number),
        "{:?}",
        message.decisions
    );
    let (_, ticket) =
        shop.taken(mail("e5", "c2@example.it", &format!("Subject: Re: {}\r\n", tickets[1].number), "E?")).await;
    assert_eq!(ticket.id, c);
    let explain = pb::ExplainSlaRequest { ticket_id: a.clone(), ..Default::default() };
    let clocks = shop.client.explain_sla(explain).await.unwrap().into_inner().clocks;
    assert!(
        clocks.iter().all(|clock| clock.state() == pb::ClockState::Stopped && clock.verdict() != pb::Verdict::Kept)
    );

    // A circle that somebody made past every rule leads somewhere and not round.
    let mut conn = <sqlx::PgConnection as sqlx::Connection>::connect(&desk().await.database).await.unwrap();
    let uuid = |id: &str| kit::ids::decode("ticket", id).unwrap();
    sqlx::query("update tickets.ticket set merged_into_id = $1, state = 'closed' where ticket_id = $2")
        .bind(uuid(&a))
        .bind(uuid(&c))
        .execute(&mut conn)
        .await
        .unwrap();
    let (_, ticket) = shop.taken(mail("e6", "c1@example.it", "In-Reply-To: <e1@sender.example>\r\n", "Pronto?")).await;
    assert!(![&a, &b, &c].contains(&&ticket.id) && ticket.state() == pb::TicketState::New, "a ticket of its own");
}

#[tokio::test]
async fn a_message_gets_a_ticket_of_its_own_once() {
    let mut shop = shop("Splits").await;
    let (message, ticket) = shop
        .taken(mail("f1", "anna@example.it", "Subject: due cose\r\n", "Dov'è il pacco? E vorrei la fattura."))
        .await;
    let split = |id: &str| pb::SplitMessageRequest {
        seller_id: shop.seller.clone(),
        message_id: id.into(),
        ..Default::default()
    };
    let (once, twice) = (split(&message.id), split(&message.id));
    let first = shop.client.split_message(once).await.unwrap().into_inner();
    let second = shop.client.split_message(twice).await.unwrap().into_inner();
    let (copy, own) = (first.message.unwrap(), first.ticket.unwrap());
    assert_eq!(second.ticket.unwrap().id, own.id);
    assert_ne!(own.id, ticket.id);
    assert_eq!((copy.text.as_str(), own.customer_id.as_str()), (message.text.as_str(), ticket.customer_id.as_str()));
    assert_eq!(own.created_at, message.occurred_at, "the customer has waited since");
    assert_eq!(shop.events(&ticket.id).await, ["customer_wrote", "split"]);
    assert_eq!(shop.messages(&ticket.id).await.len(), 1);
    // Answers to the mail go where the mail is, answers to ours where ours is.
    let (_, after) = shop.taken(mail("f2", "anna@example.it", "In-Reply-To: <f1@sender.example>\r\n", "Grazie")).await;
    assert_eq!(after.id, ticket.id);
    let ours = shop.reply(&own.id, false).await;
    let note = split_request(&shop.seller, &ours.id);
    assert_eq!(reason(&shop.client.split_message(note).await.unwrap_err()), "NOT_TO_BE_SPLIT");
    let (_, after) =
        shop.taken(mail("f3", "anna@example.it", &format!("In-Reply-To: <{}>\r\n", ours.external_id), "Ok")).await;
    assert_eq!(after.id, own.id);
    assert_eq!(shop.ticket(&own.id).await.message_count, 3);
}

fn split_request(seller: &str, message: &str) -> pb::SplitMessageRequest {
    pb::SplitMessageRequest { seller_id: seller.into(), message_id: message.into(), ..Default::default() }
}
