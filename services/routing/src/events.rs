//! What other services tell. Contacts are stored here and now; everything else
//! becomes a note for the engine, in the transaction of the event.

use futures_util::future::BoxFuture;
use kit::{Fault, Id, ProviderId, SellerId};
use proto::events::v1::envelope::Body;
use proto::events::v1::{ContactHandled, Envelope, StaffChanged, TicketNeedsWork};
use tenantdb::TenantTx;
use tenantdb::events::{Arrival, Handler};
use tenantdb::sellers;
use tenantdb::service::Deps;
use tracing::Instrument;

use crate::desk::Desks;
use crate::store::intake::{Handed, Note, Told, Why};
use crate::store::{agents, contacts, intake, policies};
use engine::agent::Profile;
use engine::contact::{Contact, NewContact};
use engine::ids::{AgentId, At, ContactId, TicketId};
use engine::needs::{Channel, Channels, FULL_UNITS, Language, Level, Needs, Priority};
use engine::policy::Policy;
use engine::skills::Ruled;

/// Applies events.
pub struct Listener {
    deps: Deps,
    desks: Desks,
}

impl Listener {
    pub fn new(deps: Deps, desks: Desks) -> Listener {
        Listener { deps, desks }
    }

    /// Stores the contacts of some events of one seller together, then leaves their notes in order.
    async fn hear(&self, tx: &mut TenantTx, events: &[&Envelope]) -> Result<(), Fault> {
        let mut policy: Option<Policy> = None;
        let now = At::of(tx.now());
        let mut new: Vec<NewContact> = Vec::new();
        let mut notes: Vec<Note> = Vec::with_capacity(events.len());
        for event in events {
            let told = match &event.body {
                Some(Body::TicketNeedsWork(work)) => {
                    let seller = tx.seller()?;
                    if policy.is_none() {
                        let stored = policies::of_seller(tx, seller).await?;
                        policy = Some(stored.map(|stored| stored.policy).unwrap_or_default());
                    }
                    let contact = contact_of(seller, work, policy.as_ref().unwrap_or(&Policy::default()), now)?;
                    new.push(contact.clone());
                    let note = |new, why| Told::Contact(Box::new(Handed { new, why }));
                    if work.changed {
                        let told = note(contact.clone(), Why::Changed);
                        notes.push(Note { id: self.deps.clock.new_uuid(), told });
                    }
                    (work.wrote_again || !work.changed).then(|| note(contact, Why::HandedIn))
                }
                Some(Body::TicketWorkWithdrawn(gone)) => Some(Told::Withdrawn {
                    seller: Some(tx.seller()?),
                    contact: ContactId::parse("contact_id", &gone.contact_id)?,
                    reason: gone.reason.chars().take(64).collect(),
                }),
                Some(Body::ContactHandled(handled)) => handled_note(tx.seller()?, handled)?,
                Some(Body::StaffChanged(staff)) => self.staff(tx, staff).await?,
                Some(Body::SellerChanged(_)) => Some(Told::Seller(tx.seller()?)),
                Some(Body::SellerErasureRequested(request)) => {
                    Some(Told::Erasure { seller: tx.seller()?, erasure: request.erasure_id.clone() })
                }
                _ => None,
            };
            notes.extend(told.map(|told| Note { id: self.deps.clock.new_uuid(), told }));
        }
        let opened: Vec<Contact> = new.into_iter().map(|new| Contact::open(new, now)).collect();
        contacts::hand_in_unless_known(tx, &opened);
        intake::leave(tx, &notes);
        Ok(())
    }

    async fn staff(&self, tx: &mut TenantTx, staff: &StaffChanged) -> Result<Option<Told>, Fault> {
        let profile = profile_of(staff)?;
        let agent = profile.agent;
        Ok(agents::keep(tx, &profile, &staff.time_zone).await?.then_some(Told::Agent(agent)))
    }
}

impl Handler for Listener {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "seller_changed",
            "seller_erasure_requested",
            "staff_changed",
            "ticket_needs_work",
            "ticket_work_withdrawn",
            "contact_handled",
        ]
    }

    /// The seller may have been created a moment ago, and its own event may still be on its way.
    fn prepare<'a>(&'a self, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            if let (Some(Body::TicketNeedsWork(_)), Some(scope)) = (&event.body, sellers::scope_of_envelope(event)) {
                self.deps.terms.of(&self.deps.db, &self.deps.calls, None, &scope).await?;
            }
            Ok(())
        })
    }

    fn apply<'a>(&'a self, tx: &'a mut TenantTx, event: &'a Envelope) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { self.hear(tx, &[event]).await })
    }

    fn apply_all<'a>(&'a self, tx: &'a mut TenantTx, run: &'a [Arrival]) -> BoxFuture<'a, Result<(), Fault>> {
        let span = run.first().map_or_else(tracing::Span::none, |first| first.span.clone());
        let all = async move { self.hear(tx, &run.iter().map(|arrival| &arrival.event).collect::<Vec<_>>()).await };
        Box::pin(all.instrument(span))
    }

    fn applied(&self, event: &Envelope) {
        if let Some(provider) = kit::ids::decode(ProviderId::PREFIX, &event.provider_id) {
            self.desks.wake(ProviderId(provider));
        }
    }
}

/// The contact that a ticket asks for. What cannot be understood of it does not
/// stop the customer from being answered: an unknown language is "und".
fn contact_of(seller: SellerId, work: &TicketNeedsWork, policy: &Policy, now: At) -> Result<NewContact, Fault> {
    let instant = |at: &Option<prost_types::Timestamp>| at.as_ref().and_then(kit::wire::instant).map(At::of);
    let channel = work.channel.parse::<Channel>().map_err(|e| Fault::invalid("channel", e.to_string()))?;
    let ruled = Ruled {
        marketplace: work.marketplace.trim().to_lowercase(),
        country: work.country.trim().to_uppercase(),
        kind: work.kind.clone(),
        skills: work.skills.iter().map(|skill| skill.to_lowercase()).collect(),
    };
    let (required, preferred) = ruled.asks(channel, &policy.skill_rules);
    // Told at every change: without a promise it must be the same each time.
    let waiting_since = instant(&work.waiting_since).map_or(now, |since| since.min(now));
    let due_at = instant(&work.due_at).unwrap_or_else(|| waiting_since.plus_seconds(policy.default_due_seconds));
    Ok(NewContact {
        id: ContactId::parse("contact_id", &work.contact_id)?,
        seller,
        ticket: TicketId::parse_optional("ticket_id", &work.ticket_id)?,
        number: work.ticket_number.chars().take(32).collect(),
        needs: Needs {
            channel,
            language: Language::parse(&work.language).unwrap_or_else(|_| Language::unknown()),
            minimum_level: policy.minimum_level,
            level_of_policy: true,
            required,
            preferred,
            ruled: Some(ruled),
        },
        priority: work.priority.parse().unwrap_or(Priority::Normal),
        waiting_since,
        due_at,
        preferred: AgentId::parse_optional("last_user_id", &work.last_user_id)?,
    })
}

fn handled_note(seller: SellerId, handled: &ContactHandled) -> Result<Option<Told>, Fault> {
    if handled.historical {
        return Ok(None);
    }
    Ok(Some(Told::Handled {
        seller: Some(seller),
        contact: ContactId::parse("contact_id", &handled.contact_id)?,
        agent: AgentId::parse_optional("user_id", &handled.user_id)?,
    }))
}

fn profile_of(staff: &StaffChanged) -> Result<Profile, Fault> {
    let takes_contacts = staff.roles.iter().any(|role| role == "agent" || role == "supervisor");
    let mut profile = Profile::new(AgentId::parse("user_id", &staff.user_id)?);
    profile.revision = staff.revision;
    profile.name.clone_from(&staff.display_name);
    profile.active = staff.active && takes_contacts;
    profile.site.clone_from(&staff.site);
    profile.skills = staff.skills.iter().map(|skill| skill.to_lowercase()).collect();
    profile.capacity = match u32::try_from(staff.capacity_units) {
        Ok(0) | Err(_) => FULL_UNITS,
        Ok(units) => units.min(FULL_UNITS),
    };
    profile.channels = channels_of(staff, profile.capacity);
    for seller in &staff.seller_ids {
        profile.sellers.insert(SellerId::parse("seller_ids", seller)?);
    }
    for spoken in &staff.languages {
        // A language we cannot read grants nothing; of two entries the better one counts.
        if let (Ok(language), Ok(level)) = (Language::parse(&spoken.language), spoken.level.parse::<Level>())
            && !language.is_unknown()
        {
            let best = profile.languages.entry(language).or_insert(level);
            *best = level.max(*best);
        }
    }
    for certification in &staff.certifications {
        let seller = SellerId::parse("certifications", &certification.seller_id)?;
        // An end that cannot be read has passed: what cannot be evaluated denies.
        let until = certification.valid_until.as_ref().map(|at| kit::wire::instant(at).map_or(At(0), At::of));
        profile.certifications.insert(seller, until);
    }
    Ok(profile)
}

/// The channels that somebody may serve and of which a contact fits what she can have at once; a word that is not
/// known grants nothing.
fn channels_of(staff: &StaffChanged, capacity: u32) -> Channels {
    let granted = if staff.channels.is_empty() {
        Channels::ALL
    } else {
        staff.channels.iter().filter_map(|word| word.parse().ok()).fold(Channels::NONE, Channels::with)
    };
    granted.iter().filter(|channel| channel.units() <= capacity).fold(Channels::NONE, Channels::with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::skills::SkillRule;
    use proto::events::v1::{Certification, LanguageSkill};
    use uuid::Uuid;

    fn user() -> String {
        AgentId(Uuid::from_u128(5)).to_string()
    }

    #[test]
    fn only_active_agents_and_supervisors_take_contacts() {
        for (roles, active, takes) in [
            (vec!["agent"], true, true),
            (vec!["supervisor", "planner"], true, true),
            (vec!["planner"], true, false),
            (vec!["agent"], false, false),
        ] {
            let staff = StaffChanged {
                user_id: user(),
                roles: roles.iter().map(|r| (*r).to_owned()).collect(),
                active,
                ..StaffChanged::default()
            };
            assert_eq!(profile_of(&staff).expect("a profile").active, takes, "{roles:?} {active}");
        }
    }

    #[test]
    fn a_certification_whose_end_cannot_be_read_has_ended() {
        let seller = SellerId(Uuid::from_u128(9));
        let unreadable = prost_types::Timestamp { seconds: i64::MAX, nanos: 7 };
        let staff = StaffChanged {
            user_id: user(),
            certifications: vec![Certification { seller_id: seller.to_string(), valid_until: Some(unreadable) }],
            languages: vec![
                LanguageSkill { language: "it-CH".to_owned(), level: "b2".to_owned() },
                LanguageSkill { language: "it".to_owned(), level: "native".to_owned() },
                LanguageSkill { language: "it".to_owned(), level: "excellent".to_owned() },
            ],
            ..StaffChanged::default()
        };
        let profile = profile_of(&staff).expect("a profile");
        assert_eq!(profile.certifications[&seller], Some(At(0)));
        assert_eq!(profile.languages.into_values().collect::<Vec<_>>(), [Level::Native]);
    }

    #[test]
    fn channels_of_which_not_even_one_contact_fits_are_not_served() {
        let of = |channels: &[&str], capacity_units| {
            let channels = channels.iter().map(|word| (*word).to_owned()).collect();
            let staff = StaffChanged { user_id: user(), channels, capacity_units, ..StaffChanged::default() };
            let profile = profile_of(&staff).expect("a profile");
            (profile.channels.iter().map(Channel::word).collect::<Vec<_>>(), profile.capacity)
        };
        assert_eq!(of(&[], 0), (Channel::ALL.map(Channel::word).to_vec(), FULL_UNITS));
        assert_eq!(of(&["email", "phone", "fax"], 40), (vec!["email"], 40));
        assert_eq!(of(&["chat"], 20), (vec!["chat"], 20));
        assert_eq!(of(&["chat"], 19), (vec![], 19), "not all channels, but none");
        assert_eq!(of(&["fax"], 900), (vec![], FULL_UNITS));
    }

    #[test]
    fn rules_of_the_policy_say_what_agents_must_know() {
        let rule = SkillRule {
            kinds: ["return".to_owned()].into(),
            countries: ["IT".to_owned()].into(),
            required: ["returns".to_owned()].into(),
            preferred: ["fashion".to_owned()].into(),
            ..SkillRule::default()
        };
        let policy = Policy { skill_rules: vec![rule], ..Policy::default() };
        let work = TicketNeedsWork {
            contact_id: ContactId(Uuid::from_u128(1)).to_string(),
            channel: "marketplace".to_owned(),
            marketplace: "eBay".to_owned(),
            country: "it".to_owned(),
            kind: "return".to_owned(),
            ..TicketNeedsWork::default()
        };
        let needs = |work: &TicketNeedsWork| {
            let now = At::of(jiff::Timestamp::UNIX_EPOCH);
            let contact = contact_of(SellerId(Uuid::from_u128(2)), work, &policy, now).expect("a contact");
            (Vec::from_iter(contact.needs.required), Vec::from_iter(contact.needs.preferred))
        };
        assert_eq!(needs(&work), (vec!["returns".to_owned()], vec!["ebay".to_owned(), "fashion".to_owned()]));
        let own = TicketNeedsWork { skills: vec!["jewellery".to_owned(), "fashion".to_owned()], ..work.clone() };
        let all = ["fashion", "jewellery", "returns"].map(str::to_owned);
        assert_eq!(needs(&own), (all.to_vec(), vec!["ebay".to_owned()]), "what is required is not preferred as well");
        let question = TicketNeedsWork { kind: "question".to_owned(), ..work };
        assert_eq!(needs(&question), (vec![], vec!["ebay".to_owned()]));
    }

    #[test]
    fn work_without_a_promise_is_due_at_the_same_time_however_often_it_is_told() {
        let since = jiff::Timestamp::UNIX_EPOCH;
        let mut work = TicketNeedsWork {
            contact_id: ContactId(Uuid::from_u128(1)).to_string(),
            channel: "email".to_owned(),
            waiting_since: Some(kit::wire::timestamp(since)),
            ..TicketNeedsWork::default()
        };
        let policy = Policy { default_due_seconds: 3_600, ..Policy::default() };
        let due = |work: &TicketNeedsWork, seconds| {
            let now = At::of(since).plus_seconds(seconds);
            contact_of(SellerId(Uuid::from_u128(2)), work, &policy, now).expect("a contact").due_at
        };
        assert_eq!([due(&work, 1), due(&work, 600)], [At::of(since).plus_seconds(3_600); 2]);
        let promised = since.checked_add(jiff::SignedDuration::from_mins(5)).expect("an instant");
        work.due_at = Some(kit::wire::timestamp(promised));
        assert_eq!(due(&work, 600), At::of(promised), "a promise counts");
    }

    #[test]
    fn a_ticket_in_no_known_language_still_becomes_a_contact() {
        let work = TicketNeedsWork {
            contact_id: ContactId(Uuid::from_u128(1)).to_string(),
            channel: "marketplace".to_owned(),
            language: "??".to_owned(),
            marketplace: "Amazon".to_owned(),
            ..TicketNeedsWork::default()
        };
        let now = At::of(jiff::Timestamp::UNIX_EPOCH);
        let contact = contact_of(SellerId(Uuid::from_u128(2)), &work, &Policy::default(), now).expect("a contact");
        assert!(contact.needs.language.is_unknown());
        assert!(contact.needs.preferred.contains("amazon"));
        assert_eq!(contact.due_at, now.plus_seconds(86_400));
        let fax = TicketNeedsWork { channel: "fax".to_owned(), ..work };
        assert!(contact_of(SellerId(Uuid::from_u128(2)), &fax, &Policy::default(), now).is_err());
    }
}
