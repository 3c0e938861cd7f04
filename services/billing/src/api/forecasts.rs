//! Forecasts that sellers commit to.

use jiff::civil::Date;
use kit::{Caller, Checks, Fault, SellerId};
use proto::billing::v1 as wire;
use proto::billing::v1::forecast_commitment_service_server::ForecastCommitmentService;
use rust_decimal::Decimal;
use tonic::{Request, Response, Status};

use super::drafting::Ground;
use super::refusals::Refusal;
use super::usage::{meter, meter_out};
use super::{Api, answer, number, user_out};
use crate::domain::forecast::{Locked, may_lock};
use crate::domain::money::parse_decimal;
use crate::domain::usage::{MAX_QUANTITY, Meter};
use crate::store;
use crate::store::forecast::Stored;

impl Api {
    async fn lock(
        &self,
        caller: &Caller,
        request: wire::LockForecastRequest,
    ) -> Result<wire::LockForecastResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let date = checks.date("date", &request.date);
        let measured = meter(request.meter);
        checks.require(measured.is_some(), "meter", "is required");
        let quantity = parse_decimal(&request.quantity, 6).ok();
        let sane = quantity.is_some_and(|q| (Decimal::ZERO..=Decimal::from(MAX_QUANTITY)).contains(&q));
        checks.require(sane, "quantity", "a decimal with at most 6 decimal places, 0 to 1,000,000,000");
        let reference = checks.line("reference", &request.reference, 0..=200);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "LockForecast", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // Alone from here on: versions are counted one by one.
        store::account::lock(&mut tx).await?.ok_or(Refusal::NoContract)?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let period = ground.period(date)?;
        let locked_on = ground.today(now)?;
        may_lock(period.from, locked_on)?;
        let locked = Locked { version: 0, quantity: quantity.unwrap_or_default(), locked_on, reference };
        let mut stored = Stored {
            period_from: period.from,
            meter: measured.unwrap_or(Meter::Contact),
            locked,
            locked_at: now,
            locked_by: caller.subject(),
        };
        stored.locked.version = store::forecast::lock(&mut tx, &stored).await?;
        let forecast = Some(forecast_out(one.seller, &stored, period.until));
        let response = wire::LockForecastResponse { forecast };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn locked_forecasts(
        &self,
        caller: &Caller,
        request: wire::ListLockedForecastsRequest,
    ) -> Result<wire::ListLockedForecastsResponse, Fault> {
        let page = self.deps.pager.read::<store::forecast::Key>(
            caller,
            "ListLockedForecasts",
            &request.seller_id,
            request.page_size,
            &request.page_token,
        )?;
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let mut rows = store::forecast::list(&mut tx, one.seller, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::forecast::Key {
            period_from: r.period_from,
            meter: r.meter,
            version: r.locked.version,
        })?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let mut forecasts = Vec::with_capacity(rows.len());
        for row in rows {
            forecasts.push(forecast_out(one.seller, &row, ground.period(row.period_from)?.until));
        }
        Ok(wire::ListLockedForecastsResponse { forecasts, next_page_token })
    }
}

fn forecast_out(seller: SellerId, stored: &Stored, until: Date) -> wire::LockedForecast {
    wire::LockedForecast {
        seller_id: seller.to_string(),
        period_from: stored.period_from.to_string(),
        period_until: until.to_string(),
        meter: meter_out(stored.meter).into(),
        version: stored.locked.version,
        quantity: number(stored.locked.quantity),
        reference: stored.locked.reference.clone(),
        locked_on: stored.locked.locked_on.to_string(),
        lock_time: Some(kit::wire::timestamp(stored.locked_at)),
        locked_by: user_out(stored.locked_by),
    }
}

#[tonic::async_trait]
impl ForecastCommitmentService for Api {
    async fn lock_forecast(
        &self,
        request: Request<wire::LockForecastRequest>,
    ) -> Result<Response<wire::LockForecastResponse>, Status> {
        answer!(self, request, lock)
    }

    async fn list_locked_forecasts(
        &self,
        request: Request<wire::ListLockedForecastsRequest>,
    ) -> Result<Response<wire::ListLockedForecastsResponse>, Status> {
        answer!(self, request, locked_forecasts)
    }
}
