//! How a day's contacts spread over its slots, by class of days.
//!
//! Each class has its own mean, recent days counting more; classes that look alike lend to each other, as much as
//! their likeness and the noise of each allow; what is left of the noise is smoothed, where that has proved right.

use crate::days::{CLASSES, Day, State};
use crate::series::Grid;

/// How profiles are learnt: what rolling evaluation chooses among.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Manner {
    /// Days after which a day counts half.
    pub half_life: f64,
    /// How often neighbours are averaged.
    pub smooth: u8,
}

/// Shares of a day's contacts by class and slot; a class's shares add up to one.
#[derive(Debug, Clone)]
pub(crate) struct Profiles {
    pub shares: Vec<Vec<f64>>,
    /// Classes of which a day was seen, here or by siblings.
    seen: Vec<bool>,
}

/// A slot is closed where all other days together would have brought so many and the class had none.
const NOT_BY_CHANCE: f64 = 6.0;

/// A class's own mean and how far it is to be trusted.
struct Own {
    shares: Vec<f64>,
    /// Weight of all its days.
    weight: f64,
    /// Variance of the mean, summed over the slots.
    doubt: f64,
    /// Contacts it is made from.
    contacts: f64,
}

/// Days whose contacts may be learnt from: recorded, open, no outliers.
pub(crate) struct Lessons<'a> {
    pub grid: &'a Grid,
    pub days: &'a [Day],
    pub use_day: &'a [bool],
}

impl Profiles {
    /// Learns from the days before `until`. A pool is what siblings look like, class by class.
    pub fn learn(lessons: &Lessons<'_>, until: usize, manner: Manner, pool: Option<&[Option<Vec<f64>>]>) -> Self {
        let slots = lessons.grid.slots;
        let own = own(lessons, until, manner.half_life);
        let mut shares: Vec<Vec<f64>> = (0..CLASSES).map(|class| blend(class, &own, pool, slots)).collect();
        for (class, shares) in shares.iter_mut().enumerate() {
            let closed = closed(class, &own, slots);
            for (share, closed) in shares.iter_mut().zip(&closed) {
                if *closed {
                    *share = 0.0;
                }
            }
            smooth(shares, manner.smooth);
            let sum: f64 = shares.iter().sum();
            if 0.0 < sum {
                shares.iter_mut().for_each(|share| *share /= sum);
            } else {
                shares.fill(1.0 / slots as f64);
            }
        }
        let pooled = |class: usize| pool.is_some_and(|pool| pool[class].is_some());
        let seen = own.iter().enumerate().map(|(class, own)| 0.0 < own.weight || pooled(class)).collect();
        Self { shares, seen }
    }

    /// The shares of a day's class; where none was seen, of its weekday.
    pub fn of(&self, day: &Day) -> &[f64] {
        let class = if self.seen[usize::from(day.class)] { day.class } else { day.weekday };
        &self.shares[usize::from(class)]
    }
}

/// The mean of each class, weighted by recency and contacts.
fn own(lessons: &Lessons<'_>, until: usize, half_life: f64) -> Vec<Own> {
    let grid = lessons.grid;
    let slots = grid.slots;
    let fade = 0.5_f64.powf(1.0 / half_life);
    // Nothing older than ten half-lives is read: it would count a thousandth.
    let since = until.saturating_sub((10.0 * half_life) as usize);
    let learnable =
        |day: &usize| lessons.use_day[*day] && lessons.days[*day].state == State::Open && 0.0 < grid.total(*day);
    let mut own: Vec<Own> =
        (0..CLASSES).map(|_| Own { shares: vec![0.0; slots], weight: 0.0, doubt: 0.0, contacts: 0.0 }).collect();
    // What each slot would have had, had all of it been recorded: shares of what was.
    let mut over = vec![vec![0.0; slots]; CLASSES];
    for day in (since..until).filter(learnable) {
        let class = usize::from(lessons.days[day].class);
        let weight = fade.powf((until - day) as f64);
        let total = grid.total(day);
        own[class].contacts += total;
        for (slot, cell) in grid.cells(day).enumerate() {
            own[class].shares[slot] += weight * grid.contacts[cell];
            over[class][slot] += weight * total * f64::from(grid.known[cell]);
        }
    }
    for (own, over) in own.iter_mut().zip(&over) {
        for (share, over) in own.shares.iter_mut().zip(over) {
            *share = if 0.0 < *over { *share / over } else { 0.0 };
        }
    }
    // How single days scatter around the mean of their class gives the doubt in each mean.
    let (mut scatter, mut freedom) = (0.0, 0.0);
    let mut squares = vec![0.0; CLASSES];
    for day in (since..until).filter(learnable) {
        let class = usize::from(lessons.days[day].class);
        let total = grid.total(day);
        let weight = fade.powf((until - day) as f64) * total;
        let apart: f64 = grid
            .cells(day)
            .enumerate()
            .filter(|&(_, cell)| 0 < grid.known[cell])
            .map(|(slot, cell)| {
                (grid.contacts[cell] / f64::from(grid.known[cell]) / total - own[class].shares[slot]).powi(2)
            })
            .sum();
        scatter += weight * apart;
        own[class].weight += weight;
        squares[class] += weight * weight;
    }
    for (own, squares) in own.iter().zip(&squares) {
        if 0.0 < own.weight {
            freedom += own.weight - squares / own.weight;
        }
    }
    let scatter = if 0.0 < freedom { scatter / freedom } else { 1.0 };
    for (own, squares) in own.iter_mut().zip(&squares) {
        if 0.0 < own.weight {
            own.doubt = (scatter * squares / (own.weight * own.weight)).max(1e-15);
        }
    }
    own
}

/// A class's shares with what others lend, each weighted by how little it is expected to be off.
fn blend(class: usize, own: &[Own], pool: Option<&[Option<Vec<f64>>]>, slots: usize) -> Vec<f64> {
    let mine = &own[class];
    let mut shares = vec![0.0; slots];
    let mut weights = 0.0;
    let mut add = |from: &[f64], weight: f64| {
        weights += weight;
        shares.iter_mut().zip(from).for_each(|(share, from)| *share += weight * from);
    };
    for (other, theirs) in own.iter().enumerate().filter(|(_, theirs)| 0.0 < theirs.weight) {
        let unlike = if other == class || mine.weight == 0.0 {
            0.0
        } else {
            (apart(&mine.shares, &theirs.shares) - mine.doubt - theirs.doubt).max(0.0)
        };
        add(&theirs.shares, 1.0 / (theirs.doubt + unlike));
    }
    if let Some(pooled) = pool.and_then(|pool| pool[class].as_ref()) {
        // Siblings are never quite alike: without knowing how far they are off, as far as half of this one's doubt.
        let unlike = if mine.weight == 0.0 { 0.0 } else { (apart(&mine.shares, pooled) - mine.doubt).max(0.0) };
        add(pooled, 1.0 / (unlike + 0.5 * if 0.0 < mine.weight { mine.doubt } else { 1e-3 }));
    }
    shares
}

fn apart(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum()
}

/// Slots in which a class has nothing and should have had something, were it open.
fn closed(class: usize, own: &[Own], slots: usize) -> Vec<bool> {
    let mine = &own[class];
    let all: f64 = own.iter().map(|own| own.weight).sum();
    (0..slots)
        .map(|slot| {
            let usual: f64 = own.iter().map(|own| own.weight * own.shares[slot]).sum::<f64>() / all.max(1e-300);
            0.0 < mine.weight && mine.shares[slot] == 0.0 && NOT_BY_CHANCE <= usual * mine.contacts
        })
        .collect()
}

/// Averages neighbours that are open, without moving anything over an edge.
fn smooth(shares: &mut [f64], times: u8) {
    for _ in 0..times {
        let before = shares.to_vec();
        for slot in 0..shares.len() {
            if before[slot] == 0.0 {
                continue;
            }
            let side = |other: Option<usize>| {
                other.and_then(|other| before.get(other)).copied().filter(|share| 0.0 < *share).unwrap_or(before[slot])
            };
            shares[slot] = 0.5 * before[slot] + 0.25 * (side(slot.checked_sub(1)) + side(Some(slot + 1)));
        }
    }
}
