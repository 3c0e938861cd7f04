//! The simulator: the engine that routes in production, under a simulated
//! clock. A scenario in, figures with their intervals out; no I/O, no clock of
//! its own, and the same figures for the same seed on any number of threads.
//!
//! Start with [`simulate`]. A [`Plan`] is a scenario checked ([`plan::read`]);
//! `run` lets one replication happen; `tally` sums; [`Outcome`] is what comes
//! of all of them. `SCENARIO.md` tells how a scenario is written.

pub mod calls;
pub mod chance;
pub mod outcome;
pub mod plan;
pub mod plot;
pub mod report;
pub mod scenario;
pub mod student;
pub mod units;

mod arrivals;
mod parallel;
mod run;
mod tally;

pub use outcome::{Outcome, Row};
pub use parallel::{Control, simulate};
pub use plan::{Plan, Wrong};
pub use run::Broken;
pub use student::Figure;
