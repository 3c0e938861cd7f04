//! Who sits where: seats of sites against everybody's published shifts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use kit::UserId;
use planner::agent::{Agent, Duty};
use planner::civil;
use planner::model::Model;
use planner::record::{ScheduleId, ShiftId};
use planner::seats::Seats;
use tenantdb::{Failure, TenantTx};

use crate::domain::refusal::Refusal;
use crate::store::{people, seats, shift};

/// Rows read at most.
const LIMIT: i64 = 200_000;

/// Sites with too few seats for all, and who is there already.
#[derive(Debug, Clone)]
pub struct Seating {
    sites: Vec<Seats>,
    site_of: BTreeMap<UserId, String>,
    others: Vec<(UserId, Duty)>,
}

/// What does not count as taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Without<'a> {
    /// Shifts of these schedules.
    pub schedules: &'a [ScheduleId],
    /// These shifts.
    pub shifts: &'a [ShiftId],
    /// Shifts of these agents on the days from one to another: they give way.
    pub agents: Option<(&'a [UserId], Date, Date)>,
}

/// Reads who sits where around some days; none where no site's seats are limited.
pub async fn read(
    tx: &mut TenantTx,
    (first, last): (Date, Date),
    users: &[UserId],
    without: Without<'_>,
) -> Result<Option<Seating>, Failure> {
    let kept = seats::list(tx).await?;
    if kept.is_empty() {
        return Ok(None);
    }
    let gives_way = |one: &planner::record::Shift| {
        without.schedules.contains(&one.schedule)
            || without.shifts.contains(&one.id)
            || without.agents.is_some_and(|(users, first, last)| {
                first <= one.day && one.day <= last && users.binary_search(&one.user).is_ok()
            })
    };
    let (from, to) = (civil::later(first, -2), civil::later(last, 2));
    let shifts = shift::live(tx, &[], from, to, None, LIMIT).await?;
    let others: Vec<(UserId, Duty)> =
        shifts.into_iter().filter(|one| !gives_way(one)).map(|one| (one.user, one.duty)).collect();
    let mut all: Vec<UserId> = others.iter().map(|(user, _)| *user).chain(users.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    let staff = people::staff_of(tx, &all).await?;
    let sites = kept.into_iter().filter_map(|one| {
        let zone = civil::zone(&one.zone).ok()?;
        Some(Seats { site: one.site, zone, seats: one.seats, windows: one.windows })
    });
    Ok(Some(Seating {
        sites: sites.collect(),
        site_of: staff.into_iter().map(|staff| (staff.user, staff.site)).collect(),
        others,
    }))
}

impl Seating {
    /// Gives a model the seats that are left; `sites` overrides the directory's for some agents, by index.
    pub fn seat(&self, model: &mut Model, agents: &[Agent], sites: &BTreeMap<usize, String>) {
        for seats in &self.sites {
            let others: Vec<&Duty> = self.at(&seats.site).collect();
            model.seats.push(seats.free(&model.grid, &others));
            let index = model.seats.len() as u32 - 1;
            for person in &mut model.people {
                let own = sites.get(&person.agent).or_else(|| self.site_of.get(&agents[person.agent].user));
                if own == Some(&seats.site) {
                    person.site = Some(index);
                }
            }
        }
    }

    /// Refuses shifts that leave somebody without a seat.
    pub fn refuse(&self, placed: &[(UserId, Duty)]) -> Result<(), Refusal> {
        for seats in &self.sites {
            let own = placed.iter().filter(|(user, _)| self.site_of.get(user) == Some(&seats.site));
            let own: Vec<&Duty> = own.map(|(_, duty)| duty).collect();
            let others: Vec<&Duty> = self.at(&seats.site).collect();
            if let Some(at) = seats.exceeded(&own, &others) {
                let at = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
                return Err(Refusal::NoSeat { site: seats.site.clone(), at });
            }
        }
        Ok(())
    }

    fn at<'a>(&'a self, site: &'a str) -> impl Iterator<Item = &'a Duty> {
        let here = move |user: &UserId| self.site_of.get(user).is_some_and(|own| own == site);
        self.others.iter().filter(move |(user, _)| here(user)).map(|(_, duty)| duty)
    }
}
