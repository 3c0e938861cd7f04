//! Rows and the domain values they stand for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tenantdb::{At, Failure, ToSqlx};

use crate::domain::dossier::{Clock, Contact, Ended, Matter, Message, Ticket};
use crate::domain::ids::{ChannelAccountId, ContactId, CustomerId, MessageId, SellerId, TicketId, UserId, Uuid};
use crate::domain::intake::kind::MessageKind;
use crate::domain::intake::mail::report::Action;
use crate::domain::intake::{Decision, Direction};
use crate::domain::sla::clock::{Hand, Verdict};
use crate::domain::sla::policy::{Family, Metric};
use crate::domain::ticket::{Fact, Kind, Priority, State};

/// The columns of [`TicketRow`], of a table called `t`.
macro_rules! ticket_columns {
    () => {
        "t.seller_id, t.ticket_id, t.number, t.subject, t.state, t.priority, t.channel, t.channel_account_id,
         t.external_thread_id, t.language, t.customer_id, t.tier, t.assignee_id, t.order_id, t.marketplace, t.country, t.kind,
         t.historical, t.created_at, t.updated_at, t.first_response_at, t.solved_at, t.due_at, t.look_at, t.first_message_at,
         t.first_outbound_at, t.inbound_count, t.outbound_count, t.message_count, t.event_count, t.contact_id,
         t.contact_since, t.contact_messages, t.contact_assigned_at, t.last_user_id, t.merged_into_id, t.contact_ended, t.skills,
         t.version"
    };
}
pub(crate) use ticket_columns;

#[derive(sqlx::FromRow)]
pub struct TicketRow {
    seller_id: Uuid,
    ticket_id: Uuid,
    number: String,
    subject: String,
    state: String,
    priority: String,
    channel: String,
    channel_account_id: Uuid,
    external_thread_id: Option<String>,
    language: Option<String>,
    customer_id: Uuid,
    tier: String,
    assignee_id: Option<Uuid>,
    order_id: Option<String>,
    marketplace: String,
    country: String,
    kind: Option<String>,
    historical: bool,
    created_at: At,
    updated_at: At,
    first_response_at: Option<At>,
    solved_at: Option<At>,
    due_at: Option<At>,
    look_at: Option<At>,
    first_message_at: At,
    first_outbound_at: Option<At>,
    inbound_count: i32,
    outbound_count: i32,
    message_count: i32,
    event_count: i64,
    contact_id: Option<Uuid>,
    contact_since: Option<At>,
    contact_messages: i32,
    contact_assigned_at: Option<At>,
    last_user_id: Option<Uuid>,
    merged_into_id: Option<Uuid>,
    contact_ended: Option<String>,
    skills: String,
    version: i64,
}

/// A ticket with its seller.
#[derive(Clone)]
pub struct OfSeller<T> {
    pub seller: SellerId,
    pub value: T,
}

impl TryFrom<TicketRow> for OfSeller<Ticket> {
    type Error = Failure;

    fn try_from(row: TicketRow) -> Result<Self, Failure> {
        let contact = row.contact_id.zip(row.contact_since).map(|(id, since)| Contact {
            id: ContactId(id),
            since: since.to_jiff(),
            messages: row.contact_messages,
            assigned_at: row.contact_assigned_at.map(At::to_jiff),
        });
        let ticket = Ticket {
            id: TicketId(row.ticket_id),
            number: row.number,
            subject: row.subject,
            state: known("state", State::named(&row.state))?,
            priority: known("priority", Priority::named(&row.priority))?,
            channel: row.channel,
            account: ChannelAccountId(row.channel_account_id),
            external_thread_id: row.external_thread_id,
            language: row.language,
            customer: CustomerId(row.customer_id),
            tier: row.tier,
            assignee: row.assignee_id.map(UserId),
            order_id: row.order_id,
            marketplace: row.marketplace,
            country: row.country,
            kind: row.kind.map(|kind| known("kind", MessageKind::named(&kind))).transpose()?,
            historical: row.historical,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            first_response_at: row.first_response_at.map(At::to_jiff),
            solved_at: row.solved_at.map(At::to_jiff),
            due_at: row.due_at.map(At::to_jiff),
            look_at: row.look_at.map(At::to_jiff),
            first_message_at: row.first_message_at.to_jiff(),
            first_outbound_at: row.first_outbound_at.map(At::to_jiff),
            inbound_count: row.inbound_count,
            outbound_count: row.outbound_count,
            message_count: row.message_count,
            event_count: row.event_count,
            contact,
            last_user: row.last_user_id.map(UserId),
            merged_into: row.merged_into_id.map(TicketId),
            contact_ended: row.contact_ended.map(|how| known("contact_ended", Ended::named(&how))).transpose()?,
            skills: skills(&row.skills),
            version: row.version,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: ticket })
    }
}

/// Skills, with commas between them; a skill has none in it.
fn skills(names: &str) -> BTreeSet<String> {
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// States by their names, with commas between them.
fn states(names: &str) -> Option<Vec<State>> {
    names.split(',').filter(|name| !name.is_empty()).map(State::named).collect()
}

/// An entry of the history as far as the rules look at it.
#[derive(sqlx::FromRow)]
pub struct FactRow {
    pub ticket_id: Uuid,
    pub sequence: i64,
    pub at: At,
    pub kind: String,
    pub state: String,
    pub automatic: bool,
    pub since: Option<At>,
}

impl TryFrom<FactRow> for Fact {
    type Error = Failure;

    fn try_from(row: FactRow) -> Result<Fact, Failure> {
        Ok(Fact {
            sequence: row.sequence,
            at: row.at.to_jiff().as_second(),
            kind: known("kind", Kind::named(&row.kind))?,
            state: known("state", State::named(&row.state))?,
            automatic: row.automatic,
            since: row.since.map(second),
        })
    }
}

#[derive(sqlx::FromRow)]
pub struct ClockRow {
    pub ticket_id: Uuid,
    pub family: String,
    pub metric: String,
    pub cycle: i32,
    pub state: String,
    pub verdict: String,
    pub target_seconds: i64,
    pub elapsed_seconds: i64,
    pub started_at: At,
    pub stopped_at: Option<At>,
    pub due_at: Option<At>,
    pub policy_version: i64,
    pub calendar: String,
    pub source: String,
    pub told_verdict: Option<String>,
    pub warned_percent: i32,
    pub priority: Option<String>,
    pub stands_in: Option<String>,
}

impl TryFrom<ClockRow> for Clock {
    type Error = Failure;

    fn try_from(row: ClockRow) -> Result<Clock, Failure> {
        let told = row.told_verdict.map(|told| known("told_verdict", Verdict::named(&told))).transpose()?;
        Ok(Clock {
            family: known("family", Family::named(&row.family))?,
            metric: known("metric", Metric::named(&row.metric))?,
            cycle: row.cycle,
            hand: known("state", Hand::named(&row.state))?,
            verdict: known("verdict", Verdict::named(&row.verdict))?,
            target: row.target_seconds,
            elapsed: row.elapsed_seconds,
            started_at: second(row.started_at),
            stopped_at: row.stopped_at.map(second),
            due_at: row.due_at.map(second),
            version: row.policy_version,
            calendar: row.calendar,
            source: row.source,
            told,
            warned: row.warned_percent,
            priority: row.priority.map(|name| known("priority", Priority::named(&name))).transpose()?,
            stands_in: row.stands_in.map(|names| known("stands_in", states(&names))).transpose()?,
        })
    }
}

pub struct MessageRow {
    pub seller_id: Uuid,
    pub message_id: Uuid,
    pub ticket_id: Uuid,
    pub position: i32,
    pub direction: String,
    pub channel: String,
    pub channel_account_id: Option<Uuid>,
    pub external_id: Option<String>,
    pub external_thread_id: Option<String>,
    pub in_reply_to: Option<String>,
    pub order_id: Option<String>,
    pub author_address: String,
    pub author_name: String,
    pub user_id: Option<Uuid>,
    pub subject: String,
    pub body: String,
    pub language: Option<String>,
    pub language_confidence: f64,
    pub occurred_at: At,
    pub stored_at: At,
    pub automatic: bool,
    pub marketplace: String,
    pub country: String,
    pub kind: Option<String>,
    pub verified: Option<bool>,
    pub delivery: String,
    pub delivery_status: String,
    pub decisions: String,
}

impl TryFrom<MessageRow> for OfSeller<Message> {
    type Error = Failure;

    fn try_from(row: MessageRow) -> Result<Self, Failure> {
        let message = Message {
            id: MessageId(row.message_id),
            ticket: TicketId(row.ticket_id),
            position: row.position,
            direction: known("direction", Direction::named(&row.direction))?,
            channel: row.channel,
            account: row.channel_account_id.map(ChannelAccountId),
            external_id: row.external_id,
            external_thread_id: row.external_thread_id,
            in_reply_to: row.in_reply_to,
            order_id: row.order_id,
            author_address: row.author_address,
            author_name: row.author_name,
            user: row.user_id.map(UserId),
            subject: row.subject,
            text: row.body,
            language: row.language,
            confidence: row.language_confidence,
            occurred_at: row.occurred_at.to_jiff(),
            stored_at: row.stored_at.to_jiff(),
            automatic: row.automatic,
            matter: Matter {
                marketplace: row.marketplace,
                country: row.country,
                kind: row.kind.map(|kind| known("kind", MessageKind::named(&kind))).transpose()?,
                verified: row.verified,
            },
            delivery: Action::named(&row.delivery).map(|action| (action, row.delivery_status)),
            decisions: decisions_of(&row.decisions),
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: message })
    }
}

/// A decision is a line of three words parted by tabs.
pub fn decisions_text(decisions: &[Decision]) -> String {
    let line = |d: &Decision| format!("{}\t{}\t{}", d.step, d.outcome, d.detail.replace(['\t', '\n'], " "));
    decisions.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn decisions_of(text: &str) -> Vec<Decision> {
    // The words are this service's own; an unknown one is of a later version and shown as `other`.
    const STEPS: [&str; 12] = [
        "account",
        "customer",
        "marketplace",
        "automatic",
        "answer",
        "forwarded",
        "delivery",
        "thread",
        "message_id",
        "split",
        "language",
        "webhook",
    ];
    const OUTCOMES: [&str; 41] = [
        "matched",
        "created",
        "new",
        "new_after_closed",
        "other_author",
        "used_before",
        "external_thread",
        "in_reply_to",
        "plus_address",
        "subject_number",
        "order_id",
        "detected",
        "ticket",
        "customer",
        "guessed",
        "seller",
        "bounce",
        "report",
        "auto_submitted",
        "auto_reply",
        "bulk",
        "out_of_office",
        "null_sender",
        "mailing_list",
        "no_reply",
        "order_notice",
        "verified",
        "unverified",
        "by_people_only",
        "forwarded",
        "redirected",
        "failed",
        "delayed",
        "delivered",
        "relayed",
        "expanded",
        "merged",
        "copied",
        "standard",
        "meta",
        "other",
    ];
    let word = |words: &[&'static str], text: &str| words.iter().find(|w| **w == text).copied().unwrap_or("other");
    text.lines()
        .map(|line| {
            let mut parts = line.splitn(3, '\t');
            let mut next = || parts.next().unwrap_or_default();
            Decision::new(word(&STEPS, next()), word(&OUTCOMES, next()), next())
        })
        .collect()
}

/// Seconds since 1970 as a column.
pub fn at_second(second: i64) -> At {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_sqlx()
}

fn second(at: At) -> i64 {
    at.to_jiff().as_second()
}

pub fn known<T>(column: &'static str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::Inconsistent(format!("the column {column} holds an unknown word")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_read_back() {
        let decisions = vec![
            Decision::new("account", "matched", "chan_1"),
            Decision::new("thread", "subject_number", "MAS-7"),
            Decision::new("language", "detected", ""),
        ];
        assert_eq!(decisions_of(&decisions_text(&decisions)), decisions);
        assert!(decisions_of("").is_empty());
    }
}
