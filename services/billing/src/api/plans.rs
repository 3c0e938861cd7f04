//! Making and reading rate plans.

use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;

use super::Api;
use super::invoices::named_plan;
use super::plan_in::plan_in;
use super::plan_out::plan_out;
use crate::domain::ids::PlanId;
use crate::store;
use crate::store::plan::Version;

impl Api {
    pub(super) async fn create_plan(
        &self,
        caller: &Caller,
        request: wire::CreateRatePlanRequest,
    ) -> Result<wire::CreateRatePlanResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let given = request.plan.clone().ok_or_else(|| Fault::invalid("plan", "is required"))?;
        let named: Option<PlanId> = kit::Id::parse_optional("plan.rate_plan_id", &given.rate_plan_id)?;
        let plan = plan_in("plan", given)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreateRatePlan", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let plan_id = named.unwrap_or_else(|| self.deps.clock.new_id::<PlanId>());
        let version = store::plan::next_version(&mut tx, plan_id, &plan.name, named.is_none())
            .await?
            .ok_or(Fault::NotFound("rate plan"))?;
        let stored = Version { plan_id, version, plan, created_at: self.deps.clock.now() };
        store::plan::insert(&mut tx, &stored).await?;
        let response = wire::CreateRatePlanResponse { plan: Some(plan_out(&stored)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_plan(
        &self,
        caller: &Caller,
        request: wire::GetRatePlanRequest,
    ) -> Result<wire::GetRatePlanResponse, Fault> {
        let id: PlanId = kit::Id::parse("rate_plan_id", &request.rate_plan_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = named_plan(&mut tx, id, request.version).await?;
        Ok(wire::GetRatePlanResponse { plan: Some(plan_out(&found)) })
    }

    pub(super) async fn list_plans(
        &self,
        caller: &Caller,
        request: wire::ListRatePlansRequest,
    ) -> Result<wire::ListRatePlansResponse, Fault> {
        let page = self.deps.pager.read::<store::plan::Key>(
            caller,
            "ListRatePlans",
            &(),
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = store::plan::list(&mut tx, page.after.as_ref(), page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| store::plan::Key { name: r.plan.name.clone(), plan_id: r.plan_id.0 })?;
        Ok(wire::ListRatePlansResponse { plans: rows.iter().map(plan_out).collect(), next_page_token })
    }
}
