//! One tenant's storm must not slow another: a token bucket per provider, a smaller one for a seller's own people
//! and programs, and one per client address for calls without a token; and each of them has a part of the calls at
//! work at most, so that slow ones do not keep everybody out either.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use kit::caller::Kind;
use kit::{Caller, Clock, Fault, ProviderId, SellerId};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Buckets that are kept; beyond it full ones are dropped, and addresses that are new are refused.
const KEPT: usize = 50_000;
/// Between two looks for full ones.
const SWEEP_MICROS: i64 = 1_000_000;
/// A seller's part of what its provider may ask for.
const OF_SELLER: f64 = 0.25;
/// Parts of the calls at work that a provider, a seller's own people and programs, and an address may have.
const AT_WORK_OF_PROVIDER: usize = 2;
const AT_WORK_OF_SELLER: usize = 8;
const AT_WORK_OF_ADDRESS: usize = 4;

/// How much is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Calls a second in the long run.
    pub per_second: f64,
    /// Calls at once.
    pub burst: f64,
}

#[derive(Clone, Copy)]
struct Bucket {
    allowance: Allowance,
    tokens: f64,
    at_micros: i64,
}

impl Bucket {
    fn refilled(&self, now: i64) -> f64 {
        let passed = (now - self.at_micros).max(0) as f64 / 1e6;
        (self.tokens + passed * self.allowance.per_second).min(self.allowance.burst)
    }
}

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Provider(ProviderId),
    Seller(SellerId),
    /// An address of version 4, or the first half of one of version 6: whoever has one of those has all behind it.
    Network(IpAddr),
    Nowhere,
}

impl Key {
    /// The sender of a request, without a look at its token.
    pub fn of_request<B>(request: &Request<B>) -> Key {
        Key::of_address(request.headers().get(kit::gate::CLIENT_ADDRESS).and_then(|v| v.to_str().ok()))
    }

    fn of_address(address: Option<&str>) -> Key {
        match address.and_then(|text| text.parse::<IpAddr>().ok()).map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => {
                let network = address.to_bits() >> 64 << 64;
                Key::Network(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            Some(address) => Key::Network(address),
            None => Key::Nowhere,
        }
    }
}

#[derive(Default)]
struct Buckets {
    of: HashMap<Key, Bucket>,
    swept_micros: i64,
}

/// Takes from buckets that refill with time.
#[derive(Clone)]
pub struct Limiter {
    clock: Clock,
    tenant: Allowance,
    address: Allowance,
    buckets: Arc<Mutex<Buckets>>,
    /// Calls at work, of all and by whom.
    most_at_work: usize,
    at_work: Arc<Mutex<HashMap<Key, usize>>>,
}

/// A call at work, until it is dropped.
struct AtWork {
    at_work: Arc<Mutex<HashMap<Key, usize>>>,
    keys: [Option<Key>; 2],
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let Ok(mut at_work) = self.at_work.lock() else { return };
        for key in self.keys.into_iter().flatten() {
            match at_work.get_mut(&key) {
                Some(calls) if 1 < *calls => *calls -= 1,
                _ => {
                    at_work.remove(&key);
                }
            }
        }
    }
}

impl Limiter {
    /// Buckets for tenants and for addresses, and parts of so many calls at work.
    pub fn new(clock: Clock, tenant: Allowance, address: Allowance, most_at_work: usize) -> Limiter {
        Limiter { clock, tenant, address, buckets: Arc::default(), most_at_work, at_work: Arc::default() }
    }

    /// A place among the calls at work, where each of the keys has one left.
    fn begin(&self, keys: [Option<Key>; 2]) -> Result<AtWork, Duration> {
        let part = |key: &Key| match key {
            Key::Provider(_) => AT_WORK_OF_PROVIDER,
            Key::Seller(_) => AT_WORK_OF_SELLER,
            Key::Network(_) | Key::Nowhere => AT_WORK_OF_ADDRESS,
        };
        if let Ok(mut at_work) = self.at_work.lock() {
            let is_full =
                |key: &Key| at_work.get(key).is_some_and(|calls| (self.most_at_work / part(key)).max(1) <= *calls);
            if keys.iter().flatten().any(is_full) {
                return Err(Duration::from_millis(200));
            }
            for key in keys.into_iter().flatten() {
                *at_work.entry(key).or_default() += 1;
            }
        }
        Ok(AtWork { at_work: Arc::clone(&self.at_work), keys })
    }

    /// Takes one call; how long to wait if there is none.
    fn take(&self, key: Key, allowance: Allowance) -> Result<(), Duration> {
        let now = self.clock.now().as_microsecond();
        let Ok(mut buckets) = self.buckets.lock() else { return Ok(()) };
        if KEPT <= buckets.of.len() && SWEEP_MICROS <= (now - buckets.swept_micros).abs() {
            buckets.swept_micros = now;
            buckets.of.retain(|_, bucket| bucket.refilled(now) < bucket.allowance.burst);
        }
        if KEPT <= buckets.of.len() && matches!(key, Key::Network(_)) && !buckets.of.contains_key(&key) {
            return Err(Duration::from_secs(1));
        }
        let fresh = Bucket { allowance, tokens: allowance.burst, at_micros: now };
        let bucket = buckets.of.entry(key).or_insert(fresh);
        (bucket.tokens, bucket.at_micros) = (bucket.refilled(now), now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.tokens) / allowance.per_second))
        }
    }

    fn check<B>(&self, request: &Request<B>) -> Result<AtWork, Status> {
        let keys = match request.extensions().get::<Arc<Caller>>() {
            Some(caller) => Self::keys(caller),
            None => [Some(Key::of_request(request)), None],
        };
        let limited = |retry_after| Fault::Exhausted { reason: "RATE_LIMITED", retry_after };
        for key in keys.into_iter().flatten() {
            self.take(key, self.allowance(key)).map_err(limited)?;
        }
        Ok(self.begin(keys).map_err(|retry_after| Fault::Exhausted { reason: "TOO_MANY_AT_WORK", retry_after })?)
    }

    /// A seller's people and programs have their part first, so that they leave something for the others.
    fn keys(caller: &Caller) -> [Option<Key>; 2] {
        let is_sellers = caller.kind() == Kind::ApiKey || caller.is_seller_side();
        let seller = caller.only_seller().filter(|_| is_sellers).map(Key::Seller);
        [seller, Some(Key::Provider(caller.provider()))]
    }

    fn allowance(&self, key: Key) -> Allowance {
        let Allowance { per_second, burst } = self.tenant;
        match key {
            Key::Provider(_) => self.tenant,
            Key::Seller(_) => Allowance { per_second: per_second * OF_SELLER, burst: burst * OF_SELLER },
            Key::Network(_) | Key::Nowhere => self.address,
        }
    }
}

/// Puts [`Limits`] around a service.
#[derive(Clone)]
pub struct LimitsLayer(pub Limiter);

impl<S> Layer<S> for LimitsLayer {
    type Service = Limits<S>;
    fn layer(&self, inner: S) -> Limits<S> {
        Limits { inner, limiter: self.0.clone() }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Limits<S> {
    inner: S,
    limiter: Limiter,
}

impl<S> Service<Request<Body>> for Limits<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.limiter.check(&request) {
            Ok(at_work) => {
                let answer = self.inner.call(request);
                // a stream is at work until its head is answered, as everywhere
                Box::pin(async move {
                    let answer = answer.await;
                    drop(at_work);
                    answer
                })
            }
            Err(status) => Box::pin(kit::gate::refuse(request.into_body(), status)),
        }
    }
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u128) -> Key {
        Key::Provider(ProviderId(kit::ids::Uuid::from_u128(n)))
    }

    #[test]
    fn a_bucket_empties_and_refills_with_time() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let allowance = Allowance { per_second: 2.0, burst: 3.0 };
        let limiter = Limiter::new(clock.clone(), allowance, allowance, 16);
        for _ in 0..3 {
            assert!(limiter.take(tenant(1), allowance).is_ok());
        }
        assert_eq!(limiter.take(tenant(1), allowance), Err(Duration::from_millis(500)));
        assert!(limiter.take(tenant(2), allowance).is_ok(), "another tenant is not slowed");
        clock.advance_seconds(1);
        assert!(limiter.take(tenant(1), allowance).is_ok());
    }

    #[test]
    fn nobody_has_all_calls_at_work() {
        let allowance = Allowance { per_second: 1e6, burst: 1e6 };
        let limiter = Limiter::new(Clock::manual(jiff::Timestamp::UNIX_EPOCH), allowance, allowance, 16);
        let seller = |n: u128| Some(Key::Seller(SellerId(kit::ids::Uuid::from_u128(n))));
        let mut held: Vec<_> = (0..2).map(|_| limiter.begin([seller(1), Some(tenant(1))]).expect("a place")).collect();
        assert!(limiter.begin([seller(1), Some(tenant(1))]).is_err(), "an eighth for one seller");
        held.extend((0..6).map(|_| limiter.begin([None, Some(tenant(1))]).expect("a place")));
        assert!(limiter.begin([seller(2), Some(tenant(1))]).is_err(), "half for one provider");
        assert!(limiter.begin([None, Some(tenant(2))]).is_ok());
        held.clear();
        assert!(limiter.at_work.lock().expect("the lock").is_empty(), "what has ended is forgotten");
        assert!(limiter.begin([seller(1), Some(tenant(1))]).is_ok());
    }

    #[test]
    fn a_network_of_version_6_is_one_sender() {
        let key = |text| Key::of_address(Some(text));
        assert!(key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff::9"));
        assert!(key("2001:db8:1:2::1") != key("2001:db8:1:3::1"));
        assert!(key("::ffff:192.0.2.1") == key("192.0.2.1") && key("192.0.2.1") != key("192.0.2.2"));
        assert!(Key::of_address(None) == Key::Nowhere);
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_passes() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let allowance = Allowance { per_second: 1.0, burst: 2.0 };
        let limiter = Limiter::new(clock.clone(), allowance, allowance, 16);
        let network = |n: u32| Key::Network(IpAddr::V4(n.into()));
        let most = u32::try_from(KEPT).expect("a number");
        for n in 0..most {
            assert!(limiter.take(network(n), allowance).is_ok());
        }
        assert!(limiter.take(network(most), allowance).is_err(), "new ones wait");
        assert!(limiter.take(network(0), allowance).is_ok(), "known ones go on");
        assert!(limiter.take(tenant(1), allowance).is_ok(), "and so do callers with a token");
        clock.advance_seconds(3);
        assert!(limiter.take(network(most), allowance).is_ok());
        assert!(limiter.buckets.lock().expect("the lock").of.len() < 10, "full buckets are forgotten");
    }
}
