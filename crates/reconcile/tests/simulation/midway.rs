//! A node that dies between its write and its message, at the one moment that chance rarely finds.

use super::people;
use super::world::{LEASE, SECOND, World};

/// Three nodes that may reap, and one session of a user at the first of them.
fn start() -> World {
    let mut world = World::new(1);
    (0..3).for_each(|_| world.start());
    world.run_until(2 * LEASE);
    let login = people::login(&mut world);
    people::join(&mut world, 0, 1, 10, login, None);
    world.say(0, 1);
    world.run_until(world.now + SECOND);
    world
}

/// Until Redis has changed the user, and no longer.
fn kill_after_write(world: &mut World, proc: usize) {
    let before = world.redis.data.revisions[&1].revision;
    while world.redis.data.revisions[&1].revision == before {
        assert!(world.now < 4 * LEASE, "nothing is written");
        world.run_until(world.now + 20);
    }
    world.kill(proc);
    world.run_until(world.now + LEASE + SECOND);
}

#[test]
fn session_ends_although_the_node_that_asked_for_it_dies() {
    let mut world = start();
    let now = world.local(1);
    world.procs[1].reconciler.handle_end(now, 1, 10);
    world.settle(1);
    kill_after_write(&mut world, 1);
    assert!(world.procs[0].ended.contains(&10));
}

#[test]
fn session_that_left_is_in_no_list_although_its_node_dies() {
    let mut world = start();
    let login = people::login(&mut world);
    people::join(&mut world, 1, 1, 11, login, None);
    world.say(1, 1);
    world.run_until(world.now + SECOND);
    assert_eq!(world.procs[0].told[&1].list.len(), 2);
    world.procs[1].sessions.clear();
    world.say(1, 1);
    kill_after_write(&mut world, 1);
    assert_eq!(world.procs[0].told[&1].list.len(), 1);
}
