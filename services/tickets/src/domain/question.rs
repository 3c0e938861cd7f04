//! Questions to a seller.

use jiff::Timestamp;

use super::ids::{ArticleId, QuestionId, TicketId, UserId};

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Asked,
    Answered,
    Withdrawn,
}

impl State {
    pub const ALL: [State; 3] = [State::Asked, State::Answered, State::Withdrawn];

    pub fn name(self) -> &'static str {
        match self {
            State::Asked => "asked",
            State::Answered => "answered",
            State::Withdrawn => "withdrawn",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A question.
#[derive(Clone, PartialEq)]
pub struct Question {
    pub id: QuestionId,
    pub ticket: TicketId,
    /// The ticket's number for people.
    pub number: String,
    pub state: State,
    pub original: String,
    pub original_language: String,
    /// Empty without one, like its language.
    pub translation: String,
    pub translation_language: String,
    /// person or machine; empty without a translation.
    pub translated_by: String,
    pub reviewed: bool,
    pub asked_by: Option<UserId>,
    pub asked_at: Timestamp,
    pub answer: String,
    pub answer_language: String,
    pub answered_by: Option<UserId>,
    pub answered_at: Option<Timestamp>,
    pub article: Option<ArticleId>,
    pub version: i64,
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the question was {} before", .0.name())]
    Over(State),
    #[error("the question is not answered")]
    NotAnswered,
    #[error("the answer is an article already")]
    IsArticle,
}

impl Question {
    /// The seller answers.
    pub fn answer(&mut self, by: Option<UserId>, at: Timestamp, text: String, language: String) -> Result<(), Refusal> {
        self.end(State::Answered)?;
        (self.answer, self.answer_language) = (text, language);
        (self.answered_by, self.answered_at) = (by, Some(at));
        Ok(())
    }

    /// It is no longer asked.
    pub fn withdraw(&mut self) -> Result<(), Refusal> {
        self.end(State::Withdrawn)
    }

    /// Its answer becomes an article.
    pub fn promote(&mut self, article: ArticleId) -> Result<(), Refusal> {
        if self.state != State::Answered {
            return Err(Refusal::NotAnswered);
        }
        if self.article.is_some() {
            return Err(Refusal::IsArticle);
        }
        self.article = Some(article);
        Ok(())
    }

    fn end(&mut self, state: State) -> Result<(), Refusal> {
        if self.state != State::Asked {
            return Err(Refusal::Over(self.state));
        }
        self.state = state;
        Ok(())
    }
}
