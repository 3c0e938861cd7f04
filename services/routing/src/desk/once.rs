//! Requests that are carried out once, however often they are asked. What is
//! kept of them is looked for before the engine decides; the answer is kept in
//! the commit of the decision. Who leads is the only one to decide, so nothing
//! comes in between.

use kit::ProviderId;
use kit::scope::NO_SELLER;
use tenantdb::Failure;
use tenantdb::group::Claimed;
use tenantdb::kept::Named;
use tenantdb::service::Deps;
use tokio::sync::oneshot;

use super::Work;
use crate::domain::engine::{Engine, Event, Reply};
use crate::domain::ids::{At, SellerId};
use crate::domain::refusal::Refusal;
use crate::store::snapshot;

/// Why a request has no answer.
pub enum Denied {
    /// The engine refused; the same request may be asked again.
    Refused(Refusal),
    /// Its id is that of another request.
    Reused,
}

/// The encoded answer to a request.
pub type Outcome = Result<Vec<u8>, Denied>;

/// Makes the encoded answer, from what is about to be committed.
pub type Respond = Box<dyn FnOnce(&Engine, &Reply) -> Vec<u8> + Send>;

/// A request for the engine.
pub struct Once {
    pub event: Event,
    pub named: Named,
    pub respond: Respond,
    pub tell: oneshot::Sender<Outcome>,
    /// What is kept of it.
    pub known: Claimed,
}

/// What the engine decided about the requests of one round.
#[derive(Default)]
pub struct Requests(Vec<Decided>);

struct Decided {
    named: Named,
    /// A mere sign of life changes nothing, and its answer is not kept.
    lasts: bool,
    decision: Result<Reply, Refusal>,
    respond: Respond,
    /// Whoever asked, and asked again in the same round.
    tell: Vec<oneshot::Sender<Outcome>>,
}

/// The answers to the requests of one round.
pub struct Answers(Vec<Answered>);

struct Answered {
    named: Named,
    lasts: bool,
    answer: Result<Vec<u8>, Refusal>,
    tell: Vec<oneshot::Sender<Outcome>>,
}

/// Looks for what is kept of the requests among some work.
pub async fn look_up(deps: &Deps, provider: ProviderId, work: &mut [Work]) -> Result<(), Failure> {
    let mut requests: Vec<&mut Once> =
        work.iter_mut().filter_map(|work| if let Work::Once(once) = work { Some(&mut **once) } else { None }).collect();
    if requests.is_empty() {
        return Ok(());
    }
    let named: Vec<&Named> = requests.iter().map(|once| &once.named).collect();
    let mut tx = deps.db.begin(&snapshot::of_sellers(provider, &sellers(named.iter().copied()))).await?;
    let known = tx.kept(&named).await?;
    drop(tx);
    for (once, known) in requests.iter_mut().zip(known) {
        once.known = known;
    }
    Ok(())
}

/// The sellers that requests are about.
fn sellers<'a>(named: impl Iterator<Item = &'a Named>) -> Vec<SellerId> {
    let mut sellers: Vec<SellerId> = named.map(|named| named.asked.seller).filter(|s| *s != NO_SELLER).collect();
    sellers.sort_unstable();
    sellers.dedup();
    sellers
}

impl Requests {
    /// Has the engine decide about a request that nobody has asked before.
    pub fn take(&mut self, engine: &mut Engine, now: At, once: Once) {
        let Once { event, named, respond, tell, known } = once;
        // whoever asked may have gone; what was decided stands
        match known {
            Claimed::Answered(answer) => drop(tell.send(Ok(answer))),
            Claimed::Reused => drop(tell.send(Err(Denied::Reused))),
            Claimed::Fresh => {
                let twin = self.0.iter_mut().find(|d| d.decision.is_ok() && d.named.has_id_of(&named));
                match twin {
                    Some(first) if first.named.asked.fingerprint == named.asked.fingerprint => first.tell.push(tell),
                    Some(_) => drop(tell.send(Err(Denied::Reused))),
                    None => {
                        let lasts = !matches!(event, Event::Heartbeat { .. });
                        let decision = engine.apply(now, event);
                        self.0.push(Decided { named, lasts, decision, respond, tell: vec![tell] });
                    }
                }
            }
        }
    }

    /// Makes the answers, from what is about to be committed.
    pub fn respond(self, engine: &Engine) -> Answers {
        let answered = self.0.into_iter().map(|Decided { named, lasts, decision, respond, tell }| {
            let answer = decision.map(|reply| respond(engine, &reply));
            Answered { named, lasts, answer, tell }
        });
        Answers(answered.collect())
    }
}

impl Answers {
    /// Those to be kept.
    pub fn kept(&self) -> Vec<(&Named, &[u8])> {
        let lasting = self.0.iter().filter(|answered| answered.lasts);
        lasting.filter_map(|answered| Some((&answered.named, answered.answer.as_deref().ok()?))).collect()
    }

    /// The sellers that those to be kept are about.
    pub fn sellers(&self) -> Vec<SellerId> {
        sellers(self.kept().into_iter().map(|(named, _)| named))
    }

    /// Tells everybody, after the commit.
    pub fn tell(self) {
        for Answered { answer, tell, .. } in self.0 {
            for tell in tell {
                // whoever asked may have gone; what was decided stands
                let _ = tell.send(answer.clone().map_err(Denied::Refused));
            }
        }
    }
}
