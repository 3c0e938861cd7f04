//! A call that lasts is looked at again and again: when the caller's token runs
//! out or what it grants is revoked, the stream ends, in both directions.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::Status;
use tonic::body::Body;

use crate::caller::{Caller, Verifier};

/// How often an open stream is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who calls, and what tells whether she still may.
#[derive(Clone)]
pub struct Watch {
    verifier: Verifier,
    caller: Arc<Caller>,
}

impl Watch {
    /// Watches one caller.
    pub fn new(verifier: Verifier, caller: Arc<Caller>) -> Watch {
        Watch { verifier, caller }
    }

    /// What the caller sends, as long as she may.
    pub fn upward(&self, body: Body) -> Body {
        Body::new(Upward { body, watch: self.clone() })
    }

    /// What the caller is sent, as long as she may.
    pub fn downward(&self, body: Body) -> Body {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Body::new(Downward { body: Some(body), watch: self.clone(), look })
    }

    fn look(&self) -> Result<(), Status> {
        Ok(self.verifier.still_good(&self.caller)?)
    }
}

/// Each frame is looked at, so that nothing is written after a revocation.
struct Upward {
    body: Body,
    watch: Watch,
}

impl http_body::Body for Upward {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match (frame, self.watch.look()) {
            (Some(Ok(_)), Err(status)) => Some(Err(status)),
            (frame, _) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Ends with the refusal as trailers. The handler's stream is dropped with the
/// body, so that it ends too.
struct Downward {
    body: Option<Body>,
    watch: Watch,
    look: Interval,
}

impl http_body::Body for Downward {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        while this.look.poll_tick(cx).is_ready() {
            if let Err(status) = this.watch.look() {
                this.body = None;
                return Poll::Ready(Some(crate::peers::trailers(&status)));
            }
        }
        Pin::new(body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
