//! What the page says, in five languages, and how it writes numbers and dates.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::language::Language;

/// The words of a language.
pub struct Words {
    pub invoice: &'static str,
    pub credit_note: &'static str,
    pub corrects: &'static str,
    pub number: &'static str,
    pub issued: &'static str,
    pub due: &'static str,
    pub tax_point: &'static str,
    pub period: &'static str,
    pub delivered: &'static str,
    pub buyer_vat: &'static str,
    pub buyer_reference: &'static str,
    pub order: &'static str,
    pub contract: &'static str,
    pub project: &'static str,
    pub position: &'static str,
    pub description: &'static str,
    pub quantity: &'static str,
    pub price: &'static str,
    pub vat: &'static str,
    pub amount: &'static str,
    pub carried: &'static str,
    pub brought: &'static str,
    pub lines: &'static str,
    pub net: &'static str,
    pub vat_on: &'static str,
    pub gross: &'static str,
    pub prepaid: &'static str,
    pub rounding: &'static str,
    pub payable: &'static str,
    pub credited: &'static str,
    pub vat_in: &'static str,
    pub payment: &'static str,
    pub transfer: &'static str,
    pub debit: &'static str,
    pub card: &'static str,
    pub reference: &'static str,
    pub mandate: &'static str,
    pub creditor: &'static str,
    pub account: &'static str,
    pub bank: &'static str,
    pub vat_id: &'static str,
    pub tax_number: &'static str,
    pub register: &'static str,
    pub phone: &'static str,
    pub page: &'static str,
    pub of: &'static str,
    pub per: &'static str,
}

pub fn words(language: Language) -> &'static Words {
    match language {
        Language::German => &GERMAN,
        Language::English => &ENGLISH,
        Language::French => &FRENCH,
        Language::Spanish => &SPANISH,
        Language::Italian => &ITALIAN,
    }
}

const GERMAN: Words = Words {
    invoice: "Rechnung",
    // „Gutschrift“ is by law what a buyer writes for himself.
    credit_note: "Rechnungskorrektur",
    corrects: "Korrigiert Rechnung",
    number: "Nummer",
    issued: "Rechnungsdatum",
    due: "Fällig am",
    tax_point: "Steuerdatum",
    period: "Leistungszeitraum",
    delivered: "Leistungsdatum",
    buyer_vat: "Ihre USt-IdNr.",
    buyer_reference: "Ihre Referenz",
    order: "Ihre Bestellung",
    contract: "Vertrag",
    project: "Projekt",
    position: "Pos.",
    description: "Beschreibung",
    quantity: "Menge",
    price: "Einzelpreis",
    vat: "USt.",
    amount: "Betrag",
    carried: "Übertrag",
    brought: "Übertrag von der vorigen Seite",
    lines: "Summe der Positionen",
    net: "Summe netto",
    vat_on: "USt. {rate} auf {base}",
    gross: "Summe brutto",
    prepaid: "Bereits gezahlt",
    rounding: "Rundung",
    payable: "Zahlbetrag",
    credited: "Gutschriftsbetrag",
    vat_in: "Umsatzsteuer in {currency}",
    payment: "Zahlung",
    transfer: "Überweisung an {holder}",
    debit: "Wir ziehen den Betrag per SEPA-Lastschrift ein.",
    card: "Bezahlt mit Karte, endend auf {digits}",
    reference: "Verwendungszweck",
    mandate: "Mandat",
    creditor: "Gläubiger-ID",
    account: "Konto",
    bank: "BIC",
    vat_id: "USt-IdNr.",
    tax_number: "Steuernummer",
    register: "Registernummer",
    phone: "Tel.",
    page: "Seite",
    of: "von",
    per: "je",
};

const ENGLISH: Words = Words {
    invoice: "Invoice",
    credit_note: "Credit note",
    corrects: "Corrects invoice",
    number: "Number",
    issued: "Invoice date",
    due: "Due date",
    tax_point: "Tax point",
    period: "Service period",
    delivered: "Date of supply",
    buyer_vat: "Your VAT ID",
    buyer_reference: "Your reference",
    order: "Your order",
    contract: "Contract",
    project: "Project",
    position: "No.",
    description: "Description",
    quantity: "Quantity",
    price: "Unit price",
    vat: "VAT",
    amount: "Amount",
    carried: "Carried forward",
    brought: "Brought forward",
    lines: "Subtotal",
    net: "Total excluding VAT",
    vat_on: "VAT {rate} on {base}",
    gross: "Total including VAT",
    prepaid: "Already paid",
    rounding: "Rounding",
    payable: "Amount due",
    credited: "Amount credited",
    vat_in: "VAT in {currency}",
    payment: "Payment",
    transfer: "Bank transfer to {holder}",
    debit: "We collect the amount by SEPA direct debit.",
    card: "Paid by card ending in {digits}",
    reference: "Payment reference",
    mandate: "Mandate",
    creditor: "Creditor ID",
    account: "Account",
    bank: "BIC",
    vat_id: "VAT ID",
    tax_number: "Tax number",
    register: "Company number",
    phone: "Phone",
    page: "Page",
    of: "of",
    per: "per",
};

const FRENCH: Words = Words {
    invoice: "Facture",
    credit_note: "Avoir",
    corrects: "Rectifie la facture",
    number: "Numéro",
    issued: "Date de facture",
    due: "Échéance",
    tax_point: "Date d’exigibilité",
    period: "Période de prestation",
    delivered: "Date de prestation",
    buyer_vat: "Votre n° de TVA",
    buyer_reference: "Votre référence",
    order: "Votre commande",
    contract: "Contrat",
    project: "Projet",
    position: "N°",
    description: "Désignation",
    quantity: "Quantité",
    price: "Prix unitaire",
    vat: "TVA",
    amount: "Montant HT",
    carried: "À reporter",
    brought: "Report de la page précédente",
    lines: "Total des lignes",
    net: "Total HT",
    vat_on: "TVA {rate} sur {base}",
    gross: "Total TTC",
    prepaid: "Déjà payé",
    rounding: "Arrondi",
    payable: "Net à payer",
    credited: "Montant de l’avoir",
    vat_in: "TVA en {currency}",
    payment: "Paiement",
    transfer: "Virement à {holder}",
    debit: "Nous prélevons le montant par prélèvement SEPA.",
    card: "Payé par carte se terminant par {digits}",
    reference: "Référence du paiement",
    mandate: "Mandat",
    creditor: "ICS",
    account: "Compte",
    bank: "BIC",
    vat_id: "N° de TVA",
    tax_number: "N° fiscal",
    register: "N° d’immatriculation",
    phone: "Tél.",
    page: "Page",
    of: "sur",
    per: "pour",
};

const SPANISH: Words = Words {
    invoice: "Factura",
    credit_note: "Factura rectificativa",
    corrects: "Rectifica la factura",
    number: "Número",
    issued: "Fecha de factura",
    due: "Vencimiento",
    tax_point: "Fecha de devengo",
    period: "Periodo de servicio",
    delivered: "Fecha de prestación",
    buyer_vat: "Su NIF-IVA",
    buyer_reference: "Su referencia",
    order: "Su pedido",
    contract: "Contrato",
    project: "Proyecto",
    position: "N.º",
    description: "Descripción",
    quantity: "Cantidad",
    price: "Precio unitario",
    vat: "IVA",
    amount: "Importe",
    carried: "Suma y sigue",
    brought: "Suma anterior",
    lines: "Suma de líneas",
    net: "Base imponible",
    vat_on: "IVA {rate} sobre {base}",
    gross: "Total con IVA",
    prepaid: "Ya pagado",
    rounding: "Redondeo",
    payable: "Importe a pagar",
    credited: "Importe abonado",
    vat_in: "IVA en {currency}",
    payment: "Pago",
    transfer: "Transferencia a {holder}",
    debit: "Cobraremos el importe por adeudo directo SEPA.",
    card: "Pagado con tarjeta terminada en {digits}",
    reference: "Concepto",
    mandate: "Mandato",
    creditor: "Identificador del acreedor",
    account: "Cuenta",
    bank: "BIC",
    vat_id: "NIF-IVA",
    tax_number: "NIF",
    register: "N.º de registro",
    phone: "Tel.",
    page: "Página",
    of: "de",
    per: "por",
};

const ITALIAN: Words = Words {
    invoice: "Fattura",
    credit_note: "Nota di credito",
    corrects: "Rettifica la fattura",
    number: "Numero",
    issued: "Data fattura",
    due: "Scadenza",
    tax_point: "Data di esigibilità",
    period: "Periodo di servizio",
    delivered: "Data della prestazione",
    buyer_vat: "La vostra partita IVA",
    buyer_reference: "Vostro riferimento",
    order: "Vostro ordine",
    contract: "Contratto",
    project: "Progetto",
    position: "N.",
    description: "Descrizione",
    quantity: "Quantità",
    price: "Prezzo unitario",
    vat: "IVA",
    amount: "Importo",
    carried: "A riportare",
    brought: "Riporto",
    lines: "Totale righe",
    net: "Totale imponibile",
    vat_on: "IVA {rate} su {base}",
    gross: "Totale IVA inclusa",
    prepaid: "Già pagato",
    rounding: "Arrotondamento",
    payable: "Totale da pagare",
    credited: "Importo accreditato",
    vat_in: "IVA in {currency}",
    payment: "Pagamento",
    transfer: "Bonifico a {holder}",
    debit: "L’importo sarà addebitato tramite addebito diretto SEPA.",
    card: "Pagato con carta che termina con {digits}",
    reference: "Causale",
    mandate: "Mandato",
    creditor: "Identificativo del creditore",
    account: "Conto",
    bank: "BIC",
    vat_id: "Partita IVA",
    tax_number: "Codice fiscale",
    register: "N. registro imprese",
    phone: "Tel.",
    page: "Pagina",
    of: "di",
    per: "per",
};

/// A unit's short name; the code itself where it has none here, nothing where it goes without saying.
pub fn unit(code: &str, quantity: Decimal, language: Language) -> &str {
    let names = match code {
        "C62" | "H87" | "E48" => return "",
        "HUR" => ["Std.", "h", "h", "h", "h"],
        "MIN" => ["Min.", "min", "min", "min", "min"],
        "SEC" => ["Sek.", "s", "s", "s", "s"],
        "DAY" if quantity == Decimal::ONE => ["Tag", "day", "jour", "día", "giorno"],
        "DAY" => ["Tage", "days", "jours", "días", "giorni"],
        "WEE" if quantity == Decimal::ONE => ["Woche", "week", "semaine", "semana", "settimana"],
        "WEE" => ["Wochen", "weeks", "semaines", "semanas", "settimane"],
        "MON" if quantity == Decimal::ONE => ["Monat", "month", "mois", "mes", "mese"],
        "MON" => ["Monate", "months", "mois", "meses", "mesi"],
        "ANN" if quantity == Decimal::ONE => ["Jahr", "year", "an", "año", "anno"],
        "ANN" => ["Jahre", "years", "ans", "años", "anni"],
        "LS" => ["pauschal", "lump sum", "forfait", "global", "a corpo"],
        "4L" => ["MB"; 5],
        "E34" => ["GB"; 5],
        "KGM" => ["kg"; 5],
        _ => return code,
    };
    names.get(language as usize).copied().unwrap_or(code)
}

/// A number with its groups; with a fixed count of decimal places, or as many as it has.
pub fn number(value: Decimal, places: Option<u32>, language: Language) -> String {
    let (group, point) = match language {
        Language::English => (",", "."),
        Language::French => ("\u{a0}", ","),
        Language::German | Language::Spanish | Language::Italian => (".", ","),
    };
    let text = match places {
        Some(places) => crate::xml::amount(value, places),
        None => crate::xml::plain(value),
    };
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // Spanish leaves four digits together.
    let grouped = whole.len() > if language == Language::Spanish { 4 } else { 3 };
    let mut out = String::from(sign);
    for (index, digit) in whole.char_indices() {
        if grouped && 0 < index && (whole.len() - index).is_multiple_of(3) {
            out.push_str(group);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push_str(point);
        out.push_str(fraction);
    }
    out
}

/// An amount with its currency.
pub fn money(value: Decimal, places: u32, currency: &str, language: Language) -> String {
    let number = number(value, Some(places), language);
    let symbol = match currency {
        "EUR" => "€",
        "GBP" => "£",
        other => other,
    };
    match language {
        Language::English => {
            let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
            let space = if symbol.len() == 3 && symbol.is_ascii() { "\u{a0}" } else { "" };
            format!("{sign}{symbol}{space}{digits}")
        }
        _ => format!("{number}\u{a0}{symbol}"),
    }
}

pub fn percent(value: Decimal, language: Language) -> String {
    let number = number(value, None, language);
    match language {
        Language::English | Language::Italian => format!("{number}%"),
        Language::German | Language::French | Language::Spanish => format!("{number}\u{a0}%"),
    }
}

pub fn day(date: Date, language: Language) -> String {
    let (day, month, year) = (date.day(), date.month(), date.year());
    match language {
        Language::German => format!("{day:02}.{month:02}.{year}"),
        Language::English => {
            const MONTHS: [&str; 12] =
                ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = usize::try_from(month - 1).ok().and_then(|m| MONTHS.get(m)).unwrap_or(&"");
            format!("{day}\u{a0}{month}\u{a0}{year}")
        }
        Language::French | Language::Spanish | Language::Italian => format!("{day:02}/{month:02}/{year}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language::{English, French, German, Italian, Spanish};

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_follow_the_language() {
        for (language, expected) in [
            (German, "-1.234.567,80\u{a0}€"),
            (English, "-€1,234,567.80"),
            (French, "-1\u{a0}234\u{a0}567,80\u{a0}€"),
            (Spanish, "-1.234.567,80\u{a0}€"),
            (Italian, "-1.234.567,80\u{a0}€"),
        ] {
            assert_eq!(money(d("-1234567.8"), 2, "EUR", language), expected);
        }
        assert_eq!(money(d("1234"), 0, "JPY", English), "JPY\u{a0}1,234");
        assert_eq!(
            (number(d("1234.50"), None, Spanish), number(d("999"), Some(2), German)),
            ("1234,5".into(), "999,00".into())
        );
        assert_eq!((percent(d("5.50"), German), percent(d("19"), English)), ("5,5\u{a0}%".into(), "19%".into()));
    }

    #[test]
    fn dates_follow_the_language() {
        let date = jiff::civil::date(2026, 2, 3);
        assert_eq!(day(date, German), "03.02.2026");
        assert_eq!(day(date, English), "3\u{a0}Feb\u{a0}2026");
        assert_eq!(day(date, French), "03/02/2026");
    }
}
