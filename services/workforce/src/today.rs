//! A seller's day, read as it is and looked at: for planners who ask, and for the worker that warns them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::{Fault, SellerId, UserId};
use planner::agent::{Agent, Duty};
use planner::civil;
use planner::coverage::coverage;
use planner::intraday::{self, Came, Foreseen, Frame, Line, Outlook, Promise, Revised};
use planner::model::{Grid, Need};
use planner::record::{Forecast, ForecastSeries, Requirement, RequirementId, RequirementSeries, ScheduleState};
use tenantdb::TenantTx;

use crate::inputs;
use crate::plan::{self, Plan};
use crate::store::{planning, schedule, shift, volume};

/// Rows read at once.
const CHUNK: i64 = 20_000;
const LIMIT: i64 = 200_000;

/// Everything that was read of a day.
pub struct Day {
    requirement: Requirement,
    planned: Vec<RequirementSeries>,
    forecast: Forecast,
    foreseen: Vec<ForecastSeries>,
    plan: Plan,
    frame: Frame,
    date: Date,
    zone_name: String,
    as_of: Timestamp,
    came: BTreeMap<(String, String), BTreeMap<i64, Came>>,
    certification_required: bool,
    /// Intervals of the forecast whose people matter.
    staffed: std::ops::Range<usize>,
    others: Vec<Need>,
    people: Vec<(Agent, Vec<Duty>)>,
}

/// One series of the day, over the forecast's horizon.
pub struct Serie {
    pub language: String,
    pub channel: String,
    /// As forecast.
    pub contacts: Vec<f64>,
    pub handle_seconds: Vec<f64>,
    /// By what is known now.
    pub revised: Revised,
    /// People to schedule, by plan and by what is known now.
    pub planned: Vec<f64>,
    pub required: Vec<f64>,
}

/// People of one language, over the forecast's horizon.
pub struct Staffing {
    pub language: String,
    pub planned: Vec<f64>,
    pub required: Vec<f64>,
    pub covered: Vec<f64>,
}

/// The day, looked at.
pub struct Looked {
    pub seller: SellerId,
    pub requirement: RequirementId,
    pub date: Date,
    pub zone: String,
    pub as_of: Timestamp,
    pub frame: Frame,
    pub series: Vec<Serie>,
    pub staffing: Vec<Staffing>,
    pub outlooks: Vec<(String, Outlook)>,
}

/// Reads the day that holds an instant; none where no requirement does. `zone` none = the requirement's.
pub async fn read(
    tx: &mut TenantTx,
    seller: SellerId,
    wanted: Option<RequirementId>,
    as_of: Timestamp,
    zone: Option<&str>,
) -> Result<Option<Day>, Fault> {
    let id = match wanted {
        Some(id) => Some(id),
        None => planning::requirement_at(tx, seller, as_of).await?,
    };
    let Some(id) = id else { return Ok(None) };
    let Some(requirement) = planning::requirements(tx, Some(seller), &[id], None, 1).await?.pop() else {
        return Ok(None);
    };
    let planned = planning::requirement_series(tx, seller, id).await?;
    let found = planning::forecasts(tx, Some(seller), Some(requirement.forecast), None, 1).await?.pop();
    let forecast = found.ok_or(Fault::NotFound("forecast"))?;
    let foreseen = planning::forecast_series(tx, seller, requirement.forecast).await?;
    let plan = plan::of(&requirement)?;
    let zone_name = match zone {
        Some(name) => name.to_owned(),
        None => [plan::asked(&requirement)?.zone, forecast.zone.clone(), "UTC".to_owned()]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
    };
    let zone = civil::zone(&zone_name).unwrap_or(TimeZone::UTC);
    let date = zone.to_datetime(as_of).date();
    let Some(mut frame) = frame(&requirement, zone, date, as_of) else { return Ok(None) };
    let staffed = staffed(&frame, &plan, &foreseen, requirement.intervals as usize, as_of);
    frame.known = staffed.start.min(frame.day.start);
    let came = came(tx, seller, &frame, as_of).await?;

    let certification_required =
        tenantdb::sellers::read(tx, seller).await?.is_none_or(|terms| terms.certification_required);
    let grid = grid(&frame, &staffed);
    let (first, last) = (utc_day(grid.start), utc_day(grid.start + grid.count as i64 * grid.step));
    let others = others(tx, seller, &grid, first, last).await?;
    let people = people(tx, first, last).await?;
    Ok(Some(Day {
        requirement,
        planned,
        forecast,
        foreseen,
        plan,
        frame,
        date,
        zone_name,
        as_of,
        came,
        certification_required,
        staffed,
        others,
        people,
    }))
}

/// The intervals of the day; none where the requirement holds none of them.
fn frame(requirement: &Requirement, zone: TimeZone, date: Date, as_of: Timestamp) -> Option<Frame> {
    let (start, step) = (requirement.starts_at.as_second(), requirement.step_seconds);
    let count = i64::from(requirement.intervals);
    let index = |at: Timestamp| ((at.as_second() - start + step - 1).div_euclid(step)).clamp(0, count) as usize;
    let day = index(civil::midnight(date, &zone))..index(civil::midnight(civil::later(date, 1), &zone));
    let over = (as_of.as_second() - start).div_euclid(step).clamp(0, count) as usize;
    (!day.is_empty()).then_some(Frame { start, step, day, known: 0, over, zone })
}

/// Deferred work of the day began to wait one promise before now, and may be done one promise after the day.
fn staffed(
    frame: &Frame,
    plan: &Plan,
    foreseen: &[ForecastSeries],
    count: usize,
    as_of: Timestamp,
) -> std::ops::Range<usize> {
    let promise = |series: &ForecastSeries| match plan.promise(&series.channel) {
        Some(Promise::Deferred { seconds, .. }) => Some((seconds / frame.step) as usize),
        _ => None,
    };
    let longest = foreseen.iter().filter_map(promise).max().unwrap_or(0);
    let now = ((as_of.as_second() - frame.start).div_euclid(frame.step)).clamp(0, count as i64) as usize;
    let from = if longest == 0 { frame.day.start } else { now.min(frame.day.start).saturating_sub(longest) };
    from..(frame.day.end + longest).min(count)
}

fn grid(frame: &Frame, staffed: &std::ops::Range<usize>) -> Grid {
    Grid { start: frame.at(staffed.start), step: frame.step, count: staffed.len() }
}

fn utc_day(second: i64) -> Date {
    TimeZone::UTC.to_datetime(Timestamp::from_second(second).unwrap_or(Timestamp::MAX)).date()
}

async fn came(
    tx: &mut TenantTx,
    seller: SellerId,
    frame: &Frame,
    as_of: Timestamp,
) -> Result<BTreeMap<(String, String), BTreeMap<i64, Came>>, Fault> {
    let from = Timestamp::from_second(frame.at(frame.known).div_euclid(1_800) * 1_800).unwrap_or(as_of);
    let mut came: BTreeMap<(String, String), BTreeMap<i64, Came>> = BTreeMap::new();
    let mut after = None;
    loop {
        let chunk = volume::list(tx, seller, from, as_of, after.as_ref(), CHUNK).await?;
        let full = chunk.len() as i64 == CHUNK;
        after = chunk.last().map(|row| (row.starts_at, row.language.clone(), row.channel.clone()));
        for row in chunk {
            let seen = Came {
                offered: row.offered as f64,
                timed: row.timed as f64,
                handle_seconds: row.handle_seconds as f64,
            };
            came.entry((row.language, row.channel)).or_default().insert(row.starts_at.as_second(), seen);
        }
        if !full {
            return Ok(came);
        }
    }
}

/// What other sellers need on these days, as published schedules were made for.
async fn others(tx: &mut TenantTx, seller: SellerId, grid: &Grid, first: Date, last: Date) -> Result<Vec<Need>, Fault> {
    let filter = schedule::Filter {
        state: Some(ScheduleState::Published),
        until: Some(last),
        from: Some(first),
        ..schedule::Filter::default()
    };
    let mut merged: BTreeMap<(SellerId, String), Need> = BTreeMap::new();
    for published in schedule::list(tx, &filter, None, 200).await? {
        let made = Grid::around(published.first_day, i64::from(published.days), published.step_seconds);
        for need in schedule::needs(tx, published.id).await?.into_iter().filter(|need| need.seller != seller) {
            let laid = relaid(grid, &made, &need.people);
            let key = (need.seller, need.language.clone());
            let kept = merged.entry(key).or_insert_with(|| Need { people: vec![0; grid.count], ..need });
            for (most, people) in kept.people.iter_mut().zip(laid) {
                *most = people.max(*most);
            }
        }
    }
    Ok(merged.into_values().collect())
}

/// People per interval of one grid, as the intervals of another see them.
fn relaid(grid: &Grid, made: &Grid, people: &[u32]) -> Vec<u32> {
    let at = |interval: usize| made.index(grid.start + interval as i64 * grid.step);
    (0..grid.count).map(|interval| at(interval).and_then(|i| people.get(i).copied()).unwrap_or(0)).collect()
}

/// Those with published shifts on the days, without the shifts of days on which they are on leave.
pub async fn people(tx: &mut TenantTx, first: Date, last: Date) -> Result<Vec<(Agent, Vec<Duty>)>, Fault> {
    let (from, to) = (civil::later(first, -2), civil::later(last, 2));
    let rows = shift::live(tx, &[], from, to, None, LIMIT).await?;
    let users: BTreeSet<UserId> = rows.iter().map(|row| row.user).collect();
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<UserId> = users.into_iter().collect();
    let agents = inputs::agents(tx, &users, from, to, &[]).await?;
    let mut duties: BTreeMap<UserId, Vec<(Date, Duty)>> = BTreeMap::new();
    for row in rows {
        duties.entry(row.user).or_default().push((row.day, row.duty));
    }
    let with_duties = agents.into_iter().map(|agent| {
        let own = duties.remove(&agent.user).unwrap_or_default();
        let there = own.into_iter().filter(|(day, _)| agent.works_on(*day)).map(|(_, duty)| duty).collect();
        (agent, there)
    });
    Ok(with_duties.collect())
}

impl Day {
    /// Computes what the day shows. Takes its time: not for the threads that serve calls.
    pub fn look(self) -> Result<Looked, Fault> {
        let mut revised = Vec::with_capacity(self.foreseen.len());
        let mut adjusted = Vec::with_capacity(self.foreseen.len());
        let none = BTreeMap::new();
        for one in &self.foreseen {
            let came = self.came.get(&(one.language.clone(), one.channel.clone())).unwrap_or(&none);
            let foreseen =
                Foreseen { contacts: &one.contacts, handle_seconds: &one.handle_seconds, damping: &one.damping };
            let now = intraday::revise(&self.frame, foreseen, came).map_err(|e| Fault::Internal(Box::new(e)))?;
            adjusted.push(ForecastSeries {
                contacts: now.contacts.clone(),
                handle_seconds: now.handle_seconds.clone(),
                ..one.clone()
            });
            revised.push(now);
        }
        let required = self.plan.compute(&self.forecast, &adjusted)?;
        let people = |scheduled: &[i32]| scheduled.iter().map(|people| f64::from(*people) / 100.0).collect::<Vec<_>>();
        let series: Vec<Serie> = self
            .foreseen
            .iter()
            .zip(revised)
            .zip(&required)
            .map(|((one, revised), now)| {
                let is_same =
                    |planned: &&RequirementSeries| planned.language == one.language && planned.channel == one.channel;
                let planned = self.planned.iter().find(is_same).map(|planned| people(&planned.scheduled));
                Serie {
                    language: one.language.clone(),
                    channel: one.channel.clone(),
                    contacts: one.contacts.clone(),
                    handle_seconds: one.handle_seconds.clone(),
                    planned: planned.unwrap_or_else(|| vec![0.0; revised.contacts.len()]),
                    required: people(&now.scheduled),
                    revised,
                }
            })
            .collect();
        let staffing = self.staffing(&series);
        let outlooks = self.outlooks(&series, &staffing)?;
        Ok(Looked {
            seller: self.requirement.seller,
            requirement: self.requirement.id,
            date: self.date,
            zone: self.zone_name,
            as_of: self.as_of,
            frame: self.frame,
            series,
            staffing,
            outlooks,
        })
    }

    /// Requirement and cover by language, everybody used as well as possible for all sellers.
    fn staffing(&self, series: &[Serie]) -> Vec<Staffing> {
        let grid = grid(&self.frame, &self.staffed);
        let languages: BTreeSet<&str> = series.iter().map(|one| one.language.as_str()).collect();
        let sum = |language: &str, of: fn(&Serie) -> &Vec<f64>| {
            let mut sum = vec![0.0; self.requirement.intervals as usize];
            for one in series.iter().filter(|one| one.language == language) {
                sum.iter_mut().zip(of(one)).for_each(|(sum, people)| *sum += people);
            }
            sum
        };
        let mut staffing: Vec<Staffing> = languages
            .into_iter()
            .map(|language| Staffing {
                language: language.to_owned(),
                planned: sum(language, |one| &one.planned),
                required: sum(language, |one| &one.required),
                covered: vec![0.0; self.requirement.intervals as usize],
            })
            .collect();
        let own = staffing.iter().map(|one| Need {
            seller: self.requirement.seller,
            language: one.language.clone(),
            certification_required: self.certification_required,
            people: one.required[self.staffed.clone()].iter().map(|people| (people * 100.0).round() as u32).collect(),
        });
        let needs: Vec<Need> = own.chain(self.others.iter().cloned()).collect();
        let covered = coverage(&grid, &needs, &self.people);
        for (one, covered) in staffing.iter_mut().zip(&covered.covered) {
            for (interval, people) in self.staffed.clone().zip(covered) {
                one.covered[interval] = f64::from(*people) / 100.0;
            }
        }
        staffing
    }

    fn outlooks(&self, series: &[Serie], staffing: &[Staffing]) -> Result<Vec<(String, Outlook)>, Fault> {
        let mut lines: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
        for team in staffing {
            let of_language: Vec<&Serie> = series.iter().filter(|one| one.language == team.language).collect();
            let waits: Vec<bool> = of_language
                .iter()
                .map(|one| matches!(self.plan.promise(&one.channel), Some(Promise::RealTime { .. })))
                .collect();
            let mut covered = vec![vec![0.0; team.covered.len()]; of_language.len()];
            for interval in self.staffed.clone() {
                let required: Vec<(bool, f64)> =
                    of_language.iter().zip(&waits).map(|(one, waits)| (*waits, one.required[interval])).collect();
                for (own, people) in covered.iter_mut().zip(intraday::divide(team.covered[interval], &required)) {
                    own[interval] = people;
                }
            }
            for (one, covered) in of_language.into_iter().zip(covered) {
                let before = self.staffed.start;
                // What came before anybody's shifts were read is not judged.
                let mut contacts = one.revised.contacts.clone();
                contacts[..before].fill(0.0);
                contacts[self.staffed.end..].fill(0.0);
                lines.entry(one.channel.as_str()).or_default().push(Line {
                    language: one.language.clone(),
                    contacts,
                    handle_seconds: one.revised.handle_seconds.clone(),
                    required: one.required.clone(),
                    covered,
                });
            }
        }
        let mut outlooks = Vec::with_capacity(lines.len());
        for (channel, lines) in lines {
            let Some(promise) = self.plan.promise(channel) else { continue };
            let seen = intraday::outlook(&self.frame, &promise, self.plan.shrinkage, &lines)
                .map_err(|e| Fault::Internal(Box::new(e)))?;
            outlooks.push((channel.to_owned(), seen));
        }
        Ok(outlooks)
    }
}
