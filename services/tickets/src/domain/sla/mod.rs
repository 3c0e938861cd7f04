//! Promises: opening hours, policies, clocks and verdicts.
//!
//! Everything here counts in whole seconds since 1970. One function ([`clock::read`]) serves the
//! write path, the reader, the breach worker and the explanation.

pub mod alert;
pub mod calendar;
pub mod clock;
pub mod explain;
pub mod marketplace;
pub mod paused;
pub mod policy;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod oracle;
