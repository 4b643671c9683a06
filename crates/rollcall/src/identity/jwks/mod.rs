//! The keys that an issuer publishes, as they were fetched last, and who waits for them.
//!
//! A key that is here answers at once, whatever else goes on. One that is not asks for a fetch; there is one at a time,
//! and the next one only when the cooldown after it is over, whether it brought keys or not. So nobody can make Rollcall ask an issuer more often, and no list of unknown `kid`s has to be kept: between two
//! fetches each of them is simply unknown. Does not know: HTTP, the time.

mod keeper;
mod fetch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Notify, Semaphore, watch};

pub(super) use fetch::Fetcher;
pub use fetch::{FetchedKeys, fetch_keys};

use super::{Pending, TokenRefusal, Unproven};
use crate::jose::{JwkSet, Jws};

/// One issuer's keys. Made empty; `keep` fetches them.
#[derive(Debug)]
pub(super) struct Jwks {
    keys: RwLock<Arc<JwkSet>>,
    phase: Mutex<Phase>,
    /// Somebody wants a fetch now.
    wanted: Notify,
    /// How many fetches have ended; those who wait watch it.
    ended: watch::Sender<u64>,
    /// Of those who wait.
    places: Arc<Semaphore>,
}

/// ```text
/// fetching --> cooling --the cooldown is over--> resting --somebody wants a key, or the keys are old--> fetching
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fetching,
    Cooling { failed: bool },
    Resting,
}

impl Jwks {
    /// No keys yet, and the first fetch is as good as under way.
    pub(super) fn new() -> Self {
        Self {
            keys: RwLock::default(),
            phase: Mutex::new(Phase::Fetching),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Whether the token is signed with one of the keys.
    pub(super) fn verify(&self, jws: &Jws<'_>) -> Result<(), Unproven> {
        let key_id = jws.key_id.as_deref();
        loop {
            let keys = self.keys();
            return match keys.find(key_id, jws.algorithm) {
                Some(key) if key.verify(jws.algorithm, jws.signed.as_bytes(), &jws.signature) => Ok(()),
                Some(_) => Err(TokenRefusal::Invalid.into()),
                // Of another type than the token says: no fetch changes that.
                None if keys.knows(key_id) => Err(TokenRefusal::Invalid.into()),
                None => match self.want(&keys) {
                    Some(unproven) => Err(unproven),
                    None => continue,
                },
            };
        }
    }

    /// A key is needed that is not among these: asks for a fetch if there may be one. `None` when a fetch has ended since
    /// they were looked at.
    fn want(&self, keys: &Arc<JwkSet>) -> Option<Unproven> {
        let mut phase = self.phase();
        // Under the lock of the phase, which changes behind the keys.
        if !Arc::ptr_eq(keys, &self.keys()) {
            return None;
        }
        Some(match *phase {
            Phase::Cooling { failed: false } => TokenRefusal::Invalid.into(),
            // The key may well be there, only nobody could look: not the client's fault.
            Phase::Cooling { failed: true } => Unproven::Unavailable,
            Phase::Resting => {
                *phase = Phase::Fetching;
                self.wanted.notify_one();
                self.wait()
            }
            Phase::Fetching => self.wait(),
        })
    }

    /// A place among those who wait. To be asked for under the lock of the phase: the end of this fetch is still to come.
    fn wait(&self) -> Unproven {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => Unproven::Pending(Pending::new(self.ended.subscribe(), place)),
            Err(_) => Unproven::Unavailable,
        }
    }

    /// A fetch has ended. New keys take the place of all earlier ones; without them those stay.
    fn end_fetch(&self, keys: Option<JwkSet>) {
        let failed = keys.is_none();
        if let Some(keys) = keys {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        }
        *self.phase() = Phase::Cooling { failed };
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// The cooldown is over.
    fn rest(&self) {
        *self.phase() = Phase::Resting;
    }

    fn begin_fetch(&self) {
        *self.phase() = Phase::Fetching;
    }

    fn keys(&self) -> Arc<JwkSet> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sockets and requests that may wait for one issuer's keys; one more is told to come back. Each holds what its client
/// sent: a head of at most 16 KiB, and behind its CONNECT at most `limits.max_payload`.
const WAITING_MAX: usize = 4096;

#[cfg(test)]
mod tests;
