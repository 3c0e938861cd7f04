//! The harness: the real platform on a real PostgreSQL, reached through its
//! gateway. One platform serves all tests of a run; each test founds a provider
//! of its own, so that they run in parallel and see nothing of one another.

mod desk;
pub mod fleet;
mod live;
mod people;

pub use desk::{Certificates, Desk, NOTICES_FROM, OPERATOR, certificates, config, desk, mail_ports, notice_port};
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

/// The fields that the refusal names, in its order.
pub fn violated(status: &tonic::Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    fields.into_iter().map(|violation| violation.field).collect()
}

/// A port that nobody listens on. Below the range from which the system takes
/// ports for connections, and never the same one twice in a run, so that
/// nothing takes it between now and its use.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + (std::process::id() % 20) as u16 * 1_000;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(next < 1_000, "no port is left from {start} on");
        if std::net::TcpListener::bind(("127.0.0.1", start + next)).is_ok() {
            return start + next;
        }
    }
}
