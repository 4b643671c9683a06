//! What all sessions hold together, in bytes: one count, one bound, given back by whoever drops what it counted.
//! Does not know: what the bytes are, what becomes of a session for which there is no room.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes that many share.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    max: usize,
}

/// Some bytes of a budget, which are given back when this is dropped.
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// Of so many bytes, none of them used.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max })
    }

    /// Without a bound: it only counts.
    pub fn unbounded() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    /// Bytes that are used now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The bound.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Whether there is no room left.
    pub fn is_full(&self) -> bool {
        self.used() >= self.max
    }

    /// A frame that counts until the last of its copies is dropped: however many hold it, it counts once. It is made even
    /// if there is no room: who makes frames asks [`Self::is_full`] before, where one may go without.
    pub fn frame(self: &Arc<Self>, frame: Vec<u8>) -> Bytes {
        if frame.is_empty() {
            return Bytes::new();
        }
        let held = self.hold_anyway(frame.len());
        Bytes::from_owner(Counted { frame, _held: held })
    }

    /// Takes bytes whether there is room or not.
    fn hold_anyway(self: &Arc<Self>, bytes: usize) -> Held {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Held { budget: self.clone(), bytes }
    }

    /// Nothing yet, to be [resized](Held::resize).
    pub(super) fn hold_nothing(self: &Arc<Self>) -> Held {
        self.hold_anyway(0)
    }
}

impl Held {
    /// Holds so many bytes from here on; `false`, and nothing changed, when they are more than before and more than `max` would
    /// be used in all.
    pub(super) fn resize(&mut self, bytes: usize, max: usize) -> bool {
        let used = &self.budget.used;
        if bytes <= self.bytes {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            let fits = |used: usize| used.checked_add(more).filter(|sum| *sum <= max);
            if used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Held({})", self.bytes)
    }
}

struct Counted {
    frame: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_until_its_last_copy_is_gone() {
        let budget = Budget::new(10);
        let frame = budget.frame(vec![0; 6]);
        let copies = vec![frame.clone(), frame.slice(2..)];
        drop(frame);
        assert_eq!(budget.used(), 6);
        let other = budget.frame(vec![0; 4]);
        assert!(budget.is_full());
        drop(copies);
        assert_eq!((budget.used(), budget.is_full()), (4, false));
        drop(other);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_held_grows_only_as_far_as_there_is_room() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.hold_nothing(), budget.hold_nothing());
        assert!(one.resize(8, budget.max()));
        assert!(!other.resize(3, budget.max()));
        assert_eq!(budget.used(), 8);
        assert!(other.resize(2, budget.max()));
        assert!(!one.resize(9, budget.max()) && one.resize(1, 0), "less is always allowed");
        drop(one);
        assert_eq!(budget.used(), 2);
        drop(other);
        assert_eq!(budget.used(), 0);
    }
}
