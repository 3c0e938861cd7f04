//! What is estimated from a log, as a scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::presence::{Stretches, by_hour, presence, turnaround};
use super::survival::{kaplan_meier, points, steps};
use super::{Call, DAY, HOUR, Log, TARGET, WITH_PRIORITY};
use crate::chance::Dist;
use crate::scenario::{AgentOrder, Arrivals, ContactType, Group, Horizon, PolicyPart, Scenario, ServiceLevel, Shift};
use crate::units::{Moment, Rate, Span};

/// The credit of those with priority: they join the queue so much ahead.
const CREDIT: f64 = 90.0;
/// The promise of all others: first come, first served.
const PROMISE: f64 = 30.0 * 86_400.0;
/// Calls of a type that are fewer than this share of an agent's are rare.
const RARE: f64 = 0.03;

/// How long customers wait before they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// Exponential: all waits over the number that abandoned.
    #[default]
    Exponential,
    /// As Kaplan and Meier estimate it.
    KaplanMeier,
}

/// What is estimated of one type.
#[derive(Debug, Clone, Serialize)]
pub struct KindEstimate {
    pub calls: u32,
    /// Mean of the exponential patience, seconds.
    pub patience: f64,
    /// Half have left by then, by Kaplan and Meier, if half ever do.
    pub patience_half: Option<f64>,
    /// Mean handling, with turning to the next call, seconds.
    pub handling: f64,
    /// Of those who waited, the share with priority.
    pub priority: f64,
}

/// What a log lets be estimated.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    pub days: u32,
    /// Mean seconds from the end of a call to the next, while somebody waits.
    pub turnaround: f64,
    pub kinds: BTreeMap<String, KindEstimate>,
    /// Agents there, by hour of the day, as a mean over the days.
    pub agents: Vec<f64>,
    #[serde(skip)]
    pub scenario: Scenario,
}

impl Log {
    /// Estimates arrivals by hour and type, patience, handling and who was there.
    #[must_use]
    pub fn estimate(&self, patience: Patience) -> Estimate {
        let queue = Stretches::of(&self.calls);
        let work = self.work();
        let turnaround = turnaround(&work, &queue);
        let mut kinds = BTreeMap::new();
        let mut contacts = Vec::new();
        let names: BTreeSet<&str> = self.calls.iter().map(|call| call.kind.as_str()).collect();
        for name in names {
            let of: Vec<&Call> = self.calls.iter().filter(|call| call.kind == name).collect();
            let (estimate, types) = self.kind(name, &of, turnaround, patience);
            kinds.insert(name.to_owned(), estimate);
            contacts.extend(types);
        }
        let mut agents = vec![0.0; 24];
        let mut groups = Vec::new();
        for (name, calls) in &work {
            let there = presence(calls, &queue, turnaround);
            for (hour, seconds) in by_hour(&there, self.length()).iter().enumerate() {
                agents[hour % 24] += seconds / HOUR / f64::from(self.days);
            }
            groups.extend((0..self.days).filter_map(|day| group(name, day, calls, &there, &contacts)));
        }
        // Types that nobody is seen to serve would wait for ever.
        let served: BTreeSet<&String> = groups.iter().flat_map(|group| group.serves.iter().flatten()).collect();
        contacts.retain(|contact| served.contains(&contact.name));
        let scenario = self.scenario(contacts, groups);
        Estimate { days: self.days, turnaround, kinds, agents, scenario }
    }

    /// Every agent's calls, by their start: start, end, type.
    fn work(&self) -> BTreeMap<String, Vec<(f64, f64, String)>> {
        let mut work: BTreeMap<String, Vec<(f64, f64, String)>> = BTreeMap::new();
        for call in &self.calls {
            if let Some((service, agent)) = &call.answered {
                let start = call.start();
                work.entry(agent.clone()).or_default().push((start, start + service, call.kind.clone()));
            }
        }
        for calls in work.values_mut() {
            calls.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        work
    }

    /// A type, as one of priority and one without.
    fn kind(&self, name: &str, of: &[&Call], turnaround: f64, patience: Patience) -> (KindEstimate, Vec<ContactType>) {
        let waits: f64 = of.iter().map(|call| call.wait).sum();
        let left = of.iter().filter(|call| call.answered.is_none()).count();
        let exponential = if left == 0 { f64::INFINITY } else { waits / left as f64 };
        let survival = kaplan_meier(of.iter().filter(|call| call.wait > 0.0).map(|c| (c.wait, c.answered.is_none())));
        let mut handling: Vec<f64> =
            of.iter().filter_map(|call| Some(call.answered.as_ref()?.0 + turnaround)).collect();
        handling.sort_by(f64::total_cmp);
        let waited: Vec<&&Call> = of.iter().filter(|call| call.wait > 0.0).collect();
        // Who did not wait is logged without priority, whoever it was.
        let priority = waited.iter().filter(|call| call.priority).count() as f64 / (waited.len() as f64).max(1.0);
        let estimate = KindEstimate {
            calls: of.len() as u32,
            patience: exponential,
            patience_half: survival.iter().find(|(_, share)| *share <= 0.5).map(|(wait, _)| *wait),
            handling: handling.iter().sum::<f64>() / (handling.len() as f64).max(1.0),
            priority,
        };
        let mut hours = vec![0.0; (self.length() / HOUR) as usize];
        for call in of {
            if let Some(hour) = hours.get_mut((call.joined / HOUR) as usize) {
                *hour += 1.0;
            }
        }
        let patience = match patience {
            _ if left == 0 => None,
            Patience::Exponential => Some(Dist::Exponential(Span(exponential))),
            Patience::KaplanMeier => Some(steps(&survival)),
        };
        let handling: Vec<Span> = points(&handling).into_iter().map(Span).collect();
        let mut types = Vec::new();
        for (ahead, share) in [(true, priority), (false, 1.0 - priority)] {
            if share <= 0.0 || handling.is_empty() {
                continue;
            }
            types.push(ContactType {
                name: if ahead { format!("{name}{WITH_PRIORITY}") } else { name.to_owned() },
                seller: Some("calls".to_owned()),
                language: None,
                channel: "phone".to_owned(),
                priority: "normal".to_owned(),
                skills: Vec::new(),
                preferred_skills: Vec::new(),
                arrivals: Arrivals {
                    rate: None,
                    rates: Some(hours.iter().map(|n| Rate(n * share / HOUR)).collect()),
                    every: Some(Span(HOUR)),
                    gaps: None,
                    at: None,
                    from: None,
                    until: None,
                    surges: Vec::new(),
                    batch: None,
                    day_factor: None,
                    day_factors: Vec::new(),
                },
                handling: Dist::Empirical { values: handling.clone(), weights: Vec::new(), never: 0.0 },
                patience: patience.clone(),
                balk: 0.0,
                waiting_places: None,
                retry: None,
                answer_within: Some(Span(TARGET)),
                promise: Some(Span(if ahead { PROMISE - CREDIT } else { PROMISE })),
            });
        }
        (estimate, types)
    }

    fn scenario(&self, contact: Vec<ContactType>, group: Vec<Group>) -> Scenario {
        Scenario {
            name: format!("{} calls of {} days", self.calls.len(), self.days),
            description: String::new(),
            seed: 1,
            replications: 20,
            confidence: 0.95,
            service_level: ServiceLevel::Answered,
            answer_within: Span(TARGET),
            waiting_places: None,
            lines: None,
            day_factor: None,
            day_factors: Vec::new(),
            horizon: Horizon {
                length: Span(self.length()),
                start: Moment::Clock(0.0),
                day: Span(self.length()),
                warm_up: Span(0.0),
                batches: 1,
                interval: Some(Span(HOUR)),
                fold: Some(Span(DAY)),
                end: None,
            },
            window: Vec::new(),
            policy: PolicyPart { agent_order: Some(AgentOrder::LongestIdle), ..PolicyPart::default() },
            seller: BTreeMap::new(),
            site: BTreeMap::new(),
            contact,
            group,
        }
    }
}

/// An agent of a day as a group: there when she was there, and serving what she
/// took that day; what is too rare to be taken every day, what she ever took.
fn group(
    name: &str,
    day: u32,
    calls: &[(f64, f64, String)],
    there: &[(f64, f64)],
    contacts: &[ContactType],
) -> Option<Group> {
    let of_day = |at: f64| (at / DAY) as u32 == day;
    let shifts: Vec<Shift> = there
        .iter()
        .filter(|(from, to)| of_day(*from) && to > from)
        .map(|(from, to)| Shift { agents: 1, from: Moment::After(*from), to: Moment::After(*to), days: None })
        .collect();
    let mut taken: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (start, _, kind) in calls {
        let counts = taken.entry(kind).or_default();
        counts.0 += 1;
        counts.1 += u32::from(of_day(*start));
    }
    let all: u32 = taken.values().map(|counts| counts.0).sum();
    let serves = |kind: &str| {
        taken.get(kind).is_some_and(|(ever, today)| {
            let rare = f64::from(*ever) < RARE * f64::from(all);
            *today > 0 || (rare && *ever >= 3)
        })
    };
    let serves: Vec<String> = contacts
        .iter()
        .map(|contact| contact.name.clone())
        .filter(|name| serves(name.trim_end_matches(WITH_PRIORITY)))
        .collect();
    if serves.is_empty() || shifts.is_empty() {
        return None;
    }
    Some(Group {
        site: None,
        name: format!("{} on day {}", if name.is_empty() { "not named" } else { name }, day + 1),
        agents: None,
        counts: None,
        every: None,
        shifts: Some(shifts),
        serves: Some(serves),
        in_order: false,
        primary: None,
        sellers: None,
        languages: None,
        skills: None,
        channels: None,
        capacity: None,
        speed: 1.0,
        handling: BTreeMap::new(),
        accept_after: None,
    })
}
