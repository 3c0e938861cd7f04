//! Sellers with their policies, and the contacts that come.

use std::collections::BTreeSet;

use engine::needs::{Channel, Language, Level, Priority};
use engine::policy::{AgentOrder, Policy};

use super::checks::{Checks, channel_words, level_words};
use super::{Arrivals, Coming, Horizon, Retry, Type};
use crate::scenario::{self, ContactType, PolicyPart, Scenario, Turned};

/// A promise that is never late: contacts go in the order in which they come.
const NO_PROMISE: f64 = 30.0 * 86_400.0;
/// A wait that nobody reaches.
const NO_MAXIMUM: f64 = 3_650.0 * 86_400.0;

/// What is said of a stretch that never comes to be.
const ENDS_BEFORE: &str = "must end after it begins: a time of day is the first such after horizon.start, a later one is \
                           written as a length of time (\"26 h\")";

/// A language for a type that names none: of those that ISO 639 keeps free.
fn own_language(number: usize) -> Language {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let tag: String = ['q', letter(number / 26), letter(number)].into_iter().collect();
    Language::parse(&tag).unwrap_or_else(|_| Language::unknown())
}

/// The skill of those who serve a type by its name.
pub(super) fn serving(kind: &str) -> String {
    format!("serves {kind}")
}

/// Sellers with their policies and promises, in the order of their names.
pub(super) fn sellers(checks: &mut Checks, scenario: &Scenario) -> Vec<(String, Policy, f64)> {
    let named: BTreeSet<&str> = scenario.contact.iter().map(|c| c.seller.as_deref().unwrap_or(&c.name)).collect();
    for name in scenario.seller.keys() {
        checks.require(named.contains(name.as_str()), format!("seller.{name}"), "no [[contact]] is of this seller");
    }
    let nothing = PolicyPart::default();
    named
        .into_iter()
        .map(|name| {
            let own = scenario.seller.get(name).unwrap_or(&nothing);
            let place = |key: &str| format!("seller.{name}.{key}");
            let all = &scenario.policy;
            let seconds = |span: Option<crate::units::Span>, otherwise: f64| span.map_or(otherwise, |s| s.0);
            let whole = |checks: &mut Checks, key: &str, n: f64| {
                checks.require(n.fract() == 0.0 && n <= 1e12, place(key), "must be whole seconds");
                n as i64
            };
            let level = own.minimum_level.as_ref().or(all.minimum_level.as_ref());
            let promise = seconds(own.promise.or(all.promise), NO_PROMISE);
            let policy = Policy {
                minimum_level: level
                    .map_or(Level::B2, |word| checks.word(place("minimum_level"), word, Level::B2, &level_words())),
                preferred_skills_seconds: whole(
                    checks,
                    "preferred_skills",
                    seconds(own.preferred_skills.or(all.preferred_skills), 120.0),
                ),
                maximum_wait_seconds: whole(
                    checks,
                    "maximum_wait",
                    seconds(own.maximum_wait.or(all.maximum_wait), NO_MAXIMUM),
                ),
                expire_seconds: whole(checks, "expire", seconds(own.expire.or(all.expire), 0.0)),
                native_seconds: whole(checks, "native", seconds(own.native.or(all.native), 0.0)),
                home_sites: own
                    .home_sites
                    .as_ref()
                    .or(all.home_sites.as_ref())
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
                overflow_seconds: whole(checks, "overflow", seconds(own.overflow.or(all.overflow), 300.0)),
                opening_hold_seconds: whole(
                    checks,
                    "opening_hold",
                    seconds(own.opening_hold.or(all.opening_hold), 0.0),
                ),
                overflow_before_due_seconds: whole(
                    checks,
                    "overflow_before_due",
                    seconds(own.overflow_before_due.or(all.overflow_before_due), 900.0),
                ),
                floor: own.floor.or(all.floor).unwrap_or(0),
                ceiling: own.ceiling.or(all.ceiling).unwrap_or(0),
                weight: own.weight.or(all.weight).unwrap_or(0),
                weight_window_seconds: whole(
                    checks,
                    "weight_window",
                    seconds(own.weight_window.or(all.weight_window), 900.0),
                ),
                idle_reserve: own.idle_reserve.or(all.idle_reserve).unwrap_or(0),
                late_share_percent: own.late_share_percent.or(all.late_share_percent).unwrap_or(20),
                agent_order: match own.agent_order.or(all.agent_order) {
                    Some(scenario::AgentOrder::LongestIdle) => AgentOrder::LongestIdle,
                    Some(scenario::AgentOrder::LeastFlexible) | None => AgentOrder::LeastFlexible,
                },
                primary_first: own.primary_first.or(all.primary_first).unwrap_or(false),
                ..Policy::default()
            };
            // The product's bounds hold, but for times that a scenario leaves open.
            let judged = Policy {
                maximum_wait_seconds: policy.maximum_wait_seconds.clamp(60, 2_592_000),
                expire_seconds: 0,
                ..policy.clone()
            };
            for wrong in judged.check() {
                checks.refuse(place(&wrong.field), wrong.problem);
            }
            (name.to_owned(), policy, promise)
        })
        .collect()
}

pub(super) fn contact_type(
    checks: &mut Checks,
    scenario: &Scenario,
    horizon: &Horizon,
    written: &ContactType,
    number: usize,
    (seller, (_, policy, promise)): (usize, &(String, Policy, f64)),
) -> Type {
    let place = |key: &str| format!("contact \"{}\".{key}", written.name);
    let language = match &written.language {
        None => own_language(number),
        Some(tag) => Language::parse(tag).unwrap_or_else(|_| {
            checks.refuse(place("language"), format!("\"{tag}\" is no language tag"));
            Language::unknown()
        }),
    };
    checks.probability(place("balk"), written.balk);
    let retry = written.retry.as_ref().map(|retry| {
        checks.probability(place("retry.probability"), retry.probability);
        Retry {
            probability: retry.probability,
            after: checks.ending(place("retry.after"), &retry.after),
            blocked: retry.when.contains(&Turned::Blocked),
            balked: retry.when.contains(&Turned::Balked),
            abandoned: retry.when.contains(&Turned::Abandoned),
            most: retry.most,
        }
    });
    Type {
        name: written.name.clone(),
        seller,
        language,
        channel: checks.word(place("channel"), &written.channel, Channel::Phone, &channel_words()),
        priority: checks.word(place("priority"), &written.priority, Priority::Normal, "urgent, high, normal, low"),
        // A language of the type's own is spoken by those who serve it, however well.
        minimum_level: if written.language.is_some() { policy.minimum_level } else { Level::A1 },
        required: written.skills.iter().cloned().collect(),
        preferred: written.preferred_skills.iter().cloned().collect(),
        arrivals: arrivals(checks, horizon, written),
        handling: checks.ending(place("handling"), &written.handling),
        patience: written.patience.as_ref().map(|dist| checks.sampler(place("patience"), dist)),
        balk: written.balk,
        waiting_places: written.waiting_places.unwrap_or(u32::MAX),
        retry,
        answer_within: written.answer_within.unwrap_or(scenario.answer_within).0,
        promise: written.promise.map_or(*promise, |span| span.0),
    }
}

pub(super) fn arrivals(checks: &mut Checks, horizon: &Horizon, contact: &ContactType) -> Arrivals {
    let place = |key: &str| format!("contact \"{}\".arrivals{key}", contact.name);
    let written = &contact.arrivals;
    let start = horizon.midnight_to_start;
    let ways = [written.rate.is_some(), written.rates.is_some(), written.gaps.is_some(), written.at.is_some()];
    checks.require(
        ways.iter().filter(|way| **way).count() == 1,
        place(""),
        "there must be exactly one of rate, rates, gaps and at",
    );
    checks.require(
        written.every.is_some() == written.rates.is_some(),
        place(".every"),
        "stands beside rates, and only there: how long each rate holds",
    );
    let kind = if let Some(rates) = &written.rates {
        let every = written.every.map_or(horizon.day, |span| span.0);
        checks.require(every > 0.0, place(".every"), "must be more than 0");
        checks.require(!rates.is_empty(), place(".rates"), "must not be empty");
        checks.require(
            every * rates.len() as f64 <= horizon.day + 1e-6,
            place(".rates"),
            "are more than a day's (horizon.day)",
        );
        Coming::Rates(rates.iter().map(|rate| rate.0).collect(), every)
    } else if let Some(gaps) = &written.gaps {
        let unfit = written.day_factor.is_some() || !written.day_factors.is_empty() || !written.surges.is_empty();
        checks.require(!unfit, place(".gaps"), "cannot be changed by surges and factors of the day");
        checks.require(!gaps.is_always_zero(), place(".gaps"), "must be more than 0");
        Coming::Gaps(checks.sampler(place(".gaps"), gaps))
    } else if let Some(moments) = &written.at {
        let mut moments: Vec<f64> = moments.iter().map(|moment| moment.after_start(start)).collect();
        moments.sort_by(f64::total_cmp);
        Coming::At(moments)
    } else {
        Coming::Rate(written.rate.map_or(0.0, |rate| rate.0))
    };
    let surges = written.surges.iter().map(|surge| {
        checks.require(surge.factor.is_finite() && surge.factor >= 0.0, place(".surges"), "must not be negative");
        let (from, to) = (surge.from.after_start(start), surge.to.end_after_start(start));
        checks.require(from < to, place(".surges"), ENDS_BEFORE);
        (from, to, surge.factor)
    });
    let surges = surges.collect();
    let from = written.from.map_or(0.0, |moment| moment.after_start(start));
    let until = written.until.map_or(f64::INFINITY, |moment| moment.end_after_start(start));
    checks.require(from < until, place(".until"), ENDS_BEFORE);
    checks.factors(place(".day_factors"), &written.day_factors);
    Arrivals {
        kind,
        from,
        until,
        surges,
        batch: written.batch.as_ref().map(|dist| checks.ending(place(".batch"), dist)),
        day_factor: written.day_factor.as_ref().map(|dist| checks.ending(place(".day_factor"), dist)),
        day_factors: written.day_factors.clone(),
    }
}
