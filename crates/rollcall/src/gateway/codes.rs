//! How an error ends a socket: each code, its sentence, and what follows. The one table of `sessions:error`.

use std::num::NonZeroU8;

use engineio::server::CloseCode;

use crate::identity::TokenRefusal;

/// Why a session is refused or ended; told to its client as `sessions:error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// The token is missing, invalid, expired or revoked: the client is not let in.
    Token(TokenRefusal),
    /// The token of an open socket has expired.
    TokenRanOut,
    /// `context` or `deviceId` is no string, or too long.
    ContextInvalid(Field),
    /// The user, or the login, has as many sessions as it may have.
    TooManySessions,
    /// Somebody who may has ended the session.
    SessionRevoked,
    /// A newer session has taken its place.
    SessionEvicted,
    /// This server is about to end; another, or this one later, will serve.
    ServerShutdown,
    /// Something that the server needs cannot be reached.
    Unavailable,
    /// The client sends more than it may.
    RateLimited,
    /// The client does not take what it is sent.
    SlowConsumer,
}

/// What of `auth` a client says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `context`.
    Context,
    /// `deviceId`.
    DeviceId,
}

impl Field {
    /// Its name in `auth`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::DeviceId => "deviceId",
        }
    }
}

/// What follows the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// DISCONNECT: the stock client does not come back by itself, since the same would happen again.
    Disconnect,
    /// The transport closes: the stock client comes back by itself and asks for a new token.
    Transport,
    /// The same after a random while, so that those who were refused together do not return together.
    DelayedTransport,
}

impl SessionError {
    /// The stable `code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Token(refusal) => refusal.code(),
            Self::TokenRanOut => TokenRefusal::Expired.code(),
            Self::ContextInvalid(_) => "context_invalid",
            Self::TooManySessions => "too_many_sessions",
            Self::SessionRevoked => "session_revoked",
            Self::SessionEvicted => "session_evicted",
            Self::ServerShutdown => "server_shutdown",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::SlowConsumer => "slow_consumer",
        }
    }

    /// A sentence for a person. It says nothing that would help to guess a token.
    pub fn message(self) -> &'static str {
        match self {
            Self::Token(refusal) => refusal.message(),
            Self::TokenRanOut => TokenRefusal::Expired.message(),
            Self::ContextInvalid(Field::DeviceId) => "deviceId must be a string of at most 64 characters.",
            Self::ContextInvalid(Field::Context) => "context must be a string of at most 256 characters.",
            Self::TooManySessions => "There are too many sessions; end another one first.",
            Self::SessionRevoked => "This session was signed out.",
            Self::SessionEvicted => "A newer session has taken the place of this one.",
            Self::ServerShutdown => "The server is restarting; connect again.",
            Self::Unavailable => "The server cannot check sessions just now; connect again later.",
            Self::RateLimited => "Too many packets were sent; slow down and connect again.",
            Self::SlowConsumer => "The client did not keep up with what it was sent; connect again.",
        }
    }

    /// What follows on a socket that sends CONNECT, or is open.
    pub fn ending(self) -> Ending {
        match self {
            Self::Token(_)
            | Self::ContextInvalid(_)
            | Self::TooManySessions
            | Self::SessionRevoked
            | Self::SessionEvicted => Ending::Disconnect,
            Self::TokenRanOut | Self::ServerShutdown | Self::SlowConsumer => Ending::Transport,
            Self::Unavailable | Self::RateLimited => Ending::DelayedTransport,
        }
    }

    /// As the mailbox carries it, for those errors that another task may put there.
    pub fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::ServerShutdown => Some(SERVER_SHUTDOWN),
            Self::SessionRevoked => Some(SESSION_REVOKED),
            Self::SessionEvicted => Some(SESSION_EVICTED),
            Self::Token(_)
            | Self::TokenRanOut
            | Self::ContextInvalid(_)
            | Self::TooManySessions
            | Self::Unavailable
            | Self::RateLimited
            | Self::SlowConsumer => None,
        }
    }

    /// The inverse of [`Self::close_code`].
    pub fn from_close_code(code: CloseCode) -> Option<Self> {
        let carried = [Self::ServerShutdown, Self::SessionRevoked, Self::SessionEvicted];
        carried.into_iter().find(|error| error.close_code() == Some(code))
    }
}

/// In a mailbox: the process is about to end.
pub const SERVER_SHUTDOWN: CloseCode = CloseCode(NonZeroU8::MIN);
const SESSION_REVOKED: CloseCode = CloseCode(NonZeroU8::MIN.saturating_add(1));
const SESSION_EVICTED: CloseCode = CloseCode(NonZeroU8::MIN.saturating_add(2));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_end_a_socket_as_documented() {
        let page = include_str!("../../../../docs/wire.md");
        let mut codes = std::collections::BTreeSet::new();
        let mut check = |error: SessionError, code: &'static str, ending| {
            codes.insert(code);
            assert!(page.contains(&format!("`{code}`")), "{code} is not in wire.md");
            let shown = format!(r#"["sessions:error",{{"code":"{code}","message":"{}""#, error.message());
            assert!(page.contains(&shown), "{shown} is not in wire.md");
            assert_eq!((error.code(), error.ending()), (code, ending));
            assert!(error.message().ends_with('.'), "{code}: a sentence");
        };
        check(SessionError::Token(TokenRefusal::Missing), "token_missing", Ending::Disconnect);
        check(SessionError::Token(TokenRefusal::Invalid), "token_invalid", Ending::Disconnect);
        check(SessionError::Token(TokenRefusal::Expired), "token_expired", Ending::Disconnect);
        check(SessionError::Token(TokenRefusal::Revoked), "token_revoked", Ending::Disconnect);
        check(SessionError::TokenRanOut, "token_expired", Ending::Transport);
        check(SessionError::ContextInvalid(Field::Context), "context_invalid", Ending::Disconnect);
        check(SessionError::ContextInvalid(Field::DeviceId), "context_invalid", Ending::Disconnect);
        check(SessionError::TooManySessions, "too_many_sessions", Ending::Disconnect);
        check(SessionError::SessionRevoked, "session_revoked", Ending::Disconnect);
        check(SessionError::SessionEvicted, "session_evicted", Ending::Disconnect);
        check(SessionError::ServerShutdown, "server_shutdown", Ending::Transport);
        check(SessionError::SlowConsumer, "slow_consumer", Ending::Transport);
        check(SessionError::Unavailable, "unavailable", Ending::DelayedTransport);
        check(SessionError::RateLimited, "rate_limited", Ending::DelayedTransport);
        let document = crate::wire::asyncapi::document();
        let described = document["components"]["schemas"]["SessionsErrorCode"]["enum"].as_array().unwrap();
        assert_eq!(
            described.iter().map(|code| code.as_str().unwrap()).collect::<std::collections::BTreeSet<_>>(),
            codes
        );
    }

    #[test]
    fn what_a_mailbox_carries_comes_out_as_it_went_in() {
        for error in
            [SessionError::ServerShutdown, SessionError::SessionRevoked, SessionError::SessionEvicted]
        {
            let code = error.close_code().unwrap();
            assert_eq!(SessionError::from_close_code(code), Some(error));
        }
    }
}
