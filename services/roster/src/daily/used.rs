//! How much of each limit an unfinished plan has used, as one number: two plans of a day have the same where they have
//! used the same.

use std::collections::HashMap;
use std::mem;

pub enum Used {
    /// All counts in one number; by limit its weight and the most, or nothing where it cannot bind.
    Packed { digits: Vec<Option<(u64, u64)>>, width: u64 },
    /// Where they do not fit one number: an index among the counts that occur.
    Listed { most: Vec<u32>, here: Vec<Vec<u16>>, there: Vec<Vec<u16>>, known: HashMap<Vec<u16>, u64>, kept: Vec<u64> },
}

/// So many counts may be listed for a step.
const COUNTS: usize = 1 << 26;
const UNKNOWN: u64 = u64::MAX;

impl Used {
    /// For a search over so many steps, of which each uses one limit at most.
    pub fn of(limits: &[u32], steps: usize) -> Used {
        let mut width = 1u64;
        let mut digits = Vec::with_capacity(limits.len());
        for &most in limits {
            if most as usize >= steps {
                digits.push(None);
                continue;
            }
            let Some(wider) = width.checked_mul(u64::from(most) + 1) else {
                let none = vec![0; limits.len()];
                // No more of it can be used than there are steps; nobody searches 65 thousand of them.
                let most = limits.iter().map(|&most| most.min(u32::from(u16::MAX))).collect();
                return Used::Listed {
                    most,
                    here: Vec::new(),
                    there: vec![none],
                    known: HashMap::new(),
                    kept: Vec::new(),
                };
            };
            digits.push(Some((width, u64::from(most))));
            width = wider;
        }
        Used::Packed { digits, width }
    }

    /// Every number is below this; none where they are an index.
    pub fn width(&self) -> Option<u64> {
        match self {
            Used::Packed { width, .. } => Some(*width),
            Used::Listed { .. } => None,
        }
    }

    /// So many unfinished plans and not more, for which there is memory.
    pub fn effort(&self, wanted: usize, groups: usize) -> usize {
        match self {
            Used::Packed { .. } => wanted,
            Used::Listed { most, .. } => wanted.min((COUNTS / (most.len() * (groups + 1))).max(64)),
        }
    }

    /// To the next step: the numbers made for it are those it starts from.
    pub fn turn(&mut self) {
        if let Used::Listed { here, there, known, kept, .. } = self {
            mem::swap(here, there);
            there.clear();
            known.clear();
            kept.clear();
            kept.resize(here.len(), UNKNOWN);
        }
    }

    /// Whether nothing is left of a limit.
    pub fn is_up(&self, used: u64, limit: usize) -> bool {
        match self {
            Used::Packed { digits, .. } => {
                digits[limit].is_some_and(|(weight, most)| used / weight % (most + 1) == most)
            }
            Used::Listed { most, here, .. } => u32::from(here[used as usize][limit]) >= most[limit],
        }
    }

    /// The number in the next step, one more of a limit used or none.
    pub fn with(&mut self, used: u64, limit: Option<usize>) -> u64 {
        match self {
            Used::Packed { digits, .. } => used + limit.and_then(|limit| digits[limit]).map_or(0, |(weight, _)| weight),
            Used::Listed { here, there, known, kept, .. } => {
                let before = used as usize;
                if limit.is_none() && kept[before] != UNKNOWN {
                    return kept[before];
                }
                let mut counts = here[before].clone();
                if let Some(limit) = limit {
                    counts[limit] += 1;
                }
                let new = there.len() as u64;
                let number = *known.entry(counts).or_insert_with_key(|counts| {
                    there.push(counts.clone());
                    new
                });
                if limit.is_none() {
                    kept[before] = number;
                }
                number
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of counting say the same, step by step.
    #[test]
    fn counts_that_fit_no_number_are_counted_as_well() {
        let few = [2, 1, 3, 9];
        let many: Vec<u32> = few.into_iter().chain([1; 80]).collect();
        let (mut packed, mut listed) = (Used::of(&few, 9), Used::of(&many, 9));
        assert!(packed.width().is_some() && listed.width().is_none());
        let (mut a, mut b) = (0, 0);
        for limit in [Some(0), None, Some(2), Some(0), Some(1), Some(2), Some(3), Some(2), None] {
            packed.turn();
            listed.turn();
            if let Some(limit) = limit {
                assert!(!packed.is_up(a, limit) && !listed.is_up(b, limit));
            }
            (a, b) = (packed.with(a, limit), listed.with(b, limit));
        }
        packed.turn();
        listed.turn();
        for (limit, up) in [(0, true), (1, true), (2, true), (3, false)] {
            assert_eq!((packed.is_up(a, limit), listed.is_up(b, limit)), (up, up), "{limit}");
        }
        assert!(!listed.is_up(b, 83));
    }

    #[test]
    fn the_same_counts_have_the_same_number_however_they_came_about() {
        let mut used = Used::of(&[1; 100], 50);
        used.turn();
        let (a, b) = (used.with(0, Some(97)), used.with(0, Some(4)));
        used.turn();
        assert_ne!(a, b);
        assert_eq!(used.with(a, Some(4)), used.with(b, Some(97)));
        assert_ne!(used.with(a, None), used.with(a, Some(4)));
    }
}
