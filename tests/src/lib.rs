//! The harness: the real platform on a real PostgreSQL, reached through its
//! gateway. One platform serves all tests of a run; each test founds a provider
//! of its own, so that they run in parallel and see nothing of one another.

mod desk;
pub mod fleet;
mod live;
mod people;
pub mod postgres;

pub use desk::{Desk, config, desk};
pub use people::{PASSWORD, Person, Tenant};

/// Waits until something becomes true, looking again and again; fails loudly
/// with what was waited for when it takes too long.
pub async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    for _ in 0..1500 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("waited 30 s for: {what}");
}

/// The refusal's stable reason.
pub fn reason(status: &tonic::Status) -> String {
    use tonic_types::StatusExt;
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}
