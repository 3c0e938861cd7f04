//! Better plans: people are taken out, a few at a time, and choose anew, each the best roster
//! against what all others leave uncovered. Hard rules are never broken on the way.

use std::ops::Range;

use super::agent::Duty;
use super::cost;
use super::cover::Cover;
use super::model::{Model, Need, Person};
use super::path::{Ask, Ban, OFF, Paths, Prices};
use super::random::Random;
use super::taste::Load;

/// How often a roster that breaks a long rest is asked for anew.
const ATTEMPTS: usize = 4;
/// Most people of one move.
const MOST: usize = 4;
/// Of a hundred moves, those of what is attended, and times tried in one.
const CONVENED: usize = 8;
const SUITED: usize = 8;
/// Points by which a price may be off, for each degree.
const NOISE: f64 = 0.03;

/// A plan that is being improved.
pub struct Search<'m> {
    model: &'m Model,
    cover: Cover,
    rows: Vec<Vec<u32>>,
    /// What is owed and not planned, priced.
    owed: i64,
    /// When what everybody attends starts, in the order of what she attends; and what nobody attends, priced.
    starts: Vec<Vec<i64>>,
    missed: i64,
    /// What the plan puts on everybody, and what that costs.
    loads: Vec<Load>,
    disliked: Disliked,
    /// Seats taken at each site, by interval, and how many intervals have more than there are.
    seated: Vec<Vec<u32>>,
    over: usize,
    random: Random,
    paths: Paths,
    /// The intervals that a choice can touch.
    spans: Vec<Range<usize>>,
    gains: Gains,
    /// Moves tried.
    pub moves: u64,
}

/// Parts of a plan's cost that are people's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Disliked {
    wishes: i64,
    changes: i64,
    unfairness: i64,
}

/// What a plan costs, by what costs it. In points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Required and not covered.
    pub missing: i64,
    /// At work and not needed.
    pub idle: i64,
    /// Owed by contracts and not planned, and to be attended and not attended.
    pub owed: i64,
    /// Work against wishes.
    pub wishes: i64,
    /// Burdens unevenly shared.
    pub unfairness: i64,
    /// Work away from former shifts.
    pub changes: i64,
}

/// What one more of a group is worth, for each group and interval, while nothing there changes.
struct Gains {
    count: usize,
    /// Per hundredth, and when it was found out.
    known: Vec<(f64, u32)>,
    /// When an interval changed last.
    changed: Vec<u32>,
    now: u32,
    /// Changes within a move, by interval: whether there are any, and a sum that is zero when
    /// everybody is back.
    open: Vec<bool>,
    net: Vec<i64>,
    touched: Vec<u32>,
}

/// Prices of one question.
struct Asked<'a>(&'a Gains);

impl Prices for Asked<'_> {
    fn of(&self, group: u32, interval: usize) -> f64 {
        self.0.known[group as usize * self.0.count + interval].0
    }
}

impl<'m> Search<'m> {
    /// Nobody works.
    pub fn new(model: &'m Model, seed: u64) -> Search<'m> {
        let owed = model.people.iter().flat_map(|person| &person.owed);
        let spans = model.choices.iter().map(|places| {
            let shapes = places.iter().map(|place| &model.shapes[place.shapes.start as usize]);
            let first = shapes.clone().map(|shape| shape.first).min().unwrap_or(0);
            first..shapes.map(|shape| shape.first + shape.cover.len()).max().unwrap_or(0)
        });
        let count = model.grid.count;
        Search {
            model,
            loads: vec![Load::default(); model.people.len()],
            disliked: Disliked::default(),
            seated: vec![vec![0; count]; model.seats.len()],
            starts: model.people.iter().map(|person| vec![i64::MIN / 4; person.attends.len()]).collect(),
            missed: model.people.iter().map(|person| missed(model, person)).sum(),
            over: 0,
            cover: Cover::new(model),
            rows: vec![vec![OFF; model.days]; model.people.len()],
            owed: owed.map(|owed| cost::owed(*owed, model.grid.step)).sum(),
            random: Random::new(seed),
            paths: Paths::default(),
            spans: spans.collect(),
            gains: Gains {
                count,
                known: vec![(0.0, 0); model.groups.len() * count],
                changed: vec![1; count],
                now: 1,
                open: vec![false; count],
                net: vec![0; count],
                touched: Vec::new(),
            },
            moves: 0,
        }
    }

    /// What the plan costs.
    pub fn cost(&self) -> i64 {
        self.owed
            + self.missed
            + self.cover.price()
            + self.disliked.wishes
            + self.disliked.changes
            + self.disliked.unfairness
    }

    /// The same by what costs it.
    pub fn parts(&self) -> Parts {
        let idle = self.cover.idle() as i64 * cost::IDLE;
        Parts {
            missing: self.cover.price() - idle,
            idle,
            owed: self.owed + self.missed,
            wishes: self.disliked.wishes,
            unfairness: self.disliked.unfairness,
            changes: self.disliked.changes,
        }
    }

    /// In how many intervals a site has more people than seats.
    pub fn over(&self) -> usize {
        self.over
    }

    /// People who sit where there are too few seats are sent home, but for what is given, until there are enough;
    /// they are returned.
    pub fn relieve(&mut self) -> Vec<usize> {
        let mut sent = Vec::new();
        for person in 0..self.rows.len() {
            if self.over == 0 {
                break;
            }
            let Some(site) = self.model.people[person].site else { continue };
            let (seats, seated) = (&self.model.seats[site as usize], &self.seated[site as usize]);
            let shapes = self.rows[person].iter().filter(|shape| **shape != OFF);
            let crowded = shapes.map(|shape| &self.model.shapes[*shape as usize]).any(|shape| {
                (shape.first..shape.first + shape.cover.len()).any(|interval| seats[interval] < seated[interval])
            });
            if crowded {
                self.swap(person, &self.model.bare(person));
                sent.push(person);
            }
        }
        self.settle();
        sent
    }

    /// Who covers what.
    pub fn cover(&self) -> &Cover {
        &self.cover
    }

    /// The plan.
    pub fn rows(&self) -> &[Vec<u32>] {
        &self.rows
    }

    /// When what everybody attends starts.
    pub fn starts(&self) -> &[Vec<i64>] {
        &self.starts
    }

    /// What is attended starts as in a plan; where that does not say, when most can be there and least is needed.
    pub fn convene(&mut self, known: Option<&[Vec<i64>]>) {
        let model = self.model;
        for (index, gathering) in model.gatherings.iter().enumerate() {
            let ends = |start: &i64| start + gathering.length;
            let load = |start: &i64| -> u64 {
                let needs = model.needs.iter();
                let at = |need: &Need| -> u64 {
                    model.grid.units(*start, ends(start)).map(|(at, _)| u64::from(need.people[at])).sum()
                };
                needs.map(at).sum()
            };
            let loads: Vec<u64> = gathering.starts.iter().map(load).collect();
            let can = |person: usize, start: &i64| model.day_for(&model.people[person], *start, ends(start)).is_some();
            let quietest = |able: &dyn Fn(&i64) -> usize| {
                let starts = gathering.starts.iter().zip(&loads);
                starts.max_by_key(|(start, load)| (able(start), std::cmp::Reverse(**load))).map(|(start, _)| *start)
            };
            let able = |start: &i64| gathering.people.iter().filter(|person| can(**person, start)).count();
            let all = if gathering.together { quietest(&able) } else { None };
            for person in &gathering.people {
                let nth = nth(&model.people[*person], index);
                let kept = known.and_then(|known| known.get(*person)?.get(nth)).copied();
                let kept = kept.filter(|start| gathering.starts.contains(start));
                let others = self.starts[*person].clone();
                let own = |start: &i64| {
                    let clear = others.iter().all(|other| (other - start).abs() < gathering.length);
                    usize::from(can(*person, start)) * (1 + usize::from(!clear))
                };
                if let Some(start) = kept.or(all).or_else(|| quietest(&own)) {
                    self.start_at(*person, nth, start);
                }
            }
        }
        self.settle();
    }

    /// Takes over a plan and when what it attends starts.
    pub fn adopt_all(&mut self, rows: &[Vec<u32>], starts: &[Vec<i64>]) {
        for (person, starts) in starts.iter().enumerate() {
            for (nth, start) in starts.iter().enumerate() {
                self.start_at(person, nth, *start);
            }
        }
        self.adopt(rows);
    }

    /// Everybody whose shifts hold what she attends at another time attends it then.
    pub fn reconvene(&mut self) {
        for gathering in 0..self.model.gatherings.len() {
            for person in self.model.gatherings[gathering].people.clone() {
                self.suit(person, gathering, usize::MAX);
            }
        }
        self.settle();
    }

    /// Moves what a person attends for herself to the best of so many times that her shifts hold.
    fn suit(&mut self, person: usize, index: usize, most: usize) {
        let gathering = &self.model.gatherings[index];
        if gathering.together {
            return;
        }
        let nth = nth(&self.model.people[person], index);
        let mut best = (self.cost(), self.starts[person][nth]);
        for tried in 0..gathering.starts.len().min(most) {
            let at = if most < gathering.starts.len() { self.random.below(gathering.starts.len()) } else { tried };
            self.start_at(person, nth, gathering.starts[at]);
            if self.cost() < best.0 {
                best = (self.cost(), gathering.starts[at]);
            }
        }
        self.start_at(person, nth, best.1);
    }

    /// One move of something that is attended: to another time, with new shifts for those whose shifts do not hold it
    /// then.
    fn convene_anew(&mut self, worse: f64) {
        let model = self.model;
        let index = self.random.below(model.gatherings.len());
        let gathering = &model.gatherings[index];
        let one = gathering.people[self.random.below(gathering.people.len())];
        if !gathering.together && self.random.chance(70) {
            return self.suit(one, index, SUITED);
        }
        let start = gathering.starts[self.random.below(gathering.starts.len())];
        let moved = if gathering.together { gathering.people.clone() } else { vec![one] };
        let (before, over) = (self.cost(), self.over);
        let mut old = Vec::with_capacity(moved.len());
        for person in moved {
            let nth = nth(&model.people[person], index);
            old.push((person, nth, self.rows[person].clone(), self.starts[person][nth]));
            self.start_at(person, nth, start);
            let known = &model.people[person];
            let is_held = model.held(known, &self.rows[person], &self.starts[person])[nth].is_some();
            let day = model.day_for(known, start, start + gathering.length).filter(|_| !is_held);
            if let Some(week) = day.map(|day| day / 7) {
                self.renew(person, week * 7..week * 7 + 7, 0.0);
            }
        }
        if worse < (self.cost() - before) as f64 || over < self.over {
            for (person, nth, row, start) in old {
                self.swap(person, &row);
                self.start_at(person, nth, start);
            }
        }
    }

    fn start_at(&mut self, person: usize, nth: usize, start: i64) {
        self.count_sessions(person, -1);
        self.starts[person][nth] = start;
        self.count_sessions(person, 1);
    }

    /// What a person attends takes her off the phones, or is missed; counted, or taken back.
    fn count_sessions(&mut self, person: usize, sign: i64) {
        let model = self.model;
        let known = &model.people[person];
        if known.attends.is_empty() {
            return;
        }
        let held = model.held(known, &self.rows[person], &self.starts[person]);
        for (held, gathering) in held.into_iter().zip(&known.attends) {
            let Some((day, session)) = held else {
                let length = model.gatherings[*gathering as usize].length;
                self.missed += sign * cost::missed(length, model.grid.step);
                continue;
            };
            let group = known.group[day];
            for (interval, units) in model.grid.units(session.from, session.to) {
                if 0 < sign {
                    self.cover.remove(interval, group, units);
                } else {
                    self.cover.add(interval, group, units);
                }
                self.gains.touch(interval, -sign * i64::from(units) * (1 + i64::from(group) * 1_000_003));
            }
        }
    }

    /// Takes over a plan.
    pub fn adopt(&mut self, rows: &[Vec<u32>]) {
        for (person, row) in rows.iter().enumerate() {
            if self.rows[person] != *row {
                self.swap(person, row);
            }
        }
        self.settle();
    }

    /// Everybody in this order chooses a whole roster.
    pub fn choose(&mut self, person: usize) {
        self.moves += 1;
        self.renew(person, 0..self.model.days, 0.0);
        self.settle();
    }

    /// One move: a few people choose anew, in all weeks or in one. While it is hot, their prices may
    /// be off, and a plan that is a little worse is kept.
    pub fn step(&mut self, heat: f64) {
        self.moves += 1;
        if !self.model.gatherings.is_empty() && self.random.chance(CONVENED) {
            let worse = -heat * self.random.share().max(1e-12).ln();
            self.convene_anew(worse);
            return self.settle();
        }
        let people = 1 + self.random.below(MOST);
        let noise = if self.random.chance(34) { 0.0 } else { heat * NOISE };
        let worse = -heat * self.random.share().max(1e-12).ln();
        let weeks = self.model.days / 7;
        let all = self.random.chance(35) || weeks == 1;
        let days = if all {
            0..self.model.days
        } else {
            let week = self.random.below(weeks);
            week * 7..week * 7 + 7
        };
        let count = self.model.people.len();
        let mut chosen = vec![self.random.below(count)];
        while chosen.len() < people.min(count) {
            let other = self.random.below(count);
            if !chosen.contains(&other) {
                chosen.push(other);
            }
        }
        let (before, over) = (self.cost(), self.over);
        let old: Vec<(usize, Vec<u32>)> = chosen.iter().map(|person| (*person, self.rows[*person].clone())).collect();
        if 1 < chosen.len() {
            for person in &chosen {
                let row = self.without(*person, &days);
                self.swap(*person, &row);
            }
        }
        for (person, row) in &old {
            if !self.renew(*person, days.clone(), noise) {
                self.swap(*person, row);
            }
        }
        if worse < (self.cost() - before) as f64 || over < self.over {
            for (person, row) in &old {
                self.swap(*person, row);
            }
        }
        self.settle();
    }

    /// The best lawful choice of a person in some weeks against all others; false where none was
    /// found.
    fn renew(&mut self, person: usize, days: Range<usize>, noise: f64) -> bool {
        let model = self.model;
        let known = &model.people[person];
        let old = self.rows[person].clone();
        let burdens = known.taste.as_ref().map(|taste| model.tastes.slopes(taste, &self.loads[person].burdens));
        let row = self.without(person, &days);
        self.swap(person, &row);
        self.look(known, days.clone(), noise);
        let closed = self.closed(known);
        let around = rest_around(known, &days);
        let mut bans = around.clone();
        let mut sits = self.sits(person, &days);
        for _ in 0..2 * ATTEMPTS {
            let prices = Asked(&self.gains);
            let ask = Ask { prices: &prices, bans: &bans, contracts: true, burdens, closed: &closed, sits: &sits };
            let found = self.paths.within(model, known, ask, (days.clone(), &row));
            if !found.cost.is_finite() {
                if sits.is_empty() {
                    break;
                }
                // What cannot be attended lawfully is missed.
                sits.clear();
                bans.clone_from(&around);
                continue;
            }
            match unlawful(model, known, &found.row) {
                None => {
                    self.swap(person, &found.row);
                    return true;
                }
                Some(broken) => bans.extend(broken.bans(model, known, &found.row, &days)),
            }
        }
        self.swap(person, &old);
        unlawful(model, known, &old).is_none()
    }

    /// What a person attends in some days, on which of them, and when.
    fn sits(&self, person: usize, days: &Range<usize>) -> Vec<(usize, i64, i64)> {
        let known = &self.model.people[person];
        let attended = known.attends.iter().zip(&self.starts[person]);
        let sits = attended.filter_map(|(gathering, from)| {
            let to = from + self.model.gatherings[*gathering as usize].length;
            Some((self.model.day_for(known, *from, to)?, *from, to))
        });
        sits.filter(|(day, ..)| days.contains(day)).collect()
    }

    /// A person's row with nothing in some days but what is given.
    fn without(&self, person: usize, days: &Range<usize>) -> Vec<u32> {
        let mut row = self.rows[person].clone();
        row[days.clone()].copy_from_slice(&self.model.bare(person)[days.clone()]);
        row
    }

    /// How many intervals without a free seat a person's site has before each.
    fn closed(&self, person: &Person) -> Vec<u32> {
        let Some(site) = person.site else { return Vec::new() };
        let (seats, seated) = (&self.model.seats[site as usize], &self.seated[site as usize]);
        let mut closed = Vec::with_capacity(seats.len() + 1);
        closed.push(0);
        let mut sum = 0;
        for (seats, seated) in seats.iter().zip(seated) {
            sum += u32::from(seats <= seated);
            closed.push(sum);
        }
        closed
    }

    /// A shape's seats are taken, or free again.
    fn sit(&mut self, site: u32, intervals: Range<usize>, comes: bool) {
        let (seats, seated) = (&self.model.seats[site as usize], &mut self.seated[site as usize]);
        for interval in intervals {
            if comes {
                seated[interval] += 1;
                self.over += usize::from(seats[interval] + 1 == seated[interval]);
            } else {
                self.over -= usize::from(seats[interval] + 1 == seated[interval]);
                seated[interval] -= 1;
            }
        }
    }

    /// What a person would rather not work is counted with her or taken out.
    fn count_taste(&mut self, person: usize, sign: i64) {
        let Some(taste) = &self.model.people[person].taste else { return };
        let load = &self.loads[person];
        self.disliked.wishes += sign * load.wishes;
        self.disliked.changes += sign * load.changes;
        self.disliked.unfairness += sign * self.model.tastes.unfairness(taste, &load.burdens);
    }

    /// Finds out what a person is worth wherever she could be.
    fn look(&mut self, person: &Person, days: Range<usize>, noise: f64) {
        for day in days {
            let group = person.group[day];
            for interval in self.spans[person.options[day] as usize].clone() {
                let at = group as usize * self.gains.count + interval;
                let open = self.gains.open[interval];
                if open || self.gains.known[at].1 < self.gains.changed[interval] {
                    let gain = self.cover.gain(interval, group) as f64 / 100.0;
                    self.gains.known[at] = (gain, if open { 0 } else { self.gains.now });
                }
                if 0.0 < noise {
                    self.gains.known[at].0 += noise * self.random.share();
                    self.gains.known[at].1 = 0;
                }
            }
        }
    }

    /// Changes a person's roster, and all that depends on it.
    fn swap(&mut self, person: usize, row: &[u32]) {
        let model = self.model;
        let known = &model.people[person];
        if self.rows[person] == row {
            return;
        }
        self.count_taste(person, -1);
        self.count_sessions(person, -1);
        for (day, new) in row.iter().copied().enumerate() {
            let old = self.rows[person][day];
            if old == new {
                continue;
            }
            let week = day / 7;
            let work = |rows: &[u32]| -> i64 {
                let days = &rows[week * 7..week * 7 + 7];
                days.iter().filter(|shape| **shape != OFF).map(|shape| model.shapes[*shape as usize].work).sum()
            };
            let step = model.grid.step;
            self.owed -= cost::owed(known.owed[week] - work(&self.rows[person]), step);
            for (shape, sign) in [(old, -1), (new, 1)] {
                if shape == OFF {
                    continue;
                }
                let known_shape = &model.shapes[shape as usize];
                if let Some(taste) = &known.taste {
                    self.loads[person].add(&model.tastes.load(taste, known_shape), sign);
                }
                if let Some(site) = known.site {
                    self.sit(site, known_shape.first..known_shape.first + known_shape.cover.len(), 0 < sign);
                }
                for (interval, units) in model.shapes[shape as usize].intervals() {
                    if sign < 0 {
                        self.cover.remove(interval, known.group[day], units);
                    } else {
                        self.cover.add(interval, known.group[day], units);
                    }
                    self.gains.touch(interval, sign * i64::from(units) * (1 + i64::from(known.group[day]) * 1_000_003));
                }
            }
            self.rows[person][day] = new;
            self.owed += cost::owed(known.owed[week] - work(&self.rows[person]), step);
        }
        self.count_sessions(person, 1);
        self.count_taste(person, 1);
    }

    /// A move is over.
    fn settle(&mut self) {
        let gains = &mut self.gains;
        gains.now += 1;
        for interval in gains.touched.drain(..) {
            let interval = interval as usize;
            gains.open[interval] = false;
            if std::mem::take(&mut gains.net[interval]) != 0 {
                gains.changed[interval] = gains.now;
            }
        }
    }
}

impl Gains {
    fn touch(&mut self, interval: usize, change: i64) {
        if !self.open[interval] {
            self.open[interval] = true;
            self.touched.push(interval as u32);
        }
        self.net[interval] += change;
    }
}

/// Which of those that a person attends something is.
fn nth(person: &Person, gathering: usize) -> usize {
    person.attends.iter().position(|own| *own as usize == gathering).unwrap_or(0)
}

/// What it costs that a person attends nothing.
fn missed(model: &Model, person: &Person) -> i64 {
    let lengths = person.attends.iter().map(|gathering| model.gatherings[*gathering as usize].length);
    lengths.map(|length| cost::missed(length, model.grid.step)).sum()
}

/// A rule that a path does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlawful {
    /// The rest before the shift on this day.
    DailyRest(usize),
    /// The long rest of this week.
    WeeklyRest(usize),
    /// The long rest of the week before or after, into which the shift on this day reaches.
    RestAround(usize),
    /// The run of working days that this day belongs to.
    DaysInRow(usize),
    /// The working days of this week.
    DaysInWeek(usize),
    /// The Sundays of this calendar year.
    FreeSundays(usize),
    /// The hours of this week.
    Week(usize),
}

impl Unlawful {
    /// What to ask for instead.
    fn bans(self, model: &Model, person: &Person, row: &[u32], days: &Range<usize>) -> Vec<Ban> {
        let duty = |day: usize| row.get(day).filter(|s| **s != OFF).map(|s| &model.shapes[*s as usize].duty);
        match self {
            Unlawful::DailyRest(day) => vec![Ban::Work(day)],
            Unlawful::DaysInRow(day) => vec![Ban::Work(day)],
            Unlawful::RestAround(day) => vec![Ban::Work(day)],
            Unlawful::DaysInWeek(week) => {
                // The shortest day goes.
                let worked = days.clone().filter(|day| day / 7 == week && row[*day] != OFF && !person.is_forced(*day));
                let shortest = worked.min_by_key(|day| duty(*day).map_or(0, Duty::work));
                shortest.map(Ban::Work).into_iter().collect()
            }
            Unlawful::FreeSundays(year) => {
                // The Sunday with the least work goes, and what reaches into it from the evening before.
                let of_year = person.sundays[year].days.iter().filter(|(day, ..)| days.contains(day));
                let work = |(day, from, to): &&(usize, i64, i64)| {
                    let before = day.checked_sub(1).and_then(duty).map_or(0, |duty| (duty.end - from).max(0));
                    before + duty(*day).map_or(0, |duty| duty.end.min(*to) - duty.start)
                };
                let forced = |day: usize| person.is_forced(day) && row[day] != OFF;
                let worked = of_year.filter(|(day, ..)| !forced(*day)).filter(|sunday| 0 < work(sunday));
                let Some((day, from, _)) = worked.min_by_key(work) else { return Vec::new() };
                vec![Ban::Work(*day), Ban::EndAfter(day - 1, *from)]
            }
            Unlawful::Week(week) => vec![Ban::Work(days.clone().find(|day| day / 7 == week).unwrap_or(days.start))],
            Unlawful::WeeklyRest(week) => {
                // The longest rest there is becomes long enough; without a day off, one is made.
                let off = (week * 7..week * 7 + 7).filter(|day| row[*day] == OFF);
                let rest = |day: &usize| {
                    let before = day.checked_sub(1).and_then(duty).map_or(i64::MIN / 4, |duty| duty.end);
                    duty(day + 1).map_or(i64::MAX / 4, |duty| duty.start) - before
                };
                let Some(day) = off.max_by_key(rest) else {
                    let hours = |day: &usize| duty(*day).map_or(0, Duty::work);
                    let day = (week * 7..week * 7 + 7).filter(|day| days.contains(day)).min_by_key(hours);
                    return day.map(Ban::Work).into_iter().collect();
                };
                let mut bans = vec![Ban::Work(day)];
                match (day.checked_sub(1).and_then(duty), duty(day + 1)) {
                    (Some(before), _) if days.contains(&(day + 1)) => {
                        bans.push(Ban::EndAfter(day - 1, before.end));
                        bans.push(Ban::StartBefore(day + 1, before.end + person.weekly_rest.0));
                    }
                    (_, Some(after)) if days.contains(&day.wrapping_sub(1)) => {
                        bans.push(Ban::EndAfter(day - 1, after.start - person.weekly_rest.0));
                    }
                    _ => bans.push(Ban::Work(if day + 1 < days.end { day + 1 } else { day - 1 })),
                }
                bans
            }
        }
    }
}

/// What keeps the long rests of the weeks around that reach into the days.
fn rest_around(person: &Person, days: &Range<usize>) -> Vec<Ban> {
    let (from, to) = person.open;
    let (start, end) = (person.weeks[0], person.weeks[person.weeks.len() - 1]);
    // Days on which a shift can start too early or end too late, with those whose clocks change.
    let near = |edge: i64, at: i64| (edge - at).abs() < 8 * 86_400;
    let first = days.clone().filter(|day| near(start, from) && *day < 8).map(|day| Ban::StartBefore(day, from));
    let last = person.weeks.len() * 7 - 7;
    let last = days.clone().filter(|day| near(end, to) && last < *day + 8).map(|day| Ban::EndAfter(day, to));
    first.chain(last).collect()
}

/// The first hard rule that a row of lawful shapes breaks.
pub fn unlawful(model: &Model, person: &Person, row: &[u32]) -> Option<Unlawful> {
    let inside = row.iter().enumerate().filter(|(_, shape)| **shape != OFF);
    let inside = inside.map(|(day, shape)| (day as i64, &model.shapes[*shape as usize].duty));
    let before = person.before.iter().map(|(day, duty)| (*day, duty));
    let after = person.after.iter().map(|(day, duty)| (*day, duty));
    let all: Vec<(i64, &Duty)> = before.chain(inside).chain(after).collect();
    let ours = |day: i64| 0 <= day && day < model.days as i64;
    // The days of a run, and the last of them that is ours.
    let (mut run, mut own) = (0, None);
    for (index, (day, duty)) in all.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| all[index]);
        (run, own) = if previous.is_some_and(|(before, _)| before + 1 == *day) { (run + 1, own) } else { (1, None) };
        if ours(*day) {
            own = Some(*day as usize);
        }
        let Some((before, rested)) = previous else { continue };
        // Also days after ours may be too many together with them.
        if let Some(own) = own.filter(|_| person.max_days_in_row < run) {
            return Some(Unlawful::DaysInRow(own));
        }
        if !ours(*day) && !ours(before) {
            continue;
        }
        let at = if ours(*day) { *day } else { before } as usize;
        if duty.start - rested.end < person.daily_rest {
            return Some(Unlawful::DailyRest(at));
        }
    }
    let around = |(day, shape): (usize, &u32)| {
        let duty = &model.shapes[*shape as usize].duty;
        (duty.start < person.open.0 || person.open.1 < duty.end).then_some(day)
    };
    let mut worked = row.iter().enumerate().filter(|(_, shape)| **shape != OFF);
    if let Some(day) = worked.find_map(around) {
        return Some(Unlawful::RestAround(day));
    }
    for week in 0..model.days / 7 {
        let worked = row[week * 7..week * 7 + 7].iter().filter(|shape| **shape != OFF);
        if person.max_week < worked.map(|shape| model.shapes[*shape as usize].work).sum() {
            return Some(Unlawful::Week(week));
        }
        let worked = row[week * 7..week * 7 + 7].iter().filter(|shape| **shape != OFF);
        let twice = person.holidays.iter().filter(|(of, from, to)| *of == week && is_worked(&all, *from, *to));
        if person.max_days_in_week < (worked.count() + twice.count()) as i32 {
            return Some(Unlawful::DaysInWeek(week));
        }
        let (from, to) = (person.weeks[week], person.weeks[week + 1]);
        let (long, inside) = person.weekly_rest;
        let (mut rested, mut end) = (false, i64::MIN / 4);
        for (start, next) in all.iter().map(|(_, duty)| (duty.start, duty.end)).chain([(i64::MAX / 4, i64::MAX / 4)]) {
            rested |= long <= start - end && inside <= start.min(to) - end.max(from);
            end = next;
        }
        if !rested {
            return Some(Unlawful::WeeklyRest(week));
        }
    }
    for (year, sundays) in person.sundays.iter().enumerate() {
        let worked = sundays.days.iter().filter(|(_, from, to)| is_worked(&all, *from, *to));
        if sundays.left < worked.count() {
            return Some(Unlawful::FreeSundays(year));
        }
    }
    None
}

/// Whether there is work between two instants.
fn is_worked(all: &[(i64, &Duty)], from: i64, to: i64) -> bool {
    all.iter().any(|(_, duty)| duty.start < to && from < duty.end)
}
