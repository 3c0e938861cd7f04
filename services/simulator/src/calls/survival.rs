//! Distributions from what was seen.

use crate::chance::Dist;
use crate::units::Span;

/// Points of an empirical distribution.
const POINTS: usize = 200;

/// The share that lasts longer than each wait at which somebody left, from waits
/// and whether they ended by leaving (Kaplan and Meier 1958).
pub(super) fn kaplan_meier(waits: impl Iterator<Item = (f64, bool)>) -> Vec<(f64, f64)> {
    let mut waits: Vec<(f64, bool)> = waits.collect();
    waits.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lasting = 1.0;
    let mut steps = Vec::new();
    let mut i = 0;
    while i < waits.len() {
        let at = waits[i].0;
        let there = (waits.len() - i) as f64;
        let (mut gone, mut left) = (0, 0.0);
        while let Some((_, leaves)) = waits.get(i + gone).filter(|(wait, _)| *wait == at) {
            gone += 1;
            left += if *leaves { 1.0 } else { 0.0 };
        }
        if left > 0.0 {
            lasting *= 1.0 - left / there;
            steps.push((at, lasting));
        }
        i += gone;
    }
    steps
}

/// A survival curve as a distribution.
pub(super) fn steps(survival: &[(f64, f64)]) -> Dist {
    let mut before = 1.0;
    let mut weights = Vec::new();
    for (_, share) in survival {
        weights.push(before - share);
        before = *share;
    }
    let values = survival.iter().map(|(wait, _)| Span(*wait)).collect();
    Dist::Empirical { values, weights, never: before.clamp(0.0, 0.999) }
}

/// Evenly spaced points of sorted values.
pub(super) fn points(sorted: &[f64]) -> Vec<f64> {
    if sorted.len() <= POINTS {
        return sorted.to_vec();
    }
    (0..POINTS).map(|i| sorted[(sorted.len() as f64 * (i as f64 + 0.5) / POINTS as f64) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survival_is_as_kaplan_and_meier_worked_it_out() {
        // Their own example: deaths at 0.8, 3.1, 5.4, 9.2; losses at 1.0, 2.7, 7.0, 12.1.
        let waits = [
            (0.8, true),
            (1.0, false),
            (2.7, false),
            (3.1, true),
            (5.4, true),
            (7.0, false),
            (9.2, true),
            (12.1, false),
        ];
        let steps = kaplan_meier(waits.into_iter());
        let want = [(0.8, 0.875), (3.1, 0.7), (5.4, 0.525), (9.2, 0.2625)];
        assert_eq!(steps.len(), want.len());
        for ((at, share), (wanted_at, wanted)) in steps.into_iter().zip(want) {
            assert!(at == wanted_at && (share - wanted).abs() < 1e-12, "{at} {share}");
        }
    }
}
