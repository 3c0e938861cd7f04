//! Looks again at the clocks of a seller's tickets, because its terms changed: clocks go, come or count otherwise.
//!
//! A call that began before the change may still write by the terms of before, and so may a replica that has not
//! heard of it. What was written around the change is therefore looked at twice more, later than any call lasts.

use jiff::{SignedDuration, Timestamp};
use tenantdb::{Failure, TenantTx, ToSqlx};

use crate::domain::ids::{TicketId, Uuid};

/// How long after the change it is looked again.
const LATER: [SignedDuration; 2] = [SignedDuration::from_secs(8), SignedDuration::from_secs(90)];
/// How long before the change a call may have begun.
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(60);

/// Makes every ticket that is not done due for a look now, and notes the later looks.
pub async fn changed(tx: &mut TenantTx) -> Result<(), Failure> {
    let now = tx.now();
    tickets(tx, Timestamp::UNIX_EPOCH, now).await?;
    let since = now.checked_sub(LONGEST_CALL).unwrap_or(now);
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let later: Vec<_> = LATER.iter().filter_map(|wait| now.checked_add(*wait).ok()).map(|at| at.to_sqlx()).collect();
    sqlx::query!(
        "insert into tickets.terms_look (provider_id, seller_id, look_at, since)
         select $1, $2, l, $4 from unnest($3::timestamptz[]) as l
         on conflict on constraint terms_look_pk do nothing",
        provider,
        seller,
        &later as _,
        since.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Leaves a ticket alone until a moment.
pub async fn leave(tx: &mut TenantTx, ticket: TicketId, until: Timestamp) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query(
        "update tickets.ticket set look_at = $4
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and look_at <= $5",
    )
    .bind(provider)
    .bind(seller)
    .bind(ticket.0)
    .bind(until.to_sqlx())
    .bind(now.to_sqlx())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The terms before a version, encoded.
pub async fn terms_before(tx: &mut TenantTx, version: i64) -> Result<Option<Vec<u8>>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    Ok(sqlx::query_scalar(
        "select terms from tickets.terms_version where provider_id = $1 and seller_id = $2 and version < $3
          order by version desc limit 1",
    )
    .bind(provider)
    .bind(seller)
    .bind(version)
    .fetch_optional(tx.conn())
    .await?)
}

/// Does the later looks of the transaction's seller that are due.
pub async fn later(tx: &mut TenantTx) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    let since = sqlx::query_scalar!(
        r#"with due as (
               delete from tickets.terms_look
                where provider_id = $1 and seller_id = $2 and look_at <= $3 returning since)
           select min(since) as "since: jiff_sqlx::Timestamp" from due"#,
        provider,
        seller,
        now.to_sqlx() as _,
    )
    .fetch_one(tx.conn())
    .await?;
    match since {
        Some(since) => tickets(tx, since.to_jiff(), now).await,
        None => Ok(()),
    }
}

/// Makes tickets that are not done due at a moment: those begun or changed since another.
async fn tickets(tx: &mut TenantTx, since: Timestamp, at: Timestamp) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.ticket set look_at = $5
          where provider_id = $1 and seller_id = $2 and (ticket_id >= $3 or updated_at >= $4)
            and state in ('new', 'open', 'pending_customer', 'pending_seller', 'on_hold')
            and (look_at is null or $5 < look_at)",
        provider,
        seller,
        first_id(since),
        since.to_sqlx() as _,
        at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The least id that is given from a moment on: ids begin with their milliseconds (RFC 9562, version 7).
fn first_id(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_moment_and_later_follow_its_first_id() {
        let clock = kit::Clock::System;
        let before = first_id(clock.now());
        let id = clock.new_uuid();
        assert!(before <= id, "{before} {id}");
        assert!(id < first_id(clock.now().checked_add(SignedDuration::from_secs(1)).unwrap()));
        assert_eq!(first_id(Timestamp::UNIX_EPOCH), Uuid::nil());
    }
}
