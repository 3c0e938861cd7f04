//! Reports. What a ticket adds to them ([`count`]) is figures by local day and hour ([`tally`]), which add up and
//! are taken off again; waits are kept as sketches ([`sketch`]). A question to them ([`ask`]) is answered from
//! sums of days and months alone.

pub mod ask;
pub mod count;
pub mod sketch;
pub mod tally;

#[cfg(test)]
mod tests;
