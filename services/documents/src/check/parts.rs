//! What must be there: parties, dates, references, payment.

use super::{Found, blank};
use crate::codes;
use crate::terms::{Account, Kind, Means, Party, Period, Terms};

pub fn check(terms: &Terms, found: &mut Found) {
    found.when(blank(&terms.number), "BR-02", "BT-1", "is missing");
    party(&terms.seller, &Names::SELLER, found);
    party(&terms.buyer, &Names::BUYER, found);
    let seller = &terms.seller;
    let known = seller.id.is_some() || seller.registration.is_some() || !blank(&seller.vat_id);
    found.when(!known, "BR-CO-26", "BT-29, BT-30 or BT-31", "is missing");
    found.when(!blank(&terms.buyer.tax_number), "DOC-BUYER", "BT-32", "is for the seller only");
    found.when(!blank(&terms.buyer.legal_form), "DOC-BUYER", "BT-33", "is for the seller only");
    dates(terms, found);
    for (index, preceding) in terms.preceding.iter().enumerate() {
        found.when(blank(&preceding.number), "BR-55", format!("BT-25 of reference {}", index + 1), "is missing");
    }
    let correcting = terms.kind == Kind::Invoice || !terms.preceding.is_empty();
    found.when(!correcting, "DOC-CREDIT", "BG-3", "is missing: a credit note corrects an invoice");
    if let Some(delivery) = &terms.delivery {
        let empty = delivery.on.is_none() && delivery.to.is_none();
        found.when(empty, "DOC-DELIVERY", "BG-13", "has neither a date nor an address");
        if let Some(to) = &delivery.to {
            found.when(blank(&to.country), "BR-57", "BT-80", "is missing");
            found.when(!codes::is_country(&to.country), "BR-CL-14", "BT-80", "is no country");
            found.when(3 < to.lines.len(), "DOC-ADDRESS", "BG-15", "has more than three lines");
        }
    }
    payment(terms, found);
}

struct Names {
    name: (&'static str, &'static str),
    country: (&'static str, &'static str),
    address: &'static str,
    vat_id: &'static str,
    registration: &'static str,
    id: &'static str,
    endpoint: (&'static str, &'static str),
}

impl Names {
    const SELLER: Self = Self {
        name: ("BR-06", "BT-27"),
        country: ("BR-09", "BT-40"),
        address: "BG-5",
        vat_id: "BT-31",
        registration: "BT-30",
        id: "BT-29",
        endpoint: ("BR-62", "BT-34"),
    };
    const BUYER: Self = Self {
        name: ("BR-07", "BT-44"),
        country: ("BR-11", "BT-55"),
        address: "BG-8",
        vat_id: "BT-48",
        registration: "BT-47",
        id: "BT-46",
        endpoint: ("BR-63", "BT-49"),
    };
}

fn party(party: &Party, names: &Names, found: &mut Found) {
    found.when(blank(&party.name), names.name.0, names.name.1, "is missing");
    let country = &party.address.country;
    found.when(blank(country), names.country.0, names.country.1, "is missing");
    found.when(!blank(country) && !codes::is_country(country), "BR-CL-14", names.country.1, "is no country");
    found.when(3 < party.address.lines.len(), "DOC-ADDRESS", names.address, "has more than three lines");
    if !blank(&party.vat_id) {
        let prefix = party.vat_id.get(..2).unwrap_or_default();
        let known = codes::is_country(prefix) || prefix == "EL";
        found.when(!known, "BR-CO-09", names.vat_id, "does not start with the code of a country");
    }
    for (id, term, rule) in [(&party.registration, names.registration, "BR-CL-11"), (&party.id, names.id, "BR-CL-10")] {
        if let Some(id) = id {
            found.when(blank(&id.value), "DOC-ID", term, "is missing");
            let known = id.scheme.is_empty() || codes::is_registry(&id.scheme);
            found.when(!known, rule, term, "has a scheme that is not of ISO 6523");
        }
    }
    if let Some(endpoint) = &party.endpoint {
        let (rule, term) = names.endpoint;
        found.when(blank(&endpoint.scheme), rule, term, "has no scheme");
        found.when(blank(&endpoint.value), rule, term, "is missing");
        let known = codes::is_address_scheme(&endpoint.scheme);
        found.when(!blank(&endpoint.scheme) && !known, "BR-CL-25", term, "has an unknown scheme");
    }
}

fn dates(terms: &Terms, found: &mut Found) {
    // Four digits is what a date of a document can have.
    let all = [Some(terms.issued), terms.due, terms.tax_point];
    let odd = all.into_iter().flatten().any(|d| d.year() < 1000);
    found.when(odd, "DOC-DATE", "BT-2, BT-7 or BT-9", "has no year of four digits");
    let backward = |period: &Option<Period>| period.is_some_and(|p| p.until < p.from || p.from.year() < 1000);
    found.when(backward(&terms.period), "BR-29", "BT-74", "lies before BT-73");
    for (index, line) in terms.lines.iter().enumerate() {
        let at = |term: &str| format!("{term} of line {}", index + 1);
        found.when(backward(&line.period), "BR-30", at("BT-135"), "lies before BT-134");
        let credited = terms.kind == Kind::CreditNote && line.period.is_some();
        found.when(credited, "DOC-CREDIT", at("BG-26"), "is not for credit notes");
    }
}

fn payment(terms: &Terms, found: &mut Found) {
    let open = rust_decimal::Decimal::ZERO < terms.totals.due;
    let silent = terms.due.is_none() && blank(&terms.payment_terms);
    found.when(open && silent, "BR-CO-25", "BT-9 or BT-20", "is missing");
    let unsaid = terms.kind == Kind::CreditNote && terms.due.is_some() && terms.payment.is_none();
    found.when(unsaid, "DOC-CREDIT", "BG-16", "is missing: the due date of a credit note is said with it");
    match terms.payment.as_ref().map(|p| &p.means) {
        Some(Means::SepaTransfer(account)) => {
            holds(account, found);
            let wrong = !codes::is_iban(&account.number);
            found.when(wrong, "BR-DE-19", "BT-84", "is no IBAN");
        }
        Some(Means::Transfer(account)) => holds(account, found),
        Some(Means::SepaDebit { mandate, creditor, debited }) => {
            found.when(blank(mandate), "PEPPOL-EN16931-R061", "BT-89", "is missing");
            found.when(!codes::is_creditor(creditor), "BR-DE-30", "BT-90", "is no creditor identifier");
            found.when(!codes::is_iban(debited), "BR-DE-20", "BT-91", "is no IBAN");
        }
        Some(Means::Card { digits, .. }) => {
            let shown = (4..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            found.when(!shown, "BR-51", "BT-87", "is not the last four to six digits");
        }
        Some(Means::Other(code)) => {
            let known = (1..=3).contains(&code.len())
                && (code == "ZZZ" || code.parse::<u8>().is_ok_and(|c| (1..=97).contains(&c)) && !code.starts_with('0'));
            found.when(!known, "BR-CL-16", "BT-81", "is no means of payment");
            let other = matches!(code.as_str(), "30" | "58" | "48" | "54" | "55" | "59");
            found.when(other, "BR-61", "BT-81", "is told with its account, mandate or card");
        }
        None => {}
    }
}

fn holds(account: &Account, found: &mut Found) {
    found.when(blank(&account.number), "BR-50", "BT-84", "is missing");
}
