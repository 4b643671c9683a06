//! The outcome that is not there yet: a token whose key is being fetched. Does not know: who fetches, who waits.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Principal, TokenRefusal};

/// Why there is no [`Principal`].
#[derive(Debug)]
pub enum Unproven {
    /// The token is not good: its client's affair.
    Refused(TokenRefusal),
    /// The issuer's keys are being fetched: judge again when [`Pending::resolved`] says so.
    Pending(Pending),
    /// The issuer's keys cannot be had just now, so nobody knows: come back later.
    Unavailable,
}

/// What [`Identity::judge`](super::Identity::judge) gives.
pub type Judgement = Result<Principal, Unproven>;

impl From<TokenRefusal> for Unproven {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Unproven {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<TokenRefusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            Self::Pending(_) | Self::Unavailable => None,
        }
    }
}

/// Judges, and as long as a key is being fetched waits for that and judges again; for HTTP, where waiting is easy.
pub async fn when_known<T>(judge: impl Fn() -> Result<T, Unproven>) -> Result<T, Unproven> {
    let waiting = async {
        loop {
            match judge() {
                Err(Unproven::Pending(pending)) => pending.resolved().await,
                known => return known,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(Err(Unproven::Unavailable))
}

/// How long anybody waits for keys: one fetch takes less (`identity.jwks_timeout`) unless that is set higher.
pub const PATIENCE: Duration = Duration::from_secs(6);

/// A place among those who wait for a fetch. There is a bounded number of them; dropping it gives it back.
#[derive(Debug)]
pub struct Pending {
    ended: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Pending {
    pub(super) fn new(ended: watch::Receiver<u64>, place: OwnedSemaphorePermit) -> Self {
        Self { ended, _place: place }
    }

    /// Returns when the fetch has ended, with a key or without one, or when nobody fetches any more.
    pub async fn resolved(mut self) {
        let _ = self.ended.changed().await;
    }
}
