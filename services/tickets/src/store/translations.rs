//! The machines of providers, and what they translated.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::{OfSeller, known};
use crate::domain::ids::{QuestionId, SellerId, TicketId, TranslationId, UserId, Uuid};
use crate::domain::translation::{Engine, Machine, Part, Translation};

/// The machine of the transaction's provider, with its sealed key.
pub async fn machine(tx: &mut TenantTx) -> Result<Option<(Machine, Option<Vec<u8>>)>, Failure> {
    let provider = tx.provider().0;
    let row = sqlx::query!(
        "select engine, address, all_sellers, seller_ids, sealed, updated_at, version from tickets.translation_engine
          where provider_id = $1",
        provider,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let machine = Machine {
        engine: known("engine", Engine::named(&row.engine))?,
        address: row.address,
        all_sellers: row.all_sellers,
        sellers: row.seller_ids.into_iter().map(SellerId).collect(),
        has_key: row.sealed.is_some(),
        updated_at: row.updated_at.to_jiff(),
        version: row.version,
    };
    Ok(Some((machine, row.sealed)))
}

/// Waits until nobody else sets the machine of the transaction's provider.
pub async fn lock_machine(tx: &mut TenantTx) -> Result<(), Failure> {
    let provider = tx.provider().0;
    sqlx::query!("select 1 as one from tickets.translation_engine where provider_id = $1 for update", provider)
        .fetch_optional(tx.conn())
        .await?;
    Ok(())
}

/// Writes the machine with its sealed key.
pub async fn put_machine(tx: &mut TenantTx, machine: &Machine, sealed: Option<&[u8]>) -> Result<(), Failure> {
    let (provider, now) = (tx.provider().0, tx.now());
    let sellers: Vec<Uuid> = machine.sellers.iter().map(|seller| seller.0).collect();
    sqlx::query!(
        "insert into tickets.translation_engine
             (provider_id, engine, address, all_sellers, seller_ids, sealed, sealed_at, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint translation_engine_pk do update
            set engine = excluded.engine, address = excluded.address, all_sellers = excluded.all_sellers,
                seller_ids = excluded.seller_ids, sealed = excluded.sealed, sealed_at = excluded.sealed_at,
                updated_at = excluded.updated_at, version = excluded.version",
        provider,
        machine.engine.name(),
        machine.address,
        machine.all_sellers,
        &sellers,
        sealed,
        sealed.map(|_| now.to_sqlx()) as _,
        machine.updated_at.to_sqlx() as _,
        machine.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes a key that was sealed anew, or found to be sealed with the newest key.
pub async fn resealed(tx: &mut TenantTx, sealed: &[u8]) -> Result<(), Failure> {
    let (provider, now) = (tx.provider().0, tx.now());
    sqlx::query!(
        "update tickets.translation_engine set sealed = $2, sealed_at = $3 where provider_id = $1",
        provider,
        sealed,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes the machine; whether there was one.
pub async fn delete_machine(tx: &mut TenantTx) -> Result<bool, Failure> {
    let provider = tx.provider().0;
    let done = sqlx::query!("delete from tickets.translation_engine where provider_id = $1", provider)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}

#[derive(sqlx::FromRow)]
struct Row {
    seller_id: Uuid,
    translation_id: Uuid,
    ticket_id: Uuid,
    part: String,
    source_id: Uuid,
    source_sha256: Vec<u8>,
    source_language: String,
    target_language: String,
    engine: String,
    body: String,
    translated_at: At,
    translated_by: Option<Uuid>,
    reviewed_at: Option<At>,
    reviewed_by: Option<Uuid>,
    version: i64,
}

impl TryFrom<Row> for OfSeller<Translation> {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let value = Translation {
            id: TranslationId(row.translation_id),
            ticket: TicketId(row.ticket_id),
            part: known("part", Part::named(&row.part))?,
            source: row.source_id,
            source_sha256: row.source_sha256,
            source_language: row.source_language,
            target_language: row.target_language,
            engine: known("engine", Engine::named(&row.engine))?,
            text: row.body,
            translated_at: row.translated_at.to_jiff(),
            translated_by: row.translated_by.map(UserId),
            reviewed_at: row.reviewed_at.map(At::to_jiff),
            reviewed_by: row.reviewed_by.map(UserId),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value })
    }
}

/// The translation of something into a language, of the transaction's seller.
pub async fn of(tx: &mut TenantTx, part: Part, source: Uuid, target: &str) -> Result<Option<Translation>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query_as!(
        Row,
        "select seller_id, translation_id, ticket_id, part, source_id, source_sha256, source_language, target_language,
                engine, body, translated_at, translated_by, reviewed_at, reviewed_by, version
           from tickets.translation
          where provider_id = $1 and seller_id = $2 and part = $3 and source_id = $4 and target_language = $5",
        provider,
        seller,
        part.name(),
        source,
        target,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Translation>::try_from(row).map(|of| of.value)).transpose()
}

/// A translation of the same text into a language, of the transaction's seller; what somebody looked at first.
pub async fn of_text(tx: &mut TenantTx, sha256: &[u8], target: &str) -> Result<Option<Translation>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query_as!(
        Row,
        "select seller_id, translation_id, ticket_id, part, source_id, source_sha256, source_language, target_language,
                engine, body, translated_at, translated_by, reviewed_at, reviewed_by, version
           from tickets.translation
          where provider_id = $1 and seller_id = $2 and source_sha256 = $3 and target_language = $4
          order by reviewed_at desc nulls last limit 1",
        provider,
        seller,
        sha256,
        target,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Translation>::try_from(row).map(|of| of.value)).transpose()
}

/// A translation of the transaction's seller, locked.
pub async fn locked(tx: &mut TenantTx, id: TranslationId) -> Result<Option<Translation>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query_as!(
        Row,
        "select seller_id, translation_id, ticket_id, part, source_id, source_sha256, source_language, target_language,
                engine, body, translated_at, translated_by, reviewed_at, reviewed_by, version
           from tickets.translation
          where provider_id = $1 and seller_id = $2 and translation_id = $3 for update",
        provider,
        seller,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| OfSeller::<Translation>::try_from(row).map(|of| of.value)).transpose()
}

/// The translations on a ticket of the readable sellers, the newest first.
pub async fn list(
    tx: &mut TenantTx,
    ticket: TicketId,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<OfSeller<Translation>>, Failure> {
    let (provider, sellers) = (tx.provider().0, sellers(tx));
    let (at, id) = after.map_or((Timestamp::MAX, Uuid::max()), |after| after);
    let rows = sqlx::query_as!(
        Row,
        "select seller_id, translation_id, ticket_id, part, source_id, source_sha256, source_language, target_language,
                engine, body, translated_at, translated_by, reviewed_at, reviewed_by, version
           from tickets.translation
          where provider_id = $1 and seller_id = any ($2) and ticket_id = $3
            and ($4 or (translated_at, translation_id) < ($5, $6))
          order by translated_at desc, translation_id desc limit $7",
        provider,
        &sellers,
        ticket.0,
        after.is_none(),
        at.min(LATEST).to_sqlx() as _,
        id,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Later than anything that is kept, and within what the database knows.
const LATEST: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// Keeps a translation unless there is one of the same already.
pub async fn add(tx: &mut TenantTx, translation: &Translation) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let t = translation;
    sqlx::query!(
        "insert into tickets.translation
             (provider_id, seller_id, translation_id, ticket_id, part, source_id, source_sha256, source_language,
              target_language, engine, body, translated_at, translated_by, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)
         on conflict on constraint translation_once do nothing",
        provider,
        seller,
        t.id.0,
        t.ticket.0,
        t.part.name(),
        t.source,
        t.source_sha256,
        t.source_language,
        t.target_language,
        t.engine.name(),
        t.text,
        t.translated_at.to_sqlx() as _,
        t.translated_by.map(|user| user.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes that somebody looked at a translation.
pub async fn review(tx: &mut TenantTx, translation: &Translation) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let t = translation;
    sqlx::query!(
        "update tickets.translation set body = $4, reviewed_at = $5, reviewed_by = $6, version = $7
          where provider_id = $1 and seller_id = $2 and translation_id = $3",
        provider,
        seller,
        t.id.0,
        t.text,
        t.reviewed_at.map(|at| at.to_sqlx()) as _,
        t.reviewed_by.map(|user| user.0),
        t.version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Shows the seller a question in the words of a machine, or of who looked at them.
pub async fn show(tx: &mut TenantTx, question: QuestionId, translation: &Translation) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.question
            set translation = $4, translation_language = $5, translated_by = 'machine', reviewed = $6,
                version = version + 1
          where provider_id = $1 and seller_id = $2 and question_id = $3",
        provider,
        seller,
        question.0,
        translation.text,
        translation.target_language,
        translation.reviewed_at.is_some(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
