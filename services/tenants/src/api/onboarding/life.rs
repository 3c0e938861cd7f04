//! A seller's changes of state.

use kit::{Caller, Fault};
use proto::tenants::v1 as pb;
use tenantdb::TenantTx;
use uuid::Uuid;

use super::{Onboarding, Reach, checklist, fresh, keep, locked, wire};
use crate::domain::onboarding::check;
use crate::domain::onboarding::checklist as rules;
use crate::domain::onboarding::life::{self, Kickoff, NothingErased, Reason, State, Step, Verb};
use crate::domain::onboarding::seller::Seller;
use crate::store::onboarding::{erasures, evidence, people};

impl Onboarding {
    pub(super) async fn start(
        &self,
        caller: &Caller,
        request: pb::StartOnboardingRequest,
    ) -> Result<pb::StartOnboardingResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "StartOnboarding", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = movable(&mut tx, &request.etag, Verb::Start).await?;
        let contacts = people::contacts(&mut tx, seller.id).await?;
        let primary = contacts.iter().find(|c| c.roles.iter().any(|r| r == "primary")).map(|c| c.key.as_str());
        let step = Step::Start(Kickoff::from_facts(&seller.profile, primary)?);
        self.take(&mut tx, caller.subject(), &mut seller, step).await?;
        let response = pb::StartOnboardingResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn go(&self, caller: &Caller, request: pb::GoLiveRequest) -> Result<pb::GoLiveResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "GoLive", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = movable(&mut tx, &request.etag, Verb::GoLive).await?;
        let green = self.derived(&mut tx, &seller).await?.green()?;
        self.take(&mut tx, caller.subject(), &mut seller, Step::GoLive(green)).await?;
        let response = pb::GoLiveResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn suspend(
        &self,
        caller: &Caller,
        request: pb::SuspendSellerRequest,
    ) -> Result<pb::SuspendSellerResponse, Fault> {
        let reason = reason(&request.reason)?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "SuspendSeller", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = movable(&mut tx, &request.etag, Verb::Suspend).await?;
        self.take(&mut tx, caller.subject(), &mut seller, Step::Suspend(reason)).await?;
        let response = pb::SuspendSellerResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn resume(
        &self,
        caller: &Caller,
        request: pb::ResumeSellerRequest,
    ) -> Result<pb::ResumeSellerResponse, Fault> {
        let reason = reason(&request.reason)?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "ResumeSeller", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = movable(&mut tx, &request.etag, Verb::Resume).await?;
        let green = self.derived(&mut tx, &seller).await?.green()?;
        self.take(&mut tx, caller.subject(), &mut seller, Step::Resume(green, reason)).await?;
        let response = pb::ResumeSellerResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn leave(
        &self,
        caller: &Caller,
        request: pb::StartOffboardingRequest,
    ) -> Result<pb::StartOffboardingResponse, Fault> {
        let reason = reason(&request.reason)?;
        let last = check::parse_date(&request.contract_end_date)
            .ok_or_else(|| Fault::invalid("contract_end_date", "must be a date YYYY-MM-DD between 1990 and 2100"))?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "StartOffboarding", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = movable(&mut tx, &request.etag, Verb::Leave).await?;
        seller.contract_end = Some(last);
        self.take(&mut tx, caller.subject(), &mut seller, Step::Leave(reason, last)).await?;
        let response = pb::StartOffboardingResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn stay(
        &self,
        caller: &Caller,
        request: pb::CancelOffboardingRequest,
    ) -> Result<pb::CancelOffboardingResponse, Fault> {
        let reason = reason(&request.reason)?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "CancelOffboarding", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = movable(&mut tx, &request.etag, Verb::Stay).await?;
        let nothing = NothingErased::from_count(erasures::count_of(&mut tx, seller.id).await?)?;
        seller.contract_end = None;
        self.take(&mut tx, caller.subject(), &mut seller, Step::Stay(reason, nothing)).await?;
        let response = pb::CancelOffboardingResponse { seller: Some(wire::seller(&seller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn transitions(
        &self,
        caller: &Caller,
        request: pb::ListSellerTransitionsRequest,
    ) -> Result<pb::ListSellerTransitionsResponse, Fault> {
        let page = self.deps.pager.read::<Uuid>(
            caller,
            "ListSellerTransitions",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let mut rows = evidence::transitions(&mut tx, seller.id, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |moved| moved.id)?;
        let transitions = rows
            .into_iter()
            .map(|moved| pb::SellerTransition {
                from: wire::state(moved.transition.from).into(),
                to: wire::state(moved.transition.to).into(),
                reason: moved.transition.reason,
                evidence: moved.transition.evidence,
                actor_id: if moved.actor.is_nil() { String::new() } else { kit::UserId(moved.actor).to_string() },
                time: Some(kit::wire::timestamp(moved.at)),
            })
            .collect();
        Ok(pb::ListSellerTransitionsResponse { transitions, next_page_token })
    }

    /// The checklist as it is in the transaction.
    async fn derived(&self, tx: &mut TenantTx, seller: &Seller) -> Result<rules::Checklist, Fault> {
        let facts = checklist::facts(tx, seller).await?;
        Ok(rules::derive(&facts, self.deps.clock.now()))
    }

    /// Takes a step and keeps what it was allowed by.
    async fn take(&self, tx: &mut TenantTx, actor: Uuid, seller: &mut Seller, step: Step) -> Result<(), Fault> {
        let now = self.deps.clock.now();
        let transition = life::step(seller.state, step)?;
        seller.state = transition.to;
        seller.state_reason.clone_from(&transition.reason);
        if transition.to == State::Live && seller.live_at.is_none() {
            seller.live_at = Some(now);
        }
        let moved = evidence::Moved { id: self.deps.clock.new_uuid(), transition, actor, at: now };
        evidence::insert_transition(tx, &moved).await?;
        keep(tx, seller, Reach::Own, now).await
    }
}

/// The transaction's seller, locked, in a state that admits the step.
async fn movable(tx: &mut TenantTx, etag: &str, verb: Verb) -> Result<Seller, Fault> {
    let seller = locked(tx).await?;
    fresh(etag, seller.version)?;
    life::admits(seller.state, verb)?;
    Ok(seller)
}

fn reason(text: &str) -> Result<Reason, Fault> {
    Reason::new(text).ok_or_else(|| Fault::invalid("reason", "must have 1 to 500 characters"))
}
