//! Statements of sellers' accounts.

use kit::{Caller, Checks, Fault, Id};
use proto::billing::v1 as wire;
use proto::billing::v1::statement_service_server::StatementService;
use rust_decimal::Decimal;
use tonic::{Request, Response, Status};

use super::{Api, answer, money};
use crate::domain::ids::IssuerId;
use crate::domain::money::Currency;
use crate::domain::period::{Dates, parse_date};
use crate::store::statement::{Key, Of, Stated, page, sums};

impl Api {
    async fn statement(
        &self,
        caller: &Caller,
        request: wire::GetAccountStatementRequest,
    ) -> Result<wire::GetAccountStatementResponse, Fault> {
        let mut checks = Checks::new();
        let mut date = |field: &'static str, text: &str| {
            parse_date(text).map_err(|error| checks.refuse(field, error.to_string())).ok()
        };
        let (from, until) = (date("from_date", &request.from_date), date("until_date", &request.until_date));
        let dates = from.zip(until).and_then(|(from, until)| Dates::new(from, until));
        let reversed = from.is_some() && until.is_some() && dates.is_none();
        checks.require(!reversed, "until_date", "must not be before from_date");
        let currency = Currency::parse(&request.currency);
        checks.require(currency.is_ok(), "currency", "must be an ISO 4217 code");
        checks.finish()?;
        let issuer: Option<IssuerId> = Id::parse_optional("issuer_id", &request.issuer_id)?;
        let (Some(dates), Ok(currency)) = (dates, currency) else {
            return Err(Fault::internal("a field that was checked is missing"));
        };
        let shape =
            (&request.seller_id, &request.currency, &request.from_date, &request.until_date, &request.issuer_id);
        let asked =
            self.deps.pager.read(caller, "GetAccountStatement", &shape, request.page_size, &request.page_token)?;
        let one = self.reading(caller, &request.seller_id).await?;
        let of = Of { seller: one.seller, currency, issuer, dates };
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let sums = sums(&mut tx, &of).await?;
        let mut rows = page(&mut tx, &of, asked.after, asked.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&asked, &mut rows, |row| Key { booking_date: row.booking_date, entry_id: row.entry_id.0 })?;
        Ok(wire::GetAccountStatementResponse {
            seller_id: one.seller.to_string(),
            currency: currency.code().to_owned(),
            opening_amount: money(currency, sums.opening),
            debit_amount: money(currency, sums.debit),
            credit_amount: money(currency, sums.credit),
            closing_amount: money(currency, sums.opening + sums.debit - sums.credit),
            entries: rows.iter().map(|row| entry_out(currency, row)).collect(),
            next_page_token,
        })
    }
}

fn entry_out(currency: Currency, row: &Stated) -> wire::StatementEntry {
    wire::StatementEntry {
        entry_id: row.entry_id.to_string(),
        booking_date: row.booking_date.to_string(),
        kind: super::credits::kind_out(row.kind).into(),
        document_number: row.number.clone(),
        reference: row.reference.clone(),
        debit_amount: money(currency, row.amount.max(Decimal::ZERO)),
        credit_amount: money(currency, (-row.amount).max(Decimal::ZERO)),
        balance_amount: money(currency, row.balance),
    }
}

#[tonic::async_trait]
impl StatementService for Api {
    async fn get_account_statement(
        &self,
        request: Request<wire::GetAccountStatementRequest>,
    ) -> Result<Response<wire::GetAccountStatementResponse>, Status> {
        answer!(self, request, statement)
    }
}
