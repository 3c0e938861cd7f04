//! Payments, and the credit that sellers have: used, paid out, and payments that are taken back.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::{Caller, Checks, Fault, Id};
use proto::billing::v1 as wire;
use proto::billing::v1::credit_service_server::CreditService;
use rust_decimal::Decimal;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::credits::still_disputed;
use super::invoices::payable;
use super::refusals::{Refusal, unbalanced};
use super::wire_invoice::stored_invoice;
use super::{Api, answer, money};
use crate::domain::dunning::{OpenCharge, settle, unsettle};
use crate::domain::ids::{EntryId, InvoiceId, IssuerId, PaymentId, RefundId};
use crate::domain::invoice::{open, reopened, settled};
use crate::domain::ledger::{self, Reopened};
use crate::domain::money::{Currency, parse_decimal};
use crate::domain::period::{local_date, parse_zone};
use crate::store;
use crate::store::charge::Charge;
use crate::store::credit::{Held, Refund};
use crate::store::invoice::Head;
use crate::store::payment::{Filter, Listed, Payment, Reversed};

/// Amounts that are recorded at most.
fn most() -> Decimal {
    Decimal::from(1_000_000_000_000_i64)
}

/// An amount of money above zero.
fn amount_in(checks: &mut Checks, text: &str) -> Decimal {
    let amount = parse_decimal(text, 4).unwrap_or(Decimal::ZERO);
    checks.require(amount > Decimal::ZERO && amount <= most(), "amount", "must be a decimal above 0");
    amount
}

impl Api {
    pub(super) async fn pay(
        &self,
        caller: &Caller,
        request: wire::RecordPaymentRequest,
    ) -> Result<wire::RecordPaymentResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        let reference = checks.line("reference", &request.reference, 1..=140);
        let value_date = checks.date("value_date", &request.value_date);
        let amount = amount_in(&mut checks, &request.amount);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "RecordPayment", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut head = store::invoice::lock(&mut tx, id).await?.ok_or(Fault::NotFound("invoice"))?;
        payable(&head)?;
        head.currency.to_minor(amount)?;
        let payment_id = match store::payment::find(&mut tx, id, &reference).await? {
            Some(before) if before.payment.amount == amount && before.payment.value_date == value_date => {
                before.payment.payment_id
            }
            Some(_) => return Err(Refusal::ReferenceReused.into()),
            None => {
                let payment = self.new_payment(amount, value_date, reference);
                self.book_payment(&mut tx, &mut head, payment, now).await?
            }
        };
        let response = wire::RecordPaymentResponse {
            payment: Some(stored_payment(&mut tx, payment_id).await?),
            invoice: Some(stored_invoice(&mut tx, Some(one.seller.0), id).await?),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    fn new_payment(&self, amount: Decimal, value_date: Date, reference: String) -> Payment {
        Payment {
            payment_id: self.deps.clock.new_id::<PaymentId>(),
            amount,
            value_date,
            reference,
            fee: Decimal::ZERO,
            interest: Decimal::ZERO,
            from_credit: false,
        }
    }

    async fn book_payment(
        &self,
        tx: &mut TenantTx,
        head: &mut Head,
        mut payment: Payment,
        now: Timestamp,
    ) -> Result<PaymentId, Fault> {
        let open_before = open(head.total, head.paid, head.credited);
        let charges = store::charge::of_invoice(tx, head.invoice_id).await?;
        let opened: Vec<OpenCharge> = charges.iter().map(Charge::open).collect();
        let known = charges.iter().take_while(|charge| charge.charged_on <= payment.value_date).count();
        let order = store::dunning::of_invoice(tx, head.invoice_id).await?.map(|of| of.policy.allocation);
        let parts = settle(order.unwrap_or_default(), payment.amount, open_before, &opened, known);
        (payment.fee, payment.interest) = (parts.fees(), parts.interest());
        for (charge, paid) in charges.iter().zip(&parts.charges).filter(|(_, paid)| **paid != OpenCharge::default()) {
            store::charge::pay(tx, charge.charge_id, *paid).await?;
        }
        let of_charges = payment.fee + payment.interest;
        let entry = if payment.from_credit {
            ledger::credit_applied(head.currency, payment.amount)
        } else {
            ledger::payment(head.currency, payment.amount, parts.principal + of_charges)
        };
        let entry = entry.map_err(unbalanced)?;
        store::payment::insert(tx, head.invoice_id, &payment, now).await?;
        let entry_id = self.deps.clock.new_id::<EntryId>();
        let source = (head.issuer_id, payment.payment_id.0);
        store::ledger::post(tx, entry_id, source, &entry, payment.value_date, now).await?;
        self.realise(tx, head, &payment, parts.principal, now).await?;
        head.paid += payment.amount - of_charges;
        head.state = settled(head.state, head.total, head.paid, head.credited);
        store::invoice::update(tx, head).await?;
        Ok(payment.payment_id)
    }

    async fn apply_credit(
        &self,
        caller: &Caller,
        request: wire::ApplyCreditRequest,
    ) -> Result<wire::ApplyCreditResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        let wanted = (!request.amount.is_empty()).then(|| amount_in(&mut checks, &request.amount));
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "ApplyCredit", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut head = store::invoice::lock(&mut tx, id).await?.ok_or(Fault::NotFound("invoice"))?;
        payable(&head)?;
        let charges = store::charge::of_invoice(&mut tx, id).await?;
        let of_charges: Decimal = charges.iter().map(Charge::open).map(|open| open.fee + open.interest).sum();
        let principal = open(head.total, head.paid, head.credited);
        let credit = store::credit::lock(&mut tx, head.issuer_id, head.currency).await?;
        let due = (principal - head.disputed).max(Decimal::ZERO) + of_charges;
        let amount = applicable(wanted, credit, due, principal + of_charges)?;
        head.currency.to_minor(amount)?;
        let issuer = store::profile::issuer(&mut tx, head.issuer_id).await?.ok_or(Fault::NotFound("issuer"))?;
        let mut payment = self.new_payment(amount, local_date(now, &parse_zone(&issuer.time_zone)?), String::new());
        payment.from_credit = true;
        payment.reference = payment.payment_id.to_string();
        let payment_id = self.book_payment(&mut tx, &mut head, payment, now).await?;
        let left = store::credit::lock(&mut tx, head.issuer_id, head.currency).await?;
        let left = Held { seller: one.seller, issuer: head.issuer_id, currency: head.currency, amount: left };
        let response = wire::ApplyCreditResponse {
            payment: Some(stored_payment(&mut tx, payment_id).await?),
            invoice: Some(stored_invoice(&mut tx, Some(one.seller.0), id).await?),
            credit: Some(held_out(&left)),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn refund_credit(
        &self,
        caller: &Caller,
        request: wire::RefundCreditRequest,
    ) -> Result<wire::RefundCreditResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let issuer: IssuerId = checks.id("issuer_id", &request.issuer_id);
        let currency = Currency::parse(&request.currency);
        checks.require(currency.is_ok(), "currency", "must be an ISO 4217 currency");
        let reference = checks.line("reference", &request.reference, 1..=140);
        let value_date = checks.date("value_date", &request.value_date);
        let amount = amount_in(&mut checks, &request.amount);
        checks.finish()?;
        let currency = currency?;
        currency.to_minor(amount)?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "RefundCredit", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let credit = store::credit::lock(&mut tx, issuer, currency).await?;
        let refund =
            Refund { refund_id: self.deps.clock.new_id::<RefundId>(), issuer, currency, amount, value_date, reference };
        let (refund, left) = match store::credit::refund(&mut tx, issuer, &refund.reference).await? {
            Some(before) if same(&before, &refund) => (before, credit),
            Some(_) => return Err(Refusal::ReferenceReused.into()),
            None if amount > credit => return Err(Refusal::CreditTooSmall(credit.max(Decimal::ZERO)).into()),
            None => {
                store::credit::insert_refund(&mut tx, &refund, (now, caller.subject())).await?;
                let entry = ledger::credit_refund(currency, amount).map_err(unbalanced)?;
                let entry_id = self.deps.clock.new_id::<EntryId>();
                store::ledger::post(&mut tx, entry_id, (issuer, refund.refund_id.0), &entry, value_date, now).await?;
                (refund, credit - amount)
            }
        };
        let left = Held { seller: one.seller, issuer, currency, amount: left };
        let response = wire::RefundCreditResponse {
            refund: Some(wire::CreditRefund {
                refund_id: refund.refund_id.to_string(),
                seller_id: one.seller.to_string(),
                issuer_id: issuer.to_string(),
                currency: currency.to_string(),
                amount: money(currency, refund.amount),
                value_date: refund.value_date.to_string(),
                reference: refund.reference,
            }),
            credit: Some(held_out(&left)),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn reverse(
        &self,
        caller: &Caller,
        request: wire::ReversePaymentRequest,
    ) -> Result<wire::ReversePaymentResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: PaymentId = checks.id("payment_id", &request.payment_id);
        let value_date = checks.date("value_date", &request.value_date);
        let reason = checks.text("reason", &request.reason, 1..=500);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "ReversePayment", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let missing = || Fault::NotFound("payment");
        let invoice = store::payment::read(&mut tx, id).await?.ok_or_else(missing)?.invoice;
        let mut head = store::invoice::lock(&mut tx, invoice).await?.ok_or_else(missing)?;
        // Payments change under their invoice's lock only.
        let found = store::payment::read(&mut tx, id).await?.ok_or_else(missing)?;
        if found.reversed.is_some() {
            return Err(Refusal::PaymentReversed.into());
        }
        if value_date < found.payment.value_date {
            return Err(Fault::invalid("value_date", "must not be before the payment's own"));
        }
        let reversed = Reversed { value_date, reason };
        self.take_back(&mut tx, &mut head, &found.payment, &reversed, (now, caller.subject())).await?;
        let response = wire::ReversePaymentResponse {
            payment: Some(stored_payment(&mut tx, id).await?),
            invoice: Some(stored_invoice(&mut tx, Some(one.seller.0), invoice).await?),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn take_back(
        &self,
        tx: &mut TenantTx,
        head: &mut Head,
        payment: &Payment,
        reversed: &Reversed,
        (now, by): (Timestamp, uuid::Uuid),
    ) -> Result<(), Fault> {
        let open_before = open(head.total, head.paid, head.credited);
        head.paid -= payment.amount - payment.fee - payment.interest;
        let mut again =
            Reopened { owed: open(head.total, head.paid, head.credited) - open_before, ..Reopened::default() };
        let charges = store::charge::of_invoice(tx, head.invoice_id).await?;
        let paid: Vec<OpenCharge> = charges.iter().map(Charge::paid).collect();
        let taken = unsettle(payment.fee, payment.interest, &paid);
        for (charge, part) in charges.iter().zip(taken).filter(|(_, part)| *part != OpenCharge::default()) {
            let closed = charge.closing.is_some();
            *(if closed { &mut again.lost } else { &mut again.owed }) += part.fee + part.interest;
            store::charge::unpay(tx, charge.charge_id, part, closed).await?;
        }
        store::payment::reverse(tx, payment.payment_id, reversed, (now, by)).await?;
        let source = (head.issuer_id, payment.payment_id.0);
        let entry = ledger::payment_reversal(head.currency, payment.amount, again, payment.from_credit);
        let entry = entry.map_err(unbalanced)?;
        let entry_id = self.deps.clock.new_id::<EntryId>();
        store::ledger::post(tx, entry_id, source, &entry, reversed.value_date, now).await?;
        let gained = store::exchange::difference(tx, payment.payment_id).await?;
        if let Some((currency, difference)) = gained.filter(|(_, difference)| !difference.is_zero()) {
            let entry = ledger::exchange_reversal(currency, difference).map_err(unbalanced)?;
            let entry_id = self.deps.clock.new_id::<EntryId>();
            store::ledger::post(tx, entry_id, source, &entry, reversed.value_date, now).await?;
        }
        head.state = reopened(head.state, head.sent_at.is_some(), head.total, head.paid, head.credited);
        head.disputed = still_disputed(tx, head, None).await?;
        Ok(store::invoice::update(tx, head).await?)
    }

    async fn credits_held(
        &self,
        caller: &Caller,
        request: wire::ListSellerCreditsRequest,
    ) -> Result<wire::ListSellerCreditsResponse, Fault> {
        let shape = &request.seller_id;
        let page = self.deps.pager.read(caller, "ListSellerCredits", shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let after = page.after.clone();
        let mut rows = store::credit::list(&mut tx, scope.single_reader(), after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::credit::Key {
            seller_id: r.seller.0,
            issuer_id: r.issuer.0,
            currency: r.currency.code().to_owned(),
        })?;
        Ok(wire::ListSellerCreditsResponse { credits: rows.iter().map(held_out).collect(), next_page_token })
    }

    async fn payments(
        &self,
        caller: &Caller,
        request: wire::ListPaymentsRequest,
    ) -> Result<wire::ListPaymentsResponse, Fault> {
        let invoice: Option<InvoiceId> = Id::parse_optional("invoice_id", &request.invoice_id)?;
        let shape = (&request.seller_id, &request.invoice_id);
        let page = self.deps.pager.read(caller, "ListPayments", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = Filter { invoice, ..Filter::default() };
        let mut rows = store::payment::list(&mut tx, scope.single_reader(), filter, page.after, page.size + 1).await?;
        let next_page_token =
            self.deps.pager.cut(&page, &mut rows, |r| store::payment::Key { payment_id: r.payment.payment_id.0 })?;
        Ok(wire::ListPaymentsResponse { payments: rows.iter().map(payment_out).collect(), next_page_token })
    }
}

/// How much of a credit pays an invoice: what is wanted, else as much as there is up to
/// what is due; never more than is open.
fn applicable(wanted: Option<Decimal>, credit: Decimal, due: Decimal, open: Decimal) -> Result<Decimal, Refusal> {
    if credit <= Decimal::ZERO {
        return Err(Refusal::NoCredit);
    }
    match wanted {
        Some(amount) if amount > credit => Err(Refusal::CreditTooSmall(credit)),
        Some(amount) if amount > open => Err(Refusal::MoreThanOpen(open)),
        Some(amount) => Ok(amount),
        None if due <= Decimal::ZERO => Err(Refusal::NothingOpen),
        None => Ok(due.min(credit)),
    }
}

/// Whether a reference was recorded for the same.
fn same(before: &Refund, now: &Refund) -> bool {
    (before.currency, before.amount, before.value_date) == (now.currency, now.amount, now.value_date)
}

async fn stored_payment(tx: &mut TenantTx, payment: PaymentId) -> Result<wire::Payment, Fault> {
    let found = store::payment::read(tx, payment).await?;
    Ok(payment_out(&found.ok_or_else(|| Fault::internal("a payment that was stored is not there"))?))
}

fn payment_out(of: &Listed) -> wire::Payment {
    let Listed { seller, invoice, currency, payment, reversed } = of;
    wire::Payment {
        payment_id: payment.payment_id.to_string(),
        seller_id: seller.to_string(),
        invoice_id: invoice.to_string(),
        currency: currency.to_string(),
        amount: money(*currency, payment.amount),
        value_date: payment.value_date.to_string(),
        reference: payment.reference.clone(),
        charge_amount: money(*currency, payment.fee + payment.interest),
        from_credit: payment.from_credit,
        reversal_date: reversed.as_ref().map(|r| r.value_date.to_string()).unwrap_or_default(),
        reversal_reason: reversed.as_ref().map(|r| r.reason.clone()).unwrap_or_default(),
    }
}

fn held_out(held: &Held) -> wire::SellerCredit {
    wire::SellerCredit {
        seller_id: held.seller.to_string(),
        issuer_id: held.issuer.to_string(),
        currency: held.currency.to_string(),
        amount: money(held.currency, held.amount),
    }
}

#[tonic::async_trait]
impl CreditService for Api {
    async fn list_seller_credits(
        &self,
        request: Request<wire::ListSellerCreditsRequest>,
    ) -> Result<Response<wire::ListSellerCreditsResponse>, Status> {
        answer!(self, request, credits_held)
    }

    async fn apply_credit(
        &self,
        request: Request<wire::ApplyCreditRequest>,
    ) -> Result<Response<wire::ApplyCreditResponse>, Status> {
        answer!(self, request, apply_credit)
    }

    async fn refund_credit(
        &self,
        request: Request<wire::RefundCreditRequest>,
    ) -> Result<Response<wire::RefundCreditResponse>, Status> {
        answer!(self, request, refund_credit)
    }

    async fn reverse_payment(
        &self,
        request: Request<wire::ReversePaymentRequest>,
    ) -> Result<Response<wire::ReversePaymentResponse>, Status> {
        answer!(self, request, reverse)
    }

    async fn list_payments(
        &self,
        request: Request<wire::ListPaymentsRequest>,
    ) -> Result<Response<wire::ListPaymentsResponse>, Status> {
        answer!(self, request, payments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_pays_what_is_due_and_never_more_than_there_is() {
        let n = |n: i64| Decimal::from(n);
        let of = |wanted: Option<i64>, credit, due, open| applicable(wanted.map(n), n(credit), n(due), n(open));
        assert_eq!(of(None, 30, 100, 100).ok(), Some(n(30)));
        assert_eq!(of(None, 130, 100, 120).ok(), Some(n(100)));
        // what is disputed is paid of credit only where somebody says so
        assert_eq!(of(Some(110), 130, 100, 120).ok(), Some(n(110)));
        assert!(matches!(of(Some(121), 130, 100, 120), Err(Refusal::MoreThanOpen(_))));
        assert!(matches!(of(Some(31), 30, 100, 100), Err(Refusal::CreditTooSmall(_))));
        assert!(matches!(of(None, 30, 0, 0), Err(Refusal::NothingOpen)));
        assert!(matches!(of(Some(1), -5, 10, 10), Err(Refusal::NoCredit)));
    }
}
