//! Contacts taken out, read and explained.

use kit::{Caller, Checks, Fault, Scope};
use proto::routing::v1 as wire;

use super::once::Asking;
use super::refusal::fault;
use super::{Api, optional};
use crate::desk::hand::Subject;
use crate::store::{contacts, decisions};
use crate::wire::{self as out, View};
use engine::contact::{Contact, ContactState};
use engine::ids::{AgentId, At, ContactId};
use engine::refusal::Refusal;
use engine::{Engine, Event, Explanation, Reply};

/// Decisions in one explanation.
const DECISIONS_MOST: i64 = 200;
/// Agents in one explanation.
const AGENTS_MOST: usize = 50;

impl Api {
    pub(super) async fn withdraw(
        &self,
        caller: &Caller,
        request: wire::WithdrawContactRequest,
    ) -> Result<wire::WithdrawContactResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        let reason = checks.line("reason", &request.reason, 0..=64);
        let end = if request.state == 0 { Some(ContactState::Cancelled) } else { out::contact_state_in(request.state) };
        let fits = |s: &ContactState| {
            matches!(s, ContactState::Cancelled | ContactState::Abandoned | ContactState::Overflowed)
        };
        let end = end.filter(fits);
        checks.require(end.is_some(), "state", "must be CANCELLED, ABANDONED or OVERFLOWED");
        checks.finish()?;
        let end = end.unwrap_or(ContactState::Cancelled);
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "WithdrawContact", id: &request.request_id, request: &request };
        let before = self.open_or_ended(&asking, contact).await?;
        let view = View::of(caller);
        let answer =
            move |contact: &Contact| wire::WithdrawContactResponse { contact: Some(out::contact(contact, view)) };
        let hand = asking.hand(self, "contact_withdrawn", Subject::Contact(before.seller, contact), &reason);
        let respond = move |_: &Engine, reply: &Reply| answer(reply.contact.as_ref().unwrap_or(&before));
        match asking.by_hand(self, Event::Withdraw { contact, end, reason }, hand, respond).await? {
            Ok(answer) => return Ok(answer),
            Err(Refusal::ContactNotFound) => {}
            Err(refusal) => return Err(fault(refusal)),
        }
        // The engine knows only what is open: this one has ended, before or just now.
        let mut tx = self.deps.db.begin(&asking.scope).await?;
        if let Some(answer) = asking.claim(&mut tx).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let ended = contacts::find(&mut tx, seller, contact).await?.ok_or(Fault::NotFound("contact"))?;
        if !ended.state.is_final() {
            return Err(Fault::Contended("the contact has only just been handed in".into()));
        }
        if ended.state != end {
            return Err(fault(Refusal::WrongState(ended.state)));
        }
        let response = answer(&ended);
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn contact(
        &self,
        caller: &Caller,
        request: wire::GetContactRequest,
    ) -> Result<wire::GetContactResponse, Fault> {
        let mut checks = Checks::new();
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        checks.finish()?;
        let (_, contact) = self.read_contact(caller, &request.seller_id, contact).await?;
        Ok(wire::GetContactResponse { contact: Some(out::contact(&contact, View::of(caller))) })
    }

    pub(super) async fn explain(
        &self,
        caller: &Caller,
        request: wire::ExplainContactRequest,
    ) -> Result<wire::ExplainContactResponse, Fault> {
        let mut checks = Checks::new();
        let id: ContactId = checks.id("contact_id", &request.contact_id);
        let only: Option<AgentId> = optional(&mut checks, "agent_id", &request.agent_id);
        checks.finish()?;
        let view = View::of(caller);
        let (scope, contact) = self.read_contact(caller, &request.seller_id, id).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let decided = decisions::of_contact(&mut tx, contact.seller, id, DECISIONS_MOST).await?;
        drop(tx);
        let now = At::of(self.deps.clock.now());
        let live = if contact.state.is_final() {
            None
        } else {
            let why = self.desk(caller)?.look(move |engine| engine.explain(id, only, AGENTS_MOST)).await?;
            why.filter(|why| why.contact.seller == contact.seller)
        };
        let agents = match (&live, view) {
            (Some(why), View::Staff) => why.verdicts.iter().map(out::verdict).collect(),
            _ => Vec::new(),
        };
        let count = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        let current = live.as_ref().map_or(&contact, |why| &why.contact);
        Ok(wire::ExplainContactResponse {
            contact: Some(out::contact(current, view)),
            decisions: decided.iter().map(|d| out::decision(d, view)).collect(),
            agents,
            eligible_agents: count(live.as_ref().map(|why| why.eligible)),
            available_agents: count(live.as_ref().map(|why| why.available)),
            summary: summary(current, live.as_ref(), now),
        })
    }

    /// A contact of a seller that the caller reads.
    async fn read_contact(
        &self,
        caller: &Caller,
        seller_id: &str,
        contact: ContactId,
    ) -> Result<(Scope, Contact), Fault> {
        let scope = caller.view(seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let found = match scope.single_reader() {
            Some(seller) => contacts::find(&mut tx, kit::SellerId(seller), contact).await?,
            None => contacts::find_all(&mut tx, &[contact]).await?.into_iter().next(),
        };
        Ok((scope, found.ok_or(Fault::NotFound("contact"))?))
    }
}

/// What its seller's weight means for a contact that waits.
fn turn(why: &Explanation) -> String {
    if why.weight == 0 {
        return String::new();
    }
    let (weight, thousandths) = (why.weight, why.credit / 1_000);
    let stands = if thousandths < 0 { "ahead of" } else { "behind" };
    let by = thousandths.unsigned_abs();
    format!(
        " Its seller has weight {weight} and is {}.{:03} contacts {stands} its share of what was contested.",
        by / 1_000,
        by % 1_000
    )
}

fn summary(contact: &Contact, why: Option<&Explanation>, now: At) -> String {
    let waited = now.since(contact.waiting_since) / 1_000_000;
    match (contact.state, why) {
        (ContactState::Queued, _) if contact.aside_until.is_some() => {
            format!("It waits since {waited} s, and a supervisor has set it aside for now.")
        }
        (ContactState::Queued, Some(why)) => match contact.blocked {
            Some(block) => format!("It waits since {waited} s, because nobody at all can take it: {}.", block.word()),
            None => format!(
                "It waits since {waited} s: {} agents could take it, {} of them have room now.{}",
                why.eligible,
                why.available,
                turn(why)
            ),
        },
        (ContactState::Queued, None) => format!("It waits since {waited} s and has not reached the engine yet."),
        (ContactState::Offered, _) => "It is offered to an agent, who has not answered yet.".to_owned(),
        (ContactState::Assigned | ContactState::Wrap, _) => "An agent works on it.".to_owned(),
        (ContactState::Parked, _) => "An agent owns it and waits for the customer.".to_owned(),
        (ended, _) => format!("It ended as {}.", ended.word()),
    }
}
