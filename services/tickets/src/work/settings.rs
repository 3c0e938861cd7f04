//! A seller's terms turned into what the rules work with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use kit::ProviderId;
use proto::events::v1 as wire;

use crate::domain::ids::ChannelAccountId;
use crate::domain::settings::{Account, Settings};
use crate::domain::sla::calendar::{BadCalendar, Calendar, Hours, Plan};
use crate::domain::sla::policy::{BadPolicy, Escalation, Metric, Policy, Target};
use crate::domain::ticket::{Priority, State, prefix_from};

/// Sellers whose settings are remembered; beyond it the memory starts afresh.
const REMEMBERED: usize = 5_000;

/// Settings by seller, made anew when the terms have another version.
#[derive(Default)]
pub struct Remembered(Mutex<HashMap<(ProviderId, String), Arc<Settings>>>);

impl Remembered {
    /// The settings that these terms make.
    pub fn of(&self, provider: ProviderId, terms: &wire::SellerTerms) -> Arc<Settings> {
        let key = (provider, terms.seller_id.clone());
        if let Ok(known) = self.0.lock()
            && let Some(settings) = known.get(&key)
            && settings.version == terms.version
        {
            return Arc::clone(settings);
        }
        let settings = Arc::new(settings_of(terms));
        if let Ok(mut known) = self.0.lock() {
            if REMEMBERED < known.len() {
                known.clear();
            }
            known.insert(key, Arc::clone(&settings));
        }
        settings
    }
}

/// Settings from terms. Terms that promise something that cannot be counted promise nothing, loudly:
/// a message is taken in all the same.
pub fn settings_of(terms: &wire::SellerTerms) -> Settings {
    let policy = policy_of(terms).unwrap_or_else(|bad| {
        tracing::error!(seller.id = %terms.seller_id, terms.version, error = %bad, "the terms hold a policy that cannot be used");
        Policy { version: terms.version, ..Policy::none() }
    });
    Settings {
        version: terms.version,
        prefix: if terms.ticket_prefix.is_empty() { prefix_from(&terms.handle) } else { terms.ticket_prefix.clone() },
        zone: TimeZone::get(&terms.time_zone).unwrap_or(TimeZone::UTC),
        country: terms.country.clone(),
        languages: terms.languages.clone(),
        accounts: terms.channel_accounts.iter().filter_map(account_of).collect(),
        policy,
        retention: (0 < terms.retention_days)
            .then(|| jiff::SignedDuration::from_hours(24 * i64::from(terms.retention_days))),
        receives: !matches!(terms.state.as_str(), "offboarding" | "erased"),
    }
}

fn account_of(account: &wire::ChannelAccount) -> Option<Account> {
    let id = kit::ids::decode("chan", &account.channel_account_id)?;
    Some(Account {
        id: ChannelAccountId(id),
        channel: account.channel.clone(),
        address: account.address.to_lowercase(),
        marketplace: account.marketplace.clone(),
        country: account.country.clone(),
        active: account.active,
    })
}

fn policy_of(terms: &wire::SellerTerms) -> Result<Policy, BadPolicy> {
    let mut calendars = BTreeMap::new();
    for calendar in &terms.calendars {
        let made = calendar_of(calendar)
            .map_err(|why| BadPolicy::Calendar { name: calendar.name.chars().take(64).collect(), why })?;
        calendars.insert(calendar.name.clone(), Arc::new(made));
    }
    let targets = terms.sla_policy.iter().flat_map(|policy| &policy.targets).filter_map(target_of).collect();
    let policy = Policy::new(terms.version, targets, calendars)?;
    let Some(written) = &terms.sla_policy else { return Ok(policy) };
    let warn_percent = written.warn_percent.clone();
    let escalations = written.escalations.iter().filter_map(escalation_of).collect();
    Ok(Policy { warn_percent, escalations, ..policy })
}

fn escalation_of(escalation: &wire::SlaEscalation) -> Option<Escalation> {
    let metric = match escalation.metric.as_str() {
        "" => None,
        name => Some(Metric::named(name)?),
    };
    Some(Escalation {
        metric,
        percent: escalation.percent,
        priority: Priority::named(&escalation.priority),
        notice_level: escalation.notice_level,
        inside_hours: escalation.inside_hours,
    })
}

fn target_of(target: &wire::SlaTarget) -> Option<Target> {
    Some(Target {
        metric: Metric::named(&target.metric)?,
        channels: target.channels.clone(),
        priorities: target.priorities.iter().filter_map(|word| Priority::named(word)).collect(),
        marketplaces: target.marketplaces.clone(),
        languages: target.languages.clone(),
        tiers: target.customer_tiers.clone(),
        // Terms of before marks were asked for: what asks for nothing was meant for everything.
        catch_all: target.catch_all.unwrap_or(true),
        seconds: target.target_seconds,
        calendar: target.calendar.clone(),
        pauses: target.pauses.as_ref().map(|set| set.states.iter().filter_map(|word| State::named(word)).collect()),
    })
}

fn calendar_of(calendar: &wire::Calendar) -> Result<Calendar, BadCalendar> {
    let mut plan = Plan { zone: calendar.time_zone.clone(), ..Plan::default() };
    for day in &calendar.hours {
        let index = usize::try_from(day.weekday - 1).unwrap_or(usize::MAX);
        let hours = plan.week.get_mut(index).ok_or_else(|| BadCalendar::Time(format!("weekday {}", day.weekday)))?;
        hours.extend(hours_of(&day.intervals)?);
    }
    for (dated, into) in [(&calendar.shifts, &mut plan.shifts), (&calendar.breaks, &mut plan.breaks)] {
        for day in dated {
            into.entry(date_of(&day.date)?).or_default().extend(hours_of(&day.intervals)?);
        }
    }
    plan.holidays = calendar.holidays.iter().map(|date| date_of(date)).collect::<Result<_, _>>()?;
    Calendar::new(plan)
}

fn hours_of(intervals: &[wire::ClockInterval]) -> Result<Vec<Hours>, BadCalendar> {
    intervals.iter().map(|interval| Hours::parse(&interval.start, &interval.end)).collect()
}

fn date_of(text: &str) -> Result<jiff::civil::Date, BadCalendar> {
    text.parse().map_err(|_| BadCalendar::Time(text.chars().take(16).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sla::policy::About;

    fn terms() -> wire::SellerTerms {
        let nine_to_five = wire::ClockInterval { start: "09:00".into(), end: "17:00".into() };
        wire::SellerTerms {
            seller_id: "seller_00000000000000000000000001".into(),
            version: 3,
            handle: "masque-noir".into(),
            state: "live".into(),
            time_zone: "Europe/Rome".into(),
            country: "IT".into(),
            languages: vec!["it".into()],
            calendars: vec![wire::Calendar {
                name: "office".into(),
                time_zone: "Europe/Rome".into(),
                hours: (1..=5)
                    .map(|weekday| wire::WeeklyHours { weekday, intervals: vec![nine_to_five.clone()] })
                    .collect(),
                holidays: vec!["2024-12-25".into()],
                ..Default::default()
            }],
            sla_policy: Some(wire::SlaPolicy {
                version: 1,
                targets: vec![wire::SlaTarget {
                    metric: "first_response".into(),
                    target_seconds: 3_600,
                    calendar: "office".into(),
                    ..Default::default()
                }],
                ..wire::SlaPolicy::default()
            }),
            ..Default::default()
        }
    }

    fn about() -> About<'static> {
        let priority = Priority::Normal;
        About { channel: "email", priority, marketplace: "", country: "IT", language: None, tier: "", begun: 0 }
    }

    #[test]
    fn terms_become_promises() {
        let settings = settings_of(&terms());
        assert_eq!((settings.prefix.as_str(), settings.receives, settings.version), ("MAS", true, 3));
        let promises = settings.policy.promises(&about());
        assert_eq!(promises.len(), 1);
        assert_eq!((promises[0].calendar.zone(), promises[0].version), ("Europe/Rome", 3));
    }

    #[test]
    fn terms_that_cannot_be_counted_promise_nothing_and_still_take_messages_in() {
        let mut broken = terms();
        broken.calendars[0].hours.clear();
        let settings = settings_of(&broken);
        assert!(settings.policy.promises(&about()).is_empty());
        assert!(settings.receives);
        let mut unknown = terms();
        unknown.calendars.clear();
        assert!(settings_of(&unknown).policy.targets.is_empty());
    }

    #[test]
    fn settings_are_made_once_a_version() {
        let remembered = Remembered::default();
        let provider = ProviderId(kit::ids::Uuid::from_u128(1));
        let first = remembered.of(provider, &terms());
        assert!(Arc::ptr_eq(&first, &remembered.of(provider, &terms())));
        let other = ProviderId(kit::ids::Uuid::from_u128(2));
        assert!(!Arc::ptr_eq(&first, &remembered.of(other, &terms())));
        let newer = wire::SellerTerms { version: 4, state: "erased".into(), ..terms() };
        assert!(!remembered.of(provider, &newer).receives);
    }
}
