//! The commands that a registry takes, as plain values that could be sent to another node.
//! Does not know: how they are carried out.

use std::sync::Arc;

use super::session::{Activity, Grant, Labelled};
use super::{Session, SocketId, User};
use crate::identity::Login;

/// A session that wants to join.
#[derive(Debug)]
pub struct Joining {
    /// As it will be listed.
    pub session: Session,
    /// The session that this client had before. It ends in the same change if it is of the same login; if not, this is
    /// passed over.
    pub replaces: Option<SocketId>,
}

/// A session has joined.
#[derive(Debug)]
pub struct Joined {
    /// Its user, to be kept.
    pub user: Arc<User>,
    /// The sessions that have ended for it.
    pub ended: Vec<Session>,
    /// No other session of its login is there.
    pub is_first_of_login: bool,
}

/// Why a session may not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotJoined {
    /// Whoever was asked under the lock said no.
    NotAdmitted,
    /// The user, or the login, has as many as it may have.
    TooMany,
}

/// How many sessions there may be, and what happens to one more. Counted when a session joins, after the one that it
/// replaces has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of one user.
    pub per_user: usize,
    /// Of one login.
    pub per_login: usize,
    /// What happens to one more.
    pub policy: Policy,
}

impl Caps {
    /// No caps, for tests.
    pub const NONE: Self = Self { per_user: usize::MAX, per_login: usize::MAX, policy: Policy::Deny };

    /// The same as nodes that meet say it.
    pub fn of_all_nodes(&self) -> reconcile::Caps {
        reconcile::Caps {
            per_user: self.per_user,
            per_login: self.per_login,
            evict_oldest: self.policy == Policy::EvictOldest,
        }
    }
}

/// What happens to one session too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It is refused.
    Deny,
    /// It is let in, and the oldest session of the login that has most ends in the same change.
    EvictOldest,
}

/// Which of a user's sessions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SocketId),
    /// All of this login, and this one, which was of it when it was looked at.
    Login(Login, Option<SocketId>),
    /// All but those of this login, and but this one.
    AllBut(Login, Option<SocketId>),
    /// All.
    All,
    /// Those whose tokens were issued up to this second by the clock of whoever has said so. Where a token does not say
    /// when it was issued, that it was brought by then, and by the second in which this was written down by our clocks;
    /// where it says a later second, by a clock that is ahead, the same, but in an earlier second than the first.
    IssuedUpTo {
        /// The first.
        second: u32,
        /// The second.
        written_at: u32,
        /// Those of this login stay.
        except: Option<Login>,
    },
    /// Of those the ones whose tokens name no login.
    NamelessUpTo {
        /// The first.
        second: u32,
        /// The second.
        written_at: u32,
    },
}

/// What changes of sessions that stay.
#[derive(Debug, Clone)]
pub enum Amendment {
    /// All sessions of this device, or of this login that name no device, are called so.
    Label(Labelled, Option<Arc<str>>),
    /// This session's user does something else.
    Activity(SocketId, Activity),
}

/// What has become of a new grant for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regrant {
    /// It counts from now on, and looks the same in a list.
    Done,
    /// The same, and its login is another one.
    Changed,
    /// The session ended meanwhile.
    Gone,
    /// Whoever was asked under the lock said no: the session stays as it was.
    NotAdmitted,
}

impl Which {
    /// Whether this session is one of them.
    pub fn holds(&self, session: &Session) -> bool {
        let Session { id, grant, .. } = session;
        let Grant { login, .. } = grant;
        match self {
            Self::One(one) => id == one,
            Self::Login(of, and) => login == of || and.as_ref() == Some(id),
            Self::AllBut(of, and) => login != of && and.as_ref() != Some(id),
            Self::All => true,
            Self::IssuedUpTo { second, written_at, except } => {
                except.as_ref() != Some(login) && is_issued_up_to(grant, *second, *written_at)
            }
            Self::NamelessUpTo { second, written_at } => {
                !login.is_named() && is_issued_up_to(grant, *second, *written_at)
            }
        }
    }
}

/// As [`Which::IssuedUpTo`] says.
fn is_issued_up_to(grant: &Grant, second: u32, written_at: u32) -> bool {
    let since = grant.since();
    match grant.issued_at() {
        Some(issued_at) => issued_at <= second || (since < second && since <= written_at),
        None => since <= second && since <= written_at,
    }
}
