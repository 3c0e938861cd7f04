//! What XRechnung 3.0 demands beyond the European core.

use super::{Found, blank};
use crate::terms::{BILLING_PROCESS, Category, Terms};

pub fn check(terms: &Terms, found: &mut Found) {
    let mut need = |there: bool, rule: &'static str, term: &str| found.when(!there, rule, term, "is missing");
    need(!blank(&terms.process), "PEPPOL-EN16931-R001", "BT-23");
    need(terms.payment.is_some(), "BR-DE-1", "BG-16");
    let seller = &terms.seller;
    match &seller.contact {
        None => need(false, "BR-DE-2", "BG-6"),
        Some(contact) => {
            need(!blank(&contact.name), "BR-DE-5", "BT-41");
            need(!blank(&contact.phone), "BR-DE-6", "BT-42");
            need(!blank(&contact.email), "BR-DE-7", "BT-43");
        }
    }
    need(!blank(&seller.address.city), "BR-DE-3", "BT-37");
    need(!blank(&seller.address.postal_code), "BR-DE-4", "BT-38");
    need(!blank(&terms.buyer.address.city), "BR-DE-8", "BT-52");
    need(!blank(&terms.buyer.address.postal_code), "BR-DE-9", "BT-53");
    need(!blank(&terms.buyer_reference), "BR-DE-15", "BT-10");
    need(seller.endpoint.is_some(), "PEPPOL-EN16931-R020", "BT-34");
    need(terms.buyer.endpoint.is_some(), "PEPPOL-EN16931-R010", "BT-49");
    if let Some(to) = terms.delivery.as_ref().and_then(|d| d.to.as_ref()) {
        need(!blank(&to.city), "BR-DE-10", "BT-77");
        need(!blank(&to.postal_code), "BR-DE-11", "BT-78");
    }
    let taxed = terms.taxes.iter().any(|t| t.vat.category != Category::O);
    let known = !blank(&seller.vat_id) || !blank(&seller.tax_number);
    need(!taxed || known, "BR-DE-16", "BT-31 or BT-32");
    let process = blank(&terms.process) || terms.process == BILLING_PROCESS || terms.process.starts_with("urn:");
    found.when(!process, "PEPPOL-EN16931-R001", "BT-23", "is no identifier of a process");
    if let Some(contact) = &seller.contact {
        let digits = contact.phone.chars().filter(char::is_ascii_digit).count();
        found.when(!blank(&contact.phone) && digits < 3, "BR-DE-27", "BT-42", "has fewer than three digits");
        found.when(!blank(&contact.email) && !is_mail(&contact.email), "BR-DE-28", "BT-43", "is no mail address");
    }
    found.when(
        !discounts(&terms.payment_terms),
        "BR-DE-18",
        "BT-20",
        "has a discount that is not of the form #SKONTO#…#",
    );
    let period = terms.period;
    for (index, line) in terms.lines.iter().enumerate() {
        let Some((line, whole)) = line.period.zip(period) else { continue };
        let at = |term: &str| format!("{term} of line {}", index + 1);
        let inside = |day| whole.from <= day && day <= whole.until;
        found.when(!inside(line.from), "PEPPOL-EN16931-R110", at("BT-134"), "lies outside BG-14");
        found.when(!inside(line.until), "PEPPOL-EN16931-R111", at("BT-135"), "lies outside BG-14");
    }
}

/// Just one `@`, with two characters on both sides and neither a space nor a point beside it.
fn is_mail(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let edge = |c: Option<char>| c.is_some_and(|c| c != '.' && !c.is_whitespace());
    !domain.contains('@')
        && 2 <= local.chars().count()
        && 2 <= domain.chars().count()
        && edge(local.chars().next_back())
        && edge(domain.chars().next())
}

/// Lines that start with `#` are discounts: `#SKONTO#TAGE=14#PROZENT=2.00#`, each ended by a line's end.
fn discounts(terms: &str) -> bool {
    let lines: Vec<_> = terms.lines().filter(|l| l.trim_start().starts_with('#')).collect();
    if lines.is_empty() {
        return true;
    }
    let whole = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let two = |number: &str| number.split_once('.').is_some_and(|(a, b)| whole(a) && whole(b) && b.len() == 2);
    let fits = |line: &str| {
        let Some(inner) = line.strip_prefix("#SKONTO#TAGE=").and_then(|l| l.strip_suffix('#')) else { return false };
        let mut parts = inner.split('#');
        parts.next().is_some_and(whole)
            && parts.next().and_then(|p| p.strip_prefix("PROZENT=")).is_some_and(two)
            && parts
                .next()
                .is_none_or(|p| p.strip_prefix("BASISBETRAG=").is_some_and(|b| two(b.trim_start_matches('-'))))
            && parts.next().is_none()
    };
    lines.into_iter().all(fits) && terms.ends_with('\n')
}

#[cfg(test)]
mod tests {
    use super::{discounts, is_mail};

    #[test]
    fn discounts_have_one_form() {
        assert!(discounts("30 days net") && discounts("#SKONTO#TAGE=14#PROZENT=2.00#\n"));
        assert!(discounts("Net 30\n#SKONTO#TAGE=7#PROZENT=2.25#BASISBETRAG=-357.93#\n"));
        for bad in ["#SKONTO#TAGE=14#PROZENT=2.00#", "#SKONTO#TAGE=x#PROZENT=2.00#\n", "#SKONTO#TAGE=1#PROZENT=2#\n"] {
            assert!(!discounts(bad), "{bad}");
        }
    }

    #[test]
    fn mail_addresses_have_one_at() {
        assert!(is_mail("ab@cd") && is_mail("billing@desk.example"));
        for bad in ["", "a@bc", "ab@c", "ab.@cd", "ab@.cd", "a@b@c", "ab @cd"] {
            assert!(!is_mail(bad), "{bad}");
        }
    }
}
