//! Erases what is kept of customers and of old tickets. Whoever asks - a person, the age of a ticket, the
//! log after a restore - it goes the same way: hold, close what is not over, erase table by table, certify.

use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use tenantdb::TenantTx;
use tenantdb::retention::ANSWERS_KEPT;

use super::Desk;
use crate::domain::dossier::Act;
use crate::domain::ids::{CustomerId, ErasureId, TicketId, UserId};
use crate::domain::privacy::Reason;
use crate::domain::settings::Settings;
use crate::domain::ticket::State;
use crate::store;
use crate::store::privacy::Certificate;

/// Tickets closed at once.
const AT_ONCE: usize = 100;

/// What is to be erased, and why.
pub struct Wanted {
    pub id: ErasureId,
    pub reason: Reason,
    pub customers: Vec<CustomerId>,
    pub tickets: Vec<TicketId>,
    pub user: Option<UserId>,
}

/// Erases; what is erased already is left as it is. The certificate is not kept yet.
pub async fn erase(desk: &Desk, tx: &mut TenantTx, settings: &Settings, wanted: &Wanted) -> Result<Certificate, Fault> {
    let (seller, now) = (tx.seller()?, tx.now());
    store::privacy::hold(tx, &wanted.customers).await?;
    let customers = store::privacy::unerased_customers(tx, &wanted.customers).await?;
    let found = store::privacy::unerased(tx, &customers, &wanted.tickets).await?;
    let newest = found.iter().map(|(_, at)| *at).max();
    let tickets: Vec<TicketId> = found.into_iter().map(|(id, _)| id).collect();
    for some in tickets.chunks(AT_ONCE) {
        close(desk, tx, settings, some, Act { user: wanted.user, at: now }).await?;
    }
    let mut subject =
        store::privacy::subject(tx, seller, &customers, &tickets, wanted.reason == Reason::Requested).await?;
    store::privacy::hold_what_grows(tx, seller, &mut subject).await?;
    let answers = wanted.reason == Reason::Requested || newest.is_some_and(|at| is_answered(at, now));
    let done = store::privacy::erase(tx, &subject, answers).await?;
    Ok(Certificate {
        id: wanted.id,
        seller,
        reason: wanted.reason,
        customers,
        tickets,
        erased_at: now,
        user: wanted.user,
        replayed_at: None,
        done,
    })
}

/// Whether answers about something of that age may still be kept for retries.
fn is_answered(at: Timestamp, now: Timestamp) -> bool {
    let kept = now.checked_sub(ANSWERS_KEPT + SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
    kept < at
}

/// Holds tickets and closes those that are not.
async fn close(
    desk: &Desk,
    tx: &mut TenantTx,
    settings: &Settings,
    tickets: &[TicketId],
    act: Act,
) -> Result<(), Fault> {
    let mut dossiers = store::load::several(tx, tickets).await?;
    for dossier in dossiers.iter_mut().filter(|dossier| dossier.ticket.state != State::Closed) {
        dossier.shut(act)?;
        dossier.settle(settings, act.at);
        desk.keep(tx, dossier).await?;
    }
    Ok(())
}
