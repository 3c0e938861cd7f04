//! What each VAT category demands (BR-S, BR-Z, BR-E, BR-AE, BR-IC, BR-G, BR-O).

use rust_decimal::Decimal;

use super::{Found, blank};
use crate::codes;
use crate::terms::{Category, Tax, Terms, Vat};

pub fn check(terms: &Terms, found: &mut Found) {
    found.when(terms.taxes.is_empty(), "BR-CO-18", "BG-23", "is missing");
    for category in Category::ALL {
        let used = used(terms).any(|(vat, _)| vat.category == category);
        let told = terms.taxes.iter().any(|t| t.vat.category == category);
        found.when(used != told, rules(category).present, "BG-23", "does not have just the categories that are used");
        if used || told {
            parties(terms, category, found);
        }
    }
    for (index, line) in terms.lines.iter().enumerate() {
        rate(&line.vat, format!("BT-152 of line {}", index + 1), found);
    }
    for taxed in &terms.adjustments {
        rate(&taxed.vat, if taxed.adjustment.charge { "BT-103" } else { "BT-96" }.into(), found);
    }
    for (index, tax) in terms.taxes.iter().enumerate() {
        breakdown(terms, tax, index, found);
    }
    let outside = terms.taxes.iter().any(|t| t.vat.category == Category::O);
    found.when(outside && 1 < terms.taxes.len(), "BR-O-11", "BG-23", "has another category beside O");
}

/// What is taxed how: lines, charges, and allowances with their sign turned.
fn used(terms: &Terms) -> impl Iterator<Item = (&Vat, Decimal)> {
    let lines = terms.lines.iter().map(|l| (&l.vat, l.net));
    let adjustments = terms.adjustments.iter().map(|t| {
        let amount = t.adjustment.amount;
        (&t.vat, if t.adjustment.charge { amount } else { -amount })
    });
    lines.chain(adjustments)
}

struct Rules {
    present: &'static str,
    parties: &'static str,
    rate: &'static str,
    base: &'static str,
    reason: &'static str,
}

fn rules(category: Category) -> Rules {
    let (present, parties, rate, base, reason) = match category {
        Category::S => ("BR-S-01", "BR-S-02", "BR-S-05", "BR-S-08", "BR-S-10"),
        Category::Z => ("BR-Z-01", "BR-Z-02", "BR-Z-05", "BR-Z-08", "BR-Z-10"),
        Category::E => ("BR-E-01", "BR-E-02", "BR-E-05", "BR-E-08", "BR-E-10"),
        Category::AE => ("BR-AE-01", "BR-AE-02", "BR-AE-05", "BR-AE-08", "BR-AE-10"),
        Category::K => ("BR-IC-01", "BR-IC-02", "BR-IC-05", "BR-IC-08", "BR-IC-10"),
        Category::G => ("BR-G-01", "BR-G-02", "BR-G-05", "BR-G-08", "BR-G-10"),
        Category::O => ("BR-O-01", "BR-O-02", "BR-O-05", "BR-O-08", "BR-O-10"),
    };
    Rules { present, parties, rate, base, reason }
}

fn parties(terms: &Terms, category: Category, found: &mut Found) {
    let (seller, buyer) = (&terms.seller, &terms.buyer);
    let rule = rules(category).parties;
    let taxed = !blank(&seller.vat_id) || !blank(&seller.tax_number);
    match category {
        Category::S | Category::Z | Category::E => found.when(!taxed, rule, "BT-31 or BT-32", "is missing"),
        Category::AE => {
            found.when(!taxed, rule, "BT-31 or BT-32", "is missing");
            let known = !blank(&buyer.vat_id) || buyer.registration.is_some();
            found.when(!known, rule, "BT-48 or BT-47", "is missing");
        }
        Category::K => {
            found.when(blank(&seller.vat_id), rule, "BT-31", "is missing");
            found.when(blank(&buyer.vat_id), rule, "BT-48", "is missing");
            let delivered = terms.delivery.as_ref().is_some_and(|d| d.on.is_some()) || terms.period.is_some();
            found.when(!delivered, "BR-IC-11", "BT-72 or BG-14", "is missing");
            let country = terms.delivery.as_ref().and_then(|d| d.to.as_ref()).is_some_and(|to| !blank(&to.country));
            found.when(!country, "BR-IC-12", "BT-80", "is missing");
        }
        Category::G => found.when(blank(&seller.vat_id), rule, "BT-31", "is missing"),
        Category::O => {
            found.when(!blank(&seller.vat_id), rule, "BT-31", "is not for what VAT does not reach");
            found.when(!blank(&buyer.vat_id), rule, "BT-48", "is not for what VAT does not reach");
        }
    }
}

fn rate(vat: &Vat, term: String, found: &mut Found) {
    let rule = rules(vat.category).rate;
    match vat.category {
        Category::S => found.when(vat.rate <= Decimal::ZERO, rule, term, "is not above zero"),
        _ => found.when(!vat.rate.is_zero(), rule, term, "is not zero"),
    }
}

fn breakdown(terms: &Terms, tax: &Tax, index: usize, found: &mut Found) {
    let at = |term: &str| format!("{term} of VAT breakdown {}", index + 1);
    let rules = rules(tax.vat.category);
    rate(&tax.vat, at("BT-119"), found);
    let same = |other: &Vat| *other == tax.vat;
    let twice = terms.taxes.iter().take(index).any(|t| same(&t.vat));
    found.when(twice, rules.present, at("BG-23"), "is told twice");
    let base = used(terms).filter(|(vat, _)| same(vat)).try_fold(Decimal::ZERO, |sum, (_, a)| sum.checked_add(a));
    found.when(base != Some(tax.base), rules.base, at("BT-116"), "is not the sum of what is taxed so");
    let explained = !blank(&tax.reason) || !blank(&tax.reason_code);
    if tax.vat.category.is_exempt() {
        found.when(!explained, rules.reason, at("BT-120 or BT-121"), "is missing");
    } else {
        found.when(explained, rules.reason, at("BT-120"), "is not for a taxed amount");
    }
    if !blank(&tax.reason_code) {
        let known = codes::is_exemption(&tax.reason_code);
        found.when(!known, "BR-CL-22", at("BT-121"), "is no code of VATEX");
        let meant = match tax.reason_code.as_str() {
            "VATEX-EU-AE" => Some(Category::AE),
            "VATEX-EU-IC" => Some(Category::K),
            "VATEX-EU-G" => Some(Category::G),
            "VATEX-EU-O" => Some(Category::O),
            _ => None,
        };
        let other = meant.is_some_and(|m| m != tax.vat.category);
        found.when(other, "BR-CL-22", at("BT-121"), "is another category's");
    }
}
