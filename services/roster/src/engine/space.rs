//! What the engine asks of a kind of problem: one person's best plan at given prices. Everything else - columns, the
//! master program, the search over people - is the same for all kinds.

use crate::model::Cover;

/// A person's plan with what it costs by itself and what it covers, each cover at most once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    pub cost: i64,
    pub serves: Vec<u32>,
    pub plan: Vec<u16>,
}

/// A question to [`Space::best`].
pub struct Ask<'a> {
    pub person: usize,
    /// What serving a cover costs; negative where it is welcome.
    pub prices: &'a [f64],
    /// Only plans cheaper than this are of interest.
    pub limit: f64,
    /// At most so many unfinished plans are kept per step; beyond it the answer may be short of the best. None at all:
    /// any plan will do that is found quickly.
    pub effort: usize,
    /// The plan to leave as it is outside these steps.
    pub within: Option<(std::ops::Range<usize>, &'a [u16])>,
}

/// The best plan found, its value at the prices, and a value below which there is none.
pub struct Found {
    pub best: Option<(f64, Column)>,
    pub floor: f64,
}

pub trait Space {
    fn people(&self) -> usize;
    fn covers(&self) -> &[Cover];
    /// The steps a plan has where a part of it is searched anew, and the usual length of such a part.
    fn steps(&self) -> (usize, usize);
    fn best(&mut self, ask: &Ask<'_>) -> Found;
}
