//! A session between the answer to its token and its `ready`: it waits until the other nodes have taken note of it.
//! Does not know: how they do, frames.

use std::sync::Arc;
use std::time::Instant;

use super::greeting::Given;
use super::judging::Kept;
use crate::identity::Login;
use crate::registry::{Session, SocketId, User};

/// One session that waits.
#[derive(Debug)]
pub(super) struct Entering {
    pub(super) user: Arc<User>,
    pub(super) id: SocketId,
    /// What is needed when it is in.
    pub(super) joined: JoinedAs,
    /// By then it has an answer, whatever becomes of the other nodes.
    pub(super) deadline: Instant,
    pub(super) kept: Kept,
}

/// What a session is known by once it is in.
#[derive(Debug)]
pub(super) struct JoinedAs {
    pub(super) login: Login,
    pub(super) connected_at: u64,
    pub(super) expires_at: u32,
    pub(super) given: Option<Box<Given>>,
}

impl JoinedAs {
    pub(super) fn of(session: &Session, given: Option<Box<Given>>) -> Self {
        Self {
            login: session.grant.login.clone(),
            connected_at: session.connected_at,
            expires_at: session.grant.expires_at,
            given,
        }
    }
}
