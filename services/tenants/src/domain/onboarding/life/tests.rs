//! Every state with every step, and random lives.

use super::super::checklist::derive;
use super::super::checklist::tests::{complete_facts, now};
use super::super::erasure::tests::finished;
use super::*;
use proptest::prelude::*;

fn reason() -> Reason {
    Reason::new("because").expect("a reason")
}

fn any_step(n: u8) -> (Verb, Step) {
    let green = || derive(&complete_facts(), now()).green().expect("green");
    match n % 7 {
        0 => (Verb::Start, Step::Start(Kickoff::from_facts(&complete_facts().profile, Some("Ada")).expect("kickoff"))),
        1 => (Verb::GoLive, Step::GoLive(green())),
        2 => (Verb::Suspend, Step::Suspend(reason())),
        3 => (Verb::Resume, Step::Resume(green(), reason())),
        4 => (Verb::Leave, Step::Leave(reason(), jiff::civil::date(2026, 12, 31))),
        5 => (Verb::Stay, Step::Stay(reason(), NothingErased::from_count(0).expect("none"))),
        _ => (Verb::Erase, Step::Erase(finished().proof().expect("proof"))),
    }
}

#[test]
fn the_whole_table_of_transitions() {
    use State::*;
    let allowed = [
        (Draft, 0, Onboarding),
        (Onboarding, 1, Live),
        (Live, 2, Suspended),
        (Suspended, 3, Live),
        (Draft, 4, Offboarding),
        (Onboarding, 4, Offboarding),
        (Live, 4, Offboarding),
        (Suspended, 4, Offboarding),
        (Offboarding, 5, Suspended),
        (Offboarding, 6, Erased),
    ];
    for state in State::ALL {
        for n in 0..7u8 {
            let wanted = allowed.iter().find(|(from, verb, _)| *from == state && *verb == n).map(|(_, _, to)| *to);
            let (verb, with) = any_step(n);
            let got = step(state, with);
            assert_eq!(got.as_ref().ok().map(|t| t.to), wanted, "{state:?} {verb:?}");
            assert_eq!(admits(state, verb).is_ok(), wanted.is_some(), "{state:?} {verb:?}");
            if let Ok(transition) = got {
                assert!(!transition.evidence.is_empty(), "{state:?} {verb:?} without evidence");
                assert!(!transition.reason.is_empty());
            }
        }
    }
}

#[test]
fn a_kickoff_names_everything_that_lacks() {
    let Err(Refusal::EvidenceMissing { missing }) = Kickoff::from_facts(&Profile::default(), None) else {
        panic!("an empty profile is no kickoff");
    };
    assert_eq!(missing.len(), 5);
}

#[test]
fn words_come_back() {
    for state in State::ALL {
        assert_eq!(State::from_word(state.word()), Some(state));
    }
    assert_eq!(State::from_word("Live"), None);
}

proptest! {
    #[test]
    fn any_walk_is_a_life(steps in proptest::collection::vec(0u8..7, 0..40)) {
        let mut state = State::Draft;
        let mut was_onboarding = false;
        for n in steps {
            if let Ok(t) = step(state, any_step(n).1) {
                prop_assert_eq!(t.from, state);
                prop_assert!(!t.evidence.is_empty());
                // Nobody is live who was neither onboarded nor live before.
                if t.to == State::Live { prop_assert!(was_onboarding || state == State::Suspended); }
                was_onboarding |= t.to == State::Onboarding;
                state = t.to;
            }
            if state == State::Erased { break; }
        }
        if state == State::Erased {
            for n in 0..7u8 { prop_assert!(step(state, any_step(n).1).is_err()); }
        }
    }
}
