//! Who is there, and that everybody who has to know is told: each command of the registry with what follows from it.
//! One for the whole server: sockets, HTTP and whatever ends a login come here. Does not know: tokens, sockets' state.

use std::sync::Arc;
use std::time::Instant;

use engineio::server::pace::Rate;
use engineio::server::{Mailbox, Outbox};

use super::codes::SessionError;
use super::fanout::{Fanout, Message, Receivers};
use crate::clock::Clock;
use crate::config::LimitsConfig;
use crate::registry::{
    Amendment, Caps, Grant, Interner, Joined, Joining, NotJoined, Registry, Regrant, Roster, Session,
    SocketId, User, UserKey, Which,
};
use crate::telemetry::metrics::Metrics;

/// The live sessions of this server.
#[derive(Debug)]
pub struct Presence {
    registry: Registry,
    fanout: Arc<Fanout>,
    agents: Interner,
    metrics: Arc<Metrics>,
    /// How often one user may send to their own sessions.
    pub(super) sends: Rate,
    /// How often one user may ask for anything else.
    pub(super) controls: Rate,
}

/// Sessions that have ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// By which tokens they were there.
    pub(super) grants: Vec<Grant>,
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
    /// Nobody is there.
    pub fn new(limits: &LimitsConfig, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let now = clock.now();
        let caps = Caps {
            per_user: limits.sessions_per_user.get(),
            per_login: limits.sessions_per_login.get(),
            policy: limits.sessions_policy,
        };
        let sends = limits.sends_per_second.get();
        // Each of a user's tabs may refresh its token and ask for the list in the same second.
        let burst =
            u32::try_from(caps.per_user).unwrap_or(u32::MAX).saturating_mul(2).max(CONTROLS_PER_SECOND);
        Self {
            registry: Registry::memory(caps),
            fanout: Arc::new(Fanout::new(clock, metrics.clone())),
            agents: Interner::default(),
            metrics,
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
    ) -> Result<Joined, Box<(Session, NotJoined)>> {
        let id = joining.session.id;
        let mut joined = self.registry.join(key, joining, admit, |user, roster| {
            self.fanout.joined(now, user, roster, &id, out);
        })?;
        self.metrics.session_started();
        self.close(std::mem::take(&mut joined.ended), SessionError::SessionEvicted, None);
        Ok(joined)
    }

    /// A session leaves by itself; gives back what was known of it, or `None` if it had ended already.
    pub(super) fn leave(
        &self,
        now: Instant,
        user: &Arc<User>,
        id: &SocketId,
        reason: &'static str,
        mailbox: &Mailbox,
    ) -> Option<Session> {
        let session = self.registry.leave(user, id, |roster| {
            // Under the lock: from here on nobody puts this user's lists into the mailbox, and none that waits there
            // reaches whoever joins over this socket next.
            mailbox.discard();
            self.fanout.changed(now, user, roster);
        })?;
        self.metrics.session_ended(reason);
        Some(session)
    }

    /// Sessions of a user end: those that stay get an `update`, those that end are told `why` and closed, all but
    /// `spare`, which its owner closes.
    pub(super) fn end(
        &self,
        now: Instant,
        user: &UserKey,
        which: &Which,
        why: SessionError,
        spare: Option<&SocketId>,
    ) -> Ended {
        let Some(user) = self.registry.find(user) else { return Ended::default() };
        let ended = self.registry.end(&user, which, |roster| self.fanout.changed(now, &user, roster));
        self.close(ended, why, spare)
    }

    /// Something changes of a user's sessions, and all of them are told.
    pub(super) fn amend(&self, now: Instant, user: &Arc<User>, amendment: &Amendment) {
        self.registry.amend(user, amendment, |roster| self.fanout.changed(now, user, roster));
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
        self.registry.regrant(user, id, grant, admit, |roster| self.fanout.changed(now, user, roster))
    }

    /// Puts a message into the queues of its receivers; gives how many took it.
    pub(super) fn message(&self, roster: &Roster<'_>, receivers: Receivers, message: &Message<'_>) -> usize {
        self.fanout.message(roster, receivers, message)
    }

    /// Tells the user's other logins of a session whose login was never seen before.
    pub(super) fn announce(&self, user: &User, id: &SocketId, since: u64) {
        self.fanout.announce(&user.roster(), id, since);
    }

    /// The user of this key, if it has a session.
    pub fn find(&self, key: &UserKey) -> Option<Arc<User>> {
        self.registry.find(key)
    }

    /// All users with sessions on this node.
    pub(super) fn users(&self) -> Vec<Arc<User>> {
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

    fn close(&self, ended: Vec<Session>, why: SessionError, spare: Option<&SocketId>) -> Ended {
        let mut grants = Vec::with_capacity(ended.len());
        let mut spared = false;
        for session in ended {
            self.metrics.session_ended(why.code());
            self.agents.release(session.agent);
            match why.close_code() {
                Some(_) if spare == Some(&session.id) => spared = true,
                Some(code) => session.mailbox.close(code),
                None => {}
            }
            grants.push(session.grant);
        }
        Ended { grants, spared }
    }
}

/// Lists, names, states, revocations and refreshes of one user in a second, on average.
const CONTROLS_PER_SECOND: u32 = 20;
