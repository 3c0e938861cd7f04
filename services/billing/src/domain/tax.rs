//! VAT on services between businesses in the EU: which category, which rate, and
//! the totals by category that EN 16931 asks for. Rates are dated data.

use jiff::civil::{Date, date};
use rust_decimal::Decimal;

use super::money::{Currency, MoneyError, Rounding, share, sum};

/// How a line is taxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treatment {
    /// UNCL 5305: S, Z, E, AE, O.
    pub category: String,
    /// Percent.
    pub rate: Decimal,
    /// VATEX code; empty = none.
    pub exemption_code: String,
    /// The exemption in words; empty = none.
    pub exemption_reason: String,
}

impl Treatment {
    fn exempt(category: &str, code: &str, reason: &str) -> Self {
        Self {
            category: category.into(),
            rate: Decimal::ZERO,
            exemption_code: code.into(),
            exemption_reason: reason.into(),
        }
    }

    /// The standard category at a rate.
    pub fn standard(rate: Decimal) -> Self {
        Self { rate, ..Self::exempt("S", "", "") }
    }
}

/// One side of the invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxpayer<'a> {
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
    /// Empty if none.
    pub vat_id: &'a str,
}

/// What is known of the buyer's VAT id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VatCheck {
    #[default]
    NotChecked,
    Pending,
    Valid,
    Invalid,
}

impl VatCheck {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            VatCheck::NotChecked => "not_checked",
            VatCheck::Pending => "pending",
            VatCheck::Valid => "valid",
            VatCheck::Invalid => "invalid",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::NotChecked, Self::Pending, Self::Valid, Self::Invalid].into_iter().find(|c| c.name() == name)
    }
}

/// Where a buyer in another member state without a valid VAT id is taxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unverified {
    /// At the supplier's place (article 45 of the VAT directive).
    #[default]
    Supplier,
    /// At the buyer's place (electronic services under the one-stop shop).
    Destination,
}

/// Why the tax cannot be decided now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaxError {
    #[error("the check of the buyer's VAT id is pending")]
    CheckPending,
    #[error("no VAT rate is known for {0}")]
    NoRate(String),
}

/// Standard rates by country: the rate holds from its date until the next one of
/// the country. In tenths of a percent.
const STANDARD_RATES: &[(&str, Date, i64)] = &[
    ("AT", date(2000, 1, 1), 200),
    ("BE", date(2000, 1, 1), 210),
    ("BG", date(2000, 1, 1), 200),
    ("CY", date(2014, 1, 13), 190),
    ("CZ", date(2013, 1, 1), 210),
    ("DE", date(2007, 1, 1), 190),
    ("DE", date(2020, 7, 1), 160),
    ("DE", date(2021, 1, 1), 190),
    ("DK", date(2000, 1, 1), 250),
    ("EE", date(2009, 7, 1), 200),
    ("EE", date(2024, 1, 1), 220),
    ("EE", date(2025, 7, 1), 240),
    ("ES", date(2012, 9, 1), 210),
    ("FI", date(2013, 1, 1), 240),
    ("FI", date(2024, 9, 1), 255),
    ("FR", date(2014, 1, 1), 200),
    ("GR", date(2016, 6, 1), 240),
    ("HR", date(2012, 3, 1), 250),
    ("HU", date(2012, 1, 1), 270),
    ("IE", date(2012, 1, 1), 230),
    ("IE", date(2020, 9, 1), 210),
    ("IE", date(2021, 3, 1), 230),
    ("IT", date(2013, 10, 1), 220),
    ("LT", date(2009, 9, 1), 210),
    ("LU", date(2015, 1, 1), 170),
    ("LU", date(2023, 1, 1), 160),
    ("LU", date(2024, 1, 1), 170),
    ("LV", date(2012, 7, 1), 210),
    ("MT", date(2004, 1, 1), 180),
    ("NL", date(2012, 10, 1), 210),
    ("PL", date(2011, 1, 1), 230),
    ("PT", date(2011, 1, 1), 230),
    ("RO", date(2017, 1, 1), 190),
    ("RO", date(2025, 8, 1), 210),
    ("SE", date(2000, 1, 1), 250),
    ("SI", date(2013, 7, 1), 220),
    ("SK", date(2011, 1, 1), 200),
    ("SK", date(2025, 1, 1), 230),
];

/// The standard rate of a member state on a date, in percent.
pub fn standard_rate(country: &str, on: Date) -> Option<Decimal> {
    STANDARD_RATES
        .iter()
        .filter(|(c, from, _)| *c == country && *from <= on)
        .max_by_key(|(_, from, _)| *from)
        .map(|(_, _, tenths)| Decimal::new(*tenths, 1).normalize())
}

/// Whether a country is a member state of the EU (VAT area).
pub fn in_eu(country: &str) -> bool {
    STANDARD_RATES.iter().any(|(c, _, _)| *c == country)
}

/// Whether a VAT id looks right for its country: prefix and length only.
pub fn vat_id_fits(vat_id: &str, country: &str) -> bool {
    let prefix = if country == "GR" { "EL" } else { country };
    (4..=14).contains(&vat_id.len()) && vat_id.starts_with(prefix) && vat_id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// How services of the issuer to the buyer are taxed on a date.
pub fn decide(
    issuer: Taxpayer<'_>,
    small_business: bool,
    buyer: Taxpayer<'_>,
    check: VatCheck,
    unverified: Unverified,
    on: Date,
) -> Result<Treatment, TaxError> {
    let at = |country: &str| {
        standard_rate(country, on).map(Treatment::standard).ok_or_else(|| TaxError::NoRate(country.into()))
    };
    if small_business {
        return Ok(Treatment::exempt("E", "", "Small business, no VAT is charged"));
    }
    if issuer.country == buyer.country {
        return at(issuer.country);
    }
    if !in_eu(buyer.country) || !in_eu(issuer.country) {
        return Ok(Treatment::exempt("O", "VATEX-EU-O", "Not subject to VAT"));
    }
    match check {
        VatCheck::Pending => Err(TaxError::CheckPending),
        VatCheck::Valid if !issuer.vat_id.is_empty() && !buyer.vat_id.is_empty() => {
            Ok(Treatment::exempt("AE", "VATEX-EU-AE", "Reverse charge"))
        }
        VatCheck::Valid | VatCheck::Invalid | VatCheck::NotChecked => match unverified {
            Unverified::Supplier => at(issuer.country),
            Unverified::Destination => at(buyer.country),
        },
    }
}

/// Tax of one category (BG-23).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryTotal {
    pub treatment: Treatment,
    /// BT-116.
    pub taxable: Decimal,
    /// BT-117.
    pub tax: Decimal,
}

/// `round(base × rate)`, once per category (BR-CO-17), half away from zero.
pub fn tax_on(base: Decimal, rate: Decimal, currency: Currency) -> Result<Decimal, MoneyError> {
    let exact = base.checked_mul(rate).ok_or(MoneyError::TooLarge)? / Decimal::ONE_HUNDRED;
    Ok(currency.round(exact, Rounding::HalfUp))
}

/// Sums lines by category and rate, in order of first appearance, and taxes each sum.
pub fn totals(lines: &[(Decimal, Treatment)], currency: Currency) -> Result<Vec<CategoryTotal>, MoneyError> {
    let mut found: Vec<CategoryTotal> = Vec::new();
    for (amount, treatment) in lines {
        let same = |t: &CategoryTotal| t.treatment.category == treatment.category && t.treatment.rate == treatment.rate;
        match found.iter_mut().find(|t| same(t)) {
            Some(total) => total.taxable = total.taxable.checked_add(*amount).ok_or(MoneyError::TooLarge)?,
            None => found.push(CategoryTotal { treatment: treatment.clone(), taxable: *amount, tax: Decimal::ZERO }),
        }
    }
    for total in &mut found {
        total.tax = tax_on(total.taxable, total.treatment.rate, currency)?;
    }
    Ok(found)
}

/// The part of an invoice's tax that a credit of `net` takes back. The last
/// credit takes whatever is left, so that credits never miss the tax by a cent.
pub fn credited_tax(
    net: Decimal,
    rate: Decimal,
    left: (Decimal, Decimal),
    currency: Currency,
) -> Result<Decimal, MoneyError> {
    let (net_left, tax_left) = left;
    if net == net_left {
        return Ok(tax_left);
    }
    let tax = tax_on(net, rate, currency)?;
    Ok(if tax_left.is_sign_negative() { tax.max(tax_left) } else { tax.min(tax_left) })
}

/// The unused part of a paid amount by days, with its tax.
pub fn unused(
    paid_net: Decimal,
    rate: Decimal,
    days: (i64, i64),
    currency: Currency,
) -> Result<(Decimal, Decimal), MoneyError> {
    let net = currency.round(share(paid_net, days.0, days.1)?, Rounding::HalfUp);
    Ok((net, tax_on(net, rate, currency)?))
}

/// Sum of the tax of all categories (BT-110).
pub fn total_tax(totals: &[CategoryTotal]) -> Result<Decimal, MoneyError> {
    sum(totals.iter().map(|t| t.tax))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FR: Taxpayer<'_> = Taxpayer { country: "FR", vat_id: "FR123" };
    const DE: Taxpayer<'_> = Taxpayer { country: "DE", vat_id: "DE123" };

    fn category(issuer: Taxpayer<'_>, small: bool, buyer: Taxpayer<'_>, check: VatCheck) -> String {
        let t = decide(issuer, small, buyer, check, Unverified::Supplier, date(2024, 5, 1)).unwrap();
        format!("{} {}", t.category, t.rate)
    }

    #[test]
    fn the_four_cases_of_services_between_businesses() {
        assert_eq!(category(FR, false, Taxpayer { vat_id: "", ..FR }, VatCheck::NotChecked), "S 20");
        assert_eq!(category(FR, false, DE, VatCheck::Valid), "AE 0");
        assert_eq!(category(FR, false, DE, VatCheck::Invalid), "S 20");
        assert_eq!(category(FR, false, Taxpayer { vat_id: "", ..DE }, VatCheck::Valid), "S 20");
        assert_eq!(category(FR, false, Taxpayer { country: "US", vat_id: "" }, VatCheck::NotChecked), "O 0");
        assert_eq!(category(FR, true, DE, VatCheck::Valid), "E 0");
    }

    #[test]
    fn a_pending_check_waits() {
        let got = decide(FR, false, DE, VatCheck::Pending, Unverified::Supplier, date(2024, 5, 1));
        assert_eq!(got, Err(TaxError::CheckPending));
    }

    #[test]
    fn rates_are_dated() {
        for (country, on, rate) in [
            ("DE", date(2020, 6, 30), "19"),
            ("DE", date(2020, 7, 1), "16"),
            ("DE", date(2021, 1, 1), "19"),
            ("FI", date(2024, 9, 1), "25.5"),
            ("SK", date(2025, 1, 1), "23"),
        ] {
            assert_eq!(standard_rate(country, on).unwrap().to_string(), rate, "{country} {on}");
        }
        assert_eq!(STANDARD_RATES.iter().map(|r| r.0).collect::<std::collections::BTreeSet<_>>().len(), 27);
    }

    #[test]
    fn the_last_credit_takes_the_rest_of_the_tax() {
        let eur = Currency::parse("EUR").unwrap();
        let net: Decimal = "0.33".parse().unwrap();
        // Tax of 0.99 at 25 % is 0.25; three credits of 0.33 take 0.08, 0.08 and 0.09.
        let mut left = ("0.99".parse::<Decimal>().unwrap(), "0.25".parse::<Decimal>().unwrap());
        for _ in 0..3 {
            let tax = credited_tax(net, Decimal::from(25), left, eur).unwrap();
            left = (left.0 - net, left.1 - tax);
        }
        assert_eq!(left, (Decimal::ZERO, Decimal::ZERO));
    }
}
