//! What the guard knows: keyed hashes of the marks of a provider's sellers.

use std::collections::BTreeSet;

use aws_lc_rs::rand;
use tenantdb::{Failure, TenantTx, ToSqlx};

use crate::domain::guard::{self, Gram, Key, Kind, Mark};
use crate::domain::ids::{SellerId, TicketId, UserId};

/// Grams looked up with one statement.
const AT_ONCE: usize = 4_000;

/// The provider's key; made on first use.
pub async fn key(tx: &mut TenantTx) -> Result<Key, Failure> {
    let provider = tx.provider().0;
    if let Some(key) = sqlx::query_scalar!("select key from tickets.guard_key where provider_id = $1", provider)
        .fetch_optional(tx.conn())
        .await?
    {
        return Ok(Key::new(&key));
    }
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Failure::Inconsistent("no randomness for the guard's key".into()))?;
    sqlx::query!(
        "insert into tickets.guard_key (provider_id, key) values ($1, $2) on conflict on constraint guard_key_pk do nothing",
        provider,
        &bytes[..],
    )
    .execute(tx.conn())
    .await?;
    let key = sqlx::query_scalar!("select key from tickets.guard_key where provider_id = $1", provider)
        .fetch_one(tx.conn())
        .await?;
    Ok(Key::new(&key))
}

/// Replaces a seller's marks of some kinds.
pub async fn replace(
    tx: &mut TenantTx,
    seller: SellerId,
    kinds: &[Kind],
    marks: &BTreeSet<Mark>,
) -> Result<(), Failure> {
    let key = key(tx).await?;
    let (provider, owner) = (tx.provider().0, key.owner(seller));
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.name().to_owned()).collect();
    let hashes: Vec<Vec<u8>> = marks.iter().map(|mark| key.mark(mark)).collect();
    let of: Vec<String> = marks.iter().map(|mark| mark.kind.name().to_owned()).collect();
    sqlx::query!(
        "delete from tickets.guard_mark m
          where m.provider_id = $1 and m.owner = $2 and m.kind = any ($3)
            and not exists (select from unnest($4::bytea[], $5::text[]) as k (mark, kind)
                             where k.mark = m.mark and k.kind = m.kind)",
        provider,
        owner,
        &kinds,
        &hashes,
        &of,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into tickets.guard_mark (provider_id, mark, owner, kind)
         select $1, k.mark, $2, k.kind from unnest($3::bytea[], $4::text[]) as k (mark, kind) order by k.mark
         on conflict on constraint guard_mark_pk do nothing",
        provider,
        owner,
        &hashes,
        &of,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds the orders of a seller's customers, by their ids.
pub async fn add_orders(tx: &mut TenantTx, seller: SellerId, orders: &BTreeSet<Mark>) -> Result<(), Failure> {
    if orders.is_empty() {
        return Ok(());
    }
    let key = key(tx).await?;
    let (provider, owner) = (tx.provider().0, key.owner(seller));
    let hashes: Vec<Vec<u8>> = orders.iter().map(|mark| key.mark(mark)).collect();
    sqlx::query!(
        "insert into tickets.guard_mark (provider_id, mark, owner, kind)
         select $1, m, $2, 'order' from unnest($3::bytea[]) as m order by m
         on conflict on constraint guard_mark_pk do nothing",
        provider,
        owner,
        &hashes,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes orders away of which a seller keeps nothing any more.
pub async fn drop_orders(tx: &mut TenantTx, seller: SellerId, orders: &[String]) -> Result<(), Failure> {
    let (provider, marks) = (tx.provider().0, orders.iter().filter_map(|id| guard::known_order(id)));
    let marks: Vec<Mark> = marks.collect();
    if marks.is_empty() {
        return Ok(());
    }
    let key = key(tx).await?;
    let (owner, hashes) = (key.owner(seller), marks.iter().map(|mark| key.mark(mark)).collect::<Vec<_>>());
    sqlx::query!(
        "delete from tickets.guard_mark
          where provider_id = $1 and owner = $2 and kind = 'order' and mark = any ($3::bytea[])",
        provider,
        owner,
        &hashes,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Which of these grams are marks, and whether of the seller itself.
pub async fn hits<'a>(
    tx: &mut TenantTx,
    seller: SellerId,
    grams: &'a [Gram],
) -> Result<Vec<(&'a Gram, bool)>, Failure> {
    let key = key(tx).await?;
    let (provider, owner) = (tx.provider().0, key.owner(seller));
    let mut hits = Vec::new();
    for chunk in grams.chunks(AT_ONCE) {
        let hashes: Vec<Vec<u8>> = chunk.iter().map(|gram| key.mark(&gram.mark)).collect();
        let rows = sqlx::query!(
            r#"select mark as "mark!", bool_or(owner = $3) as "own!" from tickets.guard_mark
                where provider_id = $1 and mark = any ($2) group by mark"#,
            provider,
            &hashes,
            owner,
        )
        .fetch_all(tx.conn())
        .await?;
        for row in rows {
            let same = hashes.iter().zip(chunk).filter(|(hash, _)| **hash == row.mark);
            hits.extend(same.map(|(_, gram)| (gram, row.own)));
        }
    }
    Ok(hits)
}

/// The names and order ids that the customer used on a ticket, in the last 20 messages.
pub async fn said(tx: &mut TenantTx, ticket: TicketId) -> Result<BTreeSet<String>, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let texts = sqlx::query_scalar!(
        r#"select m.body as "body!" from (select position, body, direction from tickets.message
                            where provider_id = $1 and seller_id = $2 and ticket_id = $3
                            order by position desc limit 60) as m
          where m.direction = 'inbound' order by m.position desc limit 20"#,
        provider,
        seller,
        ticket.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(guard::said_in(texts.iter().map(String::as_str)))
}

/// Whether a supervisor lets this text leave on this ticket.
pub async fn overridden(tx: &mut TenantTx, ticket: TicketId, sha256: &[u8]) -> Result<bool, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let row = sqlx::query_scalar!(
        "select 1 as one from tickets.guard_override
          where provider_id = $1 and seller_id = $2 and ticket_id = $3 and sha256 = $4",
        provider,
        seller,
        ticket.0,
        sha256,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.is_some())
}

/// Lets a text leave.
pub async fn let_leave(
    tx: &mut TenantTx,
    ticket: TicketId,
    sha256: &[u8],
    by: UserId,
    reason: &str,
) -> Result<(), Failure> {
    let (provider, seller, now) = (tx.provider().0, tx.seller()?.0, tx.now());
    sqlx::query!(
        "insert into tickets.guard_override (provider_id, seller_id, ticket_id, sha256, reason, made_by, made_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict on constraint guard_override_pk do nothing",
        provider,
        seller,
        ticket.0,
        sha256,
        reason,
        by.0,
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How the seller's own order ids look.
pub async fn patterns(tx: &mut TenantTx, seller: SellerId) -> Result<Vec<String>, Failure> {
    let provider = tx.provider().0;
    Ok(sqlx::query_scalar!(
        "select pattern from tickets.order_pattern where provider_id = $1 and seller_id = $2 order by pattern",
        provider,
        seller.0,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Sets how the seller's own order ids look.
pub async fn keep_patterns(tx: &mut TenantTx, patterns: &[String]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!("delete from tickets.order_pattern where provider_id = $1 and seller_id = $2", provider, seller)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into tickets.order_pattern (provider_id, seller_id, pattern)
         select $1, $2, p from unnest($3::text[]) as p",
        provider,
        seller,
        patterns,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
