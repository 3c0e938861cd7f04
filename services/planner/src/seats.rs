//! Seats at a site, and whether there are enough for those who are to be there.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::agent::Duty;
use super::civil::Window;
use super::model::Grid;

/// The seats of a site.
#[derive(Debug, Clone)]
pub struct Seats {
    /// Its name.
    pub site: String,
    /// Its zone.
    pub zone: TimeZone,
    /// Seats.
    pub seats: u32,
    /// Hours with other seats, each week.
    pub windows: Vec<(Window, u32)>,
}

impl Seats {
    /// Seats at an instant: those of the windows that hold it, the fewest where several do.
    pub fn at(&self, second: i64) -> u32 {
        let local = self.zone.to_datetime(Timestamp::from_second(second).unwrap_or(Timestamp::MAX));
        let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let weekday = local.date().weekday().to_monday_one_offset();
        let before = if weekday == 1 { 7 } else { weekday - 1 };
        let holds = |window: &Window| {
            let inside = |minutes: i32| window.start <= minutes && minutes < window.end;
            (window.weekday == weekday && inside(minutes)) || (window.weekday == before && inside(minutes + 1_440))
        };
        let windows = self.windows.iter().filter(|(window, _)| holds(window));
        windows.map(|(_, seats)| *seats).min().unwrap_or(self.seats)
    }

    /// Seats that are free of others all through each interval.
    pub fn free(&self, grid: &Grid, others: &[&Duty]) -> Vec<u32> {
        let mut free: Vec<u32> = (0..grid.count)
            .map(|interval| {
                let from = grid.start + interval as i64 * grid.step;
                // Windows begin and end on whole minutes.
                (from..from + grid.step).step_by(60).map(|at| self.at(at)).min().unwrap_or(0)
            })
            .collect();
        for duty in others {
            let whole = Duty { start: duty.start, end: duty.end, ..Duty::default() };
            whole.cover(grid).for_each(|(interval, _)| free[interval] = free[interval].saturating_sub(1));
        }
        free
    }

    /// The first instant within the shifts that are placed at which they and the others are more than the seats. It
    /// counts people by instants, not as the solver does.
    pub fn exceeded(&self, placed: &[&Duty], others: &[&Duty]) -> Option<i64> {
        let all = || placed.iter().chain(others);
        let (mut starts, mut ends): (Vec<i64>, Vec<i64>) = all().map(|duty| (duty.start, duty.end)).unzip();
        starts.sort_unstable();
        ends.sort_unstable();
        let there = |at: i64| starts.partition_point(|start| *start <= at) - ends.partition_point(|end| *end <= at);
        let mut own: Vec<(i64, i64)> = placed.iter().map(|duty| (duty.start, duty.end)).collect();
        own.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (start, end) in own {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        // People become more when a shift starts, seats become fewer on whole minutes.
        merged.into_iter().find_map(|(from, to)| {
            let minutes = (from.div_euclid(60) * 60..to).step_by(60).map(|at| at.max(from));
            let begun = starts.iter().copied().filter(|start| from <= *start && *start < to);
            let too_many = |at: &i64| (self.at(*at) as usize) < there(*at);
            if self.windows.is_empty() {
                begun.filter(too_many).min()
            } else {
                minutes.chain(begun).filter(too_many).min()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::civil;

    fn seats(zone: &str, seats: u32, windows: Vec<(Window, u32)>) -> Seats {
        Seats { site: "lisbon".into(), zone: civil::zone(zone).expect("known"), seats, windows }
    }

    fn duty(start: i64, end: i64) -> Duty {
        Duty { start, end, ..Duty::default() }
    }

    #[test]
    fn windows_hold_in_civil_time_over_midnight_and_the_change_of_clocks() {
        let night = Window { weekday: 6, start: 22 * 60, end: 30 * 60 };
        let berlin = seats("Europe/Berlin", 9, vec![(night, 2)]);
        // Saturday, 24 October 2026: the night has an hour more.
        let midnight = civil::midnight(civil::day("2026-10-25").expect("a day"), &berlin.zone).as_second();
        let hours = |hours: i64| berlin.at(midnight + hours * 3_600);
        assert_eq!([hours(-3), hours(-2), hours(0), hours(6), hours(7)], [9, 2, 2, 2, 9]);
    }

    #[test]
    fn a_seat_is_taken_from_the_start_to_the_end() {
        let two = seats("UTC", 2, Vec::new());
        let (early, late, next) = (duty(0, 8), duty(4, 12), duty(8, 16));
        assert_eq!(two.exceeded(&[&early, &late, &next], &[]), None);
        let third = duty(7, 9);
        assert_eq!(two.exceeded(&[&third], &[&early, &late, &next]), Some(7));
        // What others have made too many is not held against somebody who comes at another time.
        assert_eq!(two.exceeded(&[&duty(12, 14)], &[&early, &late, &third]), None);
        let grid = Grid { start: 0, step: 60, count: 2 };
        assert_eq!(seats("UTC", 2, Vec::new()).free(&grid, &[&duty(0, 61), &duty(90, 200)]), [1, 0]);
    }

    proptest! {
        #[test]
        fn what_is_free_by_intervals_is_enough_by_instants(
            shifts in proptest::collection::vec((0_i64..20, 1_i64..10), 1..12), seats_there in 0_u32..6,
        ) {
            let site = seats("UTC", seats_there, Vec::new());
            let shifts: Vec<Duty> = shifts.iter().map(|(start, length)| duty(start * 900, (start + length) * 900)).collect();
            let grid = Grid { start: 0, step: 1_800, count: 20 };
            let mut placed: Vec<&Duty> = Vec::new();
            for shift in &shifts {
                let free = site.free(&grid, &placed);
                if shift.cover(&grid).all(|(interval, _)| 0 < free[interval]) {
                    placed.push(shift);
                }
            }
            prop_assert_eq!(site.exceeded(&placed, &[]), None);
            let all: Vec<&Duty> = shifts.iter().collect();
            let most = (0..40).map(|at| shifts.iter().filter(|s| s.start <= at * 900 && at * 900 < s.end).count()).max();
            prop_assert_eq!(site.exceeded(&all, &[]).is_some(), (seats_there as usize) < most.unwrap_or(0));
        }
    }
}
