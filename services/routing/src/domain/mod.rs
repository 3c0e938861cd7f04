//! Rules that are not the engine's: they know zones and weeks.

pub mod site;
