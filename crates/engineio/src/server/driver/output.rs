//! What the client is told: replies at once, the mailbox as far as the client takes it.

use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use super::super::application::{Application, Cut, Factory, Flow};
use super::super::outbox::Outbox;
use super::super::transport::Transport;
use super::{Driver, End};
use crate::CloseReason;

impl<F: Factory> Driver<F> {
    /// What the client is owed: first what was left over, then the mailbox, which conflates as long as it may.
    pub(super) fn on_output(&mut self, now: Instant, context: &mut Context<'_>) -> Result<(), End> {
        let bound = self.server.mailbox_bytes();
        match &mut self.transport {
            Transport::WebSocket(websocket) => loop {
                match websocket.poll_flush(context, now) {
                    Poll::Pending if websocket.owed_replies() > bound => {
                        return Err(End::Cut(Cut::SlowConsumer));
                    }
                    Poll::Pending => return Ok(()),
                    Poll::Ready(flushed) => flushed.map_err(lost)?,
                }
                match self.mailbox.take_frame() {
                    Some(frame) => websocket.write_shared(now, frame).map_err(lost)?,
                    None => return Ok(()),
                }
            },
            Transport::Polling(polling) => {
                polling.slot.set_established(self.application.is_established());
                if polling.has_poll() {
                    while let Some(frame) = self.mailbox.take_frame() {
                        polling.queue(frame, false);
                    }
                    if !polling.answer_with_waiting(&self.server.config.waiting) && self.session.is_probed() {
                        polling.answer_noop();
                    }
                }
                match polling.overflows(bound) {
                    true => Err(End::Cut(Cut::SlowConsumer)),
                    false => Ok(()),
                }
            }
        }
    }

    /// Sends what an application's step has said, then does what it wants.
    pub(super) fn follow(&mut self, now: Instant, flow: Flow, out: Outbox<'_>) -> Result<(), End> {
        self.deliver(now, out.as_frames(), out.payload_break())?;
        match flow {
            Flow::Continue => Ok(()),
            Flow::Close(goodbye) => Err(End::Said(goodbye)),
        }
    }

    /// Sends whole frames; what stands behind `payload_break` goes into a polling payload of its own.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        frames: &[u8],
        payload_break: Option<usize>,
    ) -> Result<(), End> {
        if frames.is_empty() {
            return Ok(());
        }
        let waiting = &self.server.config.waiting;
        match &mut self.transport {
            Transport::WebSocket(websocket) => websocket.write(now, frames, waiting).map_err(lost),
            Transport::Polling(polling) => {
                let (first, own) = frames.split_at(payload_break.unwrap_or(frames.len()));
                polling.queue(waiting.frame(first.to_vec()), false);
                polling.queue(waiting.frame(own.to_vec()), true);
                Ok(())
            }
        }
    }

    /// Sends what a batch of messages was answered with so far, when it is much: a few bytes that ask for many long
    /// answers hold no more than a client that asks for one after the other.
    pub(super) fn relieve(&mut self, now: Instant, out: &mut Outbox<'_>) -> Result<(), End> {
        let bound = self.server.mailbox_bytes();
        if out.as_frames().len() <= bound {
            return Ok(());
        }
        self.deliver(now, out.as_frames(), out.payload_break())?;
        out.clear();
        let too_much = match &mut self.transport {
            Transport::WebSocket(websocket) => websocket.owed_replies() > bound,
            Transport::Polling(polling) => {
                if polling.has_poll() {
                    polling.answer_with_waiting(&self.server.config.waiting);
                }
                polling.overflows(bound)
            }
        };
        if too_much { Err(End::Cut(Cut::SlowConsumer)) } else { Ok(()) }
    }

    pub(super) fn deliver_shared(&mut self, now: Instant, frame: Bytes) -> Result<(), End> {
        match &mut self.transport {
            Transport::WebSocket(websocket) => websocket.write_shared(now, frame).map_err(lost),
            Transport::Polling(polling) => {
                polling.queue(frame, false);
                Ok(())
            }
        }
    }
}

fn lost(_: std::io::Error) -> End {
    End::Closed(CloseReason::TransportClosed)
}
