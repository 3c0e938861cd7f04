//! Whatever breaks a rule is told by the rule's id; nothing panics.

mod support;

use documents::*;
use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::Decimal;
use support::{complete, d, line, mixed, month, terms, vat};

type Change = fn(&mut Terms);

fn rules_of(terms: Terms) -> Vec<&'static str> {
    Invoice::check(terms).err().unwrap_or_default().into_iter().map(|v| v.rule).collect()
}

/// The invoice with its amounts added up again after a change.
fn again(profile: Profile, kind: Kind, change: Change) -> Terms {
    let mut terms = terms(profile, kind, month(&vat(Category::S, "19")));
    change(&mut terms);
    terms
}

#[test]
fn every_rule_is_told_by_its_id() {
    let cases: &[(&str, Change)] = &[
        ("BR-02", |t| t.number.clear()),
        ("BR-06", |t| t.seller.name.clear()),
        ("BR-07", |t| t.buyer.name.clear()),
        ("BR-09", |t| t.seller.address.country.clear()),
        ("BR-11", |t| t.buyer.address.country.clear()),
        ("BR-16", |t| t.lines.clear()),
        ("BR-21", |t| t.lines[0].id.clear()),
        ("BR-23", |t| t.lines[0].unit.clear()),
        ("BR-25", |t| t.lines[0].name.clear()),
        ("BR-27", |t| t.lines[0].price.amount = d("-1")),
        ("BR-29", |t| t.period = Some(Period { from: date(2026, 2, 2), until: date(2026, 2, 1) })),
        ("BR-30", |t| t.lines[0].period = Some(Period { from: date(2026, 2, 2), until: date(2026, 2, 1) })),
        ("BR-50", |t| account(t).number.clear()),
        ("BR-54", |t| t.lines[1].attributes[0].1.clear()),
        ("BR-55", |t| t.preceding = vec![Preceding { number: String::new(), issued: None }]),
        ("BR-61", |t| t.payment.as_mut().unwrap().means = Means::Other("58".into())),
        ("BR-CL-04", |t| t.currency = "EURO".into()),
        ("BR-CL-10", |t| t.seller.id = Some(Id { value: "1".into(), scheme: "GLN".into() })),
        ("BR-CL-14", |t| t.buyer.address.country = "XX".into()),
        ("BR-CL-16", |t| t.payment.as_mut().unwrap().means = Means::Other("0".into())),
        ("BR-CL-22", |t| {
            t.taxes[0].reason_code = "NONE".into();
        }),
        ("BR-CL-23", |t| t.lines[0].unit = "pieces".into()),
        ("BR-CL-25", |t| t.buyer.endpoint.as_mut().unwrap().scheme = "mail".into()),
        ("BR-62", |t| t.seller.endpoint.as_mut().unwrap().scheme.clear()),
        ("BR-CO-09", |t| t.seller.vat_id = "123456789".into()),
        ("BR-CO-10", |t| t.totals.lines += d("0.01")),
        ("BR-CO-11", |t| t.totals.allowances += d("0.01")),
        ("BR-CO-12", |t| t.totals.charges += d("0.01")),
        ("BR-CO-13", |t| t.totals.net += d("0.01")),
        ("BR-CO-14", |t| t.totals.tax += d("0.01")),
        ("BR-CO-15", |t| t.totals.gross += d("0.01")),
        ("BR-CO-16", |t| t.totals.due += d("0.01")),
        ("BR-CO-17", |t| t.taxes[0].amount += d("0.01")),
        ("BR-CO-18", |t| t.taxes.clear()),
        ("BR-CO-24", |t| t.lines[2].adjustments[0].reason.clear()),
        ("BR-CO-25", |t| {
            t.due = None;
            t.payment_terms.clear();
        }),
        ("BR-CO-26", |t| {
            t.seller.vat_id.clear();
            t.seller.registration = None;
        }),
        ("BR-DEC-23", |t| t.lines[0].net = d("499.001")),
        ("BR-DEC-18", |t| t.totals.due += d("0.001")),
        ("BR-S-01", |t| t.taxes[0].vat = vat(Category::Z, "0")),
        ("BR-S-02", |t| t.seller.vat_id.clear()),
        ("BR-S-05", |t| t.lines[0].vat.rate = Decimal::ZERO),
        ("BR-S-08", |t| t.taxes[0].base += d("0.01")),
        ("BR-S-10", |t| t.taxes[0].reason = "because".into()),
        ("BR-DE-19", |t| account(t).number = "DE00370400440532013000".into()),
        ("PEPPOL-EN16931-R005", |t| t.tax_in = Some(TaxIn { currency: "EUR".into(), amount: d("1") })),
        ("PEPPOL-EN16931-R040", |t| t.lines[2].adjustments[0].share.as_mut().unwrap().percent = d("11")),
        ("PEPPOL-EN16931-R055", |t| t.tax_in = Some(TaxIn { currency: "USD".into(), amount: d("-1") })),
        ("PEPPOL-EN16931-R120", |t| t.lines[0].quantity = d("2")),
        ("PEPPOL-EN16931-R121", |t| t.lines[0].price.per = Decimal::ZERO),
        ("DOC-ADDRESS", |t| t.buyer.address.lines = vec!["a".into(); 4]),
        ("DOC-BUYER", |t| t.buyer.tax_number = "1".into()),
        ("DOC-DATE", |t| t.issued = date(-1, 1, 1)),
        ("DOC-LINES", |t| t.lines[1].id = "1".into()),
        ("DOC-LIST", |t| t.notes = vec!["n".into(); 101]),
        ("DOC-LENGTH", |t| t.lines[0].description = "x".repeat(5_001)),
        ("DOC-LENGTH", |t| t.number = "1".repeat(301)),
        ("DOC-CHARACTERS", |t| t.lines[0].description = "bell \u{7}".into()),
        ("DOC-CHARACTERS", |t| t.buyer.name = "  ".into()),
        ("DOC-CHARACTERS", |t| t.buyer.name = "safe\u{202e}exe.pdf".into()),
        ("DOC-AMOUNT", |t| t.lines[0].price.amount = Decimal::MAX),
        ("DOC-AMOUNT", |t| t.taxes[0].vat.rate = Decimal::MAX),
        ("DOC-AMOUNT", |t| t.totals.gross = Decimal::MIN),
        ("DOC-AMOUNT", |t| t.lines[0].quantity = d("0.0000000000000000000000000001")),
    ];
    for (rule, change) in cases {
        let found = rules_of(again(Profile::En16931, Kind::Invoice, *change));
        assert!(found.contains(rule), "{rule}: {found:?}");
    }
}

fn account(terms: &mut Terms) -> &mut Account {
    match &mut terms.payment.as_mut().unwrap().means {
        Means::SepaTransfer(account) => account,
        other => panic!("{other:?}"),
    }
}

#[test]
fn xrechnung_demands_more_than_the_core() {
    let cases: &[(&str, Change)] = &[
        ("BR-DE-1", |t| t.payment = None),
        ("BR-DE-2", |t| t.seller.contact = None),
        ("BR-DE-3", |t| t.seller.address.city.clear()),
        ("BR-DE-4", |t| t.seller.address.postal_code.clear()),
        ("BR-DE-5", |t| t.seller.contact.as_mut().unwrap().name.clear()),
        ("BR-DE-6", |t| t.seller.contact.as_mut().unwrap().phone.clear()),
        ("BR-DE-7", |t| t.seller.contact.as_mut().unwrap().email.clear()),
        ("BR-DE-8", |t| t.buyer.address.city.clear()),
        ("BR-DE-9", |t| t.buyer.address.postal_code.clear()),
        ("BR-DE-10", |t| {
            let to = Address { country: "FR".into(), postal_code: "69002".into(), ..Address::default() };
            t.delivery = Some(Delivery { on: None, to: Some(to) });
        }),
        ("BR-DE-15", |t| t.buyer_reference.clear()),
        ("BR-DE-18", |t| t.payment_terms = "#SKONTO#TAGE=14#PROZENT=2#\n".into()),
        ("BR-DE-27", |t| t.seller.contact.as_mut().unwrap().phone = "++".into()),
        ("BR-DE-28", |t| t.seller.contact.as_mut().unwrap().email = "nobody".into()),
        ("PEPPOL-EN16931-R001", |t| t.process.clear()),
        ("PEPPOL-EN16931-R010", |t| t.buyer.endpoint = None),
        ("PEPPOL-EN16931-R020", |t| t.seller.endpoint = None),
        ("PEPPOL-EN16931-R110", |t| {
            t.lines[0].period = Some(Period { from: date(2026, 9, 1), until: date(2026, 10, 1) });
        }),
    ];
    for (rule, change) in cases {
        let found = rules_of(again(Profile::XRechnung, Kind::Invoice, *change));
        assert_eq!(found, [*rule]);
        assert_eq!(rules_of(again(Profile::En16931, Kind::Invoice, *change)), [""; 0], "{rule} is not of the core");
    }
}

#[test]
fn categories_have_their_own_demands() {
    let cases: &[(Category, &str, Change)] = &[
        (Category::Z, "BR-Z-02", |t| t.seller.vat_id.clear()),
        (Category::E, "BR-E-10", |t| t.taxes[0].reason.clear()),
        (Category::AE, "BR-AE-02", |t| {
            t.buyer.vat_id.clear();
            t.buyer.registration = None;
        }),
        (Category::AE, "BR-AE-02", |t| t.seller.vat_id.clear()),
        (Category::AE, "BR-AE-05", |t| t.lines[0].vat.rate = d("19")),
        (Category::AE, "BR-AE-10", |t| {
            t.taxes[0].reason.clear();
            t.taxes[0].reason_code.clear();
        }),
        (Category::AE, "BR-CL-22", |t| t.taxes[0].reason_code = "VATEX-EU-G".into()),
        (Category::K, "BR-IC-12", |_| {}),
        (Category::K, "BR-IC-02", |t| t.buyer.vat_id.clear()),
        (Category::K, "BR-IC-11", |t| t.period = None),
        (Category::G, "BR-G-02", |t| t.seller.vat_id.clear()),
        (Category::O, "BR-O-02", |t| t.seller.vat_id = "DE123456788".into()),
        (Category::O, "BR-O-02", |t| t.buyer.vat_id = "FR32123456789".into()),
        (Category::O, "BR-O-11", |t| {
            t.lines.push(line(9, "x", "1", "1", vat(Category::S, "19")));
            *t = complete(t.clone());
        }),
    ];
    for (category, rule, change) in cases {
        let mut terms = terms(Profile::En16931, Kind::Invoice, month(&vat(*category, "0")));
        change(&mut terms);
        let found = rules_of(terms);
        assert!(found.contains(rule), "{rule}: {found:?}");
    }
}

#[test]
fn credit_notes_name_what_they_correct_and_carry_no_line_periods() {
    let cases: &[Change] = &[|t| t.preceding.clear(), |t| t.lines[0].period = t.period, |t| t.payment = None];
    for change in cases {
        assert_eq!(rules_of(again(Profile::En16931, Kind::CreditNote, *change)), ["DOC-CREDIT"]);
    }
    // A cent more is the rest of an invoice's tax; a unit more is not.
    assert_eq!(rules_of(support::last_credit(Profile::En16931)), [""; 0]);
    let mut invoice = support::last_credit(Profile::En16931);
    invoice.kind = Kind::Invoice;
    assert_eq!(rules_of(invoice), ["BR-CO-17"]);
}

#[test]
fn vat_is_rounded_once_and_away_from_zero() {
    let terms = support::negative(Profile::En16931);
    assert_eq!(terms.totals.tax, d("-1446.38"));
    assert!(Invoice::check(terms.clone()).is_ok());
    let mut other = terms;
    for amount in [&mut other.taxes[0].amount, &mut other.totals.tax, &mut other.totals.gross, &mut other.totals.due] {
        *amount += d("0.01");
    }
    assert_eq!(rules_of(other), ["BR-CO-17"]);
}

#[test]
fn a_currency_without_a_minor_unit_has_none_here_either() {
    let mut terms = terms(Profile::En16931, Kind::Invoice, vec![line(1, "x", "2", "500", vat(Category::S, "10"))]);
    terms.currency = "JPY".into();
    let invoice = Invoice::check(terms.clone()).unwrap();
    let xml = String::from_utf8(ubl(&invoice)).unwrap();
    assert!(xml.contains("<cbc:PayableAmount currencyID=\"JPY\">1100</cbc:PayableAmount>"), "{xml}");
    terms.totals.due += d("0.5");
    terms.totals.rounding = d("0.5");
    assert!(rules_of(terms).contains(&"BR-DEC-18"));
}

#[test]
fn violations_hold_no_value_of_the_invoice_and_are_bounded() {
    let mut terms = mixed(Profile::En16931);
    terms.buyer.name = "Secret \u{1}".into();
    let violations = Invoice::check(terms).unwrap_err();
    assert!(violations.iter().all(|v| !v.to_string().contains("Secret")));
    let mut terms = support::long(500);
    for line in &mut terms.lines {
        line.unit.clear();
    }
    assert_eq!(Invoice::check(terms).unwrap_err().len(), 100);
}

#[test]
fn logos_that_are_none_are_refused() {
    let invoice = Invoice::check(support::bare()).unwrap();
    let page = |logo| {
        let brand = Brand { logo: Some(logo), ..support::brand(Language::English) };
        pdf(&invoice, &brand, Language::English)
    };
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0, 8, 6, 0, 0, 0]);
    let file = "<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"/etc/passwd\"/></svg>";
    let entity = "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg xmlns=\"http://www.w3.org/2000/svg\">&a;</svg>";
    let svg = |inner: &str| {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\">{inner}</svg>").into_bytes()
    };
    let nested = format!("{}<rect width=\"5\" height=\"5\"/>{}", "<g>".repeat(9_000), "</g>".repeat(9_000));
    let copies = "<g id=\"a\"/><s:use xmlns:s=\"http://www.w3.org/2000/svg\" href=\"#a\"/>";
    let clips: String = (0..9_000).map(|i| format!("<clipPath id=\"c{i}\" clip-path=\"url(#c{})\"/>", i + 1)).collect();
    for logo in [
        Logo::Svg(svg(&nested)),
        Logo::Svg(svg(copies)),
        Logo::Svg(svg(&clips)),
        Logo::Svg(svg(&"<g/>".repeat(10_001))),
        Logo::Png(vec![]),
        Logo::Png(b"GIF89a".to_vec()),
        Logo::Png(bomb),
        Logo::Svg(b"<svg".to_vec()),
        Logo::Svg(vec![0xff, 0xfe]),
        Logo::Svg(file.into()),
        Logo::Svg(entity.into()),
        Logo::Svg(vec![b' '; 600 << 10]),
    ] {
        assert!(matches!(page(logo.clone()), Err(PdfError::Logo(_))), "{logo:?}");
    }
    // As deep as may be, and what drawing programs write around their shapes.
    let deep = format!("{}<rect width=\"5\" height=\"5\"/>{}", "<g opacity=\".9\">".repeat(19), "</g>".repeat(19));
    let kind = "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">";
    let typical =
        [kind.as_bytes(), &svg("<metadata><x/></metadata><title>t</title><path d=\"M0 0L5 5H0z\"/>")].concat();
    for logo in [Logo::Svg(svg(&deep)), Logo::Svg(typical), Logo::Svg(support::SVG.into())] {
        assert!(page(logo.clone()).is_ok(), "{:?}", page(logo).err());
    }
    let more = include_bytes!("../fonts/DejaVuSans.ttf").to_vec();
    let brand = Brand { fonts: vec![more], ..support::brand(Language::Spanish) };
    assert!(pdf(&invoice, &brand, Language::English).is_ok());
    let brand = Brand { fonts: vec![b"no font".to_vec()], ..support::brand(Language::English) };
    assert!(matches!(pdf(&invoice, &brand, Language::English), Err(PdfError::Font)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Any numbers at all, up to 29 digits and 28 places, in every place that takes one.
    #[test]
    fn no_number_makes_it_panic(
        numbers in proptest::collection::vec((any::<i128>(), 0_u32..=28), 20),
        texts in proptest::collection::vec(any::<String>(), 6),
        zero in any::<u32>(),
    ) {
        let mut numbers = numbers.into_iter().enumerate().map(|(index, (number, scale))| {
            if zero >> index & 1 == 1 { return Decimal::ONE }
            Decimal::try_from_i128_with_scale(number >> 32, scale).unwrap_or(Decimal::MAX)
        });
        let mut next = || numbers.next().unwrap_or(Decimal::ONE);
        let mut terms = mixed(Profile::XRechnung);
        terms.lines.truncate(3);
        let line = &mut terms.lines[2];
        (line.quantity, line.price.amount, line.price.per, line.net, line.vat.rate) =
            (next(), next(), next(), next(), next());
        line.adjustments[0].amount = next();
        line.adjustments[0].share = Some(Share { base: next(), percent: next() });
        let tax = &mut terms.taxes[0];
        (tax.base, tax.amount, tax.vat.rate) = (next(), next(), next());
        let totals = &mut terms.totals;
        (totals.lines, totals.net, totals.tax, totals.gross, totals.due) = (next(), next(), next(), next(), next());
        terms.tax_in = Some(TaxIn { currency: texts[0].clone(), amount: next() });
        terms.number = texts[1].clone();
        terms.payment_terms = texts[2].clone();
        terms.seller.vat_id = texts[3].clone();
        account_or(&mut terms, &texts[4]);
        terms.buyer.address.country = texts[5].clone();
        prop_assert!(Invoice::check(terms).is_err());
    }
}

fn account_or(terms: &mut Terms, number: &str) {
    if let Some(Payment { means: Means::Transfer(account) | Means::SepaTransfer(account), .. }) = &mut terms.payment {
        account.number = number.into();
    }
    terms.payment.as_mut().unwrap().means = match terms.payment.as_ref().unwrap().means.clone() {
        Means::Transfer(account) => Means::SepaTransfer(account),
        other => other,
    };
}
