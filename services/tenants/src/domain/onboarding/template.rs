//! Questionnaire templates: what the provider asks every new seller, in
//! several languages, in versions that never change once published.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::check::Problems;
use super::profile::each;

/// A template in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub key: String,
    /// Title by language.
    pub titles: BTreeMap<String, String>,
    /// Empty = for every seller.
    pub product_group: String,
    /// Every question is asked in each of them; the first one is the fallback.
    pub languages: Vec<String>,
    pub questions: Vec<Question>,
}

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub key: String,
    /// faq or product.
    pub kind: String,
    pub section: String,
    /// Text by language.
    pub texts: BTreeMap<String, String>,
    pub required: bool,
    /// text, yes_no, number or choice.
    pub answer_kind: String,
    pub choices: Vec<String>,
    pub becomes_knowledge: bool,
}

/// The language of answers that are the same in every language (BCP 47 "undetermined").
pub const ANY_LANGUAGE: &str = "und";

/// Why a draft cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not complete: {}", missing.join("; "))]
pub struct Incomplete {
    pub missing: Vec<String>,
}

impl Template {
    /// Checks form and limits; a draft may still lack translations.
    pub fn checked(mut self, path: &str, problems: &mut Problems) -> Template {
        let at = |field: &str| format!("{path}.{field}");
        self.key = problems.slug(&at("template_key"), &self.key);
        if !self.product_group.is_empty() {
            self.product_group = problems.slug(&at("product_group"), &self.product_group);
        }
        problems.count(&at("languages"), self.languages.len(), 1..=40);
        self.languages = each(&self.languages, &at("languages"), |p, v| problems.language(p, v));
        problems.distinct(&at("languages"), self.languages.iter().map(String::as_str));
        self.titles = self.localized(&at("titles"), &self.titles, 200, problems);
        problems.count(&at("questions"), self.questions.len(), 1..=500);
        let mut questions = std::mem::take(&mut self.questions);
        questions.truncate(500);
        for (i, question) in questions.iter_mut().enumerate() {
            self.check_question(&format!("{path}.questions[{i}]"), question, problems);
        }
        problems.distinct(&at("questions"), questions.iter().map(|q| q.key.as_str()));
        self.questions = questions;
        self
    }

    /// Whether it can be published: every text in every language.
    pub fn complete(&self) -> Result<(), Incomplete> {
        let mut missing = Vec::new();
        for language in &self.languages {
            if !self.titles.contains_key(language) {
                missing.push(format!("the title in {language}"));
            }
            for question in self.questions.iter().filter(|q| !q.texts.contains_key(language)) {
                missing.push(format!("the question {} in {language}", question.key));
            }
        }
        missing.truncate(50);
        if missing.is_empty() { Ok(()) } else { Err(Incomplete { missing }) }
    }

    /// The question of a key.
    pub fn question(&self, key: &str) -> Option<&Question> {
        self.questions.iter().find(|q| q.key == key)
    }

    /// The template's languages that serve a seller's languages; the first
    /// language of the template when none does, so that something is asked.
    pub fn asked_languages(&self, sellers: &[String]) -> Vec<String> {
        let head = |tag: &str| tag.split('-').next().unwrap_or_default().to_owned();
        let mut asked = BTreeSet::new();
        for wanted in sellers {
            let exact = self.languages.iter().find(|l| *l == wanted);
            let near = || self.languages.iter().find(|l| head(l) == head(wanted));
            asked.extend(exact.or_else(near));
        }
        let asked: Vec<String> = asked.into_iter().cloned().collect();
        if asked.is_empty() { self.languages.iter().take(1).cloned().collect() } else { asked }
    }

    fn localized(
        &self,
        path: &str,
        texts: &BTreeMap<String, String>,
        most: usize,
        problems: &mut Problems,
    ) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (language, text) in texts {
            let at = format!("{path}.{language}");
            let language = problems.language(&at, language);
            problems.require(self.languages.contains(&language), &at, "must be one of the template's languages");
            out.insert(language, problems.text(&at, text, 1..=most));
        }
        out
    }

    fn check_question(&self, path: &str, question: &mut Question, problems: &mut Problems) {
        let at = |field: &str| format!("{path}.{field}");
        question.key = problems.slug(&at("question_key"), &question.key);
        problems.one_of(&at("kind"), &question.kind, &["faq", "product"]);
        if !question.section.is_empty() {
            question.section = problems.slug(&at("section"), &question.section);
        }
        question.texts = self.localized(&at("texts"), &question.texts, 1000, problems);
        problems.one_of(&at("answer_kind"), &question.answer_kind, &["text", "yes_no", "number", "choice"]);
        let choices = if question.answer_kind == "choice" { 2..=50 } else { 0..=0 };
        problems.count(&at("choices"), question.choices.len(), choices);
        question.choices = each(&question.choices, &at("choices"), |p, v| problems.slug(p, v));
        problems.distinct(&at("choices"), question.choices.iter().map(String::as_str));
    }
}

impl Question {
    /// The languages it is answered in, given those that are asked for.
    pub fn answer_languages<'a>(&self, asked: &'a [String]) -> Vec<&'a str> {
        if self.answer_kind == "text" { asked.iter().map(String::as_str).collect() } else { vec![ANY_LANGUAGE] }
    }

    /// Whether both versions ask the same, so that an answer carries over.
    pub fn asks_the_same(&self, other: &Question) -> bool {
        self.key == other.key
            && self.texts == other.texts
            && self.answer_kind == other.answer_kind
            && self.choices == other.choices
    }
}

#[cfg(test)]
pub(super) mod tests;
