//! A session, as it goes in, as it is said to Redis, as it comes back, and why it ends.
//! Does not know: users, calls.

use std::sync::Arc;

use crate::call::NodeId;

/// What the token of a session belongs to. Opaque and short; without a space, since the value in Redis ends it with one.
/// Cheap to clone, and one copy serves all sessions that are given the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login(pub Arc<str>);

/// A session of this node, as the caller has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local<S, I> {
    /// Which session. Never used again for another one.
    pub session: S,
    /// What is told of it.
    pub item: I,
    /// What its token belongs to.
    pub login: Login,
    /// When it joined, in milliseconds: whose is less is older, and of two the one whose session is less.
    pub order: u64,
    /// The session that this one is there for. Looked at when this one is named for the first time.
    pub replaces: Option<S>,
}

/// A session as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<S, I> {
    /// Which session.
    pub session: S,
    /// Where its socket is.
    pub node: NodeId,
    /// When it joined.
    pub order: u64,
    /// What its token belongs to.
    pub login: Login,
    /// What is told of it.
    pub item: I,
}

/// A session of this node, as a sync says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<S, I> {
    /// Which session.
    pub session: S,
    /// When it joined.
    pub order: u64,
    /// What its token belongs to.
    pub login: Login,
    /// What is told of it.
    pub item: I,
    /// Nobody was told of it yet, so the cap may refuse it. What is said again is always taken.
    pub is_join: bool,
    /// Ends if it is of the same login, wherever it is; also with one that is said again, since Redis may not have heard.
    pub replaces: Option<S>,
}

/// Why a session of this node has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Another session of its login has joined in its place.
    Replaced,
    /// Another one has joined, and there were too many.
    Evicted,
    /// A node was told to end it.
    Asked,
}

impl Why {
    /// The word that stands for it in Redis.
    pub fn word(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Evicted => "evicted",
            Self::Asked => "asked",
        }
    }

    /// The reason for which a word stands. One that a later release has made up ends a session as any other does.
    pub fn of_word(word: &[u8]) -> Self {
        match word {
            b"replaced" => Self::Replaced,
            b"evicted" => Self::Evicted,
            _ => Self::Asked,
        }
    }
}
