//! How an event is answered: `{ ok: true, … }` or `{ ok: false, code, message, … }`. The one table of the codes of events.
//! Does not know: what an event does.

use std::io::Write;
use std::time::Duration;

use engineio::server::Outbox;
use socketio::event;

use crate::gateway::items::{encode_list, encode_revision};
use crate::gateway::lifetime::Lifetime;
use crate::gateway::revoking::Held;
use crate::gateway::sessions::NAMESPACE;
use crate::gateway::stay::{Stay, encode_expiry};
use crate::identity::TokenRefusal;

/// What a client is told of an event that did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done, and there is nothing more to say.
    Done,
    /// The whole list.
    List,
    /// A message was relayed.
    Sent(Sent),
    /// Logins have ended.
    Revoked {
        /// So many sessions.
        count: usize,
        /// What that is worth.
        held: Held,
    },
    /// The session goes on with another token.
    Refreshed {
        /// Until when.
        lifetime: Lifetime,
        /// How long that is.
        seconds_left: u64,
    },
}

/// Whom a message has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Sessions whose queue took it.
    pub(super) delivered: usize,
    /// Whether the sessions of all nodes were known.
    pub(super) complete: bool,
}

/// Why an event did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventError {
    /// There is no such event.
    EventUnknown,
    /// An argument is not what it has to be; `field` says which.
    PayloadInvalid {
        /// Its name, `payload` for the argument as a whole.
        field: Box<str>,
    },
    /// What is to be relayed is too large.
    PayloadTooLarge,
    /// The user has no such session.
    SessionNotFound,
    /// The token is another user's.
    UserMismatch,
    /// The token is not good.
    Token(TokenRefusal),
    /// Something that the server needs cannot be reached.
    Unavailable,
    /// Too often.
    RateLimited {
        /// When once more is allowed.
        retry_after: Duration,
    },
}

impl EventError {
    /// [`Self::PayloadInvalid`]; a name that the client made up is cut.
    pub(super) fn invalid(field: &str) -> Self {
        Self::PayloadInvalid { field: field[..field.floor_char_boundary(FIELD_BYTES)].into() }
    }

    /// The stable `code`.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::EventUnknown => "event_unknown",
            Self::PayloadInvalid { .. } => "payload_invalid",
            Self::PayloadTooLarge => "payload_too_large",
            Self::SessionNotFound => "session_not_found",
            Self::UserMismatch => "user_mismatch",
            Self::Token(refusal) => refusal.code(),
            Self::Unavailable => "unavailable",
            Self::RateLimited { .. } => "rate_limited",
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::EventUnknown => "There is no such event.",
            Self::PayloadInvalid { .. } => {
                "The argument is not what this event needs; field says which part."
            }
            Self::PayloadTooLarge => "The message is too large.",
            Self::SessionNotFound => "There is no such session.",
            Self::UserMismatch => "The token is another user's.",
            Self::Token(refusal) => refusal.message(),
            Self::Unavailable => "The server cannot do this just now; try again later.",
            Self::RateLimited { .. } => "Too often; try again later.",
        }
    }
}

/// Answers the event that asked for the acknowledgement `id`.
pub(super) fn acknowledge(id: u64, stay: &Stay, answer: Result<Answer, EventError>, out: &mut Outbox<'_>) {
    out.text(|out| {
        event::encode_ack(out, NAMESPACE, id, |out| match answer {
            Ok(answer) => {
                out.extend_from_slice(br#"{"ok":true"#);
                encode_answer(answer, stay, out);
                out.push(b'}');
            }
            Err(error) => encode_error(&error, out),
        });
    });
}

fn encode_answer(answer: Answer, stay: &Stay, out: &mut Vec<u8>) {
    match answer {
        Answer::Done => {}
        Answer::List => {
            let roster = stay.user.roster();
            out.extend_from_slice(br#","sessions":"#);
            encode_list(roster.sessions(), out);
            out.push(b',');
            encode_revision(&roster, out);
        }
        Answer::Sent(Sent { delivered, complete }) => {
            // Writing into a vector cannot fail.
            let _ = write!(out, r#","delivered":{delivered},"complete":{complete}"#);
        }
        Answer::Revoked { count, held } => {
            let _ = write!(out, r#","revoked":{count},"held":"{}""#, held.as_str()); // as above
        }
        Answer::Refreshed { lifetime, seconds_left } => {
            out.push(b',');
            encode_expiry(lifetime, seconds_left, out);
        }
    }
}

fn encode_error(error: &EventError, out: &mut Vec<u8>) {
    let _ = write!(out, r#"{{"ok":false,"code":"{}","message":"{}""#, error.code(), error.message()); // as above
    match error {
        EventError::PayloadInvalid { field } => {
            out.extend_from_slice(br#","field":"#);
            event::encode_string(field, out);
        }
        EventError::RateLimited { retry_after } => {
            let millis = retry_after.as_millis() + 1; // never too early
            let _ = write!(out, r#","retryAfterMs":{millis}"#); // as above
        }
        EventError::EventUnknown
        | EventError::PayloadTooLarge
        | EventError::SessionNotFound
        | EventError::UserMismatch
        | EventError::Token(_)
        | EventError::Unavailable => {}
    }
    out.push(b'}');
}

/// What is told of a key that nobody knows.
const FIELD_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &EventError, expected: &str) {
        let mut out = Vec::new();
        encode_error(error, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let message = value["message"].as_str().unwrap();
        assert!(message.ends_with('.'), "{message}: a sentence");
        let told: String = String::from_utf8(out).unwrap().replace(&format!(r#","message":"{message}""#), "");
        assert_eq!(told, expected);
        let document = crate::wire::asyncapi::document();
        let described = document["components"]["schemas"]["AckErrorCode"]["enum"].as_array().unwrap();
        assert!(described.contains(&value["code"]), "{value} is not described");
    }

    #[test]
    fn errors_say_what_a_client_can_do_about_them() {
        check(&EventError::EventUnknown, r#"{"ok":false,"code":"event_unknown"}"#);
        check(&EventError::SessionNotFound, r#"{"ok":false,"code":"session_not_found"}"#);
        check(&EventError::PayloadTooLarge, r#"{"ok":false,"code":"payload_too_large"}"#);
        check(&EventError::invalid("to"), r#"{"ok":false,"code":"payload_invalid","field":"to"}"#);
        check(&EventError::UserMismatch, r#"{"ok":false,"code":"user_mismatch"}"#);
        check(&EventError::Unavailable, r#"{"ok":false,"code":"unavailable"}"#);
        check(&EventError::Token(TokenRefusal::Revoked), r#"{"ok":false,"code":"token_revoked"}"#);
        let limited = EventError::RateLimited { retry_after: Duration::from_millis(49) };
        check(&limited, r#"{"ok":false,"code":"rate_limited","retryAfterMs":50}"#);
    }

    #[test]
    fn the_page_on_the_wire_names_every_code_and_shows_every_event() {
        let page = include_str!("../../../../../docs/wire.md");
        let retry_after = Duration::from_millis(49);
        let tokens =
            [TokenRefusal::Missing, TokenRefusal::Invalid, TokenRefusal::Expired, TokenRefusal::Revoked];
        let errors = [
            EventError::EventUnknown,
            EventError::invalid("to"),
            EventError::PayloadTooLarge,
            EventError::SessionNotFound,
            EventError::UserMismatch,
            EventError::Unavailable,
            EventError::RateLimited { retry_after },
        ];
        for error in &errors {
            let mut shown = Vec::new();
            encode_error(error, &mut shown);
            let shown = String::from_utf8(shown).unwrap();
            assert!(page.contains(&shown), "{shown} is not in wire.md");
        }
        for error in errors.into_iter().chain(tokens.map(EventError::Token)) {
            assert!(page.contains(&format!("`{}`", error.code())), "{error:?}");
        }
        for name in
            ["ready", "update", "error", "expiring", "new", "message", "list", "send", "rename", "state"]
                .into_iter()
                .chain(["revoke", "refresh"])
        {
            assert!(page.contains(&format!("[\"sessions:{name}\"")), "no frame of sessions:{name}");
        }
    }

    #[test]
    fn a_key_that_a_client_made_up_is_told_as_json_and_cut() {
        check(
            &EventError::invalid("a\"\u{1b}"),
            r#"{"ok":false,"code":"payload_invalid","field":"a\"\u001b"}"#,
        );
        let EventError::PayloadInvalid { field } = EventError::invalid(&"é".repeat(1000)) else { panic!() };
        assert_eq!(&*field, "é".repeat(32));
    }
}
