//! Contact persons and the escalation matrix.

use kit::SellerId;
use tenantdb::{Failure, TenantTx};

use crate::domain::onboarding::people::{Contact, EscalationStep};

/// All contacts of a seller, by key.
pub async fn contacts(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<Contact>, Failure> {
    let contacts = sqlx::query_as!(
        Contact,
        "select contact_key as key, name, roles, email, phone, language, time_zone
           from tenants.contact where provider_id = $1 and seller_id = $2 order by contact_key",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(contacts)
}

/// Keeps a contact under its key.
pub async fn put_contact(tx: &mut TenantTx, contact: &Contact) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.contact
                (provider_id, seller_id, contact_key, name, roles, email, phone, language, time_zone)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint contact_pk do update
            set name = excluded.name, roles = excluded.roles, email = excluded.email, phone = excluded.phone,
                language = excluded.language, time_zone = excluded.time_zone",
        tx.provider().0,
        seller.0,
        contact.key,
        contact.name,
        &contact.roles,
        contact.email,
        contact.phone,
        contact.language,
        contact.time_zone
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a contact; whether there was one. One that is in use violates `escalation_step_contact`.
pub async fn delete_contact(tx: &mut TenantTx, key: &str) -> Result<bool, Failure> {
    let seller = tx.seller()?;
    let done = sqlx::query!(
        "delete from tenants.contact where provider_id = $1 and seller_id = $2 and contact_key = $3",
        tx.provider().0,
        seller.0,
        key
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The escalation matrix, by severity and level.
pub async fn matrix(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<EscalationStep>, Failure> {
    let steps = sqlx::query_as!(
        EscalationStep,
        "select severity, level, after_seconds, contact_key, via
           from tenants.escalation_step where provider_id = $1 and seller_id = $2 order by severity, level",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(steps)
}

/// Replaces the escalation matrix.
pub async fn put_matrix(tx: &mut TenantTx, steps: &[EscalationStep]) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "delete from tenants.escalation_step where provider_id = $1 and seller_id = $2",
        tx.provider().0,
        seller.0
    )
    .execute(tx.conn())
    .await?;
    let severities: Vec<String> = steps.iter().map(|s| s.severity.clone()).collect();
    let levels: Vec<i32> = steps.iter().map(|s| s.level).collect();
    let afters: Vec<i64> = steps.iter().map(|s| s.after_seconds).collect();
    let keys: Vec<String> = steps.iter().map(|s| s.contact_key.clone()).collect();
    let vias: Vec<String> = steps.iter().map(|s| s.via.clone()).collect();
    sqlx::query!(
        "insert into tenants.escalation_step (provider_id, seller_id, severity, level, after_seconds, contact_key, via)
         select $1, $2, s.severity, s.level, s.after_seconds, s.contact_key, s.via
           from unnest($3::text[], $4::integer[], $5::bigint[], $6::text[], $7::text[])
                as s (severity, level, after_seconds, contact_key, via)",
        tx.provider().0,
        seller.0,
        &severities,
        &levels,
        &afters,
        &keys,
        &vias
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
