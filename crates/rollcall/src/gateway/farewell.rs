//! `sessions:error`, the last event on a socket. Does not know: what follows it.

use std::io::Write;

use engineio::server::Outbox;
use socketio::event;

use super::Gateway;
use super::codes::SessionError;
use super::sessions::NAMESPACE;

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
