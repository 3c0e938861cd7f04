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
    /// Asked again and again: once it says yes, what is found so far is the answer, and no more is claimed than is proved.
    pub stop: &'a dyn Fn() -> bool,
}

/// The best plan found, its value at the prices, and a value below which there is none.
pub struct Found {
    pub best: Option<(f64, Column)>,
    pub floor: f64,
}

/// What one person does where some of her rules are priced instead of kept.
pub struct Loose {
    /// No plan of hers costs less at the prices asked for.
    pub floor: f64,
    /// What serves whom in what was found.
    pub serves: Vec<u32>,
    /// The plan, where it happens to keep all rules.
    pub lawful: Option<Column>,
    /// How far it goes beyond the rules that are priced: the sum of squares.
    pub square: f64,
}

pub trait Space {
    fn people(&self) -> usize;
    fn covers(&self) -> &[Cover];
    /// The steps a plan has where a part of it is searched anew, and the usual length of such a part.
    fn steps(&self) -> (usize, usize);
    fn best(&mut self, ask: &Ask<'_>) -> Found;

    /// Whether [`Space::loose`] costs much less than [`Space::best`].
    fn loosens(&self) -> bool {
        false
    }

    /// The same at less cost and with less certainty: the prices of rules are kept from question to question, and move
    /// by `step` for each that the plan before went beyond them. None where there is no plan, or no time.
    fn loose(&mut self, person: usize, prices: &[f64], _step: f64, stop: &dyn Fn() -> bool) -> Option<Loose> {
        let found = self.best(&Ask { person, prices, limit: f64::INFINITY, effort: 0, within: None, stop });
        let (_, column) = found.best?;
        Some(Loose { floor: found.floor, serves: column.serves.clone(), lawful: Some(column), square: 0.0 })
    }
}
