//! Drafts, translations, languages.

use super::*;

pub fn question(key: &str, kind: &str) -> Question {
    Question {
        key: key.into(),
        kind: "faq".into(),
        section: "delivery".into(),
        texts: [("it".to_owned(), format!("{key}? it")), ("de".to_owned(), format!("{key}? de"))].into(),
        required: true,
        answer_kind: kind.into(),
        choices: if kind == "choice" { vec!["a".into(), "b".into()] } else { vec![] },
        becomes_knowledge: true,
    }
}

pub fn template() -> Template {
    Template {
        key: "general".into(),
        titles: [("it".to_owned(), "Generale".to_owned()), ("de".to_owned(), "Allgemein".to_owned())].into(),
        product_group: String::new(),
        languages: vec!["it".into(), "de".into()],
        questions: vec![question("time", "text"), question("shop", "yes_no"), question("carrier", "choice")],
    }
}

#[test]
fn a_draft_may_lack_a_translation_and_a_publication_not() {
    let mut draft = template();
    draft.questions[0].texts.remove("de");
    let mut problems = Problems::new();
    let draft = draft.checked("template", &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(draft.complete(), Err(Incomplete { missing: vec!["the question time in de".into()] }));
    assert_eq!(template().complete(), Ok(()));
}

#[test]
fn a_question_in_a_foreign_language_or_of_no_kind_is_refused() {
    let mut bad = template();
    bad.questions[0].texts.insert("fr".into(), "combien?".into());
    bad.questions[1].answer_kind = "poem".into();
    bad.questions[2].choices.truncate(1);
    bad.questions.push(question("time", "text"));
    let mut problems = Problems::new();
    bad.checked("template", &mut problems);
    let paths: Vec<String> = problems.into_vec().into_iter().map(|p| p.path).collect();
    assert_eq!(
        paths,
        [
            "template.questions[0].texts.fr",
            "template.questions[1].answer_kind",
            "template.questions[2].choices",
            "template.questions[3]",
        ]
    );
}

#[test]
fn languages_are_asked_as_near_as_the_template_has_them() {
    let t = template();
    let asked = |sellers: &[&str]| t.asked_languages(&sellers.iter().map(|s| s.to_string()).collect::<Vec<_>>());
    assert_eq!(asked(&["it", "fr"]), ["it"]);
    assert_eq!(asked(&["de-AT", "it"]), ["de", "it"]);
    assert_eq!(asked(&["ja"]), ["it"]);
}
