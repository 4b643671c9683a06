//! What a session's own steps have to say, as server frames in one buffer that the worker thread lends.
//! Does not know: sockets. Polling takes the frames apart again.

use crate::frame::{self, Opcode};

/// Where an application puts its replies.
#[derive(Debug)]
pub struct Outbox<'b> {
    frames: &'b mut Vec<u8>,
    payload_break: Option<usize>,
}

impl<'b> Outbox<'b> {
    /// An outbox over a cleared buffer.
    pub fn new(frames: &'b mut Vec<u8>) -> Self {
        frames.clear();
        Self { frames, payload_break: None }
    }

    /// Appends a text message; `write` appends its text, which must be UTF-8.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        frame::encode_with(Opcode::Text, self.frames, |out| {
            out.push(b'4');
            write(out);
        });
    }

    /// Appends a binary message.
    pub fn binary(&mut self, data: &[u8]) {
        frame::encode(Opcode::Binary, data, self.frames);
    }

    /// Appends whole frames that were encoded before, for example for all receivers of an update.
    pub fn frames(&mut self, frames: &[u8]) {
        self.frames.extend_from_slice(frames);
    }

    /// What follows goes into a polling payload of its own; WebSocket knows no difference.
    pub fn start_payload(&mut self) {
        self.payload_break = Some(self.frames.len());
    }

    /// Whether nothing was put in.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Appends a WebSocket pong.
    pub(super) fn pong(&mut self, data: &[u8]) {
        frame::encode(Opcode::Pong, data, self.frames);
    }

    /// Appends a WebSocket close frame with this code and reason.
    pub(super) fn close(&mut self, payload: &[u8]) {
        frame::encode(Opcode::Close, payload, self.frames);
    }

    /// Begins anew: what was put in has been sent.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.payload_break = None;
    }

    /// All that was put in.
    pub(super) fn as_frames(&self) -> &[u8] {
        self.frames
    }

    /// Where the last payload of its own begins, in bytes.
    pub(super) fn payload_break(&self) -> Option<usize> {
        self.payload_break
    }
}

/// One binary message as a whole server frame, to stand behind the text that announces it.
pub fn encode_binary(out: &mut Vec<u8>, data: &[u8]) {
    frame::encode(Opcode::Binary, data, out);
}

/// One text message as a whole server frame: encoded once, shared by all its receivers.
pub fn encode_text(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    Outbox { frames: out, payload_break: None }.text(write);
}
