//! Seats at sites.

use jiff::Timestamp;
use planner::civil::Window;
use planner::record::KeptSeats;
use tenantdb::{Failure, TenantTx, ToSqlx};

/// Sites of which something is kept.
pub const MOST_SITES: i64 = 200;

/// The seats of all sites, by name.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<KeptSeats>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select site, version, zone, seats, window_weekdays, window_starts, window_ends, window_seats, updated_at
           from workforce.site_seats where provider_id = $1 order by site limit $2",
        provider.0,
        MOST_SITES,
    )
    .fetch_all(tx.conn())
    .await?;
    let sites = rows.into_iter().map(|row| {
        let edges = row.window_starts.iter().zip(&row.window_ends);
        let windows = row.window_weekdays.iter().zip(edges).zip(&row.window_seats);
        let windows = windows.map(|((weekday, (start, end)), seats)| {
            let weekday = i8::try_from(*weekday).unwrap_or(1);
            (Window { weekday, start: *start, end: *end }, seats.max(&0).unsigned_abs())
        });
        KeptSeats {
            site: row.site,
            version: row.version,
            zone: row.zone,
            seats: row.seats.max(0).unsigned_abs(),
            windows: windows.collect(),
            updated_at: row.updated_at.to_jiff(),
        }
    });
    Ok(sites.collect())
}

/// Locks the seats of all sites: whoever places somebody sees what others placed. Taken after the agents' contracts.
pub async fn lock(tx: &mut TenantTx) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!(
        "select site from workforce.site_seats where provider_id = $1 order by site for no key update",
        provider.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Keeps the seats of a site; the new version, or none when `seen` is not the current one.
pub async fn keep(tx: &mut TenantTx, kept: &KeptSeats, seen: Option<i64>) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let number = |seats: u32| i32::try_from(seats).unwrap_or(i32::MAX);
    let weekdays: Vec<i32> = kept.windows.iter().map(|(window, _)| window.weekday.into()).collect();
    let starts: Vec<i32> = kept.windows.iter().map(|(window, _)| window.start).collect();
    let ends: Vec<i32> = kept.windows.iter().map(|(window, _)| window.end).collect();
    let seats: Vec<i32> = kept.windows.iter().map(|(_, seats)| number(*seats)).collect();
    let now: Timestamp = kept.updated_at;
    let version = sqlx::query_scalar!(
        "insert into workforce.site_seats as s
                (provider_id, site, zone, seats, window_weekdays, window_starts, window_ends, window_seats, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint site_seats_pk do update
            set version = s.version + 1, zone = excluded.zone, seats = excluded.seats,
                window_weekdays = excluded.window_weekdays, window_starts = excluded.window_starts,
                window_ends = excluded.window_ends, window_seats = excluded.window_seats,
                updated_at = excluded.updated_at
          where $10::bigint is null or s.version = $10
         returning version",
        provider.0,
        kept.site,
        kept.zone,
        number(kept.seats),
        &weekdays,
        &starts,
        &ends,
        &seats,
        now.to_sqlx() as _,
        seen,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Forgets the seats of a site.
pub async fn delete(tx: &mut TenantTx, site: &str) -> Result<(), Failure> {
    let provider = tx.provider();
    sqlx::query!("delete from workforce.site_seats where provider_id = $1 and site = $2", provider.0, site)
        .execute(tx.conn())
        .await?;
    Ok(())
}
