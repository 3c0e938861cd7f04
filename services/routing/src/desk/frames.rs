//! What agents are told through their streams, after the commit.

use std::collections::{HashMap, HashSet};

use proto::routing::v1::agent_session_response::Frame;
use proto::routing::v1::{AgentSessionResponse, OfferEnded, Welcome};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::wire::{self, View};
use engine::contact::{Contact, ContactState};
use engine::ids::{AgentId, ContactId, OfferId};
use engine::offer::OfferState;
use engine::{Changes, Engine, HEARTBEAT_SECONDS, Kind, LEASE_SECONDS};

fn frame(frame: Frame) -> AgentSessionResponse {
    AgentSessionResponse { frame: Some(frame) }
}

/// The agent's presence as the engine knows it.
pub fn presence(engine: &Engine, agent: AgentId) -> Option<proto::routing::v1::Presence> {
    let (profile, session, used) = engine.agent(agent)?;
    Some(wire::presence(profile, session, used, engine.desk(agent).len()))
}

/// Everything an agent needs to go on after a connection.
pub fn welcome(engine: &Engine, agent: AgentId) -> AgentSessionResponse {
    let desk = engine.desk(agent);
    frame(Frame::Welcome(Welcome {
        presence: presence(engine, agent),
        heartbeat_seconds: HEARTBEAT_SECONDS,
        lease_seconds: LEASE_SECONDS,
        offers: offers(engine, &desk),
        contacts: owned(&desk),
    }))
}

/// The live offers on an agent's desk.
pub fn offers(engine: &Engine, desk: &[&Contact]) -> Vec<proto::routing::v1::Offer> {
    let live = desk.iter().filter_map(|contact| Some((engine.offer(contact.offer?)?, *contact)));
    live.map(|(offer, contact)| wire::offer(offer, contact)).collect()
}

/// The contacts that the agent owns.
pub fn owned(desk: &[&Contact]) -> Vec<proto::routing::v1::Contact> {
    desk.iter().filter(|c| c.state.is_owned()).map(|c| wire::contact(c, View::Staff)).collect()
}

/// The frames that follow from a commit, in order.
pub fn after(engine: &Engine, changes: &Changes) -> Vec<(AgentId, AgentSessionResponse)> {
    let contacts: HashMap<ContactId, &Contact> = changes.contacts.iter().map(|c| (c.id, c)).collect();
    let mut frames = Vec::new();
    for decision in &changes.decisions {
        let (Some(agent), Some(contact)) = (decision.agent, contacts.get(&decision.contact)) else { continue };
        let next = match decision.kind {
            Kind::Offered => {
                // It may have ended in the same batch; then its end is told below, and no beginning.
                let live = decision.offer.and_then(|offer| engine.offer(offer));
                match live {
                    Some(offer) => Frame::Offer(wire::offer(offer, contact)),
                    None => continue,
                }
            }
            Kind::TimedOut | Kind::Rescinded | Kind::Rejected => {
                let Some(offer) = decision.offer else { continue };
                let state = match decision.kind {
                    Kind::TimedOut => OfferState::TimedOut,
                    Kind::Rejected => OfferState::Rejected,
                    _ => OfferState::Rescinded,
                };
                Frame::OfferEnded(OfferEnded {
                    offer_id: offer.to_string(),
                    state: wire::offer_state(state) as i32,
                    reason: decision.reason.clone(),
                })
            }
            Kind::Accepted | Kind::Assigned if contact.state == ContactState::Assigned => {
                Frame::Assigned(wire::contact(contact, View::Staff))
            }
            _ => Frame::Contact(wire::contact(contact, View::Staff)),
        };
        frames.push((agent, frame(next)));
    }
    let offered = changes.decisions.iter().filter(|decision| decision.kind == Kind::Offered);
    let told: HashSet<OfferId> = offered.filter_map(|decision| decision.offer).collect();
    for offer in changes.offers.iter().filter(|offer| offer.state == OfferState::Pending) {
        // one of before, whose end is another by now
        if !told.contains(&offer.id)
            && let Some(contact) = engine.contact(offer.contact)
        {
            frames.push((offer.agent, frame(Frame::Offer(wire::offer(offer, contact)))));
        }
    }
    for session in &changes.sessions {
        if let Some(presence) = presence(engine, session.agent) {
            frames.push((session.agent, frame(Frame::Presence(presence))));
        }
    }
    frames
}

/// What the older of two streams of an agent ends with.
pub fn taken_over() -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info("SESSION_TAKEN_OVER", kit::fault::DOMAIN, HashMap::<String, String>::new());
    Status::with_error_details(Code::Aborted, "the session goes on in a newer stream", details)
}
