//! The keys that sign access tokens, and when they change. A key is published
//! before it signs, so that every verifier has fetched it, and stays published
//! until the last token it signed has expired; so a change loses no session.

use jiff::{SignedDuration, Timestamp};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Published, does not sign yet.
    Next,
    /// Signs. At most one does.
    Active,
    /// Published, signs no more.
    Retiring,
}

impl State {
    /// The name in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Next => "next",
            State::Active => "active",
            State::Retiring => "retiring",
        }
    }

    /// The state of a name.
    pub fn parse(name: &str) -> Option<State> {
        [State::Next, State::Active, State::Retiring].into_iter().find(|s| s.as_str() == name)
    }
}

/// What the schedule needs to know of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub kid: String,
    pub state: State,
    /// When it came into this state.
    pub since: Timestamp,
}

/// The bounds of the schedule.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long a key signs.
    pub sign_for: SignedDuration,
    /// How long a key is published before it signs; longer than any verifier
    /// keeps a fetched set.
    pub publish_ahead: SignedDuration,
    /// How long a key stays published after it signed; longer than any token
    /// lives, leeway included.
    pub keep_after: SignedDuration,
}

/// A key signs for 30 days, is published a day ahead, and kept two hours after.
pub const POLICY: Policy = Policy {
    sign_for: SignedDuration::from_hours(30 * 24),
    publish_ahead: SignedDuration::from_hours(24),
    keep_after: SignedDuration::from_hours(2),
};

/// One change to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a new key in this state.
    Create(State),
    /// Let the key sign (any active one retires before).
    Activate(String),
    /// Let the key sign no more.
    Retire(String),
    /// Forget the key.
    Drop(String),
}

/// What is to be done now, in order.
pub fn due(keys: &[Key], now: Timestamp, policy: &Policy) -> Vec<Step> {
    let mut steps = Vec::new();
    let of = |state| keys.iter().filter(move |key| key.state == state).min_by_key(|key| key.since);
    let age = |key: &Key| now.duration_since(key.since);
    match (of(State::Active), of(State::Next)) {
        (None, Some(next)) => steps.push(Step::Activate(next.kid.clone())),
        (None, None) => steps.push(Step::Create(State::Active)),
        (Some(active), Some(next)) if age(active) >= policy.sign_for && age(next) >= policy.publish_ahead => {
            steps.push(Step::Retire(active.kid.clone()));
            steps.push(Step::Activate(next.kid.clone()));
        }
        (Some(active), None) if age(active) >= policy.sign_for - policy.publish_ahead => {
            steps.push(Step::Create(State::Next));
        }
        (Some(_), _) => {}
    }
    for key in keys.iter().filter(|key| key.state == State::Retiring && age(key) >= policy.keep_after) {
        steps.push(Step::Drop(key.kid.clone()));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn apply(keys: &mut Vec<Key>, steps: Vec<Step>, now: Timestamp, made: &mut u32) {
        for step in steps {
            match step {
                Step::Create(state) => {
                    *made += 1;
                    keys.push(Key { kid: format!("k{made}"), state, since: now });
                }
                Step::Activate(kid) => change(keys, &kid, State::Active, now),
                Step::Retire(kid) => change(keys, &kid, State::Retiring, now),
                Step::Drop(kid) => keys.retain(|key| key.kid != kid),
            }
        }
    }

    fn change(keys: &mut [Key], kid: &str, state: State, now: Timestamp) {
        let key = keys.iter_mut().find(|key| key.kid == kid).unwrap();
        (key.state, key.since) = (state, now);
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(due(&[], at(0), &POLICY), vec![Step::Create(State::Active)]);
    }

    proptest! {
        /// However irregularly the schedule is looked at, there is exactly one
        /// signing key, a verifier that fetched the set less than `publish_ahead`
        /// ago knows it, every living token can be verified, and old keys go.
        #[test]
        fn no_change_loses_a_token(gaps in proptest::collection::vec(1i64..200_000, 1..200), life in 60i64..7_000) {
            let mut keys = Vec::new();
            let (mut made, mut now) = (0, 0);
            let mut published: Vec<(i64, Vec<String>)> = Vec::new();
            let mut tokens: Vec<(String, i64)> = Vec::new();
            for gap in gaps {
                now += gap;
                let steps = due(&keys, at(now), &POLICY);
                apply(&mut keys, steps, at(now), &mut made);
                let active: Vec<_> = keys.iter().filter(|key| key.state == State::Active).collect();
                prop_assert_eq!(active.len(), 1);
                prop_assert!(keys.len() <= 3);
                let signing = active[0].kid.clone();
                for (when, set) in &published {
                    if now - when < POLICY.publish_ahead.as_secs() {
                        prop_assert!(set.contains(&signing), "a verifier's set is missing {signing}");
                    }
                }
                let set: Vec<String> = keys.iter().map(|key| key.kid.clone()).collect();
                tokens.retain(|(_, until)| *until > now);
                prop_assert!(tokens.iter().all(|(kid, _)| set.contains(kid)));
                tokens.push((signing, now + life));
                published.push((now, set));
            }
        }
    }
}
