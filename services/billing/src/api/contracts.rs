//! Signing plans and reading contracts.

use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::events::v1::RatePlanSigned;
use proto::events::v1::envelope::Body;

use super::Api;
use super::intake::default_zone;
use super::invoices::named_plan;
use super::plan_out::plan_out;
use crate::domain::ids::{ContractId, PlanId};
use crate::domain::period::{Cycle, first_of_month};
use crate::domain::profile::{Account, Contract, SignError, may_sign};
use crate::store;
use crate::store::contract::Listed;

impl Api {
    pub(super) async fn sign(
        &self,
        caller: &Caller,
        request: wire::SignRatePlanRequest,
    ) -> Result<wire::SignRatePlanResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let plan_id: PlanId = checks.id("rate_plan_id", &request.rate_plan_id);
        checks.range("version", request.version, 1..=i64::MAX);
        let from = checks.date("effective_from", &request.effective_from);
        let anchor = (!request.anchor_date.is_empty()).then(|| checks.date("anchor_date", &request.anchor_date));
        let signed_by = checks.line("signed_by", &request.signed_by, 1..=200);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "SignRatePlan", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::account::ensure(&mut tx, default_zone(&one.terms)).await?;
        let account = store::account::lock(&mut tx).await?.ok_or(Fault::NotFound("seller"))?;
        let version = named_plan(&mut tx, plan_id, request.version).await?;
        let profile = store::profile::read(&mut tx, one.seller).await?.ok_or(SignError::NoProfile)?;
        let last = store::contract::with_plans(&mut tx, one.seller).await?.last().map(|(c, _)| c.effective_from);
        may_sign(&version.plan, Some(profile.currency), &account, last, from)?;
        let cycle = account.cycle.unwrap_or(Cycle {
            anchor: anchor.unwrap_or_else(|| first_of_month(from)),
            interval: version.plan.interval,
        });
        if account.cycle.is_none() {
            store::account::set_cycle(&mut tx, cycle).await?;
            // Usage of before was added up by calendar months.
            store::sums::remake(&mut tx, &Account { cycle: Some(cycle), ..account.clone() }).await?;
        }
        let contract = Contract {
            contract_id: self.deps.clock.new_id::<ContractId>(),
            plan_id,
            plan_version: version.version,
            effective_from: from,
            effective_until: None,
            signed_at: now,
            signed_by,
        };
        store::contract::sign(&mut tx, &contract).await?;
        let told = RatePlanSigned {
            rate_plan_id: plan_id.to_string(),
            version: version.version,
            effective_from: from.to_string(),
        };
        tx.emit(one.seller, Body::RatePlanSigned(told), now)?;
        let listed = Listed { seller: one.seller, contract, time_zone: account.time_zone, anchor: Some(cycle.anchor) };
        let response = wire::SignRatePlanResponse { contract: Some(contract_out(&listed)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn contracts(
        &self,
        caller: &Caller,
        request: wire::ListContractsRequest,
    ) -> Result<wire::ListContractsResponse, Fault> {
        let shape = &request.seller_id;
        let page = self.deps.pager.read(caller, "ListContracts", shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows = store::contract::list(&mut tx, scope.single_reader(), None, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::contract::Key {
            effective_from: r.contract.effective_from,
            contract_id: r.contract.contract_id.0,
        })?;
        Ok(wire::ListContractsResponse { contracts: rows.iter().map(contract_out).collect(), next_page_token })
    }

    pub(super) async fn contract(
        &self,
        caller: &Caller,
        request: wire::GetContractRequest,
    ) -> Result<wire::GetContractResponse, Fault> {
        let id: ContractId = kit::Id::parse("contract_id", &request.contract_id)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let found = store::contract::list(&mut tx, scope.single_reader(), Some(id), None, 1).await?;
        let listed = found.first().ok_or(Fault::NotFound("contract"))?;
        let plan = named_plan(&mut tx, listed.contract.plan_id, listed.contract.plan_version).await?;
        Ok(wire::GetContractResponse { contract: Some(contract_out(listed)), plan: Some(plan_out(&plan)) })
    }
}

fn contract_out(listed: &Listed) -> wire::Contract {
    let contract = &listed.contract;
    wire::Contract {
        contract_id: contract.contract_id.to_string(),
        seller_id: listed.seller.to_string(),
        rate_plan_id: contract.plan_id.to_string(),
        version: contract.plan_version,
        effective_from: contract.effective_from.to_string(),
        effective_until: contract.effective_until.map(|d| d.to_string()).unwrap_or_default(),
        time_zone: listed.time_zone.clone(),
        anchor_date: listed.anchor.map(|d| d.to_string()).unwrap_or_default(),
        sign_time: Some(kit::wire::timestamp(contract.signed_at)),
        signed_by: contract.signed_by.clone(),
    }
}
