//! Alerts and when they are raised. The engine raises and ends them, people
//! acknowledge them.

use jiff_sqlx::Timestamp;
use kit::{SellerId, UserId};
use sqlx::{FromRow, Row as _};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::{get, put, word};
use engine::contact::Block;
use engine::floor::alerts::Kind;
use engine::floor::{AlertPolicy, Cause, Open};
use engine::ids::{At, ContactId};
use engine::needs::{Channel, Language};

kit::id!(AlertId, "alert", "Something that needs somebody's eye.");

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select seller_id, alert_id, kind, channel, language, reason, contact_id, measured, threshold, raised_at,
                    ended_at, acknowledged_at, acknowledged_by
               from routing.alert ",
            $rest
        )
    };
}

/// An alert as it is stored.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What began.
    pub open: Open,
    /// When it was raised, and when it ended.
    pub raised_at: At,
    pub ended_at: Option<At>,
    /// When somebody took care of it, and who.
    pub acknowledged: Option<(At, UserId)>,
}

#[derive(FromRow)]
struct Row {
    seller_id: Uuid,
    alert_id: Uuid,
    kind: String,
    channel: String,
    language: String,
    reason: String,
    contact_id: Option<Uuid>,
    measured: f64,
    threshold: f64,
    raised_at: Timestamp,
    ended_at: Option<Timestamp>,
    acknowledged_at: Option<Timestamp>,
    acknowledged_by: Option<Uuid>,
}

impl TryFrom<Row> for Alert {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Alert, Failure> {
        let language = match row.language.as_str() {
            "" => None,
            tag => Some(Language::parse(tag).map_err(|e| Failure::Inconsistent(e.to_string()))?),
        };
        let block = match row.reason.as_str() {
            "" => None,
            reason => Some(word(&Block::ALL, Block::word, reason)?),
        };
        let cause = Cause {
            seller: SellerId(row.seller_id),
            kind: word(&Kind::ALL, Kind::word, &row.kind)?,
            channel: word(&Channel::ALL, Channel::word, &row.channel)?,
            language,
            block,
        };
        Ok(Alert {
            id: AlertId(row.alert_id),
            open: Open {
                cause,
                contact: row.contact_id.map(ContactId),
                measured: row.measured,
                threshold: row.threshold,
            },
            raised_at: get(row.raised_at),
            ended_at: row.ended_at.map(get),
            acknowledged: row.acknowledged_at.map(get).zip(row.acknowledged_by.map(UserId)),
        })
    }
}

/// Keeps an alert that begins.
pub async fn raise(tx: &mut TenantTx, id: AlertId, open: &Open, at: At) -> Result<(), Failure> {
    let provider = tx.provider();
    let Cause { seller, kind, channel, language, block } = &open.cause;
    sqlx::query(
        "insert into routing.alert (provider_id, seller_id, alert_id, kind, channel, language, reason, contact_id, measured,
             threshold, raised_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(provider.0)
    .bind(seller.0)
    .bind(id.0)
    .bind(kind.word())
    .bind(channel.word())
    .bind(language.as_ref().map_or("", Language::as_str))
    .bind(block.map_or("", Block::word))
    .bind(open.contact.map(|contact| contact.0))
    .bind(open.measured)
    .bind(open.threshold)
    .bind(put(at))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends the open alert of a cause; which it was.
pub async fn end(tx: &mut TenantTx, cause: &Cause, at: At) -> Result<Option<Alert>, Failure> {
    let provider = tx.provider();
    let row: Option<Row> = sqlx::query_as(
        "update routing.alert set ended_at = $7
          where provider_id = $1 and seller_id = $2 and kind = $3 and channel = $4 and language = $5 and reason = $6
            and ended_at is null
          returning seller_id, alert_id, kind, channel, language, reason, contact_id, measured, threshold, raised_at,
                    ended_at, acknowledged_at, acknowledged_by",
    )
    .bind(provider.0)
    .bind(cause.seller.0)
    .bind(cause.kind.word())
    .bind(cause.channel.word())
    .bind(cause.language.as_ref().map_or("", Language::as_str))
    .bind(cause.block.map_or("", Block::word))
    .bind(put(at))
    .fetch_optional(tx.conn())
    .await?;
    row.map(Alert::try_from).transpose()
}

/// The causes of every open alert that the transaction reads.
pub async fn open(tx: &mut TenantTx) -> Result<Vec<Cause>, Failure> {
    let provider = tx.provider();
    let sellers: Vec<Uuid> = tx.readable().iter().map(|s| s.0).collect();
    let rows: Vec<Row> =
        sqlx::query_as(columns!("where provider_id = $1 and seller_id = any($2) and ended_at is null"))
            .bind(provider.0)
            .bind(sellers)
            .fetch_all(tx.conn())
            .await?;
    rows.into_iter().map(|row| Alert::try_from(row).map(|alert| alert.open.cause)).collect()
}

/// A page of alerts, newest first.
pub async fn list(
    tx: &mut TenantTx,
    seller: Option<Uuid>,
    open_only: bool,
    before: Option<(At, AlertId)>,
    most: i64,
) -> Result<Vec<Alert>, Failure> {
    let provider = tx.provider();
    let (at, id) = before.map_or((None, None), |(at, id)| (Some(put(at)), Some(id.0)));
    let rows: Vec<Row> = match seller {
        Some(seller) => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and seller_id = $2 and (not $3 or ended_at is null)
                   and ($4::timestamptz is null or (raised_at, alert_id) < ($4, $5))
                 order by raised_at desc, alert_id desc limit $6"
            ))
            .bind(provider.0)
            .bind(seller)
            .bind(open_only)
            .bind(at)
            .bind(id)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
        None => {
            sqlx::query_as(columns!(
                "where provider_id = $1 and (not $2 or ended_at is null)
                   and ($3::timestamptz is null or (raised_at, alert_id) < ($3, $4))
                 order by raised_at desc, alert_id desc limit $5"
            ))
            .bind(provider.0)
            .bind(open_only)
            .bind(at)
            .bind(id)
            .bind(most)
            .fetch_all(tx.conn())
            .await?
        }
    };
    rows.into_iter().map(Alert::try_from).collect()
}

/// Notes who takes care of an alert, unless somebody did before; none if it is not there.
pub async fn acknowledge(
    tx: &mut TenantTx,
    seller: SellerId,
    id: AlertId,
    who: UserId,
    at: At,
) -> Result<Option<Alert>, Failure> {
    let provider = tx.provider();
    sqlx::query(
        "update routing.alert set acknowledged_at = $4, acknowledged_by = $5
          where provider_id = $1 and seller_id = $2 and alert_id = $3 and acknowledged_at is null",
    )
    .bind(provider.0)
    .bind(seller.0)
    .bind(id.0)
    .bind(put(at))
    .bind(who.0)
    .execute(tx.conn())
    .await?;
    let row: Option<Row> = sqlx::query_as(columns!("where provider_id = $1 and seller_id = $2 and alert_id = $3"))
        .bind(provider.0)
        .bind(seller.0)
        .bind(id.0)
        .fetch_optional(tx.conn())
        .await?;
    row.map(Alert::try_from).transpose()
}

/// When alerts are raised, for every seller that says so and that the transaction reads.
pub async fn policies(tx: &mut TenantTx) -> Result<Vec<(SellerId, AlertPolicy)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query(
        "select seller_id, version, blocked_after_seconds, service_level_percent, service_level_contacts,
                nobody_on_duty_after_seconds
           from routing.alert_policy where provider_id = $1",
    )
    .bind(provider.0)
    .fetch_all(tx.conn())
    .await?;
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    rows.iter()
        .map(|row| {
            let policy = AlertPolicy {
                version: row.try_get(1)?,
                blocked_after_seconds: row.try_get(2)?,
                service_level_percent: count(row.try_get(3)?),
                service_level_contacts: count(row.try_get(4)?),
                nobody_on_duty_after_seconds: row.try_get(5)?,
            };
            Ok((SellerId(row.try_get(0)?), policy))
        })
        .collect()
}

/// Keeps a policy that follows the one before; false if another did.
pub async fn keep_policy(tx: &mut TenantTx, seller: SellerId, policy: &AlertPolicy) -> Result<bool, Failure> {
    let provider = tx.provider();
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let kept = sqlx::query(
        "insert into routing.alert_policy (provider_id, seller_id, version, blocked_after_seconds, service_level_percent,
             service_level_contacts, nobody_on_duty_after_seconds)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict on constraint alert_policy_pk do update
            set version = excluded.version, blocked_after_seconds = excluded.blocked_after_seconds,
                service_level_percent = excluded.service_level_percent,
                service_level_contacts = excluded.service_level_contacts,
                nobody_on_duty_after_seconds = excluded.nobody_on_duty_after_seconds
          where alert_policy.version = excluded.version - 1",
    )
    .bind(provider.0)
    .bind(seller.0)
    .bind(policy.version)
    .bind(policy.blocked_after_seconds)
    .bind(count(policy.service_level_percent))
    .bind(count(policy.service_level_contacts))
    .bind(policy.nobody_on_duty_after_seconds)
    .execute(tx.conn())
    .await?;
    Ok(kept.rows_affected() == 1)
}
