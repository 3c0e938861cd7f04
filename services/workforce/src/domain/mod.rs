//! The rules of workforce planning: pure functions and types, no clock, no I/O.
//!
//! Reading order: what comes in (forecast), whom it needs (erlang, spread, requirement), what is
//! lawful (rules, agent, check), who should come (shape, model, cover, bound, solve), who came
//! (coverage, adherence, paid).

pub mod adherence;
pub mod agent;
pub mod bound;
pub mod check;
pub mod civil;
pub mod cover;
pub mod coverage;
pub mod erlang;
pub mod forecast;
pub mod model;
pub mod paid;
pub mod record;
pub mod refusal;
pub mod requirement;
pub mod rules;
pub mod shape;
pub mod solve;
pub mod spread;
