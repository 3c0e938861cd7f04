//! What follows from keeping or missing promises of service: a clause, the
//! promises of a period counted, and the fees in; an amount with its reasons out.
//! Below zero it goes to the seller's favour.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::models::{PriceError, Step};
use super::period::Dates;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Percent of promises that were kept.
    ShareKept,
    /// Promises that were missed.
    Breaches,
    /// Mean of the seconds used.
    AverageSeconds,
}

impl Measure {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Measure::ShareKept => "share_kept",
            Measure::Breaches => "breaches",
            Measure::AverageSeconds => "average_seconds",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ShareKept, Self::Breaches, Self::AverageSeconds].into_iter().find(|m| m.name() == name)
    }
}

/// What tickets judge.
pub const OF_TICKETS: [&str; 6] =
    ["first_response", "next_response", "resolution", "periodic_update", "agent_work", "requester_wait"];
/// Seconds until somebody took a contact, told by routing.
pub const WAIT: &str = "wait";
/// Alerts of the floor, each a breach.
pub const ALERTS: [&str; 4] = ["maximum_wait", "service_level", "nobody_can_take", "nobody_on_duty"];
/// The family of what routing tells.
pub const ROUTING: &str = "routing";

/// What follows where the measured value lies below an end, and in no band before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// Exclusive upper end; `None` = no limit.
    pub below: Option<Decimal>,
    /// Percent of the fees.
    pub percent: Decimal,
    /// An amount besides.
    pub amount: Decimal,
}

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    pub code: String,
    pub name: String,
    pub metric: String,
    pub family: String,
    /// Empty = all.
    pub channels: Vec<String>,
    pub measure: Measure,
    /// Kept within this many seconds; `None` = as it was judged.
    pub within_seconds: Option<i64>,
    pub minimum_count: i64,
    /// Whose lines are the fees; empty = all.
    pub charge_codes: Vec<String>,
    pub bands: Vec<Band>,
    /// Percent of the fees.
    pub cap_percent: Decimal,
    pub cap_amount: Option<Decimal>,
    pub counts_toward_minimum: bool,
}

/// What percentages are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Of the charges that the clause names.
    pub named: Decimal,
    /// Of all charges.
    pub all: Decimal,
}

/// The promises of a period, counted for one clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    pub promises: i64,
    pub kept: i64,
    /// Seconds used, of all together.
    pub seconds: i64,
    /// Promises that are objected to and not decided; they are in none of the counts.
    pub open: i64,
}

/// How a clause came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub clause_code: String,
    pub metric: String,
    pub family: String,
    pub measure: Measure,
    /// Cut to six decimal places; none where there were too few promises.
    pub measured: Option<Decimal>,
    pub band_from: Option<Decimal>,
    pub band_below: Option<Decimal>,
    pub promises: i64,
    pub breaches: i64,
    pub fees: Decimal,
    /// Of all charges of the contract, for the cap of all clauses together.
    pub all_fees: Decimal,
    pub dates: Dates,
    pub open: i64,
    /// Whether it settles what an earlier invoice held.
    pub settles: bool,
    /// Exact; 0 while it is held.
    pub amount: Decimal,
    pub steps: Vec<Step>,
}

impl Outcome {
    /// Whether its line waits for decisions.
    pub fn held(&self) -> bool {
        self.open > 0
    }
}

/// How an objection to a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Open,
    Stands,
    Overturned,
    Excluded,
}

impl Ruling {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Ruling::Open => "open",
            Ruling::Stands => "stands",
            Ruling::Overturned => "overturned",
            Ruling::Excluded => "excluded",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Stands, Self::Overturned, Self::Excluded].into_iter().find(|r| r.name() == name)
    }
}

/// Why an objection cannot be made or decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectionError {
    #[error("an objection to this promise is open")]
    AlreadyObjected,
    #[error("this objection was decided")]
    DecidedAlready,
}

/// The measured value, as it is frozen: cut, so that a value just below a
/// threshold is never shown as the threshold.
pub fn value(clause: &Clause, m: Measured) -> Option<Decimal> {
    if m.promises < clause.minimum_count {
        return None;
    }
    let mean = |sum: Decimal| sum.checked_div(Decimal::from(m.promises));
    let exact = match clause.measure {
        // multiplied first: a division would cut a share that is exact in percent
        Measure::ShareKept => mean(Decimal::from(m.kept) * Decimal::ONE_HUNDRED)?,
        Measure::Breaches => Decimal::from(m.promises - m.kept),
        Measure::AverageSeconds => mean(Decimal::from(m.seconds))?,
    };
    Some(exact.round_dp_with_strategy(6, RoundingStrategy::ToZero).normalize())
}

/// The band of a value: where it begins, and the band.
fn band(bands: &[Band], value: Decimal) -> Option<(Option<Decimal>, &Band)> {
    let index = bands.iter().position(|b| b.below.is_none_or(|end| value < end))?;
    let from = index.checked_sub(1).and_then(|before| bands[before].below);
    Some((from, &bands[index]))
}

/// What follows from a clause. `left` is the most that may still go to the
/// seller's favour under the cap of all clauses together.
pub fn outcome(clause: &Clause, m: Measured, dates: Dates, fees: Fees, left: Decimal) -> Result<Outcome, PriceError> {
    let measured = value(clause, m);
    let found = measured.and_then(|v| band(&clause.bands, v));
    let count = |label: &str, n: i64| Step {
        label: label.into(),
        quantity: Some(Decimal::from(n)),
        unit: None,
        amount: Decimal::ZERO,
    };
    let note = |label: String, quantity: Option<Decimal>| Step { label, quantity, unit: None, amount: Decimal::ZERO };
    let mut steps = vec![count("promises", m.promises), count("missed", m.promises - m.kept)];
    match measured {
        Some(value) => steps.push(note(measured_label(clause.measure).into(), Some(value))),
        None => steps.push(count("too few promises; at least", clause.minimum_count.max(1))),
    }
    let mut amount = Decimal::ZERO;
    if m.open > 0 {
        steps.push(count("held: objections open", m.open));
    } else if let Some((_, band)) = found {
        amount = followed(clause, band, fees.named, left, &mut steps)?;
    }
    Ok(Outcome {
        clause_code: clause.code.clone(),
        metric: clause.metric.clone(),
        family: clause.family.clone(),
        measure: clause.measure,
        measured,
        band_from: found.and_then(|(from, _)| from),
        band_below: found.and_then(|(_, band)| band.below),
        promises: m.promises,
        breaches: m.promises - m.kept,
        fees: fees.named,
        all_fees: fees.all,
        dates,
        open: m.open,
        settles: false,
        amount,
        steps,
    })
}

fn measured_label(measure: Measure) -> &'static str {
    match measure {
        Measure::ShareKept => "kept, percent",
        Measure::Breaches => "missed, number",
        Measure::AverageSeconds => "seconds on average",
    }
}

/// The amount of a band within its caps, with its steps.
fn followed(
    clause: &Clause,
    band: &Band,
    fees: Decimal,
    left: Decimal,
    steps: &mut Vec<Step>,
) -> Result<Decimal, PriceError> {
    let part =
        |percent: Decimal| fees.checked_mul(percent).map(|p| p / Decimal::ONE_HUNDRED).ok_or(PriceError::TooLarge);
    let mut amount = Decimal::ZERO;
    if !band.percent.is_zero() {
        let share = part(band.percent)?;
        let label = format!("{} % of the fees", band.percent.normalize());
        steps.push(Step { label, quantity: Some(fees), unit: None, amount: share });
        amount += share;
    }
    if !band.amount.is_zero() {
        steps.push(Step::amount("amount", band.amount));
        amount = amount.checked_add(band.amount).ok_or(PriceError::TooLarge)?;
    }
    let mut cap = part(clause.cap_percent)?.max(Decimal::ZERO);
    if let Some(most) = clause.cap_amount {
        cap = cap.min(most);
    }
    let mut limited = amount.clamp(-cap, cap);
    if limited != amount {
        steps.push(Step::amount("cap of the clause", limited - amount));
    }
    let within = limited.max(-left.max(Decimal::ZERO));
    if within != limited {
        steps.push(Step::amount("cap of all clauses", within - limited));
        limited = within;
    }
    Ok(limited)
}

/// What is settled later: the outcome now, less what was billed for it before.
pub fn settled(now: Outcome, billed: Decimal) -> Outcome {
    let mut later = Outcome { settles: true, amount: now.amount - billed, ..now };
    if !billed.is_zero() {
        later.steps.push(Step::amount("billed before", -billed));
    }
    later
}

/// A promise that was kept or missed, as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    pub kept: bool,
    pub elapsed_seconds: i64,
    pub ruling: Option<Ruling>,
}

/// Whether a promise counts as kept under a clause.
pub fn counts_as_kept(clause: &Clause, judged: Judged) -> bool {
    let kept = clause.within_seconds.map_or(judged.kept, |within| judged.elapsed_seconds <= within);
    if judged.ruling == Some(Ruling::Overturned) { !kept } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const MAY: Dates = Dates { from: date(2024, 5, 1), until: date(2024, 5, 31) };

    const FEES: Fees = Fees { named: Decimal::ONE_THOUSAND, all: Decimal::ONE_THOUSAND };

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn bands() -> Vec<Band> {
        let band = |below: Option<&str>, percent: &str| Band {
            below: below.map(d),
            percent: d(percent),
            amount: Decimal::ZERO,
        };
        vec![band(Some("90"), "-10"), band(Some("95"), "-5"), band(Some("99"), "0"), band(None, "2")]
    }

    fn clause() -> Clause {
        Clause {
            code: "answers".into(),
            name: "Answers in time".into(),
            metric: "first_response".into(),
            family: "contract".into(),
            channels: Vec::new(),
            measure: Measure::ShareKept,
            within_seconds: None,
            minimum_count: 0,
            charge_codes: Vec::new(),
            bands: bands(),
            cap_percent: Decimal::ONE_HUNDRED,
            cap_amount: None,
            counts_toward_minimum: false,
        }
    }

    fn amount(clause: &Clause, promises: i64, kept: i64) -> Decimal {
        let measured = Measured { promises, kept, ..Measured::default() };
        outcome(clause, measured, MAY, FEES, d("1000")).unwrap().amount
    }

    #[test]
    fn a_band_ends_below_its_threshold_and_the_next_begins_at_it() {
        let clause = clause();
        for (kept, expected) in [(899, "-100"), (900, "-50"), (949, "-50"), (950, "0"), (989, "0"), (990, "20")] {
            assert_eq!(amount(&clause, 1_000, kept), d(expected), "{kept}");
        }
        // 94.9999 % is not 95 %, however it is shown.
        let measured = Measured { promises: 10_000_001, kept: 9_500_000, ..Measured::default() };
        let got = outcome(&clause, measured, MAY, FEES, d("1000")).unwrap();
        assert_eq!((got.amount, got.measured), (d("-50"), Some(d("94.99999"))));
        assert_eq!((got.band_from, got.band_below), (Some(d("90")), Some(d("95"))));
    }

    #[test]
    fn with_too_few_promises_nothing_follows() {
        let few = Clause { minimum_count: 20, ..clause() };
        assert_eq!(amount(&few, 19, 0), Decimal::ZERO);
        assert_eq!(amount(&few, 20, 0), d("-100"));
        assert_eq!(amount(&clause(), 0, 0), Decimal::ZERO);
    }

    #[test]
    fn caps_hold_and_the_steps_add_up() {
        let capped = Clause { cap_percent: d("4"), cap_amount: Some(d("30")), ..clause() };
        assert_eq!(amount(&capped, 100, 50), d("-30"));
        let measured = Measured { promises: 100, kept: 50, ..Measured::default() };
        let got = outcome(&clause(), measured, MAY, FEES, d("12.34")).unwrap();
        assert_eq!(got.amount, d("-12.34"));
        assert_eq!(got.steps.iter().map(|s| s.amount).sum::<Decimal>(), got.amount);
    }

    #[test]
    fn breaches_and_seconds_are_measured_too() {
        let band =
            |below: Option<&str>, amount: &str| Band { below: below.map(d), percent: Decimal::ZERO, amount: d(amount) };
        let counted = Clause {
            measure: Measure::Breaches,
            bands: vec![band(Some("1"), "25"), band(Some("3"), "0"), band(None, "-40")],
            ..clause()
        };
        for (missed, expected) in [(0, "25"), (1, "0"), (2, "0"), (3, "-40")] {
            assert_eq!(amount(&counted, 10, 10 - missed), d(expected), "{missed}");
        }
        let speed = Clause { measure: Measure::AverageSeconds, ..counted };
        let measured = Measured { promises: 3, kept: 3, seconds: 8, open: 0 };
        assert_eq!(value(&speed, measured), Some(d("2.666666")));
    }

    #[test]
    fn an_open_objection_holds_the_line_and_what_is_settled_is_the_difference() {
        let measured = Measured { promises: 100, kept: 80, seconds: 0, open: 1 };
        let held = outcome(&clause(), measured, MAY, FEES, d("1000")).unwrap();
        assert!(held.held());
        assert_eq!(held.amount, Decimal::ZERO);
        let decided = Measured { open: 0, ..measured };
        let now = outcome(&clause(), decided, MAY, FEES, d("1000")).unwrap();
        let later = settled(now, d("-50"));
        assert_eq!((later.amount, later.settles), (d("-50"), true));
        assert_eq!(later.steps.iter().map(|s| s.amount).sum::<Decimal>(), d("-50"));
    }

    #[test]
    fn a_ruling_turns_a_promise_round() {
        let within = Clause { within_seconds: Some(20), ..clause() };
        let judged = |elapsed_seconds, ruling| Judged { kept: true, elapsed_seconds, ruling };
        assert!(counts_as_kept(&within, judged(20, None)));
        assert!(!counts_as_kept(&within, judged(21, Some(Ruling::Stands))));
        assert!(counts_as_kept(&within, judged(21, Some(Ruling::Overturned))));
    }
}
