//! What needs somebody's eye: raised once when it begins, ended once when it is
//! over, with a little distance between the two so that it does not flutter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::picture::Picture;
use crate::contact::Block;
use crate::ids::{At, ContactId, SellerId};
use crate::needs::{Channel, Language};
use crate::policy::Policy;

/// When alerts are raised for a seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertPolicy {
    /// 0 = the default below.
    pub version: i64,
    /// Time after which a contact that nobody can take is told of.
    pub blocked_after_seconds: i64,
    /// The target of the service level in percent; 0 = not judged.
    pub service_level_percent: u32,
    /// Contacts that must have been judged before the level is.
    pub service_level_contacts: u32,
    /// Time after which contacts that wait without anybody on duty are told of; 0 = never.
    pub nobody_on_duty_after_seconds: i64,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        AlertPolicy {
            version: 0,
            blocked_after_seconds: 300,
            service_level_percent: 80,
            service_level_contacts: 10,
            nobody_on_duty_after_seconds: 600,
        }
    }
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    NobodyCanTake,
    MaximumWait,
    ServiceLevel,
    NobodyOnDuty,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::NobodyCanTake, Kind::MaximumWait, Kind::ServiceLevel, Kind::NobodyOnDuty];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::NobodyCanTake => "nobody_can_take",
            Kind::MaximumWait => "maximum_wait",
            Kind::ServiceLevel => "service_level",
            Kind::NobodyOnDuty => "nobody_on_duty",
        }
    }
}

/// Which alert: there is at most one open alert of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The seller.
    pub seller: SellerId,
    /// What it is about.
    pub kind: Kind,
    /// The channel.
    pub channel: Channel,
    /// The language; none for service levels.
    pub language: Option<Language>,
    /// What nobody meets.
    pub block: Option<Block>,
}

/// An alert that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// Which.
    pub cause: Cause,
    /// A contact that it is about.
    pub contact: Option<ContactId>,
    /// What was measured, and against what.
    pub measured: f64,
    pub threshold: f64,
}

/// What a look at the floor leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// An alert begins.
    Raised(Open),
    /// An alert is over.
    Ended(Cause),
}

/// Something seen: whether it is enough to begin, or only enough to go on.
struct Seen {
    open: Open,
    begins: bool,
}

/// The alerts that are open, and since when nobody is on duty where something waits.
#[derive(Debug, Default)]
pub struct Alerts {
    open: BTreeMap<Cause, ()>,
    unmanned: BTreeMap<Cause, At>,
}

impl Alerts {
    /// The alerts that were open before.
    pub fn resume(open: impl IntoIterator<Item = Cause>) -> Alerts {
        Alerts { open: open.into_iter().map(|cause| (cause, ())).collect(), unmanned: BTreeMap::new() }
    }

    /// Looks at the floor; what begins is open and what is over is not, from now on.
    pub fn look(
        &mut self,
        picture: &Picture,
        rules: impl Fn(SellerId) -> AlertPolicy,
        routing: impl Fn(SellerId) -> Policy,
    ) -> Vec<Turn> {
        let mut seen = self.queues(picture, &rules, &routing);
        seen.extend(levels(picture, &rules));
        let mut turns = Vec::new();
        let seen: BTreeMap<Cause, Seen> = seen.into_iter().map(|seen| (seen.open.cause.clone(), seen)).collect();
        let over: Vec<Cause> = self.open.keys().filter(|cause| !seen.contains_key(*cause)).cloned().collect();
        for cause in over {
            self.open.remove(&cause);
            turns.push(Turn::Ended(cause));
        }
        for (cause, seen) in seen {
            if seen.begins && !self.open.contains_key(&cause) {
                self.open.insert(cause, ());
                turns.push(Turn::Raised(seen.open));
            }
        }
        turns
    }

    fn queues(
        &mut self,
        picture: &Picture,
        rules: &impl Fn(SellerId) -> AlertPolicy,
        routing: &impl Fn(SellerId) -> Policy,
    ) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut unmanned = BTreeMap::new();
        for queue in &picture.queues {
            let standing = &queue.standing;
            let (rules, routing) = (rules(standing.seller), routing(standing.seller));
            let cause = |kind, block| Cause {
                seller: standing.seller,
                kind,
                channel: standing.channel,
                language: Some(standing.language),
                block,
            };
            let lasted = |since: At| picture.at.since(since) as f64 / 1e6;
            for (block, (since, contact)) in &standing.blocks {
                let threshold = rules.blocked_after_seconds as f64;
                let measured = lasted(*since);
                let open = Open {
                    cause: cause(Kind::NobodyCanTake, Some(*block)),
                    contact: Some(*contact),
                    measured,
                    threshold,
                };
                seen.push(Seen { open, begins: measured >= threshold });
            }
            if let Some((since, contact)) = standing.oldest {
                let threshold = routing.maximum_wait_seconds as f64;
                let measured = lasted(since);
                if measured >= 0.9 * threshold {
                    let open =
                        Open { cause: cause(Kind::MaximumWait, None), contact: Some(contact), measured, threshold };
                    seen.push(Seen { open, begins: measured >= threshold });
                }
            }
            let takeable = standing.waiting > standing.blocked;
            if takeable && standing.on_duty == 0 && rules.nobody_on_duty_after_seconds != 0 {
                let cause = cause(Kind::NobodyOnDuty, None);
                let since = self.unmanned.get(&cause).copied().unwrap_or(picture.at);
                unmanned.insert(cause.clone(), since);
                let (measured, threshold) = (lasted(since), rules.nobody_on_duty_after_seconds as f64);
                let contact = standing.oldest.map(|(_, contact)| contact);
                seen.push(Seen { begins: measured >= threshold, open: Open { cause, contact, measured, threshold } });
            }
        }
        self.unmanned = unmanned;
        seen
    }
}

fn levels(picture: &Picture, rules: &impl Fn(SellerId) -> AlertPolicy) -> Vec<Seen> {
    let mut seen = Vec::new();
    for level in &picture.halves {
        let rules = rules(level.seller);
        if rules.service_level_percent == 0 {
            continue;
        }
        let cause = Cause {
            seller: level.seller,
            kind: Kind::ServiceLevel,
            channel: level.channel,
            language: None,
            block: None,
        };
        let threshold = f64::from(rules.service_level_percent);
        let enough = level.served.judged() >= rules.service_level_contacts;
        let measured = level.served.percent().unwrap_or(100.0);
        // What is too little to judge by changes nothing: a new interval begins empty.
        if !enough || measured < (threshold + 5.0).min(100.0) {
            let open = Open { cause, contact: None, measured, threshold };
            seen.push(Seen { open, begins: enough && measured < threshold });
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::floor::{Counts, Level, Served};
    use crate::machine::Event;
    use crate::needs::Level as Spoken;
    use crate::testing::*;

    fn look(alerts: &mut Alerts, desk: &Desk) -> Vec<(&'static str, Kind)> {
        let picture = Picture::take(&desk.engine, &Counts::default(), &HashMap::new(), desk.now);
        let turns = alerts.look(&picture, |_| AlertPolicy::default(), |seller| desk.engine.policy(seller));
        turns
            .into_iter()
            .map(|turn| match turn {
                Turn::Raised(open) => ("raised", open.cause.kind),
                Turn::Ended(cause) => ("ended", cause.kind),
            })
            .collect()
    }

    #[test]
    fn a_contact_that_nobody_can_take_is_told_of_once_and_its_end_once() {
        let mut desk = Desk::with_seller();
        let mut alerts = Alerts::default();
        desk.mail(1, "it");
        desk.mail(2, "it");
        assert_eq!(look(&mut alerts, &desk), []);
        desk.later(299);
        assert_eq!(look(&mut alerts, &desk), []);
        desk.later(1);
        assert_eq!(look(&mut alerts, &desk), [("raised", Kind::NobodyCanTake)]);
        desk.later(500);
        assert_eq!(look(&mut alerts, &desk), []);
        desk.ok(Event::Withdraw {
            contact: contact(1),
            end: crate::contact::ContactState::Cancelled,
            reason: String::new(),
        });
        assert_eq!(look(&mut alerts, &desk), [], "another is blocked still");
        desk.hire(profile(1, &[1], &[("it", Spoken::Native)]));
        desk.online(1);
        assert_eq!(look(&mut alerts, &desk), [("ended", Kind::NobodyCanTake)]);
    }

    #[test]
    fn nobody_on_duty_and_a_wait_beyond_the_longest_are_told_of() {
        let mut desk = Desk::with_seller();
        desk.ok(Event::Policy(seller(1), Policy { version: 1, maximum_wait_seconds: 700, ..Policy::default() }));
        desk.hire(profile(1, &[1], &[("it", Spoken::Native)]));
        let mut alerts = Alerts::default();
        desk.mail(1, "it");
        assert_eq!(look(&mut alerts, &desk), []);
        desk.later(600);
        assert_eq!(look(&mut alerts, &desk), [("raised", Kind::NobodyOnDuty)]);
        desk.later(100);
        assert_eq!(look(&mut alerts, &desk), [("raised", Kind::MaximumWait)]);
        desk.online(1);
        assert_eq!(look(&mut alerts, &desk), [("ended", Kind::MaximumWait), ("ended", Kind::NobodyOnDuty)]);
    }

    #[test]
    fn a_service_level_begins_under_the_target_and_ends_well_above_it() {
        let level = |answered, in_target| Picture {
            at: START,
            queues: Vec::new(),
            halves: vec![Level {
                seller: seller(1),
                channel: Channel::Chat,
                start: START,
                end: START.plus_seconds(1_800),
                served: Served { offered: answered, answered, in_target, abandoned: 0 },
            }],
            quarters: Vec::new(),
            pauses: Vec::new(),
        };
        let mut alerts = Alerts::default();
        let mut turns = |answered, in_target| {
            alerts.look(&level(answered, in_target), |_| AlertPolicy::default(), |_| Policy::default()).len()
        };
        assert_eq!(turns(9, 0), 0, "too few to judge by");
        assert_eq!(turns(10, 7), 1, "raised");
        assert_eq!(turns(10, 8), 0, "at the target it goes on");
        assert_eq!(turns(2, 0), 0, "a new interval says nothing yet");
        assert_eq!(turns(20, 17), 1, "five points above it ends");
        assert_eq!(turns(20, 17), 0);
    }

    #[test]
    fn another_leader_goes_on_with_what_is_open() {
        let mut desk = Desk::with_seller();
        desk.mail(1, "it");
        desk.later(300);
        let cause = Cause {
            seller: seller(1),
            kind: Kind::NobodyCanTake,
            channel: Channel::Email,
            language: Some(language("it")),
            block: Some(Block::NoCertifiedAgent),
        };
        let mut alerts = Alerts::resume([cause]);
        assert_eq!(look(&mut alerts, &desk), [], "it was told of before");
    }
}
