//! Bursts: as many contacts get somebody as any matching could give.

use super::super::{Engine, Event};
use crate::agent::{Presence, Profile};
use crate::contact::{ContactState, NewContact};
use crate::ids::{AgentId, At, ContactId};
use crate::needs::{Channel, Channels, Language, Level, Needs, Priority};
use crate::seller::SellerTerms;
use crate::testing::START;
use uuid::Uuid;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }
}

struct Burst {
    /// Sellers and languages of each agent.
    agents: Vec<(Vec<usize>, Vec<usize>)>,
    /// Seller and language of each contact.
    contacts: Vec<(usize, usize)>,
}

fn distinct(chance: &mut Chance, count: usize, of: usize) -> Vec<usize> {
    let mut found = std::collections::BTreeSet::new();
    while found.len() < count {
        found.insert(chance.below(of));
    }
    found.into_iter().collect()
}

fn burst(seed: u64, agents: usize, contacts: usize, sellers: (usize, usize)) -> Burst {
    let mut chance = Chance(seed);
    Burst {
        agents: (0..agents)
            .map(|_| {
                let many = chance.between(sellers.0, sellers.1);
                let spoken = chance.between(1, 3);
                (distinct(&mut chance, many, 1_000), distinct(&mut chance, spoken, 12))
            })
            .collect(),
        contacts: (0..contacts).map(|_| (chance.below(1_000), chance.below(12))).collect(),
    }
}

impl Burst {
    fn can(&self, agent: usize, contact: usize) -> bool {
        let (seller, language) = self.contacts[contact];
        self.agents[agent].0.binary_search(&seller).is_ok() && self.agents[agent].1.contains(&language)
    }

    /// The size of a largest matching, by Kuhn's algorithm.
    fn optimum(&self) -> usize {
        fn find(of: &Burst, contact: usize, seen: &mut [bool], taken: &mut [Option<usize>]) -> bool {
            for agent in 0..of.agents.len() {
                if seen[agent] || !of.can(agent, contact) {
                    continue;
                }
                seen[agent] = true;
                if taken[agent].is_none_or(|other| find(of, other, seen, taken)) {
                    taken[agent] = Some(contact);
                    return true;
                }
            }
            false
        }
        let mut taken = vec![None; self.agents.len()];
        (0..self.contacts.len())
            .filter(|contact| find(self, *contact, &mut vec![false; self.agents.len()], &mut taken))
            .count()
    }

    fn language(n: usize) -> Language {
        let tags = ["de", "fr", "it", "es", "en", "nl", "pl", "pt", "sv", "cs", "da", "fi"];
        Language::parse(tags[n]).expect("a language")
    }

    fn engine(&self) -> Engine {
        let mut engine = Engine::new(1, 0);
        for seller in 0..1_000 {
            let seller = kit::SellerId(Uuid::from_u128(seller));
            let terms = SellerTerms { served: true, ..SellerTerms::unknown(seller) };
            engine.apply(START, Event::Seller(terms)).expect("a seller");
        }
        for (n, (sellers, languages)) in self.agents.iter().enumerate() {
            let sellers = sellers.iter().map(|seller| kit::SellerId(Uuid::from_u128(*seller as u128)));
            let profile = Profile {
                certifications: sellers.clone().map(|seller| (seller, None)).collect(),
                sellers: sellers.collect(),
                languages: languages.iter().map(|n| (Burst::language(*n), Level::C1)).collect(),
                ..Profile::new(AgentId(Uuid::from_u128(n as u128)))
            };
            engine.apply(START, Event::Agent(Box::new(profile))).expect("an agent");
        }
        engine
    }

    fn sign_in(&self, engine: &mut Engine) {
        for n in 0..self.agents.len() {
            let agent = AgentId(Uuid::from_u128(n as u128));
            let (presence, reason) = (Some(Presence::Available), String::new());
            let hello = Event::Hello { agent, resume: 0, presence, reason, channels: Channels::ALL };
            engine.apply(START, hello).expect("a session");
        }
    }

    fn come(&self, engine: &mut Engine) {
        for (n, (seller, language)) in self.contacts.iter().enumerate() {
            let contact = NewContact {
                id: ContactId(Uuid::from_u128(n as u128)),
                seller: kit::SellerId(Uuid::from_u128(*seller as u128)),
                ticket: None,
                number: String::new(),
                needs: Needs {
                    channel: Channel::Phone,
                    language: Burst::language(*language),
                    minimum_level: Level::B2,
                    level_of_policy: false,
                    required: Default::default(),
                    preferred: Default::default(),
                    ruled: None,
                },
                priority: Priority::Normal,
                waiting_since: START,
                due_at: At(START.0 + (n as i64 * 7_919) % 60_000_000),
                preferred: None,
            };
            engine.apply(START, Event::Enqueue(Box::new(contact))).expect("a contact");
        }
    }
}

fn offered(engine: &Engine) -> usize {
    engine.contacts().filter(|contact| contact.state == ContactState::Offered).count()
}

#[test]
fn a_storm_of_sign_ins_gives_as_many_contacts_somebody_as_can_be() {
    for (seed, agents, contacts, sellers) in
        [(3, 200, 200, (10, 100)), (5, 300, 300, (5, 25)), (7, 200, 140, (10, 100)), (11, 60, 400, (5, 25))]
    {
        let burst = burst(seed, agents, contacts, sellers);
        let mut engine = burst.engine();
        burst.come(&mut engine);
        engine.together(START, |engine| burst.sign_in(engine));
        assert_eq!(offered(&engine), burst.optimum(), "{agents} agents, {contacts} contacts");
    }
}

#[test]
fn a_burst_of_contacts_gives_as_many_somebody_as_can_be() {
    for (seed, agents, contacts, sellers) in [(13, 200, 200, (10, 100)), (17, 300, 300, (5, 25))] {
        let burst = burst(seed, agents, contacts, sellers);
        let mut engine = burst.engine();
        burst.sign_in(&mut engine);
        engine.together(START, |engine| burst.come(engine));
        assert_eq!(offered(&engine), burst.optimum(), "{agents} agents, {contacts} contacts");
    }
}

#[test]
fn one_after_the_other_is_worse() {
    let burst = burst(5, 300, 300, (5, 25));
    let mut engine = burst.engine();
    burst.come(&mut engine);
    burst.sign_in(&mut engine);
    assert!(offered(&engine) < burst.optimum());
}

#[test]
fn those_due_first_are_among_the_matched() {
    // Everybody can take everything: of 40 contacts the 10 that are due first go.
    let everything = Burst { agents: vec![((0..3).collect(), vec![0]); 10], contacts: vec![(1, 0); 40] };
    let mut engine = everything.engine();
    everything.come(&mut engine);
    engine.together(START, |engine| everything.sign_in(engine));
    let mut due: Vec<(At, ContactState)> = engine.contacts().map(|contact| (contact.due_at, contact.state)).collect();
    due.sort_by_key(|(at, _)| *at);
    assert!(due[..10].iter().all(|(_, state)| *state == ContactState::Offered));
    assert!(due[10..].iter().all(|(_, state)| *state == ContactState::Queued));
}
