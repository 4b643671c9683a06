//! All connections of a run on one thread: connects them, answers for them, lets them go. Each step is bounded in
//! time. Does not know: the server's process, rounds, how figures are shown.

mod progress;
mod source;
mod tab;
#[cfg(test)]
mod tests;

pub(crate) use source::Sources;
pub(crate) use tab::{End, Shared};

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use thiserror::Error;

use self::progress::Progress;
use self::tab::Tab;
use crate::clock;
use crate::ledger::Violation;

/// The connections.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    /// By index; `None` once ended.
    tabs: Vec<Option<Tab>>,
    shared: Shared,
    sessions: usize,
    per_user: usize,
    settled: usize,
    live: usize,
    /// Microseconds from connect to `ready`, of each session, in the order in which they became ready.
    latencies: Vec<u32>,
}

/// What a ramp took.
#[derive(Debug)]
pub(crate) struct Ramp {
    /// From the first connect to the last session's own update.
    pub(crate) took: Duration,
    /// Microseconds from connect to `ready`, rising.
    pub(crate) latencies: Vec<u32>,
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub(crate) enum CrowdError {
    /// Nobody listens.
    #[error("{0} refused the connection: is the gateway running there?")]
    Refused(std::net::SocketAddrV4),
    /// The process may not hold that many.
    #[error("no descriptor for session {index}: raise `ulimit -n` above the number of sessions ({source})")]
    Descriptors {
        /// The session.
        index: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// A session could not be had.
    #[error("session {index} was not accepted: {end}")]
    Session {
        /// The session.
        index: usize,
        /// Why.
        end: End,
    },
    /// The readiness of sockets cannot be waited for.
    #[error("waiting for sockets: {0}")]
    Poll(#[from] io::Error),
}

impl Crowd {
    /// Room for `sessions` sessions, `per_user` of a user.
    pub(crate) fn new(sessions: u32, per_user: u32, shared: Shared) -> Result<Self, CrowdError> {
        let sessions = sessions as usize;
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_AT_ONCE),
            tabs: Vec::with_capacity(sessions),
            shared,
            sessions,
            per_user: per_user as usize,
            settled: 0,
            live: 0,
            latencies: Vec::with_capacity(sessions),
        })
    }

    /// Connects all, with at most `in_flight` between connect and their own update. The first one that is refused ends
    /// it: so would the others be.
    pub(crate) fn ramp(&mut self, in_flight: u32, sources: &mut Sources) -> Result<Ramp, CrowdError> {
        let began = clock::now();
        let mut progress = Progress::new(began, "connecting");
        while self.settled < self.sessions {
            while self.tabs.len() < self.sessions && self.tabs.len() - self.settled < in_flight as usize {
                self.open(sources)?;
            }
            for (index, end) in self.turn(TURN)? {
                let settled = self.tabs[index].as_ref().is_some_and(|tab| tab.session.is_settled());
                if !settled {
                    return Err(self.refused(index, end));
                }
                self.note_end(index, end);
            }
            let now = clock::now();
            if progress.is_due(now) {
                progress.say(now, self.settled, self.sessions);
                self.check_deadlines(now)?;
            }
        }
        let took = clock::now() - began;
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies.sort_unstable();
        Ok(Ramp { took, latencies })
    }

    /// Waits until the newest list of each session is its user's sessions, at most `patience`, and notes those whose
    /// list then is not.
    pub(crate) fn compare_lists(&mut self, patience: Duration) -> Result<(), CrowdError> {
        let deadline = clock::now() + patience;
        while !self.wrong_lists().is_empty() && clock::now() < deadline {
            self.turn_and_note(TURN)?;
        }
        for (index, seen) in self.wrong_lists() {
            self.shared.ledger.note(Violation::FinalListWrong, index, seen);
        }
        Ok(())
    }

    /// Stays connected for `duration` and answers pings; `what` stands before the progress.
    pub(crate) fn hold(&mut self, duration: Duration, what: &'static str) -> Result<(), CrowdError> {
        let began = clock::now();
        let mut progress = Progress::new(began, what);
        loop {
            let now = clock::now();
            let Some(left) = (began + duration).checked_duration_since(now).filter(|left| !left.is_zero())
            else {
                return Ok(());
            };
            if progress.is_due(now) {
                progress.say_left(left, self.live);
            }
            self.turn_and_note(left.min(TURN))?;
        }
    }

    /// Ends all sessions as closed tabs do; says how many the server had not let go within `patience`.
    pub(crate) fn leave(&mut self, patience: Duration) -> Result<usize, CrowdError> {
        let began = clock::now();
        let mut progress = Progress::new(began, "leaving");
        for index in 0..self.tabs.len() {
            if let Some(tab) = &mut self.tabs[index]
                && tab.leave(&mut self.shared).is_err()
            {
                self.drop_tab(index);
            }
            if index % LEAVE_BATCH == 0 {
                self.turn_and_note(Duration::ZERO)?;
            }
        }
        while self.live > 0 && clock::now() < began + patience {
            self.turn_and_note(TURN)?;
            let now = clock::now();
            if progress.is_due(now) {
                progress.say(now, self.sessions - self.live, self.sessions);
            }
        }
        let held = self.live;
        self.tabs.clear();
        self.live = 0;
        Ok(held)
    }

    /// Gives back what was shared, violations included.
    pub(crate) fn into_shared(self) -> Shared {
        self.shared
    }

    /// Sessions that are connected.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Pings answered up to now.
    pub(crate) fn pings(&self) -> u64 {
        self.shared.pings
    }

    fn open(&mut self, sources: &mut Sources) -> Result<(), CrowdError> {
        let index = self.tabs.len();
        let mut tab = match Tab::connect(clock::now(), self.shared.target, sources) {
            Ok(tab) => tab,
            Err(source) if matches!(source.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                return Err(CrowdError::Descriptors { index, source });
            }
            Err(error) => return Err(self.refused(index, error.into())),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut tab.stream, Token(index), interest)?;
        self.tabs.push(Some(tab));
        self.live += 1;
        Ok(())
    }

    /// Waits for readiness, at most `patience`, and gives each connection its turn; says which have ended.
    fn turn(&mut self, patience: Duration) -> Result<Vec<(usize, End)>, CrowdError> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let mut ended = Vec::new();
        for event in &self.events {
            let Token(index) = event.token();
            let siblings = siblings(self.sessions, self.per_user, index);
            let Some(tab) = self.tabs.get_mut(index).and_then(Option::as_mut) else { continue };
            let (was_ready, was_settled) = (tab.session.is_ready(), tab.session.is_settled());
            let at_end = event.is_read_closed() || event.is_error();
            let result = tab.on_ready(index, siblings, at_end, &mut self.shared);
            if !was_ready && tab.session.is_ready() {
                let micros = (clock::now() - tab.since).as_micros();
                self.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            self.settled += usize::from(!was_settled && tab.session.is_settled());
            if let Err(end) = result {
                ended.push((index, end));
            }
        }
        Ok(ended)
    }

    /// A turn after the ramp.
    fn turn_and_note(&mut self, patience: Duration) -> Result<(), CrowdError> {
        for (index, end) in self.turn(patience)? {
            self.note_end(index, end);
        }
        Ok(())
    }

    /// The session is gone; unless it was told to go, that is a violation.
    fn note_end(&mut self, index: usize, end: End) {
        let leaving = self.tabs[index].as_ref().is_some_and(|tab| tab.session.is_leaving());
        if !leaving {
            self.shared.ledger.note(Violation::EndedEarly, index, end);
        }
        self.drop_tab(index);
    }

    fn drop_tab(&mut self, index: usize) {
        if self.tabs[index].take().is_some() {
            self.live -= 1;
        }
    }

    fn refused(&self, index: usize, end: End) -> CrowdError {
        match end {
            End::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                CrowdError::Refused(self.shared.target)
            }
            end => CrowdError::Session { index, end },
        }
    }

    fn check_deadlines(&self, now: Instant) -> Result<(), CrowdError> {
        let late = |tab: &Tab| !tab.session.is_settled() && now - tab.since > SETTLE_MAX;
        match self.tabs.iter().position(|tab| tab.as_ref().is_some_and(late)) {
            Some(index) => Err(CrowdError::Session { index, end: End::TimedOut(SETTLE_MAX.as_secs()) }),
            None => Ok(()),
        }
    }

    /// The sessions whose newest list is not what all sessions of their user say that they are. Sessions that ended
    /// early have been noted as such; their users are passed over.
    fn wrong_lists(&self) -> Vec<(usize, String)> {
        let mut wrong = Vec::new();
        for (user, tabs) in self.tabs.chunks(self.per_user).enumerate() {
            if tabs.iter().any(Option::is_none) {
                continue;
            }
            let sessions = || tabs.iter().flatten().map(|tab| &tab.session);
            let digest = sessions().fold(0u64, |sum, session| sum.wrapping_add(session.own()));
            for (place, session) in sessions().enumerate() {
                let newest = session.newest();
                if (newest.len as usize, newest.digest) != (tabs.len(), digest) {
                    let seen = format!("{} sessions, {} are connected", newest.len, tabs.len());
                    wrong.push((user * self.per_user + place, seen));
                }
            }
        }
        wrong
    }
}

/// How many sessions the user of the session `index` has: the last user may have fewer than the others.
fn siblings(sessions: usize, per_user: usize, index: usize) -> u32 {
    (sessions - index / per_user * per_user).min(per_user) as u32
}

/// Longest wait for readiness, so that progress and deadlines are looked at.
const TURN: Duration = Duration::from_millis(100);
/// A gateway that has not said `ready` and `update` by then does not work.
const SETTLE_MAX: Duration = Duration::from_secs(15);
const EVENTS_AT_ONCE: usize = 1_024;
/// Goodbyes between two looks at what came back.
const LEAVE_BATCH: usize = 64;
