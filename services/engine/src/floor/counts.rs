//! What happened lately, counted from the decisions: small, and made again from
//! the stored ones after a change of leader.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::contact::Contact;
use crate::ids::{At, SellerId};
use crate::machine::{Decision, Kind, Rule};
use crate::needs::{Channel, Language};

/// Microseconds of a quarter of an hour.
pub const QUARTER: i64 = 900_000_000;
/// Quarters that are kept: the longest interval, wherever it begins, and the one before.
const QUARTERS: i64 = 4;
/// Microseconds for which takings are counted.
pub const WINDOW: i64 = 1_800_000_000;
const MINUTE: i64 = 60_000_000;
/// A longer time than anybody works on one contact at a stretch: it was parked.
const LONGEST_HANDLING: i64 = 4 * 3_600_000_000;

/// The part of a decision and its contact that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: At,
    /// What.
    pub kind: Kind,
    /// Why.
    pub rule: Rule,
    /// Whether an agent was concerned.
    pub by_agent: bool,
    /// Microseconds until due.
    pub slack: i64,
    /// The seller.
    pub seller: SellerId,
    /// The contact's channel.
    pub channel: Channel,
    /// The contact's language.
    pub language: Language,
    /// When its last owner took it.
    pub assigned_at: Option<At>,
    /// When an agent first took it.
    pub first_taken_at: Option<At>,
}

impl Happened {
    /// Of a decision and the contact after it.
    #[must_use]
    pub fn of(decision: &Decision, contact: &Contact) -> Happened {
        Happened {
            at: decision.at,
            kind: decision.kind,
            rule: decision.rule,
            by_agent: decision.agent.is_some(),
            slack: decision.slack,
            seller: contact.seller,
            channel: contact.needs.channel,
            language: contact.needs.language,
            assigned_at: contact.assigned_at,
            first_taken_at: contact.first_taken_at,
        }
    }
}

/// How one channel of a seller was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Contacts that came in.
    pub offered: u32,
    /// Contacts that an agent took for the first time.
    pub answered: u32,
    /// Of those, not later than due.
    pub in_target: u32,
    /// Contacts that ended without having been taken.
    pub abandoned: u32,
}

impl Served {
    /// Contacts that the level is a share of.
    #[must_use]
    pub fn judged(&self) -> u32 {
        self.answered + self.abandoned
    }

    /// The service level in percent.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.judged() != 0).then(|| 100.0 * f64::from(self.in_target) / f64::from(self.judged()))
    }

    fn add(&mut self, other: Served) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.in_target += other.in_target;
        self.abandoned += other.abandoned;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Handled {
    micros: i64,
    contacts: u32,
}

/// What happened lately.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    served: BTreeMap<(SellerId, Channel), VecDeque<(i64, Served)>>,
    handled: HashMap<(SellerId, Channel), VecDeque<(i64, Handled)>>,
    /// Takings by the minute.
    taken: HashMap<(SellerId, Channel, Language), VecDeque<(i64, u32)>>,
}

impl Counts {
    /// Counts one decision.
    pub fn note(&mut self, happened: &Happened) {
        let Happened { at, seller, channel, .. } = *happened;
        let mut one = Served::default();
        match happened.kind {
            Kind::Queued if happened.rule == Rule::Intake => one.offered = 1,
            Kind::Accepted | Kind::Assigned => {
                let taken = self.taken.entry((seller, channel, happened.language)).or_default();
                *last(taken, at.0.div_euclid(MINUTE), WINDOW / MINUTE) += 1;
                if happened.first_taken_at == Some(at) {
                    one.answered = 1;
                    one.in_target = u32::from(happened.slack >= 0);
                }
            }
            Kind::Abandoned | Kind::Expired if happened.first_taken_at.is_none() => one.abandoned = 1,
            Kind::Done if happened.by_agent => {
                let micros = happened.assigned_at.map_or(i64::MAX, |since| at.since(since));
                if (0..LONGEST_HANDLING).contains(&micros) {
                    let handled = self.handled.entry((seller, channel)).or_default();
                    let slot = last(handled, at.0.div_euclid(QUARTER), QUARTERS);
                    slot.micros += micros;
                    slot.contacts += 1;
                }
            }
            _ => {}
        }
        if one != Served::default() {
            let served = self.served.entry((seller, channel)).or_default();
            last(served, at.0.div_euclid(QUARTER), QUARTERS).add(one);
        }
    }

    /// Forgets what is too old to count.
    pub fn forget(&mut self, now: At) {
        let oldest = now.0.div_euclid(QUARTER) - QUARTERS;
        self.served.retain(|_, slots| slots.back().is_some_and(|(slot, _)| *slot > oldest));
        self.handled.retain(|_, slots| slots.back().is_some_and(|(slot, _)| *slot > oldest));
        let oldest = now.0.div_euclid(MINUTE) - WINDOW / MINUTE;
        self.taken.retain(|_, slots| slots.back().is_some_and(|(slot, _)| *slot > oldest));
    }

    /// How a channel was served from an instant on that begins a quarter.
    #[must_use]
    pub fn served(&self, seller: SellerId, channel: Channel, from: At) -> Served {
        let first = from.0.div_euclid(QUARTER);
        let mut sum = Served::default();
        for (_, served) in self.served.get(&(seller, channel)).into_iter().flatten().filter(|(slot, _)| *slot >= first)
        {
            sum.add(*served);
        }
        sum
    }

    /// The sellers and channels that anything is known of, in order.
    pub fn channels(&self) -> impl Iterator<Item = (SellerId, Channel)> {
        self.served.keys().copied()
    }

    /// Contacts of a queue that were taken within the window before `now`.
    #[must_use]
    pub fn taken(&self, seller: SellerId, channel: Channel, language: &Language, now: At) -> u32 {
        let first = (now.0 - WINDOW).div_euclid(MINUTE);
        let slots = self.taken.get(&(seller, channel, *language));
        slots.into_iter().flatten().filter(|(minute, _)| *minute > first).map(|(_, n)| *n).sum()
    }

    /// Mean handling time in microseconds, and of how many contacts.
    #[must_use]
    pub fn handling(&self, seller: SellerId, channel: Channel, now: At) -> Option<(i64, u32)> {
        let oldest = now.0.div_euclid(QUARTER) - QUARTERS;
        let slots = self.handled.get(&(seller, channel));
        let sum =
            slots.into_iter().flatten().filter(|(slot, _)| *slot > oldest).fold(Handled::default(), |sum, (_, one)| {
                Handled { micros: sum.micros + one.micros, contacts: sum.contacts + one.contacts }
            });
        (sum.contacts != 0).then(|| (sum.micros / i64::from(sum.contacts), sum.contacts))
    }
}

/// The slot of a time, made if it is new; slots that are too old go. What comes
/// late counts with the newest.
fn last<T: Default>(slots: &mut VecDeque<(i64, T)>, slot: i64, most: i64) -> &mut T {
    if slots.back().is_none_or(|(newest, _)| *newest < slot) {
        slots.push_back((slot, T::default()));
    }
    while slots.front().is_some_and(|(oldest, _)| *oldest <= slot - most) && slots.len() > 1 {
        slots.pop_front();
    }
    let newest = slots.len() - 1;
    &mut slots[newest].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, language, seller};

    fn happened(at: At, kind: Kind) -> Happened {
        Happened {
            at,
            kind,
            rule: if kind == Kind::Queued { Rule::Intake } else { Rule::Agent },
            by_agent: kind != Kind::Queued,
            slack: 1,
            seller: seller(1),
            channel: Channel::Chat,
            language: language("it"),
            assigned_at: None,
            first_taken_at: None,
        }
    }

    /// A whole quarter.
    fn quarter(n: i64) -> At {
        At(START.0.div_euclid(QUARTER) * QUARTER + n * QUARTER)
    }

    #[test]
    fn a_contact_counts_once_however_often_it_is_taken() {
        let mut counts = Counts::default();
        let first = quarter(0).plus_seconds(60);
        counts.note(&happened(first, Kind::Queued));
        counts.note(&Happened { first_taken_at: Some(first), ..happened(first, Kind::Accepted) });
        // it came back and is taken again, late
        let again = first.plus_seconds(30);
        counts.note(&Happened { rule: Rule::Agent, ..happened(again, Kind::Requeued) });
        counts.note(&Happened { first_taken_at: Some(first), slack: -1, ..happened(again, Kind::Accepted) });
        counts.note(&Happened { first_taken_at: Some(first), ..happened(again, Kind::Abandoned) });
        let served = counts.served(seller(1), Channel::Chat, quarter(0));
        assert_eq!(served, Served { offered: 1, answered: 1, in_target: 1, abandoned: 0 });
        assert_eq!(counts.taken(seller(1), Channel::Chat, &language("it"), again), 2, "each taking frees a place");
    }

    #[test]
    fn the_level_is_a_share_of_what_was_answered_or_given_up() {
        let mut counts = Counts::default();
        let at = quarter(0).plus_seconds(1);
        for slack in [5, 0, -1] {
            counts.note(&Happened { first_taken_at: Some(at), slack, ..happened(at, Kind::Accepted) });
        }
        counts.note(&happened(at, Kind::Expired));
        counts.note(&happened(at, Kind::Cancelled));
        let served = counts.served(seller(1), Channel::Chat, quarter(0));
        assert_eq!((served.judged(), served.in_target, served.percent()), (4, 2, Some(50.0)));
        assert_eq!(Served::default().percent(), None);
    }

    #[test]
    fn quarters_add_up_and_old_ones_go() {
        let mut counts = Counts::default();
        for n in 0..8 {
            counts.note(&happened(quarter(n).plus_seconds(10), Kind::Queued));
        }
        assert_eq!(counts.served(seller(1), Channel::Chat, quarter(6)).offered, 2);
        assert_eq!(counts.served(seller(1), Channel::Chat, quarter(0)).offered, 4, "four are kept");
        counts.forget(quarter(7));
        assert_eq!(counts.channels().count(), 1);
        counts.forget(quarter(30));
        assert_eq!(counts, Counts::default(), "nothing is left of it");
    }

    #[test]
    fn handling_is_the_mean_of_what_was_finished_without_a_long_rest() {
        let mut counts = Counts::default();
        for seconds in [100, 300, 20 * 3_600] {
            let at = quarter(0).plus_seconds(800);
            counts.note(&Happened { assigned_at: Some(at.plus_seconds(-seconds)), ..happened(at, Kind::Done) });
        }
        assert_eq!(counts.handling(seller(1), Channel::Chat, quarter(1)), Some((200_000_000, 2)));
        assert_eq!(counts.handling(seller(1), Channel::Chat, quarter(9)), None);
    }
}
