//! How long a contact takes: a level that follows the recent days, and what time of day and weekday add to it, all
//! weighted by contacts and drawn to the mean where there are few.

use crate::days::{Day, State};
use crate::series::Grid;

/// Handling times scatter about as widely as they are long, so a mean of n of them is off by one in the root of n.
/// Slots differ by about a tenth: with a hundred contacts a slot's own mean weighs as much as the day's.
const SLOT_CONTACTS: f64 = 100.0;
/// Weekdays differ by about a twentieth.
const WEEKDAY_CONTACTS: f64 = 400.0;
/// The level of all time counts as so many contacts.
const LEVEL_CONTACTS: f64 = 30.0;

/// Mean handling seconds by weekday and slot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handling {
    pub level: f64,
    weekdays: [f64; 7],
    slots: Vec<f64>,
}

impl Handling {
    pub fn seconds(&self, weekday: u8, slot: usize) -> f64 {
        self.level * self.weekdays[usize::from(weekday)] * self.slots[slot]
    }

    /// The same for each weekday and slot.
    pub fn flat(level: f64, slots: usize) -> Self {
        Self { level, weekdays: [1.0; 7], slots: vec![1.0; slots] }
    }

    /// Learns from the days before `until`; none where no handling time is known.
    fn learn(grid: &Grid, days: &[Day], until: usize, half_life: f64, shaped: bool) -> Option<Self> {
        let fade = 0.5_f64.powf(1.0 / half_life);
        let (mut seconds, mut timed, mut all_seconds, mut all_timed) = (0.0, 0.0, 0.0, 0.0);
        let usable = |day: &usize| days[*day].state == State::Open && !days[*day].left_out;
        for day in (0..until).filter(usable) {
            let weight = fade.powf((until - day) as f64);
            for cell in grid.cells(day) {
                seconds += weight * grid.seconds[cell];
                timed += weight * grid.timed[cell];
                all_seconds += grid.seconds[cell];
                all_timed += grid.timed[cell];
            }
        }
        if all_timed <= 0.0 || all_seconds <= 0.0 {
            return None;
        }
        let long = all_seconds / all_timed;
        let level = (seconds + LEVEL_CONTACTS * long) / (timed + LEVEL_CONTACTS);
        let mut handling = Self::flat(level, grid.slots);
        if !shaped {
            return Some(handling);
        }
        let mut by_slot = vec![(0.0, 0.0); grid.slots];
        let mut by_weekday = [(0.0, 0.0); 7];
        for day in (0..until).filter(usable) {
            let weekday = &mut by_weekday[usize::from(days[day].weekday)];
            for (slot, cell) in grid.cells(day).enumerate() {
                by_slot[slot].0 += grid.seconds[cell];
                by_slot[slot].1 += grid.timed[cell];
                weekday.0 += grid.seconds[cell];
                weekday.1 += grid.timed[cell];
            }
        }
        let drawn = |(seconds, timed): (f64, f64), by: f64| (seconds + by * long) / (timed + by) / long;
        handling.slots = by_slot.into_iter().map(|sums| drawn(sums, SLOT_CONTACTS)).collect();
        handling.weekdays = by_weekday.map(|sums| drawn(sums, WEEKDAY_CONTACTS));
        Some(handling)
    }

    /// Learns in the way that was right most often at the origins given; answers also its error, as a share of all
    /// handling seconds.
    pub fn choose(grid: &Grid, days: &[Day], origins: &[usize]) -> Option<(Self, Option<f64>)> {
        let mut best: Option<(f64, f64, bool)> = None;
        for half_life in [7.0, 28.0, 180.0] {
            for shaped in [true, false] {
                let (mut missed, mut seconds) = (0.0, 0.0);
                for &origin in origins {
                    let Some(handling) = Self::learn(grid, days, origin, half_life, shaped) else { continue };
                    for (day, facts) in (origin..grid.days).zip(&days[origin..]).take(7) {
                        for (slot, cell) in grid.cells(day).enumerate() {
                            let timed = grid.timed[cell];
                            missed += (grid.seconds[cell] - timed * handling.seconds(facts.weekday, slot)).abs();
                            seconds += grid.seconds[cell];
                        }
                    }
                }
                let error = if 0.0 < seconds { missed / seconds } else { f64::INFINITY };
                if best.is_none_or(|(least, ..)| error < least) {
                    best = Some((error, half_life, shaped));
                }
            }
        }
        let (error, half_life, shaped) = best.filter(|best| best.0.is_finite()).unwrap_or((f64::NAN, 28.0, true));
        let handling = Self::learn(grid, days, grid.days, half_life, shaped)?;
        Some((handling, error.is_finite().then_some(error)))
    }
}
