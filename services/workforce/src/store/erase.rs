//! A seller's rows, when it is erased.

use sqlx::AssertSqlSafe;
use tenantdb::{Failure, TenantTx};

/// Every table that holds something of a seller, and the column that names it.
const TABLES: &[(&str, &str)] = &[
    ("workforce.counted_contact", "seller_id"),
    ("workforce.volume", "seller_id"),
    ("workforce.requirement_series", "seller_id"),
    ("workforce.requirement", "seller_id"),
    ("workforce.forecast_series", "seller_id"),
    ("workforce.forecast", "seller_id"),
    ("workforce.schedule_need", "for_seller_id"),
    ("workforce.imported_volume", "seller_id"),
    ("workforce.planning_event", "seller_id"),
    ("workforce.forecast_calendar", "seller_id"),
    ("workforce.intraday_watch", "seller_id"),
    ("workforce.planner_alert", "for_seller_id"),
    ("workforce.schedule_proof_line", "for_seller_id"),
];

/// Erases everything of the transaction's seller; returns the number of rows.
pub async fn erase_seller(tx: &mut TenantTx) -> Result<u64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let mut rows = 0;
    for (table, column) in TABLES {
        let statement = format!("delete from {table} where provider_id = $1 and {column} = $2");
        let gone = sqlx::query(AssertSqlSafe(statement)).bind(provider).bind(seller).execute(tx.conn()).await?;
        rows += gone.rows_affected();
    }
    Ok(rows)
}
