//! Invoices for the tests and for the validators.

#![allow(dead_code)]

use documents::*;
use jiff::civil::{Date, date};
use rust_decimal::{Decimal, RoundingStrategy};

pub fn d(text: &str) -> Decimal {
    text.parse().expect(text)
}

pub fn vat(category: Category, rate: &str) -> Vat {
    Vat { category, rate: d(rate) }
}

pub fn seller() -> Party {
    Party {
        name: "Nordlicht Contact GmbH".into(),
        trading_name: "Nordlicht".into(),
        vat_id: "DE123456788".into(),
        registration: Some(Id { value: "HRB 12345".into(), scheme: String::new() }),
        legal_form: "Amtsgericht Leipzig, HRB 12345; Geschäftsführung: Ada Schulz".into(),
        endpoint: Some(Endpoint { value: "rechnung@nordlicht.example".into(), scheme: "EM".into() }),
        address: Address {
            lines: vec!["Große Straße 7".into(), "Hof B".into()],
            postal_code: "04109".into(),
            city: "Leipzig".into(),
            region: String::new(),
            country: "DE".into(),
        },
        contact: Some(Contact {
            name: "Ada Schulz".into(),
            phone: "+49 341 123456".into(),
            email: "rechnung@nordlicht.example".into(),
        }),
        ..Party::default()
    }
}

pub fn buyer() -> Party {
    Party {
        name: "Maison Églantine & Fils SARL".into(),
        vat_id: "FR32123456789".into(),
        registration: Some(Id { value: "123456789".into(), scheme: "0002".into() }),
        endpoint: Some(Endpoint { value: "FR32123456789".into(), scheme: "9957".into() }),
        address: Address {
            lines: vec!["12 rue de l’Été".into()],
            postal_code: "69002".into(),
            city: "Lyon".into(),
            region: String::new(),
            country: "FR".into(),
        },
        contact: Some(Contact {
            name: "Zoé Petit".into(),
            phone: String::new(),
            email: "compta@eglantine.example".into(),
        }),
        ..Party::default()
    }
}

/// A line whose amount is quantity times price.
pub fn line(id: usize, name: &str, quantity: &str, price: &str, taxed: Vat) -> Line {
    let (quantity, price) = (d(quantity), d(price));
    Line {
        id: id.to_string(),
        note: String::new(),
        quantity,
        unit: "C62".into(),
        price: Price::each(price),
        adjustments: vec![],
        net: rounded(quantity * price),
        vat: taxed,
        period: Some(Period { from: date(2026, 10, 1), until: date(2026, 10, 31) }),
        name: name.into(),
        description: String::new(),
        code: String::new(),
        buyer_accounting: String::new(),
        attributes: vec![],
    }
}

pub fn rounded(amount: Decimal) -> Decimal {
    let mut amount = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    amount.rescale(2);
    amount
}

pub fn terms(profile: Profile, kind: Kind, lines: Vec<Line>) -> Terms {
    let account = Account {
        number: "DE89370400440532013000".into(),
        holder: "Nordlicht Contact GmbH".into(),
        bank: "COBADEFFXXX".into(),
    };
    let mut terms = Terms {
        profile,
        process: BILLING_PROCESS.into(),
        kind,
        number: "NORD-2026-00042".into(),
        issued: date(2026, 11, 2),
        due: Some(date(2026, 12, 2)),
        tax_point: None,
        currency: "EUR".into(),
        tax_in: None,
        buyer_reference: "04011000-12345-03".into(),
        project: String::new(),
        contract: "V-2026-7".into(),
        order: "PO 4711".into(),
        buyer_accounting: "6251".into(),
        notes: vec![],
        preceding: vec![],
        seller: seller(),
        buyer: buyer(),
        delivery: None,
        period: Some(Period { from: date(2026, 10, 1), until: date(2026, 10, 31) }),
        payment_terms: "Zahlbar innerhalb von 30 Tagen ohne Abzug.".into(),
        payment: Some(Payment { means: Means::SepaTransfer(account), reference: "NORD-2026-00042".into() }),
        adjustments: vec![],
        lines,
        taxes: vec![],
        totals: Totals::default(),
    };
    if kind == Kind::CreditNote {
        terms.number = "NORD-C2026-00003".into();
        terms.preceding = vec![Preceding { number: "NORD-2026-00042".into(), issued: Some(date(2026, 11, 2)) }];
        for line in &mut terms.lines {
            line.period = None;
        }
    }
    complete(terms)
}

/// Adds up taxes and totals.
pub fn complete(mut terms: Terms) -> Terms {
    let mut taxes: Vec<Tax> = vec![];
    let amounts: Vec<_> = terms.lines.iter().map(|l| (l.vat.clone(), l.net)).collect();
    let adjusted = terms
        .adjustments
        .iter()
        .map(|t| (t.vat.clone(), if t.adjustment.charge { t.adjustment.amount } else { -t.adjustment.amount }));
    for (vat, amount) in amounts.into_iter().chain(adjusted) {
        match taxes.iter_mut().find(|t| t.vat == vat) {
            Some(tax) => tax.base += amount,
            None => {
                let (reason, reason_code) = match vat.category {
                    Category::S | Category::Z => ("", ""),
                    Category::E => ("Kein Ausweis von Umsatzsteuer, § 19 UStG", ""),
                    Category::AE => ("Reverse charge", "VATEX-EU-AE"),
                    Category::K => ("Intra-Community supply", "VATEX-EU-IC"),
                    Category::G => ("Export outside the EU", "VATEX-EU-G"),
                    Category::O => ("Not subject to VAT", "VATEX-EU-O"),
                };
                let (reason, reason_code) = (reason.into(), reason_code.into());
                taxes.push(Tax { vat, base: amount, amount: Decimal::ZERO, reason, reason_code });
            }
        }
    }
    for tax in &mut taxes {
        tax.amount = rounded(tax.base * tax.vat.rate / Decimal::ONE_HUNDRED);
    }
    let of = |charge: bool| {
        terms
            .adjustments
            .iter()
            .map(|t| &t.adjustment)
            .filter(|a| a.charge == charge)
            .map(|a| a.amount)
            .sum::<Decimal>()
    };
    let mut totals = Totals {
        lines: terms.lines.iter().map(|l| l.net).sum(),
        allowances: of(false),
        charges: of(true),
        prepaid: terms.totals.prepaid,
        rounding: terms.totals.rounding,
        ..Totals::default()
    };
    totals.net = totals.lines - totals.allowances + totals.charges;
    totals.tax = taxes.iter().map(|t| t.amount).sum();
    totals.gross = totals.net + totals.tax;
    totals.due = totals.gross - totals.prepaid + totals.rounding;
    terms.totals = totals;
    terms.taxes = taxes;
    if terms.taxes.iter().any(|t| t.vat.category == Category::O) {
        terms.seller.vat_id.clear();
        terms.seller.tax_number = "231/123/12345".into();
        terms.buyer.vat_id.clear();
    }
    terms
}

/// A month as a contact center bills it: a fee, tiers, late usage, a credit for a missed service level.
pub fn month(taxed: &Vat) -> Vec<Line> {
    let mut contacts = line(2, "Kontakte E-Mail", "1", "0", taxed.clone());
    contacts.net = d("1893.47");
    (contacts.quantity, contacts.price) = Price::of_all(d("1234"), contacts.net);
    contacts.code = "contacts-email".into();
    contacts.description = "Bearbeitete Kontakte nach Vertrag, gestaffelt".into();
    contacts.attributes = vec![
        ("Staffel 1".into(), "1.000 × 1,60 = 1.600,00".into()),
        ("Staffel 2".into(), "234 × 1,2542 = 293,47".into()),
    ];
    let mut hours = line(3, "Agentenstunden, Nacht", "37.25", "48.9", taxed.clone());
    hours.unit = "HUR".into();
    hours.adjustments = vec![Adjustment {
        charge: true,
        amount: d("182.15"),
        share: Some(Share { base: d("1821.53"), percent: d("10") }),
        reason: "Zuschlag Sonntag".into(),
        reason_code: String::new(),
    }];
    hours.net += d("182.15");
    let mut credit = line(4, "Gutschrift Service-Level September", "-1", "150", taxed.clone());
    credit.note = "Erste Antwort in 4 h: 91,2 % statt 95 %".into();
    let mut flat = line(1, "Grundgebühr", "1", "499", taxed.clone());
    flat.unit = "MON".into();
    vec![flat, contacts, hours, credit]
}

/// Every kind, profile and category, and what else a document can say.
pub fn samples() -> Vec<(String, Terms)> {
    let mut samples = vec![];
    for (profile, prefix) in [(Profile::En16931, "en"), (Profile::XRechnung, "xr")] {
        for (kind, name) in [(Kind::Invoice, "invoice"), (Kind::CreditNote, "credit")] {
            for category in Category::ALL {
                let taxed = vat(category, if category == Category::S { "19" } else { "0" });
                let mut one = terms(profile, kind, month(&taxed));
                if category == Category::K {
                    let to = one.buyer.address.clone();
                    one.delivery = Some(Delivery { on: Some(date(2026, 10, 31)), to: Some(to) });
                }
                samples.push((format!("{prefix}-{name}-{}", category.code().to_lowercase()), one));
            }
        }
        samples.push((format!("{prefix}-mixed"), mixed(profile)));
        samples.push((format!("{prefix}-debit"), debit(profile)));
        samples.push((format!("{prefix}-card"), card(profile)));
        samples.push((format!("{prefix}-negative"), negative(profile)));
        samples.push((format!("{prefix}-last-credit"), last_credit(profile)));
    }
    samples.push(("en-bare".into(), bare()));
    samples.push(("en-odd-text".into(), odd_text()));
    samples
}

/// Several rates, adjustments of the document, prepayment, rounding, another currency, texts to be escaped.
pub fn mixed(profile: Profile) -> Terms {
    let (full, reduced, zero) = (vat(Category::S, "19"), vat(Category::S, "7"), vat(Category::Z, "0"));
    let mut lines = month(&full);
    lines.push(line(5, "Handbuch <gedruckt> & \"gebunden\"", "3", "19.99", reduced));
    lines.push(line(6, "Ausweise", "12.5", "0.333333", zero.clone()));
    let mut terms = terms(profile, Kind::Invoice, lines);
    terms.currency = "USD".into();
    terms.tax_in = Some(TaxIn { currency: "EUR".into(), amount: d("731.11") });
    let account = Account { number: "021000021-123456".into(), holder: "Nordlicht".into(), bank: "CHASUS33XXX".into() };
    terms.payment = Some(Payment { means: Means::Transfer(account), reference: "RF18539007547034".into() });
    terms.notes = vec!["Erste Zeile\nZweite Zeile".into(), "Danke für Ihren Auftrag! 😀 ]]> &amp;".into()];
    terms.project = "P-77".into();
    terms.tax_point = Some(date(2026, 10, 31));
    terms.adjustments = vec![
        Taxed {
            adjustment: Adjustment {
                charge: false,
                amount: d("100.00"),
                share: None,
                reason: "Treuerabatt".into(),
                reason_code: "95".into(),
            },
            vat: full.clone(),
        },
        Taxed {
            adjustment: Adjustment {
                charge: true,
                amount: d("7.50"),
                share: Some(Share { base: d("50.00"), percent: d("15") }),
                reason: "Versand".into(),
                reason_code: "FC".into(),
            },
            vat: zero,
        },
    ];
    terms.totals.prepaid = d("1000");
    terms.totals.rounding = d("-0.01");
    terms.delivery = Some(Delivery { on: Some(date(2026, 10, 31)), to: None });
    complete(terms)
}

pub fn debit(profile: Profile) -> Terms {
    let mut terms = terms(profile, Kind::Invoice, month(&vat(Category::S, "19")));
    let (mandate, creditor) = ("MANDAT-7".into(), "DE98ZZZ09999999999".into());
    let means = Means::SepaDebit { mandate, creditor, debited: "FR1420041010050500013M02606".into() };
    terms.payment = Some(Payment { means, reference: "NORD-2026-00042".into() });
    terms
}

pub fn card(profile: Profile) -> Terms {
    let mut terms = terms(profile, Kind::Invoice, month(&vat(Category::S, "19")));
    let means = Means::Card { digits: "1111".into(), holder: "Zoé Petit".into() };
    terms.payment = Some(Payment { means, reference: String::new() });
    terms.totals.prepaid = terms.totals.gross;
    complete(terms)
}

/// More goes back than is charged: -7612.50 at 19 % is -1446.38.
pub fn negative(profile: Profile) -> Terms {
    terms(profile, Kind::Invoice, vec![line(1, "Korrektur", "-1", "7612.50", vat(Category::S, "19"))])
}

/// The last credit note of an invoice gives back a cent more than its own tax.
pub fn last_credit(profile: Profile) -> Terms {
    let mut terms = terms(profile, Kind::CreditNote, vec![line(1, "Rest", "1", "0.33", vat(Category::S, "25"))]);
    terms.taxes[0].amount += d("0.01");
    terms.totals.tax += d("0.01");
    terms.totals.gross += d("0.01");
    terms.totals.due += d("0.01");
    terms
}

/// As little as the standard lets through.
pub fn bare() -> Terms {
    let mut terms = terms(Profile::En16931, Kind::Invoice, vec![line(1, "x", "1", "1", vat(Category::S, "19"))]);
    let seller = Party { name: "A".into(), vat_id: "DE123456788".into(), ..Party::default() };
    terms.seller = Party { address: Address { country: "DE".into(), ..Address::default() }, ..seller };
    terms.buyer = Party { name: "B".into(), address: terms.seller.address.clone(), ..Party::default() };
    terms.process.clear();
    terms.buyer_reference.clear();
    terms.contract.clear();
    terms.order.clear();
    terms.buyer_accounting.clear();
    terms.payment_terms.clear();
    terms.payment = None;
    terms.period = None;
    terms.lines[0].period = None;
    terms
}

/// Right to left, Greek, Cyrillic, Chinese, combining marks, a word without an end.
pub fn odd_text() -> Terms {
    let taxed = vat(Category::S, "19");
    let names = [
        "שירות לקוחות 24/7 בעברית (phone)",
        "خدمة العملاء عبر البريد الإلكتروني",
        "Υποστήριξη πελατών",
        "Поддержка клиентов № 7",
        "客户服务 カスタマー 고객",
        "e\u{301}te\u{301} à l’œuf — “quoted”",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrikantengehilfenausbildungsverordnungsentwurf",
    ];
    let mut lines: Vec<_> = names.iter().enumerate().map(|(i, n)| line(i + 1, n, "2", "10.5", taxed.clone())).collect();
    lines[1].description = "mixed: abc אבג 123 دهو xyz".into();
    lines[2].description = "Wort ".repeat(120).trim().into();
    let mut terms = terms(Profile::En16931, Kind::Invoice, lines);
    terms.buyer.name = "株式会社 بيت משפחה Ελλάς Ltd.".into();
    terms
}

pub fn long(lines: usize) -> Terms {
    let taxed = vat(Category::S, "19");
    let lines = (1..=lines)
        .map(|i| {
            let mut one =
                line(i, &format!("Kontakte Kanal {}", i % 97), &format!("{}.5", i % 1000), "1.25", taxed.clone());
            one.description = format!("Vertrag {} nach Staffel, Position {i}", i % 13);
            one
        })
        .collect();
    terms(Profile::En16931, Kind::Invoice, lines)
}

pub fn today() -> Date {
    date(2026, 11, 2)
}

pub const SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 60">
  <defs><linearGradient id="g"><stop offset="0" stop-color="#0b5"/><stop offset="1" stop-color="#06a"/></linearGradient></defs>
  <circle cx="30" cy="30" r="26" fill="url(#g)"/><path d="M18 42 V18 L42 42 V18" fill="none" stroke="#fff" stroke-width="6"/>
  <rect x="70" y="22" width="140" height="16" rx="4" fill="#234"/></svg>"##;

/// A name in some languages, shapes or a half-transparent picture in others.
pub fn brand(language: Language) -> Brand {
    let logo = match language {
        Language::German | Language::French => Some(Logo::Svg(SVG.into())),
        Language::Spanish => Some(Logo::Png(include_bytes!("logo.png").into())),
        Language::English | Language::Italian => None,
    };
    let color = if language == Language::Spanish { [240, 200, 40] } else { [0, 102, 140] };
    Brand { name: "Nordlicht".into(), color, logo, fonts: vec![] }
}

/// An invoice, its payment, and one in a currency without cents, with names that would break a line.
pub fn ledger() -> Vec<Entry> {
    let posting = |account: &str, amount: &str, currency: &str| Posting {
        account: account.into(),
        amount: d(amount),
        currency: currency.into(),
    };
    let receivable = "assets:receivable:Maison  Églantine";
    vec![
        Entry {
            date: today(),
            code: "NORD-2026-00042".into(),
            description: "Maison; Églantine\n".into(),
            postings: vec![
                posting(receivable, "119", "EUR"),
                posting("income:services", "-100.00", "EUR"),
                posting("liabilities:vat", "-19", "EUR"),
            ],
        },
        Entry {
            date: date(2026, 11, 10),
            code: "\"wire\" (7)".into(),
            description: String::new(),
            postings: vec![posting("assets:bank", "119.00", "EUR"), posting(receivable, "-119.00", "EUR")],
        },
        Entry {
            date: date(2026, 11, 11),
            code: String::new(),
            description: "\"東京\" \\ ; office".into(),
            postings: vec![
                posting("assets:receivable:東京", "110000", "JPY"),
                posting("income:services", "-110000", "JPY"),
            ],
        },
    ]
}
