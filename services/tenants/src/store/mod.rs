//! The SQL of this service; returns domain types.

pub mod identity;
pub mod onboarding;
