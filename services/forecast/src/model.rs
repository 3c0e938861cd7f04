//! A series learnt: level, profiles, and how much each method is to be trusted, all by rolling origin.

use crate::Refusal;
use crate::accuracy::Accuracy;
use crate::calendar::Calendar;
use crate::carried;
use crate::days::{CLASSES, Day, Days, State};
use crate::decomposed;
use crate::direct::{self, Direct};
use crate::level::{self, Pass, Sample, Spec};
use crate::pool::Pool;
use crate::profile::{Lessons, Manner, Profiles};
use crate::series::Grid;

/// Origins are a week apart, so many at most, the last ones.
const ORIGINS: usize = 12;
/// The first origin needs so many days of history.
const SETTLED: usize = 10;
/// Less is a short history: four weeks.
const SHORT: usize = 28;
/// Levels are judged at every day of the last so many.
const JUDGED: usize = 126;
/// Nothing further ahead is judged.
const FAR: usize = 28;
/// A year and a bit: only then does a year repeat.
const YEARLY: usize = 400;
/// Less of a day's usual volume recorded says too little.
const LITTLE: f64 = 0.2;
/// Errors of methods count half after so many days,
const FADE_DAYS: f64 = 56.0;
/// and those of levels, of which there are more alike, after so many.
const LEVEL_FADE_DAYS: f64 = 100.0;

/// So many contacts are no rarity.
const ENOUGH: f64 = 8.0;
/// Methods that would count for less than this share do not count.
const LIGHT: f64 = 0.02;

/// Methods are tried on so many weeks,
const TRIED: usize = 4;
/// and on more if they are not so far behind the best.
const FAR_BEHIND: f64 = 1.3;
/// The power to which errors are held against methods, had they been seen for ever.
const STRICT: f64 = 40.0;

/// The ways in which days of a series are forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Level × profile: see the crate's description.
    Structural,
    /// Seasons of day and week taken apart, what is left smoothed (MSTL and exponential smoothing).
    Decomposed,
    /// The shape of the week, at the level of the last hours.
    LastHours,
    /// The shape of the week, at the level of the last day or two.
    LastDays,
    /// The last same weekday.
    LastWeek,
    /// The mean of the last four same weekdays.
    MeanOfFour,
    /// The mean of the last eight same weekdays.
    MeanOfEight,
    /// The median of the last six same weekdays.
    MedianOfSix,
}

impl Method {
    pub const ALL: [Self; 8] = [
        Self::Structural,
        Self::Decomposed,
        Self::LastHours,
        Self::LastDays,
        Self::LastWeek,
        Self::MeanOfFour,
        Self::MeanOfEight,
        Self::MedianOfSix,
    ];

    /// How much a method counts among others that were as right. Methods that are much alike share a vote.
    fn vote(self) -> f64 {
        match self {
            Self::Structural => 2.0,
            Self::Decomposed => 1.0,
            Self::LastHours | Self::LastDays => 0.25,
            Self::LastWeek | Self::MeanOfFour | Self::MeanOfEight | Self::MedianOfSix => 0.125,
        }
    }
}

/// A series ready to be asked.
pub(crate) struct Model {
    pub grid: Grid,
    pub days: Days,
    pub samples: Vec<Option<Sample>>,
    pub use_day: Vec<bool>,
    pub expected: Vec<f64>,
    pub weights: Vec<(Method, f64)>,
    manner: Manner,
    passes: Vec<Pass>,
    /// The first origin of the passes.
    from: usize,
    pool: Option<Pool>,
}

impl Model {
    /// Learns from a grid; `ahead` days after the record can be asked for.
    pub fn learn(grid: Grid, calendar: &Calendar, ahead: usize, pool: Option<&Pool>) -> Result<Self, Refusal> {
        let days = Days::read(&grid, calendar, ahead)?;
        let samples = samples(&grid, &days);
        let count = grid.days;
        let from = count.saturating_sub(JUDGED).max(SETTLED.min(count / 2));
        let judged = ahead.clamp(7, FAR);
        let week = pool.map(|pool| pool.weekdays.map(f64::ln));
        let passes: Vec<Pass> = specs(count)
            .iter()
            .map(|&spec| level::pass(spec, &days, &samples, from, ahead.max(judged), week))
            .collect();
        let use_day: Vec<bool> = (0..count).map(|day| !days.days[day].left_out && !passes[0].outliers[day]).collect();
        let expected = passes[0].expected.clone();
        let mut model = Self {
            grid,
            days,
            samples,
            use_day,
            expected,
            weights: vec![(Method::Structural, 1.0)],
            manner: Manner { half_life: 56.0, smooth: 1 },
            passes,
            from,
            pool: pool.cloned(),
        };
        model.choose_manner();
        model.weigh();
        Ok(model)
    }

    fn pooled(&self) -> Option<&[Option<Vec<f64>>]> {
        self.pool.as_ref().map(|pool| pool.profiles.as_slice())
    }

    pub fn lessons(&self) -> Lessons<'_> {
        Lessons { grid: &self.grid, days: &self.days.days, use_day: &self.use_day }
    }

    /// Origins of the past, the last first, a week apart.
    pub fn origins(&self) -> impl Iterator<Item = usize> + use<> {
        let (count, from) = (self.grid.days, self.from.max(SETTLED));
        (1..=ORIGINS).map_while(move |week| count.checked_sub(7 * week).filter(|origin| from <= *origin))
    }

    pub fn profiles(&self, origin: usize) -> Profiles {
        Profiles::learn(&self.lessons(), origin, self.manner, self.pooled())
    }

    /// Contacts of the days from an origin on, combined from all levels by how right they were before it.
    pub fn levels(&self, origin: usize, horizon: usize) -> Vec<f64> {
        let weights = self.level_weights(origin);
        let ahead: Vec<&Vec<f64>> = self.passes.iter().map(|pass| &pass.ahead[origin - self.from]).collect();
        (0..horizon)
            .map(|step| {
                let logs: f64 =
                    ahead.iter().zip(&weights).map(|(ahead, weight)| weight * ahead[step].max(1e-300).ln()).sum();
                if ahead[0][step] == 0.0 { 0.0 } else { logs.exp() }
            })
            .collect()
    }

    /// How much each level is to be trusted at an origin, from its errors on the days before it.
    fn level_weights(&self, origin: usize) -> Vec<f64> {
        let count = self.passes.len();
        let mut errors = vec![0.0; count];
        let mut volume = 0.0;
        // Judged as it will be used: from the same weekday. What the evening of a Sunday tells is not what a Wednesday's does.
        for made in (self.from..origin).rev().skip(6).step_by(7) {
            let reach = (origin - made).min(FAR);
            for step in 0..reach {
                let Some(sample) = self.samples[made + step] else { continue };
                if !self.use_day[made + step] {
                    continue;
                }
                let fade = 0.5_f64.powf((origin - made - step) as f64 / LEVEL_FADE_DAYS);
                let factor = self.days.days[made + step].factor;
                volume += fade * sample.contacts * factor;
                for (error, pass) in errors.iter_mut().zip(&self.passes) {
                    if let Some(ahead) = pass.ahead[made - self.from].get(step) {
                        *error += fade * (sample.contacts * factor - ahead * sample.share).abs();
                    }
                }
            }
        }
        weigh(&errors, volume, (origin - self.from) / 7)
    }

    /// Contacts per interval of each slot of the days from an origin on.
    pub fn rates(&self, method: Method, origin: usize, horizon: usize, profiles: &Profiles) -> Vec<Vec<f64>> {
        let days = &self.days.days[origin..origin + horizon];
        // What holidays, closures and events do was learnt once, for all methods.
        let lifted = |mut rates: Vec<Vec<f64>>| {
            for (rates, lift) in rates.iter_mut().zip(&self.passes[0].lifts[origin - self.from]) {
                rates.iter_mut().for_each(|rate| *rate *= lift);
            }
            rates
        };
        let carried = |hours| lifted(carried::rates(&self.lessons(), profiles, origin, hours, days));
        let direct = |how| {
            let lessons = self.lessons();
            let of_day = |day: &Day| match day.state {
                State::Closed => vec![0.0; self.grid.slots],
                _ => direct::rates(how, &lessons, origin, day).into_iter().map(|rate| rate * day.factor).collect(),
            };
            lifted(days.iter().map(of_day).collect())
        };
        match method {
            Method::Structural => self.structural(origin, horizon, profiles),
            Method::Decomposed => match decomposed::rates(&self.lessons(), origin, days) {
                Some(rates) => lifted(rates),
                None => self.structural(origin, horizon, profiles),
            },
            Method::LastHours => carried(2.0),
            Method::LastDays => carried(16.0),
            Method::LastWeek => direct(Direct::Mean(1)),
            Method::MeanOfFour => direct(Direct::Mean(4)),
            Method::MeanOfEight => direct(Direct::Mean(8)),
            Method::MedianOfSix => direct(Direct::Median(6)),
        }
    }

    fn structural(&self, origin: usize, horizon: usize, profiles: &Profiles) -> Vec<Vec<f64>> {
        let days = &self.days.days[origin..];
        let spread = |(level, day): (f64, &Day)| profiles.of(day).iter().map(|share| level * share).collect();
        self.levels(origin, horizon).into_iter().zip(days).map(spread).collect()
    }

    /// The structural method, or the plain ones where they count for more: the day ahead, many times over.
    pub fn quick(&self, origin: usize, profiles: &Profiles) -> Vec<f64> {
        let quick = self.weights.iter().filter(|(method, _)| *method != Method::Decomposed);
        let best = quick.max_by(|one, other| one.1.total_cmp(&other.1)).map_or(Method::Structural, |best| best.0);
        self.rates(best, origin, 1, profiles).swap_remove(0)
    }

    /// The chosen combination.
    pub fn combined(&self, origin: usize, horizon: usize, profiles: &Profiles) -> Vec<Vec<f64>> {
        let mut sum = vec![vec![0.0; self.grid.slots]; horizon];
        for &(method, weight) in self.weights.iter().filter(|(_, weight)| 0.0 < *weight) {
            for (sum, rates) in sum.iter_mut().zip(self.rates(method, origin, horizon, profiles)) {
                sum.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += weight * rate);
            }
        }
        sum
    }

    /// The yardstick: the last same weekday's contacts again.
    pub fn naive(&self, origin: usize, horizon: usize) -> Vec<Vec<f64>> {
        let lessons = self.lessons();
        (origin..origin + horizon).map(|day| direct::seasonal_naive(&lessons, origin, self.day(day))).collect()
    }

    /// Takes the manner of learning profiles that spreads days best, their totals given: the weeks after past origins,
    /// or, where the history is short, each day by all the others.
    fn choose_manner(&mut self) {
        let origins: Vec<usize> = self.origins().filter(|origin| SHORT <= *origin).take(8).collect();
        let mut best = f64::INFINITY;
        let mut chosen = self.manner;
        for half_life in [14.0, 42.0, 120.0] {
            for smooth in [0, 1, 4, 12] {
                let manner = Manner { half_life, smooth };
                let missed: f64 = if origins.len() < 2 {
                    self.by_the_others(manner)
                } else {
                    origins.iter().map(|&origin| self.by_those_before(manner, origin)).sum()
                };
                if missed < best {
                    best = missed;
                    chosen = manner;
                }
            }
        }
        self.manner = chosen;
    }

    /// How badly the days of a week are spread by what was before it.
    fn by_those_before(&self, manner: Manner, origin: usize) -> f64 {
        let profiles = Profiles::learn(&self.lessons(), origin, manner, self.pooled());
        (origin..origin + 7).map(|day| self.misspread(&profiles, day)).sum()
    }

    /// How badly each of the last days is spread by all others.
    fn by_the_others(&self, manner: Manner) -> f64 {
        let days = self.grid.days.saturating_sub(SHORT)..self.grid.days;
        days.map(|left_out| {
            let mut use_day = self.use_day.clone();
            use_day[left_out] = false;
            let lessons = Lessons { use_day: &use_day, ..self.lessons() };
            let profiles = Profiles::learn(&lessons, self.grid.days, manner, self.pooled());
            self.misspread(&profiles, left_out)
        })
        .sum()
    }

    /// Squared errors of a day's slots when its total is given, relative to what chance alone would make them.
    fn misspread(&self, profiles: &Profiles, day: usize) -> f64 {
        let total = self.grid.total(day);
        if !self.use_day[day] || total == 0.0 {
            return 0.0;
        }
        let known = |cell: usize| f64::from(self.grid.known[cell]);
        let shares = profiles.of(&self.days.days[day]);
        let cells = self.grid.cells(day).zip(shares);
        let covered: f64 = cells.clone().map(|(cell, share)| share * known(cell)).sum();
        let part = |(cell, share): (usize, &f64)| total * share * known(cell) / covered.max(1e-9);
        cells.map(|pair| (self.grid.contacts[pair.0] - part(pair)).powi(2) / total).sum()
    }

    /// Weighs the methods by their errors in the last weeks.
    fn weigh(&mut self) {
        let origins: Vec<usize> = self.origins().collect();
        if origins.len() < 2 {
            return;
        }
        let block = self.block();
        let mut errors = vec![0.0; Method::ALL.len()];
        let mut volume = 0.0_f64;
        for (week, &origin) in origins.iter().enumerate() {
            let fade = 0.5_f64.powf((self.grid.days - origin) as f64 / FADE_DAYS);
            let profiles = self.profiles(origin);
            // After some weeks, what is far behind is not tried on those before: most methods, for most series.
            let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
            for (index, &method) in Method::ALL.iter().enumerate() {
                if TRIED <= week && FAR_BEHIND * best < errors[index] {
                    errors[index] = f64::INFINITY;
                    continue;
                }
                let (missed, came) = self.missed(&self.rates(method, origin, 7, &profiles), origin, block);
                errors[index] += fade * missed;
                volume = volume.max(came);
            }
        }
        let mut weights = weigh(&errors, volume, origins.len());
        weights.iter_mut().zip(Method::ALL).for_each(|(weight, method)| *weight *= method.vote());
        let heaviest = weights.iter().copied().fold(0.0, f64::max);
        weights.iter_mut().filter(|weight| **weight < LIGHT * heaviest).for_each(|weight| *weight = 0.0);
        let sum: f64 = weights.iter().sum();
        self.weights = Method::ALL.into_iter().zip(weights.into_iter().map(|weight| weight / sum)).collect();
    }

    /// Over how many slots errors are summed to weigh methods. Errors of rare contacts, slot by slot, would reward him
    /// who never expects any.
    fn block(&self) -> usize {
        let (contacts, open) = (0..self.grid.contacts.len())
            .filter(|&cell| 0.0 < self.grid.contacts[cell])
            .fold((0.0, 0), |sum, cell| (sum.0 + self.grid.contacts[cell], sum.1 + 1));
        // Slots without contacts count as long as they lie on days with some.
        let days = (0..self.grid.days).filter(|&day| 0.0 < self.grid.total(day)).count();
        let busy = (days * self.grid.slots / 3).max(open);
        let mean = contacts / busy.max(1) as f64;
        ((ENOUGH / mean.max(1e-9)).ceil() as usize).clamp(1, self.grid.slots)
    }

    /// Sum of absolute errors over blocks of slots, and the contacts that came.
    fn missed(&self, rates: &[Vec<f64>], origin: usize, block: usize) -> (f64, f64) {
        let (mut missed, mut came) = (0.0, 0.0);
        for (step, rates) in rates.iter().enumerate() {
            let day = origin + step;
            if self.grid.days <= day || !self.use_day[day] {
                continue;
            }
            let cells: Vec<usize> = self.grid.cells(day).collect();
            for (cells, rates) in cells.chunks(block).zip(rates.chunks(block)) {
                let mut apart = 0.0;
                for (&cell, rate) in cells.iter().zip(rates) {
                    let known = f64::from(self.grid.known[cell]);
                    if 0.0 < known {
                        apart += self.grid.contacts[cell] - rate * known;
                        came += self.grid.contacts[cell];
                    }
                }
                missed += apart.abs();
            }
        }
        (missed, came)
    }

    /// Compares contacts per interval of the days from an origin on with what was recorded of them.
    pub fn compare(&self, rates: &[Vec<f64>], origin: usize) -> Accuracy {
        let mut sums = Accuracy::default();
        for (step, rates) in rates.iter().enumerate() {
            let day = origin + step;
            if self.grid.days <= day || !self.use_day[day] {
                continue;
            }
            for (cell, rate) in self.grid.cells(day).zip(rates) {
                let known = f64::from(self.grid.known[cell]);
                // Closed slots that are rightly forecast empty would only water the mean down.
                if 0.0 < known && (0.0 < self.grid.contacts[cell] || 0.0 < *rate) {
                    sums.count(rate * known, self.grid.contacts[cell]);
                }
            }
        }
        sums.worst = sums.wape().unwrap_or(0.0);
        sums
    }

    /// The noise of the series, as a share of a day.
    pub fn noise(&self) -> f64 {
        level::noise(&self.samples)
    }

    /// The first day from which something was forecast again.
    pub fn first_origin(&self) -> usize {
        self.from.max(SETTLED)
    }

    /// How much further off the levels were in later weeks than in the first, by week ahead.
    pub fn weeks_ahead(&self) -> Vec<f64> {
        let mut weeks = [(0.0_f64, 0.0_f64); FAR / 7];
        for made in self.from..self.grid.days {
            let levels = &self.passes[0].ahead[made - self.from];
            for (step, level) in levels.iter().enumerate().take(FAR.min(self.grid.days - made)) {
                if let (Some(sample), true, true) = (self.samples[made + step], self.use_day[made + step], 0.0 < *level)
                {
                    let contacts = sample.contacts * self.day(made + step).factor;
                    weeks[step / 7].0 += (contacts / (level * sample.share) - 1.0).powi(2).min(1.0);
                    weeks[step / 7].1 += 1.0;
                }
            }
        }
        let mut wider = vec![1.0_f64];
        let first = weeks[0].0 / weeks[0].1.max(1.0);
        for (squares, count) in &weeks[1..] {
            // Too few origins lie so far back: go on as the weeks before.
            if *count < 14.0 || first <= 0.0 {
                break;
            }
            let before = wider[wider.len() - 1];
            wider.push((squares / count / first).sqrt().clamp(before, 3.0 * before));
        }
        wider
    }

    /// The day at an index, recorded or to come.
    pub fn day(&self, index: usize) -> &Day {
        &self.days.days[index]
    }
}

/// Weights that fall with a power of the error, the higher the more weeks told; nothing far behind the best counts.
fn weigh(errors: &[f64], volume: f64, weeks: usize) -> Vec<f64> {
    let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
    if volume <= 0.0 || !best.is_finite() {
        return vec![1.0 / errors.len() as f64; errors.len()];
    }
    let power = STRICT * weeks as f64 / (weeks as f64 + 6.0);
    // An error of a millionth of the volume is none.
    let least = 1e-6 * volume;
    let raw: Vec<f64> = errors
        .iter()
        .map(
            |error| if best.max(least) * 1.2 < *error { 0.0 } else { (best.max(least) / error.max(least)).powf(power) },
        )
        .collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| weight / sum).collect()
}

/// The levels that are tried.
fn specs(days: usize) -> Vec<Spec> {
    let spec = |wander, trend, month, year| Spec { wander, trend, month, year };
    let mut specs = Vec::new();
    for wander in [0.05, 0.005, 0.3, 1.0, 4.0, 16.0] {
        specs.extend([spec(wander, false, true, false), spec(wander, false, false, false)]);
    }
    for wander in [0.05, 0.3, 1.0, 4.0] {
        specs.push(spec(wander, true, true, false));
    }
    if YEARLY <= days {
        specs.extend([spec(0.05, false, true, true), spec(0.3, false, true, true), spec(0.005, true, true, true)]);
    }
    specs
}

/// The days whose level can be learnt from.
fn samples(grid: &Grid, days: &Days) -> Vec<Option<Sample>> {
    let slots = grid.slots;
    // What an interval of each slot brings on a weekday: only to see how much of a day was recorded.
    let (mut sum, mut seen) = (vec![0.0; CLASSES * slots], vec![0.0; CLASSES * slots]);
    let open = |day: &usize| days.days[*day].state == State::Open;
    for day in (0..grid.days).filter(open) {
        let class = usize::from(days.days[day].weekday) * slots;
        for (slot, cell) in grid.cells(day).enumerate() {
            sum[class + slot] += grid.contacts[cell];
            seen[class + slot] += f64::from(grid.known[cell]);
        }
    }
    let usual: Vec<f64> = sum.iter().zip(&seen).map(|(sum, seen)| if 0.0 < *seen { sum / seen } else { 0.0 }).collect();
    let begun = (0..grid.days).find(|&day| 0.0 < grid.total(day)).unwrap_or(0);
    (0..grid.days)
        .map(|index| {
            let day = &days.days[index];
            // Nothing is learnt from a long silence before the first contact.
            if day.state != State::Open || day.left_out || (7 < begun && index < begun) {
                return None;
            }
            let usual = &usual[usize::from(day.weekday) * slots..][..slots];
            let all: f64 = usual.iter().sum();
            let here: f64 = grid.cells(index).zip(usual).map(|(cell, usual)| usual * f64::from(grid.known[cell])).sum();
            let share = if 0.0 < all { here / all } else { 1.0 };
            (LITTLE <= share).then(|| Sample { contacts: grid.total(index) / day.factor, share })
        })
        .collect()
}
