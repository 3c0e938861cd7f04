//! A frozen invoice in the terms of EN 16931.

use documents::{
    Account, Address, BILLING_PROCESS, Category, Contact, Endpoint, Id, Kind, Means, Party as Side, Payment, Period,
    Preceding, Price, Profile, Tax, TaxIn, Terms, Totals, Vat,
};
use rust_decimal::Decimal;

use super::number;
use crate::domain::exchange::Accounted;
use crate::domain::money::Rounding;
use crate::domain::profile::Party;
use crate::domain::tax::CategoryTotal;
use crate::store::invoice::Head;
use crate::store::lines::Line;

/// One of anything, in the units of UN/ECE recommendation 20.
const ONE: &str = "C62";

/// An invoice or credit note as it was frozen; `corrected` is what a credit note corrects,
/// `accounted` what it comes to in another currency of its issuer.
pub fn terms(
    head: &Head,
    lines: &[Line],
    taxes: &[CategoryTotal],
    (corrected, accounted): (Option<&Head>, Option<&Accounted>),
    profile: Profile,
) -> Terms {
    let zero = Decimal::ZERO;
    Terms {
        profile,
        process: if profile == Profile::XRechnung { BILLING_PROCESS.into() } else { String::new() },
        kind: if head.credit_note { Kind::CreditNote } else { Kind::Invoice },
        number: head.number.clone(),
        issued: head.issue_date,
        due: Some(head.due_date),
        tax_point: None,
        currency: head.currency.code().into(),
        tax_in: accounted.map(|of| TaxIn { currency: of.applied.to.code().into(), amount: of.tax }),
        buyer_reference: head.buyer.buyer_reference.clone(),
        project: String::new(),
        contract: String::new(),
        order: String::new(),
        buyer_accounting: String::new(),
        notes: [head.reason.clone(), accounted.map(rate).unwrap_or_default()]
            .into_iter()
            .filter(|note| !note.is_empty())
            .collect(),
        preceding: corrected
            .map(|of| Preceding { number: of.number.clone(), issued: Some(of.issue_date) })
            .into_iter()
            .collect(),
        seller: side(&head.issuer, true),
        buyer: side(&head.buyer, false),
        delivery: None,
        period: period(head, lines, profile),
        payment_terms: String::new(),
        payment: payment(head),
        adjustments: Vec::new(),
        lines: lines.iter().map(|of| line(head, of)).collect(),
        taxes: taxes.iter().map(tax).collect(),
        totals: Totals {
            lines: head.net,
            allowances: zero,
            charges: zero,
            net: head.net,
            tax: head.tax,
            gross: head.total,
            prepaid: zero,
            rounding: zero,
            due: head.total,
        },
    }
}

/// The rate that was applied.
fn rate(of: &Accounted) -> String {
    format!("{} ({})", of.applied.source, of.applied.date)
}

/// The period of the invoice. XRechnung wants the lines' within it, so that usage that came late widens it there. A
/// credit note's lines carry none, and neither does the note.
fn period(head: &Head, lines: &[Line], profile: Profile) -> Option<Period> {
    let all = if profile == Profile::XRechnung { lines } else { &[] };
    let from = all.iter().map(|line| line.service.0).min().map_or(head.period.from, |at| at.min(head.period.from));
    let until = all.iter().map(|line| line.service.1).max().map_or(head.period.until, |at| at.max(head.period.until));
    (!head.credit_note).then_some(Period { from, until })
}

fn side(party: &Party, issues: bool) -> Side {
    let endpoint = if !party.electronic_address.is_empty() {
        Some(Endpoint { value: party.electronic_address.clone(), scheme: party.electronic_address_scheme.clone() })
    } else if !party.email.is_empty() {
        Some(Endpoint { value: party.email.clone(), scheme: "EM".into() })
    } else {
        None
    };
    let asks = [&party.contact_name, &party.contact_phone, &party.email].iter().any(|text| !text.is_empty());
    Side {
        name: party.legal_name.clone(),
        trading_name: String::new(),
        vat_id: party.vat_id.clone(),
        tax_number: if issues { party.tax_number.clone() } else { String::new() },
        registration: (!party.registration_number.is_empty())
            .then(|| Id { value: party.registration_number.clone(), scheme: String::new() }),
        id: None,
        legal_form: String::new(),
        endpoint,
        address: Address {
            lines: party.address_lines.clone(),
            postal_code: party.postal_code.clone(),
            city: party.city.clone(),
            region: String::new(),
            country: party.country.clone(),
        },
        contact: asks.then(|| Contact {
            name: party.contact_name.clone(),
            phone: party.contact_phone.clone(),
            email: party.email.clone(),
        }),
    }
}

fn payment(head: &Head) -> Option<Payment> {
    if head.credit_note {
        // Taken off what the buyer owes, or paid back by agreement: nothing is to be paid to the issuer.
        return Some(Payment { means: Means::Other("97".into()), reference: head.number.clone() });
    }
    let iban: String = head.issuer.iban.chars().filter(|c| !c.is_whitespace()).collect();
    (!iban.is_empty()).then(|| Payment {
        means: Means::SepaTransfer(Account {
            number: iban,
            holder: head.issuer.legal_name.clone(),
            bank: String::new(),
        }),
        reference: head.number.clone(),
    })
}

fn line(head: &Head, of: &Line) -> documents::Line {
    let (quantity, price) = price(head, of);
    let step = |step: &crate::domain::models::Step| {
        let parts = [step.quantity.map(number), step.unit.map(number)];
        let product = parts.into_iter().flatten().collect::<Vec<_>>().join(" × ");
        let amount = number(step.amount);
        (step.label.clone(), if product.is_empty() { amount } else { format!("{product} = {amount}") })
    };
    documents::Line {
        id: of.line_number.to_string(),
        note: String::new(),
        quantity,
        unit: ONE.into(),
        price,
        adjustments: Vec::new(),
        net: of.amount,
        vat: vat(&of.tax_category, of.tax_percent),
        period: (!head.credit_note).then_some(Period { from: of.service.0, until: of.service.1 }),
        name: of.description.clone(),
        description: String::new(),
        code: of.charge_code.clone(),
        buyer_accounting: String::new(),
        attributes: of.steps.iter().map(step).collect(),
    }
}

/// The price of one unit where that gives the amount, else that of all units together: tiers, minimums, shares.
fn price(head: &Head, of: &Line) -> (Decimal, Price) {
    if let [step] = of.steps.as_slice()
        && let (Some(quantity), Some(unit)) = (step.quantity, step.unit)
        && !unit.is_sign_negative()
        && !quantity.is_zero()
        && quantity.checked_mul(unit).map(|all| head.currency.round(all, Rounding::default())) == Some(of.amount)
    {
        return (quantity, Price::each(unit));
    }
    Price::of_all(of.quantity, of.amount)
}

fn vat(category: &str, rate: Decimal) -> Vat {
    Vat { category: Category::parse(category).unwrap_or(Category::S), rate }
}

fn tax(total: &CategoryTotal) -> Tax {
    Tax {
        vat: vat(&total.treatment.category, total.treatment.rate),
        base: total.taxable,
        amount: total.tax,
        reason: total.treatment.exemption_reason.clone(),
        reason_code: total.treatment.exemption_code.clone(),
    }
}
