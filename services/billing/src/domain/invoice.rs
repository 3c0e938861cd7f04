//! Invoices: a draft is computed and thrown away; a finalized one is frozen and
//! only moves on through sent, paid, or void by a credit note of all of it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::money::{Currency, MoneyError, sum};
use super::rating::Line;
use super::tax::{CategoryTotal, Treatment, credited_tax, total_tax, totals};

/// Where a stored invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Finalized,
    Sent,
    Paid,
    Void,
}

impl State {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            State::Finalized => "finalized",
            State::Sent => "sent",
            State::Paid => "paid",
            State::Void => "void",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Finalized, Self::Sent, Self::Paid, Self::Void].into_iter().find(|s| s.name() == name)
    }
}

/// Why something cannot be done with an invoice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    #[error("the period has not ended")]
    PeriodRunning,
    #[error("an earlier period is not invoiced yet")]
    EarlierPeriodOpen,
    #[error("the invoice is void")]
    Void,
    #[error("the invoice has no line {0}")]
    NoSuchLine(i32),
    #[error("line {line} has only {left} left to credit")]
    MoreThanLeft { line: i32, left: Decimal },
    #[error("the invoice has only {left} left to credit, net")]
    MoreThanAll { left: Decimal },
    #[error("the same line is named twice")]
    LineTwice,
    #[error("nothing is left to credit")]
    NothingLeft,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// An invoice before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub lines: Vec<(Line, Treatment)>,
    pub taxes: Vec<CategoryTotal>,
    pub net: Decimal,
    pub tax: Decimal,
    pub total: Decimal,
}

/// Adds up rated lines: the sum of the lines is the net amount, tax is rounded
/// once per category, and the total is both.
pub fn assemble(lines: Vec<Line>, treatment: &Treatment, currency: Currency) -> Result<Draft, MoneyError> {
    let lines: Vec<_> = lines.into_iter().map(|l| (l, treatment.clone())).collect();
    let amounts: Vec<_> = lines.iter().map(|(l, t)| (l.amount, t.clone())).collect();
    let taxes = totals(&amounts, currency)?;
    let net = sum(lines.iter().map(|(l, _)| l.amount))?;
    let tax = total_tax(&taxes)?;
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    Ok(Draft { lines, taxes, net, tax, total })
}

/// A period may be finalized when it is over and nothing before it is open.
pub fn may_finalize(period_until: Date, today: Date, earlier_open: bool) -> Result<(), InvoiceError> {
    if today <= period_until {
        return Err(InvoiceError::PeriodRunning);
    }
    if earlier_open {
        return Err(InvoiceError::EarlierPeriodOpen);
    }
    Ok(())
}

/// The legal number: prefix, kind and year name the series, the running number
/// has no gaps.
pub fn number(prefix: &str, credit_note: bool, year: i16, running: i64) -> String {
    let series = if credit_note { "C" } else { "" };
    format!("{prefix}-{series}{year}-{running:05}")
}

/// What is left to pay.
pub fn open(total: Decimal, paid: Decimal, credited: Decimal) -> Decimal {
    (total - paid - credited).max(Decimal::ZERO)
}

/// The state after payments and credits changed. Credits that come to the total settle it as well: it was corrected to
/// nothing, and its period stays invoiced. Only [`cancelled`] voids it.
pub fn settled(state: State, total: Decimal, paid: Decimal, credited: Decimal) -> State {
    match state {
        State::Finalized | State::Sent if open(total, paid, credited).is_zero() => State::Paid,
        other => other,
    }
}

/// The state after a payment was taken back.
pub fn reopened(state: State, was_sent: bool, total: Decimal, paid: Decimal, credited: Decimal) -> State {
    match state {
        State::Paid if open(total, paid, credited).is_zero() => State::Paid,
        State::Paid if was_sent => State::Sent,
        State::Paid => State::Finalized,
        other => other,
    }
}

/// Whether a credit note leaves nothing on any line: the invoice is cancelled, and its period may be invoiced again.
pub fn cancelled(lines: &[Creditable], noted: &Credit) -> bool {
    let of_line = |number: i32| -> Decimal {
        noted.lines.iter().filter(|(n, ..)| *n == number).map(|(_, amount, _)| *amount).sum()
    };
    lines.iter().all(|line| line.amount == line.credited + of_line(line.line_number))
}

/// A credit applied to an invoice: what stays due, and what is left of the credit.
pub fn apply_credit(total: Decimal, credit: Decimal) -> (Decimal, Decimal) {
    let used = credit.min(total).max(Decimal::ZERO);
    (total - used, credit - used)
}

/// A line of a finalized invoice and what was credited of it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creditable {
    pub line_number: i32,
    pub amount: Decimal,
    pub credited: Decimal,
    pub treatment: Treatment,
}

/// A credit note before it has a number; amounts are what goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Invoice line, amount, treatment.
    pub lines: Vec<(i32, Decimal, Treatment)>,
    pub taxes: Vec<CategoryTotal>,
    pub net: Decimal,
    pub tax: Decimal,
    pub total: Decimal,
}

/// What can still be credited of a document, net.
pub fn net_left(lines: &[Creditable]) -> Result<Decimal, MoneyError> {
    Ok(sum(lines.iter().map(|line| line.amount - line.credited))?.max(Decimal::ZERO))
}

/// Builds a credit note. `wanted` names lines and amounts (`None` = the rest of
/// the line); empty means all that is left. `tax_left` is, by category and rate,
/// what is left of the invoice's taxable amount and tax.
pub fn credit(
    state: State,
    lines: &[Creditable],
    wanted: &[(i32, Option<Decimal>)],
    tax_left: &[CategoryTotal],
    currency: Currency,
) -> Result<Credit, InvoiceError> {
    if state == State::Void {
        return Err(InvoiceError::Void);
    }
    let all: Vec<_> = lines.iter().map(|l| (l.line_number, None)).collect();
    let mut asked = BTreeMap::new();
    for (line_number, amount) in if wanted.is_empty() { &all } else { wanted } {
        if asked.insert(*line_number, *amount).is_some() {
            return Err(InvoiceError::LineTwice);
        }
    }
    let mut taken = Vec::new();
    for (line_number, amount) in asked {
        let line = lines.iter().find(|l| l.line_number == line_number).ok_or(InvoiceError::NoSuchLine(line_number))?;
        let left = line.amount - line.credited;
        let amount = amount.unwrap_or(left);
        currency.to_minor(amount)?;
        let same_sign = amount.is_sign_negative() == left.is_sign_negative();
        if amount.abs() > left.abs() || (!same_sign && !amount.is_zero()) {
            return Err(InvoiceError::MoreThanLeft { line: line_number, left });
        }
        if !amount.is_zero() {
            taken.push((line_number, amount, line.treatment.clone()));
        }
    }
    if taken.is_empty() {
        return Err(InvoiceError::NothingLeft);
    }
    let amounts: Vec<_> = taken.iter().map(|(_, a, t)| (*a, t.clone())).collect();
    let mut taxes = totals(&amounts, currency)?;
    for total in &mut taxes {
        let same = |t: &&CategoryTotal| {
            t.treatment.category == total.treatment.category && t.treatment.rate == total.treatment.rate
        };
        let left = tax_left.iter().find(same).map_or((total.taxable, total.tax), |t| (t.taxable, t.tax));
        total.tax = credited_tax(total.taxable, total.treatment.rate, left, currency)?;
    }
    let net = sum(taken.iter().map(|(_, a, _)| *a))?;
    // Lines that take something off stand against the others: no more goes back than the document has left.
    let left = net_left(lines)?;
    if left < net {
        return Err(InvoiceError::MoreThanAll { left });
    }
    let tax = total_tax(&taxes)?;
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    Ok(Credit { lines: taken, taxes, net, tax, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn eur() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    fn line(line_number: i32, amount: &str, credited: &str) -> Creditable {
        Creditable { line_number, amount: d(amount), credited: d(credited), treatment: Treatment::standard(d("20")) }
    }

    #[test]
    fn a_running_or_out_of_order_period_is_not_finalized() {
        let until = jiff::civil::date(2024, 5, 31);
        assert_eq!(may_finalize(until, until, false), Err(InvoiceError::PeriodRunning));
        let next = jiff::civil::date(2024, 6, 1);
        assert_eq!(may_finalize(until, next, true), Err(InvoiceError::EarlierPeriodOpen));
        assert!(may_finalize(until, next, false).is_ok());
    }

    #[test]
    fn credits_never_exceed_the_line_and_keep_its_sign() {
        let lines = [line(1, "10.00", "4.00"), line(2, "-3.00", "0")];
        let left = [];
        let more = credit(State::Sent, &lines, &[(1, Some(d("6.01")))], &left, eur());
        assert_eq!(more, Err(InvoiceError::MoreThanLeft { line: 1, left: d("6.00") }));
        assert!(credit(State::Sent, &lines, &[(1, Some(d("-1")))], &left, eur()).is_err());
        assert!(credit(State::Sent, &lines, &[(3, None)], &left, eur()).is_err());
        assert_eq!(credit(State::Sent, &lines, &[(1, None), (1, None)], &left, eur()), Err(InvoiceError::LineTwice));
        assert_eq!(credit(State::Void, &lines, &[], &left, eur()), Err(InvoiceError::Void));
        let all = credit(State::Sent, &lines, &[], &left, eur()).unwrap();
        assert_eq!((all.net, all.tax, all.total), (d("3.00"), d("0.60"), d("3.60")));
    }

    #[test]
    fn lines_that_take_something_off_stand_against_the_others() {
        let line = |line_number, amount: &str, credited: &str| Creditable {
            line_number,
            amount: d(amount),
            credited: d(credited),
            treatment: Treatment::standard(d("20")),
        };
        let lines = [line(1, "100", "0"), line(2, "-40", "0")];
        let more = credit(State::Sent, &lines, &[(1, None)], &[], eur());
        assert_eq!(more, Err(InvoiceError::MoreThanAll { left: d("60") }));
        let some = credit(State::Sent, &lines, &[(1, Some(d("60")))], &[], eur()).unwrap();
        assert!(!cancelled(&lines, &some), "all of it is credited, and nothing was cancelled");
        let all = credit(State::Sent, &lines, &[], &[], eur()).unwrap();
        assert!(cancelled(&lines, &all));
        let rest = [line(1, "100", "70"), line(2, "-40", "-40")];
        assert!(
            cancelled(&rest, &credit(State::Sent, &rest, &[], &[], eur()).unwrap()),
            "with what was credited before"
        );
    }

    #[test]
    fn credits_settle_an_invoice_and_only_a_whole_one_cancels_it() {
        let total = d("119");
        assert_eq!(settled(State::Sent, total, d("100"), d("0")), State::Sent);
        assert_eq!(settled(State::Sent, total, d("100"), d("19")), State::Paid);
        assert_eq!(settled(State::Paid, total, d("119"), d("119")), State::Paid, "corrected to nothing");
        assert_eq!(settled(State::Sent, total, d("0"), d("119")), State::Paid);
        assert_eq!(settled(State::Finalized, d("0"), d("0"), d("0")), State::Paid);
        assert_eq!(open(total, d("200"), d("0")), d("0"));
    }

    #[test]
    fn numbers_name_their_series() {
        assert_eq!(number("ACME", false, 2024, 42), "ACME-2024-00042");
        assert_eq!(number("ACME", true, 2024, 1), "ACME-C2024-00001");
    }
}
