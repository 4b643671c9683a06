//! Engine.IO v4 for servers, in two halves.
//!
//! # The protocol in one page
//! Engine.IO gives a browser and a server one ordered, two-way stream of **messages** (text or binary) over
//! whatever transport works:
//!
//! * **HTTP long-polling**: a `GET` waits until the server has something to say, a `POST` carries what the
//!   client says. Several packets share one body, separated by `\x1e`; binary messages travel as `b` + base64.
//! * **WebSocket**: one packet a frame; a binary message is a binary frame with no prefix at all.
//!
//! A client opens with `GET ?EIO=4&transport=polling` (or a WebSocket request) and is answered with an *open*
//! packet that names its session:
//!
//! ```text
//! 0{"sid":"a.Qx3…","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}
//! ```
//!
//! From then on each packet is one digit and its data ([`Packet`]): `2` ping (from the server, one interval
//! after the opening), `3` pong (from the client, within the timeout), `4` message, `1` close, `6` noop. A
//! client that began with polling opens a WebSocket beside it, sends `2probe`, gets `3probe`, sends `5`, and the
//! session goes on there; the polling request that waits meanwhile is ended with `6`.
//!
//! # The two halves
//! * Without features: bytes ⇄ messages, and nothing else. [`Session`] is a state machine that is told the time
//!   and what came in, and answers with events; it never waits, never reads a clock and owns no buffer.
//! * With the feature `server`: `server`, the task that drives one such session over a real socket.
//!
//! Source of every rule here: the Engine.IO protocol, revision 4, and the behaviour of its reference server.

pub mod packet;
pub mod payload;
pub mod frame;
pub mod fragments;
pub mod handshake;
pub mod session;
pub mod close;
pub mod config;
pub mod digits;
#[cfg(feature = "server")]
pub mod server;

pub use close::{CloseReason, Violation};
pub use config::Config;
pub use packet::{Message, Packet};
pub use session::Session;
