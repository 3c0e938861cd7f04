//! Who is who: providers, sellers, people, roles, credentials, and a seller's
//! way from draft to live. The only service that issues tokens.
//!
//! Reading order: [`domain`] (the rules, pure), [`store`] (the SQL), [`api`]
//! (the handlers).
//!
//! Invariant: nothing here knows tickets, presence, schedules or invoices;
//! what other services need to know is published as events.

pub mod api;
pub mod domain;
pub mod store;
