//! Why a command was refused, and why an agent cannot get a contact.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::contact::ContactState;
use super::offer::OfferState;

/// Something that keeps one agent from one contact, hard ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    Inactive,
    NotGranted,
    NotCertified,
    CertificationExpired,
    LanguageMissing,
    LevelTooLow,
    ChannelNotServed,
    SkillMissing,
    SellerNotLive,
    SellerAtCeiling,
    QueuePaused,
    SetAside,
    Offline,
    Paused,
    Draining,
    NoRoom,
    RefusedBefore,
    ReservedForOther,
    IdleReserve,
    WaitsForNative,
    KeptForSite,
    AlreadyOwned,
}

impl Obstacle {
    /// The obstacle's word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Obstacle::Inactive => "inactive",
            Obstacle::NotGranted => "not_granted",
            Obstacle::NotCertified => "not_certified",
            Obstacle::CertificationExpired => "certification_expired",
            Obstacle::LanguageMissing => "language_missing",
            Obstacle::LevelTooLow => "level_too_low",
            Obstacle::ChannelNotServed => "channel_not_served",
            Obstacle::SkillMissing => "skill_missing",
            Obstacle::SellerNotLive => "seller_not_live",
            Obstacle::SellerAtCeiling => "seller_at_ceiling",
            Obstacle::QueuePaused => "queue_paused",
            Obstacle::SetAside => "set_aside",
            Obstacle::Offline => "offline",
            Obstacle::Paused => "paused",
            Obstacle::Draining => "draining",
            Obstacle::NoRoom => "no_room",
            Obstacle::RefusedBefore => "refused_before",
            Obstacle::ReservedForOther => "reserved_for_other",
            Obstacle::IdleReserve => "idle_reserve",
            Obstacle::WaitsForNative => "waits_for_native",
            Obstacle::KeptForSite => "kept_for_site",
            Obstacle::AlreadyOwned => "already_owned",
        }
    }

    /// Whether no waiting and no hand may ever lift it.
    #[must_use]
    pub fn is_hard(self) -> bool {
        self <= Obstacle::SellerNotLive
    }
}

/// Why a command was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such open contact.
    #[error("no such contact")]
    ContactNotFound,
    /// No such live offer of this agent.
    #[error("no such offer")]
    OfferNotFound,
    /// The offer is over.
    #[error("the offer is {}", .0.word())]
    OfferEnded(OfferState),
    /// The session that speaks was replaced by a newer one, or has lapsed.
    #[error("the session was replaced or has lapsed")]
    StaleSession,
    /// Nobody has told routing about this agent, or the agent is no longer active.
    #[error("this person takes no contacts")]
    AgentUnknown,
    /// Somebody else has it.
    #[error("the contact belongs to somebody else")]
    NotOwner,
    /// The contact's state forbids it.
    #[error("the contact is {}", .0.word())]
    WrongState(ContactState),
    /// The guards of the engine hold for hands as well.
    #[error("the agent cannot take this contact: {}", words(.0))]
    NotEligible(Vec<Obstacle>),
    /// It would not fit.
    #[error("the agent has no room for it")]
    NoRoom,
    /// A hand can change the presence only of somebody who is here.
    #[error("the agent is not signed in")]
    AgentOffline,
    /// It has waited as long as anything may: no hand sets it aside.
    #[error("the contact has waited as long as anything may")]
    MaximumWaitReached,
    /// The caller saw an older version.
    #[error("the contact has changed")]
    Changed,
}

fn words(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(|o| o.word()).collect::<Vec<_>>().join(", ")
}
