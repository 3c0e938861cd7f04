//! Pauses of sellers' queues, kept by the engine.

use jiff_sqlx::Timestamp;
use kit::SellerId;
use sqlx::Row;
use tenantdb::{Failure, TenantTx};

use super::{get, put};
use engine::seller::Pause;

/// Keeps what began or changed, deletes what ended.
pub async fn keep(tx: &mut TenantTx, pauses: &[(SellerId, Option<Pause>)]) -> Result<(), Failure> {
    let provider = tx.provider();
    for (seller, pause) in pauses {
        match pause {
            Some(pause) => {
                sqlx::query(
                    "insert into routing.queue_pause (provider_id, seller_id, since, until, reason)
                     values ($1, $2, $3, $4, $5)
                     on conflict on constraint queue_pause_pk do update
                        set since = excluded.since, until = excluded.until, reason = excluded.reason",
                )
                .bind(provider.0)
                .bind(seller.0)
                .bind(put(pause.since))
                .bind(pause.until.map(put))
                .bind(&pause.reason)
                .execute(tx.conn())
                .await?
            }
            None => {
                sqlx::query("delete from routing.queue_pause where provider_id = $1 and seller_id = $2")
                    .bind(provider.0)
                    .bind(seller.0)
                    .execute(tx.conn())
                    .await?
            }
        };
    }
    Ok(())
}

/// Every pause that the transaction reads.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<(SellerId, Pause)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query("select seller_id, since, until, reason from routing.queue_pause where provider_id = $1")
        .bind(provider.0)
        .fetch_all(tx.conn())
        .await?;
    rows.iter()
        .map(|row| {
            let until: Option<Timestamp> = row.try_get(2)?;
            let pause = Pause { since: get(row.try_get(1)?), until: until.map(get), reason: row.try_get(3)? };
            Ok((SellerId(row.try_get(0)?), pause))
        })
        .collect()
}
