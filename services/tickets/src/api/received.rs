//! Received messages of one seller that wait at the same moment, stored in one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kit::{Fault, Scope};
use prost::Message as _;
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;
use tenantdb::group::{Asked, Claimed, Work};
use tracing::Instrument;

use super::faults::not_taken;
use super::wire;
use crate::domain::dossier::Message;
use crate::domain::ids::MessageId;
use crate::domain::intake::Incoming;
use crate::domain::intake::book::{Book, Outcome};
use crate::domain::settings::Settings;
use crate::store;
use crate::store::rows::OfSeller;
use crate::work::{Desk, told};

/// How often a write that met its twin begins again.
pub const TRIES: usize = 4;

/// One message to be stored.
pub struct Job {
    pub asked: Asked,
    pub method: &'static str,
    pub scope: Scope,
    pub settings: Arc<Settings>,
    pub incoming: Incoming,
    /// Whether the answer shows what only provider staff sees.
    pub sees_all: bool,
    pub span: tracing::Span,
}

/// How an attempt failed.
pub enum Tried {
    /// Somebody stored the same at the same time, or the request was answered before.
    Twin,
    /// A message is refused.
    Refused(Fault),
    Failed(Fault),
}

impl Tried {
    pub fn into_fault(self) -> Fault {
        match self {
            Tried::Twin => Fault::Contended("the same message is being stored by several calls".into()),
            Tried::Refused(fault) | Tried::Failed(fault) => fault,
        }
    }
}

impl From<Fault> for Tried {
    fn from(fault: Fault) -> Tried {
        Tried::Failed(fault)
    }
}

impl From<tenantdb::Failure> for Tried {
    fn from(failure: tenantdb::Failure) -> Tried {
        if store::keep::met_a_twin(&failure) { Tried::Twin } else { Tried::Failed(failure.into()) }
    }
}

type Answer = Result<pb::ReceiveMessageResponse, Fault>;

/// Stores groups of received messages.
pub struct Received {
    desk: Arc<Desk>,
}

impl Received {
    pub fn new(desk: Arc<Desk>) -> Received {
        Received { desk }
    }

    /// All together; where that fails, one after the other, so that one bad message or a twin costs the
    /// others nothing but time.
    async fn store(&self, jobs: Vec<Job>) -> Vec<Answer> {
        if jobs.len() > 1 && are_different(&jobs) {
            match self.attempt_twice(&jobs).await {
                Ok(answers) => return answers,
                Err(tried) => {
                    let fault = tried.into_fault();
                    tracing::debug!(
                        size = jobs.len(),
                        error = kit::fault::chain(&fault),
                        "a group is stored one by one"
                    );
                }
            }
        }
        let mut answers = Vec::with_capacity(jobs.len());
        for job in &jobs {
            answers.push(self.alone(std::slice::from_ref(job)).instrument(job.span.clone()).await);
        }
        answers
    }

    async fn alone(&self, job: &[Job]) -> Answer {
        for _ in 2..TRIES {
            match self.attempt_twice(job).await {
                Err(Tried::Twin) => {}
                tried => return first(tried.map_err(Tried::into_fault)?),
            }
        }
        first(self.attempt_twice(job).await.map_err(Tried::into_fault)?)
    }

    /// Most requests come once: only when storing fails is it asked whether they were answered before.
    async fn attempt_twice(&self, jobs: &[Job]) -> Result<Vec<Answer>, Tried> {
        match self.attempt(jobs, false).await {
            Err(Tried::Twin | Tried::Refused(_)) => self.attempt(jobs, true).await,
            tried => tried,
        }
    }

    async fn attempt(&self, jobs: &[Job], is_second: bool) -> Result<Vec<Answer>, Tried> {
        let Some(newest) = jobs.iter().max_by_key(|job| job.settings.version) else { return Ok(Vec::new()) };
        let settings = &newest.settings;
        let mut tx = self.desk.deps.db.begin_writing(&newest.scope).await?;
        let asked: Vec<Asked> = jobs.iter().map(|job| job.asked.clone()).collect();
        let known = match is_second {
            true => tx.answered_group(newest.method, &asked).await?,
            false => jobs.iter().map(|_| Claimed::Fresh).collect(),
        };
        let fresh: Vec<&Job> =
            jobs.iter().zip(&known).filter(|(_, known)| **known == Claimed::Fresh).map(|(job, _)| job).collect();
        let messages: Vec<Incoming> = fresh.iter().map(|job| job.incoming.clone()).collect();
        let mut book = store::load::book(&mut tx, settings, &messages).await?;
        let outcomes = self.receive(&mut book, settings, messages)?;
        store::keep::book(&mut tx, &settings.prefix, &mut book).await?;
        self.desk.note_claims(&mut tx, settings, &book.claims).await?;
        self.desk.note_for_triggers(&mut tx, &book.dossiers).await?;
        tell(&mut tx, &book, &fresh, &outcomes)?;

        let mut responses = Vec::with_capacity(fresh.len());
        for (job, outcome) in fresh.iter().zip(outcomes) {
            responses.push(response(&mut tx, &book, job, outcome).await?);
        }
        let answers: Vec<(&Asked, Vec<u8>)> =
            fresh.iter().zip(&responses).map(|(job, response)| (&job.asked, response.encode_to_vec())).collect();
        tx.answer_group(newest.method, &answers);
        tx.commit().await?;

        let mut responses = responses.into_iter();
        Ok(known
            .into_iter()
            .map(|known| match known {
                Claimed::Fresh => responses.next().ok_or_else(|| Fault::internal("a stored message has no answer")),
                Claimed::Reused => Err(Fault::RequestIdReused),
                Claimed::Answered(bytes) => {
                    pb::ReceiveMessageResponse::decode(bytes.as_slice()).map_err(|e| Fault::Internal(Box::new(e)))
                }
            })
            .collect())
    }

    fn receive(&self, book: &mut Book, settings: &Settings, messages: Vec<Incoming>) -> Result<Vec<Outcome>, Tried> {
        let clock = &self.desk.deps.clock;
        let now = clock.now();
        messages
            .into_iter()
            .map(|message| {
                book.receive(settings, message, now, &mut || clock.new_uuid())
                    .map_err(|why| Tried::Refused(not_taken(why, "")))
            })
            .collect()
    }
}

impl Work<Job, pb::ReceiveMessageResponse> for Received {
    fn run(&self, jobs: Vec<Job>) -> BoxFuture<'_, Vec<Answer>> {
        Box::pin(self.store(jobs))
    }
}

/// Whether no request id occurs twice: the same request twice in a group is answered in turn.
fn are_different(jobs: &[Job]) -> bool {
    let mut seen = HashSet::new();
    jobs.iter().all(|job| job.asked.request_id.is_empty() || seen.insert((job.asked.subject, &job.asked.request_id)))
}

fn first(answers: Vec<Answer>) -> Answer {
    answers.into_iter().next().unwrap_or_else(|| Err(Fault::internal("a stored message has no answer")))
}

/// Notes the news of each ticket inside the trace of the call that brought it.
fn tell(tx: &mut TenantTx, book: &Book, jobs: &[&Job], outcomes: &[Outcome]) -> Result<(), Tried> {
    for dossier in &book.dossiers {
        let brought = outcomes.iter().position(|outcome| outcome.ticket == dossier.ticket.id);
        match brought.and_then(|place| jobs.get(place)) {
            Some(job) => job.span.in_scope(|| told::emit(tx, dossier))?,
            None => told::emit(tx, dossier)?,
        }
    }
    Ok(())
}

async fn response(
    tx: &mut TenantTx,
    book: &Book,
    job: &Job,
    outcome: Outcome,
) -> Result<pb::ReceiveMessageResponse, Tried> {
    let seller = job.asked.seller;
    let message = match stored_now(book, outcome) {
        Some(message) => wire::message(seller, message, job.sees_all),
        None => {
            let OfSeller { value, .. } = stored_before(tx, outcome.message).await?;
            wire::message(seller, &value, job.sees_all)
        }
    };
    let ticket = book.dossier(outcome.ticket).map(|dossier| wire::ticket(seller, &dossier.ticket, job.sees_all));
    Ok(pb::ReceiveMessageResponse { message: Some(message), ticket, duplicate: outcome.duplicate })
}

fn stored_now(book: &Book, outcome: Outcome) -> Option<&Message> {
    let dossier = book.dossier(outcome.ticket)?;
    dossier.new_messages.iter().find(|message| message.id == outcome.message)
}

async fn stored_before(tx: &mut TenantTx, id: MessageId) -> Result<OfSeller<Message>, Fault> {
    store::read::message(tx, id).await?.ok_or_else(|| Fault::internal("a stored message is not there"))
}
