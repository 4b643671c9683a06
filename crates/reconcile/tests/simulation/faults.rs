//! What goes wrong.

use super::network::Fate;
use super::oracle;
use super::people::{act, act_at};
use super::redis::Data;
use super::world::{Happening, LEASE, MS, SECOND, World};

/// What a seed is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plan {
    /// Nothing goes wrong: the cap holds at each moment.
    Calm,
    /// Nodes are killed, long after the start: their sessions are gone in time.
    Kills,
    /// Everything.
    Storm,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        match seed % 10 {
            0 => Self::Calm,
            1 | 2 => Self::Kills,
            _ => Self::Storm,
        }
    }
}

/// A minute of it.
pub fn play(world: &mut World, plan: Plan) {
    let calm_until = if plan == Plan::Kills { 2 * LEASE } else { 0 };
    let mut next_fault = calm_until + world.random.below(5 * SECOND);
    let mut checks: Vec<(u64, usize)> = Vec::new();
    world.loss = if plan == Plan::Storm { world.random.below(3) } else { 0 };
    let busy = world.random.within(50 * MS, 400 * MS);
    while world.now < 60 * SECOND {
        let step = world.random.below(busy);
        world.run_until(world.now + step);
        act(world);
        if plan == Plan::Calm {
            oracle::check_cap_now(world);
        }
        checks.retain(|(at, killed)| {
            if world.now >= *at {
                oracle::check_gone(world, *killed);
            }
            world.now < *at
        });
        if plan != Plan::Calm && world.now >= next_fault {
            next_fault = world.now + world.random.within(200 * MS, 6 * SECOND);
            if plan == Plan::Storm {
                fault(world);
            } else if let Some(killed) = kill(world, plan) {
                checks.push((world.now + LEASE + SECOND, killed));
            }
        }
    }
}

pub fn living(world: &mut World) -> Option<usize> {
    let living: Vec<_> = (0..world.procs.len()).filter(|proc| !world.procs[*proc].is_dead).collect();
    let one = world.random.below(living.len() as u64) as usize;
    living.get(one).copied()
}

fn kill(world: &mut World, plan: Plan) -> Option<usize> {
    let living = (0..world.procs.len()).filter(|proc| !world.procs[*proc].is_dead).count();
    if living < 3 {
        return None;
    }
    let proc = self::living(world)?;
    if plan == Plan::Kills && proc == 0 {
        return None; // a node that is younger than a lease may not reap, so there has to be an older one
    }
    if world.random.chance(50) {
        // In the middle of something.
        act_at(world, proc);
        let delay = world.random.below(15 * MS);
        world.run_until(world.now + delay);
    }
    world.log(|| format!("kill {proc}"));
    world.kill(proc);
    let delay = world.random.within(SECOND, 15 * SECOND);
    world.after(delay, Happening::Start);
    Some(proc)
}

fn fault(world: &mut World) {
    let Some(proc) = living(world) else {
        return;
    };
    let now = world.now;
    match world.random.below(12) {
        0 | 1 => world.cut(proc, false),
        2 | 3 => world.cut(proc, true),
        4 | 5 => {
            let most = if world.random.chance(50) { 3 * SECOND } else { 16 * SECOND };
            let length = world.random.within(100 * MS, most);
            world.log(|| format!("pause {proc} for {length}"));
            world.procs[proc].paused_until = now + length;
        }
        6 | 7 => {
            kill(world, Plan::Storm);
        }
        8 => {
            let most = if world.random.chance(50) { 2 * SECOND } else { 14 * SECOND };
            world.still_until = now + world.random.within(100 * MS, most);
            world.log(|| format!("redis stands still until {}", world.still_until));
        }
        9 if world.server.is_some() => {
            let is_exact = world.random.chance(50);
            if is_exact {
                world.snapshot = world.redis.data.clone();
            }
            restart(world, false);
        }
        10 if world.server.is_some() => restart(world, true),
        11 if world.random.chance(50) => {
            world.redis.out_of_memory = true;
            let length = world.random.within(100 * MS, 4 * SECOND);
            world.after(length, Happening::MemoryBack);
        }
        _ => {
            world.log(|| "flushall".to_owned());
            world.taken.clear();
            world.redis.data = Data::default();
        }
    }
}

fn restart(world: &mut World, is_empty: bool) {
    world.log(|| format!("redis down, empty: {is_empty}"));
    world.server = None;
    for proc in 0..world.procs.len() {
        world.cut(proc, false);
        world.cut(proc, true);
    }
    let most = if world.random.chance(50) { SECOND } else { 15 * SECOND };
    let length = world.random.within(50 * MS, most);
    world.after(length, Happening::RedisUp { is_empty });
}

/// Everything works again.
pub fn quiet(world: &mut World) {
    world.log(|| "quiet".to_owned());
    world.loss = 0;
    world.still_until = world.now;
    world.redis.out_of_memory = false;
    for fate in world.fates.values_mut().filter(|fate| matches!(fate, Fate::HeldBack(_))) {
        *fate = Fate::Sent;
    }
    for proc in &mut world.procs {
        proc.paused_until = world.now;
    }
    let now = world.now;
    let moved: Vec<_> = world
        .events
        .extract_if(.., |(at, _), happening| {
            let is_recovery = matches!(happening, Happening::RedisUp { .. } | Happening::Arrive { .. });
            let is_late = *at > now + SECOND;
            matches!(happening, Happening::Start) || is_late && (is_recovery || is_held_back(happening))
        })
        .collect();
    for (_, happening) in moved {
        if !matches!(happening, Happening::Start) {
            world.after(0, happening);
        }
    }
}

/// What a paused node has not seen yet, in its order.
fn is_held_back(happening: &Happening) -> bool {
    matches!(
        happening,
        Happening::Tick { .. }
            | Happening::Answer { .. }
            | Happening::Hear { .. }
            | Happening::Notice { .. }
            | Happening::Connect { .. }
            | Happening::Closed { .. }
    )
}
