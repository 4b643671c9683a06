//! The registry of a single node: users by key, in shards, so that threads rarely meet.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::change::{Amendment, Caps, Joined, Joining, NotJoined, Regrant, Which};
use super::session::Grant;
use super::user::Obstacle;
use super::{Left, Roster, Session, SocketId, User, UserKey};

/// All users of this node.
#[derive(Debug)]
pub struct Memory {
    caps: Caps,
    hasher: RandomState,
    shards: Vec<Mutex<Users>>,
}

#[derive(Debug, Default)]
struct Users {
    by_key: HashSet<ByKey>,
}

/// A user, found by the key that it holds: one copy of a million subjects.
#[derive(Debug)]
struct ByKey(Arc<User>);

impl Memory {
    pub(super) fn new(caps: Caps) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { caps, hasher: RandomState::new(), shards }
    }

    pub(super) fn join(
        &self,
        key: &UserKey,
        joining: Joining,
        admit: impl Fn(&Session) -> bool,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Result<Joined, Box<(Session, NotJoined)>> {
        let attempt = |user: &Arc<User>, roster: &mut Roster<'_>, joining| {
            roster.join(user, joining, &self.caps, &admit)
        };
        self.let_in(key, joining, attempt, tell)
    }

    /// A session waits to be listed: [`Roster::enter`].
    pub(super) fn enter(
        &self,
        key: &UserKey,
        joining: Joining,
        admit: impl Fn(&Session) -> bool,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Result<Arc<User>, Box<(Session, NotJoined)>> {
        let attempt = |user: &Arc<User>, roster: &mut Roster<'_>, joining| {
            roster.enter(joining, &self.caps, &admit).map(|()| user.clone())
        };
        self.let_in(key, joining, attempt, tell)
    }

    /// Lets a session in by `attempt`, with a new user if the one that was found is about to be removed.
    fn let_in<T>(
        &self,
        key: &UserKey,
        mut joining: Joining,
        attempt: impl Fn(&Arc<User>, &mut Roster<'_>, Joining) -> Result<T, Box<(Joining, Obstacle)>>,
        tell: impl FnOnce(&Arc<User>, &mut Roster<'_>),
    ) -> Result<T, Box<(Session, NotJoined)>> {
        loop {
            let user = self.find_or_make(key);
            let mut roster = user.roster();
            match attempt(&user, &mut roster, joining) {
                Ok(is_in) => {
                    tell(&user, &mut roster);
                    drop(roster);
                    return Ok(is_in);
                }
                // Retired: its last session left in this very moment and it is about to be removed. Again, with a new one.
                Err(obstacle) => match *obstacle {
                    (back, Obstacle::Retired) => joining = back,
                    (back, Obstacle::Refused(why)) => {
                        self.let_go(&user, roster);
                        return Err(Box::new((back.session, why)));
                    }
                },
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
    ) -> Option<Left> {
        let mut roster = user.roster();
        let session = roster.leave(id)?;
        tell(&mut roster);
        Some(Left { session, dropped: self.let_go(user, roster) })
    }

    pub(super) fn end(
        &self,
        user: &Arc<User>,
        which: &Which,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> (Vec<Session>, Vec<Session>) {
        let mut roster = user.roster();
        let ended = roster.end(which);
        if !ended.is_empty() {
            tell(&mut roster);
        }
        (ended, self.let_go(user, roster))
    }

    /// Lets a user go if no session of it is here any more; gives those of other nodes that were known.
    pub(super) fn let_go_if_empty(&self, user: &Arc<User>) -> Vec<Session> {
        self.let_go(user, user.roster())
    }

    pub(super) fn amend(
        &self,
        user: &Arc<User>,
        amendment: &Amendment,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> bool {
        let mut roster = user.roster();
        let changed = roster.amend(amendment);
        if changed {
            tell(&mut roster);
        }
        changed
    }

    pub(super) fn regrant(
        &self,
        user: &Arc<User>,
        id: &SocketId,
        grant: Grant,
        admit: impl FnOnce() -> bool,
        tell: impl FnOnce(&mut Roster<'_>),
    ) -> Regrant {
        let mut roster = user.roster();
        let regrant = roster.regrant(id, grant, admit);
        if regrant == Regrant::Changed {
            tell(&mut roster);
        }
        regrant
    }

    pub(super) fn find(&self, key: &UserKey) -> Option<Arc<User>> {
        self.lock(key).by_key.get(key).map(|found| found.0.clone())
    }

    pub(super) fn users(&self) -> Vec<Arc<User>> {
        let users = |shard: &Mutex<Users>| -> Vec<Arc<User>> {
            let users = shard.lock().unwrap_or_else(PoisonError::into_inner);
            users.by_key.iter().map(|found| found.0.clone()).collect()
        };
        self.shards.iter().flat_map(users).collect()
    }

    pub(super) fn sessions(&self) -> usize {
        let count = |users: MutexGuard<'_, Users>| -> usize {
            users.by_key.iter().map(|user| user.0.roster().count_here()).sum()
        };
        self.shards.iter().map(|shard| count(shard.lock().unwrap_or_else(PoisonError::into_inner))).sum()
    }

    fn find_or_make(&self, key: &UserKey) -> Arc<User> {
        let mut users = self.lock(key);
        match users.by_key.get(key) {
            Some(user) => user.0.clone(),
            None => {
                let user = Arc::new(User::new(key.clone()));
                users.by_key.insert(ByKey(user.clone()));
                user
            }
        }
    }

    /// Removes a user that has no session here any more; gives those of other nodes that were known.
    fn let_go(&self, user: &Arc<User>, mut roster: Roster<'_>) -> Vec<Session> {
        let retired = roster.retire_if_empty();
        drop(roster);
        if retired.is_some() {
            self.remove(user);
        }
        retired.unwrap_or_default()
    }

    /// Lets go of a retired user, unless a new one has taken its place.
    #[expect(clippy::mutable_key_type, reason = "a user's key stays, only what is behind its lock changes")]
    fn remove(&self, user: &Arc<User>) {
        let mut locked = self.lock(user.key());
        let users = &mut locked.by_key;
        if users.get(user.key()).is_some_and(|found| Arc::ptr_eq(&found.0, user)) {
            users.remove(user.key());
        }
        if users.capacity() > 2 * SMALL_SHARD && users.len() < users.capacity() / 4 {
            let room = users.len().max(SMALL_SHARD);
            users.shrink_to(room);
        }
    }

    /// No call under the lock leaves the set half-changed, so a poisoned lock is taken as it is.
    fn lock(&self, key: &UserKey) -> MutexGuard<'_, Users> {
        let shard = self.hasher.hash_one(key) as usize % self.shards.len();
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Borrow<UserKey> for ByKey {
    fn borrow(&self) -> &UserKey {
        self.0.key()
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByKey {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

/// Many more than threads, so that two of them rarely want the same.
const SHARDS: usize = 64;
/// Users of a shard below which shrinking it is not worth the work.
const SMALL_SHARD: usize = 64;
