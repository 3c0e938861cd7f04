//! The handlers: read, decide, keep, reply. No SQL, no rules.

pub mod identity;
pub mod onboarding;
