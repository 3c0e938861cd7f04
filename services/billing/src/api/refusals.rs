//! What a refusal of the domain tells the wire. Full matches: a new refusal does
//! not compile until it has a code and a reason.

use kit::{Explain, Fault};
use rust_decimal::Decimal;
use tonic::Code;

use crate::domain::books::BooksError;
use crate::domain::dispute::DisputeError;
use crate::domain::exchange::ExchangeError;
use crate::domain::forecast::LockError;
use crate::domain::invoice::InvoiceError;
use crate::domain::ledger::LedgerError;
use crate::domain::models::PriceError;
use crate::domain::money::MoneyError;
use crate::domain::period::PeriodError;
use crate::domain::pool::PoolError;
use crate::domain::profile::SignError;
use crate::domain::service_level::ObjectionError;
use crate::domain::tax::TaxError;

/// Refusals that arise where several facts of the service meet.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the seller has no contract in this period")]
    NoContract,
    #[error("the seller has no billing profile yet")]
    NoProfile,
    #[error("the zone and the currency of a seller with a contract cannot change")]
    CutFixed,
    #[error("this issuer's prefix is taken or cannot change")]
    PrefixFixed,
    #[error("the period has no invoice yet")]
    NotInvoiced,
    #[error("by the contract, late usage of this period goes to the next invoice")]
    NextInvoice,
    #[error("this is not a finalized invoice that can be paid or credited")]
    NotPayable,
    #[error("this reference was recorded on the invoice with another amount or date")]
    ReferenceReused,
    #[error("the seller has only {0} as credit")]
    CreditTooSmall(Decimal),
    #[error("the seller has no credit with the issuer in this currency")]
    NoCredit,
    #[error("only {0} is open of the invoice and of charges for its delay")]
    MoreThanOpen(Decimal),
    #[error("nothing is open of the invoice, nor of charges for its delay")]
    NothingOpen,
    #[error("the payment was taken back")]
    PaymentReversed,
    #[error("nothing is due of the invoice, or it is held: nobody is reminded of it")]
    NoticeOvertaken,
    #[error("what was frozen does not say all that this format demands: {}", rules(.0))]
    DocumentIncomplete(Vec<documents::Violation>),
    #[error("not a whole day of the period has passed")]
    TooEarly,
    #[error("the issuer's logo cannot be drawn: it {0}")]
    Logo(&'static str),
    #[error("nobody was named to whom the seller's documents go")]
    NoRecipients,
    #[error("the issuer has no mail server")]
    NoSender,
}

/// The rules that do not hold, with their terms; no value of the invoice.
fn rules(violations: &[documents::Violation]) -> String {
    let told = violations.iter().take(10).map(ToString::to_string);
    told.collect::<Vec<_>>().join("; ")
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Refusal::NoContract
            | Refusal::NoProfile
            | Refusal::NoRecipients
            | Refusal::NoSender
            | Refusal::CutFixed
            | Refusal::NotInvoiced
            | Refusal::NextInvoice
            | Refusal::NotPayable
            | Refusal::CreditTooSmall(_)
            | Refusal::NoCredit
            | Refusal::MoreThanOpen(_)
            | Refusal::NothingOpen
            | Refusal::PaymentReversed
            | Refusal::NoticeOvertaken
            | Refusal::TooEarly
            | Refusal::DocumentIncomplete(_)
            | Refusal::Logo(_) => Code::FailedPrecondition,
            Refusal::PrefixFixed | Refusal::ReferenceReused => Code::AlreadyExists,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::NoContract => "NO_CONTRACT",
            Refusal::NoProfile => "NO_BILLING_PROFILE",
            Refusal::NoRecipients => "NO_MAIL_RECIPIENTS",
            Refusal::NoSender => "NO_MAIL_SENDER",
            Refusal::CutFixed => "ZONE_AND_CURRENCY_FIXED",
            Refusal::PrefixFixed => "NUMBER_PREFIX_TAKEN",
            Refusal::NotInvoiced => "PERIOD_NOT_INVOICED",
            Refusal::NextInvoice => "LATE_USAGE_GOES_TO_NEXT_INVOICE",
            Refusal::NotPayable => "INVOICE_NOT_PAYABLE",
            Refusal::ReferenceReused => "PAYMENT_REFERENCE_REUSED",
            Refusal::CreditTooSmall(_) => "CREDIT_TOO_SMALL",
            Refusal::NoCredit => "NO_CREDIT",
            Refusal::MoreThanOpen(_) => "MORE_THAN_OPEN",
            Refusal::NothingOpen => "NOTHING_OPEN",
            Refusal::PaymentReversed => "PAYMENT_REVERSED",
            Refusal::NoticeOvertaken => "NOTICE_OVERTAKEN",
            Refusal::DocumentIncomplete(_) => "DOCUMENT_INCOMPLETE",
            Refusal::TooEarly => "TOO_EARLY",
            Refusal::Logo(_) => "LOGO_UNFIT",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Refusal::DocumentIncomplete(violations) => vec![("rules", rules(violations))],
            Refusal::CreditTooSmall(left) | Refusal::MoreThanOpen(left) => vec![("left", left.to_string())],
            _ => Vec::new(),
        }
    }
}

impl Explain for PoolError {
    fn code(&self) -> Code {
        match self {
            PoolError::SharedAgent(_) | PoolError::NotLater(_) | PoolError::NotInForce(_) => Code::FailedPrecondition,
            PoolError::CodeTaken => Code::AlreadyExists,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            PoolError::SharedAgent(_) => "AGENT_IN_ANOTHER_POOL",
            PoolError::NotLater(_) => "POLICY_NOT_LATER",
            PoolError::NotInForce(_) => "POOL_NOT_IN_FORCE",
            PoolError::CodeTaken => "POOL_CODE_TAKEN",
        }
    }
}

impl Explain for LockError {
    fn code(&self) -> Code {
        match self {
            LockError::TooLate(_) => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            LockError::TooLate(_) => "FORECAST_LOCKED_TOO_LATE",
        }
    }
}

impl Explain for MoneyError {
    fn code(&self) -> Code {
        match self {
            MoneyError::UnknownCurrency(_)
            | MoneyError::TooPrecise(_)
            | MoneyError::NotANumber(_)
            | MoneyError::TooLarge => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            MoneyError::UnknownCurrency(_) => "UNKNOWN_CURRENCY",
            MoneyError::TooPrecise(_) => "AMOUNT_TOO_PRECISE",
            MoneyError::NotANumber(_) => "NOT_A_DECIMAL",
            MoneyError::TooLarge => "AMOUNT_TOO_LARGE",
        }
    }
}

impl Explain for PeriodError {
    fn code(&self) -> Code {
        match self {
            PeriodError::OutOfRange | PeriodError::UnknownZone(_) | PeriodError::NotADate(_) => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            PeriodError::OutOfRange => "DATE_OUT_OF_RANGE",
            PeriodError::UnknownZone(_) => "UNKNOWN_TIME_ZONE",
            PeriodError::NotADate(_) => "NOT_A_DATE",
        }
    }
}

impl Explain for PriceError {
    fn code(&self) -> Code {
        match self {
            PriceError::TooLarge | PriceError::BeyondLastTier => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            PriceError::TooLarge => "AMOUNT_TOO_LARGE",
            PriceError::BeyondLastTier => "BEYOND_LAST_TIER",
        }
    }
}

impl Explain for TaxError {
    fn code(&self) -> Code {
        match self {
            TaxError::CheckPending | TaxError::NoRate(_) => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            TaxError::CheckPending => "VAT_CHECK_PENDING",
            TaxError::NoRate(_) => "NO_VAT_RATE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            TaxError::CheckPending => Vec::new(),
            TaxError::NoRate(country) => vec![("country", country.clone())],
        }
    }
}

impl Explain for SignError {
    fn code(&self) -> Code {
        match self {
            SignError::NoProfile
            | SignError::CurrencyDiffers { .. }
            | SignError::PeriodClosed(_)
            | SignError::IntervalDiffers(_)
            | SignError::NotAfterTheLast(_) => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            SignError::NoProfile => "NO_BILLING_PROFILE",
            SignError::CurrencyDiffers { .. } => "CURRENCY_DIFFERS",
            SignError::PeriodClosed(_) => "PERIOD_CLOSED",
            SignError::IntervalDiffers(_) => "INTERVAL_DIFFERS",
            SignError::NotAfterTheLast(_) => "NOT_AFTER_THE_LAST_CONTRACT",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            SignError::NoProfile => Vec::new(),
            SignError::CurrencyDiffers { plan, profile } => {
                vec![("plan", plan.to_string()), ("profile", profile.to_string())]
            }
            SignError::PeriodClosed(date) | SignError::NotAfterTheLast(date) => vec![("date", date.to_string())],
            SignError::IntervalDiffers(interval) => vec![("interval", (*interval).to_string())],
        }
    }
}

impl Explain for InvoiceError {
    fn code(&self) -> Code {
        match self {
            InvoiceError::PeriodRunning
            | InvoiceError::EarlierPeriodOpen
            | InvoiceError::Void
            | InvoiceError::MoreThanLeft { .. }
            | InvoiceError::MoreThanAll { .. }
            | InvoiceError::NothingLeft => Code::FailedPrecondition,
            InvoiceError::NoSuchLine(_) | InvoiceError::LineTwice => Code::InvalidArgument,
            InvoiceError::Money(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            InvoiceError::PeriodRunning => "PERIOD_RUNNING",
            InvoiceError::EarlierPeriodOpen => "EARLIER_PERIOD_OPEN",
            InvoiceError::Void => "INVOICE_VOID",
            InvoiceError::MoreThanLeft { .. } | InvoiceError::MoreThanAll { .. } => "MORE_THAN_LEFT",
            InvoiceError::NothingLeft => "NOTHING_LEFT",
            InvoiceError::NoSuchLine(_) => "NO_SUCH_LINE",
            InvoiceError::LineTwice => "LINE_TWICE",
            InvoiceError::Money(error) => error.reason(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            InvoiceError::MoreThanLeft { line, left } => vec![("line", line.to_string()), ("left", left.to_string())],
            InvoiceError::MoreThanAll { left } => vec![("left", left.to_string())],
            InvoiceError::NoSuchLine(line) => vec![("line", line.to_string())],
            InvoiceError::PeriodRunning
            | InvoiceError::EarlierPeriodOpen
            | InvoiceError::Void
            | InvoiceError::NothingLeft
            | InvoiceError::LineTwice
            | InvoiceError::Money(_) => Vec::new(),
        }
    }
}

impl Explain for ObjectionError {
    fn code(&self) -> Code {
        match self {
            ObjectionError::AlreadyObjected | ObjectionError::DecidedAlready => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            ObjectionError::AlreadyObjected => "ALREADY_OBJECTED",
            ObjectionError::DecidedAlready => "DECIDED_ALREADY",
        }
    }
}

impl Explain for DisputeError {
    fn code(&self) -> Code {
        match self {
            DisputeError::DisputedAlready | DisputeError::Closed | DisputeError::NotUsage => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            DisputeError::DisputedAlready => "DISPUTED_ALREADY",
            DisputeError::Closed => "DISPUTE_CLOSED",
            DisputeError::NotUsage => "NOT_A_LINE_OF_USAGE",
        }
    }
}

impl Explain for ExchangeError {
    fn code(&self) -> Code {
        match self {
            ExchangeError::NoRate { .. } | ExchangeError::CurrencyFixed => Code::FailedPrecondition,
            ExchangeError::Money(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            ExchangeError::NoRate { .. } => "NO_EXCHANGE_RATE",
            ExchangeError::CurrencyFixed => "ACCOUNTING_CURRENCY_FIXED",
            ExchangeError::Money(error) => error.reason(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            ExchangeError::NoRate { from, to, date } => {
                vec![("from", from.to_string()), ("to", to.to_string()), ("date", date.to_string())]
            }
            ExchangeError::CurrencyFixed | ExchangeError::Money(_) => Vec::new(),
        }
    }
}

impl Explain for BooksError {
    fn code(&self) -> Code {
        match self {
            BooksError::MonthRunning
            | BooksError::ClosedAlready
            | BooksError::NotTheNext(_)
            | BooksError::NotTheNewest
            | BooksError::PeriodsOpen(_)
            | BooksError::NotOpen
            | BooksError::SellersHidden => Code::FailedPrecondition,
            BooksError::Period(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            BooksError::MonthRunning => "MONTH_RUNNING",
            BooksError::ClosedAlready => "MONTH_CLOSED",
            BooksError::NotTheNext(_) => "NOT_THE_NEXT_MONTH",
            BooksError::NotTheNewest => "NOT_THE_NEWEST_MONTH",
            BooksError::PeriodsOpen(_) => "PERIODS_OPEN",
            BooksError::NotOpen => "PERIOD_NOT_OPEN",
            BooksError::SellersHidden => "SELLERS_HIDDEN",
            BooksError::Period(error) => error.reason(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            BooksError::NotTheNext(month) => vec![("month", month.to_string())],
            BooksError::PeriodsOpen(periods) => {
                let named = |p: &crate::domain::books::OpenPeriod| format!("{} {}", p.seller, p.from);
                let first: Vec<_> = periods.iter().take(10).map(named).collect();
                vec![("periods", first.join("; ")), ("count", periods.len().to_string())]
            }
            _ => Vec::new(),
        }
    }
}

/// A ledger that would not balance is a bug, not something a caller did.
pub fn unbalanced(error: LedgerError) -> Fault {
    Fault::Internal(Box::new(error))
}
