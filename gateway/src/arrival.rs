//! A call takes its place among those at work only once its message has come: who sends the head of a call and
//! nothing after it would else keep others out until the call's deadline, here and in the service. Of a large message
//! the beginning has to be there. JSON and Connect are read whole before they are calls; see [`crate::bodies`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kit::Fault;
use proto::Scope;
use tonic::Status;

use crate::limits::Key;

/// So much of a message is waited for, and all of one that nobody in particular sends.
const START_BYTES: usize = 64 * 1024;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Calls of one sender that may be on their way at once.
const MOST_OF_SENDER: usize = 512;

/// Calls on their way, by sender.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<HashMap<Key, usize>>>);

/// A call on its way.
struct Coming {
    arrivals: Arrivals,
    sender: Key,
}

impl Arrivals {
    fn begin(&self, sender: Key) -> Option<Coming> {
        let mut coming = self.0.lock().ok()?;
        let of_sender = coming.entry(sender).or_default();
        if MOST_OF_SENDER <= *of_sender {
            return None;
        }
        *of_sender += 1;
        Some(Coming { arrivals: self.clone(), sender })
    }

    /// A gRPC call whose message has come, or the beginning of it; streams of messages come as they like.
    pub async fn wait(&self, request: Request<Body>) -> Result<Request<Body>, Status> {
        let Some(rule) = proto::rule(request.uri().path()).filter(|rule| !rule.client_streaming) else {
            return Ok(request);
        };
        let is_open = rule.scope == Scope::Public as i32;
        let Some(coming) = self.begin(Key::of_request(&request)) else {
            let retry_after = Duration::from_millis(200);
            return Err(Fault::Exhausted { reason: "SERVICE_BUSY", retry_after }.into());
        };
        let (head, mut body) = request.into_parts();
        let begun = tokio::time::timeout(PATIENCE, start(&mut body)).await;
        drop(coming);
        match begun {
            Err(_) => Err(Status::deadline_exceeded("the request did not come in in time")),
            Ok(Err(_)) => Err(Fault::invalid("message", "must be complete").into()),
            Ok(Ok(Start::Whole(frames))) => Ok(Request::from_parts(head, joined(frames, Body::empty()))),
            Ok(Ok(Start::Beginning(_))) if is_open => {
                // as every other message that is too large
                Err(Status::out_of_range(format!("the message must be at most {} KiB", START_BYTES / 1024)))
            }
            Ok(Ok(Start::Beginning(frames))) => Ok(Request::from_parts(head, joined(frames, body))),
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let Ok(mut coming) = self.arrivals.0.lock() else { return };
        match coming.get_mut(&self.sender) {
            Some(of_sender) if 1 < *of_sender => *of_sender -= 1,
            _ => {
                coming.remove(&self.sender);
            }
        }
    }
}

/// What has come of a message.
enum Start {
    Whole(Bytes),
    Beginning(Bytes),
}

async fn start(body: &mut Body) -> Result<Start, axum::Error> {
    let mut whole = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // requests have no trailers in gRPC
        let Ok(data) = frame?.into_data() else { continue };
        // as a rule all comes at once, and is not copied
        if whole.is_empty() && rest.is_empty() {
            whole = data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut whole));
            rest.extend_from_slice(&data);
        }
        if START_BYTES < whole.len() + rest.len() {
            return Ok(Start::Beginning(if rest.is_empty() { whole } else { rest.freeze() }));
        }
    }
    Ok(Start::Whole(if rest.is_empty() { whole } else { rest.freeze() }))
}

/// A body that goes on after what came of it.
fn joined(came: Bytes, rest: Body) -> Body {
    if http_body::Body::is_end_stream(&rest) {
        return Body::from(came);
    }
    let first = futures_util::stream::once(std::future::ready(Ok(Frame::data(came))));
    Body::new(StreamBody::new(first.chain(http_body_util::BodyStream::new(rest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "/manydesk.tenants.v1.AuthService/Login";
    const GUARDED: &str = "/manydesk.tickets.v1.TicketsService/ReceiveMessage";

    fn call(path: &str, from: &str, body: Body) -> Request<Body> {
        let request = Request::post(path).header(kit::gate::CLIENT_ADDRESS, from);
        request.body(body).expect("a request")
    }

    fn pieces(count: usize, ends: bool) -> Body {
        let piece = |_| Ok::<_, std::io::Error>(Bytes::from(vec![7; 1000]));
        let sent = futures_util::stream::iter((0..count).map(piece));
        if ends {
            return Body::from_stream(sent);
        }
        Body::from_stream(sent.chain(futures_util::stream::pending()))
    }

    async fn length(request: Request<Body>) -> usize {
        request.into_body().collect().await.expect("a body").to_bytes().len()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_a_message_is_lost_however_it_comes() {
        let arrivals = Arrivals::default();
        for count in [0, 1, 3, 64, 66, 500] {
            let came = arrivals.wait(call(GUARDED, "192.0.2.1", pieces(count, true))).await.expect("it comes");
            assert_eq!(length(came).await, count * 1000);
        }
        assert!(arrivals.0.lock().expect("the lock").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_ends_and_what_anybody_sends_is_small() {
        let arrivals = Arrivals::default();
        let code = |refused: Result<Request<Body>, Status>| refused.expect_err("refused").code();
        for count in [0, 3] {
            let late = arrivals.wait(call(GUARDED, "192.0.2.1", pieces(count, false))).await;
            assert_eq!(code(late), tonic::Code::DeadlineExceeded);
        }
        // the beginning of a large one is enough, of a caller with a token
        assert!(arrivals.wait(call(GUARDED, "192.0.2.1", pieces(66, false))).await.is_ok());
        let large = arrivals.wait(call(OPEN, "192.0.2.1", pieces(66, true))).await;
        assert_eq!(code(large), tonic::Code::OutOfRange);
    }

    #[tokio::test(start_paused = true)]
    async fn one_sender_does_not_keep_others_out() {
        let arrivals = Arrivals::default();
        let mut waiting = Vec::new();
        for _ in 0..MOST_OF_SENDER {
            let arrivals = arrivals.clone();
            waiting.push(tokio::spawn(async move {
                arrivals.wait(call(GUARDED, "192.0.2.1", pieces(0, false))).await.map(drop)
            }));
        }
        // time stands still until all of them wait
        tokio::time::sleep(Duration::from_millis(1)).await;
        let refused = arrivals.wait(call(GUARDED, "192.0.2.1", pieces(1, true))).await.expect_err("too many");
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(arrivals.wait(call(GUARDED, "192.0.2.2", pieces(1, true))).await.is_ok());
        for one in waiting {
            assert!(one.await.expect("it ends").is_err());
        }
        assert!(arrivals.wait(call(GUARDED, "192.0.2.1", pieces(1, true))).await.is_ok());
    }
}
