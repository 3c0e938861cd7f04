//! What an agent does without a stream: presence, offers, contacts in hand.

use kit::{Caller, Checks, Fault};
use proto::routing::v1 as wire;
use tenantdb::TenantTx;

use super::refusal::fault;
use super::{Api, myself};
use crate::desk::frames;
use crate::domain::agent::Presence;
use crate::domain::contact::Contact;
use crate::domain::engine::{Completion, Event, LEASE_SECONDS};
use crate::domain::ids::{AgentId, ContactId, OfferId, SellerId};
use crate::domain::offer::{Offer, OfferState};
use crate::domain::refusal::Refusal;
use crate::store::{contacts, decisions};
use crate::wire as out;

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
        let desk = self.desk(caller)?;
        desk.command(event).await?.map_err(fault)?;
        let presence = desk.look(move |engine| frames::presence(engine, agent)).await?;
        Ok(wire::SetPresenceResponse { presence, lease_seconds: LEASE_SECONDS })
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
        let event = |offer| Event::Accept { agent, epoch: None, offer };
        let (offer, contact) =
            self.end_offer(caller, &request.seller_id, agent, offer, OfferState::Accepted, event).await?;
        Ok(wire::AcceptOfferResponse { offer: Some(out::offer(&offer, &contact)) })
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
        let event = |offer| Event::Reject { agent, epoch: None, offer, reason };
        let (offer, contact) =
            self.end_offer(caller, &request.seller_id, agent, offer, OfferState::Rejected, event).await?;
        Ok(wire::RejectOfferResponse { offer: Some(out::offer(&offer, &contact)) })
    }

    /// Ends an offer of the caller's. One that ended this way before has been
    /// ended; whether it is somebody else's or not there is not told.
    async fn end_offer(
        &self,
        caller: &Caller,
        seller_id: &str,
        agent: AgentId,
        id: OfferId,
        end: OfferState,
        event: impl FnOnce(OfferId) -> Event,
    ) -> Result<(Offer, Contact), Fault> {
        let scope = caller.act_for(seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = tx.seller()?;
        let (offer, _) = stored(&mut tx, seller, agent, id).await?;
        drop(tx);
        if offer.state == OfferState::Pending {
            match self.desk(caller)?.command(event(id)).await? {
                Ok(reply) => {
                    if let (Some(offer), Some(contact)) = (reply.offer, reply.contact) {
                        return Ok((offer, contact));
                    }
                }
                // It has just ended, perhaps by this very request, sent twice.
                Err(Refusal::OfferNotFound) => {}
                Err(refusal) => return Err(fault(refusal)),
            }
        }
        let mut tx = self.deps.db.begin(&scope).await?;
        let (offer, contact) = stored(&mut tx, seller, agent, id).await?;
        if offer.state == end { Ok((offer, contact)) } else { Err(fault(Refusal::OfferEnded(offer.state))) }
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
        let before = self.open_or_ended(caller, &request.seller_id, contact).await?;
        let after =
            match self.desk(caller)?.command(Event::Complete { agent, epoch: None, contact, completion }).await? {
                Ok(reply) => reply.contact.unwrap_or(before),
                // Finished before, by her: the same request again.
                Err(Refusal::ContactNotFound) if before.agent == Some(agent) && before.state.is_final() => before,
                Err(refusal) => return Err(fault(refusal)),
            };
        Ok(wire::CompleteContactResponse { contact: Some(out::contact(&after, out::View::Staff)) })
    }

    /// A contact of a seller that the caller acts for.
    pub(super) async fn open_or_ended(
        &self,
        caller: &Caller,
        seller_id: &str,
        contact: ContactId,
    ) -> Result<Contact, Fault> {
        let scope = caller.act_for(seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = tx.seller()?;
        contacts::find(&mut tx, seller, contact).await?.ok_or(Fault::NotFound("contact"))
    }
}

async fn stored(tx: &mut TenantTx, seller: SellerId, agent: AgentId, id: OfferId) -> Result<(Offer, Contact), Fault> {
    let offer = decisions::offer(tx, seller, id).await?.filter(|o| o.agent == agent).ok_or(Fault::NotFound("offer"))?;
    let contact = contacts::find(tx, seller, offer.contact).await?.ok_or(Fault::NotFound("offer"))?;
    Ok((offer, contact))
}

/// What a hello asks of the engine.
pub(super) fn hello_event(checks: &mut Checks, agent: AgentId, hello: &wire::Hello) -> Event {
    let channels = out::channels_in(&hello.channels).unwrap_or_else(|place| {
        checks.refuse(format!("hello.channels[{place}]"), "must be a channel, such as email");
        crate::domain::needs::Channels::NONE
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
