//! Who covers what: in every interval, people by group against needs, as a largest flow.
//!
//! The flow is kept while people come and go, so that the uncovered amount is exact after every
//! change at the cost of a few augmenting paths. Amounts are hundredths of people.

use super::model::Model;

/// The cover of every interval.
#[derive(Debug, Clone)]
pub struct Cover {
    graph: Graph,
    cells: Vec<Cell>,
    scratch: Scratch,
    uncovered: u64,
    idle: u64,
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
    unmet: Vec<u32>,
    flow: Vec<u32>,
    idle: Vec<u32>,
    unmet_total: u32,
}

/// Breadth-first search without allocation.
#[derive(Debug, Clone)]
struct Scratch {
    queue: Vec<u32>,
    need_from: Vec<(u32, u32)>,
    group_from: Vec<(u32, u32)>,
}

/// Needs that lose somebody at once; more are handled in further rounds.
const HOLES: usize = 16;
const UNSEEN: (u32, u32) = (u32::MAX, u32::MAX);
const ROOT: (u32, u32) = (u32::MAX - 1, u32::MAX);

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
            let unmet: Vec<u32> = needs.iter().map(|need| need[interval]).collect();
            let unmet_total = unmet.iter().sum();
            Cell { unmet, flow: vec![0; edges as usize], idle: vec![0; groups.len()], unmet_total }
        };
        let cells: Vec<Cell> = (0..count).map(cell).collect();
        let uncovered = cells.iter().map(|cell| u64::from(cell.unmet_total)).sum();
        let scratch =
            Scratch { queue: Vec::new(), need_from: vec![UNSEEN; needs.len()], group_from: vec![UNSEEN; groups.len()] };
        Cover { graph: Graph { serves, served_by }, cells, scratch, uncovered, idle: 0 }
    }

    /// Hundredths that nobody covers, over all intervals.
    pub fn uncovered(&self) -> u64 {
        self.uncovered
    }

    /// Hundredths at work without a need, over all intervals.
    pub fn idle(&self) -> u64 {
        self.idle
    }

    /// Hundredths of a need that nobody covers in an interval.
    pub fn unmet(&self, interval: usize, need: usize) -> u32 {
        self.cells[interval].unmet[need]
    }

    /// Whether an interval is wholly covered.
    pub fn is_met(&self, interval: usize) -> bool {
        self.cells[interval].unmet_total == 0
    }

    /// Somebody of a group comes to an interval; returns how much more is covered.
    pub fn add(&mut self, interval: usize, group: u32, units: u32) -> u32 {
        let cell = &mut self.cells[interval];
        let mut left = units;
        while 0 < left && cell.unmet_total != 0 {
            let pushed = cell.push(&self.graph, &mut self.scratch, group, left);
            if pushed == 0 {
                break;
            }
            left -= pushed;
        }
        cell.idle[group as usize] += left;
        self.idle += u64::from(left);
        self.uncovered -= u64::from(units - left);
        units - left
    }

    /// Somebody of a group leaves an interval; returns how much less is covered.
    pub fn remove(&mut self, interval: usize, group: u32, units: u32) -> u32 {
        let cell = &mut self.cells[interval];
        let rest = units.min(cell.idle[group as usize]);
        cell.idle[group as usize] -= rest;
        self.idle -= u64::from(rest);
        // First everything is taken, then the holes are filled: a filling may move this group too.
        let (mut left, mut lost) = (units - rest, 0);
        let mut holes: [(u32, u32); HOLES] = [(0, 0); HOLES];
        while 0 < left {
            let mut count = 0;
            for &(need, edge) in &self.graph.serves[group as usize] {
                let taken = left.min(cell.flow[edge as usize]);
                if 0 < taken && count < HOLES {
                    cell.flow[edge as usize] -= taken;
                    left -= taken;
                    holes[count] = (need, taken);
                    count += 1;
                }
            }
            if count == 0 {
                break;
            }
            for &(need, taken) in &holes[..count] {
                let mut open = taken;
                while 0 < open {
                    let filled = cell.pull(&self.graph, &mut self.scratch, need, open);
                    if filled == 0 {
                        break;
                    }
                    open -= filled;
                    self.idle -= u64::from(filled);
                }
                cell.unmet[need as usize] += open;
                cell.unmet_total += open;
                lost += open;
            }
        }
        debug_assert_eq!(left, 0, "only who is there can leave");
        self.uncovered += u64::from(lost);
        lost
    }

    /// How much more would be covered if a whole person of a group came.
    pub fn gain(&mut self, interval: usize, group: u32) -> u32 {
        let cell = &self.cells[interval];
        if cell.unmet_total == 0 {
            return 0;
        }
        let direct = |sum: u32, &(need, _): &(u32, u32)| sum.saturating_add(cell.unmet[need as usize]);
        if 100 <= self.graph.serves[group as usize].iter().fold(0, direct) {
            return 100;
        }
        let gain = self.add(interval, group, 100);
        self.remove(interval, group, 100);
        gain
    }

    /// Hundredths covered for a need in an interval.
    pub fn covered(&self, interval: usize, need: usize) -> u32 {
        self.graph.served_by[need].iter().map(|(_, edge)| self.cells[interval].flow[*edge as usize]).sum()
    }
}

impl Cell {
    /// Moves up to `limit` along one path from a group to an unmet need.
    fn push(&mut self, graph: &Graph, scratch: &mut Scratch, group: u32, limit: u32) -> u32 {
        for &(need, edge) in &graph.serves[group as usize] {
            let amount = limit.min(self.unmet[need as usize]);
            if 0 < amount {
                self.flow[edge as usize] += amount;
                self.meet(need, amount);
                return amount;
            }
        }
        let Some(end) = self.find_unmet(graph, scratch, group) else { return 0 };
        let (mut amount, mut need) = (limit.min(self.unmet[end as usize]), end);
        for back in [true, false] {
            need = if back { need } else { end };
            // First round: the narrowest place. Second round: the flow itself.
            loop {
                let (from, edge) = scratch.need_from[need as usize];
                if !back {
                    self.flow[edge as usize] += amount;
                }
                if scratch.group_from[from as usize] == ROOT {
                    break;
                }
                let (previous, edge) = scratch.group_from[from as usize];
                if back {
                    amount = amount.min(self.flow[edge as usize]);
                } else {
                    self.flow[edge as usize] -= amount;
                }
                need = previous;
            }
        }
        self.meet(end, amount);
        amount
    }

    fn meet(&mut self, need: u32, amount: u32) {
        self.unmet[need as usize] -= amount;
        self.unmet_total -= amount;
    }

    fn find_unmet(&self, graph: &Graph, scratch: &mut Scratch, group: u32) -> Option<u32> {
        scratch.clear();
        scratch.group_from[group as usize] = ROOT;
        scratch.queue.push(group);
        let mut next = 0;
        while let Some(&at) = scratch.queue.get(next) {
            next += 1;
            for &(need, edge) in &graph.serves[at as usize] {
                if scratch.need_from[need as usize] != UNSEEN {
                    continue;
                }
                scratch.need_from[need as usize] = (at, edge);
                if 0 < self.unmet[need as usize] {
                    return Some(need);
                }
                for &(other, edge) in &graph.served_by[need as usize] {
                    if 0 < self.flow[edge as usize] && scratch.group_from[other as usize] == UNSEEN {
                        scratch.group_from[other as usize] = (need, edge);
                        scratch.queue.push(other);
                    }
                }
            }
        }
        None
    }

    /// Moves up to `limit` of somebody idle to a need, along one path.
    fn pull(&mut self, graph: &Graph, scratch: &mut Scratch, need: u32, limit: u32) -> u32 {
        let Some(end) = self.find_idle(graph, scratch, need) else { return 0 };
        let (mut amount, mut group) = (limit.min(self.idle[end as usize]), end);
        for back in [true, false] {
            group = if back { group } else { end };
            loop {
                let (to, edge) = scratch.group_from[group as usize];
                if !back {
                    self.flow[edge as usize] += amount;
                }
                if scratch.need_from[to as usize] == ROOT {
                    break;
                }
                let (next, edge) = scratch.need_from[to as usize];
                if back {
                    amount = amount.min(self.flow[edge as usize]);
                } else {
                    self.flow[edge as usize] -= amount;
                }
                group = next;
            }
        }
        self.idle[end as usize] -= amount;
        amount
    }

    fn find_idle(&self, graph: &Graph, scratch: &mut Scratch, need: u32) -> Option<u32> {
        scratch.clear();
        scratch.need_from[need as usize] = ROOT;
        scratch.queue.push(need);
        let mut next = 0;
        while let Some(&at) = scratch.queue.get(next) {
            next += 1;
            for &(group, edge) in &graph.served_by[at as usize] {
                if scratch.group_from[group as usize] != UNSEEN {
                    continue;
                }
                scratch.group_from[group as usize] = (at, edge);
                if 0 < self.idle[group as usize] {
                    return Some(group);
                }
                for &(other, edge) in &graph.serves[group as usize] {
                    if 0 < self.flow[edge as usize] && scratch.need_from[other as usize] == UNSEEN {
                        scratch.need_from[other as usize] = (group, edge);
                        scratch.queue.push(other);
                    }
                }
            }
        }
        None
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

    /// By Hall: what stays uncovered is the worst set of needs against all who serve any of it.
    fn uncovered(groups: &[Vec<u32>], needs: &[u32], there: &[u32]) -> u32 {
        let mut worst = 0;
        for set in 0_u32..1 << needs.len() {
            let wanted: u32 = (0..needs.len()).filter(|k| set >> k & 1 == 1).map(|k| needs[k]).sum();
            let touches = |group: &Vec<u32>| group.iter().any(|need| set >> need & 1 == 1);
            let able: u32 = groups.iter().zip(there).filter(|(group, _)| touches(group)).map(|(_, units)| units).sum();
            worst = worst.max(wanted.saturating_sub(able));
        }
        worst
    }

    proptest! {
        #[test]
        fn the_flow_stays_the_largest_while_people_come_and_go(
            sets in proptest::collection::vec(0_u32..64, 1..7),
            needs in proptest::collection::vec(0_u32..400, 6),
            moves in proptest::collection::vec((any::<bool>(), 0_usize..7, 1_u32..=100), 1..60),
        ) {
            let groups: Vec<Vec<u32>> =
                sets.iter().map(|set| (0..6).filter(|need| set >> need & 1 == 1).collect()).collect();
            let wanted: Vec<Vec<u32>> = needs.iter().map(|need| vec![*need]).collect();
            let mut cover = Cover::of(&groups, &wanted, 1);
            let mut there = vec![0; groups.len()];
            for (comes, group, units) in moves {
                let group = group % groups.len();
                let before = cover.uncovered();
                if comes {
                    let gain = cover.gain(0, group as u32);
                    let more = cover.add(0, group as u32, units);
                    prop_assert_eq!(more, gain.min(units));
                    prop_assert_eq!(before - u64::from(more), cover.uncovered());
                    there[group] += units;
                } else if units <= there[group] {
                    let less = cover.remove(0, group as u32, units);
                    prop_assert_eq!(before + u64::from(less), cover.uncovered());
                    there[group] -= units;
                }
                prop_assert_eq!(cover.uncovered(), u64::from(uncovered(&groups, &needs, &there)));
                let at_work: u32 = there.iter().sum();
                let required: u32 = needs.iter().sum();
                prop_assert_eq!(u64::from(at_work) + cover.uncovered(), u64::from(required) + cover.idle());
                let covered: u32 = (0..6).map(|need| cover.covered(0, need)).sum();
                prop_assert_eq!(u64::from(covered) + cover.uncovered(), u64::from(required));
            }
        }
    }
}
