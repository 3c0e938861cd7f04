//! Sentences that the law wants on an invoice.

use crate::language::Language;
use crate::terms::{Category, Tax};

/// What a small business says instead of VAT (BT-120), by the country of the seller. In the country's language it
/// names the law; in another it says the same in that language and names the law as well.
pub fn small_business(country: &str, language: Language) -> String {
    let plain = match language {
        Language::German => "Kein Ausweis von Umsatzsteuer (Kleinunternehmerregelung)",
        Language::English => "No VAT is charged (small business scheme)",
        Language::French => "TVA non applicable (franchise en base)",
        Language::Spanish => "IVA no aplicable (régimen de franquicia de pequeñas empresas)",
        Language::Italian => "IVA non applicata (regime di franchigia per le piccole imprese)",
    };
    let law = match country {
        "DE" => "§ 19 UStG",
        "AT" => "§ 6 Abs. 1 Z 27 UStG",
        "FR" => "art. 293 B du CGI",
        "IT" => "art. 1, c. 54-89, L. 190/2014",
        _ => "art. 284 2006/112/EC",
    };
    format!("{plain}, {law}")
}

/// The sentence for a reason that is known by its code or its category, in the language of the page; none if only
/// the invoice itself can say it.
pub(crate) fn exemption(tax: &Tax, language: Language) -> Option<&'static str> {
    use Language::{English, French, German, Italian, Spanish};
    if tax.reason_code == "VATEX-FR-FRANCHISE" {
        return Some(match language {
            German => "Kein Ausweis von Umsatzsteuer (Kleinunternehmerregelung), art. 293 B du CGI",
            English => "No VAT is charged (small business scheme), art. 293 B du CGI",
            French => "TVA non applicable, art. 293 B du CGI",
            Spanish => "IVA no aplicable (régimen de franquicia), art. 293 B du CGI",
            Italian => "IVA non applicata (regime di franchigia), art. 293 B du CGI",
        });
    }
    let sentences = match tax.vat.category {
        Category::AE => [
            "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge), Art. 196 MwStSystRL",
            "Reverse charge: VAT is to be accounted for by the recipient, Art. 196 VAT Directive",
            "Autoliquidation : TVA due par le preneur, art. 196 de la directive TVA",
            "Inversión del sujeto pasivo: IVA a cargo del destinatario, art. 196 de la Directiva del IVA",
            "Inversione contabile (reverse charge): IVA a carico del destinatario, art. 196 direttiva IVA",
        ],
        Category::K => [
            "Steuerfreie innergemeinschaftliche Lieferung, Art. 138 MwStSystRL",
            "VAT exempt intra-Community supply, Art. 138 VAT Directive",
            "Livraison intracommunautaire exonérée de TVA, art. 138 de la directive TVA",
            "Entrega intracomunitaria exenta de IVA, art. 138 de la Directiva del IVA",
            "Cessione intracomunitaria non imponibile IVA, art. 138 direttiva IVA",
        ],
        Category::G => [
            "Steuerfreie Ausfuhrlieferung, Art. 146 MwStSystRL",
            "VAT exempt export, Art. 146 VAT Directive",
            "Exportation exonérée de TVA, art. 146 de la directive TVA",
            "Exportación exenta de IVA, art. 146 de la Directiva del IVA",
            "Esportazione non imponibile IVA, art. 146 direttiva IVA",
        ],
        Category::O => [
            "Nicht im Inland steuerbare Leistung",
            "Outside the scope of VAT",
            "Hors du champ d’application de la TVA",
            "No sujeto a IVA",
            "Fuori campo IVA",
        ],
        Category::S | Category::Z | Category::E => return None,
    };
    sentences.get(language as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Vat;
    use rust_decimal::Decimal;

    #[test]
    fn reverse_charge_is_said_in_every_language() {
        let tax = Tax {
            vat: Vat { category: Category::AE, rate: Decimal::ZERO },
            base: Decimal::ONE,
            amount: Decimal::ZERO,
            reason: String::new(),
            reason_code: "VATEX-EU-AE".into(),
        };
        let said: std::collections::BTreeSet<_> = Language::ALL.iter().map(|l| exemption(&tax, *l)).collect();
        assert_eq!(said.len(), 5);
        assert!(exemption(&tax, Language::French).is_some_and(|s| s.starts_with("Autoliquidation")));
        assert!(exemption(&tax, Language::Italian).is_some_and(|s| s.starts_with("Inversione contabile")));
        assert!(small_business("DE", Language::German).contains("§ 19 UStG"));
    }
}
