//! Who is there: for each user the live sessions, in order, and a revision that grows with each change.
//! Takes commands, hands out what there is; calls nobody. Does not know: sockets, frames, how anybody is told.

pub mod session;
pub mod change;
pub mod user;
mod memory;
pub mod intern;
pub mod record;
mod changes;

use std::sync::Arc;

pub use change::{Amendment, Caps, Joined, Joining, NotJoined, Policy, Regrant, Which};
pub use changes::Changes;
pub use intern::{Agent, Interned, Interner};
pub use memory::Memory;
pub use session::{Details, Grant, Session, SocketId};
pub use user::{Entered, Listed, Local, Roster, TakenOver, User, UserKey};

/// The registry of one node. Which kind it is, the configuration says.
///
/// Each command is handed a `tell`, which sees what there is now before anything else can change: what is told under this
/// lock is told in the order of the revisions, each once.
#[derive(Debug)]
pub enum Registry {
    /// One node, in its memory: what has changed is told at once.
    Memory(Memory),
    /// One of several: what has changed here is noted, and told when the list of all nodes is there.
    Cluster(Memory, Arc<Changes>),
}

/// A session that has left.
#[derive(Debug)]
pub struct Left {
    /// The session.
    pub session: Session,
    /// Those of other nodes that need not be known here any more.
    pub dropped: Vec<Session>,
}

impl Registry {
    /// A registry for a single node.
    pub fn memory(caps: Caps) -> Self {
        Self::Memory(Memory::new(caps))
    }

    /// A registry for one of several nodes, which notes what changes.
    pub fn cluster(caps: Caps, changes: Arc<Changes>) -> Self {
        Self::Cluster(Memory::new(caps), changes)
    }

    /// A session joins a registry of a single node. Gives its user, to be kept for [`Self::leave`], and the sessions that
    /// ended for it. `admit` is asked under the lock, before anything changes: whoever ends sessions after a change of what
    /// it looks at either finds this session or has it refused here.
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
        self.table().join(key, joining, admit, tell)
    }

    /// A session waits until the other nodes have taken note of it; see [`Roster::greet`]. `admit` as in [`Self::join`].
    ///
    /// # Errors
    /// The session, and why it may not join; nothing has changed.
    pub fn enter(
        &self,
        key: &UserKey,
        joining: Joining,
        admit: impl Fn(&Session) -> bool,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Result<Arc<User>, Box<(Session, NotJoined)>> {
        self.table().enter(key, joining, admit, tell)
    }

    /// A session leaves; gives back what was known of it, or `None` if it had ended already.
    pub fn leave(&self, user: &Arc<User>, id: &SocketId, tell: impl FnOnce(&mut Roster<'_>)) -> Option<Left> {
        self.table().leave(user, id, tell)
    }

    /// Sessions of this node end, in one change; gives what was known of them, and sessions of other nodes that need not be
    /// known here any more. The sockets of the first are still to be told and closed.
    pub fn end(
        &self,
        user: &Arc<User>,
        which: &Which,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> (Vec<Session>, Vec<Session>) {
        self.table().end(user, which, tell)
    }

    /// Lets a user go if no session of it is here any more; gives those of other nodes that were known.
    pub fn let_go_if_empty(&self, user: &Arc<User>) -> Vec<Session> {
        self.table().let_go_if_empty(user)
    }

    /// Something changes of sessions that stay; `false` when it is so already.
    pub fn amend(&self, user: &Arc<User>, amendment: &Amendment, tell: impl FnOnce(&mut Roster<'_>)) -> bool {
        self.table().amend(user, amendment, tell)
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
        self.table().regrant(user, id, grant, admit, tell)
    }

    /// The user of this key, if it has a session here.
    pub fn find(&self, key: &UserKey) -> Option<Arc<User>> {
        self.table().find(key)
    }

    /// All users with sessions on this node.
    pub fn users(&self) -> Vec<Arc<User>> {
        self.table().users()
    }

    /// Sessions of all users on this node, for tests and metrics.
    pub fn sessions(&self) -> usize {
        self.table().sessions()
    }

    /// Where changes are noted, in a cluster.
    pub fn changes(&self) -> Option<&Arc<Changes>> {
        match self {
            Self::Memory(_) => None,
            Self::Cluster(_, changes) => Some(changes),
        }
    }

    fn table(&self) -> &Memory {
        match self {
            Self::Memory(table) | Self::Cluster(table, _) => table,
        }
    }
}
