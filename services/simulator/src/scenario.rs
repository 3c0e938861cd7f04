//! The scenario as it is written. `SCENARIO.md` tells every key, its unit and
//! its default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chance::Dist;
use crate::units::{Moment, Rate, Span};

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default = "one")]
    pub seed: u64,
    #[serde(default = "twenty")]
    pub replications: u32,
    #[serde(default = "ninety_five")]
    pub confidence: f64,
    #[serde(default)]
    pub service_level: ServiceLevel,
    #[serde(default = "twenty_seconds")]
    pub answer_within: Span,
    pub waiting_places: Option<u32>,
    pub lines: Option<u32>,
    pub day_factor: Option<Dist>,
    #[serde(default)]
    pub day_factors: Vec<f64>,
    pub horizon: Horizon,
    #[serde(default)]
    pub window: Vec<Window>,
    #[serde(default)]
    pub policy: PolicyPart,
    #[serde(default)]
    pub seller: BTreeMap<String, PolicyPart>,
    #[serde(default)]
    pub site: BTreeMap<String, SitePart>,
    #[serde(default)]
    pub contact: Vec<ContactType>,
    #[serde(default)]
    pub group: Vec<Group>,
}

fn one() -> u64 {
    1
}

fn twenty() -> u32 {
    20
}

fn ninety_five() -> f64 {
    0.95
}

fn twenty_seconds() -> Span {
    Span(20.0)
}

fn whole_day() -> Span {
    Span(86_400.0)
}

fn midnight() -> Moment {
    Moment::Clock(0.0)
}

/// What counts as service level: contacts answered in time, as a share of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLevel {
    /// All that were offered.
    #[default]
    Offered,
    /// Those that got in: neither blocked nor balked.
    Entered,
    /// Those that were answered.
    Answered,
    /// Those that were answered, or abandoned after the target.
    AnsweredOrLate,
    /// Those that were answered or blocked.
    AnsweredOrBlocked,
    /// Offered; abandoned before the target counts as in time.
    OfferedEarlyGood,
}

/// How long, and what is looked at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Horizon {
    pub length: Span,
    #[serde(default = "midnight")]
    pub start: Moment,
    #[serde(default = "whole_day")]
    pub day: Span,
    #[serde(default = "no_time")]
    pub warm_up: Span,
    #[serde(default = "one_batch")]
    pub batches: u32,
    pub interval: Option<Span>,
    pub fold: Option<Span>,
    pub end: Option<End>,
}

fn no_time() -> Span {
    Span(0.0)
}

fn one_batch() -> u32 {
    1
}

/// What happens when the length is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nobody comes any more; who is there is served.
    Drain,
    /// Everything stops; who is there is counted as unfinished.
    Stop,
    /// It goes on until everybody who came within the length is gone.
    Flow,
}

/// A stretch of time looked at by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub name: String,
    pub from: Moment,
    pub to: Moment,
}

/// The part of a policy that a scenario may set; what it does not comes from
/// `[policy]`, and what that does not from the defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPart {
    pub promise: Option<Span>,
    pub floor: Option<u32>,
    pub ceiling: Option<u32>,
    pub weight: Option<u32>,
    pub weight_window: Option<Span>,
    pub idle_reserve: Option<u32>,
    pub late_share_percent: Option<u32>,
    pub maximum_wait: Option<Span>,
    pub expire: Option<Span>,
    pub agent_order: Option<AgentOrder>,
    pub primary_first: Option<bool>,
    pub preferred_skills: Option<Span>,
    pub minimum_level: Option<String>,
    pub native: Option<Span>,
    pub home_sites: Option<Vec<String>>,
    pub overflow: Option<Span>,
    pub opening_hold: Option<Span>,
    pub overflow_before_due: Option<Span>,
}

/// A place where agents work.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SitePart {
    pub open: Vec<Opening>,
}

/// A stretch of every day, or of some.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    pub from: Moment,
    pub to: Moment,
    pub days: Option<Vec<u32>>,
}

/// In which order free agents are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentOrder {
    LeastFlexible,
    LongestIdle,
}

/// A kind of contact.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactType {
    pub name: String,
    pub seller: Option<String>,
    pub language: Option<String>,
    #[serde(default = "phone")]
    pub channel: String,
    #[serde(default = "normal")]
    pub priority: String,
    #[serde(default)]
    pub skills: Vec<String>,
    #[serde(default)]
    pub preferred_skills: Vec<String>,
    pub arrivals: Arrivals,
    pub handling: Dist,
    pub patience: Option<Dist>,
    #[serde(default)]
    pub balk: f64,
    pub waiting_places: Option<u32>,
    pub retry: Option<Retry>,
    pub answer_within: Option<Span>,
    pub promise: Option<Span>,
}

fn phone() -> String {
    "phone".to_owned()
}

fn normal() -> String {
    "normal".to_owned()
}

/// How contacts come: exactly one of `rate`, `rates`, `gaps` and `at`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    pub rate: Option<Rate>,
    pub rates: Option<Vec<Rate>>,
    pub every: Option<Span>,
    pub gaps: Option<Dist>,
    pub at: Option<Vec<Moment>>,
    pub from: Option<Moment>,
    pub until: Option<Moment>,
    #[serde(default)]
    pub surges: Vec<Surge>,
    pub batch: Option<Dist>,
    pub day_factor: Option<Dist>,
    #[serde(default)]
    pub day_factors: Vec<f64>,
}

/// A stretch in which so many times as many come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    pub from: Moment,
    pub to: Moment,
    pub factor: f64,
}

/// Who comes again after being turned away.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    pub probability: f64,
    pub after: Dist,
    #[serde(default = "every_turn")]
    pub when: Vec<Turned>,
    #[serde(default = "hundred")]
    pub most: u32,
}

fn every_turn() -> Vec<Turned> {
    vec![Turned::Blocked, Turned::Balked, Turned::Abandoned]
}

fn hundred() -> u32 {
    100
}

/// How somebody was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turned {
    Blocked,
    Balked,
    Abandoned,
}

/// Agents who are alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub agents: Option<u32>,
    pub counts: Option<Vec<u32>>,
    pub every: Option<Span>,
    pub shifts: Option<Vec<Shift>>,
    pub site: Option<String>,
    pub serves: Option<Vec<String>>,
    #[serde(default)]
    pub in_order: bool,
    pub primary: Option<String>,
    pub sellers: Option<Vec<String>>,
    pub languages: Option<BTreeMap<String, String>>,
    pub skills: Option<Vec<String>>,
    pub channels: Option<Vec<String>>,
    pub capacity: Option<u32>,
    #[serde(default = "normal_speed")]
    pub speed: f64,
    #[serde(default)]
    pub handling: BTreeMap<String, Dist>,
    pub accept_after: Option<Dist>,
}

fn normal_speed() -> f64 {
    1.0
}

/// So many agents for a stretch of every day, or of some.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    pub agents: u32,
    pub from: Moment,
    pub to: Moment,
    pub days: Option<Vec<u32>>,
}
