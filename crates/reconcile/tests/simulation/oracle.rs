//! What must hold: the sessions that are really open, against every list and what Redis has.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::caps::{Present, make_room};
use reconcile::{Call, Entry, Field, Local, Login, Sync, Why};

use super::people;
use super::redis::Value;
use super::world::{LEASE, SECOND, World};

type Locals = BTreeMap<u64, Local<u64, u64>>;
type Live = BTreeMap<u64, Value>;
type Shown = (u64, u64, Login);

/// The sessions that are really open.
fn open(world: &World) -> BTreeMap<u64, Locals> {
    let mut open: BTreeMap<u64, Locals> = BTreeMap::new();
    for proc in world.procs.iter().filter(|proc| !proc.is_dead) {
        for (user, sessions) in &proc.sessions {
            open.entry(*user).or_default().extend(sessions.clone());
        }
    }
    open
}

fn shown(locals: &Locals) -> BTreeMap<u64, Shown> {
    locals.iter().map(|(session, local)| (*session, (local.item, local.order, local.login.clone()))).collect()
}

fn listed(list: &[Entry<u64, u64>]) -> BTreeMap<u64, Shown> {
    list.iter().map(|entry| (entry.session, (entry.item, entry.order, entry.login.clone()))).collect()
}

/// Every node's list of every user that it holds is what is open, and complete.
pub fn check_lists(world: &World) {
    let open = open(world);
    for (number, proc) in world.procs.iter().enumerate().filter(|(_, proc)| !proc.is_dead) {
        for (user, _) in proc.sessions.iter().filter(|(_, sessions)| !sessions.is_empty()) {
            let Some(told) = proc.told.get(user) else {
                panic!("{number} was never told of {user}");
            };
            assert_eq!(listed(&told.list), shown(&open[user]), "list (left) of {user} at {number}");
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

/// What a node was told to end has ended, if that node still lives or Redis has been told.
pub fn check_asked(world: &World) {
    let open = open(world);
    let is_open = |session: &u64| open.values().any(|locals| locals.contains_key(session));
    for (session, by) in world.asked.iter().filter(|(_, by)| !world.procs[*by].is_dead) {
        assert!(!is_open(session), "{session}, that {by} was told to end, is open");
    }
    for session in &world.taken {
        assert!(!is_open(session), "{session}, that Redis was told to end, is open");
    }
}

/// Whom Redis has let in is not one too many.
pub fn check_admitted(world: &World, before: &Live, sync: &Sync<u64, u64, u64>) {
    let caps = world.redis.config.caps;
    let Some(now) = world.redis.data.hashes.get(&sync.user) else {
        return;
    };
    for field in sync.fields.iter().filter(|field| field.is_join && !before.contains_key(&field.session)) {
        if now.contains_key(&field.session) {
            let of_login = now.values().filter(|value| value.login == field.login).count();
            assert!(now.len() <= caps.per_user, "too many of {}: {now:?}", sync.user);
            assert!(of_login <= caps.per_login, "too many of {} and {:?}: {now:?}", sync.user, field.login);
            check_replaced(world, before, sync, field);
        }
    }
}

/// The session that one was let in for has ended if it is of the same login, and not otherwise.
fn check_replaced(world: &World, before: &Live, sync: &Sync<u64, u64, u64>, field: &Field<u64, u64>) {
    // Of no other one in the same call.
    let concerns =
        |other: &Field<u64, u64>, session| other.session == session || other.replaces == Some(session);
    let is_clear = |session: &u64| sync.fields.iter().filter(|other| concerns(other, *session)).count() == 1;
    let Some(replaced) = field.replaces.filter(is_clear) else {
        return;
    };
    let is_open = world.redis.data.hashes[&sync.user].contains_key(&replaced);
    let mark = world.redis.data.marks.get(&sync.user).and_then(|marks| marks.get(&replaced));
    if let Some(old) = before.get(&replaced) {
        let is_replaced = mark.is_some_and(|mark| mark.why == Why::Replaced);
        match old.login == field.login {
            true => assert!(!is_open, "{replaced} of {} is there beside {field:?}", sync.user),
            false => assert!(!is_replaced, "{replaced} of {} had to go for {field:?}", sync.user),
        }
    }
}

/// While nothing goes wrong there are never too many, and those that nodes have told as theirs are no more, as long as
/// none of them is to end.
pub fn check_cap_now(world: &World) {
    let caps = world.redis.config.caps;
    let mut told: BTreeMap<u64, usize> = BTreeMap::new();
    for proc in &world.procs {
        for (user, sessions) in &proc.sessions {
            let list = proc.told.get(user).map(|told| &told.list[..]).unwrap_or_default();
            let own = list.iter().filter(|entry| sessions.contains_key(&entry.session));
            *told.entry(*user).or_default() += own.count();
        }
    }
    for (user, live) in &world.redis.data.hashes {
        assert!(live.len() <= caps.per_user, "over the cap: {live:?}");
        let marks = world.redis.data.marks.get(user).map_or(0, BTreeMap::len);
        let told = told.get(user).copied().unwrap_or_default();
        assert!(told <= caps.per_user + marks, "over the cap of {user}: {told} with {marks} that end");
    }
}

/// After all that, one more is let in where there is room, and where there is none it is refused or another one ends.
pub fn check_cap(world: &mut World) {
    let mut session = 1_000_000;
    for user in 0..8 {
        let mut living = (0..world.procs.len()).filter(|proc| !world.procs[*proc].is_dead);
        let Some(proc) = living.next_back() else {
            return;
        };
        session += 1;
        let mut is_right = is_one_more_right(world, proc, user, session);
        if !is_right {
            // A write of an id whose end was lost with the data, that arrived only now, counts until one lease after it
            // was first seen. It may not count longer.
            world.log(|| format!("stray in {user}"));
            world.run_until(world.now + LEASE + SECOND);
            session += 1;
            is_right = is_one_more_right(world, proc, user, session);
        }
        assert!(is_right, "one more of {user} at {proc}");
    }
}

fn is_one_more_right(world: &mut World, proc: usize, user: u64, session: u64) -> bool {
    let mut expected = open(world).remove(&user).unwrap_or_default();
    let login = people::login(world);
    let present = expected.values().map(|local| Present {
        session: &local.session,
        login: &local.login,
        order: local.order,
        may_go: true,
    });
    let leaving = make_room(present.collect(), &login, None, &world.redis.config.caps);
    people::join(world, proc, user, session, login, None);
    if let Some(leaving) = leaving {
        leaving.iter().for_each(|(session, _)| {
            expected.remove(session);
        });
        expected.insert(session, world.procs[proc].sessions[&user][&session].clone());
    }
    world.say(proc, user);
    world.run_until(world.now + 2 * SECOND);
    open(world).remove(&user).unwrap_or_default() == expected
}

/// Redis holds what is open and nothing else.
pub fn check_redis(world: &World) {
    let mut open = open(world);
    open.retain(|_, sessions| !sessions.is_empty());
    let open: BTreeMap<_, _> = open.iter().map(|(user, locals)| (*user, shown(locals))).collect();
    let data = &world.redis.data;
    let show = |value: &Value| (value.item, value.order, value.login.clone());
    let stored = data.hashes.iter().map(|(user, live)| {
        let live: BTreeMap<u64, Shown> =
            live.iter().map(|(session, value)| (*session, show(value))).collect();
        (*user, live)
    });
    assert_eq!(stored.collect::<BTreeMap<_, _>>(), open, "Redis (left) holds something else");
    let living = world.procs.iter().filter(|proc| !proc.is_dead);
    let nodes: BTreeSet<_> = living.clone().map(|proc| proc.reconciler.node()).collect();
    assert_eq!(data.table, nodes, "table (left)");
    for mark in data.marks.values().flat_map(BTreeMap::values) {
        assert!(mark.node.is_none_or(|node| !nodes.contains(&node)), "{mark:?} of a living node is left");
    }
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
