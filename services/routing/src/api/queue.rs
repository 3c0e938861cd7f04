//! The queue as supervisors and sellers see it.

use std::time::Duration;

use kit::{Caller, Fault, Scope};
use proto::routing::v1 as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Api, Down};
use crate::store::contacts::{self, Figures, Filter};
use crate::wire::{self as out, View};
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
        let scope = caller.view(&request.seller_id)?;
        let now = self.deps.clock.now();
        let queues = figures(&self.deps, &scope, At::of(now)).await?;
        Ok(wire::GetQueueStatsResponse { queues, taken_at: Some(kit::wire::timestamp(now)) })
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
        let scope = caller.view(&request.seller_id)?;
        let (down, answers) = mpsc::channel(4);
        let deps = self.deps.clone();
        tokio::spawn(async move {
            if let Err(fault) = watch(&deps, &scope, Duration::from_secs(seconds), &down).await {
                let _ = down.send(Err(Status::from(fault))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(answers)))
    }
}

async fn watch(
    deps: &tenantdb::service::Deps,
    scope: &Scope,
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
        let now = deps.clock.now();
        let queues = figures(deps, scope, At::of(now)).await?;
        if told.as_ref() != Some(&queues) {
            told = Some(queues.clone());
            let answer = wire::WatchQueueResponse { queues, taken_at: Some(kit::wire::timestamp(now)) };
            if down.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
        }
    }
}

async fn figures(deps: &tenantdb::service::Deps, scope: &Scope, now: At) -> Result<Vec<wire::QueueStats>, Fault> {
    let mut tx = deps.db.begin(scope).await?;
    let figures = contacts::figures(&mut tx, scope.single_reader(), now).await?;
    Ok(figures.into_iter().map(|f| stats(f, now)).collect())
}

fn stats(of: Figures, now: At) -> wire::QueueStats {
    wire::QueueStats {
        seller_id: kit::SellerId(of.seller_id).to_string(),
        channel: of.channel,
        language: of.language,
        queued: of.queued,
        offered: of.offered,
        assigned: of.assigned,
        parked: of.parked,
        late: of.late,
        blocked: of.blocked,
        oldest_wait_seconds: of.oldest.map_or(0, |at| out::seconds(now.since(At(at))).max(0)),
        earliest_due_at: of.earliest_due.map(|at| out::at(At(at))),
    }
}
