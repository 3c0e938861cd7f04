//! Routing policies: read, and changed as a whole.

use kit::{Caller, Checks, Fault, SellerId};
use proto::routing::v1 as wire;

use super::Api;
use crate::store::intake;
use crate::store::intake::{Note, Told};
use crate::store::policies::{self, Stored};
use crate::wire as out;
use engine::needs::Level;
use engine::policy::Policy;

impl Api {
    pub(super) async fn policy(
        &self,
        caller: &Caller,
        request: wire::GetRoutingPolicyRequest,
    ) -> Result<wire::GetRoutingPolicyResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let Some(seller) = scope.single_reader().map(SellerId) else {
            return Err(Fault::invalid("seller_id", "must name one seller"));
        };
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let stored = policies::of_seller(&mut tx, seller).await?;
        Ok(wire::GetRoutingPolicyResponse { policy: Some(answer(seller, stored.as_ref())) })
    }

    pub(super) async fn change_policy(
        &self,
        caller: &Caller,
        request: wire::UpdateRoutingPolicyRequest,
    ) -> Result<wire::UpdateRoutingPolicyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let policy = read(&mut checks, request.policy.as_ref(), request.base_version);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateRoutingPolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let newest = policies::of_seller(&mut tx, seller).await?.map_or(0, |stored| stored.policy.version);
        if newest != request.base_version {
            return Err(Fault::Stale);
        }
        let stored = Stored { policy, created_at: self.deps.clock.now(), created_by: caller.person()? };
        if !policies::insert(&mut tx, seller, &stored).await? {
            return Err(Fault::Stale);
        }
        let note = Note { id: self.deps.clock.new_uuid(), told: Told::Policy(seller) };
        intake::leave(&mut tx, &[note]).await?;
        let response = wire::UpdateRoutingPolicyResponse { policy: Some(answer(seller, Some(&stored))) };
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }
}

fn read(checks: &mut Checks, policy: Option<&wire::RoutingPolicy>, base_version: i64) -> Policy {
    let Some(policy) = policy else {
        checks.refuse("policy", "must be given");
        return Policy::default();
    };
    checks.require((0..i64::MAX).contains(&base_version), "base_version", "must not be negative");
    let level = if policy.minimum_level == 0 { Some(Level::B2) } else { out::level_in(policy.minimum_level) };
    checks.require(level.is_some(), "policy.minimum_level", "must be a language level");
    let order = out::agent_order_in(policy.agent_order);
    checks.require(order.is_some(), "policy.agent_order", "must be an order of agents");
    let mut count = |field: &str, n: i32| {
        checks.require(n >= 0, field, "must not be negative");
        u32::try_from(n).unwrap_or(0)
    };
    let (floor, ceiling) = (count("policy.floor", policy.floor), count("policy.ceiling", policy.ceiling));
    let late_share_percent = count("policy.late_share_percent", policy.late_share_percent);
    let idle_reserve = count("policy.idle_reserve", policy.idle_reserve);
    let policy = Policy {
        version: base_version.saturating_add(1),
        minimum_level: level.unwrap_or(Level::B2),
        offer_seconds: policy.offer_seconds,
        wrap_seconds: policy.wrap_seconds,
        preferred_skills_seconds: policy.preferred_skills_seconds,
        affinity_seconds: policy.affinity_seconds,
        refusal_seconds: policy.refusal_seconds,
        maximum_wait_seconds: policy.maximum_wait_seconds,
        expire_seconds: policy.expire_seconds,
        orphan_seconds: policy.orphan_seconds,
        floor,
        ceiling,
        late_share_percent,
        default_due_seconds: policy.default_due_seconds,
        agent_order: order.unwrap_or_default(),
        primary_first: policy.primary_first,
        idle_reserve,
    };
    for wrong in policy.check() {
        checks.refuse(format!("policy.{}", wrong.field), wrong.problem);
    }
    policy
}

fn answer(seller: SellerId, stored: Option<&Stored>) -> wire::RoutingPolicy {
    let built_in = Policy::default();
    let policy = stored.map_or(&built_in, |stored| &stored.policy);
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    wire::RoutingPolicy {
        seller_id: seller.to_string(),
        version: policy.version,
        minimum_level: out::level(policy.minimum_level) as i32,
        offer_seconds: policy.offer_seconds,
        wrap_seconds: policy.wrap_seconds,
        preferred_skills_seconds: policy.preferred_skills_seconds,
        affinity_seconds: policy.affinity_seconds,
        refusal_seconds: policy.refusal_seconds,
        maximum_wait_seconds: policy.maximum_wait_seconds,
        expire_seconds: policy.expire_seconds,
        orphan_seconds: policy.orphan_seconds,
        floor: count(policy.floor),
        ceiling: count(policy.ceiling),
        late_share_percent: count(policy.late_share_percent),
        default_due_seconds: policy.default_due_seconds,
        agent_order: out::agent_order(policy.agent_order) as i32,
        primary_first: policy.primary_first,
        idle_reserve: count(policy.idle_reserve),
        created_at: stored.map(|stored| kit::wire::timestamp(stored.created_at)),
        created_by: stored.map(|stored| stored.created_by.to_string()).unwrap_or_default(),
    }
}
