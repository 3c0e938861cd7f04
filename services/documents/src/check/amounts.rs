//! That every amount is an amount, and that they add up.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Found, blank};
use crate::codes;
use crate::terms::{Adjustment, Kind, Line, Terms};

/// Amounts, quantities and prices lie below this, so that no sum of them leaves the exact range.
const MAX: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);
/// Decimal places of quantities, prices and percentages.
const MAX_PLACES: u32 = 9;
/// How far a line may lie from quantity times price, for the sake of contracts that round in their own way.
const LINE_SLACK: Decimal = Decimal::from_parts(2, 0, 0, false, 2);

pub fn check(terms: &Terms, digits: u32, found: &mut Found) {
    let digits = digits.min(2);
    let totals = &terms.totals;
    let mut sound = true;
    for (rule, term, amount) in [
        ("BR-DEC-09", "BT-106", totals.lines),
        ("BR-DEC-10", "BT-107", totals.allowances),
        ("BR-DEC-11", "BT-108", totals.charges),
        ("BR-DEC-12", "BT-109", totals.net),
        ("BR-DEC-13", "BT-110", totals.tax),
        ("BR-DEC-14", "BT-112", totals.gross),
        ("BR-DEC-16", "BT-113", totals.prepaid),
        ("BR-DEC-17", "BT-114", totals.rounding),
        ("BR-DEC-18", "BT-115", totals.due),
    ] {
        sound &= amount_of(amount, digits, rule, term, found);
    }
    for taxed in &terms.adjustments {
        let (rule, term) = if taxed.adjustment.charge { ("BR-DEC-05", "BT-99") } else { ("BR-DEC-01", "BT-92") };
        sound &= amount_of(taxed.adjustment.amount, digits, rule, term, found);
        sound &= percent(taxed.vat.rate, term, found);
        let reason = if taxed.adjustment.charge { "BR-CO-22" } else { "BR-CO-21" };
        adjustment(&taxed.adjustment, digits, reason, term, found);
    }
    for (index, tax) in terms.taxes.iter().enumerate() {
        let at = |term: &str| format!("{term} of VAT breakdown {}", index + 1);
        sound &= amount_of(tax.base, digits, "BR-DEC-19", at("BT-116"), found);
        sound &= amount_of(tax.amount, digits, "BR-DEC-20", at("BT-117"), found);
        sound &= percent(tax.vat.rate, at("BT-119"), found);
    }
    if let Some(tax_in) = &terms.tax_in {
        found.when(tax_in.currency == terms.currency, "PEPPOL-EN16931-R005", "BT-6", "is the invoice's currency");
        let places = codes::minor_digits(&tax_in.currency);
        found.when(places.is_none(), "BR-CL-05", "BT-6", "is no currency of ISO 4217");
        amount_of(tax_in.amount, places.unwrap_or(2).min(2), "BR-DEC-15", "BT-111", found);
        let other = !tax_in.amount.is_zero()
            && !totals.tax.is_zero()
            && tax_in.amount.is_sign_negative() != totals.tax.is_sign_negative();
        found.when(other, "PEPPOL-EN16931-R055", "BT-111", "has another sign than BT-110");
    }
    found.when(terms.lines.is_empty(), "BR-16", "BG-25", "has no line");
    for (index, line) in terms.lines.iter().enumerate() {
        sound &= self::line(line, index + 1, digits, found);
    }
    ids(terms, found);
    if sound {
        sums(terms, found);
    }
}

/// The lines' ids are each their own.
fn ids(terms: &Terms, found: &mut Found) {
    let mut seen = std::collections::HashSet::new();
    for (index, line) in terms.lines.iter().enumerate() {
        let at = || format!("BT-126 of line {}", index + 1);
        found.when(blank(&line.id), "BR-21", at(), "is missing");
        found.when(!seen.insert(&line.id), "DOC-LINES", at(), "is another line's too");
    }
}

fn line(line: &Line, number: usize, digits: u32, found: &mut Found) -> bool {
    let at = |term: &str| format!("{term} of line {number}");
    found.when(blank(&line.name), "BR-25", at("BT-153"), "is missing");
    found.when(blank(&line.unit), "BR-23", at("BT-130"), "is missing");
    found.when(!blank(&line.unit) && !codes::is_unit(&line.unit), "BR-CL-23", at("BT-130"), "is no unit");
    for (name, value) in &line.attributes {
        found.when(blank(name) || blank(value), "BR-54", at("BG-32"), "has no name or no value");
    }
    let mut sound = amount_of(line.net, digits, "BR-DEC-23", at("BT-131"), found);
    sound &= plain(line.quantity, at("BT-129"), found);
    sound &= plain(line.price.amount, at("BT-146"), found);
    sound &= plain(line.price.per, at("BT-149"), found);
    sound &= percent(line.vat.rate, at("BT-152"), found);
    found.when(line.price.amount < Decimal::ZERO, "BR-27", at("BT-146"), "is below zero");
    let per_nothing = line.price.per <= Decimal::ZERO;
    found.when(per_nothing, "PEPPOL-EN16931-R121", at("BT-149"), "is not above zero");
    let mut adjusted = Some(Decimal::ZERO);
    for one in &line.adjustments {
        let (rule, reason, term) =
            if one.charge { ("BR-DEC-27", "BR-CO-24", "BT-141") } else { ("BR-DEC-24", "BR-CO-23", "BT-136") };
        sound &= amount_of(one.amount, digits, rule, at(term), found);
        adjustment(one, digits, reason, &at(term), found);
        let signed = if one.charge { one.amount } else { -one.amount };
        adjusted = adjusted.and_then(|sum| sum.checked_add(signed));
    }
    if sound && !per_nothing {
        let product = line.quantity.checked_mul(line.price.amount).and_then(|p| p.checked_div(line.price.per));
        let expected = product.zip(adjusted).and_then(|(product, adjusted)| product.checked_add(adjusted));
        let near = expected.is_some_and(|e| (e - line.net).abs() <= LINE_SLACK);
        found.when(!near, "PEPPOL-EN16931-R120", at("BT-131"), "is not quantity times price with its adjustments");
    }
    sound
}

fn adjustment(one: &Adjustment, digits: u32, no_reason: &'static str, term: &str, found: &mut Found) {
    found.when(blank(&one.reason) && blank(&one.reason_code), no_reason, term, "has no reason");
    found.when(one.amount < Decimal::ZERO, "DOC-AMOUNT", term, "is below zero");
    if let Some(share) = &one.share {
        let sound = amount_of(share.base, digits, "BR-DEC-02", term, found) & percent(share.percent, term, found);
        if sound {
            let exact = share.base.checked_mul(share.percent).map(|p| p / Decimal::ONE_HUNDRED);
            let near = exact.is_some_and(|e| (e - one.amount).abs() <= LINE_SLACK);
            found.when(!near, "PEPPOL-EN16931-R040", term, "is not its percentage of its base");
        }
    }
}

fn amount_of(amount: Decimal, digits: u32, rule: &'static str, term: impl Into<String>, found: &mut Found) -> bool {
    let term = term.into();
    let fine = digits < amount.normalize().scale();
    found.when(fine, rule, term.as_str(), "is finer than its smallest unit");
    found.when(MAX <= amount.abs(), "DOC-AMOUNT", term, "is too large");
    !fine && amount.abs() < MAX
}

fn plain(number: Decimal, term: impl Into<String>, found: &mut Found) -> bool {
    let bad = MAX <= number.abs() || MAX_PLACES < number.normalize().scale();
    found.when(bad, "DOC-AMOUNT", term, "is too large or too fine");
    !bad
}

/// A rate or percentage.
fn percent(number: Decimal, term: impl Into<String>, found: &mut Found) -> bool {
    let bad = Decimal::ONE_THOUSAND < number.abs() || 4 < number.normalize().scale();
    found.when(bad, "DOC-AMOUNT", term, "is no percentage");
    !bad
}

fn sums(terms: &Terms, found: &mut Found) {
    let totals = &terms.totals;
    let add = |amounts: &mut dyn Iterator<Item = Decimal>| amounts.sum::<Decimal>();
    let lines = add(&mut terms.lines.iter().map(|l| l.net));
    found.when(lines != totals.lines, "BR-CO-10", "BT-106", "is not the sum of BT-131");
    let of = |charge: bool| {
        let found = terms.adjustments.iter().map(|t| &t.adjustment).filter(move |a| a.charge == charge);
        found.map(|a| a.amount).sum::<Decimal>()
    };
    found.when(of(false) != totals.allowances, "BR-CO-11", "BT-107", "is not the sum of BT-92");
    found.when(of(true) != totals.charges, "BR-CO-12", "BT-108", "is not the sum of BT-99");
    let net = totals.lines - totals.allowances + totals.charges;
    found.when(net != totals.net, "BR-CO-13", "BT-109", "is not BT-106 less BT-107 plus BT-108");
    let tax = add(&mut terms.taxes.iter().map(|t| t.amount));
    found.when(tax != totals.tax, "BR-CO-14", "BT-110", "is not the sum of BT-117");
    found.when(totals.net + totals.tax != totals.gross, "BR-CO-15", "BT-112", "is not BT-109 plus BT-110");
    let due = totals.gross - totals.prepaid + totals.rounding;
    found.when(due != totals.due, "BR-CO-16", "BT-115", "is not BT-112 less BT-113 plus BT-114");
    for (index, tax) in terms.taxes.iter().enumerate() {
        let exact = tax.base.checked_mul(tax.vat.rate).map(|p| p / Decimal::ONE_HUNDRED);
        let rounded = exact.unwrap_or(Decimal::MAX).round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        // The last of an invoice's credit notes gives back what the others left of its tax; the standard's own
        // rules take less than one unit for that.
        let holds = match terms.kind {
            Kind::Invoice => rounded == tax.amount,
            Kind::CreditNote => rounded.checked_sub(tax.amount).is_some_and(|d| d.abs() < Decimal::ONE),
        };
        let at = format!("BT-117 of VAT breakdown {}", index + 1);
        found.when(!holds, "BR-CO-17", at, "is not BT-116 times BT-119, rounded");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bound_is_a_quadrillion() {
        assert_eq!(super::MAX.to_string(), "1000000000000000");
        assert_eq!(super::LINE_SLACK.to_string(), "0.02");
    }
}
