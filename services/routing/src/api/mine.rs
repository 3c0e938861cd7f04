//! What an agent does without a stream: presence, offers, contacts in hand.

use kit::{Caller, Checks, Fault, Scope};
use prost::Message;
use proto::routing::v1 as wire;
use tenantdb::TenantTx;

use super::once::Asking;
use super::refusal::fault;
use super::{Api, myself};
use crate::desk::frames;
use crate::store::{contacts, decisions};
use crate::wire as out;
use engine::agent::Presence;
use engine::contact::Contact;
use engine::ids::{AgentId, ContactId, OfferId, SellerId};
use engine::offer::{Offer, OfferState};
use engine::refusal::Refusal;
use engine::{Completion, Engine, Event, LEASE_SECONDS, Reply};

impl Api {
    pub(super) async fn presence(
        &self,
        caller: &Caller,
        request: wire::SetPresenceRequest,
    ) -> Result<wire::SetPresenceResponse, Fault> {
        let agent = myself(caller)?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let event = match &request.hello {
            Some(hello) => hello_event(&mut checks, agent, hello),
            None => presence_event(
                &mut checks,
                agent,
                Some(request.epoch).filter(|e| *e != 0),
                request.state,
                &request.reason,
            ),
        };
        checks.finish()?;
        let scope = Scope::provider(caller.provider());
        let asking = Asking { caller, scope, method: "SetPresence", id: &request.request_id, request: &request };
        let respond = move |engine: &Engine, _: &Reply| wire::SetPresenceResponse {
            presence: frames::presence(engine, agent),
            lease_seconds: LEASE_SECONDS,
        };
        asking.engine(self, event, respond).await?.map_err(fault)
    }

    pub(super) async fn my_offers(
        &self,
        caller: &Caller,
        _request: wire::ListMyOffersRequest,
    ) -> Result<wire::ListMyOffersResponse, Fault> {
        let agent = myself(caller)?;
        self.desk(caller)?
            .look(move |engine| {
                let desk = engine.desk(agent);
                wire::ListMyOffersResponse {
                    offers: frames::offers(engine, &desk),
                    contacts: frames::owned(&desk),
                    presence: frames::presence(engine, agent),
                }
            })
            .await
    }

    pub(super) async fn accept(
        &self,
        caller: &Caller,
        request: wire::AcceptOfferRequest,
    ) -> Result<wire::AcceptOfferResponse, Fault> {
        let agent = myself(caller)?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let offer: OfferId = checks.id("offer_id", &request.offer_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "AcceptOffer", id: &request.request_id, request: &request };
        let event = Event::Accept { agent, epoch: None, offer };
        let answer =
            |offer: &Offer, contact: &Contact| wire::AcceptOfferResponse { offer: Some(out::offer(offer, contact)) };
        self.end_offer(&asking, (agent, offer), OfferState::Accepted, event, answer).await
    }

    pub(super) async fn reject(
        &self,
        caller: &Caller,
        request: wire::RejectOfferRequest,
    ) -> Result<wire::RejectOfferResponse, Fault> {
        let agent = myself(caller)?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let offer: OfferId = checks.id("offer_id", &request.offer_id);
        let reason = checks.line("reason", &request.reason, 0..=64);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "RejectOffer", id: &request.request_id, request: &request };
        let event = Event::Reject { agent, epoch: None, offer, reason };
        let answer =
            |offer: &Offer, contact: &Contact| wire::RejectOfferResponse { offer: Some(out::offer(offer, contact)) };
        self.end_offer(&asking, (agent, offer), OfferState::Rejected, event, answer).await
    }

    /// Ends an offer of the caller's. One that ended this way before has been
    /// ended; whether it is somebody else's or not there is not told.
    async fn end_offer<Req: Message, Res: Message + Default>(
        &self,
        asking: &Asking<'_, Req>,
        (agent, id): (AgentId, OfferId),
        end: OfferState,
        event: Event,
        answer: impl Fn(&Offer, &Contact) -> Res + Copy + Send + 'static,
    ) -> Result<Res, Fault> {
        let mut tx = self.deps.db.begin(&asking.scope).await?;
        let seller = tx.seller()?;
        let Some((offer, contact)) = stored(&mut tx, seller, agent, id).await? else {
            return Err(asking.absent(&mut tx, "offer").await);
        };
        drop(tx);
        if offer.state == OfferState::Pending {
            let respond = move |_: &Engine, reply: &Reply| {
                answer(reply.offer.as_ref().unwrap_or(&offer), reply.contact.as_ref().unwrap_or(&contact))
            };
            match asking.engine(self, event, respond).await? {
                Ok(answer) => return Ok(answer),
                // It has just ended, perhaps by this very request, sent twice.
                Err(Refusal::OfferNotFound) => {}
                Err(refusal) => return Err(fault(refusal)),
            }
        }
        let mut tx = self.deps.db.begin(&asking.scope).await?;
        if let Some(answer) = asking.claim(&mut tx).await? {
            return Ok(answer);
        }
        let (offer, contact) = stored(&mut tx, seller, agent, id).await?.ok_or(Fault::NotFound("offer"))?;
        if offer.state != end {
            return Err(fault(Refusal::OfferEnded(offer.state)));
        }
        let response = answer(&offer, &contact);
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn complete(
        &self,
        caller: &Caller,
        request: wire::CompleteContactRequest,
    ) -> Result<wire::CompleteContactResponse, Fault> {
        let agent = myself(caller)?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        let completion = out::completion_in(request.completion);
        checks.require(completion.is_some(), "completion", "must say what is done with the contact");
        checks.finish()?;
        let completion = completion.unwrap_or(Completion::Done);
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "CompleteContact", id: &request.request_id, request: &request };
        let before = self.open_or_ended(&asking, contact).await?;
        let answer = |contact: &Contact| wire::CompleteContactResponse {
            contact: Some(out::contact(contact, out::View::Staff)),
        };
        let after = before.clone();
        let respond = move |_: &Engine, reply: &Reply| answer(reply.contact.as_ref().unwrap_or(&after));
        match asking.engine(self, Event::Complete { agent, epoch: None, contact, completion }, respond).await? {
            Ok(answer) => return Ok(answer),
            // Finished before, by her.
            Err(Refusal::ContactNotFound) if before.agent == Some(agent) && before.state.is_final() => {}
            Err(refusal) => return Err(fault(refusal)),
        }
        let mut tx = self.deps.db.begin(&asking.scope).await?;
        if let Some(answer) = asking.claim(&mut tx).await? {
            return Ok(answer);
        }
        let response = answer(&before);
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// A contact of the seller that a request is about.
    pub(super) async fn open_or_ended<Req: Message>(
        &self,
        asking: &Asking<'_, Req>,
        contact: ContactId,
    ) -> Result<Contact, Fault> {
        let mut tx = self.deps.db.begin(&asking.scope).await?;
        let seller = tx.seller()?;
        match contacts::find(&mut tx, seller, contact).await? {
            Some(contact) => Ok(contact),
            None => Err(asking.absent(&mut tx, "contact").await),
        }
    }
}

/// An offer that was made to this agent, and its contact.
async fn stored(
    tx: &mut TenantTx,
    seller: SellerId,
    agent: AgentId,
    id: OfferId,
) -> Result<Option<(Offer, Contact)>, Fault> {
    let Some(offer) = decisions::offer(tx, seller, id).await?.filter(|o| o.agent == agent) else { return Ok(None) };
    Ok(contacts::find(tx, seller, offer.contact).await?.map(|contact| (offer, contact)))
}

/// What a hello asks of the engine.
pub(super) fn hello_event(checks: &mut Checks, agent: AgentId, hello: &wire::Hello) -> Event {
    let channels = out::channels_in(&hello.channels).unwrap_or_else(|place| {
        checks.refuse(format!("hello.channels[{place}]"), "must be a channel, such as email");
        engine::needs::Channels::NONE
    });
    let presence = presence_wanted(checks, "hello.state", hello.state);
    let reason = reason(checks, "hello.reason", presence, &hello.reason);
    checks.require(presence != Some(Presence::Offline), "hello.state", "must not be OFFLINE");
    checks.require(hello.resume_epoch >= 0, "hello.resume_epoch", "must not be negative");
    Event::Hello { agent, resume: hello.resume_epoch, presence, reason, channels }
}

/// What a change of presence asks of the engine; without a state it is a heartbeat.
pub(super) fn presence_event(checks: &mut Checks, agent: AgentId, epoch: Option<i64>, state: i32, why: &str) -> Event {
    match presence_wanted(checks, "state", state) {
        Some(presence) => {
            let reason = reason(checks, "reason", Some(presence), why);
            Event::Presence { agent, epoch, presence, reason }
        }
        None => Event::Heartbeat { agent, epoch },
    }
}

fn presence_wanted(checks: &mut Checks, field: &str, state: i32) -> Option<Presence> {
    let wanted = out::presence_in(state);
    checks.require(wanted.is_some() || state == 0, field, "must be a presence state");
    wanted
}

fn reason(checks: &mut Checks, field: &str, presence: Option<Presence>, reason: &str) -> String {
    let least = usize::from(presence == Some(Presence::Paused));
    checks.line(field, reason, least..=64)
}
