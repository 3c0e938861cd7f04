//! Working-time law as versioned data. All limits are hard.
//!
//! A rule set is never changed once it has been used; a change of law is a new version. Where a law limits the
//! average over a reference period, every planned week keeps to the average: whatever the weeks before were, the
//! average is kept then, and no schedule depends on hours that are not known yet.

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
    /// Days of the week from Monday to Sunday on which a shift may start; 7 where the law sets none.
    pub max_days_in_week: i32,
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
    /// Limits of work at night.
    pub night: Option<NightRule>,
    /// Work on Sundays and public holidays.
    pub sundays: Option<SundayRule>,
}

/// What the law says of Sundays and public holidays; any work between midnight and midnight counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SundayRule {
    /// Sundays of a calendar year without work.
    pub free_in_year: i32,
    /// Work on a holiday from Monday to Saturday takes another day off in the same week: it counts as two days of it.
    pub holidays_count_twice: bool,
}

/// What a shift with work at night is limited to. The laws limit the average of those who work at night as a rule; here
/// every such shift keeps to it, whoever works it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NightRule {
    /// Night time by the clock, in minutes of the day; it ends on the next one.
    pub from: i32,
    /// Its end.
    pub until: i32,
    /// A shift with more work than this in it is a night shift, in seconds.
    pub work_above: i64,
    /// Work in a night shift.
    pub max_day: i64,
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

const GERMANY: RuleSet = RuleSet {
    code: "de-arbzg",
    version: 1,
    title: "Germany: Arbeitszeitgesetz §§ 3-5, 11 (10 h a day, 48 h a week planned, breaks 30/45 min)",
    daily_rest: 11 * HOUR,
    weekly_rest: 35 * HOUR,
    weekly_rest_inside: 24 * HOUR,
    max_days_in_week: 7,
    max_day: 10 * HOUR,
    max_week: 48 * HOUR,
    max_stretch: 6 * HOUR,
    min_break_part: 15 * MINUTE,
    breaks: &[
        BreakRule { work_above: 6 * HOUR, breaks: 30 * MINUTE },
        BreakRule { work_above: 9 * HOUR, breaks: 45 * MINUTE },
    ],
    night: None,
    sundays: None,
};

/// § 2 (3), (4): more than two hours between 23 and 6 o'clock; § 6 (2): eight hours a working day, ten only where a
/// month's average is eight.
const GERMAN_NIGHT: Option<NightRule> =
    Some(NightRule { from: 23 * 60, until: 6 * 60, work_above: 2 * HOUR, max_day: 8 * HOUR });

const SPAIN: RuleSet = RuleSet {
    code: "es-estatuto",
    version: 1,
    title: "Spain: Estatuto de los Trabajadores art. 34, 37 (9 h a day, 40 h in every planned week, 12 h daily and 36 h + 12 h weekly rest, breaks 15 min)",
    // Article 34 (3).
    daily_rest: 12 * HOUR,
    // Article 37 (1): a day and a half; the daily rest comes on top (Court of Justice, C-477/21).
    weekly_rest: 48 * HOUR,
    weekly_rest_inside: 36 * HOUR,
    max_days_in_week: 7,
    max_day: 9 * HOUR,
    // Article 34 (1): 40 hours on average over the year.
    max_week: 40 * HOUR,
    max_stretch: 6 * HOUR,
    // Article 34 (4).
    min_break_part: 15 * MINUTE,
    breaks: &[BreakRule { work_above: 6 * HOUR, breaks: 15 * MINUTE }],
    night: None,
    sundays: None,
};

const FRANCE: RuleSet = RuleSet {
    code: "fr-code-travail",
    version: 1,
    title: "France: Code du travail L3121-16, -18, -20, -22, L3131-1, L3132-1, -2 (10 h a day, 44 h in every planned week, breaks 20 min)",
    daily_rest: 11 * HOUR,
    // L3132-2: 24 hours, to which the daily rest is added.
    weekly_rest: 35 * HOUR,
    weekly_rest_inside: 24 * HOUR,
    // L3132-1.
    max_days_in_week: 6,
    // L3121-18.
    max_day: 10 * HOUR,
    // L3121-22: 44 hours on average over twelve weeks; the 48 hours of L3121-20 are more.
    max_week: 44 * HOUR,
    max_stretch: 6 * HOUR,
    // L3121-16: twenty minutes in a row, as soon as the day's work reaches six hours.
    min_break_part: 20 * MINUTE,
    breaks: &[BreakRule { work_above: 6 * HOUR - 1, breaks: 20 * MINUTE }],
    night: None,
    sundays: None,
};

const UNITED_KINGDOM: RuleSet = RuleSet {
    code: "gb-wtr",
    version: 1,
    title: "United Kingdom: Working Time Regulations 1998 reg. 4, 10-12 (48 h in every planned week, 11 h daily and 24 h weekly rest, breaks 20 min)",
    daily_rest: 11 * HOUR,
    // Regulation 11 (7): the weekly rest does not take in the daily rest.
    weekly_rest: 35 * HOUR,
    weekly_rest_inside: 24 * HOUR,
    max_days_in_week: 7,
    // What regulation 10 leaves of 24 hours.
    max_day: 13 * HOUR,
    max_week: 48 * HOUR,
    max_stretch: 6 * HOUR,
    // Regulation 12 (3): an uninterrupted period of not less than 20 minutes.
    min_break_part: 20 * MINUTE,
    breaks: &[BreakRule { work_above: 6 * HOUR, breaks: 20 * MINUTE }],
    night: None,
    sundays: None,
};

const ITALY: RuleSet = RuleSet {
    code: "it-dlgs-66",
    version: 1,
    title: "Italy: Decreto legislativo 66/2003 art. 4, 7-9 (48 h in every planned week, 11 h daily and 24 h + 11 h weekly rest, breaks 10 min)",
    daily_rest: 11 * HOUR,
    // Article 9 (1): 24 hours every seven days, added to the daily rest of article 7.
    weekly_rest: 35 * HOUR,
    weekly_rest_inside: 24 * HOUR,
    max_days_in_week: 7,
    // What article 7 leaves of 24 hours.
    max_day: 13 * HOUR,
    max_week: 48 * HOUR,
    max_stretch: 6 * HOUR,
    // Article 8 (2): ten minutes where no collective agreement says more.
    min_break_part: 10 * MINUTE,
    breaks: &[BreakRule { work_above: 6 * HOUR, breaks: 10 * MINUTE }],
    night: None,
    sundays: None,
};

/// Every rule set, by code and version.
pub const RULE_SETS: &[RuleSet] = &[
    GERMANY,
    RuleSet {
        version: 2,
        title: "Germany: Arbeitszeitgesetz §§ 2-6, 11 (10 h a day, 8 h at night, 48 h a week planned, breaks 30/45 min)",
        night: GERMAN_NIGHT,
        ..GERMANY
    },
    RuleSet {
        version: 3,
        title: "Germany: Arbeitszeitgesetz §§ 2-6, 9, 11 (10 h a day, 8 h at night, 48 h a week planned, 15 free Sundays a year, a day off for every worked Sunday and holiday, breaks 30/45 min)",
        night: GERMAN_NIGHT,
        // § 11 (3): a day off within two weeks for a worked Sunday; here in the same week.
        max_days_in_week: 6,
        // § 11 (1); § 11 (3): a day off within eight weeks for a worked holiday; here in the same week.
        sundays: Some(SundayRule { free_in_year: 15, holidays_count_twice: true }),
        ..GERMANY
    },
    SPAIN,
    RuleSet {
        version: 2,
        title: "Spain: Estatuto de los Trabajadores art. 34, 36, 37 (9 h a day, 8 h at night, 40 h in every planned week, 12 h daily and 36 h + 12 h weekly rest, breaks 15 min)",
        // Article 36 (1): three hours or more between ten in the evening and six; eight hours on average over fifteen days.
        night: Some(NightRule { from: 22 * 60, until: 6 * 60, work_above: 3 * HOUR - 1, max_day: 8 * HOUR }),
        ..SPAIN
    },
    RuleSet {
        code: "eu-wtd",
        version: 1,
        title: "European Union: Directive 2003/88/EC Articles 3-6 (11 h daily and 24 h + 11 h weekly rest, 48 h)",
        daily_rest: 11 * HOUR,
        weekly_rest: 35 * HOUR,
        weekly_rest_inside: 24 * HOUR,
        max_days_in_week: 7,
        max_day: 13 * HOUR,
        max_week: 48 * HOUR,
        max_stretch: 6 * HOUR,
        min_break_part: 15 * MINUTE,
        // The directive leaves the length to each country; 20 minutes is the least in use.
        breaks: &[BreakRule { work_above: 6 * HOUR, breaks: 20 * MINUTE }],
        night: None,
        sundays: None,
    },
    RuleSet {
        code: "eu-wtd",
        version: 2,
        title: "European Union: Directive 2003/88/EC Articles 2-6, 8 (11 h daily and 24 h + 11 h weekly rest, 48 h, 8 h at night)",
        daily_rest: 11 * HOUR,
        weekly_rest: 35 * HOUR,
        weekly_rest_inside: 24 * HOUR,
        max_days_in_week: 7,
        max_day: 13 * HOUR,
        max_week: 48 * HOUR,
        max_stretch: 6 * HOUR,
        min_break_part: 15 * MINUTE,
        // The directive leaves the length to each country; 20 minutes is the least in use.
        breaks: &[BreakRule { work_above: 6 * HOUR, breaks: 20 * MINUTE }],
        // Article 2 (3), (4): at least three hours of night time, which has seven hours with those from 0 to 5 o'clock in
        // them; Article 8 (a): eight hours on average.
        night: Some(NightRule { from: 23 * 60, until: 6 * 60, work_above: 3 * HOUR - 1, max_day: 8 * HOUR }),
        sundays: None,
    },
    FRANCE,
    RuleSet {
        version: 2,
        title: "France: Code du travail L3121-16, -18, -20, -22, L3122-2, -5, -6, -20, L3131-1, L3132-1, -2 (10 h a day, 8 h at night, 44 h in every planned week, breaks 20 min)",
        // L3122-20: from nine in the evening to six, where no agreement says otherwise; L3122-5: three hours of it or
        // more; L3122-6: eight hours.
        night: Some(NightRule { from: 21 * 60, until: 6 * 60, work_above: 3 * HOUR - 1, max_day: 8 * HOUR }),
        ..FRANCE
    },
    UNITED_KINGDOM,
    RuleSet {
        version: 2,
        title: "United Kingdom: Working Time Regulations 1998 reg. 2, 4, 6, 10-12 (48 h in every planned week, 8 h at night, 11 h daily and 24 h weekly rest, breaks 20 min)",
        // Regulation 2 (1): from eleven in the evening to six where no agreement says otherwise, three hours of it or more;
        // regulation 6 (1): eight hours on average.
        night: Some(NightRule { from: 23 * 60, until: 6 * 60, work_above: 3 * HOUR - 1, max_day: 8 * HOUR }),
        ..UNITED_KINGDOM
    },
    ITALY,
    RuleSet {
        version: 2,
        title: "Italy: Decreto legislativo 66/2003 art. 1, 4, 7-9, 13 (48 h in every planned week, 8 h at night, 11 h daily and 24 h + 11 h weekly rest, breaks 10 min)",
        // Article 1 (2) (d), (e): seven hours with those from midnight to five in them, three hours of it or more; the
        // earliest such night begins at ten. Article 13 (1): eight hours on average over a day.
        night: Some(NightRule { from: 22 * 60, until: 5 * 60, work_above: 3 * HOUR - 1, max_day: 8 * HOUR }),
        ..ITALY
    },
    RuleSet {
        code: "pt-codigo-trabalho",
        version: 1,
        title: "Portugal: Código do Trabalho art. 203, 213, 214, 232, 233 (8 h a day, 40 h a week, 1 h of break after 5 h)",
        daily_rest: 11 * HOUR,
        // Articles 232 and 233: a day of rest a week, and the daily rest before it.
        weekly_rest: 35 * HOUR,
        weekly_rest_inside: 24 * HOUR,
        max_days_in_week: 6,
        // Article 203 (1).
        max_day: 8 * HOUR,
        max_week: 40 * HOUR,
        // Article 213 (1): an interval of an hour at least, so that nobody works more than five hours in a row.
        max_stretch: 5 * HOUR,
        min_break_part: HOUR,
        breaks: &[BreakRule { work_above: 5 * HOUR, breaks: HOUR }],
        night: None,
        sundays: None,
    },
];

/// The rule set of that code and version; version 0 = the newest.
pub fn find(code: &str, version: i32) -> Option<&'static RuleSet> {
    let named = RULE_SETS.iter().filter(|rules| rules.code == code);
    if version == 0 { named.max_by_key(|rules| rules.version) } else { named.clone().find(|r| r.version == version) }
}

#[cfg(test)]
#[path = "statute_tests.rs"]
mod statutes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_breaks_step_at_six_and_nine_hours() {
        let rules = find("de-arbzg", 0).expect("known");
        let minutes = |hours: i64, extra: i64| rules.breaks_for(hours * HOUR + extra) / MINUTE;
        assert_eq!([minutes(6, 0), minutes(6, 1), minutes(9, 0), minutes(9, 1)], [0, 30, 30, 45]);
        assert_eq!(find("de-arbzg", 3), Some(rules));
        assert_eq!(find("de-arbzg", 2).map(|rules| (rules.max_days_in_week, rules.sundays)), Some((7, None)));
        assert_eq!(find("de-arbzg", 1).map(|rules| rules.night), Some(None));
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
