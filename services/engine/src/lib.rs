//! The rules of routing: pure, without clock, database or wire, so that
//! production, replay and simulation are the same code.
//!
//! Start with [`Engine`] in [`machine`]: one state, one event at a time,
//! decisions out. The other modules are the nouns it speaks of.

pub mod agent;
pub mod bits;
pub mod contact;
pub mod coverage;
pub mod floor;
pub mod ids;
pub mod journal;
pub mod machine;
pub mod needs;
pub mod offer;
pub mod policy;
pub mod refusal;
pub mod seller;
pub mod site;
pub mod skills;

pub use machine::{
    Changes, Completion, Decision, Engine, Event, Explanation, HEARTBEAT_SECONDS, Kind, LEASE_SECONDS, Reply, Rival,
    Rule, Sight, Snapshot, Standing, Step, Verdict,
};

#[cfg(test)]
pub(crate) mod testing;
