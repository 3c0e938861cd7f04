//! What claims and returns share: deadlines, what people were told of them, and their history.

use jiff::Timestamp;
use tenantdb::{At, Failure, TenantTx, ToSqlx};

use super::read::{Place, sellers};
use super::rows::{OfSeller, known};
use crate::domain::claim::Event;
use crate::domain::deadline::{Alert, Deadline, Kind, Standing};
use crate::domain::ids::{MessageId, SellerId, TicketId, UserId, Uuid};

/// Where a case without a deadline stands in lists by due time.
pub const NEVER: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// What a deadline belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseKind {
    Claim,
    Return,
}

impl CaseKind {
    pub const ALL: [CaseKind; 2] = [CaseKind::Claim, CaseKind::Return];

    pub fn name(self) -> &'static str {
        match self {
            CaseKind::Claim => "claim",
            CaseKind::Return => "return",
        }
    }

    fn named(name: &str) -> Option<CaseKind> {
        CaseKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A claim or a return, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of {
    pub kind: CaseKind,
    pub id: Uuid,
    pub ticket: TicketId,
}

/// A deadline and what it belongs to.
#[derive(Debug, Clone)]
pub struct Listed {
    pub of: Of,
    pub deadline: Deadline,
}

/// What people were told.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub of: Of,
    pub alert: Alert,
    pub told_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct DeadlineRow {
    seller_id: Uuid,
    case_id: Uuid,
    case_kind: String,
    ticket_id: Uuid,
    kind: String,
    round: i32,
    started_at: At,
    due_at: At,
    standing: String,
    ended_at: Option<At>,
    by_hand: bool,
    set_by: Option<Uuid>,
    rule: String,
    source: String,
    rules_version: i64,
    warned_percent: i32,
}

macro_rules! columns {
    () => {
        "d.seller_id, d.case_id, d.case_kind, d.ticket_id, d.kind, d.round, d.started_at, d.due_at, d.standing,
         d.ended_at, d.by_hand, d.set_by, d.rule, d.source, d.rules_version, d.warned_percent"
    };
}

impl TryFrom<DeadlineRow> for OfSeller<Listed> {
    type Error = Failure;

    fn try_from(row: DeadlineRow) -> Result<Self, Failure> {
        let of = Of {
            kind: known("case_kind", CaseKind::named(&row.case_kind))?,
            id: row.case_id,
            ticket: TicketId(row.ticket_id),
        };
        let deadline = Deadline {
            kind: known("kind", Kind::named(&row.kind))?,
            round: row.round,
            started_at: row.started_at.to_jiff(),
            due_at: row.due_at.to_jiff(),
            standing: known("standing", Standing::named(&row.standing))?,
            ended_at: row.ended_at.map(At::to_jiff),
            by_hand: row.by_hand,
            set_by: row.set_by.map(UserId),
            rule: row.rule,
            source: row.source,
            version: row.rules_version,
            warned: row.warned_percent,
        };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: Listed { of, deadline } })
    }
}

/// The deadlines of a case of the readable sellers, oldest first.
pub async fn deadlines(tx: &mut TenantTx, case: Uuid) -> Result<Vec<Listed>, Failure> {
    let rows: Vec<DeadlineRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from tickets.case_deadline d where d.provider_id = $1 and d.seller_id = any ($2) and d.case_id = $3
          order by d.started_at, d.kind, d.round"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(case)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(|row| OfSeller::<Listed>::try_from(row).map(|of| of.value)).collect()
}

/// Writes the deadlines of a case, with the commit.
pub fn keep_deadlines(tx: &mut TenantTx, of: Of, deadlines: &[Deadline]) -> Result<(), Failure> {
    if deadlines.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let all = deadlines;
    tx.writes()
        .rows("tickets.case_deadline", provider, seller)
        .column("case_id", "uuid", column(all, |_| of.id))
        .column("case_kind", "text", column(all, |_| of.kind.name()))
        .column("ticket_id", "uuid", column(all, |_| of.ticket.0))
        .column("kind", "text", column(all, |d| d.kind.name()))
        .column("round", "int4", column(all, |d| d.round))
        .column("started_at", "timestamptz", column(all, |d| d.started_at.to_sqlx()))
        .column("due_at", "timestamptz", column(all, |d| d.due_at.to_sqlx()))
        .column("standing", "text", column(all, |d| d.standing.name()))
        .column("ended_at", "timestamptz", column(all, |d| d.ended_at.map(|at| at.to_sqlx())))
        .column("by_hand", "bool", column(all, |d| d.by_hand))
        .column("set_by", "uuid", column(all, |d| d.set_by.map(|user| user.0)))
        .column("rule", "text", column(all, |d| d.rule.clone()))
        .column("source", "text", column(all, |d| d.source.clone()))
        .column("rules_version", "int8", column(all, |d| d.version))
        .column("warned_percent", "int4", column(all, |d| d.warned))
        .column("look_at", "timestamptz", column(all, |d| d.look_at().map(|at| at.to_sqlx())))
        .insert_or_set(
            "case_deadline_pk",
            &[
                "started_at",
                "due_at",
                "standing",
                "ended_at",
                "by_hand",
                "set_by",
                "rule",
                "source",
                "rules_version",
                "warned_percent",
                "look_at",
            ],
        );
    Ok(())
}

/// Writes new entries of a case's history, with the commit.
pub fn keep_events(tx: &mut TenantTx, of: Of, events: &[Event]) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.case_event", provider, seller)
        .column("case_id", "uuid", column(events, |_| of.id))
        .column("sequence", "int4", column(events, |e| e.sequence))
        .column("ticket_id", "uuid", column(events, |_| of.ticket.0))
        .column("at", "timestamptz", column(events, |e| e.at.to_sqlx()))
        .column("step", "text", column(events, |e| e.step.clone()))
        .column("state", "text", column(events, |e| e.state.clone()))
        .column("detail", "text", column(events, |e| e.detail.clone()))
        .column("user_id", "uuid", column(events, |e| e.user.map(|user| user.0)))
        .column("message_id", "uuid", column(events, |e| e.message.map(|message| message.0)))
        .insert();
    Ok(())
}

/// Writes what people are told now, each share once.
pub fn keep_alerts(tx: &mut TenantTx, of: Of, alerts: &[Alert], at: Timestamp) -> Result<(), Failure> {
    if alerts.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    tx.writes()
        .rows("tickets.case_alert", provider, seller)
        .column("case_id", "uuid", column(alerts, |_| of.id))
        .column("case_kind", "text", column(alerts, |_| of.kind.name()))
        .column("ticket_id", "uuid", column(alerts, |_| of.ticket.0))
        .column("kind", "text", column(alerts, |a| a.kind.name()))
        .column("round", "int4", column(alerts, |a| a.round))
        .column("percent", "int4", column(alerts, |a| a.percent))
        .column("due_at", "timestamptz", column(alerts, |a| a.due_at.to_sqlx()))
        .column("told_at", "timestamptz", column(alerts, |_| at.to_sqlx()))
        .insert_new("case_alert_pk");
    Ok(())
}

/// A key of the list of deadlines: due time, case, kind.
pub type DuePlace = (Timestamp, Uuid, String);

/// Deadlines that are still to be done, by due time.
pub async fn open_deadlines(
    tx: &mut TenantTx,
    after: Option<DuePlace>,
    limit: i64,
) -> Result<Vec<OfSeller<Listed>>, Failure> {
    let (at, case, kind) = match after {
        Some((at, case, kind)) => (Some(at), Some(case), Some(kind)),
        None => (None, None, None),
    };
    let rows: Vec<DeadlineRow> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.case_deadline x
                 where x.provider_id = $1 and x.seller_id = s.seller_id
                   and x.standing in ('running', 'missed') and x.ended_at is null
                   and ($3::timestamptz is null or (x.due_at, x.case_id, x.kind) > ($3, $4, $5))
                 order by x.due_at, x.case_id, x.kind limit $6) as d
          order by d.due_at, d.case_id, d.kind limit $6"
    ))
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(at.map(|at| at.to_sqlx()))
    .bind(case)
    .bind(kind)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

#[derive(sqlx::FromRow)]
struct ToldRow {
    seller_id: Uuid,
    case_id: Uuid,
    case_kind: String,
    ticket_id: Uuid,
    kind: String,
    round: i32,
    percent: i32,
    due_at: At,
    told_at: At,
}

impl TryFrom<ToldRow> for OfSeller<Told> {
    type Error = Failure;

    fn try_from(row: ToldRow) -> Result<Self, Failure> {
        let of = Of {
            kind: known("case_kind", CaseKind::named(&row.case_kind))?,
            id: row.case_id,
            ticket: TicketId(row.ticket_id),
        };
        let kind = known("kind", Kind::named(&row.kind))?;
        let alert = Alert { kind, round: row.round, percent: row.percent, due_at: row.due_at.to_jiff() };
        Ok(OfSeller { seller: SellerId(row.seller_id), value: Told { of, alert, told_at: row.told_at.to_jiff() } })
    }
}

/// A key of the list of what people were told: when, case, kind and share.
pub type ToldPlace = (Timestamp, Uuid, String, i32);

/// What people were told, newest first.
pub async fn told(tx: &mut TenantTx, after: Option<ToldPlace>, limit: i64) -> Result<Vec<OfSeller<Told>>, Failure> {
    let (at, case, kind, percent) = match after {
        Some((at, case, kind, percent)) => (Some(at), Some(case), Some(kind), Some(percent)),
        None => (None, None, None, None),
    };
    let rows: Vec<ToldRow> = sqlx::query_as(
        "select d.seller_id, d.case_id, d.case_kind, d.ticket_id, d.kind, d.round, d.percent, d.due_at, d.told_at
           from unnest($2::uuid[]) as s (seller_id)
          cross join lateral (
                select * from tickets.case_alert x
                 where x.provider_id = $1 and x.seller_id = s.seller_id
                   and ($3::timestamptz is null or (x.told_at, x.case_id, x.kind, x.percent) < ($3, $4, $5, $6))
                 order by x.told_at desc, x.case_id desc, x.kind desc, x.percent desc limit $7) as d
          order by d.told_at desc, d.case_id desc, d.kind desc, d.percent desc limit $7",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(at.map(|at| at.to_sqlx()))
    .bind(case)
    .bind(kind)
    .bind(percent)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

#[derive(sqlx::FromRow)]
struct EventRow {
    sequence: i32,
    at: At,
    step: String,
    state: String,
    detail: String,
    user_id: Option<Uuid>,
    message_id: Option<Uuid>,
}

/// The history of a case of the readable sellers, oldest first.
pub async fn events(tx: &mut TenantTx, case: Uuid, after: i32, limit: i64) -> Result<Vec<Event>, Failure> {
    let rows: Vec<EventRow> = sqlx::query_as(
        "select sequence, at, step, state, detail, user_id, message_id from tickets.case_event
          where provider_id = $1 and seller_id = any ($2) and case_id = $3 and sequence > $4
          order by sequence limit $5",
    )
    .bind(tx.provider().0)
    .bind(sellers(tx))
    .bind(case)
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    let event = |row: EventRow| Event {
        sequence: row.sequence,
        at: row.at.to_jiff(),
        step: row.step,
        state: row.state,
        detail: row.detail,
        user: row.user_id.map(UserId),
        message: row.message_id.map(MessageId),
    };
    Ok(rows.into_iter().map(event).collect())
}

/// The place of a case in lists by due time.
pub fn place_of(due: Option<Timestamp>) -> Timestamp {
    due.map_or(NEVER, |due| due.min(NEVER))
}

/// When a case in such a list is due.
pub fn due_of(place: Timestamp) -> Option<Timestamp> {
    Some(place).filter(|place| *place < NEVER)
}

/// A page of a list by due time.
pub type DueAfter = Option<Place>;

fn column<T, C>(rows: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}
