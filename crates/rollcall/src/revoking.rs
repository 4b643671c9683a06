//! What SQL says is revoked comes true on this node: first in memory, so that no token is taken any more, then for the
//! sockets that are open. Does not know: why something is revoked, how a socket is closed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::identity::{Revocation, Revocations};
use crate::store::{StorageError, Store};

/// The way from a row to everybody who has to know of it.
#[derive(Debug, Default)]
pub struct Revoking {
    /// The number of the last row that is known.
    seq: AtomicU64,
    /// Who closes sockets, once there is somebody.
    sockets: OnceLock<mpsc::Sender<Vec<Revocation>>>,
}

impl Revoking {
    /// For the gateway, once: what it closes sockets for, its own node's revocations and those of others. A revocation
    /// may come twice, and the sockets that it means may be gone. `None` when somebody has it already.
    pub fn sockets_to_close(&self) -> Option<mpsc::Receiver<Vec<Revocation>>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        self.sockets.set(sender).ok().map(|()| receiver)
    }

    /// Makes true what was just written. When it returns no token of these is taken any more, and their sockets are
    /// about to be closed.
    pub async fn carry_out(&self, live: &Revocations, revocations: Vec<Revocation>) {
        for revocation in &revocations {
            live.insert(revocation.clone());
        }
        if let Some(sockets) = self.sockets.get() {
            // Nobody takes them any more only when the server ends, and its sockets with it.
            let _ = sockets.send(revocations).await;
        }
    }

    /// Makes true what any process has written since the last time; at first all that still counts.
    pub async fn follow(&self, now: u64, live: &Revocations, store: &Store) -> Result<(), StorageError> {
        loop {
            let seq = self.seq.load(Ordering::Acquire);
            let (revocations, last) = store.revocations_since(now, seq).await?;
            if last == seq {
                return Ok(());
            }
            self.carry_out(live, revocations).await;
            self.seq.store(last, Ordering::Release);
        }
    }
}

/// Batches that wait for the gateway; whoever brings one more waits too.
const WAITING_MAX: usize = 64;
