//! Keeps what the engine decided. The writes of a batch gather and go with its commit, as one statement
//! however much changed.

use sqlx::types::Json;
use tenantdb::{Failure, TenantTx};

use super::columns::{Columns, words};
use super::put;
use engine::Changes;
use engine::needs::Channel;
use engine::offer::OfferState;

/// Keeps everything that changed. The lease is locked already.
pub async fn keep(tx: &mut TenantTx, changes: &Changes, epoch: i64) -> Result<(), Failure> {
    contacts(tx, changes);
    offers(tx, changes, epoch);
    decisions(tx, changes);
    sessions(tx, changes);
    intervals(tx, changes);
    super::pauses::keep(tx, &changes.pauses).await
}

/// What an insert sets of rows that are there.
pub(super) fn set(constraint: &str, names: &[&str]) -> String {
    let set: Vec<String> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    format!(" on conflict on constraint {constraint} do update set {}", set.join(", "))
}

/// What of a contact may change while it is open.
const OF_CONTACT: [&str; 20] = [
    "waiting_since",
    "due_at",
    "preferred_agent_id",
    "state",
    "agent_id",
    "offer_id",
    "assigned_at",
    "wrap_until",
    "ended_at",
    "offers_made",
    "dropped",
    "blocked_reason",
    "version",
    "priority",
    "blocked_since",
    "aside_until",
    "first_taken_at",
    "requeued_at",
    "overruled_priority",
    "overruled_due_at",
];

/// What of it may change besides, if seldom.
const NEEDS: [&str; 6] = [
    "language = n.language",
    "minimum_level = n.minimum_level",
    "level_of_policy = n.level_of_policy",
    "required_skills = array(select jsonb_array_elements_text(n.required_skills))",
    "preferred_skills = array(select jsonb_array_elements_text(n.preferred_skills))",
    "ruled = n.ruled",
];

fn contacts(tx: &mut TenantTx, changes: &Changes) {
    let of = &changes.contacts;
    if of.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let provider = tx.writes().bind("uuid", provider);
    let columns = Columns::of(tx.writes())
        .with("seller_id", "uuid", of.iter().map(|c| c.seller.0))
        .with("contact_id", "uuid", of.iter().map(|c| c.id.0))
        .with("waiting_since", "timestamptz", of.iter().map(|c| put(c.waiting_since)))
        .with("due_at", "timestamptz", of.iter().map(|c| put(c.due_at)))
        .with("preferred_agent_id", "uuid", of.iter().map(|c| c.preferred.map(|a| a.0)))
        .with("state", "text", of.iter().map(|c| c.state.word()))
        .with("agent_id", "uuid", of.iter().map(|c| c.agent.map(|a| a.0)))
        .with("offer_id", "uuid", of.iter().map(|c| c.offer.map(|o| o.0)))
        .with("assigned_at", "timestamptz", of.iter().map(|c| c.assigned_at.map(put)))
        .with("wrap_until", "timestamptz", of.iter().map(|c| c.wrap_until.map(put)))
        .with("ended_at", "timestamptz", of.iter().map(|c| c.ended_at.map(put)))
        .with("offers_made", "int4", of.iter().map(|c| c.offers_made))
        .with("dropped", "int2", of.iter().map(|c| i16::from(c.dropped.bits())))
        .with("blocked_reason", "text", of.iter().map(|c| c.blocked.map(|b| b.word())))
        .with("version", "int8", of.iter().map(|c| c.version))
        .with("priority", "text", of.iter().map(|c| c.priority.word()))
        .with("blocked_since", "timestamptz", of.iter().map(|c| c.blocked_since.map(put)))
        .with("aside_until", "timestamptz", of.iter().map(|c| c.aside_until.map(put)))
        .with("first_taken_at", "timestamptz", of.iter().map(|c| c.first_taken_at.map(put)))
        .with("requeued_at", "timestamptz", of.iter().map(|c| c.requeued_at.map(put)))
        .with("overruled_priority", "text", of.iter().map(|c| c.overruled.map(|(priority, _)| priority.word())))
        .with("overruled_due_at", "timestamptz", of.iter().map(|c| c.overruled.map(|(_, due_at)| put(due_at))));
    let mut sets: Vec<String> = OF_CONTACT.iter().map(|name| format!("{name} = n.{name}")).collect();
    let columns = if changes.amended {
        sets.extend(NEEDS.map(String::from));
        columns
            .with("language", "text", of.iter().map(|c| c.needs.language.as_str()))
            .with("minimum_level", "text", of.iter().map(|c| c.needs.minimum_level.word()))
            .with("level_of_policy", "bool", of.iter().map(|c| c.needs.level_of_policy))
            .with("required_skills", "jsonb", of.iter().map(|c| words(&c.needs.required)))
            .with("preferred_skills", "jsonb", of.iter().map(|c| words(&c.needs.preferred)))
            .with("ruled", "jsonb", of.iter().map(|c| c.needs.ruled.clone().map(Json)))
    } else {
        columns
    };
    let statement = format!(
        "update routing.contact as c set {} from {} as n
          where c.provider_id = {provider} and c.seller_id = n.seller_id and c.contact_id = n.contact_id
          returning 1",
        sets.join(", "),
        columns.table(),
    );
    tx.writes().push_exactly(statement, of.len(), "the engine holds a contact that is not stored");
}

fn offers(tx: &mut TenantTx, changes: &Changes, epoch: i64) {
    if changes.offers.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let provider = tx.writes().bind("uuid", provider);
    // What ends goes first, so that a contact offered anew has one live offer at every moment.
    let mut of: Vec<_> = changes.offers.iter().collect();
    of.sort_by_key(|offer| offer.state == OfferState::Pending);
    Columns::of(tx.writes())
        .with("seller_id", "uuid", of.iter().map(|o| o.seller.0))
        .with("offer_id", "uuid", of.iter().map(|o| o.id.0))
        .with("contact_id", "uuid", of.iter().map(|o| o.contact.0))
        .with("agent_id", "uuid", of.iter().map(|o| o.agent.0))
        .with("state", "text", of.iter().map(|o| o.state.word()))
        .with("rule", "text", of.iter().map(|o| o.rule.word()))
        .with("offered_at", "timestamptz", of.iter().map(|o| put(o.offered_at)))
        .with("expires_at", "timestamptz", of.iter().map(|o| put(o.expires_at)))
        .with("ended_at", "timestamptz", of.iter().map(|o| o.ended_at.map(put)))
        .with("reason", "text", of.iter().map(|o| o.reason.as_str()))
        .with("epoch", "int8", of.iter().map(|_| epoch))
        .insert("routing.offer", &provider, &set("offer_pk", &["state", "expires_at", "ended_at", "reason"]));
}

fn decisions(tx: &mut TenantTx, changes: &Changes) {
    let of = &changes.decisions;
    if of.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let provider = tx.writes().bind("uuid", provider);
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    Columns::of(tx.writes())
        .with("seller_id", "uuid", of.iter().map(|d| d.seller.0))
        .with("sequence", "int8", of.iter().map(|d| i64::try_from(d.number).unwrap_or(i64::MAX)))
        .with("epoch", "int8", of.iter().map(|d| d.epoch))
        .with("decided_at", "timestamptz", of.iter().map(|d| put(d.at)))
        .with("contact_id", "uuid", of.iter().map(|d| d.contact.0))
        .with("kind", "text", of.iter().map(|d| d.kind.word()))
        .with("rule", "text", of.iter().map(|d| d.rule.word()))
        .with("agent_id", "uuid", of.iter().map(|d| d.agent.map(|a| a.0)))
        .with("offer_id", "uuid", of.iter().map(|d| d.offer.map(|o| o.0)))
        .with("policy_version", "int8", of.iter().map(|d| d.policy))
        .with("eligible_agents", "int4", of.iter().map(|d| count(d.eligible)))
        .with("available_agents", "int4", of.iter().map(|d| count(d.available)))
        .with("competing_contacts", "int4", of.iter().map(|d| count(d.competing)))
        .with("waited_us", "int8", of.iter().map(|d| d.waited))
        .with("slack_us", "int8", of.iter().map(|d| d.slack))
        .with("reason", "text", of.iter().map(|d| d.reason.as_str()))
        .insert("routing.decision", &provider, "");
}

fn sessions(tx: &mut TenantTx, changes: &Changes) {
    let of = &changes.sessions;
    if of.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let writes = tx.writes();
    let provider = writes.bind("uuid", provider);
    // An array of arrays does not come apart again: channels travel as words in one text.
    let channels = |s: &engine::agent::Session| s.channels.iter().map(Channel::word).collect::<Vec<_>>().join(" ");
    let columns = Columns::of(writes)
        .with("agent_id", "uuid", of.iter().map(|s| s.agent.0))
        .with("epoch", "int8", of.iter().map(|s| s.epoch))
        .with("presence", "text", of.iter().map(|s| s.presence.word()))
        .with("reason", "text", of.iter().map(|s| s.reason.as_str()))
        .with("since", "timestamptz", of.iter().map(|s| put(s.since)))
        .with("activity", "text", of.iter().map(|s| s.activity.word()))
        .with("activity_since", "timestamptz", of.iter().map(|s| put(s.activity_since)))
        .with("channels", "text", of.iter().map(channels));
    let tail =
        set("agent_session_pk", &["epoch", "presence", "reason", "since", "channels", "activity", "activity_since"]);
    let statement = format!(
        "insert into routing.agent_session (provider_id, agent_id, epoch, presence, reason, since, activity,
             activity_since, channels)
         select {provider}, n.agent_id, n.epoch, n.presence, n.reason, n.since, n.activity, n.activity_since,
                string_to_array(n.channels, ' ')
           from {} as n{tail}",
        columns.table(),
    );
    tx.writes().push(statement);
}

fn intervals(tx: &mut TenantTx, changes: &Changes) {
    let of = &changes.intervals;
    if of.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let provider = tx.writes().bind("uuid", provider);
    Columns::of(tx.writes())
        .with("agent_id", "uuid", of.iter().map(|i| i.agent.0))
        .with("started_at", "timestamptz", of.iter().map(|i| put(i.start)))
        .with("ended_at", "timestamptz", of.iter().map(|i| put(i.end)))
        .with("activity", "text", of.iter().map(|i| i.activity.word()))
        .with("reason", "text", of.iter().map(|i| i.reason.as_str()))
        .insert("routing.presence_interval", &provider, "");
}
