//! A proven lower bound on what any plan costs, and the mixture of rosters that comes close to it.
//!
//! Every need has a price in every interval. For any such prices, what all needs cost at them, and
//! everybody's best roster at them, cannot be undercut by any plan (weak duality): that is the
//! bound. Rosters found on the way are columns of a master program over people who are alike: how
//! many of them work which roster, so that what is missing and idle costs least. The program is
//! solved by moving people from the dearest of their rosters to the cheapest, with a penalty that
//! keeps its prices near the best ones known (a proximal bundle with one set of cuts for each kind
//! of people): a linear program of this size, tens of thousands of rows and millions of entries,
//! would not be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cost::{self, IDLE, Steps};
use super::model::{Model, Person};
use super::path::{Ask, OFF, Paths, Prices, Roster};
use super::random::Random;
use super::taste::{BURDENS, Load};

const FLOOR: f64 = -(IDLE as f64);
/// Sweeps over the master program between two questions for new rosters.
const SWEEPS: usize = 6;
/// Moves of one kind of people in one sweep.
const MOVES: usize = 3;
/// Rosters remembered for each kind of people.
const MOST: usize = 24;
/// Rounds between two of the bound on what is uncovered.
const UNCOVERED_EVERY: u32 = 6;
/// Prices that count as whole ones in turn for the bound on what is uncovered.
const WHOLE: [f64; 4] = [0.0, 10.0, 20.0, 40.0];
/// A dive settles one in so many of those left at a time.
const DIVES: usize = 8;
/// What is left of so many people is settled at once.
const LAST: usize = 40;
/// Less than this share of somebody is nobody.
const TINY: f64 = 1e-9;

/// People who are planned alike.
#[derive(Debug, Clone)]
struct Class {
    people: Vec<usize>,
    /// Groups that they are in, on one day or another.
    groups: Vec<u32>,
    columns: Vec<Column>,
}

/// A roster with how many of a class work it.
#[derive(Debug, Clone)]
struct Column {
    row: Vec<u32>,
    /// What it costs its person: hours owed, wishes, burdens.
    own: f64,
    weight: f64,
    /// Rounds without anybody.
    unused: u32,
}

/// Prices, rosters, and the best bounds so far.
#[derive(Debug, Clone)]
pub struct Bound {
    needs: usize,
    count: usize,
    /// Everything by interval and need. Hundredths of people.
    wanted: Vec<f64>,
    sizes: Vec<[(f64, f64); 3]>,
    covered: Vec<f64>,
    center: Vec<f64>,
    prices: Vec<f64>,
    /// For each group: (need, edge).
    serves: Vec<Vec<(u32, u32)>>,
    /// Hundredths by edge and interval, and of those without a need by group and interval.
    flow: Vec<f64>,
    idle: Vec<f64>,
    classes: Vec<Class>,
    /// Whether everybody is in an interval as a whole or not at all.
    whole_intervals: bool,
    /// How fast a price follows what is missing.
    pull: f64,
    of_center: f64,
    /// What burdens cost beyond the rosters' own.
    fixed: f64,
    best: f64,
    uncovered: f64,
    rounds: u32,
    room: Room,
}

/// Room for the sweeps.
#[derive(Debug, Clone, Default)]
struct Room {
    sums: Vec<Vec<f64>>,
    change: Vec<f64>,
}

/// The dearest need of a group in an interval is what somebody of it is worth.
struct Dearest<'a> {
    bound: &'a Bound,
    /// Where only what is uncovered counts: the price that counts as 1.
    whole: Option<f64>,
}

impl Prices for Dearest<'_> {
    fn of(&self, group: u32, interval: usize) -> f64 {
        let worth = self.bound.worth(group as usize, interval);
        let Some(whole) = self.whole else { return worth };
        let needs = self.bound.serves[group as usize].iter();
        let wanted = needs.map(|(need, _)| self.bound.wanted[interval * self.bound.needs + *need as usize]);
        let wanted: f64 = wanted.sum();
        // Nobody covers more of an interval than is needed in it.
        let most = if self.bound.whole_intervals { wanted.min(100.0) / 100.0 } else { 1.0 };
        if wanted == 0.0 { 0.0 } else { most * share(worth, whole) }
    }
}

impl Bound {
    /// Starts from a plan: a row of shapes for each person.
    pub fn new(model: &Model, rows: &[Vec<u32>], starts: &[Vec<i64>]) -> Bound {
        let (needs, count) = (model.needs.len(), model.grid.count);
        let (mut wanted, mut sizes) = (vec![0.0; needs * count], vec![[(0.0, 0.0); 3]; needs * count]);
        for (need, known) in model.needs.iter().enumerate() {
            for (interval, people) in known.people.iter().enumerate() {
                wanted[interval * needs + need] = f64::from(*people);
                sizes[interval * needs + need] = Steps::of(*people).sizes();
            }
        }
        let (mut serves, mut edges) = (Vec::new(), 0);
        for group in &model.groups {
            let from = edges;
            edges += group.len() as u32;
            serves.push(group.iter().copied().zip(from..edges).collect());
        }
        let open = wanted.iter().filter(|wanted| 0.0 < **wanted).count().max(1);
        let usual = wanted.iter().sum::<f64>() / open as f64;
        let mut bound = Bound {
            needs,
            count,
            center: wanted
                .iter()
                .map(|wanted| if *wanted == 0.0 { FLOOR } else { cost::MISSING[0].1 as f64 })
                .collect(),
            prices: vec![0.0; needs * count],
            covered: vec![0.0; needs * count],
            wanted,
            sizes,
            flow: vec![0.0; edges as usize * count],
            idle: vec![0.0; model.groups.len() * count],
            serves,
            classes: classes(model),
            whole_intervals: model.shapes.iter().flat_map(|shape| &shape.holes).all(|(_, hole)| *hole == 100),
            pull: 30.0 / usual.max(1.0),
            of_center: f64::NEG_INFINITY,
            fixed: model.people.iter().filter_map(|p| p.taste.as_ref()).map(|t| model.tastes.tangent(t).1).sum(),
            best: 0.0,
            uncovered: 0.0,
            rounds: 0,
            room: Room::default(),
        };
        for cell in 0..bound.prices.len() {
            bound.price(cell);
        }
        for class in 0..bound.classes.len() {
            let people = bound.classes[class].people.clone();
            for person in people {
                bound.start(model, class, &rows[person]);
            }
        }
        for (index, person) in model.people.iter().enumerate() {
            for (day, session) in model.held(person, &rows[index], &starts[index]).into_iter().flatten() {
                for (interval, units) in model.grid.units(session.from, session.to) {
                    bound.leave(person.group[day] as usize, interval, f64::from(units));
                }
            }
        }
        bound
    }

    /// The best bound on the cost of a plan, rounded up as far as it is safe.
    pub fn cost(&self) -> i64 {
        safe(self.best)
    }

    /// The best bound on what stays uncovered, in hundredths.
    pub fn uncovered(&self) -> u64 {
        safe(self.uncovered) as u64
    }

    /// How far the mixture is from the bound, as a share of what it costs: how much there is still
    /// to learn.
    pub fn slack(&self) -> f64 {
        let mut cost: f64 = self.fixed + self.idle.iter().sum::<f64>() * IDLE as f64;
        for (cell, sizes) in self.sizes.iter().enumerate() {
            let mut missing = self.wanted[cell] - self.covered[cell];
            cost += (-missing).max(0.0) * IDLE as f64;
            for (size, price) in sizes {
                let part = missing.clamp(0.0, *size);
                cost += part * price;
                missing -= part;
            }
        }
        let columns = self.classes.iter().flat_map(|class| &class.columns);
        cost += columns.map(|column| column.own * column.weight).sum::<f64>();
        if cost <= 0.0 { 0.0 } else { (cost - self.best).max(0.0) / cost }
    }

    /// Rounds so far.
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// One round: the master program, then everybody's best roster at its prices, by so many
    /// threads. Given up when told to stop.
    pub fn improve(&mut self, model: &Model, threads: usize, stop: &AtomicBool) {
        self.rounds += 1;
        for sweep in 0..SWEEPS {
            for class in 0..self.classes.len() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                self.sweep(model, class);
            }
            if sweep % 2 == 0 {
                self.balance();
            }
        }
        let mut value = self.fixed;
        for (cell, sizes) in self.sizes.iter().enumerate() {
            let price = self.prices[cell].max(FLOOR);
            value += sizes.iter().map(|(size, top)| size * top.min(price)).sum::<f64>();
        }
        value += self.sessions(model);
        let Some(found) = self.ask(model, threads, stop, None, &|_| true) else { return };
        for (class, roster) in found {
            value += roster.cost * self.classes[class].people.len() as f64;
            self.learn(model, class, roster.row);
            self.classes[class].forget();
        }
        self.best = self.best.max(value);
        if self.of_center < value {
            self.of_center = value;
            for cell in 0..self.center.len() {
                self.center[cell] = self.prices[cell].max(FLOOR);
            }
            self.pull *= 1.03;
        } else {
            self.pull *= 0.95;
        }
        for cell in 0..self.prices.len() {
            self.price(cell);
        }
        if self.rounds % UNCOVERED_EVERY == 1 {
            let whole = WHOLE[(self.rounds / UNCOVERED_EVERY) as usize % WHOLE.len()];
            self.prove_uncovered(model, whole, threads, stop);
        }
    }

    /// The last round: nothing is learnt any more, but what is known is used.
    pub fn finish(&mut self, model: &Model, threads: usize) {
        for whole in WHOLE {
            self.prove_uncovered(model, whole, threads, &AtomicBool::new(false));
        }
    }

    /// A plan from the mixture: roster after roster is settled, those that most work first, and the
    /// mixture of the others is moved to what that leaves. Rows are lawful but for the long rests.
    pub fn dive(&self, model: &Model, threads: usize, random: &mut Random, stop: &AtomicBool) -> Option<Vec<Vec<u32>>> {
        let mut dive = self.clone();
        let mut rows = vec![vec![OFF; model.days]; model.people.len()];
        let mut open: Vec<Vec<usize>> = dive.classes.iter().map(|class| class.people.clone()).collect();
        loop {
            let left: usize = open.iter().map(Vec::len).sum();
            if left == 0 {
                return Some(rows);
            }
            for _ in 0..if left <= 100 { 2 } else { 1 } {
                let found = dive.ask(model, threads, stop, None, &|class| !open[class].is_empty())?;
                for (class, roster) in found {
                    dive.learn(model, class, roster.row);
                }
                for sweep in 0..SWEEPS {
                    for class in (0..open.len()).filter(|class| !open[*class].is_empty()) {
                        dive.sweep(model, class);
                    }
                    if sweep % 2 == 0 {
                        dive.balance();
                    }
                }
            }
            let mut likes: Vec<(f64, usize)> = Vec::new();
            for (class, _) in open.iter().enumerate().filter(|(_, open)| !open.is_empty()) {
                let most = dive.classes[class].columns.iter().map(|column| column.weight).fold(0.0, f64::max);
                likes.push((most + 0.05 * random.share(), class));
            }
            likes.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut most = if left * LAST < model.people.len() { left } else { (left / DIVES).max(1) };
            for (like, class) in likes {
                if most == 0 && like < 0.95 {
                    break;
                }
                while let Some(person) = open[class].last() {
                    let Some(row) = dive.settle(model, class, open[class].len()) else { break };
                    rows[*person] = row;
                    open[class].pop();
                    most = most.saturating_sub(1);
                    if most == 0 {
                        break;
                    }
                }
            }
        }
    }

    /// Settles one person of a class on the roster that most of it work.
    fn settle(&mut self, model: &Model, class: usize, open: usize) -> Option<Vec<u32>> {
        let columns = &self.classes[class].columns;
        let all = columns.iter().enumerate();
        let (most, _) = all.max_by(|a, b| a.1.weight.total_cmp(&b.1.weight))?;
        let mut lacks = 1.0 - columns[most].weight;
        // The others give up what this one lacks, the least liked first.
        let mut others: Vec<usize> = (0..columns.len()).filter(|index| *index != most).collect();
        others.sort_by(|a, b| columns[*a].weight.total_cmp(&columns[*b].weight));
        for other in others {
            let share = self.classes[class].columns[other].weight.min(lacks);
            if TINY < share {
                self.carry(model, class, other, most, share);
                lacks -= share;
            }
        }
        let column = &mut self.classes[class].columns[most];
        column.weight = if open == 1 { 0.0 } else { column.weight - 1.0 };
        Some(column.row.clone())
    }

    /// Moves a share of a class from one roster to another.
    fn carry(&mut self, model: &Model, class: usize, from: usize, to: usize, share: f64) {
        let person = &model.people[self.classes[class].people[0]];
        for (column, comes) in [(from, false), (to, true)] {
            let row = self.classes[class].columns[column].row.clone();
            for (day, shape) in worked(&row) {
                for (interval, units) in model.shapes[shape as usize].intervals() {
                    let (group, units) = (person.group[day] as usize, f64::from(units) * share);
                    if comes {
                        self.come(group, interval, units);
                    } else {
                        self.leave(group, interval, units);
                    }
                }
            }
        }
        let columns = &mut self.classes[class].columns;
        columns[from].weight -= share;
        columns[to].weight += share;
    }

    /// Remembers a roster of a class.
    fn learn(&mut self, model: &Model, class: usize, row: Vec<u32>) {
        let class = &mut self.classes[class];
        if class.columns.iter().all(|column| column.row != row) {
            let own = own(model, &model.people[class.people[0]], &row);
            class.columns.push(Column { row, own, weight: 0.0, unused: 0 });
        }
    }

    /// What stays uncovered whatever the contracts say: the prices as shares of a whole one.
    fn prove_uncovered(&mut self, model: &Model, whole: f64, threads: usize, stop: &AtomicBool) {
        let shares = self.prices.iter().zip(&self.wanted);
        let mut value: f64 = shares.map(|(price, wanted)| share(*price, whole) * wanted).sum();
        let Some(found) = self.ask(model, threads, stop, Some(whole), &|_| true) else { return };
        for (class, roster) in found {
            value += roster.cost * self.classes[class].people.len() as f64;
        }
        self.uncovered = self.uncovered.max(value);
    }

    /// The best roster of every class that is asked for, at the prices; None when told to stop.
    fn ask(
        &self,
        model: &Model,
        threads: usize,
        stop: &AtomicBool,
        whole: Option<f64>,
        wanted: &(dyn Fn(usize) -> bool + Sync),
    ) -> Option<Vec<(usize, Roster)>> {
        let prices = Dearest { bound: self, whole };
        let asked: Vec<usize> = (0..self.classes.len()).filter(|class| wanted(*class)).collect();
        let threads = threads.clamp(1, asked.len().max(1));
        let part = |first: usize| {
            let mut paths = Paths::default();
            let mut found = Vec::new();
            for class in asked.iter().skip(first).step_by(threads) {
                if stop.load(Ordering::Relaxed) {
                    return found;
                }
                let person = &model.people[self.classes[*class].people[0]];
                let taste = person.taste.as_ref().filter(|_| whole.is_none());
                let burdens = taste.map(|taste| model.tastes.tangent(taste).0);
                let ask =
                    Ask { prices: &prices, bans: &[], contracts: whole.is_none(), burdens, closed: &[], sits: &[] };
                found.push((*class, paths.best(model, person, ask)));
            }
            found
        };
        let part = &part;
        let mut found: Vec<(usize, Roster)> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|first| scope.spawn(move || part(first))).collect();
            let mut found = part(0);
            found.extend(others.into_iter().flat_map(|other| other.join().unwrap_or_default()));
            found
        });
        found.sort_by_key(|(class, _)| *class);
        let answered = found.len() == asked.len() && found.iter().all(|(_, roster)| roster.cost.is_finite());
        answered.then_some(found)
    }

    /// What training and meetings cost at least at the prices: everybody is off the phones when she is worth least, be
    /// she at work then or not, and others with her or not.
    fn sessions(&self, model: &Model) -> f64 {
        let mut sum = 0.0;
        for gathering in &model.gatherings {
            let mut known: HashMap<Vec<u32>, f64> = HashMap::new();
            for person in &gathering.people {
                let mut groups = model.people[*person].group.clone();
                groups.sort_unstable();
                groups.dedup();
                sum += *known.entry(groups).or_insert_with_key(|groups| {
                    let missed = cost::missed(gathering.length, model.grid.step) as f64;
                    let off = |start: &i64| -> f64 {
                        let intervals = model.grid.units(*start, start + gathering.length);
                        let worth =
                            |at| groups.iter().map(|group| self.worth(*group as usize, at)).fold(f64::MAX, f64::min);
                        intervals.map(|(at, units)| f64::from(units) * worth(at)).sum()
                    };
                    gathering.starts.iter().map(off).fold(missed, f64::min)
                });
            }
        }
        sum
    }

    fn worth(&self, group: usize, interval: usize) -> f64 {
        let cells = self.serves[group].iter().map(|(need, _)| interval * self.needs + *need as usize);
        cells.fold(FLOOR, |worth, cell| worth.max(self.prices[cell]))
    }

    /// The price at which the master program would leave so much of a need uncovered.
    fn price(&mut self, cell: usize) {
        let wanted = self.wanted[cell];
        if wanted == 0.0 {
            self.prices[cell] = FLOOR - 1.0;
            return;
        }
        let mut price = self.center[cell] + self.pull * (wanted - self.covered[cell]);
        for (size, top) in self.sizes[cell] {
            if price <= top {
                break;
            }
            price = (price - self.pull * size).max(top);
        }
        self.prices[cell] = price.min(cost::MISSING[2].1 as f64);
    }

    /// How fast the price of a cell follows its cover: not at all where a step is half missing.
    fn slope(&self, cell: usize) -> f64 {
        let price = self.prices[cell];
        if self.sizes[cell].iter().any(|(size, top)| 0.0 < *size && *top == price) { 0.1 } else { 1.0 }
    }

    /// Somebody of a group comes to an interval.
    fn come(&mut self, group: usize, interval: usize, mut units: f64) {
        let cells = &self.serves[group];
        let best = cells.iter().map(|(need, edge)| (self.prices[interval * self.needs + *need as usize], *need, *edge));
        let best = best.max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((price, need, edge)) = best
            && FLOOR < price
        {
            self.flow[edge as usize * self.count + interval] += units;
            let cell = interval * self.needs + need as usize;
            self.covered[cell] += units;
            self.price(cell);
            units = 0.0;
        }
        self.idle[group * self.count + interval] += units;
    }

    /// Somebody of a group leaves an interval: from where she is worth least.
    fn leave(&mut self, group: usize, interval: usize, mut units: f64) {
        let idle = &mut self.idle[group * self.count + interval];
        let spare = units.min(*idle);
        *idle -= spare;
        units -= spare;
        while TINY < units {
            let flow = |edge: u32| self.flow[edge as usize * self.count + interval];
            let used = self.serves[group].iter().filter(|(_, edge)| TINY < flow(*edge));
            let used = used.map(|(need, edge)| (self.prices[interval * self.needs + *need as usize], *need, *edge));
            let Some((_, need, edge)) = used.min_by(|a, b| a.0.total_cmp(&b.0)) else { return };
            let flow = &mut self.flow[edge as usize * self.count + interval];
            let amount = units.min(*flow);
            *flow -= amount;
            units -= amount;
            let cell = interval * self.needs + need as usize;
            self.covered[cell] -= amount;
            self.price(cell);
        }
    }

    /// People of a group go over from needs of low price to those of high price.
    fn balance(&mut self) {
        for group in 0..self.serves.len() {
            for interval in 0..self.count {
                for _ in 0..2 {
                    if !self.go_over(group, interval) {
                        break;
                    }
                }
            }
        }
    }

    fn go_over(&mut self, group: usize, interval: usize) -> bool {
        let price = |need: u32| self.prices[interval * self.needs + need as usize];
        let edges = &self.serves[group];
        let idle = self.idle[group * self.count + interval];
        let high = edges.iter().map(|(need, edge)| (price(*need), *need, *edge)).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((to, need_to, edge_to)) = high else { return false };
        let used = edges.iter().filter(|(_, edge)| TINY < self.flow[*edge as usize * self.count + interval]);
        let low = used.map(|(need, edge)| (price(*need), *need, *edge)).min_by(|a, b| a.0.total_cmp(&b.0));
        let cell_to = interval * self.needs + need_to as usize;
        if TINY < idle && FLOOR + 1e-6 < to {
            let amount = idle.min((to - FLOOR) / (self.pull * self.slope(cell_to)));
            self.idle[group * self.count + interval] -= amount;
            self.flow[edge_to as usize * self.count + interval] += amount;
            self.covered[cell_to] += amount;
            self.price(cell_to);
            return true;
        }
        let Some((from, need_from, edge_from)) = low else { return false };
        let cell_from = interval * self.needs + need_from as usize;
        let have = self.flow[edge_from as usize * self.count + interval];
        if from < FLOOR - 1e-6 && to <= FLOOR {
            let amount = have.min((FLOOR - from) / self.pull);
            self.flow[edge_from as usize * self.count + interval] -= amount;
            self.idle[group * self.count + interval] += amount;
            self.covered[cell_from] -= amount;
            self.price(cell_from);
            return true;
        }
        if to - from <= 1e-6 || cell_from == cell_to {
            return false;
        }
        let slope = self.pull * (self.slope(cell_from) + self.slope(cell_to));
        let amount = have.min((to - from) / slope);
        self.flow[edge_from as usize * self.count + interval] -= amount;
        self.flow[edge_to as usize * self.count + interval] += amount;
        self.covered[cell_from] -= amount;
        self.covered[cell_to] += amount;
        self.price(cell_from);
        self.price(cell_to);
        true
    }

    /// Puts one more of a class to work, by this roster.
    fn start(&mut self, model: &Model, class: usize, row: &[u32]) {
        let person = &model.people[self.classes[class].people[0]];
        for (day, shape) in worked(row) {
            for (interval, units) in model.shapes[shape as usize].intervals() {
                self.come(person.group[day] as usize, interval, f64::from(units));
            }
        }
        let columns = &mut self.classes[class].columns;
        match columns.iter_mut().find(|column| column.row == row) {
            Some(column) => column.weight += 1.0,
            None => {
                columns.push(Column { row: row.to_vec(), own: own(model, person, row), weight: 1.0, unused: 0 });
            }
        }
    }

    /// Moves people of a class from the dearest of their rosters to the cheapest, a few times.
    fn sweep(&mut self, model: &Model, class: usize) {
        if self.classes[class].columns.len() < 2 {
            return;
        }
        let mut room = std::mem::take(&mut self.room);
        for _ in 0..MOVES {
            if !self.shift(model, class, &mut room) {
                break;
            }
        }
        self.room = room;
    }

    fn shift(&mut self, model: &Model, class: usize, room: &mut Room) -> bool {
        let known = &self.classes[class];
        let person = &model.people[known.people[0]];
        room.sums.resize_with(known.groups.len(), Vec::new);
        for (group, sums) in known.groups.iter().zip(&mut room.sums) {
            sums.clear();
            let mut sum = 0.0;
            sums.push(sum);
            for interval in 0..self.count {
                sum += self.worth(*group as usize, interval);
                sums.push(sum);
            }
        }
        let cost = |column: &Column| {
            let mut cost = column.own;
            for (day, shape) in worked(&column.row) {
                let group = known.groups.iter().position(|group| *group == person.group[day]).unwrap_or(0);
                let (sums, shape) = (&room.sums[group], &model.shapes[shape as usize]);
                cost -= 100.0 * (sums[shape.first + shape.cover.len()] - sums[shape.first]);
                for (interval, hole) in &shape.holes {
                    cost += f64::from(*hole) * (sums[*interval as usize + 1] - sums[*interval as usize]);
                }
            }
            cost
        };
        let costs: Vec<f64> = known.columns.iter().map(cost).collect();
        let all = costs.iter().enumerate();
        let Some((to, low)) = all.clone().min_by(|a, b| a.1.total_cmp(b.1)) else { return false };
        let used = all.filter(|(index, _)| TINY < known.columns[*index].weight);
        let Some((from, high)) = used.max_by(|a, b| a.1.total_cmp(b.1)) else { return false };
        let gain = high - low;
        if gain <= 1e-6 || from == to {
            return false;
        }
        let weight = known.columns[from].weight;
        let rows = [known.columns[from].row.clone(), known.columns[to].row.clone()];
        let groups = known.groups.clone();
        let (mut changes, mut square) = (Vec::new(), 0.0);
        for group in groups {
            room.change.clear();
            room.change.resize(self.count, 0.0);
            for (row, sign) in rows.iter().zip([-1.0, 1.0]) {
                for (_, shape) in worked(row).filter(|(day, _)| person.group[*day] == group) {
                    for (interval, units) in model.shapes[shape as usize].intervals() {
                        room.change[interval] += sign * f64::from(units);
                    }
                }
            }
            for (interval, change) in room.change.iter().enumerate().filter(|(_, change)| **change != 0.0) {
                let cells = self.serves[group as usize].iter().map(|(need, _)| interval * self.needs + *need as usize);
                let best = cells.max_by(|a, b| self.prices[*a].total_cmp(&self.prices[*b]));
                let slope = best.map_or(0.0, |cell| if self.prices[cell] <= FLOOR { 0.1 } else { self.slope(cell) });
                square += change * change * slope;
                changes.push((group as usize, interval, *change));
            }
        }
        let share = weight.min(gain / (self.pull * square).max(TINY));
        for (group, interval, change) in changes {
            if change < 0.0 {
                self.leave(group, interval, -change * share);
            } else {
                self.come(group, interval, change * share);
            }
        }
        let columns = &mut self.classes[class].columns;
        columns[from].weight -= share;
        columns[to].weight += share;
        if columns[from].weight <= TINY {
            columns[to].weight += std::mem::take(&mut columns[from].weight);
        }
        true
    }
}

impl Class {
    /// Rosters that nobody has worked for long are forgotten.
    fn forget(&mut self) {
        for column in &mut self.columns {
            column.unused = if TINY < column.weight { 0 } else { column.unused + 1 };
        }
        while MOST < self.columns.len() {
            let oldest = self.columns.iter().enumerate().max_by_key(|(_, column)| column.unused);
            match oldest {
                Some((index, column)) if 1 < column.unused => self.columns.remove(index),
                _ => break,
            };
        }
    }
}

/// A price as a share of a whole one; every price is whole where that is 0.
fn share(price: f64, whole: f64) -> f64 {
    if whole == 0.0 { 1.0 } else { (price / whole).clamp(0.0, 1.0) }
}

fn worked(row: &[u32]) -> impl Iterator<Item = (usize, u32)> {
    row.iter().enumerate().filter(|(_, shape)| **shape != OFF).map(|(day, shape)| (day, *shape))
}

/// What a roster costs its person: what it leaves owed, what she wishes otherwise, and burdens at the bound's prices.
fn own(model: &Model, person: &Person, row: &[u32]) -> f64 {
    let Some(taste) = &person.taste else { return owed(model, person, row) };
    let mut load = Load::default();
    worked(row).for_each(|(_, shape)| load.add(&model.tastes.load(taste, &model.shapes[shape as usize]), 1));
    let (slopes, _) = model.tastes.tangent(taste);
    let burdens: f64 = (0..BURDENS).map(|kind| slopes[kind] * load.burdens[kind] as f64).sum();
    owed(model, person, row) + (load.wishes + load.changes) as f64 + burdens
}

/// What a roster leaves owed, priced.
fn owed(model: &Model, person: &Person, row: &[u32]) -> f64 {
    let work = |days: &[u32]| -> i64 { worked(days).map(|(_, shape)| model.shapes[shape as usize].work).sum() };
    let weeks = row.chunks(7).zip(&person.owed);
    weeks.map(|(days, owed)| cost::owed(owed - work(days), model.grid.step)).sum::<i64>() as f64
}

fn safe(value: f64) -> i64 {
    (value - 1e-6 * value.abs().max(1.0)).ceil().max(0.0) as i64
}

/// What people who are planned alike have in common.
type Kind<'m> = (&'m [u32], &'m [u32], &'m [i64], [i64; 7], Vec<(i64, i64, i64)>, Option<TasteKind>);
type TasteKind = (u32, Option<u32>, Option<u32>, [u64; BURDENS]);

fn classes(model: &Model) -> Vec<Class> {
    let mut kinds: HashMap<Kind<'_>, usize> = HashMap::new();
    let mut classes: Vec<Class> = Vec::new();
    for (index, person) in model.people.iter().enumerate() {
        let limits = [
            person.max_week,
            i64::from(person.max_days_in_row),
            i64::from(person.max_days_in_week),
            person.daily_rest,
            person.weekly_rest.0,
            person.weekly_rest.1,
            i64::from(person.forced),
        ];
        let around = person.before.iter().chain(&person.after).map(|(day, duty)| (*day, duty.start, duty.end));
        let kind = (
            &person.options[..],
            &person.group[..],
            &person.owed[..],
            limits,
            around.collect(),
            person.taste.map(|t| t.kind()),
        );
        let class = *kinds.entry(kind).or_insert_with(|| {
            let mut groups = person.group.clone();
            groups.sort_unstable();
            groups.dedup();
            classes.push(Class { people: Vec::new(), groups, columns: Vec::new() });
            classes.len() - 1
        });
        classes[class].people.push(index);
    }
    classes
}
