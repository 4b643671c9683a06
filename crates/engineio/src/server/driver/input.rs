//! What the client says: requests while it polls, then bytes of a WebSocket, be that a candidate or the session's own.

use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use super::super::application::{Application, Cut, Factory, Flow};
use super::super::outbox::Outbox;
use super::super::slot::{Reply, Request};
use super::super::transport::Transport;
use super::super::transport::websocket::WebSocket;
use super::{Buffers, Driver, End, Progress};
use crate::fragments::{Assembler, Item};
use crate::frame::{self, Opcode};
use crate::handshake::{Refusal, TransportName};
use crate::payload::Payload;
use crate::session::{CandidateStep, Event};
use crate::{CloseReason, Message, Packet, Violation};

impl<F: Factory> Driver<F> {
    pub(super) fn on_input(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        buffers: &mut Buffers,
        progress: &mut Progress,
    ) -> Result<(), End> {
        if let Transport::Polling(polling) = &mut self.transport {
            if polling.poll_cancelled(context).is_ready() {
                return Err(End::Closed(CloseReason::TransportClosed));
            }
            if let Some(request) = polling.slot.next() {
                *progress = Progress::More;
                return self.on_request(now, request, buffers);
            }
        }
        for _ in 0..READS_A_STEP {
            let Some(websocket) = self.websocket() else { return Ok(()) };
            let read = match websocket.take_unseen() {
                true => Poll::Ready(Some(0)), // first what came right behind the request
                false => websocket
                    .poll_read(context, &mut buffers.read)
                    .map(|read| read.ok().filter(|count| *count > 0)),
            };
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(count)) => self.on_bytes(now, count, buffers)?,
                Poll::Ready(None) if self.is_candidate() => {
                    self.drop_candidate(now, 1000);
                    return Ok(());
                }
                Poll::Ready(None) => return Err(End::Closed(CloseReason::TransportClosed)),
            }
        }
        *progress = Progress::More;
        Ok(())
    }

    /// Counts what is held of messages that are not whole yet. Who needs more than is left is cut; of an upgrade only the
    /// candidate.
    pub(super) fn hold_incomplete(&mut self, now: Instant) -> Result<(), End> {
        loop {
            let budget = &self.server.config.incomplete;
            let max = self.server.incomplete_max(self.application.is_established());
            if self.transport.hold_incomplete(budget, max, self.application.incomplete_bytes()) {
                return Ok(());
            }
            match &self.transport {
                Transport::Polling(polling) if polling.candidate.is_some() => {
                    self.drop_candidate(now, CloseReason::Overloaded.close_code());
                }
                Transport::Polling(_) | Transport::WebSocket(_) => return Err(End::Cut(Cut::Overload)),
            }
        }
    }

    /// The candidate goes; the session stays on polling.
    pub(super) fn drop_candidate(&mut self, now: Instant, code: u16) {
        self.session.handle_candidate_lost();
        if let Transport::Polling(polling) = &mut self.transport
            && let Some(candidate) = polling.candidate.take()
        {
            candidate.refuse(now, code, &self.server.config.waiting);
        }
    }

    fn on_request(&mut self, now: Instant, request: Request, buffers: &mut Buffers) -> Result<(), End> {
        let Transport::Polling(polling) = &mut self.transport else { return Ok(()) };
        match request {
            Request::Get(get) => {
                polling.hold(get).map_err(|overlapping| {
                    // A client that has gone needs no answer.
                    let _ = overlapping.send(Reply::Refused(Refusal::BadRequest));
                    End::Closed(CloseReason::Violation(Violation::OverlappingRequest))
                })?;
                // Held before that: it takes the last words.
                match self.pace.take(self.server.rate(), now) {
                    true => Ok(()),
                    false => Err(End::Cut(Cut::TooManyPackets)),
                }
            }
            Request::Post(body, reply) => {
                let outcome = self.on_payload(now, &body, buffers);
                // A client whose POST is refused lets go of its poll, and with it of the last words that are on their way.
                let answer = match outcome {
                    Ok(())
                    | Err(
                        End::Said(_) | End::Cut(Cut::TooManyPackets) | End::Closed(CloseReason::ClientClosed),
                    ) => Reply::Taken,
                    Err(End::Closed(_) | End::Cut(Cut::SlowConsumer | Cut::Overload)) => {
                        Reply::Refused(Refusal::BadRequest)
                    }
                };
                let _ = reply.send(answer); // as above
                outcome
            }
            Request::Upgraded(websocket) => {
                match self.session.handle_candidate(&self.server.config.protocol, now) {
                    true => polling.candidate = Some(websocket),
                    false => websocket.refuse(now, 1008, &self.server.config.waiting),
                }
                Ok(())
            }
            Request::BrokenPost(reason) => Err(End::Closed(reason)),
        }
    }

    fn on_payload(&mut self, now: Instant, body: &Bytes, buffers: &mut Buffers) -> Result<(), End> {
        let Ok(body) = std::str::from_utf8(body) else { return Err(violation(Violation::InvalidUtf8)) };
        let mut out = Outbox::new(&mut buffers.out);
        let mut payload = Payload::new(body);
        let mut flow = Ok(Flow::Continue);
        while let Ok(Flow::Continue) = flow
            && let Some(packet) = payload.next_packet(&mut buffers.scratch)
        {
            flow = match (self.pace.take(self.server.rate(), now), packet) {
                (false, _) => Err(End::Cut(Cut::TooManyPackets)),
                (true, Ok(packet)) => match self.on_packet(now, packet, &mut out) {
                    Ok(Flow::Continue) => self.relieve(now, &mut out).map(|()| Flow::Continue),
                    flow => flow,
                },
                (true, Err(malformed)) => Err(violation(malformed)),
            };
        }
        match flow {
            Ok(flow) => self.follow(now, flow, out),
            Err(end) => {
                self.deliver(now, out.as_frames(), out.payload_break())?;
                Err(end)
            }
        }
    }

    /// Bytes of a WebSocket, `count` of them new in the worker's buffer.
    fn on_bytes(&mut self, now: Instant, count: usize, buffers: &mut Buffers) -> Result<(), End> {
        let Some(websocket) = self.websocket() else { return Ok(()) };
        let mut input = websocket.take_input();
        let Buffers { read, out, .. } = buffers;
        let mut kept = std::mem::take(&mut input.bytes);
        let bytes = match kept.is_empty() {
            true => &mut read[..count],
            false => {
                kept.extend_from_slice(&read[..count]);
                &mut kept[..]
            }
        };
        let mut out = Outbox::new(out);
        let mut consumed = 0;
        let outcome = self.on_items(now, &mut input.assembler, bytes, &mut consumed, &mut out);
        let delivered = self.deliver(now, out.as_frames(), out.payload_break());
        outcome.and(delivered)?;
        if let Some(websocket) = self.websocket() {
            input.bytes = match kept.is_empty() {
                true => read[consumed..count].to_vec(),
                false => {
                    kept.drain(..consumed);
                    kept
                }
            };
            websocket.keep_input(input);
        }
        Ok(())
    }

    /// Takes whole items off `bytes` until one is incomplete, the candidate is gone, or the session ends.
    fn on_items(
        &mut self,
        now: Instant,
        assembler: &mut Assembler,
        bytes: &mut [u8],
        consumed: &mut usize,
        out: &mut Outbox<'_>,
    ) -> Result<(), End> {
        let max_payload = self.server.config.protocol.max_payload;
        loop {
            let (item, len) = match assembler.next_item(&mut bytes[*consumed..], max_payload) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                Err(malformed) if self.is_candidate() => {
                    self.drop_candidate(now, malformed.close_code());
                    return Ok(());
                }
                Err(malformed) => return Err(violation(malformed)),
            };
            *consumed += len;
            if !self.pace.take(self.server.rate(), now) {
                return Err(End::Cut(Cut::TooManyPackets));
            }
            match self.is_candidate() {
                true => {
                    if !self.on_candidate_item(now, &item) {
                        return Ok(());
                    }
                }
                false => match self.on_item(now, item, out)? {
                    Flow::Continue => self.relieve(now, out)?,
                    Flow::Close(goodbye) => return Err(End::Said(goodbye)),
                },
            }
        }
    }

    fn on_item(&mut self, now: Instant, item: Item<'_>, out: &mut Outbox<'_>) -> Result<Flow, End> {
        match item {
            Item::Text(text) => self.on_packet(now, Packet::decode(text).map_err(violation)?, out),
            Item::Binary(data) => Ok(self.application.on_message(now, Message::Binary(data), out)),
            Item::Ping(data) => {
                out.pong(data);
                Ok(Flow::Continue)
            }
            Item::Close(echo) => {
                out.close(echo);
                Err(End::Closed(CloseReason::TransportClosed))
            }
            Item::Nothing => Ok(Flow::Continue),
        }
    }

    fn on_packet(&mut self, now: Instant, packet: Packet<'_>, out: &mut Outbox<'_>) -> Result<Flow, End> {
        match self.session.handle_packet(&self.server.config.protocol, now, packet) {
            Some(Event::Message(message)) => Ok(self.application.on_message(now, message, out)),
            Some(Event::Closed(reason)) => Err(End::Closed(reason)),
            Some(Event::CandidateTimedOut) | None => Ok(Flow::Continue),
        }
    }

    /// One item of the candidate; `false` when the candidate is gone.
    fn on_candidate_item(&mut self, now: Instant, item: &Item<'_>) -> bool {
        let Transport::Polling(polling) = &mut self.transport else { return true };
        let Some(candidate) = &mut polling.candidate else { return false };
        let mut reply = Vec::new();
        let step = match item {
            Item::Text(text) => match Packet::decode(text) {
                Ok(packet) => self.session.handle_candidate_packet(packet, &mut reply),
                Err(_) => CandidateStep::Abandoned,
            },
            Item::Ping(data) => {
                frame::encode(Opcode::Pong, data, &mut reply);
                return candidate.write(now, &reply, &self.server.config.waiting).is_ok();
            }
            Item::Nothing => return true,
            Item::Binary(_) | Item::Close(_) => CandidateStep::Abandoned,
        };
        match step {
            CandidateStep::Probed => {
                if candidate.write(now, &reply, &self.server.config.waiting).is_err() {
                    self.drop_candidate(now, 1000);
                    return false;
                }
                true // the poll that waits is ended by `on_output`
            }
            CandidateStep::Upgraded => self.finish_upgrade(now),
            CandidateStep::Abandoned => {
                self.drop_candidate(now, 1002);
                false
            }
        }
    }

    /// The session leaves polling: what waited there goes first, in order.
    fn finish_upgrade(&mut self, now: Instant) -> bool {
        let Transport::Polling(polling) = &mut self.transport else { return false };
        let Some(mut websocket) = polling.candidate.take() else { return false };
        polling.answer_noop();
        polling.slot.close();
        self.server.sids.upgraded(polling.key, now);
        for frames in polling.take_waiting() {
            // A failed write shows again at the next read or flush.
            let _ = websocket.write_shared(now, frames);
        }
        self.transport = Transport::WebSocket(websocket);
        self.mailbox.moved_to(TransportName::WebSocket);
        self.application.on_upgraded();
        true
    }

    /// The WebSocket to read from: the session's own, or its candidate.
    fn websocket(&mut self) -> Option<&mut WebSocket> {
        match &mut self.transport {
            Transport::WebSocket(websocket) => Some(websocket),
            Transport::Polling(polling) => polling.candidate.as_mut(),
        }
    }

    fn is_candidate(&self) -> bool {
        matches!(self.transport, Transport::Polling(_))
    }
}

fn violation(violation: Violation) -> End {
    End::Closed(CloseReason::Violation(violation))
}

/// Reads of one step before the session's other business is looked at again. Two is the usual case: what is there, and
/// that nothing more is.
const READS_A_STEP: usize = 4;
