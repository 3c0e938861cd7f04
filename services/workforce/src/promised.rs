//! What was promised for the days of a schedule, and what planners are shown of it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use kit::Fault;
use planner::civil;
use planner::intraday::{self, Frame, Line, Promise};
use planner::model::{Grid, Need};
use planner::proof::{Spread, Stream, Work};
use planner::record::{ForecastSeries, Requirement, RequirementSeries, Schedule};
use tenantdb::TenantTx;

use crate::plan::{self, Plan};
use crate::store::{planning, volume};

/// Days before a schedule whose handling times tell how far they spread.
const SPREAD_DAYS: i64 = 182;

/// A requirement of a schedule, with what it was made from.
pub struct Asked {
    /// The requirement and the plan that it was asked for with.
    pub requirement: Requirement,
    pub plan: Plan,
    /// What is forecast and required.
    pub forecast: Vec<ForecastSeries>,
    pub required: Vec<RequirementSeries>,
    /// How far the seller's handling times spread in the months before, by channel.
    pub spreads: Vec<(String, Spread)>,
}

/// The requirements of a schedule that the transaction may read.
pub async fn asked(tx: &mut TenantTx, schedule: &Schedule) -> Result<Vec<Asked>, Fault> {
    let mut asked = Vec::new();
    if schedule.requirements.is_empty() {
        return Ok(asked);
    }
    let instant = |day| civil::midnight(day, &TimeZone::UTC);
    let (from, to) = (instant(civil::later(schedule.first_day, -SPREAD_DAYS)), instant(schedule.first_day));
    for requirement in planning::requirements(tx, None, &schedule.requirements, None, 200).await? {
        asked.push(Asked {
            plan: plan::of(&requirement)?,
            forecast: planning::forecast_series(tx, requirement.seller, requirement.forecast).await?,
            required: planning::requirement_series(tx, requirement.seller, requirement.id).await?,
            spreads: volume::spreads(tx, requirement.seller, from, to).await?,
            requirement,
        });
    }
    Ok(asked)
}

/// Share of each channel's contacts answered in time by those who cover the languages, with what was promised.
pub fn levels_of(
    grid: &Grid,
    needs: &[Need],
    covered: &[Vec<u32>],
    asked: &Asked,
) -> Result<Vec<(String, f64, f64)>, Fault> {
    let requirement = &asked.requirement;
    let count = requirement.intervals as usize;
    let (start, step) = (requirement.starts_at.as_second(), requirement.step_seconds);
    let place = |interval: usize| grid.index(start + interval as i64 * step);
    let first = (0..count).find(|interval| place(*interval).is_some()).unwrap_or(count);
    let end = (first..count).find(|interval| place(*interval).is_none()).unwrap_or(count);
    let frame = Frame { start, step, day: first..end, known: 0, over: 0, zone: TimeZone::UTC };
    let mut lines: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
    let languages: std::collections::BTreeSet<&str> = asked.forecast.iter().map(|one| one.language.as_str()).collect();
    for language in languages {
        let need = needs.iter().position(|need| need.seller == requirement.seller && need.language == language);
        let of_language: Vec<&ForecastSeries> = asked.forecast.iter().filter(|one| one.language == language).collect();
        let required = |one: &ForecastSeries, interval: usize| {
            let is_same = |of: &&RequirementSeries| of.language == one.language && of.channel == one.channel;
            let people = asked.required.iter().find(is_same).and_then(|of| of.scheduled.get(interval));
            people.map_or(0.0, |people| f64::from(*people) / 100.0)
        };
        let mut shares = vec![vec![0.0; count]; of_language.len()];
        for interval in frame.day.clone() {
            let there = need.zip(place(interval)).map_or(0, |(need, at)| covered[need][at]);
            let wanted: Vec<(bool, f64)> = of_language
                .iter()
                .map(|one| {
                    let waits = matches!(asked.plan.promise(&one.channel), Some(Promise::RealTime { .. }));
                    (waits, required(one, interval))
                })
                .collect();
            for (own, people) in shares.iter_mut().zip(intraday::divide(f64::from(there) / 100.0, &wanted)) {
                own[interval] = people;
            }
        }
        for (one, covered) in of_language.into_iter().zip(shares) {
            let mut contacts = one.contacts.clone();
            contacts[..first].fill(0.0);
            contacts[end..].fill(0.0);
            lines.entry(one.channel.as_str()).or_default().push(Line {
                language: language.to_owned(),
                contacts,
                handle_seconds: one.handle_seconds.clone(),
                required: (0..count).map(|interval| required(one, interval)).collect(),
                covered,
            });
        }
    }
    let mut levels = Vec::with_capacity(lines.len());
    for (channel, lines) in lines {
        let Some(promise) = asked.plan.promise(channel) else { continue };
        let seen = intraday::outlook(&frame, &promise, asked.plan.shrinkage, &lines)
            .map_err(|e| Fault::Internal(Box::new(e)))?;
        levels.push((channel.to_owned(), seen.target, seen.day));
    }
    Ok(levels)
}

/// What comes in for a requirement, laid on a schedule's grid.
pub fn streams(grid: &Grid, asked: &Asked) -> Vec<Stream> {
    let (start, step) = (asked.requirement.starts_at.as_second(), asked.requirement.step_seconds);
    let laid = |values: &[f64]| {
        let mut laid = vec![0.0; grid.count];
        for (offset, value) in (0_i64..).zip(values) {
            if let Some(interval) = grid.index(start + offset * step) {
                laid[interval] = *value;
            }
        }
        laid
    };
    let stream = |one: &ForecastSeries| {
        let work = match asked.plan.promise(&one.channel)? {
            Promise::RealTime { target, patience } => Work::RealTime { target, patience },
            Promise::Deferred { seconds, .. } => Work::Deferred { seconds },
        };
        let handle = match one.handle_seconds.as_slice() {
            [all] => vec![*all; one.contacts.len()],
            each => each.to_vec(),
        };
        Some(Stream {
            seller: asked.requirement.seller,
            language: one.language.clone(),
            channel: one.channel.clone(),
            contacts: laid(&one.contacts),
            handle_seconds: laid(&handle),
            work,
            shrinkage: asked.plan.shrinkage,
            variation: asked
                .spreads
                .iter()
                .find(|(channel, _)| *channel == one.channel)
                .and_then(|(_, spread)| spread.variation()),
        })
    };
    asked.forecast.iter().filter_map(stream).collect()
}
