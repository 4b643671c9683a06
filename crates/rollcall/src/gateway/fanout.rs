//! How a change or a message reaches a user's sessions: one serialization, shared by all of them, and bursts of changes
//! told in one. The only place that puts frames into mailboxes. Does not know: what has changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::server::outbox::encode_text;
use engineio::server::{Budget, Outbox, spawn};
use socketio::event;

use super::frames::{FRAME_BYTES, ITEM_BYTES, encode_message, encode_update, welcome};
use super::items::encode_item;
use super::sessions::NAMESPACE;
use crate::clock::Clock;
use crate::overload::Limit;
use crate::registry::user::Burst;
use crate::registry::{Roster, Session, SocketId, User};
use crate::telemetry::metrics::Metrics;

/// Tells sessions of changes.
#[derive(Debug)]
pub(super) struct Fanout {
    clock: Clock,
    metrics: Arc<Metrics>,
    waiting: Arc<Budget>,
}

/// What one session, or the server, says to others of the same user.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The session that it comes from; `None` from the server.
    pub(crate) from: Option<SocketId>,
    pub(crate) event: &'a str,
    /// JSON, with a placeholder for each attachment.
    pub(crate) data: &'a str,
    pub(crate) attachments: &'a [Bytes],
    /// In milliseconds since the epoch.
    pub(crate) sent_at: u64,
}

/// Which of a user's sessions get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receivers {
    One(SocketId),
    All,
    AllBut(SocketId),
}

impl Receivers {
    /// Whether this session is one of them.
    pub(crate) fn holds(self, id: &SocketId) -> bool {
        match self {
            Self::One(one) => one == *id,
            Self::All => true,
            Self::AllBut(one) => one != *id,
        }
    }
}

/// When a change is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    Now,
    At(Instant),
    /// Somebody sees to it already.
    Scheduled,
}

impl Fanout {
    pub(super) fn new(clock: Clock, metrics: Arc<Metrics>, waiting: Arc<Budget>) -> Self {
        Self { clock, metrics, waiting }
    }

    /// A session has joined: its CONNECT, its `ready`, and in the same breath the `update` of all, its own included. Its
    /// own frames go to `out`, which is written before its mailbox is looked at.
    pub(super) fn joined(
        self: &Arc<Self>,
        now: Instant,
        user: &Arc<User>,
        roster: &mut Roster<'_>,
        id: &SocketId,
        out: &mut Outbox<'_>,
    ) {
        let list = welcome(roster, id, out);
        match on_change(roster.burst(), now) {
            Timing::Now => {
                let frame = self.tell(now, now, roster, Some(&list), Some(id));
                out.frames(&frame);
            }
            timing => self.later(now, user, timing),
        }
    }

    /// A session that is in the list by now: its CONNECT, its `ready` and the `update` that the others have got already.
    pub(super) fn greet(&self, roster: &mut Roster<'_>, id: &SocketId, out: &mut Outbox<'_>) {
        let list = welcome(roster, id, out);
        // Or it comes with the one that is due: no revision is told twice.
        if !roster.burst().scheduled {
            let mut frame = Vec::with_capacity(FRAME_BYTES + list.len());
            encode_update(roster, Some(&list), &mut frame);
            out.frames(&frame);
        }
    }

    /// Something else has changed, at `since`: all sessions that are left are told.
    pub(super) fn changed(
        self: &Arc<Self>,
        now: Instant,
        since: Instant,
        user: &Arc<User>,
        roster: &mut Roster<'_>,
    ) {
        match on_change(roster.burst(), now) {
            Timing::Now if roster.sessions().iter().all(|session| session.mailbox.is_none()) => {}
            Timing::Now => drop(self.tell(now, since, roster, None, None)),
            timing => self.later(since, user, timing),
        }
    }

    /// Tells those of other logins that were there before of a session that has a new login since then, if it is still
    /// there.
    pub(super) fn announce(&self, roster: &Roster<'_>, id: &SocketId, since: u64) {
        if let Some(new) = roster.find(id) {
            self.announce_session(roster, new, since);
        }
    }

    /// The same of a session that need not be in the list yet.
    pub(super) fn announce_session(&self, roster: &Roster<'_>, new: &Session, since: u64) {
        let mut frame = Vec::with_capacity(FRAME_BYTES + ITEM_BYTES);
        encode_text(&mut frame, |out| {
            event::encode(out, NAMESPACE, "sessions:new", |out| {
                out.extend_from_slice(br#",{"session":"#);
                encode_item(new, out);
                out.push(b'}');
            });
        });
        let frame = self.waiting.frame(frame);
        let is_told = |other: &&Session| other.grant.login != new.grant.login && other.connected_at <= since;
        for session in roster.sessions().iter().filter(is_told) {
            if let Some(mailbox) = &session.mailbox {
                mailbox.post(frame.clone());
            }
        }
    }

    /// Puts a message into the queues of its receivers; gives how many took it.
    pub(super) fn message(&self, roster: &Roster<'_>, receivers: Receivers, message: &Message<'_>) -> usize {
        let is_meant = |session: &&Session| session.mailbox.is_some() && receivers.holds(&session.id);
        let mut meant = roster.sessions().iter().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return 0;
        }
        // A message comes at most once: whose queue is full goes without, and is not cut for what others send. So does
        // everybody while too much waits for all clients together.
        if self.waiting.is_full() {
            self.metrics.limits.refused(Limit::MailboxesTotal);
            return 0;
        }
        let frames = self.waiting.frame(encode_message(message));
        let is_taken = |session: &&Session| {
            session.mailbox.as_ref().is_some_and(|mailbox| mailbox.offer(frames.clone()))
        };
        meant.filter(is_taken).count()
    }

    /// One update for all of a burst, when it is due.
    fn later(self: &Arc<Self>, changed: Instant, user: &Arc<User>, timing: Timing) {
        let Timing::At(due) = timing else { return };
        let (fanout, user) = (self.clone(), user.clone());
        spawn(async move {
            tokio::time::sleep_until(due.into()).await;
            let mut roster = user.roster();
            roster.burst().scheduled = false;
            if !roster.sessions().is_empty() {
                let now = fanout.clock.now();
                drop(fanout.tell(now, changed, &mut roster, None, None));
            }
        });
    }

    /// Puts the list, which is encoded once or was already, into every mailbox but that of `except`, which gets it some
    /// other way.
    fn tell(
        &self,
        now: Instant,
        changed: Instant,
        roster: &mut Roster<'_>,
        list: Option<&[u8]>,
        except: Option<&SocketId>,
    ) -> Arc<Bytes> {
        roster.burst().last_told = Some(now);
        let mut frame = Vec::with_capacity(FRAME_BYTES + ITEM_BYTES * roster.sessions().len());
        encode_update(roster, list, &mut frame);
        let frame = Arc::new(self.waiting.frame(frame));
        for session in roster.sessions() {
            if except != Some(&session.id)
                && let Some(mailbox) = &session.mailbox
            {
                mailbox.post_latest(&frame);
            }
        }
        self.metrics.update_told(self.clock.now().saturating_duration_since(changed));
        frame
    }
}

/// Decides when a change is told, and remembers it.
fn on_change(burst: &mut Burst, now: Instant) -> Timing {
    let quiet = burst.last_change.is_none_or(|last| now.saturating_duration_since(last) >= QUIET);
    if quiet {
        burst.told_at_once = 0;
    }
    burst.last_change = Some(now);
    if burst.scheduled {
        return Timing::Scheduled;
    }
    if burst.told_at_once < AT_ONCE {
        burst.told_at_once += 1;
        return Timing::Now;
    }
    match burst.last_told.map(|told| told + WINDOW) {
        Some(due) if due > now => {
            burst.scheduled = true;
            Timing::At(due)
        }
        _ => Timing::Now,
    }
}

/// Changes that are told at once before coalescing begins: a person opens a tab or two, and sees it at once.
const AT_ONCE: u8 = 4;
/// In a burst all changes of this time are told together, so that 1,000 tabs that reload cost forty updates and not a
/// thousand. Nobody is told later than this.
const WINDOW: Duration = Duration::from_millis(25);
/// A burst is over when nothing has changed for so long.
const QUIET: Duration = Duration::from_millis(100);
#[cfg(test)]
mod tests {
    use super::*;

    /// Plays changes at these milliseconds, tells when due, and gives the milliseconds at which sessions were told.
    fn told(changes: &[u64]) -> Vec<u64> {
        let start = engineio::server::clock::now();
        let mut burst = Burst::default();
        let mut due: Option<Instant> = None;
        let mut told = Vec::new();
        let mut tell = |burst: &mut Burst, at: Instant| {
            burst.last_told = Some(at);
            told.push((at - start).as_millis() as u64);
        };
        for change in changes {
            let now = start + Duration::from_millis(*change);
            if let Some(at) = due.take_if(|at| *at <= now) {
                burst.scheduled = false;
                tell(&mut burst, at);
            }
            match on_change(&mut burst, now) {
                Timing::Now => tell(&mut burst, now),
                Timing::At(at) => due = Some(at),
                Timing::Scheduled => assert!(due.is_some()),
            }
        }
        if let Some(at) = due {
            tell(&mut burst, at);
        }
        told
    }

    #[test]
    fn the_first_changes_are_told_at_once() {
        assert_eq!(told(&[0, 10, 20, 30]), [0, 10, 20, 30]);
    }

    #[test]
    fn a_burst_is_told_every_25_ms_and_its_last_change_always() {
        let burst: Vec<u64> = (0..=100).collect();
        assert_eq!(told(&burst), [0, 1, 2, 3, 28, 53, 78, 103]);
    }

    #[test]
    fn after_a_quiet_while_changes_are_told_at_once_again() {
        assert_eq!(told(&[0, 1, 2, 3, 4, 150, 151]), [0, 1, 2, 3, 28, 150, 151]);
    }

    #[test]
    fn nobody_waits_longer_than_the_window() {
        let changes: Vec<u64> =
            (0..200).map(|n| n * n % 977).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let told = told(&changes);
        for change in changes {
            assert!(told.iter().any(|at| (change..=change + 25).contains(at)), "the change at {change} ms");
        }
    }
}
