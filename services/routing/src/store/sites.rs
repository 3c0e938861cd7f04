//! Sites and their hours: the provider's own rows.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::{Date as SqlDate, ToSqlx};
use sqlx::FromRow;
use tenantdb::{Failure, TenantTx};

use crate::domain::site::{Opening, Site};

#[derive(FromRow)]
struct Row {
    name: String,
    zone: String,
    weekdays: Vec<i16>,
    starts: Vec<i32>,
    ends: Vec<i32>,
    closed_days: Vec<SqlDate>,
    version: i64,
}

impl From<Row> for Site {
    fn from(row: Row) -> Site {
        let openings = row.weekdays.into_iter().zip(row.starts).zip(row.ends).map(|((weekday, start), end)| Opening {
            weekday: i8::try_from(weekday).unwrap_or(0),
            start,
            end,
        });
        Site {
            name: row.name,
            zone: row.zone,
            openings: openings.collect(),
            closed: row.closed_days.into_iter().map(SqlDate::to_jiff).collect(),
            version: row.version,
        }
    }
}

/// Sites after a name, in order.
pub async fn list(tx: &mut TenantTx, after: Option<&str>, limit: i64) -> Result<Vec<Site>, Failure> {
    let provider = tx.provider();
    let rows: Vec<Row> = sqlx::query_as(
        "select name, zone, weekdays, starts, ends, closed_days, version from routing.site
          where provider_id = $1 and ($2::text is null or name > $2) order by name limit $3",
    )
    .bind(provider.0)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Site::from).collect())
}

/// The version of a site, locked against other changes; none if it is not there.
pub async fn lock(tx: &mut TenantTx, name: &str) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let version = sqlx::query_scalar!(
        "select version from routing.site where provider_id = $1 and name = $2 for update",
        provider.0,
        name
    );
    Ok(version.fetch_optional(tx.conn()).await?)
}

/// Keeps a site as it is now; its version.
pub async fn keep(tx: &mut TenantTx, site: &Site, now: Timestamp) -> Result<i64, Failure> {
    let provider = tx.provider();
    let closed: Vec<SqlDate> = site.closed.iter().map(|day: &Date| day.to_sqlx()).collect();
    let version = sqlx::query_scalar!(
        r#"insert into routing.site as s (provider_id, name, zone, weekdays, starts, ends, closed_days, version, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, 1, $8)
           on conflict on constraint site_pk do update
              set zone = excluded.zone, weekdays = excluded.weekdays, starts = excluded.starts, ends = excluded.ends,
                  closed_days = excluded.closed_days, version = s.version + 1, updated_at = excluded.updated_at
           returning version"#,
        provider.0,
        site.name,
        site.zone,
        &site.openings.iter().map(|o| i16::from(o.weekday)).collect::<Vec<_>>(),
        &site.openings.iter().map(|o| o.start).collect::<Vec<_>>(),
        &site.openings.iter().map(|o| o.end).collect::<Vec<_>>(),
        &closed as _,
        now.to_sqlx() as _,
    );
    Ok(version.fetch_one(tx.conn()).await?)
}

/// Deletes a site.
pub async fn delete(tx: &mut TenantTx, name: &str) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!("delete from routing.site where provider_id = $1 and name = $2", provider.0, name)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Which of these names are not sites of the provider.
pub async fn unknown(tx: &mut TenantTx, names: &[String]) -> Result<Vec<String>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_scalar!(
        r#"select n.name as "name!" from unnest($2::text[]) as n (name)
            where not exists (select 1 from routing.site s where s.provider_id = $1 and s.name = n.name)
            order by n.name"#,
        provider.0,
        names
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
