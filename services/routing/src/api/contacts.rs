//! Contacts handed in, taken out, read and explained.

use kit::{Caller, Checks, Fault, Scope};
use proto::routing::v1 as wire;

use super::once::Asking;
use super::refusal::fault;
use super::{Api, optional};
use crate::desk::hand::Subject;
use crate::store::intake::{Note, Told};
use crate::store::{contacts, decisions, intake, policies};
use crate::wire::{self as out, View};
use engine::contact::{Contact, ContactState, NewContact};
use engine::ids::{AgentId, At, ContactId, TicketId};
use engine::needs::{Channel, Language, Needs, Priority, SKILLS_MAX};
use engine::refusal::Refusal;
use engine::{Engine, Event, Explanation, Reply};

/// Decisions in one explanation.
const DECISIONS_MOST: i64 = 200;
/// Agents in one explanation.
const AGENTS_MOST: usize = 50;

impl Api {
    pub(super) async fn enqueue(
        &self,
        caller: &Caller,
        request: wire::EnqueueContactRequest,
    ) -> Result<wire::EnqueueContactResponse, Fault> {
        let now = self.deps.clock.now();
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let named: Option<ContactId> = optional(&mut checks, "contact_id", &request.contact_id);
        let ticket: Option<TicketId> = optional(&mut checks, "ticket_id", &request.ticket_id);
        let preferred: Option<AgentId> = optional(&mut checks, "preferred_agent_id", &request.preferred_agent_id);
        let number = checks.line("ticket_number", &request.ticket_number, 0..=32);
        let needs = read_needs(&mut checks, request.needs.as_ref());
        let priority = match request.priority.as_str() {
            "" => Priority::Normal,
            word => word.parse().unwrap_or_else(|_| {
                checks.refuse("priority", "must be one of low, normal, high, urgent");
                Priority::Normal
            }),
        };
        let waiting = request.waiting_since.as_ref().map(|at| checks.instant("waiting_since", Some(at)));
        checks.require(waiting.is_none_or(|at| at <= now), "waiting_since", "must not lie in the future");
        let due = request.due_at.as_ref().map(|at| checks.instant("due_at", Some(at)));
        checks.finish()?;

        let scope = caller.act_for(&request.seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "EnqueueContact", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let policy = policies::of_seller(&mut tx, seller).await?.map(|stored| stored.policy).unwrap_or_default();
        let (mut needs, level) = needs;
        needs.minimum_level = level.unwrap_or(policy.minimum_level);
        let now = At::of(now);
        let new = NewContact {
            id: named.unwrap_or_else(|| self.deps.clock.new_id()),
            seller,
            ticket,
            number,
            needs,
            priority,
            waiting_since: waiting.map_or(now, At::of),
            due_at: due.map_or_else(|| now.plus_seconds(policy.default_due_seconds), At::of),
            preferred,
        };
        contacts::insert(&mut tx, std::slice::from_ref(&new), now).await?;
        let contact = contacts::find(&mut tx, seller, new.id).await?.ok_or(Fault::NotFound("contact"))?;
        if !contact.state.is_final() {
            let told = Told::Contact {
                seller,
                contact: new.id,
                waiting_since: new.waiting_since,
                due_at: new.due_at,
                preferred: new.preferred,
            };
            intake::leave(&mut tx, &[Note { id: self.deps.clock.new_uuid(), told }]).await?;
        }
        let response = wire::EnqueueContactResponse { contact: Some(out::contact(&contact, View::of(caller))) };
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }

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
            self.desk(caller)?.look(move |engine| engine.explain(id, only, AGENTS_MOST)).await?
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

type NeedsAndLevel = (Needs, Option<engine::needs::Level>);

fn read_needs(checks: &mut Checks, needs: Option<&wire::Needs>) -> NeedsAndLevel {
    let none = wire::Needs::default();
    let needs = needs.unwrap_or(&none);
    let channel = needs.channel.parse().unwrap_or_else(|_| {
        let words: Vec<&str> = Channel::ALL.into_iter().map(Channel::word).collect();
        checks.refuse("needs.channel", format!("must be one of {}", words.join(", ")));
        Channel::Email
    });
    let language = Language::parse(&needs.language).unwrap_or_else(|_| {
        checks.refuse("needs.language", "must be a BCP 47 language tag such as it or pt-BR");
        Language::unknown()
    });
    let level = out::level_in(needs.minimum_level);
    checks.require(level.is_some() || needs.minimum_level == 0, "needs.minimum_level", "must be a language level");
    let mut skills = |field: &str, words: &[String]| {
        checks.count(field, words.len(), 0..=SKILLS_MAX);
        let words = words.iter().take(SKILLS_MAX).enumerate();
        words.map(|(place, word)| checks.line(format!("{field}[{place}]"), word, 1..=64).to_lowercase()).collect()
    };
    let required = skills("needs.required_skills", &needs.required_skills);
    let preferred = skills("needs.preferred_skills", &needs.preferred_skills);
    let minimum_level = level.unwrap_or(engine::needs::Level::B2);
    (Needs { channel, language, minimum_level, required, preferred }, level)
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
                "It waits since {waited} s: {} agents could take it, {} of them have room now.",
                why.eligible, why.available
            ),
        },
        (ContactState::Queued, None) => format!("It waits since {waited} s and has not reached the engine yet."),
        (ContactState::Offered, _) => "It is offered to an agent, who has not answered yet.".to_owned(),
        (ContactState::Assigned | ContactState::Wrap, _) => "An agent works on it.".to_owned(),
        (ContactState::Parked, _) => "An agent owns it and waits for the customer.".to_owned(),
        (ended, _) => format!("It ended as {}.", ended.word()),
    }
}
