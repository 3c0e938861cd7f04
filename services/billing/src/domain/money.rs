//! Exact money: decimals with an ISO 4217 currency, explicit rounding, and
//! allocation that loses no cent. No floating point anywhere.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// What can be wrong with an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("must be an ISO 4217 currency with a minor unit, such as EUR")]
    UnknownCurrency(String),
    #[error("the amount is too large")]
    TooLarge,
    #[error("the amount has more decimal places than {0} allows")]
    TooPrecise(Currency),
    #[error("must be a decimal number such as 12.50")]
    NotANumber(String),
}

/// A currency that amounts can be rounded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Reads an ISO 4217 code in capitals; metals and test codes are refused.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency(code.chars().take(8).collect());
        let currency = iso_currency::Currency::from_code(code).ok_or_else(unknown)?;
        currency.exponent().ok_or_else(unknown)?;
        Ok(Self(currency))
    }

    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimal places of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn minor_digits(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(2))
    }

    /// Rounds to the minor unit.
    pub fn round(self, amount: Decimal, rounding: Rounding) -> Decimal {
        rounding.apply(amount, self.minor_digits())
    }

    /// The amount in minor units; refuses a part of a minor unit.
    pub fn to_minor(self, amount: Decimal) -> Result<i64, MoneyError> {
        let factor = Decimal::from(10_u64.pow(self.minor_digits()));
        let minor = amount.checked_mul(factor).ok_or(MoneyError::TooLarge)?;
        if !minor.fract().is_zero() {
            return Err(MoneyError::TooPrecise(self));
        }
        i64::try_from(minor).map_err(|_| MoneyError::TooLarge)
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(code: String) -> Result<Self, MoneyError> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code().to_string()
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

/// How halves are rounded. Stated by the contract; never left to a default of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Half away from zero, on both signs (EN 16931, and what people expect).
    #[default]
    HalfUp,
    /// Half to the even digit.
    HalfEven,
}

impl Rounding {
    /// Rounds to decimal places and shows exactly that many.
    pub fn apply(self, amount: Decimal, digits: u32) -> Decimal {
        let strategy = match self {
            Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
        };
        let mut rounded = amount.round_dp_with_strategy(digits, strategy);
        rounded.rescale(digits);
        rounded
    }
}

/// Reads a decimal in plain notation: digits, at most one point, an optional
/// minus; no exponent, no separators, at most `places` decimal places.
pub fn parse_decimal(text: &str, places: u32) -> Result<Decimal, MoneyError> {
    let wrong = || MoneyError::NotANumber(text.chars().take(40).collect());
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty()
        && digits.len() <= 30
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.as_bytes()[0] != b'.'
        && !digits.ends_with('.');
    if !plain {
        return Err(wrong());
    }
    let number = Decimal::from_str_exact(text).map_err(|_| wrong())?.normalize();
    if number.scale() > places {
        return Err(wrong());
    }
    Ok(if number.is_zero() { Decimal::ZERO } else { number })
}

/// `amount × part ÷ whole`, multiplied first so that nothing is lost early.
pub fn share(amount: Decimal, part: i64, whole: i64) -> Result<Decimal, MoneyError> {
    if whole <= 0 || part == whole {
        return Ok(amount);
    }
    amount
        .checked_mul(Decimal::from(part))
        .and_then(|product| product.checked_div(Decimal::from(whole)))
        .ok_or(MoneyError::TooLarge)
}

/// Splits a rounded total over weights: every share is rounded to `digits`, the
/// shares add up to the total exactly, and each is less than one minor unit
/// from its exact share (largest remainders get the spare units, earlier first).
pub fn allocate(total: Decimal, weights: &[Decimal], digits: u32) -> Result<Vec<Decimal>, MoneyError> {
    if weights.is_empty() {
        return Ok(Vec::new());
    }
    let even = vec![Decimal::ONE; weights.len()];
    let sum = sum(weights.iter().copied())?;
    let (weights, sum) = if sum.is_zero() { (even.as_slice(), Decimal::from(weights.len())) } else { (weights, sum) };
    let unit = Decimal::new(1, digits);
    let mut shares = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut left = total;
    for (index, weight) in weights.iter().enumerate() {
        let exact =
            total.checked_mul(*weight).and_then(|product| product.checked_div(sum)).ok_or(MoneyError::TooLarge)?;
        let floor = exact.round_dp_with_strategy(digits, RoundingStrategy::ToNegativeInfinity);
        left -= floor;
        remainders.push((exact - floor, index));
        shares.push(floor);
    }
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, index) in remainders.iter().cycle() {
        if left < unit {
            break;
        }
        shares[*index] += unit;
        left -= unit;
    }
    // A total finer than the unit leaves a rest; the first share carries it.
    shares[0] += left;
    for share in &mut shares {
        share.rescale(digits.max(total.scale()));
    }
    Ok(shares)
}

/// An exact sum that refuses to overflow.
pub fn sum(amounts: impl IntoIterator<Item = Decimal>) -> Result<Decimal, MoneyError> {
    amounts.into_iter().try_fold(Decimal::ZERO, Decimal::checked_add).ok_or(MoneyError::TooLarge)
}

/// Converts by a dated rate and rounds to the target's minor unit.
pub fn convert(amount: Decimal, rate: Decimal, digits: u32, rounding: Rounding) -> Result<Decimal, MoneyError> {
    let exact = amount.checked_mul(rate).ok_or(MoneyError::TooLarge)?;
    Ok(rounding.apply(exact, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        parse_decimal(text, 28).expect(text)
    }

    #[test]
    fn currencies_know_their_minor_unit_and_metals_are_refused() {
        for (code, digits) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)] {
            assert_eq!(Currency::parse(code).unwrap().minor_digits(), digits, "{code}");
        }
        for code in ["eur", "EURO", "", "XAU", "XXX", "E€R"] {
            assert!(Currency::parse(code).is_err(), "{code}");
        }
    }

    #[test]
    fn halves_round_as_the_contract_says_on_both_signs() {
        for (text, up, even) in [("0.125", "0.13", "0.12"), ("-0.125", "-0.13", "-0.12"), ("0.135", "0.14", "0.14")] {
            assert_eq!(Rounding::HalfUp.apply(d(text), 2), d(up));
            assert_eq!(Rounding::HalfEven.apply(d(text), 2), d(even));
        }
        assert_eq!(Rounding::HalfUp.apply(d("5"), 2).to_string(), "5.00");
    }

    #[test]
    fn only_plain_decimals_are_read() {
        for good in ["0", "1.5", "-0.035", "1000000000", "007"] {
            assert!(parse_decimal(good, 9).is_ok(), "{good}");
        }
        for bad in ["", "-", ".5", "5.", "1e3", "1,5", "+1", "1_000", "NaN", "0x1", "1.0000000001", "--1", " 1", "١"] {
            assert!(parse_decimal(bad, 9).is_err(), "{bad}");
        }
        assert_eq!(parse_decimal("-0", 2).unwrap().to_string(), "0");
    }

    #[test]
    fn allocation_loses_no_cent() {
        let shares = allocate(d("10.00"), &[d("1"), d("1"), d("1")], 2).unwrap();
        assert_eq!(shares, [d("3.34"), d("3.33"), d("3.33")]);
        let shares = allocate(d("-10.00"), &[d("1"), d("1"), d("1")], 2).unwrap();
        assert_eq!(shares.iter().sum::<Decimal>(), d("-10"));
        assert_eq!(allocate(d("0.05"), &[d("0"), d("0")], 2).unwrap(), [d("0.03"), d("0.02")]);
    }
}
