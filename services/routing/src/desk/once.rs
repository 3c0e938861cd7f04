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
use super::hand::Hand;
use crate::store::actions::Action;
use crate::store::snapshot;
use engine::ids::{At, SellerId};
use engine::refusal::Refusal;
use engine::{Engine, Event, Reply};

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
    /// Who asks, if it is done by hand.
    pub hand: Option<Hand>,
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
    action: Option<Action>,
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
    action: Option<Action>,
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
        let Once { event, named, hand, respond, tell, known } = once;
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
                        let before = hand.as_ref().map(|hand| hand.look(engine));
                        // Engines know contacts by their ids: one of another seller is not there for this request.
                        let foreign =
                            event.named().and_then(|contact| engine.contact(contact)).is_some_and(|contact| {
                                named.asked.seller != NO_SELLER && contact.seller != named.asked.seller
                            });
                        let decision = if foreign { Err(Refusal::ContactNotFound) } else { engine.apply(now, event) };
                        let action = match (hand, before, &decision) {
                            (Some(hand), Some(before), Ok(reply)) => {
                                Some(hand.acted(&before, engine, reply.contact.as_ref()))
                            }
                            _ => None,
                        };
                        self.0.push(Decided { named, lasts, decision, action, respond, tell: vec![tell] });
                    }
                }
            }
        }
    }

    /// Makes the answers, from what is about to be committed.
    pub fn respond(self, engine: &Engine) -> Answers {
        let answered = self.0.into_iter().map(|Decided { named, lasts, decision, action, respond, tell }| {
            let answer = decision.map(|reply| respond(engine, &engine.after_round(reply)));
            Answered { named, lasts, answer, action, tell }
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

    /// What was done by hand.
    pub fn actions(&self) -> Vec<Action> {
        self.0.iter().filter_map(|answered| answered.action.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use engine::agent::Profile;
    use engine::ids::{AgentId, SellerId};
    use engine::needs::Channels;
    use tenantdb::group::Asked;
    use uuid::Uuid;

    const NOW: At = At(1_000_000);

    fn seller(n: u128) -> SellerId {
        kit::SellerId(Uuid::from_u128(n))
    }

    fn agent(n: u128) -> AgentId {
        AgentId(Uuid::from_u128(n))
    }

    /// A round of requests to an engine that knows agent 1.
    struct Round {
        engine: Engine,
        requests: Requests,
    }

    impl Round {
        fn new() -> Round {
            let mut engine = Engine::new(1, 0);
            engine.apply(NOW, Event::Agent(Box::new(Profile::new(agent(1))))).expect("a profile");
            Round { engine, requests: Requests::default() }
        }

        fn ask(&mut self, id: &str, payload: u8, event: Event, known: Claimed) -> oneshot::Receiver<Outcome> {
            let (tell, told) = oneshot::channel();
            let asked = Asked {
                seller: seller(1),
                subject: Uuid::from_u128(7),
                request_id: id.to_owned(),
                fingerprint: [payload; 32],
            };
            let respond = Box::new(|_: &Engine, reply: &Reply| {
                reply.session.iter().flat_map(|session| session.epoch.to_be_bytes()).collect::<Vec<u8>>()
            });
            let named = Named { method: "Method", asked };
            self.requests.take(&mut self.engine, NOW, Once { event, named, hand: None, respond, tell, known });
            told
        }

        /// How many answers are kept; everybody is told.
        fn commit(self) -> usize {
            let answers = self.requests.respond(&self.engine);
            let kept = answers.kept().len();
            answers.tell();
            kept
        }
    }

    fn hello(n: u128) -> Event {
        let (presence, reason) = (None, String::new());
        Event::Hello { agent: agent(n), resume: 0, presence, reason, channels: Channels::NONE }
    }

    fn answer(mut told: oneshot::Receiver<Outcome>) -> Result<Vec<u8>, &'static str> {
        told.try_recv().expect("an outcome").map_err(|denied| match denied {
            Denied::Refused(_) => "refused",
            Denied::Reused => "reused",
        })
    }

    #[test]
    fn twins_of_a_round_are_decided_once_and_their_id_is_not_taken_for_another() {
        let mut round = Round::new();
        let first = round.ask("a", 1, hello(1), Claimed::Fresh);
        let twin = round.ask("a", 1, hello(1), Claimed::Fresh);
        let other = round.ask("a", 2, hello(1), Claimed::Fresh);
        let next = round.ask("b", 1, hello(1), Claimed::Fresh);
        assert_eq!(round.commit(), 2);
        let epoch = |n: i64| Ok(n.to_be_bytes().to_vec());
        assert_eq!((answer(first), answer(twin)), (epoch(1), epoch(1)));
        assert_eq!((answer(other), answer(next)), (Err("reused"), epoch(2)));
    }

    #[test]
    fn what_was_answered_before_is_not_decided_again() {
        let mut round = Round::new();
        let answered = round.ask("a", 1, hello(1), Claimed::Answered(vec![9]));
        let reused = round.ask("a", 2, hello(1), Claimed::Reused);
        assert_eq!((answer(answered), answer(reused)), (Ok(vec![9]), Err("reused")));
        assert_eq!(round.commit(), 0);
    }

    #[test]
    fn a_refusal_takes_no_id_and_a_sign_of_life_is_not_kept() {
        let mut round = Round::new();
        let refused = round.ask("a", 1, hello(9), Claimed::Fresh);
        let instead = round.ask("a", 2, hello(1), Claimed::Fresh);
        let alive = round.ask("b", 1, Event::Heartbeat { agent: agent(1), epoch: None }, Claimed::Fresh);
        assert_eq!(round.commit(), 1);
        assert_eq!(answer(refused), Err("refused"));
        assert!(answer(instead).is_ok() && answer(alive).is_ok());
    }
}
