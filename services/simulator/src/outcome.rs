//! What comes of all replications: figures with intervals, per type, seller,
//! language, group and interval.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::Plan;
use crate::run::Ran;
use crate::scenario::ServiceLevel;
use crate::student::{Figure, quantile, ratio};
use crate::tally::{SUMS, Sum, Sums, Tally, Time, Waits, cells};

/// Figures by their names; see `SCENARIO.md`. What cannot be told - a share of
/// nothing - is missing.
pub type Figures = BTreeMap<&'static str, Figure>;

/// What came of a simulation.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub name: String,
    pub seed: u64,
    pub replications: u32,
    /// Independent observations: replications times batches.
    pub observations: usize,
    pub confidence: f64,
    pub service_level: ServiceLevel,
    /// Contacts that came, and events that the engine took, in all.
    pub contacts: u64,
    pub events: u64,
    /// The whole of the time looked at.
    pub whole: Row,
    /// The intervals, one after the other.
    pub intervals: Vec<Row>,
    /// The windows.
    pub windows: Vec<Row>,
}

/// The figures of one stretch of time.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `whole`, the time of day at which the interval begins, or the window's name.
    pub label: String,
    /// Seconds after the start.
    pub from: f64,
    pub to: f64,
    pub all: Figures,
    pub types: BTreeMap<String, Figures>,
    pub sellers: BTreeMap<String, Figures>,
    pub languages: BTreeMap<String, Figures>,
    /// All agents together, and by group.
    pub agents: Figures,
    pub groups: BTreeMap<String, Figures>,
}

impl Outcome {
    /// Every row, the whole first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        std::iter::once(&self.whole).chain(&self.intervals).chain(&self.windows)
    }

    /// A figure of the whole: of `all`, or of a type, seller, language or group by its name.
    #[must_use]
    pub fn figure(&self, of: &str, figure: &str) -> Option<Figure> {
        self.whole.figure(of, figure)
    }
}

impl Row {
    /// A figure of `all`, or of a type, seller, language or group by its name.
    #[must_use]
    pub fn figure(&self, of: &str, figure: &str) -> Option<Figure> {
        if of == "all" {
            return self.all.get(figure).or_else(|| self.agents.get(figure)).copied();
        }
        let kinds = [&self.types, &self.sellers, &self.languages, &self.groups];
        kinds.into_iter().find_map(|kind| kind.get(of)?.get(figure)).copied()
    }

    /// Every set of figures with what it is of.
    pub fn sets(&self) -> impl Iterator<Item = (&'static str, &str, &Figures)> {
        std::iter::once(("all", "", &self.all))
            .chain(self.types.iter().map(|(name, figures)| ("type", name.as_str(), figures)))
            .chain(self.sellers.iter().map(|(name, figures)| ("seller", name.as_str(), figures)))
            .chain(self.languages.iter().map(|(name, figures)| ("language", name.as_str(), figures)))
            .chain(std::iter::once(("agents", "", &self.agents)))
            .chain(self.groups.iter().map(|(name, figures)| ("group", name.as_str(), figures)))
    }
}

/// Shares of waits that are told.
const QUANTILES: [(f64, &str); 4] = [(0.5, "wait_p50"), (0.9, "wait_p90"), (0.95, "wait_p95"), (0.99, "wait_p99")];

pub(crate) fn of(plan: &Plan, ran: Vec<Ran>) -> Outcome {
    let contacts = ran.iter().map(|ran| ran.contacts).sum();
    let events = ran.iter().map(|ran| ran.events).sum();
    let tallies: Vec<Tally> = ran.into_iter().flat_map(|ran| ran.tallies).collect();
    let freedom = u32::try_from(tallies.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let making = Making { plan, tallies: &tallies, t: quantile(plan.confidence, freedom) };
    let horizon = &plan.horizon;
    let mut rows = (0..cells(plan)).map(|cell| making.row(cell));
    let whole = rows.next().unwrap_or_else(|| making.row(0));
    let intervals = rows.by_ref().take(horizon.intervals as usize).collect();
    Outcome {
        name: plan.name.clone(),
        seed: plan.seed,
        replications: plan.replications,
        observations: tallies.len(),
        confidence: plan.confidence,
        service_level: plan.service_level,
        contacts,
        events,
        whole,
        intervals,
        windows: rows.collect(),
    }
}

struct Making<'a> {
    plan: &'a Plan,
    tallies: &'a [Tally],
    t: f64,
}

impl Making<'_> {
    fn row(&self, cell: usize) -> Row {
        let plan = self.plan;
        let all: Vec<usize> = (0..plan.types.len()).collect();
        let by = |name: &dyn Fn(usize) -> String| {
            let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for kind in &all {
                members.entry(name(*kind)).or_default().push(*kind);
            }
            members.into_iter().map(|(name, kinds)| (name, self.contacts(cell, &kinds))).collect()
        };
        let (label, from, to) = self.stretch(cell);
        Row {
            label,
            from,
            to,
            all: self.contacts(cell, &all),
            types: by(&|kind| plan.types[kind].name.clone()),
            sellers: by(&|kind| plan.sellers[plan.types[kind].seller].0.clone()),
            languages: by(&|kind| plan.types[kind].language.to_string()),
            agents: self.agents(cell, &(0..plan.groups.len()).collect::<Vec<_>>()),
            groups: (0..plan.groups.len())
                .map(|group| (plan.groups[group].name.clone(), self.agents(cell, &[group])))
                .collect(),
        }
    }

    /// How much of a cell, seconds, is looked at in each observation: with all its copies, and without the warm-up.
    fn length(&self, cell: usize) -> f64 {
        let (_, from, to) = self.stretch(cell);
        let horizon = &self.plan.horizon;
        let every = if cell <= horizon.intervals as usize { horizon.fold } else { f64::INFINITY };
        match cell {
            0 => (to - from) / f64::from(horizon.batches),
            _ => before(horizon.length, from, to, every) - before(horizon.warm_up, from, to, every),
        }
    }

    /// What a cell is called, and when it begins and ends.
    fn stretch(&self, cell: usize) -> (String, f64, f64) {
        let horizon = &self.plan.horizon;
        let intervals = horizon.intervals as usize;
        match (cell, horizon.interval) {
            (0, _) => ("whole".to_owned(), horizon.warm_up, horizon.length),
            (cell, Some(interval)) if cell <= intervals => {
                let from = (cell - 1) as f64 * interval;
                let clock = (horizon.midnight_to_start + from).round() as u64;
                let days = (from / 86_400.0) as u64;
                let day = if horizon.length.min(horizon.fold) > 86_400.0 { format!("{days}d ") } else { String::new() };
                let label = format!("{day}{:02}:{:02}", clock / 3_600 % 24, clock / 60 % 60);
                (label, from, (from + interval).min(horizon.length))
            }
            (cell, _) => {
                let window = &self.plan.windows[cell - 1 - intervals];
                (window.name.clone(), window.from, window.to)
            }
        }
    }

    /// The figures of some types together.
    fn contacts(&self, cell: usize, kinds: &[usize]) -> Figures {
        let types = self.plan.types.len();
        let observed: Vec<Sums> = self
            .tallies
            .iter()
            .map(|tally| {
                let mut sums = [0.0; SUMS];
                for kind in kinds {
                    for (sum, more) in sums.iter_mut().zip(&tally.sums[cell * types + kind]) {
                        *sum += more;
                    }
                }
                sums
            })
            .collect();
        let mut figures = Figures::new();
        let mut put = |name: &'static str, above: &dyn Fn(&Sums) -> f64, below: &dyn Fn(&Sums) -> f64| {
            let pairs: Vec<(f64, f64)> = observed.iter().map(|sums| (above(sums), below(sums))).collect();
            if let Some(figure) = ratio(&pairs, self.t) {
                figures.insert(name, figure);
            }
        };
        let of = |sum: Sum| move |sums: &Sums| sums[sum as usize];
        let each = |_: &Sums| 1.0;
        let entered = |s: &Sums| s[Sum::Offered as usize] - s[Sum::Blocked as usize] - s[Sum::Balked as usize];
        for (name, sum) in [
            ("offered", Sum::Offered),
            ("retried", Sum::Retried),
            ("served", Sum::Served),
            ("good", Sum::Good),
            ("abandoned", Sum::Abandoned),
            ("blocked", Sum::Blocked),
            ("balked", Sum::Balked),
            ("unfinished", Sum::Unfinished),
        ] {
            put(name, &of(sum), &each);
        }
        for definition in [
            ServiceLevel::Offered,
            ServiceLevel::Entered,
            ServiceLevel::Answered,
            ServiceLevel::AnsweredOrLate,
            ServiceLevel::AnsweredOrBlocked,
            ServiceLevel::OfferedEarlyGood,
        ] {
            let (name, above, below) = level(definition);
            put(name, &above, &below);
            if definition == self.plan.service_level {
                put("service_level", &above, &below);
            }
        }
        put("p_wait", &of(Sum::Waited), &of(Sum::Offered));
        put("p_wait_entered", &of(Sum::Waited), &entered);
        put("p_abandon", &of(Sum::Abandoned), &of(Sum::Offered));
        put("p_block", &of(Sum::Blocked), &of(Sum::Offered));
        put("p_balk", &of(Sum::Balked), &of(Sum::Offered));
        put("asa", &of(Sum::WaitServed), &of(Sum::Served));
        put("wait", &of(Sum::WaitEntered), &entered);
        put("wait_abandoned", &|s| s[Sum::WaitEntered as usize] - s[Sum::WaitServed as usize], &of(Sum::Abandoned));
        put("wait_of_waiting", &of(Sum::WaitEntered), &of(Sum::Waited));
        put("handling", &of(Sum::Handling), &of(Sum::Served));
        let length = self.length(cell);
        put("queue_length", &of(Sum::Queue), &|_| length);
        if cell == 0 {
            self.waits(kinds, &mut figures);
        }
        figures
    }

    /// Quantiles of the waits of the served. The interval is that of the share
    /// below the quantile, carried over to the waits at its ends.
    fn waits(&self, kinds: &[usize], figures: &mut Figures) {
        let mut all = Waits::default();
        let observed: Vec<Waits> = self
            .tallies
            .iter()
            .map(|tally| {
                let mut waits = Waits::default();
                for kind in kinds {
                    waits.merge(&tally.waits[*kind]);
                }
                all.merge(&waits);
                waits
            })
            .collect();
        if all.count() == 0 {
            return;
        }
        for (share, name) in QUANTILES {
            let step = all.step_of(share);
            let pairs: Vec<(f64, f64)> =
                observed.iter().map(|waits| (waits.upto(step) as f64, waits.count() as f64)).collect();
            let half = ratio(&pairs, self.t).and_then(|figure| figure.half_width());
            let at = |share: f64| all.seconds(all.step_of(share.clamp(0.0, 1.0)));
            let figure = Figure {
                value: all.seconds(step),
                low: half.map(|half| at(share - half)),
                high: half.map(|half| at(share + half)),
            };
            figures.insert(name, figure);
        }
        figures.insert("wait_longest", Figure { value: all.longest, low: None, high: None });
    }

    /// The figures of some groups together.
    fn agents(&self, cell: usize, some: &[usize]) -> Figures {
        let groups = self.plan.groups.len();
        let length = self.length(cell);
        let mut figures = Figures::new();
        let mut put = |name: &'static str, above: Time, below: Option<Time>| {
            let pairs: Vec<(f64, f64)> = self
                .tallies
                .iter()
                .map(|tally| {
                    let sum = |of: Time| some.iter().map(|group| tally.times[cell * groups + group][of as usize]).sum();
                    (sum(above), below.map_or(length, sum))
                })
                .collect();
            if let Some(figure) = ratio(&pairs, self.t) {
                figures.insert(name, figure);
            }
        };
        put("occupancy", Time::Used, Some(Time::Present));
        put("busy", Time::Busy, Some(Time::Present));
        put("agents", Time::Present, None);
        figures
    }
}

/// How much of a stretch that comes again after every so many seconds lies before a moment.
fn before(moment: f64, from: f64, to: f64, every: f64) -> f64 {
    let whole = if every.is_finite() { (moment / every).floor() } else { 0.0 };
    let rest = if every.is_finite() { moment - whole * every } else { moment };
    whole * (to - from) + (rest - from).clamp(0.0, to - from)
}

type OfSums = fn(&Sums) -> f64;

/// A definition of the service level: its name, what is above and what below.
fn level(definition: ServiceLevel) -> (&'static str, OfSums, OfSums) {
    let good: OfSums = |s| s[Sum::Good as usize];
    match definition {
        ServiceLevel::Offered => ("sl_offered", good, |s| s[Sum::Offered as usize]),
        ServiceLevel::Entered => {
            ("sl_entered", good, |s| s[Sum::Offered as usize] - s[Sum::Blocked as usize] - s[Sum::Balked as usize])
        }
        ServiceLevel::Answered => ("sl_answered", good, |s| s[Sum::Served as usize]),
        ServiceLevel::AnsweredOrLate => {
            ("sl_answered_or_late", good, |s| s[Sum::Served as usize] + s[Sum::AbandonedLate as usize])
        }
        ServiceLevel::AnsweredOrBlocked => {
            ("sl_answered_or_blocked", good, |s| s[Sum::Served as usize] + s[Sum::Blocked as usize])
        }
        ServiceLevel::OfferedEarlyGood => (
            "sl_offered_early_good",
            |s| s[Sum::Good as usize] + s[Sum::Abandoned as usize] - s[Sum::AbandonedLate as usize],
            |s| s[Sum::Offered as usize],
        ),
    }
}
