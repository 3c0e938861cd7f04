//! The floor as supervisors see it: counts of what happened lately, how long one
//! more contact would wait, and what needs somebody's eye. All of it is derived
//! from the engine's state and from what it decided.

pub mod alerts;
pub mod counts;
pub mod estimate;
pub mod picture;

pub use alerts::{AlertPolicy, Alerts, Cause, Open, Turn};
pub use counts::{Counts, Happened, Served};
pub use estimate::{Basis, Estimate, Unknown};
pub use picture::{Interval, Level, Picture, Queue};
