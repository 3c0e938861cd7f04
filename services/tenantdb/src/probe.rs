//! Looks at every table of a service as a stranger. Run on a live system by the
//! isolation probe: nothing of the one who is probed may be seen or touched.

use kit::scope::NO_SELLER;
use kit::{Scope, SellerId};
use sqlx::{AssertSqlSafe, Row};

use crate::{Failure, TenantDb};

/// What a stranger saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Tables looked at.
    pub tables: usize,
    /// What must not be.
    pub leaks: Vec<String>,
}

/// Counts a seller's rows in every table as a stranger, and tries to delete
/// them, in a transaction that is always rolled back.
pub async fn look(db: &TenantDb, stranger: &Scope, victim: SellerId) -> Result<Seen, Failure> {
    let mut tx = db.begin(stranger).await?;
    let rows = sqlx::query(
        "select quote_ident(n.nspname) || '.' || quote_ident(c.relname), has_table_privilege(c.oid, 'delete')
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attname = 'seller_id' and not a.attisdropped
          where n.nspname = $1 and c.relkind in ('r', 'p') and has_table_privilege(c.oid, 'select') order by 1",
    )
    .bind(db.service())
    .fetch_all(tx.conn())
    .await?;
    let mut seen = Seen::default();
    for row in rows {
        let (table, deletes): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        seen.tables += 1;
        let count = format!("select count(*) from {table} where seller_id = $1 and seller_id <> $2");
        let found: i64 = sqlx::query(AssertSqlSafe(count))
            .bind(victim.0)
            .bind(NO_SELLER.0)
            .fetch_one(tx.conn())
            .await?
            .try_get(0)?;
        if found > 0 {
            seen.leaks.push(format!("{table}: {found} rows are seen by a stranger"));
        }
        if deletes {
            let delete = format!("delete from {table} where seller_id = $1");
            let gone = sqlx::query(AssertSqlSafe(delete)).bind(victim.0).execute(tx.conn()).await?.rows_affected();
            if gone > 0 {
                seen.leaks.push(format!("{table}: {gone} rows can be deleted by a stranger"));
            }
        }
    }
    Ok(seen)
}
