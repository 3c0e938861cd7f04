//! The queue as supervisors and sellers see it.

use std::collections::BTreeSet;
use std::time::Duration;

use kit::{Caller, Fault, SellerId};
use proto::routing::v1 as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::live::{count, sellers};
use super::{Api, Down};
use crate::desk::Desk;
use crate::store::contacts::{self, Filter};
use crate::wire::{self as out, View};
use engine::Standing;
use engine::contact::ContactState;
use engine::ids::{At, ContactId};

impl Api {
    pub(super) async fn queue(
        &self,
        caller: &Caller,
        request: wire::ListQueueRequest,
    ) -> Result<wire::ListQueueResponse, Fault> {
        let mut states = Vec::new();
        for (place, number) in request.states.iter().take(10).enumerate() {
            match out::contact_state_in(*number).filter(|s: &ContactState| !s.is_final()) {
                Some(state) => states.push(state.word().to_owned()),
                None => return Err(Fault::invalid(format!("states[{place}]"), "must be a state that is not final")),
            }
        }
        let scope = caller.view(&request.seller_id)?;
        let shape = (&request.seller_id, &states, request.blocked_only);
        let page = self.deps.pager.read::<(i64, uuid::Uuid)>(
            caller,
            "ListQueue",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let filter = Filter { seller: scope.single_reader(), states, blocked_only: request.blocked_only };
        let after = page.after.map(|(at, id)| (At(at), ContactId(id)));
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = contacts::list(&mut tx, &filter, after, page.size + 1).await?;
        drop(tx);
        let next_page_token = self.deps.pager.cut(&page, &mut found, |c| (c.due_at.0, c.id.0))?;
        let view = View::of(caller);
        Ok(wire::ListQueueResponse { contacts: found.iter().map(|c| out::contact(c, view)).collect(), next_page_token })
    }

    pub(super) async fn stats(
        &self,
        caller: &Caller,
        request: wire::GetQueueStatsRequest,
    ) -> Result<wire::GetQueueStatsResponse, Fault> {
        let mine = sellers(caller, &request.seller_id)?;
        let (queues, at) = stats(&self.desk(caller)?, mine).await?;
        Ok(wire::GetQueueStatsResponse { queues, taken_at: Some(out::at(at)) })
    }

    pub(super) fn watch(
        &self,
        caller: &Caller,
        request: &wire::WatchQueueRequest,
    ) -> Result<Down<wire::WatchQueueResponse>, Fault> {
        let seconds = match request.interval_seconds {
            0 => 2,
            n if (1..=60).contains(&n) => n.unsigned_abs(),
            _ => return Err(Fault::invalid("interval_seconds", "must be 1 to 60")),
        };
        let mine = sellers(caller, &request.seller_id)?;
        let desk = self.desk(caller)?;
        let (down, answers) = mpsc::channel(4);
        tokio::spawn(async move {
            if let Err(fault) = watch(&desk, mine, Duration::from_secs(seconds), &down).await {
                let _ = down.send(Err(Status::from(fault))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(answers)))
    }
}

async fn watch(
    desk: &Desk,
    mine: Option<BTreeSet<SellerId>>,
    every: Duration,
    down: &mpsc::Sender<Result<wire::WatchQueueResponse, Status>>,
) -> Result<(), Fault> {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told: Option<Vec<wire::QueueStats>> = None;
    loop {
        tokio::select! {
            () = down.closed() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let (queues, at) = stats(desk, mine.clone()).await?;
        if told.as_ref() != Some(&queues) {
            told = Some(queues.clone());
            let answer = wire::WatchQueueResponse { queues, taken_at: Some(out::at(at)) };
            if down.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The queues of some sellers, from the picture that all who look share: however many watch, it is taken once a second.
async fn stats(desk: &Desk, mine: Option<BTreeSet<SellerId>>) -> Result<(Vec<wire::QueueStats>, At), Fault> {
    let picture = desk.floor(mine.clone()).await?.picture;
    let visible = |seller: &SellerId| mine.as_ref().is_none_or(|mine| mine.contains(seller));
    let queues = picture.queues.iter().map(|queue| &queue.standing).filter(|standing| visible(&standing.seller));
    Ok((queues.map(|standing| of(standing, picture.at)).collect(), picture.at))
}

fn of(standing: &Standing, now: At) -> wire::QueueStats {
    wire::QueueStats {
        seller_id: standing.seller.to_string(),
        channel: standing.channel.word().to_owned(),
        language: standing.language.to_string(),
        queued: count(standing.waiting + standing.set_aside),
        offered: count(standing.offered),
        assigned: count(standing.at_work),
        parked: count(standing.parked),
        late: count(standing.late),
        blocked: count(standing.blocked),
        oldest_wait_seconds: standing.oldest.map_or(0, |(since, _)| out::seconds(now.since(since)).max(0)),
        earliest_due_at: standing.earliest_due.map(out::at),
    }
}
