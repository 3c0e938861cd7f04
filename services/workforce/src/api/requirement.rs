//! Requirements: from a forecast to people per interval.

use kit::{Caller, Checks, Fault, Id, SellerId};
use planner::record::{ForecastId, Requirement, RequirementId};
use prost::Message;
use proto::workforce::v1 as wire;

use super::{Api, convert};
use crate::plan::{Plan, asked};
use crate::store::floor;
use crate::store::planning::{self, NewestKey};

impl Api {
    pub(super) async fn make_requirement(
        &self,
        caller: &Caller,
        request: wire::ComputeRequirementRequest,
    ) -> Result<wire::ComputeRequirementResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let forecast_id: ForecastId = checks.id("forecast_id", &request.forecast_id);
        let plan = Plan::read(&mut checks, &request);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;

        // Hundreds of thousands of queues may have to be sized: not inside a transaction, and not on
        // the threads that serve calls.
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = planning::forecasts(&mut tx, scope.seller(), Some(forecast_id), None, 1).await?;
        let forecast = found.pop().ok_or(Fault::NotFound("forecast"))?;
        let volumes = planning::forecast_series(&mut tx, forecast.seller, forecast_id).await?;
        drop(tx);
        let asked = wire::Requirement {
            plans: request.plans.clone(),
            shrinkage: request.shrinkage,
            open_hours: request.open_hours.clone(),
            zone: request.zone.clone(),
            ..wire::Requirement::default()
        };
        let requirement = Requirement {
            id: self.deps.clock.new_id::<RequirementId>(),
            seller: forecast.seller,
            forecast: forecast_id,
            starts_at: forecast.starts_at,
            step_seconds: forecast.step_seconds,
            intervals: forecast.intervals,
            plan: asked.encode_to_vec(),
            created_at: self.deps.clock.now(),
        };
        let computed = tokio::task::spawn_blocking(move || plan.compute(&forecast, &volumes));
        let series = computed.await.map_err(|e| Fault::Internal(Box::new(e)))??;

        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "ComputeRequirement", &request.request_id, &request).await? {
            return Ok(answer);
        }
        planning::insert_requirement(&mut tx, &requirement, &series).await?;
        let seconds = requirement.step_seconds * i64::from(requirement.intervals);
        if requirement.created_at.as_second() < requirement.starts_at.as_second() + seconds {
            floor::watch_seller(&mut tx, requirement.starts_at.max(requirement.created_at)).await?;
        }
        let response =
            wire::ComputeRequirementResponse { requirement: Some(convert::requirement(&requirement, asked, series)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn requirement(
        &self,
        caller: &Caller,
        request: wire::GetRequirementRequest,
    ) -> Result<wire::GetRequirementResponse, Fault> {
        let id = RequirementId::parse("requirement_id", &request.requirement_id)?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = planning::requirements(&mut tx, scope.seller(), &[id], None, 1).await?;
        let requirement = found.pop().ok_or(Fault::NotFound("requirement"))?;
        let series = planning::requirement_series(&mut tx, requirement.seller, id).await?;
        let requirement = convert::requirement(&requirement, asked(&requirement)?, series);
        Ok(wire::GetRequirementResponse { requirement: Some(requirement) })
    }

    pub(super) async fn requirements(
        &self,
        caller: &Caller,
        request: wire::ListRequirementsRequest,
    ) -> Result<wire::ListRequirementsResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(
            caller,
            "ListRequirements",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let seller = scope.single_reader().map(SellerId);
        let mut rows = planning::requirements(&mut tx, seller, &[], page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        let mut requirements = Vec::with_capacity(rows.len());
        for row in &rows {
            requirements.push(convert::requirement(row, asked(row)?, Vec::new()));
        }
        Ok(wire::ListRequirementsResponse { requirements, next_page_token })
    }
}
