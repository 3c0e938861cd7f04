//! A session and its refresh tokens. A session has one living generation; using
//! it makes the next one. The token of an older generation is a replay: either
//! the answer got lost and the very same call is repeated (same request id,
//! shortly after), which gets the same answer, or somebody else has the token,
//! which ends the session (RFC 9700 §4.14.2).

use jiff::{SignedDuration, Timestamp};
use kit::UserId;

use super::ids::SessionId;
use super::refusal::Refusal;

/// The bounds of a session.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// A session ends this long after it was opened, used or not.
    pub lives: SignedDuration,
    /// A session ends after so long without use.
    pub idles: SignedDuration,
    /// How long a repeated exchange gets the same answer.
    pub grace: SignedDuration,
}

/// 30 days, 7 days without use, 30 seconds of grace.
pub const POLICY: Policy = Policy {
    lives: SignedDuration::from_hours(30 * 24),
    idles: SignedDuration::from_hours(7 * 24),
    grace: SignedDuration::from_secs(30),
};

/// How a session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedWith {
    Password,
    Oidc,
    Link,
}

impl OpenedWith {
    /// The name in rows and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            OpenedWith::Password => "password",
            OpenedWith::Oidc => "oidc",
            OpenedWith::Link => "link",
        }
    }

    /// The way of a name.
    pub fn parse(name: &str) -> Option<OpenedWith> {
        [OpenedWith::Password, OpenedWith::Oidc, OpenedWith::Link].into_iter().find(|w| w.as_str() == name)
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    SignedOut,
    Revoked,
    PasswordChanged,
    Reused,
}

impl Ending {
    /// The name in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::SignedOut => "signed_out",
            Ending::Revoked => "revoked",
            Ending::PasswordChanged => "password_changed",
            Ending::Reused => "reused",
        }
    }
}

/// Somewhere a user is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub opened_with: OpenedWith,
    pub client: String,
    pub opened_at: Timestamp,
    /// The living generation, from 1.
    pub generation: u32,
    /// When the living generation was made.
    pub rotated_at: Timestamp,
    /// The request that made it; empty if the client gave none.
    pub rotated_by: String,
    pub ended_at: Option<Timestamp>,
}

/// What to do with a presented refresh token (known to be authentic).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Make the next generation.
    Next(Session),
    /// Answer as before: the living generation again.
    Again,
    /// Refuse and end the session.
    End(Ending),
}

impl Session {
    /// A new session with its first generation.
    pub fn open(
        id: SessionId,
        user: UserId,
        opened_with: OpenedWith,
        client: String,
        request_id: String,
        now: Timestamp,
    ) -> Session {
        Session {
            id,
            user,
            opened_with,
            client,
            opened_at: now,
            generation: 1,
            rotated_at: now,
            rotated_by: request_id,
            ended_at: None,
        }
    }

    /// When it ends if it is not used until then.
    pub fn expires_at(&self, policy: &Policy) -> Timestamp {
        (self.rotated_at + policy.idles).min(self.opened_at + policy.lives)
    }

    /// Whether it is open.
    pub fn is_open(&self, now: Timestamp, policy: &Policy) -> bool {
        self.ended_at.is_none() && now < self.expires_at(policy)
    }

    /// Decides what a refresh token of some generation, presented now with a
    /// request id, brings.
    pub fn present(&self, generation: u32, request_id: &str, now: Timestamp, policy: &Policy) -> Result<Turn, Refusal> {
        if !self.is_open(now, policy) {
            return Err(Refusal::SessionEnded);
        }
        if generation == self.generation {
            return Ok(Turn::Next(Session {
                generation: self.generation.checked_add(1).ok_or(Refusal::SessionEnded)?,
                rotated_at: self.rotated_at.max(now),
                rotated_by: request_id.to_owned(),
                ..self.clone()
            }));
        }
        if generation.checked_add(1) == Some(self.generation) && self.is_repetition(request_id, now, policy) {
            return Ok(Turn::Again);
        }
        Ok(Turn::End(Ending::Reused))
    }

    /// Whether a repeated sign-in with the same request id gets this session again.
    pub fn repeats_opening(&self, request_id: &str, now: Timestamp, policy: &Policy) -> bool {
        self.generation == 1 && self.is_open(now, policy) && self.is_repetition(request_id, now, policy)
    }

    fn is_repetition(&self, request_id: &str, now: Timestamp, policy: &Policy) -> bool {
        !request_id.is_empty() && request_id == self.rotated_by && now.duration_since(self.rotated_at) <= policy.grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::ids::Uuid;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn opened() -> Session {
        let user = UserId(Uuid::from_u128(2));
        Session::open(SessionId(Uuid::from_u128(1)), user, OpenedWith::Password, String::new(), "login".into(), at(0))
    }

    fn next(session: &Session, generation: u32, request: &str, second: i64) -> Session {
        match session.present(generation, request, at(second), &POLICY) {
            Ok(Turn::Next(session)) => session,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lost_answer_is_given_again_for_a_while() {
        let session = next(&opened(), 1, "a", 10);
        assert_eq!(session.present(1, "a", at(40), &POLICY), Ok(Turn::Again));
        assert_eq!(session.present(1, "a", at(41), &POLICY), Ok(Turn::End(Ending::Reused)));
        assert_eq!(session.present(1, "b", at(11), &POLICY), Ok(Turn::End(Ending::Reused)));
        assert_eq!(session.present(1, "", at(11), &POLICY), Ok(Turn::End(Ending::Reused)));
    }

    #[test]
    fn an_older_or_a_future_generation_ends_the_session() {
        let session = next(&next(&opened(), 1, "a", 10), 2, "b", 20);
        for generation in [0, 1, 4, u32::MAX] {
            assert_eq!(session.present(generation, "a", at(21), &POLICY), Ok(Turn::End(Ending::Reused)));
        }
    }

    #[test]
    fn a_session_ends_by_itself() {
        let week = 7 * 24 * 3_600;
        let session = opened();
        assert!(session.present(1, "a", at(week - 1), &POLICY).is_ok());
        assert_eq!(session.present(1, "a", at(week), &POLICY), Err(Refusal::SessionEnded));
        let mut session = session;
        for step in 1..5 {
            session = next(&session, step, "r", i64::from(step) * 6 * 24 * 3_600);
        }
        assert_eq!(session.present(5, "r", at(30 * 24 * 3_600), &POLICY), Err(Refusal::SessionEnded));
        let ended = Session { ended_at: Some(at(1)), ..opened() };
        assert_eq!(ended.present(1, "a", at(2), &POLICY), Err(Refusal::SessionEnded));
    }

    #[test]
    fn a_repeated_sign_in_gets_its_session_again() {
        let session = opened();
        assert!(session.repeats_opening("login", at(30), &POLICY));
        assert!(!session.repeats_opening("login", at(31), &POLICY));
        assert!(!session.repeats_opening("other", at(1), &POLICY));
        assert!(!next(&session, 1, "a", 1).repeats_opening("a", at(2), &POLICY));
    }

    /// One move of the client or of a thief who copied some token.
    #[derive(Clone, Debug)]
    enum Move {
        Refresh,
        Retry,
        Steal,
        UseStolen,
        Wait(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            4 => Just(Move::Refresh),
            2 => Just(Move::Retry),
            1 => Just(Move::Steal),
            1 => Just(Move::UseStolen),
            3 => (0i64..100).prop_map(Move::Wait),
        ];
        proptest::collection::vec(one, 1..60)
    }

    proptest! {
        /// Whoever moves and however, (1) each generation has at most one
        /// successor, made by one request; (2) while the session lives, only one of
        /// thief and client holds a living token; (3) dead stays dead; (4) an honest
        /// client who retries in time never loses it.
        #[test]
        fn a_stolen_token_cannot_be_used_beside_the_client(moves in moves()) {
            let mut session = opened();
            let (mut now, mut request) = (0i64, 0u32);
            let mut client = (1u32, None::<(u32, String, i64)>);
            let mut stolen: Option<u32> = None;
            let mut thief_holds: Option<u32> = None;
            let mut makers: HashMap<u32, String> = HashMap::new();
            let mut theft_used = false;
            for step in moves {
                let (generation, id, by_thief) = match step {
                    Move::Wait(seconds) => { now += seconds; continue; }
                    Move::Steal => { stolen = Some(client.0); continue; }
                    Move::Refresh => { request += 1; (client.0, format!("c{request}"), false) }
                    Move::Retry => match &client.1 {
                        Some((generation, id, when)) if now - when <= 30 => (*generation, id.clone(), false),
                        _ => continue,
                    },
                    Move::UseStolen => match thief_holds.or(stolen) {
                        Some(generation) => { request += 1; theft_used = true; (generation, format!("t{request}"), true) }
                        None => continue,
                    },
                };
                let was_dead = session.ended_at.is_some();
                match session.present(generation, &id, at(now), &POLICY) {
                    Ok(Turn::Next(next)) => {
                        prop_assert!(!was_dead);
                        prop_assert_eq!(next.generation, generation + 1);
                        prop_assert!(makers.insert(next.generation, id.clone()).is_none());
                        if by_thief { thief_holds = Some(next.generation) } else { client = (next.generation, Some((generation, id, now))) }
                        session = next;
                    }
                    Ok(Turn::Again) => {
                        prop_assert!(!was_dead && !by_thief);
                        prop_assert_eq!(makers.get(&session.generation), Some(&id));
                    }
                    Ok(Turn::End(_)) => {
                        prop_assert!(theft_used, "an honest client lost its session");
                        session.ended_at = Some(at(now));
                    }
                    Err(_) => prop_assert!(was_dead),
                }
                if let Some(thief) = thief_holds {
                    prop_assert!(session.ended_at.is_some() || ((thief == session.generation) != (client.0 == session.generation)));
                }
            }
        }
    }
}
