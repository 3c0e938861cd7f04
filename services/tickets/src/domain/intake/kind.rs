//! What a message is about, as far as its marks tell.

use serde::Deserialize;

/// The kind of a message. The later in the list, the more it weighs for its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// The marketplace tells that something was ordered, paid or sent; nothing is asked.
    OrderNotice,
    /// The marketplace tells the seller something else.
    SystemNotice,
    Review,
    Question,
    Return,
    /// A case with the marketplace: not received, not as described, a guarantee or payment dispute.
    Claim,
}

impl MessageKind {
    pub const ALL: [MessageKind; 6] = [
        MessageKind::OrderNotice,
        MessageKind::SystemNotice,
        MessageKind::Review,
        MessageKind::Question,
        MessageKind::Return,
        MessageKind::Claim,
    ];

    pub fn name(self) -> &'static str {
        match self {
            MessageKind::OrderNotice => "order_notice",
            MessageKind::SystemNotice => "system_notice",
            MessageKind::Review => "review",
            MessageKind::Question => "question",
            MessageKind::Return => "return",
            MessageKind::Claim => "claim",
        }
    }

    pub fn named(name: &str) -> Option<MessageKind> {
        MessageKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
