//! Logs, spans, metrics, and the trace context that joins them across calls,
//! events and services. Nothing here carries personal data: spans hold ids,
//! labels hold RPC names and codes.

use std::future::Future;
use std::io::IsTerminal;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer as _, Registry};

use crate::caller::Caller;
use crate::ids::Id;

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A filter such as `info` or `info,tickets=debug`.
    pub log: String,
    /// How logs look.
    pub format: LogFormat,
    /// OTLP/gRPC collector, e.g. `http://127.0.0.1:4317`.
    pub otlp: Option<String>,
    /// `service.name` of the resource.
    pub service: String,
}

/// Ends the telemetry; dropping it flushes what is not yet exported.
#[derive(Default)]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            let _ = provider.shutdown();
        }
    }
}

/// The exporter's own traffic must not be traced, or it traces itself.
const PLUMBING: &[&str] = &["h2", "hyper", "tonic", "tower", "hyper_util", "opentelemetry"];

/// Whether lines are read on a screen that shows colours (no-color.org).
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Installs the process's subscriber; must run inside the tokio runtime.
pub fn start(settings: &Settings) -> Result<Guard, String> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|e| format!("the log filter is not valid: {e}"))?;
    let lines: Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync> = match settings.format {
        LogFormat::Json => Box::new(
            tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(std::io::stderr)
                .with_filter(filter),
        ),
        LogFormat::Pretty => Box::new(
            tracing_subscriber::fmt::layer()
                .with_target(true)
                .with_ansi(is_coloured())
                .with_writer(std::io::stderr)
                .with_filter(filter),
        ),
    };
    let provider = match &settings.otlp {
        None => None,
        Some(endpoint) => Some(exporter(endpoint, &settings.service)?),
    };
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("manydesk")).with_filter(FilterFn::new(|meta| {
            let root = meta.target().split("::").next().unwrap_or_default();
            meta.is_span() && *meta.level() <= tracing::Level::INFO && !PLUMBING.contains(&root)
        }))
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(traces)
        .try_init()
        .map_err(|e| format!("telemetry was started before: {e}"))?;
    Ok(Guard(provider))
}

fn exporter(endpoint: &str, service: &str) -> Result<SdkTracerProvider, String> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|e| format!("the OTLP endpoint is not usable: {e}"))?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(Resource::builder().with_service_name(service.to_owned()).build())
        .build())
}

/// The process's metrics, in Prometheus' text form.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            .map(PrometheusBuilder::build_recorder)
            .unwrap_or_else(|_| PrometheusBuilder::new().build_recorder());
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}

/// Says in the current span who is calling.
pub fn note_caller(caller: &Caller) {
    let span = Span::current();
    if !span.is_disabled() {
        span.record("provider.id", tracing::field::display(caller.provider()));
        span.record("caller.id", tracing::field::display(caller.subject()));
    }
}

/// The W3C trace context of the current span; empty where nothing is traced.
pub fn traceparent() -> String {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

/// Makes a span the child of a remote one.
pub fn continue_trace(span: &Span, traceparent: &str) {
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(parent), Some(flags)) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let (Ok(trace), Ok(parent), Ok(flags)) =
        (TraceId::from_hex(trace), SpanId::from_hex(parent), u8::from_str_radix(flags, 16))
    else {
        return;
    };
    let remote = SpanContext::new(trace, parent, TraceFlags::new(flags), true, TraceState::default());
    if remote.is_valid() {
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
    }
}

/// Puts the current trace context into outgoing headers.
pub fn inject(headers: &mut HeaderMap) {
    let context = traceparent();
    if let Ok(value) = http::HeaderValue::from_str(&context)
        && !context.is_empty()
    {
        headers.insert("traceparent", value);
    }
}

/// One span and one count for every call; outermost, so that refusals have
/// them too. A panic in a handler ends in `INTERNAL`, not in a dead connection.
#[derive(Clone, Copy)]
pub struct CallLayer {
    role: &'static str,
}

impl CallLayer {
    /// Names the process's part in the span, e.g. `gateway` or `tickets`.
    pub fn new(role: &'static str) -> CallLayer {
        CallLayer { role }
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = Call<S>;
    fn layer(&self, inner: S) -> Call<S> {
        Call { inner, role: self.role }
    }
}

/// See [`CallLayer`].
#[derive(Clone)]
pub struct Call<S> {
    inner: S,
    role: &'static str,
}

impl<S, B> Service<Request<B>> for Call<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[allow(clippy::disallowed_methods)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let started = Instant::now();
        let rule = proto::rule(request.uri().path());
        let path = rule.map_or("other", |rule| rule.path);
        let role = self.role;
        let span = tracing::info_span!(
            "rpc",
            otel.name = path,
            role,
            rpc.path = path,
            provider.id = tracing::field::Empty,
            caller.id = tracing::field::Empty,
            rpc.code = tracing::field::Empty,
        );
        if let Some(parent) = request.headers().get("traceparent").and_then(|v| v.to_str().ok()) {
            continue_trace(&span, parent);
        }
        let call = span.in_scope(|| self.inner.call(request));
        let work = async move {
            let answer = match AssertUnwindSafe(call).catch_unwind().await {
                Ok(answer) => answer,
                Err(_) => {
                    tracing::error!(rpc.path = path, "a handler panicked");
                    Ok(Status::internal("internal error").into_http())
                }
            };
            let code = answer.as_ref().map_or("transport", |response| {
                response.headers().get("grpc-status").and_then(|v| v.to_str().ok()).map_or("0", code_word)
            });
            Span::current().record("rpc.code", code);
            let (service, method) = path.trim_start_matches('/').rsplit_once('/').unwrap_or((role, path));
            metrics::counter!("manydesk_rpc_requests_total", "service" => service, "method" => method, "code" => code)
                .increment(1);
            metrics::histogram!("manydesk_rpc_duration_seconds", "service" => service, "method" => method)
                .record(started.elapsed().as_secs_f64());
            answer
        };
        Box::pin(work.instrument(span))
    }
}

/// A static word for a status code, so that labels stay few.
fn code_word(code: &str) -> &'static str {
    const WORDS: [&str; 17] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
    WORDS.iter().find(|word| **word == code).copied().unwrap_or("2")
}

/// The provider and seller of a background step, as span fields.
pub fn tenant_fields(span: &Span, provider: impl Id) {
    span.record("provider.id", tracing::field::display(provider));
}
