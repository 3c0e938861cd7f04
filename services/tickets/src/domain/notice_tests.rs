use std::collections::BTreeSet;

use super::*;

fn step(severity: Priority, level: i32, after_seconds: i64) -> Step {
    Step {
        severity,
        level,
        after_seconds,
        contact_key: format!("contact-{level}"),
        by_mail: true,
        name: "Ada".into(),
        address: format!("ada{level}@seller.example"),
        language: "en".into(),
    }
}

#[test]
fn each_level_is_told_later_than_the_one_before_by_the_difference_of_their_seconds() {
    let matrix = [step(Priority::Normal, 1, 600), step(Priority::Normal, 2, 1_800), step(Priority::High, 1, 0), {
        let last = step(Priority::Normal, 3, 9_000);
        Step { by_mail: false, ..last }
    }];
    assert_eq!(decide(&matrix, Priority::Normal, 1, false), (Fate::Mail(&matrix[0]), Some((2, 1_200))));
    assert_eq!(decide(&matrix, Priority::Normal, 2, false), (Fate::Mail(&matrix[1]), Some((3, 7_200))));
    assert_eq!(decide(&matrix, Priority::Normal, 3, false), (Fate::Nobody(Nobody::ByPhone), None));
    assert_eq!(decide(&matrix, Priority::High, 1, false), (Fate::Mail(&matrix[2]), None));
    assert_eq!(decide(&matrix, Priority::Low, 1, false), (Fate::Nobody(Nobody::NoStep), None));
    assert_eq!(decide(&matrix, Priority::High, 2, false), (Fate::Nobody(Nobody::NoStep), None));
}

#[test]
fn whoever_cannot_be_told_does_not_keep_the_next_level_from_it() {
    let matrix = [Step { address: String::new(), ..step(Priority::Urgent, 1, 0) }, step(Priority::Urgent, 2, 60)];
    assert_eq!(decide(&matrix, Priority::Urgent, 1, false), (Fate::Nobody(Nobody::NoAddress), Some((2, 60))));
}

#[test]
fn what_is_over_is_told_to_nobody() {
    let matrix = [step(Priority::Normal, 1, 0), step(Priority::Normal, 2, 60)];
    assert_eq!(decide(&matrix, Priority::Normal, 1, true), (Fate::Settled, None));
}

#[test]
fn a_mail_names_its_alerts_in_every_language_and_times_in_the_sellers_zone() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let due = "2026-07-01T12:05:00Z".parse().unwrap();
    let about = Metric::ALL.iter().flat_map(|metric| [About::Contract(*metric), About::Marketplace(*metric)]);
    let about = about.chain(deadline::Kind::ALL.map(About::Deadline));
    let lines: Vec<Line> = about
        .enumerate()
        .map(|(index, about)| Line {
            number: format!("MAS-{index}"),
            about,
            percent: if index % 2 == 0 { 100 } else { 80 },
            due_at: Some(due),
        })
        .collect();
    let letter = Letter { seller: "Masque Noir", level: 2, lines: &lines, total: lines.len(), zone: &zone };
    let mut texts = BTreeSet::new();
    for language in ["en", "de", "fr", "es", "it"] {
        let (subject, text) = written(&letter, language);
        assert!(subject.contains("Masque Noir") && subject.contains("18"), "{subject}");
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("MAS-")).collect();
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), lines.len(), "{language}: {text}");
        assert!(told.iter().all(|line| line.contains("2026-07-01 14:05 Europe/Berlin")), "{text}");
        assert!(told[1].contains("80 %") && !told[0].contains('%'), "{text}");
        assert!(texts.insert(text));
    }
    assert_eq!(written(&letter, "de-AT"), written(&letter, "de"));
    assert_eq!(written(&letter, "tlh"), written(&letter, "en"));
}

#[test]
fn of_very_many_alerts_the_rest_is_counted() {
    let line = Line { number: "A-1".into(), about: About::Contract(Metric::FirstResponse), percent: 100, due_at: None };
    let lines = vec![line; NAMED];
    let letter = Letter { seller: "A", level: 1, lines: &lines, total: NAMED + 7, zone: &TimeZone::UTC };
    let (subject, text) = written(&letter, "en");
    assert!(subject.contains("57 alerts") && text.contains("+ 7 more"), "{subject}\n{text}");
    assert_eq!(text.matches("A-1: first response, missed\n").count(), NAMED);
}

#[test]
fn names_are_read_as_they_are_written() {
    let all = Metric::ALL.iter().flat_map(|metric| [About::Contract(*metric), About::Marketplace(*metric)]);
    for about in all.chain(deadline::Kind::ALL.map(About::Deadline)) {
        let (family, name) = about.names();
        assert_eq!(About::named(family, name), Some(about));
    }
    assert_eq!(About::named("contract", "refund"), None);
}
