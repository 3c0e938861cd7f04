//! Contacts handed in. Those of a provider that come at the same moment are kept together, in one
//! transaction; the engine is left a note for each.

use std::collections::{HashMap, HashSet};

use futures_util::future::BoxFuture;
use kit::{Caller, Checks, Fault, ProviderId, Scope};
use prost::Message;
use proto::routing::v1 as wire;
use tenantdb::group::{Asked, Claimed, Groups, TWICE, Work};
use tenantdb::kept::Named;
use tenantdb::service::Deps;
use tenantdb::{Failure, TenantTx};

use super::{Api, optional};
use crate::desk::Desks;
use crate::store::intake::{Handed, Note, Told, Why};
use crate::store::{contacts, intake, policies};
use crate::wire::{self as out, View};
use engine::contact::{Contact, NewContact};
use engine::ids::{AgentId, At, ContactId, SellerId, TicketId};
use engine::needs::{Channel, Language, Level, Needs, Priority, SKILLS_MAX};
use engine::policy::Policy;

const METHOD: &str = "EnqueueContact";

/// Who gathers contacts, by provider.
pub type Enqueued = Groups<ProviderId, Job, wire::EnqueueContactResponse>;

/// One contact to be handed in.
#[derive(Clone)]
pub struct Job {
    asked: Asked,
    scope: Scope,
    view: View,
    /// The caller's name for it.
    named: Option<ContactId>,
    /// What is kept where the caller names nothing else.
    new: NewContact,
    level: Option<Level>,
    due: Option<At>,
    at: At,
}

impl Job {
    /// The contact under its seller's policy.
    fn contact(&self, policy: &Policy) -> NewContact {
        let mut new = self.new.clone();
        new.needs.minimum_level = self.level.unwrap_or(policy.minimum_level);
        new.due_at = self.due.unwrap_or_else(|| self.at.plus_seconds(policy.default_due_seconds));
        new
    }
}

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
        let (needs, level) = read_needs(&mut checks, request.needs.as_ref());
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
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let at = At::of(now);
        let new = NewContact {
            id: named.unwrap_or_else(|| self.deps.clock.new_id()),
            seller,
            ticket,
            number,
            needs,
            priority,
            waiting_since: waiting.map_or(at, At::of),
            due_at: at,
            preferred,
        };
        let asked = Named::of(caller, &scope, METHOD, &request.request_id, &request).asked;
        let view = View::of(caller);
        let job = Job { asked, scope, view, named, new, level, due: due.map(At::of), at };
        self.enqueued.submit(caller.provider(), job).await
    }
}

type Answer = Result<wire::EnqueueContactResponse, Fault>;

/// How an attempt failed.
enum Tried {
    /// Somebody handed in the same at the same time, or the request was answered before.
    Twin,
    Failed(Fault),
}

impl From<Failure> for Tried {
    fn from(failure: Failure) -> Tried {
        match failure.constraint() {
            Some("contact_pk" | TWICE) => Tried::Twin,
            _ => Tried::Failed(failure.into()),
        }
    }
}

impl From<Fault> for Tried {
    fn from(fault: Fault) -> Tried {
        Tried::Failed(fault)
    }
}

/// Keeps groups of contacts.
pub struct Enqueue {
    deps: Deps,
    desks: Desks,
}

impl Enqueue {
    pub fn new(deps: Deps, desks: Desks) -> Enqueue {
        Enqueue { deps, desks }
    }

    /// All together; where that fails, one after the other, so that one of them costs the others nothing but time.
    async fn keep(&self, jobs: Vec<Job>) -> Vec<Answer> {
        if jobs.len() > 1 && are_different(&jobs) {
            if let Ok(answers) = self.attempt_twice(&jobs).await {
                return answers;
            }
            tracing::debug!(size = jobs.len(), "contacts are handed in one by one");
        }
        let mut answers = Vec::with_capacity(jobs.len());
        for job in &jobs {
            answers.push(self.alone(std::slice::from_ref(job)).await);
        }
        answers
    }

    async fn alone(&self, job: &[Job]) -> Answer {
        let tried = match self.attempt_twice(job).await {
            Err(Tried::Twin) => self.attempt_twice(job).await,
            tried => tried,
        };
        match tried {
            Ok(answers) => answers.into_iter().next().unwrap_or_else(|| Err(unanswered())),
            Err(Tried::Twin) => Err(Fault::Contended("the same contact is being handed in by several calls".into())),
            Err(Tried::Failed(fault)) => Err(fault),
        }
    }

    /// Most requests come once: only when keeping fails is it asked whether they were answered before.
    async fn attempt_twice(&self, jobs: &[Job]) -> Result<Vec<Answer>, Tried> {
        match self.attempt(jobs, false).await {
            Err(Tried::Twin) => self.attempt(jobs, true).await,
            tried => tried,
        }
    }

    async fn attempt(&self, jobs: &[Job], is_second: bool) -> Result<Vec<Answer>, Tried> {
        let Some(scope) = Scope::group(jobs.iter().map(|job| &job.scope)) else {
            return Err(Fault::internal("contacts of several providers in one group").into());
        };
        let mut tx = self.deps.db.begin_writing(&scope).await?;
        let known = if is_second {
            let asked: Vec<Asked> = jobs.iter().map(|job| job.asked.clone()).collect();
            tx.answered_group(METHOD, &asked).await?
        } else {
            jobs.iter().map(|_| Claimed::Fresh).collect()
        };
        let fresh: Vec<&Job> =
            jobs.iter().zip(&known).filter(|(_, known)| **known == Claimed::Fresh).map(|(job, _)| job).collect();
        let responses = self.hand_in(&mut tx, &fresh).await?;
        let answers: Vec<(&Asked, Vec<u8>)> =
            fresh.iter().zip(&responses).map(|(job, response)| (&job.asked, response.encode_to_vec())).collect();
        tx.answer_group(METHOD, &answers);
        tx.commit().await?;
        let mut responses = responses.into_iter();
        let answer = |known| match known {
            Claimed::Fresh => responses.next().ok_or_else(unanswered),
            Claimed::Reused => Err(Fault::RequestIdReused),
            Claimed::Answered(bytes) => {
                wire::EnqueueContactResponse::decode(bytes.as_slice()).map_err(|e| Fault::Internal(Box::new(e)))
            }
        };
        Ok(known.into_iter().map(answer).collect())
    }

    /// Keeps the contacts that are new, and leaves a note for each that is open.
    async fn hand_in(&self, tx: &mut TenantTx, jobs: &[&Job]) -> Result<Vec<wire::EnqueueContactResponse>, Failure> {
        let policies: HashMap<SellerId, Policy> =
            policies::newest(tx).await?.into_iter().map(|(seller, stored)| (seller, stored.policy)).collect();
        let usual = Policy::default();
        let named: Vec<ContactId> = jobs.iter().filter_map(|job| job.named).collect();
        let stored: HashMap<(SellerId, ContactId), Contact> = match named.is_empty() {
            true => HashMap::new(),
            false => contacts::find_all(tx, &named).await?.into_iter().map(|c| ((c.seller, c.id), c)).collect(),
        };
        let (mut new, mut notes, mut responses) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            let seller = job.new.seller;
            let handed_in = job.contact(policies.get(&seller).unwrap_or(&usual));
            let why = if job.named.is_some() { Why::HandedIn } else { Why::New };
            let told = Told::Contact(Box::new(Handed { new: handed_in.clone(), why }));
            let contact = match stored.get(&(seller, handed_in.id)) {
                Some(stored) => stored.clone(),
                None => {
                    let opened = Contact::open(handed_in, job.at);
                    new.push(opened.clone());
                    opened
                }
            };
            if !contact.state.is_final() {
                notes.push(Note { id: self.deps.clock.new_uuid(), told });
            }
            responses.push(wire::EnqueueContactResponse { contact: Some(out::contact(&contact, job.view)) });
        }
        contacts::hand_in(tx, &new);
        intake::leave(tx, &notes);
        Ok(responses)
    }
}

impl Work<Job, wire::EnqueueContactResponse> for Enqueue {
    fn run(&self, jobs: Vec<Job>) -> BoxFuture<'_, Vec<Answer>> {
        let provider = jobs.first().map(|job| job.scope.provider_id());
        Box::pin(async move {
            let answers = self.keep(jobs).await;
            provider.into_iter().for_each(|provider| self.desks.wake(provider));
            answers
        })
    }
}

fn unanswered() -> Fault {
    Fault::internal("a contact that was handed in has no answer")
}

/// Whether no request and no contact occurs twice: the same one twice in a group is answered in turn.
fn are_different(jobs: &[Job]) -> bool {
    let (mut requests, mut contacts) = (HashSet::new(), HashSet::new());
    jobs.iter().all(|job| {
        let asked = &job.asked;
        (asked.request_id.is_empty() || requests.insert((asked.seller, asked.subject, &asked.request_id)))
            && contacts.insert((job.new.seller, job.new.id))
    })
}

type NeedsAndLevel = (Needs, Option<Level>);

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
    let minimum_level = level.unwrap_or(Level::B2);
    (
        Needs { channel, language, minimum_level, level_of_policy: level.is_none(), required, preferred, ruled: None },
        level,
    )
}
