//! Credit notes, balances and the ledger.

use jiff::Timestamp;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use rust_decimal::Decimal;
use tenantdb::TenantTx;

use super::exchange::account_credit;
use super::finalizing::content_hash;
use super::invoices::payable;
use super::refusals::unbalanced;
use super::wire_invoice::{invoice_out, stored_invoice};
use super::{Api, money, number as plain};
use crate::domain::dunning::Closing;
use crate::domain::ids::{ChargeId, DisputeId, EntryId, InvoiceId, PaymentId, RefundId};
use crate::domain::invoice::{Credit, Creditable, State, cancelled, credit, number, open, settled};
use crate::domain::ledger::{self, Account, Kind, Open};
use crate::domain::money::{Currency, parse_decimal};
use crate::domain::period::{local_date, parse_zone};
use crate::domain::rating::LineKind;
use crate::domain::tax::{CategoryTotal, Treatment};
use crate::store;
use crate::store::invoice::Head;
use crate::store::lines::Line;

/// Why a credit note is issued.
#[derive(Debug, Clone, Copy)]
pub(super) enum Occasion {
    /// The whole document was wrong.
    Cancels,
    /// Some of it was.
    Corrects,
    /// A dispute is decided.
    Decides(DisputeId),
}

impl Occasion {
    fn decided(self) -> Option<DisputeId> {
        match self {
            Occasion::Decides(dispute) => Some(dispute),
            Occasion::Cancels | Occasion::Corrects => None,
        }
    }
}

/// What is disputed of a locked invoice: what its open disputes hold, besides one that is being decided, and no more than
/// what is owed.
pub(super) async fn still_disputed(
    tx: &mut TenantTx,
    invoice: &Head,
    decided: Option<DisputeId>,
) -> Result<Decimal, Fault> {
    let held = store::dispute::held(tx, invoice.seller, invoice.invoice_id, decided).await?;
    Ok(held.min(open(invoice.total, invoice.paid, invoice.credited)))
}

impl Api {
    pub(super) async fn credit(
        &self,
        caller: &Caller,
        request: wire::CreateCreditNoteRequest,
    ) -> Result<wire::CreateCreditNoteResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: InvoiceId = checks.id("invoice_id", &request.invoice_id);
        let reason = checks.text("reason", &request.reason, 1..=500);
        checks.count("lines", request.lines.len(), 0..=1_000);
        let mut wanted = Vec::with_capacity(request.lines.len());
        for (index, line) in request.lines.iter().enumerate() {
            let amount = (!line.amount.is_empty()).then(|| parse_decimal(&line.amount, 4));
            if matches!(amount, Some(Err(_))) {
                checks.refuse(format!("lines[{index}].amount"), "must be a decimal");
            }
            wanted.push((line.line_number, amount.and_then(Result::ok)));
        }
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "CreateCreditNote", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut head = store::invoice::lock(&mut tx, id).await?.ok_or(Fault::NotFound("invoice"))?;
        payable(&head)?;
        let (creditable, left) = creditable(&mut tx, &head).await?;
        let noted = credit(head.state, &creditable, &wanted, &left, head.currency)?;
        let occasion = if cancelled(&creditable, &noted) { Occasion::Cancels } else { Occasion::Corrects };
        let note = self.issue_credit(&mut tx, &mut head, &noted, (reason, occasion), now).await?;
        let invoice = stored_invoice(&mut tx, Some(one.seller.0), id).await?;
        let response = wire::CreateCreditNoteResponse { credit_note: Some(note), invoice: Some(invoice) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn issue_credit(
        &self,
        tx: &mut TenantTx,
        invoice: &mut Head,
        noted: &Credit,
        why: (String, Occasion),
        now: Timestamp,
    ) -> Result<wire::Invoice, Fault> {
        let lines = credit_lines(invoice, noted);
        self.issue_note(tx, invoice, noted, lines, why, now).await
    }

    /// Issues a credit note with lines that say more than what they correct.
    pub(super) async fn issue_note(
        &self,
        tx: &mut TenantTx,
        invoice: &mut Head,
        noted: &Credit,
        lines: Vec<Line>,
        (reason, occasion): (String, Occasion),
        now: Timestamp,
    ) -> Result<wire::Invoice, Fault> {
        let issuer = store::profile::issuer(tx, invoice.issuer_id).await?.ok_or(Fault::NotFound("issuer"))?;
        let issue_date = local_date(now, &parse_zone(&issuer.time_zone)?);
        let invoice_id = self.deps.clock.new_id::<InvoiceId>();
        let year = issue_date.year();
        let running = store::invoice::take_number(tx, issuer.issuer_id, "credit_note", year, invoice_id).await?;
        let mut note = Head {
            invoice_id,
            credit_note: true,
            state: State::Finalized,
            number: number(&issuer.number_prefix, true, year, running),
            issue_date,
            due_date: issue_date,
            net: noted.net,
            tax: noted.tax,
            total: noted.total,
            paid: Decimal::ZERO,
            credited: Decimal::ZERO,
            disputed: Decimal::ZERO,
            corrects: Some(invoice.invoice_id),
            reason,
            content_hash: String::new(),
            finalized_at: now,
            sent_at: None,
            version: 1,
            mail: None,
            ..invoice.clone()
        };
        let accounted = account_credit(tx, invoice, &note).await?;
        note.content_hash = content_hash(&note, &lines, &noted.taxes, accounted.as_ref())?;
        store::invoice::insert(tx, &note, &lines, &noted.taxes).await?;
        if let Some(accounted) = &accounted {
            store::exchange::insert(tx, invoice_id, accounted).await?;
        }
        let change = Open {
            before: open(invoice.total, invoice.paid, invoice.credited),
            after: open(invoice.total, invoice.paid, invoice.credited + note.total),
        };
        let entry = ledger::credit_note(note.currency, note.net, note.tax, change).map_err(unbalanced)?;
        let entry_id = self.deps.clock.new_id::<EntryId>();
        let source = (issuer.issuer_id, invoice_id.0);
        store::ledger::post(tx, entry_id, source, &entry, issue_date, now).await?;
        invoice.credited += note.total;
        invoice.disputed = still_disputed(tx, invoice, occasion.decided()).await?;
        invoice.state = match occasion {
            Occasion::Cancels => State::Void,
            Occasion::Corrects | Occasion::Decides(_) => {
                settled(invoice.state, invoice.total, invoice.paid, invoice.credited)
            }
        };
        store::invoice::update(tx, invoice).await?;
        if invoice.state == State::Void {
            // Nothing was owed, so nothing was late.
            for charge in store::charge::of_invoice(tx, invoice.invoice_id).await? {
                self.close_charge(tx, invoice, &charge, (Closing::Void, &note.number, None), now).await?;
            }
        }
        Ok(invoice_out(&note, &lines, &noted.taxes))
    }

    pub(super) async fn balance(
        &self,
        caller: &Caller,
        request: wire::GetBalanceRequest,
    ) -> Result<wire::GetBalanceResponse, Fault> {
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let zone = store::account::read(&mut tx, one.seller).await?.map_or_else(|| "UTC".into(), |a| a.time_zone);
        let today = local_date(self.deps.clock.now(), &parse_zone(&zone)?);
        let overdue = store::invoice::overdue(&mut tx, one.seller, today).await?;
        let balances = store::ledger::balances(&mut tx, one.seller).await?;
        let balances = balances
            .into_iter()
            .map(|(currency, receivable, credit)| {
                let late = overdue.iter().find(|(c, _)| *c == currency).map_or(Decimal::ZERO, |(_, amount)| *amount);
                wire::Balance {
                    seller_id: one.seller.to_string(),
                    currency: currency.clone(),
                    receivable_amount: shown(&currency, receivable),
                    credit_amount: shown(&currency, credit),
                    overdue_amount: shown(&currency, late),
                }
            })
            .collect();
        Ok(wire::GetBalanceResponse { balances })
    }

    pub(super) async fn ledger_entries(
        &self,
        caller: &Caller,
        request: wire::ListLedgerEntriesRequest,
    ) -> Result<wire::ListLedgerEntriesResponse, Fault> {
        let shape = &request.seller_id;
        let page = self.deps.pager.read(caller, "ListLedgerEntries", shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut rows = store::ledger::list(&mut tx, scope.single_reader(), page.after, page.size + 1).await?;
        let next_page_token =
            self.deps.pager.cut(&page, &mut rows, |r| store::ledger::Key { entry_id: r.entry_id.0 })?;
        Ok(wire::ListLedgerEntriesResponse { entries: rows.iter().map(entry_out).collect(), next_page_token })
    }
}

/// What may still be credited: by line, and by tax category.
pub(super) async fn creditable(tx: &mut TenantTx, head: &Head) -> Result<(Vec<Creditable>, Vec<CategoryTotal>), Fault> {
    let taxes = store::lines::taxes(tx, head.seller, head.invoice_id).await?;
    let before = store::lines::credited(tx, head.seller, head.invoice_id).await?;
    let lines = store::lines::of(tx, head.seller, head.invoice_id)
        .await?
        .into_iter()
        .map(|line| Creditable {
            line_number: line.line_number,
            amount: line.amount,
            credited: before.iter().find(|(n, _)| *n == line.line_number).map_or(Decimal::ZERO, |(_, a)| *a),
            treatment: treatment_of(&taxes, &line),
        })
        .collect();
    let credited = store::lines::credited_taxes(tx, head.seller, head.invoice_id).await?;
    let left = taxes
        .into_iter()
        .map(|mut total| {
            let same = |c: &&(String, Decimal, Decimal, Decimal)| {
                c.0 == total.treatment.category && c.1 == total.treatment.rate
            };
            if let Some((_, _, taxable, tax)) = credited.iter().find(same) {
                total.taxable -= *taxable;
                total.tax -= *tax;
            }
            total
        })
        .collect();
    Ok((lines, left))
}

fn treatment_of(taxes: &[CategoryTotal], line: &Line) -> Treatment {
    taxes
        .iter()
        .map(|t| &t.treatment)
        .find(|t| t.category == line.tax_category && t.rate == line.tax_percent)
        .cloned()
        .unwrap_or_else(|| Treatment { category: line.tax_category.clone(), ..Treatment::standard(line.tax_percent) })
}

fn credit_lines(invoice: &Head, noted: &Credit) -> Vec<Line> {
    (1_i32..)
        .zip(&noted.lines)
        .map(|(line_number, (corrects, amount, treatment))| Line {
            line_number,
            kind: LineKind::Credit.name(),
            contract_id: None,
            charge_code: String::new(),
            description: format!("Credit for line {corrects} of {}", invoice.number),
            quantity: Decimal::ONE,
            events: 0,
            amount: *amount,
            tax_category: treatment.category.clone(),
            tax_percent: treatment.rate,
            service: (invoice.period.from, invoice.period.until),
            rated_period_from: invoice.period.from,
            corrects_line: Some(*corrects),
            steps: Vec::new(),
            service_level: None,
        })
        .collect()
}

/// An amount in a stored currency.
pub(super) fn shown(currency: &str, amount: Decimal) -> String {
    Currency::parse(currency).map_or_else(|_| plain(amount), |currency| money(currency, amount))
}

fn entry_out(entry: &store::ledger::Listed) -> wire::LedgerEntry {
    let source_id = match entry.kind {
        Kind::Invoice | Kind::CreditNote => InvoiceId(entry.source_id).to_string(),
        Kind::Payment | Kind::Exchange | Kind::CreditApplied | Kind::PaymentReversal | Kind::ExchangeReversal => {
            PaymentId(entry.source_id).to_string()
        }
        Kind::DunningCharge | Kind::DunningClosing | Kind::DunningReturn => ChargeId(entry.source_id).to_string(),
        Kind::CreditRefund => RefundId(entry.source_id).to_string(),
    };
    wire::LedgerEntry {
        entry_id: entry.entry_id.to_string(),
        seller_id: entry.seller.to_string(),
        kind: kind_out(entry.kind).into(),
        source_id,
        currency: entry.currency.clone(),
        booking_date: entry.booking_date.to_string(),
        postings: entry
            .postings
            .iter()
            .map(|(a, amount)| wire::Posting {
                account: account_out(*a).into(),
                amount: shown(&entry.currency, *amount),
            })
            .collect(),
        create_time: Some(kit::wire::timestamp(entry.created_at)),
    }
}

/// What an entry records, on the wire.
pub(super) fn kind_out(kind: Kind) -> wire::LedgerKind {
    match kind {
        Kind::Invoice => wire::LedgerKind::Invoice,
        Kind::CreditNote => wire::LedgerKind::CreditNote,
        Kind::Payment => wire::LedgerKind::Payment,
        Kind::Exchange => wire::LedgerKind::Exchange,
        Kind::DunningCharge => wire::LedgerKind::DunningCharge,
        Kind::DunningClosing => wire::LedgerKind::DunningClosing,
        Kind::DunningReturn => wire::LedgerKind::DunningReturn,
        Kind::CreditApplied => wire::LedgerKind::CreditApplied,
        Kind::CreditRefund => wire::LedgerKind::CreditRefund,
        Kind::PaymentReversal => wire::LedgerKind::PaymentReversal,
        Kind::ExchangeReversal => wire::LedgerKind::ExchangeReversal,
    }
}

/// An account on the wire.
pub(super) fn account_out(account: Account) -> wire::LedgerAccount {
    match account {
        Account::Receivable => wire::LedgerAccount::Receivable,
        Account::Revenue => wire::LedgerAccount::Revenue,
        Account::Tax => wire::LedgerAccount::Tax,
        Account::Cash => wire::LedgerAccount::Cash,
        Account::CustomerCredit => wire::LedgerAccount::CustomerCredit,
        Account::Prepaid => wire::LedgerAccount::Prepaid,
        Account::ExchangeDifference => wire::LedgerAccount::ExchangeDifference,
        Account::Translation => wire::LedgerAccount::Translation,
        Account::DunningFee => wire::LedgerAccount::DunningFee,
        Account::DefaultInterest => wire::LedgerAccount::DefaultInterest,
        Account::WriteOff => wire::LedgerAccount::WriteOff,
    }
}
