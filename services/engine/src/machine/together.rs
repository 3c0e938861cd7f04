//! Many at once. When several contacts and several agents wait for each other -
//! everybody signs in at eight, a leader takes over, a batch of calls comes in -
//! giving each agent the best contact she could take, one after the other, leaves
//! contacts without anybody whom a colleague could have taken. So they are
//! matched together: contacts in the order of the policy, each by an augmenting
//! path. The sets of contacts that can be matched form a transversal matroid
//! (J. Edmonds, D. R. Fulkerson, "Transversals and matroid partition", 1965), so
//! that taking them greedily keeps the order of the policy and still gives as
//! many contacts somebody as any matching could.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};

use super::Engine;
use super::matching::Turn;
use super::queue::{Key, NOBODY, Tier};
use super::record::Rule;
use super::weights::Contest;
use crate::bits::BitSet;
use crate::ids::At;
use crate::needs::Channel;

/// Agents looked at for one contact before it is left where it waits.
const SEARCH: usize = 2_048;

/// Who is matched to whom so far.
struct Matching {
    of_agent: Vec<Option<u32>>,
    agent_of: HashMap<u32, u32>,
    /// Agents who are not given anything else: they keep what was kept for them.
    fixed: BitSet,
    /// Agents from whom no path leads to a free one any more.
    dead: BitSet,
    /// Contacts matched so far, by seller: they count against floors and ceilings.
    at_work: HashMap<u32, u32>,
    /// Contacts in the order in which they were matched, and why.
    order: Vec<(u32, Rule)>,
}

/// Classes by the contact that goes first of what is left of them.
type Heap = BinaryHeap<Reverse<(Key, u32)>>;

/// The classes that take part, by the head of what is left of them.
#[derive(Default)]
struct Line {
    any: [Heap; 3],
    below_floor: [Heap; 3],
    /// Those of `any` once more that are of sellers with a weight, by seller.
    weighted: [BTreeMap<u32, Heap>; 3],
    /// Jobs that were taken from one of the two and still stand in the other.
    gone: HashSet<u32>,
}

/// A contact whose turn it is.
struct Next {
    key: Key,
    class: u32,
    tier: Tier,
    rule: Rule,
    contest: Option<Contest>,
    /// What late ones have to their credit once it is matched.
    late_credit: u32,
}

impl Line {
    /// Forgets the foremost entries that were taken already.
    fn tidy(heap: &mut Heap, gone: &HashSet<u32>) {
        while heap.peek().is_some_and(|Reverse((key, _))| gone.contains(&key.job)) {
            heap.pop();
        }
    }

    /// The first contact of each seller with a weight in a tier.
    fn heads(&mut self, tier: Tier) -> Vec<(u32, At)> {
        let (of_sellers, gone) = (&mut self.weighted[tier as usize], &self.gone);
        of_sellers.retain(|_, heap| {
            Line::tidy(heap, gone);
            !heap.is_empty()
        });
        let first = |heap: &Heap| heap.peek().map(|Reverse((key, _))| key.at);
        of_sellers.iter().filter_map(|(seller, heap)| Some((*seller, first(heap)?))).collect()
    }
}

impl Engine {
    /// Takes several events of one instant and gives out work only after the
    /// last of them: what they free and what they bring is matched together.
    pub fn together<T>(&mut self, at: At, events: impl FnOnce(&mut Engine) -> T) -> T {
        self.gather();
        let outcome = events(self);
        self.give_out(at);
        outcome
    }

    /// From here on events change the state and nobody is given anything, until [`Engine::give_out`].
    pub fn gather(&mut self) {
        self.deferred = true;
    }

    /// Gives out what can be given out now. Replies to events in between may be
    /// behind: [`Engine::after_round`].
    pub fn give_out(&mut self, at: At) {
        self.note_giving(at);
        self.deferred = false;
        self.advance(at);
    }

    /// Matches the contacts and agents that the events left to do, if there is
    /// more than one of either.
    pub(super) fn match_together(&mut self) {
        let free = |agent: &u32| Channel::ALL.into_iter().any(|channel| self.room[channel as usize].has(*agent));
        let agents: BTreeSet<u32> = self.to_feed.iter().copied().filter(free).collect();
        let waits = |job: &u32| self.jobs.has(*job) && self.jobs[*job].waits();
        let jobs: BTreeSet<u32> = self.to_place.iter().copied().filter(waits).collect();
        // Whoever is alone looks around alone; but one who came in and one who became free meet in the order of the policy.
        if agents.len() + jobs.len() < 2 {
            return;
        }
        let mut matching = Matching {
            of_agent: vec![None; self.agents.len()],
            agent_of: HashMap::new(),
            fixed: BitSet::default(),
            dead: BitSet::default(),
            at_work: HashMap::new(),
            order: Vec::new(),
        };
        self.match_kept(&mut matching, &agents, &jobs);
        let mut line = self.line(&agents, &jobs);
        let competing = u32::try_from(line.any.iter().chain(&line.below_floor).map(BinaryHeap::len).sum::<usize>());
        // Once everybody has something no contact finds anybody any more.
        let mut free = self.with_room() - matching.agent_of.len();
        while free != 0
            && let Some(Next { key, class, tier, rule, contest, late_credit }) = self.next_in(&mut line, &matching)
        {
            let seller = self.classes.sellers[class as usize];
            if self.is_full_with(seller, &matching) {
                continue; // the class is left: what is matched stays matched
            }
            let kept = matching.agent_of.contains_key(&key.job);
            let matched = kept || self.augment(key.job, &mut matching);
            if matched && !kept {
                *matching.at_work.entry(seller).or_default() += 1;
                matching.order.push((key.job, rule));
                free -= 1;
                self.late_credit = late_credit;
                contest.iter().for_each(|contest| self.charge(contest));
            }
            // If nobody is left for it, nobody is left for those behind it: only refusals differ within a class.
            if (matched || !self.jobs[key.job].refused.is_empty())
                && let Some(next) = self.classes[class].queue.after(tier, &key)
            {
                self.stand_in(&mut line, tier, next, class, &matching);
            }
        }
        let competing = competing.unwrap_or(u32::MAX);
        for (job, rule) in std::mem::take(&mut matching.order) {
            if let Some(agent) = matching.agent_of.get(&job) {
                self.make_offer(job, *agent, rule, competing);
            }
        }
    }

    /// How many agents could take one more contact.
    fn with_room(&self) -> usize {
        let mut room = BitSet::default();
        self.room.iter().for_each(|of_channel| room.join(of_channel));
        room.count() as usize
    }

    /// Contacts that are kept for one agent, or were answered by her last, go to her.
    fn match_kept(&self, matching: &mut Matching, agents: &BTreeSet<u32>, jobs: &BTreeSet<u32>) {
        let kept = agents.iter().filter_map(|agent| Some((self.held_for(*agent)?, *agent)));
        let preferred = jobs.iter().filter_map(|job| {
            let record = &self.jobs[*job];
            let agent = match record.held {
                Some((keeper, _)) => keeper,
                None if self.reserving.has(record.seller) => return None,
                None => *self.agent_index.get(&record.contact.preferred?)?,
            };
            (self.could_take(agent, *job)).then_some((*job, agent))
        });
        let mut pairs: Vec<(u32, u32)> = kept.chain(preferred).collect();
        pairs.sort_by_key(|(job, _)| Key::of(&self.jobs[*job].contact, *job, Tier::Savable));
        for (job, agent) in pairs {
            let seller = self.jobs[job].seller;
            let taken = matching.of_agent[agent as usize].is_some() || matching.agent_of.contains_key(&job);
            if !taken && !self.is_full_with(seller, matching) {
                matching.fixed.put(agent, true);
                matching.of_agent[agent as usize] = Some(job);
                matching.agent_of.insert(job, agent);
                *matching.at_work.entry(seller).or_default() += 1;
                matching.order.push((job, Rule::Affinity));
            }
        }
    }

    /// The classes of the contacts that came, and those in which something waits for the agents who came.
    fn line(&self, agents: &BTreeSet<u32>, jobs: &BTreeSet<u32>) -> Line {
        // A reserve is looked at for each contact alone: those of such sellers are given out afterwards.
        let waiting = |class: &u32| {
            let waits = self.classes.first.iter().any(|tier| tier[*class as usize] != NOBODY);
            waits && !self.reserving.has(self.classes.sellers[*class as usize])
        };
        let of_jobs = jobs.iter().map(|job| self.jobs[*job].class);
        let of_agents = agents.iter().flat_map(|agent| {
            let slot = &self.agents[*agent as usize];
            let room = Channel::ALL.into_iter().filter(|channel| self.room[*channel as usize].has(*agent));
            room.flat_map(|channel| &slot.classes[channel as usize]).copied()
        });
        let classes: BTreeSet<u32> = of_jobs.chain(of_agents).filter(waiting).collect();
        let mut line = Line::default();
        for class in classes {
            for tier in Tier::ALL {
                if let Some(head) = self.classes[class].queue.head(tier) {
                    let below = self.below_floor.has(self.classes.sellers[class as usize]);
                    self.put_in(&mut line, tier, head, class, below);
                }
            }
        }
        line
    }

    fn stand_in(&self, line: &mut Line, tier: Tier, key: Key, class: u32, matching: &Matching) {
        let below = self.is_below_floor_with(self.classes.sellers[class as usize], matching);
        self.put_in(line, tier, key, class, below);
    }

    fn put_in(&self, line: &mut Line, tier: Tier, key: Key, class: u32, below_floor: bool) {
        let entry = Reverse((key, class));
        if below_floor {
            return line.below_floor[tier as usize].push(entry);
        }
        let seller = self.classes.sellers[class as usize];
        if tier != Tier::Forced && self.weighted.has(seller) {
            line.weighted[tier as usize].entry(seller).or_default().push(entry);
        }
        line.any[tier as usize].push(entry);
    }

    fn is_full_with(&self, seller: u32, matching: &Matching) -> bool {
        self.sellers[seller as usize].would_be_full(matching.of_seller(seller))
    }

    fn is_below_floor_with(&self, seller: u32, matching: &Matching) -> bool {
        self.sellers[seller as usize].would_be_below_floor(matching.of_seller(seller))
    }

    /// The contact whose turn it is, by the same order as when a single agent is free.
    fn next_in(&self, line: &mut Line, matching: &Matching) -> Option<Next> {
        // Those that reached their floor by what was matched stand with the others from then on.
        for tier in Tier::ALL {
            while let Some(Reverse((key, class))) = line.below_floor[tier as usize].peek().copied() {
                if self.is_below_floor_with(self.classes.sellers[class as usize], matching) {
                    break;
                }
                line.below_floor[tier as usize].pop();
                self.put_in(line, tier, key, class, false);
            }
            Line::tidy(&mut line.any[tier as usize], &line.gone);
        }
        let forced = Tier::Forced as usize;
        let first = |heaps: &[Heap; 3], tier: Tier| heaps[tier as usize].peek().map(|Reverse((key, _))| *key);
        let forced_below = [&mut line.below_floor[forced], &mut line.any[forced]];
        if let Some(heap) =
            forced_below.into_iter().filter(|heap| !heap.is_empty()).max_by_key(|heap| heap.peek().copied())
        {
            let Reverse((key, class)) = heap.pop()?;
            let (tier, late_credit) = (Tier::Forced, self.late_credit);
            return Some(Next { key, class, tier, rule: Rule::MaximumWait, contest: None, late_credit });
        }
        let floor = Tier::ALL.into_iter().any(|tier| !line.below_floor[tier as usize].is_empty());
        let heaps = if floor { &mut line.below_floor } else { &mut line.any };
        let (savable, late) = (first(heaps, Tier::Savable), first(heaps, Tier::Late));
        let (key, rule, late_credit) = self.savable_or_late(savable, late)?;
        let tier = if savable == Some(key) { Tier::Savable } else { Tier::Late };
        if floor {
            let Reverse((key, class)) = heaps[tier as usize].pop()?;
            return Some(Next { key, class, tier, rule: Rule::BelowFloor, contest: None, late_credit });
        }
        if let Some(contest) = self.contest_in(line, tier, key) {
            let Reverse((key, class)) = line.weighted[tier as usize].get_mut(&contest.winner)?.pop()?;
            line.gone.insert(key.job);
            return Some(Next { key, class, tier, rule: Rule::Weight, contest: Some(contest), late_credit });
        }
        let Reverse((key, class)) = line.any[tier as usize].pop()?;
        if self.weighted.has(self.classes.sellers[class as usize]) {
            line.gone.insert(key.job);
        }
        Some(Next { key, class, tier, rule, contest: None, late_credit })
    }

    /// The sellers that contest the turn of the first contact of a tier by their weights.
    fn contest_in(&self, line: &mut Line, tier: Tier, first: Key) -> Option<Contest> {
        let seller = self.jobs[first.job].seller;
        if !self.weighted.has(seller) {
            return None;
        }
        let late = !line.heads(Tier::Late).is_empty();
        let until = self.due_alike(tier, seller, first.at, late)?;
        let contenders: Vec<(u32, At)> = line.heads(tier).into_iter().filter(|(_, at)| *at <= until).collect();
        self.contest(&contenders)
    }

    /// Finds an agent for a contact, by moving others that are only matched so far if need be.
    fn augment(&self, start: u32, matching: &mut Matching) -> bool {
        let record = &self.jobs[start];
        let class = &self.classes[record.class];
        let policy = &self.sellers[record.seller as usize].policy;
        let direct = class
            .eligible
            .both(&self.room[class.channel as usize])
            .filter(|agent| matching.of_agent[*agent as usize].is_none() && !record.was_refused_by(*agent))
            .map(|agent| (Turn::of(&self.agents[agent as usize], agent, class, policy), agent))
            .min();
        if let Some((_, agent)) = direct {
            matching.of_agent[agent as usize] = Some(start);
            matching.agent_of.insert(start, agent);
            return true;
        }
        let mut seen = matching.dead.clone();
        let mut came_from: HashMap<u32, u32> = HashMap::new();
        let mut jobs = VecDeque::from([start]);
        while let Some(job) = jobs.pop_front() {
            let record = &self.jobs[job];
            let class = &self.classes[record.class];
            for agent in class.eligible.both(&self.room[class.channel as usize]) {
                if seen.has(agent) || matching.fixed.has(agent) || record.was_refused_by(agent) {
                    continue;
                }
                seen.put(agent, true);
                came_from.insert(agent, job);
                match matching.of_agent[agent as usize] {
                    Some(other) => jobs.push_back(other),
                    None => {
                        matching.flip(agent, start, &came_from);
                        return true;
                    }
                }
                if came_from.len() == SEARCH {
                    return false;
                }
            }
        }
        // No path leads from any of these to a free agent, nor ever will.
        matching.dead = seen;
        false
    }
}

impl Matching {
    /// Contacts of a seller that are matched so far.
    fn of_seller(&self, seller: u32) -> u32 {
        self.at_work.get(&seller).copied().unwrap_or(0)
    }

    /// Moves everybody on the path by one.
    fn flip(&mut self, free: u32, start: u32, came_from: &HashMap<u32, u32>) {
        let mut agent = free;
        while let Some(job) = came_from.get(&agent).copied() {
            let before = self.agent_of.insert(job, agent);
            self.of_agent[agent as usize] = Some(job);
            match before {
                Some(next) if job != start => agent = next,
                _ => return,
            }
        }
    }
}
