//! The reconciler of the Redis registry: local state is the truth about local sockets, Redis is where nodes meet, and
//! this says which calls bring the two together. Inputs in, calls and events out.
//! Does not know: Redis, sockets, channels, the clock, randomness.
#![forbid(unsafe_code)]

pub mod call;
pub mod reconcile;
mod work;
mod answer;
mod again;
mod trust;
mod user;
mod lease;
mod peers;
mod reap;

pub use call::{
    Call, CallId, Config, Entry, Event, Failed, Field, Message, NodeId, Reply, Snapshot, Sync, Synced,
};
pub use reconcile::Reconciler;
