//! What notes mean to the engine: they name things, and here is what those
//! things are by now.

use std::collections::{BTreeSet, HashMap};

use kit::ProviderId;
use prost::Message;
use proto::events::v1::SellerTerms as WireTerms;
use tenantdb::service::Deps;
use tenantdb::{Failure, TenantTx};

use crate::store::intake::{Handed, Note, Told, Why};
use crate::store::{agents, contacts, policies, sellers, sites, snapshot};
use engine::agent::Profile;
use engine::contact::{Contact, ContactState, NewContact};
use engine::ids::{AgentId, ContactId, SellerId};
use engine::needs::Language;
use engine::policy::Policy;
use engine::seller::SellerTerms;
use engine::site::SiteHours;
use engine::{Engine, Event};

/// What the engine is to be told, and what is to be erased with the commit.
#[derive(Default)]
pub struct ToTell {
    pub events: Vec<Event>,
    pub erasures: Vec<(SellerId, String)>,
}

/// Things by name.
#[derive(Default)]
struct Known {
    contacts: HashMap<ContactId, Contact>,
    agents: HashMap<AgentId, Profile>,
    terms: HashMap<SellerId, SellerTerms>,
    policies: HashMap<SellerId, Policy>,
    sites: Vec<SiteHours>,
}

/// Looks up what the notes name.
pub async fn load(deps: &Deps, provider: ProviderId, engine: &Engine, notes: &[Note]) -> Result<ToTell, Failure> {
    if notes.is_empty() {
        return Ok(ToTell::default());
    }
    let mut of_sellers: BTreeSet<SellerId> = BTreeSet::new();
    let mut strangers = false;
    let mut named: Vec<ContactId> = Vec::new();
    let mut staff: Vec<AgentId> = Vec::new();
    for note in notes {
        match &note.told {
            Told::Contact(handed) => {
                let (seller, contact) = (handed.new.seller, handed.new.id);
                if !engine.knows(seller) {
                    of_sellers.insert(seller);
                    strangers = true;
                }
                // one that is not known may have ended
                if handed.why != Why::New && engine.contact(contact).is_none() {
                    of_sellers.insert(seller);
                    named.push(contact);
                }
            }
            Told::Named { seller, contact, .. } => {
                of_sellers.insert(*seller);
                strangers |= !engine.knows(*seller);
                named.push(*contact);
            }
            Told::Agent(agent) => staff.push(*agent),
            Told::Seller(seller) | Told::Policy(seller) | Told::Erasure { seller, .. } => {
                of_sellers.insert(*seller);
                strangers = true;
            }
            // perhaps before it was taken in; notes of before do not say whose it is
            Told::Withdrawn { seller: Some(seller), contact, .. }
            | Told::Handled { seller: Some(seller), contact, .. }
                if engine.contact(*contact).is_none() =>
            {
                of_sellers.insert(*seller);
                strangers |= !engine.knows(*seller);
                named.push(*contact);
            }
            Told::Withdrawn { .. } | Told::Handled { .. } | Told::Sites => {}
        }
    }
    let sites = notes.iter().any(|note| note.told == Told::Sites);
    if of_sellers.is_empty() && staff.is_empty() && !sites {
        return Ok(translate(engine, notes, Known::default()));
    }
    let of_sellers: Vec<SellerId> = of_sellers.into_iter().collect();
    let mut tx = deps.db.begin(&snapshot::of_sellers(provider, &of_sellers)).await?;
    let mut known = look_up(&mut tx, strangers, &named, &staff).await?;
    if sites {
        let now = deps.clock.now();
        known.sites = sites::list(&mut tx, None, snapshot::MOST).await?.iter().map(|site| site.hours(now)).collect();
    }
    drop(tx);
    Ok(translate(engine, notes, known))
}

async fn look_up(tx: &mut TenantTx, strangers: bool, named: &[ContactId], staff: &[AgentId]) -> Result<Known, Failure> {
    let mut known = Known::default();
    if !named.is_empty() {
        known.contacts = contacts::find_all(tx, named).await?.into_iter().map(|c| (c.id, c)).collect();
    }
    if !staff.is_empty() {
        known.agents = agents::profiles(tx, Some(staff)).await?.into_iter().map(|p| (p.agent, p)).collect();
    }
    // the terms of those whom the engine knows come with notes of their own
    if strangers {
        for (seller, encoded) in sellers::terms(tx).await? {
            known.terms.insert(seller, terms(seller, &encoded)?);
        }
        known.policies =
            policies::newest(tx).await?.into_iter().map(|(seller, stored)| (seller, stored.policy)).collect();
    }
    Ok(known)
}

impl Known {
    /// Whether a contact is stored and nobody has taken it in. One that the engine took in before and does not know
    /// any more has ended.
    fn is_untouched(&self, contact: ContactId) -> bool {
        self.contacts.get(&contact).is_some_and(|stored| stored.version == 0)
    }
}

/// What the notes of a round come to, note by note.
struct Translation<'a> {
    engine: &'a Engine,
    known: Known,
    tell: ToTell,
    introduced: BTreeSet<SellerId>,
    /// Contacts that notes of this round brought, and those that they ended: a contact never comes back.
    brought: BTreeSet<ContactId>,
    ended: BTreeSet<ContactId>,
}

impl Translation<'_> {
    /// Tells of a seller before the first of its contacts.
    fn introduce(&mut self, seller: SellerId) {
        if !self.engine.knows(seller) && self.introduced.insert(seller) {
            let (events, known) = (&mut self.tell.events, &self.known);
            events.extend(known.terms.get(&seller).cloned().map(Event::Seller));
            events.extend(known.policies.get(&seller).cloned().map(|policy| Event::Policy(seller, policy)));
        }
    }

    fn contact(&mut self, handed: &Handed) {
        let Handed { new, why } = handed;
        if self.ended.contains(&new.id) {
            return;
        }
        self.introduce(new.seller);
        let is_open = self.engine.contact(new.id).is_some();
        let is_new = *why == Why::New || self.known.is_untouched(new.id);
        if is_new || (is_open && *why == Why::HandedIn) {
            self.bring(new.clone());
        }
        // also behind the note that brings it, in the same round
        if *why == Why::Changed && (is_new || is_open) {
            self.tell.events.push(Event::Amend(Box::new(new.clone())));
        }
    }

    fn bring(&mut self, new: NewContact) {
        self.brought.insert(new.id);
        self.tell.events.push(Event::Enqueue(Box::new(new)));
    }

    /// Ends a contact. The word of its end may come before it was taken in: then it is taken in first, so that it is
    /// kept as ended and nobody is offered it when its own note is read.
    fn end(&mut self, contact: ContactId, event: Event) {
        let unheard = self.engine.contact(contact).is_none() && !self.brought.contains(&contact);
        if unheard
            && self.known.is_untouched(contact)
            && let Some(new) = self.known.contacts.get(&contact).map(as_handed_in)
        {
            self.introduce(new.seller);
            self.bring(new);
        }
        self.ended.insert(contact);
        self.tell.events.push(event);
    }
}

/// A stored contact as it came in.
fn as_handed_in(stored: &Contact) -> NewContact {
    NewContact {
        id: stored.id,
        seller: stored.seller,
        ticket: stored.ticket,
        number: stored.number.clone(),
        needs: stored.needs.clone(),
        priority: stored.priority,
        waiting_since: stored.waiting_since,
        due_at: stored.due_at,
        preferred: stored.preferred,
    }
}

fn translate(engine: &Engine, notes: &[Note], known: Known) -> ToTell {
    let mut said = Translation {
        engine,
        known,
        tell: ToTell::default(),
        introduced: BTreeSet::new(),
        brought: BTreeSet::new(),
        ended: BTreeSet::new(),
    };
    for note in notes {
        match &note.told {
            Told::Contact(handed) => said.contact(handed),
            Told::Named { seller, contact, waiting_since, due_at, preferred } => {
                said.introduce(*seller);
                let (waiting_since, due_at, preferred) = (*waiting_since, *due_at, *preferred);
                let Some(stored) = said.known.contacts.get(contact) else { continue };
                let new = NewContact { waiting_since, due_at, preferred, ..as_handed_in(stored) };
                let is_known = said.known.is_untouched(*contact) || engine.contact(*contact).is_some();
                if is_known && !said.ended.contains(contact) {
                    said.bring(new);
                }
            }
            Told::Withdrawn { contact, reason, .. } => {
                let (contact, end, reason) = (*contact, ContactState::Cancelled, reason.clone());
                said.end(contact, Event::Withdraw { contact, end, reason });
            }
            Told::Handled { contact, agent, .. } => {
                let (contact, agent) = (*contact, *agent);
                said.end(contact, Event::Handled { contact, agent });
            }
            Told::Agent(agent) => {
                let profile = said.known.agents.remove(agent);
                said.tell.events.extend(profile.map(|profile| Event::Agent(Box::new(profile))));
            }
            Told::Seller(seller) => {
                let terms = said.known.terms.get(seller).cloned();
                said.tell.events.extend(terms.map(Event::Seller));
            }
            Told::Policy(seller) => {
                let policy = said.known.policies.get(seller).cloned();
                said.tell.events.extend(policy.map(|policy| Event::Policy(*seller, policy)));
            }
            Told::Sites => said.tell.events.push(Event::Sites(said.known.sites.clone())),
            Told::Erasure { seller, erasure } => {
                let tell = &mut said.tell;
                tell.events.push(Event::Seller(SellerTerms::unknown(*seller)));
                let open = engine.contacts().filter(|c| c.seller == *seller).map(|c| c.id);
                tell.events.extend(open.map(|contact| Event::Withdraw {
                    contact,
                    end: ContactState::Cancelled,
                    reason: "erased".to_owned(),
                }));
                tell.erasures.push((*seller, erasure.clone()));
            }
        }
    }
    said.tell
}

/// The part of encoded terms that routing needs.
pub fn terms(seller: SellerId, encoded: &[u8]) -> Result<SellerTerms, Failure> {
    let terms = WireTerms::decode(encoded).map_err(|e| Failure::Inconsistent(format!("terms of a seller: {e}")))?;
    Ok(SellerTerms {
        seller,
        // One who leaves is served to the end, and one who is not live yet tries
        // the line out; only who is suspended or gone is not.
        served: !matches!(terms.state.as_str(), "suspended" | "erased"),
        certification_required: terms.certification_required,
        languages: terms.languages.iter().filter_map(|tag| Language::parse(tag).ok()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ids::At;
    use engine::needs::{Channel, Level, Needs, Priority};
    use uuid::Uuid;

    const NOW: At = At(1_800_000_000_000_000);
    const CONTACT: ContactId = ContactId(Uuid::from_u128(7));

    fn waiting() -> NewContact {
        NewContact {
            id: CONTACT,
            seller: kit::SellerId(Uuid::from_u128(1)),
            ticket: None,
            number: String::new(),
            needs: Needs {
                channel: Channel::Email,
                language: Language::parse("it").expect("a language"),
                minimum_level: Level::B2,
                level_of_policy: false,
                required: BTreeSet::new(),
                preferred: BTreeSet::new(),
                ruled: None,
            },
            priority: Priority::Normal,
            waiting_since: NOW,
            due_at: NOW.plus_seconds(3_600),
            preferred: None,
        }
    }

    fn handed(why: Why) -> Told {
        Told::Contact(Box::new(Handed { new: waiting(), why }))
    }

    fn ends() -> [Told; 2] {
        let seller = Some(waiting().seller);
        [
            Told::Withdrawn { seller, contact: CONTACT, reason: "gone".to_owned() },
            Told::Handled { seller, contact: CONTACT, agent: None },
        ]
    }

    /// How a contact stands that was stored, after rounds of notes.
    fn after(rounds: &[Vec<Told>]) -> Option<Contact> {
        let mut engine = Engine::new(1, 0);
        let mut stored = Contact::open(waiting(), NOW);
        for round in rounds {
            let notes: Vec<Note> = round.iter().map(|told| Note { id: Uuid::nil(), told: told.clone() }).collect();
            let known = Known { contacts: [(CONTACT, stored.clone())].into(), ..Known::default() };
            let told = translate(&engine, &notes, known);
            engine.together(NOW, |engine| told.events.into_iter().for_each(|event| drop(engine.apply(NOW, event))));
            for changed in engine.take_changes().contacts {
                stored = changed;
            }
        }
        (stored.version != 0).then_some(stored)
    }

    #[test]
    fn a_contact_whose_end_is_told_before_it_ends_and_stays_so() {
        for end in ends() {
            for again in [handed(Why::HandedIn), handed(Why::Changed)] {
                for rounds in [
                    vec![vec![end.clone(), again.clone()]],
                    vec![vec![end.clone()], vec![again.clone()]],
                    vec![vec![again.clone(), end.clone()]],
                    vec![vec![handed(Why::New)], vec![end.clone(), again.clone()]],
                ] {
                    let stored = after(&rounds).expect("it was taken in");
                    assert!(stored.state.is_final(), "{rounds:?} leaves it {:?}", stored.state);
                }
            }
        }
    }

    #[test]
    fn the_end_of_what_ended_or_was_never_stored_changes_nothing() {
        for end in ends() {
            let mut gone = Contact::open(waiting(), NOW);
            (gone.version, gone.state) = (4, ContactState::Done);
            let engine = Engine::new(1, 0);
            let note = Note { id: Uuid::nil(), told: end };
            for contacts in [HashMap::new(), HashMap::from([(CONTACT, gone)])] {
                let told = translate(&engine, std::slice::from_ref(&note), Known { contacts, ..Known::default() });
                assert_eq!(told.events.len(), 1, "{:?}", told.events);
            }
        }
    }
}
