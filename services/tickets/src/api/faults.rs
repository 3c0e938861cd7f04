//! What the rules' refusals tell the wire.

use kit::{Explain, Fault};
use tonic::Code;

use crate::domain::intake::book::NotTaken;
use crate::domain::ticket::Refusal;
use crate::domain::{call, customer};

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
