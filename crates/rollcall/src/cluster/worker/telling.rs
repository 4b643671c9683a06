//! What comes of it all: the sockets here are told what Redis knows, and what other nodes say reaches them. Does not know:
//! calls.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use reconcile::{Event, Snapshot, Why};

use super::Worker;
use crate::cluster::message::Message;
use crate::cluster::names::parse_user;
use crate::cluster::relay;
use crate::gateway::codes::SessionError;
use crate::registry::{Listed, SocketId};

impl Worker {
    pub(super) fn tell(&mut self) {
        let at = self.app.clock.now();
        // When Redis goes away all users are to be told: the lease is seen to meanwhile, and so are the sockets.
        self.has_more = true;
        for _ in 0..EVENTS_AT_ONCE {
            let Some(event) = self.reconciler.poll_event() else {
                self.has_more = false;
                break;
            };
            let (Event::Tell(Snapshot { user, .. })
            | Event::Refused { user, .. }
            | Event::Ended { user, .. }
            | Event::Lost { user, .. }) = &event;
            let Some(key) = parse_user(&self.app.identity, user) else { continue };
            match event {
                Event::Tell(Snapshot { revision, complete, list, .. }) => {
                    let Some(user) = self.app.presence.find(&key) else { continue };
                    let list = list.into_iter().map(listed).collect();
                    let own = self.reconciler.node().0;
                    self.app.presence.take_over(at, &user, revision, complete, list, own);
                }
                Event::Refused { session, .. } => {
                    if let Some(user) = self.app.presence.find(&key) {
                        self.app.presence.refuse(&user, &session);
                    }
                }
                Event::Ended { session, why, .. } => {
                    let why = match why {
                        Why::Replaced | Why::Evicted => SessionError::SessionEvicted,
                        Why::Asked => SessionError::SessionRevoked,
                    };
                    self.app.presence.end_one(at, &key, &session, why);
                }
                Event::Lost { entry, .. } => self.app.presence.lose(&key, &listed(entry)),
            }
        }
        let is_complete = self.reconciler.is_complete();
        self.cluster.is_complete.store(is_complete, Ordering::Relaxed);
        let now = self.now();
        let metrics = &self.app.metrics.cluster;
        match self.incomplete_since {
            Some(since) if is_complete => {
                self.incomplete_since = None;
                metrics.reconciled(now.saturating_sub(since));
            }
            None if !is_complete => self.incomplete_since = Some(now),
            Some(_) | None => {}
        }
        metrics.set_up(is_complete);
        metrics.dropped_revisions(self.reconciler.dropped_revisions());
        metrics.dirty_users(self.reconciler.dirty_users());
        metrics.lease_age(self.reconciler.lease_age(now));
    }

    pub(super) fn hear(&mut self, message: &[u8]) {
        match Message::decode(message) {
            Some(Message::Agreement(message)) => self.reconciler.handle_message(self.now(), message),
            Some(Message::List { user, revision, list }) => {
                self.reconciler.handle_list(self.now(), user, revision, &list);
            }
            Some(Message::Echo(number)) => self.echo.handle_heard(number),
            Some(message) => relay::hear(&self.app, message),
            None => tracing::debug!("a message of another node is none that this release knows"),
        }
    }
}

fn listed(entry: reconcile::Entry<SocketId, Bytes>) -> Listed {
    Listed { id: entry.session, node: entry.node.0, record: entry.item }
}

/// Some milliseconds of work.
const EVENTS_AT_ONCE: usize = 256;
