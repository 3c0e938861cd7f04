//! The floor at one instant: queues, service levels, pauses.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::counts::{Counts, Served};
use super::estimate::{Estimate, Known};
use crate::ids::{At, SellerId};
use crate::machine::{Engine, Standing};
use crate::needs::{Channel, FULL_UNITS};
use crate::seller::Pause;

/// The length of an interval of service levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    Quarter,
    Half,
}

impl Interval {
    fn minutes(self) -> i64 {
        match self {
            Interval::Quarter => 15,
            Interval::Half => 30,
        }
    }

    /// The interval of a zone's wall clock that an instant lies in, with its
    /// first instant and the first after it.
    #[must_use]
    pub fn around(self, now: At, zone: &TimeZone) -> (At, At) {
        let length = self.minutes() * 60_000_000;
        let offset = i64::from(zone.to_offset(now.timestamp()).seconds()) * 1_000_000;
        let start = (now.0 + offset).div_euclid(length) * length - offset;
        (At(start), At(start + length))
    }
}

/// One queue with how long one more contact would wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// What stands there.
    pub standing: Standing,
    /// How long one more would wait.
    pub estimate: Estimate,
}

/// The service level of one channel of a seller in its current interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// The seller.
    pub seller: SellerId,
    /// The channel.
    pub channel: Channel,
    /// First instant, and the first one after the interval.
    pub start: At,
    pub end: At,
    /// How it was served.
    pub served: Served,
}

/// The floor at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// When.
    pub at: At,
    /// Queues by seller, channel and language.
    pub queues: Vec<Queue>,
    /// Service levels of the current half hour, by seller and channel.
    pub halves: Vec<Level>,
    /// The same of the current quarter.
    pub quarters: Vec<Level>,
    /// Sellers of whom nothing new is offered.
    pub pauses: Vec<(SellerId, Pause)>,
}

impl Picture {
    /// Takes a picture of the floor; sellers whose zone is not known have theirs in UTC.
    #[must_use]
    pub fn take(engine: &Engine, counts: &Counts, zones: &HashMap<SellerId, TimeZone>, now: At) -> Picture {
        let pauses = engine.pauses();
        let queues = engine.standings().into_iter().map(|standing| {
            let (seller, channel) = (standing.seller, standing.channel);
            let known = Known {
                paused: pauses.iter().any(|(paused, _)| *paused == seller),
                ahead: standing.waiting - standing.blocked.min(standing.waiting),
                eligible: standing.eligible,
                on_duty: standing.on_duty,
                free: standing.free,
                taken: counts.taken(seller, channel, &standing.language, now),
                handling: counts.handling(seller, channel, now),
                at_once: FULL_UNITS / channel.units(),
            };
            Queue { estimate: Estimate::of(&known), standing }
        });
        let levels = |interval: Interval| {
            let of = |(seller, channel)| {
                let zone = zones.get(&seller).cloned().unwrap_or(TimeZone::UTC);
                let (start, end) = interval.around(now, &zone);
                Level { seller, channel, start, end, served: counts.served(seller, channel, start) }
            };
            counts.channels().map(of).filter(|level| level.served != Served::default()).collect()
        };
        Picture {
            at: now,
            queues: queues.collect(),
            halves: levels(Interval::Half),
            quarters: levels(Interval::Quarter),
            pauses,
        }
    }

    /// The service levels of an interval.
    #[must_use]
    pub fn levels(&self, interval: Interval) -> &[Level] {
        match interval {
            Interval::Quarter => &self.quarters,
            Interval::Half => &self.halves,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::Happened;
    use crate::floor::estimate::{Basis, Unknown};
    use crate::machine::Event;
    use crate::needs::Level as Spoken;
    use crate::testing::*;

    #[test]
    fn intervals_begin_with_the_wall_clock_of_the_zone() {
        let at = |text: &str| At::of(text.parse::<jiff::Timestamp>().expect("an instant"));
        let zone = |name: &str| TimeZone::get(name).expect("a zone");
        for (name, now, start, end) in [
            ("Europe/Rome", "2026-07-01T10:44:59Z", "2026-07-01T10:30:00Z", "2026-07-01T11:00:00Z"),
            ("Asia/Kathmandu", "2026-07-01T10:44:59Z", "2026-07-01T10:15:00Z", "2026-07-01T10:45:00Z"),
            ("Asia/Kathmandu", "2026-07-01T10:45:00Z", "2026-07-01T10:45:00Z", "2026-07-01T11:15:00Z"),
        ] {
            assert_eq!(Interval::Half.around(at(now), &zone(name)), (at(start), at(end)), "{name} {now}");
        }
        let (start, end) = Interval::Quarter.around(at("2026-07-01T10:44:59Z"), &zone("Asia/Kathmandu"));
        assert_eq!((start, end), (at("2026-07-01T10:30:00Z"), at("2026-07-01T10:45:00Z")));
    }

    #[test]
    fn a_picture_shows_what_waits_who_is_there_and_how_it_went() {
        let mut desk = Desk::with_seller();
        desk.hire(profile(1, &[1], &[("it", Spoken::Native)]));
        desk.hire(profile(2, &[1], &[("it", Spoken::C1)]));
        desk.online(1);
        for n in 1..=3 {
            desk.mail(n, "it");
        }
        desk.mail(4, "xx");
        desk.ok(Event::SetAside { contact: contact(3), until: Some(desk.now.plus_seconds(60)), version: None });
        let mut counts = Counts::default();
        for decision in &desk.decisions {
            counts.note(&Happened::of(decision, &desk.contacts[&decision.contact]));
        }
        let picture = Picture::take(&desk.engine, &counts, &HashMap::new(), desk.now);
        let shown: Vec<_> = picture.queues.iter().map(|q| (q.standing.language.as_str(), &q.standing)).collect();
        assert_eq!(shown.len(), 2);
        let it = shown.iter().find(|(tag, _)| *tag == "it").expect("a queue").1;
        assert_eq!((it.waiting, it.offered, it.set_aside, it.blocked), (1, 1, 1, 0));
        assert_eq!((it.eligible, it.on_duty, it.free), (2, 1, 0));
        let xx = picture.queues.iter().find(|q| q.standing.language.as_str() == "xx").expect("a queue");
        assert_eq!((xx.standing.waiting, xx.standing.blocked), (1, 1));
        assert_eq!(xx.estimate.basis, Basis::Unknown(Unknown::NobodyCanTakeIt));
        assert_eq!(picture.halves.len(), 1);
        assert_eq!(picture.halves[0].served.offered, 4);
        assert!(picture.halves[0].start <= desk.now && desk.now < picture.halves[0].end);
    }
}
