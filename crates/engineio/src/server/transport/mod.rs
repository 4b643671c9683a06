//! The transports of one session, as its driver sees them.

pub(super) mod polling;
pub(super) mod websocket;

use std::sync::Arc;
use std::time::Instant;

use polling::Polling;
use websocket::WebSocket;

use super::budget::{Budget, Held};

/// Where a session's bytes come from and go to.
#[derive(Debug)]
pub(super) enum Transport {
    /// HTTP requests, until an upgrade has ended; boxed, so that it weighs nothing afterwards.
    Polling(Box<Polling>),
    /// A socket of the session's own.
    WebSocket(WebSocket),
}

impl Transport {
    /// Since when the client has taken no byte of what it is owed.
    pub(super) fn owed_since(&self) -> Option<Instant> {
        match self {
            Self::WebSocket(websocket) => websocket.owed_since(),
            // Who does not poll does not answer pings either: the heartbeat ends it.
            Self::Polling(_) => None,
        }
    }

    /// Counts the bytes of messages that are not whole yet, `more` of them held elsewhere; `false` when there is no room. One
    /// that holds none costs nothing.
    pub(super) fn hold_incomplete(&mut self, budget: &Arc<Budget>, max: usize, more: usize) -> bool {
        match self {
            Self::WebSocket(websocket) => {
                let bytes = websocket.incomplete_bytes() + more;
                websocket.hold(|held| hold(held, budget, max, bytes))
            }
            Self::Polling(polling) => {
                let candidate = polling.candidate.as_ref().map_or(0, WebSocket::incomplete_bytes);
                hold(&mut polling.held, budget, max, candidate + more)
            }
        }
    }

    /// The session has ended: nothing is waited for any more.
    pub(super) fn forget_incomplete(&mut self) {
        match self {
            Self::WebSocket(websocket) => websocket.forget_incomplete(),
            Self::Polling(polling) => polling.held = None,
        }
    }
}

fn hold(held: &mut Option<Held>, budget: &Arc<Budget>, max: usize, bytes: usize) -> bool {
    match bytes {
        0 => {
            *held = None;
            true
        }
        bytes => held.get_or_insert_with(|| budget.hold_nothing()).resize(bytes, max),
    }
}
