//! Mail that really leaves: through a queue, by servers that the tests start.

use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::mail_connections_service_client::MailConnectionsServiceClient;
use proto::tickets::v1::outgoing_mails_service_client::OutgoingMailsServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::fleet::Fleet;
use tests::{Desk, Tenant, desk, eventually, reason};
use tonic::Code;

use crate::support::dovecot::Dovecot;
use crate::support::mail::{PASSWORD, SmtpServer};
use crate::support::process::executable;

type Transport = manydesk::cli::Transport;

struct Shop {
    tenant: Tenant,
    seller: String,
    account: String,
    tickets: TicketsServiceClient<Transport>,
    outgoing: OutgoingMailsServiceClient<Transport>,
    connections: MailConnectionsServiceClient<Transport>,
}

async fn shop(desk: &'static Desk, name: &str) -> Shop {
    let mut tenant = desk.provider(name).await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "email", "help@masque.example").await;
    let transport = tenant.admin.transport().await.expect("a token");
    Shop {
        tenant,
        seller,
        account,
        tickets: TicketsServiceClient::new(transport.clone()),
        outgoing: OutgoingMailsServiceClient::new(transport.clone()),
        connections: MailConnectionsServiceClient::new(transport),
    }
}

fn server(port: u16, security: pb::MailSecurity) -> pb::MailServer {
    pb::MailServer {
        host: "localhost".into(),
        port: port.into(),
        security: security.into(),
        user: "help".into(),
        password: PASSWORD.into(),
        has_password: false,
        sign_in: pb::MailSignIn::Password.into(),
    }
}

fn sending_by(port: u16) -> pb::MailConnection {
    pb::MailConnection {
        smtp: Some(server(port, pb::MailSecurity::None)),
        from_name: "Masque Noir".into(),
        reply_to_ticket: true,
        ..Default::default()
    }
}

impl Shop {
    async fn connect(&mut self, connection: pb::MailConnection) -> Result<pb::MailConnection, tonic::Status> {
        let request = pb::PutMailConnectionRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            connection: Some(connection),
            ..Default::default()
        };
        Ok(self.connections.put_mail_connection(request).await?.into_inner().connection.expect("a connection"))
    }

    async fn check(&mut self) -> pb::CheckMailConnectionResponse {
        let request = pb::CheckMailConnectionRequest { channel_account_id: self.account.clone(), ..Default::default() };
        self.connections.check_mail_connection(request).await.expect("an answer").into_inner()
    }

    /// A ticket that somebody began by mail.
    async fn written_by(&mut self, address: &str) -> pb::Ticket {
        let id = kit::Clock::System.new_uuid().simple().to_string();
        let raw = format!(
            "From: Anna Müller <{address}>\r\nTo: help@masque.example\r\nMessage-ID: <{id}@customer.example>\r\n\
             Subject: =?utf-8?q?Wo_ist_mein_P=C3=A4ckchen=3F?=\r\n\r\nHallo, wo ist es?\r\n"
        );
        self.receive(raw).await.ticket.expect("a ticket")
    }

    async fn receive(&mut self, raw: String) -> pb::ReceiveEmailResponse {
        let request = pb::ReceiveEmailRequest {
            seller_id: self.seller.clone(),
            raw: raw.into_bytes().into(),
            channel_account_id: self.account.clone(),
            ..Default::default()
        };
        self.tickets.receive_email(request).await.expect("a mail is taken").into_inner()
    }

    async fn reply(&mut self, ticket: &str, request_id: &str) -> pb::Message {
        let request = pb::ReplyRequest {
            seller_id: self.seller.clone(),
            request_id: request_id.into(),
            ticket_id: ticket.into(),
            text: "Es kommt morgen.\n.\nIhr Team".into(),
            ..Default::default()
        };
        self.tickets.reply(request).await.expect("an answer").into_inner().message.expect("a message")
    }

    async fn mail(&mut self, message: &str) -> pb::OutgoingMail {
        let request = pb::GetOutgoingMailRequest { message_id: message.into(), ..Default::default() };
        self.outgoing.get_outgoing_mail(request).await.expect("a mail").into_inner().mail.expect("a mail")
    }

    async fn until(&self, message: &str, state: pb::OutgoingMailState) -> pb::OutgoingMail {
        eventually(&format!("the mail to be {state:?}"), || {
            let (mut outgoing, message) = (self.outgoing.clone(), message.to_owned());
            async move {
                let request = pb::GetOutgoingMailRequest { message_id: message, ..Default::default() };
                let mail = outgoing.get_outgoing_mail(request).await.ok()?.into_inner().mail?;
                (mail.state() == state).then_some(mail)
            }
        })
        .await
    }

    /// The tickets with this subject, once there is one.
    async fn begun(&self, subject: &str) -> Vec<pb::Ticket> {
        eventually(&format!("a ticket about {subject}"), || {
            let (mut tickets, subject) = (self.tickets.clone(), subject.to_owned());
            async move {
                let request = pb::ListTicketsRequest { page_size: 200, ..Default::default() };
                let mut found = tickets.list_tickets(request).await.ok()?.into_inner().tickets;
                found.retain(|ticket| ticket.subject == subject);
                (!found.is_empty()).then_some(found)
            }
        })
        .await
    }

    /// Waits until so many mails were fetched.
    async fn fetched(&self, mails: i64) -> pb::MailPull {
        eventually(&format!("{mails} mails to be fetched"), || {
            let (mut connections, account) = (self.connections.clone(), self.account.clone());
            async move {
                let request = pb::GetMailConnectionRequest { channel_account_id: account, ..Default::default() };
                let pull = connections.get_mail_connection(request).await.ok()?.into_inner().connection?.pull?;
                (mails <= pull.taken && pull.looked_at.is_some()).then_some(pull)
            }
        })
        .await
    }

    async fn retry(&mut self, message: &str) -> Result<pb::OutgoingMail, tonic::Status> {
        let request = pb::RetryOutgoingMailRequest {
            seller_id: self.seller.clone(),
            message_id: message.into(),
            ..Default::default()
        };
        Ok(self.outgoing.retry_outgoing_mail(request).await?.into_inner().mail.expect("a mail"))
    }

    async fn discard(&mut self, message: &str) -> Result<pb::OutgoingMail, tonic::Status> {
        let request = pb::DiscardOutgoingMailRequest {
            seller_id: self.seller.clone(),
            message_id: message.into(),
            ..Default::default()
        };
        Ok(self.outgoing.discard_outgoing_mail(request).await?.into_inner().mail.expect("a mail"))
    }

    async fn listed(&mut self, state: pb::OutgoingMailState) -> Vec<String> {
        let mut request = pb::ListOutgoingMailsRequest { page_size: 1, state: state.into(), ..Default::default() };
        let mut found = Vec::new();
        loop {
            let page = self.outgoing.list_outgoing_mails(request.clone()).await.expect("a page").into_inner();
            found.extend(page.mails.into_iter().map(|mail| mail.message_id));
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn events(&mut self, ticket: &str) -> Vec<String> {
        let request = pb::ListTicketEventsRequest { ticket_id: ticket.into(), ..Default::default() };
        let events = self.tickets.list_ticket_events(request).await.expect("a history").into_inner().events;
        events.into_iter().map(|event| event.kind).collect()
    }
}

#[tokio::test]
async fn an_answer_leaves_once_with_the_headers_that_lead_back() {
    let Some(smtp) = SmtpServer::start("an answer by mail") else { return };
    let mut shop = shop(desk().await, "Leaves").await;
    shop.connect(sending_by(smtp.port)).await.expect("a connection");
    let ticket = shop.written_by("anna@customer.example").await;
    let message = shop.reply(&ticket.id, "once").await;
    assert_eq!(shop.reply(&ticket.id, "once").await.id, message.id, "the same request is the same answer");
    let sent = shop.until(&message.id, pb::OutgoingMailState::Sent).await;
    assert!(sent.server_reply.starts_with("250"), "{sent:?}");
    assert_eq!((sent.attempts, sent.may_be_twice, sent.reason.as_str()), (1, false, ""));
    assert_eq!((sent.recipient.as_str(), &sent.internet_message_id), ("anna@customer.example", &message.external_id));

    let mails = smtp.taken("anna@customer.example");
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!((mail.from.as_str(), mail.user.as_deref()), ("help@masque.example", Some("help")));
    let header = |name: &str| mail.header(name).unwrap_or_default();
    assert!(header("From").contains("Masque Noir") && header("From").ends_with("<help@masque.example>"));
    assert!(header("To").ends_with("<anna@customer.example>"), "{}", header("To"));
    assert_eq!(header("Message-ID"), format!("<{}>", message.external_id));
    assert_eq!(header("In-Reply-To"), header("References"));
    assert!(header("In-Reply-To").ends_with("@customer.example>"));
    assert!(
        header("Reply-To").ends_with(&format!("<help+{}@masque.example>", ticket.number)),
        "{}",
        header("Reply-To")
    );
    assert_eq!(mail.header("Auto-Submitted"), None);
    assert!(mail.raw.contains("Es kommt morgen.\r\n.\r\nIhr Team"), "{}", mail.raw);

    // What the customer answers finds its ticket by each of them alone.
    for (place, headers) in [
        format!("In-Reply-To: <{}>\r\nTo: help@masque.example\r\n", message.external_id),
        format!("To: help+{}@masque.example\r\n", ticket.number),
        format!("To: help@masque.example\r\nSubject: {}\r\n", header("Subject")),
    ]
    .iter()
    .enumerate()
    {
        let raw = format!("From: anna@customer.example\r\nMessage-ID: <back-{place}@x>\r\n{headers}\r\nDanke!\r\n");
        let answer = shop.receive(raw).await;
        assert_eq!(answer.ticket.map(|found| found.id).as_ref(), Some(&ticket.id), "{headers}");
    }
    // The next answer names all of them.
    let second = shop.reply(&ticket.id, "twice").await;
    shop.until(&second.id, pb::OutgoingMailState::Sent).await;
    let mails = smtp.taken("anna@customer.example");
    let references = mails[1].header("References").unwrap_or_default();
    assert_eq!(references.split_whitespace().count(), 5, "{references}");
    assert!(references.contains(&message.external_id) && references.ends_with("<back-2@x>"), "{references}");

    // A mail that comes back marks it.
    let bounce = format!(
        "From: MAILER-DAEMON@mx.customer.example\r\nTo: help@masque.example\r\nMessage-ID: <dsn-1@mx>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{}>\r\n--b--\r\n",
        second.external_id
    );
    shop.receive(bounce).await;
    let bounced = shop.mail(&second.id).await;
    assert_eq!(
        (bounced.state(), bounced.delivery(), bounced.delivery_status.as_str()),
        (pb::OutgoingMailState::Bounced, pb::DeliveryState::Failed, "5.1.1")
    );
    assert_eq!(shop.mail(&message.id).await.state(), pb::OutgoingMailState::Sent);
}

#[tokio::test]
async fn what_fails_for_a_while_is_tried_again_and_what_is_refused_is_given_up() {
    let Some(smtp) = SmtpServer::start("mails that fail") else { return };
    let mut shop = shop(desk().await, "Fails").await;
    shop.connect(sending_by(smtp.port)).await.expect("a connection");

    let busy = shop.written_by("busy2@customer.example").await;
    let busy = shop.reply(&busy.id, "busy").await;
    let mail = shop.until(&busy.id, pb::OutgoingMailState::Sent).await;
    assert_eq!((mail.attempts, mail.may_be_twice), (3, false));
    assert_eq!(smtp.taken("busy2@customer.example").len(), 1);

    // The connection breaks after the mail had left: it goes out again under the same Message-ID, and says so.
    let lost = shop.written_by("lost@customer.example").await;
    let lost = shop.reply(&lost.id, "lost").await;
    let mail = shop.until(&lost.id, pb::OutgoingMailState::Sent).await;
    assert_eq!((mail.attempts, mail.may_be_twice), (2, true));
    let mails = smtp.taken("lost@customer.example");
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].raw, mails[1].raw, "byte for byte the same");

    let gone = shop.written_by("gone@customer.example").await;
    let ticket = gone.id.clone();
    let gone = shop.reply(&ticket, "gone").await;
    let mail = shop.until(&gone.id, pb::OutgoingMailState::Failed).await;
    assert_eq!((mail.attempts, mail.reason.as_str()), (1, "rejected"));
    assert!(mail.server_reply.contains("550") && mail.server_reply.contains("nobody of that name"), "{mail:?}");
    assert!(mail.ended_at.is_some() && mail.next_attempt_at.is_none());
    assert!(shop.events(&ticket).await.contains(&"undelivered".to_owned()));
    assert_eq!(shop.listed(pb::OutgoingMailState::Failed).await, std::slice::from_ref(&gone.id));

    let endless = shop.written_by("busy99@customer.example").await;
    let endless = shop.reply(&endless.id, "endless").await;
    let mail = shop.until(&endless.id, pb::OutgoingMailState::Failed).await;
    assert_eq!((mail.attempts, mail.reason.as_str()), (4, "later"));

    // Somebody looks after what was given up.
    assert_eq!(shop.listed(pb::OutgoingMailState::Failed).await, [endless.id.clone(), gone.id.clone()]);
    let again = shop.retry(&endless.id).await.expect("queued again");
    assert_eq!((again.state(), again.attempts), (pb::OutgoingMailState::Queued, 0));
    shop.until(&endless.id, pb::OutgoingMailState::Failed).await;
    let discarded = shop.discard(&gone.id).await.expect("given up");
    assert_eq!(discarded.state(), pb::OutgoingMailState::Discarded);
    assert!(discarded.decided_by_user_id.starts_with("user_"));
    assert_eq!(shop.discard(&gone.id).await.expect("a second time").ended_at, discarded.ended_at);
    for refused in [shop.retry(&busy.id).await, shop.discard(&busy.id).await] {
        let status = refused.expect_err("it was sent");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "OUTGOING_MAIL_STATE"));
    }
    let mut agent = shop.tenant.person("Agent", Role::Agent, &[&shop.seller]).await;
    let mut hers = OutgoingMailsServiceClient::new(agent.session.transport().await.expect("a token"));
    let request = pb::DiscardOutgoingMailRequest {
        seller_id: shop.seller.clone(),
        message_id: endless.id.clone(),
        ..Default::default()
    };
    assert_eq!(hers.discard_outgoing_mail(request).await.expect_err("hers is to see").code(), Code::PermissionDenied);
    let request = pb::ListOutgoingMailsRequest { page_size: 10, ..Default::default() };
    assert_eq!(hers.list_outgoing_mails(request).await.expect("she sees").into_inner().mails.len(), 4);
}

#[tokio::test]
async fn without_a_server_nothing_is_sent_and_later_it_may_be() {
    let Some(smtp) = SmtpServer::start("mails without a server") else { return };
    let mut shop = shop(desk().await, "Unsent").await;
    let ticket = shop.written_by("bea@customer.example").await;
    let message = shop.reply(&ticket.id, "unsent").await;
    let mail = shop.mail(&message.id).await;
    assert_eq!((mail.state(), mail.reason.as_str()), (pb::OutgoingMailState::NotSent, "no_connection"));
    let status = shop.retry(&message.id).await.expect_err("nothing has changed");
    assert_eq!(reason(&status), "MAIL_NOT_SENDABLE");
    shop.connect(sending_by(smtp.port)).await.expect("a connection");
    shop.retry(&message.id).await.expect("queued");
    shop.until(&message.id, pb::OutgoingMailState::Sent).await;
    assert_eq!(smtp.taken("bea@customer.example").len(), 1);

    // What comes from the past stays there.
    let at = |second| Some(prost_types::Timestamp { seconds: second, nanos: 0 });
    let imported = |id: &str, direction: pb::Direction, second| pb::ImportedMessage {
        direction: direction.into(),
        external_id: id.into(),
        external_thread_id: "past".into(),
        author: Some(pb::Author { address: "old@customer.example".into(), name: String::new() }),
        text: "Hallo".into(),
        occurred_at: at(second),
        ..Default::default()
    };
    let request = pb::ImportMessagesRequest {
        seller_id: shop.seller.clone(),
        request_id: "past".into(),
        import_key: "past".into(),
        channel_account_id: shop.account.clone(),
        messages: vec![
            imported("p1", pb::Direction::Inbound, 1_600_000_000),
            imported("p2", pb::Direction::Outbound, 1_600_003_600),
        ],
    };
    shop.tickets.import_messages(request).await.expect("imported");
    let list = pb::ListTicketsRequest { page_size: 10, ..Default::default() };
    let tickets = shop.tickets.list_tickets(list).await.expect("tickets").into_inner().tickets;
    let past = tickets.iter().find(|ticket| ticket.historical).expect("the imported ticket");
    let request = pb::ListMessagesRequest { ticket_id: past.id.clone(), ..Default::default() };
    let messages = shop.tickets.list_messages(request).await.expect("messages").into_inner().messages;
    let answer = messages.iter().find(|message| message.direction() == pb::Direction::Outbound).expect("the answer");
    let mail = shop.mail(&answer.id).await;
    assert_eq!((mail.state(), mail.reason.as_str()), (pb::OutgoingMailState::NotSent, "imported"));
    let question = messages.iter().find(|message| message.direction() == pb::Direction::Inbound).expect("a question");
    let request = pb::GetOutgoingMailRequest { message_id: question.id.clone(), ..Default::default() };
    assert_eq!(shop.outgoing.get_outgoing_mail(request).await.expect_err("no answer").code(), Code::NotFound);
    assert!(smtp.taken("old@customer.example").is_empty());
}

#[tokio::test]
async fn passwords_are_never_told_and_stay_with_their_server() {
    let Some(smtp) = SmtpServer::start("mail connections") else { return };
    let mut shop = shop(desk().await, "Connections").await;
    let status = shop.connect(pb::MailConnection { smtp: Some(pb::MailServer::default()), ..Default::default() }).await;
    assert_eq!(status.expect_err("nothing is given").code(), Code::InvalidArgument);

    let kept = shop.connect(sending_by(smtp.port)).await.expect("a connection");
    let told = kept.smtp.clone().expect("a server");
    assert_eq!((told.password.as_str(), told.has_password), ("", true));
    assert!(shop.check().await.smtp.expect("tried").works);
    let mut rows = sqlx_rows(&shop.tenant.desk.database).await;
    let sealed: Vec<u8> = sqlx::query_scalar("select sealed from tickets.mail_secret where channel_account_id = $1")
        .bind(kit::ids::decode("chan", &shop.account).expect("an id"))
        .fetch_one(&mut rows)
        .await
        .expect("a sealed password");
    assert!(!sealed.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()));

    // Left out it stays, as long as it goes where it went.
    let mut renamed = kept.clone();
    renamed.from_name = "Noir".into();
    let kept = shop.connect(renamed).await.expect("renamed");
    assert!(kept.smtp.as_ref().is_some_and(|server| server.has_password) && shop.check().await.smtp.unwrap().works);
    let stale = pb::MailConnection { etag: told_etag(1), ..kept.clone() };
    assert_eq!(shop.connect(stale).await.expect_err("somebody was faster").code(), Code::Aborted);
    let mut moved = kept.clone();
    moved.smtp.as_mut().expect("a server").host = "127.0.0.1".into();
    let moved = shop.connect(moved).await.expect("moved");
    assert!(!moved.smtp.as_ref().expect("a server").has_password, "nobody sends a stored password elsewhere");

    // What is wrong is told.
    let mut wrong = sending_by(smtp.port);
    wrong.smtp.as_mut().expect("a server").password = "wrong".into();
    shop.connect(wrong).await.expect("kept");
    let check = shop.check().await.smtp.expect("tried");
    assert_eq!((check.works, check.reason.as_str()), (false, "sign_in"), "{check:?}");
    shop.connect(sending_by(tests::free_port())).await.expect("kept");
    assert_eq!(shop.check().await.smtp.expect("tried").reason, "unreachable");
    let plain =
        pb::MailServer { security: pb::MailSecurity::Starttls.into(), ..server(smtp.port, pb::MailSecurity::None) };
    shop.connect(pb::MailConnection { smtp: Some(plain), ..Default::default() }).await.expect("kept");
    assert_eq!(shop.check().await.smtp.expect("tried").reason, "tls", "never without where it was asked for");

    // Others do not see it, and it goes.
    let mut agent = shop.tenant.person("Agent", Role::Agent, &[&shop.seller]).await;
    let mut hers = MailConnectionsServiceClient::new(agent.session.transport().await.expect("a token"));
    let request = pb::GetMailConnectionRequest { channel_account_id: shop.account.clone(), ..Default::default() };
    assert_eq!(hers.get_mail_connection(request.clone()).await.expect_err("not hers").code(), Code::PermissionDenied);
    let list = pb::ListMailConnectionsRequest::default();
    let listed = shop.connections.list_mail_connections(list).await.expect("a list").into_inner().connections;
    assert_eq!(listed.len(), 1);
    let delete = pb::DeleteMailConnectionRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: shop.account.clone(),
        ..Default::default()
    };
    shop.connections.delete_mail_connection(delete).await.expect("gone");
    assert_eq!(shop.connections.get_mail_connection(request).await.expect_err("gone").code(), Code::NotFound);
}

fn told_etag(version: i64) -> String {
    kit::wire::etag(version)
}

async fn sqlx_rows(url: &str) -> sqlx::PgConnection {
    use sqlx::Connection;
    sqlx::PgConnection::connect(url).await.expect("the database answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_sends_no_answer_twice_that_had_not_left() {
    let Some(manydesk) = executable("answers across a crash") else { return };
    let Some(smtp) = SmtpServer::start("answers across a crash") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut shop = shop(fleet.desk, "Crash").await;
    shop.connect(sending_by(smtp.port)).await.expect("a connection");
    let stalled = shop.written_by("stall@customer.example").await;
    let stalled = shop.reply(&stalled.id, "stalled").await;
    let silent = shop.written_by("silent@customer.example").await;
    let silent = shop.reply(&silent.id, "silent").await;
    let plain = shop.written_by("plain@customer.example").await;
    let plain = shop.reply(&plain.id, "plain").await;
    shop.until(&plain.id, pb::OutgoingMailState::Sent).await;
    for message in [&stalled.id, &silent.id] {
        shop.until(message, pb::OutgoingMailState::Sending).await;
    }
    eventually("the server to hold the mail", || {
        let taken = smtp.taken("silent@customer.example").len();
        async move { (taken == 1).then_some(()) }
    })
    .await;
    fleet.kill_and_restart("tickets").await;

    let mail = shop.until(&stalled.id, pb::OutgoingMailState::Sent).await;
    assert_eq!((mail.attempts, mail.may_be_twice), (2, false));
    assert_eq!(smtp.taken("stall@customer.example").len(), 1);
    let mail = shop.until(&silent.id, pb::OutgoingMailState::Sent).await;
    assert_eq!((mail.attempts, mail.may_be_twice), (2, true), "what nobody can know is told");
    let mails = smtp.taken("silent@customer.example");
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].raw, mails[1].raw);
    assert_eq!(smtp.taken("plain@customer.example").len(), 1);

    // The passwords go over to a new master key.
    let file = fleet.folder().join("keys/master.key");
    let old = std::fs::read_to_string(&file).expect("the master key");
    let new = "5a".repeat(32);
    std::fs::write(&file, format!("{new}\n{old}\n")).expect("written");
    let told = fleet.run(&["reseal", "tickets"], &fleet.reseal_tickets_settings());
    assert!(told.starts_with("1 of 1 "), "{told}");
    std::fs::write(&file, &new).expect("written");
    fleet.kill_and_restart("tickets").await;
    eventually("the new key to open it", || {
        let (mut connections, account) = (shop.connections.clone(), shop.account.clone());
        async move {
            let request = pb::CheckMailConnectionRequest { channel_account_id: account, ..Default::default() };
            let check = connections.check_mail_connection(request).await.ok()?.into_inner().smtp?;
            check.works.then_some(())
        }
    })
    .await;
}

fn both(smtp: &SmtpServer, dovecot: &Dovecot) -> pb::MailConnection {
    let imap = pb::MailServer { user: "help@masque.example".into(), ..server(dovecot.imap, pb::MailSecurity::None) };
    pb::MailConnection { imap: Some(imap), ..sending_by(smtp.port) }
}

fn question(id: &str, subject: &str, headers: &str) -> String {
    format!(
        "From: Carla <carla@customer.example>\r\nTo: help@masque.example\r\nMessage-ID: <{id}@customer.example>\r\n\
         Subject: {subject}\r\n{headers}\r\nDove si trova?\r\n.\r\nCarla\r\n"
    )
}

#[tokio::test]
async fn a_conversation_goes_out_by_smtp_and_comes_in_by_imap() {
    let Some(smtp) = SmtpServer::start("a conversation by mail") else { return };
    let Some(dovecot) = Dovecot::start("a conversation by mail") else { return };
    let mut shop = shop(desk().await, "Conversation").await;
    dovecot.deliver("help@masque.example", &question("q0", "Pacco zero", ""));
    shop.connect(both(&smtp, &dovecot)).await.expect("a connection");
    let check = shop.check().await;
    assert!(check.smtp.expect("tried").works);
    assert_eq!(check.imap.expect("tried"), pb::MailCheck { works: true, ..Default::default() });

    dovecot.deliver("help@masque.example", &question("q1", "Pacco uno", ""));
    let ticket = shop.begun("Pacco uno").await.remove(0);
    let message = shop.reply(&ticket.id, "answer").await;
    shop.until(&message.id, pb::OutgoingMailState::Sent).await;
    let sent = smtp.taken("carla@customer.example").remove(0);
    let id = sent.header("Message-ID").expect("a Message-ID");
    // The customer's mail program knows the mail that it got and nothing else.
    let answer = question("q2", "R: qualcosa", &format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"));
    dovecot.deliver("help@masque.example", &answer);
    // What cannot be taken in is set aside and does not stop the others; what came already is known.
    dovecot.deliver("help@masque.example", "To: help@masque.example\r\nSubject: nobody\r\n\r\nFrom nobody.\r\n");
    dovecot.deliver("help@masque.example", &question("q1", "Pacco uno", ""));
    dovecot.deliver("help@masque.example", &question("q3", "Pacco tre", ""));
    shop.begun("Pacco tre").await;
    assert_eq!(shop.begun("Pacco uno").await.len(), 1);
    let request = pb::ListMessagesRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let messages = shop.tickets.list_messages(request).await.expect("messages").into_inner().messages;
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(messages[2].external_id, "q2@customer.example");
    assert_eq!(messages[2].text.lines().collect::<Vec<_>>(), ["Dove si trova?", ".", "Carla"]);
    let request = pb::ListQuarantinedMailsRequest { page_size: 10, ..Default::default() };
    let aside = shop.tickets.list_quarantined_mails(request).await.expect("a list").into_inner().mails;
    assert_eq!(aside.iter().map(|mail| mail.reason.as_str()).collect::<Vec<_>>(), ["no_sender"]);
    let pull = shop.fetched(5).await;
    assert_eq!((pull.reason.as_str(), pull.skipped), ("", 0));

    // A folder that is not there, a wrong password: told by the check and beside the connection.
    let mut folder = both(&smtp, &dovecot);
    folder.imap_folder = "Nowhere".into();
    shop.connect(folder).await.expect("kept");
    assert_eq!(shop.check().await.imap.expect("tried").reason, "folder");
    let mut wrong = both(&smtp, &dovecot);
    wrong.imap.as_mut().expect("a server").password = "wrong".into();
    shop.connect(wrong).await.expect("kept");
    assert_eq!(shop.check().await.imap.expect("tried").reason, "sign_in");
    eventually("the reason beside the connection", || {
        let (mut connections, account) = (shop.connections.clone(), shop.account.clone());
        async move {
            let request = pb::GetMailConnectionRequest { channel_account_id: account, ..Default::default() };
            let pull = connections.get_mail_connection(request).await.ok()?.into_inner().connection?.pull?;
            (pull.reason == "sign_in" && !pull.detail.is_empty()).then_some(())
        }
    })
    .await;
    // What came meanwhile is fetched when it works again.
    dovecot.deliver("help@masque.example", &question("q4", "Pacco quattro", ""));
    shop.connect(both(&smtp, &dovecot)).await.expect("kept");
    shop.begun("Pacco quattro").await;

    // The server numbers its mails anew: what was taken in is known, what was not is found.
    dovecot.renumber("help@masque.example");
    dovecot.deliver("help@masque.example", &question("q5", "Pacco cinque", ""));
    shop.connect(both(&smtp, &dovecot)).await.expect("kept");
    shop.begun("Pacco cinque").await;
    for subject in ["Pacco zero", "Pacco uno", "Pacco tre", "Pacco quattro", "Pacco cinque"] {
        assert_eq!(shop.begun(subject).await.len(), 1, "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_while_it_fetches_loses_and_doubles_no_mail() {
    let Some(manydesk) = executable("fetching across a crash") else { return };
    let Some(smtp) = SmtpServer::start("fetching across a crash") else { return };
    let Some(dovecot) = Dovecot::start("fetching across a crash") else { return };
    let mut fleet = Fleet::start(&manydesk, false).await;
    let mut shop = shop(fleet.desk, "Fetching").await;
    shop.connect(both(&smtp, &dovecot)).await.expect("a connection");
    const MAILS: usize = 60;
    for n in 0..MAILS {
        dovecot.deliver("help@masque.example", &question(&format!("m{n}"), &format!("Pacco {n}"), ""));
        if n % 20 == 10 {
            shop.begun(&format!("Pacco {}", n - 5)).await;
            fleet.kill_and_restart("tickets").await;
        }
    }
    shop.begun(&format!("Pacco {}", MAILS - 1)).await;
    let request = pb::ListTicketsRequest { page_size: 200, ..Default::default() };
    let tickets = shop.tickets.list_tickets(request).await.expect("tickets").into_inner().tickets;
    let mut subjects: Vec<_> = tickets.iter().map(|ticket| ticket.subject.clone()).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!((tickets.len(), subjects.len()), (MAILS, MAILS));
    assert!(tickets.iter().all(|ticket| ticket.message_count == 1));
}

#[tokio::test]
async fn connections_are_kept_from_being_read() {
    let Some(first) = SmtpServer::start_secure("mail over TLS", "starttls") else { return };
    let Some(second) = SmtpServer::start_secure("mail over TLS", "tls") else { return };
    let Some(dovecot) = Dovecot::start("mail over TLS") else { return };
    let mut shop = shop(desk().await, "Secret").await;
    let user = "help@masque.example";
    for (smtp, imap, security) in
        [(&first, dovecot.imap, pb::MailSecurity::Starttls), (&second, dovecot.imaps, pb::MailSecurity::Tls)]
    {
        let imap = pb::MailServer { user: user.into(), ..server(imap, security) };
        let connection =
            pb::MailConnection { smtp: Some(server(smtp.port, security)), imap: Some(imap), ..Default::default() };
        shop.connect(connection.clone()).await.expect("a connection");
        let works = Some(pb::MailCheck { works: true, ..Default::default() });
        let check = shop.check().await;
        assert_eq!((check.smtp, check.imap), (works.clone(), works), "{security:?}");
        let name = security.as_str_name().to_lowercase();
        let address = format!("{name}@customer.example");
        let ticket = shop.written_by(&address).await;
        let message = shop.reply(&ticket.id, &name).await;
        shop.until(&message.id, pb::OutgoingMailState::Sent).await;
        let taken = smtp.taken(&address);
        assert_eq!((taken.len(), taken[0].tls, taken[0].user.as_deref()), (1, true, Some("help")));
        dovecot.deliver(user, &question(&name, &format!("Over {name}"), ""));
        shop.begun(&format!("Over {name}")).await;

        // The certificate is for another name than this one.
        let mut elsewhere = connection;
        for server in [elsewhere.smtp.as_mut(), elsewhere.imap.as_mut()].into_iter().flatten() {
            server.host = "127.0.0.1".into();
        }
        shop.connect(elsewhere).await.expect("kept");
        let check = shop.check().await;
        assert_eq!(
            (check.smtp.expect("tried").reason, check.imap.expect("tried").reason),
            ("tls".into(), "tls".into())
        );
    }
}

/// Says lines at a port, all at once, and reads answers until the other side has no more to say.
fn said(port: u16, lines: &str) -> Vec<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the port answers");
    stream.write_all(lines.as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("that was all");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("answers");
    answers.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| line[..3].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_handed_in_at_the_port_and_kept_before_it_is_acknowledged() {
    let mut shop = shop(desk().await, "Port").await;
    let (smtp, lmtp) = tests::mail_ports();
    let to = shop.account.clone();
    let nobody = |port, hello: &str| {
        said(port, &format!("{hello} x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<{to}@in.example>\r\nDATA\r\nQUIT\r\n"))
    };
    assert_eq!(nobody(smtp, "EHLO"), ["220", "250", "250", "550", "554", "221"], "nothing is set up for it");
    shop.connect(pb::MailConnection::default()).await.expect("a connection");

    // Two mails in one breath, one of them in two copies, and dots.
    let head = |id: &str, subject: &str| {
        format!(
            "From: dora@customer.example\r\nMessage-ID: <{id}@c>\r\nSubject: {subject}\r\nTo: help@masque.example\r\n\r\n"
        )
    };
    let first = format!("{}Ciao\r\n..\r\n..punto\r\n.\r\n", head("p1", "Al porto"));
    let second = format!("{}Ancora\r\n.\r\n", head("p2", "Secondo"));
    let answers = said(
        smtp,
        &format!(
            "EHLO x\r\nMAIL FROM:<dora@customer.example> SIZE=100\r\nRCPT TO:<{to}+tag@in.example>\r\n\
             RCPT TO:<gone@in.example>\r\nDATA\r\n{first}MAIL FROM:<>\r\nRCPT TO:<{}@in.example>\r\nDATA\r\n{second}QUIT\r\n",
            to.to_uppercase()
        ),
    );
    assert_eq!(answers, ["220", "250", "250", "250", "550", "354", "250", "250", "250", "354", "250", "221"]);
    let ticket = shop.begun("Al porto").await.remove(0);
    let request = pb::ListMessagesRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let messages = shop.tickets.list_messages(request).await.expect("messages").into_inner().messages;
    assert_eq!(messages[0].text.lines().collect::<Vec<_>>(), ["Ciao", ".", ".punto"]);
    assert_eq!(shop.begun("Secondo").await.len(), 1);

    // Over LMTP every recipient has an answer; what came before is known.
    let answers = said(
        lmtp,
        &format!(
            "LHLO x\r\nMAIL FROM:<dora@customer.example>\r\nRCPT TO:<{to}@x>\r\nRCPT TO:<{to}@y>\r\nDATA\r\n{first}QUIT\r\n"
        ),
    );
    assert_eq!(answers, ["220", "250", "250", "250", "250", "354", "250", "250", "221"]);
    assert_eq!(shop.begun("Al porto").await.len(), 1);

    // What is no mail is kept for people; what would be two mails to somebody else is none.
    let envelope = format!("EHLO x\r\nMAIL FROM:<dora@customer.example>\r\nRCPT TO:<{to}@x>\r\nDATA\r\n");
    assert_eq!(said(smtp, &format!("{envelope}Subject: nobody\r\n\r\nx\r\n.\r\n")).last().expect("answers"), "250");
    let request = pb::ListQuarantinedMailsRequest { page_size: 10, ..Default::default() };
    let aside = shop.tickets.list_quarantined_mails(request).await.expect("a list").into_inner().mails;
    assert_eq!(aside.iter().map(|mail| mail.reason.as_str()).collect::<Vec<_>>(), ["no_sender"]);
    let smuggled = format!(
        "{}x\n.\r\nMAIL FROM:<eve@x>\r\nRCPT TO:<{to}@x>\r\nDATA\r\n{}y\r\n.\r\nQUIT\r\n",
        head("p3", "Uno"),
        head("p4", "Due")
    );
    assert_eq!(said(smtp, &format!("{envelope}{smuggled}"))[5..], ["550", "221"]);
    // A mail without its end was not handed in.
    assert_eq!(said(smtp, &format!("{envelope}{}x\r\n", head("p5", "Tre"))).last().expect("answers"), "354");
    let request = pb::ListTicketsRequest { page_size: 50, ..Default::default() };
    let tickets = shop.tickets.list_tickets(request).await.expect("tickets").into_inner().tickets;
    let mut subjects: Vec<_> = tickets.into_iter().map(|ticket| ticket.subject).collect();
    subjects.sort();
    assert_eq!(subjects, ["Al porto", "Secondo"]);
    let long = "x".repeat(5_000);
    assert_eq!(said(smtp, &format!("EHLO x\r\nNOOP {long}\r\n")), ["220", "250", "500"]);
}
