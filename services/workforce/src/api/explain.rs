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
            | Refusal::NoAnalogue
            | Refusal::OutsideSchedule { .. }
            | Refusal::Outdated
            | Refusal::Decided { .. }
            | Refusal::LeaveBalance { .. }
            | Refusal::LeaveOverlap
            | Refusal::ShiftBegun
            | Refusal::SwapOpen
            | Refusal::ColleagueCannot
            | Refusal::OfferTaken
            | Refusal::OfferUnfit
            | Refusal::Full { .. }
            | Refusal::NoSeat { .. }
            | Refusal::Unattended { .. }
            | Refusal::ActivityChanged { .. }
            | Refusal::Attends { .. }
            | Refusal::FixedShifts { .. }
            | Refusal::Overlap { .. } => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Refusal::HistoryEmpty => "HISTORY_EMPTY",
            Refusal::State { .. } => "SCHEDULE_STATE",
            Refusal::RulesBroken { .. } => "RULES_BROKEN",
            Refusal::Gone { .. } => "AGENT_GONE",
            Refusal::NoAnalogue => "NO_ANALOGUE",
            Refusal::OutsideSchedule { .. } => "OUTSIDE_SCHEDULE",
            Refusal::Outdated => "PROPOSAL_OUTDATED",
            Refusal::Decided { .. } => "ALREADY_DECIDED",
            Refusal::LeaveBalance { .. } => "LEAVE_BALANCE",
            Refusal::LeaveOverlap => "LEAVE_OVERLAP",
            Refusal::ShiftBegun => "SHIFT_BEGUN",
            Refusal::SwapOpen => "SWAP_OPEN",
            Refusal::ColleagueCannot => "COLLEAGUE_CANNOT",
            Refusal::OfferTaken => "OFFER_TAKEN",
            Refusal::OfferUnfit => "OFFER_UNFIT",
            Refusal::Full { .. } => "LIMIT_REACHED",
            Refusal::NoSeat { .. } => "NO_SEAT",
            Refusal::Unattended { .. } => "UNATTENDED",
            Refusal::ActivityChanged { .. } => "ACTIVITY_CHANGED",
            Refusal::Attends { .. } => "ATTENDS_ACTIVITY",
            Refusal::FixedShifts { .. } => "FIXED_SHIFTS",
            Refusal::Overlap { .. } => "SCHEDULE_OVERLAP",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Refusal::HistoryEmpty
            | Refusal::NoAnalogue
            | Refusal::Outdated
            | Refusal::LeaveOverlap
            | Refusal::ShiftBegun
            | Refusal::SwapOpen
            | Refusal::ColleagueCannot
            | Refusal::OfferTaken
            | Refusal::OfferUnfit => Vec::new(),
            Refusal::OutsideSchedule { day } => vec![("day", day.to_string())],
            Refusal::Decided { state, .. } => vec![("state", (*state).to_owned())],
            Refusal::LeaveBalance { left } => vec![("left_hundredths", left.to_string())],
            Refusal::Full { what, most } => vec![("what", (*what).to_owned()), ("most", most.to_string())],
            Refusal::State { state, .. } => vec![("state", state.word().to_owned())],
            Refusal::RulesBroken { user, rule, day } => {
                vec![("user_id", user.to_string()), ("rule", rule.name().to_owned()), ("day", day.to_string())]
            }
            Refusal::Unattended { title, .. } | Refusal::ActivityChanged { title } => {
                vec![("activity", title.clone())]
            }
            Refusal::Attends { user, title } => vec![("user_id", user.to_string()), ("activity", title.clone())],
            Refusal::NoSeat { site, at } => vec![("site", site.clone()), ("time", at.to_string())],
            Refusal::FixedShifts { user, rule, limit, shifts } => vec![
                ("user_id", user.to_string()),
                ("rule", rule.name().to_owned()),
                ("limit", limit.clone()),
                ("shifts", shifts.clone()),
            ],
            Refusal::Gone { user } => vec![("user_id", user.to_string())],
            Refusal::Overlap { other } => vec![("schedule_id", other.to_string())],
        }
    }
}
