//! Logins that may never have been seen before: looked up one after the other beside the sockets, so that nobody's `ready`
//! waits for it. Does not know: who is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::app::App;
use crate::identity::Login;
use crate::registry::{SocketId, User};
use crate::store::{self, StorageError};

/// Those that wait.
#[derive(Debug)]
pub(super) struct Newcomers {
    sender: mpsc::Sender<Newcomer>,
    /// Until somebody watches.
    receiver: Mutex<Option<mpsc::Receiver<Newcomer>>>,
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Newcomer {
    user: Arc<User>,
    id: SocketId,
    login: Login,
    /// When it had this login, in milliseconds since the epoch: who came later has it in its first list.
    since: u64,
}

impl Newcomers {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { sender, receiver: Mutex::new(Some(receiver)), is_full: AtomicBool::new(false) }
    }

    /// A session has come whose login has no other. Only logins that last longer than a token count.
    pub(super) fn note(&self, user: &Arc<User>, id: &SocketId, login: &Login, since: u64) {
        let Login::Session(_) = login else { return };
        let newcomer = Newcomer { user: user.clone(), id: *id, login: login.clone(), since };
        let is_full = self.sender.try_send(newcomer).is_err();
        if self.is_full.swap(is_full, Ordering::Relaxed) != is_full && is_full {
            tracing::warn!("too many logins wait to be looked up: some that are new will not be told of");
        }
    }

    /// Looks them up for ever. To be polled by one.
    pub(super) async fn watch(&self, app: &App) {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        while let Some(Newcomer { user, id, login, since }) = receiver.recv().await {
            let named = store::User { issuer: user.key().issuer, subject: &user.key().subject };
            let mut refused = 0;
            loop {
                // Ended meanwhile, perhaps because its user was forgotten: nothing is to be written down of one any more.
                if user.roster().find(&id).is_none() {
                    break;
                }
                match app.store.first_seen(app.clock.unix_millis(), named, &login).await {
                    Ok(true) => {
                        app.presence.announce(&user, &id, since);
                        if let Some(cluster) = &app.cluster {
                            cluster.announce(&app.identity, &user, &id, since).await;
                        }
                    }
                    Ok(false) => {}
                    Err(StorageError::Unstorable(_) | StorageError::Damaged(_)) => {}
                    Err(
                        error @ (StorageError::Database(_)
                        | StorageError::Slow
                        | StorageError::ReadOnly
                        | StorageError::FileGone(_)
                        | StorageError::FileReplaced),
                    ) => {
                        // While it is away, which was logged, all wait: it comes back.
                        if app.store.health().away_since().is_none() {
                            refused += 1;
                        }
                        if refused == TRIES {
                            tracing::warn!(%error, "a new login could not be written down: nobody is told of it");
                            break;
                        }
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
                break;
            }
        }
    }
}

/// All clients of a large node may come back at once after a restart.
const WAITING_MAX: usize = 65_536;
/// Times that a database which is there, as far as is known, may refuse one login: it may be away for longer than its
/// health is looked at, and what it refuses for good must not keep the others waiting.
const TRIES: u32 = 5;
/// Until the database is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
