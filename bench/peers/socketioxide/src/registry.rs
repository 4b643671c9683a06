//! Who is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use socketioxide::socket::Sid;

/// The sessions of all users.
#[derive(Default)]
pub struct Registry {
    users: Mutex<HashMap<Arc<str>, Vec<Arc<Session>>>>,
}

/// One connection, as its user's clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub socket_id: Sid,
    pub connected_at: String,
    pub metadata: Metadata,
}

/// What is known of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub ip: String,
    pub user_agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl Registry {
    /// Adds one; gives those of the user, in the order in which they came.
    pub fn join(&self, user: &Arc<str>, session: Session) -> Vec<Arc<Session>> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = users.entry(user.clone()).or_default();
        sessions.push(Arc::new(session));
        sessions.sort_by(|a, b| {
            (&a.connected_at, a.socket_id.as_str()).cmp(&(&b.connected_at, b.socket_id.as_str()))
        });
        sessions.clone()
    }

    /// Takes one out; gives those who stay.
    pub fn leave(&self, user: &Arc<str>, socket_id: Sid) -> Vec<Arc<Session>> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sessions) = users.get_mut(user) else { return Vec::new() };
        sessions.retain(|session| session.socket_id != socket_id);
        let left = sessions.clone();
        if left.is_empty() {
            users.remove(user);
        }
        left
    }

    /// The ids of a user's sessions.
    pub fn ids(&self, user: &str) -> Vec<Sid> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = users.get(user).map(Vec::as_slice).unwrap_or_default();
        sessions.iter().map(|session| session.socket_id).collect()
    }
}
