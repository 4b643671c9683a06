//! The end of a session: its last words, and a bounded wait for the client to take them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::super::application::{Application, Cut, Factory, Goodbye};
use super::super::budget::Budget;
use super::super::outbox::Outbox;
use super::super::slot::{Reply, Request};
use super::super::transport::Transport;
use super::super::transport::polling::Polling;
use super::{Buffers, Driver, End, Progress};
use crate::frame::{self, Opcode};
use crate::{CloseReason, Violation};

/// What is left of a session that has ended.
pub(super) struct Closing {
    /// When the wait for the client is over.
    pub(super) deadline: Instant,
    /// How the poll after the last words is answered.
    farewell: Farewell,
    /// Nothing more will be written.
    said: bool,
}

/// The last answer of a polling session.
#[derive(Debug, Clone, Copy)]
enum Farewell {
    /// A close packet.
    Close,
    /// A noop: the client has closed by itself, and its poll has met its own close packet on the way.
    Noop,
    /// As if the session had never been.
    Unknown,
}

impl<F: Factory> Driver<F> {
    /// Ends the session for everybody but its client, and begins to say goodbye to that.
    pub(super) fn begin_closing(&mut self, now: Instant, end: End, buffers: &mut Buffers) -> Progress {
        let (reason, goodbye) = match end {
            End::Closed(reason) => (reason, None),
            End::Said(Goodbye::Violation) => (CloseReason::Violation(Violation::Application), None),
            End::Said(goodbye) => (CloseReason::ServerClosed, Some(goodbye)),
            End::Cut(cut) => {
                let mut out = Outbox::new(&mut buffers.out);
                self.application.on_cut(now, cut, &mut out);
                // The socket may be lost, which then shows below.
                let _ = self.deliver(now, out.as_frames(), out.payload_break());
                match cut {
                    Cut::SlowConsumer => (CloseReason::SlowConsumer, Some(Goodbye::Abrupt)),
                    Cut::TooManyPackets => {
                        (CloseReason::Violation(Violation::TooManyPackets), Some(Goodbye::Abrupt))
                    }
                    Cut::Overload => (CloseReason::Overloaded, Some(Goodbye::Abrupt)),
                }
            }
        };
        self.mailbox.shut();
        self.transport.forget_incomplete();
        self.application.on_closed(now, reason);
        let deadline = now + self.server.config.closing_wait;
        let said = self.say_goodbye(now, reason, goodbye);
        let farewell = match (goodbye, reason) {
            (Some(Goodbye::Abrupt), _) => Farewell::Unknown,
            (None, CloseReason::ClientClosed) => Farewell::Noop,
            (Some(Goodbye::Orderly | Goodbye::Violation) | None, _) => Farewell::Close,
        };
        self.closing = Some(Box::new(Closing { deadline, farewell, said: false }));
        match said {
            true => Progress::Done,
            false => Progress::More,
        }
    }

    /// `true` when there is nothing to wait for.
    fn say_goodbye(&mut self, now: Instant, reason: CloseReason, goodbye: Option<Goodbye>) -> bool {
        match &mut self.transport {
            Transport::WebSocket(_) if reason == CloseReason::TransportClosed => true,
            Transport::WebSocket(websocket) => {
                let mut close = Vec::new();
                if goodbye == Some(Goodbye::Orderly) {
                    // Who is told goodbye and does not go, has not heard it: a python client passes over what comes before
                    // its `connect` has returned. A close packet tells it not to come back; others read the frame.
                    frame::encode(Opcode::Text, b"1", &mut close);
                }
                frame::encode_close(reason.close_code(), &mut close);
                websocket.write(now, &close, &self.server.config.waiting).is_err()
            }
            Transport::Polling(polling) => {
                polling.candidate = None;
                match (goodbye, reason) {
                    (Some(_), _) => false,
                    (None, CloseReason::ClientClosed) => polling.answer_noop(),
                    (None, _) => {
                        polling.answer_close();
                        true
                    }
                }
            }
        }
    }

    /// One look at what the client does with the last words.
    pub(super) fn step_closing(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Progress {
        let Some(closing) = &mut self.closing else { return Progress::Done };
        self.server.wheel.disarmed(&mut self.timer, now);
        if closing.deadline <= now {
            return Progress::Done;
        }
        let news = self.mailbox.poll_news(context);
        let progress = match &mut self.transport {
            Transport::WebSocket(websocket) => {
                match websocket.poll_flush(context, now) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) if closing.said => {}
                    Poll::Ready(Ok(())) => {
                        closing.said = true;
                        if websocket.shut_down_writing(context).is_err() {
                            return Progress::Done;
                        }
                    }
                    Poll::Ready(Err(_)) => return Progress::Done,
                }
                // What the client still says is read and thrown away: bytes left in the socket would reset it, and a
                // reset takes the last words with it.
                match websocket.poll_read(context, &mut buffers.read) {
                    Poll::Ready(Ok(count)) if count > 0 => Progress::More,
                    Poll::Ready(_) => Progress::Done,
                    Poll::Pending => Progress::Wait,
                }
            }
            Transport::Polling(polling) => {
                step_polling(polling, closing.farewell, context, &self.server.config.waiting)
            }
        };
        match progress {
            Progress::Wait if news => Progress::More,
            progress => progress,
        }
    }
}

fn step_polling(
    polling: &mut Polling,
    farewell: Farewell,
    context: &mut Context<'_>,
    waiting: &Arc<Budget>,
) -> Progress {
    if polling.poll_cancelled(context).is_ready() {
        return Progress::Done;
    }
    let mut progress = Progress::Wait;
    match polling.slot.next() {
        Some(Request::Get(get)) => match polling.hold(get) {
            Ok(()) => {}
            Err(_) => return Progress::Done, // dropped, which answers it with `UnknownSid`
        },
        Some(Request::Post(body, reply)) => {
            let _ = reply.send(Reply::Taken); // a client that has gone needs no answer
            if &*body == b"1" {
                return Progress::Done;
            }
            progress = Progress::More;
        }
        Some(Request::Upgraded(_)) => progress = Progress::More, // dropped, which closes it
        Some(Request::BrokenPost(_)) => return Progress::Done,
        None => {}
    }
    match (polling.has_poll(), polling.answer_with_waiting(waiting)) {
        (false, _) => progress,
        (true, true) => Progress::More,
        (true, false) => {
            match farewell {
                Farewell::Close => polling.answer_close(),
                Farewell::Noop => polling.answer_noop(),
                Farewell::Unknown => polling.answer_unknown(),
            };
            Progress::Done
        }
    }
}
