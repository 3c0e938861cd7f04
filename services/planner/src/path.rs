//! The best roster of one person at given prices: a shortest path over the days.
//!
//! A state is how a day ended: off or with a shift that ends at such an instant, after so many
//! working days in a row, with so much of the week's hours used. The long rest of the week is not
//! in it, nor are rests across a day off; so the path is never dearer than the best lawful roster,
//! and whoever wants a lawful one looks at what came out and asks again with [`Ban`]s.

use std::ops::Range;

use super::cost;
use super::model::{Model, Person, Place};
use super::taste::BURDENS;

/// No shift on a day.
pub const OFF: u32 = u32::MAX;
/// Hours are counted in units no finer than this.
const FINEST: i64 = 900;
const NEVER: f64 = f64::INFINITY;

/// What is asked beyond the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ban {
    /// This day is off.
    Work(usize),
    /// On this day no shift ends later.
    EndAfter(usize, i64),
    /// On this day no shift starts earlier.
    StartBefore(usize, i64),
}

/// What somebody at work is worth, for each interval and hundredth of a person.
pub trait Prices {
    /// Of a group in an interval.
    fn of(&self, group: u32, interval: usize) -> f64;
}

/// A question for a roster.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// What somebody at work is worth.
    pub prices: &'a dyn Prices,
    /// What is asked beyond the rules.
    pub bans: &'a [Ban],
    /// Whether hours owed count.
    pub contracts: bool,
    /// Whether what she would rather not work counts, and at which prices of burdens.
    pub burdens: Option<[f64; BURDENS]>,
    /// How many intervals without a free seat there are before each; empty where seats do not matter.
    pub closed: &'a [u32],
    /// What she attends: on which day, from when to when. The shift of that day holds it outside its breaks.
    pub sits: &'a [(usize, i64, i64)],
}

/// A place of a day with the break that is best at the prices.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: i64,
    /// Index of its end among the ends of the day, from 1.
    slot: usize,
    units: usize,
    worth: f64,
    shape: u32,
    /// How many ends of the day before leave the daily rest.
    from: usize,
}

/// The part of a roster that is chosen, and what the days around it leave.
#[derive(Debug, Clone)]
struct Window {
    days: Range<usize>,
    /// Working days in a row directly before.
    run: usize,
    /// When the shift on the day before ends, if there is one.
    until: Option<i64>,
    /// Working days in a row directly after.
    after: usize,
    /// When the shift on the day after starts, if there is one.
    latest: Option<i64>,
}

impl Window {
    fn of(model: &Model, person: &Person, days: Range<usize>, row: &[u32], runs: usize) -> Window {
        let shift = |day: i64| -> Option<(i64, i64)> {
            let duty = match usize::try_from(day) {
                Ok(inside) if inside < model.days => {
                    if row[inside] == OFF {
                        return None;
                    }
                    Some(&model.shapes[row[inside] as usize].duty)
                }
                Ok(_) => person.after.iter().find(|(at, _)| *at == day).map(|(_, duty)| duty),
                Err(_) => person.before.iter().find(|(at, _)| *at == day).map(|(_, duty)| duty),
            };
            duty.map(|duty| (duty.start, duty.end))
        };
        let (first, next) = (days.start as i64, days.end as i64);
        Window {
            run: (1..runs as i64).take_while(|back| shift(first - back).is_some()).count(),
            until: shift(first - 1).map(|(_, end)| end),
            after: (0..runs as i64).take_while(|ahead| shift(next + ahead).is_some()).count(),
            latest: shift(next).map(|(start, _)| start),
            days,
        }
    }
}

/// Room for the search, kept from question to question.
#[derive(Default)]
pub struct Paths {
    sums: Vec<f64>,
    of_group: Vec<(u32, Range<usize>)>,
    entries: Vec<Vec<Entry>>,
    ends: Vec<Vec<i64>>,
    /// For each day: cost by slot, run and units.
    costs: Vec<Vec<f64>>,
    /// Whether she must come on a day.
    must: Vec<bool>,
    lowest: Vec<f64>,
}

/// A roster and what it costs: what is owed and not worked, less what is worked at the prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Roster {
    /// Its cost.
    pub cost: f64,
    /// A shape for each day, or [`OFF`].
    pub row: Vec<u32>,
}

/// The measures of one person's states.
#[derive(Clone, Copy)]
struct Size {
    runs: usize,
    units: usize,
    unit: i64,
    /// Seconds by which counted hours may fall short of true ones.
    slack: i64,
}

impl Size {
    fn of(model: &Model, person: &Person) -> Size {
        let works = person.options.iter().flat_map(|choice| &model.choices[*choice as usize]).map(|place| place.work);
        let exact = works.fold(0, gcd);
        let (unit, slack) = if exact == 0 || FINEST <= exact { (exact.max(FINEST), 0) } else { (FINEST, 7 * FINEST) };
        Size {
            runs: person.max_days_in_row.max(1) as usize + 1,
            units: (person.max_week / unit).max(0) as usize + 1,
            unit,
            slack,
        }
    }

    fn state(&self, slot: usize, run: usize, units: usize) -> usize {
        (slot * self.runs + run) * self.units + units
    }

    /// What a week with so many units leaves owed.
    fn owed(&self, model: &Model, owed: i64, units: usize) -> f64 {
        cost::owed(owed - units as i64 * self.unit - self.slack, model.grid.step) as f64
    }
}

/// Whether there is a seat all through a place.
fn has_seats(model: &Model, closed: &[u32], place: &Place) -> bool {
    let shape = &model.shapes[place.shapes.start as usize];
    let (from, to) = (shape.first, shape.first + shape.cover.len());
    closed.get(from).zip(closed.get(to)).is_none_or(|(before, all)| before == all)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Paths {
    /// The best roster of a person.
    pub fn best(&mut self, model: &Model, person: &Person, ask: Ask<'_>) -> Roster {
        let row = vec![OFF; model.days];
        self.within(model, person, ask, (0..model.days, &row))
    }

    /// The best roster of a person in whole weeks, with the other days as they are. Its cost is
    /// that of these weeks; infinite where there is none with all that is given.
    pub fn within(
        &mut self,
        model: &Model,
        person: &Person,
        ask: Ask<'_>,
        (days, row): (Range<usize>, &[u32]),
    ) -> Roster {
        let size = Size::of(model, person);
        let window = Window::of(model, person, days, row, size.runs);
        self.worths(model, person, ask, size, &window);
        let owed = |week: usize| if ask.contracts { person.owed[week] } else { 0 };
        for day in window.days.clone() {
            self.day(model, person, size, day, &window, owed(day.saturating_sub(1) / 7));
        }
        self.back(model, person, size, &window, &owed, row)
    }

    /// The best break of every place, and what the place is worth with it.
    fn worths(&mut self, model: &Model, person: &Person, ask: Ask<'_>, size: Size, window: &Window) {
        self.of_group.clear();
        self.sums.clear();
        self.entries.resize_with(model.days, Vec::new);
        self.ends.resize_with(model.days, Vec::new);
        self.must.clear();
        self.must.resize(model.days, false);
        ask.sits.iter().for_each(|(day, ..)| self.must[*day] = true);
        for day in window.days.clone() {
            let places = &model.choices[person.options[day] as usize];
            self.entries[day].clear();
            self.ends[day].clear();
            if places.is_empty() {
                continue;
            }
            self.ends[day].extend(places.iter().map(|place| place.end));
            self.ends[day].sort_unstable();
            self.ends[day].dedup();
            let group = person.group[day];
            let sums = self.sums_of(model, person, group, ask, window);
            let sums = &self.sums[sums];
            let allowed = |place: &&Place| {
                let banned = ask.bans.iter().any(|ban| match *ban {
                    Ban::Work(on) => on == day,
                    Ban::EndAfter(on, end) => on == day && end < place.end,
                    Ban::StartBefore(on, start) => on == day && place.start < start,
                });
                // Who has been given a shift has her seat.
                person.is_forced(day) || !banned && has_seats(model, ask.closed, place)
            };
            let (ends, mut from) = (&self.ends[day], 0);
            let earlier: &[i64] = if day == window.days.start { &[] } else { &self.ends[day - 1] };
            let sits = || ask.sits.iter().filter(|(on, ..)| *on == day);
            for place in places.iter().filter(allowed) {
                if !sits().all(|(_, start, end)| place.start <= *start && *end <= place.end) {
                    continue;
                }
                while from < earlier.len() && earlier[from] + person.daily_rest <= place.start {
                    from += 1;
                }
                let mut best = (f64::NEG_INFINITY, OFF);
                for index in place.shapes.clone() {
                    let shape = &model.shapes[index as usize];
                    if !sits().all(|(_, start, end)| shape.is_free(*start, *end)) {
                        continue;
                    }
                    let mut worth = 100.0 * (sums[shape.first + shape.cover.len()] - sums[shape.first]);
                    for (interval, hole) in &shape.holes {
                        let interval = *interval as usize;
                        worth -= f64::from(*hole) * (sums[interval + 1] - sums[interval]);
                    }
                    if best.0 < worth {
                        best = (worth, index);
                    }
                }
                if best.1 == OFF {
                    continue;
                }
                let slot = ends.partition_point(|end| *end < place.end) + 1;
                let units = (place.work / size.unit) as usize;
                let entry = Entry { start: place.start, slot, units, worth: best.0, shape: best.1, from };
                self.entries[day].push(entry);
            }
        }
    }

    /// Where in `sums` the prices of a group are added up from the first interval on.
    fn sums_of(&mut self, model: &Model, person: &Person, group: u32, ask: Ask<'_>, window: &Window) -> Range<usize> {
        if let Some((_, range)) = self.of_group.iter().find(|(known, _)| *known == group) {
            return range.clone();
        }
        // Only what the person can touch is asked for.
        let mut span = (usize::MAX, 0);
        for day in window.days.clone().filter(|day| person.group[*day] == group) {
            for place in &model.choices[person.options[day] as usize] {
                let shape = &model.shapes[place.shapes.start as usize];
                span = (span.0.min(shape.first), span.1.max(shape.first + shape.cover.len()));
            }
        }
        let taste = person.taste.as_ref().zip(ask.burdens.as_ref());
        let from = self.sums.len();
        let mut sum = 0.0;
        self.sums.push(sum);
        for interval in 0..model.grid.count {
            if span.0 <= interval && interval < span.1 {
                sum += ask.prices.of(group, interval);
                if let Some((taste, slopes)) = taste {
                    sum -= model.tastes.price(taste, slopes, interval);
                }
            }
            self.sums.push(sum);
        }
        let range = from..self.sums.len();
        self.of_group.push((group, range.clone()));
        range
    }

    /// From the states of the day before to those of this day.
    fn day(&mut self, model: &Model, person: &Person, size: Size, day: usize, window: &Window, owed: i64) {
        self.costs.resize_with(model.days.max(self.costs.len()), Vec::new);
        let layer = size.runs * size.units;
        let slots = self.ends[day].len() + 1;
        let (done, rest) = self.costs.split_at_mut(day);
        let costs = &mut rest[0];
        costs.clear();
        costs.resize(slots * layer, NEVER);
        // The cheapest of the first so many slots of the day before.
        let lowest = &mut self.lowest;
        lowest.clear();
        let starts = day == window.days.start;
        match done.last() {
            // A shift on the day before is a slot of its own.
            _ if starts => {
                lowest.resize(2 * layer, NEVER);
                if window.until.is_none() {
                    lowest[size.state(0, 0, 0)] = 0.0;
                }
                lowest[size.state(1, window.run, 0)] = 0.0;
            }
            None => return,
            Some(before) => {
                lowest.resize(before.len(), NEVER);
                for (to, from) in lowest.chunks_mut(layer).zip(before.chunks(layer)) {
                    if day.is_multiple_of(7) {
                        for (to, from) in to.chunks_mut(size.units).zip(from.chunks(size.units)) {
                            for (units, cost) in from.iter().enumerate() {
                                to[0] = to[0].min(cost + size.owed(model, owed, units));
                            }
                        }
                    } else {
                        to.copy_from_slice(from);
                    }
                }
                for slot in 1..lowest.len() / layer {
                    let (before, after) = lowest.split_at_mut(slot * layer);
                    let before = &before[(slot - 1) * layer..];
                    for (to, from) in after[..layer].iter_mut().zip(before) {
                        *to = to.min(*from);
                    }
                }
            }
        }
        if !person.is_forced(day) && !self.must[day] {
            let all = &lowest[lowest.len() - layer..];
            for runs in all.chunks(size.units) {
                for (to, from) in costs[..size.units].iter_mut().zip(runs) {
                    *to = to.min(*from);
                }
            }
        }
        for entry in &mut self.entries[day] {
            if starts {
                entry.from = usize::from(window.until.is_none_or(|end| end + person.daily_rest <= entry.start));
            }
            if size.units <= entry.units {
                continue;
            }
            let from = &lowest[entry.from * layer..(entry.from + 1) * layer];
            let to = &mut costs[entry.slot * layer..(entry.slot + 1) * layer];
            for run in 1..size.runs {
                let from = &from[(run - 1) * size.units..run * size.units - entry.units];
                let to = &mut to[run * size.units + entry.units..(run + 1) * size.units];
                for (to, from) in to.iter_mut().zip(from) {
                    let cost = from - entry.worth;
                    *to = if cost < *to { cost } else { *to };
                }
            }
        }
    }

    /// The cheapest end, and the way there from the last day to the first.
    fn back(
        &self,
        model: &Model,
        person: &Person,
        size: Size,
        window: &Window,
        owed: &dyn Fn(usize) -> i64,
        row: &[u32],
    ) -> Roster {
        let (first, last) = (window.days.start, window.days.end - 1);
        let layer = size.runs * size.units;
        let mut best = (NEVER, 0, 0, 0);
        for (index, cost) in self.costs[last].iter().enumerate() {
            let (slot, run, units) = (index / layer, index % layer / size.units, index % size.units);
            let lawful = slot == 0
                || (run + window.after < size.runs
                    && window.latest.is_none_or(|start| self.ends[last][slot - 1] + person.daily_rest <= start));
            let cost = cost + size.owed(model, owed(last / 7), units);
            if lawful && cost < best.0 {
                best = (cost, slot, run, units);
            }
        }
        let mut row = row.to_vec();
        row[window.days.clone()].fill(OFF);
        let (cost, mut slot, mut run, mut units) = best;
        for day in window.days.clone().rev() {
            let value = self.costs[day][size.state(slot, run, units)];
            if slot == 0 {
                if day == first {
                    break;
                }
                let mut found = None;
                'search: for from in 0..self.ends[day - 1].len() + 1 {
                    for runs in 0..size.runs {
                        if let Some(units) = self.came(model, size, day, (from, runs, units), value, owed) {
                            found = Some((from, runs, units));
                            break 'search;
                        }
                    }
                }
                let Some(next) = found else { break };
                (slot, run, units) = next;
                continue;
            }
            let mut found = None;
            'entries: for entry in self.entries[day].iter().filter(|entry| entry.slot == slot && entry.units <= units) {
                if day == first {
                    if entry.from == 1 && window.run == run - 1 && entry.units == units && 0.0 - entry.worth == value {
                        row[day] = entry.shape;
                        break;
                    }
                    continue;
                }
                for from in 0..=entry.from {
                    let state = (from, run - 1, units - entry.units);
                    for before in self.costs_before(model, size, day, state, owed) {
                        if before.1 - entry.worth == value {
                            row[day] = entry.shape;
                            found = Some((from, run - 1, before.0));
                            break 'entries;
                        }
                    }
                }
            }
            if day == first {
                break;
            }
            let Some(next) = found else { break };
            (slot, run, units) = next;
        }
        Roster { cost, row }
    }

    /// With how many units a state of the day before has exactly this cost, as seen from `day`.
    fn came(
        &self,
        model: &Model,
        size: Size,
        day: usize,
        state: (usize, usize, usize),
        value: f64,
        owed: &dyn Fn(usize) -> i64,
    ) -> Option<usize> {
        self.costs_before(model, size, day, state, owed).find(|(_, cost)| *cost == value).map(|(units, _)| units)
    }

    /// The costs of a state of the day before as seen from `day`, each with the units it had.
    fn costs_before(
        &self,
        model: &Model,
        size: Size,
        day: usize,
        (slot, run, units): (usize, usize, usize),
        owed: &dyn Fn(usize) -> i64,
    ) -> impl Iterator<Item = (usize, f64)> {
        let costs = &self.costs[day - 1];
        let monday = day.is_multiple_of(7);
        let range = match (monday, units) {
            (true, 0) => 0..size.units,
            (true, _) => 0..0,
            (false, units) => units..units + 1,
        };
        let owed = owed((day - 1) / 7);
        range.map(move |units| {
            let cost = costs[size.state(slot, run, units)];
            (units, if monday { cost + size.owed(model, owed, units) } else { cost })
        })
    }
}
