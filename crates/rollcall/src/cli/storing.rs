//! Commands that work on the database beside a server that runs or not: opens what they need and closes it again.
//! Does not know: what they do with it.

use rollcall::app::{issuer_names, open_identity};
use rollcall::clock::Clock;
use rollcall::config::Config;
use rollcall::identity::{Identity, IssuerId};
use rollcall::store::Store;

use super::Failure;

/// What a command works with.
pub(super) struct Storing {
    pub(super) store: Store,
    pub(super) identity: Identity,
    pub(super) clock: Clock,
}

impl Storing {
    /// The entry of this name; `flag` is where it was given.
    pub(super) fn issuer(&self, flag: &str, name: &str) -> Result<IssuerId, Failure> {
        self.identity.issuer_named(name).ok_or_else(|| {
            let allowed = issuer_names(&self.identity).join(", ");
            Failure::Failed(format!("{flag}: given {name:?}; allowed: {allowed}"))
        })
    }
}

/// Does it, with the logs on and the database open.
pub(super) fn with_store<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Storing) -> Result<T, Failure>,
) -> Result<T, Failure> {
    super::start_logs(config)?;
    block_on(async {
        let identity = open_identity(config).map_err(Failure::because)?;
        let store = Store::open(config, issuer_names(&identity)).await.map_err(Failure::because)?;
        let storing = Storing { store, identity, clock: Clock::system() };
        let done = work(&storing).await;
        storing.store.close().await;
        done
    })
}

/// On this thread.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::because)?.block_on(work)
}
