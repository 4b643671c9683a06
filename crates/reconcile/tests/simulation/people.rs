//! What people do.

use reconcile::{Local, Login};

use super::faults::living;
use super::world::{MS, World};

/// A session comes, goes or changes somewhere, or is to end.
pub fn act(world: &mut World) {
    if let Some(proc) = living(world) {
        act_at(world, proc);
    }
}

pub fn act_at(world: &mut World, proc: usize) {
    if world.procs[proc].paused_until > world.now {
        return;
    }
    let user = world.random.below(8);
    let has = world.procs[proc].sessions.get(&user).and_then(|sessions| sessions.keys().next().copied());
    let dice = world.random.below(20);
    match has {
        _ if dice < 2 => return ask(world, proc, user),
        Some(session) if dice < 4 => change(world, proc, user, session),
        Some(session) if dice < 11 => {
            world.procs[proc].sessions.entry(user).or_default().remove(&session);
        }
        _ => {
            let session = world.next_session;
            world.next_session += 1;
            let replaces = if world.random.chance(30) { any_session(world, user, session) } else { None };
            let login = login(world);
            join(world, proc, user, session, login, replaces);
        }
    }
    world.log(|| format!("{proc} acts on {user}: had {has:?}, now {:?}", world.procs[proc].sessions[&user]));
    world.say(proc, user);
}

pub fn join(world: &mut World, proc: usize, user: u64, session: u64, login: Login, replaces: Option<u64>) {
    // Now and then two at the same time.
    let order = world.now / (100 * MS);
    let local = Local { session, item: 0, login, order, replaces };
    world.procs[proc].sessions.entry(user).or_default().insert(session, local);
}

pub fn login(world: &mut World) -> Login {
    Login(["a", "b", "c"][world.random.below(3) as usize].into())
}

/// Another item, or another login.
fn change(world: &mut World, proc: usize, user: u64, session: u64) {
    let login = if world.random.chance(20) { Some(login(world)) } else { None };
    if let Some(local) = world.procs[proc].sessions.get_mut(&user).and_then(|has| has.get_mut(&session)) {
        local.item += 1;
        local.login = login.unwrap_or(local.login.clone());
    }
}

/// A node is told to end a session, wherever it is.
fn ask(world: &mut World, proc: usize, user: u64) {
    let Some(session) = any_session(world, user, 1) else {
        return;
    };
    world.log(|| format!("{proc} is told to end {session} of {user}"));
    world.asked.push((session, proc));
    let now = world.local(proc);
    world.procs[proc].reconciler.handle_end(now, user, session);
    world.settle(proc);
}

/// One that is open, mostly.
fn any_session(world: &mut World, user: u64, below: u64) -> Option<u64> {
    if world.random.chance(10) {
        return Some(world.random.below(below));
    }
    let living = world.procs.iter().filter(|proc| !proc.is_dead);
    let open: Vec<u64> =
        living.filter_map(|proc| proc.sessions.get(&user)).flat_map(|has| has.keys().copied()).collect();
    open.get(world.random.below(open.len() as u64) as usize).copied()
}
