//! The registry of a single node: users by key, in shards, so that threads rarely meet.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Roster, Session, SocketId, User, UserKey};

/// All users of this node.
#[derive(Debug)]
pub struct Memory {
    hasher: RandomState,
    shards: Vec<Mutex<Users>>,
}

#[derive(Debug, Default)]
struct Users {
    by_key: HashMap<UserKey, Arc<User>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Memory {
    pub(super) fn join(
        &self,
        key: &UserKey,
        mut session: Session,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Arc<User> {
        loop {
            let user = self.find_or_make(key);
            let mut roster = user.roster();
            match roster.join(session) {
                Ok(()) => {
                    tell(&user, &mut roster);
                    drop(roster);
                    return user;
                }
                // Its last session left in this very moment and it is about to be removed: again, with a new one.
                Err(back) => session = back,
            }
            drop(roster);
            self.remove(&user);
        }
    }

    pub(super) fn leave(
        &self,
        user: &Arc<User>,
        id: &SocketId,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> Option<Session> {
        let mut roster = user.roster();
        let session = roster.leave(id)?;
        tell(&mut roster);
        let retired = roster.is_retired();
        drop(roster);
        if retired {
            self.remove(user);
        }
        Some(session)
    }

    fn find_or_make(&self, key: &UserKey) -> Arc<User> {
        let mut users = self.lock(key);
        match users.by_key.get(key) {
            Some(user) => user.clone(),
            None => {
                let user = Arc::new(User::new(key.clone()));
                users.by_key.insert(key.clone(), user.clone());
                user
            }
        }
    }

    pub(super) fn sessions(&self) -> usize {
        let count = |users: MutexGuard<'_, Users>| -> usize {
            users.by_key.values().map(|user| user.roster().sessions().len()).sum()
        };
        self.shards.iter().map(|shard| count(shard.lock().unwrap_or_else(PoisonError::into_inner))).sum()
    }

    /// Lets go of a retired user, unless a new one has taken its place.
    fn remove(&self, user: &Arc<User>) {
        let mut locked = self.lock(user.key());
        let users = &mut locked.by_key;
        if users.get(user.key()).is_some_and(|found| Arc::ptr_eq(found, user)) {
            users.remove(user.key());
        }
        if users.capacity() > 2 * SMALL_SHARD && users.len() < users.capacity() / 4 {
            let room = users.len().max(SMALL_SHARD);
            users.shrink_to(room);
        }
    }

    /// No call under the lock leaves the map half-changed, so a poisoned lock is taken as it is.
    fn lock(&self, key: &UserKey) -> MutexGuard<'_, Users> {
        let shard = self.hasher.hash_one(key) as usize % self.shards.len();
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many more than threads, so that two of them rarely want the same.
const SHARDS: usize = 64;
/// Users of a shard below which shrinking it is not worth the work.
const SMALL_SHARD: usize = 64;
