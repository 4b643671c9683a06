//! What is known of one session, in as few bytes as it takes: a million of them are held.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use engineio::server::Mailbox;

use super::Interned;

/// A session as its user sees it, and the mailbox by which it is told.
#[derive(Debug)]
pub struct Session {
    /// The client's own `socket.id`.
    pub id: SocketId,
    /// When it joined, in milliseconds since the Unix epoch.
    pub connected_at: u64,
    /// Where it comes from, as far as privacy lets it be known.
    pub ip: Option<IpAddr>,
    /// What its client calls itself; `""` when it does not, or privacy says so.
    pub user_agent: Interned,
    /// The label that the client gave.
    pub context: Option<Box<str>>,
    /// Its way in.
    pub mailbox: Arc<Mailbox>,
}

/// A `socket.id`: 120 random bits as 20 characters of base64url. It is public among a user's own sessions, and has
/// nothing to do with the `sid` of the transport, which is a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId([u8; 20]);

impl SocketId {
    /// Reads an id; `None` unless it is 20 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = <[u8; 20]>::try_from(text.as_bytes()).ok()?;
        bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .then_some(Self(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Session {
    /// Lists are sorted by this: the oldest session first, then by id.
    pub fn order(&self) -> (u64, SocketId) {
        (self.connected_at, self.id)
    }
}

/// Growing this is a decision, not an accident.
const _: () = assert!(size_of::<Session>() <= 96);
