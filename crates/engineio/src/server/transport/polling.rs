//! The polling half of a session: the poll that waits, the frames that wait for a poll, the candidate of an upgrade.
//! Does not know: HTTP. Its requests come through the slot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::websocket::WebSocket;
use crate::frame::{self, Opcode};
use crate::handshake::Refusal;
use crate::payload;
use crate::server::budget::{Budget, Held};
use crate::server::sids::SidKey;
use crate::server::slot::{Reply, Slot};

/// What a session holds as long as it polls.
#[derive(Debug)]
pub(in crate::server) struct Polling {
    pub(in crate::server) key: SidKey,
    pub(in crate::server) slot: Arc<Slot>,
    /// The WebSocket that wants to take the session over.
    pub(in crate::server) candidate: Option<WebSocket>,
    /// What is counted of messages that are not whole yet.
    pub(in crate::server) held: Option<Held>,
    get: Option<oneshot::Sender<Reply>>,
    waiting: VecDeque<Chunk>,
    waiting_bytes: usize,
}

/// Whole server frames that go out together.
#[derive(Debug)]
struct Chunk {
    frames: Bytes,
    starts_payload: bool,
}

impl Polling {
    pub(in crate::server) fn new(key: SidKey, slot: Arc<Slot>) -> Self {
        Self { key, slot, candidate: None, held: None, get: None, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// Takes a poll; gives it back when one waits already.
    pub(in crate::server) fn hold(
        &mut self,
        get: oneshot::Sender<Reply>,
    ) -> Result<(), oneshot::Sender<Reply>> {
        match &self.get {
            Some(_) => Err(get),
            None => {
                self.get = Some(get);
                Ok(())
            }
        }
    }

    /// Whether a poll waits.
    pub(in crate::server) fn has_poll(&self) -> bool {
        self.get.is_some()
    }

    /// `Ready` when the client has given up the poll that waits: some of what it was owed may be lost with it.
    pub(in crate::server) fn poll_cancelled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.get {
            Some(get) => get.poll_closed(context),
            None => Poll::Pending,
        }
    }

    /// Queues whole server frames; with `starts_payload` they never share a payload with what was queued before.
    pub(in crate::server) fn queue(&mut self, frames: Bytes, starts_payload: bool) {
        if !frames.is_empty() {
            self.waiting_bytes += frames.len();
            self.waiting.push_back(Chunk { frames, starts_payload });
        }
    }

    /// Whether more waits for a poll than `bound` bytes, besides the largest that was said at once: that may be of any
    /// size, such as a long list to a session that joins.
    pub(in crate::server) fn overflows(&self, bound: usize) -> bool {
        let largest = || self.waiting.iter().map(|chunk| chunk.frames.len()).max().unwrap_or(0);
        self.waiting_bytes > bound && self.waiting_bytes - largest() > bound
    }

    /// Everything that waits, in order: for the WebSocket that takes over.
    pub(in crate::server) fn take_waiting(&mut self) -> impl Iterator<Item = Bytes> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting).into_iter().map(|chunk| chunk.frames)
    }

    /// Answers the poll that waits with what there is, which counts as `waiting` until it is written. `false` when there is no
    /// poll, or nothing to say.
    pub(in crate::server) fn answer_with_waiting(&mut self, waiting: &Arc<Budget>) -> bool {
        if self.get.is_none() || self.waiting.is_empty() {
            return false;
        }
        let mut body = Vec::with_capacity(self.waiting_bytes);
        while let Some(chunk) = self.waiting.pop_front_if(|chunk| body.is_empty() || !chunk.starts_payload) {
            self.waiting_bytes -= chunk.frames.len();
            append_packets(&chunk.frames, &mut body);
        }
        self.answer(Reply::Payload(waiting.frame(body)))
    }

    /// Ends the poll that waits with a noop.
    pub(in crate::server) fn answer_noop(&mut self) -> bool {
        self.answer(Reply::Payload(Bytes::from_static(b"6")))
    }

    /// Ends the poll that waits with a close packet.
    pub(in crate::server) fn answer_close(&mut self) -> bool {
        self.answer(Reply::Payload(Bytes::from_static(b"1")))
    }

    /// Ends the poll that waits as if the session had never been.
    pub(in crate::server) fn answer_unknown(&mut self) -> bool {
        self.answer(Reply::Refused(Refusal::UnknownSid))
    }

    /// `false` when no poll waits. One whose client has just gone counts as answered: the loss shows at the next look.
    fn answer(&mut self, reply: Reply) -> bool {
        match self.get.take() {
            Some(get) => {
                let _ = get.send(reply);
                true
            }
            None => false,
        }
    }
}

/// Turns server frames into the packets of a payload.
fn append_packets(mut frames: &[u8], body: &mut Vec<u8>) {
    while let Some((opcode, content, rest)) = frame::split_server_frame(frames) {
        match opcode {
            Opcode::Text => {
                payload::separate(body);
                body.extend_from_slice(content);
            }
            Opcode::Binary => {
                payload::separate(body);
                payload::encode_binary(content, body);
            }
            // Control frames are the WebSocket's own business.
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {}
        }
        frames = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Mailbox, Outbox};

    fn polling() -> Polling {
        let sids = crate::server::sids::Sids::new("t");
        Polling::new(sids.make().1, Arc::new(Slot::new(Arc::new(Mailbox::new(1)))))
    }

    fn frames(texts: &[&str]) -> Bytes {
        let mut buffer = Vec::new();
        let mut out = Outbox::new(&mut buffer);
        for text in texts {
            out.text(|out| out.extend_from_slice(text.as_bytes()));
        }
        out.binary(&[1, 2]);
        buffer.into()
    }

    /// Polls once and gives the body.
    fn poll(polling: &mut Polling) -> String {
        let (sender, mut receiver) = oneshot::channel();
        polling.hold(sender).unwrap();
        polling.answer_with_waiting(&Budget::unbounded());
        match receiver.try_recv() {
            Ok(Reply::Payload(body)) => String::from_utf8(body.to_vec()).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_poll_takes_all_that_waits_as_packets() {
        let mut polling = polling();
        polling.queue(frames(&["a", "b"]), false);
        polling.queue(frames(&["c"]), false);
        assert_eq!(poll(&mut polling), "4a\u{1e}4b\u{1e}bAQI=\u{1e}4c\u{1e}bAQI=");
        assert!(!polling.overflows(0));
    }

    #[test]
    fn one_large_reply_is_no_overflow_and_many_are() {
        let mut polling = polling();
        polling.queue(vec![0; 1000].into(), false);
        assert!(!polling.overflows(100));
        polling.queue(vec![0; 100].into(), false);
        assert!(!polling.overflows(100));
        polling.queue(vec![0; 1].into(), false);
        assert!(polling.overflows(100));
    }

    #[test]
    fn last_words_never_share_a_payload() {
        let mut polling = polling();
        polling.queue(frames(&["a"]), false);
        polling.queue(frames(&["last"]), true);
        assert_eq!(poll(&mut polling), "4a\u{1e}bAQI=");
        assert_eq!(poll(&mut polling), "4last\u{1e}bAQI=");
    }
}
