//! Who is there, and that everybody who has to know is told: each command of the registry with what follows from it.
//! One for the whole server: sockets, HTTP and whatever ends a login come here. Does not know: tokens, sockets' state.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engineio::server::pace::Rate;
use engineio::server::{Budget, Mailbox, Outbox};

use super::codes::SessionError;
use super::fanout::{Fanout, Message, Receivers};
use crate::clock::Clock;
use crate::config::LimitsConfig;
use crate::history::{History, LOST};
use crate::registry::{
    Amendment, Changes, Entered, Grant, Interner, Joined, Joining, Left, Listed, NotJoined, Registry,
    Regrant, Roster, Session, SocketId, TakenOver, User, UserKey, Which, record,
};
use crate::telemetry::metrics::Metrics;

/// The live sessions of this server.
#[derive(Debug)]
pub struct Presence {
    registry: Registry,
    fanout: Arc<Fanout>,
    agents: Interner,
    metrics: Arc<Metrics>,
    history: Arc<History>,
    /// When it was last said that a record cannot be read.
    complained_at: Mutex<Option<Instant>>,
    /// How often one user may send to their own sessions.
    pub(super) sends: Rate,
    /// How often one user may ask for anything else.
    pub(super) controls: Rate,
}

/// What has become of a session that wants to join.
#[derive(Debug)]
pub(super) enum Joins {
    /// It is in.
    In(Joined),
    /// It waits until the other nodes have taken note of it; [`Presence::greet`] when its task is woken.
    Waits(Arc<User>),
}

/// Sessions that have ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// By which tokens they were there.
    pub(super) grants: Vec<Grant>,
    /// So many of them, the first ones, were on this node.
    pub(super) here: usize,
    /// The one that its owner has yet to close is among them.
    pub(super) spared: bool,
}

impl Ended {
    pub(super) fn add(&mut self, more: Self) {
        self.grants.extend(more.grants);
        self.spared |= more.spared;
    }
}

impl Presence {
    /// Nobody is there. What waits for sessions is counted in `waiting`. With `changes` this is one of several nodes.
    pub fn new(
        limits: &LimitsConfig,
        clock: Clock,
        metrics: Arc<Metrics>,
        waiting: Arc<Budget>,
        history: Arc<History>,
        changes: Option<Arc<Changes>>,
    ) -> Self {
        let now = clock.now();
        let caps = limits.caps();
        let sends = limits.sends_per_second.get();
        // Each of a user's tabs may refresh its token and ask for the list in the same second.
        let burst =
            u32::try_from(caps.per_user).unwrap_or(u32::MAX).saturating_mul(2).max(CONTROLS_PER_SECOND);
        Self {
            registry: match changes {
                None => Registry::memory(caps),
                Some(changes) => Registry::cluster(caps, changes),
            },
            fanout: Arc::new(Fanout::new(clock, metrics.clone(), waiting)),
            agents: Interner::default(),
            metrics,
            history,
            complained_at: Mutex::new(None),
            sends: Rate::new(sends, sends, now),
            controls: Rate::new(CONTROLS_PER_SECOND, burst, now),
        }
    }

    /// A session joins: its `ready` and its `update` go to `out`, the others get an `update`. Those that end for it are
    /// told `session_evicted`. `admit` is asked under the lock, as [`Registry::join`] says.
    pub(super) fn join(
        &self,
        now: Instant,
        key: &UserKey,
        joining: Joining,
        admit: impl Fn(&Session) -> bool,
        out: &mut Outbox<'_>,
    ) -> Result<Joins, Box<(Session, NotJoined)>> {
        if let Some(changes) = self.registry.changes() {
            let user = self.registry.enter(key, joining, admit, |user, roster| {
                changes.note(now, user, roster);
            })?;
            self.metrics.session_started();
            return Ok(Joins::Waits(user));
        }
        let id = joining.session.id;
        let mut joined = self.registry.join(key, joining, admit, |user, roster| {
            self.fanout.joined(now, user, roster, &id, out);
            self.note_start(user, roster, &id);
        })?;
        self.metrics.session_started();
        self.close(key, std::mem::take(&mut joined.ended), SessionError::SessionEvicted, None, None);
        Ok(Joins::In(joined))
    }

    /// The task of a session that waits looks what has become of it. When it is listed its `ready` goes to `out`.
    pub(super) fn greet(
        &self,
        now: Instant,
        user: &Arc<User>,
        id: &SocketId,
        out: &mut Outbox<'_>,
    ) -> Entered {
        let mut roster = user.roster();
        let entered = roster.greet(id);
        match &entered {
            Entered::Listed { .. } => {
                self.fanout.greet(&mut roster, id, out);
                self.note_start(user, &roster, id);
            }
            Entered::Refused(_) => {
                // It is not here any more: what is known of it where all nodes meet may go.
                self.changed(now, user, &mut roster);
                drop(roster);
                self.metrics.session_ended(SessionError::TooManySessions.code());
                self.forget(self.registry.let_go_if_empty(user));
            }
            Entered::NotYet | Entered::Gone => {}
        }
        entered
    }

    /// A session leaves by itself; gives back what was known of it, or `None` if it had ended already. `was_in` says
    /// whether its client had heard that it is in.
    pub(super) fn leave(
        &self,
        now: Instant,
        user: &Arc<User>,
        id: &SocketId,
        (reason, was_in): (&'static str, bool),
        mailbox: &Mailbox,
    ) -> Option<Session> {
        let Left { session, dropped } = self.registry.leave(user, id, |roster| {
            // Under the lock: from here on nobody puts this user's lists into the mailbox, and none that waits there
            // reaches whoever joins over this socket next.
            mailbox.discard();
            self.changed(now, user, roster);
        })?;
        self.forget(dropped);
        self.metrics.session_ended(reason);
        if was_in {
            self.history.ended(user.key(), &session, reason, None);
        }
        Some(session)
    }

    /// Sessions of a user on this node end: those that stay get an `update`, those that end are told `why` and closed, all
    /// but `spare`, which its owner closes. `by` is who asks, if no revocation says it.
    pub(super) fn end(
        &self,
        now: Instant,
        user: &UserKey,
        which: &Which,
        (why, by): (SessionError, Option<&str>),
        spare: Option<&SocketId>,
    ) -> Ended {
        let Some(user) = self.registry.find(user) else { return Ended::default() };
        let (ended, dropped) = self.registry.end(&user, which, |roster| self.changed(now, &user, roster));
        self.forget(dropped);
        self.close(user.key(), ended, why, by, spare)
    }

    /// Something changes of a user's sessions, and all of them are told.
    pub(crate) fn amend(&self, now: Instant, user: &Arc<User>, amendment: &Amendment) {
        self.registry.amend(user, amendment, |roster| self.changed(now, user, roster));
    }

    /// A session goes on with another token. `admit` is asked under the lock, as [`Registry::join`] says.
    pub(super) fn regrant(
        &self,
        now: Instant,
        user: &Arc<User>,
        id: &SocketId,
        grant: Grant,
        admit: impl FnOnce() -> bool,
    ) -> Regrant {
        self.registry.regrant(user, id, grant, admit, |roster| self.changed(now, user, roster))
    }

    /// The list of all nodes is there: it is taken over and told. `own_node` is this one.
    pub(crate) fn take_over(
        &self,
        now: Instant,
        user: &Arc<User>,
        revision: u64,
        is_complete: bool,
        list: Vec<Listed>,
        own_node: u64,
    ) {
        let decode = |listed: &Listed| record::decode(listed.id, &listed.record, &self.agents);
        let mut roster = user.roster();
        let TakenOver { dropped, to_wake, unreadable, since } =
            roster.take_over(revision, is_complete, list, own_node, decode);
        self.fanout.changed(now, since.unwrap_or(now), user, &mut roster);
        drop(roster);
        if unreadable > 0 {
            self.complain_of_records(now, unreadable);
        }
        to_wake.iter().for_each(|mailbox| mailbox.wake());
        self.forget(dropped);
    }

    /// Once a minute: a node of a later release may tell of many.
    fn complain_of_records(&self, now: Instant, count: usize) {
        let mut complained_at = self.complained_at.lock().unwrap_or_else(PoisonError::into_inner);
        if complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAINT_INTERVAL) {
            *complained_at = Some(now);
            tracing::warn!(
                count,
                "other nodes tell of sessions what this release cannot read: they are missing here"
            );
        }
    }

    /// There was no room for a session where all nodes meet.
    pub(crate) fn refuse(&self, user: &User, id: &SocketId) {
        let mailbox = user.roster().refuse(id);
        if let Some(mailbox) = mailbox {
            mailbox.wake();
        }
    }

    /// Somebody on another node, or the cap, has ended a session of this one.
    pub(crate) fn end_one(&self, now: Instant, user: &UserKey, id: &SocketId, why: SessionError) {
        self.end(now, user, &Which::One(*id), (why, None), None);
    }

    /// A session of another node is gone with its node.
    pub(crate) fn lose(&self, user: &UserKey, lost: &Listed) {
        if let Some(session) = record::decode(lost.id, &lost.record, &self.agents) {
            self.history.ended(user, &session, LOST, None);
            self.agents.release(session.agent);
        }
    }

    /// The process is about to end, and with it the sessions of those sockets that did not end in time.
    pub(crate) fn abandon(&self) {
        for user in self.registry.users() {
            for session in user.roster().here() {
                self.history.ended(user.key(), session, SessionError::ServerShutdown.code(), None);
            }
        }
    }

    /// Something has changed of this node's sessions of a user: a single node tells it, one of several has it told.
    fn changed(&self, now: Instant, user: &Arc<User>, roster: &mut Roster<'_>) {
        match self.registry.changes() {
            None => self.fanout.changed(now, now, user, roster),
            Some(changes) => changes.note(now, user, roster),
        }
    }

    /// Gives back what sessions of other nodes shared with those of this one.
    fn forget(&self, dropped: Vec<Session>) {
        dropped.into_iter().for_each(|session| self.agents.release(session.agent));
    }

    /// Puts a message into the queues of its receivers; gives how many took it.
    pub(crate) fn message(&self, roster: &Roster<'_>, receivers: Receivers, message: &Message<'_>) -> usize {
        self.fanout.message(roster, receivers, message)
    }

    /// Tells the user's other logins of a session whose login was never seen before.
    pub(super) fn announce(&self, user: &User, id: &SocketId, since: u64) {
        self.fanout.announce(&user.roster(), id, since);
    }

    /// The same of a session on another node.
    pub(crate) fn announce_other(&self, user: &User, session: &Session, since: u64) {
        self.fanout.announce_session(&user.roster(), session, since);
    }

    /// The user of this key, if it has a session.
    pub fn find(&self, key: &UserKey) -> Option<Arc<User>> {
        self.registry.find(key)
    }

    /// All users with sessions on this node.
    pub(crate) fn users(&self) -> Vec<Arc<User>> {
        self.registry.users()
    }

    /// Live sessions of this node.
    pub fn sessions(&self) -> usize {
        self.registry.sessions()
    }

    /// What clients say of themselves, each once.
    pub(super) fn agents(&self) -> &Interner {
        &self.agents
    }

    fn note_start(&self, user: &User, roster: &Roster<'_>, id: &SocketId) {
        if self.history.notes_starts()
            && let Some(session) = roster.find(id)
        {
            self.history.started(user.key(), session);
        }
    }

    fn close(
        &self,
        user: &UserKey,
        ended: Vec<Session>,
        why: SessionError,
        by: Option<&str>,
        spare: Option<&SocketId>,
    ) -> Ended {
        let mut grants = Vec::with_capacity(ended.len());
        let mut spared = false;
        for session in ended {
            self.metrics.session_ended(why.code());
            self.history.ended(user, &session, why.code(), by);
            self.agents.release(session.agent);
            match why.close_code() {
                Some(_) if spare == Some(&session.id) => spared = true,
                Some(code) => {
                    if let Some(mailbox) = &session.mailbox {
                        mailbox.close(code);
                    }
                }
                None => {}
            }
            grants.push(session.grant);
        }
        Ended { here: grants.len(), grants, spared }
    }
}

/// Between two lines of the log about records.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// Lists, names, states, revocations and refreshes of one user in a second, on average.
const CONTROLS_PER_SECOND: u32 = 20;
