//! Items, expiry, monotony.

use super::super::profile::{LegalEntity, Store};
use super::super::sla::Target;
use super::*;
use proptest::prelude::*;

pub fn now() -> Timestamp {
    "2026-03-10T12:00:00Z".parse().expect("an instant")
}

/// Facts with which every item is done.
pub fn complete_facts() -> Facts {
    Facts {
        profile: Profile {
            name: "Masque Noir".into(),
            ticket_prefix: "MAS".into(),
            legal: LegalEntity {
                legal_name: "Masque Noir S.r.l.".into(),
                street: "Via Dante 1".into(),
                postal_code: "20121".into(),
                city: "Milano".into(),
                country: "IT".into(),
                vat_id: "IT00743110157".into(),
                ..LegalEntity::default()
            },
            brands: vec!["Masque Noir".into()],
            languages: vec!["it".into(), "pt-BR".into()],
            countries: vec!["IT".into()],
            stores: vec![Store { marketplace: "amazon".into(), country: "IT".into(), store_id: "A1".into() }],
            product_groups: vec!["footwear".into()],
            currency: "EUR".into(),
            time_zone: "Europe/Rome".into(),
            certification_required: true,
        },
        accounts: vec![ChannelAccount {
            channel: "marketplace".into(),
            address: "masque".into(),
            marketplace: "amazon".into(),
            country: "IT".into(),
            store_id: "A1".into(),
            active: true,
        }],
        calendars: vec!["office".into()],
        policy: Some(SlaPolicy {
            targets: vec![Target {
                metric: "first_response".into(),
                target_seconds: 3600,
                calendar: "office".into(),
                ..Target::default()
            }],
            ..SlaPolicy::default()
        }),
        contact_roles: vec![vec!["primary".into()]],
        escalated: vec!["urgent".into()],
        papers: vec![
            PaperFact {
                sha256: "a".into(),
                kind: "processing_agreement".into(),
                signed: Some(day()),
                valid_until: None,
            },
            PaperFact { sha256: "c".into(), kind: "contract".into(), signed: Some(day()), valid_until: None },
        ],
        agreement: Some("a".into()),
        templates: vec![
            TemplateFact { key: "general".into(), product_group: String::new() },
            TemplateFact { key: "shoes".into(), product_group: "footwear".into() },
            TemplateFact { key: "toys".into(), product_group: "toys".into() },
        ],
        approved: vec!["general".into(), "shoes".into()],
        agents: vec![AgentFact {
            languages: vec![("it".into(), "native".into()), ("pt".into(), "c1".into())],
            certified: true,
            certified_until: None,
        }],
        rate_plan: Some(day()),
        probe: Some(ProbeFact { at: now(), green: true }),
        voices: vec![("Masque Noir".into(), "it".into()), ("Masque Noir".into(), "pt-BR".into())],
    }
}

fn day() -> Date {
    jiff::civil::date(2026, 3, 1)
}

/// The facts of a given profile of which only the evidence of the set bits is there.
fn with_evidence(bits: u32) -> Facts {
    let mut facts = complete_facts();
    let has = |n: u32| bits & (1 << n) != 0;
    if !has(0) {
        facts.profile.legal.vat_id.clear();
    }
    if !has(1) {
        facts.contact_roles.clear();
    }
    if !has(2) {
        facts.escalated.clear();
    }
    if !has(3) {
        facts.accounts.clear();
    }
    if !has(4) {
        facts.profile.stores[0].store_id.clear();
    }
    if !has(5) {
        facts.calendars.clear();
    }
    if !has(6) {
        facts.policy = None;
    }
    if !has(7) {
        facts.papers.remove(0);
    }
    if !has(8) {
        facts.agreement = None;
    }
    if !has(9) {
        facts.approved.remove(0);
    }
    if !has(10) {
        facts.agents.clear();
    }
    if !has(11) {
        facts.rate_plan = None;
    }
    if !has(12) {
        facts.probe = None;
    }
    if !has(13) {
        facts.voices.pop();
    }
    if !has(14) {
        facts.approved.retain(|k| k != "shoes");
    }
    facts
}

fn done(facts: &Facts) -> Vec<&'static str> {
    derive(facts, now()).items.iter().filter(|i| i.done()).map(|i| i.name).collect()
}

#[test]
fn complete_facts_are_green_and_an_empty_seller_is_not() {
    let list = derive(&complete_facts(), now());
    assert!(list.ready(), "{list:?}");
    assert_eq!(list.green().map(|g| g.lines().len()), Ok(12));
    let empty = derive(&Facts::default(), now());
    assert!(!empty.ready());
    let open = empty.items.iter().filter(|i| i.required && !i.done()).count();
    // A seller without stores has nothing to show for marketplaces.
    assert_eq!(open, 11);
}

#[test]
fn evidence_expires() {
    let mut facts = complete_facts();
    facts.probe = Some(ProbeFact { at: now() - (30 * 24).hours(), green: true });
    assert!(!done(&facts).contains(&"isolation_probe"));
    facts.probe = Some(ProbeFact { at: now() - (30 * 24 - 1).hours(), green: true });
    assert!(done(&facts).contains(&"isolation_probe"));
    facts.agents[0].certified_until = Some(now());
    assert!(!done(&facts).contains(&"agents_certified"));
    facts.papers[0].valid_until = Some(jiff::civil::date(2026, 3, 9));
    assert!(!done(&facts).contains(&"data_protection"));
}

#[test]
fn a_new_language_needs_an_agent_and_a_new_store_an_account() {
    let mut facts = complete_facts();
    facts.profile.languages.push("de".into());
    facts.profile.stores.push(Store { marketplace: "ebay".into(), country: "DE".into(), store_id: "e".into() });
    let names = done(&facts);
    assert!(!names.contains(&"agents_certified") && !names.contains(&"marketplaces"));
}

#[test]
fn regions_are_told_apart_only_where_both_are_named() {
    assert!(serves("pt", "pt-BR") && serves("pt-BR", "pt") && serves("pt-BR", "pt-BR"));
    assert!(!serves("pt-PT", "pt-BR") && !serves("p", "pt"));
}

proptest! {
    #[test]
    fn adding_evidence_never_undoes_an_item(bits in 0u32..1 << 15, more in 0u32..1 << 15) {
        let before = done(&with_evidence(bits));
        let after = done(&with_evidence(bits | more));
        for item in before { prop_assert!(after.contains(&item), "{item} was undone"); }
    }

    #[test]
    fn green_exactly_when_every_required_bit_is_there(bits in 0u32..1 << 15) {
        let required = ((1 << 15) - 1) & !(1 << 13);
        let list = derive(&with_evidence(bits), now());
        prop_assert_eq!(list.green().is_ok(), bits & required == required);
        prop_assert_eq!(list.green().is_ok(), list.ready());
    }
}
