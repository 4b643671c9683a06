//! The sessions that can still be reached by their `sid`: those that poll, or whose upgrade has not ended. A session on
//! WebSocket needs no `sid` any more; that it was one is remembered for some seconds, in which a late request of its
//! client is told apart from one that was never right.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ids;
use super::slot::Slot;
use crate::handshake::Refusal;

/// The part of a `sid` behind its tag: a key, and kept like one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SidKey(u128);

impl std::fmt::Debug for SidKey {
    /// Whoever has a `sid` can write to its session: it appears in no log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SidKey(…)")
    }
}

/// The table of polling sessions.
#[derive(Debug)]
pub(super) struct Sids {
    tag: String,
    table: Mutex<Table>,
}

/// What a `sid` leads to.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A session that polls.
    Polling(Arc<Slot>),
    /// One that has left polling for its WebSocket.
    Upgraded,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<SidKey, Found>,
    /// The upgraded among them, the oldest first, and when each is forgotten.
    upgraded: VecDeque<(Instant, SidKey)>,
}

impl Sids {
    /// A table whose `sid`s begin with `tag`; made at random when that is empty.
    pub(super) fn new(tag: &str) -> Self {
        let tag = match tag {
            "" => URL_SAFE_NO_PAD.encode(&ids::key().to_be_bytes()[..TAG_BYTES]),
            tag => tag.to_owned(),
        };
        Self { tag, table: Mutex::default() }
    }

    /// A new `sid`, `<tag>.<128 random bits>`, and its key.
    pub(super) fn make(&self) -> (String, SidKey) {
        let key = ids::key();
        let mut sid = String::with_capacity(self.tag.len() + 1 + RANDOM_CHARACTERS);
        sid.push_str(&self.tag);
        sid.push('.');
        URL_SAFE_NO_PAD.encode_string(key.to_be_bytes(), &mut sid);
        (sid, SidKey(key))
    }

    pub(super) fn insert(&self, key: SidKey, slot: Arc<Slot>) {
        self.lock().entries.insert(key, Found::Polling(slot));
    }

    /// Forgets those that were upgraded a while ago.
    pub(super) fn forget_upgraded(&self, now: Instant) {
        let mut table = self.lock();
        while let Some((_, old)) = table.upgraded.pop_front_if(|(forgotten_at, _)| *forgotten_at <= now) {
            table.entries.remove(&old);
        }
    }

    /// The session goes on over its WebSocket.
    pub(super) fn upgraded(&self, key: SidKey, now: Instant) {
        let mut table = self.lock();
        table.upgraded.push_back((now + REMEMBERED, key));
        let slot = table.entries.insert(key, Found::Upgraded);
        drop(table);
        drop(slot);
    }

    pub(super) fn remove(&self, key: SidKey) {
        let removed = self.lock().entries.remove(&key);
        drop(removed);
    }

    /// The session of a `sid`, if it is one of this node's that can still be reached so.
    pub(super) fn find(&self, sid: &str) -> Option<Found> {
        let random = sid.strip_prefix(&self.tag)?.strip_prefix('.')?;
        let mut bytes = [0; 16];
        let written = URL_SAFE_NO_PAD.decode_slice(random, &mut bytes).ok()?;
        if written != bytes.len() {
            return None;
        }
        self.lock().entries.get(&SidKey(u128::from_be_bytes(bytes))).cloned()
    }

    /// Why nothing was found.
    pub(super) fn refusal(&self, sid: &str) -> Refusal {
        match sid.split_once('.') {
            Some((tag, random)) if tag != self.tag && random.len() == RANDOM_CHARACTERS => {
                Refusal::ForeignSid
            }
            Some(_) | None => Refusal::UnknownSid,
        }
    }

    /// No call under the lock can panic, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a tag that is made at start: nodes are told apart by it, nothing more.
const TAG_BYTES: usize = 6;
/// 128 bits in base64url.
const RANDOM_CHARACTERS: usize = 22;
/// Longer than any request of the old transport is under way.
const REMEMBERED: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Mailbox;

    #[test]
    fn sids_are_found_by_their_whole_text_only() {
        let sids = Sids::new("a");
        let (sid, key) = sids.make();
        sids.insert(key, Arc::new(Slot::new(Arc::new(Mailbox::new(1)))));
        assert!(sids.find(&sid).is_some());
        for other in ["", "a", "a.", &sid[2..], &format!("b{}", &sid[1..]), &format!("{sid}A"), &sid[..20]] {
            assert!(sids.find(other).is_none(), "{other}");
        }
        sids.remove(key);
        assert!(sids.find(&sid).is_none());
    }

    #[test]
    fn a_sid_of_another_node_is_told_from_one_that_is_gone() {
        let sids = Sids::new("a");
        let check = |sid: &str, expected| assert_eq!(sids.refusal(sid), expected, "{sid}");
        check(&sids.make().0, Refusal::UnknownSid);
        check(&Sids::new("b").make().0, Refusal::ForeignSid);
        check("", Refusal::UnknownSid);
        check("b.short", Refusal::UnknownSid);
        check("nothing-of-the-kind", Refusal::UnknownSid);
    }

    #[test]
    fn an_upgraded_session_is_forgotten_after_a_while() {
        let sids = Sids::new("a");
        let (sid, key) = sids.make();
        let now = crate::server::clock::now();
        sids.insert(key, Arc::new(Slot::new(Arc::new(Mailbox::new(1)))));
        sids.upgraded(key, now);
        assert!(matches!(sids.find(&sid), Some(Found::Upgraded)));
        sids.forget_upgraded(now + REMEMBERED - Duration::from_millis(1));
        assert!(matches!(sids.find(&sid), Some(Found::Upgraded)));
        sids.forget_upgraded(now + REMEMBERED);
        assert!(sids.find(&sid).is_none());
    }

    #[test]
    fn sids_hold_128_bits_that_differ() {
        let sids = Sids::new("");
        let made: std::collections::HashSet<String> = (0..1000).map(|_| sids.make().0).collect();
        assert_eq!(made.len(), 1000);
        assert!(made.iter().all(|sid| sid.split_once('.').is_some_and(|(_, random)| random.len() == 22)));
    }

    // Seen failing: one byte of the key is always zero.
    #[test]
    fn no_byte_of_a_sid_is_likelier_than_another_and_no_bit_stands_still() {
        let (mut bytes, mut ones, keys) = ([0_u32; 256], [0_u32; 128], 4000);
        for _ in 0..keys {
            let key = crate::server::ids::key();
            key.to_be_bytes().iter().for_each(|byte| bytes[usize::from(*byte)] += 1);
            ones.iter_mut().enumerate().for_each(|(bit, ones)| *ones += (key >> bit) as u32 & 1);
        }
        let expected = f64::from(keys) * 16.0 / 256.0;
        let chi_square: f64 =
            bytes.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // 255 on the average; a billion good sources would all stay between these.
        assert!((140.0..420.0).contains(&chi_square), "{chi_square}");
        assert!(ones.iter().all(|ones| (1750..2250).contains(ones)), "{ones:?}");
    }
}
