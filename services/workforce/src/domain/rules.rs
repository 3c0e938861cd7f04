//! Working-time law as versioned data. All limits are hard.
//!
//! A rule set is never changed once it has been used; a change of law is a new version.

use serde::Serialize;

const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;

/// A versioned set of limits. Durations in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSet {
    /// Short name.
    pub code: &'static str,
    /// From 1.
    pub version: i32,
    /// Name and source.
    pub title: &'static str,
    /// Rest between two shifts.
    pub daily_rest: i64,
    /// One rest of this length in every week.
    pub weekly_rest: i64,
    /// How much of that rest must lie inside the week from Monday to Sunday.
    pub weekly_rest_inside: i64,
    /// Work in one shift.
    pub max_day: i64,
    /// Work in one week.
    pub max_week: i64,
    /// Work without a break.
    pub max_stretch: i64,
    /// A shorter pause is no break.
    pub min_break_part: i64,
    /// Breaks by work in the shift, shortest work first.
    pub breaks: &'static [BreakRule],
}

/// How much break a shift needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BreakRule {
    /// For more work than this.
    pub work_above: i64,
    /// Breaks in all.
    pub breaks: i64,
}

impl RuleSet {
    /// Breaks that a shift with so much work needs in all.
    pub fn breaks_for(&self, work: i64) -> i64 {
        self.breaks.iter().rev().find(|rule| rule.work_above < work).map_or(0, |rule| rule.breaks)
    }
}

/// Every rule set, by code and version.
pub const RULE_SETS: &[RuleSet] = &[
    RuleSet {
        code: "de-arbzg",
        version: 1,
        title: "Germany: Arbeitszeitgesetz §§ 3-5, 11 (10 h a day, 48 h a week planned, breaks 30/45 min)",
        daily_rest: 11 * HOUR,
        weekly_rest: 35 * HOUR,
        weekly_rest_inside: 24 * HOUR,
        max_day: 10 * HOUR,
        max_week: 48 * HOUR,
        max_stretch: 6 * HOUR,
        min_break_part: 15 * MINUTE,
        breaks: &[
            BreakRule { work_above: 6 * HOUR, breaks: 30 * MINUTE },
            BreakRule { work_above: 9 * HOUR, breaks: 45 * MINUTE },
        ],
    },
    RuleSet {
        code: "eu-wtd",
        version: 1,
        title: "European Union: Directive 2003/88/EC Articles 3-6 (11 h daily and 24 h + 11 h weekly rest, 48 h)",
        daily_rest: 11 * HOUR,
        weekly_rest: 35 * HOUR,
        weekly_rest_inside: 24 * HOUR,
        max_day: 13 * HOUR,
        max_week: 48 * HOUR,
        max_stretch: 6 * HOUR,
        min_break_part: 15 * MINUTE,
        // The directive leaves the length to each country; 20 minutes is the least in use.
        breaks: &[BreakRule { work_above: 6 * HOUR, breaks: 20 * MINUTE }],
    },
];

/// The rule set of that code and version; version 0 = the newest.
pub fn find(code: &str, version: i32) -> Option<&'static RuleSet> {
    let named = RULE_SETS.iter().filter(|rules| rules.code == code);
    if version == 0 { named.max_by_key(|rules| rules.version) } else { named.clone().find(|r| r.version == version) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_breaks_step_at_six_and_nine_hours() {
        let rules = find("de-arbzg", 0).expect("known");
        let minutes = |hours: i64, extra: i64| rules.breaks_for(hours * HOUR + extra) / MINUTE;
        assert_eq!([minutes(6, 0), minutes(6, 1), minutes(9, 0), minutes(9, 1)], [0, 30, 30, 45]);
        assert_eq!(find("de-arbzg", 1), Some(rules));
        assert_eq!(find("de-arbzg", 7), None);
    }

    #[test]
    fn the_table_is_sorted_and_sensible() {
        assert!(RULE_SETS.windows(2).all(|two| (two[0].code, two[0].version) < (two[1].code, two[1].version)));
        for rules in RULE_SETS {
            assert!(rules.max_day + rules.daily_rest <= 24 * HOUR);
            assert!(rules.breaks.windows(2).all(|two| two[0].work_above < two[1].work_above));
        }
    }
}
