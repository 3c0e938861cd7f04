//! Shifts as the engine sees them.

use super::ends::Ends;
use super::labels::{Question, Room};
use super::togo::{Moves, ToGo, Values};
use super::track::Track;
use crate::engine::space::{Ask, Column, Found, Space};
use crate::model::{Code, Cover, Problem};

pub struct Daily<'a> {
    problem: &'a Problem,
    people: Vec<Person>,
    values: Values,
    togo: ToGo,
    room: Room,
}

struct Person {
    track: Track,
    moves: Moves,
    /// What a weekend cost the last time, learnt from question to question.
    price: f64,
}

/// The same people with room of their own, for another thread.
impl Clone for Daily<'_> {
    fn clone(&self) -> Self {
        Daily::new(self.problem)
    }
}

impl<'a> Daily<'a> {
    pub fn new(problem: &'a Problem) -> Daily<'a> {
        let people = (0..problem.people.len())
            .map(|person| {
                let track = Track::of(problem, person);
                Person { moves: Moves::of(&track), track, price: 0.0 }
            })
            .collect();
        Daily { problem, people, values: Values::default(), togo: ToGo::default(), room: Room::default() }
    }

    /// A plan with what it costs and covers.
    pub fn column(problem: &Problem, person: usize, plan: Vec<Code>) -> Column {
        let serves = plan.iter().enumerate().flat_map(|(day, &code)| problem.serves(day, code)).copied().collect();
        Column { cost: problem.wishes_cost(person, &plan), serves, plan }
    }
}

impl Space for Daily<'_> {
    fn people(&self) -> usize {
        self.people.len()
    }

    fn covers(&self) -> &[Cover] {
        &self.problem.covers
    }

    fn steps(&self) -> (usize, usize) {
        (self.problem.days, 28)
    }

    fn best(&mut self, ask: &Ask<'_>) -> Found {
        let Person { track, moves, price } = &mut self.people[ask.person];
        let Some(ends) = Ends::of(self.problem, ask.person, track, ask.within.clone()) else {
            return Found { best: None, floor: f64::INFINITY };
        };
        self.values.fill(self.problem, ask.person, track, &ends, ask.prices);
        self.togo.fill(self.problem, track, &ends, &self.values, moves, *price);
        let question = Question {
            problem: self.problem,
            track,
            ends: &ends,
            values: &self.values,
            moves,
            togo: &self.togo,
            price: *price,
            limit: ask.limit,
            effort: ask.effort,
        };
        let answer = question.answer(&mut self.room);
        if let Some(weekends) = answer.relaxed_weekends {
            let scale = 1.0 + ask.prices.iter().take(64).map(|price| price.abs()).sum::<f64>() / 64.0;
            *price = if weekends > ends.weekends {
                *price * 1.3 + 0.05 * scale
            } else if weekends < ends.weekends {
                if *price < 0.01 * scale { 0.0 } else { *price * 0.7 }
            } else {
                *price
            };
        }
        let best = answer.best.map(|(cost, part)| {
            let plan = match &ask.within {
                Some((days, plan)) => {
                    let mut plan = plan.to_vec();
                    plan[days.clone()].copy_from_slice(&part);
                    plan
                }
                None => part,
            };
            (cost, Daily::column(self.problem, ask.person, plan))
        });
        Found { best, floor: answer.floor }
    }
}
