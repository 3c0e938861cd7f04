//! Needs compiled: contacts with the same hard needs form a class, and a class
//! knows the agents whom those needs allow.

use std::collections::{BTreeSet, HashMap};

use super::Engine;
use super::model::SellerSlot;
use super::queue::{Key, NOBODY, Queue, Tier};
use super::record::{Kind, Rule};
use crate::agent::Profile;
use crate::bits::BitSet;
use crate::contact::Block;
use crate::ids::{At, SellerId};
use crate::needs::{Channel, Language, Level, Needs, Soft, Softs};
use crate::refusal::Obstacle;
use crate::seller::SellerTerms;

/// The hard needs of a contact at its present stage.
#[derive(Debug)]
pub struct Class {
    pub seller: u32,
    pub channel: Channel,
    pub language: Language,
    pub level: Level,
    pub skills: BTreeSet<String>,
    /// Whether only those are allowed who grew up with the language.
    pub native_only: bool,
    /// The only sites allowed, if there are any.
    pub sites: BTreeSet<String>,
    /// Agents whom the needs allow, and those of them who grew up with the language.
    pub eligible: BitSet,
    pub native: BitSet,
    pub eligible_count: u32,
    pub queue: Queue,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ClassKey {
    seller: u32,
    channel: Channel,
    language: Language,
    level: Level,
    skills: Vec<u32>,
    native_only: bool,
    sites: Vec<u32>,
}

/// All classes, by number.
#[derive(Debug, Default)]
pub struct Classes {
    list: Vec<Class>,
    index: HashMap<ClassKey, u32>,
    words: HashMap<String, u32>,
    /// Agents who speak a language at all.
    speaks: HashMap<Language, BitSet>,
    /// By tier, how many wait.
    pub waiting: [u32; 3],
    /// By tier and class, the instant of the first who waits, and by class its seller: a free agent looks at these of
    /// each of her classes, so they stand side by side.
    pub first: [Vec<At>; 3],
    pub sellers: Vec<u32>,
}

impl Classes {
    fn word(&mut self, word: &str) -> u32 {
        if let Some(number) = self.words.get(word) {
            return *number;
        }
        let number = u32::try_from(self.words.len()).expect("fewer than four billion words");
        self.words.insert(word.to_owned(), number);
        number
    }

    /// Puts a contact into the queue of its class.
    pub fn insert(&mut self, class: u32, tier: Tier, key: Key) {
        let queue = &mut self.list[class as usize].queue;
        queue.insert(tier, key);
        self.first[tier as usize][class as usize] = queue.first(tier);
        self.waiting[tier as usize] += 1;
    }

    /// Takes a contact out of the queue of its class.
    pub fn remove(&mut self, class: u32, tier: Tier, key: &Key) {
        let queue = &mut self.list[class as usize].queue;
        queue.remove(tier, key);
        self.first[tier as usize][class as usize] = queue.first(tier);
        self.waiting[tier as usize] -= 1;
    }

    /// Notes which languages an agent speaks, and no longer speaks.
    pub fn speaks<'a>(&mut self, agent: u32, languages: impl Iterator<Item = &'a Language>, speaks: bool) {
        for language in languages {
            self.speaks.entry(*language).or_default().put(agent, speaks);
        }
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.list.len()).expect("fewer than four billion classes")
    }
}

impl std::ops::Index<u32> for Classes {
    type Output = Class;

    fn index(&self, number: u32) -> &Class {
        &self.list[number as usize]
    }
}

impl std::ops::IndexMut<u32> for Classes {
    fn index_mut(&mut self, number: u32) -> &mut Class {
        &mut self.list[number as usize]
    }
}

/// How many hard needs there are.
const HARD: usize = 9;

/// What keeps an agent from a class as long as a contact waits there. This is the
/// only place that decides it: the engine's masks, the guards of manual moves
/// and the explanations all ask here.
pub fn hard_obstacles(profile: &Profile, terms: &SellerTerms, class: &Class, now: At) -> [Option<Obstacle>; HARD] {
    std::array::from_fn(|need| hard_obstacle(need, profile, terms, class, now))
}

/// Whether no hard need keeps an agent from a class.
pub fn allows(profile: &Profile, terms: &SellerTerms, class: &Class, now: At) -> bool {
    (0..HARD).all(|need| hard_obstacle(need, profile, terms, class, now).is_none())
}

/// Whether one of the hard needs is in the way; `why_blocked` knows their order.
fn hard_obstacle(need: usize, profile: &Profile, terms: &SellerTerms, class: &Class, now: At) -> Option<Obstacle> {
    match need {
        0 => (!profile.active).then_some(Obstacle::Inactive),
        1 => (!profile.sellers.contains(&terms.seller)).then_some(Obstacle::NotGranted),
        2 => match profile.certifications.get(&terms.seller) {
            _ if !terms.certification_required => None,
            None => Some(Obstacle::NotCertified),
            Some(Some(end)) if *end <= now => Some(Obstacle::CertificationExpired),
            Some(_) => None,
        },
        3 => language_obstacle(profile, terms, class),
        4 => (!profile.channels.has(class.channel)).then_some(Obstacle::ChannelNotServed),
        5 => (!class.skills.is_subset(&profile.skills)).then_some(Obstacle::SkillMissing),
        6 => (!terms.served).then_some(Obstacle::SellerNotLive),
        7 => {
            let native = || profile.languages.get(&class.language) == Some(&Level::Native);
            (class.native_only && !native()).then_some(Obstacle::WaitsForNative)
        }
        _ => {
            let elsewhere = !class.sites.is_empty() && !class.sites.contains(&profile.site);
            elsewhere.then_some(Obstacle::KeptForSite)
        }
    }
}

fn language_obstacle(profile: &Profile, terms: &SellerTerms, class: &Class) -> Option<Obstacle> {
    let best = if class.language.is_unknown() {
        let served = |language: &Language| terms.languages.is_empty() || terms.languages.contains(language);
        profile.languages.iter().filter(|(l, _)| served(l)).map(|(_, level)| *level).max()
    } else {
        profile.languages.get(&class.language).copied()
    };
    match best {
        None => Some(Obstacle::LanguageMissing),
        Some(level) if level < class.level => Some(Obstacle::LevelTooLow),
        Some(_) => None,
    }
}

impl Engine {
    /// The class of these needs, made if it is new.
    pub(super) fn class_of(&mut self, seller: u32, needs: &Needs, dropped: Softs) -> u32 {
        let asked = self.asks(seller, needs, dropped);
        let mut skills: BTreeSet<&str> = needs.required.iter().map(String::as_str).collect();
        if asked.has(Soft::Skills) {
            skills.extend(needs.preferred.iter().map(String::as_str));
        }
        let sites = match asked.has(Soft::Site) {
            true => self.sellers[seller as usize].policy.home_sites.clone(),
            false => BTreeSet::new(),
        };
        let key = ClassKey {
            seller,
            channel: needs.channel,
            language: needs.language,
            level: needs.minimum_level,
            skills: skills.iter().map(|skill| self.classes.word(skill)).collect(),
            native_only: asked.has(Soft::Native),
            sites: sites.iter().map(|site| self.classes.word(site)).collect(),
        };
        if let Some(number) = self.classes.index.get(&key) {
            return *number;
        }
        let number = self.classes.len();
        self.classes.index.insert(key, number);
        self.classes.list.push(Class {
            seller,
            channel: needs.channel,
            language: needs.language,
            level: needs.minimum_level,
            skills: skills.into_iter().map(str::to_owned).collect(),
            native_only: asked.has(Soft::Native),
            sites,
            eligible: BitSet::default(),
            native: BitSet::default(),
            eligible_count: 0,
            queue: Queue::default(),
        });
        for tier in &mut self.classes.first {
            tier.push(NOBODY);
        }
        self.classes.sellers.push(seller);
        self.sellers[seller as usize].classes.push(number);
        for agent in self.conceivable(number) {
            self.judge(number, agent);
        }
        number
    }

    /// What is asked of whoever takes a contact of these needs, apart from what was dropped.
    pub(super) fn asks(&self, seller: u32, needs: &Needs, dropped: Softs) -> Softs {
        let policy = &self.sellers[seller as usize].policy;
        let wants = |soft: &Soft| match soft {
            Soft::Skills => !needs.preferred.is_empty(),
            Soft::Site => !policy.home_sites.is_empty(),
            Soft::Native => policy.native_seconds != 0 && !needs.language.is_unknown(),
        };
        Soft::ALL.into_iter().filter(|soft| wants(soft) && !dropped.has(*soft)).fold(Softs::NONE, Softs::with)
    }

    /// Agents to whom the seller of a class is granted and who speak its language: nobody else can be allowed.
    fn conceivable(&self, class: u32) -> Vec<u32> {
        let of = &self.classes[class];
        let granted = &self.sellers[of.seller as usize].granted;
        if of.language.is_unknown() {
            return granted.iter().collect();
        }
        self.classes.speaks.get(&of.language).map_or_else(Vec::new, |speaks| granted.both(speaks).collect())
    }

    /// Decides anew whether a class allows an agent; says whether that changed
    /// whether the class allows anybody.
    fn judge(&mut self, class: u32, agent: u32) -> bool {
        let slot = &mut self.agents[agent as usize];
        let of = &mut self.classes[class];
        let terms = &self.sellers[of.seller as usize].terms;
        let allowed = allows(&slot.profile, terms, of, self.now);
        let native = allowed && slot.profile.languages.get(&of.language) == Some(&Level::Native);
        of.native.put(agent, native);
        if !of.eligible.put(agent, allowed) {
            return false;
        }
        slot.put_class(of.channel, class, allowed);
        let before = of.eligible_count;
        of.eligible_count = if allowed { before + 1 } else { before - 1 };
        (before == 0) != (of.eligible_count == 0)
    }

    /// Notes to whom sellers are granted, and decides anew which of their
    /// classes allow the agent.
    pub(super) fn grant(&mut self, agent: u32, sellers: &BTreeSet<SellerId>, granted: bool) {
        for seller in sellers {
            let seller = self.seller_slot(*seller);
            self.sellers[seller as usize].granted.put(agent, granted);
        }
        self.judge_agent(agent, sellers);
    }

    /// Decides anew which classes of some sellers allow an agent.
    pub(super) fn judge_agent(&mut self, agent: u32, sellers: &BTreeSet<SellerId>) {
        for seller in sellers {
            let seller = self.seller_slot(*seller);
            for class in self.sellers[seller as usize].classes.clone() {
                // Even where nobody could take it before, the reason may be another now.
                if self.judge(class, agent) || self.classes[class].eligible_count == 0 {
                    self.mark_blocked(class);
                }
            }
        }
    }

    /// Decides anew whom the classes of a seller allow.
    pub(super) fn judge_seller(&mut self, seller: u32) {
        for class in self.sellers[seller as usize].classes.clone() {
            let mut turned = false;
            for agent in self.conceivable(class) {
                turned |= self.judge(class, agent);
            }
            // Even where nobody could take it before, the reason may be another now.
            if turned || self.classes[class].eligible_count == 0 {
                self.mark_blocked(class);
            }
        }
    }

    /// Notes on every waiting contact of a class whether anybody can take it.
    fn mark_blocked(&mut self, class: u32) {
        let waiting: Vec<u32> = self.classes[class].queue.iter().map(|key| key.job).collect();
        if waiting.is_empty() {
            return;
        }
        let block = self.block_of(class);
        for job in waiting {
            if block.is_some() && self.softened(job).is_some() {
                // Others could take it if less were asked.
                self.wait_anew(job);
            } else {
                self.set_block(job, block);
            }
        }
    }

    /// Notes on a contact whether anybody at all can take it.
    pub(super) fn note_block(&mut self, job: u32) {
        let block = self.block_of(self.jobs[job].class);
        self.set_block(job, block);
    }

    fn block_of(&self, class: u32) -> Option<Block> {
        (self.classes[class].eligible_count == 0).then(|| self.why_blocked(class))
    }

    fn set_block(&mut self, job: u32, block: Option<Block>) {
        if self.jobs[job].contact.blocked == block {
            return;
        }
        self.jobs[job].contact.blocked = block;
        self.note(job);
        match block {
            Some(block) => self.decide(job, Kind::Blocked, Rule::Needs, None, 0, block.word()),
            None => self.decide(job, Kind::Unblocked, Rule::Needs, None, 0, ""),
        }
    }

    /// The first need that no certified agent meets.
    fn why_blocked(&self, class: u32) -> Block {
        let of = &self.classes[class];
        let SellerSlot { terms, granted, .. } = &self.sellers[of.seller as usize];
        if !terms.served {
            return Block::SellerNotLive;
        }
        // obstacles: inactive, granted, certified, language, channel, skill
        let judged: Vec<_> = granted
            .iter()
            .map(|agent| hard_obstacles(&self.agents[agent as usize].profile, terms, of, self.now))
            .collect();
        let meets = |which: &[usize]| judged.iter().any(|obstacles| which.iter().all(|i| obstacles[*i].is_none()));
        if !meets(&[0, 1, 2]) {
            Block::NoCertifiedAgent
        } else if !meets(&[0, 1, 2, 3]) {
            let spoken = judged
                .iter()
                .any(|o| o[..3].iter().all(Option::is_none) && matches!(o[3], None | Some(Obstacle::LevelTooLow)));
            if spoken { Block::NoLevel } else { Block::NoLanguage }
        } else if !meets(&[0, 1, 2, 4]) {
            Block::NoChannel
        } else if !meets(&[0, 1, 2, 5]) {
            Block::NoSkill
        } else {
            Block::NoCombination
        }
    }
}
