//! What will come in, and how long it takes: contacts and mean handling time of a series (seller × language × channel)
//! by interval, with the ranges in which they will lie. A history in, a forecast out: no I/O, no clock, no database.
//!
//! Start with [`forecast()`]. A [`History`] is what was recorded, laid out by civil day and slot (`series`, `clock`); a
//! [`Calendar`] what is known of days beside it: hours, holidays, events (`days` says what each day is). Two things are
//! learnt apart from each other: the level of days (`level`: a structural model run as a Kalman filter, many at once)
//! and how a day spreads over its slots (`profile`). Other methods stand beside them (`decomposed`, `carried`, `direct`). All are
//! forecast again from origins in the past, and weighed by how right they were (`model`); the same origins tell how
//! wide the ranges must be (`spread`) and are reported as [`Accuracy`]. [`Pool`] lends to thin series and new sellers
//! what their siblings have in common; [`reforecast`] tells the rest of a day that goes differently.
//!
//! All of it is deterministic and grows with the length of the history; series are independent of each other, so that
//! thousands can be spread over as many threads as there are.

#![forbid(unsafe_code)]

pub mod accuracy;
pub mod calendar;
pub mod clock;
pub mod intraday;
pub mod learnt;
pub mod pool;
pub mod series;
pub mod spread;

mod carried;
mod days;
mod decomposed;
mod direct;
mod handling;
mod level;
mod model;
mod profile;
mod refusal;

pub use accuracy::Accuracy;
pub use calendar::{Calendar, Effect, Event, Holiday, Hours, Opening};
pub use intraday::{Damping, Reforecast, reforecast};
pub use learnt::{Ask, Expected, Forecast, Outlier, Report, forecast};
pub use model::Method;
pub use pool::Pool;
pub use refusal::Refusal;
pub use series::{Absent, History, Point};
