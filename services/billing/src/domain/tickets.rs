//! What happened to the tickets behind contacts: solved, reopened, joined into one
//! another, tagged. Facts may arrive in any order and more than once; what they add
//! up to depends on their places in the tickets' histories alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// Where a ticket turned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    Solved,
    Reopened,
    /// Into another, which goes on for both.
    Merged(String),
    /// By another, which ended.
    Joined(String),
    Tagged(String),
    Untagged(String),
}

impl Turn {
    /// Its stored name.
    pub fn name(&self) -> &'static str {
        match self {
            Turn::Solved => "solved",
            Turn::Reopened => "reopened",
            Turn::Merged(_) => "merged",
            Turn::Joined(_) => "joined",
            Turn::Tagged(_) => "tagged",
            Turn::Untagged(_) => "untagged",
        }
    }

    /// What its name leaves out: the other ticket, or the tag.
    pub fn detail(&self) -> &str {
        match self {
            Turn::Solved | Turn::Reopened => "",
            Turn::Merged(detail) | Turn::Joined(detail) | Turn::Tagged(detail) | Turn::Untagged(detail) => detail,
        }
    }

    /// Reads a stored name with its detail.
    pub fn parse(name: &str, detail: &str) -> Option<Turn> {
        let known = [
            Turn::Solved,
            Turn::Reopened,
            Turn::Merged(detail.into()),
            Turn::Joined(detail.into()),
            Turn::Tagged(detail.into()),
            Turn::Untagged(detail.into()),
        ];
        known.into_iter().find(|turn| turn.name() == name)
    }
}

/// One turn of one ticket. Ordered by ticket and place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub ticket: String,
    /// Place in the ticket's history.
    pub sequence: i64,
    pub turn: Turn,
    pub at: Timestamp,
    /// Imported history.
    pub historical: bool,
}

/// The key of the usage event that stands for a solved ticket.
pub fn solve_key(ticket: &str, sequence: i64) -> String {
    format!("solved/{ticket}/{sequence}")
}

/// The tickets that are known of, each with its turns in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tickets(BTreeMap<String, BTreeSet<Fact>>);

impl Tickets {
    /// Facts in any order; one that is given twice counts once.
    pub fn of(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut tickets = Self::default();
        for fact in facts {
            tickets.0.entry(fact.ticket.clone()).or_default().insert(fact);
        }
        tickets
    }

    /// Adds facts.
    pub fn extend(&mut self, more: Tickets) {
        for (ticket, facts) in more.0 {
            self.0.entry(ticket).or_default().extend(facts);
        }
    }

    fn facts(&self, ticket: &str) -> impl Iterator<Item = &Fact> {
        self.0.get(ticket).into_iter().flatten()
    }

    /// Tickets that some ticket was joined into or by.
    pub fn others(&self) -> BTreeSet<&str> {
        let other = |fact: &'_ Fact| matches!(fact.turn, Turn::Merged(_) | Turn::Joined(_));
        self.0.values().flatten().filter(|f| other(f)).map(|f| f.turn.detail()).collect()
    }

    /// Whether a ticket was joined into another.
    pub fn is_merged(&self, ticket: &str) -> bool {
        self.facts(ticket).any(|fact| matches!(fact.turn, Turn::Merged(_)))
    }

    /// The ticket that goes on for this one: where it was joined into, and that one too.
    pub fn root<'a>(&'a self, ticket: &'a str) -> &'a str {
        let mut at = ticket;
        // A chain is never longer than the tickets there are.
        for _ in 0..self.0.len() {
            let into = self.facts(at).find_map(|fact| match &fact.turn {
                Turn::Merged(into) => Some(into.as_str()),
                _ => None,
            });
            match into {
                Some(into) => at = into,
                None => break,
            }
        }
        at
    }

    /// Whether a ticket carries one of some tags now.
    pub fn carries(&self, ticket: &str, tags: &[String]) -> bool {
        let mut carried: BTreeSet<&str> = BTreeSet::new();
        for fact in self.facts(ticket) {
            match &fact.turn {
                Turn::Tagged(tag) => {
                    carried.insert(tag);
                }
                Turn::Untagged(tag) => {
                    carried.remove(tag.as_str());
                }
                _ => {}
            }
        }
        tags.iter().any(|tag| carried.contains(tag.as_str()))
    }

    /// Whether a ticket was reopened after one instant and not after another.
    pub fn reopened_between(&self, ticket: &str, after: Timestamp, until: Timestamp) -> bool {
        self.facts(ticket).any(|fact| fact.turn == Turn::Reopened && after < fact.at && fact.at <= until)
    }

    /// Every solve, with the reopening that followed it if one did; in order of tickets and places.
    pub fn solves(&self) -> impl Iterator<Item = (&Fact, Option<Timestamp>)> {
        self.0.values().flat_map(|facts| {
            facts.iter().filter(|fact| fact.turn == Turn::Solved).map(|solve| {
                let next = facts.iter().find(|f| f.turn == Turn::Reopened && solve.sequence < f.sequence);
                (solve, next.map(|fact| fact.at))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(ticket: &str, sequence: i64, turn: Turn) -> Fact {
        let at = Timestamp::from_second(1_714_557_600 + sequence * 60).unwrap();
        Fact { ticket: ticket.into(), sequence, turn, at, historical: false }
    }

    #[test]
    fn a_chain_of_merges_ends_at_the_ticket_that_goes_on() {
        let merged = |ticket: &str, into: &str| fact(ticket, 5, Turn::Merged(into.into()));
        let tickets = Tickets::of([merged("b", "c"), merged("a", "b")]);
        assert_eq!((tickets.root("a"), tickets.root("c"), tickets.root("z")), ("c", "c", "z"));
        assert!(tickets.is_merged("a") && !tickets.is_merged("c"));
        // What cannot be is no reason to walk in a circle.
        let circle = Tickets::of([merged("a", "b"), merged("b", "a")]);
        assert!(["a", "b"].contains(&circle.root("a")));
    }

    #[test]
    fn the_last_word_about_a_tag_holds_whatever_order_it_came_in() {
        let (tagged, untagged) =
            (fact("a", 2, Turn::Tagged("spam".into())), fact("a", 3, Turn::Untagged("spam".into())));
        let spam = ["spam".to_string()];
        for order in [[&tagged, &untagged], [&untagged, &tagged]] {
            assert!(!Tickets::of(order.map(Fact::clone)).carries("a", &spam));
        }
        assert!(Tickets::of([tagged]).carries("a", &spam));
    }

    #[test]
    fn every_turn_is_read_back_as_it_was_written() {
        let turns = [Turn::Solved, Turn::Reopened, Turn::Merged("x".into()), Turn::Joined("x".into())];
        for turn in turns.into_iter().chain([Turn::Tagged("x".into()), Turn::Untagged("x".into())]) {
            assert_eq!(Turn::parse(turn.name(), turn.detail()), Some(turn));
        }
        assert_eq!(Turn::parse("vanished", ""), None);
    }
}
