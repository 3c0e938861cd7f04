//! The ledger as a journal: pages of it are read and written one by one, each in a
//! transaction of its own, so that who reads slowly holds nothing.

use documents::{Dialect, Entry, JournalWriter, Posting};
use futures_util::stream::{self, BoxStream, StreamExt};
use kit::scope::Scope;
use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::billing::v1::journal_service_server::JournalService;
use tenantdb::TenantDb;
use tonic::{Request, Response, Status};

use super::Api;
use super::credits::shown;
use crate::domain::ids::IssuerId;
use crate::domain::ledger::{Account, Kind};
use crate::domain::period::{Dates, days_between};
use crate::store;
use crate::store::ledger::{Booked, JournalKey, Journaled};

/// Entries in one piece.
const PAGE: i64 = 500;
/// Days that a journal spans at most.
const MOST_DAYS: i64 = 3_660;

/// A format, and what has been written in it.
enum Writer {
    Text(Box<JournalWriter>, &'static str),
    Csv { head: bool },
}

/// What a running export goes on with.
struct Running {
    db: TenantDb,
    scope: Scope,
    booked: Booked,
    after: Option<JournalKey>,
    writer: Writer,
    file_name: String,
    pieces: usize,
    ended: bool,
}

impl Api {
    async fn journal(&self, caller: &Caller, request: wire::ExportJournalRequest) -> Result<Running, Fault> {
        let mut checks = Checks::new();
        let issuer: IssuerId = checks.id("issuer_id", &request.issuer_id);
        let from = checks.date("booked_from", &request.booked_from);
        let until = checks.date("booked_until", &request.booked_until);
        let sane = (0..=MOST_DAYS).contains(&days_between(from, until));
        checks.require(sane, "booked_until", "must not be before booked_from nor more than ten years after it");
        let (writer, ending) = match wire::JournalFormat::try_from(request.format) {
            Ok(wire::JournalFormat::Hledger) => (text(Dialect::Hledger), "journal"),
            Ok(wire::JournalFormat::Beancount) => (text(Dialect::Beancount), "beancount"),
            Ok(wire::JournalFormat::Csv) => (Writer::Csv { head: true }, "csv"),
            Ok(wire::JournalFormat::Unspecified) | Err(_) => {
                checks.refuse("format", "must be one of the formats");
                (Writer::Csv { head: true }, "")
            }
        };
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let found = store::profile::issuer(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        let file_name = format!("{}_{from}_{until}.{ending}", found.number_prefix);
        let dates = Dates { from, until };
        let booked = Booked { issuer, one: scope.single_reader(), dates, by: self.deps.clock.now() };
        drop(tx);
        let db = self.deps.db.clone();
        Ok(Running { db, scope, booked, after: None, writer, file_name, pieces: 0, ended: false })
    }
}

impl Running {
    /// The next piece; an empty journal is one piece.
    async fn piece(&mut self) -> Result<Option<wire::ExportJournalResponse>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let mut tx = self.db.begin(&self.scope).await?;
        let page = store::ledger::journal(&mut tx, &self.booked, self.after, PAGE).await?;
        drop(tx);
        self.ended = i64::try_from(page.len()).is_ok_and(|read| read < PAGE);
        if page.is_empty() && self.pieces > 0 {
            return Ok(None);
        }
        self.pieces += 1;
        self.after = page.last().map(|e| JournalKey { booking_date: e.booking_date, entry_id: e.entry_id.0 });
        let (content, media_type) = match &mut self.writer {
            Writer::Text(writer, media_type) => {
                let entries: Vec<Entry> = page.iter().map(entry).collect();
                let text = writer.page(&entries).map_err(|error| Fault::Internal(Box::new(error)))?;
                (text.into_bytes(), *media_type)
            }
            Writer::Csv { head } => (csv(&page, std::mem::take(head))?, "text/csv; charset=utf-8"),
        };
        Ok(Some(wire::ExportJournalResponse {
            content: content.into(),
            entries: i32::try_from(page.len()).unwrap_or(i32::MAX),
            media_type: media_type.into(),
            file_name: self.file_name.clone(),
        }))
    }
}

fn text(dialect: Dialect) -> Writer {
    Writer::Text(Box::new(JournalWriter::new(dialect)), "text/plain; charset=utf-8")
}

/// The account's name in a chart of accounts; what concerns one seller has an
/// account of the seller's own.
fn account(account: Account, handle: &str) -> String {
    match account {
        Account::Receivable => format!("assets:receivable:{handle}"),
        Account::Cash => "assets:bank".into(),
        Account::Revenue => format!("income:revenue:{handle}"),
        Account::Tax => "liabilities:vat".into(),
        Account::CustomerCredit => format!("liabilities:credit:{handle}"),
        Account::Prepaid => format!("liabilities:prepaid:{handle}"),
        Account::ExchangeDifference => "income:exchange difference".into(),
        Account::Translation => "equity:translation".into(),
        Account::DunningFee => "income:dunning fees".into(),
        Account::DefaultInterest => "income:default interest".into(),
        Account::WriteOff => "expenses:write-offs".into(),
    }
}

/// A seller's own word in account names, also once its short name is gone.
fn handle(entry: &Journaled) -> String {
    if entry.handle.is_empty() { entry.seller.to_string() } else { entry.handle.clone() }
}

fn entry(of: &Journaled) -> Entry {
    let what = match of.kind {
        Kind::Invoice => format!("Invoice {}", of.invoice),
        Kind::CreditNote => format!("Credit note {}", of.invoice),
        Kind::Payment => format!("Payment of {}", of.invoice),
        Kind::Exchange => format!("Exchange difference of {}", of.invoice),
        Kind::DunningCharge => format!("Late payment of {}", of.invoice),
        Kind::DunningClosing => format!("Closed charge for late payment of {}", of.invoice),
        Kind::DunningReturn => format!("Returned charge for late payment of {}", of.invoice),
        Kind::CreditApplied => format!("Credit applied to {}", of.invoice),
        Kind::CreditRefund => "Credit paid out".to_owned(),
        Kind::PaymentReversal => format!("Payment of {} taken back", of.invoice),
        Kind::ExchangeReversal => format!("Exchange difference of {} taken back", of.invoice),
    };
    let handle = handle(of);
    let posting = |(side, amount): &(Account, rust_decimal::Decimal)| Posting {
        account: account(*side, &handle),
        amount: *amount,
        currency: of.currency.clone(),
    };
    Entry {
        date: of.booking_date,
        code: of.code.clone(),
        description: format!("{what}, {}", of.buyer),
        postings: of.postings.iter().map(posting).collect(),
    }
}

const COLUMNS: [&str; 11] = [
    "booking_date",
    "entry_id",
    "kind",
    "code",
    "invoice",
    "seller_id",
    "seller",
    "buyer",
    "account",
    "amount",
    "currency",
];

fn csv(page: &[Journaled], head: bool) -> Result<Vec<u8>, Fault> {
    let failed = |error: csv::Error| Fault::Internal(Box::new(error));
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if head {
        writer.write_record(COLUMNS).map_err(failed)?;
    }
    for of in page {
        for (side, amount) in &of.postings {
            let record = [
                of.booking_date.to_string(),
                of.entry_id.to_string(),
                of.kind.name().into(),
                plain(&of.code),
                plain(&of.invoice),
                of.seller.to_string(),
                plain(&of.handle),
                plain(&of.buyer),
                side.name().into(),
                shown(&of.currency, *amount),
                of.currency.clone(),
            ];
            writer.write_record(record).map_err(failed)?;
        }
    }
    writer.into_inner().map_err(|error| Fault::internal(error.to_string()))
}

/// A text, never a formula to a spreadsheet.
fn plain(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.into(),
    }
}

#[tonic::async_trait]
impl JournalService for Api {
    type ExportJournalStream = BoxStream<'static, Result<wire::ExportJournalResponse, Status>>;

    async fn export_journal(
        &self,
        request: Request<wire::ExportJournalRequest>,
    ) -> Result<Response<Self::ExportJournalStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let running = self.journal(&caller, request).await?;
        let pieces = stream::try_unfold(running, |mut running| async move {
            let piece = running.piece().await.map_err(Status::from)?;
            Ok::<_, Status>(piece.map(|piece| (piece, running)))
        });
        Ok(Response::new(pieces.boxed()))
    }
}
