//! Group commit at the boundary: requests of one seller that wait at the same
//! moment are done in one transaction. A lone request goes at once, and while it
//! is at work those behind it gather. Where several ask at the same time, those
//! who got an answer often ask again at once: the next group waits for them, for
//! a fraction of the time that the last one took. Otherwise callers fall into two
//! halves that wait for each other.
//!
//! Answers are kept for retries with the writes of the group. Most requests come once, so they are not
//! claimed first: one that was answered before makes the group's write fail, and then it is looked for.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use kit::{Fault, SellerId};
use sqlx::Row;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::writes::unnested;
use crate::{Failure, TenantTx};

/// The largest group.
pub const LARGEST: usize = 256;
/// The constraint by which a write fails that would answer a request twice.
pub const TWICE: &str = "replay_pk";
/// Groups of one key at work at once. One: while it is at work the next one gathers, and two would wait for
/// each other on the rows that all of a key share, such as its number series.
const LEADERS: usize = 1;
/// The part of a group's time that the next one waits for those who were in it.
const PATIENCE: u32 = 4;

/// Does the work of a group; one outcome per job, in their order.
pub trait Work<J, A>: Send + Sync + 'static {
    /// Does the work.
    fn run(&self, jobs: Vec<J>) -> BoxFuture<'_, Vec<Result<A, Fault>>>;
}

/// Gathers jobs by key.
pub struct Groups<K, J, A> {
    inner: Arc<Inner<K, J, A>>,
}

impl<K, J, A> Clone for Groups<K, J, A> {
    fn clone(&self) -> Self {
        Groups { inner: self.inner.clone() }
    }
}

struct Inner<K, J, A> {
    work: Box<dyn Work<J, A>>,
    lanes: Mutex<HashMap<K, Lane<J, A>>>,
}

struct Lane<J, A> {
    leaders: usize,
    waiting: VecDeque<(J, oneshot::Sender<Result<A, Fault>>)>,
    arrived: Arc<Notify>,
}

impl<J, A> Default for Lane<J, A> {
    fn default() -> Self {
        Lane { leaders: 0, waiting: VecDeque::new(), arrived: Arc::default() }
    }
}

impl<K, J, A> Groups<K, J, A>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    J: Send + 'static,
    A: Send + 'static,
{
    /// Groups whose jobs are done by `work`.
    pub fn new(work: impl Work<J, A>) -> Groups<K, J, A> {
        Groups { inner: Arc::new(Inner { work: Box::new(work), lanes: Mutex::new(HashMap::new()) }) }
    }

    /// Does a job, alone or with those that wait beside it.
    pub async fn submit(&self, key: K, job: J) -> Result<A, Fault> {
        let (tell, told) = oneshot::channel();
        let leads = {
            let mut lanes = self.inner.lanes.lock().map_err(|_| Fault::internal("a group's lock is poisoned"))?;
            let lane = lanes.entry(key.clone()).or_default();
            lane.waiting.push_back((job, tell));
            lane.arrived.notify_one();
            let leads = lane.leaders < LEADERS;
            lane.leaders += usize::from(leads);
            leads
        };
        if leads {
            tokio::spawn(lead(self.inner.clone(), key));
        }
        told.await.unwrap_or_else(|_| Err(Fault::Unavailable("the process is stopping".into())))
    }
}

async fn lead<K: Hash + Eq, J: 'static, A: 'static>(inner: Arc<Inner<K, J, A>>, key: K) {
    loop {
        let (jobs, tell): (Vec<J>, Vec<_>) = {
            let Ok(mut lanes) = inner.lanes.lock() else { return };
            let Some(lane) = lanes.get_mut(&key) else { return };
            if lane.waiting.is_empty() {
                lane.leaders -= 1;
                if lane.leaders == 0 {
                    lanes.remove(&key);
                }
                return;
            }
            let size = lane.waiting.len().min(LARGEST);
            lane.waiting.drain(..size).unzip()
        };
        let (size, begun) = (tell.len(), Instant::now());
        // a panic fails its group and must not end the lane
        match AssertUnwindSafe(inner.work.run(jobs)).catch_unwind().await {
            Ok(outcomes) => {
                for (outcome, tell) in outcomes.into_iter().zip(tell) {
                    // whoever asked may have gone; the work is done all the same
                    let _ = tell.send(outcome);
                }
            }
            Err(_) => {
                tracing::error!("a group's work panicked");
                for tell in tell {
                    let _ = tell.send(Err(Fault::internal("a group's work panicked")));
                }
            }
        }
        come_again(&inner, &key, size, Instant::now() + begun.elapsed() / PATIENCE).await;
    }
}

/// Waits until those who were answered ask again beside those who wait already. A lone caller is not waited for.
async fn come_again<K: Hash + Eq, J, A>(inner: &Inner<K, J, A>, key: &K, answered: usize, until: Instant) {
    let waiting = || {
        let lanes = inner.lanes.lock().ok()?;
        lanes.get(key).map(|lane| (lane.waiting.len(), lane.arrived.clone()))
    };
    let Some((already, arrived)) = waiting() else { return };
    let all = (already + answered).min(LARGEST);
    while 1 < all && waiting().is_some_and(|(now, _)| now < all) {
        if timeout_at(until, arrived.notified()).await.is_err() {
            return;
        }
    }
}

/// A request of a group, as far as answering it once is concerned.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The seller written.
    pub seller: SellerId,
    /// Who asks.
    pub subject: Uuid,
    /// The client's request id; empty = not answered from memory.
    pub request_id: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// To be done now.
    Fresh,
    /// Done before: the encoded answer.
    Answered(Vec<u8>),
    /// The id was used with another request.
    Reused,
}

impl TenantTx {
    /// What is kept of the requests of a group, in their order; claims nothing.
    pub async fn answered_group(&mut self, method: &str, asked: &[Asked]) -> Result<Vec<Claimed>, Failure> {
        let mut known: Vec<Claimed> = asked.iter().map(|_| Claimed::Fresh).collect();
        let provider = self.provider();
        let rows = sqlx::query(
            "select a.place, r.fingerprint, r.response
               from unnest($3::uuid[], $4::uuid[], $5::text[]) with ordinality as a (seller_id, subject, request_id, place)
              cross join lateral (
                    select x.fingerprint, x.response from replay x
                     where x.provider_id = $1 and x.seller_id = a.seller_id and x.subject = a.subject and x.method = $2
                       and x.request_id = a.request_id and x.response is not null
                     limit 1) as r",
        )
        .bind(provider.0)
        .bind(method)
        .bind(asked.iter().map(|a| a.seller.0).collect::<Vec<Uuid>>())
        .bind(asked.iter().map(|a| a.subject).collect::<Vec<Uuid>>())
        .bind(asked.iter().map(|a| a.request_id.as_str()).collect::<Vec<&str>>())
        .fetch_all(self.conn())
        .await?;
        for row in &rows {
            let place = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX);
            let print: Vec<u8> = row.try_get(1)?;
            if let (Some(asked), Some(known)) = (asked.get(place), known.get_mut(place)) {
                let same = print == asked.fingerprint;
                *known = if same { Claimed::Answered(row.try_get(2)?) } else { Claimed::Reused };
            }
        }
        Ok(known)
    }

    /// Keeps the answers of a group for retries, with the commit. It fails by [`TWICE`] where a request was
    /// answered before: then nothing of the group is done, and it is to be looked for first.
    pub fn answer_group(&mut self, method: &str, answers: &[(&Asked, Vec<u8>)]) {
        let named: Vec<&(&Asked, Vec<u8>)> = answers.iter().filter(|(a, _)| !a.request_id.is_empty()).collect();
        if named.is_empty() {
            return;
        }
        let (provider, at) = (self.provider().0, self.now());
        let writes = self.writes();
        let (provider, method) = (writes.bind("uuid", provider), writes.bind("text", method));
        let at = writes.bind("timestamptz", at.to_sqlx());
        let columns = [
            writes.bind("uuid[]", named.iter().map(|(a, _)| a.seller.0).collect::<Vec<Uuid>>()),
            writes.bind("uuid[]", named.iter().map(|(a, _)| a.subject).collect::<Vec<Uuid>>()),
            writes.bind("text[]", named.iter().map(|(a, _)| a.request_id.as_str()).collect::<Vec<&str>>()),
            writes.bind("bytea[]", named.iter().map(|(a, _)| a.fingerprint.as_slice()).collect::<Vec<&[u8]>>()),
            writes.bind("bytea[]", named.iter().map(|(_, response)| response.as_slice()).collect::<Vec<&[u8]>>()),
        ];
        writes.push(format!(
            "insert into replay (provider_id, method, answered_at, seller_id, subject, request_id, fingerprint, response)
             select {provider}, {method}, {at}, {}",
            unnested(&columns)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    struct Doubling {
        groups: Arc<AtomicUsize>,
    }

    impl Work<u64, u64> for Doubling {
        fn run(&self, jobs: Vec<u64>) -> BoxFuture<'_, Vec<Result<u64, Fault>>> {
            self.groups.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::task::yield_now().await;
                jobs.into_iter().map(|n| if n == 13 { Err(Fault::NotFound("thirteen")) } else { Ok(n * 2) }).collect()
            })
        }
    }

    struct Slow {
        sizes: Arc<Mutex<Vec<usize>>>,
    }

    impl Work<(), ()> for Slow {
        fn run(&self, jobs: Vec<()>) -> BoxFuture<'_, Vec<Result<(), Fault>>> {
            Box::pin(async move {
                self.sizes.lock().expect("the sizes").push(jobs.len());
                tokio::time::sleep(Duration::from_millis(20)).await;
                jobs.into_iter().map(Ok).collect()
            })
        }
    }

    /// The sizes of the groups when callers ask again and again, each a moment after the last answer.
    async fn sizes(callers: usize, moment: Duration) -> Vec<usize> {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let groups: Groups<u8, (), ()> = Groups::new(Slow { sizes: sizes.clone() });
        let asks = (0..callers).map(|_| async {
            for _ in 0..10 {
                groups.submit(1, ()).await.expect("an answer");
                tokio::time::sleep(moment).await;
            }
        });
        futures_util::future::join_all(asks).await;
        sizes.lock().expect("the sizes").clone()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_again_at_once_are_in_one_group() {
        let soon = sizes(8, Duration::from_millis(3)).await;
        assert!(soon.iter().filter(|size| **size == 8).count() >= 8, "{soon:?}");
        let begun = Instant::now();
        assert_eq!(sizes(1, Duration::from_millis(3)).await, [1; 10]);
        assert_eq!(begun.elapsed(), Duration::from_millis(230), "a lone caller waits for nobody");
        let late = sizes(2, Duration::from_millis(30)).await;
        assert!(late.len() >= 10, "whoever comes later is not waited for: {late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_gets_her_own_answer_and_those_who_wait_share_the_work() {
        let counted = Arc::new(AtomicUsize::new(0));
        let groups: Groups<u8, u64, u64> = Groups::new(Doubling { groups: counted.clone() });
        let asks = (0..500_u64).map(|n| {
            let groups = groups.clone();
            async move { (n, groups.submit((n % 2) as u8, n).await) }
        });
        for (n, outcome) in futures_util::future::join_all(asks).await {
            match outcome {
                Ok(doubled) => assert_eq!(doubled, n * 2),
                Err(fault) => assert!(n == 13 && matches!(fault, Fault::NotFound(_))),
            }
        }
        assert!(counted.load(Ordering::SeqCst) < 250, "{} groups for 500 jobs", counted.load(Ordering::SeqCst));
        // the last leader may still wait a moment for those it answered; the paused clock passes it at once
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(groups.inner.lanes.lock().expect("the lock").is_empty(), "nothing is kept for keys at rest");
    }
}
