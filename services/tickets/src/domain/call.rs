//! A telephone call: its numbers, its times, and what a report adds to what was known.

use jiff::Timestamp;

use super::ids::{CallId, ChannelAccountId, TicketId, UserId};
use super::intake::Direction;
use super::settings::{Account, Settings};

/// Holds within a call.
pub const HOLDS_LIMIT: usize = 100;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    Missed,
    Abandoned,
    NotReached,
    Voicemail,
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Answered,
        Outcome::Missed,
        Outcome::Abandoned,
        Outcome::NotReached,
        Outcome::Voicemail,
        Outcome::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Missed => "missed",
            Outcome::Abandoned => "abandoned",
            Outcome::NotReached => "not_reached",
            Outcome::Voicemail => "voicemail",
            Outcome::Failed => "failed",
        }
    }

    pub fn named(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// The customer was put on hold, and taken back unless the call ended first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub held_at: Timestamp,
    pub resumed_at: Option<Timestamp>,
}

/// A call as it is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    pub id: CallId,
    pub ticket: TicketId,
    /// None once the customer is erased.
    pub external_id: Option<String>,
    pub account: ChannelAccountId,
    /// E.164.
    pub service_number: String,
    /// E.164; empty if it is withheld.
    pub customer_number: String,
    pub direction: Direction,
    pub rang_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub holds: Vec<Hold>,
    pub user: Option<UserId>,
    pub outcome: Option<Outcome>,
    pub wrapped_up_at: Option<Timestamp>,
    /// Whether what the agent noted was kept.
    pub noted: bool,
}

// Who calls stays out of logs.
impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a report is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("an earlier report of the call says something else about {0}")]
    Contradicted(&'static str),
}

/// The seconds of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seconds {
    pub wait: i64,
    pub talk: i64,
    pub hold: i64,
    pub wrap_up: i64,
}

impl Call {
    /// What is wrong with the times and what goes with them, as field and problem.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut out = Vec::new();
        let mut require = |holds: bool, field, problem| {
            if !holds {
                out.push((field, problem));
            }
        };
        require(self.answered_at.is_none_or(|at| self.rang_at <= at), "answered_at", "must not lie before rang_at");
        let begun = self.answered_at.unwrap_or(self.rang_at);
        require(self.ended_at.is_none_or(|at| begun <= at), "ended_at", "must not lie before what came before it");
        require(self.ended_at.is_some() == self.outcome.is_some(), "outcome", "must be given with ended_at");
        let answered = self.outcome == Some(Outcome::Answered);
        require(
            self.outcome.is_none() || answered == self.answered_at.is_some(),
            "outcome",
            "must be answered if answered_at is given, and only then",
        );
        require(
            self.answered_at.is_none() || self.user.is_some(),
            "user_id",
            "must be given once the call is answered",
        );
        require(self.holds.is_empty() || self.answered_at.is_some(), "holds", "must not be given before the answer");
        let mut last = begun;
        for (place, hold) in self.holds.iter().enumerate() {
            let until = hold.resumed_at.or(if place + 1 == self.holds.len() { self.ended_at } else { None });
            let open = until.is_none() && place + 1 < self.holds.len();
            let fits = last <= hold.held_at && until.is_none_or(|at| hold.held_at <= at) && !open;
            require(fits, "holds", "must follow one another, each ended before the next");
            last = until.unwrap_or(hold.held_at);
        }
        require(self.ended_at.is_none_or(|at| last <= at), "holds", "must lie within the call");
        let wrapped = self.wrapped_up_at.is_none_or(|at| self.ended_at.is_some_and(|ended| ended <= at));
        require(wrapped, "wrapped_up_at", "must not lie before ended_at");
        out
    }

    /// Adds what another report knows. What was known stays; what contradicts it is refused.
    pub fn learn(&mut self, told: &Call) -> Result<(), Refusal> {
        fn one<T: PartialEq + Copy>(
            mine: &mut Option<T>,
            theirs: Option<T>,
            what: &'static str,
        ) -> Result<(), Refusal> {
            match (*mine, theirs) {
                (Some(known), Some(told)) if known != told => Err(Refusal::Contradicted(what)),
                (None, told) => {
                    *mine = told;
                    Ok(())
                }
                _ => Ok(()),
            }
        }
        let same = (self.direction, self.rang_at) == (told.direction, told.rang_at);
        if !same {
            return Err(Refusal::Contradicted("its beginning"));
        }
        if self.customer_number.is_empty() {
            self.customer_number.clone_from(&told.customer_number);
        } else if !told.customer_number.is_empty() && self.customer_number != told.customer_number {
            return Err(Refusal::Contradicted("the customer's number"));
        }
        one(&mut self.answered_at, told.answered_at, "answered_at")?;
        one(&mut self.ended_at, told.ended_at, "ended_at")?;
        one(&mut self.outcome, told.outcome, "outcome")?;
        one(&mut self.user, told.user, "user_id")?;
        one(&mut self.wrapped_up_at, told.wrapped_up_at, "wrapped_up_at")?;
        for (place, hold) in told.holds.iter().enumerate() {
            match self.holds.get_mut(place) {
                None => self.holds.push(*hold),
                Some(known) if known.held_at != hold.held_at => return Err(Refusal::Contradicted("holds")),
                Some(known) => one(&mut known.resumed_at, hold.resumed_at, "holds")?,
            }
        }
        Ok(())
    }

    /// Its seconds as far as they are over.
    pub fn seconds(&self) -> Seconds {
        let between = |from: Timestamp, to: Timestamp| (to.as_second() - from.as_second()).max(0);
        let wait = self.answered_at.or(self.ended_at).map_or(0, |at| between(self.rang_at, at));
        let hold = self
            .holds
            .iter()
            .filter_map(|hold| Some(between(hold.held_at, hold.resumed_at.or(self.ended_at)?)))
            .sum::<i64>();
        let talk = match (self.answered_at, self.ended_at) {
            (Some(from), Some(to)) => (between(from, to) - hold).max(0),
            _ => 0,
        };
        let wrap_up = self.ended_at.zip(self.wrapped_up_at).map_or(0, |(from, to)| between(from, to));
        Seconds { wait, talk, hold, wrap_up }
    }
}

/// A telephone number in E.164, as it is dialled in a country (ISO 3166-1) or from anywhere.
pub fn e164(number: &str, country: &str) -> Option<String> {
    let country = country.parse::<phonenumber::country::Id>().ok();
    let parsed = phonenumber::parse(country, number).ok()?;
    phonenumber::is_valid(&parsed).then(|| parsed.format().mode(phonenumber::Mode::E164).to_string())
}

/// The account of a service number, and the number in E.164.
pub fn line<'a>(settings: &'a Settings, number: &str) -> Option<(&'a Account, String)> {
    let lines = settings.accounts.iter().filter(|account| account.channel == "phone");
    lines
        .filter_map(|account| Some((account, e164(&account.address, &account.country)?)))
        .find(|(account, known)| e164(number, &account.country).as_ref() == Some(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Uuid;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn call() -> Call {
        Call {
            id: CallId(Uuid::from_u128(1)),
            ticket: TicketId(Uuid::from_u128(2)),
            external_id: Some("pbx-1".into()),
            account: ChannelAccountId(Uuid::from_u128(3)),
            service_number: "+390212345678".into(),
            customer_number: "+393331234567".into(),
            direction: Direction::Inbound,
            rang_at: at(0),
            answered_at: None,
            ended_at: None,
            holds: Vec::new(),
            user: None,
            outcome: None,
            wrapped_up_at: None,
            noted: false,
        }
    }

    fn whole() -> Call {
        Call {
            answered_at: Some(at(10)),
            user: Some(UserId(Uuid::from_u128(9))),
            holds: vec![Hold { held_at: at(20), resumed_at: Some(at(50)) }, Hold { held_at: at(90), resumed_at: None }],
            ended_at: Some(at(100)),
            outcome: Some(Outcome::Answered),
            wrapped_up_at: Some(at(130)),
            ..call()
        }
    }

    #[test]
    fn numbers_are_checked_and_written_one_way() {
        assert_eq!(e164("02 1234 5678", "IT").as_deref(), Some("+390212345678"));
        assert_eq!(e164("+44 20 7946 0958", "IT").as_deref(), Some("+442079460958"));
        assert_eq!(e164("0033 1 42 68 53 00", "IT").as_deref(), Some("+33142685300"));
        for bad in ["", "12", "+39", "hello", "+999 123456"] {
            assert_eq!(e164(bad, "IT"), None, "{bad}");
        }
        assert_eq!(e164("02 1234 5678", ""), None, "without a country only the whole number is one");
    }

    #[test]
    fn the_seconds_of_a_call_add_up() {
        assert!(whole().faults().is_empty(), "{:?}", whole().faults());
        assert_eq!(whole().seconds(), Seconds { wait: 10, talk: 50, hold: 40, wrap_up: 30 });
        let missed = Call { ended_at: Some(at(25)), outcome: Some(Outcome::Missed), ..call() };
        assert!(missed.faults().is_empty());
        assert_eq!(missed.seconds(), Seconds { wait: 25, ..Seconds::default() });
    }

    #[test]
    fn times_out_of_order_are_told() {
        let field = |call: Call| call.faults().first().map(|(field, _)| *field);
        assert_eq!(field(Call { answered_at: Some(at(-1)), ..whole() }), Some("answered_at"));
        assert_eq!(field(Call { ended_at: Some(at(5)), ..whole() }), Some("ended_at"));
        assert_eq!(field(Call { outcome: None, ..whole() }), Some("outcome"));
        assert_eq!(field(Call { outcome: Some(Outcome::Missed), ..whole() }), Some("outcome"));
        assert_eq!(field(Call { user: None, ..whole() }), Some("user_id"));
        assert_eq!(field(Call { wrapped_up_at: Some(at(99)), ..whole() }), Some("wrapped_up_at"));
        let overlapping = vec![
            Hold { held_at: at(20), resumed_at: Some(at(50)) },
            Hold { held_at: at(40), resumed_at: Some(at(60)) },
        ];
        assert_eq!(field(Call { holds: overlapping, ..whole() }), Some("holds"));
        let open = vec![Hold { held_at: at(20), resumed_at: None }, Hold { held_at: at(40), resumed_at: None }];
        assert_eq!(field(Call { holds: open, ..whole() }), Some("holds"));
        let late = vec![Hold { held_at: at(200), resumed_at: Some(at(201)) }];
        assert_eq!(field(Call { holds: late, ..whole() }), Some("holds"));
    }

    #[test]
    fn reports_add_up_in_any_number_and_never_contradict() {
        let mut known = call();
        let answered = Call { answered_at: whole().answered_at, user: whole().user, ..call() };
        for told in [&answered, &whole(), &answered, &call(), &whole()] {
            known.learn(told).unwrap();
        }
        assert!(known == whole());
        let otherwise = Call { answered_at: Some(at(11)), ..whole() };
        assert_eq!(known.learn(&otherwise), Err(Refusal::Contradicted("answered_at")));
        let somebody = Call { customer_number: "+393339999999".into(), ..call() };
        assert_eq!(known.learn(&somebody), Err(Refusal::Contradicted("the customer's number")));
    }
}
