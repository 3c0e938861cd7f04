//! What is kept: staff, contracts, forecasts, requirements, schedules, shifts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};

use super::activity::{Activity, Kind};
use super::agent::{Absence, Agent, Contract, Duty, Level, Skills};
use super::breaks::BreakPlan;
use super::civil::{self, Window};
use super::former::Comparison;
use super::leave::{self, Half};
use super::proof::Figure;
use super::rules;
use super::search::Parts;
use super::taste::{Policy, Wish};

kit::id!(ForecastId, "forecast", "What is expected to come in for a seller.");
kit::id!(RequirementId, "requirement", "How many people a forecast needs.");
kit::id!(ScheduleId, "schedule", "Who works when, over some weeks.");
kit::id!(ShiftId, "shift", "One shift of one agent.");
kit::id!(TimeOffId, "timeoff", "Days on which an agent is away.");
kit::id!(ExceptionId, "adhexc", "Time in which somebody is excused from the schedule.");
kit::id!(EventId, "planevent", "Days that are not like others.");
kit::id!(LeaveId, "leave", "A request for leave.");
kit::id!(ProposalId, "proposal", "How a published schedule could change.");
kit::id!(SwapId, "swap", "Two agents exchange shifts.");
kit::id!(OfferId, "shiftoffer", "Time that is offered to agents.");
kit::id!(ActivityId, "activity", "A training or a meeting.");
kit::id!(WishId, "wish", "When an agent would rather work, or not.");
kit::id!(AlertId, "wfalert", "Something a planner should look at.");

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// The word that is stored.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The value of a word.
            pub fn of(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}

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
    /// The breaks that it plans.
    pub break_plan: BreakPlan,
    /// Weekly windows; empty = always.
    pub availability: Vec<Window>,
    /// First day.
    pub starts_on: Date,
    /// Last day.
    pub ends_on: Option<Date>,
    /// The country or region whose public holidays are hers; empty = none.
    pub holiday_region: String,
    /// Whether she works on them as on any day.
    pub works_on_holidays: bool,
    /// Last change.
    pub updated_at: Timestamp,
}

impl Employment {
    /// The agent as planning sees her; none where a stored zone or rule set is no longer known.
    pub fn agent(&self, staff: &Staff, around: (Date, Date), known: Known) -> Option<Agent> {
        Some(Agent { skills: staff.skills(), ..self.planned(around, known)? })
    }

    /// The same without skills. Public holidays are those from one day to another.
    pub fn planned(&self, (first, last): (Date, Date), known: Known) -> Option<Agent> {
        let Known { mut absences, published, sundays } = known;
        let holidays = holidays::between(&self.holiday_region, first, last);
        if !self.works_on_holidays {
            let credit = self.contract.min_week / leave::days_of_week(&self.availability).max(1);
            absences.extend(holidays.iter().map(|day| Absence { first: *day, last: *day, credit, hours: None }));
        }
        Some(Agent {
            user: self.user,
            zone_name: self.zone.clone(),
            zone: civil::zone(&self.zone).ok()?,
            rules: rules::find(&self.rule_set, self.rule_set_version)?,
            contract: self.contract,
            break_plan: self.break_plan.clone(),
            availability: self.availability.clone(),
            starts_on: self.starts_on,
            ends_on: self.ends_on,
            absences,
            skills: Skills::default(),
            published,
            holidays,
            sundays,
        })
    }
}

/// What is known of an agent around the days to plan.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Time off.
    pub absences: Vec<Absence>,
    /// Published shifts, by start.
    pub published: Vec<Duty>,
    /// Sundays of the calendar years with published work on them, in order.
    pub sundays: Vec<Date>,
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
    /// Zone in which days repeat; empty where volumes were given.
    pub zone: String,
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
    /// How much the rest of a day follows its morning, by half hour; empty where volumes were given.
    pub damping: Vec<f64>,
    /// Events that nothing told of, and days from which nothing was learnt: contacts that came, and were expected.
    pub unlearnt: Vec<String>,
    pub outliers: Vec<(Date, f64, f64)>,
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
    /// What the plan costs, in points times seconds.
    pub cost: i64,
    /// No plan costs less.
    pub cost_bound: i64,
    /// The cost by what costs it.
    pub parts: Parts,
    /// Solving so far, in milliseconds.
    pub elapsed_ms: i64,
}

/// A wish that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWish {
    /// Its id.
    pub id: WishId,
    /// The wish.
    pub wish: Wish,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Seats of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSeats {
    /// Its name.
    pub site: String,
    /// Row version.
    pub version: i64,
    /// Its zone.
    pub zone: String,
    /// Seats.
    pub seats: u32,
    /// Hours with other seats, each week.
    pub windows: Vec<(Window, u32)>,
    /// Last change.
    pub updated_at: Timestamp,
}

words! {
    /// Life of a proof.
    ProofState {
        /// Waiting, or being simulated.
        Waiting => "waiting",
        /// Done.
        Done => "done",
        /// Could not be simulated.
        Failed => "failed",
    }
}

/// What a simulation made of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptProof {
    /// State.
    pub state: ProofState,
    /// Why it failed.
    pub failure: String,
    /// The schedule's version that was simulated.
    pub schedule_version: i64,
    /// How often, and the confidence of intervals.
    pub replications: i32,
    pub confidence: f64,
    /// Share of their time that people were busy.
    pub occupancy: Option<Figure>,
    /// By seller and channel.
    pub lines: Vec<ProofLine>,
    /// When it was asked for, and done.
    pub asked_at: Timestamp,
    pub done_at: Option<Timestamp>,
}

/// A real-time channel of a seller in a proof.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofLine {
    /// Which.
    pub seller: SellerId,
    pub channel: String,
    /// The share promised, and the one that the planner was shown.
    pub target: f64,
    pub shown: f64,
    /// Contacts of the forecast.
    pub contacts: f64,
    /// What was simulated.
    pub service_level: Option<Figure>,
    pub mean_wait: Option<Figure>,
    pub abandonment: Option<Figure>,
}

impl ProofLine {
    /// Whether it is at least as good as was shown, within the interval.
    pub fn holds(&self) -> bool {
        self.reaches(self.shown)
    }

    /// Whether the promise is kept, within the interval.
    pub fn keeps_promise(&self) -> bool {
        self.reaches(self.target)
    }

    fn reaches(&self, share: f64) -> bool {
        self.service_level.is_none_or(|level| share <= level.ends.map_or(level.value, |ends| ends.1))
    }
}

/// A version of the policy of fairness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptPolicy {
    /// The policy.
    pub policy: Policy,
    /// When it was made; none where nobody decided.
    pub created_at: Option<Timestamp>,
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
    /// The policy of fairness that counted.
    pub policy_version: i32,
    /// The schedule that it begins with, the shifts of that one which stay, and the points that a second away from it costs.
    pub start: Option<ScheduleId>,
    pub kept_shifts: Vec<ShiftId>,
    pub change_weight: i32,
    /// How it differs from that one.
    pub comparison: Comparison,
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

/// Time in which somebody is excused from the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its id.
    pub id: ExceptionId,
    /// Whom; none = everybody.
    pub user: Option<UserId>,
    /// meeting, training, coaching, system_outage or other.
    pub kind: String,
    /// From.
    pub starts_at: Timestamp,
    /// Until.
    pub ends_at: Timestamp,
    /// Whether its scheduled part is paid.
    pub paid: bool,
    /// What happened.
    pub reason: String,
    /// Who entered it; none for a program.
    pub entered_by: Option<Uuid>,
    /// When.
    pub created_at: Timestamp,
    /// Whether it was withdrawn.
    pub cancelled: bool,
}

/// Something a planner should look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// late, absent, away, early_leave, unscheduled_work or promise_at_risk.
    pub kind: String,
    /// The agent it is about.
    pub user: Option<UserId>,
    /// The seller it is about.
    pub seller: Option<SellerId>,
    /// Channel of the promise.
    pub channel: String,
    /// Since when, or the worst interval.
    pub about_at: Timestamp,
    /// People required and scheduled in the worst interval.
    pub required: f64,
    pub covered: f64,
    /// When it was raised, and when it was over.
    pub raised_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// When it was acknowledged and by whom (none for a program).
    pub acknowledged: Option<(Timestamp, Option<Uuid>)>,
}

/// Life of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalState {
    /// Waits for a planner.
    Proposed,
    /// The shifts have changed.
    Accepted,
    /// Nothing has changed.
    Rejected,
}

impl ProposalState {
    /// The word that is stored.
    pub fn word(self) -> &'static str {
        match self {
            ProposalState::Proposed => "proposed",
            ProposalState::Accepted => "accepted",
            ProposalState::Rejected => "rejected",
        }
    }

    /// The state of a word.
    pub fn of(word: &str) -> Option<ProposalState> {
        [ProposalState::Proposed, ProposalState::Accepted, ProposalState::Rejected]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// How a schedule could change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// Row version.
    pub version: i64,
    /// Of which schedule.
    pub schedule: ScheduleId,
    /// sickness or leave.
    pub cause: String,
    /// Who is away.
    pub user: UserId,
    /// State.
    pub state: ProposalState,
    /// Person-seconds uncovered in these hours when nobody takes the shifts, and with the changes.
    pub without: i64,
    pub with: i64,
    /// Shifts that nobody takes.
    pub left_open: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was decided and by whom.
    pub decided: Option<(Timestamp, Option<Uuid>)>,
}

/// One agent's day in a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalLine {
    /// Who.
    pub user: UserId,
    /// On which day.
    pub day: Date,
    /// The shift that is taken out; none for one that is added.
    pub shift: Option<ShiftId>,
    /// When.
    pub duty: Duty,
    /// What stays of a shift that is taken out.
    pub kept: Option<Duty>,
}

/// Life of a request for leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveState {
    /// Waits for a planner.
    Requested,
    /// The days are off.
    Approved,
    /// Refused.
    Refused,
    /// Withdrawn by the agent.
    Withdrawn,
}

impl LeaveState {
    /// All of them.
    pub const ALL: [LeaveState; 4] =
        [LeaveState::Requested, LeaveState::Approved, LeaveState::Refused, LeaveState::Withdrawn];

    /// The word that is stored.
    pub fn word(self) -> &'static str {
        match self {
            LeaveState::Requested => "requested",
            LeaveState::Approved => "approved",
            LeaveState::Refused => "refused",
            LeaveState::Withdrawn => "withdrawn",
        }
    }

    /// The state of a word.
    pub fn of(word: &str) -> Option<LeaveState> {
        LeaveState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A request for leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Its id.
    pub id: LeaveId,
    /// Row version.
    pub version: i64,
    /// Whose.
    pub user: UserId,
    /// vacation, training or other.
    pub kind: String,
    /// The days.
    pub first: Date,
    pub last: Date,
    /// Half of the one day; none = all of it.
    pub half: Option<Half>,
    /// What it takes from the balance, in hundredths of its unit.
    pub amount: i64,
    /// The agent's words.
    pub note: String,
    /// State.
    pub state: LeaveState,
    /// Why it was refused.
    pub reason: String,
    /// When it was decided and by whom.
    pub decided: Option<(Timestamp, Option<Uuid>)>,
    /// The time off that came of it.
    pub time_off: Option<TimeOffId>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

words! {
    /// Life of a swap.
    SwapState {
        /// Waits for the colleague.
        Asked => "asked",
        /// Both agree; waits for a planner.
        Agreed => "agreed",
        /// Has taken effect.
        Approved => "approved",
        /// The colleague declined.
        Declined => "declined",
        /// A planner refused.
        Refused => "refused",
        /// Withdrawn by who asked.
        Withdrawn => "withdrawn",
    }
}

words! {
    /// What is offered.
    OfferKind {
        /// A shift that nobody has.
        OpenShift => "open_shift",
        /// More time before or after a shift.
        Overtime => "overtime",
        /// Less of a shift.
        TimeOffEarly => "time_off_early",
    }
}

words! {
    /// Life of a bid.
    BidState {
        /// Waits.
        Bid => "bid",
        /// Got it.
        Awarded => "awarded",
        /// Did not get it.
        Declined => "declined",
        /// Withdrawn.
        Withdrawn => "withdrawn",
    }
}

/// Two agents exchange shifts, or one takes another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Its id.
    pub id: SwapId,
    /// Row version.
    pub version: i64,
    /// Of which schedule.
    pub schedule: ScheduleId,
    /// Who asks, her shift, and when it was when she asked.
    pub from: (UserId, ShiftId, (i64, i64)),
    /// The colleague.
    pub to_user: UserId,
    /// The colleague's shift in exchange, and when it was.
    pub to: Option<(ShiftId, (i64, i64))>,
    /// State.
    pub state: SwapState,
    /// Why a planner refused.
    pub reason: String,
    /// Who decided.
    pub decided_by: Option<Uuid>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// Time that is offered to agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// Of which schedule.
    pub schedule: ScheduleId,
    /// What is offered.
    pub kind: OfferKind,
    /// The time.
    pub time: Duty,
    /// How many may take it, and have.
    pub places: i32,
    pub taken: i32,
    /// Who may bid; nobody named = all.
    pub users: Vec<UserId>,
    /// Whether the first who bid get it.
    pub auto_award: bool,
    /// Whether bids are taken.
    pub open: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Agents by what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityGroup {
    /// Their site; empty = whatever.
    pub site: String,
    /// A seller that they may work for; none = whichever.
    pub seller: Option<SellerId>,
    /// A language that they speak; empty = whatever.
    pub language: String,
}

/// A training or a meeting as a planner wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptActivity {
    /// Which.
    pub id: ActivityId,
    /// Rises with every change.
    pub version: i64,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub title: String,
    /// How long, in seconds.
    pub length: i64,
    /// Between which instants it lies.
    pub window: (i64, i64),
    /// Whether all attend at the same time.
    pub together: bool,
    /// How many must attend at least; 0 = everybody who attends.
    pub minimum: u32,
    /// Who attends by name.
    pub users: BTreeSet<UserId>,
    /// Who else attends.
    pub group: Option<ActivityGroup>,
    /// Whose time it is.
    pub charged: Option<SellerId>,
    /// Last change.
    pub updated_at: Timestamp,
}

impl KeptActivity {
    /// With those agents who attend; `sites` tells where they are.
    pub fn attended(&self, agents: &[Agent], sites: &BTreeMap<UserId, String>) -> Activity {
        let begins = Timestamp::from_second(self.window.0).unwrap_or(Timestamp::MAX);
        let belongs = |agent: &&Agent| {
            self.users.contains(&agent.user)
                || self.group.as_ref().is_some_and(|group| {
                    let seller = group.seller.is_none_or(|seller| agent.skills.admitted(seller, false, begins));
                    (group.site.is_empty() || sites.get(&agent.user) == Some(&group.site))
                        && seller
                        && (group.language.is_empty() || agent.skills.speaks(&group.language))
                })
        };
        Activity {
            id: self.id,
            kind: self.kind,
            title: self.title.as_str().into(),
            charged: self.charged,
            length: self.length,
            window: self.window,
            together: self.together,
            minimum: self.minimum,
            users: agents.iter().filter(belongs).map(|agent| agent.user).collect(),
        }
    }
}
