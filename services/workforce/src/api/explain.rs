//! What refusals tell the wire.

use kit::Explain;
use tonic::Code;

use crate::domain::refusal::Refusal;

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Refusal::HistoryEmpty
            | Refusal::State { .. }
            | Refusal::RulesBroken { .. }
            | Refusal::Gone { .. }
            | Refusal::Overlap { .. } => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::HistoryEmpty => "HISTORY_EMPTY",
            Refusal::State { .. } => "SCHEDULE_STATE",
            Refusal::RulesBroken { .. } => "RULES_BROKEN",
            Refusal::Gone { .. } => "AGENT_GONE",
            Refusal::Overlap { .. } => "SCHEDULE_OVERLAP",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Refusal::HistoryEmpty => Vec::new(),
            Refusal::State { state, .. } => vec![("state", state.word().to_owned())],
            Refusal::RulesBroken { user, rule, day } => {
                vec![("user_id", user.to_string()), ("rule", rule.name().to_owned()), ("day", day.to_string())]
            }
            Refusal::Gone { user } => vec![("user_id", user.to_string())],
            Refusal::Overlap { other } => vec![("schedule_id", other.to_string())],
        }
    }
}
