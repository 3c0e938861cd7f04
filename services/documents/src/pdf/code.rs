//! The payment as a QR code that banks' apps read (EPC069-12, known as GiroCode).

use qrcode::{Color, EcLevel, QrCode, Version};
use rust_decimal::Decimal;

use crate::terms::{Kind, Means, Terms};
use crate::xml::amount;

/// Dark and light squares, row by row.
pub struct Squares {
    pub side: usize,
    pub dark: Vec<bool>,
}

/// The code of an invoice that is paid by SEPA transfer in euros; none where the standard has no code for it.
pub fn code(terms: &Terms) -> Option<Squares> {
    let text = payload(terms)?;
    // The standard's limits: level M, version 13 at most.
    let code = (1..=13)
        .find_map(|version| QrCode::with_version(text.as_bytes(), Version::Normal(version), EcLevel::M).ok())?;
    let dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
    Some(Squares { side: code.width(), dark })
}

fn payload(terms: &Terms) -> Option<String> {
    let payment = terms.payment.as_ref()?;
    let Means::SepaTransfer(account) = &payment.means else { return None };
    let due = terms.totals.due;
    let payable = Decimal::ZERO < due && due < Decimal::from(1_000_000_000);
    if terms.kind != Kind::Invoice || terms.currency != "EUR" || !payable {
        return None;
    }
    let holder = if account.holder.is_empty() { &terms.seller.name } else { &account.holder };
    // Creditor references of ISO 11649 have a line of their own.
    let structured = payment.reference.starts_with("RF") && payment.reference.len() <= 25;
    let (reference, text) =
        if structured { (payment.reference.as_str(), "") } else { ("", payment.reference.as_str()) };
    let fits = |text: &str, most: usize| text.chars().count() <= most && !text.contains(['\n', '\r']);
    if !fits(holder, 70) || !fits(text, 140) || !fits(&account.bank, 11) {
        return None;
    }
    let due = amount(due, 2);
    let lines =
        ["BCD", "002", "1", "SCT", &account.bank, holder, &account.number, &format!("EUR{due}"), "", reference, text];
    Some(lines.join("\n").trim_end().to_owned())
}
