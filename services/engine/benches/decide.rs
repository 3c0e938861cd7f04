//! How fast the engine decides, and how that grows with what waits: the same pool of agents and sellers with 1,000,
//! 10,000 and 100,000 contacts waiting. Every agent is busy; one finishes, is offered the next contact, takes it, and
//! another contact comes in. `cargo bench -p engine`.
//!
//! A decision is a line of the engine's record: came in, offered, accepted, done. The time of a match is that of the
//! one event after which a contact was offered: who is free, what waits, whose turn it is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use engine::agent::{Presence, Profile};
use engine::contact::NewContact;
use engine::ids::{AgentId, At, ContactId, SellerId};
use engine::needs::{Channel, Channels, Language, Level, Needs, Priority};
use engine::seller::SellerTerms;
use engine::{Completion, Engine, Event};
use kit::ids::Uuid;

const SELLERS: u64 = 1_000;
const AGENTS: u64 = 10_000;
/// Sellers that an agent is trained for.
const TRAINED: u64 = 50;
const LANGUAGES: [&str; 12] = ["de", "fr", "it", "es", "en", "nl", "pl", "pt", "sv", "cs", "da", "fi"];
const CYCLES: usize = 200_000;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

struct World {
    engine: Engine,
    chance: Chance,
    now: At,
    contacts: u64,
}

fn seller(n: u64) -> SellerId {
    kit::SellerId(Uuid::from_u64_pair(1, n))
}

fn language(n: u64) -> Language {
    Language::parse(LANGUAGES[n as usize % LANGUAGES.len()]).expect("a language")
}

impl World {
    fn new() -> World {
        let mut world = World {
            engine: Engine::new(1, 0),
            chance: Chance(88_172_645_463_325_252),
            now: At(1_000_000),
            contacts: 0,
        };
        for n in 0..SELLERS {
            let terms = SellerTerms {
                seller: seller(n),
                served: true,
                certification_required: true,
                languages: BTreeSet::new(),
            };
            world.apply(Event::Seller(terms));
        }
        for n in 0..AGENTS {
            let trained: BTreeSet<SellerId> = (0..TRAINED).map(|_| seller(world.chance.below(SELLERS))).collect();
            let first = world.chance.below(12);
            let second = world.chance.below(12);
            let profile = Profile {
                certifications: trained.iter().map(|s| (*s, None)).collect(),
                sellers: trained,
                languages: [(language(second), Level::C1), (language(first), Level::Native)].into(),
                ..Profile::new(AgentId(Uuid::from_u64_pair(2, n)))
            };
            world.apply(Event::Agent(Box::new(profile)));
        }
        world
    }

    fn apply(&mut self, event: Event) {
        self.now = At(self.now.0 + 1);
        let _ = self.engine.apply(self.now, event);
    }

    fn arrival(&mut self) -> Event {
        self.contacts += 1;
        let channel = match self.chance.below(10) {
            0 => Channel::Phone,
            1 | 2 => Channel::Chat,
            3..=5 => Channel::Marketplace,
            _ => Channel::Email,
        };
        Event::Enqueue(Box::new(NewContact {
            id: ContactId(Uuid::from_u64_pair(3, self.contacts)),
            seller: seller(self.chance.below(SELLERS)),
            ticket: None,
            number: String::new(),
            needs: Needs {
                channel,
                language: language(self.chance.below(12)),
                minimum_level: Level::B2,
                level_of_policy: false,
                required: BTreeSet::new(),
                preferred: BTreeSet::new(),
                ruled: None,
            },
            priority: Priority::Normal,
            waiting_since: self.now,
            due_at: self.now.plus_seconds(i64::try_from(self.chance.below(86_400)).unwrap_or(0)),
            preferred: None,
        }))
    }

    /// Everybody comes, takes what there is until she is full, and so many contacts wait.
    fn fill(&mut self, waiting: usize) -> Vec<(AgentId, ContactId)> {
        let mut owned = Vec::new();
        while self.waiting() < waiting {
            let event = self.arrival();
            self.apply(event);
            drop(self.engine.take_changes());
        }
        for n in 0..AGENTS {
            self.apply(Event::Hello {
                agent: AgentId(Uuid::from_u64_pair(2, n)),
                resume: 0,
                presence: Some(Presence::Available),
                reason: String::new(),
                channels: Channels::ALL,
            });
            self.accept_all(&mut owned);
            while self.waiting() < waiting {
                let event = self.arrival();
                self.apply(event);
                self.accept_all(&mut owned);
            }
        }
        owned
    }

    fn waiting(&self) -> usize {
        self.engine.waiting() as usize
    }

    /// Agents take what they are offered, until nobody is offered anything; how much was decided by then.
    fn accept_all(&mut self, owned: &mut Vec<(AgentId, ContactId)>) -> usize {
        let mut decisions = 0;
        loop {
            let changes = self.engine.take_changes();
            decisions += changes.decisions.len();
            let live: Vec<_> = changes.offers.into_iter().filter(|offer| offer.ended_at.is_none()).collect();
            if live.is_empty() {
                return decisions;
            }
            for offer in live {
                owned.push((offer.agent, offer.contact));
                self.apply(Event::Accept { agent: offer.agent, epoch: None, offer: offer.id });
            }
        }
    }
}

fn main() {
    // Each size in a process of its own: its memory is nobody else's.
    if let Some(waiting) = std::env::args().nth(1).and_then(|size| size.parse().ok()) {
        return measure(waiting);
    }
    println!("{SELLERS} sellers, {AGENTS} agents, each trained for {TRAINED} sellers; {CYCLES} cycles\n");
    println!("waiting   decisions/s   match p50   p99   p99.9   contact in p50   p99   open contacts   MiB");
    let this = std::env::current_exe().expect("this program");
    for waiting in ["1000", "10000", "100000"] {
        let status = std::process::Command::new(&this).arg(waiting).status();
        assert!(status.is_ok_and(|status| status.success()), "a measurement failed");
    }
}

fn measure(waiting: usize) {
    let mut world = World::new();
    let mut owned = world.fill(waiting);
    let open = world.engine.contacts().count();
    let (mut matches, mut intakes) = (Vec::with_capacity(CYCLES), Vec::with_capacity(CYCLES));
    let mut decisions = 0;
    let begun = Instant::now();
    for _ in 0..CYCLES {
        let at = usize::try_from(world.chance.below(owned.len() as u64)).unwrap_or(0);
        let (agent, contact) = owned[at];
        let started = Instant::now();
        world.apply(Event::Complete { agent, epoch: None, contact, completion: Completion::Done });
        matches.push(started.elapsed());
        owned.swap_remove(at);
        decisions += world.accept_all(&mut owned);
        while world.waiting() < waiting {
            let event = world.arrival();
            let started = Instant::now();
            world.apply(event);
            intakes.push(started.elapsed());
            decisions += world.accept_all(&mut owned);
        }
    }
    let rate = decisions as f64 / begun.elapsed().as_secs_f64();
    let [m50, m99, m999] = quantiles(&mut matches, [0.5, 0.99, 0.999]);
    let [i50, i99] = quantiles(&mut intakes, [0.5, 0.99]);
    println!(
        "{waiting:>7}   {rate:>11.0}   {m50:>9.1?}  {m99:>6.1?}  {m999:>6.1?}  {i50:>14.1?}  {i99:>6.1?}  {open:>12}  {:>5}",
        resident() >> 20,
    );
}

fn quantiles<const N: usize>(times: &mut [Duration], wanted: [f64; N]) -> [Duration; N] {
    times.sort_unstable();
    wanted.map(|q| times[((times.len() - 1) as f64 * q) as usize])
}

/// Bytes of this process that are nobody else's.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}
