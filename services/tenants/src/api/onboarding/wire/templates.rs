//! Questionnaire templates, wire ⇄ domain.

use std::collections::BTreeMap;

use proto::tenants::v1 as pb;
use proto::types::v1::LocalizedText;

use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::template::{Question, Template};

fn localized(texts: &BTreeMap<String, String>) -> Vec<LocalizedText> {
    texts.iter().map(|(language, text)| LocalizedText { language: language.clone(), text: text.clone() }).collect()
}

/// Texts by language; a language that comes twice is noted.
fn read_localized(path: &str, texts: Vec<LocalizedText>, problems: &mut Problems) -> BTreeMap<String, String> {
    problems.distinct(path, texts.iter().map(|t| t.language.as_str()));
    texts.into_iter().map(|t| (t.language, t.text)).collect()
}

pub fn question(question: &Question) -> pb::Question {
    pb::Question {
        question_key: question.key.clone(),
        kind: question.kind.clone(),
        section: question.section.clone(),
        texts: localized(&question.texts),
        required: question.required,
        answer_kind: question.answer_kind.clone(),
        choices: question.choices.clone(),
        becomes_knowledge: question.becomes_knowledge,
    }
}

/// A template without version and state; in lists without questions.
pub fn template(template: &Template, with_questions: bool) -> pb::Template {
    pb::Template {
        template_key: template.key.clone(),
        titles: localized(&template.titles),
        product_group: template.product_group.clone(),
        languages: template.languages.clone(),
        questions: if with_questions { template.questions.iter().map(question).collect() } else { Vec::new() },
        question_count: i32::try_from(template.questions.len()).unwrap_or(i32::MAX),
        ..pb::Template::default()
    }
}

pub fn read_template(template: pb::Template, problems: &mut Problems) -> Template {
    let titles = read_localized("template.titles", template.titles, problems);
    let mut questions = Vec::new();
    for (i, q) in template.questions.into_iter().enumerate() {
        questions.push(Question {
            key: q.question_key,
            kind: q.kind,
            section: q.section,
            texts: read_localized(&format!("template.questions[{i}].texts"), q.texts, problems),
            required: q.required,
            answer_kind: q.answer_kind,
            choices: q.choices,
            becomes_knowledge: q.becomes_knowledge,
        });
    }
    Template {
        key: template.template_key,
        titles,
        product_group: template.product_group,
        languages: template.languages,
        questions,
    }
}
