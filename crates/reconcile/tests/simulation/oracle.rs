//! What must hold: the sessions that are really open, against every list and what Redis has.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::Call;

use super::world::{LEASE, SECOND, World};

pub const CAP: usize = 6;

/// The sessions that are really open.
fn open(world: &World) -> BTreeMap<u64, BTreeMap<u64, u64>> {
    let mut open: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    for proc in world.procs.iter().filter(|proc| !proc.is_dead) {
        for (user, sessions) in &proc.sessions {
            open.entry(*user).or_default().extend(sessions);
        }
    }
    open
}

/// Every node's list of every user that it holds is what is open, and complete.
pub fn check_lists(world: &World) {
    let open = open(world);
    for (number, proc) in world.procs.iter().enumerate().filter(|(_, proc)| !proc.is_dead) {
        for (user, _) in proc.sessions.iter().filter(|(_, sessions)| !sessions.is_empty()) {
            let Some(told) = proc.told.get(user) else {
                panic!("{number} was never told of {user}");
            };
            let list: BTreeMap<_, _> = told.list.iter().map(|entry| (entry.session, entry.item)).collect();
            assert_eq!(list, open[user], "list (left) of {user} at {number}");
            assert!(told.complete, "list of {user} at {number} is not complete");
        }
    }
}

/// A node was killed a lease and a second ago.
pub fn check_gone(world: &World, killed: usize) {
    let gone: BTreeSet<u64> =
        world.procs[killed].sessions.values().flat_map(BTreeMap::keys).copied().collect();
    for (number, proc) in world.procs.iter().enumerate().filter(|(_, proc)| !proc.is_dead) {
        for (user, _) in proc.sessions.iter().filter(|(_, sessions)| !sessions.is_empty()) {
            let list = proc.told.get(user).map(|told| &told.list[..]).unwrap_or_default();
            if !list.iter().any(|entry| proc.sessions[user].contains_key(&entry.session)) {
                continue; // told to nobody who is still there
            }
            for entry in list {
                assert!(!gone.contains(&entry.session), "ghost {entry:?} of {user} at {number}");
            }
        }
    }
}

/// Of what nodes have told as theirs there is never more than the cap.
pub fn check_cap_now(world: &World) {
    let mut accepted: BTreeMap<u64, usize> = BTreeMap::new();
    for proc in &world.procs {
        for (user, sessions) in &proc.sessions {
            let told = proc.told.get(user).map(|told| &told.list[..]).unwrap_or_default();
            *accepted.entry(*user).or_default() +=
                told.iter().filter(|entry| sessions.contains_key(&entry.session)).count();
        }
    }
    assert!(accepted.values().all(|count| *count <= CAP), "over the cap: {accepted:?}");
}

/// After all that, one more is let in where there is room, and not where there is none.
pub fn check_cap(world: &mut World) {
    let mut session = 1_000_000;
    for user in 0..8 {
        let holds: usize = open(world).get(&user).map_or(0, BTreeMap::len);
        let mut living = (0..world.procs.len()).filter(|proc| !world.procs[*proc].is_dead);
        let Some(proc) = living.next_back() else {
            return;
        };
        session += 1;
        let mut is_refused = is_one_more_refused(world, proc, user, session);
        if is_refused && holds < CAP {
            // A write of an id whose end was lost with the data, that arrived only now, counts until one lease after it
            // was first seen. It may not count longer.
            world.log(|| format!("stray in {user}"));
            world.run_until(world.now + LEASE + SECOND);
            session += 1;
            is_refused = is_one_more_refused(world, proc, user, session);
        }
        assert_eq!(is_refused, holds >= CAP, "one more of {holds} of {user} at {proc}");
    }
}

fn is_one_more_refused(world: &mut World, proc: usize, user: u64, session: u64) -> bool {
    let now = world.local(proc);
    world.procs[proc].sessions.entry(user).or_default().insert(session, 0);
    world.procs[proc].reconciler.handle_session(now, user, session, 0);
    world.settle(proc);
    world.run_until(world.now + 2 * SECOND);
    world.procs[proc].refused.contains(&session)
}

/// Redis holds what is open and nothing else.
pub fn check_redis(world: &World) {
    let mut open = open(world);
    open.retain(|_, sessions| !sessions.is_empty());
    let data = &world.redis.data;
    let stored: BTreeMap<u64, BTreeMap<u64, u64>> = data
        .hashes
        .iter()
        .map(|(user, hash)| (*user, hash.iter().map(|(session, value)| (*session, value.item)).collect()))
        .collect();
    assert_eq!(stored, open, "Redis (left) holds something else");
    let living = world.procs.iter().filter(|proc| !proc.is_dead);
    let nodes: BTreeSet<_> = living.clone().map(|proc| proc.reconciler.node()).collect();
    assert_eq!(data.table, nodes, "table (left)");
    for proc in living {
        let held: BTreeSet<_> = proc
            .sessions
            .iter()
            .filter(|(_, sessions)| !sessions.is_empty())
            .map(|(user, _)| *user)
            .collect();
        let node = proc.reconciler.node();
        let set: BTreeSet<_> = data.sets.get(&node).into_iter().flat_map(|set| set.keys().copied()).collect();
        assert_eq!(set, held, "set of {node:?} (left)");
        assert_eq!(proc.reconciler.users(), held.len(), "users known by {node:?}");
    }
}

/// Nobody comes or goes: no call for any user.
pub fn check_idle(world: &World) {
    let for_users = world.user_calls.iter().filter(|call| !matches!(call, Call::UsersOf { .. }));
    let for_users: Vec<_> = for_users.collect();
    assert!(for_users.is_empty(), "{} calls while idle, as {:?}", for_users.len(), for_users[0]);
}
