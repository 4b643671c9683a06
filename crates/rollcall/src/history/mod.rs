//! What happens to live sessions on its way to SQL, for the history and for webhooks: a queue off the sockets' path, and
//! a `writer` behind it. A socket waits for neither. Does not know: tables, who is told.

mod writer;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::{Config, WebhookEvent};
use crate::gateway::items::encode_item;
use crate::registry::{Session, UserKey};
use crate::store::{EndReason, SessionEnd, SessionNote, Unrecorded};
use crate::telemetry::metrics::Metrics;
use writer::Pending;

/// The queue.
pub struct History {
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Ends are kept.
    keeps: bool,
    /// Somebody is told of sessions that begin.
    tells_started: bool,
    /// The same of those that end.
    tells_ended: bool,
    sender: mpsc::Sender<SessionNote>,
    /// What was taken out of the queue and is not written yet.
    pending: tokio::sync::Mutex<Pending>,
    /// Ends that found no room.
    unrecorded: Mutex<Option<Unrecorded>>,
    is_full: AtomicBool,
}

impl History {
    /// An empty queue.
    pub fn new(config: &Config, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self {
            clock,
            metrics,
            keeps: config.history.keep_days > 0,
            tells_started: config.webhooks.want(WebhookEvent::SessionStarted),
            tells_ended: config.webhooks.want(WebhookEvent::SessionEnded),
            sender,
            pending: tokio::sync::Mutex::new(Pending::new(receiver)),
            unrecorded: Mutex::new(None),
            is_full: AtomicBool::new(false),
        }
    }

    /// Whether [`Self::started`] does anything.
    pub(crate) fn notes_starts(&self) -> bool {
        self.tells_started
    }

    /// A session has begun.
    pub(crate) fn started(&self, user: &UserKey, session: &Session) {
        if self.tells_started {
            self.put(note(user, session, self.clock.unix_millis(), None));
        }
    }

    /// A session has ended; `detail` is what `rollcall_session_ends_total` counts it by, `by` who has revoked it if that
    /// stands nowhere else.
    pub(crate) fn ended(&self, user: &UserKey, session: &Session, detail: &'static str, by: Option<&str>) {
        if self.keeps || self.tells_ended {
            let (reason, detail) = (reason_of(detail), Cow::Borrowed(detail));
            let end = SessionEnd { reason, detail, by: by.map(Box::from) };
            self.put(note(user, session, self.clock.unix_millis(), Some(end)));
        }
    }

    fn put(&self, note: SessionNote) {
        let (is_end, at) = (note.end.is_some(), note.at);
        let is_full = self.sender.try_send(note).is_err();
        match is_full {
            true => self.miss(is_end, at, 1),
            false => self.metrics.history.waiting(self.waiting()),
        }
        if self.is_full.swap(is_full, Ordering::Relaxed) != is_full && is_full {
            tracing::warn!(
                "too many sessions wait to be written down: of those that come and go now only the number is kept"
            );
        }
    }

    fn miss(&self, is_end: bool, at: u64, count: u64) {
        self.metrics.history.dropped(count);
        if is_end {
            let mut unrecorded = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
            let missed = unrecorded.get_or_insert(Unrecorded { sessions: 0, since: at });
            missed.sessions += count;
            missed.since = missed.since.min(at);
        }
    }

    fn waiting(&self) -> usize {
        WAITING_MAX - self.sender.capacity()
    }
}

fn note(user: &UserKey, session: &Session, at: u64, end: Option<SessionEnd>) -> SessionNote {
    let mut item = Vec::with_capacity(USUAL_BYTES);
    encode_item(session, &mut item);
    SessionNote {
        socket_id: session.id,
        issuer: user.issuer,
        subject: user.subject.clone(),
        login: session.grant.login.clone(),
        connected_at: session.connected_at,
        item: String::from_utf8(item).unwrap_or_default(), // JSON is UTF-8
        at,
        end,
    }
}

/// One of seven, of what a session can end by: see `gateway::codes`, `engineio::CloseReason` and [`LOST`].
fn reason_of(detail: &str) -> EndReason {
    match detail {
        "ping_timeout" => EndReason::Timeout,
        "session_revoked" => EndReason::Revoked,
        "session_evicted" => EndReason::Evicted,
        "token_expired" => EndReason::Expired,
        "server_shutdown" => EndReason::Shutdown,
        LOST => EndReason::NodeLost,
        _ => EndReason::Closed,
    }
}

/// Of a session whose node has died.
pub(crate) const LOST: &str = "node_lost";
/// All clients of a large node may leave at once; what waits is at most some 60 MB.
const WAITING_MAX: usize = 65_536;
/// Of one session.
const USUAL_BYTES: usize = 320;

impl fmt::Debug for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("History")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engineio::CloseReason;

    #[test]
    fn every_end_has_one_of_seven_reasons() {
        let check = |detail: &str, reason: &str| assert_eq!(reason_of(detail).as_str(), reason, "{detail}");
        for detail in ["client_disconnect", "parse_error", "slow_consumer", "rate_limited", "unavailable"] {
            check(detail, "closed");
        }
        check(CloseReason::ClientClosed.as_str(), "closed");
        check(CloseReason::TransportClosed.as_str(), "closed");
        check(CloseReason::PingTimeout.as_str(), "timeout");
        check("session_revoked", "revoked");
        check("session_evicted", "evicted");
        check("token_expired", "expired");
        check("server_shutdown", "shutdown");
        check(LOST, "node_lost");
    }
}
