//! The reconciler of the Redis registry: local state is the truth about local sockets, Redis is where nodes meet, and
//! this says which calls bring the two together. Inputs in, calls and events out.
//! Does not know: Redis, sockets, channels, the clock, randomness.
#![forbid(unsafe_code)]

pub mod call;
pub mod config;
pub mod session;
pub mod caps;
pub mod script;
pub mod reconcile;
mod work;
mod queue;
mod answer;
mod learn;
mod again;
mod trust;
mod user;
mod held;
mod ends;
mod lease;
mod peers;
mod reap;

pub use call::{Call, CallId, Event, Failed, Message, NodeId, Reply, Snapshot, Sync, Synced};
pub use config::{Caps, Config};
pub use reconcile::Reconciler;
pub use session::{Entry, Field, Local, Login, Why};
