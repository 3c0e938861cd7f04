//! Triggers: kept, listed, tried on the past.

use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use proto::tickets::v1::condition::Test as Named;

use super::actions::{self, By, is_template_key};
use super::{Api, fields, sees_all, wire};
use crate::domain::field::{is_key, is_tag};
use crate::domain::ids::{SellerId, TriggerId};
use crate::domain::intake::kind::MessageKind;
use crate::domain::settings::CHANNELS;
use crate::domain::ticket::{Priority, State};
use crate::domain::trigger::{About, Rule, TRIGGERS_LIMIT, Test, Trigger, When};
use crate::store;
use crate::store::triggers::Kept;

/// Tickets that a trial looks at, and that it shows.
const TRIED: i64 = 500;
const SHOWN: usize = 50;

/// A seller has only so many.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a seller has at most {TRIGGERS_LIMIT} triggers")]
pub struct TooMany;

impl Api {
    pub(super) async fn put_trigger(
        &self,
        caller: &Caller,
        request: pb::PutTriggerRequest,
    ) -> Result<pb::PutTriggerResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.require(is_template_key(&request.key), "key", "must have 1 to 64 of a-z, 0-9, - and _");
        let name = checks.line("name", &request.name, 1..=100);
        checks.range("position", request.position.into(), 0..=1_000);
        let rule = rule(&mut checks, request.rule.as_ref());
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutTrigger", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let before = store::triggers::one(&mut tx, &request.key, None).await?;
        fields::matches(&request.etag, before.as_ref().map_or(0, |before| before.revision))?;
        let is_active = before.as_ref().is_some_and(|before| before.active);
        if !is_active && TRIGGERS_LIMIT <= store::triggers::all(&mut tx, seller.0, false).await?.len() {
            return Err(TooMany.into());
        }
        let kept = Kept {
            trigger: Trigger {
                id: before.as_ref().map_or_else(|| self.desk.deps.clock.new_id(), |before| before.trigger.id),
                key: request.key.clone(),
                version: before.as_ref().map_or(1, |before| before.trigger.version + 1),
                rule,
            },
            name,
            position: request.position,
            active: true,
            fired: before.as_ref().map_or(0, |before| before.fired),
            updated_at: tx.now(),
            revision: before.as_ref().map_or(1, |before| before.revision + 1),
        };
        store::triggers::keep(&mut tx, &kept, caller.user(), true).await?;
        let response = pb::PutTriggerResponse { trigger: Some(shown(seller, &kept)) };
        tx.commit_with(&response).await?;
        self.desk.forget_triggers(scope.provider_id(), seller);
        Ok(response)
    }

    pub(super) async fn retire_trigger(
        &self,
        caller: &Caller,
        request: pb::RetireTriggerRequest,
    ) -> Result<pb::RetireTriggerResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: TriggerId = checks.id("trigger_id", &request.trigger_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "RetireTrigger", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let found = store::triggers::one(&mut tx, "", Some(id)).await?;
        let mut kept = found.ok_or(Fault::NotFound("trigger"))?;
        fields::matches(&request.etag, kept.revision)?;
        if kept.active {
            kept.active = false;
            kept.revision += 1;
            store::triggers::keep(&mut tx, &kept, caller.user(), false).await?;
        }
        let response = pb::RetireTriggerResponse { trigger: Some(shown(tx.seller()?, &kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_triggers(
        &self,
        caller: &Caller,
        request: pb::ListTriggersRequest,
    ) -> Result<pb::ListTriggersResponse, Fault> {
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?;
        let all = store::triggers::all(&mut tx, seller.0, request.include_retired).await?;
        Ok(pb::ListTriggersResponse { triggers: all.iter().map(|kept| shown(seller, kept)).collect() })
    }

    pub(super) async fn dry_run_trigger(
        &self,
        caller: &Caller,
        request: pb::DryRunTriggerRequest,
    ) -> Result<pb::DryRunTriggerResponse, Fault> {
        let mut checks = Checks::new();
        let rule = rule(&mut checks, request.rule.as_ref());
        let since = checks.instant("since", request.since.as_ref());
        let until = checks.instant("until", request.until.as_ref());
        checks.require(since < until, "until", "must lie after since");
        checks.finish()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?;
        let mut begun = store::triggers::begun(&mut tx, seller.0, since, until, TRIED + 1).await?;
        let tried = usize::try_from(TRIED).unwrap_or(usize::MAX);
        let more = tried < begun.len();
        begun.truncate(tried);
        let ids: Vec<_> = begun.iter().map(|(id, _)| *id).collect();
        let tickets = store::extras::tickets(&mut tx, &ids).await?;
        let tickets = tickets.into_iter().map(|of| of.value).collect();
        let dossiers = store::load::dossiers(&mut tx, tickets).await?;
        let mut extras = store::extras::of_all(&mut tx, &ids).await?;
        let all = sees_all(caller);
        let (mut matched, mut shown) = (0, Vec::new());
        for (id, text) in &begun {
            let Some(dossier) = dossiers.iter().find(|dossier| dossier.ticket.id.0 == *id) else { continue };
            let carried = extras.remove(id).unwrap_or_default();
            let about = About { ticket: &dossier.ticket, extras: &carried, text };
            if rule.is_due(&dossier.facts) && rule.holds(&about) {
                matched += 1;
                if shown.len() < SHOWN {
                    shown.push(wire::ticket(seller, &dossier.ticket, all));
                }
            }
        }
        let looked_at = i32::try_from(begun.len()).unwrap_or(i32::MAX);
        Ok(pb::DryRunTriggerResponse { looked_at, matched, tickets: shown, more })
    }
}

fn rule(checks: &mut Checks, given: Option<&pb::TriggerRule>) -> Rule {
    let none = Rule { when: vec![], all: vec![], any: vec![], catch_all: false, then: vec![] };
    let Some(given) = given else {
        checks.refuse("rule", "must be given");
        return none;
    };
    checks.count("rule.when", given.when.len(), 1..=10);
    checks.count("rule.all", given.all.len(), 0..=20);
    checks.count("rule.any", given.any.len(), 0..=20);
    checks.count("rule.then", given.then.len(), 1..=10);
    let mut when = Vec::new();
    for (index, word) in given.when.iter().enumerate().take(10) {
        match When::named(word) {
            Some(known) => when.push(known),
            None => checks.refuse(format!("rule.when[{index}]"), "must be something that happens"),
        }
    }
    let mut tests = |field: &str, list: &[pb::Condition]| -> Vec<Test> {
        let mut read = Vec::new();
        for (index, condition) in list.iter().enumerate().take(20) {
            let at = format!("{field}[{index}]");
            match condition.test.as_ref().and_then(test) {
                Some(test) => read.push(test),
                None => checks.refuse(at, "must say what holds, with 1 to 50 values that fit"),
            }
        }
        read
    };
    let (all, any) = (tests("rule.all", &given.all), tests("rule.any", &given.any));
    let then = actions::read(checks, "rule.then", &given.then, By::Triggers);
    Rule { when, all, any, catch_all: given.catch_all, then }
}

fn test(named: &Named) -> Option<Test> {
    let words = |words: &pb::Words, fits: &dyn Fn(&str) -> bool| {
        let count = (1..=50).contains(&words.values.len());
        let all = words
            .values
            .iter()
            .all(|word| (1..=200).contains(&word.trim().chars().count()) && !word.contains('\0') && fits(word));
        (count && all).then(|| words.values.clone())
    };
    let any = |_: &str| true;
    Some(match named {
        Named::Channel(given) => Test::Channel(words(given, &|word| CHANNELS.contains(&word))?),
        Named::Marketplace(given) => Test::Marketplace(words(given, &any)?),
        Named::Country(given) => {
            Test::Country(words(given, &|word| word.len() == 2 && word.bytes().all(|b| b.is_ascii_uppercase()))?)
        }
        Named::Language(given) => Test::Language(words(given, &any)?),
        Named::MessageKind(given) => Test::MessageKind(words(given, &|word| MessageKind::named(word).is_some())?),
        Named::Priority(given) => {
            let given = words(given, &|word| Priority::named(word).is_some())?;
            Test::Priority(given.iter().filter_map(|word| Priority::named(word)).collect())
        }
        Named::State(given) => {
            let given = words(given, &|word| State::named(word).is_some())?;
            Test::State(given.iter().filter_map(|word| State::named(word)).collect())
        }
        Named::Tag(given) => Test::Tag(words(given, &is_tag)?),
        Named::NoTag(given) => Test::NoTag(words(given, &is_tag)?),
        Named::Field(field) => {
            let fits = is_key(&field.key) && (1..=1_000).contains(&field.value.trim().len());
            fits.then(|| Test::Field { key: field.key.clone(), value: field.value.clone() })?
        }
        Named::SubjectHas(given) => Test::SubjectHas(words(given, &any)?),
        Named::TextHas(given) => Test::TextHas(words(given, &any)?),
    })
}

fn shown(seller: SellerId, kept: &Kept) -> pb::Trigger {
    let trigger = &kept.trigger;
    pb::Trigger {
        id: trigger.id.to_string(),
        seller_id: seller.to_string(),
        key: trigger.key.clone(),
        name: kept.name.clone(),
        position: kept.position,
        rule: Some(pb::TriggerRule {
            when: trigger.rule.when.iter().map(|when| when.name().to_owned()).collect(),
            all: trigger.rule.all.iter().map(condition).collect(),
            any: trigger.rule.any.iter().map(condition).collect(),
            catch_all: trigger.rule.catch_all,
            then: trigger.rule.then.iter().map(actions::shown).collect(),
        }),
        version: trigger.version,
        active: kept.active,
        fired_count: kept.fired,
        updated_at: Some(kit::wire::timestamp(kept.updated_at)),
        etag: kit::wire::etag(kept.revision),
    }
}

fn condition(test: &Test) -> pb::Condition {
    let words = |values: &[String]| pb::Words { values: values.to_vec() };
    let named = match test {
        Test::Channel(values) => Named::Channel(words(values)),
        Test::Marketplace(values) => Named::Marketplace(words(values)),
        Test::Country(values) => Named::Country(words(values)),
        Test::Language(values) => Named::Language(words(values)),
        Test::MessageKind(values) => Named::MessageKind(words(values)),
        Test::Priority(list) => {
            Named::Priority(pb::Words { values: list.iter().map(|one| one.name().to_owned()).collect() })
        }
        Test::State(list) => Named::State(pb::Words { values: list.iter().map(|one| one.name().to_owned()).collect() }),
        Test::Tag(values) => Named::Tag(words(values)),
        Test::NoTag(values) => Named::NoTag(words(values)),
        Test::Field { key, value } => Named::Field(pb::FieldValue { key: key.clone(), value: value.clone() }),
        Test::SubjectHas(values) => Named::SubjectHas(words(values)),
        Test::TextHas(values) => Named::TextHas(words(values)),
    };
    pb::Condition { test: Some(named) }
}
