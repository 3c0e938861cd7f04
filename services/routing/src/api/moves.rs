//! Contacts moved by hand, and the agents they can be moved to.

use std::collections::BTreeSet;

use kit::caller::Kind;
use kit::{Caller, Checks, Fault, SellerId};
use proto::Role;
use proto::routing::v1 as wire;

use super::live::sellers;
use super::once::Asking;
use super::refusal::fault;
use super::{Api, myself, optional};
use crate::desk::hand::Subject;
use crate::wire::{self as out, View};
use engine::agent::{Presence as PresenceState, Profile, Session};
use engine::ids::{AgentId, ContactId};
use engine::refusal::Refusal;
use engine::{Engine, Event, Reply};

impl Api {
    pub(super) async fn assign(
        &self,
        caller: &Caller,
        request: wire::AssignContactRequest,
    ) -> Result<wire::AssignContactResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        let named: Option<AgentId> = optional(&mut checks, "agent_id", &request.agent_id);
        checks.finish()?;
        let version = out::contact_version(&request.etag)?;
        let me = myself(caller)?;
        let agent = named.unwrap_or(me);
        if agent != me && !caller.has(Role::Supervisor) {
            return Err(Fault::Denied("SUPERVISOR_REQUIRED"));
        }
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "AssignContact", id: &request.request_id, request: &request };
        let before = self.open_or_ended(&asking, contact).await?;
        let after = before.clone();
        let respond = move |_: &Engine, reply: &Reply| {
            let after = reply.contact.as_ref().unwrap_or(&after);
            wire::AssignContactResponse { contact: Some(out::contact(after, View::Staff)) }
        };
        let hand = asking.hand(self, "contact_assigned", Subject::Contact(before.seller, contact), "");
        match asking.by_hand(self, Event::Assign { contact, agent, version }, hand, respond).await? {
            Ok(answer) => Ok(answer),
            Err(Refusal::ContactNotFound) => Err(ended(&before)),
            Err(refusal) => Err(fault(refusal)),
        }
    }

    pub(super) async fn transfer(
        &self,
        caller: &Caller,
        request: wire::TransferContactRequest,
    ) -> Result<wire::TransferContactResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        let to: Option<AgentId> = optional(&mut checks, "agent_id", &request.agent_id);
        let reason = checks.line("reason", &request.reason, 0..=64);
        checks.finish()?;
        let version = out::contact_version(&request.etag)?;
        let owner = if caller.has(Role::Supervisor) { None } else { Some(myself(caller)?) };
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "TransferContact", id: &request.request_id, request: &request };
        let before = self.open_or_ended(&asking, contact).await?;
        let after = before.clone();
        let respond = move |_: &Engine, reply: &Reply| {
            let after = reply.contact.as_ref().unwrap_or(&after);
            wire::TransferContactResponse { contact: Some(out::contact(after, View::Staff)) }
        };
        let hand = asking.hand(self, "contact_transferred", Subject::Contact(before.seller, contact), &reason);
        match asking.by_hand(self, Event::Transfer { contact, to, owner, version }, hand, respond).await? {
            Ok(answer) => Ok(answer),
            Err(Refusal::ContactNotFound) => Err(ended(&before)),
            Err(refusal) => Err(fault(refusal)),
        }
    }

    pub(super) async fn agents(
        &self,
        caller: &Caller,
        request: wire::ListAgentsRequest,
    ) -> Result<wire::ListAgentsResponse, Fault> {
        let wanted = out::presence_in(request.state);
        if wanted.is_none() && request.state != 0 {
            return Err(Fault::invalid("state", "must be a presence state"));
        }
        let page = self.deps.pager.read::<uuid::Uuid>(
            caller,
            "ListAgents",
            &request.state,
            request.page_size,
            &request.page_token,
        )?;
        let (after, most) = (page.after, usize::try_from(page.size).unwrap_or(0) + 1);
        // a service plans with everybody
        let mine = if caller.kind() == Kind::Service { None } else { sellers(caller, "")? };
        let mut found =
            self.desk(caller)?.look(move |engine| people(engine, wanted, mine.as_ref(), after, most)).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut found, |(id, _)| *id)?;
        Ok(wire::ListAgentsResponse { agents: found.into_iter().map(|(_, agent)| agent).collect(), next_page_token })
    }
}

/// A contact that the engine does not know: it has ended, or has only just been handed in.
pub(super) fn ended(contact: &engine::contact::Contact) -> Fault {
    if contact.state.is_final() {
        fault(Refusal::WrongState(contact.state))
    } else {
        Fault::Contended("the contact has only just been handed in, or has just ended".into())
    }
}

/// The next agents by id, of those who work for one of some sellers; of all for none.
fn people(
    engine: &Engine,
    wanted: Option<PresenceState>,
    mine: Option<&BTreeSet<SellerId>>,
    after: Option<uuid::Uuid>,
    most: usize,
) -> Vec<(uuid::Uuid, wire::Presence)> {
    let works_for = |profile: &Profile| mine.is_none_or(|mine| !profile.sellers.is_disjoint(mine));
    let mut people: Vec<_> = engine
        .agents()
        .filter(|(profile, session, _)| profile.active && wanted.is_none_or(|w| w == session.presence))
        .filter(|(profile, _, _)| after.is_none_or(|after| profile.agent.0 > after) && works_for(profile))
        .collect();
    if most < people.len() {
        people.select_nth_unstable_by_key(most, |(profile, _, _)| profile.agent);
        people.truncate(most);
    }
    people.sort_unstable_by_key(|(profile, _, _)| profile.agent);
    let row = |(profile, session, used): (&Profile, &Session, _)| {
        let in_hand = engine.desk(profile.agent).len();
        (profile.agent.0, out::presence(profile, session, used, in_hand))
    };
    people.into_iter().map(row).collect()
}
