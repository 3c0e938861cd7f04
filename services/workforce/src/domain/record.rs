//! What is kept: staff, contracts, forecasts, requirements, schedules, shifts.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::{SellerId, UserId};

use super::agent::{Absence, Agent, Contract, Duty, Level, Skills};
use super::civil::{self, Window};
use super::rules;

kit::id!(ForecastId, "forecast", "What is expected to come in for a seller.");
kit::id!(RequirementId, "requirement", "How many people a forecast needs.");
kit::id!(ScheduleId, "schedule", "Who works when, over some weeks.");
kit::id!(ShiftId, "shift", "One shift of one agent.");
kit::id!(TimeOffId, "timeoff", "Days on which an agent is away.");

/// A member of the staff as the directory tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Who.
    pub user: UserId,
    /// Rises with every change.
    pub revision: i64,
    /// Name for colleagues.
    pub display_name: String,
    /// Whether the person answers contacts.
    pub is_agent: bool,
    /// Whether the person works here.
    pub active: bool,
    /// Zone of the site.
    pub zone: String,
    /// Site.
    pub site: String,
    /// Languages with level words.
    pub languages: Vec<(String, String)>,
    /// Sellers granted.
    pub sellers: Vec<SellerId>,
    /// Certifications with their end.
    pub certifications: Vec<(SellerId, Option<Timestamp>)>,
}

impl Staff {
    /// What the person can do.
    pub fn skills(&self) -> Skills {
        Skills {
            languages: self.languages.iter().map(|(tag, level)| (tag.clone(), Level::read(level))).collect(),
            certifications: self.certifications.clone(),
            sellers: self.sellers.clone(),
        }
    }
}

/// What a contract says about working time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employment {
    /// Whose.
    pub user: UserId,
    /// Row version.
    pub version: i64,
    /// Zone of the civil times.
    pub zone: String,
    /// Code of the rule set.
    pub rule_set: String,
    /// Its version; 0 = the newest.
    pub rule_set_version: i32,
    /// Hours.
    pub contract: Contract,
    /// Weekly windows; empty = always.
    pub availability: Vec<Window>,
    /// First day.
    pub starts_on: Date,
    /// Last day.
    pub ends_on: Option<Date>,
    /// Last change.
    pub updated_at: Timestamp,
}

impl Employment {
    /// The agent as planning sees her; none where a stored zone or rule set is no longer known.
    pub fn agent(&self, staff: &Staff, absences: Vec<Absence>, published: Vec<Duty>) -> Option<Agent> {
        Some(Agent {
            user: self.user,
            zone_name: self.zone.clone(),
            zone: civil::zone(&self.zone).ok()?,
            rules: rules::find(&self.rule_set, self.rule_set_version)?,
            contract: self.contract,
            availability: self.availability.clone(),
            starts_on: self.starts_on,
            ends_on: self.ends_on,
            absences,
            skills: staff.skills(),
            published,
        })
    }
}

/// Days off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeOff {
    /// Its id.
    pub id: TimeOffId,
    /// Whose.
    pub user: UserId,
    /// vacation, sickness, training or other.
    pub kind: String,
    /// The days and what they credit.
    pub absence: Absence,
    /// Whether the days are paid.
    pub paid: bool,
    /// Whether it was withdrawn.
    pub cancelled: bool,
}

/// What was recorded in one half hour for one language and channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Start of the half hour.
    pub starts_at: Timestamp,
    /// Language.
    pub language: String,
    /// Channel.
    pub channel: String,
    /// Came in.
    pub offered: i64,
    /// Answered.
    pub handled: i64,
    /// Answered with a known handling time.
    pub timed: i64,
    /// Their handling seconds.
    pub handle_seconds: i64,
}

/// A forecast without its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Its id.
    pub id: ForecastId,
    /// Whose.
    pub seller: SellerId,
    /// Whether it was made from history.
    pub from_history: bool,
    /// Name of the model.
    pub model: String,
    /// First interval.
    pub starts_at: Timestamp,
    /// Interval length.
    pub step_seconds: i64,
    /// Number of intervals.
    pub intervals: i32,
    /// End of the history used.
    pub history_ends_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One series of a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastSeries {
    /// Language.
    pub language: String,
    /// Channel.
    pub channel: String,
    /// Contacts per interval.
    pub contacts: Vec<f64>,
    /// Mean handling seconds per interval.
    pub handle_seconds: Vec<f64>,
    /// Weeks of history used.
    pub history_weeks: i32,
    /// Ranges by interval; empty where volumes were given.
    pub lower_ends: Vec<f64>,
    pub upper_ends: Vec<f64>,
    /// How wrong such forecasts were, and the last same weekday was.
    pub wape: f64,
    pub seasonal_naive_wape: f64,
    /// Methods that count.
    pub methods: Vec<String>,
}

/// A requirement without its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Its id.
    pub id: RequirementId,
    /// Whose.
    pub seller: SellerId,
    /// The forecast it stands on.
    pub forecast: ForecastId,
    /// First interval.
    pub starts_at: Timestamp,
    /// Interval length.
    pub step_seconds: i64,
    /// Number of intervals.
    pub intervals: i32,
    /// What was asked for, as the wire encodes it.
    pub plan: Vec<u8>,
    /// When it was computed.
    pub created_at: Timestamp,
}

/// One series of a requirement.
#[derive(Debug, Clone, PartialEq)]
pub struct RequirementSeries {
    /// Language.
    pub language: String,
    /// Channel.
    pub channel: String,
    /// People at work per interval.
    pub working: Vec<f64>,
    /// Hundredths of people to schedule per interval.
    pub scheduled: Vec<i32>,
    /// Deferred work without an open interval in time.
    pub unplaced_seconds: f64,
}

/// Life of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleState {
    /// Waiting for the solver, or being solved.
    Solving,
    /// Solved.
    Draft,
    /// Visible to agents.
    Published,
    /// Replaced by a later publication.
    Superseded,
    /// Thrown away.
    Cancelled,
    /// Could not be solved.
    Failed,
}

impl ScheduleState {
    /// Every state.
    pub const ALL: [ScheduleState; 6] = [
        ScheduleState::Solving,
        ScheduleState::Draft,
        ScheduleState::Published,
        ScheduleState::Superseded,
        ScheduleState::Cancelled,
        ScheduleState::Failed,
    ];

    /// The word in rows.
    pub fn word(self) -> &'static str {
        match self {
            ScheduleState::Solving => "solving",
            ScheduleState::Draft => "draft",
            ScheduleState::Published => "published",
            ScheduleState::Superseded => "superseded",
            ScheduleState::Cancelled => "cancelled",
            ScheduleState::Failed => "failed",
        }
    }

    /// The state of a word.
    pub fn of(word: &str) -> Option<ScheduleState> {
        ScheduleState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// How far a schedule is solved. Person-seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Solved {
    /// Moves tried.
    pub iterations: i64,
    /// Required in all.
    pub required_seconds: i64,
    /// Not covered.
    pub understaffed_seconds: i64,
    /// Beyond the requirement.
    pub overstaffed_seconds: i64,
    /// No plan leaves less uncovered.
    pub bound_seconds: i64,
    /// Solving so far, in milliseconds.
    pub elapsed_ms: i64,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Row version.
    pub version: i64,
    /// Name for planners.
    pub name: String,
    /// State.
    pub state: ScheduleState,
    /// First day.
    pub first_day: Date,
    /// Number of days.
    pub days: i32,
    /// Interval length.
    pub step_seconds: i64,
    /// The requirements it was made for.
    pub requirements: Vec<RequirementId>,
    /// Agents asked for (empty = all); after solving, everybody considered.
    pub users: Vec<UserId>,
    /// Seconds of search at most.
    pub solve_seconds: i32,
    /// Seed of the search.
    pub seed: i64,
    /// Moves at most; 0 = no limit.
    pub max_iterations: i64,
    /// How far it is.
    pub solved: Solved,
    /// People considered.
    pub people: i32,
    /// Shifts placed.
    pub shifts: i32,
    /// Why it failed.
    pub failure: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was published.
    pub published_at: Option<Timestamp>,
}

impl Schedule {
    /// The last day.
    pub fn last_day(&self) -> Date {
        civil::later(self.first_day, i64::from(self.days) - 1)
    }
}

/// Working time missing to a contract's minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// Whose.
    pub user: UserId,
    /// Monday of the week.
    pub week: Date,
    /// Seconds missing.
    pub missing_seconds: i64,
}

/// A planned shift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// Its id.
    pub id: ShiftId,
    /// Its schedule.
    pub schedule: ScheduleId,
    /// Whose.
    pub user: UserId,
    /// Local day of its start.
    pub day: Date,
    /// Zone of the day.
    pub zone: String,
    /// When.
    pub duty: Duty,
}
