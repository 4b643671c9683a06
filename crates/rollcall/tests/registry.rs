//! Every kind of registry keeps the one contract of `contract/registry.rs`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests may panic too")]

#[path = "."]
mod memory {
    use rollcall::registry::{Caps, Registry};

    fn open(caps: Caps) -> Registry {
        Registry::memory(caps)
    }

    #[path = "contract/registry.rs"]
    mod contract;
}
