//! Goods that come back: asked for, approved or refused, on their way, received, looked at, and then refunded or
//! exchanged. The deadlines come from the table of [`super::deadline`]: the law's for a withdrawal, the
//! marketplace's own, or by hand.

use jiff::Timestamp;

use super::claim::{Event, Ground};
use super::deadline::{self, About, Deadline, Kind, Standing, Starts, TABLE};
use super::dossier::Act;
use super::ids::{ConcessionId, ReturnId, TicketId};

/// Why the goods come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The customer withdraws from the contract.
    Withdrawal,
    Defective,
    WrongItem,
    NotAsDescribed,
    /// As the marketplace lets her.
    MarketplacePolicy,
    Other,
}

impl Reason {
    pub const ALL: [Reason; 6] = [
        Reason::Withdrawal,
        Reason::Defective,
        Reason::WrongItem,
        Reason::NotAsDescribed,
        Reason::MarketplacePolicy,
        Reason::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Withdrawal => "withdrawal",
            Reason::Defective => "defective",
            Reason::WrongItem => "wrong_item",
            Reason::NotAsDescribed => "not_as_described",
            Reason::MarketplacePolicy => "marketplace_policy",
            Reason::Other => "other",
        }
    }

    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Where a return stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Requested,
    Approved,
    LabelSent,
    /// The customer proved that she sent them back.
    Shipped,
    Received,
    Inspected,
    Refunded,
    Exchanged,
    Refused,
    /// Over without any of it, or over for good.
    Closed,
}

impl State {
    pub const ALL: [State; 10] = [
        State::Requested,
        State::Approved,
        State::LabelSent,
        State::Shipped,
        State::Received,
        State::Inspected,
        State::Refunded,
        State::Exchanged,
        State::Refused,
        State::Closed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Requested => "requested",
            State::Approved => "approved",
            State::LabelSent => "label_sent",
            State::Shipped => "shipped",
            State::Received => "received",
            State::Inspected => "inspected",
            State::Refunded => "refunded",
            State::Exchanged => "exchanged",
            State::Refused => "refused",
            State::Closed => "closed",
        }
    }

    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether something is still to be done.
    pub fn is_active(self) -> bool {
        !matches!(self, State::Refunded | State::Exchanged | State::Refused | State::Closed)
    }
}

/// What happens to a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Approve,
    Refuse,
    SendLabel,
    /// The customer sent them, with proof.
    Ship,
    Receive,
    Inspect,
    Refund,
    Exchange,
    /// The customer keeps them.
    Cancel,
    Close,
}

impl Step {
    pub const ALL: [Step; 10] = [
        Step::Approve,
        Step::Refuse,
        Step::SendLabel,
        Step::Ship,
        Step::Receive,
        Step::Inspect,
        Step::Refund,
        Step::Exchange,
        Step::Cancel,
        Step::Close,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Step::Approve => "approve",
            Step::Refuse => "refuse",
            Step::SendLabel => "send_label",
            Step::Ship => "ship",
            Step::Receive => "receive",
            Step::Inspect => "inspect",
            Step::Refund => "refund",
            Step::Exchange => "exchange",
            Step::Cancel => "cancel",
            Step::Close => "close",
        }
    }

    pub fn named(name: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// How a return ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Refunded,
    Exchanged,
    Refused,
    Cancelled,
}

impl Outcome {
    pub const ALL: [Outcome; 4] = [Outcome::Refunded, Outcome::Exchanged, Outcome::Refused, Outcome::Cancelled];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Refunded => "refunded",
            Outcome::Exchanged => "exchanged",
            Outcome::Refused => "refused",
            Outcome::Cancelled => "cancelled",
        }
    }

    pub fn named(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The state after a step; None where it is refused. This is the published transition table.
pub fn next(state: State, step: Step) -> Option<State> {
    use State::*;
    let to = match step {
        Step::Approve if state == Requested => Approved,
        Step::Refuse if matches!(state, Requested | Received | Inspected) => Refused,
        Step::SendLabel if state == Approved => LabelSent,
        Step::Ship if matches!(state, Requested | Approved | LabelSent) => Shipped,
        Step::Receive if matches!(state, Requested | Approved | LabelSent | Shipped) => Received,
        Step::Inspect if state == Received => Inspected,
        // A refund may come before the goods do.
        Step::Refund if state.is_active() && state != Requested => Refunded,
        Step::Exchange if state.is_active() && state != Requested => Exchanged,
        Step::Cancel if matches!(state, Requested | Approved | LabelSent) => Closed,
        Step::Close if matches!(state, Refunded | Exchanged | Refused) => Closed,
        _ => return None,
    };
    Some(to)
}

/// A return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    pub id: ReturnId,
    pub ticket: TicketId,
    pub marketplace: String,
    /// Of the customer's site; empty while unknown.
    pub country: String,
    pub order_id: String,
    pub reason: Reason,
    /// What comes back, in words.
    pub items: String,
    pub quantity: i32,
    pub state: State,
    /// When the customer asked or withdrew.
    pub declared_at: Timestamp,
    /// When the goods had come to her; None where nobody knows.
    pub delivered_at: Option<Timestamp>,
    /// Whether she asked in time, where a rule and the delivery are known.
    pub in_time: Option<bool>,
    pub shipped_back_at: Option<Timestamp>,
    pub received_at: Option<Timestamp>,
    /// Of the way back.
    pub tracking: String,
    pub outcome: Option<Outcome>,
    /// The refund that was granted.
    pub concession: Option<ConcessionId>,
    pub ended_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub event_count: i32,
    pub version: i64,
}

/// A return, its deadlines, and what is new.
#[derive(Debug, Clone)]
pub struct File {
    pub goods: Return,
    pub deadlines: Vec<Deadline>,
    pub new_events: Vec<Event>,
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the return is {}; this needs another state", .0.name())]
    State(State),
    #[error("a refund needs a granted concession of the ticket")]
    NotGranted,
    #[error("the return has no deadline of this kind")]
    NoSuchDeadline,
    #[error("nothing is sent or received before it was asked for, nor in the future")]
    BadMoment,
}

/// What a step brings along.
#[derive(Debug, Clone, Default)]
pub struct Brought<'a> {
    pub note: &'a str,
    pub tracking: &'a str,
    /// When it happened, where that is not now.
    pub at: Option<Timestamp>,
    /// A refund that was granted on the ticket.
    pub concession: Option<ConcessionId>,
}

impl File {
    /// A return that is asked for.
    pub fn request(goods: Return, ground: Ground<'_>, act: Act) -> File {
        let (mut deadlines, mut in_time) = (Vec::new(), None);
        let about = about(&goods, ground);
        if let Some(delivered) = goods.delivered_at
            && let Some(rule) = TABLE.rule(Kind::SendBack, &about, delivered)
            && let Some(mut window) = TABLE.set(rule, 1, &about, delivered)
        {
            // What counts is when she said so.
            window.done(goods.declared_at);
            in_time = Some(window.standing == Standing::Met);
            deadlines.push(window);
        }
        let from = goods.declared_at;
        let set = |kind: Kind| {
            TABLE.rule(kind, &about, from).and_then(|rule| Some((rule, TABLE.set(rule, 1, &about, from)?)))
        };
        deadlines.extend(set(Kind::Decide).map(|(_, deadline)| deadline));
        if let Some((rule, refund)) = set(Kind::Refund)
            && rule.starts == Starts::Declared
        {
            // The money may wait for the goods, or the proof that they are on their way.
            deadlines.push(Deadline { standing: Standing::PutOff, ..refund });
        }
        let mut file = File { goods: Return { in_time, ..goods }, deadlines, new_events: Vec::new() };
        file.note(act, "request", "");
        file
    }

    /// A step that somebody takes.
    pub fn advance(&mut self, act: Act, step: Step, ground: Ground<'_>, brought: &Brought<'_>) -> Result<(), Refusal> {
        let state = next(self.goods.state, step).ok_or(Refusal::State(self.goods.state))?;
        let at = brought.at.unwrap_or(act.at);
        if at < self.goods.declared_at || act.at < at {
            return Err(Refusal::BadMoment);
        }
        if step == Step::Refund {
            self.goods.concession = Some(brought.concession.ok_or(Refusal::NotGranted)?);
        }
        self.goods.state = state;
        if !brought.tracking.is_empty() {
            self.goods.tracking = brought.tracking.to_owned();
        }
        match step {
            Step::Approve => self.done(Kind::Decide, act.at),
            Step::SendLabel | Step::Inspect | Step::Close => {}
            Step::Refuse => self.end(act.at, Outcome::Refused),
            Step::Ship => {
                self.goods.shipped_back_at = Some(at);
                self.done(Kind::Decide, act.at);
                self.goods_came(ground, at);
            }
            Step::Receive => {
                self.goods.received_at = Some(at);
                self.done(Kind::Decide, act.at);
                self.goods_came(ground, at);
            }
            Step::Refund => {
                self.done(Kind::Refund, at);
                self.end(act.at, Outcome::Refunded);
            }
            Step::Exchange => self.end(act.at, Outcome::Exchanged),
            Step::Cancel => self.end(act.at, Outcome::Cancelled),
        }
        self.note(act, step.name(), brought.note);
        Ok(())
    }

    /// Enters a deadline by hand, in the place of the one of its kind.
    pub fn set_deadline(&mut self, act: Act, kind: Kind, due_at: Timestamp, note: &str) -> Result<(), Refusal> {
        if !matches!(kind, Kind::Decide | Kind::Refund) {
            return Err(Refusal::NoSuchDeadline);
        }
        if !self.goods.state.is_active() || (kind == Kind::Decide && self.goods.state != State::Requested) {
            return Err(Refusal::State(self.goods.state));
        }
        match self.deadlines.iter_mut().find(|of| of.kind == kind && of.is_open()) {
            Some(open) => {
                let moved = deadline::by_hand(kind, open.round, open.started_at.min(act.at), due_at, act.user, note);
                *open = Deadline { warned: open.warned.min(99), ..moved };
            }
            None => {
                let round =
                    self.deadlines.iter().filter(|of| of.kind == kind).map(|of| of.round).max().unwrap_or(0) + 1;
                self.deadlines.push(deadline::by_hand(kind, round, act.at, due_at, act.user, note));
            }
        }
        self.note(act, "deadline_set", &format!("{} {due_at} {note}", kind.name()));
        Ok(())
    }

    /// The earliest deadline that runs.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.deadlines.iter().filter(|of| super::claim::asks(of)).map(|of| of.due_at).min()
    }

    /// The goods, or the proof that they were sent, came: a refund that was put off runs, and is due by the end of
    /// that day where its own time is over; one that begins with the goods begins.
    fn goods_came(&mut self, ground: Ground<'_>, at: Timestamp) {
        let put_off = self.deadlines.iter_mut().find(|of| of.kind == Kind::Refund && of.standing == Standing::PutOff);
        if let Some(refund) = put_off {
            let that_day = deadline::end_of(ground.zone.to_datetime(at).date(), ground.zone);
            refund.due_at = that_day.map_or(refund.due_at, |that_day| refund.due_at.max(that_day));
            refund.standing = Standing::Running;
            return;
        }
        if self.deadlines.iter().any(|of| of.kind == Kind::Refund && of.round == 1) {
            return;
        }
        let about = about(&self.goods, ground);
        let set = TABLE
            .rule(Kind::Refund, &about, at)
            .filter(|rule| rule.starts == Starts::Goods)
            .and_then(|rule| TABLE.set(rule, 1, &about, at));
        self.deadlines.extend(set);
    }

    fn done(&mut self, kind: Kind, at: Timestamp) {
        self.deadlines.iter_mut().filter(|of| of.kind == kind).for_each(|of| of.done(at));
    }

    fn end(&mut self, at: Timestamp, outcome: Outcome) {
        self.done(Kind::Decide, at);
        self.deadlines.iter_mut().for_each(|of| of.void(at));
        (self.goods.outcome, self.goods.ended_at) = (Some(outcome), Some(at));
    }

    fn note(&mut self, act: Act, step: &str, detail: &str) {
        self.goods.event_count += 1;
        self.goods.updated_at = act.at;
        self.new_events.push(Event {
            sequence: self.goods.event_count,
            at: act.at,
            step: step.to_owned(),
            state: self.goods.state.name().to_owned(),
            detail: super::intake::storable(detail, 2_000),
            user: act.user,
            message: None,
        });
    }
}

fn about<'a>(goods: &'a Return, ground: Ground<'a>) -> About<'a> {
    About {
        marketplace: &goods.marketplace,
        claim: "",
        reason: goods.reason.name(),
        country: &goods.country,
        seller_country: ground.seller_country,
        zone: ground.zone,
    }
}

#[cfg(test)]
#[path = "goods_return_tests.rs"]
mod tests;
