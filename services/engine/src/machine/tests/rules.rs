//! Contacts that wait while the rules for skills change.

use std::collections::BTreeSet;

use crate::contact::ContactState;
use crate::machine::{Decision, Event, Kind, Rule};
use crate::needs::{Channel, Level};
use crate::policy::Policy;
use crate::skills::{Ruled, SkillRule};
use crate::testing::*;

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A policy whose returns ask for a skill; for none at all where there is no word.
fn returns(version: i64, skill: &str) -> Event {
    let rule = SkillRule { kinds: set(&["return"]), required: set(&[skill]), ..SkillRule::default() };
    let skill_rules = if skill.is_empty() { vec![] } else { vec![rule] };
    Event::Policy(seller(1), Policy { version, skill_rules, ..Policy::default() })
}

/// Two agents, of whom the second knows about returns, and rules that ask for nothing.
fn desk() -> Desk {
    let mut desk = Desk::with_seller();
    desk.ok(returns(1, ""));
    desk.hire(profile(1, &[1], &[("it", Level::Native)]));
    let mut skilled = profile(2, &[1], &[("it", Level::Native)]);
    skilled.skills = set(&["returns", "jewellery"]);
    desk.hire(skilled);
    desk
}

fn handed_in(desk: &Desk, n: u16, kind: &str) -> crate::contact::NewContact {
    let mut new = arriving(n, 1, Channel::Email, "it", desk.now);
    new.needs.ruled = Some(Ruled { kind: kind.to_owned(), ..Ruled::default() });
    new
}

fn told(desk: &Desk, n: u16) -> Vec<&Decision> {
    let of = |decision: &&Decision| decision.contact == contact(n) && decision.kind == Kind::Reprioritised;
    desk.decisions.iter().filter(of).collect()
}

#[test]
fn what_waits_is_matched_by_the_rules_of_now_once_and_says_why() {
    let mut desk = desk();
    desk.enqueue(handed_in(&desk, 1, "return"));
    desk.enqueue(handed_in(&desk, 2, "question"));
    desk.mail(3, "it");
    desk.ok(returns(2, "returns"));
    let required = |desk: &Desk, n: u16| desk.contacts[&contact(n)].needs.required.clone();
    assert_eq!([1, 2, 3].map(|n| required(&desk, n)), [set(&["returns"]), set(&[]), set(&[])]);
    let why = told(&desk, 1);
    assert_eq!(why.len(), 1);
    assert_eq!((why[0].rule, why[0].policy, &*why[0].reason), (Rule::Needs, 2, "the policy asks for other skills"));
    assert!(told(&desk, 2).is_empty() && told(&desk, 3).is_empty());
    // who lacks the skill takes the others, who has it this one
    desk.online(1);
    assert_eq!(desk.offered_to(2), Some(agent(1)));
    desk.online(2);
    assert_eq!(desk.offered_to(1), Some(agent(2)));
    // the same rules in another version change nothing
    desk.ok(returns(3, "returns"));
    assert_eq!(told(&desk, 1).len(), 1);
    let made = desk.decisions.clone();
    let replayed = desk.journal().into_iter().flat_map(|(page, rounds)| page.open().replay(rounds).decisions);
    assert_eq!(replayed.collect::<Vec<_>>(), made, "and a replay says the same");
}

#[test]
fn an_offer_to_who_lacks_what_the_rules_ask_by_now_is_taken_back() {
    let mut desk = desk();
    desk.online(1);
    desk.enqueue(handed_in(&desk, 1, "return"));
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    desk.ok(returns(2, "returns"));
    assert_eq!(desk.state(1), ContactState::Queued);
    desk.ok(returns(3, ""));
    assert_eq!(desk.offered_to(1), Some(agent(1)));
    desk.accept(1);
    desk.ok(returns(4, "returns"));
    assert_eq!(desk.state(1), ContactState::Assigned, "whoever owns it goes on");
    desk.ok(Event::Transfer { contact: contact(1), to: None, owner: None, version: None });
    desk.online(2);
    assert_eq!(desk.offered_to(1), Some(agent(2)));
}

#[test]
fn rules_that_changed_while_nobody_led_hold_as_well() {
    let mut desk = desk();
    desk.enqueue(handed_in(&desk, 1, "return"));
    let Event::Policy(of, policy) = returns(2, "returns") else { panic!() };
    desk.policies.insert(of, policy);
    desk.take_over();
    assert_eq!(desk.contacts[&contact(1)].needs.required, set(&["returns"]));
    assert_eq!(told(&desk, 1).len(), 1);
    desk.take_over();
    assert_eq!(told(&desk, 1).len(), 1, "once");
}

#[test]
fn a_ticket_that_is_something_else_by_now_is_matched_by_the_rules_again() {
    let mut desk = desk();
    desk.ok(returns(2, "returns"));
    desk.enqueue(handed_in(&desk, 1, "question"));
    desk.ok(Event::Amend(Box::new(handed_in(&desk, 1, "claim"))));
    assert!(told(&desk, 1).is_empty(), "no rule looks at that");
    // what was told before the engine knew the policy of now is asked by that
    let mut stale = handed_in(&desk, 1, "return");
    stale.needs.required = set(&["jewellery"]);
    desk.ok(Event::Amend(Box::new(stale)));
    assert_eq!(desk.contacts[&contact(1)].needs.required, set(&["returns"]));
    assert_eq!(told(&desk, 1).len(), 1);
    assert_eq!(&*told(&desk, 1)[0].reason, "the ticket changed");
}
