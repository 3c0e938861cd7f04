//! Work that becomes due: looked for in rounds, done piece by piece. A piece that fails is told and left alone for a
//! while, so that it does not come first in every round and keeps nothing else waiting.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use tenantdb::service::Deps;
use tenantdb::{Due, TenantTx};
use tokio_util::sync::CancellationToken;

/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pieces of one round.
const BATCH: i64 = 100;
/// How long a piece is left alone that failed.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(10);

/// A kind of work.
pub(super) trait Watch: Send + Sync {
    /// What it is, for logs.
    const WHAT: &'static str;
    /// Which pieces are due; see [`tenantdb::TenantDb::due`].
    const QUERY: &'static str;

    /// Does a piece; false where somebody else has it.
    fn look(&self, deps: &Deps, due: &Due) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// When a piece is looked at next.
    fn look_at(tx: &mut TenantTx, due: &Due, at: Timestamp) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Looks until told to stop.
pub(super) async fn run<W: Watch>(watch: W, deps: Deps, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let full = match deps.db.due(W::QUERY, deps.clock.now(), BATCH).await {
            Ok(due) => {
                let full = i64::try_from(due.len()).is_ok_and(|found| found == BATCH);
                let mut some = false;
                for one in due {
                    if stop.is_cancelled() {
                        return;
                    }
                    some |= look_or_leave(&watch, &deps, &one).await;
                }
                full && some
            }
            Err(failure) => {
                tracing::warn!(work = W::WHAT, error = kit::fault::chain(&failure), "it was not looked for");
                false
            }
        };
        if full {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// One piece; whether it was looked at.
async fn look_or_leave<W: Watch>(watch: &W, deps: &Deps, due: &Due) -> bool {
    let failed = match watch.look(deps, due).await {
        Ok(looked) => return looked,
        Err(fault) => fault,
    };
    tracing::error!(work = W::WHAT, id = %due.id, error = kit::fault::chain(&failed), "a piece of work was not done");
    let later = async {
        let mut tx = deps.db.begin(&due.scope()).await?;
        let at = later(tx.now(), AFTER_FAILURE);
        W::look_at(&mut tx, due, at).await?;
        Ok::<_, Fault>(tx.commit().await?)
    };
    later.await.is_ok()
}

/// An instant so much later, or the last there is.
pub(super) fn later(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.checked_add(pause).unwrap_or(at)
}
