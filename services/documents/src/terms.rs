//! The business terms of EN 16931 (BT and BG numbers as in the standard), as plain data.
//!
//! Amounts are exact decimals in the invoice's currency. The amounts of a credit note are above zero where money goes
//! back to the buyer. An empty text means that there is none.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Which rules a document follows (BT-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The European core; as CII inside a PDF it is the Factur-X / ZUGFeRD profile EN 16931.
    En16931,
    /// XRechnung 3.0, which German public buyers ask for.
    XRechnung,
}

impl Profile {
    /// BT-24.
    pub fn specification(self) -> &'static str {
        match self {
            Profile::En16931 => "urn:cen.eu:en16931:2017",
            Profile::XRechnung => "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
        }
    }
}

/// The business process of a plain invoice (BT-23), which XRechnung asks for.
pub const BILLING_PROCESS: &str = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0";

/// What kind of document it is (BT-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// UNCL 1001: 380.
    Invoice,
    /// UNCL 1001: 381.
    CreditNote,
}

impl Kind {
    /// The code of UNCL 1001.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Invoice => "380",
            Kind::CreditNote => "381",
        }
    }
}

/// An invoice or a credit note before it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub profile: Profile,
    /// BT-23.
    pub process: String,
    pub kind: Kind,
    /// BT-1.
    pub number: String,
    /// BT-2.
    pub issued: Date,
    /// BT-9.
    pub due: Option<Date>,
    /// BT-7, where it is another date than that of issue.
    pub tax_point: Option<Date>,
    /// BT-5, ISO 4217.
    pub currency: String,
    /// BT-6 and BT-111: the VAT once more in the currency that the seller accounts for VAT in.
    pub tax_in: Option<TaxIn>,
    /// BT-10; for German public buyers the Leitweg-ID.
    pub buyer_reference: String,
    /// BT-11.
    pub project: String,
    /// BT-12.
    pub contract: String,
    /// BT-13.
    pub order: String,
    /// BT-19.
    pub buyer_accounting: String,
    /// BT-22.
    pub notes: Vec<String>,
    /// BG-3: the invoices that a credit note corrects.
    pub preceding: Vec<Preceding>,
    /// BG-4.
    pub seller: Party,
    /// BG-7.
    pub buyer: Party,
    /// BT-72 and BG-15: when and where it was delivered.
    pub delivery: Option<Delivery>,
    /// BG-14, both days included.
    pub period: Option<Period>,
    /// BT-20.
    pub payment_terms: String,
    /// BG-16.
    pub payment: Option<Payment>,
    /// BG-20 and BG-21.
    pub adjustments: Vec<Taxed>,
    /// BG-25.
    pub lines: Vec<Line>,
    /// BG-23.
    pub taxes: Vec<Tax>,
    /// BG-22.
    pub totals: Totals,
}

/// VAT in the currency of accounting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxIn {
    /// BT-6, ISO 4217.
    pub currency: String,
    /// BT-111.
    pub amount: Decimal,
}

/// An invoice that is referred to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preceding {
    /// BT-25.
    pub number: String,
    /// BT-26.
    pub issued: Option<Date>,
}

/// The seller (BG-4) or the buyer (BG-7). The numbers are those of the seller and of the buyer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    /// BT-27, BT-44: the legal name.
    pub name: String,
    /// BT-28, BT-45: how it trades, if by another name.
    pub trading_name: String,
    /// BT-31, BT-48: with the country's prefix.
    pub vat_id: String,
    /// BT-32: the local tax number; of the seller only.
    pub tax_number: String,
    /// BT-30, BT-47: the number in the register of companies.
    pub registration: Option<Id>,
    /// BT-29, BT-46: a number that the other side knows it by.
    pub id: Option<Id>,
    /// BT-33: legal form, court, capital, directors; of the seller only.
    pub legal_form: String,
    /// BT-34, BT-49: where e-invoices go.
    pub endpoint: Option<Endpoint>,
    /// BG-5, BG-8.
    pub address: Address,
    /// BG-6, BG-9.
    pub contact: Option<Contact>,
}

/// An identifier and what gave it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    pub value: String,
    /// ISO 6523 code such as `0002` (SIRENE); empty = none.
    pub scheme: String,
}

/// An electronic address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub value: String,
    /// From the list of electronic address schemes: `EM` for e-mail, `9930` for a German VAT id ...
    pub scheme: String,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    /// BT-35, BT-36, BT-162 and their likes: at most three.
    pub lines: Vec<String>,
    /// BT-38, BT-53.
    pub postal_code: String,
    /// BT-37, BT-52.
    pub city: String,
    /// BT-39, BT-54.
    pub region: String,
    /// BT-40, BT-55: ISO 3166-1 alpha-2.
    pub country: String,
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// BT-41, BT-56.
    pub name: String,
    /// BT-42, BT-57.
    pub phone: String,
    /// BT-43, BT-58.
    pub email: String,
}

/// When and where it was delivered (BG-13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// BT-72.
    pub on: Option<Date>,
    /// BG-15.
    pub to: Option<Address>,
}

/// Days, the first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub from: Date,
    pub until: Date,
}

/// How it is paid (BG-16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub means: Means,
    /// BT-83: what the payer gives as the reference.
    pub reference: String,
}

/// The means of payment (BT-81).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// 58: SEPA credit transfer to an IBAN.
    SepaTransfer(Account),
    /// 30: any other credit transfer.
    Transfer(Account),
    /// 59: SEPA direct debit.
    SepaDebit {
        /// BT-89.
        mandate: String,
        /// BT-90.
        creditor: String,
        /// BT-91, IBAN.
        debited: String,
    },
    /// 48: a card that was charged.
    Card {
        /// BT-87: the last four to six digits.
        digits: String,
        /// BT-88.
        holder: String,
    },
    /// Any other code of UNCL 4461, for example `97` for clearing between partners.
    Other(String),
}

impl Means {
    /// The code of UNCL 4461.
    pub fn code(&self) -> &str {
        match self {
            Means::SepaTransfer(_) => "58",
            Means::Transfer(_) => "30",
            Means::SepaDebit { .. } => "59",
            Means::Card { .. } => "48",
            Means::Other(code) => code,
        }
    }
}

/// An account that is paid to (BG-17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// BT-84: IBAN without spaces, or a national number.
    pub number: String,
    /// BT-85.
    pub holder: String,
    /// BT-86: BIC; may be empty.
    pub bank: String,
}

/// How an amount is taxed (BT-151 and BT-152, BT-95 and BT-96, BT-118 and BT-119).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vat {
    pub category: Category,
    /// Percent; zero in every category but S, and zero where O has none.
    pub rate: Decimal,
}

/// UNCL 5305.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Category {
    /// Standard rate, and any reduced one.
    S,
    /// Zero rated.
    Z,
    /// Exempt, for example a small business.
    E,
    /// Reverse charge.
    AE,
    /// Supply of goods inside the EU.
    K,
    /// Export out of the EU.
    G,
    /// Outside the scope of VAT.
    O,
}

impl Category {
    pub const ALL: [Category; 7] = [Self::S, Self::Z, Self::E, Self::AE, Self::K, Self::G, Self::O];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Category::S => "S",
            Category::Z => "Z",
            Category::E => "E",
            Category::AE => "AE",
            Category::K => "K",
            Category::G => "G",
            Category::O => "O",
        }
    }

    /// Reads a code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }

    /// Whether an amount of it has to be explained (BT-120, BT-121).
    pub fn is_exempt(self) -> bool {
        !matches!(self, Category::S | Category::Z)
    }
}

/// An allowance or a charge on the document and how it is taxed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taxed {
    pub adjustment: Adjustment,
    /// BT-95 and BT-96, BT-102 and BT-103.
    pub vat: Vat,
}

/// An allowance or a charge, on the document (BG-20, BG-21) or on a line (BG-27, BG-28), where the line's VAT holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// Added to the amount and not taken from it.
    pub charge: bool,
    /// BT-92, BT-99, BT-136, BT-141; not below zero.
    pub amount: Decimal,
    /// BT-93 and BT-94 and their likes: the base and the percentage that gave the amount.
    pub share: Option<Share>,
    /// BT-97, BT-104, BT-139, BT-144.
    pub reason: String,
    /// BT-98 (UNCL 5189), BT-105 (UNCL 7161); empty = none.
    pub reason_code: String,
}

/// Where an adjustment comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub base: Decimal,
    pub percent: Decimal,
}

/// One line (BG-25).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// BT-126.
    pub id: String,
    /// BT-127.
    pub note: String,
    /// BT-129.
    pub quantity: Decimal,
    /// BT-130: UN/ECE recommendation 20, `C62` for one of anything.
    pub unit: String,
    /// BG-29.
    pub price: Price,
    /// BG-27 and BG-28.
    pub adjustments: Vec<Adjustment>,
    /// BT-131.
    pub net: Decimal,
    /// BG-30.
    pub vat: Vat,
    /// BG-26.
    pub period: Option<Period>,
    /// BT-153.
    pub name: String,
    /// BT-154.
    pub description: String,
    /// BT-155: the seller's code of what is sold.
    pub code: String,
    /// BT-133.
    pub buyer_accounting: String,
    /// BG-32 (BT-160, BT-161): how the amount came about, and what else there is to know.
    pub attributes: Vec<(String, String)>,
}

/// The price of a line (BG-29).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// BT-146; not below zero. A line below zero has a quantity below zero.
    pub amount: Decimal,
    /// BT-149: how many units the price is for.
    pub per: Decimal,
}

impl Price {
    /// For one unit.
    pub fn each(amount: Decimal) -> Self {
        Self { amount, per: Decimal::ONE }
    }

    /// Quantity and price of a line whose amount no unit price gives: tiers, minimums, caps. The amount is the
    /// price of the whole quantity; where that is zero, of one.
    pub fn of_all(quantity: Decimal, net: Decimal) -> (Decimal, Self) {
        let units = if quantity.is_zero() { Decimal::ONE } else { quantity.abs() };
        let signed = if net.is_sign_negative() { -units } else { units };
        (signed, Self { amount: net.abs(), per: units })
    }
}

/// VAT of one category and rate (BG-23).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tax {
    /// BT-118, BT-119.
    pub vat: Vat,
    /// BT-116.
    pub base: Decimal,
    /// BT-117.
    pub amount: Decimal,
    /// BT-120.
    pub reason: String,
    /// BT-121, such as `VATEX-EU-AE`.
    pub reason_code: String,
}

/// The totals (BG-22).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// BT-106.
    pub lines: Decimal,
    /// BT-107.
    pub allowances: Decimal,
    /// BT-108.
    pub charges: Decimal,
    /// BT-109.
    pub net: Decimal,
    /// BT-110.
    pub tax: Decimal,
    /// BT-112.
    pub gross: Decimal,
    /// BT-113.
    pub prepaid: Decimal,
    /// BT-114.
    pub rounding: Decimal,
    /// BT-115.
    pub due: Decimal,
}
