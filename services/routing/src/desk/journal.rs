//! The journal of one leader: what its engine is told goes into the commit of
//! what it decides.

use jiff::Timestamp;
use tenantdb::{Failure, TenantTx};

use crate::store::journal;
use engine::Engine;
use engine::ids::At;
use engine::journal::{Page, Round};

/// The journal of an epoch.
pub struct Journal {
    epoch: i64,
    started_at: At,
    /// How it began, until that is kept.
    page: Option<Page>,
    /// What was told since the last commit.
    rounds: Vec<Round>,
    sequence: i64,
    /// Whether it is told again from nothing: everything before was erased.
    cleared: bool,
}

impl Journal {
    /// The journal of an epoch that begins.
    pub fn new(page: Page) -> Journal {
        Journal {
            epoch: page.epoch,
            started_at: page.at,
            page: Some(page),
            rounds: Vec::new(),
            sequence: 0,
            cleared: false,
        }
    }

    /// Takes what the engine was told.
    pub fn hear(&mut self, engine: &mut Engine) {
        self.rounds.extend(engine.take_recorded());
    }

    /// Whether the beginning of the epoch is not kept yet.
    pub fn begins(&self) -> bool {
        self.page.is_some()
    }

    /// Keeps what was told since the last commit. A seller's erasure ends what
    /// can be told again: its contacts are among it.
    pub async fn keep(&mut self, tx: &mut TenantTx, decisions_made: i64, erases: bool) -> Result<(), Failure> {
        if erases {
            journal::clear(tx, self.epoch).await?;
            self.cleared = true;
        }
        if self.cleared {
            return Ok(());
        }
        if let Some(page) = &self.page {
            journal::begin(tx, page).await?;
        }
        if !self.rounds.is_empty() {
            journal::keep(tx, self.epoch, self.sequence + 1, decisions_made, &self.rounds)?;
        }
        Ok(())
    }

    /// It was committed.
    pub fn kept(&mut self) {
        self.page = None;
        self.sequence += i64::from(!self.rounds.is_empty());
        self.rounds.clear();
    }

    /// Whether a new epoch is to begin, so that days can be told again and
    /// forgotten one by one: another day has begun, or nothing of this one is left.
    pub fn is_full(&self, now: At) -> bool {
        self.page.is_none() && (self.cleared || day(now.timestamp()) > day(self.started_at.timestamp()))
    }
}

/// The day of an instant, in UTC.
fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Snapshot;

    fn at(text: &str) -> At {
        At::of(text.parse().expect("an instant"))
    }

    fn begun(started_at: &str) -> Journal {
        Journal::new(Page::of(7, 0, at(started_at), &Snapshot::default()))
    }

    #[test]
    fn another_day_is_another_epoch_once_this_one_has_begun() {
        let mut journal = begun("2026-03-01T10:00:00Z");
        assert!(!journal.is_full(at("2026-03-02T00:00:00Z")), "its beginning is not kept yet");
        journal.kept();
        assert!(!journal.is_full(at("2026-03-01T23:59:59Z")));
        assert!(journal.is_full(at("2026-03-02T00:00:00Z")));
        assert!(!journal.is_full(at("2026-02-27T00:00:00Z")), "a clock that goes back turns no page");
    }

    #[test]
    fn what_is_kept_is_kept_once_and_numbered() {
        let mut journal = begun("2026-03-01T10:00:00Z");
        assert!(journal.begins());
        journal.kept();
        assert_eq!((journal.begins(), journal.sequence), (false, 0), "nothing was told");
        let mut engine = Engine::new(7, 0);
        engine.record();
        let terms = engine::seller::SellerTerms::unknown(kit::SellerId(uuid::Uuid::from_u128(1)));
        engine.apply(at("2026-03-01T10:00:01Z"), engine::Event::Seller(terms)).expect("terms");
        journal.hear(&mut engine);
        assert_eq!(journal.rounds.len(), 1);
        journal.kept();
        assert_eq!((journal.rounds.len(), journal.sequence), (0, 1));
    }
}
