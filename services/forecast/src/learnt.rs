//! A series learnt, and what it answers: the coming intervals, how right such answers were, what was strange.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::Refusal;
use crate::accuracy::Accuracy;
use crate::calendar::{Calendar, Opening};
use crate::clock::Clock;
use crate::days::State;
use crate::handling::Handling;
use crate::intraday::{Damping, Lived};
use crate::model::{Method, Model};
use crate::pool::Pool;
use crate::series::{Grid, History, days_between};
use crate::spread::{MOST_DISTANCES, Scatter};

/// The furthest day that is forecast, in days after the record.
pub const MOST_DAYS_AHEAD: i64 = 550;
const MOST_LEVELS: usize = 10;
/// Past days whose mornings and afternoons tell the damping.
const MORNINGS: usize = 84;

/// What is asked of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The first day, in the zone of the series: after the record's last.
    pub first: Date,
    /// How many days: at most as many as lie within [`MOST_DAYS_AHEAD`] of the record.
    pub days: u32,
    /// Probabilities with which the ranges hold what comes, such as 0.8 and 0.95.
    pub levels: Vec<f64>,
}

impl Ask {
    pub(crate) fn date(&self, step: u32) -> Result<Date, Refusal> {
        self.first.checked_add(i64::from(step).days()).map_err(|_| Refusal::Date(self.first))
    }

    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let days = i64::from(self.days);
        if !(1..=MOST_DAYS_AHEAD).contains(&days) {
            return Err(Refusal::Horizon { days, most: MOST_DAYS_AHEAD });
        }
        if MOST_LEVELS < self.levels.len() {
            return Err(Refusal::TooMany { what: "levels", count: self.levels.len(), most: MOST_LEVELS });
        }
        match self.levels.iter().find(|level| !(0.0 < **level && **level < 1.0)) {
            Some(level) => Err(Refusal::Level(*level)),
            None => Ok(()),
        }
    }
}

/// What is expected of one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Start of the interval.
    pub start: Timestamp,
    /// Which interval of a day of 24 hours it is by its civil time, from midnight.
    pub slot: usize,
    /// Contacts; none where it is closed.
    pub contacts: f64,
    /// A lower and an upper end for each of the levels asked.
    pub ranges: Vec<(f64, f64)>,
    /// Mean handling seconds; none where no handling time was ever measured.
    pub handle_seconds: Option<f64>,
}

/// A day that was nothing like expected, and from which nothing was learnt. It stays in the record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    pub date: Date,
    pub contacts: f64,
    pub expected: f64,
}

/// How a forecast came about: what can be stored beside it and shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Days of history.
    pub days: usize,
    /// Weekly origins of the past from which the week that followed was forecast again.
    pub origins: usize,
    /// Accuracy of the combination at those origins.
    pub accuracy: Accuracy,
    /// Accuracy of repeating the last same weekday at those origins.
    pub seasonal_naive: Accuracy,
    /// Share of all handling seconds by which the handling time was off at those origins.
    pub handling_error: Option<f64>,
    /// The methods and how much each counts, the heaviest first.
    pub methods: Vec<(Method, f64)>,
    pub outliers: Vec<Outlier>,
    /// Events that shall do what they did before, but never were before.
    pub unlearnt: Vec<String>,
    /// What the ranges are made from.
    pub scatter: Scatter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The intervals asked, in order, closed ones included.
    pub intervals: Vec<Expected>,
    pub report: Report,
    /// How the rest of each of these days will follow its morning: for [`crate::reforecast`].
    pub damping: Damping,
}

/// Forecasts a series.
///
/// `pool` lends to a thin series what its siblings have in common. A history of at least a day is needed; where there
/// is none, see [`Pool::by_analogy`].
pub fn forecast(history: &History, calendar: &Calendar, pool: Option<&Pool>, ask: &Ask) -> Result<Forecast, Refusal> {
    ask.check()?;
    calendar.check()?;
    if let Some(pool) = pool
        && pool.minutes != history.step_minutes
    {
        return Err(Refusal::PoolStep { index: 0, minutes: history.step_minutes, first: pool.minutes });
    }
    let grid = Grid::read(history, &calendar.opening)?;
    let next = grid.date(grid.days)?;
    if ask.first < next {
        return Err(Refusal::HorizonInThePast { first: ask.first });
    }
    let gap = days_between(next, ask.first);
    if MOST_DAYS_AHEAD < gap {
        return Err(Refusal::HorizonTooFar { first: ask.first, most: MOST_DAYS_AHEAD });
    }
    let ahead = gap + i64::from(ask.days);
    if MOST_DAYS_AHEAD < ahead {
        return Err(Refusal::Horizon { days: ahead, most: MOST_DAYS_AHEAD });
    }
    let ahead = ahead as usize;
    let model = Model::learn(grid, calendar, ahead, pool)?;
    let origins: Vec<usize> = model.origins().collect();
    let rolled = Rolled::of(&model, &origins);
    let handling = Handling::choose(&model.grid, &model.days.days, &origins);
    let handling_error = handling.as_ref().and_then(|handling| handling.1);
    let handling = handling.map(|handling| handling.0).or_else(|| {
        let seconds = pool?.handle_seconds?;
        Some(Handling::flat(seconds, model.grid.slots))
    });

    let profiles = model.profiles(model.grid.days);
    let rates = model.combined(model.grid.days, ahead, &profiles);
    let (gap, days) = (gap as usize, ask.days as usize);
    let intervals = expected_days(
        &model.grid.clock,
        &calendar.opening,
        ask,
        gap,
        &rates[gap..gap + days],
        &rolled.scatter,
        handling.as_ref(),
    )?;
    let damping = damping(&model);
    Ok(Forecast { intervals, report: report(&model, &origins, rolled, handling_error)?, damping })
}

/// Days laid out as intervals, with their ranges and handling times.
pub(crate) fn expected_days(
    clock: &Clock,
    opening: &Opening,
    ask: &Ask,
    gap: usize,
    rates: &[Vec<f64>],
    scatter: &Scatter,
    handling: Option<&Handling>,
) -> Result<Vec<Expected>, Refusal> {
    let mut intervals = Vec::with_capacity(rates.len() * clock.slots());
    for (step, rates) in rates.iter().enumerate() {
        let date = ask.date(step as u32)?;
        let weekday = date.weekday().to_monday_zero_offset() as u8;
        for (start, slot) in clock.intervals(date)? {
            let open = opening.is_open(date, slot as u32 * clock.minutes()).unwrap_or(true);
            let contacts = if open { rates[slot] } else { 0.0 };
            intervals.push(Expected {
                start,
                slot,
                contacts,
                ranges: ask.levels.iter().map(|level| scatter.range(contacts, gap + step, *level)).collect(),
                handle_seconds: handling.map(|handling| handling.seconds(weekday, slot)),
            });
        }
    }
    Ok(intervals)
}

fn report(model: &Model, origins: &[usize], rolled: Rolled, handling_error: Option<f64>) -> Result<Report, Refusal> {
    let mut methods: Vec<(Method, f64)> = model.weights.iter().copied().filter(|(_, weight)| 0.0 < *weight).collect();
    methods.sort_by(|one, other| other.1.total_cmp(&one.1));
    let strange = (0..model.grid.days).filter(|&day| !model.use_day[day] && !model.day(day).left_out);
    let outliers = strange
        .map(|day| Outlier {
            date: model.day(day).date,
            contacts: model.grid.total(day),
            expected: model.expected[day],
        })
        .collect();
    Ok(Report {
        days: model.grid.days,
        origins: origins.len(),
        accuracy: rolled.accuracy,
        seasonal_naive: rolled.naive,
        handling_error,
        methods,
        outliers,
        unlearnt: model.days.unlearnt.clone(),
        scatter: rolled.scatter,
    })
}

/// The past forecast again from weekly origins.
struct Rolled {
    accuracy: Accuracy,
    naive: Accuracy,
    scatter: Scatter,
}

impl Rolled {
    fn of(model: &Model, origins: &[usize]) -> Self {
        let mut rolled = Self {
            accuracy: Accuracy::default(),
            naive: Accuracy::default(),
            scatter: Scatter::assumed((1.5 * model.noise()).clamp(0.1, 0.5)),
        };
        let scale = weekly_change(model);
        let mut made: Vec<(usize, Vec<Vec<f64>>)> = Vec::new();
        for &origin in origins {
            let rates = model.combined(origin, 7, &model.profiles(origin));
            let scaled = |accuracy| Accuracy { scale, ..accuracy };
            rolled.accuracy = rolled.accuracy.and(scaled(model.compare(&rates, origin)));
            rolled.naive = rolled.naive.and(scaled(model.compare(&model.naive(origin, 7), origin)));
            made.push((origin, rates));
        }
        if 2 <= made.len() {
            rolled.scatter = scatter(model, &made);
        }
        rolled
    }
}

/// Mean absolute difference of an interval from the same one a week before: the scale of MASE.
fn weekly_change(model: &Model) -> f64 {
    let grid = &model.grid;
    let week = 7 * grid.slots;
    let (mut sum, mut count) = (0.0, 0.0);
    for cell in week..grid.contacts.len() {
        let (now, before) = (grid.contacts[cell], grid.contacts[cell - week]);
        if 0 < grid.known[cell] && 0 < grid.known[cell - week] && 0.0 < now + before {
            sum += (now - before).abs();
            count += 1.0;
        }
    }
    if 0.0 < count { sum / count } else { 0.0 }
}

/// Measures how actual contacts scattered around the rolled forecasts.
fn scatter(model: &Model, made: &[(usize, Vec<Vec<f64>>)]) -> Scatter {
    let grid = &model.grid;
    let days: Vec<Vec<(f64, f64)>> = made
        .iter()
        .flat_map(|(origin, rates)| rates.iter().enumerate().map(move |(step, rates)| (origin + step, rates)))
        .filter(|(day, _)| model.use_day[*day] && model.day(*day).state == State::Open)
        .map(|(day, rates)| {
            let pair = |(cell, rate): (usize, &f64)| (rate * f64::from(grid.known[cell]), grid.contacts[cell]);
            grid.cells(day).zip(rates).map(pair).filter(|pair| 0.0 < pair.0).collect()
        })
        .collect();
    // What is left when a day's own total is given comes by chance; what its total was off by moves the day.
    let (mut chance, mut volume) = (0.0, 0.0);
    for day in &days {
        let (forecast, actual) = day.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        if 0.0 < actual && 0.0 < forecast {
            let ratio = actual / forecast;
            chance += day.iter().map(|(f, y)| (y - f * ratio).powi(2)).sum::<f64>();
            volume += actual;
        }
    }
    let chance = if 0.0 < volume { (chance / volume).max(1.0) } else { 1.2 };
    let (mut moved, mut squares) = (0.0, 0.0);
    for day in &days {
        let (forecast, actual) = day.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        moved += (actual - forecast).powi(2) - chance * forecast;
        squares += forecast * forecast;
    }
    let day = if 0.0 < squares { (moved / squares).max(0.0).sqrt().max(0.005) } else { 0.1 };
    let mut scatter = Scatter { chance, day, weeks: model.weeks_ahead(), distances: Vec::new(), days: days.len() };
    let mut distances: Vec<f64> = days
        .iter()
        .flatten()
        .map(|(forecast, actual)| (actual - forecast).abs() / scatter.variance(*forecast, 0).sqrt())
        .collect();
    distances.sort_unstable_by(f64::total_cmp);
    let every = distances.len().div_ceil(MOST_DISTANCES).max(1);
    scatter.distances = distances.into_iter().step_by(every).collect();
    scatter
}

/// Learns from the last weeks how the rest of a day follows its morning.
fn damping(model: &Model) -> Damping {
    let grid = &model.grid;
    let from = model.first_origin().max(grid.days.saturating_sub(MORNINGS));
    let mut lived = Vec::new();
    let mut profiles = None;
    for day in from..grid.days {
        // Profiles hardly change within a week.
        if profiles.is_none() || (day - from).is_multiple_of(7) {
            profiles = Some(model.profiles(day));
        }
        let whole = grid.cells(day).all(|cell| 0 < grid.known[cell] || 0.0 == grid.contacts[cell]);
        let (Some(profiles), true) = (&profiles, whole && model.use_day[day]) else { continue };
        if model.day(day).state != State::Open {
            continue;
        }
        let rates = model.quick(day, profiles);
        let forecast = grid.cells(day).zip(&rates).map(|(cell, rate)| rate * f64::from(grid.known[cell])).collect();
        lived.push(Lived { forecast, actual: grid.contacts[grid.cells(day)].to_vec() });
    }
    Damping::learn(&lived, grid.slots)
}
