//! How the HTTP requests of a polling session reach its task: at most a few at a time, and only until an upgrade ends.
//! Filled by `requests`; emptied by the driver.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Mailbox;
use super::transport::websocket::WebSocket;
use crate::CloseReason;
use crate::handshake::Refusal;

/// The requests of one polling session that its task has not seen yet.
#[derive(Debug)]
pub(super) struct Slot {
    mailbox: Arc<Mailbox>,
    queue: Mutex<Queue>,
    posting: AtomicBool,
    /// Whether the client is one that was let in, as far as is known.
    established: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    closed: bool,
}

/// What a client asks of its polling session.
#[derive(Debug)]
pub(super) enum Request {
    /// A poll: answered when there is something to say.
    Get(oneshot::Sender<Reply>),
    /// A whole body of packets.
    Post(Bytes, oneshot::Sender<Reply>),
    /// A WebSocket that wants to take the session over.
    Upgraded(WebSocket),
    /// A second `POST` while one is under way, or one that ended half-way.
    BrokenPost(CloseReason),
}

/// How a request is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `200` with these packets.
    Payload(Bytes),
    /// `200 ok`: the packets of a `POST` were taken.
    Taken,
    /// The refusal's status and body.
    Refused(Refusal),
}

impl Slot {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self {
            mailbox,
            queue: Mutex::default(),
            posting: AtomicBool::new(false),
            established: AtomicBool::new(false),
        }
    }

    /// Hands a request to the session's task.
    ///
    /// # Errors
    /// [`Refusal::UnknownSid`] when the session has ended or left polling, [`Refusal::BadRequest`] when more requests
    /// wait than the protocol can make.
    pub(super) fn push(&self, request: Request) -> Result<(), Refusal> {
        {
            let mut queue = self.lock();
            if queue.closed {
                return Err(Refusal::UnknownSid);
            }
            if queue.requests.len() >= CAPACITY {
                return Err(Refusal::BadRequest);
            }
            queue.requests.push_back(request);
        }
        self.mailbox.nudge();
        Ok(())
    }

    pub(super) fn next(&self) -> Option<Request> {
        self.lock().requests.pop_front()
    }

    /// Nothing more is taken; what waits is dropped, which answers it with `UnknownSid`.
    pub(super) fn close(&self) {
        let waiting = {
            let mut queue = self.lock();
            queue.closed = true;
            std::mem::take(&mut queue.requests)
        };
        drop(waiting);
    }

    /// Begins a `POST`; `None` when one is under way. A post that is dropped before [`Posting::complete`] closes the
    /// session: some of what its client said is lost.
    pub(super) fn begin_post(self: &Arc<Self>) -> Option<Posting> {
        match self.posting.swap(true, Ordering::AcqRel) {
            true => None,
            false => Some(Posting { slot: self.clone(), completed: false }),
        }
    }

    pub(super) fn set_established(&self, is_established: bool) {
        self.established.store(is_established, Ordering::Relaxed);
    }

    pub(super) fn is_established(&self) -> bool {
        self.established.load(Ordering::Relaxed)
    }

    /// No call under the lock can panic, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `POST` that is under way.
pub(super) struct Posting {
    slot: Arc<Slot>,
    completed: bool,
}

impl Posting {
    /// Its body has been taken, or refused for what it is.
    pub(super) fn complete(mut self) {
        self.completed = true;
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.slot.posting.store(false, Ordering::Release);
        if !self.completed {
            // A slot that refuses has no session left to close.
            let _ = self.slot.push(Request::BrokenPost(CloseReason::TransportClosed));
        }
    }
}

/// Requests that may wait: a poll, a post, an upgrade, and one too many, which the driver then judges.
const CAPACITY: usize = 4;
