//! The rules of routing: pure, without clock, database or wire.
//!
//! Start with [`engine`]: one state, one event at a time, decisions out. The
//! other modules are the nouns it speaks of.

pub mod agent;
pub mod bits;
pub mod contact;
pub mod engine;
pub mod ids;
pub mod needs;
pub mod offer;
pub mod policy;
pub mod refusal;
pub mod seller;

#[cfg(test)]
pub(crate) mod testing;
