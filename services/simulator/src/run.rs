//! One replication: customers come, agents come and go, and the engine that
//! also routes in production decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::atomic::Ordering;

use engine::agent::{Presence, Profile};
use engine::contact::{ContactState, NewContact};
use engine::ids::{AgentId, At, ContactId, OfferId, SellerId};
use engine::needs::{Channel, Channels, Needs};
use engine::offer::OfferState;
use engine::refusal::Refusal;
use engine::seller::SellerTerms;
use engine::{Completion, Engine, Event};
use uuid::Uuid;

use crate::arrivals::{Days, Source};
use crate::chance::{Purpose, Stream, stream, uniform};
use crate::parallel::Control;
use crate::plan::{Plan, Type};
use crate::scenario::End;
use crate::tally::{Ledger, Sum, Tally};

/// Why a replication did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Somebody asked for it.
    #[error("stopped")]
    Stopped,
    /// More contacts came than may.
    #[error("more than {0} contacts came in all replications")]
    TooMany(u64),
    /// More contacts were there at once than may be.
    #[error("more than {0} contacts were there at once: far too few are served")]
    TooManyInside(u32),
    /// The engine refused what it must not refuse.
    #[error("the engine refused: {0}")]
    Refused(#[from] Refusal),
}

/// What one replication leaves behind.
#[derive(Debug)]
pub struct Ran {
    pub tallies: Vec<Tally>,
    /// Contacts that came, and events that the engine took.
    pub contacts: u64,
    pub events: u64,
}

/// Contacts, and events, between two looks at whether to stop.
const LOOK_EVERY: u64 = 4_096;
/// Shortest time before an offer's end at which a slow agent takes it.
const LAST_MOMENT: i64 = 100_000;

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Somebody's work on a contact ends; the last number tells of which turn.
    Finish(u32, u64, u32),
    /// The agents of a group are so many from now on.
    Staff(u32, u32),
    /// A customer has waited long enough.
    Leave(u32, u64),
    /// An agent takes what she is offered.
    Take(u32, u64),
    /// The next contact of a type comes.
    Come(u32),
    /// Somebody comes again.
    Again(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Waiting,
    Ringing(u32, OfferId),
    Working(u32),
}

/// A contact that is there.
#[derive(Debug, Clone, Copy)]
struct Live {
    kind: u32,
    serial: u64,
    came: i64,
    tries: u32,
    /// Seconds of handling at normal speed.
    handling: f64,
    stands: Stands,
    /// Had to wait.
    waited: bool,
    /// Work left in microseconds, since when it goes on if it does, and which
    /// turn of it this is.
    left: i64,
    since: Option<i64>,
    turn: u32,
}

/// Somebody who was turned away and comes again.
#[derive(Debug, Clone, Copy)]
struct Caller {
    kind: u32,
    tries: u32,
    handling: f64,
}

/// An agent.
#[derive(Debug)]
struct Person {
    id: AgentId,
    team: u32,
    here: bool,
    leaving: bool,
    ringing: bool,
    jobs: Vec<u32>,
    since: i64,
}

struct World<'a> {
    plan: &'a Plan,
    replication: u64,
    engine: Engine,
    ledger: Ledger<'a>,
    sources: Vec<Source<'a>>,
    handling: Vec<Stream>,
    patience: Vec<Stream>,
    balking: Vec<Stream>,
    retrials: Vec<Stream>,
    accepting: Stream,
    special: BTreeMap<(u32, u32), Stream>,
    needs: Vec<Needs>,
    sellers: Vec<SellerId>,
    live: Vec<Option<Live>>,
    free: Vec<u32>,
    callers: Vec<Option<Caller>>,
    free_callers: Vec<u32>,
    people: Vec<Person>,
    teams: Vec<std::ops::Range<usize>>,
    heap: BinaryHeap<Reverse<(i64, u64, What)>>,
    /// Offers that somebody is to take, in their order.
    offers: VecDeque<(OfferId, AgentId, ContactId)>,
    /// Whom the contact that is just coming was offered at once.
    waiting: Vec<u32>,
    waiting_all: u32,
    inside: u32,
    /// Contacts that are looked at and not gone.
    watched: u64,
    sequence: u64,
    serial: u64,
    /// Contacts that are counted with those of all replications.
    told: u64,
    events: u64,
    now: i64,
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn agent_id(number: usize) -> AgentId {
    AgentId(Uuid::from_u64_pair(2, number as u64))
}

fn seller_id(number: usize) -> SellerId {
    kit::SellerId(Uuid::from_u64_pair(1, number as u64))
}

fn low(id: Uuid) -> usize {
    id.as_u64_pair().1 as usize
}

/// Runs one replication.
pub fn replicate(plan: &Plan, replication: u64, control: &Control) -> Result<Ran, Broken> {
    let days = Days::new(plan, replication);
    let mut world = World::new(plan, replication, &days);
    world.open()?;
    world.run(control)?;
    world.close();
    Ok(Ran { tallies: world.ledger.tallies, contacts: world.serial, events: world.events })
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, replication: u64, days: &'a Days<'a>) -> World<'a> {
        let streams = |purpose| -> Vec<Stream> {
            (0..plan.types.len() as u64).map(|kind| stream(plan.seed, replication, purpose, kind)).collect()
        };
        let mut people = Vec::new();
        let mut teams = Vec::new();
        for (team, group) in plan.groups.iter().enumerate() {
            let first = people.len();
            people.extend((0..group.most as usize).map(|n| Person {
                id: agent_id(first + n),
                team: team as u32,
                here: false,
                leaving: false,
                ringing: false,
                jobs: Vec::new(),
                since: 0,
            }));
            teams.push(first..people.len());
        }
        World {
            plan,
            replication,
            engine: Engine::new(1, 0).with_lease(i64::MAX / 1_000_000),
            ledger: Ledger::new(plan),
            sources: (0..plan.types.len()).map(|kind| Source::new(plan, days, replication, kind)).collect(),
            handling: streams(Purpose::Handling),
            patience: streams(Purpose::Patience),
            balking: streams(Purpose::Balking),
            retrials: streams(Purpose::Retrials),
            accepting: stream(plan.seed, replication, Purpose::Accepting, 0),
            special: BTreeMap::new(),
            needs: plan.types.iter().map(needs).collect(),
            sellers: (0..plan.sellers.len()).map(seller_id).collect(),
            live: Vec::new(),
            free: Vec::new(),
            callers: Vec::new(),
            free_callers: Vec::new(),
            people,
            teams,
            heap: BinaryHeap::new(),
            offers: VecDeque::new(),
            waiting: vec![0; plan.types.len()],
            waiting_all: 0,
            inside: 0,
            watched: 0,
            sequence: 0,
            serial: 0,
            told: 0,
            events: 0,
            now: 0,
        }
    }

    /// Tells the engine who there is, and plans what comes first.
    fn open(&mut self) -> Result<(), Broken> {
        for (number, (_, policy)) in self.plan.sellers.iter().enumerate() {
            let seller = self.sellers[number];
            let terms =
                SellerTerms { seller, served: true, certification_required: false, languages: Default::default() };
            self.tell(Event::Seller(terms))?;
            self.tell(Event::Policy(seller, policy.clone()))?;
        }
        for number in 0..self.people.len() {
            let group = &self.plan.groups[self.people[number].team as usize];
            let profile = Profile {
                sellers: group.sellers.iter().map(|seller| self.sellers[*seller]).collect(),
                languages: group.languages.clone(),
                skills: group.skills.clone(),
                channels: group.channels,
                capacity: group.capacity,
                ..Profile::new(self.people[number].id)
            };
            self.tell(Event::Agent(Box::new(profile)))?;
        }
        for (group, team) in self.plan.groups.iter().enumerate() {
            for (at, count) in &team.staffing {
                self.plan_at(micros(*at), What::Staff(group as u32, *count));
            }
        }
        for kind in 0..self.plan.types.len() {
            self.plan_next(kind, 0.0);
        }
        Ok(())
    }

    /// Nobody comes after this moment.
    fn limit(&self) -> f64 {
        let length = self.plan.horizon.length;
        if self.plan.horizon.end == End::Flow { 2.0 * length } else { length }
    }

    fn plan_at(&mut self, at: i64, what: What) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence, what)));
    }

    fn plan_next(&mut self, kind: usize, after: f64) {
        let limit = self.limit();
        if let Some(at) = self.sources[kind].next(after, limit) {
            self.plan_at(micros(at), What::Come(kind as u32));
        }
    }

    fn run(&mut self, control: &Control) -> Result<(), Broken> {
        let length = micros(self.plan.horizon.length);
        let end = self.plan.horizon.end;
        let mut look_at = 0;
        loop {
            if self.events >= look_at {
                look_at = self.events + LOOK_EVERY;
                self.look(control)?;
            }
            let next = self.heap.peek().map(|Reverse((at, _, _))| *at);
            let due = self.engine.next_due().map(|at| at.0);
            let at = match (next, due) {
                (Some(next), Some(due)) => next.min(due),
                (Some(next), None) => next,
                // Only what the engine does by itself can still move those who wait.
                (None, Some(due)) if self.waiting_all > 0 && due < length.saturating_add(86_400_000_000) => due,
                _ => return Ok(()),
            };
            let over = match end {
                End::Stop => true,
                End::Drain => self.inside == 0,
                End::Flow => self.watched == 0 || at >= 2 * length,
            };
            if at >= length && over {
                return Ok(());
            }
            if due.is_some_and(|due| next.is_none_or(|next| due < next)) {
                self.now = at;
                self.tell(Event::Tick)?;
                continue;
            }
            let Some(Reverse((at, _, what))) = self.heap.pop() else { return Ok(()) };
            self.now = at;
            match what {
                What::Come(kind) => self.come(kind)?,
                What::Finish(slot, serial, turn) => self.finish(slot, serial, turn)?,
                What::Leave(slot, serial) => self.leave(slot, serial)?,
                What::Take(slot, serial) => self.take(slot, serial)?,
                What::Staff(group, count) => self.staff(group, count)?,
                What::Again(caller) => self.again(caller)?,
            }
        }
    }

    /// Looks whether to stop: somebody asked for it, or there is too much of it.
    fn look(&mut self, control: &Control) -> Result<(), Broken> {
        let came = self.serial - self.told;
        self.told = self.serial;
        if control.contacts.fetch_add(came, Ordering::Relaxed) + came > control.contacts_most {
            return Err(Broken::TooMany(control.contacts_most));
        }
        if self.inside > control.inside_most {
            return Err(Broken::TooManyInside(control.inside_most));
        }
        if control.stop.load(Ordering::Relaxed) { Err(Broken::Stopped) } else { Ok(()) }
    }

    /// Gives the engine an event, and lets agents take what it offers.
    fn tell(&mut self, event: Event) -> Result<(), Broken> {
        self.apply(event)?;
        while let Some((offer, agent, contact)) = self.offers.pop_front() {
            let slot = low(contact.0);
            let person = low(agent.0);
            // What was offered may have been taken back by what came after it.
            let live = self.live[slot].as_mut().filter(|live| live.serial == contact.0.as_u64_pair().0);
            let Some(live) = live else { continue };
            if live.stands != Stands::Ringing(person as u32, offer) {
                continue;
            }
            match &self.plan.groups[self.people[person].team as usize].accept_after {
                None => self.accept(slot, person, offer)?,
                Some(after) => {
                    let serial = live.serial;
                    let most = self.engine.offer(offer).map_or(i64::MAX, |offer| offer.expires_at.0 - LAST_MOMENT);
                    let at = (self.now + micros(after.draw(&mut self.accepting))).min(most);
                    self.plan_at(at, What::Take(slot as u32, serial));
                }
            }
        }
        Ok(())
    }

    /// Gives the engine an event, and notes what it offered.
    fn apply(&mut self, event: Event) -> Result<(), Broken> {
        self.events += 1;
        self.engine.apply(At(self.now), event)?;
        let changes = self.engine.take_changes();
        for offer in changes.offers {
            let slot = low(offer.contact.0);
            let person = low(offer.agent.0);
            let Some(live) = self.live[slot].as_mut() else { continue };
            if live.serial != offer.contact.0.as_u64_pair().0 {
                continue;
            }
            match offer.state {
                OfferState::Pending => {
                    live.stands = Stands::Ringing(person as u32, offer.id);
                    self.people[person].ringing = true;
                    self.offers.push_back((offer.id, offer.agent, offer.contact));
                }
                OfferState::Rescinded | OfferState::TimedOut | OfferState::Rejected => {
                    if live.stands == Stands::Ringing(person as u32, offer.id) {
                        live.stands = Stands::Waiting;
                        live.waited = true;
                        self.people[person].ringing = false;
                    }
                }
                OfferState::Accepted => {}
            }
        }
        for contact in changes.contacts {
            if contact.state == ContactState::Expired {
                self.gave_up(low(contact.id.0));
            }
        }
        Ok(())
    }

    /// A contact comes for the first time.
    fn come(&mut self, kind: u32) -> Result<(), Broken> {
        let number = kind as usize;
        for _ in 0..self.sources[number].batch() {
            let handling = self.plan.types[number].handling.draw(&mut self.handling[number]);
            self.enter(Caller { kind, tries: 0, handling })?;
        }
        self.plan_next(number, seconds(self.now));
        Ok(())
    }

    fn again(&mut self, caller: u32) -> Result<(), Broken> {
        let Some(caller) = self.callers[caller as usize].take().inspect(|_| self.free_callers.push(caller)) else {
            return Ok(());
        };
        self.enter(caller)
    }

    /// A contact comes: it is taken at once, waits, or is turned away.
    fn enter(&mut self, caller: Caller) -> Result<(), Broken> {
        let number = caller.kind as usize;
        let plan = self.plan;
        let kind = &plan.types[number];
        self.serial += 1;
        let fresh = caller.tries == 0;
        // Drawn whether or not they are needed, so that every policy meets the same customers.
        let patience = kind.patience.as_ref().map(|patience| {
            let stream = if fresh { &mut self.patience[number] } else { &mut self.retrials[number] };
            patience.draw(stream)
        });
        let balks = kind.balk > 0.0 && {
            let stream = if fresh { &mut self.balking[number] } else { &mut self.retrials[number] };
            uniform(stream) < kind.balk
        };
        let came = seconds(self.now);
        self.ledger.count(number, came, &[(Sum::Offered, 1.0), (Sum::Retried, if fresh { 0.0 } else { 1.0 })]);
        if self.inside >= plan.lines {
            self.ledger.count(number, came, &[(Sum::Blocked, 1.0)]);
            self.comes_again(caller, kind.retry.as_ref().is_some_and(|retry| retry.blocked));
            return Ok(());
        }
        let live = Live {
            kind: caller.kind,
            serial: self.serial,
            came: self.now,
            tries: caller.tries,
            handling: caller.handling,
            stands: Stands::Waiting,
            waited: false,
            left: 0,
            since: None,
            turn: 0,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.live[slot as usize] = Some(live);
                slot
            }
            None => {
                self.live.push(Some(live));
                (self.live.len() - 1) as u32
            }
        };
        self.inside += 1;
        self.waiting[number] += 1;
        self.waiting_all += 1;
        if self.ledger.observation(came).is_some() {
            self.watched += 1;
        }
        let serial = live.serial;
        let at = At(self.now);
        let id = ContactId(Uuid::from_u64_pair(serial, u64::from(slot)));
        let new = NewContact {
            id,
            seller: self.sellers[kind.seller],
            ticket: None,
            number: String::new(),
            needs: self.needs[number].clone(),
            priority: kind.priority,
            waiting_since: at,
            due_at: At(self.now + micros(kind.promise)),
            preferred: None,
        };
        self.tell(Event::Enqueue(Box::new(new)))?;
        let Some(live) = self.live[slot as usize].as_mut().filter(|live| live.serial == serial) else { return Ok(()) };
        if live.stands == Stands::Waiting {
            live.waited = true;
            let full = self.waiting[number] > kind.waiting_places || self.waiting_all > plan.waiting_places;
            if full || balks {
                let (sum, end) = match full {
                    true => (Sum::Blocked, ContactState::Overflowed),
                    false => (Sum::Balked, ContactState::Abandoned),
                };
                self.ledger.count(number, came, &[(sum, 1.0)]);
                self.forget(slot as usize);
                self.tell(Event::Withdraw { contact: id, end, reason: String::new() })?;
                let again = kind.retry.as_ref().is_some_and(|r| if full { r.blocked } else { r.balked });
                self.comes_again(caller, again);
                return Ok(());
            }
        }
        if !matches!(live.stands, Stands::Working(_))
            && let Some(patience) = patience.filter(|patience| patience.is_finite())
        {
            self.plan_at(self.now.saturating_add(micros(patience)), What::Leave(slot, serial));
        }
        Ok(())
    }

    /// Somebody who was turned away may come again later.
    fn comes_again(&mut self, caller: Caller, may: bool) {
        let plan = self.plan;
        let Some(retry) = plan.types[caller.kind as usize].retry.as_ref().filter(|_| may) else { return };
        let stream = &mut self.retrials[caller.kind as usize];
        if caller.tries >= retry.most || uniform(stream) >= retry.probability {
            return;
        }
        let at = self.now.saturating_add(micros(retry.after.draw(stream)));
        if seconds(at) >= self.limit() {
            return;
        }
        let caller = Caller { tries: caller.tries + 1, ..caller };
        let place = match self.free_callers.pop() {
            Some(place) => {
                self.callers[place as usize] = Some(caller);
                place
            }
            None => {
                self.callers.push(Some(caller));
                (self.callers.len() - 1) as u32
            }
        };
        self.plan_at(at, What::Again(place));
    }

    /// Takes a contact that waits out of the books.
    fn forget(&mut self, slot: usize) -> Option<Live> {
        let live = self.live[slot].take()?;
        self.free.push(slot as u32);
        self.inside -= 1;
        if !matches!(live.stands, Stands::Working(_)) {
            self.waits_no_more(&live);
        }
        if let Stands::Ringing(person, _) = live.stands {
            self.people[person as usize].ringing = false;
        }
        if self.ledger.observation(seconds(live.came)).is_some() {
            self.watched -= 1;
        }
        Some(live)
    }

    fn waits_no_more(&mut self, live: &Live) {
        self.waiting[live.kind as usize] -= 1;
        self.waiting_all -= 1;
        if self.now > live.came {
            self.ledger.queued(live.kind as usize, seconds(live.came), seconds(self.now));
        }
    }

    /// The customer has waited long enough.
    fn leave(&mut self, slot: u32, serial: u64) -> Result<(), Broken> {
        let slot = slot as usize;
        let Some(live) = self.live[slot].filter(|live| live.serial == serial) else { return Ok(()) };
        if matches!(live.stands, Stands::Working(_)) {
            return Ok(());
        }
        let contact = ContactId(Uuid::from_u64_pair(serial, slot as u64));
        self.gave_up(slot);
        self.tell(Event::Withdraw { contact, end: ContactState::Abandoned, reason: String::new() })
    }

    fn gave_up(&mut self, slot: usize) {
        let Some(live) = self.forget(slot) else { return };
        let kind = live.kind as usize;
        let waited = seconds(self.now - live.came);
        let late = waited > self.plan.types[kind].answer_within;
        self.ledger.count(
            kind,
            seconds(live.came),
            &[
                (Sum::Abandoned, 1.0),
                (Sum::AbandonedLate, if late { 1.0 } else { 0.0 }),
                (Sum::Waited, 1.0),
                (Sum::WaitEntered, waited),
            ],
        );
        let again = self.plan.types[kind].retry.as_ref().is_some_and(|retry| retry.abandoned);
        self.comes_again(Caller { kind: live.kind, tries: live.tries, handling: live.handling }, again);
    }

    /// A slow agent takes what she is offered.
    fn take(&mut self, slot: u32, serial: u64) -> Result<(), Broken> {
        let slot = slot as usize;
        let Some(live) = self.live[slot].filter(|live| live.serial == serial) else { return Ok(()) };
        let Stands::Ringing(person, offer) = live.stands else { return Ok(()) };
        if self.engine.offer(offer).is_none() {
            return Ok(());
        }
        self.accept(slot, person as usize, offer)?;
        self.tell(Event::Tick)
    }

    /// An agent takes an offer and begins.
    fn accept(&mut self, slot: usize, person: usize, offer: OfferId) -> Result<(), Broken> {
        let agent = self.people[person].id;
        self.apply(Event::Accept { agent, epoch: None, offer })?;
        let Some(live) = self.live[slot] else { return Ok(()) };
        let kind = live.kind as usize;
        let team = self.people[person].team;
        let waited = seconds(self.now - live.came);
        let good = waited <= self.plan.types[kind].answer_within;
        self.waits_no_more(&live);
        let handling = self.handling_of(&live, team);
        let had_to_wait = live.waited || self.now > live.came;
        self.ledger.count(
            kind,
            seconds(live.came),
            &[
                (Sum::Served, 1.0),
                (Sum::Good, if good { 1.0 } else { 0.0 }),
                (Sum::Waited, if had_to_wait { 1.0 } else { 0.0 }),
                (Sum::WaitServed, waited),
                (Sum::WaitEntered, waited),
                (Sum::Handling, handling),
            ],
        );
        self.ledger.wait(kind, seconds(live.came), waited);
        self.clock(person);
        self.people[person].ringing = false;
        self.people[person].jobs.push(slot as u32);
        if let Some(live) = &mut self.live[slot] {
            live.stands = Stands::Working(person as u32);
            live.left = micros(handling).max(1);
        }
        self.go_on(person);
        Ok(())
    }

    fn handling_of(&mut self, live: &Live, team: u32) -> f64 {
        let group = &self.plan.groups[team as usize];
        let Some(own) = group.handling.get(&(live.kind as usize)) else { return live.handling / group.speed };
        let (seed, replication) = (self.plan.seed, self.replication);
        let subject = (u64::from(team) + 1) << 32 | u64::from(live.kind);
        let stream = self
            .special
            .entry((team, live.kind))
            .or_insert_with(|| stream(seed, replication, Purpose::Handling, subject));
        own.draw(stream)
    }

    /// Books an agent's time up to now.
    fn clock(&mut self, person: usize) {
        let who = &self.people[person];
        if who.here && self.now > who.since {
            let capacity = f64::from(self.plan.groups[who.team as usize].capacity);
            let units: u32 = who.jobs.iter().filter_map(|slot| self.channel(*slot)).map(Channel::units).sum();
            let used = (f64::from(units) / capacity).min(1.0);
            let (team, since) = (who.team as usize, who.since);
            let busy = !who.jobs.is_empty();
            self.ledger.worked(team, seconds(since), seconds(self.now), busy, used);
        }
        self.people[person].since = self.now;
    }

    fn channel(&self, slot: u32) -> Option<Channel> {
        self.live[slot as usize].map(|live| self.plan.types[live.kind as usize].channel)
    }

    /// Lets an agent's work go on or stand still: work that can wait gives way
    /// to live work where both do not fit.
    fn go_on(&mut self, person: usize) {
        let who = &self.people[person];
        let capacity = self.plan.groups[who.team as usize].capacity;
        let units: u32 = who.jobs.iter().filter_map(|slot| self.channel(*slot)).map(Channel::units).sum();
        let crowded = units > capacity;
        for i in 0..self.people[person].jobs.len() {
            let slot = self.people[person].jobs[i];
            let stands_still = crowded && self.channel(slot).is_some_and(|channel| !channel.is_live());
            let now = self.now;
            let Some(live) = self.live[slot as usize].as_mut() else { continue };
            match (stands_still, live.since) {
                (true, Some(since)) => {
                    live.left -= now - since;
                    live.since = None;
                    live.turn += 1;
                }
                (false, None) => {
                    live.since = Some(now);
                    live.turn += 1;
                    let (at, what) = (now.saturating_add(live.left), What::Finish(slot, live.serial, live.turn));
                    self.plan_at(at, what);
                }
                _ => {}
            }
        }
    }

    /// Work on a contact ends.
    fn finish(&mut self, slot: u32, serial: u64, turn: u32) -> Result<(), Broken> {
        let current = self.live[slot as usize].filter(|live| live.serial == serial && live.turn == turn);
        let Some(Stands::Working(person)) = current.map(|live| live.stands) else { return Ok(()) };
        let person = person as usize;
        self.clock(person);
        self.people[person].jobs.retain(|other| *other != slot);
        self.forget(slot as usize);
        let contact = ContactId(Uuid::from_u64_pair(serial, u64::from(slot)));
        let agent = self.people[person].id;
        if self.people[person].leaving && self.people[person].jobs.is_empty() {
            self.people[person].here = false;
            self.people[person].leaving = false;
        }
        self.go_on(person);
        self.tell(Event::Complete { agent, epoch: None, contact, completion: Completion::Done })
    }

    /// The agents of a group are so many from now on.
    fn staff(&mut self, group: u32, wanted: u32) -> Result<(), Broken> {
        let range = self.teams[group as usize].clone();
        let stays = |who: &Person| who.here && !who.leaving;
        let there = self.people[range.clone()].iter().filter(|who| stays(who)).count();
        let wanted = wanted as usize;
        for _ in there..wanted {
            let away = range.clone().find(|n| !self.people[*n].here);
            if let Some(person) = away {
                self.clock(person);
                self.people[person].here = true;
                let agent = self.people[person].id;
                let presence = Some(Presence::Available);
                self.tell(Event::Hello { agent, resume: 0, presence, reason: String::new(), channels: Channels::ALL })?;
            } else if let Some(person) = range.clone().find(|n| self.people[*n].leaving) {
                self.people[person].leaving = false;
                self.be(person, Presence::Available)?;
            }
        }
        for _ in wanted..there {
            let idle = |who: &Person| stays(who) && who.jobs.is_empty();
            let person = range.clone().rev().find(|n| idle(&self.people[*n]) && !self.people[*n].ringing);
            if let Some(person) = person {
                self.clock(person);
                self.people[person].here = false;
                self.be(person, Presence::Offline)?;
            } else if let Some(person) = range.clone().rev().find(|n| stays(&self.people[*n])) {
                self.people[person].leaving = true;
                self.be(person, Presence::Draining)?;
                if self.people[person].jobs.is_empty() {
                    // What rang was taken back, and the engine let her go at once.
                    self.clock(person);
                    self.people[person].here = false;
                    self.people[person].leaving = false;
                }
            }
        }
        Ok(())
    }

    fn be(&mut self, person: usize, presence: Presence) -> Result<(), Broken> {
        let agent = self.people[person].id;
        self.tell(Event::Presence { agent, epoch: None, presence, reason: String::new() })
    }

    /// Books what is still going on.
    fn close(&mut self) {
        // Though nothing more happened, the time went on.
        self.now = self.now.max(micros(self.plan.horizon.length));
        for person in 0..self.people.len() {
            self.clock(person);
        }
        for slot in 0..self.live.len() {
            let Some(live) = self.live[slot] else { continue };
            if !matches!(live.stands, Stands::Working(_)) {
                self.ledger.count(live.kind as usize, seconds(live.came), &[(Sum::Unfinished, 1.0)]);
                self.ledger.queued(live.kind as usize, seconds(live.came), seconds(self.now));
            }
        }
    }
}

fn needs(kind: &Type) -> Needs {
    Needs {
        channel: kind.channel,
        language: kind.language,
        minimum_level: kind.minimum_level,
        required: kind.required.clone(),
        preferred: kind.preferred.clone(),
    }
}
