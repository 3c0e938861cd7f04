//! Claims at marketplaces: cases of their own beside their ticket. A claim is opened by hand or by the marketplace's
//! notice, gathers what proves the seller's side, is answered, decided, perhaps appealed; its deadlines come from
//! the table of [`super::deadline`] or by hand.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::concession::Amount;
use super::deadline::{self, About, Deadline, Standing, TABLE, Wanted};
use super::dossier::{Act, Message, Ticket};
use super::ids::{AttachmentId, ClaimId, EvidenceId, MessageId, TicketId, UserId};
use super::intake::kind::MessageKind;
use super::intake::{Direction, relay};

/// Pieces of evidence of a claim.
pub const EVIDENCE_LIMIT: usize = 100;
/// So much of a notice is searched for words, in characters.
const LOOK_AT: usize = 8 * 1024;

/// What kind of claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Amazon's A-to-z Guarantee.
    AToZ,
    ItemNotReceived,
    NotAsDescribed,
    /// About a return or its refund.
    ReturnDispute,
    /// With the payment service.
    PaymentDispute,
    /// Through the customer's bank.
    Chargeback,
    /// The marketplace mediates.
    Mediation,
}

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::AToZ,
        Kind::ItemNotReceived,
        Kind::NotAsDescribed,
        Kind::ReturnDispute,
        Kind::PaymentDispute,
        Kind::Chargeback,
        Kind::Mediation,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::AToZ => "a_to_z",
            Kind::ItemNotReceived => "item_not_received",
            Kind::NotAsDescribed => "not_as_described",
            Kind::ReturnDispute => "return_dispute",
            Kind::PaymentDispute => "payment_dispute",
            Kind::Chargeback => "chargeback",
            Kind::Mediation => "mediation",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What the customer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Unknown,
    NotReceived,
    NotAsDescribed,
    /// She returned it, or wanted to, and has no money back.
    ReturnRefund,
    /// She says that she did not buy it.
    Unauthorized,
    Other,
}

impl Reason {
    pub const ALL: [Reason; 6] = [
        Reason::Unknown,
        Reason::NotReceived,
        Reason::NotAsDescribed,
        Reason::ReturnRefund,
        Reason::Unauthorized,
        Reason::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Unknown => "unknown",
            Reason::NotReceived => "not_received",
            Reason::NotAsDescribed => "not_as_described",
            Reason::ReturnRefund => "return_refund",
            Reason::Unauthorized => "unauthorized",
            Reason::Other => "other",
        }
    }

    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has begun.
    Opened,
    /// What proves our side is gathered.
    Gathering,
    /// Answered; the marketplace decides.
    Responded,
    Won,
    /// Decided for the customer; it may be appealed.
    Lost,
    /// The customer took it back.
    Withdrawn,
    /// The seller accepted it.
    Accepted,
    /// An appeal is being prepared, or one of the customer's is to be answered.
    Appealing,
    /// The appeal is with the marketplace.
    Appealed,
    /// Over for good.
    Closed,
}

impl State {
    pub const ALL: [State; 10] = [
        State::Opened,
        State::Gathering,
        State::Responded,
        State::Won,
        State::Lost,
        State::Withdrawn,
        State::Accepted,
        State::Appealing,
        State::Appealed,
        State::Closed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Opened => "opened",
            State::Gathering => "gathering",
            State::Responded => "responded",
            State::Won => "won",
            State::Lost => "lost",
            State::Withdrawn => "withdrawn",
            State::Accepted => "accepted",
            State::Appealing => "appealing",
            State::Appealed => "appealed",
            State::Closed => "closed",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether something is still to be decided.
    pub fn is_active(self) -> bool {
        matches!(self, State::Opened | State::Gathering | State::Responded | State::Appealing | State::Appealed)
    }
}

/// What happens to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Somebody begins to gather.
    Begin,
    /// The answer was sent to the marketplace.
    Respond,
    /// The marketplace asks for more.
    AskMore,
    Win,
    Lose,
    /// The seller accepts it and refunds.
    Accept,
    Withdraw,
    PrepareAppeal,
    /// The appeal was sent.
    Appeal,
    /// The marketplace, or the customer by an appeal of hers, takes it up again.
    Reopen,
    Close,
}

impl Step {
    pub const ALL: [Step; 11] = [
        Step::Begin,
        Step::Respond,
        Step::AskMore,
        Step::Win,
        Step::Lose,
        Step::Accept,
        Step::Withdraw,
        Step::PrepareAppeal,
        Step::Appeal,
        Step::Reopen,
        Step::Close,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Step::Begin => "begin",
            Step::Respond => "respond",
            Step::AskMore => "ask_more",
            Step::Win => "win",
            Step::Lose => "lose",
            Step::Accept => "accept",
            Step::Withdraw => "withdraw",
            Step::PrepareAppeal => "prepare_appeal",
            Step::Appeal => "appeal",
            Step::Reopen => "reopen",
            Step::Close => "close",
        }
    }

    pub fn named(name: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The state after a step; None where it is refused. This is the published transition table.
pub fn next(state: State, step: Step) -> Option<State> {
    use State::*;
    let to = match step {
        Step::Begin if state == Opened => Gathering,
        Step::Respond if matches!(state, Opened | Gathering) => Responded,
        Step::AskMore if state == Responded => Gathering,
        Step::AskMore if state == Appealed => Appealing,
        Step::Win if state.is_active() => Won,
        Step::Lose if state.is_active() => Lost,
        Step::Accept if matches!(state, Opened | Gathering | Responded | Appealing) => Accepted,
        Step::Withdraw if state.is_active() => Withdrawn,
        Step::PrepareAppeal if state == Lost => Appealing,
        Step::Appeal if matches!(state, Lost | Appealing) => Appealed,
        Step::Reopen if !state.is_active() => Appealing,
        Step::Close if matches!(state, Won | Lost | Withdrawn | Accepted) => Closed,
        _ => return None,
    };
    Some(to)
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub id: ClaimId,
    pub ticket: TicketId,
    pub marketplace: String,
    /// Of the site; empty while unknown.
    pub country: String,
    pub kind: Kind,
    pub reason: Reason,
    /// Empty while unknown.
    pub order_id: String,
    /// The marketplace's own number; empty while unknown.
    pub external_id: String,
    pub amount: Option<Amount>,
    pub state: State,
    /// Appeals sent.
    pub appeals: i32,
    pub opened_at: Timestamp,
    /// From a notice of the marketplace.
    pub noticed: bool,
    /// The marketplace wrote after somebody last did something.
    pub has_news: bool,
    pub ended_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub event_count: i32,
    pub version: i64,
}

/// Something that proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub id: EvidenceId,
    pub item: String,
    pub note: String,
    pub link: String,
    pub attachment: Option<AttachmentId>,
    pub added_at: Timestamp,
    pub added_by: Option<UserId>,
}

/// What happened to a claim or a return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub sequence: i32,
    pub at: Timestamp,
    /// The step, or `notice`, `evidence_added`, `evidence_removed`, `deadline_set`, `changed`.
    pub step: String,
    /// The state after it, by name.
    pub state: String,
    pub detail: String,
    pub user: Option<UserId>,
    pub message: Option<MessageId>,
}

/// A claim, its deadlines and evidence, and what is new.
#[derive(Debug, Clone)]
pub struct File {
    pub claim: Claim,
    pub deadlines: Vec<Deadline>,
    pub evidence: Vec<Evidence>,
    pub new_events: Vec<Event>,
}

/// A notice of a marketplace about a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub ticket: TicketId,
    pub message: MessageId,
    pub marketplace: String,
    pub country: String,
    pub order_id: String,
    pub kind: Kind,
    pub reason: Reason,
    /// It says the kind itself; else the kind is the marketplace's usual one.
    pub is_plain: bool,
    /// It tells of a decision.
    pub decided: bool,
    pub at: Timestamp,
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the claim is {}; this needs another state", .0.name())]
    State(State),
    #[error("what an answer must prove is missing: {}", .0.join(", "))]
    EvidenceMissing(Vec<String>),
    #[error("only somebody who leads may send an answer without what it must prove")]
    MayNotWaive,
    #[error("a claim has at most {EVIDENCE_LIMIT} pieces of evidence")]
    TooMuchEvidence,
    #[error("the claim has no deadline of this kind now")]
    NoSuchDeadline,
    #[error("the claim is known already")]
    Known(ClaimId),
}

/// Who waives missing evidence, and why.
#[derive(Debug, Clone, Copy)]
pub struct Waiver<'a> {
    /// Empty for none.
    pub reason: &'a str,
    pub leads: bool,
}

/// What rules look at beside the claim.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub seller_country: &'a str,
    pub zone: &'a TimeZone,
}

impl File {
    /// A claim that begins now; its answer's deadline as the table says, or as the notice says.
    pub fn open(
        claim: Claim,
        ground: Ground<'_>,
        due_at: Option<Timestamp>,
        act: Act,
        message: Option<MessageId>,
    ) -> File {
        let mut file = File { claim, deadlines: Vec::new(), evidence: Vec::new(), new_events: Vec::new() };
        let from = file.claim.opened_at;
        match due_at {
            Some(due) => {
                let of = deadline::by_hand(deadline::Kind::Respond, 1, from, due, act.user, "as the notice says");
                file.deadlines.push(of);
            }
            None => file.start(deadline::Kind::Respond, ground, from),
        }
        let step = if message.is_some() { "notice" } else { "open" };
        file.note(act, step, "", message);
        file
    }

    /// A step that somebody takes.
    pub fn advance(
        &mut self,
        act: Act,
        step: Step,
        ground: Ground<'_>,
        waiver: Waiver<'_>,
        note: &str,
    ) -> Result<(), Refusal> {
        let before = self.claim.state;
        let state = next(before, step).ok_or(Refusal::State(before))?;
        let mut detail = note.to_owned();
        if matches!(step, Step::Respond | Step::Appeal) {
            let missing = self.missing();
            if !missing.is_empty() {
                match waiver {
                    Waiver { reason: "", .. } => return Err(Refusal::EvidenceMissing(missing)),
                    Waiver { leads: false, .. } => return Err(Refusal::MayNotWaive),
                    Waiver { reason, .. } => detail = format!("without {}: {reason}. {note}", missing.join(", ")),
                }
            }
        }
        self.claim.state = state;
        self.claim.has_news = false;
        self.claim.ended_at = (!state.is_active()).then_some(act.at);
        match step {
            Step::Begin | Step::PrepareAppeal => {}
            Step::Respond => self.done(&[deadline::Kind::Respond, deadline::Kind::Inform], act.at),
            Step::Appeal => {
                self.done(&[deadline::Kind::Appeal, deadline::Kind::Inform], act.at);
                self.claim.appeals += 1;
            }
            Step::AskMore | Step::Reopen => self.start(deadline::Kind::Inform, ground, act.at),
            Step::Lose => {
                self.void(act.at);
                if self.claim.appeals == 0 {
                    self.start(deadline::Kind::Appeal, ground, act.at);
                }
            }
            Step::Win | Step::Accept | Step::Withdraw | Step::Close => self.void(act.at),
        }
        self.note(act, step.name(), detail.trim(), None);
        Ok(())
    }

    /// The marketplace wrote of it again. What was over is taken up again, unless the notice tells of a decision.
    pub fn noticed(&mut self, notice: &Notice, ground: Ground<'_>) {
        let act = Act { user: None, at: notice.at };
        self.claim.has_news = true;
        if self.claim.order_id.is_empty() {
            self.claim.order_id.clone_from(&notice.order_id);
        }
        if self.claim.reason == Reason::Unknown {
            self.claim.reason = notice.reason;
        }
        if !notice.decided
            && let Some(state) = next(self.claim.state, Step::Reopen)
        {
            self.claim.state = state;
            self.claim.ended_at = None;
            let appeal = self.deadlines.iter().any(|of| of.kind == deadline::Kind::Appeal && of.is_open());
            if !appeal {
                self.start(deadline::Kind::Inform, ground, notice.at);
            }
        }
        self.note(act, "notice", if notice.decided { "decided" } else { "" }, Some(notice.message));
    }

    /// Enters a deadline from a notice, in the place of the one of its kind that runs.
    pub fn set_deadline(
        &mut self,
        act: Act,
        kind: deadline::Kind,
        due_at: Timestamp,
        note: &str,
    ) -> Result<(), Refusal> {
        let fits = match kind {
            deadline::Kind::Respond | deadline::Kind::Inform => self.claim.state.is_active(),
            deadline::Kind::Appeal => matches!(self.claim.state, State::Lost | State::Appealing),
            _ => return Err(Refusal::NoSuchDeadline),
        };
        if !fits {
            return Err(Refusal::State(self.claim.state));
        }
        let open = self.deadlines.iter_mut().find(|of| of.kind == kind && of.is_open());
        match open {
            Some(open) => {
                let moved = deadline::by_hand(kind, open.round, open.started_at.min(act.at), due_at, act.user, note);
                *open = Deadline { warned: open.warned.min(99), ..moved };
            }
            None => {
                let round = self.round(kind);
                self.deadlines.push(deadline::by_hand(kind, round, act.at, due_at, act.user, note));
            }
        }
        self.note(act, "deadline_set", &format!("{} {due_at} {note}", kind.name()), None);
        Ok(())
    }

    /// Adds a piece of evidence.
    pub fn prove(&mut self, act: Act, evidence: Evidence) -> Result<(), Refusal> {
        self.must_take_evidence()?;
        if EVIDENCE_LIMIT <= self.evidence.len() {
            return Err(Refusal::TooMuchEvidence);
        }
        self.note(act, "evidence_added", &evidence.item, None);
        self.evidence.push(evidence);
        Ok(())
    }

    /// Takes a piece of evidence away; whether it was there.
    pub fn take_back(&mut self, act: Act, id: EvidenceId) -> Result<bool, Refusal> {
        self.must_take_evidence()?;
        let Some(place) = self.evidence.iter().position(|evidence| evidence.id == id) else { return Ok(false) };
        let gone = self.evidence.remove(place);
        self.note(act, "evidence_removed", &gone.item, None);
        Ok(true)
    }

    /// A claim that may still be answered or appealed.
    fn must_take_evidence(&self) -> Result<(), Refusal> {
        match self.claim.state {
            state if state.is_active() || state == State::Lost => Ok(()),
            state => Err(Refusal::State(state)),
        }
    }

    /// Notes what somebody changed of what is known of it.
    pub fn changed(&mut self, act: Act, detail: &str) {
        self.claim.has_news = false;
        self.note(act, "changed", detail, None);
    }

    /// What an answer must and may prove.
    pub fn checklist(&self) -> Vec<Wanted> {
        TABLE.checklist(&self.claim.marketplace, self.claim.kind.name(), self.claim.reason.name())
    }

    /// What an answer must prove and nothing proves.
    pub fn missing(&self) -> Vec<String> {
        let filled = |key: &str| self.evidence.iter().any(|evidence| evidence.item == key);
        let wanted = self.checklist().into_iter().filter(|item| item.required && !filled(item.key));
        wanted.map(|item| item.key.to_owned()).collect()
    }

    /// The earliest deadline that runs.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.deadlines.iter().filter(|of| asks(of)).map(|of| of.due_at).min()
    }

    fn start(&mut self, kind: deadline::Kind, ground: Ground<'_>, from: Timestamp) {
        let about = About {
            marketplace: &self.claim.marketplace,
            claim: self.claim.kind.name(),
            reason: "",
            country: &self.claim.country,
            seller_country: ground.seller_country,
            zone: ground.zone,
        };
        let set = TABLE.rule(kind, &about, from).and_then(|rule| TABLE.set(rule, self.round(kind), &about, from));
        self.deadlines.extend(set);
    }

    fn round(&self, kind: deadline::Kind) -> i32 {
        self.deadlines.iter().filter(|of| of.kind == kind).map(|of| of.round).max().unwrap_or(0) + 1
    }

    fn done(&mut self, kinds: &[deadline::Kind], at: Timestamp) {
        self.deadlines.iter_mut().filter(|of| kinds.contains(&of.kind)).for_each(|of| of.done(at));
    }

    fn void(&mut self, at: Timestamp) {
        self.deadlines.iter_mut().for_each(|of| of.void(at));
    }

    fn note(&mut self, act: Act, step: &str, detail: &str, message: Option<MessageId>) {
        self.claim.event_count += 1;
        self.claim.updated_at = act.at;
        self.new_events.push(Event {
            sequence: self.claim.event_count,
            at: act.at,
            step: step.to_owned(),
            state: self.claim.state.name().to_owned(),
            detail: super::intake::storable(detail, 2_000),
            user: act.user,
            message,
        });
    }
}

/// What a message tells of a claim: a notice of the marketplace itself, known by its sender and not by what anybody
/// may write.
pub fn notice_in(message: &Message, ticket: &Ticket) -> Option<Notice> {
    let matter = &message.matter;
    let is_claim = matter.kind == Some(MessageKind::Claim) && message.direction == Direction::Inbound;
    if !is_claim || matter.marketplace.is_empty() {
        return None;
    }
    // What is no mail was handed in by the marketplace's own account.
    let is_its_own = match matter.verified {
        Some(verified) => verified && relay::is_notice(&matter.marketplace, &message.author_address),
        None => message.channel == "marketplace",
    };
    if !is_its_own {
        return None;
    }
    let beginning: String = message.text.chars().take(LOOK_AT).collect();
    let said = format!("{}\n{beginning}", message.subject);
    let (kind, reason, is_plain) = TABLE.told(&matter.marketplace, &said);
    Some(Notice {
        ticket: ticket.id,
        message: message.id,
        marketplace: matter.marketplace.clone(),
        country: matter.country.clone(),
        order_id: message.order_id.clone().unwrap_or_default(),
        kind: Kind::named(kind)?,
        reason: Reason::named(reason)?,
        is_plain,
        decided: TABLE.is_decided(&said),
        at: message.occurred_at,
    })
}

/// Whether a deadline may be entered: in the future, and not farther than anybody plans.
pub fn may_be_due(now: Timestamp, due_at: Timestamp) -> bool {
    now < due_at && due_at.duration_since(now) <= SignedDuration::from_secs(deadline::FARTHEST)
}

/// Whether a deadline asks for something of somebody.
pub fn asks(of: &Deadline) -> bool {
    of.is_open() && matches!(of.standing, Standing::Running | Standing::Missed)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
