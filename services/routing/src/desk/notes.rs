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

/// Tells of a seller before the first of its contacts.
fn introduce(tell: &mut ToTell, engine: &Engine, known: &Known, introduced: &mut BTreeSet<SellerId>, seller: SellerId) {
    if !engine.knows(seller) && introduced.insert(seller) {
        tell.events.extend(known.terms.get(&seller).cloned().map(Event::Seller));
        tell.events.extend(known.policies.get(&seller).cloned().map(|policy| Event::Policy(seller, policy)));
    }
}

fn translate(engine: &Engine, notes: &[Note], mut known: Known) -> ToTell {
    let mut tell = ToTell::default();
    let mut introduced: BTreeSet<SellerId> = BTreeSet::new();
    for note in notes {
        match &note.told {
            Told::Contact(handed) => {
                let Handed { new, why } = &**handed;
                introduce(&mut tell, engine, &known, &mut introduced, new.seller);
                let is_open = engine.contact(new.id).is_some();
                let is_new = *why == Why::New || known.is_untouched(new.id);
                if is_new || (is_open && *why == Why::HandedIn) {
                    tell.events.push(Event::Enqueue(Box::new(new.clone())));
                }
                // also behind the note that brings it, in the same round
                if *why == Why::Changed && (is_new || is_open) {
                    tell.events.push(Event::Amend(Box::new(new.clone())));
                }
            }
            Told::Named { seller, contact, waiting_since, due_at, preferred } => {
                introduce(&mut tell, engine, &known, &mut introduced, *seller);
                let Some(stored) = known.contacts.get(contact) else { continue };
                if known.is_untouched(*contact) || engine.contact(*contact).is_some() {
                    let new = NewContact {
                        id: stored.id,
                        seller: stored.seller,
                        ticket: stored.ticket,
                        number: stored.number.clone(),
                        needs: stored.needs.clone(),
                        priority: stored.priority,
                        waiting_since: *waiting_since,
                        due_at: *due_at,
                        preferred: *preferred,
                    };
                    tell.events.push(Event::Enqueue(Box::new(new)));
                }
            }
            Told::Withdrawn { contact, reason } => tell.events.push(Event::Withdraw {
                contact: *contact,
                end: ContactState::Cancelled,
                reason: reason.clone(),
            }),
            Told::Handled { contact, agent } => tell.events.push(Event::Handled { contact: *contact, agent: *agent }),
            Told::Agent(agent) => {
                tell.events.extend(known.agents.remove(agent).map(|profile| Event::Agent(Box::new(profile))));
            }
            Told::Seller(seller) => tell.events.extend(known.terms.get(seller).cloned().map(Event::Seller)),
            Told::Policy(seller) => {
                tell.events.extend(known.policies.get(seller).cloned().map(|policy| Event::Policy(*seller, policy)));
            }
            Told::Sites => tell.events.push(Event::Sites(known.sites.clone())),
            Told::Erasure { seller, erasure } => {
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
    tell
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
