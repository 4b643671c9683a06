//! What a test knows of the sockets that are really open, and what no client may ever be told against it.
//! Does not know: nodes, sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rollcall::clock::Clock;

/// All sessions of a test, and what was seen that must not be.
pub struct Book {
    lease: Duration,
    clock: Clock,
    since: Instant,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// By `socketId`.
    sessions: BTreeMap<String, Session>,
    of_user: BTreeMap<String, Vec<String>>,
    /// Between these Redis, or some node, could not do as it should; later promises count from the end.
    troubles: Vec<(Instant, Option<Instant>)>,
    problems: Vec<String>,
    /// When whom somebody was not told of, and what to say of it should that one not have ended.
    missed: Vec<(Instant, String, String)>,
}

struct Session {
    user: String,
    node: usize,
    opened: Instant,
    closed: Option<Instant>,
    /// Somebody was told that it has been revoked.
    is_revoked: bool,
}

impl Book {
    pub fn new(lease: Duration) -> Self {
        let clock = Clock::system();
        Self { lease, since: clock.now(), clock, pages: Mutex::default() }
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// For how long this has been going on, for what is printed.
    pub fn age(&self) -> Duration {
        self.now() - self.since
    }

    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// A client has had its `ready`.
    pub fn open(&self, id: &str, user: &str, node: usize) {
        let session =
            Session { user: user.to_owned(), node, opened: self.now(), closed: None, is_revoked: false };
        let mut pages = self.pages.lock().unwrap();
        pages.of_user.entry(user.to_owned()).or_default().push(id.to_owned());
        pages.sessions.insert(id.to_owned(), session);
    }

    /// The socket has ended, or its client is about to end it.
    pub fn close(&self, id: &str) {
        let now = self.now();
        if let Some(session) = self.pages.lock().unwrap().sessions.get_mut(id) {
            session.closed.get_or_insert(now);
        }
    }

    /// All sockets of a node have ended.
    pub fn close_node(&self, node: usize) {
        let now = self.now();
        let mut pages = self.pages.lock().unwrap();
        for session in pages.sessions.values_mut().filter(|session| session.node == node) {
            session.closed.get_or_insert(now);
        }
    }

    /// A revocation of this session was acknowledged.
    pub fn revoke(&self, id: &str) {
        if let Some(session) = self.pages.lock().unwrap().sessions.get_mut(id) {
            session.is_revoked = true;
        }
    }

    /// From now on something is wrong that lists cannot know of at once.
    pub fn begin_trouble(&self) {
        let now = self.now();
        self.pages.lock().unwrap().troubles.push((now, None));
    }

    /// What was wrong is no more.
    pub fn end_trouble(&self) {
        let now = self.now();
        for (_, until) in &mut self.pages.lock().unwrap().troubles {
            until.get_or_insert(now);
        }
    }

    /// A client at a node was told a list: is anything in it, or not in it, that cannot be right?
    pub fn check_list(&self, viewer: &str, user: &str, list: &BTreeSet<String>, is_complete: bool) {
        if !list.contains(viewer) {
            self.complain(format!("{viewer} of {user} is not in its own list {list:?}"));
        }
        if !is_complete {
            return;
        }
        let now = self.now();
        // Everything is right one lease after the end of trouble; then the promise begins to run.
        let settled = self.lease + SLOWNESS;
        let mut pages = self.pages.lock().unwrap();
        let is_troubled = |(from, until): &(Instant, Option<Instant>)| {
            now >= *from && until.is_none_or(|until| now < until + settled)
        };
        if pages.troubles.iter().any(is_troubled) {
            return;
        }
        let promise = self.lease + Duration::from_secs(1) + SLOWNESS;
        let (mut problems, mut missed) = (Vec::new(), Vec::new());
        for id in pages.of_user.get(user).into_iter().flatten() {
            let session = &pages.sessions[id];
            match session.closed {
                None if !list.contains(id) && now > session.opened + promise => {
                    let what = format!(
                        "at {:?}: {viewer} of {user} was told a complete list without {id} of node {}, {:?} old{}",
                        now - self.since,
                        session.node,
                        now - session.opened,
                        if session.is_revoked { ", revoked" } else { "" }
                    );
                    missed.push((now, id.clone(), what));
                }
                Some(closed) if list.contains(id) && now > closed + promise => {
                    let age = now - closed;
                    problems.push(format!(
                        "at {:?}: {viewer} of {user} was told of the ghost {id} of node {}, {age:?} old",
                        now - self.since,
                        session.node
                    ));
                }
                None | Some(_) => {}
            }
        }
        pages.problems.extend(problems);
        pages.missed.extend(missed);
    }

    pub fn complain(&self, problem: String) {
        self.pages.lock().unwrap().problems.push(problem);
    }

    pub fn problems(&self) -> Vec<String> {
        let now = self.now();
        let pages = &mut *self.pages.lock().unwrap();
        // Who ends may hear of it a moment after the others.
        let sessions = &pages.sessions;
        pages.missed.retain(|(at, id, what)| {
            let is_over = now > *at + MOMENT;
            let has_ended = sessions[id].closed.is_some_and(|closed| closed <= *at + MOMENT);
            if is_over && !has_ended {
                pages.problems.push(what.clone());
            }
            !is_over && !has_ended
        });
        pages.problems.clone()
    }

    /// The sockets of each user that are open now, and all users there ever were.
    pub fn truth(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut truth: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (id, session) in &self.pages.lock().unwrap().sessions {
            let open = truth.entry(session.user.clone()).or_default();
            if session.closed.is_none() {
                open.insert(id.clone());
            }
        }
        truth
    }

    /// Whether this session was to end.
    pub fn was_revoked(&self, id: &str) -> bool {
        self.pages.lock().unwrap().sessions.get(id).is_some_and(|session| session.is_revoked)
    }

    /// Sessions that were revoked and are still open.
    pub fn revoked_and_open(&self) -> Vec<String> {
        let pages = self.pages.lock().unwrap();
        let lives =
            pages.sessions.iter().filter(|(_, session)| session.is_revoked && session.closed.is_none());
        lives.map(|(id, _)| id.clone()).collect()
    }
}

/// Between what one socket is told and what another one of the same moment is.
const MOMENT: Duration = Duration::from_secs(1);
/// What a loaded machine with two cores, three nodes and two databases on it may be late by.
pub const SLOWNESS: Duration = Duration::from_secs(2);
