//! The calls of billing: read the request, decide in the domain, keep, reply.

mod books;
mod contracts;
mod credits;
mod disputes;
mod documents;
pub(crate) mod drafting;
mod dunning;
mod events;
mod exchange;
mod finalizing;
mod forecasts;
mod intake;
mod invoices;
mod journals;
mod late_usage;
mod mails;
mod overview;
mod payments;
mod plan_in;
mod plan_out;
mod plans;
mod pools;
mod profiles;
mod proofs;
mod refusals;
mod service_levels;
mod statements;
mod terms;
mod usage;
mod usage_stream;
mod wire_invoice;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use kit::{Caller, Fault, Scope, SellerId};
use proto::billing::v1 as wire;
use proto::billing::v1::billing_service_server::BillingService;
use proto::events::v1::SellerTerms;
use rust_decimal::Decimal;
use tenantdb::export::{self, Line, Wanted};
use tenantdb::service::Deps;
use tonic::{Request, Response, Status};

pub(crate) use documents::Format;
pub(crate) use events::Events;
pub(crate) use mails::queue;

use crate::domain::money::Currency;
use crate::work::mail::Post;

/// The service.
#[derive(Clone)]
pub struct Api {
    deps: Deps,
    post: Arc<Post>,
}

/// One seller that a call is about.
struct One {
    seller: SellerId,
    scope: Scope,
    terms: Arc<SellerTerms>,
}

impl Api {
    /// A service on its database.
    pub fn new(deps: Deps, post: Post) -> Api {
        Api { deps, post: Arc::new(post) }
    }

    /// What it runs on.
    pub(crate) fn deps(&self) -> &Deps {
        &self.deps
    }

    /// What sends mail.
    pub(crate) fn post(&self) -> &Post {
        &self.post
    }

    /// The one seller that a call changes.
    async fn writing(&self, caller: &Caller, seller_id: &str) -> Result<One, Fault> {
        let scope = caller.act_for(seller_id)?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let terms = self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        Ok(One { seller, scope, terms })
    }

    /// The one seller that a call reads.
    async fn reading(&self, caller: &Caller, seller_id: &str) -> Result<One, Fault> {
        let seller = caller.act_for(seller_id)?.seller().ok_or(Fault::NotFound("seller"))?;
        let scope = caller.view(&seller.to_string())?;
        let terms = self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        Ok(One { seller, scope, terms })
    }
}

/// An amount of money for the wire: at least the places of the minor unit.
fn money(currency: Currency, amount: Decimal) -> String {
    let mut shown = amount.normalize();
    shown.rescale(shown.scale().max(currency.minor_digits()));
    if shown.is_zero() {
        shown.set_sign_positive(true)
    }
    shown.to_string()
}

/// A decimal without trailing zeros.
fn number(amount: Decimal) -> String {
    let short = amount.normalize();
    if short.is_zero() { "0".into() } else { short.to_string() }
}

/// A person on the wire.
fn user_out(subject: uuid::Uuid) -> String {
    kit::UserId(subject).to_string()
}

macro_rules! answer {
    ($self:ident, $request:ident, $inner:ident) => {{
        let (caller, request) = kit::admitted($request)?;
        Ok(Response::new($self.$inner(&caller, request).await?))
    }};
}

use answer;

fn exported(line: Line) -> wire::ExportSellerRowsResponse {
    let Line { table, json, rows, sha256 } = line;
    wire::ExportSellerRowsResponse { table, json_line: json, rows, sha256 }
}

#[tonic::async_trait]
impl BillingService for Api {
    type ExportSellerRowsStream = BoxStream<'static, Result<wire::ExportSellerRowsResponse, Status>>;

    async fn export_seller_rows(
        &self,
        request: Request<wire::ExportSellerRowsRequest>,
    ) -> Result<Response<Self::ExportSellerRowsStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let wanted = if request.counts_only { Wanted::Counts } else { Wanted::Rows };
        Ok(Response::new(export::of_caller(&self.deps, &caller, &request.seller_id, wanted, exported).await?))
    }

    async fn record_usage(
        &self,
        request: Request<wire::RecordUsageRequest>,
    ) -> Result<Response<wire::RecordUsageResponse>, Status> {
        answer!(self, request, record)
    }

    async fn batch_record_usage(
        &self,
        request: Request<wire::BatchRecordUsageRequest>,
    ) -> Result<Response<wire::BatchRecordUsageResponse>, Status> {
        answer!(self, request, record_batch)
    }

    async fn list_usage(
        &self,
        request: Request<wire::ListUsageRequest>,
    ) -> Result<Response<wire::ListUsageResponse>, Status> {
        answer!(self, request, list_events)
    }

    async fn create_rate_plan(
        &self,
        request: Request<wire::CreateRatePlanRequest>,
    ) -> Result<Response<wire::CreateRatePlanResponse>, Status> {
        answer!(self, request, create_plan)
    }

    async fn get_rate_plan(
        &self,
        request: Request<wire::GetRatePlanRequest>,
    ) -> Result<Response<wire::GetRatePlanResponse>, Status> {
        answer!(self, request, get_plan)
    }

    async fn list_rate_plans(
        &self,
        request: Request<wire::ListRatePlansRequest>,
    ) -> Result<Response<wire::ListRatePlansResponse>, Status> {
        answer!(self, request, list_plans)
    }

    async fn sign_rate_plan(
        &self,
        request: Request<wire::SignRatePlanRequest>,
    ) -> Result<Response<wire::SignRatePlanResponse>, Status> {
        answer!(self, request, sign)
    }

    async fn list_contracts(
        &self,
        request: Request<wire::ListContractsRequest>,
    ) -> Result<Response<wire::ListContractsResponse>, Status> {
        answer!(self, request, contracts)
    }

    async fn get_contract(
        &self,
        request: Request<wire::GetContractRequest>,
    ) -> Result<Response<wire::GetContractResponse>, Status> {
        answer!(self, request, contract)
    }

    async fn preview_invoice(
        &self,
        request: Request<wire::PreviewInvoiceRequest>,
    ) -> Result<Response<wire::PreviewInvoiceResponse>, Status> {
        answer!(self, request, preview)
    }

    async fn what_if_invoice(
        &self,
        request: Request<wire::WhatIfInvoiceRequest>,
    ) -> Result<Response<wire::WhatIfInvoiceResponse>, Status> {
        answer!(self, request, what_if)
    }

    async fn finalize_invoice(
        &self,
        request: Request<wire::FinalizeInvoiceRequest>,
    ) -> Result<Response<wire::FinalizeInvoiceResponse>, Status> {
        answer!(self, request, finalize)
    }

    async fn get_invoice(
        &self,
        request: Request<wire::GetInvoiceRequest>,
    ) -> Result<Response<wire::GetInvoiceResponse>, Status> {
        answer!(self, request, invoice)
    }

    async fn list_invoices(
        &self,
        request: Request<wire::ListInvoicesRequest>,
    ) -> Result<Response<wire::ListInvoicesResponse>, Status> {
        answer!(self, request, invoices)
    }

    async fn mark_invoice_sent(
        &self,
        request: Request<wire::MarkInvoiceSentRequest>,
    ) -> Result<Response<wire::MarkInvoiceSentResponse>, Status> {
        answer!(self, request, mark_sent)
    }

    async fn export_invoice(
        &self,
        request: Request<wire::ExportInvoiceRequest>,
    ) -> Result<Response<wire::ExportInvoiceResponse>, Status> {
        answer!(self, request, export)
    }

    async fn list_invoice_line_usage(
        &self,
        request: Request<wire::ListInvoiceLineUsageRequest>,
    ) -> Result<Response<wire::ListInvoiceLineUsageResponse>, Status> {
        answer!(self, request, line_usage)
    }

    async fn record_payment(
        &self,
        request: Request<wire::RecordPaymentRequest>,
    ) -> Result<Response<wire::RecordPaymentResponse>, Status> {
        answer!(self, request, pay)
    }

    async fn create_credit_note(
        &self,
        request: Request<wire::CreateCreditNoteRequest>,
    ) -> Result<Response<wire::CreateCreditNoteResponse>, Status> {
        answer!(self, request, credit)
    }

    async fn get_balance(
        &self,
        request: Request<wire::GetBalanceRequest>,
    ) -> Result<Response<wire::GetBalanceResponse>, Status> {
        answer!(self, request, balance)
    }

    async fn list_ledger_entries(
        &self,
        request: Request<wire::ListLedgerEntriesRequest>,
    ) -> Result<Response<wire::ListLedgerEntriesResponse>, Status> {
        answer!(self, request, ledger_entries)
    }

    async fn upsert_issuer(
        &self,
        request: Request<wire::UpsertIssuerRequest>,
    ) -> Result<Response<wire::UpsertIssuerResponse>, Status> {
        answer!(self, request, keep_issuer)
    }

    async fn list_issuers(
        &self,
        request: Request<wire::ListIssuersRequest>,
    ) -> Result<Response<wire::ListIssuersResponse>, Status> {
        answer!(self, request, list_issuers_page)
    }

    async fn upsert_billing_profile(
        &self,
        request: Request<wire::UpsertBillingProfileRequest>,
    ) -> Result<Response<wire::UpsertBillingProfileResponse>, Status> {
        answer!(self, request, keep_profile)
    }

    async fn get_billing_profile(
        &self,
        request: Request<wire::GetBillingProfileRequest>,
    ) -> Result<Response<wire::GetBillingProfileResponse>, Status> {
        answer!(self, request, profile)
    }
}
