//! The other replicas of this service. What one process at a time may do it does
//! for all of them: a call that came to another replica is passed on to it, as it
//! is and once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt;

use crate::fault::Fault;
use crate::peers::Peer;

/// Says that another replica has passed the call on. The edge strips it from
/// what comes in.
const PASSED_ON: &str = "x-manydesk-passed-on";

/// Ways kept at once; addresses come and go with the processes behind them.
const WAYS_MOST: usize = 64;

type Dial = dyn Fn(&str) -> Result<Channel, Fault> + Send + Sync;

/// The replicas of a service; by default this process is the only one.
#[derive(Clone, Default)]
pub struct Replicas(Option<Arc<Known>>);

struct Known {
    here: Option<String>,
    dial: Box<Dial>,
    ways: Mutex<HashMap<String, Channel>>,
}

impl Replicas {
    /// `here` is where the others reach this process, `dial` the way to one of them.
    pub fn new(
        here: Option<String>,
        dial: impl Fn(&str) -> Result<Channel, Fault> + Send + Sync + 'static,
    ) -> Replicas {
        Replicas(Some(Arc::new(Known { here, dial: Box::new(dial), ways: Mutex::default() })))
    }

    /// Whether there may be others.
    pub fn may_be(&self) -> bool {
        self.0.is_some()
    }

    /// Where the others reach this process, if they do.
    pub fn here(&self) -> Option<&str> {
        self.0.as_ref()?.here.as_deref()
    }

    /// The way to the replica at an address.
    pub fn at(&self, address: &str) -> Result<Peer, Fault> {
        let nobody = || Fault::Unavailable("the other replicas cannot be reached".into());
        let known = self.0.as_ref().ok_or_else(nobody)?;
        let mut ways = known.ways.lock().map_err(|_| nobody())?;
        if let Some(way) = ways.get(address) {
            return Ok(Peer::Remote(way.clone()));
        }
        let way = (known.dial)(address)?;
        if ways.len() >= WAYS_MOST {
            ways.clear();
        }
        ways.insert(address.to_owned(), way.clone());
        Ok(Peer::Remote(way))
    }
}

/// Whether a call was passed on by another replica, and so is not passed on again.
pub fn was_passed_on(headers: &HeaderMap) -> bool {
    headers.contains_key(PASSED_ON)
}

/// Passes a call on: token, deadline, bodies and trailers go through untouched.
pub async fn pass_on(peer: Peer, mut request: Request<Body>) -> Response<Body> {
    request.headers_mut().insert(PASSED_ON, HeaderValue::from_static("1"));
    crate::telemetry::inject(request.headers_mut());
    match peer.oneshot(request).await {
        Ok(response) => response,
        Err(error) => Status::from(Fault::Unavailable(error)).into_http(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tonic::transport::Endpoint;
    use tower::util::BoxCloneSyncService;

    #[tokio::test]
    async fn a_call_is_passed_on_as_it_is_and_marked() {
        let sent = [
            ("authorization", "Bearer hers"),
            ("grpc-timeout", "250m"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ];
        let peer = Peer::Local(BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| async move {
            assert!(was_passed_on(request.headers()));
            for (name, value) in sent {
                assert_eq!(request.headers().get(name).map(HeaderValue::as_bytes), Some(value.as_bytes()), "{name}");
            }
            Ok(Response::new(request.into_body()))
        })));
        let mut request = Request::new(Body::empty());
        for (name, value) in sent {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        assert!(!was_passed_on(request.headers()));
        assert_eq!(pass_on(peer, request).await.status(), http::StatusCode::OK);
    }

    #[tokio::test]
    async fn a_way_is_kept_and_their_number_is_bounded() {
        let dialled = Arc::new(AtomicUsize::new(0));
        let count = dialled.clone();
        let replicas = Replicas::new(None, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Endpoint::from_static("http://127.0.0.1:1").connect_lazy())
        });
        for _ in 0..3 {
            assert!(replicas.at("10.0.0.1:1").is_ok());
        }
        assert_eq!(dialled.load(Ordering::SeqCst), 1);
        for n in 0..3 * WAYS_MOST {
            assert!(replicas.at(&format!("10.0.0.2:{n}")).is_ok());
        }
        let kept = replicas.0.as_ref().expect("there may be others").ways.lock().expect("the lock").len();
        assert!((1..=WAYS_MOST).contains(&kept), "{kept}");
        assert!(Replicas::default().at("10.0.0.1:1").is_err());
    }
}
