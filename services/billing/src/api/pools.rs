//! Pools of agents whose paid time sellers share.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kit::{Caller, Checks, Fault, SellerId};
use proto::billing::v1 as wire;
use proto::billing::v1::pool_service_server::PoolService;
use rust_decimal::Decimal;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::intake::{Incoming, default_zone, held_account, take};
use super::{Api, answer, number};
use crate::domain::ids::PoolId;
use crate::domain::money::{Rounding, parse_decimal};
use crate::domain::period::{Dates, HourClass};
use crate::domain::pool::{Day, Division, Idle, Member, Method, Policy, PoolError, divide};
use crate::domain::usage::{Meter, Properties, Report, check};
use crate::store;
use crate::store::pool::{Divided, Pool, Share};

/// Most dates of one division.
const DATES: i64 = 62;
/// Most classes of hours on them.
const DAYS: i64 = DATES * 4;
/// Most agents of a pool.
const AGENTS: usize = 1_000;

impl Api {
    async fn keep_pool(
        &self,
        caller: &Caller,
        request: wire::SavePoolRequest,
    ) -> Result<wire::SavePoolResponse, Fault> {
        let given = request.pool.clone().ok_or_else(|| Fault::invalid("pool", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let named: Option<PoolId> = kit::Id::parse_optional("pool.pool_id", &given.pool_id)?;
        let etag = kit::wire::version(&given.etag)?;
        let (policy, name, effective_from) = policy_in(&mut checks, &given);
        checks.finish()?;
        for member in &policy.sellers {
            // There, and the caller's to bill.
            self.writing(caller, &SellerId(member.seller).to_string()).await?;
        }
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SavePool", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::pool::lock_all(&mut tx).await?;
        let others = store::pool::list(&mut tx, None, 10_000).await?;
        let mut of_others = others.iter().filter(|pool| Some(pool.pool_id) != named).flat_map(|p| &p.policy.agents);
        if let Some(shared) = of_others.find(|agent| policy.agents.contains(agent)) {
            return Err(PoolError::SharedAgent(shared.clone()).into());
        }
        let mut pool = Pool {
            pool_id: named.unwrap_or_else(|| self.deps.clock.new_id::<PoolId>()),
            code: given.code.clone(),
            name,
            version: 1,
            effective_from,
            policy,
            created_at: now,
        };
        match named {
            None => {
                let taken = |failure: tenantdb::Failure| match failure.constraint() {
                    Some("pool_code_once") => PoolError::CodeTaken.into(),
                    _ => Fault::from(failure),
                };
                store::pool::insert(&mut tx, &pool).await.map_err(taken)?;
            }
            Some(pool_id) => {
                let before = store::pool::versions(&mut tx, pool_id).await?;
                let newest = before.first().ok_or(Fault::NotFound("pool"))?;
                if etag.is_some_and(|version| version != newest.version) {
                    return Err(Fault::Stale);
                }
                if newest.code != pool.code {
                    return Err(PoolError::CodeTaken.into());
                }
                if effective_from <= newest.effective_from {
                    return Err(PoolError::NotLater(newest.effective_from).into());
                }
                pool.version = newest.version + 1;
                store::pool::renew(&mut tx, &pool).await?;
            }
        }
        let response = wire::SavePoolResponse { pool: Some(pool_out(&pool)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn pools(&self, caller: &Caller, request: wire::ListPoolsRequest) -> Result<wire::ListPoolsResponse, Fault> {
        let page = self.deps.pager.read::<store::pool::Key>(
            caller,
            "ListPools",
            &(),
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = store::pool::list(&mut tx, page.after.as_ref(), page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::pool::Key { code: r.code.clone() })?;
        Ok(wire::ListPoolsResponse { pools: rows.iter().map(pool_out).collect(), next_page_token })
    }

    async fn divide_days(
        &self,
        caller: &Caller,
        request: wire::DividePoolRequest,
    ) -> Result<wire::DividePoolResponse, Fault> {
        let mut checks = Checks::new();
        let pool_id: PoolId = checks.id("pool_id", &request.pool_id);
        let (from, until) =
            (checks.date("date_from", &request.date_from), checks.date("date_until", &request.date_until));
        let dates = Dates::new(from, until).filter(|dates| dates.days() <= DATES);
        checks.require(dates.is_some(), "date_until", "from date_from on, at most 62 dates");
        checks.finish()?;
        let dates = dates.unwrap_or(Dates { from, until: from });
        let (days, sellers, code, divided_days) = self.post_days(caller, pool_id, dates).await?;
        // Each seller in a transaction of her own; what a crash leaves out, the next division of these days meters.
        for seller in sellers {
            self.meter_shares(caller, (pool_id, &code), seller, dates, &days).await?;
        }
        let idle: i64 = days.iter().map(|one| one.division.idle).sum();
        let paid: i64 = days.iter().map(|one| one.division.paid()).sum();
        Ok(wire::DividePoolResponse {
            paid_seconds: paid,
            billed_seconds: paid - idle,
            idle_seconds: idle,
            divided_days,
        })
    }

    /// Divides days into the ledger; answers them as they stand, whom they name, the pool's code, and how many changed.
    async fn post_days(
        &self,
        caller: &Caller,
        pool_id: PoolId,
        dates: Dates,
    ) -> Result<(Vec<Divided>, Vec<Uuid>, String, i32), Fault> {
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let versions = store::pool::versions(&mut tx, pool_id).await?;
        let newest = versions.first().ok_or(Fault::NotFound("pool"))?;
        let in_force = |date: Date| versions.iter().find(|pool| pool.effective_from <= date);
        if in_force(dates.from).is_none() {
            return Err(PoolError::NotInForce(dates.from).into());
        }
        let mut agents: Vec<String> = versions.iter().flat_map(|pool| pool.policy.agents.clone()).collect();
        agents.sort_unstable();
        agents.dedup();
        let mut members: Vec<Uuid> = versions.iter().flat_map(|pool| &pool.policy.sellers).map(|m| m.seller).collect();
        members.sort_unstable();
        members.dedup();
        for member in &members {
            // Nobody divides by what she may not see.
            caller.act_for(&SellerId(*member).to_string())?;
        }
        let contacts = store::pool::contacts(&mut tx, &members, dates).await?;
        let mut found: BTreeMap<(Date, String), Day> = BTreeMap::new();
        for one in store::pool::agent_days(&mut tx, &agents, dates).await? {
            let Some(pool) = in_force(one.date) else { continue };
            if !pool.policy.agents.contains(&one.user_id) {
                continue;
            }
            let day = found.entry((one.date, one.hour_class.clone())).or_insert_with(|| Day {
                contacts: contacts.iter().filter(|c| c.0 == one.date).map(|c| (c.1, c.2)).collect(),
                ..Day::default()
            });
            day.paid += one.paid;
            day.handled.extend(one.handled);
        }
        let known = store::pool::days(&mut tx, pool_id, dates, None, DAYS).await?;
        // A day whose agents moved to another class of hours, or to no pay at all, is nothing now.
        for one in &known {
            found.entry((one.date, one.hour_class.clone())).or_default();
        }
        let mut divided_days = 0;
        let mut days = Vec::with_capacity(found.len());
        for ((date, hour_class), day) in found {
            let Some(pool) = in_force(date) else { continue };
            let division = divide(&pool.policy, &day);
            let before = known.iter().find(|one| one.date == date && one.hour_class == hour_class);
            if let Some(before) = before.filter(|one| one.division == division && one.policy_version == pool.version) {
                days.push(before.clone());
                continue;
            }
            let revision = before.map_or(1, |one| one.revision + 1);
            let one = Divided { date, hour_class, revision, policy_version: pool.version, division, divided_at: now };
            store::pool::post(&mut tx, pool_id, &one).await?;
            divided_days += 1;
            days.push(one);
        }
        let sellers = store::pool::sellers(&mut tx, pool_id, dates).await?;
        let code = newest.code.clone();
        tx.commit().await?;
        Ok((days, sellers, code, divided_days))
    }

    /// Meters what a seller's shares of days differ by from what was metered of them.
    async fn meter_shares(
        &self,
        caller: &Caller,
        (pool_id, code): (PoolId, &str),
        seller: Uuid,
        dates: Dates,
        days: &[Divided],
    ) -> Result<(), Fault> {
        let one = self.writing(caller, &SellerId(seller).to_string()).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let account = held_account(&mut tx, default_zone(&one.terms)).await?;
        let before = store::pool::metered(&mut tx, pool_id, dates).await?;
        let now = self.deps.clock.now();
        let mut incoming: Vec<Incoming> = Vec::new();
        for day in days {
            let old = before.iter().find(|s| s.date == day.date && s.hour_class == day.hour_class);
            let seconds = day.division.shares.iter().find(|(s, _)| *s == seller).map_or(0, |(_, seconds)| *seconds);
            if old.is_none() && seconds == 0 {
                continue;
            }
            let share = Share {
                pool_id,
                date: day.date,
                hour_class: day.hour_class.clone(),
                revision: day.revision,
                policy_version: day.policy_version,
                seconds,
            };
            if !store::pool::keep_share(&mut tx, &share).await? {
                continue;
            }
            let metered = old.map_or(0, |s| s.seconds);
            let Some(report) = share_report(code, &share, metered) else { continue };
            let event =
                check(report, now).map_err(|bad| Fault::internal(format!("a share cannot be metered: {bad}")))?;
            incoming.push(Incoming { event, local_date: Some(day.date) });
        }
        if !incoming.is_empty() {
            take(&mut tx, &account, &self.deps.clock, incoming).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn pool_days(
        &self,
        caller: &Caller,
        request: wire::ListPoolDaysRequest,
    ) -> Result<wire::ListPoolDaysResponse, Fault> {
        let pool_id: PoolId = kit::Id::parse("pool_id", &request.pool_id)?;
        let page = self.deps.pager.read::<store::pool::DayKey>(
            caller,
            "ListPoolDays",
            &request.pool_id,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if !store::pool::is_there(&mut tx, pool_id).await? {
            return Err(Fault::NotFound("pool"));
        }
        let always = Dates { from: jiff::civil::date(2000, 1, 1), until: jiff::civil::date(2199, 12, 31) };
        let mut rows = store::pool::days(&mut tx, pool_id, always, page.after.as_ref(), page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| store::pool::DayKey { date: r.date, hour_class: r.hour_class.clone() })?;
        Ok(wire::ListPoolDaysResponse { days: rows.iter().map(day_out).collect(), next_page_token })
    }

    async fn pool_shares(
        &self,
        caller: &Caller,
        request: wire::ListPoolSharesRequest,
    ) -> Result<wire::ListPoolSharesResponse, Fault> {
        let page = self.deps.pager.read::<store::pool::ShareKey>(
            caller,
            "ListPoolShares",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let mut rows = store::pool::shares(&mut tx, one.seller, page.after.as_ref(), page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::pool::ShareKey {
            date: r.date,
            pool_id: r.pool_id.0,
            hour_class: r.hour_class.clone(),
        })?;
        let shares = rows.iter().map(|share| share_out(one.seller, share)).collect();
        Ok(wire::ListPoolSharesResponse { shares, next_page_token })
    }
}

/// The usage that a share differs by from what was metered of it; none if it does not.
fn share_report(code: &str, share: &Share, metered: i64) -> Option<Report> {
    let in_hours = |seconds: i64| Rounding::HalfUp.apply(Decimal::from(seconds) / Decimal::from(3_600), 9);
    let difference = (in_hours(share.seconds) - in_hours(metered)).normalize();
    if difference.is_zero() {
        return None;
    }
    let thing = format!("pool/{code}/{}/{}", share.date, share.hour_class);
    Some(Report {
        source: "pools".into(),
        event_key: format!("{thing}/{}", share.revision),
        meter: Some(Meter::AgentHour),
        quantity: difference.to_string(),
        // Noon of the date; the date itself is the sites'.
        event_at: share.date.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp()),
        subject: share.pool_id.to_string(),
        properties: Properties {
            hour_class: share.hour_class.clone(),
            agent_group: code.to_string(),
            ..Properties::default()
        },
        corrects_event_key: if metered == 0 { String::new() } else { thing },
        ..Report::default()
    })
}

fn policy_in(checks: &mut Checks, given: &wire::Pool) -> (Policy, String, Date) {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let code_ok = (1..=64).contains(&given.code.len()) && given.code.bytes().all(ok);
    checks.require(code_ok, "pool.code", "1 to 64 of a-z, 0-9, '_', '-'");
    let name = checks.line("pool.name", &given.name, 1..=200);
    let effective_from = checks.date("pool.effective_from", &given.effective_from);
    let method = match wire::PoolMethod::try_from(given.method) {
        Ok(wire::PoolMethod::HandledTime) => Some(Method::HandledTime),
        Ok(wire::PoolMethod::Contacts) => Some(Method::Contacts),
        Ok(wire::PoolMethod::ContractedShare) => Some(Method::ContractedShare),
        Ok(wire::PoolMethod::Unspecified) | Err(_) => None,
    };
    checks.require(method.is_some(), "pool.method", "is required");
    let idle = match wire::PoolIdle::try_from(given.idle) {
        Ok(wire::PoolIdle::Kept) => Some(Idle::Kept),
        Ok(wire::PoolIdle::Spread) => Some(Idle::Spread),
        Ok(wire::PoolIdle::Unspecified) | Err(_) => None,
    };
    checks.require(idle.is_some(), "pool.idle", "is required");
    checks.count("pool.sellers", given.sellers.len(), 1..=200);
    let mut sellers: Vec<Member> = Vec::new();
    for (n, seller) in given.sellers.iter().take(200).enumerate() {
        let id: SellerId = checks.id("pool.sellers.seller_id", &seller.seller_id);
        checks.require(
            !sellers.iter().any(|m| m.seller == id.0),
            format!("pool.sellers[{n}].seller_id"),
            "is named twice",
        );
        let share = if seller.share.is_empty() { Some(Decimal::ZERO) } else { parse_decimal(&seller.share, 6).ok() };
        let sane = share.is_some_and(|s| (Decimal::ZERO..=Decimal::from(1_000_000)).contains(&s));
        checks.require(sane, format!("pool.sellers[{n}].share"), "a decimal with at most 6 places, 0 to 1,000,000");
        sellers.push(Member { seller: id.0, share: share.unwrap_or_default() });
    }
    checks.count("pool.user_ids", given.user_ids.len(), 1..=AGENTS);
    let mut agents: Vec<String> = Vec::new();
    for user in given.user_ids.iter().take(AGENTS) {
        let id: kit::UserId = checks.id("pool.user_ids", user);
        agents.push(id.to_string());
    }
    agents.sort_unstable();
    agents.dedup();
    let (method, idle) = (method.unwrap_or(Method::HandledTime), idle.unwrap_or(Idle::Kept));
    (Policy { method, idle, sellers, agents }, name, effective_from)
}

fn pool_out(pool: &Pool) -> wire::Pool {
    let method = match pool.policy.method {
        Method::HandledTime => wire::PoolMethod::HandledTime,
        Method::Contacts => wire::PoolMethod::Contacts,
        Method::ContractedShare => wire::PoolMethod::ContractedShare,
    };
    let idle = match pool.policy.idle {
        Idle::Kept => wire::PoolIdle::Kept,
        Idle::Spread => wire::PoolIdle::Spread,
    };
    let seller = |m: &Member| wire::PoolSeller { seller_id: SellerId(m.seller).to_string(), share: number(m.share) };
    wire::Pool {
        pool_id: pool.pool_id.to_string(),
        code: pool.code.clone(),
        name: pool.name.clone(),
        method: method.into(),
        idle: idle.into(),
        sellers: pool.policy.sellers.iter().map(seller).collect(),
        user_ids: pool.policy.agents.clone(),
        effective_from: pool.effective_from.to_string(),
        version: pool.version,
        create_time: Some(kit::wire::timestamp(pool.created_at)),
        etag: kit::wire::etag(pool.version),
    }
}

fn day_out(day: &Divided) -> wire::PoolDay {
    let Division { shares, idle } = &day.division;
    let billed = shares
        .iter()
        .map(|(seller, seconds)| wire::PoolPosting { seller_id: SellerId(*seller).to_string(), seconds: *seconds });
    wire::PoolDay {
        date: day.date.to_string(),
        hour_class: class_out(&day.hour_class).into(),
        revision: day.revision,
        policy_version: day.policy_version,
        paid_seconds: day.division.paid(),
        postings: billed.chain([wire::PoolPosting { seller_id: String::new(), seconds: *idle }]).collect(),
        divide_time: Some(kit::wire::timestamp(day.divided_at)),
    }
}

fn share_out(seller: SellerId, share: &Share) -> wire::PoolShare {
    wire::PoolShare {
        seller_id: seller.to_string(),
        pool_id: share.pool_id.to_string(),
        date: share.date.to_string(),
        hour_class: class_out(&share.hour_class).into(),
        policy_version: share.policy_version,
        seconds: share.seconds,
    }
}

fn class_out(name: &str) -> wire::HourClass {
    match HourClass::parse(name) {
        None => wire::HourClass::Unspecified,
        Some(HourClass::Regular) => wire::HourClass::Regular,
        Some(HourClass::Night) => wire::HourClass::Night,
        Some(HourClass::Sunday) => wire::HourClass::Sunday,
        Some(HourClass::Holiday) => wire::HourClass::Holiday,
    }
}

#[tonic::async_trait]
impl PoolService for Api {
    async fn save_pool(
        &self,
        request: Request<wire::SavePoolRequest>,
    ) -> Result<Response<wire::SavePoolResponse>, Status> {
        answer!(self, request, keep_pool)
    }

    async fn list_pools(
        &self,
        request: Request<wire::ListPoolsRequest>,
    ) -> Result<Response<wire::ListPoolsResponse>, Status> {
        answer!(self, request, pools)
    }

    async fn divide_pool(
        &self,
        request: Request<wire::DividePoolRequest>,
    ) -> Result<Response<wire::DividePoolResponse>, Status> {
        answer!(self, request, divide_days)
    }

    async fn list_pool_days(
        &self,
        request: Request<wire::ListPoolDaysRequest>,
    ) -> Result<Response<wire::ListPoolDaysResponse>, Status> {
        answer!(self, request, pool_days)
    }

    async fn list_pool_shares(
        &self,
        request: Request<wire::ListPoolSharesRequest>,
    ) -> Result<Response<wire::ListPoolSharesResponse>, Status> {
        answer!(self, request, pool_shares)
    }
}
