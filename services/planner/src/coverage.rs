//! Requirement against the people at work, per interval.

use super::agent::{Agent, Duty};
use super::civil;
use super::cover::Cover;
use super::model::{Grid, Need};

/// What is covered. Hundredths of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// For each need: covered per interval.
    pub covered: Vec<Vec<u32>>,
    /// At work per interval.
    pub at_work: Vec<u32>,
    /// Not covered, over all.
    pub uncovered: u64,
}

/// Uses everybody at work as well as possible.
pub fn coverage(grid: &Grid, needs: &[Need], people: &[(Agent, Vec<Duty>)]) -> Coverage {
    // Everybody is a group of her own for every day that she works; that is many groups, but each
    // is met in few intervals only.
    let (mut groups, mut members): (Vec<Vec<u32>>, Vec<(usize, &Duty)>) = (Vec::new(), Vec::new());
    for (agent, duties) in people {
        for duty in duties {
            let until = civil::midnight(civil::later(agent.day_of(duty.start), 2), &agent.zone);
            let serves =
                |need: &Need| agent.skills.serves(need.seller, need.certification_required, &need.language, until);
            let list: Vec<u32> = (0_u32..).zip(needs).filter(|(_, need)| serves(need)).map(|(at, _)| at).collect();
            let group = groups.iter().position(|known| *known == list).unwrap_or_else(|| {
                groups.push(list);
                groups.len() - 1
            });
            members.push((group, duty));
        }
    }
    let wanted: Vec<Vec<u32>> = needs.iter().map(|need| need.people.clone()).collect();
    let mut cover = Cover::of(&groups, &wanted, grid.count);
    let mut at_work = vec![0; grid.count];
    for (group, duty) in members {
        for (interval, units) in duty.cover(grid) {
            cover.add(interval, group as u32, units);
            at_work[interval] += units;
        }
    }
    let of_need = |need: usize| (0..grid.count).map(|interval| cover.covered(interval, need)).collect();
    Coverage { covered: (0..needs.len()).map(of_need).collect(), at_work, uncovered: cover.uncovered() }
}

/// The hundredths of people of one seller's series, laid on another grid; what lies outside is lost.
pub fn onto_grid(grid: &Grid, start: i64, people: &[u32]) -> Vec<u32> {
    let mut laid = vec![0; grid.count];
    for (offset, people) in (0_i64..).zip(people) {
        if let Some(interval) = grid.index(start + offset * grid.step) {
            laid[interval] += people;
        }
    }
    laid
}

#[cfg(test)]
mod tests {
    use kit::ids::Uuid;
    use kit::{SellerId, UserId};

    use super::*;
    use crate::agent::{Contract, Level, Skills};
    use crate::breaks::BreakPlan;
    use crate::rules;

    fn agent(languages: &[&str]) -> Agent {
        Agent {
            user: UserId(Uuid::from_u128(1)),
            zone_name: "UTC".into(),
            zone: jiff::tz::TimeZone::UTC,
            rules: rules::find("eu-wtd", 0).expect("known"),
            contract: Contract { min_week: 0, max_week: 0, min_shift: 0, max_shift: 0, max_days_in_row: 5 },
            break_plan: BreakPlan::default(),
            availability: Vec::new(),
            starts_on: civil::day("2026-01-01").expect("a day"),
            ends_on: None,
            absences: Vec::new(),
            skills: Skills {
                languages: languages.iter().map(|l| ((*l).to_owned(), Level::C1)).collect(),
                certifications: Vec::new(),
                sellers: vec![SellerId(Uuid::from_u128(9))],
            },
            published: Vec::new(),
            holidays: Vec::new(),
            sundays: Vec::new(),
        }
    }

    #[test]
    fn the_specialist_leaves_the_generalist_to_the_other_need() {
        let grid = Grid { start: 0, step: 1_800, count: 3 };
        let need = |language: &str, people: [u32; 3]| Need {
            seller: SellerId(Uuid::from_u128(9)),
            language: language.to_owned(),
            certification_required: false,
            people: people.to_vec(),
        };
        let needs = [need("it", [100, 100, 50]), need("fr", [100, 0, 0])];
        let all_day = Duty { start: 0, end: 5_400, breaks: vec![(2_700, 3_600)], ..Duty::default() };
        let people = [(agent(&["it", "fr"]), vec![all_day.clone()]), (agent(&["it"]), vec![all_day])];
        let found = coverage(&grid, &needs, &people);
        assert_eq!(found.at_work, [200, 100, 200]);
        assert_eq!(found.covered, [[100, 100, 50], [100, 0, 0]]);
        assert_eq!(found.uncovered, 0);
    }

    #[test]
    fn a_series_keeps_its_instants_on_another_grid() {
        let grid = Grid { start: 1_800, step: 1_800, count: 3 };
        assert_eq!(onto_grid(&grid, 0, &[1, 2, 3]), [2, 3, 0]);
        assert_eq!(onto_grid(&grid, 3_600, &[1, 2, 3]), [0, 1, 2]);
    }
}
