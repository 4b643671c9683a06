//! What many clients say of themselves in the same words, their User-Agent, held once with what follows from it. One
//! leaves with its last user. Does not know: what is read out of a User-Agent.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a client is, as the JSON by which it is told: encoded once and not with every list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// What it calls itself: a JSON string, empty when it does not, or privacy says so.
    pub user_agent: Box<str>,
    /// What kind of device it is by that: a JSON object; `""` when nothing is known.
    pub device: Box<str>,
}

/// The table of agents. Cheap to clone; all clones are one table.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    agents: Arc<Mutex<HashSet<Entry>>>,
}

/// A shared agent.
#[derive(Debug, Clone)]
pub struct Interned {
    entry: Arc<Keyed>,
}

#[derive(Debug)]
struct Keyed {
    key: Box<str>,
    agent: Agent,
}

/// Found by its key.
#[derive(Debug)]
struct Entry(Arc<Keyed>);

impl Interner {
    /// The shared agent of this key; `make` is asked when there is none yet.
    pub fn intern(&self, key: &str, make: impl FnOnce() -> Agent) -> Interned {
        let mut agents = self.lock();
        if let Some(found) = agents.get(key) {
            return Interned { entry: found.0.clone() };
        }
        let entry = Arc::new(Keyed { key: key.into(), agent: make() });
        agents.insert(Entry(entry.clone()));
        Interned { entry }
    }

    /// Gives an agent back; forgets it when nobody else has it.
    pub fn release(&self, interned: Interned) {
        let mut agents = self.lock();
        // Two: the table's own and the one that is given back. More are only made under this lock.
        if Arc::strong_count(&interned.entry) == 2 {
            agents.remove(&*interned.entry.key);
        }
    }

    /// How many different agents there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No call under the lock leaves the set half-changed, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, HashSet<Entry>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Interned {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.entry.agent
    }
}

impl Borrow<str> for Entry {
    fn borrow(&self) -> &str {
        &self.0.key
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_agents_are_held_once_and_leave_with_their_last_user() {
        let interner = Interner::default();
        let agent = || Agent { user_agent: "\"Firefox\"".into(), device: "".into() };
        let one = interner.intern("Firefox", agent);
        let other = interner.intern("Firefox", || panic!("made before"));
        assert!(Arc::ptr_eq(&one.entry, &other.entry));
        assert_eq!((interner.len(), &*one.user_agent), (1, "\"Firefox\""));
        interner.release(one);
        assert_eq!(interner.len(), 1);
        interner.release(other);
        assert!(interner.is_empty());
    }
}
