//! `sessions:error`, the last event on a socket, and what is written around it. Does not know: what the socket was.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use engineio::server::{Flow, Goodbye, Outbox};
use socketio::connection::{encode_connected, encode_disconnected};
use socketio::event;

use super::Gateway;
use super::codes::{Ending, SessionError};
use super::sessions::NAMESPACE;
use crate::ids;
use crate::registry::SocketId;

/// How a refused client ends if it does not end itself.
#[derive(Debug)]
pub(super) struct Refusal {
    /// When.
    pub(super) deadline: Instant,
    pub(super) goodbye: Goodbye,
    pub(super) flow: Flow,
}

/// Refuses a client that wants to join: it is let in, told, and sent away.
pub(super) fn refuse(
    gateway: &Gateway,
    now: Instant,
    ip: Option<IpAddr>,
    error: SessionError,
    out: &mut Outbox<'_>,
) -> Refusal {
    gateway.app.metrics.connect(error.code());
    let ip = ip.map(tracing::field::display);
    tracing::info!(code = error.code(), ip, "refused a session");
    out.text(|out| encode_connected(NAMESPACE, new_socket_id().as_str(), out));
    match error.ending() {
        Ending::Disconnect => {
            let deadline = dismiss(gateway, now, error, out);
            Refusal { deadline, goodbye: Goodbye::Orderly, flow: Flow::Continue }
        }
        Ending::Transport => {
            out.start_payload();
            encode_error(gateway, error, out);
            Refusal { deadline: now, goodbye: Goodbye::Abrupt, flow: Flow::Close(Goodbye::Abrupt) }
        }
        Ending::DelayedTransport => {
            out.start_payload();
            encode_error(gateway, error, out);
            let deadline = now + ids::duration_between(DELAY_SHORTEST, DELAY_LONGEST);
            Refusal { deadline, goodbye: Goodbye::Abrupt, flow: Flow::Continue }
        }
    }
}

/// Tells a client that it is out, and may not come back like this. Gives when its socket is closed if it is open then.
pub(super) fn dismiss(gateway: &Gateway, now: Instant, error: SessionError, out: &mut Outbox<'_>) -> Instant {
    encode_error(gateway, error, out);
    out.text(|out| encode_disconnected(NAMESPACE, out));
    now + DISCONNECT_WAIT
}

/// Appends the event.
pub(super) fn encode_error(gateway: &Gateway, error: SessionError, out: &mut Outbox<'_>) {
    out.text(|out| {
        event::encode(out, NAMESPACE, "sessions:error", |out| {
            out.extend_from_slice(br#",{"code":""#);
            out.extend_from_slice(error.code().as_bytes());
            out.extend_from_slice(br#"","message":"#);
            event::encode_string(error.message(), out);
            // Writing into a vector cannot fail.
            let _ = match error {
                SessionError::RateLimited => {
                    let limits = &gateway.app.config.limits;
                    // The time in which an empty bucket fills.
                    let millis = 1000 * u64::from(limits.packets_burst.get())
                        / u64::from(limits.packets_per_second.get());
                    write!(out, r#","retryAfterMs":{millis}"#)
                }
                SessionError::ContextInvalid(field) => write!(out, r#","field":"{}""#, field.as_str()),
                SessionError::Token(_)
                | SessionError::TokenRanOut
                | SessionError::TooManySessions
                | SessionError::SessionRevoked
                | SessionError::SessionEvicted
                | SessionError::ServerShutdown
                | SessionError::Unavailable
                | SessionError::SlowConsumer => Ok(()),
            };
            out.push(b'}');
        });
    });
}

/// An id that nobody had before.
pub(super) fn new_socket_id() -> SocketId {
    loop {
        // The ids are made of just those characters: the first one is taken.
        if let Some(id) = SocketId::parse(&ids::socket_id()) {
            return id;
        }
    }
}

/// Stock clients close by themselves after a DISCONNECT, at once.
const DISCONNECT_WAIT: Duration = Duration::from_secs(1);
/// Between these the transport of a client that is to come back later is closed at random.
const DELAY_SHORTEST: Duration = Duration::from_secs(1);
const DELAY_LONGEST: Duration = Duration::from_secs(5);
