//! The engine's promises, by example and by random histories.

mod examples;
mod random;
mod replay;
mod supervise;
