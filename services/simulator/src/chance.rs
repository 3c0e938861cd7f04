//! Chance: distributions, and one stream of it for each purpose, so that two
//! policies meet the same customers.

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1, Gamma, LogNormal, Weibull};
use rand_pcg::Pcg64;
use serde::Deserialize;

use crate::units::Span;

/// A source of chance.
pub type Stream = Pcg64;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Arrivals = 1,
    Handling,
    Patience,
    Balking,
    Retrials,
    DayFactor,
    Accepting,
    Batch,
}

/// The stream of one purpose: the same for the same seed, replication and
/// subject, whatever happens in others.
#[must_use]
pub fn stream(seed: u64, replication: u64, purpose: Purpose, subject: u64) -> Stream {
    let parts = [seed, replication, purpose as u64, subject];
    Pcg64::seed_from_u64(parts.into_iter().fold(0x6D61_6E79_6465_736B, |state, part| mix(state ^ mix(part))))
}

/// The finisher of SplitMix64: every bit of the one reaches every bit of the other.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A number in [0, 1).
pub fn uniform(stream: &mut Stream) -> f64 {
    use rand::RngExt;
    stream.random::<f64>()
}

/// An exponential time of this rate.
pub fn exponential(stream: &mut Stream, rate: f64) -> f64 {
    let unit: f64 = Exp1.sample(stream);
    unit / rate
}

/// A distribution as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Dist {
    /// `{ exponential = mean }`
    Exponential(Span),
    /// `{ deterministic = value }`
    Deterministic(Span),
    /// `{ uniform = { from, to } }`
    Uniform { from: Span, to: Span },
    /// `{ erlang = { k, mean } }`: the sum of `k` exponentials.
    Erlang { k: u32, mean: Span },
    /// `{ gamma = { mean, cv } }`: `cv` is the standard deviation over the mean.
    Gamma { mean: Span, cv: f64 },
    /// `{ lognormal = { mean, cv } }`
    Lognormal { mean: Span, cv: f64 },
    /// `{ weibull = { shape, scale } }`
    Weibull { shape: f64, scale: Span },
    /// `{ empirical = { values, weights, never } }`: one of the values; weights
    /// are 1 where none are given, `never` is the share that has no end.
    Empirical {
        values: Vec<Span>,
        #[serde(default)]
        weights: Vec<f64>,
        #[serde(default)]
        never: f64,
    },
    /// `{ mixture = [{ weight, of }, …] }`
    Mixture(Vec<Part>),
    /// `"never"`: no end.
    Never,
}

/// A part of a mixture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub weight: f64,
    pub of: Dist,
}

/// A distribution made ready to draw from.
#[derive(Debug, Clone)]
pub enum Sampler {
    Exponential(f64),
    Fixed(f64),
    Uniform {
        from: f64,
        width: f64,
    },
    Gamma(Gamma<f64>),
    Lognormal(LogNormal<f64>),
    Weibull(Weibull<f64>),
    /// Values with the share of all that is at or below each.
    Empirical(Vec<(f64, f64)>),
    Mixture(Vec<(f64, Sampler)>),
}

impl Dist {
    /// Makes the distribution ready, or says what is wrong with it.
    pub fn sampler(&self) -> Result<Sampler, String> {
        let positive = |what: &str, n: f64| {
            if n.is_finite() && n > 0.0 { Ok(n) } else { Err(format!("{what} must be more than 0")) }
        };
        Ok(match self {
            Dist::Exponential(mean) => Sampler::Exponential(positive("the mean", mean.0)?),
            Dist::Deterministic(value) => Sampler::Fixed(value.0),
            Dist::Uniform { from, to } if to >= from => Sampler::Uniform { from: from.0, width: to.0 - from.0 },
            Dist::Uniform { .. } => return Err("to must not be below from".to_owned()),
            Dist::Erlang { k, mean } => {
                let k = positive("k", f64::from(*k))?;
                gamma(k, positive("the mean", mean.0)? / k)?
            }
            Dist::Gamma { mean, cv } => {
                let shape = 1.0 / positive("cv", *cv)?.powi(2);
                gamma(shape, positive("the mean", mean.0)? / shape)?
            }
            Dist::Lognormal { mean, cv } => {
                let spread = positive("cv", *cv)?.powi(2).ln_1p();
                let middle = positive("the mean", mean.0)?.ln() - spread / 2.0;
                Sampler::Lognormal(LogNormal::new(middle, spread.sqrt()).map_err(|e| e.to_string())?)
            }
            Dist::Weibull { shape, scale } => {
                let (shape, scale) = (positive("shape", *shape)?, positive("scale", scale.0)?);
                Sampler::Weibull(Weibull::new(scale, shape).map_err(|e| e.to_string())?)
            }
            Dist::Empirical { values, weights, never } => {
                if values.is_empty() {
                    return Err("values must not be empty".to_owned());
                }
                if !weights.is_empty() && weights.len() != values.len() {
                    return Err(format!("there are {} values but {} weights", values.len(), weights.len()));
                }
                if !(0.0..1.0).contains(never) {
                    return Err("never must be at least 0 and below 1".to_owned());
                }
                let weight = |i: usize| weights.get(i).copied().unwrap_or(1.0);
                shares((0..values.len()).map(weight), 1.0 - never)?
                    .zip(values)
                    .map(|(share, value)| (share, value.0))
                    .collect::<Vec<_>>()
                    .into()
            }
            Dist::Mixture(parts) => {
                let shares = shares(parts.iter().map(|part| part.weight), 1.0)?;
                let samplers = parts.iter().map(|part| part.of.sampler()).collect::<Result<Vec<_>, _>>()?;
                Sampler::Mixture(shares.zip(samplers).collect())
            }
            Dist::Never => Sampler::Fixed(f64::INFINITY),
        })
    }

    /// Whether it is never anything but nothing.
    #[must_use]
    pub fn is_always_zero(&self) -> bool {
        match self {
            Dist::Deterministic(value) => value.0 <= 0.0,
            Dist::Uniform { to, .. } => to.0 <= 0.0,
            Dist::Empirical { values, weights, never } => {
                let is_drawn = |i: usize| weights.get(i).is_none_or(|weight| *weight > 0.0);
                *never <= 0.0 && values.iter().enumerate().all(|(i, value)| value.0 <= 0.0 || !is_drawn(i))
            }
            Dist::Mixture(parts) => parts.iter().all(|part| part.weight <= 0.0 || part.of.is_always_zero()),
            Dist::Exponential(_)
            | Dist::Erlang { .. }
            | Dist::Gamma { .. }
            | Dist::Lognormal { .. }
            | Dist::Weibull { .. }
            | Dist::Never => false,
        }
    }

    /// Whether it may have no end.
    #[must_use]
    pub fn may_never_end(&self) -> bool {
        match self {
            Dist::Never => true,
            Dist::Empirical { never, .. } => *never > 0.0,
            Dist::Mixture(parts) => parts.iter().any(|part| part.of.may_never_end()),
            _ => false,
        }
    }
}

impl From<Vec<(f64, f64)>> for Sampler {
    fn from(steps: Vec<(f64, f64)>) -> Sampler {
        Sampler::Empirical(steps)
    }
}

fn gamma(shape: f64, scale: f64) -> Result<Sampler, String> {
    Gamma::new(shape, scale).map(Sampler::Gamma).map_err(|e| e.to_string())
}

/// Weights as shares of all at or below each, up to `most`.
fn shares(weights: impl Iterator<Item = f64>, most: f64) -> Result<impl Iterator<Item = f64>, String> {
    let weights: Vec<f64> = weights.collect();
    let all: f64 = weights.iter().sum();
    if weights.iter().any(|w| !w.is_finite() || *w < 0.0) || all <= 0.0 {
        return Err("weights must not be negative, and one must be more than 0".to_owned());
    }
    let last = weights.len() - 1;
    let mut sum = 0.0;
    Ok(weights.into_iter().enumerate().map(move |(i, weight)| {
        sum += weight;
        if i == last { most } else { most * sum / all }
    }))
}

impl Sampler {
    /// Draws a value; infinite where there is no end.
    pub fn draw(&self, stream: &mut Stream) -> f64 {
        match self {
            Sampler::Exponential(mean) => {
                let unit: f64 = Exp1.sample(stream);
                unit * mean
            }
            Sampler::Fixed(value) => *value,
            Sampler::Uniform { from, width } => from + width * uniform(stream),
            Sampler::Gamma(gamma) => gamma.sample(stream),
            Sampler::Lognormal(lognormal) => lognormal.sample(stream),
            Sampler::Weibull(weibull) => weibull.sample(stream),
            Sampler::Empirical(steps) => {
                let share = uniform(stream);
                let at = steps.partition_point(|(upto, _)| *upto <= share);
                steps.get(at).map_or(f64::INFINITY, |(_, value)| *value)
            }
            Sampler::Mixture(parts) => {
                let share = uniform(stream);
                let at = parts.partition_point(|(upto, _)| *upto <= share).min(parts.len() - 1);
                parts[at].1.draw(stream)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(dist: &Dist) -> (f64, f64) {
        let sampler = dist.sampler().expect("it can be drawn from");
        let mut stream = stream(1, 2, Purpose::Handling, 3);
        let draws: Vec<f64> = (0..200_000).map(|_| sampler.draw(&mut stream)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn draws_have_the_mean_and_the_spread_that_are_written() {
        for (dist, mean, cv) in [
            (Dist::Exponential(Span(60.0)), 60.0, 1.0),
            (Dist::Deterministic(Span(7.0)), 7.0, 0.0),
            (Dist::Uniform { from: Span(0.0), to: Span(12.0) }, 6.0, 1.0 / 3f64.sqrt()),
            (Dist::Erlang { k: 4, mean: Span(10.0) }, 10.0, 0.5),
            (Dist::Gamma { mean: Span(1.0), cv: 0.3 }, 1.0, 0.3),
            (Dist::Lognormal { mean: Span(100.0), cv: 1.2 }, 100.0, 1.2),
            (Dist::Weibull { shape: 1.0, scale: Span(5.0) }, 5.0, 1.0),
            (
                Dist::Empirical { values: vec![Span(1.0), Span(3.0)], weights: vec![1.0, 3.0], never: 0.0 },
                2.5,
                3f64.sqrt() / 5.0,
            ),
            (
                Dist::Mixture(vec![
                    Part { weight: 1.0, of: Dist::Exponential(Span(1.0)) },
                    Part { weight: 1.0, of: Dist::Exponential(Span(3.0)) },
                ]),
                2.0,
                (6f64.sqrt()) / 2.0,
            ),
        ] {
            let (seen_mean, seen_cv) = moments(&dist);
            assert!((seen_mean / mean - 1.0).abs() < 0.015, "{dist:?}: mean {seen_mean}");
            assert!((seen_cv - cv).abs() < 0.03, "{dist:?}: cv {seen_cv}");
        }
    }

    #[test]
    fn a_share_without_end_has_no_end() {
        let dist = Dist::Empirical { values: vec![Span(1.0)], weights: Vec::new(), never: 0.25 };
        assert!(dist.may_never_end());
        let sampler = dist.sampler().expect("it can be drawn from");
        let mut stream = stream(5, 0, Purpose::Patience, 0);
        let never = (0..100_000).filter(|_| sampler.draw(&mut stream).is_infinite()).count();
        assert!((24_000..26_000).contains(&never), "{never}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (dist, word) in [
            (Dist::Exponential(Span(0.0)), "mean"),
            (Dist::Uniform { from: Span(2.0), to: Span(1.0) }, "below from"),
            (Dist::Erlang { k: 0, mean: Span(1.0) }, "k must"),
            (Dist::Empirical { values: vec![], weights: vec![], never: 0.0 }, "empty"),
            (Dist::Empirical { values: vec![Span(1.0)], weights: vec![1.0, 1.0], never: 0.0 }, "weights"),
            (Dist::Mixture(vec![]), "weights"),
        ] {
            let problem = dist.sampler().expect_err("it cannot be");
            assert!(problem.contains(word), "{dist:?}: {problem}");
        }
    }
}
