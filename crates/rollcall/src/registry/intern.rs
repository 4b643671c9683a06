//! Strings that many sessions share, such as a User-Agent, held once. One leaves with its last user.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The table of shared strings. Cheap to clone; all clones are one table.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    strings: Arc<Mutex<HashSet<Arc<str>>>>,
}

/// A shared string.
#[derive(Debug, Clone)]
pub struct Interned {
    text: Arc<str>,
}

impl Interner {
    /// The shared copy of `text`.
    pub fn intern(&self, text: &str) -> Interned {
        let mut strings = self.lock();
        if let Some(text) = strings.get(text) {
            return Interned { text: text.clone() };
        }
        let text: Arc<str> = text.into();
        strings.insert(text.clone());
        Interned { text }
    }

    /// Gives a string back; forgets it when nobody else has it.
    pub fn release(&self, interned: Interned) {
        let mut strings = self.lock();
        // Two: the table's own and the one that is given back. More are only made under this lock.
        if Arc::strong_count(&interned.text) == 2 {
            strings.remove(&interned.text);
        }
    }

    /// How many different strings there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No call under the lock leaves the set half-changed, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.strings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Interned {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_are_held_once_and_leave_with_their_last_user() {
        let interner = Interner::default();
        let (one, other) = (interner.intern("Firefox"), interner.intern("Firefox"));
        assert!(Arc::ptr_eq(&one.text, &other.text));
        assert_eq!(interner.len(), 1);
        interner.release(one);
        assert_eq!(interner.len(), 1);
        interner.release(other);
        assert!(interner.is_empty());
    }
}
