//! The rules of billing, pure: no input or output, no clock, no SQL.
//! Start with `rating`: a plan version and the usage of a period in, lines out.

pub mod definition;
pub mod ids;
pub mod invoice;
pub mod ledger;
pub mod models;
pub mod money;
pub mod period;
pub mod plan;
pub mod plan_check;
pub mod profile;
pub mod rating;
pub mod tax;
pub mod usage;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod properties;
