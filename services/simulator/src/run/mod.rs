//! One replication: customers come, agents come and go, and the engine that
//! also routes in production decides.

mod contacts;
mod people;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::atomic::Ordering;

use engine::agent::Profile;
use engine::contact::ContactState;
use engine::ids::{AgentId, At, ContactId, OfferId, SellerId};
use engine::needs::Needs;
use engine::offer::OfferState;
use engine::refusal::Refusal;
use engine::seller::SellerTerms;
use engine::site::SiteHours;
use engine::{Engine, Event};
use uuid::Uuid;

use crate::arrivals::{Days, Source};
use crate::chance::{Purpose, Stream, stream};
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
    /// An agent takes what she is offered, if it is this offer still.
    Take(u32, u64, OfferId),
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
    /// Contacts that wait: of each type, and in all; and all that are there.
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
        let hours = self.plan.sites.iter().map(|(site, open)| SiteHours {
            site: site.clone(),
            open: open.iter().map(|(from, to)| (At(micros(*from)), At(micros(*to)))).collect(),
        });
        let hours = hours.collect();
        self.tell(Event::Sites(hours))?;
        for number in 0..self.people.len() {
            let group = &self.plan.groups[self.people[number].team as usize];
            let profile = Profile {
                sellers: group.sellers.iter().map(|seller| self.sellers[*seller]).collect(),
                languages: group.languages.clone(),
                skills: group.skills.clone(),
                channels: group.channels,
                capacity: group.capacity,
                site: group.site.clone(),
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
                What::Take(slot, serial, offer) => self.take(slot, serial, offer)?,
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
                    self.plan_at(at, What::Take(slot as u32, serial, offer));
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
            let slot = low(contact.id.0);
            let serial = contact.id.0.as_u64_pair().0;
            if contact.state == ContactState::Expired && self.live[slot].is_some_and(|live| live.serial == serial) {
                self.gave_up(slot);
            }
        }
        Ok(())
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
        level_of_policy: false,
        required: kind.required.clone(),
        preferred: kind.preferred.clone(),
        ruled: None,
    }
}
