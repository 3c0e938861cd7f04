//! What the service refuses. Its rules are a crate of their own, [`planner`]: pure, and optimised where nothing else is.

pub mod refusal;
