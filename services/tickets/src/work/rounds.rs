//! Work that becomes due: looked for in rounds, done piece by piece. What fails is told and tried again in a
//! later round, and keeps nothing else waiting.

use std::time::Duration;

use kit::Fault;
use tenantdb::Due;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Looks in rounds until told to stop: at once again after a look that says that more may wait, else after a
/// pause.
pub async fn watch<F>(what: &'static str, pause: Duration, stop: &CancellationToken, mut look: impl FnMut() -> F)
where
    F: Future<Output = Result<bool, Fault>>,
{
    while !stop.is_cancelled() {
        match look().await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(fault) => tracing::warn!(work = what, error = kit::fault::chain(&fault), "it was not looked for"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Does every piece; whether the batch was full and some of it was done, so that more may wait.
pub async fn each<F>(what: &'static str, due: Vec<Due>, batch: i64, mut work: impl FnMut(Due) -> F) -> bool
where
    F: Future<Output = Result<bool, Fault>>,
{
    let full = i64::try_from(due.len()).unwrap_or(i64::MAX) == batch;
    let mut some = false;
    for piece in due {
        let id: Uuid = piece.id;
        match work(piece).await {
            Ok(done) => some |= done,
            Err(fault) => {
                tracing::error!(work = what, %id, error = kit::fault::chain(&fault), "a piece of work was not done");
            }
        }
    }
    full && some
}
