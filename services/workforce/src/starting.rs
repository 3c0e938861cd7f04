//! The former schedule that a new one begins with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::{Fault, UserId};
use planner::agent::{Agent, Duty};
use planner::conflict;
use planner::former::{self, ByUser, Former};
use planner::record::{Schedule, ScheduleState, Shift, ShiftId};
use planner::{civil, words};
use tenantdb::{Failure, TenantTx};

use crate::domain::refusal::Refusal;
use crate::store::{schedule, shift};

/// What a schedule begins with.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// All former shifts on the new days.
    pub former: ByUser,
    /// Those that must stay.
    pub stay: ByUser,
}

/// Reads the start of a schedule; nothing where it begins with none.
pub async fn read(tx: &mut TenantTx, of: &Schedule) -> Result<Start, Failure> {
    let Some(id) = of.start else { return Ok(Start::default()) };
    let Some(old) = schedule::get(tx, id).await? else { return Ok(Start::default()) };
    let shifts = shift::of_schedule(tx, id, None, None, i64::from(i32::MAX)).await?;
    Ok(lay(of, &old, &shifts))
}

/// Reads and judges the start that a new schedule asks for.
pub async fn checked(tx: &mut TenantTx, of: &Schedule) -> Result<Start, Fault> {
    let Some(id) = of.start else { return Ok(Start::default()) };
    let old = schedule::get(tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
    match old.state {
        ScheduleState::Draft | ScheduleState::Published | ScheduleState::Superseded => {}
        state => return Err(Refusal::State { state, wanted: "the start of another" }.into()),
    }
    let shifts = shift::of_schedule(tx, id, None, None, i64::from(i32::MAX)).await?;
    let known: BTreeSet<ShiftId> = shifts.iter().map(|shift| shift.id).collect();
    if !of.kept_shifts.iter().all(|id| known.contains(id)) {
        return Err(Fault::NotFound("shift"));
    }
    let start = lay(of, &old, &shifts);
    Ok(start)
}

fn lay(of: &Schedule, old: &Schedule, shifts: &[Shift]) -> Start {
    let kept: BTreeSet<ShiftId> = of.kept_shifts.iter().copied().collect();
    let former: Vec<Former> = shifts
        .iter()
        .map(|shift| Former {
            user: shift.user,
            day: shift.day,
            zone: civil::zone(&shift.zone).unwrap_or(TimeZone::UTC),
            duty: shift.duty.clone(),
            stays: kept.contains(&shift.id),
        })
        .collect();
    let (old, new) = ((old.first_day, i64::from(old.days)), (of.first_day, i64::from(of.days)));
    let (former, stay) = former::laid(&former, old, new);
    Start { former, stay }
}

impl Start {
    /// Refuses shifts that are to stay and cannot: a hard rule that they break, with the fewest of them that break it.
    pub fn refuse_unlawful(&self, agents: &[Agent], first: Date, last: Date) -> Result<(), Refusal> {
        for (user, duties) in &self.stay {
            let agent = agents.iter().find(|agent| agent.user == *user).ok_or(Refusal::Gone { user: *user })?;
            if let Some((broken, set)) = conflict::shifts(agent, duties, first, last).into_iter().next() {
                let shifts = set.iter().map(|duty| words::stretch(agent, (duty.start, duty.end)));
                return Err(Refusal::FixedShifts {
                    user: *user,
                    rule: broken.rule,
                    limit: words::rule(broken.rule, agent),
                    shifts: shifts.collect::<Vec<_>>().join(" and "),
                });
            }
        }
        Ok(())
    }

    /// Those that stay, by the place of their agent.
    pub fn fixed(&self, agents: &[Agent]) -> Vec<Vec<Duty>> {
        agents.iter().map(|agent| self.stay.get(&agent.user).cloned().unwrap_or_default()).collect()
    }

    /// All former shifts, by the place of their agent.
    pub fn by_agent(&self, agents: &[Agent]) -> Vec<Vec<Duty>> {
        agents.iter().map(|agent| self.former.get(&agent.user).cloned().unwrap_or_default()).collect()
    }

    /// Those that stay, with whom.
    pub fn placed(&self) -> Vec<(UserId, Duty)> {
        let all =
            |(user, duties): (&UserId, &Vec<Duty>)| duties.iter().map(|duty| (*user, duty.clone())).collect::<Vec<_>>();
        self.stay.iter().flat_map(all).collect()
    }

    /// The former shifts of some agents by agent and day.
    pub fn roster(&self, agents: &[Agent]) -> BTreeMap<(UserId, Date), Duty> {
        let of = |agent: &Agent| {
            let duties = self.former.get(&agent.user).cloned().unwrap_or_default();
            duties.into_iter().map(|duty| ((agent.user, agent.day_of(duty.start)), duty)).collect::<Vec<_>>()
        };
        agents.iter().flat_map(of).collect()
    }
}
