//! What people would rather not work: their own wishes, and the hours that nobody likes, which are to be shared fairly.
//!
//! A wish is a price for every interval in which somebody would work against it. A burden (weekends, nights, hours that a
//! policy calls unpopular) costs more the more of it one has carried already, in the weeks before and in this plan: the
//! square of it over her fair share, so that an hour more costs the policy's weight at a fair share, nothing to who has
//! carried none, and twice as much at twice the share. The cheapest way to carry a sum is then by shares.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::UserId;

use super::agent::{Agent, Duty};
use super::civil::{self, Gap, Window};
use super::model::{Grid, Need};
use super::shape::Shape;

/// Kinds of burdens.
pub const BURDENS: usize = 3;
/// Weekend, night, unpopular hours.
pub const WEEKEND: usize = 0;
pub const NIGHT: usize = 1;
pub const UNPOPULAR: usize = 2;
/// Nobody's fair share is less than so many seconds: a first hour is not yet unfair.
const LEAST_SHARE: i64 = 4 * 3_600;
/// Prices of the bound come in so many steps up to twice the weight, so that people stay alike.
const STEPS: f64 = 4.0;

/// What counts as a burden, and how much everything weighs. Weights are points per person-second, as the prices of
/// [`super::cost`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// 0 = what holds where nobody has decided.
    pub version: i32,
    /// Work against a wish of strength 1.
    pub wish: i64,
    /// One more second of each burden for somebody who carries her fair share.
    pub burdens: [i64; BURDENS],
    /// Days of the weekend, 1 = Monday … 7 = Sunday.
    pub weekend: Vec<i8>,
    /// The night, in minutes after midnight; the end may be past midnight of the next day.
    pub night: (i32, i32),
    /// Hours that nobody likes.
    pub unpopular: Vec<Window>,
    /// Weeks before a schedule whose burdens count.
    pub memory_weeks: i32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            version: 0,
            wish: 2,
            burdens: [1, 1, 1],
            weekend: vec![6, 7],
            night: (22 * 60, 30 * 60),
            unpopular: Vec::new(),
            memory_weeks: 8,
        }
    }
}

/// What an agent wishes: on days of a range (of one weekday, or all), in a window of civil time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose.
    pub user: UserId,
    /// Whether she wants to work then, or not to. Who wants some hours of a day would rather not work its others.
    pub wanted: bool,
    /// 1 to 3.
    pub strength: i32,
    /// 1 = Monday … 7 = Sunday; 0 = every day.
    pub weekday: i8,
    /// Minutes after midnight; the end may be past midnight.
    pub start: i32,
    pub end: i32,
    /// First and last day on which it holds.
    pub first: Option<Date>,
    pub last: Option<Date>,
}

impl Wish {
    fn holds_on(&self, day: Date) -> bool {
        (self.weekday == 0 || self.weekday == day.weekday().to_monday_one_offset())
            && self.first.is_none_or(|first| first <= day)
            && self.last.is_none_or(|last| day <= last)
    }
}

/// What somebody carries. Seconds, or hundredths of an interval: both are used, each for itself.
pub type Burdens = [i64; BURDENS];

/// What belongs to one person of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taste {
    /// Which of [`Tastes::burdens`].
    zone: u32,
    /// Which of [`Tastes::prices`] her wishes are; and what a change from her former shifts costs.
    wishes: Option<u32>,
    changes: Option<u32>,
    /// Carried before, and her fair share of all, in hundredths of an interval.
    pub before: Burdens,
    pub share: Burdens,
    /// The price of each burden with which the bound reckons.
    slopes: [f64; BURDENS],
}

/// What belongs to all of a model.
#[derive(Debug, Clone, Default)]
pub struct Tastes {
    weights: Burdens,
    /// For each zone: the burdens of every interval, a bit each.
    burdens: Vec<Vec<u8>>,
    /// Points per hundredth, for every interval.
    prices: Vec<Vec<i32>>,
}

/// What a roster costs its person, in points, and what it puts on her in hundredths of an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Against her wishes.
    pub wishes: i64,
    /// Away from her former shifts.
    pub changes: i64,
    /// Carried in the plan.
    pub burdens: Burdens,
}

/// What people wish and have carried, for a model.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// What holds.
    pub policy: Policy,
    /// Everybody's wishes.
    pub wishes: Vec<Wish>,
    /// Seconds carried in the weeks before, of those who worked then.
    pub before: BTreeMap<UserId, Burdens>,
    /// Shifts of a former plan, and the price of a second at work outside them.
    pub former: BTreeMap<UserId, Vec<Duty>>,
    pub change: i64,
}

impl Tastes {
    /// The taste of every agent.
    pub fn of(grid: &Grid, needs: &[Need], agents: &[Agent], given: &Given) -> (Tastes, Vec<Taste>) {
        let policy = &given.policy;
        let mut tastes = Tastes { weights: policy.burdens, ..Tastes::default() };
        let mut zones: BTreeMap<&str, u32> = BTreeMap::new();
        let mut of_user: BTreeMap<UserId, Vec<&Wish>> = BTreeMap::new();
        for wish in &given.wishes {
            of_user.entry(wish.user).or_default().push(wish);
        }
        let shares = shares(grid, needs, agents, given);
        let mut found = Vec::with_capacity(agents.len());
        for (agent, share) in agents.iter().zip(shares) {
            let zone = *zones.entry(agent.zone_name.as_str()).or_insert_with(|| {
                tastes.burdens.push(burdens(grid, &agent.zone, policy));
                tastes.burdens.len() as u32 - 1
            });
            let wishes = of_user.get(&agent.user).map(|wishes| prices(grid, &agent.zone, wishes, policy.wish));
            let former = given.former.get(&agent.user).filter(|_| 0 < given.change);
            let changes = former.map(|duties| outside(grid, duties, given.change));
            let mut keep = |prices: Option<Vec<i32>>| {
                let prices = prices.filter(|prices| prices.iter().any(|price| *price != 0))?;
                tastes.prices.push(prices);
                Some(tastes.prices.len() as u32 - 1)
            };
            let (wishes, changes) = (keep(wishes), keep(changes));
            let before = hundredths(grid, given.before.get(&agent.user).copied().unwrap_or(share.newcomer));
            let share = hundredths(grid, share.fair);
            let slopes = std::array::from_fn(|kind| {
                // As if she carried in this plan what makes up her share.
                let end = before[kind].max(share[kind]) as f64 / share[kind].max(1) as f64;
                (end.min(2.0) * STEPS).round() / STEPS * policy.burdens[kind] as f64
            });
            found.push(Taste { zone, wishes, changes, before, share, slopes });
        }
        (tastes, found)
    }

    /// What a shape puts on a person.
    pub fn load(&self, taste: &Taste, shape: &Shape) -> Load {
        let mut load = Load::default();
        let (masks, wishes, changes) = self.tables(taste);
        for (interval, units) in shape.intervals() {
            let units = i64::from(units);
            load.wishes += units * i64::from(at(wishes, interval));
            load.changes += units * i64::from(at(changes, interval));
            let mask = masks.get(interval).copied().unwrap_or(0);
            for (kind, sum) in load.burdens.iter_mut().enumerate() {
                *sum += units * i64::from(mask >> kind & 1);
            }
        }
        load
    }

    /// What a person's burdens cost more when the plan puts so much on her: no less than the true figure.
    pub fn unfairness(&self, taste: &Taste, carried: &Burdens) -> i64 {
        let cost = |kind: usize| {
            let (before, all) = (i128::from(taste.before[kind]), i128::from(taste.before[kind] + carried[kind]));
            let (weight, share) = (i128::from(self.weights[kind]), i128::from(taste.share[kind].max(1)));
            let cost = (weight * (all * all - before * before) + 2 * share - 1) / (2 * share);
            i64::try_from(cost).unwrap_or(i64::MAX / 8)
        };
        (0..BURDENS).map(cost).sum()
    }

    /// Points per hundredth in an interval, with each burden at a price.
    pub fn price(&self, taste: &Taste, slopes: &[f64; BURDENS], interval: usize) -> f64 {
        let (masks, wishes, changes) = self.tables(taste);
        let mask = masks.get(interval).copied().unwrap_or(0);
        let burdens = slopes.iter().enumerate().filter(|(kind, _)| mask >> kind & 1 == 1);
        f64::from(at(wishes, interval) + at(changes, interval)) + burdens.map(|(_, slope)| slope).sum::<f64>()
    }

    /// The price of each burden for somebody who carries so much in the plan.
    pub fn slopes(&self, taste: &Taste, carried: &Burdens) -> [f64; BURDENS] {
        std::array::from_fn(|kind| {
            let all = (taste.before[kind] + carried[kind]) as f64;
            self.weights[kind] as f64 * all / taste.share[kind].max(1) as f64
        })
    }

    /// With which prices the bound reckons, and what is added: the tangent, which lies nowhere above the true cost.
    pub fn tangent(&self, taste: &Taste) -> ([f64; BURDENS], f64) {
        let mut fixed = 0.0;
        for (kind, slope) in taste.slopes.iter().enumerate() {
            if 0.0 < *slope {
                let touch = slope * taste.share[kind].max(1) as f64 / self.weights[kind] as f64;
                fixed += slope * (taste.before[kind] as f64 - touch / 2.0);
            }
            let before = taste.before[kind] as f64;
            fixed -= self.weights[kind] as f64 * before * before / (2.0 * taste.share[kind].max(1) as f64);
        }
        (taste.slopes, fixed)
    }

    fn tables(&self, taste: &Taste) -> (&[u8], &[i32], &[i32]) {
        let prices = |index: Option<u32>| index.map_or(&[][..], |index| &self.prices[index as usize]);
        (&self.burdens[taste.zone as usize], prices(taste.wishes), prices(taste.changes))
    }
}

impl Taste {
    /// What makes people alike: whoever has the same is planned alike by the bound.
    pub fn kind(&self) -> (u32, Option<u32>, Option<u32>, [u64; BURDENS]) {
        (self.zone, self.wishes, self.changes, self.slopes.map(f64::to_bits))
    }
}

impl Load {
    /// Adds another, or takes it away.
    pub fn add(&mut self, other: &Load, sign: i64) {
        self.wishes += sign * other.wishes;
        self.changes += sign * other.changes;
        self.burdens.iter_mut().zip(other.burdens).for_each(|(sum, more)| *sum += sign * more);
    }
}

/// Seconds of each burden in some shifts.
pub fn carried(policy: &Policy, zone: &TimeZone, duties: &[Duty]) -> Burdens {
    let mut sums = [0; BURDENS];
    for duty in duties {
        let grid = Grid { start: duty.start, step: 900, count: ((duty.end - duty.start + 899) / 900).max(0) as usize };
        let masks = burdens(&grid, zone, policy);
        for (interval, units) in duty.cover(&grid) {
            for (kind, sum) in sums.iter_mut().enumerate() {
                *sum += i64::from(units) * 9 * i64::from(masks[interval] >> kind & 1);
            }
        }
    }
    sums
}

/// What a plan puts on one agent. Seconds, and costs in points per hundredth and interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub user: UserId,
    /// In the plan, before it, and her fair share of both.
    pub scheduled: Burdens,
    pub before: Burdens,
    pub fair: Burdens,
    /// Work against her wishes, and what it costs.
    pub against: i64,
    pub wishes: i64,
    /// What her burdens cost.
    pub unfairness: i64,
}

/// What a plan, shifts by agent, puts on everybody.
pub fn told(grid: &Grid, needs: &[Need], agents: &[Agent], duties: &[Vec<Duty>], given: &Given) -> Vec<Told> {
    let (tastes, people) = Tastes::of(grid, needs, agents, given);
    let seconds = |hundredths: i64| hundredths * grid.step / 100;
    let one = |((agent, taste), duties): ((&Agent, &Taste), &Vec<Duty>)| {
        let (_, prices, _) = tastes.tables(taste);
        let (mut against, mut wishes) = (0, 0);
        for (interval, units) in duties.iter().flat_map(|duty| duty.cover(grid)) {
            let price = i64::from(at(prices, interval));
            against += i64::from(units) * i64::from(0 < price);
            wishes += i64::from(units) * price;
        }
        let scheduled = carried(&given.policy, &agent.zone, duties);
        Told {
            user: agent.user,
            scheduled,
            before: taste.before.map(seconds),
            fair: taste.share.map(seconds),
            against: seconds(against),
            wishes,
            unfairness: tastes.unfairness(taste, &hundredths(grid, scheduled)),
        }
    };
    agents.iter().zip(&people).zip(duties).map(one).collect()
}

fn at(prices: &[i32], interval: usize) -> i32 {
    prices.get(interval).copied().unwrap_or(0)
}

fn hundredths(grid: &Grid, seconds: Burdens) -> Burdens {
    seconds.map(|seconds| seconds * 100 / grid.step)
}

/// A person's fair share, and what somebody counts with who was not there before.
struct Share {
    fair: Burdens,
    newcomer: Burdens,
}

/// Everything carried before and everything that this plan asks for, by the hours of the contracts.
fn shares(grid: &Grid, needs: &[Need], agents: &[Agent], given: &Given) -> Vec<Share> {
    let hours = |agent: &Agent| agent.contract.min_week.max(3_600);
    let all: i64 = agents.iter().map(hours).sum::<i64>().max(1);
    let (mut before, mut of_known) = ([0; BURDENS], 0);
    for agent in agents {
        if let Some(carried) = given.before.get(&agent.user) {
            of_known += hours(agent);
            before.iter_mut().zip(carried).for_each(|(sum, more)| *sum += more);
        }
    }
    let mut asked: BTreeMap<&str, Burdens> = BTreeMap::new();
    for agent in agents {
        let zone = agent.zone_name.as_str();
        asked.entry(zone).or_insert_with(|| asked_for(grid, needs, &agent.zone, &given.policy));
    }
    let share = |agent: &Agent| {
        let part = |sum: i64, of: i64| (i128::from(sum) * i128::from(hours(agent)) / i128::from(of.max(1))) as i64;
        let newcomer = before.map(|sum| part(sum, of_known));
        let asked = asked[agent.zone_name.as_str()];
        let fair = std::array::from_fn(|kind| (newcomer[kind] + part(asked[kind], all)).max(LEAST_SHARE));
        Share { fair, newcomer }
    };
    agents.iter().map(share).collect()
}

/// Seconds of the needs that are a burden in a zone.
fn asked_for(grid: &Grid, needs: &[Need], zone: &TimeZone, policy: &Policy) -> Burdens {
    let masks = burdens(grid, zone, policy);
    let mut sums = [0; BURDENS];
    for need in needs {
        for (people, mask) in need.people.iter().zip(&masks) {
            for (kind, sum) in sums.iter_mut().enumerate() {
                *sum += i64::from(*people) * i64::from(mask >> kind & 1);
            }
        }
    }
    sums.map(|hundredths| hundredths * grid.step / 100)
}

/// The burdens of every interval: those in which it begins.
fn burdens(grid: &Grid, zone: &TimeZone, policy: &Policy) -> Vec<u8> {
    let mut masks = vec![0; grid.count];
    let mut mark = |day: Date, (start, end): (i32, i32), kind: usize| {
        each(grid, zone, day, (start, end), |interval| masks[interval] |= 1 << kind);
    };
    for day in days(grid, zone) {
        let weekday = day.weekday().to_monday_one_offset();
        if policy.weekend.contains(&weekday) {
            mark(day, (0, 1_440), WEEKEND);
        }
        mark(day, policy.night, NIGHT);
        for window in policy.unpopular.iter().filter(|window| window.weekday == weekday) {
            mark(day, (window.start, window.end), UNPOPULAR);
        }
    }
    masks
}

/// What work costs in every interval by somebody's wishes. Of several the dearest counts.
fn prices(grid: &Grid, zone: &TimeZone, wishes: &[&Wish], weight: i64) -> Vec<i32> {
    let mut found = vec![0; grid.count];
    let price = |wish: &Wish| wish.strength.clamp(1, 3) * i32::try_from(weight).unwrap_or(0);
    for day in days(grid, zone) {
        let today: Vec<&&Wish> = wishes.iter().filter(|wish| wish.holds_on(day)).collect();
        // The day's other hours first, so that hours wanted are free of them.
        if let Some(dearest) = today.iter().filter(|wish| wish.wanted).map(|wish| price(wish)).max() {
            let mut wanted = vec![false; grid.count];
            for wish in today.iter().filter(|wish| wish.wanted) {
                each(grid, zone, day, (wish.start, wish.end), |interval| wanted[interval] = true);
            }
            each(grid, zone, day, (0, 1_440), |interval| {
                if !wanted[interval] {
                    found[interval] = dearest.max(found[interval]);
                }
            });
        }
        for wish in today.iter().filter(|wish| !wish.wanted) {
            each(grid, zone, day, (wish.start, wish.end), |interval| {
                found[interval] = price(wish).max(found[interval]);
            });
        }
    }
    found
}

/// What work costs outside some shifts.
fn outside(grid: &Grid, duties: &[Duty], price: i64) -> Vec<i32> {
    let mut found = vec![i32::try_from(price).unwrap_or(0); grid.count];
    for duty in duties {
        duty.cover(grid).for_each(|(interval, _)| found[interval] = 0);
    }
    found
}

/// The local days that a grid touches, and the one before.
fn days(grid: &Grid, zone: &TimeZone) -> Vec<Date> {
    let date = |at: i64| zone.to_datetime(Timestamp::from_second(at).unwrap_or(Timestamp::MAX)).date();
    let (mut day, last) = (civil::later(date(grid.start), -1), date(grid.start + grid.count as i64 * grid.step));
    let mut found = Vec::new();
    while day <= last {
        found.push(day);
        day = civil::later(day, 1);
    }
    found
}

/// The intervals that begin in a window of a day, in minutes after its midnight.
fn each(grid: &Grid, zone: &TimeZone, day: Date, (start, end): (i32, i32), mut found: impl FnMut(usize)) {
    let edge = |minutes| civil::instant(day, minutes, zone, Gap::Forward).map_or(0, |at| at.as_second());
    let index = |at: i64| (at - grid.start + grid.step - 1).div_euclid(grid.step).clamp(0, grid.count as i64);
    (index(edge(start))..index(edge(end))).for_each(|interval| found(interval as usize));
}

#[cfg(test)]
#[path = "taste_tests.rs"]
mod tests;
