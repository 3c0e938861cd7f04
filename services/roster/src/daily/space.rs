//! Shifts as the engine sees them.

use super::ends::Ends;
use super::grain::{Aim, Care, Grain, PLACES};
use super::labels::{Answer, Question, Room, Straight};
use super::togo::{Of, Prices, ToGo, Values};
use super::track::Track;
use crate::engine::space::{Ask, Column, Found, Loose, Space};
use crate::model::{Code, Cover, Problem};

pub struct Daily<'a> {
    problem: &'a Problem,
    people: Vec<Person>,
    values: Values,
    togo: ToGo,
    room: Room,
}

/// How often better prices are looked for before plans are enumerated.
const ATTEMPTS: usize = 3;
/// With less effort than this nobody looks for a proof.
const PROOF: usize = 1_000;

/// By how much a way goes beyond what it may.
struct Over {
    weekends: f64,
    limits: Vec<f64>,
}

impl Over {
    fn of(way: &Straight, ends: &Ends) -> Over {
        let limits = way.used.iter().zip(&ends.limits).map(|(&used, &most)| f64::from(used) - f64::from(most));
        Over { weekends: f64::from(way.weekends) - f64::from(ends.weekends), limits: limits.collect() }
    }

    fn lawful(&self) -> bool {
        self.weekends <= 0.0 && self.limits.iter().all(|over| *over <= 0.0)
    }

    /// Nothing is paid for what is not used up: then the way is the best there is.
    fn tight(&self, prices: &Prices) -> bool {
        (prices.weekend == 0.0 || self.weekends == 0.0)
            && self.limits.iter().zip(&prices.limits).all(|(over, price)| *price == 0.0 || *over == 0.0)
    }

    fn square(&self, prices: &Prices) -> f64 {
        let free = |over: f64, price: f64| if over < 0.0 && price == 0.0 { 0.0 } else { over };
        free(self.weekends, prices.weekend).powi(2)
            + self.limits.iter().zip(&prices.limits).map(|(over, price)| free(*over, *price).powi(2)).sum::<f64>()
    }

    /// Prices go up where too much is used, and down where too little.
    fn raise(&self, prices: &mut Prices, step: f64) {
        let square = self.square(prices);
        if square == 0.0 {
            return;
        }
        self.shift(prices, step / square);
    }

    fn shift(&self, prices: &mut Prices, step: f64) {
        prices.weekend = (prices.weekend + step * self.weekends).max(0.0);
        for (price, over) in prices.limits.iter_mut().zip(&self.limits) {
            *price = (*price + step * over).max(0.0);
        }
    }
}

struct Person {
    track: Track,
    /// What weekends and limits cost the last time, learnt from question to question.
    prices: Prices,
    /// What she went beyond when some of her rules were priced.
    over: Option<Over>,
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
                let prices = Prices { weekend: 0.0, limits: vec![0.0; track.limits.len()] };
                Person { track, prices, over: None }
            })
            .collect();
        Daily { problem, people, values: Values::default(), togo: ToGo::default(), room: Room::default() }
    }

    /// Whether a person's rules are few enough for the memory that a question of hers may take.
    pub fn fits(problem: &Problem, person: usize) -> bool {
        Track::of(problem, person).states().saturating_mul(problem.days + 1) <= PLACES
    }

    /// A plan with what it costs and covers.
    pub fn column(problem: &Problem, person: usize, plan: Vec<Code>) -> Column {
        let serves = plan.iter().enumerate().flat_map(|(day, &code)| problem.serves(day, code)).copied().collect();
        Column { cost: problem.wishes_cost(person, &plan), serves, plan }
    }
}

fn cost_of(problem: &Problem, ask: &Ask<'_>, day: usize, code: Code) -> f64 {
    let served = problem.serves(day, code).iter().map(|&cover| ask.prices[cover as usize]).sum::<f64>();
    problem.wishes[ask.person][problem.at(day, code)] as f64 + served
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

    fn loosens(&self) -> bool {
        true
    }

    fn loose(&mut self, person: usize, prices: &[f64], step: f64, stop: &dyn Fn() -> bool) -> Option<Loose> {
        let Person { track, prices: paid, over } = &mut self.people[person];
        match over.take() {
            Some(over) => over.shift(paid, step),
            // What was learnt at other prices leads astray.
            None => *paid = Prices { weekend: 0.0, limits: vec![0.0; track.limits.len()] },
        }
        let ends = Ends::of(self.problem, person, track, None)?;
        self.values.fill(self.problem, person, track, &ends, prices);
        let grain = Grain::of(track, &ends, Care::Rough, Aim::Proof);
        let of = Of { problem: self.problem, track, ends: &ends, values: &self.values, grain: &grain };
        if !self.togo.fill(&of, paid, stop) {
            return None;
        }
        let question = Question {
            problem: self.problem,
            track,
            ends: &ends,
            values: &self.values,
            grain: &grain,
            proves: true,
            togo: &self.togo,
            prices: paid,
            limit: f64::INFINITY,
            effort: 0,
            stop,
        };
        let way = question.straight()?;
        let beyond = Over::of(&way, &ends);
        let timely = way.timely;
        let column = Daily::column(self.problem, person, way.plan);
        let loose = Loose {
            floor: question.floor(),
            serves: column.serves.clone(),
            lawful: (beyond.lawful() && timely).then_some(column),
            square: beyond.square(paid),
        };
        *over = Some(beyond);
        Some(loose)
    }

    fn best(&mut self, ask: &Ask<'_>) -> Found {
        let Person { track, prices, .. } = &mut self.people[ask.person];
        let Some(ends) = Ends::of(self.problem, ask.person, track, ask.within.clone()) else {
            return Found { best: None, floor: f64::INFINITY };
        };
        self.values.fill(self.problem, ask.person, track, &ends, ask.prices);
        // What the days cost that stay as they are.
        let outside = ask.within.as_ref().map_or(0.0, |(days, plan)| {
            let fixed = (0..days.start).chain(days.end..plan.len());
            fixed.map(|day| cost_of(self.problem, ask, day, plan[day])).sum()
        });
        let most = ask.limit - outside;
        let aim = if ask.effort < PROOF { Aim::Guess } else { Aim::Proof };
        let care = match ask {
            Ask { within: Some(_), .. } => Care::Part,
            Ask { effort: 0, .. } => Care::Rough,
            _ => Care::Usual,
        };
        let mut grain = Grain::of(track, &ends, care, aim);
        let proves = grain.exact || aim == Aim::Proof;
        let claim = |floor: f64| if proves { floor } else { f64::NEG_INFINITY };
        let mut tried = prices.clone();
        let mut kept: Option<f64> = None;
        let mut answer = None;
        let mut lawful: Option<Straight> = None;
        for attempt in 0..=ATTEMPTS {
            if attempt == ATTEMPTS && ask.effort > 0 {
                // The last time with the prices that proved most.
                tried.clone_from(prices);
            }
            let of = Of { problem: self.problem, track, ends: &ends, values: &self.values, grain: &grain };
            if !self.togo.fill(&of, &tried, ask.stop) {
                break;
            }
            let mut question = Question {
                problem: self.problem,
                track,
                ends: &ends,
                values: &self.values,
                grain: &grain,
                proves,
                togo: &self.togo,
                prices: &tried,
                limit: lawful.as_ref().map_or(most, |way| way.cost.min(most)),
                effort: ask.effort,
                stop: ask.stop,
            };
            let least = question.least();
            if least >= question.limit {
                answer = Some(Answer { best: None, floor: claim(question.limit) });
                break;
            }
            let Some(way) = question.straight() else {
                answer = Some(Answer { best: None, floor: claim(least) });
                break;
            };
            let over = Over::of(&way, &ends);
            let keeps = over.lawful() && way.timely;
            let straight = over.lawful() && over.tight(&tried);
            if straight && way.timely && (grain.exact || (proves && way.cost <= least + 1e-7)) {
                answer = Some(Answer {
                    floor: if grain.exact { way.cost } else { least },
                    best: Some((way.cost, way.plan)),
                });
                lawful = None;
                break;
            }
            if keeps && way.cost < question.limit {
                question.limit = way.cost;
                lawful = Some(way);
            }
            if kept.is_none_or(|best| least > best) {
                kept = Some(least);
                prices.clone_from(&tried);
            }
            if ask.effort == 0 {
                // Any plan will do: where this one does not keep the limits, one that spares them above all.
                answer = Some(Answer { best: None, floor: claim(kept.unwrap_or(least)) });
                if attempt == 0 {
                    // Little by little the prices get better from one such question to the next.
                    over.raise(prices, least.abs() * 0.02 + 1.0);
                }
                if keeps || attempt > 1 || (attempt > 0 && grain.exact) {
                    break;
                }
                if attempt > 0 {
                    // What spares limits leaves too little time for all minutes, unless these are looked at closely.
                    grain = Grain::of(track, &ends, Care::Usual, aim);
                    continue;
                }
                let dearest = self.values.value.iter().filter(|value| value.is_finite());
                let dear = 1.0 + 10.0 * dearest.fold(0.0f64, |dearest, value| dearest.max(value.abs()));
                tried = Prices { weekend: dear, limits: vec![dear; ends.limits.len()] };
                continue;
            }
            // No better prices are to be had where the limits are kept at these.
            if attempt == ATTEMPTS || straight {
                answer = Some(question.answer(&mut self.room));
                break;
            }
            let goal = if question.limit.is_finite() { question.limit } else { least + least.abs() * 0.1 + 1.0 };
            over.raise(&mut tried, (goal - least) * 0.8);
        }
        let mut answer = answer.unwrap_or(Answer { best: None, floor: claim(kept.unwrap_or(f64::NEG_INFINITY)) });
        if let (None, Some(way)) = (&answer.best, lawful) {
            answer.floor = answer.floor.min(way.cost);
            answer.best = Some((way.cost, way.plan));
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
            (cost + outside, Daily::column(self.problem, ask.person, plan))
        });
        Found { best, floor: answer.floor + outside }
    }
}
