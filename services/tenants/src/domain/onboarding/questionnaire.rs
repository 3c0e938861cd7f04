//! A seller's questionnaire: answers, progress, review by a second pair of
//! eyes. State and progress are derived; only answers and whether it was
//! handed in are kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kit::ids::UserId;

use super::check::Problem;
use super::template::Template;

/// Question key and language of an answer.
pub type Slot = (String, String);

/// A questionnaire against the version of the template it was given.
#[derive(Clone, Debug)]
pub struct Questionnaire {
    pub template: Template,
    /// The languages asked for now.
    pub languages: Vec<String>,
    pub submitted: bool,
    pub answers: BTreeMap<Slot, Answer>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub state: AnswerState,
    pub comment: String,
    pub author: UserId,
    pub answered_at: Timestamp,
    pub reviewer: Option<UserId>,
    pub reviewed_at: Option<Timestamp>,
}

/// Where an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerState {
    Answered,
    Approved,
    SentBack,
}

impl AnswerState {
    /// The word in rows and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            AnswerState::Answered => "answered",
            AnswerState::Approved => "approved",
            AnswerState::SentBack => "sent_back",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<AnswerState> {
        [AnswerState::Answered, AnswerState::Approved, AnswerState::SentBack].into_iter().find(|s| s.word() == word)
    }
}

/// Where a questionnaire stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Submitted,
    Approved,
}

impl State {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Submitted => "submitted",
            State::Approved => "approved",
        }
    }
}

/// How far a questionnaire is, counted in answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub required: i32,
    pub required_answered: i32,
    pub required_approved: i32,
    pub total: i32,
    pub answered: i32,
    pub approved: i32,
    pub sent_back: i32,
}

/// An answer as given; an empty text takes it back.
#[derive(Clone, Debug)]
pub struct Given {
    pub slot: Slot,
    pub text: String,
}

/// A reviewer's word.
#[derive(Clone, Debug)]
pub struct Review {
    pub slot: Slot,
    pub approve: bool,
    pub comment: String,
}

/// An approved answer that becomes an article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    pub slot: Slot,
    pub title: String,
    pub body: String,
}

/// Why a questionnaire does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("some answers are not as they must be")]
    Invalid(Vec<Problem>),
    #[error("required answers are missing: {}", missing.join(", "))]
    AnswersMissing { missing: Vec<String> },
    #[error("the questionnaire has not been handed in")]
    NotSubmitted,
    #[error("nobody reviews her own answer: {}", slots.join(", "))]
    FourEyes { slots: Vec<String> },
}

impl Questionnaire {
    /// Every answer that is asked for, and whether it is required.
    pub fn slots(&self) -> BTreeMap<Slot, bool> {
        let mut slots = BTreeMap::new();
        for question in &self.template.questions {
            for language in question.answer_languages(&self.languages) {
                slots.insert((question.key.clone(), language.to_owned()), question.required);
            }
        }
        slots
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for (slot, required) in self.slots() {
            let state = self.answers.get(&slot).map(|a| a.state);
            let answered = i32::from(matches!(state, Some(AnswerState::Answered | AnswerState::Approved)));
            let approved = i32::from(state == Some(AnswerState::Approved));
            progress.total += 1;
            progress.answered += answered;
            progress.approved += approved;
            progress.sent_back += i32::from(state == Some(AnswerState::SentBack));
            if required {
                progress.required += 1;
                progress.required_answered += answered;
                progress.required_approved += approved;
            }
        }
        progress
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        let progress = self.progress();
        if !self.submitted || progress.required_answered < progress.required {
            State::Open
        } else if progress.required_approved == progress.required && progress.sent_back == 0 {
            State::Approved
        } else {
            State::Submitted
        }
    }

    /// Takes answers, all or none. An answer with the same text stays as it is.
    pub fn answer(&mut self, given: &[Given], author: UserId, now: Timestamp) -> Result<Vec<Slot>, Refusal> {
        let slots = self.slots();
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (i, one) in given.iter().enumerate() {
            if let Some((field, text)) = self.flaw(one, &slots, &mut seen) {
                problems.push(Problem { path: format!("answers[{i}].{field}"), text: text.to_owned() });
            }
        }
        if !problems.is_empty() {
            return Err(Refusal::Invalid(problems));
        }
        let mut changed = Vec::new();
        for one in given {
            let text = one.text.trim();
            let same = self.answers.get(&one.slot).is_some_and(|a| a.text == text && a.state != AnswerState::SentBack);
            if same || text.is_empty() && self.answers.remove(&one.slot).is_none() {
                continue;
            }
            if !text.is_empty() {
                self.answers.insert(
                    one.slot.clone(),
                    Answer {
                        text: text.to_owned(),
                        state: AnswerState::Answered,
                        comment: String::new(),
                        author,
                        answered_at: now,
                        reviewer: None,
                        reviewed_at: None,
                    },
                );
            }
            changed.push(one.slot.clone());
        }
        Ok(changed)
    }

    /// Hands it in.
    pub fn submit(&mut self) -> Result<(), Refusal> {
        let missing: Vec<String> = self
            .slots()
            .into_iter()
            .filter(|(slot, required)| {
                *required
                    && !matches!(
                        self.answers.get(slot).map(|a| a.state),
                        Some(AnswerState::Answered | AnswerState::Approved)
                    )
            })
            .map(|(slot, _)| name(&slot))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::AnswersMissing { missing });
        }
        self.submitted = true;
        Ok(())
    }

    /// Reviews answers, all or none; `rest` approves every other answer that
    /// waits. Returns the answers that changed and what became knowledge.
    pub fn review(
        &mut self,
        reviews: &[Review],
        rest: bool,
        reviewer: UserId,
        now: Timestamp,
    ) -> Result<(Vec<Slot>, Vec<Knowledge>), Refusal> {
        if !self.submitted {
            return Err(Refusal::NotSubmitted);
        }
        let reviews = self.all_reviews(reviews, rest)?;
        let own: Vec<String> = reviews
            .iter()
            .filter(|r| self.answers.get(&r.slot).is_some_and(|a| a.author == reviewer))
            .map(|r| name(&r.slot))
            .collect();
        if !own.is_empty() {
            return Err(Refusal::FourEyes { slots: own });
        }
        let (mut changed, mut knowledge) = (Vec::new(), Vec::new());
        for review in reviews {
            let Some(answer) = self.answers.get_mut(&review.slot) else { continue };
            let state = if review.approve { AnswerState::Approved } else { AnswerState::SentBack };
            if answer.state == state && answer.comment == review.comment {
                continue;
            }
            answer.state = state;
            answer.comment = review.comment;
            answer.reviewer = Some(reviewer);
            answer.reviewed_at = Some(now);
            if review.approve {
                knowledge.extend(knowledge_of(&self.template, &review.slot, &answer.text));
            }
            changed.push(review.slot);
        }
        // What was sent back has to be handed in again.
        self.submitted = self.progress().sent_back == 0;
        Ok((changed, knowledge))
    }

    /// The same seller's questionnaire in another version of the template:
    /// answers to unchanged questions stay. Returns what is dropped.
    pub fn moved_to(&mut self, template: Template, languages: Vec<String>) -> Vec<Slot> {
        let old = std::mem::replace(&mut self.template, template);
        self.languages = languages;
        let same = |key: &str| {
            let pair = self.template.question(key).zip(old.question(key));
            pair.is_some_and(|(new, old)| new.asks_the_same(old))
        };
        let dropped: Vec<Slot> = self.answers.keys().filter(|(key, _)| !same(key)).cloned().collect();
        for slot in &dropped {
            self.answers.remove(slot);
        }
        dropped
    }

    fn flaw(
        &self,
        one: &Given,
        slots: &BTreeMap<Slot, bool>,
        seen: &mut BTreeSet<Slot>,
    ) -> Option<(&'static str, &'static str)> {
        let Some(question) = self.template.question(&one.slot.0) else {
            return Some(("question_key", "must be a question of the template"));
        };
        if !slots.contains_key(&one.slot) {
            let wanted = if question.answer_kind == "text" {
                "must be one of the languages asked for"
            } else {
                "must be und: this answer is the same in every language"
            };
            return Some(("language", wanted));
        }
        if !seen.insert(one.slot.clone()) {
            return Some(("question_key", "is answered twice in this language"));
        }
        let text = one.text.trim();
        if text.is_empty() {
            return None;
        }
        if text.chars().take(20_001).count() > 20_000 {
            return Some(("text", "must have at most 20000 characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Some(("text", "must not hold control characters"));
        }
        match question.answer_kind.as_str() {
            "yes_no" if !matches!(text, "yes" | "no") => Some(("text", "must be yes or no")),
            "number" if !is_number(text) => Some(("text", "must be a decimal number such as 14 or 2.5")),
            "choice" if !question.choices.iter().any(|c| c == text) => Some(("text", "must be one of the choices")),
            _ => None,
        }
    }

    fn all_reviews(&self, reviews: &[Review], rest: bool) -> Result<Vec<Review>, Refusal> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (i, review) in reviews.iter().enumerate() {
            let mut add = |field: &str, text: &str| {
                problems.push(Problem { path: format!("reviews[{i}].{field}"), text: text.to_owned() });
            };
            if !self.answers.contains_key(&review.slot) {
                add("question_key", "must name an answer that was given");
            }
            if !seen.insert(&review.slot) {
                add("question_key", "is reviewed twice in this language");
            }
            if !review.approve && review.comment.trim().is_empty() {
                add("comment", "must say why the answer is sent back");
            }
            if review.comment.chars().take(2001).count() > 2000 {
                add("comment", "must have at most 2000 characters");
            }
        }
        if !problems.is_empty() {
            return Err(Refusal::Invalid(problems));
        }
        let mut all: Vec<Review> =
            reviews.iter().map(|r| Review { comment: r.comment.trim().to_owned(), ..r.clone() }).collect();
        if rest {
            let waiting =
                self.answers.iter().filter(|(slot, a)| a.state == AnswerState::Answered && !seen.contains(slot));
            all.extend(waiting.map(|(slot, _)| Review { slot: slot.clone(), approve: true, comment: String::new() }));
        }
        Ok(all)
    }
}

fn knowledge_of(template: &Template, slot: &Slot, body: &str) -> Option<Knowledge> {
    let question = template.question(&slot.0).filter(|q| q.becomes_knowledge)?;
    let title = question.texts.get(&slot.1).or_else(|| question.texts.get(template.languages.first()?))?;
    Some(Knowledge { slot: slot.clone(), title: title.clone(), body: body.to_owned() })
}

fn name(slot: &Slot) -> String {
    format!("{} ({})", slot.0, slot.1)
}

fn is_number(text: &str) -> bool {
    text.len() <= 30 && !text.starts_with('+') && text.parse::<rust_decimal::Decimal>().is_ok()
}

#[cfg(test)]
mod tests;
