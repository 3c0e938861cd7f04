//! Durations, rates and moments as they are written in a scenario.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;

/// Seconds of a unit, by its names.
fn unit(word: &str) -> Option<f64> {
    Some(match word {
        "ms" => 0.001,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "min" | "m" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

/// A length of time in seconds: `"20 s"`, `"1.5 min"`, `"2 h"`; a bare number
/// is seconds (or has no unit, where a distribution is one of plain numbers).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Span(pub f64);

/// How often something happens, a second: `"48/min"`; a bare number is per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// A moment: a length of time after the start, or a time of day `"HH:MM"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// Seconds after the start.
    After(f64),
    /// Seconds after midnight.
    Clock(f64),
}

impl Moment {
    /// Seconds after a start at this many seconds after midnight.
    #[must_use]
    pub fn after_start(self, midnight_to_start: f64) -> f64 {
        match self {
            Moment::After(seconds) => seconds,
            Moment::Clock(seconds) => (seconds - midnight_to_start).rem_euclid(86_400.0),
        }
    }

    /// The same for the end of a stretch: the start's own time of day is a day later.
    #[must_use]
    pub fn end_after_start(self, midnight_to_start: f64) -> f64 {
        match (self, self.after_start(midnight_to_start)) {
            (Moment::Clock(_), 0.0) => 86_400.0,
            (_, seconds) => seconds,
        }
    }
}

fn finite(number: f64) -> Option<f64> {
    (number.is_finite() && number >= 0.0).then_some(number)
}

fn number(text: &str) -> Option<f64> {
    finite(text.trim().parse().ok()?)
}

impl Span {
    fn read(text: &str) -> Option<Span> {
        let text = text.trim();
        let split = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (amount, word) = text.split_at(split);
        Some(Span(number(amount)? * unit(word.trim())?))
    }
}

impl Rate {
    fn read(text: &str) -> Option<Rate> {
        let (amount, per) = text.split_once('/')?;
        Some(Rate(number(amount)? / unit(per.trim())?))
    }
}

impl Moment {
    fn read(text: &str) -> Option<Moment> {
        let Some((hours, minutes)) = text.trim().split_once(':') else {
            return Span::read(text).map(|span| Moment::After(span.0));
        };
        let (minutes, seconds) = minutes.split_once(':').unwrap_or((minutes, "0"));
        let [hours, minutes, seconds]: [u32; 3] = [hours.parse().ok()?, minutes.parse().ok()?, seconds.parse().ok()?];
        let whole = hours * 3_600 + minutes * 60 + seconds;
        (hours <= 24 && minutes < 60 && seconds < 60 && whole <= 86_400).then_some(Moment::Clock(f64::from(whole)))
    }
}

/// Reads a number or a text, whichever stands there.
struct Reader<T> {
    wanted: &'static str,
    bare: fn(f64) -> T,
    text: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        match finite(value) {
            Some(value) => Ok((self.bare)(value)),
            None => Err(E::invalid_value(de::Unexpected::Float(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        (self.text)(value).ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a length of time that is not negative, such as \"20 s\", \"1.5 min\" or \"2 h\"";
        deserializer.deserialize_any(Reader { wanted, bare: Span, text: Span::read })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a rate that is not negative, such as \"48/min\" or \"100/h\"";
        deserializer.deserialize_any(Reader { wanted, bare: Rate, text: Rate::read })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted =
            "a moment: a length of time after the start such as \"90 min\", or a time of day such as \"08:30\"";
        deserializer.deserialize_any(Reader { wanted, bare: Moment::After, text: Moment::read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_rates_and_moments_are_read_with_their_units() {
        for (text, seconds) in [("20 s", 20.0), ("1.5min", 90.0), ("2 h", 7_200.0), ("500ms", 0.5), ("1 d", 86_400.0)] {
            assert_eq!(Span::read(text), Some(Span(seconds)), "{text}");
        }
        for text in ["20", "-1 s", "s", "1 week", "", "inf s", "1 s 2"] {
            assert_eq!(Span::read(text), None, "{text}");
        }
        assert_eq!(Rate::read("48/min"), Some(Rate(0.8)));
        assert_eq!(Rate::read("3600 / h"), Some(Rate(1.0)));
        assert_eq!(Rate::read("48"), None);
        assert_eq!(Moment::read("08:30"), Some(Moment::Clock(30_600.0)));
        assert_eq!(Moment::read("25:00"), None);
        assert_eq!(Moment::Clock(0.0).after_start(79_200.0), 7_200.0);
        assert_eq!(Moment::Clock(28_800.0).end_after_start(28_800.0), 86_400.0);
    }
}
