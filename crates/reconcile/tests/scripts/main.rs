//! The scripts on a real redis-server: random runs compared with the model that the simulation uses, so that what holds
//! there holds here. `ROUNDS=100000 SEED=7 cargo nextest run -p reconcile --test scripts` makes more of them.

#![expect(unreachable_pub, dead_code, reason = "a test has no outside, and borrows from another one")]
#![expect(clippy::panic, clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::too_many_lines, reason = "a list of cases")]

#[path = "../simulation/random.rs"]
mod random;
#[path = "../simulation/redis.rs"]
mod redis;
#[path = "../simulation/script.rs"]
mod script;
mod server;
mod user;
mod draw;
mod compare;
mod shapes;
