//! What any gRPC process of the platform needs, without SQL: who is calling
//! ([`caller`]), who may call ([`gate`]), how an error reaches the wire
//! ([`fault`]), ids, pages, masks, checks, the clock, configuration, secrets at rest
//! ([`master`], [`seal`]), the way to addresses that people type in ([`outside`]), links that are all somebody needs ([`links`]), telemetry,
//! the server with its stack ([`serve`]) and the way to other services ([`peers`])
//! and to other replicas of the same one ([`replicas`]).
//!
//! Must not know: sqlx, any service's domain. Start reading at [`serve::stack`].
//!
//! Invariants: nothing but [`clock`] asks for the time or makes an id; nothing
//! but [`config`] reads the environment.

pub mod caller;
#[cfg(test)]
mod caller_tests;
pub mod check;
pub mod clock;
pub mod config;
pub mod deadline;
pub mod ending;
pub mod fault;
pub mod gate;
pub mod ids;
pub mod keys;
pub mod lasting;
pub mod links;
pub mod master;
pub mod outside;
pub mod page;
#[cfg(test)]
mod page_tests;
pub mod peers;
pub mod replicas;
pub mod scope;
pub mod seal;
pub mod serve;
pub mod spread;
pub mod telemetry;
pub mod wire;

pub use caller::{Caller, admitted, public};
pub use check::Checks;
pub use clock::Clock;
pub use fault::{Explain, Fault, Violation};
pub use ids::{EventId, Id, ProviderId, SellerId, UserId};
pub use scope::Scope;
