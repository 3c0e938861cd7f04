//! How long one more contact would wait. Honest: an interval, what it is based
//! on, and nothing where nothing supports it.

use super::counts::WINDOW;

/// Takings, or finished contacts, from which on a rate is believed.
pub const ENOUGH: u32 = 5;
/// The standard normal quantile of nine tenths.
const NINE_TENTHS: f64 = 1.281_551_565_5;
/// No wait is told beyond thirty days.
const LONGEST: f64 = 30.0 * 86_400.0;

/// Why nothing supports an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    QueuePaused,
    NobodyCanTakeIt,
    NobodyOnDuty,
    TooLittleHistory,
}

impl Unknown {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Unknown::QueuePaused => "queue_paused",
            Unknown::NobodyCanTakeIt => "nobody_can_take_it",
            Unknown::NobodyOnDuty => "nobody_on_duty",
            Unknown::TooLittleHistory => "too_little_history",
        }
    }
}

/// What an estimate is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Unknown(Unknown),
    FreeAgent,
    RecentStarts,
    HandlingTime,
}

/// How long one more contact would wait, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// What it is based on.
    pub basis: Basis,
    /// As likely too low as too high.
    pub likely: i64,
    /// Nine of ten wait longer.
    pub low: i64,
    /// Nine of ten wait less.
    pub high: i64,
}

/// What is known of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Whether its seller's queue is paused.
    pub paused: bool,
    /// Contacts waiting that somebody can take.
    pub ahead: u32,
    /// Agents whom the needs allow, those of them on duty, and those with room.
    pub eligible: u32,
    pub on_duty: u32,
    pub free: u32,
    /// Contacts taken within the window.
    pub taken: u32,
    /// Mean handling time in microseconds, and of how many contacts.
    pub handling: Option<(i64, u32)>,
    /// Contacts of the channel that one agent can have in hand.
    pub at_once: u32,
}

impl Estimate {
    /// Estimates from what is known.
    #[must_use]
    pub fn of(known: &Known) -> Estimate {
        let unknown = |why| Estimate { basis: Basis::Unknown(why), likely: 0, low: 0, high: 0 };
        if known.paused {
            return unknown(Unknown::QueuePaused);
        }
        if known.eligible == 0 {
            return unknown(Unknown::NobodyCanTakeIt);
        }
        if known.on_duty == 0 {
            return unknown(Unknown::NobodyOnDuty);
        }
        if known.ahead == 0 && known.free != 0 {
            return Estimate { basis: Basis::FreeAgent, likely: 0, low: 0, high: 0 };
        }
        let places = f64::from(known.ahead) + 1.0;
        if known.taken >= ENOUGH {
            // The time of so many more takings is a gamma variable whose rate is only known
            // from so many takings in the window: the ratio of two gammas. Its logarithm is
            // close to normal.
            let seen = f64::from(known.taken) + 0.5;
            let middle = (WINDOW as f64 / 1e6).ln() + digamma(places) - digamma(seen);
            return spread(Basis::RecentStarts, middle, trigamma(places) + trigamma(seen));
        }
        match known.handling {
            Some((mean, contacts)) if contacts >= ENOUGH && mean > 0 => {
                // All of them busy, each place becomes free after a handling time on average.
                let servers = f64::from(known.on_duty) * f64::from(known.at_once.max(1));
                let each = mean as f64 / 1e6 / servers;
                let middle = each.ln() + digamma(places);
                spread(Basis::HandlingTime, middle, trigamma(places) + 1.0 / f64::from(contacts))
            }
            _ => unknown(Unknown::TooLittleHistory),
        }
    }
}

/// The estimate whose logarithm has this middle and variance.
fn spread(basis: Basis, middle: f64, variance: f64) -> Estimate {
    let reach = NINE_TENTHS * variance.sqrt();
    let seconds = |log: f64| log.exp().min(LONGEST).round() as i64;
    Estimate { basis, likely: seconds(middle), low: seconds(middle - reach), high: seconds(middle + reach) }
}

/// The logarithmic derivative of the gamma function, for arguments from a half on.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 6.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    sum + x.ln() - 0.5 / x - inverse * (1.0 / 12.0 - inverse * (1.0 / 120.0 - inverse / 252.0))
}

/// Its derivative.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 6.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    sum + 1.0 / x + inverse / 2.0 + inverse / x * (1.0 / 6.0 - inverse * (1.0 / 30.0 - inverse / 42.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known { eligible: 4, on_duty: 3, at_once: 1, ..Known::default() }
    }

    #[test]
    fn the_gamma_functions_are_those_of_the_tables() {
        assert!((digamma(1.0) + 0.577_215_664_9).abs() < 1e-7);
        assert!((digamma(10.5) - 2.302_998_7).abs() < 1e-4, "{}", digamma(10.5));
        assert!((trigamma(1.0) - 1.644_934_066_8).abs() < 1e-8, "{}", trigamma(1.0));
        assert!((trigamma(0.5) - 4.934_802_200_5).abs() < 1e-7, "{}", trigamma(0.5));
    }

    #[test]
    fn nothing_is_claimed_where_nothing_supports_it() {
        let why = |known: Known| Estimate::of(&known).basis;
        assert_eq!(why(Known { paused: true, taken: 99, ..known() }), Basis::Unknown(Unknown::QueuePaused));
        assert_eq!(why(Known { eligible: 0, ..known() }), Basis::Unknown(Unknown::NobodyCanTakeIt));
        assert_eq!(why(Known { on_duty: 0, taken: 99, ..known() }), Basis::Unknown(Unknown::NobodyOnDuty));
        assert_eq!(why(Known { ahead: 1, taken: 4, ..known() }), Basis::Unknown(Unknown::TooLittleHistory));
        assert_eq!(why(Known { free: 1, ..known() }), Basis::FreeAgent);
    }

    #[test]
    fn a_recent_rate_gives_an_interval_around_the_places_ahead() {
        // sixty in half an hour: one every half minute; nine ahead
        let estimate = Estimate::of(&Known { ahead: 9, taken: 60, ..known() });
        assert_eq!(estimate.basis, Basis::RecentStarts);
        assert!((270..=310).contains(&estimate.likely), "{estimate:?}");
        assert!(estimate.low < 200 && estimate.high > 400, "{estimate:?}");
        let surer = Estimate::of(&Known { ahead: 99, taken: 600, ..known() });
        let width = |e: Estimate| (e.high - e.low) as f64 / e.likely as f64;
        assert!(width(surer) < width(estimate) / 2.0, "{surer:?} {estimate:?}");
    }

    #[test]
    fn the_interval_covers_what_chance_makes_of_it() {
        let estimate = Estimate::of(&Known { ahead: 0, taken: 8, ..known() });
        // Exact for one place: an exponential time over a gamma of shape 8.5.
        let beyond = |seconds: i64| (1.0 + seconds as f64 / 1_800.0).powf(-8.5);
        assert!((beyond(estimate.high) - 0.1).abs() < 0.06, "{estimate:?} {}", beyond(estimate.high));
        assert!((beyond(estimate.low) - 0.9).abs() < 0.06, "{estimate:?} {}", beyond(estimate.low));
    }

    #[test]
    fn without_a_rate_the_agents_on_duty_and_their_handling_time_say_something() {
        let estimate = Estimate::of(&Known { ahead: 5, handling: Some((300_000_000, 40)), ..known() });
        assert_eq!(estimate.basis, Basis::HandlingTime);
        assert!((520..=600).contains(&estimate.likely), "{estimate:?}");
        assert!(estimate.low < estimate.likely && estimate.likely < estimate.high);
    }
}
