//! The provider's view: margins, forecasts, what is still to be billed, usage out of
//! the ordinary.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kit::{Caller, Checks, Fault, SellerId};
use proto::billing::v1 as wire;
use proto::billing::v1::overview_service_server::OverviewService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::drafting::{Ground, Purpose, draft, foreseen};
use super::refusals::Refusal;
use super::usage::meter_out;
use super::{Api, answer, money, number};
use crate::domain::books::{Month, unbilled};
use crate::domain::exchange::rate_for;
use crate::domain::ids::AlertId;
use crate::domain::margin::{Cost, CostRates, Kind, NoCost, Passed, anomalies, compared, cost, margin};
use crate::domain::money::{Currency, Rounding, parse_decimal};
use crate::domain::period::{Dates, local_date, parse_date, plus_days, start_of};
use crate::domain::usage::Meter;
use crate::store;
use crate::store::alert::{self, Alert};
use crate::store::margin::Key;

/// Cost rates that are listed at most.
const MOST_RATES: i64 = 100;
/// Sellers whose unbilled periods are computed for one answer.
const MOST_SELLERS: i64 = 50;
/// Periods without an invoice that are computed for one seller.
const MOST_PERIODS: usize = 12;

impl Api {
    fn utc_today(&self) -> Date {
        local_date(self.deps.clock.now(), &jiff::tz::TimeZone::UTC)
    }

    async fn keep_cost_rates(
        &self,
        caller: &Caller,
        request: wire::SaveCostRatesRequest,
    ) -> Result<wire::SaveCostRatesResponse, Fault> {
        let given = request.rates.clone().ok_or_else(|| Fault::invalid("rates", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let rates = rates_in(&mut checks, &given);
        checks.finish()?;
        let rates = rates.ok_or_else(|| Fault::invalid("rates", "is required"))?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SaveCostRates", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::margin::save(&mut tx, &rates, self.deps.clock.now(), caller.subject()).await?;
        let response = wire::SaveCostRatesResponse { rates: Some(rates_out(&rates)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn cost_rates(
        &self,
        caller: &Caller,
        _request: wire::ListCostRatesRequest,
    ) -> Result<wire::ListCostRatesResponse, Fault> {
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let rates = store::margin::rates(&mut tx, jiff::civil::date(2200, 12, 31), MOST_RATES).await?;
        Ok(wire::ListCostRatesResponse { rates: rates.iter().map(rates_out).collect() })
    }

    async fn margins(
        &self,
        caller: &Caller,
        request: wire::ListMarginsRequest,
    ) -> Result<wire::ListMarginsResponse, Fault> {
        let month = Month::parse(&request.month).map_err(|_| Fault::invalid("month", "must be a month YYYY-MM"))?;
        let shape = (&request.seller_id, &request.month);
        let page = self.deps.pager.read(caller, "ListMargins", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut sellers = store::margin::sellers(&mut tx, scope.single_reader(), page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut sellers, |seller| Key { seller_id: seller.0 })?;
        let dates = (month.first(), month.last());
        let mut revenues: BTreeMap<SellerId, Vec<(String, Decimal)>> = BTreeMap::new();
        for (seller, currency, amount) in store::margin::revenue(&mut tx, &sellers, dates).await? {
            revenues.entry(seller).or_default().push((currency, amount));
        }
        let mut hours: BTreeMap<SellerId, Vec<_>> = BTreeMap::new();
        for (seller, paid) in store::margin::paid(&mut tx, &sellers, dates).await? {
            hours.entry(seller).or_default().push(paid);
        }
        let rates = store::margin::rates(&mut tx, month.last(), MOST_RATES).await?;
        let on = month.last().min(self.utc_today());
        let mut margins = Vec::with_capacity(sellers.len());
        for seller in &sellers {
            let paid = hours.remove(seller).unwrap_or_default();
            let seconds: i64 = paid.iter().map(|one| one.seconds).sum();
            let revenue = revenues.remove(seller).unwrap_or_default();
            let cost = cost(&paid, &rates);
            margins.push(margin_out(&mut tx, *seller, seconds, &revenue, cost, on).await?);
        }
        Ok(wire::ListMarginsResponse { margins, next_page_token })
    }

    async fn forecast(
        &self,
        caller: &Caller,
        request: wire::ForecastInvoiceRequest,
    ) -> Result<wire::ForecastInvoiceResponse, Fault> {
        let one = self.reading(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let period = ground.period(ground.today(now)?)?;
        let zone = ground.account.as_ref().ok_or(Refusal::NoContract)?.zone()?;
        let begin = ground.contracts.first().map_or(period.from, |(c, _)| c.effective_from.max(period.from));
        let until = start_of(plus_days(period.until, 1)?, &zone);
        let passed = Passed::of(start_of(begin, &zone), until, now).ok_or(Refusal::TooEarly)?;
        let found = foreseen(&mut tx, &ground, period, passed).await?;
        let shown = |amount| money(found.currency, amount);
        let so_far = |line: &crate::domain::rating::Line| {
            let same = found.now.lines.iter().find(|other| {
                (other.contract, other.kind, &other.charge_code, &other.description)
                    == (line.contract, line.kind, &line.charge_code, &line.description)
            });
            same.map_or(Decimal::ZERO, |line| line.amount)
        };
        let lines = found
            .then
            .lines
            .iter()
            .map(|line| wire::ForecastLine {
                charge_code: line.charge_code.clone(),
                description: line.description.clone(),
                amount_so_far: shown(so_far(line)),
                amount: shown(line.amount),
            })
            .collect();
        let forecast = wire::InvoiceForecast {
            seller_id: one.seller.to_string(),
            period_from: period.from.to_string(),
            period_until: period.until.to_string(),
            method: wire::ForecastMethod::Linear.into(),
            passed_percent: passed.percent().to_string(),
            currency: found.currency.to_string(),
            net_so_far: shown(found.now.total()?),
            net_amount: shown(found.then.total()?),
            lines,
            as_of_time: Some(kit::wire::timestamp(now)),
        };
        Ok(wire::ForecastInvoiceResponse { forecast: Some(forecast) })
    }

    async fn unbilled_periods(
        &self,
        caller: &Caller,
        request: wire::ListUnbilledPeriodsRequest,
    ) -> Result<wire::ListUnbilledPeriodsResponse, Fault> {
        let shape = &request.seller_id;
        let mut page =
            self.deps.pager.read(caller, "ListUnbilledPeriods", shape, request.page_size, &request.page_token)?;
        page.size = page.size.min(MOST_SELLERS);
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut sellers = store::margin::sellers(&mut tx, scope.single_reader(), page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut sellers, |seller| Key { seller_id: seller.0 })?;
        let mut periods = Vec::new();
        for seller in sellers {
            let ground = Ground::load(&mut tx, seller).await?;
            let Some(cycle) = ground.account.as_ref().and_then(|account| account.cycle) else { continue };
            let today = ground.today(self.deps.clock.now())?;
            let running = cycle.containing(today)?;
            let contracts: Vec<_> =
                ground.contracts.iter().map(|(c, _)| (c.effective_from, c.effective_until)).collect();
            let invoiced = store::invoice::invoiced_periods(&mut tx, seller).await?;
            let mut open = unbilled(cycle, &contracts, &invoiced, running.until)?;
            let runs = open.pop_if(|period| period.from == running.from);
            open.truncate(MOST_PERIODS);
            for period in open.into_iter().chain(runs) {
                periods.push(unbilled_out(&mut tx, &ground, period, period == running).await?);
            }
        }
        Ok(wire::ListUnbilledPeriodsResponse { periods, next_page_token })
    }

    async fn usage_anomalies(
        &self,
        caller: &Caller,
        request: wire::ListUsageAnomaliesRequest,
    ) -> Result<wire::ListUsageAnomaliesResponse, Fault> {
        let day = match request.day.as_str() {
            "" => plus_days(self.utc_today(), -1)?,
            text => parse_date(text).map_err(|e| Fault::invalid("day", e.to_string()))?,
        };
        let shape = (&request.seller_id, &request.day);
        let page =
            self.deps.pager.read(caller, "ListUsageAnomalies", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut sellers = store::margin::sellers(&mut tx, scope.single_reader(), page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut sellers, |seller| Key { seller_id: seller.0 })?;
        let mut usage: BTreeMap<SellerId, Vec<_>> = BTreeMap::new();
        for (seller, row) in store::margin::usage(&mut tx, &sellers, &compared(day)).await? {
            usage.entry(seller).or_default().push(row);
        }
        let told = usage.iter().flat_map(|(seller, rows)| {
            anomalies(day, rows)
                .into_iter()
                .map(|found| anomaly_out(*seller, day, &found.kind, found.quantity, found.usual))
        });
        Ok(wire::ListUsageAnomaliesResponse { anomalies: told.collect(), next_page_token })
    }

    async fn usage_alerts(
        &self,
        caller: &Caller,
        request: wire::ListUsageAlertsRequest,
    ) -> Result<wire::ListUsageAlertsResponse, Fault> {
        let acknowledged = match wire::UsageAlertState::try_from(request.state) {
            Ok(wire::UsageAlertState::Unspecified) => None,
            Ok(wire::UsageAlertState::Open) => Some(false),
            Ok(wire::UsageAlertState::Acknowledged) => Some(true),
            Err(_) => return Err(Fault::invalid("state", "is unknown")),
        };
        let meter = match request.meter {
            0 => None,
            n => Some(super::usage::meter(n).ok_or_else(|| Fault::invalid("meter", "is unknown"))?),
        };
        let shape = (&request.seller_id, request.state, request.meter);
        let page = self.deps.pager.read(caller, "ListUsageAlerts", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = alert::Filter { alert: None, acknowledged, meter };
        let mut rows = alert::list(&mut tx, scope.single_reader(), filter, page.after, page.size + 1).await?;
        let next_page_token =
            self.deps.pager.cut(&page, &mut rows, |r| alert::Key { day: r.day, alert_id: r.alert_id.0 })?;
        Ok(wire::ListUsageAlertsResponse { alerts: rows.iter().map(alert_out).collect(), next_page_token })
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        request: wire::AcknowledgeUsageAlertRequest,
    ) -> Result<wire::AcknowledgeUsageAlertResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: AlertId = checks.id("alert_id", &request.alert_id);
        let note = checks.text("note", &request.note, 0..=500);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "AcknowledgeUsageAlert", &request.request_id, &request).await? {
            return Ok(answer);
        }
        alert::acknowledge(&mut tx, id, (self.deps.clock.now(), caller.subject()), &note).await?;
        let filter = alert::Filter { alert: Some(id), ..alert::Filter::default() };
        let found = alert::list(&mut tx, Some(one.seller.0), filter, None, 1).await?.pop();
        let found = found.ok_or(Fault::NotFound("usage alert"))?;
        let response = wire::AcknowledgeUsageAlertResponse { alert: Some(alert_out(&found)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn anomaly_out(seller: SellerId, day: Date, kind: &Kind, quantity: Decimal, usual: Decimal) -> wire::UsageAnomaly {
    wire::UsageAnomaly {
        seller_id: seller.to_string(),
        day: day.to_string(),
        meter: Meter::parse(&kind.meter).map_or(wire::Meter::Unspecified, meter_out).into(),
        channel: kind.channel.clone(),
        quantity: number(quantity),
        usual_quantity: number(usual),
    }
}

fn alert_out(alert: &Alert) -> wire::UsageAlert {
    let state = match alert.acknowledged {
        Some(_) => wire::UsageAlertState::Acknowledged,
        None => wire::UsageAlertState::Open,
    };
    wire::UsageAlert {
        alert_id: alert.alert_id.to_string(),
        anomaly: Some(anomaly_out(alert.seller, alert.day, &alert.kind, alert.quantity, alert.usual)),
        state: state.into(),
        raise_time: Some(kit::wire::timestamp(alert.raised_at)),
        acknowledge_time: alert.acknowledged.map(|(at, _)| kit::wire::timestamp(at)),
        acknowledged_by: alert.acknowledged.map(|(_, by)| super::user_out(by)).unwrap_or_default(),
        note: alert.note.clone(),
    }
}

/// What a period comes to as of now; where it cannot be computed, why.
async fn unbilled_out(
    tx: &mut TenantTx,
    ground: &Ground,
    period: Dates,
    running: bool,
) -> Result<wire::UnbilledPeriod, Fault> {
    let mut told = wire::UnbilledPeriod {
        seller_id: ground.seller.to_string(),
        period_from: period.from.to_string(),
        period_until: period.until.to_string(),
        running,
        ..wire::UnbilledPeriod::default()
    };
    match draft(tx, ground, period, Purpose::Look).await {
        Ok(drafted) => {
            told.currency = drafted.currency.to_string();
            told.net_amount = money(drafted.currency, drafted.draft.net);
            told.usage_events = drafted.draft.lines.iter().map(|(line, _)| line.events).sum();
        }
        Err(Fault::Refused(refusal)) => told.refusal = refusal.reason().to_owned(),
        Err(other) => return Err(other),
    }
    Ok(told)
}

async fn margin_out(
    tx: &mut TenantTx,
    seller: SellerId,
    seconds: i64,
    revenues: &[(String, Decimal)],
    cost: Result<Cost, NoCost>,
    on: Date,
) -> Result<wire::SellerMargin, Fault> {
    let hours = Rounding::HalfUp.apply(Decimal::from(seconds) / Decimal::from(3_600), 2);
    let mut told = wire::SellerMargin {
        seller_id: seller.to_string(),
        revenues: revenues
            .iter()
            .map(|(currency, amount)| wire::Revenue {
                currency: currency.clone(),
                amount: super::credits::shown(currency, *amount),
            })
            .collect(),
        paid_hours: number(hours),
        ..wire::SellerMargin::default()
    };
    let cost = match cost {
        Ok(cost) => cost,
        Err(NoCost::NoRate) => {
            told.gap = wire::MarginGap::NoCostRate.into();
            return Ok(told);
        }
        Err(NoCost::Currencies) => {
            told.gap = wire::MarginGap::CostCurrencies.into();
            return Ok(told);
        }
        Err(NoCost::TooLarge) => return Err(Fault::internal("the cost of a month is too large")),
    };
    told.currency = cost.currency.to_string();
    told.cost_amount = money(cost.currency, cost.amount);
    let mut all = Decimal::ZERO;
    for (code, amount) in revenues {
        let from = Currency::parse(code)?;
        if from == cost.currency {
            all += *amount;
            continue;
        }
        let rates = store::exchange::near(tx, [from, cost.currency], on).await?;
        match rate_for(from, cost.currency, on, &rates) {
            Ok(applied) => all += applied.apply(*amount)?,
            Err(_) => {
                told.gap = wire::MarginGap::NoExchangeRate.into();
                return Ok(told);
            }
        }
    }
    let (left, percent) = margin(all, cost.amount)?;
    told.revenue_amount = money(cost.currency, all);
    told.margin_amount = money(cost.currency, left);
    told.margin_percent = percent.map(|percent| percent.to_string()).unwrap_or_default();
    Ok(told)
}

fn rates_in(checks: &mut Checks, given: &wire::CostRates) -> Option<CostRates> {
    let valid_from = checks.date("rates.valid_from", &given.valid_from);
    let currency = Currency::parse(&given.currency).ok();
    checks.require(currency.is_some(), "rates.currency", "must be an ISO 4217 currency");
    let mut hourly = |field: &str, text: &str| {
        let amount = parse_decimal(text, 4).ok().filter(|a| *a >= Decimal::ZERO && *a <= Decimal::from(100_000));
        checks.require(amount.is_some(), format!("rates.{field}"), "must be a decimal from 0 to 100000");
        amount.unwrap_or_default()
    };
    let regular = hourly("regular_amount", &given.regular_amount);
    let mut other = |field: &str, text: &str| if text.is_empty() { regular } else { hourly(field, text) };
    let night = other("night_amount", &given.night_amount);
    let sunday = other("sunday_amount", &given.sunday_amount);
    let holiday = other("holiday_amount", &given.holiday_amount);
    Some(CostRates { valid_from, currency: currency?, regular, night, sunday, holiday })
}

fn rates_out(rates: &CostRates) -> wire::CostRates {
    let shown = |amount| money(rates.currency, amount);
    wire::CostRates {
        valid_from: rates.valid_from.to_string(),
        currency: rates.currency.to_string(),
        regular_amount: shown(rates.regular),
        night_amount: shown(rates.night),
        sunday_amount: shown(rates.sunday),
        holiday_amount: shown(rates.holiday),
    }
}

#[tonic::async_trait]
impl OverviewService for Api {
    async fn save_cost_rates(
        &self,
        request: Request<wire::SaveCostRatesRequest>,
    ) -> Result<Response<wire::SaveCostRatesResponse>, Status> {
        answer!(self, request, keep_cost_rates)
    }

    async fn list_cost_rates(
        &self,
        request: Request<wire::ListCostRatesRequest>,
    ) -> Result<Response<wire::ListCostRatesResponse>, Status> {
        answer!(self, request, cost_rates)
    }

    async fn list_margins(
        &self,
        request: Request<wire::ListMarginsRequest>,
    ) -> Result<Response<wire::ListMarginsResponse>, Status> {
        answer!(self, request, margins)
    }

    async fn forecast_invoice(
        &self,
        request: Request<wire::ForecastInvoiceRequest>,
    ) -> Result<Response<wire::ForecastInvoiceResponse>, Status> {
        answer!(self, request, forecast)
    }

    async fn list_unbilled_periods(
        &self,
        request: Request<wire::ListUnbilledPeriodsRequest>,
    ) -> Result<Response<wire::ListUnbilledPeriodsResponse>, Status> {
        answer!(self, request, unbilled_periods)
    }

    async fn list_usage_anomalies(
        &self,
        request: Request<wire::ListUsageAnomaliesRequest>,
    ) -> Result<Response<wire::ListUsageAnomaliesResponse>, Status> {
        answer!(self, request, usage_anomalies)
    }

    async fn list_usage_alerts(
        &self,
        request: Request<wire::ListUsageAlertsRequest>,
    ) -> Result<Response<wire::ListUsageAlertsResponse>, Status> {
        answer!(self, request, usage_alerts)
    }

    async fn acknowledge_usage_alert(
        &self,
        request: Request<wire::AcknowledgeUsageAlertRequest>,
    ) -> Result<Response<wire::AcknowledgeUsageAlertResponse>, Status> {
        answer!(self, request, acknowledge)
    }
}
