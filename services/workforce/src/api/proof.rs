//! Schedules held against a simulation.

use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, Id, SellerId};
use planner::proof::Figure;
use planner::record::{KeptProof, ProofState, ScheduleId, ScheduleState};
use proto::workforce::v1 as wire;
use proto::workforce::v1::schedule_proof_service_server::ScheduleProofService;
use tonic::{Request, Response, Status};

use super::{Api, unary_service};
use crate::domain::refusal::Refusal;
use crate::store::{proof, schedule};

unary_service! { ScheduleProofService:
    request_schedule_proof => ask_proof, RequestScheduleProofRequest, RequestScheduleProofResponse;
    get_schedule_proof => proof, GetScheduleProofRequest, GetScheduleProofResponse;
}

impl Api {
    async fn ask_proof(
        &self,
        caller: &Caller,
        request: wire::RequestScheduleProofRequest,
    ) -> Result<wire::RequestScheduleProofResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RequestScheduleProof", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        if !matches!(found.state, ScheduleState::Draft | ScheduleState::Published) {
            return Err(Refusal::State { state: found.state, wanted: "simulated" }.into());
        }
        proof::ask(&mut tx, id, self.deps.clock.now()).await?;
        let visible = tx.readable().to_vec();
        let kept = proof::get(&mut tx, id).await?.ok_or(Fault::NotFound("proof"))?;
        let response = wire::RequestScheduleProofResponse { proof: Some(shown(id, &kept, &visible)) };
        tx.commit_with(&response).await?;
        self.wake_proofs.notify_one();
        Ok(response)
    }

    async fn proof(
        &self,
        caller: &Caller,
        request: wire::GetScheduleProofRequest,
    ) -> Result<wire::GetScheduleProofResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let visible = tx.readable().to_vec();
        let kept = proof::get(&mut tx, id).await?.ok_or(Fault::NotFound("proof"))?;
        Ok(wire::GetScheduleProofResponse { proof: Some(shown(id, &kept, &visible)) })
    }
}

fn shown(id: ScheduleId, kept: &KeptProof, visible: &[SellerId]) -> wire::ScheduleProof {
    let promises = kept.lines.iter().filter(|line| visible.contains(&line.seller)).map(|line| wire::ProvenPromise {
        seller_id: line.seller.to_string(),
        channel: line.channel.clone(),
        target: line.target,
        shown: line.shown,
        contacts: line.contacts,
        service_level: line.service_level.map(figure),
        mean_wait_seconds: line.mean_wait.map(figure),
        abandonment: line.abandonment.map(figure),
        holds: line.holds(),
        keeps_promise: line.keeps_promise(),
    });
    let state = match kept.state {
        ProofState::Waiting => wire::ScheduleProofState::Waiting,
        ProofState::Done => wire::ScheduleProofState::Done,
        ProofState::Failed => wire::ScheduleProofState::Failed,
    };
    wire::ScheduleProof {
        schedule_id: id.to_string(),
        state: state.into(),
        failure: kept.failure.clone(),
        schedule_etag: if kept.done_at.is_some() { etag(kept.schedule_version) } else { String::new() },
        replications: kept.replications,
        confidence: kept.confidence,
        promises: promises.collect(),
        occupancy: kept.occupancy.map(figure),
        request_time: Some(timestamp(kept.asked_at)),
        done_time: kept.done_at.map(timestamp),
    }
}

pub(super) fn figure(of: Figure) -> wire::ProvenFigure {
    wire::ProvenFigure { value: of.value, low: of.ends.map(|ends| ends.0), high: of.ends.map(|ends| ends.1) }
}
