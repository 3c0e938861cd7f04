//! CSV and JSON of an invoice: amounts are exact decimals, never floating point.

use serde::Serialize;

use crate::check::Invoice;
use crate::terms::Terms;
use crate::xml::{amount, dashed, plain};

/// The columns of the CSV.
const COLUMNS: [&str; 19] = [
    "number",
    "kind",
    "issued",
    "due",
    "currency",
    "seller",
    "buyer",
    "line",
    "code",
    "name",
    "description",
    "from",
    "until",
    "quantity",
    "unit",
    "net_amount",
    "vat_category",
    "vat_rate",
    "buyer_accounting",
];

/// CSV (RFC 4180, UTF-8): a head, then a row per line and per allowance or charge of the document; their net amounts
/// add up to the net total. Texts that a spreadsheet would take for a formula start with an apostrophe.
pub fn csv(invoice: &Invoice) -> Vec<u8> {
    let terms = invoice.terms();
    let digits = invoice.digits();
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Into memory: this cannot fail.
    writer.write_record(COLUMNS).ok();
    let day = |date: Option<jiff::civil::Date>| date.map(dashed).unwrap_or_default();
    let kind = if invoice.is_credit() { "credit_note" } else { "invoice" };
    let head = [
        word(&terms.number),
        kind.into(),
        dashed(terms.issued),
        day(terms.due),
        terms.currency.clone(),
        word(&terms.seller.name),
        word(&terms.buyer.name),
    ];
    for line in &terms.lines {
        let own = [
            word(&line.id),
            word(&line.code),
            word(&line.name),
            word(&line.description),
            day(line.period.map(|p| p.from)),
            day(line.period.map(|p| p.until)),
            plain(line.quantity),
            line.unit.clone(),
            amount(line.net, digits),
            line.vat.category.code().into(),
            plain(line.vat.rate),
            word(&line.buyer_accounting),
        ];
        writer.write_record(head.iter().chain(&own)).ok();
    }
    for taxed in &terms.adjustments {
        let one = &taxed.adjustment;
        let signed = if one.charge { one.amount } else { -one.amount };
        let mut own: [String; 12] = Default::default();
        own[1] = if one.charge { "charge" } else { "allowance" }.into();
        own[2] = word(if one.reason.is_empty() { &one.reason_code } else { &one.reason });
        own[8] = amount(signed, digits);
        own[9] = taxed.vat.category.code().into();
        own[10] = plain(taxed.vat.rate);
        writer.write_record(head.iter().chain(&own)).ok();
    }
    writer.into_inner().unwrap_or_default()
}

/// A text, never a formula to a spreadsheet.
fn word(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.into(),
    }
}

/// JSON of all terms by their names here; decimals are strings as they were given.
pub fn json(invoice: &Invoice) -> Vec<u8> {
    #[derive(Serialize)]
    struct Document<'a> {
        specification: &'a str,
        type_code: &'a str,
        #[serde(flatten)]
        terms: &'a Terms,
    }
    let terms = invoice.terms();
    let document = Document { specification: terms.profile.specification(), type_code: terms.kind.code(), terms };
    // Plain data with names for keys: this cannot fail.
    serde_json::to_vec_pretty(&document).unwrap_or_default()
}
