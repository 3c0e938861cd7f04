//! A contact center made up for measurements: people at three sites, sellers in six languages, and
//! four weeks of demand over the end of summer time. The same seed makes the same one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::ids::Uuid;
use kit::{SellerId, UserId};

use super::activity::{Activity, Kind};
use super::agent::{Absence, Agent, Contract, Level, Skills};
use super::breaks::{BreakPlan, PlannedBreak};
use super::civil::{self, Window};
use super::model::{Grid, Need};
use super::random::Random;
use super::record::ActivityId;
use super::rules;

const HOUR: i64 = 3_600;
/// Length of an interval.
pub const STEP: i64 = 1_800;
/// Number of days.
pub const DAYS: usize = 28;

/// What there is to plan.
#[derive(Debug, Clone)]
pub struct Sample {
    /// A Monday.
    pub first: Date,
    /// What is needed.
    pub needs: Vec<Need>,
    /// Who can come.
    pub agents: Vec<Agent>,
}

struct Site {
    zone: &'static str,
    rules: &'static str,
    share: usize,
    /// Languages with the share, in percent, of people who have it as their first.
    languages: &'static [(&'static str, usize)],
}

const SITES: [Site; 3] = [
    Site {
        zone: "Europe/Lisbon",
        rules: "eu-wtd",
        share: 40,
        languages: &[("pt", 30), ("fr", 25), ("es", 15), ("en", 20), ("it", 10)],
    },
    Site {
        zone: "Europe/Berlin",
        rules: "de-arbzg",
        share: 35,
        languages: &[("de", 60), ("en", 15), ("it", 15), ("fr", 10)],
    },
    Site { zone: "America/Bogota", rules: "eu-wtd", share: 25, languages: &[("es", 50), ("en", 50)] },
];

/// Languages with the zone whose clock their customers live by.
const MARKETS: [(&str, &str); 6] = [
    ("en", "Europe/London"),
    ("de", "Europe/Berlin"),
    ("fr", "Europe/Paris"),
    ("it", "Europe/Rome"),
    ("es", "Europe/Madrid"),
    ("pt", "Europe/Lisbon"),
];

/// Contacts by hour of the customers' day, as shares of the busiest.
const DAY: [f64; 24] = [
    0.06, 0.03, 0.02, 0.02, 0.02, 0.04, 0.10, 0.28, 0.62, 0.90, 1.00, 0.95, 0.82, 0.78, 0.84, 0.88, 0.86, 0.82, 0.80,
    0.78, 0.70, 0.50, 0.28, 0.14,
];
/// By weekday, Monday first.
const WEEK: [f64; 7] = [1.15, 1.05, 1.0, 0.98, 0.95, 0.62, 0.55];

/// So many people; what is required is about `load` percent of what their contracts give.
pub fn sample(people: usize, load: u32, seed: u64) -> Sample {
    let mut random = Random::new(seed);
    let first = civil::day("2026-10-12").unwrap_or(Date::MIN);
    let sellers = sellers(people, &mut random);
    let agents: Vec<Agent> = (0..people).map(|number| agent(number, people, &sellers, &mut random)).collect();
    let needs = needs(first, &sellers, &agents, load, &mut random);
    Sample { first, needs, agents }
}

/// A seller with its languages.
type Seller = (SellerId, Vec<usize>);

fn sellers(people: usize, random: &mut Random) -> Vec<Seller> {
    let count = if people < 500 { 5 } else { 12 };
    let mut sellers = Vec::new();
    for number in 0..count {
        let mut languages = vec![number % MARKETS.len()];
        for language in 0..MARKETS.len() {
            if !languages.contains(&language) && random.chance(if language == 0 { 70 } else { 38 }) {
                languages.push(language);
            }
        }
        sellers.push((SellerId(Uuid::from_u128(1_000 + number as u128)), languages));
    }
    sellers
}

/// A day's breaks as contact centers plan them: a quarter of an hour, paid, on either side of lunch, which long shifts
/// that hold the middle of the day have in it.
pub fn breaks() -> BreakPlan {
    let quarter = PlannedBreak { length: 900, paid: true, work_above: 5 * HOUR, window: None, earliest: 0, latest: 0 };
    let lunch =
        PlannedBreak { length: 1_800, paid: false, work_above: 6 * HOUR, window: Some((690, 870)), ..quarter.clone() };
    BreakPlan { breaks: vec![quarter.clone(), lunch, quarter], before: HOUR, between: HOUR, after: HOUR / 2 }
}

/// What they attend: a training of two hours in the second or third week, each when it suits, and every week an hour with
/// those of their site and first language, some time from Tuesday to Thursday.
pub fn activities(agents: &[Agent], first: Date) -> Vec<Activity> {
    let mut teams: BTreeMap<(&str, &str), BTreeSet<UserId>> = BTreeMap::new();
    for agent in agents {
        let language = agent.skills.languages.first().map_or("", |(language, _)| language);
        teams.entry((&agent.zone_name, language)).or_default().insert(agent.user);
    }
    let mut number = 0;
    let mut activity = |kind, length, window, users| {
        number += 1;
        Activity {
            id: ActivityId(Uuid::from_u128(number)),
            kind,
            title: "".into(),
            charged: None,
            length,
            window,
            together: kind == Kind::Meeting,
            minimum: 0,
            users,
        }
    };
    let at = |day: i64, hour: i64, zone: &TimeZone| {
        civil::midnight(civil::later(first, day), zone).as_second() + hour * HOUR
    };
    let all = agents.iter().map(|agent| agent.user).collect();
    let utc = TimeZone::UTC;
    let mut found = vec![activity(Kind::Training, 2 * HOUR, (at(7, 0, &utc), at(21, 0, &utc)), all)];
    for ((zone, _), team) in teams {
        let zone = civil::zone(zone).unwrap_or(TimeZone::UTC);
        for week in 0..DAYS as i64 / 7 {
            let window = (at(7 * week + 1, 8, &zone), at(7 * week + 3, 18, &zone));
            found.push(activity(Kind::Meeting, HOUR, window, team.clone()));
        }
    }
    found
}

fn agent(number: usize, people: usize, sellers: &[Seller], random: &mut Random) -> Agent {
    let place = number * 100 / people.max(1);
    let site = if place < SITES[0].share { 0 } else { 1 + usize::from(SITES[0].share + SITES[1].share <= place) };
    let site = &SITES[site];
    let full = random.chance(72);
    let contract = if full {
        Contract {
            min_week: 38 * HOUR,
            max_week: 40 * HOUR,
            min_shift: 7 * HOUR,
            max_shift: 8 * HOUR,
            max_days_in_row: 6,
        }
    } else {
        let week = [20, 24, 30][random.below(3)];
        Contract {
            min_week: week * HOUR,
            max_week: (week + 4) * HOUR,
            min_shift: 4 * HOUR,
            max_shift: 6 * HOUR,
            max_days_in_row: 5,
        }
    };
    Agent {
        user: UserId(Uuid::from_u128(1 + number as u128)),
        zone_name: site.zone.to_owned(),
        zone: civil::zone(site.zone).unwrap_or(TimeZone::UTC),
        rules: rules::find(site.rules, 0).unwrap_or(&rules::RULE_SETS[0]),
        contract,
        break_plan: BreakPlan::default(),
        availability: availability(full, random),
        starts_on: civil::day("2025-01-01").unwrap_or(Date::MIN),
        ends_on: None,
        absences: absences(contract.min_week / 5, random),
        skills: skills(site, sellers, random),
        published: Vec::new(),
        holidays: Vec::new(),
        sundays: Vec::new(),
    }
}

/// When somebody can work: everybody has a night's sleep, some have school or children.
fn availability(full: bool, random: &mut Random) -> Vec<Window> {
    let kind = random.below(100);
    // Half hours of the day.
    let (start, end, days) = match (full, kind) {
        (_, 0..18) => (12, 33, 7),
        (_, 18..40) => (15, 36, 7),
        (_, 40..58) => (18, 39, 6),
        (true, 58..72) => (23, 44, 7),
        (false, 58..72) => (30, 46, 7),
        (_, 72..80) => (27, 48, 7),
        (_, 80..97) => (12, 46, 7),
        _ => return Vec::new(),
    };
    (1..=days).map(|weekday| Window { weekday, start: start * 30, end: end * 30 }).collect()
}

fn absences(credit: i64, random: &mut Random) -> Vec<Absence> {
    let first = civil::day("2026-10-12").unwrap_or(Date::MIN);
    let mut absences = Vec::new();
    if random.chance(22) {
        let monday = civil::later(first, 7 * random.below(4) as i64);
        absences.push(Absence { first: monday, last: civil::later(monday, 4), credit, hours: None });
    }
    if random.chance(25) {
        let day = civil::later(first, random.below(DAYS) as i64);
        absences.push(Absence { first: day, last: civil::later(day, random.below(2) as i64), credit, hours: None });
    }
    absences
}

/// A first language, often English or a neighbour's beside it, and a team's two to four sellers.
fn skills(site: &Site, sellers: &[Seller], random: &mut Random) -> Skills {
    let mut at = random.below(100);
    let mut own = site.languages[0].0;
    for (language, share) in site.languages {
        if at < *share {
            own = language;
            break;
        }
        at -= share;
    }
    let mut spoken = vec![own];
    if own != "en" && random.chance(55) {
        spoken.push("en");
    }
    if random.chance(20) {
        let other = site.languages[random.below(site.languages.len())].0;
        if !spoken.contains(&other) {
            spoken.push(other);
        }
    }
    let serves = |(_, languages): &&Seller| languages.iter().any(|language| MARKETS[*language].0 == own);
    let known: Vec<SellerId> = sellers.iter().filter(serves).map(|(id, _)| *id).collect();
    // Teams are neighbours in the list of sellers.
    let (from, count) = (random.below(known.len().max(1)), 2 + random.below(3));
    let mut mine: Vec<SellerId> =
        (0..count.min(known.len())).map(|offset| known[(from + offset) % known.len()]).collect();
    mine.sort();
    let expires = civil::midnight(civil::day("2026-10-28").unwrap_or(Date::MIN), &TimeZone::UTC);
    let mut certifications: Vec<_> = mine.iter().map(|seller| (*seller, None)).collect();
    if random.chance(4) && 1 < certifications.len() {
        certifications[0].1 = Some(expires);
    }
    Skills {
        languages: spoken.into_iter().map(|language| (language.to_owned(), Level::C1)).collect(),
        certifications,
        sellers: mine,
    }
}

/// Every agent's owed hours are spread over what she can serve; so much of it, give or take, is
/// needed, at the hours at which customers write and call.
fn needs(first: Date, sellers: &[Seller], agents: &[Agent], load: u32, random: &mut Random) -> Vec<Need> {
    let grid = Grid::around(first, DAYS as i64, STEP);
    let until = civil::midnight(first, &TimeZone::UTC);
    let mondays = || (0..DAYS as i64).step_by(7).map(|day| civil::later(first, day));
    let hours = |agent: &Agent| mondays().map(|monday| agent.owed_in_week(monday)).sum::<i64>() as f64 / 3_600.0;
    let all = || sellers.iter().flat_map(|(seller, list)| list.iter().map(move |one| (*seller, *one)));
    let serves = |agent: &Agent, (seller, language): (SellerId, usize)| {
        agent.skills.serves(seller, true, MARKETS[language].0, until)
    };
    // Hours of each need, and its shape.
    let mut wanted: Vec<(SellerId, usize, f64, Vec<f64>)> = Vec::new();
    for of in all() {
        let share = |agent: &Agent| hours(agent) / all().filter(|other| serves(agent, *other)).count().max(1) as f64;
        let able: f64 = agents.iter().filter(|agent| serves(agent, of)).map(share).sum();
        if 1.0 <= able {
            let zone = civil::zone(MARKETS[of.1].1).unwrap_or(TimeZone::UTC);
            wanted.push((of.0, of.1, able * (0.82 + 0.4 * random.share()), shape(first, &grid, &zone, random)));
        }
    }
    let aim = agents.iter().map(hours).sum::<f64>() * f64::from(load) / 100.0;
    let mut scale = 1.0;
    let mut needs = Vec::new();
    // Whole people: what rounding takes is given back by the scale.
    for _ in 0..6 {
        needs = wanted.iter().map(|one| need(one, scale)).collect();
        let sum: u64 = needs.iter().flat_map(|need| &need.people).map(|people| u64::from(*people)).sum();
        scale *= aim / (sum as f64 / 100.0 * STEP as f64 / 3_600.0).max(1.0);
    }
    needs
}

fn need((seller, language, hours, shape): &(SellerId, usize, f64, Vec<f64>), scale: f64) -> Need {
    let scale = scale * hours / (shape.iter().sum::<f64>() * STEP as f64 / 3_600.0);
    Need {
        seller: *seller,
        language: MARKETS[*language].0.to_owned(),
        certification_required: true,
        people: shape.iter().map(|share| (share * scale).round() as u32 * 100).collect(),
    }
}

fn shape(first: Date, grid: &Grid, zone: &TimeZone, random: &mut Random) -> Vec<f64> {
    let last = civil::later(first, DAYS as i64 - 1);
    let campaign = random.below(DAYS) as i64;
    let at = |interval: usize| {
        let second = grid.start + interval as i64 * grid.step;
        let local = zone.to_datetime(jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX));
        let (hour, half) = (local.hour() as usize, f64::from(local.minute()) / 60.0);
        let share = DAY[hour] * (1.0 - half) + DAY[(hour + 1) % 24] * half;
        let day = local.date();
        let since = first.until(day).map_or(0, |span| i64::from(span.get_days()));
        let peak = if (0..3).contains(&(since - campaign)) { 1.3 } else { 1.0 };
        let open = first <= day && day <= last;
        let weekday = day.weekday().to_monday_zero_offset() as usize;
        if open { share * WEEK[weekday] * peak } else { 0.0 }
    };
    (0..grid.count).map(at).collect()
}
