//! A growing set of small numbers, one bit each; matching is the `and` of two.

/// A set of numbers, kept as bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// Puts a number in or takes it out; says whether that changed anything.
    pub fn put(&mut self, number: u32, present: bool) -> bool {
        let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
        if word >= self.words.len() {
            if !present {
                return false;
            }
            self.words.resize(word + 1, 0);
        }
        let before = self.words[word];
        self.words[word] = if present { before | bit } else { before & !bit };
        self.words[word] != before
    }

    /// Whether the number is in.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|w| w & (1 << (number % 64)) != 0)
    }

    /// Puts in what another set holds.
    pub fn join(&mut self, other: &BitSet) {
        self.words.resize(self.words.len().max(other.words.len()), 0);
        self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
    }

    /// How many numbers are in.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// How many numbers both sets hold.
    #[must_use]
    pub fn count_both(&self, other: &BitSet) -> u32 {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// The numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        Bits::new(self.words.iter().copied())
    }

    /// The numbers that both sets hold, ascending.
    pub fn both<'a>(&'a self, other: &'a BitSet) -> impl Iterator<Item = u32> + 'a {
        Bits::new(self.words.iter().zip(&other.words).map(|(a, b)| a & b))
    }
}

struct Bits<I> {
    words: I,
    word: u64,
    base: u32,
}

impl<I: Iterator<Item = u64>> Bits<I> {
    fn new(mut words: I) -> Self {
        let word = words.next().unwrap_or(0);
        Bits { words, word, base: 0 }
    }
}

impl<I: Iterator<Item = u64>> Iterator for Bits<I> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.word == 0 {
            self.word = self.words.next()?;
            self.base += 64;
        }
        let bit = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(self.base + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_an_ordered_set(steps in prop::collection::vec((0_u32..300, any::<bool>(), any::<bool>()), 0..200)) {
            let mut bits = [BitSet::default(), BitSet::default()];
            let mut sets = [BTreeSet::new(), BTreeSet::new()];
            for (number, present, which) in steps {
                let which = usize::from(which);
                let changed = if present { sets[which].insert(number) } else { sets[which].remove(&number) };
                prop_assert_eq!(bits[which].put(number, present), changed);
                prop_assert_eq!(bits[which].has(number), present);
            }
            let both: Vec<u32> = sets[0].intersection(&sets[1]).copied().collect();
            prop_assert_eq!(bits[0].iter().collect::<Vec<_>>(), sets[0].iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(bits[0].count() as usize, sets[0].len());
            prop_assert_eq!(bits[0].count_both(&bits[1]) as usize, both.len());
            prop_assert_eq!(bits[0].both(&bits[1]).collect::<Vec<_>>(), both);
        }
    }
}
