//! Routing policies: read, and changed as a whole.

use kit::{Caller, Checks, Explain, Fault, SellerId};
use proto::routing::v1 as wire;
use tonic::Code;

use super::Api;
use crate::desk::notes;
use crate::store::actions::{self, Action, Change};
use crate::store::intake;
use crate::store::intake::{Note, Told};
use crate::store::policies::{self, Stored};
use crate::store::{agents, sellers, sites};
use crate::wire as out;
use engine::coverage;
use engine::ids::At;
use engine::needs::Level;
use engine::policy::Policy;
use engine::seller::SellerTerms;

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
        let before = policies::of_seller(&mut tx, seller).await?.map(|stored| stored.policy).unwrap_or_default();
        if before.version != request.base_version {
            return Err(Fault::Stale);
        }
        let home_sites: Vec<String> = policy.home_sites.iter().cloned().collect();
        let unknown = sites::unknown(&mut tx, &home_sites).await?;
        if !unknown.is_empty() {
            return Err(Fault::invalid("policy.home_sites", format!("no such sites: {}", unknown.join(", "))));
        }
        if !request.allow_unmatched {
            let staff = agents::profiles(&mut tx, None).await?;
            let stored = sellers::terms(&mut tx).await?.into_iter().find(|(of, _)| *of == seller);
            let terms = match stored {
                Some((_, encoded)) => notes::terms(seller, &encoded)?,
                None => SellerTerms::unknown(seller),
            };
            let now = At::of(self.deps.clock.now());
            if let Some(place) = coverage::unknown_skills(&policy, &terms, &staff, now)
                && !before.skill_rules.contains(&policy.skill_rules[place])
            {
                return Err(UnknownSkills(place).into());
            }
            let short = coverage::unmatched(&policy, &terms, &staff, now);
            // what was so before is not the fault of this change
            let before = coverage::unmatched(&before, &terms, &staff, now);
            if short.iter().any(|new| !before.contains(new)) {
                return Err(Unmatched(short).into());
            }
        }
        let stored = Stored { policy, created_at: self.deps.clock.now(), created_by: caller.person()? };
        if !policies::insert(&mut tx, seller, &stored).await? {
            return Err(Fault::Stale);
        }
        let action = Action {
            id: self.deps.clock.new_id(),
            at: At::of(stored.created_at),
            actor: stored.created_by,
            action: "policy_changed".to_owned(),
            seller: Some(seller),
            agent: None,
            contact: None,
            reason: String::new(),
            changes: differences(&before, &stored.policy),
        };
        actions::keep(&mut tx, &[action]).await?;
        let note = Note { id: self.deps.clock.new_uuid(), told: Told::Policy(seller) };
        intake::leave(&mut tx, &[note]);
        let response = wire::UpdateRoutingPolicyResponse { policy: Some(answer(seller, Some(&stored))) };
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }
}

/// A policy that nobody certified today meets.
#[derive(Debug, thiserror::Error)]
#[error("nobody certified today speaks {} as well as this policy asks", languages(.0))]
struct Unmatched(Vec<coverage::Unmatched>);

/// A rule whose contacts nobody certified today could take.
#[derive(Debug, thiserror::Error)]
#[error("nobody certified today has all the skills that skill_rules[{0}] requires")]
struct UnknownSkills(usize);

impl Explain for UnknownSkills {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "POLICY_UNMATCHED"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("field", format!("policy.skill_rules[{}].required_skills", self.0))]
    }
}

fn languages(short: &[coverage::Unmatched]) -> String {
    let each = short.iter().map(|one| format!("{} (best level {})", one.language, one.best.word()));
    each.collect::<Vec<_>>().join(", ")
}

impl Explain for Unmatched {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "POLICY_UNMATCHED"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let best = self.0.iter().map(|one| format!("{}={}", one.language, one.best.word()));
        vec![("field", "policy.minimum_level".to_owned()), ("best_levels", best.collect::<Vec<_>>().join(","))]
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
    let weight = count("policy.weight", policy.weight);
    let late_share_percent = count("policy.late_share_percent", policy.late_share_percent);
    let idle_reserve = count("policy.idle_reserve", policy.idle_reserve);
    let skill_rules = out::skill_rules_in(checks, &policy.skill_rules);
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
        weight,
        weight_window_seconds: policy.weight_window_seconds,
        late_share_percent,
        default_due_seconds: policy.default_due_seconds,
        agent_order: order.unwrap_or_default(),
        primary_first: policy.primary_first,
        idle_reserve,
        native_seconds: policy.native_seconds,
        home_sites: policy.home_sites.iter().cloned().collect(),
        overflow_seconds: policy.overflow_seconds,
        opening_hold_seconds: policy.opening_hold_seconds,
        overflow_before_due_seconds: policy.overflow_before_due_seconds,
        skill_rules,
    };
    for wrong in policy.check() {
        checks.refuse(format!("policy.{}", wrong.field), wrong.problem);
    }
    policy
}

/// The fields of a policy that a change changes.
pub(super) fn differences<P: serde::Serialize>(before: &P, after: &P) -> Vec<Change> {
    let fields = |policy: &P| match serde_json::to_value(policy) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let said = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(word)) => word.clone(),
        Some(other) => other.to_string(),
    };
    let (before, after) = (fields(before), fields(after));
    let differ = after.iter().filter(|(field, value)| before.get(*field) != Some(value));
    differ
        .map(|(field, value)| Change {
            field: field.clone(),
            before: said(before.get(field)),
            after: said(Some(value)),
        })
        .collect()
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
        weight: count(policy.weight),
        weight_window_seconds: policy.weight_window_seconds,
        late_share_percent: count(policy.late_share_percent),
        default_due_seconds: policy.default_due_seconds,
        agent_order: out::agent_order(policy.agent_order) as i32,
        primary_first: policy.primary_first,
        idle_reserve: count(policy.idle_reserve),
        native_seconds: policy.native_seconds,
        home_sites: policy.home_sites.iter().cloned().collect(),
        overflow_seconds: policy.overflow_seconds,
        opening_hold_seconds: policy.opening_hold_seconds,
        overflow_before_due_seconds: policy.overflow_before_due_seconds,
        skill_rules: policy.skill_rules.iter().map(out::skill_rule).collect(),
        created_at: stored.map(|stored| kit::wire::timestamp(stored.created_at)),
        created_by: stored.map(|stored| stored.created_by.to_string()).unwrap_or_default(),
    }
}
