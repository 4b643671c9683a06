//! Who is there: for each user the live sessions, in order, and a revision that grows with each change.
//! Takes commands, hands out what there is; calls nobody. Does not know: sockets, frames, how anybody is told.

pub mod session;
pub mod change;
pub mod user;
mod memory;
pub mod intern;

use std::sync::Arc;

pub use change::{Amendment, Caps, Joined, Joining, NotJoined, Policy, Regrant, Which};
pub use intern::{Agent, Interned, Interner};
pub use memory::Memory;
pub use session::{Details, Grant, Session, SocketId};
pub use user::{Roster, User, UserKey};

/// The registry of one node. Which kind it is, the configuration says.
///
/// Each command is handed a `tell`, which sees what there is now before anything else can change: what is told under this
/// lock is told in the order of the revisions, each once.
#[derive(Debug)]
pub enum Registry {
    /// One node, in its memory.
    Memory(Memory),
}

impl Registry {
    /// A registry for a single node.
    pub fn memory(caps: Caps) -> Self {
        Self::Memory(Memory::new(caps))
    }

    /// A session joins. Gives its user, to be kept for [`Self::leave`], and the sessions that ended for it. `admit` is
    /// asked under the lock, before anything changes: whoever ends sessions after a change of what it looks at either
    /// finds this session or has it refused here.
    ///
    /// # Errors
    /// The session, and why it may not join; nothing has changed.
    pub fn join(
        &self,
        key: &UserKey,
        joining: Joining,
        admit: impl Fn(&Session) -> bool,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Result<Joined, Box<(Session, NotJoined)>> {
        match self {
            Self::Memory(memory) => memory.join(key, joining, admit, tell),
        }
    }

    /// A session leaves; gives back what was known of it, or `None` if it had ended already.
    pub fn leave(
        &self,
        user: &Arc<User>,
        id: &SocketId,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> Option<Session> {
        match self {
            Self::Memory(memory) => memory.leave(user, id, tell),
        }
    }

    /// Sessions end, in one change; gives what was known of them. Their sockets are still to be told and closed.
    pub fn end(&self, user: &Arc<User>, which: &Which, tell: impl FnOnce(&mut Roster<'_>)) -> Vec<Session> {
        match self {
            Self::Memory(memory) => memory.end(user, which, tell),
        }
    }

    /// Something changes of sessions that stay; `false` when it is so already.
    pub fn amend(&self, user: &Arc<User>, amendment: &Amendment, tell: impl FnOnce(&mut Roster<'_>)) -> bool {
        match self {
            Self::Memory(memory) => memory.amend(user, amendment, tell),
        }
    }

    /// A session goes on with another token. `admit` as in [`Self::join`].
    pub fn regrant(
        &self,
        user: &Arc<User>,
        id: &SocketId,
        grant: Grant,
        admit: impl FnOnce() -> bool,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> Regrant {
        match self {
            Self::Memory(memory) => memory.regrant(user, id, grant, admit, tell),
        }
    }

    /// The user of this key, if it has a session.
    pub fn find(&self, key: &UserKey) -> Option<Arc<User>> {
        match self {
            Self::Memory(memory) => memory.find(key),
        }
    }

    /// All users with sessions on this node.
    pub fn users(&self) -> Vec<Arc<User>> {
        match self {
            Self::Memory(memory) => memory.users(),
        }
    }

    /// Sessions of all users, for tests and metrics.
    pub fn sessions(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.sessions(),
        }
    }
}
