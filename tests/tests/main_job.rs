//! The main job, through the gateway and all five services: a customer writes,
//! the right agent is offered the work and answers, the promise is kept, and
//! the contact is on the invoice.

use std::collections::BTreeSet;

use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{
    FinalizeInvoiceRequest, Invoice, InvoiceState, ListUsageRequest, Meter, PreviewInvoiceRequest, RecordUsageRequest,
    UsageEvent, UsageItem, UsageState,
};
use proto::routing::v1::agent_session_request::Frame as Say;
use proto::routing::v1::agent_session_response::Frame as Hear;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::{
    Accept, AgentSessionRequest, AgentSessionResponse, Contact, ContactState, ExplainContactRequest, GetContactRequest,
    Hello, ListQueueRequest, Offer, PresenceState,
};
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{
    ClockFamily, ClockState, ExplainSlaRequest, GetSlaReportRequest, GetTicketRequest, ReceiveEmailRequest,
    ReceiveEmailResponse, ReplyRequest, SlaMetric, Ticket, TicketState, Verdict,
};
use tests::{Person, Tenant, desk, eventually, reason};
use tokio::sync::mpsc;
use tonic::{Code, Streaming};

macro_rules! tickets {
    ($session:expr) => {
        TicketsServiceClient::new($session.transport().await.expect("a token"))
    };
}

macro_rules! billing {
    ($session:expr) => {
        BillingServiceClient::new($session.transport().await.expect("a token"))
    };
}

macro_rules! routing {
    ($session:expr) => {
        RoutingServiceClient::new($session.transport().await.expect("a token"))
    };
}

const ITALIAN: &str = "Buongiorno,\n\nho ordinato la crema per il viso la settimana scorsa ma il pacco non è ancora \
                       arrivato. Potete dirmi dove si trova la spedizione e quando la riceverò?\n\nGrazie mille, Anna";
const GERMAN: &str = "Guten Tag,\n\nich habe letzte Woche eine Jacke bestellt und sie ist leider zu klein. Wie kann ich \
                      sie gegen eine größere umtauschen?\n\nViele Grüße, Bernd";

/// A mail as it comes from the wire.
fn mail(to: &str, from: &str, id: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{id}>\r\nDate: Mon, 2 Mar 2026 09:00:00 \
         +0100\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: \
         8bit\r\n\r\n{}\r\n",
        text.replace('\n', "\r\n")
    )
    .into_bytes()
}

async fn receive(tenant: &mut Tenant, seller: &str, raw: Vec<u8>) -> ReceiveEmailResponse {
    let request = ReceiveEmailRequest { seller_id: seller.to_owned(), raw: raw.into(), ..Default::default() };
    tickets!(tenant.admin).receive_email(request).await.expect("the mail is taken in").into_inner()
}

/// An agent at her desk: what she says goes up, what she hears comes down.
struct AtDesk {
    up: mpsc::Sender<AgentSessionRequest>,
    down: Streaming<AgentSessionResponse>,
    said: i64,
    offered: Vec<Offer>,
}

impl AtDesk {
    /// Opens the stream; the engine may still be hearing of the agent.
    async fn sit_down(agent: &mut Person) -> AtDesk {
        let client = routing!(agent.session);
        let (up, down, offered) = eventually("the desk to open", || {
            let mut client = client.clone();
            async move {
                let (up, frames) = mpsc::channel(16);
                let hello = Hello { state: PresenceState::Available.into(), ..Hello::default() };
                up.send(AgentSessionRequest { sequence: 1, frame: Some(Say::Hello(hello)) }).await.ok()?;
                let frames = tokio_stream::wrappers::ReceiverStream::new(frames);
                let mut down = client.agent_session(frames).await.ok()?.into_inner();
                match down.message().await.ok()??.frame? {
                    Hear::Welcome(welcome) => Some((up, down, welcome.offers)),
                    other => panic!("not a welcome: {other:?}"),
                }
            }
        })
        .await;
        AtDesk { up, down, said: 1, offered }
    }

    async fn say(&mut self, frame: Say) {
        self.said += 1;
        self.up
            .send(AgentSessionRequest { sequence: self.said, frame: Some(frame) })
            .await
            .expect("the stream is open");
    }

    /// Listens until something wanted is heard.
    async fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(&Hear) -> Option<T>) -> T {
        let listen = async {
            loop {
                let heard = self.down.message().await.expect("the stream goes on").expect("the stream is open");
                let frame = heard.frame.expect("a frame");
                if let Hear::Offer(offer) = &frame {
                    self.offered.push(offer.clone());
                }
                if let Hear::Refused(refused) = &frame {
                    panic!("refused: {refused:?}");
                }
                if let Some(found) = wanted(&frame) {
                    return found;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), listen)
            .await
            .unwrap_or_else(|_| panic!("waited 30 s to hear: {what}"))
    }

    async fn offer_of(&mut self, ticket: &str) -> Offer {
        let is = |offer: &Offer| offer.contact.as_ref().is_some_and(|contact| contact.ticket_id == ticket);
        if let Some(offer) = self.offered.iter().find(|offer| is(offer)) {
            return offer.clone();
        }
        self.hear("the offer", |frame| match frame {
            Hear::Offer(offer) if is(offer) => Some(offer.clone()),
            _ => None,
        })
        .await
    }

    /// Takes an offer; the contact is hers when the engine says so.
    async fn take(&mut self, offer: &Offer) -> Contact {
        self.say(Say::Accept(Accept { offer_id: offer.id.clone() })).await;
        let id = offer.contact.as_ref().expect("a contact").id.clone();
        self.hear("the contact to be hers", |frame| match frame {
            Hear::Assigned(contact) if contact.id == id => Some(contact.clone()),
            _ => None,
        })
        .await
    }
}

async fn reply(agent: &mut Person, seller: &str, ticket: &Ticket, text: &str) -> Ticket {
    let request = ReplyRequest {
        seller_id: seller.to_owned(),
        request_id: format!("reply-{}", ticket.id),
        ticket_id: ticket.id.clone(),
        text: text.to_owned(),
        ..ReplyRequest::default()
    };
    tickets!(agent.session).reply(request).await.expect("the answer is stored").into_inner().ticket.expect("a ticket")
}

/// What of a seller was metered on a meter, once there is at least one.
async fn metered(tenant: &mut Tenant, seller: &str, meter: Meter) -> Vec<UsageEvent> {
    let client = billing!(tenant.admin);
    eventually("the work to be metered", || {
        let mut client = client.clone();
        let request =
            ListUsageRequest { seller_id: seller.to_owned(), meter: meter.into(), ..ListUsageRequest::default() };
        async move {
            let events = client.list_usage(request).await.expect("usage").into_inner().events;
            (!events.is_empty()).then_some(events)
        }
    })
    .await
}

async fn preview(tenant: &mut Tenant, seller: &str) -> Invoice {
    let request = PreviewInvoiceRequest { seller_id: seller.to_owned(), date: String::new() };
    billing!(tenant.admin).preview_invoice(request).await.expect("a preview").into_inner().invoice.expect("an invoice")
}

/// Last month by the contract's zone: its first day, and an instant inside it.
fn last_month() -> (String, prost_types::Timestamp) {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
    let today = kit::Clock::System.now().to_zoned(zone.clone()).date();
    let first = today.first_of_month().yesterday().expect("a date").first_of_month();
    let noon = first.at(12, 0, 0, 0).to_zoned(zone).expect("a time").timestamp();
    (first.to_string(), kit::wire::timestamp(noon))
}

#[tokio::test]
async fn a_mail_is_offered_answered_kept_metered_and_billed() {
    main_job(&mut desk().await.provider("Main job").await).await;
}

/// The whole main job, wherever the platform runs.
pub async fn main_job(tenant: &mut Tenant) {
    let seller = tenant.live_seller("masque", &["it", "de"]).await;
    let mut giulia = tenant.agent("Giulia", "it", &[&seller]).await;
    let mut desk = AtDesk::sit_down(&mut giulia).await;

    // A mail in Italian comes in: a ticket with a number, a language and a promise.
    let raw =
        mail("help@masque.example", "Anna Bianchi <anna@posta.example>", "m1@posta.example", "Il mio pacco", ITALIAN);
    let taken = receive(tenant, &seller, raw.clone()).await;
    let ticket = taken.ticket.expect("a ticket");
    assert_eq!((ticket.number.as_str(), ticket.language.as_str()), ("MAS-1001", "it"));
    assert_eq!((ticket.state(), taken.duplicate), (TicketState::New, false));
    let running = clock(tenant, &seller, &ticket.id).await;
    assert_eq!((running.0, running.1), (ClockState::Running, Verdict::Open));
    let again = receive(tenant, &seller, raw).await;
    assert!(again.duplicate);
    assert_eq!(again.ticket.expect("the same").id, ticket.id);

    // The engine offers it to her; she takes it; the ticket knows who has it.
    let offer = desk.offer_of(&ticket.id).await;
    let offered = offer.contact.clone().expect("a contact");
    assert_eq!((offer.agent_id.as_str(), offered.state()), (giulia.user_id.as_str(), ContactState::Offered));
    assert_eq!(offered.needs.as_ref().map(|needs| needs.language.as_str()), Some("it"));
    let contact = desk.take(&offer).await;
    assert_eq!((contact.state(), contact.agent_id.as_str()), (ContactState::Assigned, giulia.user_id.as_str()));
    let client = tickets!(tenant.admin);
    eventually("the ticket to know its agent", || {
        let mut client = client.clone();
        let request = GetTicketRequest { seller_id: seller.clone(), ticket_id: ticket.id.clone() };
        let agent = giulia.user_id.clone();
        async move {
            let now = client.get_ticket(request).await.expect("the ticket").into_inner().ticket?;
            (now.assignee_id == agent && now.state() == TicketState::Open).then_some(())
        }
    })
    .await;

    // She answers: the clock stops in time, the contact is done, her desk is free.
    let answered = reply(&mut giulia, &seller, &ticket, "Gentile Anna, il pacco arriva domani con il corriere.").await;
    assert_eq!(answered.state(), TicketState::PendingCustomer);
    assert!(answered.first_response_at.is_some());
    let (state, verdict, target, elapsed, missed_by) = clock(tenant, &seller, &ticket.id).await;
    assert_eq!((state, verdict, target, missed_by), (ClockState::Stopped, Verdict::Kept, 3600, 0));
    assert!(elapsed < 60, "{elapsed}");
    let client = routing!(tenant.admin);
    let done = eventually("the contact to be done", || {
        let mut client = client.clone();
        let request = GetContactRequest { seller_id: seller.clone(), contact_id: contact.id.clone() };
        async move {
            let contact = client.get_contact(request).await.expect("the contact").into_inner().contact?;
            (contact.state() == ContactState::Done).then_some(contact)
        }
    })
    .await;
    assert!(done.ended_at.is_some());

    // Billing has metered it once, at the price of the contract.
    let usage = metered(tenant, &seller, Meter::Contact).await;
    assert_eq!(usage.len(), 1);
    let item = usage[0].item.as_ref().expect("an item");
    assert_eq!(
        (item.subject.as_str(), item.language.as_str(), item.channel.as_str()),
        (ticket.id.as_str(), "it", "email")
    );
    assert_eq!(usage[0].state(), UsageState::Open);
    // 100.00 + 1 × 2.50, and 19 % of it: 19.475 is rounded once, up.
    let draft = preview(tenant, &seller).await;
    assert_eq!(amounts(&draft), ("102.50", "19.48", "121.98"), "{draft:?}");
    assert_eq!((draft.state(), draft.number.as_str()), (InvoiceState::Draft, ""));

    the_report_is_for_the_seller_alone(tenant, &seller).await;
    last_month_is_invoiced_once(tenant, &seller).await;
    assert_eq!(amounts(&preview(tenant, &seller).await), ("102.50", "19.48", "121.98"));
}

fn amounts(invoice: &Invoice) -> (&str, &str, &str) {
    (&invoice.net_amount, &invoice.tax_amount, &invoice.total_amount)
}

/// The contract's first-response clock: state, verdict, target, elapsed, missed by.
async fn clock(tenant: &mut Tenant, seller: &str, ticket: &str) -> (ClockState, Verdict, i64, i64, i64) {
    let request = ExplainSlaRequest { seller_id: seller.to_owned(), ticket_id: ticket.to_owned() };
    let clocks = tickets!(tenant.admin).explain_sla(request).await.expect("clocks").into_inner().clocks;
    let of = |clock: &&proto::tickets::v1::SlaClock| {
        clock.family() == ClockFamily::Contract && clock.metric() == SlaMetric::FirstResponse
    };
    let clock = clocks.iter().find(of).expect("a first response");
    (clock.state(), clock.verdict(), clock.target_seconds, clock.elapsed_seconds, clock.missed_by_seconds)
}

/// The seller's own people see the seller's report, and nothing of another seller.
async fn the_report_is_for_the_seller_alone(tenant: &mut Tenant, seller: &str) {
    let other = tenant.seller("other").await;
    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[seller]).await;
    let mut client = tickets!(viewer.session);
    let rows = client.get_sla_report(GetSlaReportRequest::default()).await.expect("her report").into_inner().rows;
    let row = rows.iter().find(|row| row.family() == ClockFamily::Contract && row.metric() == SlaMetric::FirstResponse);
    let row = row.expect("first responses");
    assert_eq!((row.kept, row.missed, row.running, row.overdue), (1, 0, 0, 0));
    assert!(rows.iter().all(|row| row.seller_id == seller));

    let foreign = GetSlaReportRequest { seller_id: other.clone(), ..GetSlaReportRequest::default() };
    let refused = client.get_sla_report(foreign).await.expect_err("another seller's");
    let absent = GetSlaReportRequest { seller_id: "seller_01h00000000000000000000000".into(), ..Default::default() };
    let nobody = client.get_sla_report(absent).await.expect_err("nobody's");
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, nobody.message()));
    let mut stranger = tenant.person("Otto Other", Role::SellerViewer, &[&other]).await;
    let rows = tickets!(stranger.session).get_sla_report(GetSlaReportRequest::default()).await.expect("an empty one");
    assert!(rows.into_inner().rows.is_empty());
}

/// The month before is over: its invoice is frozen, numbered, and made once.
async fn last_month_is_invoiced_once(tenant: &mut Tenant, seller: &str) {
    let (date, noon) = last_month();
    let mut client = billing!(tenant.admin);
    let item = UsageItem {
        source: "test".into(),
        event_key: "late-call".into(),
        meter: Meter::Contact.into(),
        quantity: "3".into(),
        event_time: Some(noon),
        ..UsageItem::default()
    };
    let recorded = RecordUsageRequest { seller_id: seller.to_owned(), item: Some(item), ..Default::default() };
    client.record_usage(recorded).await.expect("usage of last month");
    let finalize = |request_id: &str, date: &str| FinalizeInvoiceRequest {
        seller_id: seller.to_owned(),
        date: date.to_owned(),
        request_id: request_id.to_owned(),
    };
    let first = client.finalize_invoice(finalize("close-1", &date)).await.expect("an invoice").into_inner();
    let again = client.finalize_invoice(finalize("close-1", &date)).await.expect("the same").into_inner();
    let anew = client.finalize_invoice(finalize("close-2", &date)).await.expect("the same").into_inner();
    let (first, again, anew) = (first.invoice.expect("one"), again.invoice.expect("one"), anew.invoice.expect("one"));
    assert!(first.number.starts_with("RE"), "{}", first.number);
    assert_eq!((&first.number, &first.invoice_id), (&again.number, &again.invoice_id));
    assert_eq!((&first.number, &first.content_hash), (&anew.number, &anew.content_hash));
    // 100.00 + 3 × 2.50 = 107.50; 19 % are 20.425.
    assert_eq!(amounts(&first), ("107.50", "20.43", "127.93"), "{first:?}");
    assert_eq!(first.state(), InvoiceState::Finalized);
    let today = kit::Clock::System.now().to_string()[..10].to_owned();
    let early = client.finalize_invoice(finalize("close-3", &today)).await.expect_err("the month still runs");
    assert_eq!(early.code(), Code::FailedPrecondition, "{}", reason(&early));
}

#[tokio::test]
async fn work_goes_only_to_who_speaks_the_language_and_is_certified() {
    let mut tenant = desk().await.provider("Right people").await;
    let seller = tenant.live_seller("kind", &["it", "de"]).await;
    let mut giulia = tenant.agent("Giulia", "it", &[&seller]).await;
    let mut jonas = tenant.agent("Jonas", "de", &[&seller]).await;
    // Nora speaks both and may see the seller, but never passed its training.
    let nora = tenant.agent("Nora", "de", &[]).await;
    let mut users = proto::tenants::v1::users_service_client::UsersServiceClient::new(
        tenant.admin.transport().await.expect("a token"),
    );
    let grant = proto::tenants::v1::GrantSellersRequest {
        user_id: nora.user_id.clone(),
        seller_ids: vec![seller.clone()],
        request_id: String::new(),
    };
    users.grant_sellers(grant).await.expect("granted");
    let session =
        manydesk::cli::Session::login(&tenant.desk.url, &nora.email, tests::PASSWORD).await.expect("signed in");
    let mut nora = Person { session, ..nora };

    let mut at_giulias = AtDesk::sit_down(&mut giulia).await;
    let mut at_noras = AtDesk::sit_down(&mut nora).await;
    let raw = mail("help@kind.example", "Bernd <bernd@post.example>", "d1@post.example", "Umtausch", GERMAN);
    let german = receive(&mut tenant, &seller, raw).await.ticket.expect("a ticket");
    assert_eq!(german.language, "de");

    // Nobody at work can take it, and the supervisor is told why, agent by agent.
    let mut supervisor = tenant.person("Sofia", Role::Supervisor, &[&seller]).await;
    let client = routing!(supervisor.session);
    let contact = eventually("the German contact to be queued", || {
        let mut client = client.clone();
        let (request, ticket) =
            (ListQueueRequest { seller_id: seller.clone(), ..Default::default() }, german.id.clone());
        async move {
            let queue = client.list_queue(request).await.ok()?.into_inner().contacts;
            queue.into_iter().find(|contact| contact.ticket_id == ticket)
        }
    })
    .await;
    let mut obstacles = std::collections::BTreeMap::new();
    for agent in [&giulia.user_id, &nora.user_id] {
        let request = ExplainContactRequest {
            seller_id: seller.clone(),
            contact_id: contact.id.clone(),
            agent_id: agent.clone(),
        };
        let verdicts = client.clone().explain_contact(request).await.expect("why").into_inner().agents;
        let verdict = verdicts.into_iter().next().expect("a verdict");
        assert!(!verdict.possible);
        obstacles.insert(agent.clone(), verdict.obstacles);
    }
    assert!(obstacles[&giulia.user_id].contains(&"language_missing".to_owned()), "{obstacles:?}");
    assert!(obstacles[&nora.user_id].contains(&"not_certified".to_owned()), "{obstacles:?}");

    // Jonas comes to work and is offered it at once; the others still hear nothing of it.
    let mut at_jonas = AtDesk::sit_down(&mut jonas).await;
    let offer = at_jonas.offer_of(&german.id).await;
    at_jonas.take(&offer).await;
    // An Italian mail is Giulia's; whatever was offered before it would have come before it.
    let raw = mail("help@kind.example", "Anna <anna@posta.example>", "i1@posta.example", "Pacco", ITALIAN);
    let italian = receive(&mut tenant, &seller, raw).await.ticket.expect("a ticket");
    at_giulias.offer_of(&italian.id).await;
    let heard: BTreeSet<String> =
        at_giulias.offered.iter().filter_map(|o| Some(o.contact.as_ref()?.ticket_id.clone())).collect();
    assert_eq!(heard, BTreeSet::from([italian.id]));
    at_noras.say(Say::Heartbeat(Default::default())).await;
    at_noras.hear("an echo", |frame| matches!(frame, Hear::Done(_)).then_some(())).await;
    assert!(at_noras.offered.is_empty(), "{:?}", at_noras.offered);
}
