//! The contact-center companies.

use jiff::Timestamp;
use kit::ProviderId;

/// Whether a provider works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Active,
    Suspended,
}

impl State {
    /// The name in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Suspended => "suspended",
        }
    }

    /// The state of a name.
    pub fn parse(name: &str) -> Option<State> {
        [State::Active, State::Suspended].into_iter().find(|s| s.as_str() == name)
    }
}

/// A contact-center company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub id: ProviderId,
    pub handle: String,
    pub name: String,
    pub country: String,
    pub zone: String,
    pub state: State,
    pub created_at: Timestamp,
    pub version: i64,
}
