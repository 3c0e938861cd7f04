//! Every document says what the invoice says: read back by other code, its terms are the same; written twice, its
//! bytes are the same.

#[path = "support/read.rs"]
mod read;
mod support;

use documents::*;
use proptest::prelude::*;
use rust_decimal::Decimal;
use support::{complete, d, line, rounded, samples, terms};

#[test]
fn every_sample_is_read_back_as_it_was() {
    for (name, terms) in samples() {
        let invoice = Invoice::check(terms.clone()).unwrap_or_else(|v| panic!("{name}: {v:#?}"));
        assert_eq!(read::ubl(&ubl(&invoice)), terms, "{name} as UBL");
        assert_eq!(read::cii(&cii(&invoice)), terms, "{name} as CII");
        let again: Terms = serde_json::from_slice(&json(&invoice)).unwrap();
        assert_eq!(again, terms, "{name} as JSON");
    }
}

#[test]
fn the_same_invoice_gives_the_same_bytes() {
    for (name, terms) in samples().into_iter().step_by(5) {
        let (one, two) = (Invoice::check(terms.clone()).unwrap(), Invoice::check(terms).unwrap());
        assert_eq!((ubl(&one), cii(&one), csv(&one), json(&one)), (ubl(&two), cii(&two), csv(&two), json(&two)));
        let page = |invoice| pdf(invoice, &support::brand(Language::French), Language::French).unwrap();
        assert!(page(&one) == page(&two), "{name}");
    }
}

#[test]
fn the_rows_of_the_csv_add_up_and_are_no_formulas() {
    let mut terms = support::mixed(Profile::En16931);
    terms.lines[0].name = "=HYPERLINK(\"x\")".into();
    terms.lines[1].description = "one; \"two\",\nthree".into();
    let invoice = Invoice::check(terms).unwrap();
    let bytes = csv(&invoice);
    let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|c| c == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let sum: Decimal = rows.iter().map(|r| d(&r[column("net_amount")])).sum();
    assert_eq!(sum, invoice.terms().totals.net);
    assert_eq!(&rows[0][column("name")], "'=HYPERLINK(\"x\")");
    assert_eq!(&rows[1][column("description")], "one; \"two\",\nthree");
}

fn any_text() -> impl Strategy<Value = String> {
    // Whatever may be written: letters of many scripts, markup, line ends.
    "[a-zA-Z0-9äßéÅ€<>&'\" \r\n\t;,.=@+אבשםد中😀-]{0,40}".prop_map(|t| if t.trim().is_empty() { "x".into() } else { t })
}

fn any_vat() -> impl Strategy<Value = Vat> {
    prop_oneof![
        Just(support::vat(Category::S, "19")),
        Just(support::vat(Category::S, "5.5")),
        Just(support::vat(Category::Z, "0")),
        Just(support::vat(Category::E, "0")),
        Just(support::vat(Category::AE, "0")),
        Just(support::vat(Category::G, "0")),
    ]
}

prop_compose! {
    fn any_line()(
        quantity in -1_000_000_i64..1_000_000, places in 0_u32..4,
        price in 0_i64..100_000_000, price_places in 0_u32..6,
        whole in any::<bool>(), vat in any_vat(),
        texts in (any_text(), any_text(), any_text()),
        adjustment in proptest::option::of((any::<bool>(), 0_i64..100_000, any_text())),
    ) -> Line {
        let (quantity, price) = (Decimal::new(quantity, places), Decimal::new(price, price_places));
        let mut one = line(1, &texts.0, "1", "1", vat);
        (one.quantity, one.price) = (quantity, Price::each(price));
        one.net = rounded(quantity * price);
        if whole {
            (one.quantity, one.price) = Price::of_all(quantity, one.net);
        }
        one.description = texts.1;
        one.attributes = vec![(texts.2.clone(), texts.2)];
        if let Some((charge, cents, reason)) = adjustment {
            let amount = Decimal::new(cents, 2);
            one.net += if charge { amount } else { -amount };
            one.adjustments = vec![Adjustment { charge, amount, share: None, reason, reason_code: String::new() }];
        }
        one
    }
}

prop_compose! {
    fn any_terms()(
        mut lines in proptest::collection::vec(any_line(), 1..8),
        credit in any::<bool>(), xrechnung in any::<bool>(),
        texts in (any_text(), any_text(), any_text()),
        adjustment in proptest::option::of((any::<bool>(), 0_i64..100_000, any_vat(), any_text())),
        prepaid in 0_i64..10_000,
    ) -> Terms {
        for (index, line) in lines.iter_mut().enumerate() {
            line.id = (index + 1).to_string();
        }
        let profile = if xrechnung { Profile::XRechnung } else { Profile::En16931 };
        let mut all = terms(profile, if credit { Kind::CreditNote } else { Kind::Invoice }, lines);
        all.buyer.name = texts.0;
        all.notes = vec![texts.1];
        all.seller.legal_form = texts.2;
        all.totals.prepaid = Decimal::new(prepaid, 2);
        if let Some((charge, cents, vat, reason)) = adjustment {
            let amount = Decimal::new(cents, 2);
            let adjustment = Adjustment { charge, amount, share: None, reason, reason_code: String::new() };
            all.adjustments = vec![Taxed { adjustment, vat }];
        }
        complete(all)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_invoice_that_adds_up_is_read_back_as_it_was(terms in any_terms()) {
        let invoice = Invoice::check(terms.clone()).map_err(|v| TestCaseError::fail(format!("{v:#?}")))?;
        prop_assert_eq!(read::ubl(&ubl(&invoice)), terms.clone());
        prop_assert_eq!(read::cii(&cii(&invoice)), terms);
    }

    #[test]
    fn a_cent_that_is_missing_anywhere_is_found(terms in any_terms(), which in 0_usize..9, up in any::<bool>()) {
        let mut terms = terms;
        let totals = &mut terms.totals;
        let amounts = [
            &mut totals.lines, &mut totals.allowances, &mut totals.charges, &mut totals.net, &mut totals.tax,
            &mut totals.gross, &mut totals.prepaid, &mut totals.rounding, &mut totals.due,
        ];
        *amounts[which] += Decimal::new(if up { 1 } else { -1 }, 2);
        let violations = Invoice::check(terms).err().unwrap_or_default();
        prop_assert!(violations.iter().any(|v| v.rule.starts_with("BR-CO-1")), "{:?}", violations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn any_invoice_becomes_pages(
        terms in any_terms(),
        odd in proptest::collection::vec("[\\PC\u{feff}\u{2028}\u{200d}\u{e000}]{0,60}", 12),
        language in 0_usize..5,
    ) {
        let mut terms = terms;
        let mut odd = odd.into_iter().map(|text| {
            let text: String = text.chars().filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect();
            if text.trim().is_empty() { "x".into() } else { text }
        });
        let mut next = || odd.next().unwrap_or_default();
        let (seller, buyer) = (&mut terms.seller, &mut terms.buyer);
        for place in [&mut seller.name, &mut seller.legal_form, &mut buyer.name, &mut buyer.trading_name] {
            *place = next();
        }
        buyer.address.lines = vec![next(), next()];
        terms.number = next().repeat(40).chars().take(300).collect();
        terms.buyer_reference = next().repeat(20).chars().take(300).collect();
        terms.notes = vec![next().repeat(80).chars().take(5_000).collect()];
        terms.lines[0].description = next().repeat(80).chars().take(5_000).collect();
        terms.lines[0].name = next();
        terms.payment_terms = format!("x{}", next());
        terms.preceding = vec![Preceding { number: terms.number.clone(), issued: None }; 100];
        let invoice = Invoice::check(terms).map_err(|v| TestCaseError::fail(format!("{v:#?}")))?;
        let language = Language::ALL[language];
        let page = pdf(&invoice, &support::brand(language), language);
        prop_assert!(page.as_ref().is_ok_and(|bytes| bytes.starts_with(b"%PDF-1.7")), "{:?}", page.err());
    }
}
