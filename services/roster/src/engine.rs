//! The search for a roster and for the proof how good it is, for any kind of problem that can answer [`space::Space`].

pub mod ascent;
pub mod columns;
pub mod master;
pub mod pricing;
pub mod shared;
pub mod solve;
pub mod space;
pub mod state;
pub mod walk;
