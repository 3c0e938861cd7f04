//! Who did something by hand, and what it changed: noted when the engine has
//! decided, kept in the commit of the decision.

use kit::{SellerId, UserId};

use crate::store::actions::{Action, ActionId, Change};
use engine::Engine;
use engine::contact::Contact;
use engine::ids::{AgentId, At, ContactId};

/// What something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An agent.
    Agent(AgentId),
    /// A contact of a seller.
    Contact(SellerId, ContactId),
    /// A seller's queue.
    Queue(SellerId),
}

/// Somebody who does something by hand.
#[derive(Debug, Clone)]
pub struct Hand {
    /// Id of the action.
    pub id: ActionId,
    /// Who.
    pub actor: UserId,
    /// What.
    pub action: &'static str,
    /// To what.
    pub subject: Subject,
    /// Why.
    pub reason: String,
}

/// Fields of a subject by name, in order.
pub type Facts = Vec<(&'static str, String)>;

impl Hand {
    /// The subject as the engine has it.
    pub fn look(&self, engine: &Engine) -> Facts {
        match self.subject {
            Subject::Agent(agent) => engine.agent(agent).map_or_else(Facts::new, |(_, session, _)| {
                vec![
                    ("presence", session.presence.word().to_owned()),
                    ("reason", session.reason.clone()),
                    ("epoch", session.epoch.to_string()),
                ]
            }),
            Subject::Contact(_, contact) => engine.contact(contact).map_or_else(Facts::new, facts_of),
            Subject::Queue(seller) => {
                let pause = engine.pause(seller);
                vec![
                    ("paused", pause.is_some().to_string()),
                    ("until", pause.and_then(|pause| pause.until).map_or_else(String::new, instant)),
                    ("reason", pause.map_or_else(String::new, |pause| pause.reason.clone())),
                ]
            }
        }
    }

    /// What came of it; `ended` is the contact if it has ended with that.
    pub fn acted(self, before: &Facts, engine: &Engine, ended: Option<&Contact>) -> Action {
        let mut after = self.look(engine);
        if let (true, Some(ended)) = (after.is_empty(), ended) {
            after = facts_of(ended);
        }
        let (seller, agent, contact) = match self.subject {
            Subject::Agent(agent) => (None, Some(agent), None),
            Subject::Contact(seller, contact) => (Some(seller), None, Some(contact)),
            Subject::Queue(seller) => (Some(seller), None, None),
        };
        Action {
            id: self.id,
            at: engine.now(),
            actor: self.actor,
            action: self.action.to_owned(),
            seller,
            agent,
            contact,
            reason: self.reason,
            changes: changes(before, &after),
        }
    }
}

fn facts_of(contact: &Contact) -> Facts {
    vec![
        ("state", contact.state.word().to_owned()),
        ("agent_id", contact.agent.map(|agent| agent.to_string()).unwrap_or_default()),
        ("priority", contact.priority.word().to_owned()),
        ("due_at", instant(contact.due_at)),
        ("set_aside_until", contact.aside_until.map_or_else(String::new, instant)),
    ]
}

fn instant(at: At) -> String {
    at.timestamp().to_string()
}

/// The fields that differ.
pub fn changes(before: &Facts, after: &Facts) -> Vec<Change> {
    let was = |field: &str| before.iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value.as_str());
    after
        .iter()
        .filter(|(field, value)| was(field) != value)
        .map(|(field, value)| Change {
            field: (*field).to_owned(),
            before: was(field).to_owned(),
            after: value.clone(),
        })
        .collect()
}
