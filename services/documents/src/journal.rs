//! Postings as a journal for accounting programs: hledger's and beancount's plain text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::xml::plain;

/// Which program reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Hledger,
    Beancount,
}

/// One entry; its postings add up to zero in every currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub date: Date,
    /// The invoice's number, a payment's reference; may be empty.
    pub code: String,
    pub description: String,
    pub postings: Vec<Posting>,
}

/// One side of an entry. Debits are above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Parts joined by colons, such as `assets:receivable:Brand 42`; the first is one of assets, liabilities, equity,
    /// income and expenses. Of the others, what a program's names cannot hold becomes a space or a dash: names that
    /// differ only in that become one.
    pub account: String,
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
}

/// Why there is no journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("entry {0} does not add up to zero")]
    Unbalanced(usize),
    #[error("entry {0} has an account that does not start with assets, liabilities, equity, income or expenses")]
    Account(usize),
    #[error("entry {0} has an unknown currency")]
    Currency(usize),
    #[error("entry {0} has a date out of range")]
    Date(usize),
}

const ROOTS: [(&str, &str); 5] = [
    ("assets", "Assets"),
    ("liabilities", "Liabilities"),
    ("equity", "Equity"),
    ("income", "Income"),
    ("expenses", "Expenses"),
];

/// The journal of entries, in their order. Entries are counted from 1 in errors.
pub fn journal(entries: &[Entry], dialect: Dialect) -> Result<String, JournalError> {
    JournalWriter::new(dialect).page(entries)
}

/// A journal written page by page: joined, the pages are the journal of all entries. Every page declares the accounts
/// and currencies that no page before it did, so that entries have to come in the order of their dates.
#[derive(Debug, Clone)]
pub struct JournalWriter {
    dialect: Dialect,
    accounts: BTreeSet<String>,
    currencies: BTreeSet<String>,
    entries: usize,
}

impl JournalWriter {
    /// Nothing is written yet.
    pub fn new(dialect: Dialect) -> JournalWriter {
        JournalWriter { dialect, accounts: BTreeSet::new(), currencies: BTreeSet::new(), entries: 0 }
    }

    /// The next entries, in their order. In errors all entries of the journal are counted from 1.
    pub fn page(&mut self, entries: &[Entry]) -> Result<String, JournalError> {
        let mut body = String::new();
        let mut opened: BTreeMap<String, Date> = BTreeMap::new();
        let mut currencies = BTreeSet::new();
        for entry in entries {
            self.entries += 1;
            let number = self.entries;
            if entry.date.year() < 1000 {
                return Err(JournalError::Date(number));
            }
            balanced(entry, number)?;
            head(&mut body, entry, self.dialect);
            for posting in &entry.postings {
                let account = account(&posting.account, self.dialect).ok_or(JournalError::Account(number))?;
                let places = crate::codes::minor_digits(&posting.currency).ok_or(JournalError::Currency(number))?;
                let mut amount = posting.amount.normalize();
                amount.rescale(amount.scale().max(places));
                let amount = if amount.is_zero() { plain(amount) } else { amount.to_string() };
                // Writing into a string cannot fail.
                writeln!(body, "  {account}  {amount} {}", posting.currency).ok();
                if !self.currencies.contains(&posting.currency) {
                    currencies.insert(posting.currency.clone());
                }
                if !self.accounts.contains(&account) {
                    let first = opened.entry(account).or_insert(entry.date);
                    *first = entry.date.min(*first);
                }
            }
            body.push('\n');
        }
        let mut text = declared(&opened, &currencies, self.dialect);
        text.push_str(&body);
        self.accounts.extend(opened.into_keys());
        self.currencies.append(&mut currencies);
        Ok(text)
    }
}

/// The first line of an entry, and its code.
fn head(body: &mut String, entry: &Entry, dialect: Dialect) {
    let (code, description) = (one_line(&entry.code), one_line(&entry.description));
    match dialect {
        Dialect::Hledger => {
            let code = code.replace(['(', ')'], "");
            let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
            let description = description.replace(';', ",");
            writeln!(body, "{}{code} {description}", entry.date).ok();
        }
        Dialect::Beancount => {
            let quoted = description.replace('\\', "\\\\").replace('"', "\\\"");
            writeln!(body, "{} * \"{quoted}\"", entry.date).ok();
            if !code.is_empty() {
                writeln!(body, "  code: \"{}\"", code.replace('\\', "\\\\").replace('"', "\\\"")).ok();
            }
        }
    }
}

fn declared(opened: &BTreeMap<String, Date>, currencies: &BTreeSet<String>, dialect: Dialect) -> String {
    let mut text = String::new();
    match dialect {
        // Declared, so that `hledger check accounts commodities` holds as well.
        Dialect::Hledger => {
            for currency in currencies {
                let places = crate::codes::minor_digits(currency).unwrap_or(2) as usize;
                writeln!(text, "commodity 1000.{} {currency}", "0".repeat(places)).ok();
            }
            for account in opened.keys() {
                writeln!(text, "account {account}").ok();
            }
        }
        Dialect::Beancount => {
            for (account, first) in opened {
                writeln!(text, "{first} open {account}").ok();
            }
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn balanced(entry: &Entry, number: usize) -> Result<(), JournalError> {
    let mut sums: BTreeMap<&str, Decimal> = BTreeMap::new();
    for posting in &entry.postings {
        let sum = sums.entry(&posting.currency).or_default();
        *sum = sum.checked_add(posting.amount).ok_or(JournalError::Unbalanced(number))?;
    }
    if sums.values().all(Decimal::is_zero) { Ok(()) } else { Err(JournalError::Unbalanced(number)) }
}

/// No line's end, no run of spaces: both would end a name.
fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

fn account(name: &str, dialect: Dialect) -> Option<String> {
    let mut parts = name.split(':');
    let root = parts.next()?;
    let (lower, upper) = ROOTS.into_iter().find(|(lower, _)| *lower == root)?;
    let mut account = String::from(if dialect == Dialect::Hledger { lower } else { upper });
    for part in parts {
        let part = one_line(&part.replace([';', '(', ')', '[', ']', '"', '*', '!'], " "));
        let part = if dialect == Dialect::Hledger { part } else { component(&part) };
        if part.is_empty() {
            return None;
        }
        account.push(':');
        account.push_str(&part);
    }
    Some(account)
}

/// Beancount's names start with a capital letter or a digit and hold letters, digits and dashes; whatever is not
/// ASCII passes for a capital letter.
fn component(part: &str) -> String {
    let dashed: String = part.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let mut letters = dashed.trim_matches('-').chars();
    letters.next().map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
