//! The sellers' stored terms, as they came.

use kit::SellerId;
use sqlx::Row;
use tenantdb::{Failure, TenantTx};

/// The encoded terms of every seller that the transaction reads.
pub async fn terms(tx: &mut TenantTx) -> Result<Vec<(SellerId, Vec<u8>)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query("select seller_id, terms from routing.seller where provider_id = $1 order by seller_id")
        .bind(provider.0)
        .fetch_all(tx.conn())
        .await?;
    rows.iter().map(|row| Ok((SellerId(row.try_get(0)?), row.try_get(1)?))).collect()
}
