//! Who is where against the schedule, read as it is: for planners who ask, and for the worker that warns them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kit::{Fault, Id, Scope, UserId};
use planner::civil;
use planner::model::MAX_PEOPLE;
use planner::realtime::{self, Known, Standing, State};
use planner::record::{Shift, Staff};
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::{ListAgentsRequest, PresenceState};
use tenantdb::TenantTx;
use tenantdb::service::Deps;

use crate::store::floor::{self, ExceptionFilter};
use crate::store::people::{self, TimeOffFilter};
use crate::store::shift;

/// Shifts and presence so far around the instant matter.
const AROUND: i64 = 36 * 3_600;
const LIMIT: i64 = 200_000;

/// One agent who is planned or at work.
pub struct Placed {
    pub user: UserId,
    pub name: String,
    pub shift: Option<Shift>,
    pub standing: Standing,
}

/// Presence that lasts, as routing knows it: who, since when, and whether she is at work (else paused).
pub type Present = Vec<(UserId, i64, bool)>;

/// Asks routing who is there now.
pub async fn present(deps: &Deps, scope: &Scope) -> Result<Present, Fault> {
    let mut client = RoutingServiceClient::new(deps.calls.for_scope("routing", scope)?);
    let (mut present, mut page_token) = (Present::new(), String::new());
    while present.len() <= MAX_PEOPLE {
        let request = ListAgentsRequest { page_size: 200, page_token, ..ListAgentsRequest::default() };
        let page = client.list_agents(request).await?.into_inner();
        for agent in page.agents {
            let since = agent.since.as_ref().and_then(kit::wire::instant).map_or(0, Timestamp::as_second);
            let at_work = match agent.state() {
                PresenceState::Available | PresenceState::Draining => true,
                PresenceState::Paused => false,
                PresenceState::Offline | PresenceState::Unspecified => continue,
            };
            present.push((UserId::parse("agent_id", &agent.agent_id)?, since, at_work));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(present)
}

/// Everybody who is planned or at work at an instant, by user. `present` is what lasts until then.
pub async fn look(tx: &mut TenantTx, at: Timestamp, present: &Present) -> Result<Vec<Placed>, Fault> {
    let second = at.as_second();
    let stamp = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let tolerance = floor::policy(tx).await?.map(|(tolerance, _)| tolerance).unwrap_or_default();
    let today = TimeZone::UTC.to_datetime(at).date();
    let (first, last) = (civil::later(today, -2), civil::later(today, 1));
    let rows = shift::live(tx, &[], first, last, None, LIMIT).await?;
    let mut shifts: BTreeMap<UserId, Shift> = BTreeMap::new();
    for row in rows {
        let distance = |one: &Shift| (one.duty.start - second).max(second - one.duty.end + 1).max(0);
        let nearer = shifts.get(&row.user).is_none_or(|known| distance(&row) < distance(known));
        if nearer {
            shifts.insert(row.user, row);
        }
    }
    let users: BTreeSet<UserId> = shifts.keys().copied().chain(present.iter().map(|one| one.0)).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: BTreeMap<UserId, Known> = users.iter().map(|user| (*user, Known::default())).collect();
    for (user, from, to, at_work) in floor::stretches(tx, &users, stamp(second - AROUND), at, LIMIT).await? {
        let known = known.entry(user).or_default();
        if at_work { &mut known.working } else { &mut known.paused }.push((from, to.min(second)));
    }
    for (user, since, at_work) in present {
        let known = known.entry(*user).or_default();
        if *at_work { &mut known.working } else { &mut known.paused }.push((*since, second));
    }
    let filter = ExceptionFilter {
        from: Some(stamp(second - AROUND)),
        to: Some(stamp(second + 1)),
        ..ExceptionFilter::default()
    };
    for one in floor::exceptions(tx, &filter, None, LIMIT).await? {
        let range = (one.starts_at.as_second(), one.ends_at.as_second());
        match one.user {
            Some(user) => known.entry(user).or_default().excused.push(range),
            None => known.values_mut().for_each(|known| known.excused.push(range)),
        }
    }
    let filter = TimeOffFilter { from: Some(first), to: Some(last), ..TimeOffFilter::default() };
    for away in people::time_off(tx, &filter, None, LIMIT).await? {
        let Some(shift) = shifts.get(&away.user) else { continue };
        if shift.day < away.absence.first || away.absence.last < shift.day {
            continue;
        }
        let known = known.entry(away.user).or_default();
        match (away.absence.hours, civil::zone(&shift.zone)) {
            (Some((from, to)), Ok(zone)) => {
                let at =
                    |minutes| civil::instant(shift.day, minutes, &zone, civil::Gap::Forward).map(|at| at.as_second());
                known.excused.extend(at(from).zip(at(to)));
            }
            _ => known.on_leave = true,
        }
    }
    let names: BTreeMap<UserId, Staff> =
        people::staff_of(tx, &users).await?.into_iter().map(|staff| (staff.user, staff)).collect();
    let placed = users.into_iter().filter_map(|user| {
        let shift = shifts.remove(&user);
        let known = known.remove(&user).unwrap_or_default();
        let standing = realtime::judge(shift.as_ref().map(|shift| &shift.duty), &known, second, &tolerance);
        let name = names.get(&user).map(|staff| staff.display_name.clone()).unwrap_or_default();
        (standing.state != State::Off).then_some(Placed { user, name, shift, standing })
    });
    Ok(placed.collect())
}
