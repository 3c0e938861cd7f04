//! The planning problem: people, days, shift shapes, and what is needed per interval and skill.
//!
//! It knows nothing of how it is solved, and nothing of where its figures come from.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use kit::SellerId;
use thiserror::Error;

use super::activity::{Activity, Kind, Session};
use super::agent::{Agent, Duty};
use super::breaks::BreakPlan;
use super::civil;
use super::path::OFF;
use super::record::ActivityId;
use super::shape::{self, Shape};
use super::taste::{Given, Taste, Tastes};

/// Most people in one model.
pub const MAX_PEOPLE: usize = 5_000;
/// Most needs in one model.
pub const MAX_NEEDS: usize = 512;
/// Which day of its week a Sunday is.
const SUNDAY: usize = 6;

/// Equal intervals from a start on. Seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Start of the first interval.
    pub start: i64,
    /// Length of an interval.
    pub step: i64,
    /// Number of intervals.
    pub count: usize,
}

impl Grid {
    /// The grid that holds every shift starting on the days, in whatever zone.
    pub fn around(first: Date, days: i64, step: i64) -> Grid {
        let utc = civil::midnight(first, &jiff::tz::TimeZone::UTC).as_second();
        let start = (utc - 14 * 3_600).div_euclid(step) * step;
        let end = utc + days * 86_400 + (12 + 26) * 3_600;
        Grid { start, step, count: ((end - start + step - 1) / step) as usize }
    }

    /// The intervals that a stretch of time touches, with hundredths of a person in each.
    pub fn units(&self, from: i64, to: i64) -> impl Iterator<Item = (usize, u32)> {
        Duty { start: from, end: to, ..Duty::default() }.cover(self).collect::<Vec<_>>().into_iter()
    }

    /// The interval that holds an instant.
    pub fn index(&self, at: i64) -> Option<usize> {
        let index = (at - self.start).div_euclid(self.step);
        usize::try_from(index).ok().filter(|index| *index < self.count)
    }
}

/// What one seller needs in one language: hundredths of people per interval of the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The seller.
    pub seller: SellerId,
    /// BCP 47 language.
    pub language: String,
    /// Whether only certified agents may serve.
    pub certification_required: bool,
    /// Hundredths of people, one for each interval.
    pub people: Vec<u32>,
}

/// One person of the model.
#[derive(Debug, Clone)]
pub struct Person {
    /// Index among the agents that the model was made from.
    pub agent: usize,
    /// For each day: which of [`Model::choices`] the person has.
    pub options: Vec<u32>,
    /// For each day: which group of [`Model::groups`] the person is in.
    pub group: Vec<u32>,
    /// For each week: seconds of work owed.
    pub owed: Vec<i64>,
    /// Seconds of work per week at most, by contract and law.
    pub max_week: i64,
    /// Working days in a row at most.
    pub max_days_in_row: i32,
    /// Working days in a week at most.
    pub max_days_in_week: i32,
    /// Rest between shifts.
    pub daily_rest: i64,
    /// Rest in every week, and how much of it inside the week.
    pub weekly_rest: (i64, i64),
    /// Start of each week in the person's zone, and the end of the last.
    pub weeks: Vec<i64>,
    /// The instants between which she works, so that the weeks around keep a long rest that reaches into the days.
    pub open: (i64, i64),
    /// Published shifts before the first day: start day as an offset, and the shift.
    pub before: Vec<(i64, Duty)>,
    /// Published shifts after the last day.
    pub after: Vec<(i64, Duty)>,
    /// Public holidays that count as two days of their week: which week, and the instants.
    pub holidays: Vec<(usize, i64, i64)>,
    /// How many of some Sundays she may work, for each calendar year.
    pub sundays: Vec<Sundays>,
    /// Days on which the only choice must be worked, a bit each.
    pub forced: u32,
    /// What she would rather not work, and has carried.
    pub taste: Option<Taste>,
    /// Which of [`Model::seats`] she takes one of; none where there are enough.
    pub site: Option<u32>,
    /// Which of [`Model::gatherings`] she attends.
    pub attends: Vec<u32>,
}

/// The Sundays of the model in one calendar year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sundays {
    /// How many of them may be worked.
    pub left: usize,
    /// Which day each is, and the instants.
    pub days: Vec<(usize, i64, i64)>,
}

/// Something that people of the model attend: training, or a meeting.
#[derive(Debug, Clone)]
pub struct Gathering {
    /// Which.
    pub activity: ActivityId,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub title: Arc<str>,
    /// The seller whose time it is, if it is one's alone.
    pub charged: Option<SellerId>,
    /// When it may start.
    pub starts: Vec<i64>,
    /// How long it is.
    pub length: i64,
    /// Whether all attend at the same time.
    pub together: bool,
    /// Who attends.
    pub people: Vec<usize>,
}

impl Person {
    /// Whether a day's shift is given.
    pub fn is_forced(&self, day: usize) -> bool {
        self.forced >> day & 1 == 1
    }
}

/// A shift without its breaks: the shapes from `shapes.start` on differ by them alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Start.
    pub start: i64,
    /// End.
    pub end: i64,
    /// Working time in seconds.
    pub work: i64,
    /// The shapes.
    pub shapes: Range<u32>,
}

/// The whole problem.
#[derive(Debug, Clone)]
pub struct Model {
    /// Intervals.
    pub grid: Grid,
    /// First day.
    pub first: Date,
    /// Number of days, whole weeks.
    pub days: usize,
    /// What is needed.
    pub needs: Vec<Need>,
    /// Sets of needs that somebody can serve.
    pub groups: Vec<Vec<u32>>,
    /// Every shift that somebody can work.
    pub shapes: Vec<Shape>,
    /// What people can work on one day, by start; shared by all who can work the same.
    pub choices: Vec<Vec<Place>>,
    /// Who can work.
    pub people: Vec<Person>,
    /// What everybody would rather not work.
    pub tastes: Tastes,
    /// For each site with too few seats for all: how many may be there, by interval.
    pub seats: Vec<Vec<u32>>,
    /// What people attend.
    pub gatherings: Vec<Gathering>,
}

/// Why there is no model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The days are not whole weeks from a Monday.
    #[error("the days must be 7, 14, 21 or 28 from a Monday on")]
    Days,
    /// Nobody to plan.
    #[error("there is nobody to plan: no active agent with an employment")]
    Nobody,
    /// Too large.
    #[error("too large: at most {MAX_PEOPLE} people and {MAX_NEEDS} needs")]
    TooLarge,
}

impl Model {
    /// Builds the model. Needs outside the grid do not exist; agents who serve none of the needs
    /// stay in it, since their contracts still owe them hours.
    pub fn build(first: Date, days: usize, step: i64, needs: Vec<Need>, agents: &[Agent]) -> Result<Model, Refusal> {
        let grid = Grid::around(first, days as i64, step);
        if days == 0 || !days.is_multiple_of(7) || 28 < days || civil::monday(first) != first {
            return Err(Refusal::Days);
        }
        if agents.is_empty() {
            return Err(Refusal::Nobody);
        }
        if MAX_PEOPLE < agents.len() || MAX_NEEDS < needs.len() {
            return Err(Refusal::TooLarge);
        }
        let mut model = Model {
            grid,
            first,
            days,
            needs,
            groups: Vec::new(),
            shapes: Vec::new(),
            choices: Vec::new(),
            people: Vec::new(),
            tastes: Tastes::default(),
            seats: Vec::new(),
            gatherings: Vec::new(),
        };
        let mut classes = Classes::default();
        for (index, agent) in agents.iter().enumerate() {
            let person = model.person(index, agent, &mut classes);
            model.people.push(person);
        }
        Ok(model)
    }

    /// Those from an index on are owed nothing: people who are not there yet.
    pub fn owe_nothing(&mut self, from: usize) {
        self.people.iter_mut().skip(from).for_each(|person| person.owed.fill(0));
    }

    /// What people wish and have carried counts from now on.
    pub fn heed(&mut self, agents: &[Agent], given: &Given) {
        let (tastes, people) = Tastes::of(&self.grid, &self.needs, agents, given);
        self.tastes = tastes;
        for (person, taste) in self.people.iter_mut().zip(people) {
            person.taste = Some(taste);
        }
    }

    /// Shifts, by agent, that are worked whatever it costs: on their days nothing else is chosen.
    pub fn fix(&mut self, agents: &[Agent], fixed: &[Vec<Duty>]) {
        let rows = self.rows(agents, fixed);
        for (person, row) in self.people.iter_mut().zip(rows) {
            for (day, index) in row.into_iter().enumerate().filter(|(_, index)| *index != OFF) {
                let shape = &self.shapes[index as usize];
                let (start, end, work) = (shape.duty.start, shape.duty.end, shape.work);
                self.choices.push(vec![Place { start, end, work, shapes: index..index + 1 }]);
                person.options[day] = self.choices.len() as u32 - 1;
                person.forced |= 1 << day;
            }
        }
    }

    /// Activities are attended from now on, by everybody who can be there at some time and was not already.
    pub fn gather(&mut self, agents: &[Agent], activities: &[Activity]) {
        let (start, end) = (self.grid.start, self.grid.start + self.grid.count as i64 * self.grid.step);
        for activity in activities {
            let starts = activity.starts(start, end);
            let mut people = Vec::new();
            for (index, person) in self.people.iter().enumerate() {
                let agent = &agents[person.agent];
                let attended = agent.published.iter().flat_map(|duty| &duty.activities);
                if !activity.users.contains(&agent.user)
                    || attended.into_iter().any(|session| session.activity == activity.id)
                    || !starts.iter().any(|from| self.day_for(person, *from, from + activity.length).is_some())
                {
                    continue;
                }
                people.push(index);
            }
            if people.is_empty() {
                continue;
            }
            let gathering = self.gatherings.len() as u32;
            people.iter().for_each(|person| self.people[*person].attends.push(gathering));
            self.gatherings.push(Gathering {
                activity: activity.id,
                kind: activity.kind,
                title: activity.title.clone(),
                charged: activity.charged,
                starts,
                length: activity.length,
                together: activity.together,
                people,
            });
        }
    }

    /// The day on which a person can have a shift that holds a stretch of time.
    pub fn day_for(&self, person: &Person, from: i64, to: i64) -> Option<usize> {
        let about = (from - person.weeks[0]).div_euclid(86_400);
        // The shift of a night begins the day before; and a day is an hour longer when the clocks change.
        let days = [about, about - 1, about + 1].into_iter().filter_map(|day| usize::try_from(day).ok());
        days.filter(|day| *day < self.days).find(|day| {
            let mut places = self.choices[person.options[*day] as usize].iter();
            places.any(|place| {
                place.start <= from
                    && to <= place.end
                    && place.shapes.clone().any(|shape| self.shapes[shape as usize].is_free(from, to))
            })
        })
    }

    /// The sessions that a row holds where a person's gatherings start at these instants: on which day, or none.
    pub fn held(&self, person: &Person, row: &[u32], starts: &[i64]) -> Vec<Option<(usize, Session)>> {
        let mut taken: Vec<(i64, i64)> = Vec::with_capacity(starts.len());
        let held = person.attends.iter().zip(starts).map(|(gathering, from)| {
            let gathering = &self.gatherings[*gathering as usize];
            let to = from + gathering.length;
            let holds = |day: &usize| row[*day] != OFF && self.shapes[row[*day] as usize].holds(*from, to);
            let clear = taken.iter().all(|(start, end)| to <= *start || end <= from);
            let day = (0..self.days).find(holds).filter(|_| clear)?;
            taken.push((*from, to));
            let session = Session {
                from: *from,
                to,
                activity: gathering.activity,
                kind: gathering.kind,
                title: gathering.title.clone(),
                charged: gathering.charged,
            };
            Some((day, session))
        });
        held.collect()
    }

    /// The row of a person who works what is given and nothing else.
    pub fn bare(&self, person: usize) -> Vec<u32> {
        let person = &self.people[person];
        let given = |day: usize| {
            let place = self.choices[person.options[day] as usize].first().filter(|_| person.is_forced(day));
            place.map_or(OFF, |place| place.shapes.start)
        };
        (0..self.days).map(given).collect()
    }

    /// Person-hundredths required in all.
    pub fn required(&self) -> u64 {
        self.needs.iter().flat_map(|need| &need.people).map(|people| u64::from(*people)).sum()
    }

    /// Seconds of so many person-hundredths.
    pub fn seconds(&self, hundredths: u64) -> i64 {
        hundredths as i64 * self.grid.step / 100
    }

    /// The rows of a plan that is made of shifts, by agent. A shift that nobody would choose becomes a shape of its own.
    pub fn rows(&mut self, agents: &[Agent], duties: &[Vec<Duty>]) -> Vec<Vec<u32>> {
        let mut rows = vec![vec![OFF; self.days]; self.people.len()];
        for (row, person) in rows.iter_mut().zip(&self.people) {
            for duty in &duties[person.agent] {
                let day = self.first.until(agents[person.agent].day_of(duty.start)).map_or(-1, |span| span.get_days());
                let Some(day) = usize::try_from(day).ok().filter(|day| *day < self.days) else { continue };
                let places = &self.choices[person.options[day] as usize];
                let same = |place: &&Place| (place.start, place.end) == (duty.start, duty.end);
                let known = places.iter().filter(same).flat_map(|place| place.shapes.clone());
                let mut known = known.filter(|index| self.shapes[*index as usize].duty == *duty);
                let found = known.next().or_else(|| {
                    self.shapes.push(Shape::new(duty.clone(), &self.grid)?);
                    Some(self.shapes.len() as u32 - 1)
                });
                row[day] = found.unwrap_or(OFF);
            }
        }
        rows
    }

    fn person(&mut self, index: usize, agent: &Agent, classes: &mut Classes) -> Person {
        let first = self.first;
        let day = |offset: usize| civil::later(first, offset as i64);
        let stamp = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        let (grid_start, grid_end) = (self.grid.start, self.grid.start + self.grid.count as i64 * self.grid.step);
        let open = civil::open_ranges(&agent.availability, &agent.zone, stamp(grid_start), stamp(grid_end));
        let mut options = Vec::with_capacity(self.days);
        let mut group = Vec::with_capacity(self.days);
        for offset in 0..self.days {
            let today = day(offset);
            let until = civil::midnight(civil::later(today, 2), &agent.zone);
            group.push(self.group(classes, agent, until));
            if !agent.works_on(today) {
                options.push(self.choice(classes, Vec::new()));
                continue;
            }
            let midnight = civil::midnight(civil::later(today, 1), &agent.zone).as_second();
            let tomorrow = agent.works_on(civil::later(today, 1));
            let range = self.shapes_of(classes, agent, offset, today);
            let fits = |place: &&Place| {
                (tomorrow || place.end <= midnight)
                    && !agent.partly_away(place.start, place.end)
                    && (agent.availability.is_empty() || civil::holds(&open, place.start, place.end))
            };
            let places = classes.places.get(&range.start).into_iter().flatten();
            let places: Vec<Place> = places.filter(fits).cloned().collect();
            options.push(self.choice(classes, places));
        }
        let weeks = (0..=self.days).step_by(7).map(|offset| civil::midnight(day(offset), &agent.zone).as_second());
        let weeks: Vec<i64> = weeks.collect();
        let offset = |duty: &Duty| i64::from(first.until(agent.day_of(duty.start)).map_or(0, |s| s.get_days()));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for duty in &agent.published {
            match offset(duty) {
                past if past < 0 => before.push((past, duty.clone())),
                future if self.days as i64 <= future => after.push((future, duty.clone())),
                _ => {}
            }
        }
        let weekly_rest = (agent.rules.weekly_rest, agent.rules.weekly_rest_inside);
        let around = [day(0), day(self.days)].map(|monday| {
            [monday, civil::later(monday, -7), civil::later(monday, 7)]
                .map(|day| civil::midnight(day, &agent.zone).as_second())
        });
        let open =
            rested_between(&before, &after, weekly_rest, (around[0][1], around[0][0]), (around[1][0], around[1][2]));
        Person {
            agent: index,
            options,
            group,
            owed: (0..self.days).step_by(7).map(|offset| agent.owed_in_week(day(offset))).collect(),
            max_week: agent.contract.max_week.min(agent.rules.max_week),
            max_days_in_row: agent.contract.max_days_in_row,
            max_days_in_week: agent.rules.max_days_in_week,
            daily_rest: agent.rules.daily_rest,
            weekly_rest,
            weeks,
            open,
            before,
            after,
            holidays: self.double_days(agent),
            sundays: self.sundays_left(agent),
            forced: 0,
            taste: None,
            site: None,
            attends: Vec::new(),
        }
    }

    /// The holidays of the days that count twice for an agent.
    fn double_days(&self, agent: &Agent) -> Vec<(usize, i64, i64)> {
        let twice = agent.rules.sundays.is_some_and(|rule| rule.holidays_count_twice);
        let inside = agent.holidays.iter().filter(|_| twice).filter_map(|day| Some((self.offset(*day)?, *day)));
        let weekdays = inside.filter(|(offset, _)| offset % 7 != SUNDAY);
        weekdays.map(|(offset, day)| (offset / 7, midnight(agent, day, 0), midnight(agent, day, 1))).collect()
    }

    /// The Sundays of the days by calendar year, and how many of them the year leaves an agent to work.
    fn sundays_left(&self, agent: &Agent) -> Vec<Sundays> {
        let Some(rule) = agent.rules.sundays else { return Vec::new() };
        let mut years: Vec<Sundays> = Vec::new();
        let mut known = None;
        for offset in (SUNDAY..self.days).step_by(7) {
            let sunday = civil::later(self.first, offset as i64);
            if known != Some(sunday.year()) {
                let (from, to) = civil::year(sunday);
                let outside = |day: &&Date| from <= **day && **day <= to && self.offset(**day).is_none();
                let worked = agent.sundays.iter().filter(outside).count();
                let most = civil::sundays(from, to).saturating_sub(usize::try_from(rule.free_in_year).unwrap_or(0));
                years.push(Sundays { left: most.saturating_sub(worked), days: Vec::new() });
                known = Some(sunday.year());
            }
            if let Some(year) = years.last_mut() {
                year.days.push((offset, midnight(agent, sunday, 0), midnight(agent, sunday, 1)));
            }
        }
        years
    }

    /// Which day of the model a date is.
    fn offset(&self, day: Date) -> Option<usize> {
        let days = self.first.until(day).map_or(-1, |span| span.get_days());
        usize::try_from(days).ok().filter(|offset| *offset < self.days)
    }

    /// The group of those who serve the same needs as this agent until an instant.
    fn group(&mut self, classes: &mut Classes, agent: &Agent, until: Timestamp) -> u32 {
        let serves = |(_, need): &(usize, &Need)| {
            agent.skills.serves(need.seller, need.certification_required, &need.language, until)
        };
        let needs: Vec<u32> = self.needs.iter().enumerate().filter(serves).map(|(index, _)| index as u32).collect();
        *classes.groups.entry(needs.clone()).or_insert_with(|| {
            self.groups.push(needs);
            self.groups.len() as u32 - 1
        })
    }

    /// The choice of these places.
    fn choice(&mut self, classes: &mut Classes, places: Vec<Place>) -> u32 {
        // Places of one kind of contract and day stand in one order: their shapes tell them all.
        let key = places.iter().map(|place| place.shapes.start).collect();
        *classes.choices.entry(key).or_insert_with(|| {
            self.choices.push(places);
            self.choices.len() as u32 - 1
        })
    }

    /// The range of shapes of this agent's kind of contract on a day.
    fn shapes_of(&mut self, classes: &mut Classes, agent: &Agent, offset: usize, day: Date) -> Range<u32> {
        let kind = (
            agent.zone_name.clone(),
            agent.rules.code,
            agent.rules.version,
            agent.contract.min_shift,
            agent.contract.max_shift,
            agent.break_plan.clone(),
            offset,
        );
        let range = classes.shapes.entry(kind).or_insert_with(|| {
            let from = self.shapes.len() as u32;
            let plan = &agent.break_plan;
            let shapes = shape::shapes(&self.grid, day, &agent.zone, &agent.contract, agent.rules, plan);
            self.shapes.extend(shapes);
            let until = self.shapes.len() as u32;
            classes.places.insert(from, places(&self.shapes, from..until));
            (from, until)
        });
        range.0..range.1
    }
}

/// When the day so many days after one begins for an agent.
fn midnight(agent: &Agent, day: Date, later: i64) -> i64 {
    civil::midnight(civil::later(day, later), &agent.zone).as_second()
}

/// The instants between which somebody works, so that the week before and the week after keep the long rest that the
/// published shifts leave them. A rest that has only published shifts around it is hers whatever is planned; a week
/// without one by what is published is not for this plan to mend.
fn rested_between(
    before: &[(i64, Duty)],
    after: &[(i64, Duty)],
    (long, inside): (i64, i64),
    earlier: (i64, i64),
    later: (i64, i64),
) -> (i64, i64) {
    let (never, ever) = (i64::MIN / 4, i64::MAX / 4);
    let end = before.iter().map(|(_, duty)| duty.end).max();
    let start = after.iter().map(|(_, duty)| duty.start).min();
    let counts = |(from, to): (i64, i64), (rests, works): (i64, i64)| {
        long <= works - rests && inside <= works.min(to) - rests.max(from)
    };
    // Rests between two of some shifts, or before the first of them, or after the last.
    let between = |duties: &[(i64, Duty)], week: (i64, i64), first: Option<i64>, last: Option<i64>| {
        let mut duties: Vec<(i64, i64)> = duties.iter().map(|(_, duty)| (duty.start, duty.end)).collect();
        duties.sort_unstable();
        let ends = first.into_iter().chain(duties.iter().map(|(_, end)| *end));
        let skipped = usize::from(first.is_none());
        let starts = duties.iter().map(|(start, _)| *start).skip(skipped).chain(last);
        ends.zip(starts).any(|rest| counts(week, rest))
    };
    let whole = (end.unwrap_or(never), start.unwrap_or(ever));
    let earliest = end.filter(|_| counts(earlier, whole) && !between(before, earlier, Some(never), None));
    let latest = start.filter(|_| counts(later, whole) && !between(after, later, None, Some(ever)));
    (earliest.map_or(never, |end| end + long), latest.map_or(ever, |start| start - long))
}

/// Shapes in a row that differ by their breaks alone are one place.
fn places(shapes: &[Shape], range: Range<u32>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for index in range {
        let shape = &shapes[index as usize];
        let (start, end, work) = (shape.duty.start, shape.duty.end, shape.work);
        match places.last_mut() {
            Some(last) if (last.start, last.end, last.work) == (start, end, work) => last.shapes.end = index + 1,
            _ => places.push(Place { start, end, work, shapes: index..index + 1 }),
        }
    }
    places.sort_by_key(|place| (place.start, place.end));
    places
}

/// Zone, rule set and version, shortest and longest shift, breaks, day.
type ShapeKind = (String, &'static str, i32, i64, i64, BreakPlan, usize);

/// What people have in common while a model is built.
#[derive(Default)]
struct Classes {
    groups: HashMap<Vec<u32>, u32>,
    shapes: HashMap<ShapeKind, (u32, u32)>,
    /// The places of the shapes from an index on.
    places: HashMap<u32, Vec<Place>>,
    choices: HashMap<Vec<u32>, u32>,
}
