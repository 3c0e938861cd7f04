//! A request is carried out once, however often it is asked, and its id is not
//! taken for another one.

use tonic::Status;

use super::*;

/// A seller's floor with Giulia at work, through no stream.
struct Shift {
    floor: Floor,
    giulia: Person,
}

impl Shift {
    async fn begin(name: &str) -> Shift {
        let mut floor = floor(name).await;
        let mut giulia = floor.tenant.agent("Giulia", "it", &[&floor.seller]).await;
        let client = routing!(giulia.session);
        eventually("the agent to be known", || {
            let mut client = client.clone();
            async move { client.set_presence(hello("first", PresenceState::Available)).await.ok() }
        })
        .await;
        Shift { floor, giulia }
    }

    /// Hands in a contact and waits until it is offered to her.
    async fn offer(&mut self, request_id: &str) -> Offer {
        let contact = enqueue(&mut self.floor.boss.session, mail(&self.floor.seller, request_id, "it")).await;
        let client = routing!(self.giulia.session);
        eventually("the offer", || {
            let (mut client, contact) = (client.clone(), contact.id.clone());
            async move {
                let offers = client.list_my_offers(ListMyOffersRequest {}).await.ok()?.into_inner().offers;
                offers.into_iter().find(|offer| offer.contact.as_ref().is_some_and(|c| c.id == contact))
            }
        })
        .await
    }

    fn complete(&self, contact: &str, completion: Completion, request_id: &str) -> CompleteContactRequest {
        CompleteContactRequest {
            seller_id: self.floor.seller.clone(),
            contact_id: contact.to_owned(),
            request_id: request_id.to_owned(),
            completion: completion.into(),
        }
    }

    fn transfer(&self, contact: &str, to: &str, request_id: &str) -> TransferContactRequest {
        TransferContactRequest {
            seller_id: self.floor.seller.clone(),
            contact_id: contact.to_owned(),
            request_id: request_id.to_owned(),
            agent_id: to.to_owned(),
            ..TransferContactRequest::default()
        }
    }

    fn assign(&self, contact: &str, request_id: &str) -> AssignContactRequest {
        AssignContactRequest {
            seller_id: self.floor.seller.clone(),
            contact_id: contact.to_owned(),
            request_id: request_id.to_owned(),
            agent_id: self.giulia.user_id.clone(),
            etag: String::new(),
        }
    }

    async fn contact(&mut self, contact: &str) -> Contact {
        let get = GetContactRequest { seller_id: self.floor.seller.clone(), contact_id: contact.to_owned() };
        let mut boss = routing!(self.floor.boss.session);
        boss.get_contact(get).await.expect("it is there").into_inner().contact.expect("a contact")
    }

    /// How often something was decided about a contact.
    async fn decided(&mut self, contact: &str, kind: &str) -> usize {
        let seller_id = self.floor.seller.clone();
        let explain = ExplainContactRequest { seller_id, contact_id: contact.to_owned(), agent_id: String::new() };
        let mut boss = routing!(self.floor.boss.session);
        let decisions = boss.explain_contact(explain).await.expect("an explanation").into_inner().decisions;
        decisions.iter().filter(|decision| decision.kind == kind).count()
    }
}

fn hello(request_id: &str, state: PresenceState) -> SetPresenceRequest {
    let hello = Some(Hello { state: state.into(), ..Hello::default() });
    SetPresenceRequest { request_id: request_id.to_owned(), hello, ..SetPresenceRequest::default() }
}

/// Asks twice; the answers must be the same.
macro_rules! twice {
    ($client:expr, $call:ident, $request:expr) => {{
        let first = $client.$call($request).await.expect("an answer").into_inner();
        let again = $client.$call($request).await.expect("the same answer").into_inner();
        assert_eq!(first, again, stringify!($call));
        first
    }};
}

fn is_reused<T: std::fmt::Debug>(answer: Result<T, Status>) {
    let refused = answer.expect_err("the id is that of another request");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"), "{refused:?}");
}

#[tokio::test]
async fn commands_asked_again_are_answered_and_not_repeated() {
    let mut shift = Shift::begin("Once").await;
    let seller_id = shift.floor.seller.clone();
    let mut giulia = routing!(shift.giulia.session);

    let opened = twice!(giulia, set_presence, hello("open", PresenceState::Available));
    let epoch = opened.presence.expect("a presence").epoch;
    is_reused(giulia.set_presence(hello("open", PresenceState::Draining)).await);
    let beat = |request_id: &str| SetPresenceRequest { request_id: request_id.into(), epoch, ..Default::default() };
    let now = giulia.set_presence(beat("beat")).await.expect("she is there").into_inner().presence.expect("hers");
    assert_eq!((now.epoch, now.state()), (epoch, PresenceState::Available), "no session was opened twice");
    is_reused(giulia.set_presence(beat("open")).await);

    let offer = shift.offer("contact").await;
    let id = offer.contact.expect("a contact").id;
    let accept = |offer_id: &str, request_id: &str| AcceptOfferRequest {
        seller_id: seller_id.clone(),
        offer_id: offer_id.into(),
        request_id: request_id.into(),
    };
    let taken = twice!(giulia, accept_offer, accept(&offer.id, "accept"));
    assert_eq!(taken.offer.expect("the offer").state(), OfferState::Accepted);
    let other = format!("offer_{}", contact_suffix(&id));
    is_reused(giulia.accept_offer(accept(&other, "accept")).await);
    let absent = giulia.accept_offer(accept(&other, "fresh")).await.expect_err("there is no such offer");
    assert_eq!(absent.code(), Code::NotFound);
    // taken before, under another id: answered from what is stored, and that is kept too
    twice!(giulia, accept_offer, accept(&offer.id, "late"));
    is_reused(giulia.accept_offer(accept(&other, "late")).await);

    // a retry does not undo what came after it
    let parked = twice!(giulia, complete_contact, shift.complete(&id, Completion::Park, "park"));
    giulia.complete_contact(shift.complete(&id, Completion::Resume, "resume")).await.expect("she goes on");
    let again = giulia.complete_contact(shift.complete(&id, Completion::Park, "park")).await.expect("an answer");
    assert_eq!(again.into_inner(), parked);
    assert_eq!(shift.contact(&id).await.state(), ContactState::Assigned);
    is_reused(giulia.complete_contact(shift.complete(&id, Completion::Done, "park")).await);

    let mut boss = routing!(shift.floor.boss.session);
    let moved = twice!(boss, transfer_contact, shift.transfer(&id, "", "move"));
    twice!(boss, assign_contact, shift.assign(&id, "back"));
    assert_eq!(boss.transfer_contact(shift.transfer(&id, "", "move")).await.expect("an answer").into_inner(), moved);
    let now = shift.contact(&id).await;
    assert_eq!((now.state(), &now.agent_id), (ContactState::Assigned, &shift.giulia.user_id));
    assert_eq!(shift.decided(&id, "transferred").await, 1);
    is_reused(boss.transfer_contact(shift.transfer(&id, &shift.giulia.user_id, "move")).await);
    is_reused(boss.assign_contact(AssignContactRequest { etag: "v1".into(), ..shift.assign(&id, "back") }).await);
    let elsewhere = format!("contact_{}", contact_suffix(&offer.id));
    is_reused(boss.assign_contact(shift.assign(&elsewhere, "back")).await);

    // a refusal is no answer: the id is free for what is asked instead
    let refused = boss.transfer_contact(shift.transfer(&id, &shift.giulia.user_id, "free")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    boss.transfer_contact(shift.transfer(&id, "", "free")).await.expect("moved");

    let withdraw = |state: ContactState, request_id: &str| WithdrawContactRequest {
        seller_id: seller_id.clone(),
        contact_id: id.clone(),
        request_id: request_id.into(),
        state: state.into(),
        reason: String::new(),
    };
    twice!(boss, withdraw_contact, withdraw(ContactState::Cancelled, "gone"));
    is_reused(boss.withdraw_contact(withdraw(ContactState::Abandoned, "gone")).await);
    twice!(boss, withdraw_contact, withdraw(ContactState::Cancelled, "long-gone"));
    is_reused(boss.withdraw_contact(withdraw(ContactState::Abandoned, "long-gone")).await);
    // what was answered while the contact was open is answered now
    assert_eq!(boss.transfer_contact(shift.transfer(&id, "", "move")).await.expect("an answer").into_inner(), moved);

    let offer = shift.offer("another").await;
    let reject = |reason: &str| RejectOfferRequest {
        seller_id: seller_id.clone(),
        offer_id: offer.id.clone(),
        request_id: "reject".into(),
        reason: reason.into(),
    };
    twice!(giulia, reject_offer, reject("lunch"));
    is_reused(giulia.reject_offer(reject("dinner")).await);
    // another person's id is another id
    let id = offer.contact.expect("a contact").id;
    let refused = giulia.transfer_contact(shift.transfer(&id, "", "move")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "WRONG_STATE"), "{refused:?}");
}

/// The same id of another kind.
fn contact_suffix(id: &str) -> &str {
    id.split_once('_').expect("an id").1
}

#[tokio::test]
async fn twins_at_the_same_moment_are_one() {
    let mut shift = Shift::begin("Twins").await;
    let mut giulia = routing!(shift.giulia.session);
    let offer = shift.offer("contact").await;
    let id = offer.contact.expect("a contact").id;
    let seller_id = shift.floor.seller.clone();
    let accept = AcceptOfferRequest { seller_id, offer_id: offer.id, request_id: "accept".into() };
    giulia.accept_offer(accept).await.expect("hers");
    for round in 0..5 {
        let mut calls = Vec::new();
        for n in 0..12 {
            // of two payloads under one id, one wins
            let reason = if n % 3 == 0 { "one" } else { "other" };
            let request_id = format!("move-{round}");
            let request = TransferContactRequest { reason: reason.into(), ..shift.transfer(&id, "", &request_id) };
            let mut boss = routing!(shift.floor.boss.session);
            calls.push(tokio::spawn(async move { (reason, boss.transfer_contact(request).await) }));
        }
        let (mut winners, mut answers) = (Vec::new(), Vec::new());
        for call in calls {
            let (reason, answer) = call.await.expect("a call");
            match answer {
                Ok(answer) => {
                    winners.push(reason);
                    answers.push(answer.into_inner());
                }
                refused => is_reused(refused),
            }
        }
        winners.dedup();
        answers.dedup();
        assert_eq!((winners.len(), answers.len()), (1, 1), "{winners:?} {answers:?}");
        assert_eq!(shift.decided(&id, "transferred").await, round + 1);
        let mut boss = routing!(shift.floor.boss.session);
        boss.assign_contact(shift.assign(&id, &format!("back-{round}"))).await.expect("hers again");
    }
}
