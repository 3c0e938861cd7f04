//! Background work: solving schedules, settling paid hours.

pub mod paid;
pub mod solve;
