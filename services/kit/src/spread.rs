//! A way to a service that several processes serve. One HTTP/2 connection leads
//! to one of them for as long as it lasts, however many there are, so a
//! connection is kept to each address of the name, and calls are spread over
//! them. The name is asked for its addresses again and again.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::Sender;
use tonic::transport::channel::Change;
use tonic::transport::{Channel, Endpoint, Error};

/// How often a name is asked for its addresses. Shorter than the time between
/// a process leaving its name and its end.
pub const ASK_EVERY: Duration = Duration::from_secs(3);
/// Changes of addresses that wait to be taken over.
const CHANGES: usize = 64;

/// Asks a name for its addresses.
pub type Lookup = Box<dyn Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;
/// Makes the endpoint of one address.
pub type At = Box<dyn Fn(SocketAddr) -> Result<Endpoint, Error> + Send + Sync>;

/// Where a connection leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// Wherever the name leads at the moment.
    Name,
    Address(SocketAddr),
}

/// Asks the system.
pub fn system(host: &str, port: u16) -> Lookup {
    let host = host.to_owned();
    Box::new(move || {
        let host = host.clone();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    })
}

/// A channel over all addresses of a name; ends its work when it is dropped.
pub fn channel(by_name: Endpoint, at: At, lookup: Lookup, every: Duration) -> Channel {
    let (channel, changes) = Channel::balance_channel(CHANGES);
    tokio::spawn(follow(by_name, at, lookup, every, changes));
    channel
}

async fn follow(by_name: Endpoint, at: At, lookup: Lookup, every: Duration, changes: Sender<Change<Place, Endpoint>>) {
    // until the addresses are known a call asks for them itself, and hears if there are none
    if changes.send(Change::Insert(Place::Name, by_name)).await.is_err() {
        return;
    }
    let mut places = BTreeSet::from([Place::Name]);
    loop {
        // a name that leads nowhere for the moment leads where it did
        let found = lookup().await.map(one_family).unwrap_or_default();
        if !found.is_empty() && take_over(&mut places, &found, &at, &changes).await.is_err() {
            return;
        }
        tokio::select! {
            () = changes.closed() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// First what is new, then what is gone: at no moment there is nothing.
async fn take_over(
    places: &mut BTreeSet<Place>,
    found: &BTreeSet<Place>,
    at: &At,
    changes: &Sender<Change<Place, Endpoint>>,
) -> Result<(), ()> {
    for place in found.difference(&places.clone()) {
        let Place::Address(address) = place else { continue };
        match at(*address) {
            Ok(endpoint) => changes.send(Change::Insert(*place, endpoint)).await.map_err(drop)?,
            Err(error) => {
                tracing::warn!(error = crate::fault::chain(&error), "an address of a service cannot be used");
                continue;
            }
        }
        places.insert(*place);
    }
    if places.is_disjoint(found) {
        return Ok(());
    }
    for place in places.clone().difference(found) {
        changes.send(Change::Remove(*place)).await.map_err(drop)?;
        places.remove(place);
    }
    Ok(())
}

/// A process has an address of each family; it must not count twice, and need
/// not listen on both.
fn one_family(found: Vec<SocketAddr>) -> BTreeSet<Place> {
    let four = found.iter().any(SocketAddr::is_ipv4);
    found.into_iter().filter(|address| address.is_ipv4() == four).map(Place::Address).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use http::Request;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use tonic::Status;
    use tonic::body::Body;
    use tower::ServiceExt;

    use super::*;

    /// A process that counts its calls.
    struct Counting {
        address: SocketAddr,
        calls: Arc<AtomicUsize>,
        stop: CancellationToken,
    }

    impl Counting {
        async fn start() -> Counting {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (calls, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
            let counted = calls.clone();
            let local = crate::peers::Local::new(tower::service_fn(move |_: Request<Body>| {
                counted.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, Infallible>(Status::unimplemented("counted").into_http()) }
            }));
            tokio::spawn(crate::serve::serve(listener, "counting", local, None, stop.clone(), Duration::from_secs(1)));
            Counting { address, calls, stop }
        }

        fn taken(&self) -> usize {
            self.calls.swap(0, Ordering::Relaxed)
        }
    }

    async fn call(channel: &Channel) -> bool {
        let request = Request::post("/manydesk.tickets.v1.TicketsService/GetTicket").body(Body::empty());
        channel.clone().oneshot(request.expect("a request")).await.is_ok()
    }

    /// Calls until it is as it should be.
    async fn until(what: &str, channel: &Channel, mut done: impl FnMut() -> bool) {
        for _ in 0..2_000 {
            for _ in 0..20 {
                call(channel).await;
            }
            if done() {
                return;
            }
        }
        panic!("never: {what}");
    }

    #[tokio::test]
    async fn calls_are_spread_over_the_addresses_that_a_name_has_at_the_moment() {
        let (one, two) = (Counting::start().await, Counting::start().await);
        let addresses = Arc::new(Mutex::new(Ok(vec![one.address, two.address])));
        let asked = addresses.clone();
        let lookup: Lookup = Box::new(move || {
            let found = asked.lock().expect("the lock").clone().map_err(|()| io::Error::other("no such name"));
            Box::pin(std::future::ready(found))
        });
        let endpoint = |address: SocketAddr| Endpoint::from_shared(format!("http://{address}"));
        let by_name = endpoint(one.address).expect("an endpoint");
        let channel = channel(by_name, Box::new(endpoint), lookup, Duration::from_millis(5));
        until("both are called", &channel, || one.taken() > 0 && two.taken() > 0).await;
        for _ in 0..200 {
            assert!(call(&channel).await);
        }
        let (first, second) = (one.taken(), two.taken());
        assert_eq!(first + second, 200);
        assert!(first.min(second) > 40, "{first} and {second} calls");

        // one leaves the name: nobody calls it any more, so it may end
        *addresses.lock().expect("the lock") = Ok(vec![two.address]);
        until("the one that left is left alone", &channel, || one.taken() == 0).await;
        one.stop.cancel();
        for nothing in [Err(()), Ok(Vec::new())] {
            *addresses.lock().expect("the lock") = nothing;
            two.taken();
            for _ in 0..100 {
                assert!(call(&channel).await, "a name that leads nowhere leads where it did");
            }
            assert_eq!(two.taken(), 100);
        }

        // somebody joins
        let three = Counting::start().await;
        *addresses.lock().expect("the lock") = Ok(vec![two.address, three.address]);
        until("the one that joined is called", &channel, || three.taken() > 0).await;
    }

    #[test]
    fn an_address_counts_once() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let both = vec![address("[::1]:1"), address("127.0.0.1:1"), address("127.0.0.1:1")];
        assert_eq!(one_family(both), BTreeSet::from([Place::Address(address("127.0.0.1:1"))]));
        assert_eq!(one_family(vec![address("[::1]:1")]).len(), 1);
    }
}
