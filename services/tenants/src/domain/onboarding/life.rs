//! A seller's life: draft, onboarding, live, suspended, offboarding, erased.
//!
//! Every step takes its evidence by value, and evidence can only be made from
//! facts: a [`Kickoff`] from a profile with a primary contact, a [`Green`]
//! from a checklist without open items, an [`ErasureProof`] from an erasure
//! that every service has answered. A transition without evidence does not
//! compile; one in the wrong state is refused.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::checklist::Green;
use super::erasure::ErasureProof;
use super::profile::Profile;

/// Where a seller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Draft,
    Onboarding,
    Live,
    Suspended,
    Offboarding,
    Erased,
}

impl State {
    /// All states in the order of a life.
    pub const ALL: [State; 6] =
        [State::Draft, State::Onboarding, State::Live, State::Suspended, State::Offboarding, State::Erased];

    /// The word in rows and events.
    pub fn word(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Onboarding => "onboarding",
            State::Live => "live",
            State::Suspended => "suspended",
            State::Offboarding => "offboarding",
            State::Erased => "erased",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.word() == word)
    }

    /// Whether the seller's own data may still be changed.
    pub fn can_change(self) -> bool {
        self != State::Erased
    }
}

/// What moves a seller, with the evidence that it may.
#[derive(Clone, Debug)]
pub enum Step {
    /// Draft to onboarding.
    Start(Kickoff),
    /// Onboarding to live.
    GoLive(Green),
    /// Live to suspended.
    Suspend(Reason),
    /// Suspended to live.
    Resume(Green, Reason),
    /// Anything before erased to offboarding.
    Leave(Reason, Date),
    /// Offboarding to suspended; only while nothing has been asked to erase.
    Stay(Reason, NothingErased),
    /// Offboarding to erased.
    Erase(ErasureProof),
}

/// A change of state that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    pub from: State,
    pub to: State,
    pub reason: String,
    /// What proved it, as lines for people.
    pub evidence: Vec<String>,
}

/// Why a seller does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a seller that is {} cannot {verb}", state.word())]
    WrongState { state: State, verb: &'static str },
    #[error("not yet: {}", missing.join("; "))]
    EvidenceMissing { missing: Vec<String> },
    #[error("an erasure was requested: there is no way back")]
    ErasureRequested,
    #[error("the seller is erased: nothing can be written about it")]
    Erased,
}

/// Decides a step.
pub fn step(state: State, step: Step) -> Result<Transition, Refusal> {
    let verb = step.verb();
    let to = match (state, &step) {
        (State::Draft, Step::Start(_)) => State::Onboarding,
        (State::Onboarding, Step::GoLive(_)) => State::Live,
        (State::Live, Step::Suspend(_)) => State::Suspended,
        (State::Suspended, Step::Resume(..)) => State::Live,
        (State::Draft | State::Onboarding | State::Live | State::Suspended, Step::Leave(..)) => State::Offboarding,
        (State::Offboarding, Step::Stay(..)) => State::Suspended,
        (State::Offboarding, Step::Erase(_)) => State::Erased,
        _ => return Err(Refusal::WrongState { state, verb }),
    };
    let (reason, evidence) = step.told();
    Ok(Transition { from: state, to, reason, evidence })
}

/// Whether anything of a seller may still be written.
pub fn may_change(state: State, erasing: bool) -> Result<(), Refusal> {
    if !state.can_change() {
        return Err(Refusal::Erased);
    }
    if erasing { Err(Refusal::ErasureRequested) } else { Ok(()) }
}

/// Says that a state forbids a step, before its evidence is gathered.
pub fn admits(state: State, verb: Verb) -> Result<(), Refusal> {
    let fits = match verb {
        Verb::Start => state == State::Draft,
        Verb::GoLive => state == State::Onboarding,
        Verb::Suspend => state == State::Live,
        Verb::Resume => state == State::Suspended,
        Verb::Leave => !matches!(state, State::Offboarding | State::Erased),
        Verb::Stay | Verb::Erase => state == State::Offboarding,
    };
    if fits { Ok(()) } else { Err(Refusal::WrongState { state, verb: verb.word() }) }
}

/// The name of a step without its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Start,
    GoLive,
    Suspend,
    Resume,
    Leave,
    Stay,
    Erase,
}

impl Verb {
    /// For messages: "a live seller cannot ...".
    pub fn word(self) -> &'static str {
        match self {
            Verb::Start => "begin onboarding",
            Verb::GoLive => "go live",
            Verb::Suspend => "be suspended",
            Verb::Resume => "be resumed",
            Verb::Leave => "begin offboarding",
            Verb::Stay => "cancel its offboarding",
            Verb::Erase => "be erased",
        }
    }
}

impl Step {
    fn verb(&self) -> &'static str {
        match self {
            Step::Start(_) => Verb::Start,
            Step::GoLive(_) => Verb::GoLive,
            Step::Suspend(_) => Verb::Suspend,
            Step::Resume(..) => Verb::Resume,
            Step::Leave(..) => Verb::Leave,
            Step::Stay(..) => Verb::Stay,
            Step::Erase(_) => Verb::Erase,
        }
        .word()
    }

    fn told(self) -> (String, Vec<String>) {
        match self {
            Step::Start(kickoff) => ("onboarding begins".to_owned(), kickoff.0),
            Step::GoLive(green) => ("the checklist is done".to_owned(), green.lines()),
            Step::Suspend(reason) => (reason.0, vec!["reason given".to_owned()]),
            Step::Resume(green, reason) => (reason.0, green.lines()),
            Step::Leave(reason, last) => (reason.0, vec![format!("the contract ends on {last}")]),
            Step::Stay(reason, _) => (reason.0, vec!["no erasure was requested".to_owned()]),
            Step::Erase(proof) => ("everything was erased".to_owned(), proof.lines()),
        }
    }
}

/// Proof that there is enough to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kickoff(Vec<String>);

impl Kickoff {
    /// Demands a name, a seat, a zone, a currency and somebody to talk to.
    pub fn from_facts(profile: &Profile, primary_contact: Option<&str>) -> Result<Kickoff, Refusal> {
        let mut missing = Vec::new();
        for (value, what) in [
            (&profile.name, "name"),
            (&profile.legal.country, "country of the legal entity"),
            (&profile.time_zone, "time zone"),
            (&profile.currency, "currency"),
        ] {
            if value.is_empty() {
                missing.push(what.to_owned());
            }
        }
        match primary_contact {
            Some(contact) if missing.is_empty() => Ok(Kickoff(vec![
                format!("primary contact: {contact}"),
                "name, seat, zone and currency are known".into(),
            ])),
            Some(_) => Err(Refusal::EvidenceMissing { missing }),
            None => {
                missing.push("a contact with the role primary".to_owned());
                Err(Refusal::EvidenceMissing { missing })
            }
        }
    }
}

/// A reason in a person's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// 1 to 500 characters.
    pub fn new(text: &str) -> Option<Reason> {
        let text = text.trim();
        (1..=500).contains(&text.chars().count()).then(|| Reason(text.to_owned()))
    }
}

/// Proof that no erasure has been requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingErased(());

impl NothingErased {
    /// From the number of erasures of the seller.
    pub fn from_count(erasures: i64) -> Result<NothingErased, Refusal> {
        if erasures == 0 { Ok(NothingErased(())) } else { Err(Refusal::ErasureRequested) }
    }
}

#[cfg(test)]
mod tests;
