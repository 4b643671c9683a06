//! The transports of one session, as its driver sees them.

pub(super) mod polling;
pub(super) mod websocket;

use std::time::{Duration, Instant};

use polling::Polling;
use websocket::WebSocket;

/// Where a session's bytes come from and go to.
#[derive(Debug)]
pub(super) enum Transport {
    /// HTTP requests, until an upgrade has ended; boxed, so that it weighs nothing afterwards.
    Polling(Box<Polling>),
    /// A socket of the session's own.
    WebSocket(WebSocket),
}

impl Transport {
    /// When the client is cut if it has taken no byte until then.
    pub(super) fn stalled_at(&self, timeout: Duration) -> Option<Instant> {
        match self {
            Self::WebSocket(websocket) => websocket.owed_since().map(|since| since + timeout),
            // Who does not poll does not answer pings either: the heartbeat ends it.
            Self::Polling(_) => None,
        }
    }
}
