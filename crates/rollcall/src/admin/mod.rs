//! The namespace `/admin`, for the stock Socket.IO Admin UI: who is there, as operators see it, and the one thing that they
//! may do about it. Reading order: `sign_in` (who may look), `visitor` (one connection), `desk` (the pages that are open),
//! `watch` (the one task that tells them), `sample` (which sockets they are shown), `stats` and `telling` (in which words),
//! `commands` (what they may ask for). Nothing here is called by the sockets of clients.
//!
//! What is said and heard is what `@socket.io/admin-ui` 0.5 says and hears. Does not know: listeners.

mod sign_in;
mod visitor;
mod desk;
mod watch;
mod sample;
mod stats;
mod telling;
mod commands;

use std::time::Instant;

use crate::config::Config;
use desk::Desk;
use sign_in::SignIn;
pub(crate) use visitor::{Visitor, Visitors};

/// Its name.
pub(crate) const NAMESPACE: &str = "/admin";
/// The namespace that it shows.
const SESSIONS: &str = "/sessions";

/// What all pages share.
pub(crate) struct Admin {
    sign_in: SignIn,
    desk: Desk,
    /// Of their connections.
    socketio: socketio::Config,
}

impl Admin {
    /// `None` unless a password is configured.
    pub(crate) fn new(config: &Config, now: Instant) -> Option<Self> {
        let socketio = socketio::Config {
            namespaces: &[NAMESPACE],
            max_attachment_bytes: config.limits.max_payload.get(),
            ..socketio::Config::default()
        };
        Some(Self { sign_in: SignIn::new(config, now)?, desk: Desk::default(), socketio })
    }
}
