//! The engine's promises, by example and by random histories.

mod bursts;
mod examples;
mod meetings;
mod random;
mod replay;
mod rules;
mod soft;
mod supervise;
mod unheard;
mod weights;
