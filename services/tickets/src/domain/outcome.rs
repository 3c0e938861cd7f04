//! How a ticket came out: when it was first solved, after how many answers, and whether it was opened again.
//! Read from its history, like the clocks.

use super::ticket::{Fact, Kind};

/// Seconds within which a ticket that is opened again was not solved on first contact. Definitions in use differ
/// (Freshdesk counts whatever was solved by the first answer, others look 3 to 7 days ahead); a week also
/// holds the weekend after a parcel was promised.
pub const FIRST_CONTACT_SECONDS: f64 = 7.0 * 24.0 * 3_600.0;

/// What became of a ticket that a customer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Seconds since 1970, like the others.
    pub first_solved_at: Option<i64>,
    /// Answers by people until then; so far, where it was not solved yet.
    pub answers: i32,
    pub first_reopened_at: Option<i64>,
    /// How often it was open again.
    pub reopened: i32,
}

/// Reads it; None for a ticket in which no customer wrote. A ticket that was joined into another was not
/// solved by that.
pub fn read(facts: &[Fact]) -> Option<Outcome> {
    facts.iter().find(|fact| fact.kind == Kind::CustomerWrote && !fact.automatic)?;
    let mut out = Outcome::default();
    let mut was_done = false;
    for fact in facts.iter().filter(|fact| !fact.kind.is_past()) {
        let is_done = fact.state.is_done();
        if out.first_solved_at.is_none() && fact.kind == Kind::Answered && !fact.automatic {
            out.answers += 1;
        }
        if is_done && !was_done && fact.kind != Kind::Merged && out.first_solved_at.is_none() {
            out.first_solved_at = Some(fact.at);
        }
        if was_done && !is_done && out.first_solved_at.is_some() {
            out.first_reopened_at.get_or_insert(fact.at);
            out.reopened += 1;
        }
        was_done = is_done;
    }
    Some(out)
}

/// Whether entries of a history, after what was before them, changed how the ticket came out, or what it is about.
pub fn is_touched(facts: &[Fact], new: usize) -> bool {
    let first = facts.len().saturating_sub(new);
    let mut was_done = first.checked_sub(1).is_some_and(|last| facts[last].state.is_done());
    facts[first..].iter().any(|fact| {
        let turned = fact.state.is_done() != was_done;
        was_done = fact.state.is_done();
        turned || matches!(fact.kind, Kind::CustomerWrote | Kind::Answered) && !fact.automatic
    })
}

/// When the newest of these entries solved the ticket, if one did and none after it opened it again.
pub fn solved_now(facts: &[Fact], new: usize) -> Option<i64> {
    let first = facts.len().saturating_sub(new);
    let mut was_done = first.checked_sub(1).is_some_and(|last| facts[last].state.is_done());
    let mut solved = None;
    for fact in &facts[first..] {
        match (was_done, fact.state.is_done()) {
            (false, true) if fact.kind != Kind::Merged => solved = Some(fact.at),
            (true, false) => solved = None,
            _ => {}
        }
        was_done = fact.state.is_done();
    }
    solved
}

/// Whether a tag says that somebody complained.
pub fn is_complaint(tag: &str) -> bool {
    matches!(tag, "complaint" | "negative-review") || tag.starts_with("complaint-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ticket::State;

    fn history(entries: &[(i64, Kind, State)]) -> Vec<Fact> {
        let fact = |(sequence, (at, kind, state)): (i64, &(i64, Kind, State))| Fact {
            sequence,
            at: *at,
            kind: *kind,
            state: *state,
            automatic: false,
            since: None,
        };
        (1..).zip(entries).map(fact).collect()
    }

    #[test]
    fn a_ticket_tells_when_it_was_solved_after_how_many_answers_and_whether_it_came_back() {
        use Kind::*;
        let facts = history(&[
            (10, CustomerWrote, State::New),
            (20, Answered, State::PendingCustomer),
            (30, CustomerWrote, State::Open),
            (40, Answered, State::Solved),
            (50, CustomerWrote, State::Open),
            (60, Answered, State::Solved),
            (70, Closed, State::Closed),
        ]);
        let outcome = read(&facts).unwrap();
        let want = Outcome { first_solved_at: Some(40), answers: 2, first_reopened_at: Some(50), reopened: 1 };
        assert_eq!(outcome, want);
        assert_eq!(solved_now(&facts[..4], 1), Some(40));
        assert_eq!(solved_now(&facts[..5], 2), None, "opened again at once");
        assert_eq!(solved_now(&facts, 1), None, "closing what is solved solves nothing");
        assert!(is_touched(&facts[..4], 1) && !is_touched(&facts, 1));
    }

    #[test]
    fn what_no_customer_wrote_and_what_was_joined_count_for_nothing() {
        assert_eq!(read(&history(&[(1, Kind::Answered, State::Solved)])), None);
        let joined = history(&[(1, Kind::CustomerWrote, State::New), (2, Kind::Merged, State::Closed)]);
        assert_eq!(read(&joined).unwrap().first_solved_at, None);
        assert_eq!(solved_now(&joined, 1), None);
        let mut machine = history(&[(1, Kind::CustomerWrote, State::New), (2, Kind::Answered, State::New)]);
        machine[1].automatic = true;
        assert_eq!(read(&machine).unwrap().answers, 0);
        machine[0].automatic = true;
        assert_eq!(read(&machine), None);
    }

    #[test]
    fn some_tags_say_that_somebody_complained() {
        assert!(is_complaint("complaint") && is_complaint("complaint-late") && is_complaint("negative-review"));
        assert!(!is_complaint("complaints") && !is_complaint("late"));
    }
}
