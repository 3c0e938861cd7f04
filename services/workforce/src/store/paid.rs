//! Paid days: what agents did for whom, settled when the day is over and after every correction.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use planner::hours::{Handled, HourClass};
use planner::paid::Part;
use tenantdb::{Failure, TenantTx, ToSqlx};

/// Seconds of work of an agent on a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worked {
    /// Who worked.
    pub user: UserId,
    /// On which of her days.
    pub day: Date,
    /// For how many seconds.
    pub seconds: i64,
    /// How many of them at night.
    pub night: i64,
}

/// Adds handled seconds for a seller; no agent's day is named twice.
pub async fn add_handled(tx: &mut TenantTx, seller: SellerId, worked: &[Worked]) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.paid_part (provider_id, user_id, day, for_seller_id, handled_seconds, night_seconds)
         select $1, w.user_id, w.day, $2, w.seconds, w.night
           from unnest($3::uuid[], $4::date[], $5::int8[], $6::int8[]) as w (user_id, day, seconds, night)
          order by w.user_id, w.day
         on conflict on constraint paid_part_pk do update
            set handled_seconds = paid_part.handled_seconds + excluded.handled_seconds,
                night_seconds = paid_part.night_seconds + excluded.night_seconds",
        provider.0,
        seller.0,
        &worked.iter().map(|w| w.user.0).collect::<Vec<Uuid>>(),
        &worked.iter().map(|w| w.day.to_sqlx()).collect::<Vec<_>>() as _,
        &worked.iter().map(|w| w.seconds).collect::<Vec<_>>(),
        &worked.iter().map(|w| w.night).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Puts a day on the list of those to settle; an earlier date on the list stays.
pub async fn touch_day(
    tx: &mut TenantTx,
    new_id: Uuid,
    user: UserId,
    day: Date,
    zone: &str,
    due: Timestamp,
) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.paid_day (provider_id, paid_day_id, user_id, day, zone, due_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint paid_day_once do update
            set due_at = least(coalesce(paid_day.due_at, excluded.due_at), excluded.due_at),
                touched = paid_day.touched + 1",
        provider.0,
        new_id,
        user.0,
        day.to_sqlx() as _,
        zone,
        due.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A day to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidDay {
    /// Whose.
    pub user: UserId,
    /// Which day.
    pub day: Date,
    /// In which zone.
    pub zone: String,
    /// Rises with everything that is told about the day.
    pub touched: i64,
    /// Classes of hours that were told of it before.
    pub classes: Vec<HourClass>,
}

/// A day that is due; none when it is no longer.
pub async fn due_day(tx: &mut TenantTx, id: Uuid, now: Timestamp) -> Result<Option<PaidDay>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select user_id, day, zone, touched, classes from workforce.paid_day
          where provider_id = $1 and paid_day_id = $2 and due_at <= $3",
        provider.0,
        id,
        now.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| PaidDay {
        user: UserId(row.user_id),
        day: row.day.to_jiff(),
        zone: row.zone,
        touched: row.touched,
        classes: row.classes.iter().filter_map(|name| HourClass::parse(name)).collect(),
    }))
}

/// Takes a day off the list, unless more was told about it in the meantime, and keeps the classes that were told.
pub async fn settled(tx: &mut TenantTx, id: Uuid, touched: i64, classes: &[HourClass]) -> Result<(), Failure> {
    let provider = tx.provider();
    let names: Vec<String> = classes.iter().map(|class| class.name().to_owned()).collect();
    sqlx::query!(
        "update workforce.paid_day set due_at = case when touched = $3 then null else due_at end, classes = $4
          where provider_id = $1 and paid_day_id = $2",
        provider.0,
        id,
        touched,
        &names,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Handled seconds of an agent on a day, by seller.
pub async fn handled(tx: &mut TenantTx, user: UserId, day: Date) -> Result<Vec<Handled<SellerId>>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select for_seller_id, handled_seconds, night_seconds from workforce.paid_part
          where provider_id = $1 and user_id = $2 and day = $3 order by for_seller_id",
        provider.0,
        user.0,
        day.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let handled = rows.into_iter().map(|row| Handled {
        seller: SellerId(row.for_seller_id),
        seconds: row.handled_seconds,
        night: row.night_seconds,
    });
    Ok(handled.collect())
}

/// For whom hours of which class of a day were told that were any.
pub async fn told(tx: &mut TenantTx, user: UserId, day: Date) -> Result<Vec<(SellerId, HourClass)>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select for_seller_id, hour_class from workforce.paid_hours
          where provider_id = $1 and user_id = $2 and day = $3 and 0 < paid_seconds order by for_seller_id, hour_class",
        provider.0,
        user.0,
        day.to_sqlx() as _,
    )
    .fetch_all(tx.conn())
    .await?;
    let told =
        rows.into_iter().filter_map(|row| Some((SellerId(row.for_seller_id), HourClass::parse(&row.hour_class)?)));
    Ok(told.collect())
}

/// Keeps a seller's part of a day's hours of a class; the new revision, or none when nothing changed.
pub async fn keep_hours(
    tx: &mut TenantTx,
    (user, day): (UserId, Date),
    class: HourClass,
    part: &Part<SellerId>,
) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let revision = sqlx::query_scalar!(
        "insert into workforce.paid_hours as p
                (provider_id, user_id, day, for_seller_id, hour_class, paid_seconds, productive_seconds, revision)
         values ($1, $2, $3, $4, $5, $6, $7, 1)
         on conflict on constraint paid_hours_pk do update
            set paid_seconds = $6, productive_seconds = $7, revision = p.revision + 1
          where (p.paid_seconds, p.productive_seconds) is distinct from ($6, $7)
         returning revision",
        provider.0,
        user.0,
        day.to_sqlx() as _,
        part.seller.0,
        class.name(),
        part.paid,
        part.productive,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(revision)
}
