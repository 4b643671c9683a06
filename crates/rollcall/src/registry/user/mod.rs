//! One user's sessions, behind a lock of their own: what one user does never waits for another.

mod room;
mod shared;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use engineio::server::Mailbox;
use engineio::server::pace::Pace;

use super::change::{Amendment, Caps, Joined, Joining, NotJoined, Regrant, Which};
use super::session::Grant;
use super::{Session, SocketId};
use crate::identity::IssuerId;
pub use shared::{Entered, Listed, Local, Shared, TakenOver};

/// Who somebody is: the same subject of two issuers is two people, who never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// The issuer entry.
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
    controls: Pace,
    vital: Pace,
    /// The last session has left and the registry has let go: whoever joins now needs a new `User`.
    retired: bool,
    /// What there is in a cluster only.
    shared: Option<Box<Shared>>,
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

/// With its two counts it is a block of 160 bytes, one for each user.
const _: () = assert!(size_of::<User>() + 2 * size_of::<usize>() <= 160);

/// The user's sessions, locked: nothing changes while somebody looks, and whoever is told under this lock is told in
/// the order of the revisions.
#[derive(Debug)]
pub struct Roster<'a> {
    state: MutexGuard<'a, State>,
}

/// What keeps a session from joining.
pub(super) enum Obstacle {
    /// The user is retired: it needs a new one.
    Retired,
    Refused(NotJoined),
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

    /// The session of this id.
    pub fn find(&self, id: &SocketId) -> Option<&Session> {
        self.state.sessions.iter().find(|session| session.id == *id)
    }

    /// Grows with each change.
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// Whether the list holds the sessions of all nodes; one node always knows all of its own.
    pub fn is_complete(&self) -> bool {
        self.state.shared.as_ref().is_none_or(|shared| shared.is_complete())
    }

    /// Whether the list was told since the user is here; one node alone always has.
    pub fn is_told(&self) -> bool {
        self.state.shared.is_none() || self.state.revision > 0
    }

    /// Sessions of this node.
    pub fn count_here(&self) -> usize {
        let greeted = self.state.sessions.iter().filter(|session| session.mailbox.is_some()).count();
        greeted + self.state.shared.as_ref().map_or(0, |shared| shared.entering())
    }

    /// The sockets of this node's sessions, of those too that wait to be listed.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let greeted = self.state.sessions.iter().filter_map(|session| session.mailbox.clone());
        greeted.chain(self.state.shared.iter().flat_map(|shared| shared.mailboxes())).collect()
    }

    /// Takes a session in, at its place; `user` is whose roster this is.
    ///
    /// # Errors
    /// The session itself, and why.
    pub(super) fn join(
        &mut self,
        user: &Arc<User>,
        joining: Joining,
        caps: &Caps,
        admit: &impl Fn(&Session) -> bool,
    ) -> Result<Joined, Box<(Joining, Obstacle)>> {
        if self.state.retired {
            return Err(Box::new((joining, Obstacle::Retired)));
        }
        if !admit(&joining.session) {
            return Err(Box::new((joining, Obstacle::Refused(NotJoined::NotAdmitted))));
        }
        let Some(leaving) = self.make_room(&joining, caps) else {
            return Err(Box::new((joining, Obstacle::Refused(NotJoined::TooMany))));
        };
        let ended = leaving.iter().filter_map(|id| self.take(id)).collect();
        let state = &mut *self.state;
        let mut session = joining.session;
        let is_first_of_login = share(&mut session, &state.sessions);
        let place = state.sessions.partition_point(|other| other.order() < session.order());
        state.sessions.reserve_exact(1); // most users hold two or three: no room is kept for more
        state.sessions.insert(place, session);
        state.revision += 1;
        Ok(Joined { user: user.clone(), ended, is_first_of_login })
    }

    /// Lets a session go; a user whose last one leaves is retired.
    pub(super) fn leave(&mut self, id: &SocketId) -> Option<Session> {
        let session = self.take(id)?;
        self.after_leaving();
        Some(session)
    }

    /// Lets sessions of this node go.
    pub(super) fn end(&mut self, which: &Which) -> Vec<Session> {
        let state = &mut *self.state;
        let is_meant = |session: &mut Session| session.mailbox.is_some() && which.holds(session);
        let mut ended: Vec<Session> = state.sessions.extract_if(.., is_meant).collect();
        if let Some(shared) = &mut state.shared {
            ended.extend(shared.take(&mut state.sessions, |session| which.holds(session)));
        }
        if !ended.is_empty() {
            self.after_leaving();
        }
        ended
    }

    /// Amends sessions of this node; those of others are told of by these. `false` when nothing changes.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let State { sessions, shared, revision, .. } = &mut *self.state;
        let mut changed = false;
        for session in sessions.iter_mut() {
            let is_here =
                session.mailbox.is_some() || shared.as_ref().is_some_and(|shared| shared.is_here(session));
            changed |= is_here && session.amend(amendment);
        }
        for session in shared.iter_mut().flat_map(|shared| shared.joining_mut()) {
            changed |= session.amend(amendment);
        }
        *revision += u64::from(changed && shared.is_none());
        changed
    }

    pub(super) fn regrant(
        &mut self,
        id: &SocketId,
        mut grant: Grant,
        admit: impl FnOnce() -> bool,
    ) -> Regrant {
        let state = &mut *self.state;
        let Some(place) = state.sessions.iter().position(|session| session.id == *id) else {
            return Regrant::Gone;
        };
        if !admit() {
            return Regrant::NotAdmitted;
        }
        if let Some(other) = state.sessions.iter().find(|other| other.grant.login == grant.login) {
            grant.login = other.grant.login.clone();
        }
        let session = &mut state.sessions[place];
        let is_listed_alike = session.grant.tag == grant.tag;
        session.grant = grant;
        state.revision += u64::from(!is_listed_alike && state.shared.is_none());
        if is_listed_alike { Regrant::Done } else { Regrant::Changed }
    }

    /// Retires a user without sessions here, and gives back those of other nodes; `None` when it stays.
    pub(super) fn retire_if_empty(&mut self) -> Option<Vec<Session>> {
        let state = &mut *self.state;
        let shared = state.shared.as_deref();
        let is_here = |session: &Session| match shared {
            Some(shared) => shared.is_here(session),
            None => true,
        };
        state.retired =
            !state.sessions.iter().any(is_here) && !shared.is_some_and(|shared| shared.has_joining());
        state.retired.then(|| std::mem::take(&mut state.sessions))
    }

    /// How often the user's sessions have sent to one another of late.
    pub fn sends(&mut self) -> &mut Pace {
        &mut self.state.sends
    }

    /// How often they have asked for other things.
    pub fn controls(&mut self) -> &mut Pace {
        &mut self.state.controls
    }

    /// How often they have revoked or brought another token.
    pub fn vital(&mut self) -> &mut Pace {
        &mut self.state.vital
    }

    /// The memory of `gateway::fanout`.
    pub fn burst(&mut self) -> &mut Burst {
        &mut self.state.burst
    }

    fn take(&mut self, id: &SocketId) -> Option<Session> {
        let state = &mut *self.state;
        let is_meant = |session: &Session| session.id == *id;
        match state.sessions.iter().position(|session| is_meant(session) && session.mailbox.is_some()) {
            Some(place) => Some(state.sessions.remove(place)),
            None => state.shared.as_mut()?.take(&mut state.sessions, is_meant).pop(),
        }
    }

    fn after_leaving(&mut self) {
        let state = &mut *self.state;
        state.revision += u64::from(state.shared.is_none()); // in a cluster the list of all nodes brings it
        if state.sessions.len() * 2 < state.sessions.capacity() {
            state.sessions.shrink_to_fit();
        }
    }
}

/// A session takes over what those of its login, or of its device, have already: one copy of the login's text, and the
/// label, which is newer there than anything that was looked up before. Gives whether there is none of its login.
fn share(session: &mut Session, others: &[Session]) -> bool {
    let of_login = others.iter().find(|other| other.grant.login == session.grant.login);
    if let Some(other) = of_login {
        session.grant.login = other.grant.login.clone();
    }
    let labelled = session.labelled();
    if let Some(other) = others.iter().find(|other| other.is_labelled(&labelled)) {
        let label = other.details.as_ref().and_then(|details| details.label.clone());
        if label.is_some() || session.details.is_some() {
            session.details_mut().label = label;
        }
    }
    of_login.is_none()
}
