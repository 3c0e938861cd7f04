//! Journals that balance, and none that does not. `hledger check` and `bean-check` read them in tests/documents.sh.

mod support;

use documents::{Dialect, Entry, JournalError, JournalWriter, Posting, journal};
use support::{d, ledger};

#[test]
fn both_dialects_say_the_same_postings() {
    let entries = ledger();
    let hledger = journal(&entries, Dialect::Hledger).unwrap();
    assert!(hledger.starts_with("commodity 1000.00 EUR\ncommodity 1000. JPY\naccount assets:bank\n"), "{hledger}");
    assert!(hledger.contains(
        "2026-11-02 (NORD-2026-00042) Maison, Églantine\n  assets:receivable:Maison Églantine  119.00 EUR\n"
    ));
    let beancount = journal(&entries, Dialect::Beancount).unwrap();
    assert!(beancount.starts_with("2026-11-10 open Assets:Bank\n2026-11-02 open Assets:Receivable"), "{beancount}");
    assert!(beancount.contains("2026-11-02 * \"Maison; Églantine\"\n  code: \"NORD-2026-00042\"\n"), "{beancount}");
}

#[test]
fn a_journal_in_pages_declares_everything_once() {
    let mut entries = ledger();
    entries.sort_by_key(|entry| entry.date);
    for dialect in [Dialect::Hledger, Dialect::Beancount] {
        let mut writer = JournalWriter::new(dialect);
        let paged: String = entries.chunks(1).map(|page| writer.page(page).unwrap()).collect();
        let whole = journal(&entries, dialect).unwrap();
        let declares = |l: &&str| l.starts_with("account") || l.starts_with("commodity") || l.contains(" open ");
        let sorted = |text: &str, wanted: bool| {
            let mut found: Vec<String> = text.lines().filter(|l| declares(l) == wanted).map(str::to_owned).collect();
            if wanted {
                found.sort();
            } else {
                found.retain(|l| !l.is_empty());
            }
            found
        };
        assert_eq!(sorted(&paged, true), sorted(&whole, true));
        assert_eq!(sorted(&paged, false), sorted(&whole, false));
    }
    let mut writer = JournalWriter::new(Dialect::Hledger);
    assert_eq!(writer.page(&[]).unwrap(), "");
    writer.page(&entries).unwrap();
    let broken = Entry { date: jiff::civil::date(33, 4, 3), ..entries[0].clone() };
    assert_eq!(writer.page(&[broken]).unwrap_err(), JournalError::Date(entries.len() + 1));
}

#[test]
fn what_is_no_entry_is_refused() {
    let posting = |account: &str, amount: &str, currency: &str| Posting {
        account: account.into(),
        amount: d(amount),
        currency: currency.into(),
    };
    let entry = |postings| Entry { date: support::today(), code: String::new(), description: "x".into(), postings };
    let refused = |postings| journal(&[entry(vec![]), entry(postings)], Dialect::Hledger).unwrap_err();
    let one = posting("assets:a", "1", "EUR");
    assert_eq!(refused(vec![one.clone()]), JournalError::Unbalanced(2));
    assert_eq!(refused(vec![one.clone(), posting("income", "-1", "USD")]), JournalError::Unbalanced(2));
    let huge = posting("assets:a", "79228162514264337593543950335", "EUR");
    assert_eq!(refused(vec![huge.clone(), huge]), JournalError::Unbalanced(2));
    assert_eq!(refused(vec![one.clone(), posting("bank", "-1", "EUR")]), JournalError::Account(2));
    assert_eq!(refused(vec![one.clone(), posting("assets:;", "-1", "EUR")]), JournalError::Account(2));
    let thaler = [posting("assets:a", "1", "THALER"), posting("assets:b", "-1", "THALER")];
    assert_eq!(refused(thaler.into()), JournalError::Currency(2));
    let mut early = entry(vec![]);
    early.date = jiff::civil::date(33, 4, 3);
    assert_eq!(journal(&[early], Dialect::Hledger).unwrap_err(), JournalError::Date(1));
}
