//! All clients of a run on one thread: connects them, answers for them, lets them go. Does not know: the server's
//! process, what is measured, how figures are shown.
//!
//! In reading order: `source` (where connections come from) · `shared` (what they share, and the news) · `wire` (one
//! TCP connection) · `hearing` (a packet and its session) · `websocket`, `polling` (the transports) · `tab` (one
//! client) · `ramp` (steps that take their time) · `backoff`, `progress`.

mod backoff;
mod hearing;
mod polling;
mod progress;
mod ramp;
mod shared;
mod source;
mod tab;
#[cfg(test)]
pub(crate) mod tests;
mod websocket;
mod wire;

pub(crate) use self::backoff::{backoff, chance};
pub(crate) use self::progress::Progress;
pub(crate) use self::ramp::Ramp;
pub(crate) use self::shared::{End, News, Shared, Tally, What};
pub(crate) use self::source::Sources;

use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use mio::{Events, Poll};
use thiserror::Error;

use self::tab::Tab;
use crate::args::Load;
use crate::cast::Cast;
use crate::clock;
use crate::ledger::{Ledger, Violation};
use crate::session::{Seat, Session};

/// The clients.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    /// By index; `None` is one that is not there.
    tabs: Vec<Option<Tab>>,
    shared: Shared,
    per_user: usize,
    /// Whether a user may be seen with more sessions than there are.
    ghosts_allowed: bool,
    live: usize,
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub(crate) enum CrowdError {
    /// Nobody listens.
    #[error("{0} refused the connection: is the server running there?")]
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
    /// Seats for `sessions` clients, `per_user` of a user; nobody is there yet.
    pub(crate) fn new(load: &Load, sessions: u32, per_user: u32) -> Result<Self, CrowdError> {
        let poll = Poll::new()?;
        let shared = Shared {
            target: load.url.0,
            path: load.path.clone(),
            transport: load.transport,
            canned: load.canned,
            cast: Cast::new(clock::unix_seconds(), &load.secret, load.first_user, per_user),
            sources: Sources::new(std::process::id()),
            registry: poll.registry().try_clone()?,
            ledger: Ledger::default(),
            tally: Tally::default(),
            counts_only: false,
            transcript: None,
            now: clock::now(),
            news: Vec::new(),
            read: vec![0; READ_BUFFER],
            out: Vec::new(),
        };
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_AT_ONCE),
            tabs: (0..sessions).map(|_| None).collect(),
            shared,
            per_user: per_user as usize,
            ghosts_allowed: false,
            live: 0,
        })
    }

    /// Begins to connect the client `index`, whose seat must be empty.
    pub(crate) fn open(&mut self, index: usize) -> Result<(), CrowdError> {
        self.shared.now = clock::now();
        match Tab::open(index, &mut self.shared) {
            Ok(tab) => {
                if self.tabs[index].replace(tab).is_none() {
                    self.live += 1;
                }
                Ok(())
            }
            Err(source) if matches!(source.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                Err(CrowdError::Descriptors { index, source })
            }
            Err(error) => Err(self.refused(index, error.into())),
        }
    }

    /// The same at another node of the cluster; over a WebSocket, which stays there.
    pub(crate) fn open_at(&mut self, index: usize, node: SocketAddrV4) -> Result<(), CrowdError> {
        let usual = std::mem::replace(&mut self.shared.target, node);
        let opened = self.open(index);
        self.shared.target = usual;
        opened
    }

    /// Waits for readiness, at most `patience`, gives each connection its turn, and tells what has happened.
    pub(crate) fn turn(&mut self, patience: Duration) -> Result<Vec<News>, CrowdError> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let seats = self.tabs.len();
        for event in &self.events {
            let token = event.token();
            let index = Tab::index_of(token);
            let Some(seat) = self.tabs.get_mut(index) else { continue };
            let Some(tab) = seat else { continue };
            let about = Seat {
                index,
                siblings: match self.ghosts_allowed {
                    true => u32::MAX,
                    false => siblings(seats, self.per_user, index),
                },
                canned: self.shared.canned,
            };
            let at_end = event.is_read_closed() || event.is_error();
            self.shared.now = clock::now();
            if let Err(end) = tab.on_ready(about, token, at_end, &mut self.shared) {
                let (left, settled) = (tab.session.is_leaving(), tab.session.is_settled());
                *seat = None;
                self.live -= 1;
                self.shared.tell(index, What::Ended { end, left, settled });
            }
        }
        Ok(std::mem::take(&mut self.shared.news))
    }

    /// A turn that notes who was sent away.
    pub(crate) fn watch(&mut self, patience: Duration) -> Result<Vec<News>, CrowdError> {
        let news = self.turn(patience)?;
        for News { index, what, .. } in &news {
            if let What::Ended { end, left: false, .. } = what {
                self.shared.ledger.note(Violation::EndedEarly, *index, end);
            }
        }
        Ok(news)
    }

    /// Sends a packet as the client `index`; nothing when it is not there.
    pub(crate) fn send(&mut self, index: usize, packet: &[u8]) {
        self.act(index, |tab, shared| tab.send(packet, shared));
    }

    /// Lets the client `index` say goodbye; that it has ended is told when the server has let it go.
    pub(crate) fn leave(&mut self, index: usize) {
        self.act(index, Tab::leave);
    }

    /// Hangs up for the client `index`, without a word.
    pub(crate) fn hang_up(&mut self, index: usize) {
        if self.tabs[index].take().is_some() {
            self.live -= 1;
        }
    }

    /// The session of the client `index`, if it is there.
    pub(crate) fn session(&self, index: usize) -> Option<&Session> {
        self.tabs.get(index)?.as_ref().map(|tab| &tab.session)
    }

    /// Clients that began to connect more than `age` ago and are not yet as `awaited` says.
    pub(crate) fn overdue(&self, age: Duration, awaited: fn(&Session) -> bool) -> Vec<usize> {
        let now = clock::now();
        let late = |tab: &Tab| !awaited(&tab.session) && now.saturating_duration_since(tab.since) > age;
        let tabs = self.tabs.iter().enumerate();
        tabs.filter_map(|(index, tab)| tab.as_ref().is_some_and(late).then_some(index)).collect()
    }

    /// Seats, taken or not.
    pub(crate) fn seats(&self) -> usize {
        self.tabs.len()
    }

    /// Clients that are there.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// What was counted up to now.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.tally
    }

    /// What went wrong up to now.
    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        &mut self.shared.ledger
    }

    /// Updates are from now on counted and not read, or read again.
    pub(crate) fn count_only(&mut self, counts_only: bool) {
        self.shared.counts_only = counts_only;
    }

    /// A user may from now on be seen with sessions that were cut and whose end the server has not noticed.
    pub(crate) fn allow_ghosts(&mut self) {
        self.ghosts_allowed = true;
    }

    /// Keeps every packet from now on, with the client that got it.
    pub(crate) fn keep_transcript(&mut self) {
        self.shared.transcript = Some(Vec::new());
    }

    /// What was kept since the last call.
    pub(crate) fn take_transcript(&mut self) -> Vec<(usize, String)> {
        self.shared.transcript.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn act(&mut self, index: usize, act: impl FnOnce(&mut Tab, &mut Shared) -> Result<(), End>) {
        self.shared.now = clock::now();
        let Some(tab) = &mut self.tabs[index] else { return };
        if let Err(end) = act(tab, &mut self.shared) {
            let (left, settled) = (tab.session.is_leaving(), tab.session.is_settled());
            self.hang_up(index);
            self.shared.tell(index, What::Ended { end, left, settled });
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
}

/// How many sessions the user of the session `index` has: the last user may have fewer than the others.
fn siblings(sessions: usize, per_user: usize, index: usize) -> u32 {
    (sessions - index / per_user * per_user).min(per_user) as u32
}

/// Sixteen times what an accepted session is told at once.
const READ_BUFFER: usize = 64 << 10;
const EVENTS_AT_ONCE: usize = 1_024;
