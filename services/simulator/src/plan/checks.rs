//! What is wrong with a scenario, collected with its places.

use std::fmt;

use engine::needs::{Channel, Level};

use crate::chance::{Dist, Sampler};

/// Everything that is wrong with a scenario, each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Wrong(pub Vec<(String, String)>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(place, problem)| if place.is_empty() { problem.clone() } else { format!("{place}: {problem}") })
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Checks(Vec<(String, String)>);

impl Checks {
    /// Nothing, or everything that is wrong.
    pub(super) fn finish(self) -> Result<(), Wrong> {
        if self.0.is_empty() { Ok(()) } else { Err(Wrong(self.0)) }
    }

    pub(super) fn refuse(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.0.push((place.into(), problem.into()));
    }

    pub(super) fn require(&mut self, holds: bool, place: impl Into<String>, problem: impl Into<String>) {
        if !holds {
            self.refuse(place, problem);
        }
    }

    pub(super) fn sampler(&mut self, place: String, dist: &Dist) -> Sampler {
        dist.sampler().unwrap_or_else(|problem| {
            self.refuse(place, problem);
            Sampler::Fixed(1.0)
        })
    }

    /// A distribution whose values must end.
    pub(super) fn ending(&mut self, place: String, dist: &Dist) -> Sampler {
        self.require(!dist.may_never_end(), place.as_str(), "must have an end");
        self.sampler(place, dist)
    }

    pub(super) fn word<T: std::str::FromStr>(&mut self, place: String, word: &str, otherwise: T, known: &str) -> T {
        word.parse().unwrap_or_else(|_| {
            self.refuse(place, format!("\"{word}\" is none of {known}"));
            otherwise
        })
    }

    pub(super) fn probability(&mut self, place: String, n: f64) {
        self.require((0.0..=1.0).contains(&n), place, "must be between 0 and 1");
    }

    pub(super) fn factors(&mut self, place: String, factors: &[f64]) {
        self.require(factors.iter().all(|f| f.is_finite() && *f >= 0.0), place, "factors must not be negative");
    }
}

pub(super) fn channel_words() -> String {
    Channel::ALL.map(Channel::word).join(", ")
}

pub(super) fn level_words() -> String {
    Level::ALL.map(Level::word).join(", ")
}
