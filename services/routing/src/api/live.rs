//! The floor as it is now, once and again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kit::scope::Readable;
use kit::{Caller, Fault, SellerId};
use proto::routing::v1 as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::floor::queue_pause;
use super::{Api, Down};
use crate::desk::Desk;
use crate::desk::floor::Shown;
use crate::wire as out;
use engine::agent::Activity;
use engine::floor::{Basis, Estimate, Interval, Level, Queue};

/// The least time between two messages.
const EVERY: Duration = Duration::from_secs(1);
/// Messages that a watcher may be behind; then it hears less often.
const BEHIND_MOST: usize = 2;

impl Api {
    pub(super) async fn get_floor(
        &self,
        caller: &Caller,
        request: wire::GetFloorRequest,
    ) -> Result<wire::GetFloorResponse, Fault> {
        let interval = interval(request.interval_minutes)?;
        let mine = sellers(caller, &request.seller_id)?;
        let shown = self.desk(caller)?.floor(mine.clone()).await?;
        Ok(wire::GetFloorResponse { floor: Some(state(&shown, mine.as_ref(), interval)) })
    }

    pub(super) fn watch_floor_of(
        &self,
        caller: &Caller,
        request: &wire::WatchFloorRequest,
    ) -> Result<Down<wire::WatchFloorResponse>, Fault> {
        let interval = interval(request.interval_minutes)?;
        let mine = sellers(caller, &request.seller_id)?;
        let desk = self.desk(caller)?;
        let (down, answers) = mpsc::channel(BEHIND_MOST);
        tokio::spawn(async move {
            if let Err(fault) = watch(&desk, mine, interval, &down).await {
                let _ = down.send(Err(Status::from(fault))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(answers)))
    }
}

async fn watch(
    desk: &Desk,
    mine: Option<BTreeSet<SellerId>>,
    interval: Interval,
    down: &mpsc::Sender<Result<wire::WatchFloorResponse, Status>>,
) -> Result<(), Fault> {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told: Option<wire::FloorState> = None;
    loop {
        tokio::select! {
            () = down.closed() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = state(&desk.floor(mine.clone()).await?, mine.as_ref(), interval);
        let next = match &told {
            None => Some(wire::WatchFloorResponse { snapshot: true, changes: Some(now.clone()), ..Default::default() }),
            Some(before) => changed(before, &now),
        };
        told = Some(now);
        if let Some(next) = next
            && down.send(Ok(next)).await.is_err()
        {
            return Ok(());
        }
    }
}

fn interval(minutes: i32) -> Result<Interval, Fault> {
    match minutes {
        0 | 30 => Ok(Interval::Half),
        15 => Ok(Interval::Quarter),
        _ => Err(Fault::invalid("interval_minutes", "must be 15 or 30")),
    }
}

/// The sellers that a caller asks for; none = all of the provider's.
pub(super) fn sellers(caller: &Caller, seller_id: &str) -> Result<Option<BTreeSet<SellerId>>, Fault> {
    Ok(match caller.view(seller_id)?.readable() {
        Readable::These(sellers) => Some(sellers.iter().copied().collect()),
        Readable::OfProvider => None,
    })
}

fn state(shown: &Shown, mine: Option<&BTreeSet<SellerId>>, interval: Interval) -> wire::FloorState {
    let picture = &shown.picture;
    let visible = |seller: SellerId| mine.is_none_or(|mine| mine.contains(&seller));
    let agents = Activity::ALL.into_iter().map(|activity| wire::AgentCount {
        activity: activity.word().to_owned(),
        agents: count(shown.agents[activity as usize]),
    });
    wire::FloorState {
        taken_at: Some(out::at(picture.at)),
        queues: picture.queues.iter().filter(|queue| visible(queue.standing.seller)).map(queue).collect(),
        service_levels: picture.levels(interval).iter().filter(|of| visible(of.seller)).map(level).collect(),
        agents: agents.collect(),
        pauses: picture
            .pauses
            .iter()
            .filter(|(seller, _)| visible(*seller))
            .map(|(seller, pause)| queue_pause(*seller, pause))
            .collect(),
    }
}

pub(super) fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn queue(queue: &Queue) -> wire::FloorQueue {
    let of = &queue.standing;
    wire::FloorQueue {
        seller_id: of.seller.to_string(),
        channel: of.channel.word().to_owned(),
        language: of.language.to_string(),
        waiting: count(of.waiting),
        oldest_waiting_since: of.oldest.map(|(since, _)| out::at(since)),
        earliest_due_at: of.earliest_due.map(out::at),
        late: count(of.late),
        offered: count(of.offered),
        at_work: count(of.at_work),
        parked: count(of.parked),
        blocked: count(of.blocked),
        set_aside: count(of.set_aside),
        agents_on_duty: count(of.on_duty),
        agents_free: count(of.free),
        estimate: Some(estimate(queue.estimate)),
    }
}

fn estimate(estimate: Estimate) -> wire::WaitEstimate {
    let (basis, unknown) = match estimate.basis {
        Basis::Unknown(why) => (wire::EstimateBasis::Unknown, why.word()),
        Basis::FreeAgent => (wire::EstimateBasis::FreeAgent, ""),
        Basis::RecentStarts => (wire::EstimateBasis::RecentStarts, ""),
        Basis::HandlingTime => (wire::EstimateBasis::HandlingTime, ""),
    };
    wire::WaitEstimate {
        basis: basis.into(),
        unknown_because: unknown.to_owned(),
        likely_seconds: estimate.likely,
        low_seconds: estimate.low,
        high_seconds: estimate.high,
    }
}

fn level(level: &Level) -> wire::ServiceLevel {
    wire::ServiceLevel {
        seller_id: level.seller.to_string(),
        channel: level.channel.word().to_owned(),
        interval_start: Some(out::at(level.start)),
        interval_end: Some(out::at(level.end)),
        offered: count(level.served.offered),
        answered: count(level.served.answered),
        in_target: count(level.served.in_target),
        abandoned: count(level.served.abandoned),
        percent: level.served.percent(),
    }
}

/// What differs between two states; none if nothing does.
fn changed(before: &wire::FloorState, now: &wire::FloorState) -> Option<wire::WatchFloorResponse> {
    let queue_key = |q: &wire::FloorQueue| (q.seller_id.clone(), q.channel.clone(), q.language.clone());
    let level_key = |l: &wire::ServiceLevel| (l.seller_id.clone(), l.channel.clone());
    let (queues, gone_queues) = differ(&before.queues, &now.queues, queue_key);
    let (service_levels, gone_levels) = differ(&before.service_levels, &now.service_levels, level_key);
    let (pauses, resumed) = differ(&before.pauses, &now.pauses, |pause| pause.seller_id.clone());
    let agents = if before.agents == now.agents { Vec::new() } else { now.agents.clone() };
    let response = wire::WatchFloorResponse {
        snapshot: false,
        changes: Some(wire::FloorState { taken_at: now.taken_at, queues, service_levels, agents, pauses }),
        gone_queues: gone_queues
            .into_iter()
            .map(|(seller_id, channel, language)| wire::FloorQueue {
                seller_id,
                channel,
                language,
                ..wire::FloorQueue::default()
            })
            .collect(),
        gone_service_levels: gone_levels
            .into_iter()
            .map(|(seller_id, channel)| wire::ServiceLevel { seller_id, channel, ..wire::ServiceLevel::default() })
            .collect(),
        resumed_seller_ids: resumed,
    };
    let changes = response.changes.as_ref()?;
    let nothing = changes.queues.is_empty()
        && changes.service_levels.is_empty()
        && changes.agents.is_empty()
        && changes.pauses.is_empty()
        && response.gone_queues.is_empty()
        && response.gone_service_levels.is_empty()
        && response.resumed_seller_ids.is_empty();
    (!nothing).then_some(response)
}

/// The rows that are new or differ, and the keys of those that are gone.
fn differ<T: PartialEq + Clone, K: Ord>(before: &[T], now: &[T], key: impl Fn(&T) -> K) -> (Vec<T>, Vec<K>) {
    let known: BTreeMap<K, &T> = before.iter().map(|row| (key(row), row)).collect();
    let fresh = now.iter().filter(|row| known.get(&key(row)) != Some(row)).cloned().collect();
    let still: BTreeSet<K> = now.iter().map(&key).collect();
    (fresh, known.into_keys().filter(|key| !still.contains(key)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(language: &str, waiting: i32) -> wire::FloorQueue {
        wire::FloorQueue { language: language.to_owned(), waiting, ..wire::FloorQueue::default() }
    }

    #[test]
    fn only_what_changed_is_told_and_what_is_gone_by_name() {
        let before = wire::FloorState {
            queues: vec![queue("de", 1), queue("fr", 1), queue("it", 1)],
            ..wire::FloorState::default()
        };
        assert_eq!(changed(&before, &before.clone()), None);
        let now = wire::FloorState {
            queues: vec![queue("de", 1), queue("es", 4), queue("it", 2)],
            ..wire::FloorState::default()
        };
        let told = changed(&before, &now).expect("a change");
        let fresh: Vec<_> =
            told.changes.expect("changes").queues.into_iter().map(|q| (q.language, q.waiting)).collect();
        assert_eq!(fresh, [("es".to_owned(), 4), ("it".to_owned(), 2)]);
        let gone: Vec<_> = told.gone_queues.into_iter().map(|q| q.language).collect();
        assert_eq!(gone, ["fr"]);
    }
}
