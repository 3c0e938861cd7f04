//! What the engine's refusals tell the wire.

use kit::{Explain, Fault};
use tonic::Code;

use engine::refusal::Refusal;

/// A refusal on its way to the wire.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(Refusal);

impl Explain for Refused {
    fn code(&self) -> Code {
        match &self.0 {
            Refusal::ContactNotFound | Refusal::OfferNotFound => Code::NotFound,
            Refusal::Changed => Code::Aborted,
            Refusal::OfferEnded(_)
            | Refusal::StaleSession
            | Refusal::AgentUnknown
            | Refusal::NotOwner
            | Refusal::WrongState(_)
            | Refusal::NotEligible(_)
            | Refusal::AgentOffline
            | Refusal::MaximumWaitReached
            | Refusal::NoRoom => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match &self.0 {
            Refusal::ContactNotFound | Refusal::OfferNotFound => "NOT_FOUND",
            Refusal::OfferEnded(_) => "OFFER_ENDED",
            Refusal::StaleSession => "STALE_SESSION",
            Refusal::AgentUnknown => "AGENT_UNKNOWN",
            Refusal::NotOwner => "NOT_OWNER",
            Refusal::WrongState(_) => "WRONG_STATE",
            Refusal::NotEligible(_) => "AGENT_NOT_ELIGIBLE",
            Refusal::NoRoom => "NO_ROOM",
            Refusal::AgentOffline => "AGENT_OFFLINE",
            Refusal::MaximumWaitReached => "MAXIMUM_WAIT_REACHED",
            Refusal::Changed => "ETAG_MISMATCH",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match &self.0 {
            Refusal::OfferEnded(state) => vec![("state", state.word().to_owned())],
            Refusal::WrongState(state) => vec![("state", state.word().to_owned())],
            Refusal::NotEligible(obstacles) => {
                vec![("obstacles", obstacles.iter().map(|o| o.word()).collect::<Vec<_>>().join(","))]
            }
            _ => Vec::new(),
        }
    }
}

/// A refusal as a fault; what is not there has the same bytes in every service.
pub fn fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::ContactNotFound => Fault::NotFound("contact"),
        Refusal::OfferNotFound => Fault::NotFound("offer"),
        Refusal::Changed => Fault::Stale,
        other => Refused(other).into(),
    }
}
