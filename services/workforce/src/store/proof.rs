//! Schedules held against a simulation.

use jiff::Timestamp;
use kit::SellerId;
use kit::ids::Uuid;
use planner::proof::Figure;
use planner::record::{KeptProof, ProofLine, ProofState, ScheduleId};
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::inconsistent;

fn kept(figure: &Option<Figure>) -> Vec<f64> {
    let Some(figure) = figure else { return Vec::new() };
    let ends = figure.ends.map(|(low, high)| vec![low, high]).unwrap_or_default();
    std::iter::once(figure.value).chain(ends).collect()
}

fn figure(kept: &[f64]) -> Option<Figure> {
    let value = *kept.first()?;
    Some(Figure { value, ends: kept.get(1).copied().zip(kept.get(2).copied()) })
}

/// Asks for a schedule's proof; one that waits stays as it is.
pub async fn ask(tx: &mut TenantTx, id: ScheduleId, now: Timestamp) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.schedule_proof as p (provider_id, schedule_id, state, due_at, asked_at)
         values ($1, $2, 'waiting', $3, $3)
         on conflict on constraint schedule_proof_pk do update
            set state = 'waiting', due_at = $3, claim = null, attempts = 0, failure = '', asked_at = $3
          where p.state <> 'waiting'",
        provider.0,
        id.0,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a due proof until `lease`; returns how often it was taken, or none when somebody else has it.
pub async fn claim(
    tx: &mut TenantTx,
    id: ScheduleId,
    claim: Uuid,
    now: Timestamp,
    lease: Timestamp,
) -> Result<Option<i32>, Failure> {
    let provider = tx.provider();
    let attempts = sqlx::query_scalar!(
        "update workforce.schedule_proof set claim = $3, due_at = $5, attempts = attempts + 1
          where provider_id = $1 and schedule_id = (
                select schedule_id from workforce.schedule_proof
                 where provider_id = $1 and schedule_id = $2 and state = 'waiting' and due_at <= $4
                   for update skip locked)
         returning attempts",
        provider.0,
        id.0,
        claim,
        now.to_sqlx() as _,
        lease.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(attempts)
}

/// Keeps what came of a simulation; false when the claim is lost.
pub async fn finish(
    tx: &mut TenantTx,
    id: ScheduleId,
    claim: Uuid,
    done: &KeptProof,
    now: Timestamp,
) -> Result<bool, Failure> {
    let provider = tx.provider();
    let ours = sqlx::query!(
        "update workforce.schedule_proof
            set state = $4, due_at = null, claim = null, failure = $5, schedule_version = $6, replications = $7,
                confidence = $8, occupancy = $9, done_at = $10
          where provider_id = $1 and schedule_id = $2 and claim = $3 and state = 'waiting'",
        provider.0,
        id.0,
        claim,
        done.state.word(),
        done.failure,
        done.schedule_version,
        done.replications,
        done.confidence,
        &kept(&done.occupancy),
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    if ours.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query!(
        "delete from workforce.schedule_proof_line where provider_id = $1 and schedule_id = $2",
        provider.0,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    for line in &done.lines {
        sqlx::query!(
            "insert into workforce.schedule_proof_line
                    (provider_id, schedule_id, for_seller_id, channel, target, shown, contacts, service_level, mean_wait,
                     abandonment)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            provider.0,
            id.0,
            line.seller.0,
            line.channel,
            line.target,
            line.shown,
            line.contacts,
            &kept(&line.service_level),
            &kept(&line.mean_wait),
            &kept(&line.abandonment),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(true)
}

/// The proof of a schedule, as far as it is.
pub async fn get(tx: &mut TenantTx, id: ScheduleId) -> Result<Option<KeptProof>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select state, failure, schedule_version, replications, confidence, occupancy, asked_at, done_at
           from workforce.schedule_proof where provider_id = $1 and schedule_id = $2",
        provider.0,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let lines = sqlx::query!(
        "select for_seller_id, channel, target, shown, contacts, service_level, mean_wait, abandonment
           from workforce.schedule_proof_line where provider_id = $1 and schedule_id = $2
          order by for_seller_id, channel limit 2000",
        provider.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let lines = lines.into_iter().map(|line| ProofLine {
        seller: SellerId(line.for_seller_id),
        channel: line.channel,
        target: line.target,
        shown: line.shown,
        contacts: line.contacts,
        service_level: figure(&line.service_level),
        mean_wait: figure(&line.mean_wait),
        abandonment: figure(&line.abandonment),
    });
    Ok(Some(KeptProof {
        state: ProofState::of(&row.state).ok_or_else(|| inconsistent("state of a proof"))?,
        failure: row.failure,
        schedule_version: row.schedule_version,
        replications: row.replications,
        confidence: row.confidence,
        occupancy: figure(&row.occupancy),
        lines: lines.collect(),
        asked_at: row.asked_at.to_jiff(),
        done_at: row.done_at.map(|at| at.to_jiff()),
    }))
}
