//! How tickets came out, written with their history, and the figures of satisfaction. Every figure is a walk
//! along an index by the seller's date: it costs what the period holds.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tenantdb::{Failure, TenantTx, ToSqlx};

use super::read::sellers;
use super::rows::at_second;
use crate::domain::dossier::Dossier;
use crate::domain::ids::{TicketId, Uuid};
use crate::domain::intake::kind::MessageKind;
use crate::domain::outcome::{self, FIRST_CONTACT_SECONDS};

/// Writes how tickets that changed came out, and when whose customers are asked how it was; with the commit, or
/// with [`TenantTx::write_now`]. Where nobody changed that, nothing is written.
pub fn keep(tx: &mut TenantTx, dossiers: &[&Dossier]) -> Result<(), Failure> {
    let touched: Vec<(&Dossier, outcome::Outcome)> = dossiers
        .iter()
        .filter(|dossier| outcome::is_touched(&dossier.facts, dossier.new_events.len()))
        .filter_map(|dossier| Some((*dossier, outcome::read(&dossier.facts)?)))
        .collect();
    if touched.is_empty() {
        return Ok(());
    }
    rows(tx, &touched)?;
    asked(tx, &touched)
}

fn rows(tx: &mut TenantTx, touched: &[(&Dossier, outcome::Outcome)]) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    fn column<T>(touched: &[(&Dossier, outcome::Outcome)], of: impl Fn(&Dossier, &outcome::Outcome) -> T) -> Vec<T> {
        touched.iter().map(|(dossier, outcome)| of(dossier, outcome)).collect()
    }
    let on = |dossier: &Dossier, second: i64| dossier.local_date(second).to_sqlx();
    let writes = tx.writes();
    let columns = [
        writes.bind("uuid[]", column(touched, |d, _| d.ticket.id.0)),
        writes.bind("date[]", column(touched, |d, _| on(d, d.ticket.created_at.as_second()))),
        writes.bind("text[]", column(touched, |d, _| d.ticket.country.clone())),
        writes.bind("text[]", column(touched, |d, _| d.ticket.marketplace.clone())),
        writes.bind("text[]", column(touched, |d, _| d.ticket.language.clone().unwrap_or_default())),
        writes.bind("text[]", column(touched, |d, _| d.ticket.channel.clone())),
        writes.bind("bool[]", column(touched, |d, _| d.ticket.kind == Some(MessageKind::Claim))),
        writes.bind("timestamptz[]", column(touched, |_, o| o.first_solved_at.map(at_second))),
        writes.bind("date[]", column(touched, |d, o| o.first_solved_at.map(|at| on(d, at)))),
        writes.bind("int4[]", column(touched, |_, o| o.answers)),
        writes.bind("timestamptz[]", column(touched, |_, o| o.first_reopened_at.map(at_second))),
        writes.bind("int4[]", column(touched, |_, o| o.reopened)),
    ];
    let (provider, seller) = (writes.bind("uuid", provider), writes.bind("uuid", seller));
    let columns: Vec<String> = columns.iter().map(|array| format!("unnest({array})")).collect();
    // A day that was stamped stays, whatever zone the seller moves to.
    writes.push(format!(
        "insert into tickets.ticket_outcome as o (provider_id, seller_id, ticket_id, opened_on, country, marketplace,
                language, channel, claim, first_solved_at, first_solved_on, answers_until_solved, first_reopened_at, reopened)
         select {provider}, {seller}, {}
         on conflict on constraint ticket_outcome_pk do update
            set language = excluded.language, claim = excluded.claim, first_solved_at = excluded.first_solved_at,
                first_solved_on = coalesce(o.first_solved_on, excluded.first_solved_on),
                answers_until_solved = excluded.answers_until_solved,
                first_reopened_at = excluded.first_reopened_at, reopened = excluded.reopened",
        columns.join(", ")
    ));
    Ok(())
}

/// Notes for the seller's active surveys which tickets were solved just now. The moment moves with a ticket
/// that is solved again.
fn asked(tx: &mut TenantTx, touched: &[(&Dossier, outcome::Outcome)]) -> Result<(), Failure> {
    let solved: Vec<(&Dossier, i64)> = touched
        .iter()
        .filter(|(dossier, _)| !dossier.ticket.historical)
        .filter_map(|(dossier, _)| Some((*dossier, outcome::solved_now(&dossier.facts, dossier.new_events.len())?)))
        .collect();
    if solved.is_empty() {
        return Ok(());
    }
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let writes = tx.writes();
    let (provider, seller) = (writes.bind("uuid", provider), writes.bind("uuid", seller));
    let tickets = writes.bind("uuid[]", solved.iter().map(|(d, _)| d.ticket.id.0).collect::<Vec<Uuid>>());
    let channels = writes.bind("text[]", solved.iter().map(|(d, _)| d.ticket.channel.clone()).collect::<Vec<String>>());
    let moments = writes.bind("timestamptz[]", solved.iter().map(|(_, at)| at_second(*at)).collect::<Vec<_>>());
    writes.push(format!(
        "insert into tickets.survey_work (provider_id, seller_id, ticket_id, survey_id, due_at)
         select {provider}, {seller}, w.ticket_id, v.survey_id, w.at + make_interval(secs => v.delay_seconds)
           from unnest({tickets}, {channels}, {moments}) as w (ticket_id, channel, at)
           join tickets.survey v on v.provider_id = {provider} and v.seller_id = {seller} and v.active
            and (v.channels = '{{}}' or w.channel = any (v.channels))
         on conflict on constraint survey_work_pk do update set due_at = excluded.due_at"
    ));
    Ok(())
}

/// Notes whether a ticket is marked as a complaint.
pub async fn complaint(tx: &mut TenantTx, ticket: TicketId, is: bool) -> Result<(), Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    sqlx::query!(
        "update tickets.ticket_outcome set complaint = $4 where provider_id = $1 and seller_id = $2 and ticket_id = $3",
        provider,
        seller,
        ticket.0,
        is,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What is asked of the figures.
pub struct Asked<'a> {
    pub from: Date,
    pub before: Date,
    pub by_month: bool,
    pub by_country: bool,
    pub by_marketplace: bool,
    pub by_language: bool,
    pub by_channel: bool,
    /// Only these; empty for all.
    pub country: &'a str,
    pub marketplace: &'a str,
    pub language: &'a str,
    pub channel: &'a str,
    /// Rows of each kind at most.
    pub limit: i64,
}

/// By what a row stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub seller: Uuid,
    pub month: Option<Date>,
    pub country: String,
    pub marketplace: String,
    pub language: String,
    pub channel: String,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub csat: i64,
    pub csat_good: i64,
    pub csat_sum: i64,
    pub nps: i64,
    pub promoters: i64,
    pub detractors: i64,
    pub ces: i64,
    pub ces_sum: i64,
    pub sent: i64,
    pub responded: i64,
    pub solved: i64,
    pub solved_by_answer: i64,
    pub first_contact: i64,
    pub pending: i64,
    pub reopened: i64,
    pub opened: i64,
    pub complaints: i64,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    seller_id: Uuid,
    month: Option<jiff_sqlx::Date>,
    country: String,
    marketplace: String,
    language: String,
    channel: String,
    counts: Vec<i64>,
}

/// The statement that counts a table's rows by the keys asked for: `counts` are the figures, `day` the date.
fn counting(table: &str, day: &str, counts: &str) -> String {
    format!(
        "select x.seller_id, case when $5 then date_trunc('month', x.{day}::timestamp)::date end as month,
                case when $6 then x.country else '' end as country,
                case when $7 then x.marketplace else '' end as marketplace,
                case when $8 then x.language else '' end as language,
                case when $9 then x.channel else '' end as channel,
                array[{counts}]::int8[] as counts
           from tickets.{table} x
          where x.provider_id = $1 and x.seller_id = any ($2) and $3 <= x.{day} and x.{day} < $4
            and ($10 = '' or x.country = $10) and ($11 = '' or x.marketplace = $11)
            and ($12 = '' or x.language = $12) and ($13 = '' or x.channel = $13)
          group by 1, 2, 3, 4, 5, 6
          limit $14"
    )
}

/// The figures of a period, by key; None if there are more rows than asked for.
pub async fn count(tx: &mut TenantTx, asked: &Asked<'_>) -> Result<Option<BTreeMap<Key, Counts>>, Failure> {
    let mut out: BTreeMap<Key, Counts> = BTreeMap::new();
    type Add = fn(&mut Counts, &[i64]);
    let parts: [(String, Add); 4] = [
        (
            counting(
                "survey_answer",
                "answered_on",
                "count(*) filter (where kind = 'csat'), count(*) filter (where kind = 'csat' and 4 <= score),
                 coalesce(sum(score) filter (where kind = 'csat'), 0), count(*) filter (where kind = 'nps'),
                 count(*) filter (where kind = 'nps' and 9 <= score), count(*) filter (where kind = 'nps' and score <= 6),
                 count(*) filter (where kind = 'ces'), coalesce(sum(score) filter (where kind = 'ces'), 0)",
            ),
            |counts, of| {
                if let [csat, good, csat_sum, nps, promoters, detractors, ces, ces_sum] = of {
                    (counts.csat, counts.csat_good, counts.csat_sum) = (*csat, *good, *csat_sum);
                    (counts.nps, counts.promoters, counts.detractors) = (*nps, *promoters, *detractors);
                    (counts.ces, counts.ces_sum) = (*ces, *ces_sum);
                }
            },
        ),
        (
            counting(
                "survey_invitation",
                "decided_on",
                "count(*) filter (where state = 'asked'), count(answered_at)",
            ),
            |counts, of| {
                if let [sent, responded] = of {
                    (counts.sent, counts.responded) = (*sent, *responded);
                }
            },
        ),
        (
            counting(
                "ticket_outcome",
                "first_solved_on",
                "count(*), count(*) filter (where answers_until_solved > 0 or channel = 'phone'),
                 count(*) filter (where (answers_until_solved = 1 or (answers_until_solved = 0 and channel = 'phone'))
                     and (first_reopened_at is null or first_solved_at + make_interval(secs => $16) <= first_reopened_at)),
                 count(*) filter (where (answers_until_solved = 1 or (answers_until_solved = 0 and channel = 'phone'))
                     and first_reopened_at is null and $15 < first_solved_at + make_interval(secs => $16)),
                 count(*) filter (where 0 < reopened)",
            ),
            |counts, of| {
                if let [solved, by_answer, first_contact, pending, reopened] = of {
                    (counts.solved, counts.solved_by_answer) = (*solved, *by_answer);
                    (counts.first_contact, counts.pending, counts.reopened) = (*first_contact, *pending, *reopened);
                }
            },
        ),
        (
            counting(
                "ticket_outcome",
                "opened_on",
                "count(*), count(*) filter (where claim or complaint or bad_answer)",
            ),
            |counts, of| {
                if let [opened, complaints] = of {
                    (counts.opened, counts.complaints) = (*opened, *complaints);
                }
            },
        ),
    ];
    let (provider, sellers, now) = (tx.provider().0, sellers(tx), tx.now());
    for (statement, add) in parts {
        let takes_now = statement.contains("$15");
        let mut query = sqlx::query_as::<_, CountRow>(sqlx::AssertSqlSafe(statement))
            .bind(provider)
            .bind(&sellers)
            .bind(asked.from.to_sqlx())
            .bind(asked.before.to_sqlx())
            .bind(asked.by_month)
            .bind(asked.by_country)
            .bind(asked.by_marketplace)
            .bind(asked.by_language)
            .bind(asked.by_channel)
            .bind(asked.country)
            .bind(asked.marketplace)
            .bind(asked.language)
            .bind(asked.channel)
            .bind(asked.limit + 1);
        if takes_now {
            query = query.bind(now.to_sqlx()).bind(FIRST_CONTACT_SECONDS);
        }
        let rows = query.fetch_all(tx.conn()).await?;
        for row in rows {
            if row.counts.iter().all(|count| *count == 0) {
                continue;
            }
            let key = Key {
                seller: row.seller_id,
                month: row.month.map(jiff_sqlx::Date::to_jiff),
                country: row.country,
                marketplace: row.marketplace,
                language: row.language,
                channel: row.channel,
            };
            add(out.entry(key).or_default(), &row.counts);
        }
        if asked.limit < i64::try_from(out.len()).unwrap_or(i64::MAX) {
            return Ok(None);
        }
    }
    Ok(Some(out))
}
