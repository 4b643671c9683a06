//! The one way into a session from other tasks: frames that wait, a request to close, a wake-up.
//! Bounded; allocates nothing while empty. Does not know: what a frame says.

use std::collections::VecDeque;
use std::num::NonZeroU8;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;

use crate::handshake::TransportName;

/// Why somebody asks a session to end: a number whose meaning is the application's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode(pub NonZeroU8);

/// The mailbox of one session.
#[derive(Debug)]
pub struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waker: Option<Waker>,
    mail: Option<Box<Mail>>,
    /// Counted, not copied: all receivers of an update hold the same one.
    latest: Option<Arc<Bytes>>,
    /// Bytes that may wait.
    limit: u32,
    close: Option<CloseCode>,
    /// Something was put in since the owner looked.
    news: bool,
    wake: bool,
    life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Over this transport.
    Open(TransportName),
    /// More was put in than may wait.
    Overflowed,
    /// The session has ended: what is put in now is dropped.
    Gone,
}

impl State {
    /// Queues frames if there is room, or nothing else waits; `false` when not.
    fn queue(&mut self, frames: Bytes) -> bool {
        let mail = self.mail.get_or_insert_default();
        let fits = mail.bytes + frames.len() <= self.limit as usize || mail.frames.is_empty();
        if fits {
            mail.bytes += frames.len();
            mail.frames.push_back(frames);
        }
        fits
    }
}

#[derive(Debug, Default)]
struct Mail {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

/// What the owner finds besides frames.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) close: Option<CloseCode>,
    pub(super) wake: bool,
    pub(super) overflowed: bool,
}

impl Mailbox {
    /// An empty mailbox in which this many bytes may wait, of a session that begins with polling.
    pub fn new(limit: usize) -> Self {
        Self::over(TransportName::Polling, limit)
    }

    /// The same of one that begins with this transport.
    pub fn over(transport: TransportName, limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waker: None,
                mail: None,
                latest: None,
                limit: u32::try_from(limit).unwrap_or(u32::MAX),
                close: None,
                news: false,
                wake: false,
                life: Life::Open(transport),
            }),
        }
    }

    /// Puts whole server frames that belong together in the queue; `false` when they were not taken. When too much waits
    /// already the session is cut as a slow consumer.
    pub fn post(&self, frames: Bytes) -> bool {
        let mut taken = false;
        self.put(|state| {
            taken = state.queue(frames);
            if !taken {
                state.life = Life::Overflowed;
            }
        });
        taken
    }

    /// Puts whole server frames in the queue if there is room; `false` when there is none: for what may get lost.
    pub fn offer(&self, frames: Bytes) -> bool {
        let mut taken = false;
        self.put(|state| taken = state.queue(frames));
        taken
    }

    /// Puts a whole server frame that makes the one put so before needless, if that still waits: the newest state of
    /// something. Allocates nothing.
    pub fn post_latest(&self, frame: &Arc<Bytes>) {
        self.put(|state| state.latest = Some(frame.clone()));
    }

    /// Asks the session to end. The first reason stays.
    pub fn close(&self, code: CloseCode) {
        self.put(|state| {
            state.close.get_or_insert(code);
        });
    }

    /// Tells the session that a result that it waits for is there.
    pub fn wake(&self) {
        self.put(|state| state.wake = true);
    }

    /// Over which transport the session goes; `None` once it ends.
    pub fn transport(&self) -> Option<TransportName> {
        match self.lock().life {
            Life::Open(transport) => Some(transport),
            Life::Overflowed | Life::Gone => None,
        }
    }

    /// The session goes on over this transport.
    pub(super) fn moved_to(&self, transport: TransportName) {
        let mut state = self.lock();
        if let Life::Open(over) = &mut state.life {
            *over = transport;
        }
    }

    /// Wakes the owner's task and no more: its timer is due, or a request waits in its slot. A task that has not run yet
    /// looks at both anyway.
    pub(super) fn nudge(&self) {
        let waker = self.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether there is news since the last call. The owner's task will be woken by whatever comes after this one.
    pub(super) fn poll_news(&self, context: &Context<'_>) -> bool {
        let mut state = self.lock();
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        std::mem::take(&mut state.news)
    }

    /// What there is besides frames.
    pub(super) fn take_signals(&self) -> Signals {
        let mut state = self.lock();
        Signals {
            close: state.close.take(),
            wake: std::mem::take(&mut state.wake),
            overflowed: state.life == Life::Overflowed,
        }
    }

    /// The next frame: the queue first, then the newest state.
    pub(super) fn take_frame(&self) -> Option<Bytes> {
        let mut state = self.lock();
        let Some(mail) = &mut state.mail else {
            return state.latest.take().map(|latest| Bytes::clone(&latest));
        };
        let frame = mail.frames.pop_front();
        mail.bytes -= frame.as_ref().map_or(0, Bytes::len);
        if mail.frames.is_empty() {
            state.mail = None;
        }
        frame
    }

    /// Drops the frames that wait: whom they were meant for has left, though the socket stays.
    pub fn discard(&self) {
        let mut state = self.lock();
        let waiting = (state.mail.take(), state.latest.take());
        drop(state);
        drop(waiting);
    }

    /// The session has ended: drops what waits and all that comes.
    pub(super) fn shut(&self) {
        let mut state = self.lock();
        state.life = Life::Gone;
        drop(state);
        self.discard();
    }

    fn put(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            if state.life != Life::Gone {
                change(&mut state);
            }
            match std::mem::replace(&mut state.news, true) {
                true => None, // its task was woken already and has not looked yet
                false => state.waker.clone(),
            }
        };
        if let Some(waker) = waker {
            waker.wake(); // outside the lock: the task may run on another thread at once
        }
    }

    /// A panic while the lock is held cannot leave the state half-changed, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of these stands for each session, idle or not.
const _: () = assert!(size_of::<Mailbox>() <= 48);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_order_and_the_newest_state_last() {
        let mailbox = Mailbox::new(100);
        mailbox.post_latest(&Arc::new(Bytes::from_static(b"old")));
        mailbox.post(Bytes::from_static(b"a"));
        mailbox.post_latest(&Arc::new(Bytes::from_static(b"new")));
        mailbox.post(Bytes::from_static(b"b"));
        let taken: Vec<Bytes> = std::iter::from_fn(|| mailbox.take_frame()).collect();
        assert_eq!(taken, ["a", "b", "new"]);
        assert!(mailbox.lock().mail.is_none());
    }

    #[test]
    fn more_than_the_bound_is_an_overflow_and_one_large_frame_is_not() {
        let mailbox = Mailbox::new(10);
        assert!(mailbox.post(Bytes::from(vec![0; 50])));
        assert!(!mailbox.take_signals().overflowed);
        assert!(!mailbox.post(Bytes::from_static(b"x")));
        assert!(mailbox.take_signals().overflowed);
    }

    #[test]
    fn what_is_offered_is_taken_or_lost_and_cuts_nobody() {
        let mailbox = Mailbox::new(10);
        assert!(mailbox.offer(Bytes::from(vec![0; 50])));
        assert!(!mailbox.offer(Bytes::from_static(b"x")));
        assert!(!mailbox.take_signals().overflowed);
        assert_eq!(mailbox.take_frame().map(|frame| frame.len()), Some(50));
        assert!(mailbox.offer(Bytes::from_static(b"x")));
        mailbox.shut();
        assert!(!mailbox.offer(Bytes::from_static(b"x")));
    }

    #[test]
    fn a_newest_state_never_overflows() {
        let mailbox = Mailbox::new(10);
        for _ in 0..1000 {
            mailbox.post_latest(&Arc::new(Bytes::from(vec![0; 50])));
        }
        assert!(!mailbox.take_signals().overflowed);
        assert_eq!(std::iter::from_fn(|| mailbox.take_frame()).count(), 1);
    }

    #[test]
    fn the_transport_is_known_until_the_end() {
        let mailbox = Mailbox::new(10);
        assert_eq!(mailbox.transport(), Some(TransportName::Polling));
        mailbox.moved_to(TransportName::WebSocket);
        assert_eq!(mailbox.transport(), Some(TransportName::WebSocket));
        mailbox.shut();
        mailbox.moved_to(TransportName::WebSocket);
        assert_eq!(mailbox.transport(), None);
    }

    #[test]
    fn the_first_reason_to_close_stays() {
        let mailbox = Mailbox::new(10);
        let code = |number| CloseCode(NonZeroU8::new(number).unwrap());
        mailbox.close(code(1));
        mailbox.close(code(2));
        assert_eq!(mailbox.take_signals().close, Some(code(1)));
        assert_eq!(mailbox.take_signals().close, None);
    }

    #[test]
    fn what_was_meant_for_one_who_has_left_is_dropped_and_later_mail_is_not() {
        let mailbox = Mailbox::new(10);
        mailbox.post(Bytes::from_static(b"x"));
        mailbox.post_latest(&Arc::new(Bytes::from_static(b"y")));
        mailbox.discard();
        assert_eq!(mailbox.take_frame(), None);
        mailbox.post(Bytes::from_static(b"z"));
        assert_eq!(mailbox.take_frame().as_deref(), Some(&b"z"[..]));
    }

    #[test]
    fn what_comes_after_the_end_is_dropped() {
        let mailbox = Mailbox::new(10);
        mailbox.post(Bytes::from_static(b"x"));
        mailbox.shut();
        assert!(!mailbox.post(Bytes::from_static(b"y")));
        assert_eq!(mailbox.take_frame(), None);
    }
}
