//! Who somebody is and what she may do: roles and grants, passwords and their
//! throttling, sessions and refresh tokens, signing keys, API keys, links.
//!
//! Invariant: nothing here hashes, encrypts, signs, or asks the time; instants
//! and secrets come in as arguments.

pub mod agent;
pub mod claims;
pub mod contact;
pub mod ids;
pub mod keys;
pub mod link;
pub mod oidc;
pub mod password;
pub mod provider;
pub mod refusal;
pub mod role;
pub mod session;
pub mod throttle;
pub mod token;
pub mod user;

pub use ids::{ApiKeyId, InvitationId, SessionId};
pub use refusal::Refusal;
pub use role::{Role, Roles};
pub use user::User;
