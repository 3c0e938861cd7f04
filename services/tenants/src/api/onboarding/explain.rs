//! What a refusal of onboarding is on the wire.

use kit::{Explain, Fault};
use tonic::Code;

use super::invalid;
use crate::domain::onboarding::{life, questionnaire, template};

impl Explain for life::Refusal {
    fn code(&self) -> Code {
        match self {
            life::Refusal::WrongState { .. }
            | life::Refusal::EvidenceMissing { .. }
            | life::Refusal::ErasureRequested
            | life::Refusal::Erased => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            life::Refusal::WrongState { .. } => "WRONG_STATE",
            life::Refusal::EvidenceMissing { .. } => "EVIDENCE_MISSING",
            life::Refusal::ErasureRequested => "ERASURE_REQUESTED",
            life::Refusal::Erased => "SELLER_ERASED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            life::Refusal::WrongState { state, verb } => {
                vec![("state", state.word().to_owned()), ("verb", (*verb).to_owned())]
            }
            life::Refusal::EvidenceMissing { missing } => vec![("missing", missing.join("\n"))],
            life::Refusal::ErasureRequested | life::Refusal::Erased => Vec::new(),
        }
    }
}

impl Explain for template::Incomplete {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "TEMPLATE_INCOMPLETE"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("missing", self.missing.join("\n"))]
    }
}

/// Refusals of a questionnaire other than flawed fields.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(questionnaire::Refusal);

/// A flawed answer is a violation of its field, anything else a refusal.
pub(super) fn questionnaire(refusal: questionnaire::Refusal) -> Fault {
    match refusal {
        questionnaire::Refusal::Invalid(problems) => invalid(problems),
        other => Refused(other).into(),
    }
}

impl Explain for Refused {
    fn code(&self) -> Code {
        match &self.0 {
            questionnaire::Refusal::Invalid(_) => Code::InvalidArgument,
            questionnaire::Refusal::AnswersMissing { .. } | questionnaire::Refusal::NotSubmitted => {
                Code::FailedPrecondition
            }
            questionnaire::Refusal::FourEyes { .. } => Code::PermissionDenied,
        }
    }

    fn reason(&self) -> &'static str {
        match &self.0 {
            questionnaire::Refusal::Invalid(_) => "INVALID_FIELDS",
            questionnaire::Refusal::AnswersMissing { .. } => "ANSWERS_MISSING",
            questionnaire::Refusal::NotSubmitted => "NOT_SUBMITTED",
            questionnaire::Refusal::FourEyes { .. } => "FOUR_EYES",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match &self.0 {
            questionnaire::Refusal::AnswersMissing { missing } => vec![("missing", missing.join("\n"))],
            questionnaire::Refusal::FourEyes { slots } => vec![("answers", slots.join("\n"))],
            questionnaire::Refusal::Invalid(_) | questionnaire::Refusal::NotSubmitted => Vec::new(),
        }
    }
}

/// Something that is still in use.
#[derive(Debug, thiserror::Error)]
pub(super) enum InUse {
    #[error("the SLA policy names this calendar: change the policy first")]
    Calendar,
    #[error("the escalation matrix names this contact: change the matrix first")]
    Contact,
    #[error("the seller has {what}s enough: at most {most}")]
    TooMany { what: &'static str, most: usize },
}

impl Explain for InUse {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            InUse::Calendar => "CALENDAR_IN_USE",
            InUse::Contact => "CONTACT_IN_USE",
            InUse::TooMany { .. } => "TOO_MANY",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            InUse::Calendar | InUse::Contact => Vec::new(),
            InUse::TooMany { what, most } => vec![("what", (*what).to_owned()), ("most", most.to_string())],
        }
    }
}

/// Refuses one more of what there may be only so many.
pub(super) fn room(what: &'static str, there: usize, most: usize) -> Result<(), InUse> {
    if there < most { Ok(()) } else { Err(InUse::TooMany { what, most }) }
}
