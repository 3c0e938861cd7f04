//! What the rules' refusals tell the wire.

use kit::{Explain, Fault};
use tonic::Code;

use super::templates::Retired;
use super::triggers::TooMany;
use super::workflow;
use crate::domain::intake::book::NotTaken;
use crate::domain::template::Unresolved;
use crate::domain::ticket::Refusal;
use crate::domain::{call, case, claim, concession, customer, enclosure, goods_return, question};

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Refusal::Closed | Refusal::State(_) | Refusal::IntoItself | Refusal::NotToBeSplit => {
                Code::FailedPrecondition
            }
            Refusal::NoWaitingState(_) => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::Closed => "TICKET_CLOSED",
            Refusal::State(_) => "TICKET_STATE",
            Refusal::NoWaitingState(_) => "NO_WAITING_STATE",
            Refusal::IntoItself => "MERGE_INTO_ITSELF",
            Refusal::NotToBeSplit => "NOT_TO_BE_SPLIT",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Refusal::Closed => vec![("state", "closed".into())],
            Refusal::IntoItself | Refusal::NotToBeSplit => Vec::new(),
            Refusal::State(state) | Refusal::NoWaitingState(state) => vec![("state", state.name().into())],
        }
    }
}

impl Explain for customer::Refusal {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            customer::Refusal::IdentityTaken(_) => "IDENTITY_TAKEN",
            customer::Refusal::LastIdentity => "LAST_IDENTITY",
            customer::Refusal::TooManyTickets => "TOO_MANY_TICKETS",
            customer::Refusal::Erased => "CUSTOMER_ERASED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            customer::Refusal::IdentityTaken(id) => vec![("customer_id", id.to_string())],
            customer::Refusal::LastIdentity | customer::Refusal::Erased => Vec::new(),
            customer::Refusal::TooManyTickets => vec![("limit", customer::TICKETS_LIMIT.to_string())],
        }
    }
}

impl Explain for call::Refusal {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            call::Refusal::Contradicted(_) => "CALL_CONTRADICTED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            call::Refusal::Contradicted(what) => vec![("what", (*what).to_owned())],
        }
    }
}

impl Explain for case::Refusal {
    fn code(&self) -> Code {
        match self {
            case::Refusal::Ticket(refusal) => refusal.code(),
            case::Refusal::TooManyTags | case::Refusal::TooManySkills => Code::FailedPrecondition,
            case::Refusal::NoSuchField(_) | case::Refusal::BadValue { .. } | case::Refusal::BadMoment => {
                Code::InvalidArgument
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            case::Refusal::Ticket(refusal) => refusal.reason(),
            case::Refusal::TooManyTags => "TOO_MANY_TAGS",
            case::Refusal::TooManySkills => "TOO_MANY_SKILLS",
            case::Refusal::NoSuchField(_) => "NO_SUCH_FIELD",
            case::Refusal::BadValue { .. } => "FIELD_VALUE",
            case::Refusal::BadMoment => "BAD_MOMENT",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            case::Refusal::Ticket(refusal) => refusal.metadata(),
            case::Refusal::TooManyTags | case::Refusal::TooManySkills | case::Refusal::BadMoment => Vec::new(),
            case::Refusal::NoSuchField(key) | case::Refusal::BadValue { key, .. } => vec![("key", key.clone())],
        }
    }
}

impl Explain for workflow::Refusal {
    fn code(&self) -> Code {
        match self {
            workflow::Refusal::Linked => Code::AlreadyExists,
            workflow::Refusal::FieldType
            | workflow::Refusal::TooManyFields
            | workflow::Refusal::HasProblem
            | workflow::Refusal::TooManyLinks => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            workflow::Refusal::FieldType => "FIELD_TYPE",
            workflow::Refusal::TooManyFields => "TOO_MANY_FIELDS",
            workflow::Refusal::HasProblem => "HAS_PROBLEM",
            workflow::Refusal::Linked => "LINKED",
            workflow::Refusal::TooManyLinks => "TOO_MANY_LINKS",
        }
    }
}

impl Explain for Unresolved {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "TEMPLATE_UNRESOLVED"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("variables", self.0.join(","))]
    }
}

impl Explain for Retired {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "TEMPLATE_RETIRED"
    }
}

impl Explain for question::Refusal {
    fn code(&self) -> Code {
        match self {
            question::Refusal::Over(_) | question::Refusal::NotAnswered => Code::FailedPrecondition,
            question::Refusal::IsArticle => Code::AlreadyExists,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            question::Refusal::Over(_) => "QUESTION_OVER",
            question::Refusal::NotAnswered => "NOT_ANSWERED",
            question::Refusal::IsArticle => "IS_ARTICLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            question::Refusal::Over(state) => vec![("state", state.name().into())],
            question::Refusal::NotAnswered | question::Refusal::IsArticle => Vec::new(),
        }
    }
}

impl Explain for TooMany {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "TOO_MANY_TRIGGERS"
    }
}

impl Explain for concession::Refusal {
    fn code(&self) -> Code {
        match self {
            concession::Refusal::Decided => Code::FailedPrecondition,
            concession::Refusal::OwnRequest | concession::Refusal::AboveAuthority => Code::PermissionDenied,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            concession::Refusal::Decided => "DECIDED",
            concession::Refusal::OwnRequest => "OWN_REQUEST",
            concession::Refusal::AboveAuthority => "ABOVE_AUTHORITY",
        }
    }
}

impl Explain for claim::Refusal {
    fn code(&self) -> Code {
        match self {
            claim::Refusal::MayNotWaive => Code::PermissionDenied,
            claim::Refusal::Known(_) => Code::AlreadyExists,
            claim::Refusal::NoSuchDeadline => Code::InvalidArgument,
            claim::Refusal::State(_) | claim::Refusal::EvidenceMissing(_) | claim::Refusal::TooMuchEvidence => {
                Code::FailedPrecondition
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            claim::Refusal::State(_) => "CLAIM_STATE",
            claim::Refusal::EvidenceMissing(_) => "EVIDENCE_MISSING",
            claim::Refusal::MayNotWaive => "MAY_NOT_WAIVE",
            claim::Refusal::TooMuchEvidence => "TOO_MUCH_EVIDENCE",
            claim::Refusal::NoSuchDeadline => "NO_SUCH_DEADLINE",
            claim::Refusal::Known(_) => "CLAIM_KNOWN",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            claim::Refusal::State(state) => vec![("state", state.name().into())],
            claim::Refusal::EvidenceMissing(items) => vec![("items", items.join(","))],
            claim::Refusal::Known(id) => vec![("claim_id", id.to_string())],
            claim::Refusal::MayNotWaive | claim::Refusal::TooMuchEvidence | claim::Refusal::NoSuchDeadline => {
                Vec::new()
            }
        }
    }
}

impl Explain for enclosure::TooMuch {
    fn code(&self) -> Code {
        match self {
            enclosure::TooMuch::Files | enclosure::TooMuch::Bytes => Code::InvalidArgument,
            enclosure::TooMuch::Waiting => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            enclosure::TooMuch::Files => "TOO_MANY_FILES",
            enclosure::TooMuch::Bytes => "FILES_TOO_LARGE",
            enclosure::TooMuch::Waiting => "TOO_MANY_UPLOADS",
        }
    }
}

impl Explain for goods_return::Refusal {
    fn code(&self) -> Code {
        match self {
            goods_return::Refusal::State(_) | goods_return::Refusal::NotGranted => Code::FailedPrecondition,
            goods_return::Refusal::NoSuchDeadline | goods_return::Refusal::BadMoment => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            goods_return::Refusal::State(_) => "RETURN_STATE",
            goods_return::Refusal::NotGranted => "NOT_GRANTED",
            goods_return::Refusal::NoSuchDeadline => "NO_SUCH_DEADLINE",
            goods_return::Refusal::BadMoment => "BAD_MOMENT",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            goods_return::Refusal::State(state) => vec![("state", state.name().into())],
            _ => Vec::new(),
        }
    }
}

/// A seller or an account that takes no messages in.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Shut {
    #[error("the seller takes no messages in: it is leaving or has left")]
    Seller,
    #[error("the channel account is switched off")]
    Account,
}

impl Explain for Shut {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            Shut::Seller => "SELLER_RECEIVES_NOTHING",
            Shut::Account => "CHANNEL_ACCOUNT_INACTIVE",
        }
    }
}

/// The reason by which a report about no mail of ours is known.
pub const REPORT_OF_NOTHING: &str = "REPORT_OF_NOTHING";

/// A report of delivery about no mail of ours.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the report is about no mail that was sent from here")]
struct Unreported;

impl Explain for Unreported {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        REPORT_OF_NOTHING
    }
}

/// Why a message was not taken in, as a fault of the request. `at` names the message in a batch.
pub fn not_taken(why: NotTaken, at: &str) -> Fault {
    match why {
        NotTaken::UnknownAccount => Fault::invalid("channel_account_id", why.to_string()),
        NotTaken::ReportOfNothing => Unreported.into(),
        NotTaken::AnswerToNothing => Fault::invalid(format!("{at}direction"), why.to_string()),
        NotTaken::Refused(refusal) => refusal.into(),
    }
}
