//! The way from open to approved, by hand and at random.

use super::super::template::tests::template;
use super::*;
use kit::ids::Uuid;
use proptest::prelude::*;

const SELLER: UserId = UserId(Uuid::from_u128(1));
const STAFF: UserId = UserId(Uuid::from_u128(2));

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn fresh() -> Questionnaire {
    Questionnaire {
        template: template(),
        languages: vec!["it".into(), "de".into()],
        submitted: false,
        answers: BTreeMap::new(),
    }
}

fn slot(key: &str, language: &str) -> Slot {
    (key.to_owned(), language.to_owned())
}

fn given(key: &str, language: &str, text: &str) -> Given {
    Given { slot: slot(key, language), text: text.into() }
}

fn all_given() -> Vec<Given> {
    vec![
        given("time", "it", "2 giorni"),
        given("time", "de", "2 Tage"),
        given("shop", "und", "yes"),
        given("carrier", "und", "a"),
    ]
}

#[test]
fn the_way_from_open_to_approved_makes_articles() {
    let mut q = fresh();
    assert_eq!(q.progress(), Progress { required: 4, total: 4, ..Progress::default() });
    assert!(matches!(q.submit(), Err(Refusal::AnswersMissing { missing }) if missing.len() == 4));
    assert_eq!(q.review(&[], true, STAFF, now()), Err(Refusal::NotSubmitted));
    q.answer(&all_given(), SELLER, now()).expect("answers");
    q.submit().expect("complete");
    assert_eq!(q.state(), State::Submitted);
    let sent_back = Review { slot: slot("time", "de"), approve: false, comment: "too short".into() };
    let (_, knowledge) = q.review(&[sent_back], true, STAFF, now()).expect("review");
    assert_eq!(knowledge.len(), 3);
    assert_eq!(q.state(), State::Open);
    q.answer(&[given("time", "de", "Zwei bis drei Tage")], SELLER, now()).expect("answer");
    q.submit().expect("complete");
    let (_, knowledge) = q.review(&[], true, STAFF, now()).expect("review");
    assert_eq!(
        knowledge,
        [Knowledge { slot: slot("time", "de"), title: "time? de".into(), body: "Zwei bis drei Tage".into() }]
    );
    assert_eq!(q.state(), State::Approved);
    // A new language opens it again, and a new answer asks for a new review.
    q.answer(&[given("time", "it", "3 giorni")], SELLER, now()).expect("answer");
    assert_eq!(q.state(), State::Submitted);
}

#[test]
fn nobody_reviews_her_own_answer() {
    let mut q = fresh();
    q.answer(&all_given(), STAFF, now()).expect("answers");
    q.submit().expect("complete");
    let before = q.answers.clone();
    assert!(matches!(q.review(&[], true, STAFF, now()), Err(Refusal::FourEyes { slots }) if slots.len() == 4));
    assert_eq!(q.answers, before);
}

#[test]
fn a_flawed_answer_keeps_all_from_being_taken() {
    let mut q = fresh();
    for bad in [
        given("weather", "it", "sun"),
        given("time", "fr", "2 jours"),
        given("time", "und", "2"),
        given("shop", "it", "yes"),
        given("shop", "und", "maybe"),
        given("carrier", "und", "c"),
    ] {
        let mut batch = all_given();
        batch.retain(|g| g.slot != bad.slot);
        batch.push(bad);
        assert!(matches!(q.answer(&batch, SELLER, now()), Err(Refusal::Invalid(p)) if p.len() == 1));
        assert!(q.answers.is_empty());
    }
}

#[test]
fn a_new_version_keeps_answers_to_unchanged_questions() {
    let mut q = fresh();
    q.answer(&all_given(), SELLER, now()).expect("answers");
    let mut next = template();
    next.questions[1].texts.insert("it".into(), "something else?".into());
    next.questions.remove(2);
    let dropped = q.moved_to(next, vec!["it".into(), "de".into()]);
    assert_eq!(dropped, [slot("carrier", "und"), slot("shop", "und")]);
    assert_eq!(q.answers.len(), 2);
}

#[test]
fn the_same_answer_again_changes_nothing() {
    let mut q = fresh();
    assert_eq!(q.answer(&all_given(), SELLER, now()).map(|c| c.len()), Ok(4));
    assert_eq!(q.answer(&all_given(), STAFF, now()).map(|c| c.len()), Ok(0));
    assert_eq!(q.answer(&[given("shop", "und", "")], SELLER, now()).map(|c| c.len()), Ok(1));
    assert_eq!(q.progress().answered, 3);
}

#[derive(Clone, Debug)]
enum Op {
    Answer(usize, bool, u8),
    Submit,
    Review(usize, bool),
    Rest,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0usize..4, any::<bool>(), 0u8..3).prop_map(|(n, staff, text)| Op::Answer(n, staff, text)),
        Just(Op::Submit),
        (0usize..4, any::<bool>()).prop_map(|(n, approve)| Op::Review(n, approve)),
        Just(Op::Rest),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_approved_means_approved_by_somebody_else(ops in proptest::collection::vec(op(), 0..60)) {
        let mut q = fresh();
        for op in ops {
            match op {
                Op::Answer(n, staff, text) => {
                    let mut one = all_given().swap_remove(n);
                    match text { 0 => one.text.clear(), 1 if n < 2 => one.text.push('!'), _ => {} }
                    q.answer(&[one], if staff { STAFF } else { SELLER }, now()).expect("valid");
                }
                Op::Submit => { let _ = q.submit(); }
                Op::Review(n, approve) => {
                    let review = Review { slot: all_given()[n].slot.clone(), approve, comment: "why".into() };
                    let _ = q.review(&[review], false, STAFF, now());
                }
                Op::Rest => { let _ = q.review(&[], true, STAFF, now()); }
            }
            let p = q.progress();
            prop_assert!(p.approved <= p.answered && p.answered + p.sent_back <= p.total);
            prop_assert!(p.required_approved <= p.required_answered && p.required_answered <= p.required);
            for answer in q.answers.values() {
                prop_assert_eq!(answer.state == AnswerState::Answered, answer.reviewer.is_none());
                prop_assert_ne!(answer.reviewer, Some(answer.author));
            }
            if q.state() == State::Approved {
                prop_assert!(q.slots().iter().all(|(s, required)| !required || q.answers[s].state == AnswerState::Approved));
            }
        }
    }
}
