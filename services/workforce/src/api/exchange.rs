//! Agents exchange shifts and take what is offered.

use std::collections::HashMap;

use jiff::Timestamp;
use kit::ids::Uuid;
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, UserId};
use planner::agent::Duty;
use planner::change::{self, extended, shortened};
use planner::record::{
    BidState, Offer, OfferId, OfferKind, Schedule, ScheduleId, Shift, ShiftId, Swap, SwapId, SwapState,
};
use proto::workforce::v1 as wire;
use proto::workforce::v1::shift_exchange_service_server::ShiftExchangeService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::changes::{read_time, time};
use super::{Api, convert, unary_service};
use crate::changing::{self, Edit, Why};
use crate::domain::refusal::Refusal;
use crate::store::exchange::{self, Bid};
use crate::store::planning::NewestKey;
use crate::store::{people, shift};

unary_service! { ShiftExchangeService:
    get_exchange_policy => exchange_policy, GetExchangePolicyRequest, GetExchangePolicyResponse;
    update_exchange_policy => change_exchange_policy, UpdateExchangePolicyRequest, UpdateExchangePolicyResponse;
    ask_shift_swap => ask_swap, AskShiftSwapRequest, AskShiftSwapResponse;
    answer_shift_swap => answer_swap, AnswerShiftSwapRequest, AnswerShiftSwapResponse;
    withdraw_shift_swap => take_back_swap, WithdrawShiftSwapRequest, WithdrawShiftSwapResponse;
    list_my_shift_swaps => my_swaps, ListMyShiftSwapsRequest, ListMyShiftSwapsResponse;
    list_shift_swaps => all_swaps, ListShiftSwapsRequest, ListShiftSwapsResponse;
    decide_shift_swap => decide_swap, DecideShiftSwapRequest, DecideShiftSwapResponse;
    create_shift_offer => offer_time, CreateShiftOfferRequest, CreateShiftOfferResponse;
    close_shift_offer => close_offer, CloseShiftOfferRequest, CloseShiftOfferResponse;
    list_shift_offers => all_offers, ListShiftOffersRequest, ListShiftOffersResponse;
    list_my_shift_offers => my_offers, ListMyShiftOffersRequest, ListMyShiftOffersResponse;
    bid_for_shift => bid, BidForShiftRequest, BidForShiftResponse;
    withdraw_shift_bid => take_back_bid, WithdrawShiftBidRequest, WithdrawShiftBidResponse;
    award_shift_bid => award, AwardShiftBidRequest, AwardShiftBidResponse;
}

impl Api {
    async fn exchange_policy(
        &self,
        caller: &Caller,
        _request: wire::GetExchangePolicyRequest,
    ) -> Result<wire::GetExchangePolicyResponse, Fault> {
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let kept = exchange::policy(&mut tx).await?;
        Ok(wire::GetExchangePolicyResponse { policy: Some(kept.map(policy).unwrap_or_default()) })
    }

    async fn change_exchange_policy(
        &self,
        caller: &Caller,
        request: wire::UpdateExchangePolicyRequest,
    ) -> Result<wire::UpdateExchangePolicyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.policy.is_some(), "policy", "must be given");
        let given = request.policy.clone().unwrap_or_default();
        let notice = checks.range("policy.notice_seconds", given.notice_seconds, 0..=604_800);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateExchangePolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if seen.is_some() && exchange::policy(&mut tx).await?.is_none() {
            return Err(Fault::Stale);
        }
        let now = self.deps.clock.now();
        let kept = exchange::keep_policy(&mut tx, given.approve_swaps, notice, seen, now).await?;
        let version = kept.ok_or(Fault::Stale)?;
        let response =
            wire::UpdateExchangePolicyResponse { policy: Some(policy((given.approve_swaps, notice, version))) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn ask_swap(
        &self,
        caller: &Caller,
        request: wire::AskShiftSwapRequest,
    ) -> Result<wire::AskShiftSwapResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let shift_id: ShiftId = checks.id("shift_id", &request.shift_id);
        let to_user: UserId = checks.id("to_user_id", &request.to_user_id);
        let to_shift =
            (!request.to_shift_id.is_empty()).then(|| checks.id::<ShiftId>("to_shift_id", &request.to_shift_id));
        checks.require(to_user != user, "to_user_id", "must be a colleague");
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "AskShiftSwap", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mine = own_shift(&mut tx, shift_id, user).await?;
        let theirs = match to_shift {
            None => None,
            Some(id) => {
                let found = own_shift(&mut tx, id, to_user).await?;
                if found.schedule != mine.schedule {
                    return Err(Fault::invalid("to_shift_id", "must be of the same schedule"));
                }
                Some(found)
            }
        };
        people::staff(&mut tx, to_user).await?.ok_or(Fault::NotFound("user"))?;
        let schedule = changing::lock(&mut tx, mine.schedule).await?;
        self.refuse_late(&mut tx, std::iter::once(&mine).chain(&theirs).map(|shift| shift.duty.start)).await?;
        let edits = edits(user, &mine, to_user, theirs.as_ref());
        changing::judge(&mut tx, &schedule, &edits, "swap").await.map_err(|fault| discreet(fault, user))?;
        let swap = Swap {
            id: self.deps.clock.new_id::<SwapId>(),
            version: 1,
            schedule: mine.schedule,
            from: (user, mine.id, (mine.duty.start, mine.duty.end)),
            to_user,
            to: theirs.as_ref().map(|shift| (shift.id, (shift.duty.start, shift.duty.end))),
            state: SwapState::Asked,
            reason: String::new(),
            decided_by: None,
            created_at: self.deps.clock.now(),
        };
        exchange::insert_swap(&mut tx, &swap).await.map_err(|failure| match failure.constraint() {
            Some("shift_swap_open") => Fault::from(Refusal::SwapOpen),
            _ => failure.into(),
        })?;
        let response = wire::AskShiftSwapResponse { swap: Some(shown(&swap)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn answer_swap(
        &self,
        caller: &Caller,
        request: wire::AnswerShiftSwapRequest,
    ) -> Result<wire::AnswerShiftSwapResponse, Fault> {
        let user = caller.person()?;
        let id = read_id::<SwapId>("swap_id", &request.swap_id, &request.request_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "AnswerShiftSwap", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let swap = one_swap(&mut tx, id, Some(user)).await?;
        if swap.to_user != user {
            return Err(Fault::NotFound("swap"));
        }
        refuse_unless(&swap, &[SwapState::Asked])?;
        let state = if request.accept {
            let (schedule, edits) = self.swap_edits(&mut tx, &swap).await.map_err(|fault| discreet(fault, user))?;
            let at_once = exchange::policy(&mut tx).await?.is_some_and(|(approve, _, _)| approve);
            if at_once && self.covers_as_well(&mut tx, &schedule, &edits).await? {
                let why = Why { cause: "swap", by: Some(user.0) };
                changing::apply(&mut tx, &self.deps, &schedule, &edits, why).await?;
                SwapState::Approved
            } else {
                SwapState::Agreed
            }
        } else {
            SwapState::Declined
        };
        let response = wire::AnswerShiftSwapResponse { swap: Some(move_on(&mut tx, &swap, state, "", None).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn take_back_swap(
        &self,
        caller: &Caller,
        request: wire::WithdrawShiftSwapRequest,
    ) -> Result<wire::WithdrawShiftSwapResponse, Fault> {
        let user = caller.person()?;
        let id = read_id::<SwapId>("swap_id", &request.swap_id, &request.request_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "WithdrawShiftSwap", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let swap = one_swap(&mut tx, id, Some(user)).await?;
        if swap.from.0 != user {
            return Err(Fault::NotFound("swap"));
        }
        refuse_unless(&swap, &[SwapState::Asked, SwapState::Agreed])?;
        let now = move_on(&mut tx, &swap, SwapState::Withdrawn, "", None).await?;
        let response = wire::WithdrawShiftSwapResponse { swap: Some(now) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn my_swaps(
        &self,
        caller: &Caller,
        request: wire::ListMyShiftSwapsRequest,
    ) -> Result<wire::ListMyShiftSwapsResponse, Fault> {
        let user = caller.person()?;
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(caller, "ListMyShiftSwaps", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = exchange::swaps(&mut tx, None, Some(user), false, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        Ok(wire::ListMyShiftSwapsResponse { swaps: rows.iter().map(shown).collect(), next_page_token })
    }

    async fn all_swaps(
        &self,
        caller: &Caller,
        request: wire::ListShiftSwapsRequest,
    ) -> Result<wire::ListShiftSwapsResponse, Fault> {
        let pager = &self.deps.pager;
        let open = request.open_only;
        let page = pager.read::<NewestKey>(caller, "ListShiftSwaps", &open, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = exchange::swaps(&mut tx, None, None, open, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        Ok(wire::ListShiftSwapsResponse { swaps: rows.iter().map(shown).collect(), next_page_token })
    }

    async fn decide_swap(
        &self,
        caller: &Caller,
        request: wire::DecideShiftSwapRequest,
    ) -> Result<wire::DecideShiftSwapResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: SwapId = checks.id("swap_id", &request.swap_id);
        checks.require(!request.etag.is_empty(), "etag", "must be given");
        let least = usize::from(!request.approve);
        let reason = checks.text("reason", &request.reason, least..=500);
        checks.finish()?;
        let seen = kit::wire::version(&request.etag)?.unwrap_or_default();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DecideShiftSwap", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let swap = one_swap(&mut tx, id, None).await?;
        refuse_unless(&swap, &[SwapState::Agreed])?;
        if swap.version != seen {
            return Err(Fault::Stale);
        }
        let by = caller.user().map(|user| user.0);
        let state = if request.approve {
            let (schedule, edits) = self.swap_edits(&mut tx, &swap).await?;
            changing::apply(&mut tx, &self.deps, &schedule, &edits, Why { cause: "swap", by }).await?;
            SwapState::Approved
        } else {
            SwapState::Refused
        };
        let response = wire::DecideShiftSwapResponse { swap: Some(move_on(&mut tx, &swap, state, &reason, by).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// What a swap changes as things stand now, judged; the schedule is locked.
    async fn swap_edits(&self, tx: &mut TenantTx, swap: &Swap) -> Result<(Schedule, Vec<Edit>), Fault> {
        let schedule = changing::lock(tx, swap.schedule).await?;
        let ids: Vec<ShiftId> = std::iter::once(swap.from.1).chain(swap.to.map(|(id, _)| id)).collect();
        let shifts = shift::live_by_ids(tx, &ids).await?;
        let same = |id: ShiftId, user: UserId, (start, end): (i64, i64)| {
            let found = shifts.iter().find(|shift| shift.id == id && shift.user == user);
            found.filter(|shift| (shift.duty.start, shift.duty.end) == (start, end)).ok_or(Refusal::Outdated)
        };
        let mine = same(swap.from.1, swap.from.0, swap.from.2)?;
        let theirs = swap.to.map(|(id, times)| same(id, swap.to_user, times)).transpose()?;
        self.refuse_late(tx, std::iter::once(mine).chain(theirs).map(|shift| shift.duty.start)).await?;
        let edits = edits(swap.from.0, mine, swap.to_user, theirs);
        changing::judge(tx, &schedule, &edits, "swap").await?;
        Ok((schedule, edits))
    }

    async fn refuse_late(&self, tx: &mut TenantTx, starts: impl Iterator<Item = i64>) -> Result<(), Fault> {
        let notice = exchange::policy(tx).await?.map_or(0, |(_, notice, _)| notice);
        let earliest = self.deps.clock.now().as_second() + notice;
        if starts.into_iter().any(|start| start <= earliest) { Err(Refusal::ShiftBegun.into()) } else { Ok(()) }
    }

    /// Whether no more of the requirement is uncovered in these hours after the changes.
    async fn covers_as_well(&self, tx: &mut TenantTx, schedule: &Schedule, edits: &[Edit]) -> Result<bool, Fault> {
        let (before, needs, grid) = changing::board(tx, schedule).await?;
        let edits = edits.to_vec();
        let computed = tokio::task::spawn_blocking(move || {
            let mut after = before.clone();
            for edit in &edits {
                let Some(worker) = after.iter_mut().find(|worker| worker.agent.user == edit.user) else { continue };
                worker.duties.retain(|duty| edit.removed.as_ref().is_none_or(|shift| shift.duty != *duty));
                worker.duties.extend(edit.added.clone());
            }
            let hours: Vec<Duty> =
                edits.iter().filter_map(|edit| edit.removed.as_ref().map(|shift| shift.duty.clone())).collect();
            let uncovered = |workers: &[change::Worker]| change::uncovered(workers, &needs, &grid, &hours);
            uncovered(&after) <= uncovered(&before)
        });
        computed.await.map_err(|e| Fault::Internal(Box::new(e)))
    }

    async fn offer_time(
        &self,
        caller: &Caller,
        request: wire::CreateShiftOfferRequest,
    ) -> Result<wire::CreateShiftOfferResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let schedule: ScheduleId = checks.id("schedule_id", &request.schedule_id);
        let given = request.offer.clone().unwrap_or_default();
        let kind = match given.kind() {
            wire::ShiftOfferKind::OpenShift => Some(OfferKind::OpenShift),
            wire::ShiftOfferKind::Overtime => Some(OfferKind::Overtime),
            wire::ShiftOfferKind::TimeOffEarly => Some(OfferKind::TimeOffEarly),
            wire::ShiftOfferKind::Unspecified => None,
        };
        checks.require(kind.is_some(), "offer.kind", "must be an open shift, overtime or time off");
        let time = read_time(&mut checks, &given.time.unwrap_or_default());
        let breaks = time.breaks.is_empty() || kind == Some(OfferKind::OpenShift);
        checks.require(breaks, "time.break_start_time", "must be empty but for an open shift");
        let now = self.deps.clock.now();
        checks.require(now.as_second() < time.start, "time.start_time", "must be in the future");
        let places = checks.range("offer.places", given.places.into(), 1..=500);
        checks.count("offer.user_ids", given.user_ids.len(), 0..=500);
        let users = given.user_ids.iter().take(500).map(|id| checks.id("offer.user_ids", id)).collect();
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreateShiftOffer", &request.request_id, &request).await? {
            return Ok(answer);
        }
        changing::lock(&mut tx, schedule).await?;
        let offer = Offer {
            id: self.deps.clock.new_id::<OfferId>(),
            schedule,
            kind: kind.unwrap_or(OfferKind::OpenShift),
            time,
            places: places as i32,
            taken: 0,
            users,
            auto_award: given.auto_award,
            open: true,
            created_at: now,
        };
        exchange::insert_offer(&mut tx, &offer).await?;
        let response = wire::CreateShiftOfferResponse { offer: Some(offered(&offer, &[], true)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn close_offer(
        &self,
        caller: &Caller,
        request: wire::CloseShiftOfferRequest,
    ) -> Result<wire::CloseShiftOfferResponse, Fault> {
        let id = read_id::<OfferId>("offer_id", &request.offer_id, &request.request_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CloseShiftOffer", &request.request_id, &request).await? {
            return Ok(answer);
        }
        one_offer(&mut tx, id, None).await?;
        exchange::close_offer(&mut tx, id).await?;
        let response = wire::CloseShiftOfferResponse { offer: Some(again(&mut tx, id, None).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn all_offers(
        &self,
        caller: &Caller,
        request: wire::ListShiftOffersRequest,
    ) -> Result<wire::ListShiftOffersResponse, Fault> {
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(caller, "ListShiftOffers", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = exchange::offers(&mut tx, None, None, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        Ok(wire::ListShiftOffersResponse { offers: with_bids(&mut tx, &rows, None).await?, next_page_token })
    }

    async fn my_offers(
        &self,
        caller: &Caller,
        request: wire::ListMyShiftOffersRequest,
    ) -> Result<wire::ListMyShiftOffersResponse, Fault> {
        let user = caller.person()?;
        let pager = &self.deps.pager;
        let page = pager.read::<NewestKey>(caller, "ListMyShiftOffers", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = exchange::offers(&mut tx, None, Some(user), page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.created_at, row.id.0))?;
        Ok(wire::ListMyShiftOffersResponse { offers: with_bids(&mut tx, &rows, Some(user)).await?, next_page_token })
    }

    async fn bid(
        &self,
        caller: &Caller,
        request: wire::BidForShiftRequest,
    ) -> Result<wire::BidForShiftResponse, Fault> {
        let user = caller.person()?;
        let id = read_id::<OfferId>("offer_id", &request.offer_id, &request.request_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "BidForShift", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let offer = one_offer(&mut tx, id, Some(user)).await?;
        self.refuse_late(&mut tx, std::iter::once(offer.time.start)).await?;
        let schedule = changing::lock(&mut tx, offer.schedule).await?;
        let now = self.deps.clock.now();
        let known = exchange::bids(&mut tx, &[id], Some(user)).await?;
        if known.iter().any(|(_, (_, state, _))| *state == BidState::Awarded) {
            return Err(Refusal::Decided { what: "bid", state: "awarded" }.into());
        }
        // Closed meanwhile, or full.
        let offer = one_offer(&mut tx, id, Some(user)).await?;
        if !offer.open {
            return Err(Refusal::OfferTaken.into());
        }
        let edit = self.fitting(&mut tx, &schedule, &offer, user).await?;
        let state = if offer.auto_award {
            self.hand_over(&mut tx, &schedule, &offer, edit, Some(user.0)).await?;
            BidState::Awarded
        } else {
            BidState::Bid
        };
        exchange::keep_bid(&mut tx, id, user, state, now).await?;
        if state == BidState::Awarded {
            close_when_full(&mut tx, &offer).await?;
        }
        let response = wire::BidForShiftResponse { offer: Some(again(&mut tx, id, Some(user)).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn take_back_bid(
        &self,
        caller: &Caller,
        request: wire::WithdrawShiftBidRequest,
    ) -> Result<wire::WithdrawShiftBidResponse, Fault> {
        let user = caller.person()?;
        let id = read_id::<OfferId>("offer_id", &request.offer_id, &request.request_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "WithdrawShiftBid", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let offer = one_offer(&mut tx, id, Some(user)).await?;
        // Nobody awards it meanwhile.
        changing::lock(&mut tx, offer.schedule).await?;
        let bid = exchange::bids(&mut tx, &[id], Some(user)).await?.pop();
        match bid.ok_or(Fault::NotFound("bid"))?.1.1 {
            BidState::Bid => {}
            state => return Err(Refusal::Decided { what: "bid", state: state.word() }.into()),
        }
        exchange::keep_bid(&mut tx, id, user, BidState::Withdrawn, self.deps.clock.now()).await?;
        let response = wire::WithdrawShiftBidResponse { offer: Some(again(&mut tx, id, Some(user)).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn award(
        &self,
        caller: &Caller,
        request: wire::AwardShiftBidRequest,
    ) -> Result<wire::AwardShiftBidResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: OfferId = checks.id("offer_id", &request.offer_id);
        let user: UserId = checks.id("user_id", &request.user_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "AwardShiftBid", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let offer = one_offer(&mut tx, id, None).await?;
        let schedule = changing::lock(&mut tx, offer.schedule).await?;
        let bid = exchange::bids(&mut tx, &[id], Some(user)).await?.pop();
        match bid.ok_or(Fault::NotFound("bid"))?.1.1 {
            BidState::Bid => {}
            state => return Err(Refusal::Decided { what: "bid", state: state.word() }.into()),
        }
        let edit = self.fitting(&mut tx, &schedule, &offer, user).await?;
        let by = caller.user().map(|user| user.0);
        self.hand_over(&mut tx, &schedule, &offer, edit, by).await?;
        exchange::keep_bid(&mut tx, id, user, BidState::Awarded, self.deps.clock.now()).await?;
        close_when_full(&mut tx, &offer).await?;
        let response = wire::AwardShiftBidResponse { offer: Some(again(&mut tx, id, None).await?) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// What taking an offer changes for an agent, judged.
    async fn fitting(
        &self,
        tx: &mut TenantTx,
        schedule: &Schedule,
        offer: &Offer,
        user: UserId,
    ) -> Result<Edit, Fault> {
        let edit = match offer.kind {
            OfferKind::OpenShift => Edit { user, removed: None, added: Some(offer.time.clone()) },
            OfferKind::Overtime | OfferKind::TimeOffEarly => {
                let own = shift::of_schedule(tx, schedule.id, Some(user), None, 200).await?;
                let changed = own.into_iter().find_map(|shift| {
                    let left = match offer.kind {
                        OfferKind::Overtime => extended(&shift.duty, &offer.time).map(Some),
                        _ => shortened(&shift.duty, &offer.time).ok(),
                    };
                    left.map(|left| (shift, left))
                });
                let (shift, left) = changed.ok_or(Refusal::OfferUnfit)?;
                Edit { user, removed: Some(shift), added: left }
            }
        };
        changing::judge(tx, schedule, std::slice::from_ref(&edit), offer.kind.word()).await?;
        Ok(edit)
    }

    async fn hand_over(
        &self,
        tx: &mut TenantTx,
        schedule: &Schedule,
        offer: &Offer,
        edit: Edit,
        by: Option<Uuid>,
    ) -> Result<(), Fault> {
        if !exchange::take_place(tx, offer.id).await? {
            return Err(Refusal::OfferTaken.into());
        }
        let why = Why { cause: offer.kind.word(), by };
        changing::apply(tx, &self.deps, schedule, &[edit], why).await?;
        Ok(())
    }
}

/// Who still waits for a place hears that there is none, once an offer gave its last one.
async fn close_when_full(tx: &mut TenantTx, before: &Offer) -> Result<(), Fault> {
    if before.places <= before.taken + 1 {
        exchange::close_offer(tx, before.id).await?;
    }
    Ok(())
}

/// The two agents' changes of a swap.
fn edits(from: UserId, mine: &Shift, to: UserId, theirs: Option<&Shift>) -> Vec<Edit> {
    vec![
        Edit { user: from, removed: Some(mine.clone()), added: theirs.map(|shift| shift.duty.clone()) },
        Edit { user: to, removed: theirs.cloned(), added: Some(mine.duty.clone()) },
    ]
}

/// An agent is not told which rule keeps a colleague from a shift: it may be that she is away.
fn discreet(fault: Fault, user: UserId) -> Fault {
    match &fault {
        Fault::Refused(refusal)
            if refusal.metadata().iter().any(|(key, id)| *key == "user_id" && *id != user.to_string()) =>
        {
            Refusal::ColleagueCannot.into()
        }
        _ => fault,
    }
}

async fn own_shift(tx: &mut TenantTx, id: ShiftId, user: UserId) -> Result<Shift, Fault> {
    let found = shift::live_by_ids(tx, &[id]).await?.pop();
    found.filter(|shift| shift.user == user).ok_or(Fault::NotFound("shift"))
}

fn read_id<T: kit::Id>(field: &'static str, id: &str, request_id: &str) -> Result<T, Fault> {
    let mut checks = Checks::new();
    checks.request_id(request_id);
    let id = checks.id(field, id);
    checks.finish()?;
    Ok(id)
}

async fn one_swap(tx: &mut TenantTx, id: SwapId, user: Option<UserId>) -> Result<Swap, Fault> {
    exchange::swaps(tx, Some(id), user, false, None, 1).await?.pop().ok_or(Fault::NotFound("swap"))
}

fn refuse_unless(swap: &Swap, states: &[SwapState]) -> Result<(), Fault> {
    if states.contains(&swap.state) {
        return Ok(());
    }
    Err(Refusal::Decided { what: "swap", state: swap.state.word() }.into())
}

async fn move_on(
    tx: &mut TenantTx,
    swap: &Swap,
    state: SwapState,
    reason: &str,
    by: Option<Uuid>,
) -> Result<wire::ShiftSwap, Fault> {
    if !exchange::move_swap(tx, swap.id, swap.version, state, reason, by).await? {
        return Err(Fault::Stale);
    }
    let reason = reason.to_owned();
    Ok(shown(&Swap { version: swap.version + 1, state, reason, decided_by: by, ..swap.clone() }))
}

async fn one_offer(tx: &mut TenantTx, id: OfferId, user: Option<UserId>) -> Result<Offer, Fault> {
    exchange::offers(tx, Some(id), user, None, 1).await?.pop().ok_or(Fault::NotFound("offer"))
}

async fn again(tx: &mut TenantTx, id: OfferId, user: Option<UserId>) -> Result<wire::ShiftOffer, Fault> {
    let found = one_offer(tx, id, user).await?;
    let shown = with_bids(tx, std::slice::from_ref(&found), user).await?.pop();
    shown.ok_or(Fault::NotFound("offer"))
}

/// Offers with their bids; an agent's own only.
async fn with_bids(tx: &mut TenantTx, offers: &[Offer], user: Option<UserId>) -> Result<Vec<wire::ShiftOffer>, Fault> {
    let ids: Vec<OfferId> = offers.iter().map(|offer| offer.id).collect();
    let mut of: HashMap<OfferId, Vec<Bid>> = HashMap::new();
    for (id, bid) in exchange::bids(tx, &ids, user).await? {
        of.entry(id).or_default().push(bid);
    }
    let bids = |offer: &Offer| of.get(&offer.id).map(Vec::as_slice).unwrap_or_default();
    Ok(offers.iter().map(|offer| offered(offer, bids(offer), user.is_none())).collect())
}

fn policy((approve_swaps, notice_seconds, version): (bool, i64, i64)) -> wire::ExchangePolicy {
    wire::ExchangePolicy { approve_swaps, notice_seconds, etag: etag(version) }
}

fn range((start, end): (i64, i64)) -> wire::PlannedTime {
    wire::PlannedTime {
        start_time: Some(convert::second(start)),
        end_time: Some(convert::second(end)),
        ..wire::PlannedTime::default()
    }
}

fn shown(of: &Swap) -> wire::ShiftSwap {
    let state = match of.state {
        SwapState::Asked => wire::ShiftSwapState::Asked,
        SwapState::Agreed => wire::ShiftSwapState::Agreed,
        SwapState::Approved => wire::ShiftSwapState::Approved,
        SwapState::Declined => wire::ShiftSwapState::Declined,
        SwapState::Refused => wire::ShiftSwapState::Refused,
        SwapState::Withdrawn => wire::ShiftSwapState::Withdrawn,
    };
    wire::ShiftSwap {
        swap_id: of.id.to_string(),
        schedule_id: of.schedule.to_string(),
        from_user_id: of.from.0.to_string(),
        from_shift_id: of.from.1.to_string(),
        from_time: Some(range(of.from.2)),
        to_user_id: of.to_user.to_string(),
        to_shift_id: of.to.map(|(id, _)| id.to_string()).unwrap_or_default(),
        to_time: of.to.map(|(_, times)| range(times)),
        state: state.into(),
        reason: of.reason.clone(),
        decided_by: of.decided_by.map(|by| UserId(by).to_string()).unwrap_or_default(),
        create_time: Some(timestamp(of.created_at)),
        etag: etag(of.version),
    }
}

fn offered(of: &Offer, bids: &[Bid], to_planner: bool) -> wire::ShiftOffer {
    let kind = match of.kind {
        OfferKind::OpenShift => wire::ShiftOfferKind::OpenShift,
        OfferKind::Overtime => wire::ShiftOfferKind::Overtime,
        OfferKind::TimeOffEarly => wire::ShiftOfferKind::TimeOffEarly,
    };
    let bid = |(user, state, at): &(UserId, BidState, Timestamp)| {
        let state = match state {
            BidState::Bid => wire::ShiftBidState::Bid,
            BidState::Awarded => wire::ShiftBidState::Awarded,
            BidState::Declined => wire::ShiftBidState::Declined,
            BidState::Withdrawn => wire::ShiftBidState::Withdrawn,
        };
        wire::ShiftBid { user_id: user.to_string(), state: state.into(), create_time: Some(timestamp(*at)) }
    };
    wire::ShiftOffer {
        offer_id: of.id.to_string(),
        schedule_id: of.schedule.to_string(),
        kind: kind.into(),
        time: Some(time(&of.time)),
        places: of.places,
        taken: of.taken,
        user_ids: if to_planner { of.users.iter().map(ToString::to_string).collect() } else { Vec::new() },
        auto_award: of.auto_award,
        open: of.open,
        bids: bids.iter().map(bid).collect(),
        create_time: Some(timestamp(of.created_at)),
    }
}
