//! The monthly close: what stands in its way, closing, reopening.

use jiff::civil::Date;
use kit::caller::{All, Granted};
use kit::{Caller, Checks, Fault, Id, SellerId};
use proto::billing::v1 as wire;
use proto::billing::v1::books_service_server::BooksService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::credits::{account_out, shown};
use super::{Api, answer, user_out};
use crate::domain::books::{
    BooksError, MOST_OPEN, Month, OpenPeriod, TrialBalance, excuse, may_close, may_reopen, trial_balance, unbilled,
};
use crate::domain::ids::{CloseId, IssuerId};
use crate::domain::ledger::Account;
use crate::domain::period::{local_date, parse_zone, plus_days};
use crate::store;
use crate::store::books::{Books, Close};

impl Api {
    async fn book_month(
        &self,
        caller: &Caller,
        request: wire::GetBookMonthRequest,
    ) -> Result<wire::GetBookMonthResponse, Fault> {
        let (issuer, month) = named(&request.issuer_id, &request.month)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let books = store::books::read(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        let (closed, balances, open) = match store::books::of_month(&mut tx, issuer, month).await? {
            Some(close) => {
                let balances = store::books::balances(&mut tx, close.close_id).await?;
                (Some(close), balances, Vec::new())
            }
            None => {
                let balances = running(&mut tx, issuer, month, books.closed_through).await?;
                let closed = month.is_closed(books.closed_through);
                let open = if closed { Vec::new() } else { open_periods(&mut tx, issuer, month).await? };
                (None, balances, open)
            }
        };
        let month = month_out(issuer, month, &books, closed.as_ref(), &balances, &open);
        Ok(wire::GetBookMonthResponse { month: Some(month) })
    }

    async fn close_month(
        &self,
        caller: &Caller,
        request: wire::CloseBookMonthRequest,
    ) -> Result<wire::CloseBookMonthResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.count("excused", request.excused.len(), 0..=MOST_OPEN);
        let mut reasons = Vec::with_capacity(request.excused.len().min(MOST_OPEN));
        for (index, given) in request.excused.iter().take(MOST_OPEN).enumerate() {
            let from = checks.date(format!("excused[{index}].period_from"), &given.period_from);
            let reason = checks.text(format!("excused[{index}].reason"), &given.reason, 1..=500);
            match SellerId::parse("seller_id", &given.seller_id) {
                Ok(seller) => reasons.push((seller, from, reason)),
                Err(_) => checks.refuse(format!("excused[{index}].seller_id"), "must be a seller's id"),
            }
        }
        checks.finish()?;
        let (issuer, month) = named(&request.issuer_id, &request.month)?;
        let version = kit::wire::version(&request.etag)?;
        if caller.granted() != &Granted::OfProvider(All::All) {
            return Err(BooksError::SellersHidden.into());
        }
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CloseBookMonth", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut books = store::books::lock(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        fresh(version, &books)?;
        may_close(month, books.closed_through, local_date(now, &parse_zone(&books.time_zone)?))?;
        let excused = excuse(&open_periods(&mut tx, issuer, month).await?, &reasons)?;
        let balances = running(&mut tx, issuer, month, books.closed_through).await?;
        let close = Close {
            close_id: self.deps.clock.new_id::<CloseId>(),
            issuer,
            month,
            closed_at: now,
            closed_by: caller.subject(),
            excused,
            entries: store::books::count(&mut tx, issuer, month.first(), month.last()).await?,
            reopened: None,
        };
        store::books::insert(&mut tx, &close, &balances).await?;
        books.closed_through = Some(month.last());
        books.version = store::books::set_closed(&mut tx, issuer, books.closed_through).await?;
        let month = month_out(issuer, month, &books, Some(&close), &balances, &[]);
        let response = wire::CloseBookMonthResponse { month: Some(month) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn reopen_month(
        &self,
        caller: &Caller,
        request: wire::ReopenBookMonthRequest,
    ) -> Result<wire::ReopenBookMonthResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let reason = checks.text("reason", &request.reason, 1..=500);
        checks.finish()?;
        let (issuer, month) = named(&request.issuer_id, &request.month)?;
        let version = kit::wire::version(&request.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "ReopenBookMonth", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let books = store::books::lock(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        fresh(version, &books)?;
        may_reopen(month, books.closed_through)?;
        let close = store::books::of_month(&mut tx, issuer, month).await?;
        let mut close = close.ok_or_else(|| Fault::internal("a month is closed without a close"))?;
        close.reopened = Some((self.deps.clock.now(), caller.subject(), reason));
        store::books::reopen(&mut tx, &close).await?;
        // The month before is closed as well, unless this was the first one that ever was.
        let before = month.before()?;
        let through = store::books::of_month(&mut tx, issuer, before).await?.map(|_| before.last());
        let version = store::books::set_closed(&mut tx, issuer, through).await?;
        let response = wire::ReopenBookMonthResponse { close: Some(close_out(&close)), etag: kit::wire::etag(version) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn book_closes(
        &self,
        caller: &Caller,
        request: wire::ListBookClosesRequest,
    ) -> Result<wire::ListBookClosesResponse, Fault> {
        let issuer: IssuerId = Id::parse("issuer_id", &request.issuer_id)?;
        let page = self.deps.pager.read(caller, "ListBookCloses", &issuer, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        store::books::read(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        let mut rows = store::books::closes(&mut tx, issuer, page.after, page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| store::books::Key { closed_at: r.closed_at, close_id: r.close_id.0 })?;
        Ok(wire::ListBookClosesResponse { closes: rows.iter().map(close_out).collect(), next_page_token })
    }
}

fn named(issuer_id: &str, month: &str) -> Result<(IssuerId, Month), Fault> {
    let mut checks = Checks::new();
    let issuer = checks.id("issuer_id", issuer_id);
    let month = Month::parse(month).unwrap_or_else(|_| {
        checks.refuse("month", "must be a month YYYY-MM");
        Month::of(Date::ZERO)
    });
    checks.finish()?;
    Ok((issuer, month))
}

fn fresh(version: Option<i64>, books: &Books) -> Result<(), Fault> {
    if version.is_none_or(|version| version == books.version) { Ok(()) } else { Err(Fault::Stale) }
}

/// The trial balance of a month that has no close of its own: from the newest close
/// before it, and what was booked since.
async fn running(
    tx: &mut TenantTx,
    issuer: IssuerId,
    month: Month,
    closed_through: Option<Date>,
) -> Result<TrialBalance, Fault> {
    let before = month.before()?.last();
    let newest = closed_through.filter(|closed| *closed <= before);
    let mut carried = Vec::new();
    if let Some(closed) = newest {
        let close = store::books::of_month(tx, issuer, Month::of(closed)).await?;
        let close = close.ok_or_else(|| Fault::internal("a month is closed without a close"))?;
        let rows = store::books::balances(tx, close.close_id).await?;
        carried.extend(rows.into_iter().map(|((currency, account), row)| (currency, account, row.closing)));
    }
    let since = newest.map(|closed| plus_days(closed, 1)).transpose()?;
    carried.extend(net(store::books::moved(tx, issuer, (since, before)).await?));
    let moved = store::books::moved(tx, issuer, (Some(month.first()), month.last())).await?;
    trial_balance(&carried, &moved).ok_or_else(|| Fault::internal("the books do not balance"))
}

fn net(moved: Vec<(String, Account, Decimal, Decimal)>) -> Vec<(String, Account, Decimal)> {
    moved.into_iter().map(|(currency, account, debit, credit)| (currency, account, debit - credit)).collect()
}

/// Periods that ended by the end of a month and have no invoice, of all sellers of the issuer.
async fn open_periods(tx: &mut TenantTx, issuer: IssuerId, month: Month) -> Result<Vec<OpenPeriod>, Fault> {
    let mut open = Vec::new();
    for billed in store::books::billed(tx, issuer).await? {
        for period in unbilled(billed.cycle, &billed.contracts, &billed.invoiced, month.last())? {
            if open.len() == MOST_OPEN {
                return Ok(open);
            }
            open.push(OpenPeriod { seller: billed.seller, from: period.from, until: period.until });
        }
    }
    Ok(open)
}

fn month_out(
    issuer: IssuerId,
    month: Month,
    books: &Books,
    close: Option<&Close>,
    balances: &TrialBalance,
    open: &[OpenPeriod],
) -> wire::BookMonth {
    wire::BookMonth {
        issuer_id: issuer.to_string(),
        month: month.to_string(),
        closed: month.is_closed(books.closed_through),
        close: close.map(close_out),
        balances: balances
            .iter()
            .map(|((currency, account), row)| wire::AccountBalance {
                currency: currency.clone(),
                account: account_out(*account).into(),
                opening_amount: shown(currency, row.opening),
                debit_amount: shown(currency, row.debit),
                credit_amount: shown(currency, row.credit),
                closing_amount: shown(currency, row.closing),
            })
            .collect(),
        open_periods: open
            .iter()
            .map(|period| wire::OpenPeriod {
                seller_id: period.seller.to_string(),
                period_from: period.from.to_string(),
                period_until: period.until.to_string(),
            })
            .collect(),
        etag: kit::wire::etag(books.version),
        closed_through: books.closed_through.map(|date| Month::of(date).to_string()).unwrap_or_default(),
    }
}

fn close_out(close: &Close) -> wire::BookClose {
    let reopened = close.reopened.as_ref();
    wire::BookClose {
        close_id: close.close_id.to_string(),
        issuer_id: close.issuer.to_string(),
        month: close.month.to_string(),
        close_time: Some(kit::wire::timestamp(close.closed_at)),
        closed_by: user_out(close.closed_by),
        excused: close
            .excused
            .iter()
            .map(|one| wire::ExcusedPeriod {
                seller_id: one.seller.to_string(),
                period_from: one.from.to_string(),
                period_until: one.until.to_string(),
                reason: one.reason.clone(),
            })
            .collect(),
        entries: close.entries,
        reopen_time: reopened.map(|(at, _, _)| kit::wire::timestamp(*at)),
        reopened_by: reopened.map(|(_, by, _)| user_out(*by)).unwrap_or_default(),
        reopen_reason: reopened.map(|(_, _, reason)| reason.clone()).unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl BooksService for Api {
    async fn get_book_month(
        &self,
        request: Request<wire::GetBookMonthRequest>,
    ) -> Result<Response<wire::GetBookMonthResponse>, Status> {
        answer!(self, request, book_month)
    }

    async fn close_book_month(
        &self,
        request: Request<wire::CloseBookMonthRequest>,
    ) -> Result<Response<wire::CloseBookMonthResponse>, Status> {
        answer!(self, request, close_month)
    }

    async fn reopen_book_month(
        &self,
        request: Request<wire::ReopenBookMonthRequest>,
    ) -> Result<Response<wire::ReopenBookMonthResponse>, Status> {
        answer!(self, request, reopen_month)
    }

    async fn list_book_closes(
        &self,
        request: Request<wire::ListBookClosesRequest>,
    ) -> Result<Response<wire::ListBookClosesResponse>, Status> {
        answer!(self, request, book_closes)
    }
}
