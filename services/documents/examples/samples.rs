//! Writes every kind of document into a folder, for validators that were written elsewhere.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use documents::{Dialect, Invoice, Language, cii, csv, journal, json, pdf, ubl};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    std::fs::create_dir_all(&folder)?;
    for (name, terms) in support::samples() {
        let invoice = Invoice::check(terms).map_err(|violations| format!("{name}: {violations:#?}"))?;
        std::fs::write(folder.join(format!("{name}.ubl.xml")), ubl(&invoice))?;
        std::fs::write(folder.join(format!("{name}.cii.xml")), cii(&invoice))?;
        for language in Language::ALL {
            let page = pdf(&invoice, &support::brand(language), language)?;
            std::fs::write(folder.join(format!("{name}.{}.pdf", language.code())), page)?;
        }
        std::fs::write(folder.join(format!("{name}.csv")), csv(&invoice))?;
        std::fs::write(folder.join(format!("{name}.json")), json(&invoice))?;
    }
    // Enough lines for sums to be carried from page to page.
    let long = Invoice::check(support::long(400)).map_err(|violations| format!("{violations:#?}"))?;
    for language in Language::ALL {
        let page = pdf(&long, &support::brand(language), language)?;
        std::fs::write(folder.join(format!("long.{}.pdf", language.code())), page)?;
    }
    std::fs::write(folder.join("ledger.journal"), journal(&support::ledger(), Dialect::Hledger)?)?;
    std::fs::write(folder.join("ledger.beancount"), journal(&support::ledger(), Dialect::Beancount)?)?;
    Ok(())
}
