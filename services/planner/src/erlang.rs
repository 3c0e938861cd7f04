//! Queues in steady state: Erlang B, C and A, and the fewest agents that keep a target.
//!
//! Every sum runs over positive terms outwards from the largest one, so that nothing cancels
//! and nothing overflows, up to a million servers and far beyond capacity.
//! Erlang A is M/M/n+M: exponential patience; a wait that ends in service has `exp(-theta V)`
//! distributed as Beta(n mu / theta, j + 1) for a contact that finds j others waiting, and the
//! tail of a Beta is the tail of a negative binomial, which is summed the same way.

use thiserror::Error;

/// No queue is computed with more servers than this.
pub const MAX_SERVERS: u32 = 1_000_000;

/// The share that is all contacts as far as figures of this precision tell.
const ALL: f64 = 1.0 - f64::EPSILON;

/// Terms below this share of the sum are left out.
const NEGLIGIBLE: f64 = 1e-24;

/// One queue in one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Contacts per interval.
    pub contacts: f64,
    /// Length of the interval in seconds.
    pub interval_seconds: f64,
    /// Mean handling time in seconds; 0 only where nothing comes in.
    pub handle_seconds: f64,
    /// Mean patience in seconds; none = customers wait for ever, 0 = who finds nobody free is lost (Erlang B).
    pub patience_seconds: Option<f64>,
}

impl Load {
    /// Offered load in Erlangs.
    pub fn erlangs(&self) -> f64 {
        self.contacts * self.handle_seconds / self.interval_seconds
    }
}

/// How a service level counts abandoned contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Definition {
    /// Answered in time / offered.
    #[default]
    OfOffered,
    /// Answered in time / answered.
    OfAnswered,
    /// (Answered + abandoned, both in time) / offered.
    AbandonedInTimeKept,
    /// Answered in time / (offered - abandoned in time).
    AbandonedInTimeLeftOut,
}

/// What is promised and what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// Seconds within which a contact should be answered.
    pub within_seconds: f64,
    /// Share of contacts answered in that time. A queue comes near 1 and never reaches it: 1 asks for a share that
    /// rounds to it.
    pub service_level: f64,
    /// How the share is counted.
    pub definition: Definition,
    /// Highest busy share.
    pub max_occupancy: f64,
    /// Longest mean wait in seconds.
    pub max_mean_wait: Option<f64>,
    /// Highest share that abandons.
    pub max_abandonment: Option<f64>,
    /// Contacts that one agent handles at once.
    pub concurrency: u32,
}

/// The steady state of a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Servers: agents times concurrency.
    pub servers: u32,
    /// Offered load.
    pub erlangs: f64,
    /// Erlang B.
    pub blocking: f64,
    /// Share that waits.
    pub p_wait: f64,
    /// Share that abandons.
    pub p_abandon: f64,
    /// Share answered within the target, of all offered.
    pub answered_in_time: f64,
    /// Share that abandons within the target, of all offered.
    pub abandoned_in_time: f64,
    /// Mean wait of all in seconds; infinite beyond capacity without patience.
    pub mean_wait: f64,
    /// Mean wait of the answered in seconds.
    pub mean_wait_answered: f64,
    /// Busy share of the servers.
    pub occupancy: f64,
}

impl Figures {
    /// The service level under a definition; 1 where nobody is counted.
    pub fn service_level(&self, definition: Definition) -> f64 {
        let share = |part: f64, whole: f64| if whole > 0.0 { (part / whole).min(1.0) } else { 1.0 };
        match definition {
            Definition::OfOffered => self.answered_in_time,
            Definition::OfAnswered => share(self.answered_in_time, 1.0 - self.p_abandon),
            Definition::AbandonedInTimeKept => (self.answered_in_time + self.abandoned_in_time).min(1.0),
            Definition::AbandonedInTimeLeftOut => share(self.answered_in_time, 1.0 - self.abandoned_in_time),
        }
    }
}

/// Why a queue cannot be computed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// A figure is not a number in its range.
    #[error("{field} must be {range}")]
    Range {
        /// Which figure.
        field: &'static str,
        /// Its range in words.
        range: &'static str,
    },
    /// More servers than [`MAX_SERVERS`] would be needed.
    #[error("no number of agents up to {MAX_SERVERS} keeps this target for {erlangs:.1} Erlangs")]
    Unreachable {
        /// The offered load.
        erlangs: f64,
    },
}

/// The figures of a queue with so many servers; `within` is the target time in seconds.
pub fn figures(load: &Load, servers: u32, within: f64) -> Result<Figures, Refusal> {
    check_load(load)?;
    range(within.is_finite() && (0.0..=86_400.0).contains(&within), "answer_within_seconds", "0..=86400")?;
    range(servers <= MAX_SERVERS, "servers", "at most 1000000")?;
    range(load.erlangs() <= f64::from(MAX_SERVERS), "offered load", "at most 1000000 Erlangs")?;
    Ok(steady(load, servers, within))
}

/// The fewest agents that keep every part of the target; 0 when nothing comes in.
pub fn agents_needed(load: &Load, target: &Target) -> Result<u32, Refusal> {
    check_load(load)?;
    check_target(target, load)?;
    let erlangs = load.erlangs();
    if erlangs == 0.0 {
        return Ok(0);
    }
    let unreachable = Refusal::Unreachable { erlangs };
    let limit = MAX_SERVERS / target.concurrency;
    if erlangs > f64::from(MAX_SERVERS) {
        return Err(unreachable);
    }
    let keeps = |agents: u32| keeps(load, target, agents * target.concurrency);
    // Every condition only gets easier with more agents: gallop up, then halve.
    let (mut too_few, mut step) = (0_u32, 1_u32);
    if load.patience_seconds.is_none() {
        too_few = (erlangs / f64::from(target.concurrency)).floor().min(f64::from(limit)) as u32;
        too_few = too_few.saturating_sub(1);
    }
    let mut enough = loop {
        let candidate = too_few.saturating_add(step).min(limit);
        if keeps(candidate) {
            break candidate;
        }
        if candidate == limit {
            return Err(unreachable);
        }
        too_few = candidate;
        step = step.saturating_mul(2);
    };
    while too_few + 1 < enough {
        let middle = too_few + (enough - too_few) / 2;
        if keeps(middle) { enough = middle } else { too_few = middle }
    }
    Ok(enough)
}

/// Erlang B: the share refused when nobody can wait.
pub fn erlang_b(servers: u32, erlangs: f64) -> f64 {
    if erlangs <= 0.0 {
        return if servers == 0 { 1.0 } else { 0.0 };
    }
    // 1/B = 1 + n/A + n(n-1)/A^2 + …
    let (mut term, mut sum) = (1.0_f64, 1.0_f64);
    for k in (1..=servers).rev() {
        let ratio = f64::from(k) / erlangs;
        term *= ratio;
        sum += term;
        if sum.is_infinite() || (ratio < 1.0 && term < sum * NEGLIGIBLE) {
            break;
        }
    }
    1.0 / sum
}

/// Erlang C: the share that waits when everybody waits; 1 at and beyond capacity.
pub fn erlang_c(servers: u32, erlangs: f64) -> f64 {
    let n = f64::from(servers);
    if n <= erlangs {
        return if erlangs > 0.0 { 1.0 } else { 0.0 };
    }
    let b = erlang_b(servers, erlangs);
    n * b / (n - erlangs + erlangs * b)
}

fn steady(load: &Load, servers: u32, within: f64) -> Figures {
    if load.erlangs() == 0.0 {
        return empty(servers);
    }
    match load.patience_seconds {
        None => steady_c(load, servers, within),
        Some(0.0) => steady_b(load, servers),
        Some(patience) => steady_a(load, patience, servers, within),
    }
}

fn empty(servers: u32) -> Figures {
    Figures {
        servers,
        erlangs: 0.0,
        blocking: 0.0,
        p_wait: 0.0,
        p_abandon: 0.0,
        answered_in_time: 1.0,
        abandoned_in_time: 0.0,
        mean_wait: 0.0,
        mean_wait_answered: 0.0,
        occupancy: 0.0,
    }
}

fn steady_c(load: &Load, servers: u32, within: f64) -> Figures {
    let (a, n) = (load.erlangs(), f64::from(servers));
    let blocking = erlang_b(servers, a);
    let mut figures = Figures { servers, erlangs: a, blocking, p_wait: 1.0, occupancy: 1.0, ..empty(servers) };
    if n <= a {
        figures.answered_in_time = 0.0;
        figures.mean_wait = f64::INFINITY;
        figures.mean_wait_answered = f64::INFINITY;
        return figures;
    }
    let spare = n - a;
    let below = spare + a * blocking;
    let p_wait = n * blocking / below;
    // 1 - C e^-x, written so that a level near 0 keeps its digits.
    let p_at_once = spare * (1.0 - blocking) / below;
    figures.p_wait = p_wait;
    let in_time = p_at_once - p_wait * (-spare * within / load.handle_seconds).exp_m1();
    figures.answered_in_time = in_time.min(1.0);
    figures.mean_wait = p_wait * load.handle_seconds / spare;
    figures.mean_wait_answered = figures.mean_wait;
    figures.occupancy = a / n;
    figures
}

/// M/M/n/n, which M/M/n+M comes to as patience goes to 0: who finds everybody busy leaves at once.
fn steady_b(load: &Load, servers: u32) -> Figures {
    let a = load.erlangs();
    let lost = erlang_b(servers, a);
    let answered = 1.0 - lost;
    Figures {
        erlangs: a,
        blocking: lost,
        p_wait: lost,
        p_abandon: lost,
        answered_in_time: answered,
        abandoned_in_time: lost,
        mean_wait_answered: if answered > 0.0 { 0.0 } else { f64::INFINITY },
        occupancy: if servers == 0 { 1.0 } else { (a * answered / f64::from(servers)).min(1.0) },
        ..empty(servers)
    }
}

/// M/M/n+M with time in units of the handling time.
fn steady_a(load: &Load, patience: f64, servers: u32, within: f64) -> Figures {
    let (a, n) = (load.erlangs(), f64::from(servers));
    let theta = load.handle_seconds / patience;
    let target = within / load.handle_seconds;
    let states = States::around_mode(a, servers, theta);
    let p_wait = (states.waiting.iter().sum::<f64>() / states.total).min(1.0);

    // A contact that finds j waiting is served in time with chance c/(c+j+1) P(NB(c+1) > j).
    let (c, x) = (n / theta, theta * target);
    let last = states.first + states.waiting.len();
    let (served_tail, reach_tail) = (Tail::new(c + 1.0, x, last), Tail::new(c, x, last));
    let mut harmonic = digamma(c + 1.0 + states.first as f64) - digamma(c + 1.0);
    let (mut queue, mut served, mut abandoned, mut served_wait) = (0.0, 0.0, 0.0, 0.0);
    for (j, weight) in (states.first..).zip(&states.waiting) {
        let place = c + 1.0 + j as f64;
        harmonic += 1.0 / place;
        let share = c / place;
        let in_time = share * served_tail.beyond(j);
        let still_there = (-x).exp() * (1.0 - reach_tail.beyond(j));
        queue += weight * j as f64;
        served += weight * in_time;
        abandoned += weight * (1.0 - in_time - still_there).max(0.0);
        served_wait += weight * share * harmonic / theta;
    }
    let queue = queue / states.total;
    let p_abandon = (theta * queue / a).min(1.0);
    let answered = 1.0 - p_abandon;
    Figures {
        servers,
        erlangs: a,
        blocking: erlang_b(servers, a),
        p_wait,
        p_abandon,
        answered_in_time: ((states.free + served) / states.total).min(1.0),
        abandoned_in_time: (abandoned / states.total).min(1.0),
        mean_wait: queue / a * load.handle_seconds,
        mean_wait_answered: if answered > 0.0 {
            served_wait / states.total / answered * load.handle_seconds
        } else {
            f64::INFINITY
        },
        occupancy: if servers == 0 { 1.0 } else { (a * answered / n).min(1.0) },
    }
}

/// Unnormalised probabilities of a birth-death chain with death rate
/// `min(k, n) + max(k - n, 0) theta`.
struct States {
    /// Sum over states with a free server.
    free: f64,
    /// Weights of the states with `first`, `first + 1`, … contacts waiting.
    waiting: Vec<f64>,
    first: usize,
    total: f64,
}

impl States {
    fn around_mode(a: f64, servers: u32, theta: f64) -> States {
        let n = servers as usize;
        let death = |k: usize| k.min(n) as f64 + k.saturating_sub(n) as f64 * theta;
        let mode = if a < n as f64 { a.floor() as usize } else { n + ((a - n as f64) / theta).floor() as usize };
        // Downwards from the mode, then upwards; the queue is kept state by state.
        let (mut free, mut down) = (0.0_f64, Vec::new());
        let (mut weight, mut sum, mut k) = (1.0_f64, 0.0_f64, mode);
        loop {
            if k < n {
                free += weight;
            } else {
                down.push(weight);
            }
            sum += weight;
            if k == 0 || weight < sum * NEGLIGIBLE {
                break;
            }
            weight *= death(k) / a;
            k -= 1;
        }
        let first = if mode >= n { mode - n + 1 - down.len() } else { 0 };
        let mut waiting = down;
        waiting.reverse();
        let (mut weight, mut k) = (1.0_f64, mode);
        loop {
            weight *= a / death(k + 1);
            k += 1;
            sum += weight;
            if k < n {
                free += weight;
                if weight == 0.0 {
                    break;
                }
            } else {
                waiting.push(weight);
                if weight <= waiting[0].max(sum * f64::MIN_POSITIVE) * NEGLIGIBLE || weight == 0.0 {
                    break;
                }
            }
        }
        States { free, waiting, first, total: sum }
    }
}

/// `P(X > j)` of a negative binomial with real size `r` and success chance `exp(-x)`, for
/// j from 0 to `last`: certain below `from`, 0 beyond the list.
struct Tail {
    from: usize,
    tails: Vec<f64>,
}

impl Tail {
    fn new(r: f64, x: f64, last: usize) -> Tail {
        let (p, q) = ((-x).exp(), -(-x).exp_m1());
        if q <= 0.0 || r <= 0.0 {
            return Tail { from: 0, tails: Vec::new() };
        }
        // P(X <= j) is at most (e (j + r) / r * p)^r: where that vanishes, the tail is certain.
        if r * (1.0 + ((last as f64 + r) / r).ln() - x) < -60.0 {
            return Tail { from: last + 1, tails: Vec::new() };
        }
        let spread = (r * q).sqrt() / p;
        if spread < 1e5 || 700.0 <= r * x { Tail::around_mode(r, p, q, last) } else { Tail::from_zero(r, x, q, last) }
    }

    fn around_mode(r: f64, p: f64, q: f64, last: usize) -> Tail {
        let ratio = |i: usize| (r + i as f64) / (i as f64 + 1.0) * q;
        let mode = (((r - 1.0) * q / p).max(0.0)).floor() as usize;
        let mut weights = Vec::new();
        let (mut weight, mut sum, mut beyond, mut i) = (1.0_f64, 0.0_f64, 0.0_f64, mode);
        loop {
            sum += weight;
            if i <= last {
                weights.push(weight)
            } else {
                beyond += weight
            }
            if i == 0 || weight < sum * NEGLIGIBLE {
                break;
            }
            weight /= ratio(i - 1);
            i -= 1;
        }
        let from = i;
        weights.reverse();
        let (mut weight, mut i) = (1.0_f64, mode);
        while sum * 1e-40 < weight {
            weight *= ratio(i);
            i += 1;
            sum += weight;
            if i <= last { weights.push(weight) } else { beyond += weight }
        }
        // Summed from the far end, so that small tails keep their digits.
        for weight in weights.iter_mut().rev() {
            let own = std::mem::replace(weight, beyond / sum);
            beyond += own;
        }
        if last < from { Tail { from: last + 1, tails: Vec::new() } } else { Tail { from, tails: weights } }
    }

    fn from_zero(r: f64, x: f64, q: f64, last: usize) -> Tail {
        let (mut weight, mut sum) = ((-r * x).exp(), 0.0_f64);
        let tail = |i: usize| {
            sum += weight;
            weight *= (r + i as f64) / (i as f64 + 1.0) * q;
            (1.0 - sum).max(0.0)
        };
        Tail { from: 0, tails: (0..=last).map(tail).collect() }
    }

    fn beyond(&self, j: usize) -> f64 {
        if j < self.from { 1.0 } else { self.tails.get(j - self.from).copied().unwrap_or(0.0) }
    }
}

/// The logarithmic derivative of the gamma function, for arguments above 0.
fn digamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 12.0 {
        shift -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y / 132.0))));
    shift + x.ln() - 0.5 / x - series
}

fn keeps(load: &Load, target: &Target, servers: u32) -> bool {
    let erlangs = load.erlangs();
    if load.patience_seconds.is_none() && f64::from(servers) <= erlangs {
        return false;
    }
    let figures = steady(load, servers, target.within_seconds);
    figures.occupancy <= target.max_occupancy
        && target.service_level.min(ALL) <= figures.service_level(target.definition)
        && target.max_mean_wait.is_none_or(|limit| figures.mean_wait <= limit)
        && target.max_abandonment.is_none_or(|limit| figures.p_abandon <= limit)
}

fn check_load(load: &Load) -> Result<(), Refusal> {
    let positive = |x: f64, most: f64| x.is_finite() && 0.0 < x && x <= most;
    range(load.contacts.is_finite() && (0.0..=1e7).contains(&load.contacts), "contacts", "0..=10000000")?;
    range(positive(load.interval_seconds, 86_400.0), "interval_seconds", "above 0 and at most 86400")?;
    // Nothing that comes in takes no time.
    let nothing = load.contacts == 0.0 && load.handle_seconds == 0.0;
    range(nothing || positive(load.handle_seconds, 86_400.0), "handle_seconds", "above 0 and at most 86400")?;
    let patience = load.patience_seconds.unwrap_or(1.0);
    range(patience == 0.0 || (1.0..=2_592_000.0).contains(&patience), "patience_seconds", "0 or 1..=2592000")?;
    // The longest queue that can settle: everybody waits, patience alone drains it.
    let queue = if load.patience_seconds.is_some() { load.contacts / load.interval_seconds * patience } else { 0.0 };
    range(queue <= 1e7, "patience_seconds", "short enough for a queue of at most 10000000")
}

fn check_target(target: &Target, load: &Load) -> Result<(), Refusal> {
    let share = |x: f64| x.is_finite() && 0.0 < x && x < 1.0;
    range((0.0..=86_400.0).contains(&target.within_seconds), "answer_within_seconds", "0..=86400")?;
    let level = target.service_level;
    range(share(level) || level == 1.0, "service_level", "above 0 and at most 1")?;
    range(
        target.max_occupancy.is_finite() && 0.0 < target.max_occupancy && target.max_occupancy <= 1.0,
        "max_occupancy",
        "above 0 and at most 1",
    )?;
    range(target.max_mean_wait.is_none_or(|x| x.is_finite() && 0.0 < x), "max_mean_wait_seconds", "above 0")?;
    range(target.max_abandonment.is_none_or(share), "max_abandonment", "above 0 and below 1")?;
    range(
        target.max_abandonment.is_none() || load.patience_seconds.is_some(),
        "max_abandonment",
        "given together with patience_seconds",
    )?;
    range((1..=20).contains(&target.concurrency), "concurrency", "1..=20")
}

fn range(holds: bool, field: &'static str, range: &'static str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::Range { field, range }) }
}

#[cfg(test)]
#[path = "erlang_tests.rs"]
mod tests;
