//! Who is there: for each user the live sessions, in order, and a revision that grows with each change.
//! Takes commands, hands out what there is; calls nobody. Does not know: sockets, frames, how anybody is told.

pub mod intern;
mod memory;
pub mod session;
pub mod user;

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

    /// A session joins. Gives its user, to be kept for [`Self::leave`]; what changed is read with [`User::roster`].
    pub fn join(&self, key: &UserKey, session: Session) -> Arc<User> {
        match self {
            Self::Memory(memory) => memory.join(key, session),
        }
    }

    /// A session leaves; gives back what was known of it, or `None` if it had left already.
    pub fn leave(&self, user: &Arc<User>, id: &SocketId) -> Option<Session> {
        match self {
            Self::Memory(memory) => memory.leave(user, id),
        }
    }

    /// Sessions of all users, for tests and metrics.
    pub fn sessions(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.sessions(),
        }
    }
}
