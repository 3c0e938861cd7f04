//! One person's best plan of shifts at given prices: a shortest path through the days under her rules.
//!
//! Its memory does not grow with the numbers in a file: values to go are held for so many places (`grain`), unfinished
//! plans for so many of a day and of all days (`labels`), counts for so many of a step (`used`).

mod ends;
mod grain;
mod labels;
mod space;
mod togo;
mod track;
mod used;

pub use space::Daily;
