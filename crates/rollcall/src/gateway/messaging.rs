//! Messages to a user's sessions, on this node and on others: other servers send them, and sessions to one another. Does not
//! know: who may.

use super::fanout::{Message, Receivers};
use super::visit::Visited;
use crate::app::App;
use crate::cluster::Relayed;
use crate::registry::{SocketId, UserKey};

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Sessions whose queue took it: no receipt.
    pub count: usize,
    /// `false` when other nodes cannot be asked just now.
    pub complete: bool,
}

impl App {
    /// Sends `data`, which is JSON, to one session of a user or to all; `None` when the user has not that one.
    pub async fn send(
        &self,
        user: &UserKey,
        to: Option<SocketId>,
        event: &str,
        data: &str,
    ) -> Option<Delivered> {
        let receivers = to.map_or(Receivers::All, Receivers::One);
        let sent_at = self.clock.unix_millis();
        let message = Message { from: None, event, data, attachments: &[], sent_at };
        let (here, elsewhere, complete) = self.visit(user).await.look(|visited| {
            let is_there = |id: SocketId| visited.sessions().iter().any(|session| session.id == id);
            if to.is_some_and(|id| !is_there(id)) {
                return None;
            }
            let elsewhere = Elsewhere::of(&visited, receivers);
            let here = match &visited {
                Visited::Here(roster) => self.presence.message(roster, receivers, &message),
                Visited::Elsewhere(_) => 0,
            };
            Some((here, elsewhere, visited.is_complete()))
        })?;
        let relayed = self.relay(user, receivers, &message, &elsewhere).await;
        Some(Delivered { count: here + relayed, complete })
    }

    /// Sends a message to sessions on other nodes; gives how many they are whose node has taken it.
    pub(super) async fn relay(
        &self,
        user: &UserKey,
        receivers: Receivers,
        message: &Message<'_>,
        elsewhere: &Elsewhere,
    ) -> usize {
        let Some(cluster) = self.cluster.as_ref().filter(|_| !elsewhere.0.is_empty()) else { return 0 };
        let nodes: Vec<u64> = elsewhere.0.iter().map(|(node, _)| *node).collect();
        let relay = Relayed { receivers, message };
        let taken = cluster.relay(&self.identity, user, &nodes, &relay).await;
        elsewhere.0.iter().zip(taken).filter(|(_, is_taken)| *is_taken).map(|((_, count), _)| count).sum()
    }
}

/// Receivers on other nodes: how many on each.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(Vec<(u64, usize)>);

impl Elsewhere {
    pub(super) fn of(visited: &Visited<'_>, receivers: Receivers) -> Self {
        let mut nodes: Vec<(u64, usize)> = Vec::new();
        for session in visited.sessions().iter().filter(|session| receivers.holds(&session.id)) {
            let Some(node) = visited.node_of(session) else { continue };
            match nodes.iter_mut().find(|(other, _)| *other == node) {
                Some((_, count)) => *count += 1,
                None => nodes.push((node, 1)),
            }
        }
        Self(nodes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a message's event may be called so: 1 to 128 Unicode code points without NUL.
pub fn is_event(name: &str) -> bool {
    !name.contains('\0') && (1..=EVENT_CHARACTERS).contains(&name.chars().take(EVENT_CHARACTERS + 1).count())
}

const EVENT_CHARACTERS: usize = 128;
