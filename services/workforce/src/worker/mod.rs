//! Background work: solving schedules, settling paid hours, watching the day.

pub mod paid;
pub mod proof;
pub mod solve;
pub mod watch;
