//! Every kind of registry keeps the one contract of `contract/registry.rs`.

#[path = ".."]
mod memory {
    use rollcall::registry::{Caps, Registry};

    fn open(caps: Caps) -> Registry {
        Registry::memory(caps)
    }

    #[path = "contract/registry.rs"]
    mod contract;
}
