//! A scenario checked and made ready to run: names become numbers, written
//! distributions become ones to draw from.

mod checks;
mod contacts;
mod teams;

use std::collections::{BTreeMap, BTreeSet};

use engine::needs::{Channel, Channels, Language, Level, Priority, SKILLS_MAX};
use engine::policy::Policy;

use crate::chance::Sampler;
use crate::scenario::{self, End, Scenario, ServiceLevel};
use crate::units::Moment;

use checks::Checks;
pub use checks::Wrong;
use contacts::{contact_type, sellers, serving};
use teams::{implied, sites, team};

/// Most kinds of contact, groups, agents, and figures that are kept.
const TYPES_MAX: usize = 500;
const GROUPS_MAX: usize = 2_000;
const AGENTS_MAX: u32 = 20_000;
const REPLICATIONS_MAX: u32 = 100_000;
const CELLS_MAX: u64 = 2_000_000;
const WAITS_MAX: u64 = 200_000;
/// Contacts of one replication, about, and of the whole.
const CONTACTS_MAX: f64 = 2e9;

/// A scenario that can be run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    pub seed: u64,
    pub replications: u32,
    pub confidence: f64,
    pub service_level: ServiceLevel,
    pub waiting_places: u32,
    pub lines: u32,
    pub day_factor: Option<Sampler>,
    pub day_factors: Vec<f64>,
    pub horizon: Horizon,
    pub windows: Vec<Window>,
    pub sellers: Vec<(String, Policy)>,
    /// By site, when it is open.
    pub sites: Vec<(String, Vec<(f64, f64)>)>,
    pub types: Vec<Type>,
    pub groups: Vec<Team>,
}

/// Times in seconds from the start.
#[derive(Debug, Clone)]
pub struct Horizon {
    pub length: f64,
    pub midnight_to_start: f64,
    pub day: f64,
    pub warm_up: f64,
    pub batches: u32,
    pub interval: Option<f64>,
    pub intervals: u32,
    /// Intervals begin anew after so many seconds, and are summed.
    pub fold: f64,
    pub end: End,
}

/// A stretch of time looked at by itself.
#[derive(Debug, Clone)]
pub struct Window {
    pub name: String,
    pub from: f64,
    pub to: f64,
}

/// A kind of contact.
#[derive(Debug, Clone)]
pub struct Type {
    pub name: String,
    pub seller: usize,
    pub language: Language,
    pub channel: Channel,
    pub priority: Priority,
    pub minimum_level: Level,
    pub required: BTreeSet<String>,
    pub preferred: BTreeSet<String>,
    pub arrivals: Arrivals,
    pub handling: Sampler,
    pub patience: Option<Sampler>,
    pub balk: f64,
    pub waiting_places: u32,
    pub retry: Option<Retry>,
    pub answer_within: f64,
    pub promise: f64,
}

/// How contacts come.
#[derive(Debug, Clone)]
pub struct Arrivals {
    pub kind: Coming,
    pub from: f64,
    pub until: f64,
    pub surges: Vec<(f64, f64, f64)>,
    pub batch: Option<Sampler>,
    pub day_factor: Option<Sampler>,
    pub day_factors: Vec<f64>,
}

/// The process of arrivals.
#[derive(Debug, Clone)]
pub enum Coming {
    /// Poisson, at this rate a second.
    Rate(f64),
    /// Poisson, at these rates, each for so many seconds, from the start of each day.
    Rates(Vec<f64>, f64),
    /// With these times between them.
    Gaps(Sampler),
    /// At these moments.
    At(Vec<f64>),
}

/// Who comes again.
#[derive(Debug, Clone)]
pub struct Retry {
    pub probability: f64,
    pub after: Sampler,
    pub blocked: bool,
    pub balked: bool,
    pub abandoned: bool,
    pub most: u32,
}

/// Agents who are alike.
#[derive(Debug, Clone)]
pub struct Team {
    pub name: String,
    /// How many are wanted from which moment on.
    pub staffing: Vec<(f64, u32)>,
    pub site: String,
    pub most: u32,
    pub sellers: BTreeSet<usize>,
    pub languages: BTreeMap<Language, Level>,
    pub skills: BTreeSet<String>,
    pub channels: Channels,
    pub capacity: u32,
    pub speed: f64,
    pub handling: BTreeMap<usize, Sampler>,
    pub accept_after: Option<Sampler>,
}

/// Reads and checks a scenario.
pub fn read(text: &str) -> Result<Plan, Wrong> {
    let scenario: Scenario =
        toml::from_str(text).map_err(|error| Wrong(vec![(String::new(), error.to_string().trim_end().to_owned())]))?;
    make(&scenario)
}

/// Checks a scenario.
pub fn make(scenario: &Scenario) -> Result<Plan, Wrong> {
    let mut checks = Checks::default();
    let horizon = horizon(&mut checks, &scenario.horizon);
    checks.require(!scenario.contact.is_empty(), "contact", "there must be a [[contact]]");
    checks.require(scenario.contact.len() <= TYPES_MAX, "contact", format!("there may be at most {TYPES_MAX}"));
    checks.require(!scenario.group.is_empty(), "group", "there must be a [[group]]");
    checks.require(scenario.group.len() <= GROUPS_MAX, "group", format!("there may be at most {GROUPS_MAX}"));
    checks.require(
        scenario.confidence > 0.5 && scenario.confidence < 1.0,
        "confidence",
        "must be above 0.5 and below 1",
    );
    checks.require(
        (1..=REPLICATIONS_MAX).contains(&scenario.replications),
        "replications",
        format!("must be between 1 and {REPLICATIONS_MAX}"),
    );
    checks.finish()?;
    let mut checks = Checks::default();

    let names = names(&mut checks, "contact", scenario.contact.iter().map(|c| c.name.as_str()));
    self::names(&mut checks, "group", scenario.group.iter().map(|g| g.name.as_str()));
    let sellers = sellers(&mut checks, scenario);
    let numbers: BTreeMap<&str, usize> = sellers.iter().enumerate().map(|(i, (name, ..))| (name.as_str(), i)).collect();
    let mut types: Vec<Type> = Vec::new();
    for (i, contact) in scenario.contact.iter().enumerate() {
        let seller = numbers[contact.seller.as_deref().unwrap_or(&contact.name)];
        types.push(contact_type(&mut checks, scenario, &horizon, contact, i, (seller, &sellers[seller])));
    }
    let mut groups = Vec::new();
    for group in &scenario.group {
        groups.push(team(&mut checks, &horizon, group, &names, &numbers, &types));
    }
    // A type that groups name must be served by exactly those who name it.
    for (i, kind) in types.iter_mut().enumerate() {
        if scenario.group.iter().any(|g| g.serves.is_some()) {
            kind.required.insert(serving(&scenario.contact[i].name));
        }
        checks.require(
            kind.required.len() + kind.preferred.len() <= SKILLS_MAX,
            format!("contact \"{}\".skills", kind.name),
            format!("there may be fewer than {SKILLS_MAX}"),
        );
    }
    for team in &mut groups {
        team.skills.extend(implied(scenario, team, &types));
    }
    let sites = sites(&mut checks, &horizon, scenario);
    let windows = scenario.window.iter().map(|w| window(&mut checks, &horizon, w)).collect();
    let plan = Plan {
        name: scenario.name.clone(),
        seed: scenario.seed,
        replications: scenario.replications,
        confidence: scenario.confidence,
        service_level: scenario.service_level,
        waiting_places: scenario.waiting_places.unwrap_or(u32::MAX),
        lines: scenario.lines.unwrap_or(u32::MAX),
        day_factor: scenario.day_factor.as_ref().map(|d| checks.ending("day_factor".to_owned(), d)),
        day_factors: scenario.day_factors.clone(),
        horizon,
        windows,
        sites,
        sellers: sellers.into_iter().map(|(name, policy, _)| (name, policy)).collect(),
        types,
        groups,
    };
    checks.factors("day_factors".to_owned(), &plan.day_factors);
    checks.require(
        plan.groups.iter().map(|g| u64::from(g.most)).sum::<u64>() <= u64::from(AGENTS_MAX),
        "group",
        format!("there may be at most {AGENTS_MAX} agents in all"),
    );
    plan.check_size(&mut checks);
    checks.finish().map(|()| plan)
}

impl Plan {
    /// The same with other replications and another seed.
    pub fn with(mut self, replications: Option<u32>, seed: Option<u64>) -> Result<Plan, Wrong> {
        self.replications = replications.unwrap_or(self.replications);
        self.seed = seed.unwrap_or(self.seed);
        let mut checks = Checks::default();
        checks.require(
            (1..=REPLICATIONS_MAX).contains(&self.replications),
            "replications",
            format!("must be between 1 and {REPLICATIONS_MAX}"),
        );
        self.check_size(&mut checks);
        checks.finish().map(|()| self)
    }

    /// About how many contacts one replication has.
    #[must_use]
    pub fn contacts_expected(&self) -> f64 {
        let length = self.horizon.length;
        self.types
            .iter()
            .map(|kind| match &kind.arrivals.kind {
                Coming::Rate(rate) => rate * length,
                Coming::Rates(rates, every) => {
                    rates.iter().sum::<f64>() * every * (length / self.horizon.day).ceil().max(1.0)
                }
                Coming::Gaps(_) => 0.0,
                Coming::At(moments) => moments.len() as f64,
            })
            .sum()
    }

    /// How many sets of sums are kept, and how many distributions of waits.
    #[must_use]
    pub fn kept(&self) -> (u64, u64) {
        let horizon = &self.horizon;
        let cells = 1 + u64::from(horizon.intervals) + self.windows.len() as u64;
        let observations = u64::from(self.replications) * u64::from(horizon.batches);
        let sets = observations * cells * (self.types.len() + self.groups.len()) as u64;
        (sets, observations * self.types.len() as u64)
    }

    fn check_size(&self, checks: &mut Checks) {
        let (kept, waits) = self.kept();
        checks.require(
            waits <= WAITS_MAX,
            "replications",
            format!("replications × batches × types is {waits}, and may be at most {WAITS_MAX}"),
        );
        checks.require(
            kept <= CELLS_MAX,
            "replications",
            format!("replications × batches × intervals × (types + groups) is {kept}, and may be at most {CELLS_MAX}"),
        );
        checks.require(
            self.contacts_expected() * f64::from(self.replications) <= CONTACTS_MAX,
            "horizon.length",
            "more than two billion contacts would come",
        );
    }
}

fn names<'a>(checks: &mut Checks, what: &str, names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut seen = BTreeMap::new();
    for (i, name) in names.enumerate() {
        checks.require(!name.is_empty(), format!("{what} {}", i + 1), "must have a name");
        if seen.insert(name, i).is_some() {
            checks.refuse(format!("{what} \"{name}\""), "there are two of this name");
        }
    }
    seen
}

/// The most days of a length: each may have factors of its own.
const DAYS_MAX: f64 = 200_000.0;

fn horizon(checks: &mut Checks, written: &scenario::Horizon) -> Horizon {
    let midnight_to_start = match written.start {
        Moment::Clock(seconds) | Moment::After(seconds) => seconds,
    };
    let (length, warm_up) = (written.length.0, written.warm_up.0);
    checks.require(length > 0.0 && length <= 1e10, "horizon.length", "must be more than 0, and at most 300 years");
    checks.require(warm_up < length, "horizon.warm_up", "must be below horizon.length");
    checks.require((1..=100_000).contains(&written.batches), "horizon.batches", "must be between 1 and 100000");
    checks.require(
        written.day.0 > 0.0 && length / written.day.0 <= DAYS_MAX,
        "horizon.day",
        format!("must be more than 0, and at least a {DAYS_MAX}th of horizon.length"),
    );
    let mut intervals = 0;
    if let Some(interval) = written.interval {
        let whole = written.fold.map_or(length, |fold| fold.0.min(length));
        let wanted = (whole / interval.0 - 1e-9).ceil();
        if interval.0 > 0.0 && wanted <= 10_000.0 {
            intervals = wanted as u32;
        } else {
            checks.refuse("horizon.interval", "must divide the length into 10000 intervals at most");
        }
        checks.require(
            written.batches <= 1,
            "horizon.interval",
            "a run in batches has no intervals: use replications instead",
        );
    }
    let even = |fold: f64| written.interval.is_some_and(|i| ((fold / i.0).round() - fold / i.0).abs() < 1e-9);
    checks.require(
        written.fold.is_none_or(|fold| fold.0 > 0.0 && even(fold.0)),
        "horizon.fold",
        "must be a multiple of horizon.interval",
    );
    let steady = warm_up > 0.0 || written.batches > 1;
    Horizon {
        length,
        midnight_to_start,
        day: written.day.0,
        warm_up,
        batches: written.batches,
        interval: written.interval.map(|span| span.0),
        intervals,
        fold: written.fold.map_or(f64::INFINITY, |span| span.0),
        end: written.end.unwrap_or(if steady { End::Flow } else { End::Drain }),
    }
}

fn window(checks: &mut Checks, horizon: &Horizon, written: &scenario::Window) -> Window {
    let from = written.from.after_start(horizon.midnight_to_start);
    let to = written.to.end_after_start(horizon.midnight_to_start);
    let place = format!("window \"{}\"", written.name);
    checks.require(from < to, place.as_str(), "must end after it begins");
    checks.require(
        from < horizon.length && horizon.warm_up < to,
        place.as_str(),
        "lies outside of what is looked at, from horizon.warm_up to horizon.length",
    );
    checks.require(horizon.batches <= 1, place, "a run in batches has no windows");
    Window { name: written.name.clone(), from, to }
}
