//! Documents that leave by mail: where a mail stands, and what it says in the languages of the documents.

use courier::{Door, Security};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::dunning::OpenCharge;
use super::money::Currency;

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Sending,
    Sent,
    Failed,
}

impl State {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Sending => "sending",
            State::Sent => "sent",
            State::Failed => "failed",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Queued, Self::Sending, Self::Sent, Self::Failed].into_iter().find(|state| state.name() == name)
    }
}

/// The mail server of an issuer. Who signs in stays out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Empty to send without signing in.
    pub user: String,
    pub from_address: String,
    pub from_name: String,
    pub has_password: bool,
    pub version: i64,
}

impl Sender {
    /// Where it is.
    pub fn door(&self) -> Door<'_> {
        Door { host: &self.host, port: self.port, security: self.security, user: &self.user }
    }

    /// Whether its stored password may be used with a server that is saved anew.
    pub fn keeps_password(&self, after: &Sender) -> bool {
        self.has_password && self.door().lends_password(&after.door())
    }
}

/// What a mail tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter<'a> {
    pub issuer: &'a str,
    pub number: &'a str,
    pub credit_note: bool,
    pub currency: Currency,
    pub total: Decimal,
    pub due_date: Date,
    /// Of a dunning notice.
    pub notice: Option<Claim>,
}

/// What a dunning notice claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub days_overdue: i32,
    pub due: Decimal,
    pub charges: OpenCharge,
}

/// A mail's subject and text. A language that is not known is written as English.
pub fn written(letter: &Letter<'_>, language: &str) -> (String, String) {
    let (number, issuer, due_date) = (letter.number, letter.issuer, letter.due_date);
    let shown = |amount: Decimal| {
        let mut amount = amount;
        amount.rescale(letter.currency.minor_digits());
        format!("{amount} {}", letter.currency)
    };
    let total = shown(letter.total);
    if let Some(claim) = &letter.notice {
        let days = claim.days_overdue;
        let sums = [claim.due, claim.charges.fee, claim.charges.interest];
        let [due, fee, interest] = sums.map(shown);
        let all = shown(sums.iter().sum());
        let (subject, words) = match language {
            "de" => ("Zahlungserinnerung", ["Fällig am", "Tage überfällig", "Offen", "Gebühren", "Zinsen", "Zusammen"]),
            "fr" => ("Rappel de paiement", ["Échéance", "Jours de retard", "Restant dû", "Frais", "Intérêts", "Total"]),
            "es" => (
                "Recordatorio de pago",
                ["Vencimiento", "Días de retraso", "Pendiente", "Gastos", "Intereses", "Total"],
            ),
            "it" => (
                "Sollecito di pagamento",
                ["Scadenza", "Giorni di ritardo", "Da pagare", "Spese", "Interessi", "Totale"],
            ),
            _ => ("Payment reminder", ["Due on", "Days overdue", "Outstanding", "Fees", "Interest", "In all"]),
        };
        let [due_word, days_word, open_word, fee_word, interest_word, all_word] = words;
        let text = format!(
            "{number}\n\n{due_word}: {due_date}\n{days_word}: {days}\n{open_word}: {due}\n{fee_word}: {fee}\n\
             {interest_word}: {interest}\n{all_word}: {all}\n\n{issuer}\n"
        );
        return (format!("{subject} {number}"), text);
    }
    let (subject, text) = match (language, letter.credit_note) {
        ("de", false) => ("Rechnung", format!("anbei die Rechnung {number} über {total}, fällig am {due_date}.")),
        ("de", true) => ("Gutschrift", format!("anbei die Gutschrift {number} über {total}.")),
        ("fr", false) => {
            ("Facture", format!("ci-joint la facture {number} de {total}, payable au plus tard le {due_date}."))
        }
        ("fr", true) => ("Avoir", format!("ci-joint l'avoir {number} de {total}.")),
        ("es", false) => {
            ("Factura", format!("adjuntamos la factura {number} de {total}, con vencimiento el {due_date}."))
        }
        ("es", true) => ("Factura rectificativa", format!("adjuntamos la factura rectificativa {number} de {total}.")),
        ("it", false) => {
            ("Fattura", format!("in allegato la fattura {number} di {total}, con scadenza il {due_date}."))
        }
        ("it", true) => ("Nota di credito", format!("in allegato la nota di credito {number} di {total}.")),
        (_, false) => ("Invoice", format!("please find attached invoice {number} over {total}, due on {due_date}.")),
        (_, true) => ("Credit note", format!("please find attached credit note {number} over {total}.")),
    };
    let hello = match language {
        "de" => "Guten Tag,",
        "fr" => "Bonjour,",
        "es" => "Buenos días:",
        "it" => "Buongiorno,",
        _ => "Hello,",
    };
    (format!("{subject} {number}"), format!("{hello}\n\n{text}\n\n{issuer}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_names_its_document_in_every_language() {
        let letter = Letter {
            issuer: "Contact Center SA",
            number: "ACME-2026-00001",
            credit_note: false,
            currency: Currency::parse("EUR").unwrap(),
            total: Decimal::from(1_000),
            due_date: jiff::civil::date(2026, 1, 31),
            notice: None,
        };
        let charges = OpenCharge { fee: Decimal::from(40), interest: Decimal::new(274, 2) };
        let claim = Claim { days_overdue: 10, due: Decimal::from(1_000), charges };
        let mut subjects = std::collections::BTreeSet::new();
        for language in ["de", "en", "fr", "es", "it"] {
            for (credit_note, notice) in [(false, None), (true, None), (false, Some(claim))] {
                let (subject, text) = written(&Letter { credit_note, notice, ..letter.clone() }, language);
                assert!(subject.contains(letter.number) && text.contains("1000.00 EUR"), "{language}: {text}");
                assert_eq!(text.contains("1042.74 EUR"), notice.is_some(), "{text}");
                assert!(subjects.insert(subject));
            }
        }
        assert_eq!(written(&letter, "tlh"), written(&letter, "en"));
    }
}
