//! The optimiser behind schedules: people, rules, wishes and cover in, a roster with a proven bound out.
#![forbid(unsafe_code)]

pub mod daily;
pub mod engine;
pub mod formats;
pub mod model;
