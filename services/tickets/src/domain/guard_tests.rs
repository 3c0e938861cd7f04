//! What the guard finds, and what it leaves alone.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::Uuid;

fn masque() -> Identity {
    Identity {
        names: vec!["Masque Noir".into(), "Masque".into()],
        aliases: vec!["Giulia von Masque".into()],
        addresses: vec!["help@masque.example".into(), "+39 02 1234 5678".into()],
        ticket_prefix: "MAS".into(),
    }
}

fn bergkind() -> Identity {
    Identity {
        names: vec!["Bergkind GmbH".into(), "Alpen & Kind".into()],
        aliases: vec!["Anna".into(), "Team Bergkind".into()],
        addresses: vec!["service@bergkind.de".into(), "bergkind.shop@gmail.com".into(), "bergkind_kids".into()],
        ticket_prefix: "BER".into(),
    }
}

/// What is found in an answer of Masque, with Bergkind beside her.
fn found(text: &str, customer: &str) -> Vec<(Kind, String)> {
    let mut known: BTreeMap<Mark, bool> = marks(&bergkind()).into_iter().map(|mark| (mark, false)).collect();
    known.insert(order_mark("BK-######").unwrap(), false);
    known.insert(known_order("302-7654321-7654321").unwrap(), false);
    known.insert(known_order("#2934567890").unwrap(), false);
    known.insert(known_order("11-22334-45566").unwrap(), true);
    known.extend(marks(&masque()).into_iter().map(|mark| (mark, true)));
    let grams = grams(text);
    let hits: Vec<(&Gram, bool)> =
        grams.iter().filter_map(|gram| known.get(&gram.mark).map(|own| (gram, *own))).collect();
    let letters: Vec<char> = text.chars().collect();
    judge(&hits, &said_in([customer]))
        .into_iter()
        .map(|found| (found.kind, letters[found.start..found.end].iter().collect()))
        .collect()
}

#[test]
fn what_belongs_to_another_seller_is_found_where_it_stands() {
    let cases = [
        ("Ihr Bergkind Team", Kind::Name, "Bergkind"),
        ("Danke für Ihren Kauf bei ALPEN & KIND!", Kind::Name, "ALPEN & KIND"),
        ("Grüße, Team Bergkind", Kind::Alias, "Team Bergkind"),
        ("see https://www.bergkind.de/returns.", Kind::Domain, "www.bergkind.de"),
        ("write to Service+x@Bergkind.de, please", Kind::Address, "Service+x@Bergkind.de"),
        ("mail bergkind.shop@gmail.com", Kind::Address, "bergkind.shop@gmail.com"),
        ("follow @bergkind_kids", Kind::Address, "@bergkind_kids"),
        ("your ticket BER-1042 is open", Kind::TicketNumber, "BER-1042"),
        ("order bk-204511 was sent", Kind::OrderId, "bk-204511"),
        ("Bestellung 302-7654321-7654321.", Kind::Order, "302-7654321-7654321"),
        ("order #2934567890 has left", Kind::Order, "2934567890"),
        // with something beside it: in the name of a file, in bold, after a dash, before the next sentence
        ("302-7654321-7654321.pdf", Kind::Order, "302-7654321-7654321"),
        ("Rechnung_bk-204511.pdf", Kind::OrderId, "bk-204511"),
        ("BER-1042.tar.gz", Kind::TicketNumber, "BER-1042"),
        ("_bergkind.de_", Kind::Domain, "bergkind.de"),
        ("-302-7654321-7654321", Kind::Order, "302-7654321-7654321"),
        ("Ihre 302-7654321-7654321.Danke", Kind::Order, "302-7654321-7654321"),
        // with a hyphen that is not seen
        ("Ihr Berg\u{ad}kind", Kind::Name, "Berg\u{ad}kind"),
    ];
    for (text, kind, words) in cases {
        assert_eq!(found(text, ""), [(kind, words.to_owned())], "{text}");
    }
}

#[test]
fn accents_that_stand_apart_belong_to_their_letter() {
    let forms = |text: &str| words(&letters(text)).into_iter().map(|word| word.form).collect::<Vec<_>>();
    assert_eq!(forms("Mu\u{308}ller & So\u{308}hne"), forms("Müller & Söhne"));
    let apart = words(&letters("x Mu\u{308}ller"));
    assert_eq!((apart[1].start, apart[1].end), (2, 9));
}

#[test]
fn what_is_the_sellers_own_or_everybodys_is_left_alone() {
    let harmless = [
        "Giulia von Masque, help@masque.example, +39 02 1234 5678, MAS-1001",
        "das bergkind spielt",                          // no name is written so
        "Anna kommt morgen",                            // a first name is anybody's
        "schreiben Sie an anna@gmail.com",              // so is a public mailbox
        "Bergkinder und Bergkindheit",                  // other words
        "Sendung BK-12345 oder BK-1234567, BKX-123456", // not how her orders look
        "BER-12 Terminal",                              // not how ticket numbers look
        "order 302-1234567-1234567 at amazon.de",
        "order 11-22334-45566 at ebay.de", // her own
        "",
    ];
    for text in harmless {
        assert_eq!(found(text, ""), [], "{text}");
    }
    assert_eq!(found("Bei Bergkind gekauft?", "Ich habe das bei Bergkind gesehen"), [], "the customer said it first");
    assert_eq!(found("mail service@bergkind.de", "Bergkind?").len(), 1, "a name said is no address given away");
    let hers = "I bought 302-7654321-7654321 as well";
    assert_eq!(found("302-7654321-7654321 is not with us", hers), [], "the customer named it");
}

#[test]
fn an_order_id_that_says_little_is_no_mark() {
    for little in ["", "12345", "2026-11-23", "23-11-2026", "AB-1234", "order-number", "1,234,567", "12 34567 89"] {
        assert_eq!(known_order(little), None, "{little}");
    }
    let same = known_order("M12345678").unwrap();
    assert_eq!(known_order(" m12345678 "), Some(same));
}

#[test]
fn an_own_longer_name_covers_a_shorter_one_of_somebody_else() {
    let own = Identity { names: vec!["Casa Bergkind Milano".into()], ..Identity::default() };
    let mut known: BTreeMap<Mark, bool> = marks(&bergkind()).into_iter().map(|mark| (mark, false)).collect();
    known.extend(marks(&own).into_iter().map(|mark| (mark, true)));
    let judge_text = |text: &str| {
        let grams = grams(text);
        let hits: Vec<(&Gram, bool)> =
            grams.iter().filter_map(|gram| known.get(&gram.mark).map(|own| (gram, *own))).collect();
        judge(&hits, &BTreeSet::new()).len()
    };
    assert_eq!(judge_text("Casa Bergkind Milano"), 0);
    assert_eq!(judge_text("Casa Bergkind Milano und Bergkind"), 1);
}

#[test]
fn names_that_say_nothing_are_no_marks() {
    let marks_of = |name: &str| marks(&Identity { names: vec![name.into()], ..Identity::default() }).len();
    assert_eq!((marks_of("Ab"), marks_of("und"), marks_of("GmbH"), marks_of("Amazon")), (0, 0, 1, 0));
    assert_eq!((marks_of("Bergkind GmbH"), marks_of("Die"), marks_of("Müller & Söhne")), (1, 0, 1));
    for bad in ["######", "B-####", "BK", "BK-##x#", "BK #####"] {
        assert_eq!(order_mark(bad), None, "{bad}");
    }
}

#[test]
fn hashes_tell_nothing_without_the_key_and_differ_by_provider() {
    let mark = Mark { kind: Kind::Name, form: "bergkind".into() };
    let (one, two) = (Key::new(&[1; 32]), Key::new(&[2; 32]));
    assert_eq!(one.mark(&mark), one.mark(&mark.clone()));
    assert_ne!(one.mark(&mark), two.mark(&mark));
    assert_ne!(one.mark(&mark), one.mark(&Mark { kind: Kind::Alias, ..mark.clone() }));
    assert_ne!(one.owner(SellerId(Uuid::from_u128(1))), one.owner(SellerId(Uuid::from_u128(2))));
}

proptest! {
    #[test]
    fn any_text_is_cut_inside_its_bounds(text in ".{0,120}") {
        let length = text.chars().count();
        for gram in grams(&text) {
            prop_assert!(gram.start < gram.end && gram.end <= length, "{gram:?}");
        }
    }

    #[test]
    fn a_name_is_found_in_any_surroundings(before in "[a-z .,]{0,40}", after in "[ .,!][a-z .,]{0,40}") {
        let text = format!("{before} Bergkind{after}");
        let hits = grams(&text).iter().filter(|gram| gram.mark.kind == Kind::Name && gram.mark.form == "bergkind").count();
        prop_assert_eq!(hits, 1);
    }
}
