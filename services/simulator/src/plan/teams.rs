//! The groups of agents: what they may and can, and when they are there.

use std::collections::{BTreeMap, BTreeSet};

use engine::needs::{Channel, Channels, FULL_UNITS, Language, Level};

use super::checks::{Checks, channel_words, level_words};
use super::contacts::serving;
use super::{Horizon, Team, Type};
use crate::scenario::{Group, Scenario};
use crate::units::Moment;

/// Most changes of one group's staff.
const STEPS_MAX: f64 = 500_000.0;

pub(super) fn team(
    checks: &mut Checks,
    horizon: &Horizon,
    written: &Group,
    types: &BTreeMap<&str, usize>,
    sellers: &BTreeMap<&str, usize>,
    kinds: &[Type],
) -> Team {
    let place = |key: &str| format!("group \"{}\"{key}", written.name);
    let mut known = |key: &str, name: &str, of: &BTreeMap<&str, usize>, what: &str| {
        let found = of.get(name).copied();
        if found.is_none() {
            checks.refuse(place(key), format!("there is no {what} \"{name}\""));
        }
        found
    };
    let needs = written.sellers.is_some() || written.languages.is_some();
    let all: Vec<usize> = (0..kinds.len()).collect();
    let served: Vec<usize> = match (&written.serves, needs) {
        (Some(names), _) => names.iter().filter_map(|name| known(".serves", name, types, "contact type")).collect(),
        (None, false) => all,
        (None, true) => Vec::new(),
    };
    let mut granted: BTreeSet<usize> = match &written.sellers {
        Some(names) => names.iter().filter_map(|name| known(".sellers", name, sellers, "seller")).collect(),
        None if needs => sellers.values().copied().collect(),
        None => BTreeSet::new(),
    };
    let primary = written.primary.as_ref().and_then(|name| known(".primary", name, types, "contact type"));
    let mut handling = BTreeMap::new();
    for (name, dist) in &written.handling {
        if let Some(kind) = types.get(name.as_str()) {
            handling.insert(*kind, checks.ending(place(&format!(".handling.{name}")), dist));
        } else {
            checks.refuse(place(".handling"), format!("there is no contact type \"{name}\""));
        }
    }
    checks.require(
        primary.is_none_or(|kind| served.contains(&kind) || written.serves.is_none()),
        place(".primary"),
        "must be one of those it serves",
    );
    let mut languages = BTreeMap::new();
    for (tag, word) in written.languages.iter().flatten() {
        let level = checks.word(place(&format!(".languages.{tag}")), word, Level::B2, &level_words());
        match Language::parse(tag) {
            Ok(language) => {
                languages.insert(language, level);
            }
            Err(_) => checks.refuse(place(".languages"), format!("\"{tag}\" is no language tag")),
        }
    }
    checks.require(
        !written.in_order || (written.serves.is_some() && written.primary.is_none() && written.languages.is_none()),
        place(".in_order"),
        "stands beside serves, without primary and languages",
    );
    checks.require(
        !written.in_order || served.len() <= Level::ALL.len(),
        place(".in_order"),
        format!("orders at most {} types", Level::ALL.len()),
    );
    for (i, kind) in served.iter().enumerate() {
        granted.insert(kinds[*kind].seller);
        let level = if written.in_order { Level::ALL[Level::ALL.len().saturating_sub(1 + i)] } else { Level::C2 };
        if written.languages.is_none() {
            languages.entry(kinds[*kind].language).or_insert(level);
        }
    }
    if needs && written.languages.is_none() && written.serves.is_none() {
        languages.extend(kinds.iter().map(|kind| (kind.language, Level::C2)));
    }
    if let Some(kind) = primary {
        languages.insert(kinds[kind].language, Level::Native);
    }
    let mut channels = Channels::NONE;
    for word in written.channels.iter().flatten() {
        channels = channels.with(checks.word(place(".channels"), word, Channel::Phone, &channel_words()));
    }
    if written.channels.is_none() {
        let served = served.iter().map(|kind| kinds[*kind].channel);
        channels = if needs { Channels::ALL } else { served.fold(Channels::NONE, Channels::with) };
    }
    let mut skills: BTreeSet<String> = written.skills.iter().flatten().cloned().collect();
    skills.extend(
        served.iter().flat_map(|kind| kinds[*kind].required.iter().cloned()).filter(|_| written.skills.is_none()),
    );
    if written.serves.is_some() {
        skills.extend(served.iter().map(|kind| serving(&kinds[*kind].name)));
    }
    checks.require(written.speed.is_finite() && written.speed > 0.0, place(".speed"), "must be more than 0");
    let capacity = written.capacity.unwrap_or(FULL_UNITS);
    checks.require(
        (1..=FULL_UNITS).contains(&capacity),
        place(".capacity"),
        format!("must be between 1 and {FULL_UNITS}"),
    );
    let staffing = staffing(checks, horizon, written);
    Team {
        name: written.name.clone(),
        most: staffing.iter().map(|(_, n)| *n).max().unwrap_or(0),
        staffing,
        site: written.site.clone().unwrap_or_default(),
        sellers: granted,
        languages,
        skills,
        channels,
        capacity,
        speed: written.speed,
        handling,
        accept_after: written.accept_after.as_ref().map(|dist| checks.ending(place(".accept_after"), dist)),
    }
}

/// Skills of types that a group serves by what it needs, where other groups
/// serve types by name: it may take every type whose needs it meets.
pub(super) fn implied(scenario: &Scenario, team: &Team, types: &[Type]) -> Vec<String> {
    let by_needs = scenario.group.iter().any(|g| g.name == team.name && g.serves.is_none());
    if !by_needs {
        return Vec::new();
    }
    types.iter().map(|kind| serving(&kind.name)).collect()
}

/// When sites are open, over the length. A site whose hours are not given is open always.
pub(super) fn sites(checks: &mut Checks, horizon: &Horizon, scenario: &Scenario) -> Vec<(String, Vec<(f64, f64)>)> {
    let worked_at: BTreeSet<&str> = scenario.group.iter().filter_map(|group| group.site.as_deref()).collect();
    let asked = std::iter::once(&scenario.policy).chain(scenario.seller.values()).flat_map(|part| &part.home_sites);
    for site in asked.flatten().chain(scenario.site.keys()) {
        checks.require(worked_at.contains(site.as_str()), format!("site.{site}"), "no [[group]] works there");
    }
    let mut sites = Vec::new();
    for (name, site) in &scenario.site {
        bounded(checks, horizon, format!("site.{name}"));
        let pieces = site.open.len() as f64 * f64::from(days(horizon));
        if pieces > STEPS_MAX {
            checks.refuse(format!("site.{name}"), format!("it opens more than {STEPS_MAX} times over all days"));
            continue;
        }
        let mut open: Vec<(f64, f64)> =
            site.open.iter().flat_map(|o| daily(horizon, (&o.from, &o.to), o.days.as_ref())).collect();
        open.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Stretches that touch are one.
        open.dedup_by(|next, last| {
            let touch = next.0 <= last.1;
            if touch {
                last.1 = last.1.max(next.1);
            }
            touch
        });
        sites.push((name.clone(), open));
    }
    sites
}

/// The most days over which hours and staff may change from day to day.
const PLANNED_DAYS_MAX: f64 = 4_000.0;

fn days(horizon: &Horizon) -> u32 {
    (horizon.length / horizon.day).ceil().clamp(1.0, PLANNED_DAYS_MAX) as u32
}

/// Refuses what is written by the day where there are more days than that: nobody would be there on the last ones.
fn bounded(checks: &mut Checks, horizon: &Horizon, place: String) {
    checks.require(
        (horizon.length / horizon.day).ceil() <= PLANNED_DAYS_MAX,
        place,
        format!(
            "is written by the day, and there are more than {PLANNED_DAYS_MAX} days (horizon.length / horizon.day)"
        ),
    );
}

/// A stretch of the day on every day, or on some.
fn daily(horizon: &Horizon, (from, to): (&Moment, &Moment), only: Option<&Vec<u32>>) -> Vec<(f64, f64)> {
    let (from, to) = (from.after_start(horizon.midnight_to_start), to.end_after_start(horizon.midnight_to_start));
    // Over the start's time of day: it ends on the next day.
    let to = if to <= from { to + horizon.day } else { to };
    let days = (0..days(horizon)).filter(|day| only.is_none_or(|only| only.contains(day)));
    days.map(|day| f64::from(day) * horizon.day).map(|start| (start + from, start + to)).collect()
}

/// How many are wanted from which moment on, over the length.
pub(super) fn staffing(checks: &mut Checks, horizon: &Horizon, written: &Group) -> Vec<(f64, u32)> {
    let place = |key: &str| format!("group \"{}\"{key}", written.name);
    let ways = [written.agents.is_some(), written.counts.is_some(), written.shifts.is_some()];
    checks.require(
        ways.iter().filter(|way| **way).count() == 1,
        place(""),
        "there must be exactly one of agents, counts and shifts",
    );
    checks.require(
        written.every.is_some() == written.counts.is_some(),
        place(".every"),
        "stands beside counts, and only there: how long each count holds",
    );
    if written.agents.is_none() {
        bounded(checks, horizon, place(""));
    }
    let days = days(horizon);
    let mut steps: Vec<(f64, i64)> = Vec::new();
    let pieces = written.counts.as_ref().map_or(0, Vec::len) + written.shifts.as_ref().map_or(0, Vec::len);
    if f64::from(days) * pieces as f64 > STEPS_MAX {
        checks.refuse(place(""), format!("there are more than {STEPS_MAX} counts or shifts over all days"));
        return Vec::new();
    }
    if let Some(counts) = &written.counts {
        let every = written.every.map_or(horizon.day, |span| span.0);
        checks.require(every > 0.0, place(".every"), "must be more than 0");
        checks.require(!counts.is_empty(), place(".counts"), "must not be empty");
        checks.require(
            every * counts.len() as f64 <= horizon.day + 1e-6,
            place(".counts"),
            "are more than a day's (horizon.day)",
        );
        for day in 0..days {
            for (i, count) in counts.iter().enumerate() {
                let from = f64::from(day) * horizon.day + i as f64 * every;
                steps.push((from, i64::from(*count)));
                steps.push((from + every, -i64::from(*count)));
            }
        }
    } else if let Some(shifts) = &written.shifts {
        for shift in shifts {
            for (from, to) in daily(horizon, (&shift.from, &shift.to), shift.days.as_ref()) {
                steps.push((from, i64::from(shift.agents)));
                steps.push((to, -i64::from(shift.agents)));
            }
        }
    } else {
        steps.push((0.0, i64::from(written.agents.unwrap_or(0))));
    }
    for (at, _) in &mut steps {
        *at = (*at * 1e6).round() / 1e6;
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut staffing: Vec<(f64, u32)> = Vec::new();
    let mut count = 0_i64;
    for (at, change) in steps {
        count += change;
        let wanted = u32::try_from(count).unwrap_or(0);
        match staffing.last_mut() {
            Some(last) if last.0 == at => last.1 = wanted,
            _ => staffing.push((at, wanted)),
        }
    }
    // What changes at the end of the length or later is not seen: who is there then is served by who is there.
    staffing.retain(|(at, _)| *at < horizon.length);
    staffing.dedup_by_key(|(_, count)| *count);
    staffing
}
