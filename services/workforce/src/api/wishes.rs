//! Wishes of agents, the policy of fairness, and what a schedule puts on everybody.

use kit::wire::timestamp;
use kit::{Caller, Checks, Fault, Id, UserId};
use planner::civil::{self, Window};
use planner::record::{KeptPolicy, KeptWish, ScheduleId, WishId};
use planner::taste::{self, NIGHT, Policy, Told, UNPOPULAR, WEEKEND, Wish};
use proto::workforce::v1 as wire;
use proto::workforce::v1::wishes_service_server::WishesService;
use tonic::{Request, Response, Status};

use super::reasons::Board;
use super::{Api, unary_service};
use crate::domain::refusal::Refusal;
use crate::inputs;
use crate::store::wishes::{self, WishKey};

/// Wishes that one agent may have.
const MOST_WISHES: i64 = 50;
/// The heaviest weight: nothing weighs more than what nobody covers.
const HEAVIEST: i64 = 9;

unary_service! { WishesService:
    create_my_wish => wish, CreateMyWishRequest, CreateMyWishResponse;
    list_my_wishes => my_wishes, ListMyWishesRequest, ListMyWishesResponse;
    delete_my_wish => unwish, DeleteMyWishRequest, DeleteMyWishResponse;
    list_wishes => wishes, ListWishesRequest, ListWishesResponse;
    get_fairness_policy => fairness_policy, GetFairnessPolicyRequest, GetFairnessPolicyResponse;
    update_fairness_policy => change_fairness_policy, UpdateFairnessPolicyRequest, UpdateFairnessPolicyResponse;
    list_schedule_burdens => burdens, ListScheduleBurdensRequest, ListScheduleBurdensResponse;
}

impl Api {
    async fn wish(
        &self,
        caller: &Caller,
        request: wire::CreateMyWishRequest,
    ) -> Result<wire::CreateMyWishResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.wish.is_some(), "wish", "must be given");
        let wish = read_wish(&mut checks, user, &request.wish.clone().unwrap_or_default());
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreateMyWish", &request.request_id, &request).await? {
            return Ok(answer);
        }
        crate::store::people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        if MOST_WISHES <= wishes::list(&mut tx, &[user], None, MOST_WISHES).await?.len() as i64 {
            return Err(Refusal::Full { what: "wishes", most: MOST_WISHES }.into());
        }
        let kept = KeptWish { id: self.deps.clock.new_id::<WishId>(), created_at: self.deps.clock.now(), wish };
        wishes::insert(&mut tx, &kept).await?;
        let response = wire::CreateMyWishResponse { wish: Some(shown(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn my_wishes(
        &self,
        caller: &Caller,
        _request: wire::ListMyWishesRequest,
    ) -> Result<wire::ListMyWishesResponse, Fault> {
        let user = caller.person()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let rows = wishes::list(&mut tx, &[user], None, MOST_WISHES).await?;
        Ok(wire::ListMyWishesResponse { wishes: rows.iter().map(shown).collect() })
    }

    async fn unwish(
        &self,
        caller: &Caller,
        request: wire::DeleteMyWishRequest,
    ) -> Result<wire::DeleteMyWishResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: WishId = checks.id("wish_id", &request.wish_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteMyWish", &request.request_id, &request).await? {
            return Ok(answer);
        }
        wishes::delete(&mut tx, user, id).await?;
        let response = wire::DeleteMyWishResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn wishes(
        &self,
        caller: &Caller,
        request: wire::ListWishesRequest,
    ) -> Result<wire::ListWishesResponse, Fault> {
        let user = UserId::parse_optional("user_id", &request.user_id)?;
        let pager = &self.deps.pager;
        let page =
            pager.read::<WishKey>(caller, "ListWishes", &request.user_id, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = wishes::list(&mut tx, user.as_slice(), page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (row.wish.user.0, row.id.0))?;
        Ok(wire::ListWishesResponse { wishes: rows.iter().map(shown).collect(), next_page_token })
    }

    async fn fairness_policy(
        &self,
        caller: &Caller,
        request: wire::GetFairnessPolicyRequest,
    ) -> Result<wire::GetFairnessPolicyResponse, Fault> {
        let version = (request.version != 0).then_some(request.version);
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = wishes::policy(&mut tx, version).await?;
        if found.is_none() && version.is_some() {
            return Err(Fault::NotFound("version"));
        }
        Ok(wire::GetFairnessPolicyResponse { policy: Some(policy(&found.unwrap_or_default())) })
    }

    async fn change_fairness_policy(
        &self,
        caller: &Caller,
        request: wire::UpdateFairnessPolicyRequest,
    ) -> Result<wire::UpdateFairnessPolicyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.policy.is_some(), "policy", "must be given");
        let wanted = read_policy(&mut checks, &request.policy.clone().unwrap_or_default());
        checks.finish()?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateFairnessPolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let newest = wishes::policy(&mut tx, None).await?.unwrap_or_default().policy.version;
        let next = Policy { version: newest + 1, ..wanted.clone() };
        let by = caller.user().map(|user| user.0);
        if wanted.version != newest || !wishes::insert_policy(&mut tx, &next, by, now).await? {
            return Err(Fault::Stale);
        }
        let kept = KeptPolicy { created_at: Some(now), policy: next };
        let response = wire::UpdateFairnessPolicyResponse { policy: Some(policy(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn burdens(
        &self,
        caller: &Caller,
        request: wire::ListScheduleBurdensRequest,
    ) -> Result<wire::ListScheduleBurdensResponse, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let pager = &self.deps.pager;
        let shape = &request.schedule_id;
        let page = pager.read::<kit::ids::Uuid>(
            caller,
            "ListScheduleBurdens",
            shape,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let board = Board::read(&mut tx, id).await?;
        let given = inputs::tastes(&mut tx, &board.agents, board.schedule.first_day).await?;
        drop(tx);
        let policy_version = given.policy.version;
        let grid = board.grid();
        let computed =
            tokio::task::spawn_blocking(move || taste::told(&grid, &board.needs, &board.agents, &board.duties, &given));
        let mut rows = computed.await.map_err(|e| Fault::Internal(Box::new(e)))?;
        rows.sort_by_key(|row| row.user);
        rows.retain(|row| page.after.is_none_or(|after| after < row.user.0));
        rows.truncate(usize::try_from(page.size).unwrap_or(0) + 1);
        let next_page_token = pager.cut(&page, &mut rows, |row| row.user.0)?;
        let agents = rows.iter().map(|row| burden(row, grid.step)).collect();
        Ok(wire::ListScheduleBurdensResponse { agents, next_page_token, policy_version })
    }
}

fn read_wish(checks: &mut Checks, user: UserId, given: &wire::Wish) -> Wish {
    let strength = if given.strength == 0 { 1 } else { given.strength };
    checks.range("wish.strength", strength.into(), 1..=3);
    checks.range("wish.weekday", given.weekday.into(), 0..=7);
    let mut clock = |name: &str, text: &str, otherwise: &str, most: i32| {
        let text = if text.is_empty() { otherwise } else { text };
        civil::clock(text, most).unwrap_or_else(|wrong| {
            checks.refuse(format!("wish.{name}"), wrong.to_string());
            0
        })
    };
    let (start, end) = (clock("start", &given.start, "00:00", 1_439), clock("end", &given.end, "24:00", 2_880));
    checks.require(start < end, "wish.end", "must be after start");
    let mut date = |name: &str, text: &str| (!text.is_empty()).then(|| checks.date(format!("wish.{name}"), text));
    let (first, last) = (date("first_day", &given.first_day), date("last_day", &given.last_day));
    let in_order = first.zip(last).is_none_or(|(first, last)| first <= last);
    checks.require(in_order, "wish.last_day", "must not be before first_day");
    let weekday = i8::try_from(given.weekday).unwrap_or(0);
    Wish { user, wanted: given.wanted, strength, weekday, start, end, first, last }
}

fn shown(kept: &KeptWish) -> wire::Wish {
    let wish = &kept.wish;
    let day = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
    wire::Wish {
        wish_id: kept.id.to_string(),
        user_id: wish.user.to_string(),
        wanted: wish.wanted,
        strength: wish.strength,
        weekday: wish.weekday.into(),
        start: civil::clock_text(wish.start),
        end: civil::long_clock_text(wish.end),
        first_day: day(wish.first),
        last_day: day(wish.last),
        create_time: Some(timestamp(kept.created_at)),
    }
}

fn read_policy(checks: &mut Checks, given: &wire::FairnessPolicy) -> Policy {
    let mut weight =
        |field: &str, value: i32| checks.range(format!("policy.{field}_weight"), value.into(), 0..=HEAVIEST);
    let wish = weight("wish", given.wish_weight);
    let mut burdens = [0; taste::BURDENS];
    burdens[WEEKEND] = weight("weekend", given.weekend_weight);
    burdens[NIGHT] = weight("night", given.night_weight);
    burdens[UNPOPULAR] = weight("unpopular", given.unpopular_weight);
    let known = given.weekend_days.len() <= 7 && given.weekend_days.iter().all(|day| (1..=7).contains(day));
    checks.require(known, "policy.weekend_days", "must be days 1 to 7, at most 7 of them");
    let mut clock = |name: &str, text: &str, most: i32| {
        civil::clock(text, most).unwrap_or_else(|wrong| {
            checks.refuse(format!("policy.{name}"), wrong.to_string());
            0
        })
    };
    let night = (clock("night_start", &given.night_start, 1_439), clock("night_end", &given.night_end, 2_880));
    let is_night = night.0 < night.1 && night.1 - night.0 <= 1_440;
    checks.require(is_night, "policy.night_end", "must be after night_start, at most a day later");
    checks.count("policy.unpopular", given.unpopular.len(), 0..=50);
    let mut unpopular = Vec::new();
    for (index, window) in given.unpopular.iter().take(50).enumerate() {
        match Window::read(window.weekday, &window.start, &window.end, 2_880) {
            Ok(window) => unpopular.push(window),
            Err(wrong) => checks.refuse(format!("policy.unpopular[{index}]"), wrong.to_string()),
        }
    }
    checks.range("policy.memory_weeks", given.memory_weeks.into(), 0..=26);
    checks.range("policy.version", given.version.into(), 0..=i64::from(i32::MAX) - 1);
    let weekend = given.weekend_days.iter().take(7).filter_map(|day| i8::try_from(*day).ok()).collect();
    Policy { version: given.version, wish, burdens, weekend, night, unpopular, memory_weeks: given.memory_weeks }
}

fn policy(kept: &KeptPolicy) -> wire::FairnessPolicy {
    let policy = &kept.policy;
    let weight = |weight: i64| i32::try_from(weight).unwrap_or(0);
    let unpopular = policy.unpopular.iter().map(|window| wire::AvailabilityWindow {
        weekday: window.weekday.into(),
        start: civil::clock_text(window.start),
        end: window.end_text(),
    });
    wire::FairnessPolicy {
        version: policy.version,
        wish_weight: weight(policy.wish),
        weekend_weight: weight(policy.burdens[WEEKEND]),
        night_weight: weight(policy.burdens[NIGHT]),
        unpopular_weight: weight(policy.burdens[UNPOPULAR]),
        weekend_days: policy.weekend.iter().map(|day| (*day).into()).collect(),
        night_start: civil::clock_text(policy.night.0),
        night_end: civil::long_clock_text(policy.night.1),
        unpopular: unpopular.collect(),
        memory_weeks: policy.memory_weeks,
        create_time: kept.created_at.map(timestamp),
    }
}

fn burden(told: &Told, step: i64) -> wire::AgentBurden {
    let points = |hundredths: i64| hundredths * step / 100;
    let share = |kind: usize| {
        Some(wire::BurdenShare {
            scheduled_seconds: told.scheduled[kind],
            before_seconds: told.before[kind],
            fair_seconds: told.fair[kind],
        })
    };
    wire::AgentBurden {
        user_id: told.user.to_string(),
        weekend: share(WEEKEND),
        night: share(NIGHT),
        unpopular: share(UNPOPULAR),
        against_wishes_seconds: told.against,
        wishes_cost: points(told.wishes),
        unfairness_cost: points(told.unfairness),
    }
}
