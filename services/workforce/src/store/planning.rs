//! Forecasts and requirements of one seller.

use jiff::Timestamp;
use kit::SellerId;
use kit::ids::Uuid;
use tenantdb::{Failure, TenantTx, ToSqlx};

use crate::domain::record::{Forecast, ForecastId, ForecastSeries, Requirement, RequirementId, RequirementSeries};

/// Where a list, newest first, begins.
pub type NewestKey = (Timestamp, Uuid);

/// Keeps a new forecast.
pub async fn insert_forecast(tx: &mut TenantTx, forecast: &Forecast, series: &[ForecastSeries]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "insert into workforce.forecast
                (provider_id, seller_id, forecast_id, source, model, starts_at, step_seconds, intervals,
                 history_ends_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        provider.0,
        seller.0,
        forecast.id.0,
        if forecast.from_history { "history" } else { "given" },
        forecast.model,
        forecast.starts_at.to_sqlx() as _,
        forecast.step_seconds,
        forecast.intervals,
        forecast.history_ends_at.map(|at| at.to_sqlx()) as _,
        forecast.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    for one in series {
        sqlx::query!(
            "insert into workforce.forecast_series
                    (provider_id, seller_id, forecast_id, language, channel, contacts, handle_seconds, history_weeks,
                     lower_ends, upper_ends, wape, seasonal_naive_wape, methods)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            provider.0,
            seller.0,
            forecast.id.0,
            one.language,
            one.channel,
            &one.contacts,
            &one.handle_seconds,
            one.history_weeks,
            &one.lower_ends,
            &one.upper_ends,
            one.wape,
            one.seasonal_naive_wape,
            &one.methods,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Forecasts of the sellers that the transaction reads (or of one), newest first.
pub async fn forecasts(
    tx: &mut TenantTx,
    seller: Option<SellerId>,
    id: Option<ForecastId>,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Forecast>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select seller_id, forecast_id, source, model, starts_at, step_seconds, intervals, history_ends_at, created_at
           from workforce.forecast
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and ($3::uuid is null or forecast_id = $3)
            and ($4::timestamptz is null or (created_at, forecast_id) < ($4, $5::uuid))
          order by created_at desc, forecast_id desc limit $6",
        provider.0,
        seller.map(|seller| seller.0),
        id.map(|id| id.0),
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let forecasts = rows.into_iter().map(|row| Forecast {
        id: ForecastId(row.forecast_id),
        seller: SellerId(row.seller_id),
        from_history: row.source == "history",
        model: row.model,
        starts_at: row.starts_at.to_jiff(),
        step_seconds: row.step_seconds,
        intervals: row.intervals,
        history_ends_at: row.history_ends_at.map(|at| at.to_jiff()),
        created_at: row.created_at.to_jiff(),
    });
    Ok(forecasts.collect())
}

/// The series of a forecast.
pub async fn forecast_series(
    tx: &mut TenantTx,
    seller: SellerId,
    id: ForecastId,
) -> Result<Vec<ForecastSeries>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        ForecastSeries,
        "select language, channel, contacts, handle_seconds, history_weeks, lower_ends, upper_ends, wape,
                seasonal_naive_wape, methods
           from workforce.forecast_series
          where provider_id = $1 and seller_id = $2 and forecast_id = $3 order by language, channel",
        provider.0,
        seller.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// Keeps a new requirement.
pub async fn insert_requirement(
    tx: &mut TenantTx,
    requirement: &Requirement,
    series: &[RequirementSeries],
) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "insert into workforce.requirement
                (provider_id, seller_id, requirement_id, forecast_id, starts_at, step_seconds, intervals, plan, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        provider.0,
        seller.0,
        requirement.id.0,
        requirement.forecast.0,
        requirement.starts_at.to_sqlx() as _,
        requirement.step_seconds,
        requirement.intervals,
        requirement.plan,
        requirement.created_at.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    for one in series {
        sqlx::query!(
            "insert into workforce.requirement_series
                    (provider_id, seller_id, requirement_id, language, channel, working, scheduled, unplaced_seconds)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            provider.0,
            seller.0,
            requirement.id.0,
            one.language,
            one.channel,
            &one.working,
            &one.scheduled,
            one.unplaced_seconds,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Requirements of the sellers that the transaction reads (or of one), newest first.
pub async fn requirements(
    tx: &mut TenantTx,
    seller: Option<SellerId>,
    ids: &[RequirementId],
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Requirement>, Failure> {
    let provider = tx.provider();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select seller_id, requirement_id, forecast_id, starts_at, step_seconds, intervals, plan, created_at
           from workforce.requirement
          where provider_id = $1 and ($2::uuid is null or seller_id = $2)
            and ($3::uuid[] = '{}' or requirement_id = any ($3))
            and ($4::timestamptz is null or (created_at, requirement_id) < ($4, $5::uuid))
          order by created_at desc, requirement_id desc limit $6",
        provider.0,
        seller.map(|seller| seller.0),
        &ids,
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let requirements = rows.into_iter().map(|row| Requirement {
        id: RequirementId(row.requirement_id),
        seller: SellerId(row.seller_id),
        forecast: ForecastId(row.forecast_id),
        starts_at: row.starts_at.to_jiff(),
        step_seconds: row.step_seconds,
        intervals: row.intervals,
        plan: row.plan,
        created_at: row.created_at.to_jiff(),
    });
    Ok(requirements.collect())
}

/// The series of a requirement.
pub async fn requirement_series(
    tx: &mut TenantTx,
    seller: SellerId,
    id: RequirementId,
) -> Result<Vec<RequirementSeries>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query_as!(
        RequirementSeries,
        "select language, channel, working, scheduled, unplaced_seconds from workforce.requirement_series
          where provider_id = $1 and seller_id = $2 and requirement_id = $3 order by language, channel",
        provider.0,
        seller.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}
