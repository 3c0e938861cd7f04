//! Rates, and what invoices and payments come to in their issuer's currency.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::billing::v1::exchange_service_server::ExchangeService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::refusals::unbalanced;
use super::{Api, answer, money, number};
use crate::domain::ecb;
use crate::domain::exchange::{Accounted, Applied, ExchangeError, Rate, accounted, rate_for, realised};
use crate::domain::ids::{EntryId, InvoiceId, IssuerId};
use crate::domain::ledger;
use crate::domain::money::{Currency, parse_decimal};
use crate::store;
use crate::store::exchange::{Key, Realised};
use crate::store::invoice::Head;
use crate::store::payment::Payment;

/// Rates in one request by hand.
const BY_HAND: usize = 500;

/// What an invoice comes to in the currency that its issuer accounts in, at the rate of
/// its date of issue; none where it is in that currency, or where none was said.
pub(super) async fn account(tx: &mut TenantTx, head: &Head) -> Result<Option<Accounted>, Fault> {
    let to = store::exchange::accounting_currency(tx, head.issuer_id).await?;
    let Some(to) = to.filter(|to| *to != head.currency) else { return Ok(None) };
    let rates = store::exchange::near(tx, [head.currency, to], head.issue_date).await?;
    let applied = rate_for(head.currency, to, head.issue_date, &rates)?;
    Ok(Some(accounted(applied, head.net, head.tax).map_err(ExchangeError::from)?))
}

/// What a credit note comes to: at the rate of the invoice that it corrects.
pub(super) async fn account_credit(tx: &mut TenantTx, invoice: &Head, note: &Head) -> Result<Option<Accounted>, Fault> {
    let frozen = store::exchange::of_invoice(tx, invoice.seller, invoice.invoice_id).await?;
    let Some(frozen) = frozen else { return Ok(None) };
    Ok(Some(accounted(frozen.applied, note.net, note.tax).map_err(ExchangeError::from)?))
}

impl Api {
    /// Keeps and books what a payment gains or loses because its rate is not the invoice's.
    pub(super) async fn realise(
        &self,
        tx: &mut TenantTx,
        head: &Head,
        payment: &Payment,
        settled: Decimal,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let frozen = store::exchange::of_invoice(tx, head.seller, head.invoice_id).await?;
        let Some(frozen) = frozen.map(|of| of.applied) else { return Ok(()) };
        let rates = store::exchange::near(tx, [frozen.from, frozen.to], payment.value_date).await?;
        let applied = rate_for(frozen.from, frozen.to, payment.value_date, &rates)?;
        let difference = realised(settled, &frozen, &applied).map_err(ExchangeError::from)?;
        let kept = Realised { payment_id: payment.payment_id, applied, settled, difference };
        store::exchange::insert_payment(tx, &kept).await?;
        if difference.is_zero() {
            return Ok(());
        }
        let entry = ledger::exchange(frozen.to, difference).map_err(unbalanced)?;
        let source = (head.issuer_id, payment.payment_id.0);
        let entry_id = self.deps.clock.new_id::<EntryId>();
        Ok(store::ledger::post(tx, entry_id, source, &entry, payment.value_date, now).await?)
    }

    async fn keep_accounting_currency(
        &self,
        caller: &Caller,
        request: wire::SetAccountingCurrencyRequest,
    ) -> Result<wire::SetAccountingCurrencyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let issuer: IssuerId = checks.id("issuer_id", &request.issuer_id);
        let currency = Currency::parse(&request.currency);
        checks.require(currency.is_ok(), "currency", "must be an ISO 4217 currency");
        checks.finish()?;
        let currency = currency?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SetAccountingCurrency", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::books::lock(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        if !store::exchange::set_accounting_currency(&mut tx, issuer, currency).await? {
            return Err(ExchangeError::CurrencyFixed.into());
        }
        let response = wire::SetAccountingCurrencyResponse { currency: currency.to_string() };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn keep_rates(
        &self,
        caller: &Caller,
        request: wire::SaveExchangeRatesRequest,
    ) -> Result<wire::SaveExchangeRatesResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.count("rates", request.rates.len(), 1..=BY_HAND);
        let mut rates: Vec<Rate> = Vec::with_capacity(request.rates.len().min(BY_HAND));
        for (index, given) in request.rates.iter().take(BY_HAND).enumerate() {
            let Some(rate) = rate_in(&mut checks, index, given) else { continue };
            let twice = rates.iter().any(|r| (r.base, r.quote, r.date) == (rate.base, rate.quote, rate.date));
            checks.require(!twice, format!("rates[{index}]"), "is of the same currencies and day as one before");
            rates.push(rate);
        }
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SaveExchangeRates", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::exchange::save(&mut tx, &rates, self.deps.clock.now(), caller.subject()).await?;
        let response = wire::SaveExchangeRatesResponse { saved: counted(rates.len()) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn import_rates(
        &self,
        caller: &Caller,
        request: wire::ImportExchangeRatesRequest,
    ) -> Result<wire::ImportExchangeRatesResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let text = std::str::from_utf8(&request.content).unwrap_or_default();
        let read = match wire::ExchangeRateFormat::try_from(request.format) {
            Ok(wire::ExchangeRateFormat::EcbXml) => ecb::xml(text),
            Ok(wire::ExchangeRateFormat::EcbCsv) => ecb::csv(text),
            Ok(wire::ExchangeRateFormat::Unspecified) | Err(_) => {
                checks.refuse("format", "must be one of the formats");
                Ok(ecb::Read::default())
            }
        };
        let mut read = read.unwrap_or_else(|error| {
            checks.refuse("content", error.to_string());
            ecb::Read::default()
        });
        checks.finish()?;
        // A file that names a day twice has its last word stand.
        read.rates.reverse();
        let mut seen = std::collections::HashSet::new();
        read.rates.retain(|rate| seen.insert((rate.quote.code(), rate.date)));
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "ImportExchangeRates", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::exchange::save(&mut tx, &read.rates, self.deps.clock.now(), caller.subject()).await?;
        let day = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let response = wire::ImportExchangeRatesResponse {
            saved: counted(read.rates.len()),
            skipped: counted(read.skipped),
            first_date: day(read.rates.iter().map(|rate| rate.date).min()),
            last_date: day(read.rates.iter().map(|rate| rate.date).max()),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn rates(
        &self,
        caller: &Caller,
        request: wire::ListExchangeRatesRequest,
    ) -> Result<wire::ListExchangeRatesResponse, Fault> {
        let quote = match request.quote_currency.as_str() {
            "" => None,
            code => Some(
                Currency::parse(code).map_err(|_| Fault::invalid("quote_currency", "must be an ISO 4217 currency"))?,
            ),
        };
        let shape = &request.quote_currency;
        let page =
            self.deps.pager.read::<Key>(caller, "ListExchangeRates", shape, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = store::exchange::list(&mut tx, quote, page.after.as_ref(), page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| Key {
            date: r.date,
            base: r.base.to_string(),
            quote: r.quote.to_string(),
        })?;
        Ok(wire::ListExchangeRatesResponse { rates: rows.iter().map(rate_out).collect(), next_page_token })
    }

    async fn invoice_exchange(
        &self,
        caller: &Caller,
        request: wire::GetInvoiceExchangeRequest,
    ) -> Result<wire::GetInvoiceExchangeResponse, Fault> {
        let id: InvoiceId = kit::Id::parse("invoice_id", &request.invoice_id)?;
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let of = store::exchange::of_invoice(&mut tx, one.seller, id).await?.ok_or(Fault::NotFound("exchange"))?;
        let payments = store::exchange::of_payments(&mut tx, one.seller, id, of.applied.from).await?;
        let (from, to) = (of.applied.from, of.applied.to);
        let exchange = wire::InvoiceExchange {
            invoice_id: id.to_string(),
            invoice_currency: from.to_string(),
            accounting_currency: to.to_string(),
            applied: Some(applied_out(&of.applied)),
            net_amount: money(to, of.net),
            tax_amount: money(to, of.tax),
            total_amount: money(to, of.total),
            payments: payments
                .iter()
                .map(|payment| wire::PaymentExchange {
                    payment_id: payment.payment_id.to_string(),
                    applied: Some(applied_out(&payment.applied)),
                    settled_amount: money(from, payment.settled),
                    difference_amount: money(to, payment.difference),
                })
                .collect(),
        };
        Ok(wire::GetInvoiceExchangeResponse { exchange: Some(exchange) })
    }
}

fn counted(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn rate_in(checks: &mut Checks, index: usize, given: &wire::ExchangeRate) -> Option<Rate> {
    let field = |name: &str| format!("rates[{index}].{name}");
    let date = checks.date(field("rate_date"), &given.rate_date);
    let source = checks.line(field("source"), &given.source, 1..=100);
    let mut currency = |name: &str, code: &str| {
        let parsed = Currency::parse(code).ok();
        checks.require(parsed.is_some(), field(name), "must be an ISO 4217 currency");
        parsed
    };
    let (base, quote) =
        (currency("base_currency", &given.base_currency), currency("quote_currency", &given.quote_currency));
    let rate = parse_decimal(&given.rate, 12).unwrap_or(Decimal::ZERO);
    let sane = rate > Decimal::ZERO && rate <= Decimal::from(1_000_000_000);
    checks.require(sane, field("rate"), "must be a decimal above 0 with at most 12 places");
    let (base, quote) = base.zip(quote)?;
    checks.require(base != quote, field("quote_currency"), "must be another currency than the base");
    sane.then_some(Rate { base, quote, date, rate, source })
}

fn rate_out(rate: &Rate) -> wire::ExchangeRate {
    wire::ExchangeRate {
        base_currency: rate.base.to_string(),
        quote_currency: rate.quote.to_string(),
        rate_date: rate.date.to_string(),
        rate: number(rate.rate),
        source: rate.source.clone(),
    }
}

fn applied_out(applied: &Applied) -> wire::AppliedRate {
    wire::AppliedRate {
        rate: number(applied.rate),
        rate_date: applied.date.to_string(),
        source: applied.source.clone(),
    }
}

#[tonic::async_trait]
impl ExchangeService for Api {
    async fn set_accounting_currency(
        &self,
        request: Request<wire::SetAccountingCurrencyRequest>,
    ) -> Result<Response<wire::SetAccountingCurrencyResponse>, Status> {
        answer!(self, request, keep_accounting_currency)
    }

    async fn save_exchange_rates(
        &self,
        request: Request<wire::SaveExchangeRatesRequest>,
    ) -> Result<Response<wire::SaveExchangeRatesResponse>, Status> {
        answer!(self, request, keep_rates)
    }

    async fn import_exchange_rates(
        &self,
        request: Request<wire::ImportExchangeRatesRequest>,
    ) -> Result<Response<wire::ImportExchangeRatesResponse>, Status> {
        answer!(self, request, import_rates)
    }

    async fn list_exchange_rates(
        &self,
        request: Request<wire::ListExchangeRatesRequest>,
    ) -> Result<Response<wire::ListExchangeRatesResponse>, Status> {
        answer!(self, request, rates)
    }

    async fn get_invoice_exchange(
        &self,
        request: Request<wire::GetInvoiceExchangeRequest>,
    ) -> Result<Response<wire::GetInvoiceExchangeResponse>, Status> {
        answer!(self, request, invoice_exchange)
    }
}
