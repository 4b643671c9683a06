//! Nodes as processes, and what breaks: whatever it is, every list is right again in time, and nobody was told nonsense
//! meanwhile. Each test says how it was seen failing. They run alone (`.config/nextest.toml`), since they hold the nodes
//! to times.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]
#![allow(clippy::duplicate_mod, reason = "`live` has its own, to run all tests on a cluster")]
#![allow(unreachable_pub, dead_code, reason = "helpers are shared with other tests")]

#[path = "../support/live.rs"]
mod live;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

mod book;
mod line;
mod visitor;
mod forwarder;
mod fleet;
mod upkeep;
mod oracle;

mod nodes;
mod redis_faults;
mod rolling;
mod cut;
mod soak;
use live::{databases, redis};
