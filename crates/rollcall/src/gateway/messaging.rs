//! Messages to a user's sessions that come from no session: other servers send them. Does not know: who may.

use super::fanout::{Message, Receivers};
use super::presence::Presence;
use crate::registry::{SocketId, UserKey};

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Sessions whose queue took it: no receipt.
    pub count: usize,
    /// `false` when other nodes cannot be asked just now.
    pub complete: bool,
}

impl Presence {
    /// Sends `data`, which is JSON, to one session of a user or to all; `None` when the user has not that one.
    pub fn send(&self, user: &UserKey, to: Option<SocketId>, event: &str, data: &str) -> Option<Delivered> {
        let Some(user) = self.find(user) else {
            // To all of nobody is no mistake.
            return to.is_none().then_some(Delivered { count: 0, complete: true });
        };
        let roster = user.roster();
        let receivers = match to {
            None => Receivers::All,
            Some(id) => Receivers::One(roster.find(&id)?.id),
        };
        let message = Message { from: None, event, data, attachments: &[] };
        Some(Delivered { count: self.message(&roster, receivers, &message), complete: roster.is_complete() })
    }
}

/// Whether a message's event may be called so: 1 to 128 Unicode code points without NUL.
pub fn is_event(name: &str) -> bool {
    !name.contains('\0') && (1..=EVENT_CHARACTERS).contains(&name.chars().take(EVENT_CHARACTERS + 1).count())
}

const EVENT_CHARACTERS: usize = 128;
