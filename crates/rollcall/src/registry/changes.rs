//! Users of whom something has changed on this node, each once, until somebody looks: what waits is bounded by the users
//! that are here. Does not know: what has changed, who looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::{Roster, User};

/// Those that wait to be looked at.
#[derive(Debug, Default)]
pub struct Changes {
    users: Mutex<Vec<Arc<User>>>,
    news: Notify,
}

impl Changes {
    /// Something has changed of this user, whose roster this is.
    pub fn note(&self, now: Instant, user: &Arc<User>, roster: &mut Roster<'_>) {
        if roster.note_change(now) {
            self.users.lock().unwrap_or_else(PoisonError::into_inner).push(user.clone());
            self.news.notify_one();
        }
    }

    /// All that wait. What changes from here on is noted again.
    pub fn take(&self) -> Vec<Arc<User>> {
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        users.iter().for_each(|user| user.roster().look_at_changes());
        users
    }

    /// Waits until there may be some.
    pub async fn changed(&self) {
        self.news.notified().await;
    }
}
