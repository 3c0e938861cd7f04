//! Training and meetings that planners want attended.

use jiff::Timestamp;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use planner::activity::Kind;
use planner::record::{ActivityGroup, ActivityId, KeptActivity};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

/// Where a list of activities begins: start of the window, id.
pub type ActivityKey = (Timestamp, Uuid);

/// Activities (one; those whose window ends after an instant and begins before another), by window.
pub async fn list(
    tx: &mut TenantTx,
    id: Option<ActivityId>,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
    after: Option<ActivityKey>,
    limit: i64,
) -> Result<Vec<KeptActivity>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select activity_id, version, kind, title, length_seconds, window_starts_at, window_ends_at, together,
                min_attendance, user_ids, has_group, group_site, group_seller, group_language, charged_seller, updated_at
           from workforce.activity
          where provider_id = $1 and ($2::uuid is null or activity_id = $2)
            and ($3::timestamptz is null or $3 < window_ends_at)
            and ($4::timestamptz is null or window_starts_at < $4)
            and ($5::timestamptz is null or ($5, $6::uuid) < (window_starts_at, activity_id))
          order by window_starts_at, activity_id limit $7",
        provider.0,
        id.map(|id| id.0),
        from.map(|at| at.to_sqlx()) as _,
        until.map(|at| at.to_sqlx()) as _,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let second = |at: At| at.to_jiff().as_second();
    let kept = rows.into_iter().map(|row| KeptActivity {
        id: ActivityId(row.activity_id),
        version: row.version,
        kind: Kind::of(&row.kind),
        title: row.title,
        length: row.length_seconds,
        window: (second(row.window_starts_at), second(row.window_ends_at)),
        together: row.together,
        minimum: row.min_attendance.max(0).unsigned_abs(),
        users: row.user_ids.into_iter().map(UserId).collect(),
        group: row.has_group.then_some(ActivityGroup {
            site: row.group_site,
            seller: row.group_seller.map(SellerId),
            language: row.group_language,
        }),
        charged: row.charged_seller.map(SellerId),
        updated_at: row.updated_at.to_jiff(),
    });
    Ok(kept.collect())
}

/// How many there are.
pub async fn count(tx: &mut TenantTx) -> Result<i64, Failure> {
    let provider = tx.provider();
    let counted = sqlx::query_scalar!(
        r#"select count(*) as "count!" from workforce.activity where provider_id = $1"#,
        provider.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(counted)
}

/// Keeps an activity, a new one or a changed one; the new version, or none when there is no such or `seen` is not the
/// current one.
pub async fn keep(
    tx: &mut TenantTx,
    kept: &KeptActivity,
    is_new: bool,
    seen: Option<i64>,
) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let stamp = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_sqlx();
    let users: Vec<Uuid> = kept.users.iter().map(|user| user.0).collect();
    let group = kept.group.clone().unwrap_or_default();
    let minimum = i32::try_from(kept.minimum).unwrap_or(i32::MAX);
    if is_new {
        sqlx::query!(
            "insert into workforce.activity
                    (provider_id, activity_id, kind, title, length_seconds, window_starts_at, window_ends_at, together,
                     min_attendance, user_ids, has_group, group_site, group_seller, group_language, charged_seller,
                     updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            provider.0,
            kept.id.0,
            kept.kind.word(),
            kept.title,
            kept.length,
            stamp(kept.window.0) as _,
            stamp(kept.window.1) as _,
            kept.together,
            minimum,
            &users,
            kept.group.is_some(),
            group.site,
            group.seller.map(|seller| seller.0),
            group.language,
            kept.charged.map(|seller| seller.0),
            kept.updated_at.to_sqlx() as _,
        )
        .execute(tx.conn())
        .await?;
        return Ok(Some(1));
    }
    let version = sqlx::query_scalar!(
        "update workforce.activity
            set version = version + 1, kind = $3, title = $4, length_seconds = $5, window_starts_at = $6,
                window_ends_at = $7, together = $8, min_attendance = $9, user_ids = $10, has_group = $11,
                group_site = $12, group_seller = $13, group_language = $14, charged_seller = $15, updated_at = $16
          where provider_id = $1 and activity_id = $2 and ($17::bigint is null or version = $17)
         returning version",
        provider.0,
        kept.id.0,
        kept.kind.word(),
        kept.title,
        kept.length,
        stamp(kept.window.0) as _,
        stamp(kept.window.1) as _,
        kept.together,
        minimum,
        &users,
        kept.group.is_some(),
        group.site,
        group.seller.map(|seller| seller.0),
        group.language,
        kept.charged.map(|seller| seller.0),
        kept.updated_at.to_sqlx() as _,
        seen,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Deletes an activity; false when there is none.
pub async fn delete(tx: &mut TenantTx, id: ActivityId) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done =
        sqlx::query!("delete from workforce.activity where provider_id = $1 and activity_id = $2", provider.0, id.0)
            .execute(tx.conn())
            .await?;
    Ok(done.rows_affected() == 1)
}
