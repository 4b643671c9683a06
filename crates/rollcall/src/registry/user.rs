//! One user's sessions on this node, behind a lock of their own: what one user does never waits for another.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use engineio::server::pace::Pace;

use super::{Session, SocketId};
use crate::identity::IssuerId;

/// Who somebody is: the same subject of two issuers is two people, who never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// Whose tokens the user has.
    pub issuer: IssuerId,
    /// The token's `sub`.
    pub subject: Box<str>,
}

/// A user with at least one session, or that had one until just now.
#[derive(Debug)]
pub struct User {
    key: UserKey,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In their [`Session::order`].
    sessions: Vec<Session>,
    revision: u64,
    burst: Burst,
    sends: Pace,
    /// The last session has left and the registry has let go: whoever joins now needs a new `User`.
    retired: bool,
}

/// How often the user's sessions were told of late: the memory of `gateway::fanout`, kept where it is locked anyway.
#[derive(Debug, Default, Clone, Copy)]
pub struct Burst {
    /// When the last change was.
    pub last_change: Option<Instant>,
    /// When the sessions were told last.
    pub last_told: Option<Instant>,
    /// Changes told at once since it was last quiet.
    pub told_at_once: u8,
    /// An update is due and somebody will see to it.
    pub scheduled: bool,
}

/// The user's sessions, locked: nothing changes while somebody looks, and whoever is told under this lock is told in
/// the order of the revisions.
#[derive(Debug)]
pub struct Roster<'a> {
    state: MutexGuard<'a, State>,
}

impl User {
    pub(super) fn new(key: UserKey) -> Self {
        Self { key, state: Mutex::default() }
    }

    /// Who it is.
    pub fn key(&self) -> &UserKey {
        &self.key
    }

    /// The sessions as they are now.
    pub fn roster(&self) -> Roster<'_> {
        Roster { state: self.lock() }
    }

    /// Each change under the lock is a whole one, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roster<'_> {
    /// All sessions, in order.
    pub fn sessions(&self) -> &[Session] {
        &self.state.sessions
    }

    /// Grows with each change.
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// Whether the list holds the sessions of all nodes; one node always knows all of its own.
    pub fn is_complete(&self) -> bool {
        true
    }

    /// Takes a session in, at its place.
    ///
    /// # Errors
    /// The session itself when the user is retired: it needs a new one.
    pub(super) fn join(&mut self, session: Session) -> Result<(), Session> {
        let state = &mut *self.state;
        if state.retired {
            return Err(session);
        }
        let place = state.sessions.partition_point(|other| other.order() < session.order());
        state.sessions.reserve_exact(1); // most users hold two or three: no room is kept for more
        state.sessions.insert(place, session);
        state.revision += 1;
        Ok(())
    }

    /// Lets a session go; a user whose last one leaves is retired.
    pub(super) fn leave(&mut self, id: &SocketId) -> Option<Session> {
        let state = &mut *self.state;
        let place = state.sessions.iter().position(|session| session.id == *id)?;
        let session = state.sessions.remove(place);
        state.revision += 1;
        state.retired = state.sessions.is_empty();
        if state.sessions.len() * 2 < state.sessions.capacity() {
            state.sessions.shrink_to_fit();
        }
        Some(session)
    }

    pub(super) fn is_retired(&self) -> bool {
        self.state.retired
    }

    /// How often the user's sessions have sent to one another of late.
    pub fn sends(&mut self) -> &mut Pace {
        &mut self.state.sends
    }

    /// The memory of `gateway::fanout`.
    pub fn burst(&mut self) -> &mut Burst {
        &mut self.state.burst
    }
}
