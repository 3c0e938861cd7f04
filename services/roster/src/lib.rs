//! The optimiser behind schedules: people, rules, wishes and cover in, a roster with a proven bound out.
//!
//! [`model`] says what is to be rostered in shifts, [`quarters`] where shifts are built freely from activities. Either
//! answers one question of the engine, a person's best plan at given prices ([`engine::space`]): [`daily`] by a shortest
//! path under her rules. [`engine::solve`] does the rest: plans as columns of a master program for the bound, and two
//! searches for the answer. What a question holds in memory is bounded, whatever its numbers are ([`daily`]); rules for
//! which that is too little are refused with their line. [`formats`] reads problems, [`command`] solves a file.
#![forbid(unsafe_code)]

pub mod command;
pub mod daily;
pub mod engine;
pub mod formats;
pub mod model;
pub mod quarters;
