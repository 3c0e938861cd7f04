//! Routing through the gateway: a contact reaches a certified agent who speaks
//! the language and nobody else, through her stream, and every decision can be
//! explained.

use manydesk::cli::Session;
use proto::Role;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::*;
use proto::tickets::v1 as tickets;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{Person, Tenant, desk, eventually, reason};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;

macro_rules! routing {
    ($session:expr) => {
        RoutingServiceClient::new($session.transport().await.expect("a token"))
    };
}

// it uses the macro above
mod once;

pub(crate) fn mail(seller: &str, request_id: &str, language: &str) -> EnqueueContactRequest {
    let needs = Needs { channel: "email".into(), language: language.into(), ..Needs::default() };
    EnqueueContactRequest {
        seller_id: seller.to_owned(),
        request_id: request_id.to_owned(),
        needs: Some(needs),
        ..EnqueueContactRequest::default()
    }
}

/// A supervisor of a seller, who hands in a contact.
pub(crate) async fn enqueue(boss: &mut Session, request: EnqueueContactRequest) -> Contact {
    routing!(boss)
        .enqueue_contact(request)
        .await
        .expect("a contact is taken in")
        .into_inner()
        .contact
        .expect("a contact")
}

/// An agent's stream.
pub(crate) struct Stream {
    pub(crate) up: mpsc::Sender<AgentSessionRequest>,
    pub(crate) down: Streaming<AgentSessionResponse>,
    pub(crate) sequence: i64,
}

impl Stream {
    /// Opens the stream; the staff's records may still be on their way.
    pub(crate) async fn open(agent: &mut Session) -> (Stream, Welcome) {
        let client = routing!(agent);
        eventually("the agent to be known", || {
            let mut client = client.clone();
            async move {
                let (up, frames) = mpsc::channel(16);
                let hello = Hello { state: PresenceState::Available.into(), ..Hello::default() };
                up.send(AgentSessionRequest { sequence: 1, frame: Some(Up::Hello(hello)) }).await.ok()?;
                let mut down = client.agent_session(ReceiverStream::new(frames)).await.ok()?.into_inner();
                match down.message().await {
                    Ok(Some(AgentSessionResponse { frame: Some(Down::Welcome(welcome)) })) => {
                        Some((Stream { up, down, sequence: 1 }, welcome))
                    }
                    _ => None,
                }
            }
        })
        .await
    }

    pub(crate) async fn say(&mut self, frame: Up) {
        self.sequence += 1;
        self.up
            .send(AgentSessionRequest { sequence: self.sequence, frame: Some(frame) })
            .await
            .expect("the stream is open");
    }

    /// The first frame that fits.
    pub(crate) async fn hear<T>(&mut self, fits: impl Fn(Down) -> Option<T>) -> T {
        loop {
            let frame = self.down.message().await.expect("the stream lives").expect("a frame").frame.expect("a frame");
            if let Some(found) = fits(frame) {
                return found;
            }
        }
    }

    pub(crate) async fn offer(&mut self, welcome: Welcome) -> Offer {
        match welcome.offers.into_iter().next() {
            Some(offer) => offer,
            None => self.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await,
        }
    }

    pub(crate) async fn done(&mut self) {
        let sequence = self.sequence;
        self.hear(|frame| match frame {
            Down::Done(done) => (done.sequence == sequence).then_some(()),
            Down::Refused(refused) => panic!("{refused:?}"),
            _ => None,
        })
        .await;
    }
}

pub(crate) struct Floor {
    pub(crate) tenant: Tenant,
    pub(crate) seller: String,
    pub(crate) boss: Person,
}

pub(crate) async fn floor(name: &str) -> Floor {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let boss = tenant.person("Bea Boss", Role::Supervisor, &[&seller]).await;
    Floor { tenant, seller, boss }
}

#[tokio::test]
async fn a_contact_reaches_the_certified_agent_who_speaks_the_language_and_nobody_else() {
    let mut floor = floor("Routing").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let mut hans = floor.tenant.agent("Hans", "de", &[&floor.seller]).await;
    let (_hans, _) = Stream::open(&mut hans.session).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "one", "it")).await;

    let offer = stream.offer(welcome).await;
    assert_eq!(offer.contact.as_ref().map(|c| c.id.as_str()), Some(contact.id.as_str()));
    assert_eq!(offer.agent_id, giulia.user_id);
    stream.say(Up::Accept(Accept { offer_id: offer.id.clone() })).await;
    stream.done().await;
    // The unary twin of the same answer, sent again: the same end.
    let again =
        AcceptOfferRequest { seller_id: floor.seller.clone(), offer_id: offer.id.clone(), request_id: "a".into() };
    let taken = routing!(giulia.session)
        .accept_offer(again.clone())
        .await
        .expect("the same answer")
        .into_inner()
        .offer
        .unwrap();
    assert_eq!(taken.state(), OfferState::Accepted);
    assert_eq!(taken.contact.unwrap().state(), ContactState::Assigned);
    // Somebody else's offer and one that is not there are the same.
    let theirs = routing!(hans.session).accept_offer(again.clone()).await.unwrap_err();
    let nowhere = AcceptOfferRequest { offer_id: "offer_00000000000000000000000001".into(), ..again };
    let nothing = routing!(hans.session).accept_offer(nowhere).await.unwrap_err();
    assert_eq!(
        (theirs.code(), theirs.message(), theirs.details()),
        (nothing.code(), nothing.message(), nothing.details())
    );
    assert_eq!(theirs.code(), Code::NotFound);

    stream.say(Up::Complete(Complete { contact_id: contact.id.clone(), completion: Completion::Done.into() })).await;
    stream.done().await;
    let explain =
        ExplainContactRequest { seller_id: floor.seller.clone(), contact_id: contact.id.clone(), ..Default::default() };
    let why = routing!(floor.boss.session).explain_contact(explain).await.expect("an explanation").into_inner();
    let kinds: Vec<&str> = why.decisions.iter().map(|d| d.kind.as_str()).collect();
    assert_eq!(kinds, ["queued", "offered", "accepted", "done"]);
    assert!(why.decisions.iter().all(|d| !d.summary.is_empty() && d.epoch >= 1));
}

#[tokio::test]
async fn a_ticket_is_offered_answered_and_done_across_the_services() {
    let mut floor = floor("Ticket to answer").await;
    let account = floor.tenant.account(&floor.seller, "email", "help@masque.example").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let message = tickets::ReceiveMessageRequest {
        seller_id: floor.seller.clone(),
        channel_account_id: account,
        external_id: "m1".into(),
        author: Some(tickets::Author { address: "anna@example.it".into(), name: "Anna".into() }),
        text: "Buongiorno, non ho ancora ricevuto il mio ordine. Quando arriva il mio pacco?".into(),
        ..tickets::ReceiveMessageRequest::default()
    };
    let mut admin = TicketsServiceClient::new(floor.tenant.admin.transport().await.expect("a token"));
    let ticket = admin.receive_message(message).await.expect("a message").into_inner().ticket.expect("a ticket");

    let offer = stream.offer(welcome).await;
    let contact = offer.contact.clone().expect("a contact");
    assert_eq!(
        (contact.ticket_id.as_str(), contact.ticket_number.as_str()),
        (ticket.id.as_str(), ticket.number.as_str())
    );
    assert_eq!(contact.needs.expect("needs").language, "it");
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;

    let agents = TicketsServiceClient::new(giulia.session.transport().await.expect("a token"));
    let assigned = eventually("the ticket to be hers", || {
        let mut agents = agents.clone();
        let get = tickets::GetTicketRequest { seller_id: floor.seller.clone(), ticket_id: ticket.id.clone() };
        let me = giulia.user_id.clone();
        async move {
            let now = agents.get_ticket(get).await.ok()?.into_inner().ticket?;
            (now.assignee_id == me).then_some(now)
        }
    })
    .await;
    let reply = tickets::ReplyRequest {
        seller_id: floor.seller.clone(),
        request_id: "reply".into(),
        ticket_id: ticket.id.clone(),
        etag: assigned.etag,
        text: "Buongiorno Anna, il pacco arriva domani.".into(),
        solve: false,
        upload_ids: Vec::new(),
    };
    agents.clone().reply(reply).await.expect("an answer");
    let boss = routing!(floor.boss.session);
    eventually("the contact to be done", || {
        let mut boss = boss.clone();
        let get = GetContactRequest { seller_id: floor.seller.clone(), contact_id: contact.id.clone() };
        async move {
            let now = boss.get_contact(get).await.ok()?.into_inner().contact?;
            (now.state() == ContactState::Done).then_some(())
        }
    })
    .await;
}

/// What a customer writes on one thread.
async fn writes(floor: &mut Floor, account: &str, id: &str) -> tickets::Ticket {
    let message = tickets::ReceiveMessageRequest {
        seller_id: floor.seller.clone(),
        channel_account_id: account.to_owned(),
        external_id: id.to_owned(),
        external_thread_id: "anna-1".into(),
        author: Some(tickets::Author { address: "anna@example.it".into(), name: "Anna".into() }),
        text: "Buongiorno, non ho ancora ricevuto il mio ordine. Quando arriva il mio pacco?".into(),
        ..tickets::ReceiveMessageRequest::default()
    };
    let mut admin = TicketsServiceClient::new(floor.tenant.admin.transport().await.expect("a token"));
    admin.receive_message(message).await.expect("a message").into_inner().ticket.expect("a ticket")
}

#[tokio::test]
async fn work_that_ended_or_was_parked_is_offered_again_when_the_customer_writes_and_hears_of_changes() {
    let mut floor = floor("Work again").await;
    let account = floor.tenant.account(&floor.seller, "web_form", "forms.masque.example").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (mut stream, welcome) = Stream::open(&mut giulia.session).await;
    let ticket = writes(&mut floor, &account, "w1").await;
    let offer = stream.offer(welcome).await;
    let first = offer.contact.clone().expect("a contact");
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;
    // she is done with it and has answered nothing
    stream.say(Up::Complete(Complete { contact_id: first.id.clone(), completion: Completion::Done.into() })).await;
    stream.done().await;
    let agents = TicketsServiceClient::new(giulia.session.transport().await.expect("a token"));
    let get = tickets::GetTicketRequest { seller_id: floor.seller.clone(), ticket_id: ticket.id.clone() };
    eventually("the ticket to hear of it", || {
        let (mut agents, get) = (agents.clone(), get.clone());
        async move { (!agents.get_ticket(get).await.ok()?.into_inner().ticket?.contact_ended.is_empty()).then_some(()) }
    })
    .await;

    let again = writes(&mut floor, &account, "w2").await;
    assert_eq!(again.id, ticket.id);
    let offer = stream.offer(Welcome::default()).await;
    let second = offer.contact.clone().expect("a contact");
    assert_eq!(second.ticket_id, ticket.id);
    assert_ne!(second.id, first.id);
    stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    stream.done().await;
    stream.say(Up::Complete(Complete { contact_id: second.id.clone(), completion: Completion::Park.into() })).await;
    stream.done().await;

    // another priority moves it and wakes nothing; the customer's word does
    let transport = floor.boss.session.transport().await.expect("a token");
    let raise = tickets::SetTicketPriorityRequest {
        seller_id: floor.seller.clone(),
        ticket_id: ticket.id.clone(),
        priority: tickets::Priority::Urgent.into(),
        ..tickets::SetTicketPriorityRequest::default()
    };
    let mut workflow = tickets::workflow_service_client::WorkflowServiceClient::new(transport);
    workflow.set_ticket_priority(raise).await.expect("another priority");
    let boss = routing!(floor.boss.session);
    let get = GetContactRequest { seller_id: floor.seller.clone(), contact_id: second.id.clone() };
    let moved = eventually("the contact to be urgent", || {
        let (mut boss, get) = (boss.clone(), get.clone());
        async move {
            let now = boss.get_contact(get).await.ok()?.into_inner().contact?;
            (now.priority == "urgent").then_some(now)
        }
    })
    .await;
    assert_eq!(moved.state(), ContactState::Parked);
    writes(&mut floor, &account, "w3").await;
    let offer = stream.offer(Welcome::default()).await;
    assert_eq!(offer.contact.expect("a contact").id, second.id);
}

#[tokio::test]
async fn what_nobody_can_take_is_shown_with_its_reason_and_no_hand_overrules_it() {
    let mut floor = floor("Nobody").await;
    let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
    let (_stream, _) = Stream::open(&mut giulia.session).await;
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "pl", "pl")).await;
    let boss = routing!(floor.boss.session);
    let list = ListQueueRequest { seller_id: floor.seller.clone(), blocked_only: true, ..ListQueueRequest::default() };
    // until routing has heard of her certification, it says that nobody is certified
    let shown = eventually("the contact to be shown as blocked by its language", || {
        let (mut boss, list) = (boss.clone(), list.clone());
        async move {
            let mut contacts = boss.list_queue(list).await.ok()?.into_inner().contacts.into_iter();
            contacts.next().filter(|contact| contact.blocked_reason == "no_language")
        }
    })
    .await;
    assert_eq!(shown.id, contact.id);
    let assign = AssignContactRequest {
        seller_id: floor.seller.clone(),
        contact_id: contact.id.clone(),
        request_id: "by-hand".into(),
        agent_id: giulia.user_id.clone(),
        etag: String::new(),
    };
    let refused = boss.clone().assign_contact(assign).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "AGENT_NOT_ELIGIBLE"));
    let obstacles = refused.get_details_error_info().unwrap().metadata["obstacles"].clone();
    assert_eq!(obstacles, "language_missing");
}

#[tokio::test]
async fn bad_input_names_every_field_and_a_retry_makes_nothing_twice() {
    let mut floor = floor("Retry").await;
    let bad = EnqueueContactRequest {
        contact_id: "contact_x".into(),
        priority: "yesterday".into(),
        ..mail(&floor.seller, "", "not a language")
    };
    let mut boss = routing!(floor.boss.session);
    let refused = boss.enqueue_contact(bad).await.unwrap_err();
    let mut fields: Vec<String> =
        refused.get_error_details().bad_request().unwrap().field_violations.iter().map(|v| v.field.clone()).collect();
    fields.sort();
    assert_eq!(fields, ["contact_id", "needs.language", "priority", "request_id"]);

    let first = enqueue(&mut floor.boss.session, mail(&floor.seller, "same", "it")).await;
    let again = enqueue(&mut floor.boss.session, mail(&floor.seller, "same", "it")).await;
    assert_eq!(first.id, again.id);
    let other = boss.enqueue_contact(mail(&floor.seller, "same", "de")).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));

    for request_id in ["second", "third"] {
        enqueue(&mut floor.boss.session, mail(&floor.seller, request_id, "it")).await;
    }
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let list = ListQueueRequest {
            seller_id: floor.seller.clone(),
            page_size: 2,
            page_token,
            ..ListQueueRequest::default()
        };
        let page = boss.list_queue(list).await.expect("a page").into_inner();
        seen.extend(page.contacts.into_iter().map(|c| c.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    let foreign = ListQueueRequest {
        seller_id: floor.seller.clone(),
        page_size: 1,
        page_token: "AAAA".into(),
        ..ListQueueRequest::default()
    };
    assert_eq!(boss.list_queue(foreign).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_policy_is_versioned_checked_and_guarded_against_lost_updates() {
    let mut floor = floor("Policy").await;
    let mut boss = routing!(floor.boss.session);
    let get = GetRoutingPolicyRequest { seller_id: floor.seller.clone() };
    let built_in = boss.get_routing_policy(get).await.expect("the default").into_inner().policy.unwrap();
    assert_eq!((built_in.version, built_in.late_share_percent), (0, 20));
    let change = |policy, base_version, request_id: &str| UpdateRoutingPolicyRequest {
        seller_id: floor.seller.clone(),
        request_id: request_id.to_owned(),
        policy: Some(policy),
        base_version,
        allow_unmatched: false,
    };
    let never = RoutingPolicy { floor: 5, ceiling: 2, ..built_in.clone() };
    let refused = boss.update_routing_policy(change(never, 0, "never")).await.unwrap_err();
    assert_eq!(refused.get_error_details().bad_request().unwrap().field_violations[0].field, "policy.ceiling");
    assert_eq!(built_in.agent_order, AgentOrder::LeastFlexible as i32);
    let wrap = RoutingPolicy {
        wrap_seconds: 30,
        agent_order: AgentOrder::LongestIdle as i32,
        primary_first: true,
        idle_reserve: 2,
        ..built_in
    };
    let first = boss
        .update_routing_policy(change(wrap.clone(), 0, "one"))
        .await
        .expect("a version")
        .into_inner()
        .policy
        .unwrap();
    assert_eq!((first.version, first.wrap_seconds), (1, 30));
    assert_eq!((first.agent_order, first.primary_first, first.idle_reserve), (AgentOrder::LongestIdle as i32, true, 2));
    let kept = boss.get_routing_policy(GetRoutingPolicyRequest { seller_id: floor.seller.clone() });
    assert_eq!(kept.await.expect("it is kept").into_inner().policy.unwrap(), first);
    let stale = boss.update_routing_policy(change(wrap, 0, "two")).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
}

#[tokio::test]
async fn another_sellers_contact_is_not_there() {
    let mut floor = floor("Foreign").await;
    let contact = enqueue(&mut floor.boss.session, mail(&floor.seller, "mine", "it")).await;
    let other = floor.tenant.seller("other").await;
    let mut stranger = floor.tenant.person("Sven Stranger", Role::Supervisor, &[&other]).await;
    let mut client = routing!(stranger.session);
    let ask = |seller: &str| GetContactRequest { seller_id: seller.to_owned(), contact_id: contact.id.clone() };
    let wrong_seller = client.get_contact(ask(&floor.seller)).await.unwrap_err();
    let wrong_place = client.get_contact(ask(&other)).await.unwrap_err();
    assert_eq!((wrong_seller.code(), wrong_place.code()), (Code::NotFound, Code::NotFound));
    let withdraw = WithdrawContactRequest {
        seller_id: other.clone(),
        contact_id: contact.id.clone(),
        request_id: "gone".into(),
        ..WithdrawContactRequest::default()
    };
    assert_eq!(client.withdraw_contact(withdraw).await.unwrap_err().code(), Code::NotFound);
    let queue = client.list_queue(ListQueueRequest::default()).await.expect("a list").into_inner().contacts;
    assert!(queue.is_empty());

    // an id that she knows from elsewhere is hers as little when she hands in one of her own under it
    let due_at = contact.waiting_since;
    let take = EnqueueContactRequest { contact_id: contact.id.clone(), due_at, ..mail(&other, "taken", "it") };
    client.enqueue_contact(take).await.expect("her own");
    let withdraw = WithdrawContactRequest {
        seller_id: other.clone(),
        contact_id: contact.id.clone(),
        request_id: "gone-again".into(),
        ..WithdrawContactRequest::default()
    };
    assert_eq!(client.withdraw_contact(withdraw).await.unwrap_err().code(), Code::Aborted, "the engine knows none");
    let explain =
        ExplainContactRequest { seller_id: other.clone(), contact_id: contact.id.clone(), ..Default::default() };
    let explained = client.explain_contact(explain).await.expect("hers").into_inner().contact.expect("a contact");
    assert_eq!(explained.seller_id, other);
    let get = GetContactRequest { seller_id: floor.seller.clone(), contact_id: contact.id.clone() };
    let mine = routing!(floor.boss.session).get_contact(get).await.expect("still there").into_inner();
    let mine = mine.contact.expect("a contact");
    assert_eq!((mine.state(), mine.due_at), (ContactState::Queued, contact.due_at));
}
