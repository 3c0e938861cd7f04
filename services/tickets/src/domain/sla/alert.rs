//! Warnings: what people are told of clocks that use up their targets, each share of each clock once.

use jiff::Timestamp;

use super::clock::{Hand, Reading, Verdict};
use super::policy::{Family, MISSED_PERCENT, Metric, Policy};

/// A clock has used a share of its target, or missed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub family: Family,
    pub metric: Metric,
    pub cycle: i32,
    /// Of the target; 100 for a miss.
    pub percent: i32,
    /// When the share was used up.
    pub reached_at: Timestamp,
    pub due_at: Option<Timestamp>,
    /// Level of the escalation matrix that is noticed; 0 for nobody in particular.
    pub notice_level: i32,
    /// When people may be noticed: at once, or when the calendar opens.
    pub notice_at: Timestamp,
    /// The priority that the ticket is raised to.
    pub priority: Option<crate::domain::ticket::Priority>,
}

/// What there is to say of a clock now.
#[derive(Debug, Default)]
pub struct News {
    pub alerts: Vec<Alert>,
    /// The highest share that was warned of, with these.
    pub warned: i32,
    /// When the next share will be used, in seconds since 1970; None if none is left or the clock stands.
    pub next_at: Option<i64>,
}

/// What is to be said of a clock of which `warned` percent were said before. A clock that has stopped, or is
/// missed already, is not warned of any more: of a miss only the miss is said.
pub fn news(policy: &Policy, reading: &Reading, warned: i32, now: i64) -> News {
    let mut news = News { warned, ..News::default() };
    if reading.hand == Hand::Stopped || MISSED_PERCENT <= warned {
        return news;
    }
    if reading.verdict == Verdict::Missed {
        news.alerts.extend(reading.due_at.and_then(|due| alert(policy, reading, MISSED_PERCENT, due, now)));
        news.warned = MISSED_PERCENT;
        return news;
    }
    for percent in policy.marks(reading.metric).into_iter().filter(|percent| warned < *percent) {
        let Some(at) = reading.share_used_at(percent) else { break };
        if now < at {
            // What is paused runs on when something happens to the ticket, and is read then.
            news.next_at = Some(at).filter(|_| reading.hand == Hand::Running);
            break;
        }
        news.alerts.extend(alert(policy, reading, percent, at, now));
        news.warned = percent;
    }
    news
}

fn alert(policy: &Policy, reading: &Reading, percent: i32, reached: i64, now: i64) -> Option<Alert> {
    let escalation = policy.escalation(reading.metric, percent);
    let waits = escalation.is_some_and(|escalation| escalation.inside_hours);
    let notice = if waits { reading.calendar.add(now, 0).unwrap_or(now) } else { now };
    let moment = |second: i64| Timestamp::from_second(second).ok();
    Some(Alert {
        family: reading.family,
        metric: reading.metric,
        cycle: reading.cycle,
        percent,
        reached_at: moment(reached)?,
        due_at: reading.due_at.and_then(moment),
        notice_level: escalation.map_or(0, |escalation| escalation.notice_level),
        notice_at: moment(notice)?,
        priority: escalation.and_then(|escalation| escalation.priority),
    })
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
