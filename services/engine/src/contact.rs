//! A contact: one unit of work, its states and the transitions between them.

use serde::{Deserialize, Serialize};

use super::ids::{AgentId, At, ContactId, OfferId, SellerId, TicketId};
use super::needs::{Needs, Priority, Softs};
use super::policy::Policy;

/// Where a contact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    Queued,
    Offered,
    Assigned,
    Wrap,
    Done,
    Parked,
    Abandoned,
    Cancelled,
    Expired,
    Overflowed,
}

impl ContactState {
    /// Every state.
    pub const ALL: [ContactState; 10] = [
        ContactState::Queued,
        ContactState::Offered,
        ContactState::Assigned,
        ContactState::Wrap,
        ContactState::Done,
        ContactState::Parked,
        ContactState::Abandoned,
        ContactState::Cancelled,
        ContactState::Expired,
        ContactState::Overflowed,
    ];

    /// The state's word in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ContactState::Queued => "queued",
            ContactState::Offered => "offered",
            ContactState::Assigned => "assigned",
            ContactState::Wrap => "wrap",
            ContactState::Done => "done",
            ContactState::Parked => "parked",
            ContactState::Abandoned => "abandoned",
            ContactState::Cancelled => "cancelled",
            ContactState::Expired => "expired",
            ContactState::Overflowed => "overflowed",
        }
    }

    /// Whether nothing more happens to it.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            ContactState::Done
                | ContactState::Abandoned
                | ContactState::Cancelled
                | ContactState::Expired
                | ContactState::Overflowed
        )
    }

    /// Whether an agent owns it.
    #[must_use]
    pub fn is_owned(self) -> bool {
        matches!(self, ContactState::Assigned | ContactState::Wrap | ContactState::Parked)
    }

    /// Whether it occupies somebody on the seller's behalf: floors and ceilings count these.
    #[must_use]
    pub fn is_at_work(self) -> bool {
        matches!(self, ContactState::Offered | ContactState::Assigned | ContactState::Wrap)
    }

    /// Whether the one may become the other.
    #[must_use]
    pub fn may_become(self, next: ContactState) -> bool {
        use ContactState::{Abandoned, Assigned, Cancelled, Done, Expired, Offered, Overflowed, Parked, Queued, Wrap};
        match self {
            Queued => matches!(next, Offered | Assigned | Done | Abandoned | Cancelled | Expired | Overflowed),
            Offered => matches!(next, Queued | Assigned | Done | Abandoned | Cancelled | Expired | Overflowed),
            Assigned => matches!(next, Queued | Offered | Wrap | Done | Parked | Abandoned | Cancelled | Overflowed),
            // The customer has the answer: nobody else is to give it again.
            Wrap => matches!(next, Done),
            Parked => matches!(next, Assigned | Queued | Offered | Done | Abandoned | Cancelled | Expired | Overflowed),
            Done | Abandoned | Cancelled | Expired | Overflowed => false,
        }
    }
}

/// Why nobody at all can take a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    SellerNotLive,
    NoCertifiedAgent,
    NoLanguage,
    NoLevel,
    NoChannel,
    NoSkill,
    NoCombination,
}

impl Block {
    /// Every reason.
    pub const ALL: [Block; 7] = [
        Block::SellerNotLive,
        Block::NoCertifiedAgent,
        Block::NoLanguage,
        Block::NoLevel,
        Block::NoChannel,
        Block::NoSkill,
        Block::NoCombination,
    ];

    /// The reason's word on the wire and in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Block::SellerNotLive => "seller_not_live",
            Block::NoCertifiedAgent => "no_certified_agent",
            Block::NoLanguage => "no_language",
            Block::NoLevel => "no_level",
            Block::NoChannel => "no_channel",
            Block::NoSkill => "no_skill",
            Block::NoCombination => "no_combination",
        }
    }
}

/// A contact as it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewContact {
    /// The contact.
    pub id: ContactId,
    /// The seller.
    pub seller: SellerId,
    /// The ticket it works on.
    pub ticket: Option<TicketId>,
    /// Short number of the ticket.
    pub number: String,
    /// What it needs.
    pub needs: Needs,
    /// How soon it matters.
    pub priority: Priority,
    /// When the customer began to wait.
    pub waiting_since: At,
    /// When it must be answered.
    pub due_at: At,
    /// Who answered this customer last.
    pub preferred: Option<AgentId>,
}

/// A contact as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The contact.
    pub id: ContactId,
    /// The seller.
    pub seller: SellerId,
    /// The ticket it works on.
    pub ticket: Option<TicketId>,
    /// Short number of the ticket.
    pub number: String,
    /// What it needs.
    pub needs: Needs,
    /// How soon it matters.
    pub priority: Priority,
    /// When the customer began to wait; survives every return to the queue.
    pub waiting_since: At,
    /// When it must be answered; survives every return to the queue.
    pub due_at: At,
    /// Who is tried first.
    pub preferred: Option<AgentId>,
    /// Where it stands.
    pub state: ContactState,
    /// When it first came here.
    pub queued_at: At,
    /// Who is offered it, owns it or had it last.
    pub agent: Option<AgentId>,
    /// The live offer.
    pub offer: Option<OfferId>,
    /// When the present or last owner took it.
    pub assigned_at: Option<At>,
    /// When its wrap-up ends by itself.
    pub wrap_until: Option<At>,
    /// When it reached a final state.
    pub ended_at: Option<At>,
    /// How often it was offered.
    pub offers_made: i32,
    /// What is no longer asked of whoever takes it.
    #[serde(default)]
    pub dropped: Softs,
    /// Why nobody can take it.
    pub blocked: Option<Block>,
    /// Since when nobody can, whatever the reason.
    #[serde(default)]
    pub blocked_since: Option<At>,
    /// Until when a hand has set it aside: it is queued and offered to nobody.
    #[serde(default)]
    pub aside_until: Option<At>,
    /// When an agent first took it; survives every return to the queue.
    #[serde(default)]
    pub first_taken_at: Option<At>,
    /// What its ticket said last of how soon and how much it matters, once a hand said otherwise: what the ticket says
    /// unchanged does not undo that.
    #[serde(default)]
    pub overruled: Option<(Priority, At)>,
    /// When it last came back from somebody who had it in hand.
    #[serde(default)]
    pub requeued_at: Option<At>,
    /// Rises with every change.
    pub version: i64,
}

impl Contact {
    /// A contact that has just come in.
    #[must_use]
    pub fn open(new: NewContact, now: At) -> Contact {
        Contact {
            id: new.id,
            seller: new.seller,
            ticket: new.ticket,
            number: new.number,
            dropped: Softs::NONE,
            needs: new.needs,
            priority: new.priority,
            waiting_since: new.waiting_since.min(now),
            due_at: new.due_at,
            preferred: new.preferred,
            state: ContactState::Queued,
            queued_at: now,
            agent: None,
            offer: None,
            assigned_at: None,
            wrap_until: None,
            ended_at: None,
            offers_made: 0,
            blocked: None,
            blocked_since: None,
            aside_until: None,
            first_taken_at: None,
            overruled: None,
            requeued_at: None,
            version: 0,
        }
    }

    /// What is to be of how soon and how much it matters, when its ticket says this: what a hand said stays where the
    /// ticket says what it said before.
    #[must_use]
    pub fn matters(&self, priority: Priority, due_at: At) -> (Priority, At) {
        let (said_priority, said_due) = self.overruled.unwrap_or((self.priority, self.due_at));
        (
            if priority == said_priority { self.priority } else { priority },
            if due_at == said_due { self.due_at } else { due_at },
        )
    }

    /// Since when it waits this time: what is asked for a while is asked from then on. Its age counts from the beginning.
    #[must_use]
    pub fn waits_from(&self) -> At {
        self.requeued_at.map_or(self.queued_at, |at| at.max(self.queued_at))
    }

    /// When it expires under its seller's policy, if ever. That counts from the first arrival, also while somebody has it
    /// in hand; but one that came back from there can be offered once before: it lives until what is asked of it for a
    /// while is over, and as long as an offer lasts.
    #[must_use]
    pub fn expires_at(&self, policy: &Policy) -> Option<At> {
        if policy.expire_seconds == 0 {
            return None;
        }
        let asked = [
            (self.preferred.is_some(), policy.affinity_seconds),
            (!self.needs.preferred.is_empty(), policy.preferred_skills_seconds),
            (true, policy.native_seconds),
            (!policy.home_sites.is_empty(), policy.overflow_seconds),
        ];
        let asked = asked.into_iter().filter_map(|(asks, seconds)| asks.then_some(seconds)).max().unwrap_or(0);
        let offered_once = self.requeued_at.map(|at| at.plus_seconds(asked + policy.offer_seconds));
        let counted = self.waiting_since.plus_seconds(policy.expire_seconds);
        Some(offered_once.map_or(counted, |at| at.max(counted)))
    }

    /// Units that it takes of the agent who is offered it or owns it.
    #[must_use]
    pub fn units(&self) -> u32 {
        match self.state {
            ContactState::Parked => self.needs.channel.parked_units(),
            ContactState::Offered | ContactState::Assigned | ContactState::Wrap => self.needs.channel.units(),
            _ => 0,
        }
    }

    /// Whether its units keep other live work away (else they give way to it).
    #[must_use]
    pub fn is_firm(&self) -> bool {
        self.needs.channel.is_live() && self.state != ContactState::Parked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_stay_and_every_other_state_can_end() {
        for state in ContactState::ALL {
            let ways: Vec<_> = ContactState::ALL.into_iter().filter(|next| state.may_become(*next)).collect();
            assert_eq!(ways.is_empty(), state.is_final(), "{state:?}");
            assert!(state.is_final() || ways.iter().any(|w| w.is_final()), "{state:?}");
            assert!(!state.may_become(state), "{state:?}");
        }
    }
}
