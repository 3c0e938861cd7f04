//! Claims that marketplaces tell of, and the deadlines of claims and returns: each share of their time, and their
//! miss, is told once. When to look is a moment on the deadline, found by an index.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kit::Fault;
use tenantdb::{Due, Failure, TenantTx};
use tokio_util::sync::CancellationToken;

use super::{Desk, rounds};
use crate::domain::claim::{Claim, File, Ground, Notice, State};
use crate::domain::deadline::Alert;
use crate::domain::dossier::{Act, Dossier};
use crate::domain::ids::{ClaimId, ReturnId};
use crate::domain::notice::{About, OF_DEADLINES};
use crate::domain::settings::Settings;
use crate::domain::ticket::{Kind, Priority};
use crate::store;
use crate::store::cases::{CaseKind, Listed, Of};

/// Cases looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the rules look at of a seller.
pub fn ground(settings: &Settings) -> Ground<'_> {
    Ground { seller_country: &settings.country, zone: &settings.zone }
}

impl Desk {
    /// Opens the claims that marketplaces told of, and takes up those that are known; the tickets are written
    /// already. The same claim told of twice, also at the same moment, is one.
    pub async fn note_claims(&self, tx: &mut TenantTx, settings: &Settings, notices: &[Notice]) -> Result<(), Failure> {
        if notices.is_empty() {
            return Ok(());
        }
        tx.write_now().await?;
        let mut notices: Vec<&Notice> = notices.iter().collect();
        // Whoever writes several, writes them in one order.
        notices.sort_by(|one, other| (&one.order_id, one.kind).cmp(&(&other.order_id, other.kind)));
        for notice in notices {
            let known = known(tx, notice).await?;
            if known.is_none() {
                let file = self.opened(settings, notice);
                if store::claims::insert(tx, &file).await? {
                    tx.write_now().await?;
                    continue;
                }
            }
            let known = match known {
                Some(known) => Some(known),
                // Somebody opened it at the same moment.
                None => self::known(tx, notice).await?,
            };
            let Some(known) = known else { continue };
            let Some(mut file) = store::claims::hold(tx, known).await? else { continue };
            file.noticed(notice, ground(settings));
            store::claims::update(tx, &mut file).await?;
            tx.write_now().await?;
        }
        Ok(())
    }

    fn opened(&self, settings: &Settings, notice: &Notice) -> File {
        let claim = Claim {
            id: self.deps.clock.new_id(),
            ticket: notice.ticket,
            marketplace: notice.marketplace.clone(),
            country: notice.country.clone(),
            kind: notice.kind,
            reason: notice.reason,
            order_id: notice.order_id.clone(),
            external_id: String::new(),
            amount: None,
            state: State::Opened,
            appeals: 0,
            opened_at: notice.at,
            noticed: true,
            has_news: true,
            ended_at: None,
            updated_at: notice.at,
            event_count: 0,
            version: 1,
        };
        let act = Act { user: None, at: notice.at };
        File::open(claim, ground(settings), None, act, Some(notice.message))
    }
}

/// The claim that a notice tells of: by its order, else by its ticket.
async fn known(tx: &mut TenantTx, notice: &Notice) -> Result<Option<ClaimId>, Failure> {
    if notice.order_id.is_empty() {
        return store::claims::unnamed(tx, notice.ticket, notice.kind).await;
    }
    let kind = notice.is_plain.then_some(notice.kind);
    store::claims::named(tx, &notice.marketplace, kind, &notice.order_id, "").await
}

/// Tells in a ticket's history what happened to its claim or return; a closed ticket takes no entry.
pub fn tell(dossier: &mut Dossier, act: Act, kind: Kind, detail: &str) {
    let _ = dossier.mark(act, kind, act.user.is_none(), detail);
}

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("deadlines of claims and returns", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let due = "select provider_id, seller_id, case_id from tickets.case_deadline
                where look_at <= $1 order by look_at limit $2";
    let due = desk.deps.db.due(due, desk.deps.clock.now(), BATCH).await?;
    Ok(rounds::each("deadlines of claims and returns", due, BATCH, |case| settle(desk, case)).await)
}

/// Looks at the deadlines of one case; whether there was something to tell or to move on.
async fn settle(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(of) = store::cases::deadlines(&mut tx, due.id).await?.first().map(|listed| listed.of) else {
        return Ok(false);
    };
    // The ticket first, as everybody who works on a case does; who finds it taken leaves it to the other.
    let Some(mut dossier) = store::load::dossier_if_free(&mut tx, of.ticket).await? else { return Ok(false) };
    let is_there = match of.kind {
        CaseKind::Claim => store::claims::hold(&mut tx, ClaimId(of.id)).await?.is_some(),
        CaseKind::Return => store::returns::hold(&mut tx, ReturnId(of.id)).await?.is_some(),
    };
    if !is_there {
        return Ok(false);
    }
    let now = tx.now();
    let mut deadlines: Vec<_> =
        store::cases::deadlines(&mut tx, of.id).await?.into_iter().map(|Listed { deadline, .. }| deadline).collect();
    let before = deadlines.clone();
    let alerts: Vec<_> = deadlines.iter_mut().filter_map(|deadline| deadline.look(now)).collect();
    if deadlines == before {
        return Ok(false);
    }
    store::cases::keep_deadlines(&mut tx, of, &deadlines)?;
    store::cases::keep_alerts(&mut tx, of, &alerts, now)?;
    let told: Vec<_> = alerts.iter().map(|alert| noticed(of, alert, now)).collect();
    store::notices::note(&mut tx, &told)?;
    let act = Act { user: None, at: now };
    for alert in &alerts {
        let detail = format!("{} {} {} % until {}", named(of), alert.kind.name(), alert.percent, alert.due_at);
        tell(&mut dossier, act, Kind::DeadlineTold, &detail);
    }
    if !alerts.is_empty() && !dossier.ticket.state.is_done() {
        let _ = dossier.prioritize(act, Priority::Urgent, true);
    }
    dossier.settle(&settings, now);
    desk.keep(&mut tx, &mut dossier).await?;
    tx.commit().await?;
    Ok(true)
}

/// The first level of the matrix is told of every alert, at once.
fn noticed(of: Of, alert: &Alert, now: Timestamp) -> store::notices::New {
    let about = About::Deadline(alert.kind);
    let told = store::notices::Alert { of: of.id, about, cycle: alert.round, percent: alert.percent };
    store::notices::New { alert: told, ticket: of.ticket, level: OF_DEADLINES, at: now }
}

/// A case as histories name it.
fn named(of: Of) -> String {
    match of.kind {
        CaseKind::Claim => ClaimId(of.id).to_string(),
        CaseKind::Return => ReturnId(of.id).to_string(),
    }
}
