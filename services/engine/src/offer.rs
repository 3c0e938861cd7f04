//! An offer: one contact proposed to one agent, with an end.

use serde::{Deserialize, Serialize};

use super::ids::{AgentId, At, ContactId, OfferId, SellerId};
use super::machine::Rule;

/// How an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferState {
    Pending,
    Accepted,
    Rejected,
    TimedOut,
    Rescinded,
}

impl OfferState {
    /// Every state.
    pub const ALL: [OfferState; 5] =
        [OfferState::Pending, OfferState::Accepted, OfferState::Rejected, OfferState::TimedOut, OfferState::Rescinded];

    /// The state's word in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            OfferState::Pending => "pending",
            OfferState::Accepted => "accepted",
            OfferState::Rejected => "rejected",
            OfferState::TimedOut => "timed_out",
            OfferState::Rescinded => "rescinded",
        }
    }
}

/// A contact proposed to one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The offer.
    pub id: OfferId,
    /// The seller of the contact.
    pub seller: SellerId,
    /// The contact.
    pub contact: ContactId,
    /// The agent.
    pub agent: AgentId,
    /// How it stands.
    pub state: OfferState,
    /// The rule that chose the agent.
    pub rule: Rule,
    /// When it was made.
    pub offered_at: At,
    /// Until when it can be accepted, exclusive.
    pub expires_at: At,
    /// When it ended.
    pub ended_at: Option<At>,
    /// Why it ended, if somebody said.
    pub reason: String,
}
