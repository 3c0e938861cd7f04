//! Random histories: whatever happens, in whatever order, the invariants hold
//! after every step, a replay decides the same, and another leader can take
//! over at any point.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::agent::{Presence, Profile};
use crate::contact::{Block, Contact, ContactState};
use crate::ids::At;
use crate::machine::{Completion, Event, Kind};
use crate::needs::{Channel, Channels, FULL_UNITS, Level, Priority, Soft};
use crate::offer::OfferState;
use crate::policy::{AgentOrder, Policy};
use crate::refusal::Obstacle;
use crate::site::SiteHours;
use crate::skills::{Ruled, SkillRule};
use crate::testing::*;

use super::replay::written;

const SELLERS: u8 = 3;
const AGENTS: u8 = 6;
const CONTACTS: u16 = 24;
const TAGS: [&str; 3] = ["it", "de", "und"];
const SITES: [&str; 3] = ["lisbon", "manila", "casablanca"];

#[derive(Debug, Clone)]
struct Step {
    what: u8,
    who: u8,
    which: u16,
    seconds: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![6 => 0_i64..3, 3 => 0_i64..60, 1 => 0_i64..2_000];
    let step = (0_u8..51, 0_u8..AGENTS, 0..CONTACTS, wait).prop_map(|(what, who, which, seconds)| Step {
        what,
        who,
        which,
        seconds,
    });
    prop::collection::vec(step, 1..150)
}

/// Who may do what, varied by the step so that rights come and go.
fn changed(step: &Step, revision: i64) -> Profile {
    let mut new = profile(step.who, &[], &[]);
    new.revision = revision;
    for n in 0..SELLERS {
        if (step.which >> n) & 1 == 0 {
            new.sellers.insert(seller(n));
        }
        if (step.which >> (n + 1)) & 1 == 0 {
            let end = (step.seconds % 2 == 1).then(|| START.plus_seconds(step.seconds * 20 + i64::from(n) * 300));
            new.certifications.insert(seller(n), end);
        }
    }
    let level = Level::ALL[usize::from(step.which % 7)];
    new.languages.insert(language(TAGS[usize::from(step.who % 2)]), level.max(Level::B1));
    new.languages.insert(language(TAGS[usize::from((step.who + 1) % 2)]), Level::C1);
    new.active = !step.which.is_multiple_of(11);
    SITES[usize::from((step.who + step.what) % 3)].clone_into(&mut new.site);
    if step.which.is_multiple_of(5) {
        new.channels = Channels::NONE.with(Channel::Email);
    }
    if step.who.is_multiple_of(2) {
        new.skills.insert("returns".to_owned());
    }
    new
}

fn event(desk: &Desk, step: &Step, turn: i64) -> Event {
    let who = agent(step.who);
    let which = contact(step.which);
    match step.what {
        0..=9 => {
            let channel = [Channel::Email, Channel::Chat, Channel::Phone][usize::from(step.which % 3)];
            let tag = TAGS[usize::from(step.who % 3)];
            let mut new = arriving(step.which, step.who % SELLERS, channel, tag, desk.now);
            new.due_at = desk.now.plus_seconds(i64::from(step.which) * 7 - 20);
            new.preferred = (step.which.is_multiple_of(4)).then_some(who);
            new.needs.level_of_policy = step.which.is_multiple_of(5);
            if step.which.is_multiple_of(6) {
                new.needs.preferred.insert("returns".to_owned());
            }
            if step.which.is_multiple_of(7) {
                new.needs.required.insert("returns".to_owned());
            }
            new.needs.ruled = ruled(step);
            Event::Enqueue(Box::new(new))
        }
        10..=13 => {
            Event::Hello { agent: who, resume: 0, presence: None, reason: String::new(), channels: Channels::ALL }
        }
        14 => {
            let presence = Presence::ALL[usize::from(step.which % 4)];
            Event::Presence { agent: who, epoch: None, presence, reason: "why".to_owned() }
        }
        15 => Event::Heartbeat { agent: who, epoch: None },
        16 => {
            let epoch = desk.sessions.get(&who).map_or(0, |session| session.epoch);
            Event::Revoked { agent: who, epoch: epoch - i64::from(step.which.is_multiple_of(3)) }
        }
        17..=23 => match desk.pending(step.who) {
            Some(offer) => Event::Accept { agent: who, epoch: None, offer },
            None => Event::Tick,
        },
        24..=25 => match desk.offers.values().find(|o| o.state == OfferState::Pending) {
            // Possibly somebody else's offer.
            Some(offer) => Event::Reject { agent: who, epoch: None, offer: offer.id, reason: String::new() },
            None => Event::Tick,
        },
        26..=30 => {
            let ways = [Completion::Wrap, Completion::Done, Completion::Park, Completion::Resume, Completion::Release];
            let owned = desk.contacts.values().filter(|c| c.agent == Some(who) && c.state.is_owned());
            let contact = owned.map(|c| c.id).next().unwrap_or(which);
            Event::Complete { agent: who, epoch: None, contact, completion: ways[usize::from(step.which % 5)] }
        }
        31 => Event::Handled { contact: which, agent: Some(who) },
        32 => Event::Withdraw { contact: which, end: ContactState::Abandoned, reason: String::new() },
        33 => Event::Assign { contact: which, agent: who, version: None },
        34 => {
            Event::Transfer { contact: which, to: (step.seconds % 2 == 0).then_some(who), owner: None, version: None }
        }
        35..=36 => Event::Agent(Box::new(changed(step, turn))),
        37 => {
            let mut policy = Policy { version: turn, ..Policy::default() };
            policy.ceiling = u32::from(step.which % 4);
            policy.floor = policy.ceiling.min(1);
            policy.affinity_seconds = i64::from(step.which) * 3;
            policy.weight = u32::from(step.who);
            policy.weight_window_seconds = i64::from(step.which) * 5;
            policy.wrap_seconds = i64::from(step.who) * 10;
            policy.preferred_skills_seconds = 20;
            policy.maximum_wait_seconds = 60 + i64::from(step.which) * 10;
            policy.idle_reserve = [0, 0, 1, 2][usize::from(step.who % 4)];
            policy.agent_order = AgentOrder::ALL[usize::from(step.which % 2)];
            policy.primary_first = step.which.is_multiple_of(3);
            policy.native_seconds = [0, 0, 15, 60][usize::from(step.which % 4)];
            if step.who.is_multiple_of(2) {
                policy.home_sites = [SITES[usize::from(step.which % 3)].to_owned()].into();
                policy.overflow_seconds = i64::from(step.which) * 5;
                policy.opening_hold_seconds = i64::from(step.which % 3) * 30;
                policy.overflow_before_due_seconds = i64::from(step.who) * 10;
            }
            policy.expire_seconds = if step.who == 0 { 1_000 } else { 0 };
            let skills: BTreeSet<String> = ["returns".to_owned()].into();
            let rule = SkillRule { kinds: ["return".to_owned()].into(), ..SkillRule::default() };
            policy.skill_rules = match step.which % 3 {
                0 => vec![],
                1 => vec![SkillRule { required: skills, ..rule }],
                _ => vec![SkillRule { preferred: skills, ..rule }],
            };
            policy.minimum_level = [Level::B2, Level::C1, Level::B1][usize::from(step.which % 3)];
            Event::Policy(seller(step.who % SELLERS), policy)
        }
        38 => {
            let mut new = terms(step.who % SELLERS);
            new.served = !step.which.is_multiple_of(3);
            new.certification_required = !step.which.is_multiple_of(4);
            Event::Seller(new)
        }
        39 => {
            let epoch = step.which.is_multiple_of(4).then(|| desk.sessions.get(&who).map_or(0, |s| s.epoch));
            let presence = Presence::ALL[usize::from(step.which % 4)];
            Event::Supervise { agent: who, epoch, presence, reason: "by hand".to_owned() }
        }
        40..=41 => Event::Reprioritise {
            contact: which,
            priority: Some(Priority::ALL[usize::from(step.who % 4)]),
            due_at: step.which.is_multiple_of(2).then(|| desk.now.plus_seconds(i64::from(step.who) * 40 - 60)),
            version: None,
        },
        42..=43 => Event::SetAside {
            contact: which,
            until: (!step.which.is_multiple_of(3)).then(|| desk.now.plus_seconds(i64::from(step.who) * 30)),
            version: None,
        },
        44 => {
            let until = step.which.is_multiple_of(2).then(|| desk.now.plus_seconds(i64::from(step.who) * 30));
            Event::PauseQueue { seller: seller(step.who % SELLERS), until, reason: "recall".to_owned() }
        }
        45 => Event::ResumeQueue { seller: seller(step.who % SELLERS) },
        46 => Event::Sites(hours(step, desk.now)),
        47 => {
            let tag = TAGS[usize::from(step.which % 3)];
            let mut new = arriving(step.which, step.who % SELLERS, Channel::Email, tag, desk.now);
            if let Some(known) = desk.contacts.get(&which) {
                new.seller = known.seller;
            }
            new.due_at = desk.now.plus_seconds(i64::from(step.who) * 50 - 60);
            new.priority = Priority::ALL[usize::from(step.who % 4)];
            if step.which.is_multiple_of(5) {
                new.needs.required.insert("returns".to_owned());
            }
            new.needs.ruled = ruled(step);
            Event::Amend(Box::new(new))
        }
        49 => Event::Unheard { micros: step.seconds * 1_000_000 },
        _ => Event::Tick,
    }
}

/// What rules look at, for every other contact.
fn ruled(step: &Step) -> Option<Ruled> {
    let kind = ["return", "claim"][usize::from(step.who % 2)].to_owned();
    step.which.is_multiple_of(2).then(|| Ruled { kind, ..Ruled::default() })
}

/// Two of the three sites, open for a while from about now on, and again.
fn hours(step: &Step, now: At) -> Vec<SiteHours> {
    let seconds = |n: u64| now.plus_seconds(i64::try_from(n).unwrap_or(0) - 30);
    let of = |site: usize, first: u64| SiteHours {
        site: SITES[site].to_owned(),
        open: vec![(seconds(first), seconds(first + 40)), (seconds(first + 90), seconds(first + 150))],
    };
    vec![of(0, u64::from(step.which) * 7), of(1, u64::from(step.who) * 11)]
}

fn opened() -> Desk {
    let mut desk = Desk::new();
    for n in 0..SELLERS {
        desk.ok(Event::Seller(terms(n)));
    }
    for n in 0..AGENTS {
        let level = if n % 3 == 0 { Level::Native } else { Level::C1 };
        let sellers: Vec<u8> = (0..SELLERS).filter(|s| (n + s) % 3 != 0).collect();
        let mut new = profile(n, &sellers, &[(TAGS[usize::from(n % 2)], level)]);
        SITES[usize::from(n % 3)].clone_into(&mut new.site);
        desk.hire(new);
    }
    desk
}

/// Everything that must be true between two events.
fn check(desk: &Desk) -> Result<(), TestCaseError> {
    for contact in desk.contacts.values() {
        let live: Vec<_> =
            desk.offers.values().filter(|o| o.contact == contact.id && o.state == OfferState::Pending).collect();
        prop_assert!(live.len() <= 1, "I1 {:?}", live);
        prop_assert_eq!(live.len() == 1, contact.state == ContactState::Offered, "I1 {:?}", contact);
        prop_assert_eq!(contact.offer, live.first().map(|o| o.id), "I1 {:?}", contact);
        prop_assert_eq!(
            desk.engine.contact(contact.id),
            (!contact.state.is_final()).then_some(contact),
            "tables and engine agree"
        );
        prop_assert!(contact.aside_until.is_none() || contact.state == ContactState::Queued, "aside {:?}", contact);
        if let Some(ruled) = contact.needs.ruled.as_ref().filter(|_| !contact.state.is_final()) {
            let rules = desk.policies.get(&contact.seller).map_or(&[][..], |policy| &policy.skill_rules);
            let (required, _) = ruled.asks(contact.needs.channel, rules);
            prop_assert_eq!(&contact.needs.required, &required, "by the rules of now {:?}", contact);
        }
        if contact.state.is_owned() || contact.state == ContactState::Offered {
            let owner = contact.agent.expect("I7: owned by somebody");
            prop_assert!(desk.engine.desk(owner).iter().any(|c| c.id == contact.id), "I7 {:?}", contact);
        }
    }
    for (who, session, used) in desk.engine.agents() {
        let held = desk.engine.desk(who.agent);
        let firm: u32 = held.iter().filter(|c| c.is_firm()).map(|c| c.units()).sum();
        let soft: u32 = held.iter().filter(|c| !c.is_firm()).map(|c| c.units()).sum();
        prop_assert!(firm <= FULL_UNITS, "I2 {}", firm);
        prop_assert_eq!(used, (firm + soft).min(FULL_UNITS), "I2");
        let pending = held.iter().filter(|c| c.state == ContactState::Offered).count();
        prop_assert!(pending <= usize::from(session.presence == Presence::Available), "I3 {:?}", session);
        prop_assert!(who.active || held.is_empty(), "an inactive agent has nothing");
    }
    for contact in desk.contacts.values().filter(|c| c.state == ContactState::Queued) {
        let why = desk.engine.explain(contact.id, None, usize::MAX).expect("open");
        let idle = why.verdicts.iter().find(|v| v.obstacles.is_empty());
        prop_assert!(idle.is_none(), "I10 {:?} beside {:?}", idle, contact);
        prop_assert_eq!(contact.blocked.is_some(), contact.blocked_since.is_some(), "since when {:?}", contact);
        if contact.aside_until.is_some() {
            prop_assert!(why.verdicts.iter().all(|v| v.obstacles.contains(&Obstacle::SetAside)), "{:?}", contact);
            continue;
        }
        prop_assert_eq!(contact.blocked.is_some(), why.eligible == 0, "blocked is shown {:?}", contact);
        if let Some(shown) = contact.blocked {
            prop_assert_eq!(shown, reason(desk, contact), "with today's reason {:?}", contact);
        }
    }
    Ok(())
}

/// Why nobody can take a contact, by an oracle that shares nothing with the engine.
fn reason(desk: &Desk, contact: &Contact) -> Block {
    let terms = &desk.terms[&contact.seller];
    if !terms.served {
        return Block::SellerNotLive;
    }
    let certified: Vec<_> = desk
        .profiles
        .values()
        .filter(|p| p.active && p.sellers.contains(&contact.seller))
        .filter(|p| match p.certifications.get(&contact.seller) {
            Some(Some(end)) => end.0 > desk.now.0 || !terms.certification_required,
            Some(None) => true,
            None => !terms.certification_required,
        })
        .collect();
    let level = |p: &Profile| {
        let spoken = p.languages.iter().filter(|(l, _)| {
            let wanted = terms.languages.is_empty() || terms.languages.contains(*l);
            *l == &contact.needs.language || contact.needs.language.as_str() == "und" && wanted
        });
        spoken.map(|(_, level)| *level).max()
    };
    let able: Vec<_> = certified.iter().filter(|p| level(p) >= Some(contact.needs.minimum_level)).collect();
    let preferred = contact.needs.preferred.iter().filter(|_| !contact.dropped.has(Soft::Skills));
    let skills: Vec<_> = contact.needs.required.iter().chain(preferred).collect();
    let serves = |p: &Profile| p.channels.has(contact.needs.channel);
    let skilled = |p: &Profile| skills.iter().all(|skill| p.skills.contains(*skill));
    if certified.is_empty() {
        Block::NoCertifiedAgent
    } else if able.is_empty() {
        if certified.iter().any(|p| level(p).is_some()) { Block::NoLevel } else { Block::NoLanguage }
    } else if !certified.iter().any(|p| serves(p)) {
        Block::NoChannel
    } else if !certified.iter().any(|p| skilled(p)) {
        Block::NoSkill
    } else {
        Block::NoCombination
    }
}

/// An oracle of the hard needs that shares nothing with the engine.
fn oracle(desk: &Desk, n: crate::ids::ContactId, who: crate::ids::AgentId) -> bool {
    let (contact, profile) = (&desk.contacts[&n], &desk.profiles[&who]);
    let terms = &desk.terms[&contact.seller];
    let certified = match profile.certifications.get(&contact.seller) {
        Some(Some(end)) => end.0 > desk.now.0,
        Some(None) => true,
        None => false,
    };
    let speaks = profile.languages.iter().any(|(l, level)| {
        (l == &contact.needs.language || contact.needs.language.as_str() == "und")
            && *level >= contact.needs.minimum_level
    });
    profile.active
        && terms.served
        && profile.sellers.contains(&contact.seller)
        && (certified || !terms.certification_required)
        && speaks
        && profile.channels.has(contact.needs.channel)
        && contact.needs.required.iter().all(|skill| profile.skills.contains(skill))
}

/// What was decided since, against the oracle.
fn check_decisions(desk: &Desk, since: usize) -> Result<(), TestCaseError> {
    for decision in &desk.decisions[since..] {
        if matches!(decision.kind, Kind::Offered | Kind::Assigned) {
            let who = decision.agent.expect("an agent");
            prop_assert!(oracle(desk, decision.contact, who), "I9 {:?}", decision);
        }
        if decision.kind == Kind::Accepted {
            let offer = &desk.offers[&decision.offer.expect("an offer")];
            prop_assert!(decision.at < offer.expires_at, "I4 {:?}", offer);
        }
    }
    Ok(())
}

/// What may stand in a round before something else: nothing that ends a contact, which must not come again.
fn joins(event: &Event) -> bool {
    matches!(
        event,
        Event::Enqueue(_) | Event::Hello { .. } | Event::Presence { .. } | Event::Accept { .. } | Event::Agent(_)
    )
}

fn run(steps: &[Step], takeovers: bool) -> Result<Desk, TestCaseError> {
    let mut desk = opened();
    let mut round: Vec<Event> = Vec::new();
    for (turn, step) in (2_i64..).zip(steps) {
        desk.now = desk.now.plus_seconds(step.seconds);
        let before = desk.contacts.clone();
        let made = desk.decisions.len();
        // An ended contact does not come again under its id: intake sees to that.
        desk.ok(Event::Tick);
        check_decisions(&desk, made)?;
        let made = desk.decisions.len();
        let next = event(&desk, step, turn);
        let over = |event: &Event| matches!(event, Event::Enqueue(new) if desk.contacts.get(&new.id).is_some_and(|c| c.state.is_final()));
        // Now and then several things happen in one round.
        if joins(&next) && step.seconds == 0 && round.len() < 6 {
            round.push(next);
            continue;
        }
        round.push(next);
        round.retain(|event| !over(event));
        if round.len() == 1 {
            let _ = desk.apply(round.remove(0));
        } else {
            desk.apply_together(std::mem::take(&mut round));
        }
        check_decisions(&desk, made)?;
        for (id, old) in &before {
            let new = &desk.contacts[id];
            let told = desk.decisions[made..].iter().any(|d| d.contact == *id && d.kind == Kind::Reprioritised);
            prop_assert!(new.waiting_since <= old.waiting_since, "I8 {:?}", new);
            prop_assert!(told || new.due_at <= old.due_at, "I8 {:?}", new);
            prop_assert!(new.version >= old.version);
        }
        check(&desk)?;
        if takeovers && step.which.is_multiple_of(8) {
            let before = desk.contacts.clone();
            desk.take_over();
            check(&desk)?;
            let owners = |contacts: &std::collections::BTreeMap<_, crate::contact::Contact>| {
                contacts.values().filter(|c| c.state.is_owned()).map(|c| (c.id, c.agent, c.state)).collect::<Vec<_>>()
            };
            prop_assert_eq!(owners(&before), owners(&desk.contacts), "a takeover keeps every owner");
        }
    }
    prop_assert!((1..).zip(&desk.decisions).all(|(n, d)| d.number == n), "decisions are numbered without a gap");
    Ok(desk)
}

/// Debug builds are slow: fewer histories, unless more are asked for.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: if asked.cases == 256 { 64 } else { asked.cases }, ..asked }
}

proptest! {
    #![proptest_config(config())]



    #[test]
    fn the_invariants_hold_under_random_histories(steps in steps()) {
        run(&steps, false)?;
    }

    #[test]
    fn the_invariants_hold_when_another_leader_takes_over_at_any_point(steps in steps()) {
        run(&steps, true)?;
    }

    #[test]
    fn a_replay_decides_the_same(steps in steps()) {
        let (first, second) = (run(&steps, true)?, run(&steps, true)?);
        prop_assert_eq!(first.decisions, second.decisions);
        prop_assert_eq!(first.contacts, second.contacts);
        prop_assert_eq!(first.offers, second.offers);
    }

    #[test]
    fn a_journal_told_again_decides_the_same(steps in steps()) {
        let mut desk = run(&steps, true)?;
        let mut made = Vec::new();
        for (page, rounds) in desk.journal() {
            let mut engine = written(&page).open();
            made.extend(engine.replay(written(&rounds)).decisions);
        }
        prop_assert_eq!(made, desk.decisions);
    }

    #[test]
    fn no_contact_is_lost_when_agents_stay(steps in steps()) {
        let mut desk = run(&steps, true)?;
        for n in 0..SELLERS {
            desk.ok(Event::Seller(terms(n)));
            desk.ok(Event::ResumeQueue { seller: seller(n) });
            desk.ok(Event::Policy(seller(n), Policy { version: i64::MAX, ..Policy::default() }));
        }
        for n in 0..AGENTS {
            let mut able = profile(n, &[0, 1, 2], &[("it", Level::C1), ("de", Level::Native)]);
            able.revision = i64::MAX;
            able.skills.insert("returns".to_owned());
            desk.hire(able);
        }
        // A bounded number of rounds in which everybody takes and finishes.
        for _ in 0..200 {
            for n in 0..AGENTS {
                if desk.sessions.get(&agent(n)).is_none_or(|s| s.presence != Presence::Available) {
                    desk.online(n);
                }
                if desk.pending(n).is_some() {
                    desk.accept(n);
                }
                let mine: Vec<_> = desk.engine.desk(agent(n)).iter().filter(|c| c.state.is_owned()).map(|c| c.id).collect();
                for contact in mine {
                    desk.ok(Event::Complete { agent: agent(n), epoch: None, contact, completion: Completion::Done });
                }
            }
            desk.later(10);
        }
        let left: Vec<_> = desk.contacts.values().filter(|c| !c.state.is_final()).collect();
        prop_assert!(left.is_empty(), "I7 {:?}", left);
        prop_assert!(desk.now > At(0));
    }
}
