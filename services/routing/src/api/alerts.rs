//! What needs somebody's eye: contacts that nobody can take, and alerts.

use kit::{Caller, Checks, Fault, SellerId};
use proto::routing::v1 as wire;

use super::Api;
use super::policies::differences;
use crate::store::actions::{self, Action};
use crate::store::alerts::{self, Alert, AlertId};
use crate::store::contacts;
use crate::store::intake::{self, Note, Told};
use crate::wire::{self as out, View};
use engine::Step;
use engine::floor::AlertPolicy;
use engine::floor::alerts::Kind;
use engine::ids::{At, ContactId};

/// The longest time that an alert waits before it is raised.
const LONGEST_SECONDS: i64 = 604_800;

impl Api {
    pub(super) async fn blocked_contacts(
        &self,
        caller: &Caller,
        request: wire::ListBlockedContactsRequest,
    ) -> Result<wire::ListBlockedContactsResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let page = self.deps.pager.read::<(i64, uuid::Uuid)>(
            caller,
            "ListBlockedContacts",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let after = page.after.map(|(at, id)| (At(at), ContactId(id)));
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = contacts::blocked(&mut tx, scope.single_reader(), after, page.size + 1).await?;
        drop(tx);
        let since = |c: &engine::contact::Contact| c.blocked_since.unwrap_or(c.queued_at).0;
        let next_page_token = self.deps.pager.cut(&page, &mut found, |c| (since(c), c.id.0))?;
        let view = View::of(caller);
        let steps = if view == View::Staff && !found.is_empty() {
            let ids: Vec<ContactId> = found.iter().map(|contact| contact.id).collect();
            self.desk(caller)?.look(move |engine| engine.steps_of(&ids)).await?
        } else {
            vec![Vec::new(); found.len()]
        };
        let contacts = found.iter().zip(steps).map(|(contact, steps)| wire::BlockedContact {
            contact: Some(out::contact(contact, view)),
            steps: steps.into_iter().map(step).collect(),
        });
        Ok(wire::ListBlockedContactsResponse { contacts: contacts.collect(), next_page_token })
    }

    pub(super) async fn alerts(
        &self,
        caller: &Caller,
        request: wire::ListAlertsRequest,
    ) -> Result<wire::ListAlertsResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let shape = (&request.seller_id, request.open_only);
        let page = self.deps.pager.read::<(i64, uuid::Uuid)>(
            caller,
            "ListAlerts",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let before = page.after.map(|(at, id)| (At(at), AlertId(id)));
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = alerts::list(&mut tx, scope.single_reader(), request.open_only, before, page.size + 1).await?;
        drop(tx);
        let next_page_token = self.deps.pager.cut(&page, &mut found, |a| (a.raised_at.0, a.id.0))?;
        Ok(wire::ListAlertsResponse { alerts: found.iter().map(alert).collect(), next_page_token })
    }

    pub(super) async fn acknowledge(
        &self,
        caller: &Caller,
        request: wire::AcknowledgeAlertRequest,
    ) -> Result<wire::AcknowledgeAlertResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: AlertId = checks.id("alert_id", &request.alert_id);
        let note = checks.line("note", &request.note, 0..=200);
        checks.finish()?;
        let me = caller.person()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "AcknowledgeAlert", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let now = At::of(self.deps.clock.now());
        let acknowledged = alerts::acknowledge(&mut tx, seller, id, me, now).await?.ok_or(Fault::NotFound("alert"))?;
        let action = Action {
            id: self.deps.clock.new_id(),
            at: now,
            actor: me,
            action: "alert_acknowledged".to_owned(),
            seller: Some(seller),
            agent: None,
            contact: acknowledged.open.contact,
            reason: note,
            changes: vec![actions::Change {
                field: "alert".to_owned(),
                before: String::new(),
                after: acknowledged.open.cause.kind.word().to_owned(),
            }],
        };
        actions::keep(&mut tx, &[action]).await?;
        let response = wire::AcknowledgeAlertResponse { alert: Some(alert(&acknowledged)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn alert_policy(
        &self,
        caller: &Caller,
        request: wire::GetAlertPolicyRequest,
    ) -> Result<wire::GetAlertPolicyResponse, Fault> {
        let scope = caller.view(&request.seller_id)?;
        let Some(seller) = scope.single_reader().map(SellerId) else {
            return Err(Fault::invalid("seller_id", "must name one seller"));
        };
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let stored = alerts::policies(&mut tx).await?.into_iter().find(|(of, _)| *of == seller);
        let policy = stored.map(|(_, policy)| policy).unwrap_or_default();
        Ok(wire::GetAlertPolicyResponse { policy: Some(shown(seller, &policy)) })
    }

    pub(super) async fn change_alert_policy(
        &self,
        caller: &Caller,
        request: wire::UpdateAlertPolicyRequest,
    ) -> Result<wire::UpdateAlertPolicyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let none = wire::AlertPolicy::default();
        checks.require(request.policy.is_some(), "policy", "must be given");
        let new = request.policy.as_ref().unwrap_or(&none);
        let seen = match new.etag.strip_prefix('v').map(str::parse::<i64>) {
            Some(Ok(version)) if version >= 0 => version,
            _ => {
                checks.refuse("policy.etag", "must be the etag last read");
                0
            }
        };
        let blocked = checks.range("policy.blocked_after_seconds", new.blocked_after_seconds, 0..=LONGEST_SECONDS);
        let percent = checks.range("policy.service_level_percent", i64::from(new.service_level_percent), 0..=100);
        let contacts = checks.range("policy.service_level_contacts", i64::from(new.service_level_contacts), 1..=10_000);
        let nobody =
            checks.range("policy.nobody_on_duty_after_seconds", new.nobody_on_duty_after_seconds, 0..=LONGEST_SECONDS);
        checks.finish()?;
        let policy = AlertPolicy {
            version: seen.saturating_add(1),
            blocked_after_seconds: blocked,
            service_level_percent: u32::try_from(percent).unwrap_or(0),
            service_level_contacts: u32::try_from(contacts).unwrap_or(1),
            nobody_on_duty_after_seconds: nobody,
        };
        let me = caller.person()?;
        let scope = caller.act_for(&request.seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateAlertPolicy", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let before = alerts::policies(&mut tx).await?.into_iter().find(|(of, _)| *of == seller);
        let before = before.map(|(_, policy)| policy).unwrap_or_default();
        if before.version != seen || !alerts::keep_policy(&mut tx, seller, &policy).await? {
            return Err(Fault::Stale);
        }
        let action = Action {
            id: self.deps.clock.new_id(),
            at: At::of(self.deps.clock.now()),
            actor: me,
            action: "alert_policy_changed".to_owned(),
            seller: Some(seller),
            agent: None,
            contact: None,
            reason: String::new(),
            changes: differences(&before, &policy),
        };
        actions::keep(&mut tx, &[action]).await?;
        intake::leave(&mut tx, &[Note { id: self.deps.clock.new_uuid(), told: Told::Policy(seller) }]);
        let response = wire::UpdateAlertPolicyResponse { policy: Some(shown(seller, &policy)) };
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }
}

fn step(step: Step) -> wire::UnblockingStep {
    wire::UnblockingStep {
        obstacle: step.obstacle.word().to_owned(),
        missing: step.missing,
        agents: i32::try_from(step.agents).unwrap_or(i32::MAX),
        agents_signed_in: i32::try_from(step.signed_in).unwrap_or(i32::MAX),
    }
}

fn alert(alert: &Alert) -> wire::Alert {
    let cause = &alert.open.cause;
    let kind = match cause.kind {
        Kind::NobodyCanTake => wire::AlertKind::NobodyCanTake,
        Kind::MaximumWait => wire::AlertKind::MaximumWait,
        Kind::ServiceLevel => wire::AlertKind::ServiceLevel,
        Kind::NobodyOnDuty => wire::AlertKind::NobodyOnDuty,
    };
    wire::Alert {
        id: alert.id.to_string(),
        seller_id: cause.seller.to_string(),
        kind: kind.into(),
        channel: cause.channel.word().to_owned(),
        language: cause.language.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: cause.block.map(|block| block.word().to_owned()).unwrap_or_default(),
        contact_id: alert.open.contact.map(|contact| contact.to_string()).unwrap_or_default(),
        measured: alert.open.measured,
        threshold: alert.open.threshold,
        raised_at: Some(out::at(alert.raised_at)),
        ended_at: alert.ended_at.map(out::at),
        acknowledged_at: alert.acknowledged.map(|(at, _)| out::at(at)),
        acknowledged_by: alert.acknowledged.map(|(_, who)| who.to_string()).unwrap_or_default(),
    }
}

fn shown(seller: SellerId, policy: &AlertPolicy) -> wire::AlertPolicy {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    wire::AlertPolicy {
        seller_id: seller.to_string(),
        blocked_after_seconds: policy.blocked_after_seconds,
        service_level_percent: count(policy.service_level_percent),
        service_level_contacts: count(policy.service_level_contacts),
        nobody_on_duty_after_seconds: policy.nobody_on_duty_after_seconds,
        etag: kit::wire::etag(policy.version),
    }
}
