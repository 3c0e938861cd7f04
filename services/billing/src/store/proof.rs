//! Roots of lines: written once.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use tenantdb::{Failure, TenantTx};

use crate::domain::ids::InvoiceId;

/// The root of a line's contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub contacts: i64,
    pub root: Vec<u8>,
    pub created_at: Timestamp,
}

/// Keeps the first root of a line; answers the one that is kept.
pub async fn keep(tx: &mut TenantTx, invoice: InvoiceId, line_number: i32, made: &Proof) -> Result<Proof, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "insert into billing.line_proof (provider_id, seller_id, invoice_id, line_number, contacts, root, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint line_proof_pk do nothing",
        provider,
        seller,
        invoice.0,
        line_number,
        made.contacts,
        made.root,
        made.created_at.to_sqlx(),
    )
    .execute(tx.conn())
    .await?;
    let kept = sqlx::query!(
        "select contacts, root, created_at from billing.line_proof
          where provider_id = $1 and seller_id = $2 and invoice_id = $3 and line_number = $4",
        provider,
        seller,
        invoice.0,
        line_number,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Proof { contacts: kept.contacts, root: kept.root, created_at: kept.created_at.to_jiff() })
}
