//! The only public edge. One port speaks gRPC, gRPC-Web, Connect and JSON over
//! HTTP; every call, however it came in, passes the same stack and is forwarded
//! by the service's name. gRPC bodies are passed on without being decoded.
//!
//! Reading order: [`port`], [`tls`], [`edge`] (the stack), `arrival`, [`forward`], [`limits`], `linger`, then [`rest`]
//! (transcoding by `google.api.http`), [`connect`], [`openapi`], [`pages`], `help_page`, `survey_page`, [`webhooks`].
//!
//! Invariants: no SQL, no domain; a new RPC needs no change here.

mod arrival;
pub mod bodies;
mod calendar_page;
mod connect;
pub mod edge;
pub mod forward;
mod help_page;
pub mod limits;
mod linger;
pub mod openapi;
pub mod pages;
pub mod port;
pub mod rest;
mod survey_page;
pub mod tls;
pub mod webhooks;

pub use edge::{Settings, app};
pub use port::serve;
