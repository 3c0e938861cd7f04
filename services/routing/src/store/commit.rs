//! Keeps what the engine decided: a handful of statements for a whole batch.

use jiff_sqlx::Timestamp;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::put;
use engine::Changes;
use engine::needs::Channel;
use engine::offer::OfferState;

/// Keeps everything that changed. The lease is locked already.
pub async fn keep(tx: &mut TenantTx, changes: &Changes, epoch: i64) -> Result<(), Failure> {
    contacts(tx, changes).await?;
    offers(tx, changes, epoch).await?;
    decisions(tx, changes).await?;
    sessions(tx, changes).await?;
    super::pauses::keep(tx, &changes.pauses).await?;
    intervals(tx, changes).await
}

async fn contacts(tx: &mut TenantTx, changes: &Changes) -> Result<(), Failure> {
    if changes.contacts.is_empty() {
        return Ok(());
    }
    let provider = tx.provider();
    let of = &changes.contacts;
    let kept = sqlx::query(
        "update routing.contact as c
            set waiting_since = n.waiting_since, due_at = n.due_at, preferred_agent_id = n.preferred_agent_id,
                state = n.state, agent_id = n.agent_id, offer_id = n.offer_id, assigned_at = n.assigned_at,
                wrap_until = n.wrap_until, ended_at = n.ended_at, offers_made = n.offers_made, dropped = n.dropped,
                blocked_reason = n.blocked_reason, version = n.version, priority = n.priority,
                blocked_since = n.blocked_since, aside_until = n.aside_until, first_taken_at = n.first_taken_at
           from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::uuid[], $7::text[], $8::uuid[],
                       $9::uuid[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::int[], $14::smallint[],
                       $15::text[], $16::bigint[], $17::text[], $18::timestamptz[], $19::timestamptz[],
                       $20::timestamptz[])
                as n (seller_id, contact_id, waiting_since, due_at, preferred_agent_id, state, agent_id, offer_id,
                      assigned_at, wrap_until, ended_at, offers_made, dropped, blocked_reason, version, priority,
                      blocked_since, aside_until, first_taken_at)
          where c.provider_id = $1 and c.seller_id = n.seller_id and c.contact_id = n.contact_id",
    )
    .bind(provider.0)
    .bind(of.iter().map(|c| c.seller.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|c| c.id.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|c| put(c.waiting_since)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|c| put(c.due_at)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|c| c.preferred.map(|a| a.0)).collect::<Vec<Option<Uuid>>>())
    .bind(of.iter().map(|c| c.state.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|c| c.agent.map(|a| a.0)).collect::<Vec<Option<Uuid>>>())
    .bind(of.iter().map(|c| c.offer.map(|o| o.0)).collect::<Vec<Option<Uuid>>>())
    .bind(of.iter().map(|c| c.assigned_at.map(put)).collect::<Vec<Option<Timestamp>>>())
    .bind(of.iter().map(|c| c.wrap_until.map(put)).collect::<Vec<Option<Timestamp>>>())
    .bind(of.iter().map(|c| c.ended_at.map(put)).collect::<Vec<Option<Timestamp>>>())
    .bind(of.iter().map(|c| c.offers_made).collect::<Vec<i32>>())
    .bind(of.iter().map(|c| i16::from(c.dropped.bits())).collect::<Vec<i16>>())
    .bind(of.iter().map(|c| c.blocked.map(|b| b.word())).collect::<Vec<Option<&str>>>())
    .bind(of.iter().map(|c| c.version).collect::<Vec<i64>>())
    .bind(of.iter().map(|c| c.priority.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|c| c.blocked_since.map(put)).collect::<Vec<Option<Timestamp>>>())
    .bind(of.iter().map(|c| c.aside_until.map(put)).collect::<Vec<Option<Timestamp>>>())
    .bind(of.iter().map(|c| c.first_taken_at.map(put)).collect::<Vec<Option<Timestamp>>>())
    .execute(tx.conn())
    .await?;
    if kept.rows_affected() != of.len() as u64 {
        return Err(Failure::Inconsistent("the engine holds a contact that is not stored".to_owned()));
    }
    Ok(())
}

async fn offers(tx: &mut TenantTx, changes: &Changes, epoch: i64) -> Result<(), Failure> {
    if changes.offers.is_empty() {
        return Ok(());
    }
    let provider = tx.provider();
    // What ends goes first, so that a contact offered anew has one live offer at every moment.
    let mut of: Vec<_> = changes.offers.iter().collect();
    of.sort_by_key(|offer| offer.state == OfferState::Pending);
    sqlx::query(
        "insert into routing.offer (provider_id, seller_id, offer_id, contact_id, agent_id, state, rule, offered_at,
             expires_at, ended_at, reason, epoch)
         select $1, n.seller_id, n.offer_id, n.contact_id, n.agent_id, n.state, n.rule, n.offered_at, n.expires_at,
                n.ended_at, n.reason, $12
           from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[],
                       $9::timestamptz[], $10::timestamptz[], $11::text[])
                with ordinality as n (seller_id, offer_id, contact_id, agent_id, state, rule, offered_at, expires_at,
                                      ended_at, reason, place)
          order by n.place
         on conflict on constraint offer_pk do update
            set state = excluded.state, ended_at = excluded.ended_at, reason = excluded.reason",
    )
    .bind(provider.0)
    .bind(of.iter().map(|o| o.seller.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|o| o.id.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|o| o.contact.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|o| o.agent.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|o| o.state.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|o| o.rule.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|o| put(o.offered_at)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|o| put(o.expires_at)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|o| o.ended_at.map(put)).collect::<Vec<Option<Timestamp>>>())
    .bind(of.iter().map(|o| o.reason.as_str()).collect::<Vec<&str>>())
    .bind(epoch)
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn decisions(tx: &mut TenantTx, changes: &Changes) -> Result<(), Failure> {
    if changes.decisions.is_empty() {
        return Ok(());
    }
    let provider = tx.provider();
    let of = &changes.decisions;
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    sqlx::query(
        "insert into routing.decision (provider_id, seller_id, sequence, epoch, decided_at, contact_id, kind, rule,
             agent_id, offer_id, policy_version, eligible_agents, available_agents, competing_contacts, waited_us, slack_us,
             reason)
         select $1, n.* from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::uuid[], $7::text[],
                $8::text[], $9::uuid[], $10::uuid[], $11::bigint[], $12::int[], $13::int[], $14::int[], $15::bigint[],
                $16::bigint[], $17::text[]) as n",
    )
    .bind(provider.0)
    .bind(of.iter().map(|d| d.seller.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|d| i64::try_from(d.number).unwrap_or(i64::MAX)).collect::<Vec<i64>>())
    .bind(of.iter().map(|d| d.epoch).collect::<Vec<i64>>())
    .bind(of.iter().map(|d| put(d.at)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|d| d.contact.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|d| d.kind.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|d| d.rule.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|d| d.agent.map(|a| a.0)).collect::<Vec<Option<Uuid>>>())
    .bind(of.iter().map(|d| d.offer.map(|o| o.0)).collect::<Vec<Option<Uuid>>>())
    .bind(of.iter().map(|d| d.policy).collect::<Vec<i64>>())
    .bind(of.iter().map(|d| count(d.eligible)).collect::<Vec<i32>>())
    .bind(of.iter().map(|d| count(d.available)).collect::<Vec<i32>>())
    .bind(of.iter().map(|d| count(d.competing)).collect::<Vec<i32>>())
    .bind(of.iter().map(|d| d.waited).collect::<Vec<i64>>())
    .bind(of.iter().map(|d| d.slack).collect::<Vec<i64>>())
    .bind(of.iter().map(|d| d.reason.as_str()).collect::<Vec<&str>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn sessions(tx: &mut TenantTx, changes: &Changes) -> Result<(), Failure> {
    if changes.sessions.is_empty() {
        return Ok(());
    }
    let provider = tx.provider();
    let of = &changes.sessions;
    // An array of arrays does not come apart again: channels travel as words in one text.
    let channels = |s: &engine::agent::Session| s.channels.iter().map(Channel::word).collect::<Vec<_>>().join(" ");
    sqlx::query(
        "insert into routing.agent_session (provider_id, agent_id, epoch, presence, reason, since, channels, activity,
             activity_since)
         select $1, n.agent_id, n.epoch, n.presence, n.reason, n.since, string_to_array(n.channels, ' '), n.activity,
                n.activity_since
           from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[],
                       $9::timestamptz[])
                as n (agent_id, epoch, presence, reason, since, channels, activity, activity_since)
         on conflict on constraint agent_session_pk do update
            set epoch = excluded.epoch, presence = excluded.presence, reason = excluded.reason, since = excluded.since,
                channels = excluded.channels, activity = excluded.activity, activity_since = excluded.activity_since",
    )
    .bind(provider.0)
    .bind(of.iter().map(|s| s.agent.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|s| s.epoch).collect::<Vec<i64>>())
    .bind(of.iter().map(|s| s.presence.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|s| s.reason.as_str()).collect::<Vec<&str>>())
    .bind(of.iter().map(|s| put(s.since)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(channels).collect::<Vec<String>>())
    .bind(of.iter().map(|s| s.activity.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|s| put(s.activity_since)).collect::<Vec<Timestamp>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn intervals(tx: &mut TenantTx, changes: &Changes) -> Result<(), Failure> {
    if changes.intervals.is_empty() {
        return Ok(());
    }
    let provider = tx.provider();
    let of = &changes.intervals;
    sqlx::query(
        "insert into routing.presence_interval (provider_id, agent_id, started_at, ended_at, activity, reason)
         select $1, n.* from unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[]) as n",
    )
    .bind(provider.0)
    .bind(of.iter().map(|i| i.agent.0).collect::<Vec<Uuid>>())
    .bind(of.iter().map(|i| put(i.start)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|i| put(i.end)).collect::<Vec<Timestamp>>())
    .bind(of.iter().map(|i| i.activity.word()).collect::<Vec<&str>>())
    .bind(of.iter().map(|i| i.reason.as_str()).collect::<Vec<&str>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}
