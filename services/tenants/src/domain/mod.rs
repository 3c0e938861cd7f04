//! The rules, pure: no I/O, no clock, no SQL, no wire types.

pub mod identity;
pub mod onboarding;
