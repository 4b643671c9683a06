//! N reconcilers against a model of Redis, with the faults of the contract, from a seed; then the oracle.
//! `SEED=7 TRACE=1 cargo test` shows one run; `SEEDS=1000 FROM=0 cargo test` makes many.

#![expect(unreachable_pub, reason = "a test has no outside")]
#![expect(clippy::panic, clippy::too_many_lines, reason = "a test, and two lists of cases")]

mod random;
mod redis;
mod script;
mod world;
mod caller;
mod network;
mod people;
mod faults;
mod oracle;
mod midway;

use faults::Plan;
use world::{LEASE, SECOND, World};

fn run(seed: u64) {
    let mut world = World::new(seed);
    let plan = Plan::of(seed);
    for _ in 0..world.random.within(3, 6) {
        world.start();
    }
    faults::play(&mut world, plan);
    faults::quiet(&mut world);
    world.run_until(world.now + 2 * LEASE + SECOND);
    oracle::check_lists(&world);
    oracle::check_asked(&world);
    oracle::check_cap(&mut world);
    world.run_until(world.now + 5 * LEASE);
    world.user_calls.clear();
    world.run_until(world.now + LEASE);
    oracle::check_lists(&world);
    oracle::check_redis(&world);
    oracle::check_idle(&world);
}

#[test]
fn every_list_is_right_after_any_faults() {
    let number =
        |name: &str, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let seeds = match std::env::var("SEED") {
        Ok(_) => number("SEED", 0)..number("SEED", 0) + 1,
        Err(_) => number("FROM", 0)..number("FROM", 0) + number("SEEDS", 100),
    };
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            eprintln!("SEED={seed} ({:?}) has failed", Plan::of(seed));
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "of seeds {seeds:?} failed: {failed:?}");
}
