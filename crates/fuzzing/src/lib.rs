//! What must hold for any input: one function a kind of it, which asserts and returns nothing.
//!
//! A program of libFuzzer (`fuzz/targets`) and the replay of the corpus (`tests/replay.rs`, part of `make test`) call the
//! same functions. [`TARGETS`] names them; each has a program and a folder of the corpus by its name. Does not know: who
//! makes the inputs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "an assertion that fails is what these functions are for"
)]

mod engineio;
mod websocket;
mod session;
mod socketio;
mod connection;
mod query;
mod jwt;
mod jwks;
mod configuration;
mod record;
mod strict;

pub use configuration::configuration;
pub use connection::connection_operations;
pub use engineio::{engineio_packet, engineio_payload};
pub use jwks::jwks;
pub use jwt::jwt;
pub use query::query;
pub use record::registry_record;
pub use session::session_operations;
pub use socketio::socketio_packet;
pub use strict::relayed_json;
pub use websocket::websocket_frames;

/// What one kind of input is given to.
pub type Target = fn(&[u8]);

/// Each by the name of its program and of its folder of the corpus.
pub const TARGETS: [(&str, Target); 12] = [
    ("engineio_packet", engineio_packet),
    ("engineio_payload", engineio_payload),
    ("websocket_frames", websocket_frames),
    ("session_operations", session_operations),
    ("socketio_packet", socketio_packet),
    ("connection_operations", connection_operations),
    ("query", query),
    ("jwt", jwt),
    ("jwks", jwks),
    ("configuration", configuration),
    ("registry_record", registry_record),
    ("relayed_json", relayed_json),
];
