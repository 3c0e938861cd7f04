//! The rules of billing, pure: no input or output, no clock, no SQL.
//! Start with `rating`: a plan version and the usage of a period in, lines out.

pub mod books;
pub mod definition;
pub mod dispute;
pub mod dunning;
pub mod ecb;
pub mod exchange;
pub mod forecast;
pub mod ids;
pub mod invoice;
pub mod ledger;
pub mod levels;
pub mod mail;
pub mod margin;
pub mod models;
pub mod money;
pub mod over_time;
pub mod period;
pub mod plan;
pub mod plan_check;
pub mod pool;
pub mod profile;
pub mod proof;
pub mod rating;
pub mod service_level;
pub mod tax;
pub mod tickets;
pub mod usage;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod properties;
