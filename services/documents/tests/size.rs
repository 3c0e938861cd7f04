//! Ten thousand lines cost what ten thousand lines cost.

mod support;

use documents::{Invoice, Language, MAX_LINES, cii, csv, json, pdf, ubl};

#[test]
fn ten_thousand_lines_become_documents() {
    let terms = support::long(10_000);
    let invoice = Invoice::check(terms).unwrap();
    for (name, bytes, most) in [
        ("UBL", ubl(&invoice), 30_000_000),
        ("CII", cii(&invoice), 30_000_000),
        ("CSV", csv(&invoice), 5_000_000),
        ("JSON", json(&invoice), 30_000_000),
    ] {
        println!("{name}: {} bytes", bytes.len());
        assert!(1_000_000 < bytes.len() && bytes.len() < most, "{name}: {}", bytes.len());
    }
    let page = pdf(&invoice, &support::brand(Language::English), Language::English).unwrap();
    println!("PDF: {} bytes", page.len());
    assert!(page.starts_with(b"%PDF-1.7") && page.len() < 10_000_000, "{}", page.len());
}

#[test]
fn more_lines_than_may_be_are_refused_before_anything_is_done_with_them() {
    let terms = support::long(MAX_LINES + 1);
    assert_eq!(Invoice::check(terms).unwrap_err()[0].rule, "DOC-LINES");
}
