//! How an error ends a socket: each code, its sentence, and what follows. The one table of `sessions:error`.

use std::num::NonZeroU8;

use engineio::server::CloseCode;

use crate::identity::TokenRefusal;

/// Why a session is refused or ended; told to its client as `sessions:error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// The token is missing, invalid or expired.
    Token(TokenRefusal),
    /// `context` is no string, or too long.
    ContextInvalid,
    /// This server is about to end; another, or this one later, will serve.
    ServerShutdown,
    /// Something that the server needs cannot be reached.
    Unavailable,
    /// The client sends more than it may.
    RateLimited,
    /// The client does not take what it is sent.
    SlowConsumer,
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
            Self::ContextInvalid => "context_invalid",
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
            Self::ContextInvalid => "context must be a string of at most 256 characters.",
            Self::ServerShutdown => "The server is restarting; connect again.",
            Self::Unavailable => "The server cannot check sessions just now; connect again later.",
            Self::RateLimited => "Too many packets were sent; slow down and connect again.",
            Self::SlowConsumer => "The client did not keep up with what it was sent; connect again.",
        }
    }

    /// What follows on a socket that sends CONNECT, or is open.
    pub fn ending(self) -> Ending {
        match self {
            Self::Token(_) | Self::ContextInvalid => Ending::Disconnect,
            Self::ServerShutdown | Self::SlowConsumer => Ending::Transport,
            Self::Unavailable | Self::RateLimited => Ending::DelayedTransport,
        }
    }

    /// As the mailbox carries it, for those errors that another task may put there.
    pub fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::ServerShutdown => Some(SERVER_SHUTDOWN),
            Self::Token(_)
            | Self::ContextInvalid
            | Self::Unavailable
            | Self::RateLimited
            | Self::SlowConsumer => None,
        }
    }

    /// The inverse of [`Self::close_code`].
    pub fn from_close_code(code: CloseCode) -> Option<Self> {
        (code == SERVER_SHUTDOWN).then_some(Self::ServerShutdown)
    }
}

/// In a mailbox: the process is about to end.
pub const SERVER_SHUTDOWN: CloseCode = CloseCode(NonZeroU8::MIN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_end_a_socket_as_documented() {
        let check = |error: SessionError, code, ending| {
            assert_eq!((error.code(), error.ending()), (code, ending));
            assert!(error.message().ends_with('.'), "{code}: a sentence");
        };
        check(SessionError::Token(TokenRefusal::Missing), "token_missing", Ending::Disconnect);
        check(SessionError::Token(TokenRefusal::Invalid), "token_invalid", Ending::Disconnect);
        check(SessionError::Token(TokenRefusal::Expired), "token_expired", Ending::Disconnect);
        check(SessionError::Token(TokenRefusal::Revoked), "token_revoked", Ending::Disconnect);
        check(SessionError::ContextInvalid, "context_invalid", Ending::Disconnect);
        check(SessionError::ServerShutdown, "server_shutdown", Ending::Transport);
        check(SessionError::SlowConsumer, "slow_consumer", Ending::Transport);
        check(SessionError::Unavailable, "unavailable", Ending::DelayedTransport);
        check(SessionError::RateLimited, "rate_limited", Ending::DelayedTransport);
    }

    #[test]
    fn what_a_mailbox_carries_comes_out_as_it_went_in() {
        let code = SessionError::ServerShutdown.close_code().unwrap();
        assert_eq!(SessionError::from_close_code(code), Some(SessionError::ServerShutdown));
    }
}
