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
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        let documents = [Self::Invoice, Self::CreditNote, Self::Payment, Self::Exchange];
        documents.into_iter().chain([Self::DunningCharge, Self::DunningClosing]).find(|k| k.name() == name)
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

/// A finalized invoice: the seller owes net and tax.
pub fn invoice(currency: Currency, net: Decimal, tax: Decimal) -> Result<Entry, LedgerError> {
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    Entry::new(Kind::Invoice, currency, &[(Account::Receivable, total), (Account::Revenue, -net), (Account::Tax, -tax)])
}

/// A credit note of positive amounts. What the invoice no longer has open goes
/// to the seller's credit.
pub fn credit_note(currency: Currency, net: Decimal, tax: Decimal, open: Decimal) -> Result<Entry, LedgerError> {
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    let settled = total.min(open.max(Decimal::ZERO));
    Entry::new(
        Kind::CreditNote,
        currency,
        &[
            (Account::Revenue, net),
            (Account::Tax, tax),
            (Account::Receivable, -settled),
            (Account::CustomerCredit, settled - total),
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

    #[test]
    fn overpayment_becomes_the_sellers_credit() {
        let eur = Currency::parse("EUR").unwrap();
        let entry = payment(eur, Decimal::from(12), Decimal::from(10)).unwrap();
        assert!(entry.postings().contains(&(Account::CustomerCredit, Decimal::from(-2))));
        assert!(entry.postings().contains(&(Account::Receivable, Decimal::from(-10))));
    }
}
