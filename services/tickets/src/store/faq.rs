//! The pages on which customers help themselves.

use tenantdb::{At, Failure, TenantTx, ToSqlx};

use crate::domain::faq::Page;
use crate::domain::ids::UserId;

/// The page of the transaction's seller.
pub async fn find(tx: &mut TenantTx) -> Result<Option<Page>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query!(
        r#"select open, name, updated_at as "updated_at: At", revision from tickets.faq_page
            where provider_id = $1 and seller_id = $2"#,
        provider,
        seller,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Page {
        open: row.open,
        name: row.name,
        updated_at: row.updated_at.to_jiff(),
        revision: row.revision,
    }))
}

/// Writes the page of the transaction's seller over the revision that was read; whether it was still that one.
pub async fn put(tx: &mut TenantTx, page: &Page, by: Option<UserId>) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let done = sqlx::query!(
        "insert into tickets.faq_page (provider_id, seller_id, open, name, updated_at, updated_by, revision)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint faq_page_pk do update
            set open = excluded.open, name = excluded.name, updated_at = excluded.updated_at,
                updated_by = excluded.updated_by, revision = excluded.revision
          where faq_page.revision = excluded.revision - 1",
        provider,
        seller,
        page.open,
        page.name,
        page.updated_at.to_sqlx() as _,
        by.map(|user| user.0),
        page.revision,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
