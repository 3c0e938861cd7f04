//! Double entry: an entry exists only if its postings add up to zero.

use rust_decimal::Decimal;

use super::money::{Currency, MoneyError, sum};

/// Accounts of the provider's books. Debits are above zero, credits below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    Receivable,
    Revenue,
    Tax,
    Cash,
    CustomerCredit,
    Prepaid,
    /// What payments at other rates gained (below zero) or lost.
    ExchangeDifference,
    /// Its other side: what receivables and money in other currencies are worth more or less.
    Translation,
    /// Fees for late payment.
    DunningFee,
    /// Interest for late payment.
    DefaultInterest,
    /// What was owed and will not be paid.
    WriteOff,
}

impl Account {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Account::Receivable => "receivable",
            Account::Revenue => "revenue",
            Account::Tax => "tax",
            Account::Cash => "cash",
            Account::CustomerCredit => "customer_credit",
            Account::Prepaid => "prepaid",
            Account::ExchangeDifference => "exchange_difference",
            Account::Translation => "translation",
            Account::DunningFee => "dunning_fee",
            Account::DefaultInterest => "default_interest",
            Account::WriteOff => "write_off",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Receivable,
            Self::Revenue,
            Self::Tax,
            Self::Cash,
            Self::CustomerCredit,
            Self::Prepaid,
            Self::ExchangeDifference,
            Self::Translation,
            Self::DunningFee,
            Self::DefaultInterest,
            Self::WriteOff,
        ]
        .into_iter()
        .find(|a| a.name() == name)
    }
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invoice,
    CreditNote,
    Payment,
    /// What a payment gained or lost by its rate.
    Exchange,
    /// Fees and interest that a notice claims.
    DunningCharge,
    /// What of them was closed without payment.
    DunningClosing,
    /// What of them was paid and turned out not to be owed.
    DunningReturn,
    /// An invoice was paid of the seller's credit.
    CreditApplied,
    /// The seller's credit was paid out.
    CreditRefund,
    /// A payment was taken back.
    PaymentReversal,
    /// What it gained or lost by its rate was taken back.
    ExchangeReversal,
}

impl Kind {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoice => "invoice",
            Kind::CreditNote => "credit_note",
            Kind::Payment => "payment",
            Kind::Exchange => "exchange",
            Kind::DunningCharge => "dunning_charge",
            Kind::DunningClosing => "dunning_closing",
            Kind::DunningReturn => "dunning_return",
            Kind::CreditApplied => "credit_applied",
            Kind::CreditRefund => "credit_refund",
            Kind::PaymentReversal => "payment_reversal",
            Kind::ExchangeReversal => "exchange_reversal",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Invoice,
            Self::CreditNote,
            Self::Payment,
            Self::Exchange,
            Self::DunningCharge,
            Self::DunningClosing,
            Self::DunningReturn,
            Self::CreditApplied,
            Self::CreditRefund,
            Self::PaymentReversal,
            Self::ExchangeReversal,
        ]
        .into_iter()
        .find(|k| k.name() == name)
    }
}

/// Why there is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the postings do not add up to zero")]
    Unbalanced,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// A balanced entry; its fields are private, so an unbalanced one cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    kind: Kind,
    currency: Currency,
    postings: Vec<(Account, Decimal)>,
}

impl Entry {
    /// An entry; refuses postings that do not balance or are finer than a minor
    /// unit. Postings of zero are left out.
    pub fn new(kind: Kind, currency: Currency, postings: &[(Account, Decimal)]) -> Result<Self, LedgerError> {
        for (_, amount) in postings {
            currency.to_minor(*amount)?;
        }
        if !sum(postings.iter().map(|(_, a)| *a))?.is_zero() {
            return Err(LedgerError::Unbalanced);
        }
        let postings = postings.iter().filter(|(_, a)| !a.is_zero()).copied().collect();
        Ok(Self { kind, currency, postings })
    }

    /// What it records.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Currency of all postings.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The sides.
    pub fn postings(&self) -> &[(Account, Decimal)] {
        &self.postings
    }
}

/// A finalized invoice: the seller owes net and tax. One below zero is owed to the
/// seller: its credit.
pub fn invoice(currency: Currency, net: Decimal, tax: Decimal) -> Result<Entry, LedgerError> {
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    Entry::new(
        Kind::Invoice,
        currency,
        &[
            (Account::Receivable, total.max(Decimal::ZERO)),
            (Account::CustomerCredit, total.min(Decimal::ZERO)),
            (Account::Revenue, -net),
            (Account::Tax, -tax),
        ],
    )
}

/// What is open of an invoice before and after something changed it.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    pub before: Decimal,
    pub after: Decimal,
}

impl Open {
    /// By how much more is owed of the invoice.
    fn change(self) -> Decimal {
        self.after - self.before
    }
}

/// A credit note. What the invoice no longer has open goes to the seller's credit.
pub fn credit_note(currency: Currency, net: Decimal, tax: Decimal, open: Open) -> Result<Entry, LedgerError> {
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    Entry::new(
        Kind::CreditNote,
        currency,
        &[
            (Account::Revenue, net),
            (Account::Tax, tax),
            (Account::Receivable, open.change()),
            (Account::CustomerCredit, -total - open.change()),
        ],
    )
}

/// A received payment. What exceeds the open amount goes to the seller's credit.
pub fn payment(currency: Currency, amount: Decimal, open: Decimal) -> Result<Entry, LedgerError> {
    let settled = amount.min(open.max(Decimal::ZERO));
    Entry::new(
        Kind::Payment,
        currency,
        &[(Account::Cash, amount), (Account::Receivable, -settled), (Account::CustomerCredit, settled - amount)],
    )
}

/// An invoice and its charges, paid of the seller's credit.
pub fn credit_applied(currency: Currency, amount: Decimal) -> Result<Entry, LedgerError> {
    Entry::new(Kind::CreditApplied, currency, &[(Account::CustomerCredit, amount), (Account::Receivable, -amount)])
}

/// The seller's credit, paid out.
pub fn credit_refund(currency: Currency, amount: Decimal) -> Result<Entry, LedgerError> {
    Entry::new(Kind::CreditRefund, currency, &[(Account::CustomerCredit, amount), (Account::Cash, -amount)])
}

/// What taking a payment back opens again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reopened {
    /// Of the invoice and of charges that are open.
    pub owed: Decimal,
    /// Of charges whose rest was written off.
    pub lost: Decimal,
}

/// A payment that is taken back, of money or of the seller's credit. What it had paid
/// beyond what is owed again had gone to the seller's credit, and comes from there;
/// where that was used, the seller owes it.
pub fn payment_reversal(
    currency: Currency,
    amount: Decimal,
    reopened: Reopened,
    from_credit: bool,
) -> Result<Entry, LedgerError> {
    let excess = amount - reopened.owed - reopened.lost;
    let (of_credit, of_money) = if from_credit { (excess - amount, Decimal::ZERO) } else { (excess, -amount) };
    let postings = [
        (Account::Receivable, reopened.owed),
        (Account::WriteOff, reopened.lost),
        (Account::CustomerCredit, of_credit),
        (Account::Cash, of_money),
    ];
    Entry::new(Kind::PaymentReversal, currency, &postings)
}

/// Takes back what a payment gained or lost by its rate.
pub fn exchange_reversal(currency: Currency, difference: Decimal) -> Result<Entry, LedgerError> {
    Entry::new(
        Kind::ExchangeReversal,
        currency,
        &[(Account::Translation, -difference), (Account::ExchangeDifference, difference)],
    )
}

/// Paid fees and interest that were not owed: no income any more, and the seller's credit.
pub fn dunning_return(currency: Currency, fee: Decimal, interest: Decimal) -> Result<Entry, LedgerError> {
    let total = fee.checked_add(interest).ok_or(MoneyError::TooLarge)?;
    Entry::new(
        Kind::DunningReturn,
        currency,
        &[(Account::DunningFee, fee), (Account::DefaultInterest, interest), (Account::CustomerCredit, -total)],
    )
}

/// What a payment at another rate gains (above zero) or loses, in the currency that
/// the issuer accounts in. The payment itself is booked in its own currency; each
/// currency balances alone.
pub fn exchange(currency: Currency, difference: Decimal) -> Result<Entry, LedgerError> {
    Entry::new(
        Kind::Exchange,
        currency,
        &[(Account::Translation, difference), (Account::ExchangeDifference, -difference)],
    )
}

/// Fees and interest for late payment: owed, and income without tax.
pub fn dunning_charge(currency: Currency, fee: Decimal, interest: Decimal) -> Result<Entry, LedgerError> {
    let total = fee.checked_add(interest).ok_or(MoneyError::TooLarge)?;
    Entry::new(
        Kind::DunningCharge,
        currency,
        &[(Account::Receivable, total), (Account::DunningFee, -fee), (Account::DefaultInterest, -interest)],
    )
}

/// Fees and interest that are not paid: what was not owed is no income any more, what
/// was owed is lost.
pub fn dunning_closing(
    currency: Currency,
    fee: Decimal,
    interest: Decimal,
    written_off: bool,
) -> Result<Entry, LedgerError> {
    let total = fee.checked_add(interest).ok_or(MoneyError::TooLarge)?;
    let postings = if written_off {
        vec![(Account::WriteOff, total), (Account::Receivable, -total)]
    } else {
        vec![(Account::DunningFee, fee), (Account::DefaultInterest, interest), (Account::Receivable, -total)]
    };
    Entry::new(Kind::DunningClosing, currency, &postings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_for_delay_are_owed_until_they_are_closed_and_bear_no_tax() {
        let eur = Currency::parse("EUR").unwrap();
        let (fee, interest) = (Decimal::from(40), Decimal::new(1096, 2));
        let charged = dunning_charge(eur, fee, interest).unwrap();
        for written_off in [false, true] {
            let closed = dunning_closing(eur, fee, interest, written_off).unwrap();
            let owed: Decimal = charged
                .postings()
                .iter()
                .chain(closed.postings())
                .filter(|(account, _)| *account == Account::Receivable)
                .map(|(_, amount)| *amount)
                .sum();
            assert!(owed.is_zero());
            assert_eq!(closed.postings().iter().any(|(account, _)| *account == Account::WriteOff), written_off);
        }
        assert!(charged.postings().iter().all(|(account, _)| !matches!(account, Account::Tax | Account::Revenue)));
    }

    #[test]
    fn an_unbalanced_entry_cannot_be_made() {
        let eur = Currency::parse("EUR").unwrap();
        let one = Decimal::ONE;
        let got = Entry::new(Kind::Payment, eur, &[(Account::Cash, one), (Account::Receivable, one)]);
        assert_eq!(got, Err(LedgerError::Unbalanced));
        let fine = Decimal::new(1, 3);
        assert!(Entry::new(Kind::Payment, eur, &[(Account::Cash, fine), (Account::Receivable, -fine)]).is_err());
    }

    fn of(entry: &Entry, account: Account) -> Decimal {
        entry.postings().iter().filter(|(of, _)| *of == account).map(|(_, amount)| *amount).sum()
    }

    #[test]
    fn a_payment_taken_back_leaves_no_trace_but_what_was_used_of_it() {
        let eur = Currency::parse("EUR").unwrap();
        let n = |n: i64| Decimal::from(n);
        // 130 came for 100 owed; then 40 of the document was credited; the bank takes the 130 back.
        let paid = payment(eur, n(130), n(100)).unwrap();
        let note = credit_note(eur, n(40), n(0), Open { before: n(0), after: n(0) }).unwrap();
        let back = payment_reversal(eur, n(130), Reopened { owed: n(60), lost: n(0) }, false).unwrap();
        let sum = |account| of(&paid, account) + of(&note, account) + of(&back, account);
        assert_eq!((sum(Account::Cash), sum(Account::CustomerCredit)), (n(0), n(0)));
        // 100 were owed from the invoice
        assert_eq!(sum(Account::Receivable), n(-40));
        // of credit: as much credit as before, without the account named twice
        let used = credit_applied(eur, n(30)).unwrap();
        let back = payment_reversal(eur, n(30), Reopened { owed: n(20), lost: n(10) }, true).unwrap();
        assert_eq!(of(&used, Account::CustomerCredit) + of(&back, Account::CustomerCredit), n(0));
        assert_eq!(of(&back, Account::WriteOff), n(10));
        assert!(back.postings().iter().all(|(account, _)| *account != Account::Cash));
    }

    #[test]
    fn an_invoice_below_zero_is_the_sellers_credit_until_a_note_takes_it_back() {
        let eur = Currency::parse("EUR").unwrap();
        let n = |n: i64| Decimal::from(n);
        let owed = invoice(eur, n(-50), n(-10)).unwrap();
        assert_eq!((of(&owed, Account::CustomerCredit), of(&owed, Account::Receivable)), (n(-60), n(0)));
        let note = credit_note(eur, n(-50), n(-10), Open { before: n(0), after: n(0) }).unwrap();
        assert_eq!((of(&note, Account::CustomerCredit), of(&note, Account::Receivable)), (n(60), n(0)));
        let partly = credit_note(eur, n(50), n(10), Open { before: n(40), after: n(0) }).unwrap();
        assert_eq!((of(&partly, Account::CustomerCredit), of(&partly, Account::Receivable)), (n(-20), n(-40)));
    }

    #[test]
    fn overpayment_becomes_the_sellers_credit() {
        let eur = Currency::parse("EUR").unwrap();
        let entry = payment(eur, Decimal::from(12), Decimal::from(10)).unwrap();
        assert!(entry.postings().contains(&(Account::CustomerCredit, Decimal::from(-2))));
        assert!(entry.postings().contains(&(Account::Receivable, Decimal::from(-10))));
    }
}
