//! Tickets that may be the same matter, ranked, with the reasons.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// From here on two subjects are alike.
const ALIKE: f64 = 0.45;
/// A ticket as old as that is half as likely, in days.
const HALF_LIFE: f64 = 14.0;

/// A ticket as far as this looks at it.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    pub customer: u128,
    pub order: Option<&'a str>,
    pub subject: &'a str,
    pub created_at: Timestamp,
}

/// How likely another ticket is the same matter, and why; None for none of the reasons.
pub fn likeness(this: &Subject<'_>, other: &Subject<'_>) -> Option<(f64, Vec<&'static str>)> {
    let mut reasons = Vec::new();
    let mut apart = 1.0;
    let order = this.order.is_some_and(|order| !order.is_empty() && other.order == Some(order));
    if order {
        reasons.push("same_order");
        apart *= 0.2;
    }
    if this.customer == other.customer {
        reasons.push("same_customer");
        apart *= 0.5;
    }
    let similar = similarity(this.subject, other.subject);
    if ALIKE <= similar {
        reasons.push("similar_subject");
        apart *= 1.0 - 0.7 * similar;
    }
    if reasons.is_empty() {
        return None;
    }
    let days = (this.created_at.as_second() - other.created_at.as_second()).unsigned_abs() as f64 / 86_400.0;
    let near = 0.5_f64.powf(days / HALF_LIFE);
    // An order stays the same however long ago.
    let score = (1.0 - apart) * if order { 0.5 + 0.5 * near } else { near };
    Some((score, reasons))
}

/// How alike two texts are by their trigrams, 0 to 1, as PostgreSQL's pg_trgm counts them.
pub fn similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (trigrams(a), trigrams(b));
    let union = a.union(&b).count();
    if union == 0 { 0.0 } else { a.intersection(&b).count() as f64 / union as f64 }
}

/// The trigrams of a text, at most so many.
pub fn grams(text: &str, most: usize) -> Vec<String> {
    trigrams(text).into_iter().take(most).map(String::from_iter).collect()
}

fn trigrams(text: &str) -> BTreeSet<[char; 3]> {
    let mut found = BTreeSet::new();
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let letters: Vec<char> = [' ', ' '].into_iter().chain(word.chars()).chain([' ']).collect();
        found.extend(letters.windows(3).map(|w| [w[0], w[1], w[2]]));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket<'a>(customer: u128, order: Option<&'a str>, subject: &'a str, day: i64) -> Subject<'a> {
        Subject { customer, order, subject, created_at: Timestamp::from_second(day * 86_400).unwrap() }
    }

    #[test]
    fn an_order_weighs_more_than_a_customer_and_a_customer_more_than_words() {
        let this = ticket(1, Some("A-1"), "Where is my parcel", 100);
        let score = |other: &Subject<'_>| likeness(&this, other).map(|found| found.0);
        let order = score(&ticket(2, Some("A-1"), "Refund", 100)).unwrap();
        let customer = score(&ticket(1, None, "Refund", 100)).unwrap();
        let words = score(&ticket(2, None, "Where is my parcel?", 100)).unwrap();
        let all = score(&ticket(1, Some("A-1"), "where is my parcel", 100)).unwrap();
        assert!(all > order && order > words && words > customer, "{all} {order} {words} {customer}");
        assert_eq!(score(&ticket(2, Some("B-2"), "Invoice", 100)), None);
        assert!(score(&ticket(1, None, "Refund", 70)).unwrap() < customer / 3.0, "what is long ago is less likely");
        let reasons = likeness(&this, &ticket(1, Some("A-1"), "my parcel, where is it", 100)).unwrap().1;
        assert_eq!(reasons, ["same_order", "same_customer", "similar_subject"]);
    }

    #[test]
    fn no_order_is_not_the_same_order() {
        let this = ticket(1, None, "x", 1);
        assert_eq!(likeness(&this, &ticket(2, None, "y", 1)), None);
        assert_eq!(likeness(&ticket(1, Some(""), "x", 1), &ticket(2, Some(""), "y", 1)), None);
    }

    #[test]
    fn similarity_is_that_of_the_database() {
        // select similarity('word', 'two words') is 0.363636
        assert!((similarity("word", "two words") - 0.363_636).abs() < 1e-5);
        assert_eq!(similarity("", ""), 0.0);
    }
}
