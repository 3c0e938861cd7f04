//! What drafts promise of training and meetings, held against the activities of now.

use std::collections::BTreeMap;

use kit::{Fault, UserId};
use planner::activity::{self, Activity};
use planner::agent::{Agent, Duty};
use planner::record::{Schedule, Shift};
use tenantdb::TenantTx;

use crate::domain::refusal::Refusal;
use crate::inputs;

/// Refuses to publish a draft in which somebody attends what is no longer so, or too few attend what is so by now.
pub async fn refuse_outdated(
    tx: &mut TenantTx,
    draft: &Schedule,
    agents: &[Agent],
    shifts: &[Shift],
) -> Result<(), Fault> {
    let activities = inputs::activities(tx, agents, draft.first_day, draft.last_day()).await?;
    Ok(judge(&activities, agents, shifts)?)
}

fn judge(activities: &[Activity], agents: &[Agent], shifts: &[Shift]) -> Result<(), Refusal> {
    let known: BTreeMap<_, &Activity> = activities.iter().map(|one| (one.id, one)).collect();
    for shift in shifts {
        for session in &shift.duty.activities {
            let is_so = known.get(&session.activity).is_some_and(|now| {
                now.fits(session) && now.users.contains(&shift.user) && now.charged == session.charged
            });
            if !is_so {
                return Err(Refusal::ActivityChanged { title: session.title.to_string() });
            }
        }
    }
    unattended(activities, agents, shifts).map_or(Ok(()), Err)
}

/// The first activity that too few can attend, counting those who attend it in shifts published around the days; or one
/// that the plan misplaces.
pub fn unattended(activities: &[Activity], agents: &[Agent], shifts: &[Shift]) -> Option<Refusal> {
    let known: BTreeMap<_, &Activity> = activities.iter().map(|one| (one.id, one)).collect();
    let mut duties: BTreeMap<UserId, Vec<Duty>> =
        agents.iter().map(|agent| (agent.user, agent.published.clone())).collect();
    // What was published before an activity became another one is nobody's mistake, and does not count.
    for session in duties.values_mut().flatten() {
        session.activities.retain(|session| known.get(&session.activity).is_some_and(|now| now.fits(session)));
    }
    for one in shifts {
        duties.entry(one.user).or_default().push(one.duty.clone());
    }
    let roster: Vec<(UserId, &[Duty])> = duties.iter().map(|(user, duties)| (*user, &duties[..])).collect();
    let found = activity::unheld(activities, &roster).into_iter().find(|one| one.too_few || one.misplaced)?;
    let title = known.get(&found.activity).map(|one| one.title.to_string()).unwrap_or_default();
    Some(match found.too_few {
        true => Refusal::Unattended { title, users: found.missing },
        false => Refusal::ActivityChanged { title },
    })
}
