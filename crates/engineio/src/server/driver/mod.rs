//! The life of one socket: the only loop, and the only place that waits. All that can wake it (its transport, its
//! mailbox, its slot, the wheel) is looked at in one place, [`Driver::step`], in one order.

mod input;
mod output;
mod closing;

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::application::{Application, Cut, Factory, Goodbye};
use super::mailbox::Mailbox;
use super::outbox::Outbox;
use super::pace::Pace;
use super::tasks::Running;
use super::transport::Transport;
use super::wheel::Timer;
use super::{Server, clock};
use crate::CloseReason;
use crate::frame::{self, Opcode};
use crate::handshake::{self, TransportName};
use crate::session::{Event, Session};
use closing::Closing;

/// One session and all that it holds while it waits.
pub(super) struct Driver<F: Factory> {
    server: Running<F>,
    transport: Transport,
    session: Session,
    application: F::Application,
    mailbox: Arc<Mailbox>,
    timer: Timer,
    pace: Pace,
    /// There from the session's end until its last words are said.
    closing: Option<Box<Closing>>,
}

/// Whether a step has to be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// At once: there may be more to do.
    More,
    /// When something wakes the session.
    Wait,
    /// Never: the session is over.
    Done,
}

/// Why a step ends the session.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The protocol, the client or the network says so.
    Closed(CloseReason),
    /// The application says so.
    Said(Goodbye),
    /// The layer below has to cut it, with last words.
    Cut(Cut),
}

/// The buffers of one worker thread, lent to whichever session is running; never held over a wait.
struct Buffers {
    read: Box<[u8]>,
    out: Vec<u8>,
    scratch: Vec<u8>,
}

impl Buffers {
    /// What one session has made large is not kept for all.
    fn give_back(&mut self) {
        for buffer in [&mut self.out, &mut self.scratch] {
            if buffer.capacity() > BUFFER_KEPT {
                *buffer = Vec::new();
            }
        }
    }
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        read: vec![0; READ_BUFFER].into_boxed_slice(),
        out: Vec::new(),
        scratch: Vec::new(),
    });
}

/// Lends the worker's read buffer to somebody else who reads.
pub(super) fn with_read_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFERS.with_borrow_mut(|buffers| read(&mut buffers.read))
}

impl<F: Factory> Driver<F> {
    pub(super) fn new(
        now: Instant,
        server: Arc<Server<F>>,
        transport: Transport,
        application: F::Application,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let name = match transport {
            Transport::Polling(_) => TransportName::Polling,
            Transport::WebSocket(_) => TransportName::WebSocket,
        };
        let mut session = Session::new(&server.config.protocol, now, name);
        session.handle_pauses(now, server.wheel.observe(now));
        Self {
            session,
            timer: server.wheel.insert(mailbox.clone()),
            server: Running::new(server),
            transport,
            application,
            mailbox,
            pace: Pace::new(),
            closing: None,
        }
    }

    /// Sends the open packet over the WebSocket that the session begins with, behind what is still to be said in HTTP, then
    /// [`Self::run`].
    pub(super) fn open_and_run(mut self, now: Instant, mut open: Vec<u8>) -> impl Future<Output = ()> + Send {
        let (sid, _) = self.server.sids.make();
        open.reserve(OPEN_BYTES);
        frame::encode_with(Opcode::Text, &mut open, |out| {
            out.push(b'0');
            handshake::encode_open(&self.server.config.protocol, &sid, TransportName::WebSocket, out);
        });
        if let Transport::WebSocket(websocket) = &mut self.transport {
            // A failed write shows again at the first read.
            let _ = websocket.write(now, &open, &self.server.config.waiting);
        }
        self.run()
    }

    /// The life of the session, to its end. Boxed: the runtime gives tasks room in steps of 128 bytes, the allocator in
    /// steps of 32.
    pub(super) fn run(self) -> impl Future<Output = ()> + Send {
        let mut driver = Box::new(self);
        let life = poll_fn(move |context| {
            BUFFERS.with_borrow_mut(|buffers| {
                loop {
                    let now = clock::now();
                    match driver.step(now, context, buffers) {
                        Progress::More => {}
                        Progress::Wait => {
                            driver.arm(now);
                            buffers.give_back();
                            return Poll::Pending;
                        }
                        Progress::Done => {
                            buffers.give_back();
                            return Poll::Ready(());
                        }
                    }
                }
            })
        });
        debug_assert_eq!(size_of_val(&life), size_of::<Box<Self>>(), "an idle task is its box");
        life
    }

    /// Looks once at everything that may have woken the session. Deadlines first: what comes too late is too late.
    fn step(&mut self, now: Instant, context: &mut Context<'_>, buffers: &mut Buffers) -> Progress {
        if self.closing.is_some() {
            return self.step_closing(now, context, buffers);
        }
        let mut progress = Progress::Wait;
        match self.try_step(now, context, buffers, &mut progress) {
            Ok(()) => progress,
            Err(end) => self.begin_closing(now, end, buffers),
        }
    }

    fn try_step(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        buffers: &mut Buffers,
        progress: &mut Progress,
    ) -> Result<(), End> {
        self.on_time(now, buffers)?;
        if self.mailbox.poll_news(context) {
            self.on_news(now, buffers)?;
        }
        self.on_input(now, context, buffers, progress)?;
        self.hold_incomplete(now)?;
        self.on_output(now, context)
    }

    /// Deadlines that have passed: of the session, of the application, of a socket that takes nothing.
    fn on_time(&mut self, now: Instant, buffers: &mut Buffers) -> Result<(), End> {
        self.server.wheel.disarmed(&mut self.timer, now);
        self.session.handle_pauses(now, self.server.wheel.observe(now));
        while self.session.next_timeout(&self.server.config.protocol) <= now {
            buffers.out.clear();
            let event = self.session.handle_timeout(&self.server.config.protocol, now, &mut buffers.out);
            self.deliver(now, &buffers.out, None)?;
            match event {
                Some(Event::Closed(reason)) => return Err(End::Closed(reason)),
                Some(Event::CandidateTimedOut) => self.drop_candidate(now, 1000),
                Some(Event::Message(_)) | None => {}
            }
        }
        if self.application.next_timeout().is_some_and(|deadline| deadline <= now) {
            let mut out = Outbox::new(&mut buffers.out);
            let flow = self.application.on_timeout(now, &mut out);
            self.follow(now, flow, out)?;
        }
        match self.transport.owed_since().map(|since| now.saturating_duration_since(since)) {
            Some(stalled) if stalled >= self.server.stall_timeout() => Err(End::Cut(Cut::SlowConsumer)),
            Some(_) | None => Ok(()),
        }
    }

    /// What others have put into the mailbox, besides frames.
    fn on_news(&mut self, now: Instant, buffers: &mut Buffers) -> Result<(), End> {
        let signals = self.mailbox.take_signals();
        if signals.overflowed {
            return Err(End::Cut(Cut::SlowConsumer));
        }
        if signals.wake {
            let mut out = Outbox::new(&mut buffers.out);
            let flow = self.application.on_wake(now, &mut out);
            self.follow(now, flow, out)?;
        }
        if let Some(code) = signals.close {
            while let Some(frame) = self.mailbox.take_frame() {
                self.deliver_shared(now, frame)?; // what was said before the end comes before it
            }
            let mut out = Outbox::new(&mut buffers.out);
            let flow = self.application.on_close_request(now, code, &mut out);
            self.follow(now, flow, out)?;
        }
        Ok(())
    }

    /// Sees to it that the wheel wakes the session at its earliest deadline.
    fn arm(&mut self, now: Instant) {
        let deadline = match &self.closing {
            Some(closing) => closing.deadline,
            None => {
                // Whether there is too much of everything is asked again each second.
                let looks_again = self
                    .transport
                    .owed_since()
                    .map(|since| (since + self.server.config.stall_timeout).min(now + PRESSED));
                [self.application.next_timeout(), looks_again]
                    .into_iter()
                    .flatten()
                    .fold(self.session.next_timeout(&self.server.config.protocol), Instant::min)
            }
        };
        self.server.wheel.arm(&mut self.timer, deadline);
    }
}

impl<F: Factory> Drop for Driver<F> {
    /// However the task ends, by a panic too, nothing of the session stays behind.
    fn drop(&mut self) {
        if self.closing.is_none() {
            self.mailbox.shut();
            self.application.on_closed(clock::now(), CloseReason::ServerClosed);
        }
        if let Transport::Polling(polling) = &self.transport {
            self.server.sids.remove(polling.key);
            polling.slot.close();
        }
        self.server.wheel.remove(&self.timer);
    }
}

/// How long a client may take no byte while too much waits for all of them together: some round trips of a phone.
pub(super) const PRESSED: Duration = Duration::from_secs(1);
/// Of an open packet and its frame.
const OPEN_BYTES: usize = 160;
/// A list of a thousand sessions is seldom longer.
const BUFFER_KEPT: usize = 512 * 1024;
/// What one read may take. A message that is larger is put together in the session's own buffer.
const READ_BUFFER: usize = 64 * 1024;
