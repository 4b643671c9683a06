//! Who is there: for each user the live sessions, in order, and a revision that grows with each change.
//! Takes commands, hands out what there is; calls nobody. Does not know: sockets, frames, how anybody is told.

pub mod session;
pub mod user;
mod memory;
pub mod intern;

use std::sync::Arc;

pub use intern::{Interned, Interner};
pub use memory::Memory;
pub use session::{Session, SocketId};
pub use user::{Roster, User, UserKey};

/// The registry of one node. Which kind it is, the configuration says.
#[derive(Debug)]
pub enum Registry {
    /// One node, in its memory.
    Memory(Memory),
}

impl Registry {
    /// A registry for a single node.
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// A session joins. Gives its user, to be kept for [`Self::leave`]. `tell` is handed what there is now before
    /// anything else can change: what is told under this lock is told in the order of the revisions, each once.
    pub fn join(
        &self,
        key: &UserKey,
        session: Session,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Arc<User> {
        match self {
            Self::Memory(memory) => memory.join(key, session, tell),
        }
    }

    /// A session leaves; gives back what was known of it, or `None` if it had left already. `tell` as in
    /// [`Self::join`].
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

    /// Sessions of all users, for tests and metrics.
    pub fn sessions(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.sessions(),
        }
    }
}
