//! The people that a schedule can use, read as they are now.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::UserId;
use planner::activity::Activity;
use planner::agent::{Absence, Agent, Duty};
use planner::model::MAX_PEOPLE;
use planner::record::{Employment, Known, ScheduleId, Shift, Staff};
use planner::taste::{self, Given, Wish};
use planner::{civil, rules};
use tenantdb::{Failure, TenantTx};

use crate::store::people::{self, TimeOffFilter};
use crate::store::{activities, shift, wishes};

/// Days around a schedule whose published shifts matter to it.
const AROUND_DAYS: i64 = 16;
/// No limit: whoever is planned brings all that binds her.
const ALL: i64 = i64::MAX;

/// The active agents with an employment on the days from `first` to `last`, by id; `users` none
/// named = all. Shifts of the `replaced` schedules do not count as published.
pub async fn agents(
    tx: &mut TenantTx,
    users: &[UserId],
    first: Date,
    last: Date,
    replaced: &[ScheduleId],
) -> Result<Vec<Agent>, Failure> {
    let employments = people::employments(tx, users, None, MAX_PEOPLE as i64 + 1).await?;
    let ids: Vec<UserId> = employments.iter().map(|employment| employment.user).collect();
    let staff = people::staff_of(tx, &ids).await?;
    let (from, to) = (civil::later(first, -AROUND_DAYS), civil::later(last, AROUND_DAYS));
    let filter = TimeOffFilter { from: Some(first), to: Some(civil::later(last, 2)), ..TimeOffFilter::default() };
    let mut absences: BTreeMap<UserId, Vec<Absence>> = BTreeMap::new();
    for time_off in people::time_off(tx, &filter, None, ALL).await? {
        absences.entry(time_off.user).or_default().push(time_off.absence);
    }
    let mut published: BTreeMap<UserId, Vec<Duty>> = BTreeMap::new();
    let counts = |one: &Shift| !replaced.contains(&one.schedule);
    for one in shift::live(tx, &ids, from, to, None, ALL).await?.into_iter().filter(counts) {
        published.entry(one.user).or_default().push(one.duty);
    }
    let mut sundays = worked_sundays(tx, &employments, (first, last), replaced).await?;
    let staff: BTreeMap<UserId, Staff> = staff.into_iter().map(|one| (one.user, one)).collect();
    let mut agents = Vec::with_capacity(employments.len());
    for employment in &employments {
        let known = staff.get(&employment.user);
        let Some(known) = known.filter(|one| one.active && one.is_agent) else { continue };
        if last < employment.starts_on || employment.ends_on.is_some_and(|end| end < first) {
            continue;
        }
        let away = absences.remove(&employment.user).unwrap_or_default();
        let mut published = published.remove(&employment.user).unwrap_or_default();
        published.sort_by_key(|duty| duty.start);
        let sundays = sundays.remove(&employment.user).unwrap_or_default();
        let around = Known { absences: away, published, sundays };
        match employment.agent(known, (from, to), around) {
            Some(agent) => agents.push(agent),
            None => tracing::error!(user.id = %employment.user, "an employment names an unknown zone or rule set"),
        }
    }
    Ok(agents)
}

/// Sundays with published work in the calendar years of some days, of those whose rules count them.
async fn worked_sundays(
    tx: &mut TenantTx,
    employments: &[Employment],
    (first, last): (Date, Date),
    replaced: &[ScheduleId],
) -> Result<BTreeMap<UserId, Vec<Date>>, Failure> {
    let counts =
        |one: &&Employment| rules::find(&one.rule_set, one.rule_set_version).is_some_and(|r| r.sundays.is_some());
    let users: Vec<UserId> = employments.iter().filter(counts).map(|one| one.user).collect();
    let mut sundays: BTreeMap<UserId, Vec<Date>> = BTreeMap::new();
    if users.is_empty() {
        return Ok(sundays);
    }
    let years = (civil::year(first).0, civil::year(last).1);
    for (user, sunday) in shift::live_sundays(tx, &users, years, replaced).await? {
        sundays.entry(user).or_default().push(sunday);
    }
    Ok(sundays)
}

/// What is to be attended around the days from `first` to `last`, with those agents who attend.
pub async fn activities(
    tx: &mut TenantTx,
    agents: &[Agent],
    first: Date,
    last: Date,
) -> Result<Vec<Activity>, Failure> {
    // Days of some zone begin half a day before those of UTC, and shifts of the last day end on the next.
    let at = |day: Date| civil::midnight(day, &TimeZone::UTC);
    let span = (Some(at(civil::later(first, -1))), Some(at(civil::later(last, 3))));
    let kept = activities::list(tx, None, span, None, ALL).await?;
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<UserId> = agents.iter().map(|agent| agent.user).collect();
    let staff = people::staff_of(tx, &users).await?;
    let sites: BTreeMap<UserId, String> = staff.into_iter().map(|staff| (staff.user, staff.site)).collect();
    let attended = kept.iter().map(|one| one.attended(agents, &sites));
    Ok(attended.filter(|one| !one.users.is_empty()).collect())
}

/// Shifts published for an agent on days that are planned anew give way.
pub fn give_way(agent: &mut Agent, first: Date, last: Date) {
    let published = std::mem::take(&mut agent.published);
    let outside = |duty: &Duty| {
        let day = agent.day_of(duty.start);
        day < first || last < day
    };
    agent.published = published.into_iter().filter(outside).collect();
}

/// What agents wish, and what they carried in the weeks before a day, by the newest policy.
pub async fn tastes(tx: &mut TenantTx, agents: &[Agent], first: Date) -> Result<Given, Failure> {
    let policy = wishes::policy(tx, None).await?.unwrap_or_default().policy;
    let users: Vec<UserId> = agents.iter().map(|agent| agent.user).collect();
    if users.is_empty() {
        return Ok(Given { policy, ..Given::default() });
    }
    let kept = wishes::list(tx, &users, None, ALL).await?;
    let wishes: Vec<Wish> = kept.into_iter().map(|kept| kept.wish).collect();
    let from = civil::later(first, -7 * i64::from(policy.memory_weeks));
    let mut duties: BTreeMap<UserId, Vec<Duty>> = BTreeMap::new();
    for one in shift::live(tx, &users, from, civil::later(first, -1), None, ALL).await? {
        duties.entry(one.user).or_default().push(one.duty);
    }
    let carried = |agent: &Agent| {
        let duties = duties.get(&agent.user)?;
        Some((agent.user, taste::carried(&policy, &agent.zone, duties)))
    };
    let before = agents.iter().filter_map(carried).collect();
    Ok(Given { policy, wishes, before, ..Given::default() })
}
