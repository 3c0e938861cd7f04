//! What agents have seen of the changes of their shifts.

use kit::{Caller, Checks, Fault};
use planner::record::ScheduleId;
use proto::workforce::v1 as wire;
use proto::workforce::v1::notices_service_server::NoticesService;
use tonic::{Request, Response, Status};

use super::{Api, unary_service};
use crate::store::notices;

unary_service! { NoticesService:
    acknowledge_my_shift_changes => see, AcknowledgeMyShiftChangesRequest, AcknowledgeMyShiftChangesResponse;
}

impl Api {
    async fn see(
        &self,
        caller: &Caller,
        request: wire::AcknowledgeMyShiftChangesRequest,
    ) -> Result<wire::AcknowledgeMyShiftChangesResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.count("seen", request.seen.len(), 1..=100);
        let mut seen = Vec::new();
        for (index, one) in request.seen.iter().take(100).enumerate() {
            let id: ScheduleId = checks.id("schedule_id", &one.schedule_id);
            checks.range(format!("seen[{index}].revision"), one.revision.into(), 1..=i32::MAX.into());
            seen.push((id, one.revision));
        }
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "AcknowledgeMyShiftChanges", &request.request_id, &request).await? {
            return Ok(answer);
        }
        notices::see(&mut tx, user, &seen, self.deps.clock.now()).await?;
        let response = wire::AcknowledgeMyShiftChangesResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }
}
