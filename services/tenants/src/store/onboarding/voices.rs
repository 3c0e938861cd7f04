//! Brand voices and the playbook.

use kit::SellerId;
use tenantdb::{Failure, TenantTx};

use crate::domain::onboarding::voice::{BrandVoice, PlaybookEntry};

/// How the seller's brands speak, by brand and language.
pub async fn voices(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<BrandVoice>, Failure> {
    let voices = sqlx::query_as!(
        BrandVoice,
        "select brand, language, address_form, greeting, sign_off, alias, tone, avoid
           from tenants.brand_voice where provider_id = $1 and seller_id = $2 order by brand, language",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(voices)
}

/// Keeps a brand voice under its brand and language.
pub async fn put_voice(tx: &mut TenantTx, voice: &BrandVoice) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.brand_voice
                (provider_id, seller_id, brand, language, address_form, greeting, sign_off, alias, tone, avoid)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict on constraint brand_voice_pk do update
            set address_form = excluded.address_form, greeting = excluded.greeting, sign_off = excluded.sign_off,
                alias = excluded.alias, tone = excluded.tone, avoid = excluded.avoid",
        tx.provider().0,
        seller.0,
        voice.brand,
        voice.language,
        voice.address_form,
        voice.greeting,
        voice.sign_off,
        voice.alias,
        voice.tone,
        &voice.avoid
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The playbook, by country and situation; an empty country matches all.
pub async fn playbook(tx: &mut TenantTx, seller: SellerId, country: &str) -> Result<Vec<PlaybookEntry>, Failure> {
    let entries = sqlx::query_as!(
        PlaybookEntry,
        "select country, situation, say, avoid from tenants.playbook_entry
          where provider_id = $1 and seller_id = $2 and ($3 = '' or country = $3) order by country, situation",
        tx.provider().0,
        seller.0,
        country
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(entries)
}

/// Keeps a playbook entry under its country and situation.
pub async fn put_entry(tx: &mut TenantTx, entry: &PlaybookEntry) -> Result<(), Failure> {
    let seller = tx.seller()?;
    sqlx::query!(
        "insert into tenants.playbook_entry (provider_id, seller_id, country, situation, say, avoid)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint playbook_entry_pk do update set say = excluded.say, avoid = excluded.avoid",
        tx.provider().0,
        seller.0,
        entry.country,
        entry.situation,
        entry.say,
        entry.avoid
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes a playbook entry; whether there was one.
pub async fn delete_entry(tx: &mut TenantTx, country: &str, situation: &str) -> Result<bool, Failure> {
    let seller = tx.seller()?;
    let done = sqlx::query!(
        "delete from tenants.playbook_entry
          where provider_id = $1 and seller_id = $2 and country = $3 and situation = $4",
        tx.provider().0,
        seller.0,
        country,
        situation
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
