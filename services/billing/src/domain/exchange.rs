//! Money between currencies: dated rates, the one that holds for a date, and what a
//! payment at another rate gains or loses.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::money::{Currency, MoneyError, Rounding, convert};
use super::period::days_between;

/// Days that a rate may be older than the date it is taken for: banks publish none
/// on weekends and holidays.
pub const MOST_DAYS_OLD: i64 = 7;
/// Decimal places of a rate that is computed from others.
const PLACES: u32 = 18;

/// A dated rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    pub base: Currency,
    pub quote: Currency,
    pub date: Date,
    /// Units of the quote currency for one of the base currency.
    pub rate: Decimal,
    /// Who published it.
    pub source: String,
}

/// A rate as it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub from: Currency,
    pub to: Currency,
    /// Units of `to` for one of `from`.
    pub rate: Decimal,
    pub date: Date,
    /// The published rates that it follows from.
    pub source: String,
}

/// Why a rate cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    #[error("there is no rate between {from} and {to} for {date} or the {MOST_DAYS_OLD} days before")]
    NoRate { from: Currency, to: Currency, date: Date },
    #[error("invoices were issued in this issuer's currency of accounting")]
    CurrencyFixed,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The newest rate from one currency to another that is not younger than a date nor
/// too old: as published, else the other way round, else by way of a third currency
/// that both have a rate to on the same day.
pub fn rate_for(from: Currency, to: Currency, date: Date, rates: &[Rate]) -> Result<Applied, ExchangeError> {
    let fits = |rate: &&Rate| (0..=MOST_DAYS_OLD).contains(&days_between(rate.date, date));
    let mut dates: Vec<Date> = rates.iter().filter(fits).map(|rate| rate.date).collect();
    dates.sort_unstable();
    dates.dedup();
    for day in dates.into_iter().rev() {
        let of_day: Vec<&Rate> = rates.iter().filter(|rate| rate.date == day).collect();
        if let Some((rate, source)) = between(from, to, &of_day)? {
            return Ok(Applied { from, to, rate, date: day, source });
        }
    }
    Err(ExchangeError::NoRate { from, to, date })
}

fn between(from: Currency, to: Currency, rates: &[&Rate]) -> Result<Option<(Decimal, String)>, MoneyError> {
    let find = |base, quote| rates.iter().find(|rate| rate.base == base && rate.quote == quote);
    if let Some(rate) = find(from, to) {
        return Ok(Some((rate.rate, told(rate))));
    }
    if let Some(rate) = find(to, from) {
        return Ok(Some((divide(Decimal::ONE, rate.rate)?, told(rate))));
    }
    for first in rates.iter().filter(|rate| rate.quote == from) {
        if let Some(second) = find(first.base, to) {
            return Ok(Some((divide(second.rate, first.rate)?, format!("{}; {}", told(first), told(second)))));
        }
    }
    Ok(None)
}

fn divide(amount: Decimal, by: Decimal) -> Result<Decimal, MoneyError> {
    let exact = amount.checked_div(by).ok_or(MoneyError::TooLarge)?;
    let rounded = Rounding::HalfUp.apply(exact, PLACES.min(exact.scale())).normalize();
    if rounded > Decimal::ZERO { Ok(rounded) } else { Err(MoneyError::TooLarge) }
}

fn told(rate: &Rate) -> String {
    format!("1 {} = {} {}, {}", rate.base, rate.rate.normalize(), rate.quote, rate.source)
}

impl Applied {
    /// An amount in the other currency, rounded half up to its minor unit.
    pub fn apply(&self, amount: Decimal) -> Result<Decimal, MoneyError> {
        convert(amount, self.rate, self.to.minor_digits(), Rounding::HalfUp)
    }
}

/// What an invoice comes to in its issuer's currency: net and tax are converted and
/// rounded, the total is both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounted {
    pub applied: Applied,
    pub net: Decimal,
    pub tax: Decimal,
    pub total: Decimal,
}

/// Converts an invoice.
pub fn accounted(applied: Applied, net: Decimal, tax: Decimal) -> Result<Accounted, MoneyError> {
    let (net, tax) = (applied.apply(net)?, applied.apply(tax)?);
    let total = net.checked_add(tax).ok_or(MoneyError::TooLarge)?;
    Ok(Accounted { applied, net, tax, total })
}

/// What an amount gains (above zero) or loses because it was paid at another rate than
/// the invoice's, in the issuer's currency.
pub fn realised(settled: Decimal, invoiced: &Applied, paid: &Applied) -> Result<Decimal, MoneyError> {
    let moved = paid.rate.checked_sub(invoiced.rate).ok_or(MoneyError::TooLarge)?;
    convert(settled, moved, invoiced.to.minor_digits(), Rounding::HalfUp)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn c(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn ecb(quote: &str, on: Date, rate: &str) -> Rate {
        Rate { base: c("EUR"), quote: c(quote), date: on, rate: d(rate), source: "ECB".into() }
    }

    #[test]
    fn the_newest_rate_by_a_date_is_taken_and_none_that_is_too_old() {
        let rates = [
            ecb("USD", date(2026, 11, 19), "1.1"),
            ecb("USD", date(2026, 11, 20), "1.25"),
            ecb("USD", date(2026, 11, 23), "1.6"),
        ];
        // Sunday: Friday's
        let got = rate_for(c("USD"), c("EUR"), date(2026, 11, 22), &rates).unwrap();
        assert_eq!((got.rate, got.date, got.source.as_str()), (d("0.8"), date(2026, 11, 20), "1 EUR = 1.25 USD, ECB"));
        assert_eq!(got.apply(d("119.00")).unwrap(), d("95.20"));
        let direct = rate_for(c("EUR"), c("USD"), date(2026, 11, 22), &rates).unwrap();
        assert_eq!(direct.rate, d("1.25"));
        assert!(rate_for(c("USD"), c("EUR"), date(2026, 12, 1), &rates).is_err());
        assert!(rate_for(c("USD"), c("EUR"), date(2026, 11, 18), &rates).is_err());
        assert!(rate_for(c("JPY"), c("EUR"), date(2026, 11, 22), &rates).is_err());
    }

    #[test]
    fn two_currencies_meet_in_a_third_on_the_same_day() {
        let on = date(2026, 11, 20);
        let rates = [ecb("USD", on, "1.25"), ecb("GBP", on, "0.875"), ecb("PLN", date(2026, 11, 19), "4.25")];
        let got = rate_for(c("USD"), c("GBP"), on, &rates).unwrap();
        assert_eq!(got.rate, d("0.7"));
        assert_eq!(got.source, "1 EUR = 1.25 USD, ECB; 1 EUR = 0.875 GBP, ECB");
        assert!(rate_for(c("USD"), c("PLN"), on, &rates).is_err(), "not of the same day");
    }

    #[test]
    fn a_payment_at_another_rate_gains_or_loses_the_difference() {
        let applied = |rate: &str| Applied {
            from: c("USD"),
            to: c("EUR"),
            rate: d(rate),
            date: date(2026, 11, 20),
            source: String::new(),
        };
        assert_eq!(realised(d("1000"), &applied("0.8"), &applied("0.85")).unwrap(), d("50"));
        assert_eq!(realised(d("1000"), &applied("0.8"), &applied("0.75")).unwrap(), d("-50"));
        assert_eq!(realised(d("1000"), &applied("0.8"), &applied("0.8")).unwrap(), d("0"));
        let yen = Applied { to: c("JPY"), ..applied("161.333") };
        let got = accounted(yen, d("10.01"), d("1.90")).unwrap();
        assert_eq!((got.net, got.tax, got.total), (d("1615"), d("307"), d("1922")));
    }

    proptest! {
        /// There and back costs less than a cent, and absurd rates are refused, not computed wrongly.
        #[test]
        fn a_rate_and_its_inverse_agree(minor in 1_u64..1_000_000_000, rate in 1_u64..1_000_000_000) {
            let published = ecb("USD", date(2026, 1, 1), &Decimal::new(i64::try_from(rate).unwrap(), 6).to_string());
            let rates = [published];
            let there = rate_for(c("EUR"), c("USD"), date(2026, 1, 1), &rates).unwrap();
            let back = rate_for(c("USD"), c("EUR"), date(2026, 1, 1), &rates).unwrap();
            let amount = Decimal::new(i64::try_from(minor).unwrap(), 2);
            if let Some(exact) = amount.checked_mul(there.rate).and_then(|a| a.checked_mul(back.rate)) {
                prop_assert!((exact - amount).abs() < d("0.001"));
            }
        }
    }
}
