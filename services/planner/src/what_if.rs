//! What would be if: people of a schedule with others added, moved, taken out, or lent to other sellers.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::ids::Uuid;
use kit::{SellerId, UserId};

use super::agent::{Agent, Contract, Duty, Level, Skills};
use super::breaks::BreakPlan;
use super::civil;
use super::rules;

/// People who are not there yet.
#[derive(Debug, Clone)]
pub struct Added {
    /// How many.
    pub people: usize,
    /// When they would work.
    pub duties: Vec<Duty>,
    /// What they would speak, and for whom.
    pub languages: Vec<String>,
    pub sellers: Vec<SellerId>,
}

/// Agents lent to a seller.
#[derive(Debug, Clone)]
pub struct Lent {
    /// Who.
    pub users: Vec<UserId>,
    /// To whom.
    pub seller: SellerId,
    /// Whether they work for nobody else meanwhile.
    pub only: bool,
}

/// What is tried.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Added.
    pub added: Vec<Added>,
    /// Shifts at another time, or nobody's.
    pub moved: Vec<(UserId, Date, Option<Duty>)>,
    /// Lent.
    pub lent: Vec<Lent>,
}

/// A change that names somebody or a shift that is not there: which list, which entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// `moved` or `lent`.
    pub list: &'static str,
    /// Its index.
    pub index: usize,
}

/// The people after the changes.
pub fn tried(people: &[(Agent, Vec<Duty>)], trial: &Trial) -> Result<Vec<(Agent, Vec<Duty>)>, Missing> {
    let mut people = people.to_vec();
    for (index, (user, day, duty)) in trial.moved.iter().enumerate() {
        let missing = Missing { list: "moved", index };
        let (agent, duties) = people.iter_mut().find(|(agent, _)| agent.user == *user).ok_or(missing)?;
        let place = duties.iter().position(|duty| agent.day_of(duty.start) == *day).ok_or(missing)?;
        match duty {
            Some(duty) => duties[place] = duty.clone(),
            None => drop(duties.remove(place)),
        }
    }
    for (index, lent) in trial.lent.iter().enumerate() {
        for user in &lent.users {
            let found = people.iter_mut().find(|(agent, _)| agent.user == *user);
            let (agent, _) = found.ok_or(Missing { list: "lent", index })?;
            if lent.only {
                agent.skills.certifications.clear();
                agent.skills.sellers.clear();
            }
            agent.skills.certifications.retain(|(seller, _)| *seller != lent.seller);
            agent.skills.certifications.push((lent.seller, None));
            agent.skills.sellers.push(lent.seller);
        }
    }
    for added in &trial.added {
        let one = (newcomer(added), added.duties.clone());
        people.extend(std::iter::repeat_n(one, added.people));
    }
    Ok(people)
}

/// Somebody of whom nothing is known but what she can do. No rule is asked of her.
fn newcomer(added: &Added) -> Agent {
    Agent {
        user: UserId(Uuid::nil()),
        zone_name: "UTC".to_owned(),
        zone: TimeZone::UTC,
        rules: &rules::RULE_SETS[0],
        contract: Contract { min_week: 0, max_week: 0, min_shift: 0, max_shift: 0, max_days_in_row: 0 },
        break_plan: BreakPlan::default(),
        availability: Vec::new(),
        starts_on: Date::MIN,
        ends_on: None,
        absences: Vec::new(),
        skills: Skills {
            languages: added.languages.iter().map(|tag| (tag.clone(), Level::Native)).collect(),
            certifications: added.sellers.iter().map(|seller| (*seller, None)).collect(),
            sellers: added.sellers.clone(),
        },
        published: Vec::new(),
        holidays: Vec::new(),
        sundays: Vec::new(),
    }
}

/// The same time on so many days in a row, in UTC.
pub fn daily(duty: &Duty, days: i64) -> Vec<Duty> {
    let later = |seconds: i64| {
        let all = |ranges: &[(i64, i64)]| ranges.iter().map(|(from, to)| (from + seconds, to + seconds)).collect();
        Duty {
            start: duty.start + seconds,
            end: duty.end + seconds,
            breaks: all(&duty.breaks),
            paid_breaks: all(&duty.paid_breaks),
            activities: Vec::new(),
        }
    };
    (0..days).map(|day| later(day * 86_400)).collect()
}

/// A day that is written on the wire, kept for the agent's own calendar.
pub fn day(text: &str) -> Option<Date> {
    civil::day(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::coverage;
    use crate::model::{Grid, Need};

    fn seller(id: u128) -> SellerId {
        SellerId(Uuid::from_u128(id))
    }

    fn need(id: u128) -> Need {
        Need { seller: seller(id), language: "it".into(), certification_required: true, people: vec![100; 48] }
    }

    #[test]
    fn people_added_moved_and_lent_change_what_is_covered() {
        let grid = Grid { start: 0, step: 1_800, count: 48 };
        let whole = Duty { start: 0, end: 86_400, ..Duty::default() };
        let one =
            Added { people: 1, duties: vec![whole.clone()], languages: vec!["it".into()], sellers: vec![seller(1)] };
        let user = UserId(Uuid::from_u128(7));
        let people = [(Agent { user, ..newcomer(&one) }, vec![whole.clone()])];
        let needs = [need(1), need(2)];
        let uncovered = |trial: &Trial| {
            let people = tried(&people, trial).expect("there");
            coverage(&grid, &needs, &people).covered.iter().map(|of| of.iter().sum::<u32>()).collect::<Vec<_>>()
        };
        assert_eq!(uncovered(&Trial::default()), [4_800, 0]);
        let lent = Lent { users: vec![user], seller: seller(2), only: true };
        assert_eq!(uncovered(&Trial { lent: vec![lent], ..Trial::default() }), [0, 4_800]);
        let two = Added { sellers: vec![seller(2)], ..one };
        assert_eq!(uncovered(&Trial { added: vec![two], ..Trial::default() }), [4_800, 4_800]);
        let day = civil::day("1970-01-01").expect("a day");
        let half = Some(Duty { end: 43_200, ..whole });
        assert_eq!(uncovered(&Trial { moved: vec![(user, day, half)], ..Trial::default() }), [2_400, 0]);
        let nobody = Trial { moved: vec![(user, civil::later(day, 1), None)], ..Trial::default() };
        assert_eq!(tried(&people, &nobody).err(), Some(Missing { list: "moved", index: 0 }));
    }
}
