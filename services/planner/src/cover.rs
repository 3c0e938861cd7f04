//! Who covers what: in every interval, people by group against needs, as the cheapest flow.
//!
//! The flow is kept while people come and go, so that the price of what is uncovered is exact after
//! every change at the cost of a few augmenting paths. Every step of every need is worth covering,
//! so the cheapest flow also leaves the least uncovered. Amounts are hundredths of people.

use super::cost::{IDLE, MISSING, Steps};
use super::model::Model;

/// The cover of every interval.
#[derive(Debug, Clone)]
pub struct Cover {
    graph: Graph,
    cells: Vec<Cell>,
    scratch: Scratch,
    uncovered: u64,
    idle: u64,
    price: i64,
}

/// Which group can serve which need; the same in every interval.
#[derive(Debug, Clone)]
struct Graph {
    /// For each group: (need, edge).
    serves: Vec<Vec<(u32, u32)>>,
    /// For each need: (group, edge).
    served_by: Vec<Vec<(u32, u32)>>,
}

#[derive(Debug, Clone)]
struct Cell {
    steps: Vec<Steps>,
    missing: Vec<u32>,
    wanted: Vec<u32>,
    flow: Vec<u32>,
    idle: Vec<u32>,
    /// Over all needs, each of which may be as large as a number is.
    missing_total: u64,
    idle_total: u32,
}

/// Breadth-first search without allocation.
#[derive(Debug, Clone)]
struct Scratch {
    queue: Vec<u32>,
    need_from: Vec<(u32, u32)>,
    group_from: Vec<(u32, u32)>,
}

/// Where a path ends.
enum End {
    Need(u32),
    Idle(u32),
}

const UNSEEN: (u32, u32) = (u32::MAX, u32::MAX);
const ROOT: (u32, u32) = (u32::MAX - 1, u32::MAX);
const CHEAPEST: i64 = MISSING[0].1;
const DEAREST: i64 = MISSING[2].1;

impl Cover {
    /// The cover of a model with nobody at work.
    pub fn new(model: &Model) -> Cover {
        let needs: Vec<Vec<u32>> = model.needs.iter().map(|need| need.people.clone()).collect();
        Cover::of(&model.groups, &needs, model.grid.count)
    }

    /// The cover of needs (hundredths by need and interval) by groups, with nobody at work.
    pub fn of(groups: &[Vec<u32>], needs: &[Vec<u32>], count: usize) -> Cover {
        let (mut serves, mut served_by, mut edges) = (Vec::new(), vec![Vec::new(); needs.len()], 0);
        for (group, list) in groups.iter().enumerate() {
            let mut own = Vec::with_capacity(list.len());
            for need in list {
                own.push((*need, edges));
                served_by[*need as usize].push((group as u32, edges));
                edges += 1;
            }
            serves.push(own);
        }
        let cell = |interval: usize| {
            let wanted: Vec<u32> = needs.iter().map(|need| need[interval]).collect();
            Cell {
                steps: wanted.iter().map(|wanted| Steps::of(*wanted)).collect(),
                missing: wanted.clone(),
                missing_total: wanted.iter().copied().map(u64::from).sum(),
                wanted,
                flow: vec![0; edges as usize],
                idle: vec![0; groups.len()],
                idle_total: 0,
            }
        };
        let cells: Vec<Cell> = (0..count).map(cell).collect();
        let uncovered = cells.iter().map(|cell| cell.missing_total).sum();
        let prices = |cell: &Cell| -> i64 { cell.steps.iter().zip(&cell.missing).map(|(s, m)| s.price(*m)).sum() };
        let price = cells.iter().map(prices).sum();
        let scratch =
            Scratch { queue: Vec::new(), need_from: vec![UNSEEN; needs.len()], group_from: vec![UNSEEN; groups.len()] };
        Cover { graph: Graph { serves, served_by }, cells, scratch, uncovered, idle: 0, price }
    }

    /// Hundredths that nobody covers, over all intervals.
    pub fn uncovered(&self) -> u64 {
        self.uncovered
    }

    /// Hundredths at work without a need, over all intervals.
    pub fn idle(&self) -> u64 {
        self.idle
    }

    /// What is uncovered and idle costs, over all intervals.
    pub fn price(&self) -> i64 {
        self.price
    }

    /// Somebody of a group comes to an interval; returns what is saved.
    pub fn add(&mut self, interval: usize, group: u32, units: u32) -> i64 {
        let cell = &mut self.cells[interval];
        let (mut left, mut saved) = (units, 0);
        while 0 < left && cell.missing_total != 0 {
            let Some((need, price)) = cell.dearest(&self.graph, &mut self.scratch, group) else { break };
            let amount = cell.push(&self.scratch, need, left);
            saved += price * i64::from(amount);
            left -= amount;
        }
        cell.idle[group as usize] += left;
        cell.idle_total += left;
        self.idle += u64::from(left);
        self.uncovered -= u64::from(units - left);
        saved -= i64::from(left) * IDLE;
        self.price -= saved;
        saved
    }

    /// Somebody of a group leaves an interval; returns what that costs.
    pub fn remove(&mut self, interval: usize, group: u32, units: u32) -> i64 {
        let cell = &mut self.cells[interval];
        let rest = units.min(cell.idle[group as usize]);
        cell.idle[group as usize] -= rest;
        cell.idle_total -= rest;
        let (mut left, mut lost, mut unmet) = (units - rest, -i64::from(rest) * IDLE, 0);
        let mut idle = rest;
        while 0 < left {
            let Some((end, price)) = cell.cheapest(&self.graph, &mut self.scratch, group) else { break };
            let amount = cell.pull(&self.scratch, &end, left);
            match end {
                End::Need(_) => unmet += amount,
                End::Idle(_) => idle += amount,
            }
            lost += price * i64::from(amount);
            left -= amount;
        }
        debug_assert_eq!(left, 0, "only who is there can leave");
        self.idle -= u64::from(idle);
        self.uncovered += u64::from(unmet);
        self.price += lost;
        lost
    }

    /// What would be saved if a whole person of a group came; below zero where she would be idle.
    pub fn gain(&mut self, interval: usize, group: u32) -> i64 {
        let cell = &self.cells[interval];
        if cell.missing_total == 0 || self.graph.serves[group as usize].is_empty() {
            return -100 * IDLE;
        }
        for &(need, _) in &self.graph.serves[group as usize] {
            let (price, room) = cell.steps[need as usize].saves(cell.missing[need as usize]);
            if price == DEAREST && 100 <= room {
                return 100 * DEAREST;
            }
        }
        let gain = self.add(interval, group, 100);
        self.remove(interval, group, 100);
        gain
    }

    /// Hundredths covered for a need in an interval.
    pub fn covered(&self, interval: usize, need: usize) -> u32 {
        self.cells[interval].wanted[need] - self.cells[interval].missing[need]
    }
}

impl Cell {
    /// The need whose next hundredth is dearest among those that a group can reach, directly or by
    /// others moving over.
    fn dearest(&self, graph: &Graph, scratch: &mut Scratch, group: u32) -> Option<(u32, i64)> {
        scratch.clear();
        scratch.group_from[group as usize] = ROOT;
        scratch.queue.push(group);
        let (mut best, mut next) = (None, 0);
        while let Some(&at) = scratch.queue.get(next) {
            next += 1;
            for &(need, edge) in &graph.serves[at as usize] {
                let index = need as usize;
                if scratch.need_from[index] != UNSEEN {
                    continue;
                }
                scratch.need_from[index] = (at, edge);
                let price = self.steps[index].saves(self.missing[index]).0;
                if best.map_or(0, |(_, price)| price) < price {
                    best = Some((need, price));
                    if price == DEAREST {
                        return best;
                    }
                }
                for &(other, edge) in &graph.served_by[index] {
                    if scratch.group_from[other as usize] == UNSEEN && 0 < self.flow[edge as usize] {
                        scratch.group_from[other as usize] = (need, edge);
                        scratch.queue.push(other);
                    }
                }
            }
        }
        best
    }

    /// Moves up to `limit` along the path found to a need, as far as one price goes.
    fn push(&mut self, scratch: &Scratch, end: u32, limit: u32) -> u32 {
        let mut amount = limit.min(self.steps[end as usize].saves(self.missing[end as usize]).1);
        for change in [false, true] {
            let mut need = end;
            // First round: the narrowest place. Second round: the flow itself.
            loop {
                let (from, edge) = scratch.need_from[need as usize];
                if change {
                    self.flow[edge as usize] += amount;
                }
                if scratch.group_from[from as usize] == ROOT {
                    break;
                }
                let (previous, edge) = scratch.group_from[from as usize];
                if change {
                    self.flow[edge as usize] -= amount;
                } else {
                    amount = amount.min(self.flow[edge as usize]);
                }
                need = previous;
            }
        }
        self.missing[end as usize] -= amount;
        self.missing_total -= u64::from(amount);
        amount
    }

    /// Whose leaving is felt least when a group loses somebody: somebody idle who can move over, or
    /// the need whose last hundredth is cheapest.
    fn cheapest(&self, graph: &Graph, scratch: &mut Scratch, group: u32) -> Option<(End, i64)> {
        scratch.clear();
        scratch.group_from[group as usize] = ROOT;
        scratch.queue.push(group);
        let (mut best, mut next): (Option<(End, i64)>, usize) = (None, 0);
        while let Some(&at) = scratch.queue.get(next) {
            next += 1;
            for &(need, edge) in &graph.serves[at as usize] {
                let index = need as usize;
                if self.flow[edge as usize] == 0 || scratch.need_from[index] != UNSEEN {
                    continue;
                }
                scratch.need_from[index] = (at, edge);
                let price = self.steps[index].loses(self.missing[index]).0;
                if best.as_ref().is_none_or(|(_, best)| price < *best) {
                    best = Some((End::Need(need), price));
                    if price == CHEAPEST && self.idle_total == 0 {
                        return best;
                    }
                }
                for &(other, edge) in &graph.served_by[index] {
                    if scratch.group_from[other as usize] == UNSEEN {
                        scratch.group_from[other as usize] = (need, edge);
                        if 0 < self.idle[other as usize] {
                            return Some((End::Idle(other), -IDLE));
                        }
                        scratch.queue.push(other);
                    }
                }
            }
        }
        best
    }

    /// Takes up to `limit` away along the path found, as far as one price goes.
    fn pull(&mut self, scratch: &Scratch, end: &End, limit: u32) -> u32 {
        let (first, room) = match *end {
            End::Need(need) => (need, self.steps[need as usize].loses(self.missing[need as usize]).1),
            End::Idle(group) => (scratch.group_from[group as usize].0, self.idle[group as usize]),
        };
        let mut amount = limit.min(room);
        for change in [false, true] {
            let mut need = first;
            if let End::Idle(group) = *end
                && change
            {
                self.flow[scratch.group_from[group as usize].1 as usize] += amount;
            }
            loop {
                let (group, edge) = scratch.need_from[need as usize];
                if change {
                    self.flow[edge as usize] -= amount;
                } else {
                    amount = amount.min(self.flow[edge as usize]);
                }
                if scratch.group_from[group as usize] == ROOT {
                    break;
                }
                let (previous, edge) = scratch.group_from[group as usize];
                if change {
                    self.flow[edge as usize] += amount;
                }
                need = previous;
            }
        }
        match *end {
            End::Need(need) => {
                self.missing[need as usize] += amount;
                self.missing_total += u64::from(amount);
            }
            End::Idle(group) => {
                self.idle[group as usize] -= amount;
                self.idle_total -= amount;
            }
        }
        amount
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.queue.clear();
        self.need_from.fill(UNSEEN);
        self.group_from.fill(UNSEEN);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The cheapest flow by the book: shortest paths in the whole residual network, from nothing.
    fn cheapest(groups: &[Vec<u32>], needs: &[u32], there: &[u32]) -> (u32, i64) {
        // Nodes: source, groups, needs, steps of needs, sink.
        let (g, k) = (groups.len(), needs.len());
        let sink = 1 + g + k;
        let mut arcs: Vec<(usize, usize, i64, i64)> = Vec::new();
        let mut arc = |from, to, room: i64, price| {
            arcs.push((from, to, room, price));
            arcs.push((to, from, 0, -price));
        };
        for (group, list) in groups.iter().enumerate() {
            arc(0, 1 + group, i64::from(there[group]), 0);
            arc(1 + group, sink, 1_000_000, IDLE);
            list.iter().for_each(|need| arc(1 + group, 1 + g + *need as usize, 1_000_000, 0));
        }
        for (need, wanted) in needs.iter().enumerate() {
            let steps = Steps::of(*wanted).sizes();
            steps.iter().for_each(|(size, price)| arc(1 + g + need, sink, *size as i64, -*price as i64));
        }
        let mut price: i64 = needs.iter().map(|wanted| Steps::of(*wanted).price(*wanted)).sum();
        loop {
            let mut far = vec![(i64::MAX / 2, usize::MAX); sink + 1];
            far[0].0 = 0;
            for _ in 0..=sink {
                for (index, (from, to, room, cost)) in arcs.iter().enumerate() {
                    if 0 < *room && far[*from].0 < i64::MAX / 4 && far[*from].0 + cost < far[*to].0 {
                        far[*to] = (far[*from].0 + cost, index);
                    }
                }
            }
            if i64::MAX / 4 < far[sink].0 {
                break;
            }
            let mut at = sink;
            while at != 0 {
                arcs[far[at].1].2 -= 1;
                arcs[far[at].1 ^ 1].2 += 1;
                at = arcs[far[at].1].0;
            }
            price += far[sink].0;
        }
        let into = |(_, to, room, cost): &(usize, usize, i64, i64)| if *to == sink && *cost < 0 { *room } else { 0 };
        (arcs.iter().map(into).sum::<i64>() as u32, price)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_flow_stays_the_cheapest_while_people_come_and_go(
            sets in proptest::collection::vec(0_u32..32, 1..6),
            needs in proptest::collection::vec(0_u32..160, 5),
            moves in proptest::collection::vec((any::<bool>(), 0_usize..7, 1_u32..=100), 1..24),
        ) {
            let groups: Vec<Vec<u32>> =
                sets.iter().map(|set| (0..5).filter(|need| set >> need & 1 == 1).collect()).collect();
            let wanted: Vec<Vec<u32>> = needs.iter().map(|need| vec![*need]).collect();
            let mut cover = Cover::of(&groups, &wanted, 1);
            let mut there = vec![0; groups.len()];
            for (comes, group, units) in moves {
                let group = group % groups.len();
                let (before, gain) = (cover.price(), cover.gain(0, group as u32));
                prop_assert_eq!(cover.price(), before);
                if comes {
                    let saved = cover.add(0, group as u32, units);
                    prop_assert!(units != 100 || saved == gain);
                    prop_assert_eq!(before - saved, cover.price());
                    there[group] += units;
                } else if units <= there[group] {
                    let lost = cover.remove(0, group as u32, units);
                    prop_assert_eq!(before + lost, cover.price());
                    there[group] -= units;
                }
                prop_assert_eq!((cover.uncovered() as u32, cover.price()), cheapest(&groups, &needs, &there));
                let at_work: u32 = there.iter().sum();
                let required: u32 = needs.iter().sum();
                prop_assert_eq!(u64::from(at_work) + cover.uncovered(), u64::from(required) + cover.idle());
                let covered: u32 = (0..5).map(|need| cover.covered(0, need)).sum();
                prop_assert_eq!(u64::from(covered) + cover.uncovered(), u64::from(required));
            }
        }
    }
}
