//! The outcome that is not there yet: a token whose key is being fetched. Does not know: who fetches, who waits.

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

/// A place among those who wait for a fetch. There is a bounded number of them; dropping it gives it back.
#[derive(Debug)]
pub struct Pending {
    finished: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Pending {
    /// Returns when the fetch has ended, with a key or without one, or when nobody fetches any more.
    pub async fn resolved(mut self) {
        let _ = self.finished.changed().await;
    }
}
