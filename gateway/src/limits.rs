//! One tenant's storm must not slow another: a token bucket per provider, and
//! one per client address for calls without a token.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use http::{Request, Response};
use kit::{Caller, Clock, Fault};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Buckets that are kept; beyond it full ones are dropped.
const KEPT: usize = 50_000;

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
    tokens: f64,
    at_micros: i64,
}

/// Takes from buckets that refill with time.
#[derive(Clone)]
pub struct Limiter {
    clock: Clock,
    tenant: Allowance,
    address: Allowance,
    buckets: Arc<Mutex<HashMap<String, Bucket>>>,
}

impl Limiter {
    /// Buckets for tenants and for addresses.
    pub fn new(clock: Clock, tenant: Allowance, address: Allowance) -> Limiter {
        Limiter { clock, tenant, address, buckets: Arc::default() }
    }

    /// Takes one call; how long to wait if there is none.
    fn take(&self, key: String, allowance: Allowance) -> Result<(), Duration> {
        let now = self.clock.now().as_microsecond();
        let Ok(mut buckets) = self.buckets.lock() else { return Ok(()) };
        if buckets.len() >= KEPT {
            buckets.retain(|_, b| now - b.at_micros < 60_000_000);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: allowance.burst, at_micros: now });
        let passed = (now - bucket.at_micros).max(0) as f64 / 1e6;
        bucket.tokens = (bucket.tokens + passed * allowance.per_second).min(allowance.burst);
        bucket.at_micros = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.tokens) / allowance.per_second))
        }
    }

    fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        let taken = match request.extensions().get::<Arc<Caller>>() {
            Some(caller) => self.take(caller.provider().to_string(), self.tenant),
            None => {
                let address = request.headers().get(kit::gate::CLIENT_ADDRESS).and_then(|v| v.to_str().ok());
                self.take(address.unwrap_or_default().to_owned(), self.address)
            }
        };
        taken.map_err(|retry_after| Fault::Exhausted { reason: "RATE_LIMITED", retry_after }.into())
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
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Refusal<S::Error>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.limiter.check(&request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(status) => Either::Left(Box::pin(kit::gate::refuse(request.into_body(), status))),
        }
    }
}

type Refusal<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_with_time() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let allowance = Allowance { per_second: 2.0, burst: 3.0 };
        let limiter = Limiter::new(clock.clone(), allowance, allowance);
        for _ in 0..3 {
            assert!(limiter.take("a".into(), allowance).is_ok());
        }
        assert_eq!(limiter.take("a".into(), allowance), Err(Duration::from_millis(500)));
        assert!(limiter.take("b".into(), allowance).is_ok(), "another tenant is not slowed");
        clock.advance_seconds(1);
        assert!(limiter.take("a".into(), allowance).is_ok());
    }
}
