//! Forecasts and requirements of one seller.

use jiff::Timestamp;
use kit::SellerId;
use kit::ids::Uuid;
use planner::record::{Forecast, ForecastId, ForecastSeries, Requirement, RequirementId, RequirementSeries};
use tenantdb::{Failure, TenantTx, ToSqlx};

/// Where a list, newest first, begins.
pub type NewestKey = (Timestamp, Uuid);

/// Keeps a new forecast.
pub async fn insert_forecast(tx: &mut TenantTx, forecast: &Forecast, series: &[ForecastSeries]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider(), tx.seller()?);
    sqlx::query!(
        "insert into workforce.forecast
                (provider_id, seller_id, forecast_id, source, model, starts_at, step_seconds, intervals,
                 history_ends_at, created_at, zone)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
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
        forecast.zone,
    )
    .execute(tx.conn())
    .await?;
    for one in series {
        sqlx::query!(
            "insert into workforce.forecast_series
                    (provider_id, seller_id, forecast_id, language, channel, contacts, handle_seconds, history_weeks,
                     lower_ends, upper_ends, wape, seasonal_naive_wape, methods, damping,
                     unlearnt, outlier_days, outlier_contacts, outlier_expected)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
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
            &one.damping,
            &one.unlearnt,
            &one.outliers.iter().map(|day| day.0.to_sqlx()).collect::<Vec<_>>() as _,
            &one.outliers.iter().map(|day| day.1).collect::<Vec<_>>(),
            &one.outliers.iter().map(|day| day.2).collect::<Vec<_>>(),
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
    forecasts_of(tx, seller, id, None, after, limit).await
}

/// Forecasts of one seller whose first interval has begun, newest first.
pub async fn begun_forecasts(
    tx: &mut TenantTx,
    seller: SellerId,
    now: Timestamp,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Forecast>, Failure> {
    forecasts_of(tx, Some(seller), None, Some(now), after, limit).await
}

async fn forecasts_of(
    tx: &mut TenantTx,
    seller: Option<SellerId>,
    id: Option<ForecastId>,
    begun: Option<Timestamp>,
    after: Option<NewestKey>,
    limit: i64,
) -> Result<Vec<Forecast>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select seller_id, forecast_id, source, model, starts_at, step_seconds, intervals, history_ends_at, created_at,
                zone
           from workforce.forecast
          where provider_id = $1 and ($2::uuid is null or seller_id = $2) and ($3::uuid is null or forecast_id = $3)
            and ($4::timestamptz is null or (created_at, forecast_id) < ($4, $5::uuid))
            and ($7::timestamptz is null or starts_at < $7)
          order by created_at desc, forecast_id desc limit $6",
        provider.0,
        seller.map(|seller| seller.0),
        id.map(|id| id.0),
        after.map(|(at, _)| at.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
        begun.map(|at| at.to_sqlx()) as _,
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
        zone: row.zone,
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
    let rows = sqlx::query!(
        r#"select language, channel, contacts, handle_seconds, history_weeks, lower_ends, upper_ends, wape,
                seasonal_naive_wape, methods, damping, unlearnt, outlier_days as "outlier_days: Vec<jiff_sqlx::Date>",
                outlier_contacts, outlier_expected
           from workforce.forecast_series
          where provider_id = $1 and seller_id = $2 and forecast_id = $3 order by language, channel"#,
        provider.0,
        seller.0,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let series = rows.into_iter().map(|row| {
        let days = row.outlier_days.into_iter().zip(row.outlier_contacts).zip(row.outlier_expected);
        ForecastSeries {
            language: row.language,
            channel: row.channel,
            contacts: row.contacts,
            handle_seconds: row.handle_seconds,
            history_weeks: row.history_weeks,
            lower_ends: row.lower_ends,
            upper_ends: row.upper_ends,
            wape: row.wape,
            seasonal_naive_wape: row.seasonal_naive_wape,
            methods: row.methods,
            damping: row.damping,
            unlearnt: row.unlearnt,
            outliers: days.map(|((day, came), expected)| (day.to_jiff(), came, expected)).collect(),
        }
    });
    Ok(series.collect())
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

/// The newest requirement of a seller that holds an instant.
pub async fn requirement_at(
    tx: &mut TenantTx,
    seller: SellerId,
    at: Timestamp,
) -> Result<Option<RequirementId>, Failure> {
    let provider = tx.provider();
    // None is longer than 92 days.
    let id = sqlx::query_scalar!(
        "select requirement_id from workforce.requirement
          where provider_id = $1 and seller_id = $2 and starts_at <= $3 and $3::timestamptz - interval '93 days' < starts_at
            and $3 < starts_at + make_interval(secs => step_seconds * intervals)
          order by created_at desc, requirement_id desc limit 1",
        provider.0,
        seller.0,
        at.to_sqlx() as _,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(RequirementId))
}

/// When the last requirement of a seller ends; none where there is none.
pub async fn last_requirement_ends(tx: &mut TenantTx, seller: SellerId) -> Result<Option<Timestamp>, Failure> {
    let provider = tx.provider();
    let row = sqlx::query!(
        "select starts_at, step_seconds, intervals from workforce.requirement
          where provider_id = $1 and seller_id = $2 order by starts_at desc limit 1",
        provider.0,
        seller.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let end = |start: Timestamp, seconds: i64| Timestamp::from_second(start.as_second() + seconds).ok();
    Ok(row.and_then(|row| end(row.starts_at.to_jiff(), row.step_seconds * i64::from(row.intervals))))
}
