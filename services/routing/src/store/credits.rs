//! What sellers have to their credit of contacts that weights divide.

use kit::SellerId;
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::columns::Columns;
use super::commit::set;

/// Keeps what changed, with the commit.
pub fn keep(tx: &mut TenantTx, credits: &[(SellerId, i64)]) {
    if credits.is_empty() {
        return;
    }
    let provider = tx.provider().0;
    let writes = tx.writes();
    let provider = writes.bind("uuid", provider);
    Columns::of(writes)
        .with("seller_id", "uuid", credits.iter().map(|(seller, _)| seller.0))
        .with("credit", "int8", credits.iter().map(|(_, credit)| *credit))
        .insert("routing.credit", &provider, &set("credit_pk", &["credit"]));
}

/// Of every seller that the transaction reads.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<(SellerId, i64)>, Failure> {
    let provider = tx.provider();
    let rows: Vec<(Uuid, i64)> = sqlx::query_as("select seller_id, credit from routing.credit where provider_id = $1")
        .bind(provider.0)
        .fetch_all(tx.conn())
        .await?;
    Ok(rows.into_iter().map(|(seller, credit)| (SellerId(seller), credit)).collect())
}
