//! What is kept for a while only: the journal, what ended long ago, and the trail of the floor.

use std::time::Duration;

use kit::{ProviderId, Scope};
use tenantdb::Failure;
use tenantdb::service::Deps;
use tokio_util::sync::CancellationToken;

use crate::store::{history, journal, snapshot};
use engine::ids::At;

/// Rows of a kind that are forgotten in one transaction.
pub const AT_ONCE: i64 = 500;
/// How long others get between two transactions, and after a new epoch began: then there is more urgent work.
const BREATH: Duration = Duration::from_millis(50);
const FIRST_BREATH: Duration = Duration::from_secs(30);
const DAY_SECONDS: i64 = 86_400;

/// For how many days what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The journal: days that can be told again, and decisions that can be explained by it.
    pub journal_days: i64,
    /// Contacts that ended, with their offers and decisions, and what agents' time went to.
    pub history_days: i64,
    /// What supervisors did by hand, alerts that ended, and versions of policies that nothing kept goes by any more.
    pub trail_days: i64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { journal_days: 14, history_days: 400, trail_days: 1_100 }
    }
}

impl Kept {
    /// Whether that can be: a day that is told again is compared with its decisions, so these stay longer; and what was
    /// done to a contact by hand stays as long as the contact.
    #[must_use]
    pub fn is_sound(self) -> bool {
        (1..=90).contains(&self.journal_days)
            && (self.journal_days + 1..=3_660).contains(&self.history_days)
            && (self.history_days..=3_660).contains(&self.trail_days)
    }
}

/// Forgets what is too old, piece by piece.
pub(super) async fn forget_old(deps: Deps, provider: ProviderId, now: At, kept: Kept, stop: CancellationToken) {
    let mut pause = FIRST_BREATH;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = BREATH,
        }
        match forget_some(&deps, provider, now, kept).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(provider.id = %provider, error = kit::fault::chain(&error), "what is old was not forgotten");
                return;
            }
        }
    }
}

/// Forgets some of what is too old; whether there may be more.
pub async fn forget_some(deps: &Deps, provider: ProviderId, now: At, kept: Kept) -> Result<bool, Failure> {
    let days_ago = |days: i64| now.plus_seconds(-days * DAY_SECONDS);
    let mut tx = deps.db.begin(&Scope::provider(provider)).await?;
    let epochs = journal::forget(&mut tx, days_ago(kept.journal_days)).await?;
    tx.commit().await?;
    let mut tx = deps.db.begin(&snapshot::scope(&deps.db, provider).await?).await?;
    let before = days_ago(kept.history_days);
    let contacts = history::forget_contacts(&mut tx, before, AT_ONCE).await?;
    let stretches = history::forget_presence(&mut tx, before, AT_ONCE).await?;
    let before = days_ago(kept.trail_days);
    let alerts = history::forget_alerts(&mut tx, before, AT_ONCE).await?;
    let actions = history::forget_actions(&mut tx, before, AT_ONCE).await?;
    let policies = history::forget_policies(&mut tx, before, AT_ONCE).await?;
    tx.commit().await?;
    Ok(epochs || [contacts, stretches, alerts, actions, policies].iter().any(|gone| *gone != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_stay_as_long_as_days_are_told_again() {
        assert!(Kept::default().is_sound());
        for (journal_days, history_days, trail_days, sound) in [
            (14, 15, 15, true),
            (14, 14, 400, false),
            (0, 400, 400, false),
            (91, 400, 400, false),
            (1, 3_660, 3_660, true),
            (1, 3_661, 3_661, false),
            (1, 400, 399, false),
            (1, 400, 3_661, false),
        ] {
            let kept = Kept { journal_days, history_days, trail_days };
            assert_eq!(kept.is_sound(), sound, "{kept:?}");
        }
    }
}
