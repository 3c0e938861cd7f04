//! Incidents: everybody affected is told once, in her language, and what comes of it is counted.

use std::collections::BTreeMap;

use manydesk::cli::Transport;
use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::incidents_service_client::IncidentsServiceClient;
use proto::tickets::v1::mail_connections_service_client::MailConnectionsServiceClient;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use sqlx::{Connection, PgConnection};
use tests::{desk, eventually, reason, violated};
use tonic::Code;

use crate::support::mail::{PASSWORD, SmtpServer, Taken};
use crate::support::shop::{Hands, Shop, hands, shop};

/// A shop whose account sends by a server.
async fn sending(name: &str, port: u16) -> (Shop, Hands, IncidentsServiceClient<Transport>) {
    let mut shop = shop(name).await;
    connect(&mut shop, port).await;
    let lead = hands(&mut shop.tenant.admin).await;
    let incidents = IncidentsServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    (shop, lead, incidents)
}

async fn connect(shop: &mut Shop, port: u16) {
    let server = pb::MailServer {
        host: "localhost".into(),
        port: port.into(),
        security: pb::MailSecurity::None.into(),
        user: "help".into(),
        password: PASSWORD.into(),
        has_password: false,
        sign_in: pb::MailSignIn::Password.into(),
    };
    let request = pb::PutMailConnectionRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: shop.account.clone(),
        connection: Some(pb::MailConnection {
            smtp: Some(server),
            from_name: "Masque".into(),
            reply_to_ticket: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let transport = shop.tenant.admin.transport().await.expect("a token");
    MailConnectionsServiceClient::new(transport).put_mail_connection(request).await.expect("a connection");
}

async fn template(shop: &Shop, lead: &mut Hands, key: &str, language: &str, text: &str) {
    let request = pb::PutTemplateRequest {
        seller_id: shop.seller.clone(),
        key: key.into(),
        language: language.into(),
        title: format!("{key} {language}"),
        text: text.into(),
        ..Default::default()
    };
    lead.answering.put_template(request).await.expect("a template");
}

fn plan(shop: &Shop) -> pb::IncidentPlan {
    pb::IncidentPlan {
        title: "The warehouse burned".into(),
        channel_account_id: shop.account.clone(),
        template_key: "delay".into(),
        closing_template_key: "over".into(),
        per_minute: 6_000,
        ..Default::default()
    }
}

fn order(id: &str, email: &str, name: &str, language: &str, country: &str) -> pb::IncidentOrder {
    pb::IncidentOrder {
        order_id: id.into(),
        email: email.into(),
        name: name.into(),
        language: language.into(),
        country: country.into(),
    }
}

async fn draft(shop: &Shop, incidents: &mut IncidentsServiceClient<Transport>, plan: pb::IncidentPlan) -> pb::Incident {
    let request = pb::CreateIncidentRequest {
        seller_id: shop.seller.clone(),
        request_id: format!("draft-{}", kit::Clock::System.new_uuid().simple()),
        plan: Some(plan),
    };
    incidents.create_incident(request).await.expect("a draft").into_inner().incident.expect("a draft")
}

fn adding(shop: &Shop, incident: &str, orders: Vec<pb::IncidentOrder>) -> pb::AddIncidentOrdersRequest {
    pb::AddIncidentOrdersRequest {
        seller_id: shop.seller.clone(),
        incident_id: incident.into(),
        orders,
        ..Default::default()
    }
}

fn activating(shop: &Shop, incident: &str, request_id: &str) -> pb::ActivateIncidentRequest {
    pb::ActivateIncidentRequest {
        seller_id: shop.seller.clone(),
        request_id: request_id.into(),
        incident_id: incident.into(),
        ..Default::default()
    }
}

/// The report once nobody waits any more.
async fn told(
    shop: &Shop,
    incidents: &IncidentsServiceClient<Transport>,
    incident: &str,
) -> pb::GetIncidentReportResponse {
    eventually("everybody to be told", || {
        let mut incidents = incidents.clone();
        let request = pb::GetIncidentReportRequest { seller_id: shop.seller.clone(), incident_id: incident.to_owned() };
        async move {
            let report = incidents.get_incident_report(request).await.ok()?.into_inner();
            report.rows.iter().all(|row| row.waiting == 0).then_some(report)
        }
    })
    .await
}

async fn recipients(
    shop: &Shop,
    incidents: &mut IncidentsServiceClient<Transport>,
    incident: &str,
) -> BTreeMap<String, pb::IncidentRecipient> {
    let request = pb::ListIncidentRecipientsRequest {
        seller_id: shop.seller.clone(),
        incident_id: incident.into(),
        ..Default::default()
    };
    let all = incidents.list_incident_recipients(request).await.expect("recipients").into_inner().recipients;
    all.into_iter().map(|one| (one.order_id.clone(), one)).collect()
}

/// The mails that a server took for an address, once there are so many.
async fn mails(smtp: &SmtpServer, address: &str, count: usize) -> Vec<Taken> {
    eventually(&format!("{count} mails"), || async {
        let taken = smtp.taken(address);
        (count <= taken.len()).then_some(taken)
    })
    .await
}

#[tokio::test]
async fn everybody_is_told_once_in_her_language_and_what_comes_of_it_is_counted() {
    let Some(smtp) = SmtpServer::start("incidents") else { return };
    let (mut shop, mut lead, mut incidents) = sending("Incident", smtp.port).await;
    for (language, text) in [
        ("it", "Ciao {{customer.first_name}}, il tuo ordine {{order.id}} arriva tardi."),
        ("de", "Hallo {{customer.first_name}}, Bestellung {{order.id}} kommt später."),
        ("de-AT", "Servus {{customer.first_name}}, Bestellung {{order.id}} kommt später."),
    ] {
        template(&shop, &mut lead, "delay", language, text).await;
    }
    template(&shop, &mut lead, "over", "it", "Tutto a posto, {{ticket.number}}.").await;
    let say = "Buongiorno, dov'è il mio pacco? Lo aspetto da una settimana.";
    let bruno = shop.ticket_of("i1", "bruno@example.it", "Pacco", say, "A-5").await;
    let incident = draft(&shop, &mut incidents, plan(&shop)).await;
    let id = incident.incident_id.clone();
    let orders = vec![
        order("A-1", "Anna@Example.it", "Anna Rossi", "it", "IT"),
        order("A-6", "anna@example.it", "Anna Rossi", "it", "IT"),
        order("A-2", "karl@example.de", "Karl Kurz", "de", "DE"),
        order("A-3", "sissi@example.at", "Sissi Lang", "de", "AT"),
        order("A-4", "no-reply@example.de", "Niemand", "de", "DE"),
        order("A-5", "", "", "", ""),
        order("A-7", "pierre@example.fr", "Pierre Noir", "fr", "FR"),
        order("A-8", "", "", "", ""),
    ];
    let added = incidents.add_incident_orders(adding(&shop, &id, orders.clone())).await.expect("added").into_inner();
    assert_eq!((added.added, added.known, added.new_customers), (8, 0, 5));
    let again = incidents.add_incident_orders(adding(&shop, &id, orders)).await.expect("added").into_inner();
    assert_eq!((again.added, again.known, again.new_customers), (0, 8, 0));
    assert_eq!(again.incident.map(|incident| incident.orders), Some(8));

    let preview = pb::PreviewIncidentRequest { seller_id: shop.seller.clone(), incident_id: id.clone() };
    let seen = incidents.preview_incident(preview.clone()).await.expect("a preview").into_inner();
    assert_eq!((seen.affected, seen.reachable, seen.unknown_orders), (6, 4, 1));
    assert_eq!(seen.unknown_order_samples, ["A-8"]);
    assert_eq!(seen.missing_languages, ["fr"]);
    let unreachable: Vec<_> = seen.unreachable.iter().map(|count| (count.reason.as_str(), count.count)).collect();
    assert_eq!(unreachable, [("no_reply_address", 1)]);
    let groups: Vec<_> = seen
        .groups
        .iter()
        .map(|group| {
            (group.language.as_str(), group.country.as_str(), group.template_language.as_str(), group.customers)
        })
        .collect();
    let want = [
        ("de", "AT", "de-AT", 1),
        ("de", "DE", "de", 1),
        ("fr", "FR", "", 1),
        ("it", "", "it", 1),
        ("it", "IT", "it", 1),
    ];
    assert_eq!(groups, want);

    // Nobody is written to before everybody can be.
    let refused = incidents.activate_incident(activating(&shop, &id, "go-1")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "INCIDENT_LANGUAGES"));
    let update = pb::UpdateIncidentRequest {
        seller_id: shop.seller.clone(),
        incident_id: id.clone(),
        etag: incident.etag.clone(),
        plan: Some(pb::IncidentPlan { fallback_language: "de".into(), ..plan(&shop) }),
        ..Default::default()
    };
    assert_eq!(incidents.update_incident(update.clone()).await.unwrap_err().code(), Code::Aborted);
    let update = pb::UpdateIncidentRequest { etag: String::new(), ..update };
    incidents.update_incident(update.clone()).await.expect("changed");
    let active = incidents.activate_incident(activating(&shop, &id, "go")).await.expect("active").into_inner();
    assert_eq!(active.recipients, 5);
    let twice = incidents.activate_incident(activating(&shop, &id, "go")).await.expect("answered").into_inner();
    assert_eq!(twice, active);
    let other = incidents.activate_incident(activating(&shop, &id, "go-again")).await.unwrap_err();
    assert_eq!(reason(&other), "INCIDENT_STATE");
    assert_eq!(reason(&incidents.update_incident(update).await.unwrap_err()), "INCIDENT_STATE");

    let report = told(&shop, &incidents, &id).await;
    let contacted: i64 = report.rows.iter().map(|row| row.contacted).sum();
    assert_eq!((contacted, report.rows.iter().map(|row| row.affected).sum::<i64>()), (5, 6));
    let mail = mails(&smtp, "sissi@example.at", 1).await.remove(0);
    assert!(mail.raw.contains("Servus Sissi, Bestellung A-3"), "{}", mail.raw);
    let subject = mail.header("Subject").expect("a subject");
    assert!(subject.starts_with("delay de-AT [MAS-"), "{subject}");
    assert!(mails(&smtp, "karl@example.de", 1).await[0].raw.contains("Hallo Karl"));
    assert!(mails(&smtp, "pierre@example.fr", 1).await[0].raw.contains("Hallo Pierre"), "the fallback");
    assert!(mails(&smtp, "bruno@example.it", 1).await[0].raw.contains("A-5"));
    let anna = mails(&smtp, "anna@example.it", 1).await.remove(0);
    assert!(anna.raw.contains("Ciao Anna") && anna.header("Auto-Submitted").is_some(), "{}", anna.raw);
    let all = recipients(&shop, &mut incidents, &id).await;
    assert_eq!(all["A-4"].reason, "no_reply_address");
    let annas = all["A-1"].ticket_id.clone();
    assert_eq!(lead.ticket(&annas).await.state(), pb::TicketState::PendingCustomer);

    // Anna answers the mail; somebody else asks about Karl's order; a third ticket is linked by hand.
    let message_id = anna.header("Message-ID").expect("an id");
    let raw = format!(
        "From: Anna <anna@example.it>\r\nTo: help@masque.example\r\nMessage-ID: <reply-{annas}@example.it>\r\n\
         In-Reply-To: {message_id}\r\nSubject: Re: delay\r\n\r\nMa quando arriva? Sono molto delusa.\r\n"
    );
    let mail =
        pb::ReceiveEmailRequest { seller_id: shop.seller.clone(), raw: raw.into_bytes().into(), ..Default::default() };
    let answered = lead.tickets.receive_email(mail).await.expect("a mail").into_inner().ticket.expect("a ticket");
    assert_eq!(answered.id, annas, "an answer reaches the ticket in which she was told");
    let german = "Guten Tag, wo bleibt die Bestellung meines Mannes? Wir warten schon seit einer Woche.";
    let wife = shop.ticket_of("i2", "frau@example.de", "Bestellung", german, "A-2").await;
    let hand = shop.ticket_of("i3", "other@example.it", "Pacco", say, "").await;
    let set = |ticket: &str, belongs: bool| pb::SetIncidentTicketRequest {
        seller_id: shop.seller.clone(),
        incident_id: id.clone(),
        ticket_id: ticket.into(),
        belongs,
        ..Default::default()
    };
    incidents.set_incident_ticket(set(&hand.id, true)).await.expect("linked");
    let tag = pb::TagTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: annas.clone(),
        add: vec!["complaint".into()],
        ..Default::default()
    };
    lead.workflow.tag_ticket(tag).await.expect("tagged");
    let list = pb::ListIncidentTicketsRequest {
        seller_id: shop.seller.clone(),
        incident_id: id.clone(),
        ..Default::default()
    };
    let tickets = incidents.list_incident_tickets(list.clone()).await.expect("tickets").into_inner().tickets;
    let why: BTreeMap<&str, &str> = tickets.iter().map(|one| (one.ticket_id.as_str(), one.reason.as_str())).collect();
    assert_eq!((why[annas.as_str()], why[wife.id.as_str()], why[hand.id.as_str()]), ("told", "order", "hand"));
    assert!(!why.contains_key(bruno.id.as_str()), "what was over before it began is none of it");
    for ticket in [&annas, &wife.id, &hand.id] {
        let request = pb::ListTicketIncidentsRequest { seller_id: shop.seller.clone(), ticket_id: ticket.clone() };
        let of = incidents.list_ticket_incidents(request).await.expect("incidents").into_inner().incidents;
        assert_eq!(of.iter().map(|one| one.incident_id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    }
    let report = told(&shop, &incidents, &id).await;
    let by: BTreeMap<(&str, &str), &pb::IncidentReportRow> =
        report.rows.iter().map(|row| ((row.country.as_str(), row.language.as_str()), row)).collect();
    let italy = by[&("IT", "it")];
    assert_eq!((italy.affected, italy.contacted, italy.answered, italy.negative), (1, 1, 1, 1));
    let germany = by[&("DE", "de")];
    assert_eq!((germany.affected, germany.contacted, germany.answered, germany.negative), (2, 1, 0, 0));
    assert_eq!(report.tickets, 7);
    incidents.set_incident_ticket(set(&hand.id, false)).await.expect("unlinked");
    let tickets = incidents.list_incident_tickets(list).await.expect("tickets").into_inner().tickets;
    assert!(tickets.iter().all(|one| one.ticket_id != hand.id));

    // It is over: open tickets are told where there is a text, and those in which nobody wrote are solved.
    let close = pb::CloseIncidentRequest {
        seller_id: shop.seller.clone(),
        request_id: "over".into(),
        incident_id: id.clone(),
        ..Default::default()
    };
    let closed = incidents.close_incident(close.clone()).await.expect("closed").into_inner();
    assert_eq!(closed.tickets, 6);
    assert_eq!(incidents.close_incident(close).await.expect("answered").into_inner(), closed);
    let mail = mails(&smtp, "anna@example.it", 2).await.remove(1);
    assert!(mail.raw.contains("Tutto a posto, MAS-"), "{}", mail.raw);
    mails(&smtp, "bruno@example.it", 2).await;
    lead.until_state(&all["A-2"].ticket_id, pb::TicketState::Solved).await;
    assert_eq!(lead.ticket(&annas).await.state(), pb::TicketState::Open, "her question is still to be answered");
    assert_eq!(smtp.taken("karl@example.de").len(), 1, "no German text tells that it is over");
    for address in ["sissi@example.at", "pierre@example.fr"] {
        assert_eq!(smtp.taken(address).len(), 1, "{address}");
    }
}

#[tokio::test]
async fn who_dies_between_the_message_and_the_mark_tells_nobody_twice() {
    let Some(smtp) = SmtpServer::start("incident crash") else { return };
    let (shop, mut lead, mut incidents) = sending("Incident crash", smtp.port).await;
    template(&shop, &mut lead, "delay", "it", "Ciao {{customer.first_name}}, {{order.id}}.").await;
    let incident = draft(&shop, &mut incidents, plan(&shop)).await;
    let orders = (0..20).map(|n| order(&format!("C-{n}"), &format!("c{n}@example.it"), "Anna Rossi", "it", "IT"));
    incidents.add_incident_orders(adding(&shop, &incident.incident_id, orders.collect())).await.expect("added");

    // Whoever marks somebody as told dies, after the message and its place in the queue were written.
    let mut database = PgConnection::connect(&desk().await.database).await.expect("the database");
    let provider: uuid::Uuid = kit::ids::decode("prov", &shop.tenant.provider_id).expect("an id");
    let name = format!("crash_{}", provider.simple());
    let made = format!(
        "create schema {name}; create sequence {name}.died;
         create function {name}.dies() returns trigger language plpgsql security definer as $$
         begin perform nextval('{name}.died'); raise exception 'died'; end $$;
         create trigger {name} before update on tickets.incident_recipient for each row
           when (new.provider_id = '{provider}' and new.state = 'sent') execute function {name}.dies()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(made)).execute(&mut database).await.expect("a trap");
    incidents.activate_incident(activating(&shop, &incident.incident_id, "go")).await.expect("active");
    let died = format!("select last_value from {name}.died");
    for _ in 0..1_500 {
        let times: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(died.clone())).fetch_one(&mut database).await.unwrap();
        if 25 < times {
            break;
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let request =
        pb::GetIncidentReportRequest { seller_id: shop.seller.clone(), incident_id: incident.incident_id.clone() };
    let report = incidents.get_incident_report(request).await.expect("a report").into_inner();
    assert_eq!((report.rows[0].contacted, report.rows[0].waiting, report.tickets), (0, 20, 0));
    let gone = format!("drop trigger {name} on tickets.incident_recipient; drop schema {name} cascade");
    sqlx::raw_sql(sqlx::AssertSqlSafe(gone)).execute(&mut database).await.expect("the trap is gone");

    let report = told(&shop, &incidents, &incident.incident_id).await;
    assert_eq!((report.rows[0].contacted, report.tickets), (20, 20));
    for n in 0..20 {
        mails(&smtp, &format!("c{n}@example.it"), 1).await;
    }
    for n in 0..20 {
        assert_eq!(smtp.taken(&format!("c{n}@example.it")).len(), 1);
    }
}

#[tokio::test]
async fn who_left_is_not_written_to_and_the_others_in_their_turn() {
    let mut shop = shop("Incident turns").await;
    connect(&mut shop, tests::free_port()).await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut incidents = IncidentsServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    template(&shop, &mut lead, "delay", "it", "Ciao {{customer.first_name}}, {{order.id}}.").await;
    let say = "Buongiorno, dov'è il mio pacco? Lo aspetto da una settimana.";
    let erased = shop.ticket_of("t1", "erased@example.it", "Pacco", say, "D-1").await;
    let bounced = shop.ticket_of("t2", "bounced@example.it", "Pacco", say, "D-2").await;
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: "r".into(),
        ticket_id: bounced.id.clone(),
        text: "Arriva domani.".into(),
        ..Default::default()
    };
    lead.tickets.reply(reply).await.expect("an answer");
    let mut database = PgConnection::connect(&desk().await.database).await.expect("the database");
    let id: uuid::Uuid = kit::ids::decode("ticket", &bounced.id).expect("an id");
    let statement = "update tickets.message set delivery = 'failed' where ticket_id = $1 and direction = 'outbound'";
    sqlx::query(statement).bind(id).execute(&mut database).await.expect("bounced");
    let incident = draft(&shop, &mut incidents, pb::IncidentPlan { per_minute: 1, ..plan(&shop) }).await;
    let id = incident.incident_id.clone();
    let orders = vec![
        order("D-1", "", "", "", ""),
        order("D-2", "", "", "", ""),
        order("D-3", "first@example.it", "Uno", "it", "IT"),
        order("D-4", "second@example.it", "Due", "it", "IT"),
    ];
    incidents.add_incident_orders(adding(&shop, &id, orders)).await.expect("added");
    let erase = pb::EraseCustomerRequest {
        seller_id: shop.seller.clone(),
        customer_id: erased.customer_id,
        ..Default::default()
    };
    let transport = shop.tenant.admin.transport().await.expect("a token");
    PrivacyServiceClient::new(transport).erase_customer(erase).await.expect("erased");
    let preview = pb::PreviewIncidentRequest { seller_id: shop.seller.clone(), incident_id: id.clone() };
    let seen = incidents.preview_incident(preview).await.expect("a preview").into_inner();
    assert_eq!((seen.affected, seen.reachable, seen.unknown_orders), (3, 2, 1));
    assert_eq!(seen.unreachable.iter().map(|count| count.reason.as_str()).collect::<Vec<_>>(), ["bounced"]);

    let active = incidents.activate_incident(activating(&shop, &id, "go")).await.expect("active").into_inner();
    assert_eq!(active.recipients, 2);
    let one_told = |incidents: &IncidentsServiceClient<Transport>| {
        let (mut incidents, request) = (
            incidents.clone(),
            pb::GetIncidentReportRequest { seller_id: shop.seller.clone(), incident_id: id.clone() },
        );
        async move {
            let report = incidents.get_incident_report(request).await.ok()?.into_inner();
            let told: i64 = report.rows.iter().map(|row| row.contacted).sum();
            (told == 1).then_some(report)
        }
    };
    let report = eventually("the first to be told", || one_told(&incidents)).await;
    assert_eq!(report.rows.iter().map(|row| row.waiting).sum::<i64>(), 1, "the second has her turn in a minute");
    let close = pb::CloseIncidentRequest {
        seller_id: shop.seller.clone(),
        request_id: "over".into(),
        incident_id: id.clone(),
        ..Default::default()
    };
    incidents.close_incident(close).await.expect("closed");
    let report = told(&shop, &incidents, &id).await;
    let skipped: Vec<_> = report.skipped.iter().map(|count| (count.reason.as_str(), count.count)).collect();
    assert_eq!(skipped, [("bounced", 1), ("incident_closed", 1)]);
    assert_eq!(report.rows.iter().map(|row| row.contacted).sum::<i64>(), 1);
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_before_anybody_is() {
    let mut shop = shop("Incident refusals").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut incidents = IncidentsServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    template(&shop, &mut lead, "delay", "it", "Ciao, {{agent.alias}}").await;
    let incident = draft(&shop, &mut incidents, plan(&shop)).await;
    let id = incident.incident_id.clone();

    let many = |n: usize| (0..n).map(|n| order(&format!("B-{n}"), "", "", "", "")).collect::<Vec<_>>();
    let refused = incidents.add_incident_orders(adding(&shop, &id, many(10_001))).await.unwrap_err();
    assert_eq!((refused.code(), violated(&refused)), (Code::InvalidArgument, vec!["orders".to_owned()]));
    let added = incidents.add_incident_orders(adding(&shop, &id, many(10_000))).await.expect("added").into_inner();
    assert_eq!(added.added, 10_000);
    for (bad, field) in [
        (order("", "anna@example.it", "", "", ""), "orders[0].order_id"),
        (order("A-1", "anna", "", "", ""), "orders[0].email"),
        (order("A-1", "anna@example.it, eve@example.it", "", "", ""), "orders[0].email"),
        (order("A-1", "anna@example.it", "", "italiano!", ""), "orders[0].language"),
        (order("A-1", "anna@example.it", "a\nb", "", ""), "orders[0].name"),
        (order("A-1", "anna@example.it", "", "", "it"), "orders[0].country"),
    ] {
        let refused = incidents.add_incident_orders(adding(&shop, &id, vec![bad])).await.unwrap_err();
        assert_eq!(violated(&refused), [field]);
    }
    for (bad, field) in [
        (pb::IncidentPlan { template_key: "No Key".into(), ..plan(&shop) }, "plan.template_key"),
        (pb::IncidentPlan { title: String::new(), ..plan(&shop) }, "plan.title"),
        (pb::IncidentPlan { countries: vec!["Italy".into()], ..plan(&shop) }, "plan.countries[0]"),
        (pb::IncidentPlan { per_minute: 7_000, ..plan(&shop) }, "plan.per_minute"),
        (pb::IncidentPlan { channel_account_id: "chan_0".into(), ..plan(&shop) }, "plan.channel_account_id"),
    ] {
        let request =
            pb::CreateIncidentRequest { seller_id: shop.seller.clone(), plan: Some(bad), ..Default::default() };
        assert_eq!(violated(&incidents.create_incident(request).await.unwrap_err()), [field]);
    }

    // Orders and tickets of another seller are as if they were not there.
    let other = shop.tenant.seller("other").await;
    let account = shop.tenant.account(&other, "email", "help@other.example").await;
    let request = pb::ReceiveMessageRequest {
        seller_id: other.clone(),
        channel_account_id: account.clone(),
        external_id: "o1".into(),
        external_thread_id: "o1".into(),
        author: Some(pb::Author { address: "olga@example.it".into(), name: "Olga".into() }),
        text: "Buongiorno, dov'è il mio pacco?".into(),
        order_id: "B-7".into(),
        ..Default::default()
    };
    let foreign =
        lead.tickets.receive_message(request).await.expect("a message").into_inner().ticket.expect("a ticket");
    let preview = pb::PreviewIncidentRequest { seller_id: shop.seller.clone(), incident_id: id.clone() };
    let seen = incidents.preview_incident(preview).await.expect("a preview").into_inner();
    assert_eq!((seen.affected, seen.unknown_orders), (0, 10_000));
    let foreign_problem = pb::IncidentPlan { problem_ticket_id: foreign.id.clone(), ..plan(&shop) };
    let foreign_account = pb::IncidentPlan { channel_account_id: account, ..plan(&shop) };
    let seller = shop.seller.clone();
    let create = |plan: pb::IncidentPlan| pb::CreateIncidentRequest {
        seller_id: seller.clone(),
        plan: Some(plan),
        ..Default::default()
    };
    assert_eq!(incidents.create_incident(create(foreign_problem)).await.unwrap_err().code(), Code::NotFound);
    let refused = incidents.create_incident(create(foreign_account)).await.unwrap_err();
    assert_eq!(violated(&refused), ["plan.channel_account_id"]);
    let link = pb::SetIncidentTicketRequest {
        seller_id: shop.seller.clone(),
        incident_id: id.clone(),
        ticket_id: foreign.id,
        belongs: true,
        ..Default::default()
    };
    assert_eq!(incidents.set_incident_ticket(link).await.unwrap_err().code(), Code::NotFound);

    let go = |incidents: &IncidentsServiceClient<Transport>| {
        let request =
            pb::ActivateIncidentRequest { seller_id: seller.clone(), incident_id: id.clone(), ..Default::default() };
        let mut incidents = incidents.clone();
        async move { reason(&incidents.activate_incident(request).await.unwrap_err()) }
    };
    assert_eq!(go(&incidents).await, "ACCOUNT_SENDS_NOTHING");
    connect(&mut shop, tests::free_port()).await;
    assert_eq!(go(&incidents).await, "NOBODY_AFFECTED");
    let anna = vec![order("A-1", "anna@example.it", "Anna", "it", "IT")];
    incidents.add_incident_orders(adding(&shop, &id, anna)).await.expect("added");
    assert_eq!(go(&incidents).await, "INCIDENT_TEMPLATE");

    // The seller's people look on.
    let mut own = shop.tenant.person("Olga", Role::SellerAdmin, &[&shop.seller.clone()]).await.session;
    let mut of_seller = IncidentsServiceClient::new(own.transport().await.expect("a token"));
    let seen = of_seller.list_incidents(pb::ListIncidentsRequest::default()).await.expect("seen").into_inner();
    assert_eq!(seen.incidents.iter().map(|one| one.incident_id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    let denied = of_seller.create_incident(create(plan(&shop))).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut of_agent = IncidentsServiceClient::new(shop.agent.session.transport().await.expect("a token"));
    let denied = of_agent.activate_incident(activating(&shop, &id, "")).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}
