//! One person's best plan of shifts at given prices: a shortest path through the days under her rules.

mod ends;
mod labels;
mod space;
mod togo;
mod track;
mod used;

pub use space::Daily;
