//! Bodies that are read whole before they become a call. All that are read at the same time share a budget, so that
//! no number of senders fills the memory; those of nobody in particular have one of their own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use kit::caller::Verifier;
use kit::serve::MAX_MESSAGE_BYTES;
use kit::{Fault, gate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// A permit stands for so many bytes.
const UNIT: usize = 1024;
/// Units of callers whose token was checked, of everybody else, and of webhooks.
const OF_CALLERS: usize = 96 * 1024;
const OF_OTHERS: usize = 16 * 1024;
const OF_WEBHOOKS: usize = 32 * 1024;
/// The largest body of a call that needs no token.
const OPEN_BYTES: usize = 64 * 1024;
/// How long a body may take to come in: one that trickles in holds room that others wait for.
const PATIENCE: Duration = Duration::from_secs(60);
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// When to come again where there is no room.
const RETRY: Duration = Duration::from_millis(500);

/// The budgets.
#[derive(Clone)]
pub struct Bodies {
    callers: Arc<Semaphore>,
    others: Arc<Semaphore>,
    webhooks: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        let units = |units| Arc::new(Semaphore::new(units));
        Bodies { callers: units(OF_CALLERS), others: units(OF_OTHERS), webhooks: units(OF_WEBHOOKS) }
    }
}

/// A body, and the room that it takes until it is dropped.
pub struct Whole {
    /// The bytes.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Debug)]
pub enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It did not come in in time.
    Late,
    /// It broke off.
    Broken,
    /// There is no room now.
    NoRoom,
}

impl Bodies {
    /// Reads the body of a call, if the call may be made at all: who may not is told before anything is read.
    pub async fn of_call(
        &self,
        verifier: &Verifier,
        rpc: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Whole, Status> {
        let caller = gate::admit(verifier, rpc, headers.get(http::header::AUTHORIZATION))?;
        let (room, most, patience) = match caller {
            Some(_) => (&self.callers, MAX_MESSAGE_BYTES, PATIENCE),
            None => (&self.others, OPEN_BYTES, OPEN_PATIENCE),
        };
        read(room, body, most, patience).await.map_err(|unread| match unread {
            Unread::TooLarge | Unread::Broken => {
                let most =
                    if most < 1024 * 1024 { format!("{} KiB", most / 1024) } else { format!("{} MiB", most >> 20) };
                Fault::invalid("body", format!("must be complete and at most {most}")).into()
            }
            Unread::Late => Status::deadline_exceeded("the request did not come in in time"),
            Unread::NoRoom => Unread::no_room(),
        })
    }

    /// Reads what another system delivers.
    pub async fn of_webhook(&self, body: Body, most: usize, patience: Duration) -> Result<Whole, Unread> {
        read(&self.webhooks, body, most, patience).await
    }
}

impl Unread {
    /// What a sender hears when there is no room.
    pub fn no_room() -> Status {
        Fault::Exhausted { reason: "SERVICE_BUSY", retry_after: RETRY }.into()
    }
}

async fn read(room: &Arc<Semaphore>, body: Body, most: usize, patience: Duration) -> Result<Whole, Unread> {
    // what is announced as too large is not even read
    if http_body::Body::size_hint(&body).lower() > most as u64 {
        return Err(Unread::TooLarge);
    }
    match tokio::time::timeout(patience, gather(room, body, most)).await {
        Ok(read) => read,
        Err(_) => Err(Unread::Late),
    }
}

/// Takes room for what has come, as it comes: a sender who announces much and sends little holds little.
async fn gather(room: &Arc<Semaphore>, mut body: Body, most: usize) -> Result<Whole, Unread> {
    let mut bytes = BytesMut::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if most < bytes.len() + data.len() {
            return Err(Unread::TooLarge);
        }
        let holds = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = (bytes.len() + data.len()).div_ceil(UNIT).saturating_sub(holds);
        if missing != 0 {
            let missing = u32::try_from(missing).map_err(|_| Unread::TooLarge)?;
            let more = room.clone().try_acquire_many_owned(missing).map_err(|_| Unread::NoRoom)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes: bytes.freeze(), _room: held })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(count: usize, size: usize) -> Body {
        let pieces = (0..count).map(move |_| Ok::<_, std::convert::Infallible>(Bytes::from(vec![7; size])));
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn bodies_together_take_no_more_than_their_budget_and_give_it_back() {
        let room = Arc::new(Semaphore::new(4));
        let first = read(&room, pieces(3, 1_000), 10_000, PATIENCE).await.expect("there is room");
        assert_eq!((first.bytes.len(), room.available_permits()), (3_000, 1));
        let second = read(&room, pieces(2, 1_000), 10_000, PATIENCE).await;
        assert!(matches!(second, Err(Unread::NoRoom)));
        assert_eq!(room.available_permits(), 1, "what was held for it is free again");
        drop(first);
        assert_eq!(room.available_permits(), 4);
        assert!(read(&room, pieces(4, 1_024), 10_000, PATIENCE).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_large_or_does_not_end_is_not_kept() {
        let room = Arc::new(Semaphore::new(100));
        assert!(matches!(read(&room, pieces(11, 1_000), 10_000, PATIENCE).await, Err(Unread::TooLarge)));
        assert!(read(&room, pieces(10, 1_000), 10_000, PATIENCE).await.is_ok());
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>());
        assert!(matches!(read(&room, endless, 10_000, PATIENCE).await, Err(Unread::Late)));
        assert_eq!(room.available_permits(), 100);
    }
}
