//! The wire: messages, clients and servers generated from the .proto files,
//! their descriptors, and the table of who may call what.
//!
//! Invariant: nothing here is written by hand but [`Rule`] and its look-up.

#![allow(clippy::all, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/wire.rs"));

pub use manydesk::*;

pub use manydesk::access::v1::{Effect, Role, Scope};

/// The compiled file descriptors with options, for transcoding and all that is generated from them.
pub const SHAPES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shapes.bin"));

/// The same with their comments, for reflection and documents. A pool made of these holds ten times the memory.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Who may call one RPC.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Numbers of [`Role`].
    pub roles: &'static [i32],
    /// Number of [`Scope`].
    pub scope: i32,
    /// Number of [`Effect`].
    pub effect: i32,
    /// Full name of the request message.
    pub input: &'static str,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server answers with a stream.
    pub server_streaming: bool,
}

include!(concat!(env!("OUT_DIR"), "/access_table.rs"));

/// The rule of an RPC, by its path.
pub fn rule(path: &str) -> Option<&'static Rule> {
    ACCESS.binary_search_by(|r| r.path.cmp(path)).ok().map(|i| &ACCESS[i])
}
