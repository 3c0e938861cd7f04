//! A scenario checked and made ready to run: names become numbers, written
//! distributions become ones to draw from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use engine::needs::{Channel, Channels, FULL_UNITS, Language, Level, Priority, SKILLS_MAX};
use engine::policy::{AgentOrder, Policy};

use crate::chance::{Dist, Sampler};
use crate::scenario::{self, ContactType, End, Group, PolicyPart, Scenario, ServiceLevel, Turned};
use crate::units::Moment;

/// A promise that is never late: contacts go in the order in which they come.
const NO_PROMISE: f64 = 30.0 * 86_400.0;
/// A wait that nobody reaches.
const NO_MAXIMUM: f64 = 3_650.0 * 86_400.0;

/// Most kinds of contact, groups, agents, and figures that are kept.
const TYPES_MAX: usize = 500;
const GROUPS_MAX: usize = 2_000;
const AGENTS_MAX: u32 = 20_000;
const REPLICATIONS_MAX: u32 = 100_000;
const CELLS_MAX: u64 = 2_000_000;
const WAITS_MAX: u64 = 200_000;
/// Most changes of one group's staff.
const STEPS_MAX: f64 = 500_000.0;
/// Contacts of one replication, about, and of the whole.
const CONTACTS_MAX: f64 = 2e9;

/// Everything that is wrong with a scenario, each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Wrong(pub Vec<(String, String)>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(place, problem)| if place.is_empty() { problem.clone() } else { format!("{place}: {problem}") })
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

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

/// Collects what is wrong.
#[derive(Default)]
struct Checks(Vec<(String, String)>);

impl Checks {
    fn refuse(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.0.push((place.into(), problem.into()));
    }

    fn require(&mut self, holds: bool, place: impl Into<String>, problem: impl Into<String>) {
        if !holds {
            self.refuse(place, problem);
        }
    }

    fn sampler(&mut self, place: String, dist: &Dist) -> Sampler {
        dist.sampler().unwrap_or_else(|problem| {
            self.refuse(place, problem);
            Sampler::Fixed(1.0)
        })
    }

    /// A distribution whose values must end.
    fn ending(&mut self, place: String, dist: &Dist) -> Sampler {
        self.require(!dist.may_never_end(), place.as_str(), "must have an end");
        self.sampler(place, dist)
    }

    fn word<T: std::str::FromStr>(&mut self, place: String, word: &str, otherwise: T, known: &str) -> T {
        word.parse().unwrap_or_else(|_| {
            self.refuse(place, format!("\"{word}\" is none of {known}"));
            otherwise
        })
    }

    fn probability(&mut self, place: String, n: f64) {
        self.require((0.0..=1.0).contains(&n), place, "must be between 0 and 1");
    }

    fn factors(&mut self, place: String, factors: &[f64]) {
        self.require(factors.iter().all(|f| f.is_finite() && *f >= 0.0), place, "factors must not be negative");
    }
}

fn channel_words() -> String {
    Channel::ALL.map(Channel::word).join(", ")
}

fn level_words() -> String {
    Level::ALL.map(Level::word).join(", ")
}

/// A language for a type that names none: of those that ISO 639 keeps free.
fn own_language(number: usize) -> Language {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let tag: String = ['q', letter(number / 26), letter(number)].into_iter().collect();
    Language::parse(&tag).unwrap_or_else(|_| Language::unknown())
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
    if !checks.0.is_empty() {
        return Err(Wrong(checks.0));
    }

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
    if checks.0.is_empty() { Ok(plan) } else { Err(Wrong(checks.0)) }
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
        if checks.0.is_empty() { Ok(self) } else { Err(Wrong(checks.0)) }
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

/// The skill of those who serve a type by its name.
fn serving(kind: &str) -> String {
    format!("serves {kind}")
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

fn horizon(checks: &mut Checks, written: &scenario::Horizon) -> Horizon {
    let midnight_to_start = match written.start {
        Moment::Clock(seconds) | Moment::After(seconds) => seconds,
    };
    let (length, warm_up) = (written.length.0, written.warm_up.0);
    checks.require(length > 0.0 && length <= 1e10, "horizon.length", "must be more than 0, and at most 300 years");
    checks.require(warm_up < length, "horizon.warm_up", "must be below horizon.length");
    checks.require((1..=100_000).contains(&written.batches), "horizon.batches", "must be between 1 and 100000");
    checks.require(written.day.0 > 0.0, "horizon.day", "must be more than 0");
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
    checks.require(horizon.batches <= 1, place, "a run in batches has no windows");
    Window { name: written.name.clone(), from, to }
}

/// Sellers with their policies and promises, in the order of their names.
fn sellers(checks: &mut Checks, scenario: &Scenario) -> Vec<(String, Policy, f64)> {
    let named: BTreeSet<&str> = scenario.contact.iter().map(|c| c.seller.as_deref().unwrap_or(&c.name)).collect();
    for name in scenario.seller.keys() {
        checks.require(named.contains(name.as_str()), format!("seller.{name}"), "no [[contact]] is of this seller");
    }
    let nothing = PolicyPart::default();
    named
        .into_iter()
        .map(|name| {
            let own = scenario.seller.get(name).unwrap_or(&nothing);
            let place = |key: &str| format!("seller.{name}.{key}");
            let all = &scenario.policy;
            let seconds = |span: Option<crate::units::Span>, otherwise: f64| span.map_or(otherwise, |s| s.0);
            let whole = |checks: &mut Checks, key: &str, n: f64| {
                checks.require(n.fract() == 0.0 && n <= 1e12, place(key), "must be whole seconds");
                n as i64
            };
            let level = own.minimum_level.as_ref().or(all.minimum_level.as_ref());
            let promise = seconds(own.promise.or(all.promise), NO_PROMISE);
            let policy = Policy {
                minimum_level: level
                    .map_or(Level::B2, |word| checks.word(place("minimum_level"), word, Level::B2, &level_words())),
                preferred_skills_seconds: whole(
                    checks,
                    "preferred_skills",
                    seconds(own.preferred_skills.or(all.preferred_skills), 120.0),
                ),
                maximum_wait_seconds: whole(
                    checks,
                    "maximum_wait",
                    seconds(own.maximum_wait.or(all.maximum_wait), NO_MAXIMUM),
                ),
                expire_seconds: whole(checks, "expire", seconds(own.expire.or(all.expire), 0.0)),
                floor: own.floor.or(all.floor).unwrap_or(0),
                ceiling: own.ceiling.or(all.ceiling).unwrap_or(0),
                idle_reserve: own.idle_reserve.or(all.idle_reserve).unwrap_or(0),
                late_share_percent: own.late_share_percent.or(all.late_share_percent).unwrap_or(20),
                agent_order: match own.agent_order.or(all.agent_order) {
                    Some(scenario::AgentOrder::LongestIdle) => AgentOrder::LongestIdle,
                    Some(scenario::AgentOrder::LeastFlexible) | None => AgentOrder::LeastFlexible,
                },
                primary_first: own.primary_first.or(all.primary_first).unwrap_or(false),
                ..Policy::default()
            };
            // The product's bounds hold, but for times that a scenario leaves open.
            let judged = Policy {
                maximum_wait_seconds: policy.maximum_wait_seconds.clamp(60, 2_592_000),
                expire_seconds: 0,
                ..policy.clone()
            };
            for wrong in judged.check() {
                checks.refuse(place(wrong.field), wrong.problem);
            }
            (name.to_owned(), policy, promise)
        })
        .collect()
}

fn contact_type(
    checks: &mut Checks,
    scenario: &Scenario,
    horizon: &Horizon,
    written: &ContactType,
    number: usize,
    (seller, (_, policy, promise)): (usize, &(String, Policy, f64)),
) -> Type {
    let place = |key: &str| format!("contact \"{}\".{key}", written.name);
    let language = match &written.language {
        None => own_language(number),
        Some(tag) => Language::parse(tag).unwrap_or_else(|_| {
            checks.refuse(place("language"), format!("\"{tag}\" is no language tag"));
            Language::unknown()
        }),
    };
    checks.probability(place("balk"), written.balk);
    let retry = written.retry.as_ref().map(|retry| {
        checks.probability(place("retry.probability"), retry.probability);
        Retry {
            probability: retry.probability,
            after: checks.ending(place("retry.after"), &retry.after),
            blocked: retry.when.contains(&Turned::Blocked),
            balked: retry.when.contains(&Turned::Balked),
            abandoned: retry.when.contains(&Turned::Abandoned),
            most: retry.most,
        }
    });
    Type {
        name: written.name.clone(),
        seller,
        language,
        channel: checks.word(place("channel"), &written.channel, Channel::Phone, &channel_words()),
        priority: checks.word(place("priority"), &written.priority, Priority::Normal, "urgent, high, normal, low"),
        // A language of the type's own is spoken by those who serve it, however well.
        minimum_level: if written.language.is_some() { policy.minimum_level } else { Level::A1 },
        required: written.skills.iter().cloned().collect(),
        preferred: written.preferred_skills.iter().cloned().collect(),
        arrivals: arrivals(checks, horizon, written),
        handling: checks.ending(place("handling"), &written.handling),
        patience: written.patience.as_ref().map(|dist| checks.sampler(place("patience"), dist)),
        balk: written.balk,
        waiting_places: written.waiting_places.unwrap_or(u32::MAX),
        retry,
        answer_within: written.answer_within.unwrap_or(scenario.answer_within).0,
        promise: written.promise.map_or(*promise, |span| span.0),
    }
}

fn arrivals(checks: &mut Checks, horizon: &Horizon, contact: &ContactType) -> Arrivals {
    let place = |key: &str| format!("contact \"{}\".arrivals{key}", contact.name);
    let written = &contact.arrivals;
    let start = horizon.midnight_to_start;
    let ways = [written.rate.is_some(), written.rates.is_some(), written.gaps.is_some(), written.at.is_some()];
    checks.require(
        ways.iter().filter(|way| **way).count() == 1,
        place(""),
        "there must be exactly one of rate, rates, gaps and at",
    );
    checks.require(
        written.every.is_some() == written.rates.is_some(),
        place(".every"),
        "stands beside rates, and only there: how long each rate holds",
    );
    let kind = if let Some(rates) = &written.rates {
        let every = written.every.map_or(horizon.day, |span| span.0);
        checks.require(every > 0.0, place(".every"), "must be more than 0");
        checks.require(!rates.is_empty(), place(".rates"), "must not be empty");
        checks.require(
            every * rates.len() as f64 <= horizon.day + 1e-6,
            place(".rates"),
            "are more than a day's (horizon.day)",
        );
        Coming::Rates(rates.iter().map(|rate| rate.0).collect(), every)
    } else if let Some(gaps) = &written.gaps {
        let unfit = written.day_factor.is_some() || !written.day_factors.is_empty() || !written.surges.is_empty();
        checks.require(!unfit, place(".gaps"), "cannot be changed by surges and factors of the day");
        let zero = matches!(gaps, Dist::Deterministic(span) if span.0 <= 0.0);
        checks.require(!zero, place(".gaps"), "must be more than 0");
        Coming::Gaps(checks.sampler(place(".gaps"), gaps))
    } else if let Some(moments) = &written.at {
        let mut moments: Vec<f64> = moments.iter().map(|moment| moment.after_start(start)).collect();
        moments.sort_by(f64::total_cmp);
        Coming::At(moments)
    } else {
        Coming::Rate(written.rate.map_or(0.0, |rate| rate.0))
    };
    let surges = written.surges.iter().map(|surge| {
        checks.require(surge.factor.is_finite() && surge.factor >= 0.0, place(".surges"), "must not be negative");
        (surge.from.after_start(start), surge.to.end_after_start(start), surge.factor)
    });
    let surges = surges.collect();
    checks.factors(place(".day_factors"), &written.day_factors);
    Arrivals {
        kind,
        from: written.from.map_or(0.0, |moment| moment.after_start(start)),
        until: written.until.map_or(f64::INFINITY, |moment| moment.end_after_start(start)),
        surges,
        batch: written.batch.as_ref().map(|dist| checks.ending(place(".batch"), dist)),
        day_factor: written.day_factor.as_ref().map(|dist| checks.ending(place(".day_factor"), dist)),
        day_factors: written.day_factors.clone(),
    }
}

fn team(
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
fn implied(scenario: &Scenario, team: &Team, types: &[Type]) -> Vec<String> {
    let by_needs = scenario.group.iter().any(|g| g.name == team.name && g.serves.is_none());
    if !by_needs {
        return Vec::new();
    }
    types.iter().map(|kind| serving(&kind.name)).collect()
}

/// How many are wanted from which moment on, over the length.
fn staffing(checks: &mut Checks, horizon: &Horizon, written: &Group) -> Vec<(f64, u32)> {
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
    let days = (horizon.length / horizon.day).ceil().clamp(1.0, 4_000.0) as u32;
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
            let from = shift.from.after_start(horizon.midnight_to_start);
            let to = shift.to.end_after_start(horizon.midnight_to_start);
            // Over the start's time of day: it ends on the next day.
            let to = if to <= from { to + horizon.day } else { to };
            for day in 0..days {
                if shift.days.as_ref().is_none_or(|days| days.contains(&day)) {
                    let start = f64::from(day) * horizon.day;
                    steps.push((start + from, i64::from(shift.agents)));
                    steps.push((start + to, -i64::from(shift.agents)));
                }
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
