//! The breaks that a contract plans, beside those that the law demands: how long, paid or not, and where in a shift.
//!
//! An unpaid break is rest: it is no working time and counts for the law. A paid one is working time off the phones: it
//! is paid, counts towards every limit, and is no rest by law, so that a plan is lawful whichever way a country sees it.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::agent::{Contract, Contradiction, Duty};
use super::civil::{self, Gap};
use super::model::Grid;
use super::rules::RuleSet;
use super::shape;

/// Most breaks of a plan.
pub const MOST: usize = 6;
const HOUR: i64 = 3_600;

/// One break. Durations in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlannedBreak {
    /// How long.
    pub length: i64,
    /// Whether it is paid.
    pub paid: bool,
    /// For shifts with more work than this.
    pub work_above: i64,
    /// It lies between these civil minutes of the day, in shifts that hold all of them: lunch.
    pub window: Option<(i32, i32)>,
    /// It starts so long after the shift's start at the earliest and, if not 0, at the latest.
    pub earliest: i64,
    pub latest: i64,
}

/// The breaks of a contract in the order of the shift, and the work that lies around each. Seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BreakPlan {
    /// The breaks.
    pub breaks: Vec<PlannedBreak>,
    /// Work before the first, between two, and after the last, at least.
    pub before: i64,
    pub between: i64,
    pub after: i64,
}

impl BreakPlan {
    /// Whether the plan is sound, and every length of shift of a sound contract can keep it together with the law.
    pub fn check(&self, contract: &Contract, rules: &RuleSet) -> Result<(), Contradiction> {
        let wrong = |field, problem| Err(Contradiction { field, problem });
        if MOST < self.breaks.len() {
            return wrong("breaks", "must be at most 6");
        }
        for one in &self.breaks {
            if !(300..=3 * HOUR).contains(&one.length) || one.length % 300 != 0 {
                return wrong("breaks.length_seconds", "must be whole five minutes, 300..=10800");
            }
            if !one.paid && one.length < rules.min_break_part {
                return wrong("breaks.length_seconds", "is shorter than the rule set lets an unpaid break be");
            }
            if !(0..=24 * HOUR).contains(&one.work_above) {
                return wrong("breaks.work_above_seconds", "must be 0..=86400");
            }
            if !(0..=24 * HOUR).contains(&one.earliest) || !(0..=24 * HOUR).contains(&one.latest) {
                return wrong("breaks.earliest_seconds", "must be 0..=86400, as latest_seconds must");
            }
            if one.latest != 0 && one.latest < one.earliest {
                return wrong("breaks.latest_seconds", "must not be before earliest_seconds");
            }
            if one.window.is_some_and(|(from, to)| i64::from(to - from) * 60 < one.length) {
                return wrong("breaks.window_end", "must leave room for the break after window_start");
            }
        }
        let around = [self.before, self.between, self.after];
        if around.iter().any(|work| !(0..=12 * HOUR).contains(work)) {
            return wrong("min_work_before_break_seconds", "must be 0..=43200, as those between and after must");
        }
        if !self.breaks.is_empty() && !self.possible(contract, rules) {
            return wrong("breaks", "cannot be kept together with the shift lengths and the rule set");
        }
        Ok(())
    }

    /// Whether each length of shift has a place on an ordinary day.
    fn possible(&self, contract: &Contract, rules: &RuleSet) -> bool {
        let day = Date::constant(2026, 6, 1);
        let shapes = shape::shapes(&Grid::around(day, 1, 1_800), day, &TimeZone::UTC, contract, rules, self);
        shape::lengths(contract, rules).iter().all(|work| shapes.iter().any(|shape| shape.work == *work))
    }

    /// Whether a shift has its planned breaks, where it starts on this day. The checker asks it: it judges by
    /// instants, and knows nothing of how shifts are made.
    pub fn kept(&self, duty: &Duty, day: Date, zone: &TimeZone) -> bool {
        if self.breaks.is_empty() {
            return true;
        }
        let unpaid = duty.breaks.iter().map(|(from, to)| (*from, *to, false));
        let mut pauses: Vec<(i64, i64, bool)> =
            unpaid.chain(duty.paid_breaks.iter().map(|(from, to)| (*from, *to, true))).collect();
        pauses.sort_unstable();
        let (Some(first), Some(last)) = (pauses.first(), pauses.last()) else {
            return !self.breaks.iter().any(|one| one.concerns(duty, day, zone));
        };
        let spaced = self.before <= first.0 - duty.start
            && self.after <= duty.end - last.1
            && pauses.windows(2).all(|two| self.between <= two[1].0 - two[0].1);
        let mut rest = pauses.iter();
        let mut wanted = self.breaks.iter().filter(|one| one.concerns(duty, day, zone));
        spaced && wanted.all(|one| rest.any(|pause| one.fits(*pause, duty, day, zone)))
    }
}

impl PlannedBreak {
    fn concerns(&self, duty: &Duty, day: Date, zone: &TimeZone) -> bool {
        self.work_above < duty.work() && (self.window.is_none() || self.held(duty, day, zone).is_some())
    }

    /// The window of the shift's first or second day that it holds.
    fn held(&self, duty: &Duty, day: Date, zone: &TimeZone) -> Option<(i64, i64)> {
        let (from, to) = self.window?;
        let at = |minutes| civil::instant(day, minutes, zone, Gap::Forward).map(|at| at.as_second());
        let mut windows = [0, 1_440].into_iter().filter_map(|later| at(from + later).zip(at(to + later)));
        windows.find(|(from, to)| duty.start <= *from && *to <= duty.end)
    }

    fn fits(&self, (from, to, paid): (i64, i64, bool), duty: &Duty, day: Date, zone: &TimeZone) -> bool {
        let since = from - duty.start;
        let inside = self.held(duty, day, zone).is_none_or(|(start, end)| start <= from && to <= end);
        to - from == self.length
            && paid == self.paid
            && self.earliest <= since
            && (self.latest == 0 || since <= self.latest)
            && inside
    }
}
