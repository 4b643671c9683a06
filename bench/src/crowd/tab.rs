//! One client: a session on the transport that carries it. Does not know: other clients, and when it is its turn.

use std::io;
use std::time::Instant;

use mio::Token;

use super::hearing::Hearing;
use super::polling::Polling;
use super::shared::{End, Shared};
use super::websocket::WebSocket;
use crate::args::Transport;
use crate::session::{Seat, Session};

/// A client.
pub(crate) struct Tab {
    /// When the connect began.
    pub(crate) since: Instant,
    pub(crate) session: Session,
    line: Line,
}

enum Line {
    WebSocket(WebSocket),
    Polling(Box<Polling>),
}

impl Tab {
    /// Begins to connect the session `index`.
    pub(crate) fn open(index: usize, shared: &mut Shared) -> Result<Self, io::Error> {
        let tokens = (Token(2 * index), Token(2 * index + 1));
        let line = match shared.transport {
            Transport::Websocket => Line::WebSocket(WebSocket::connect(tokens.0, shared)?),
            Transport::Polling => Line::Polling(Box::new(Polling::connect(index, tokens, shared)?)),
        };
        Ok(Self { since: shared.now, session: Session::new(), line })
    }

    /// The session whose connection `token` stands for.
    pub(crate) fn index_of(token: Token) -> usize {
        token.0 / 2
    }

    /// Takes the next step after the kernel has told of the readiness of the connection `token`; `at_end` is whether it
    /// has also told that the server has sent its last byte.
    pub(crate) fn on_ready(
        &mut self,
        seat: Seat,
        token: Token,
        at_end: bool,
        shared: &mut Shared,
    ) -> Result<(), End> {
        let mut hearing = Hearing { session: &mut self.session, seat, since: self.since };
        match &mut self.line {
            Line::WebSocket(line) => line.on_ready(at_end, &mut hearing, shared),
            Line::Polling(line) => line.on_ready(token, at_end, &mut hearing, shared),
        }
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, packet: &[u8], shared: &mut Shared) -> Result<(), End> {
        match &mut self.line {
            Line::WebSocket(line) => line.send(packet, shared),
            Line::Polling(line) => line.send(packet, shared),
        }
    }

    /// Says goodbye; the server then closes the connection. Whatever still comes is not read.
    pub(crate) fn leave(&mut self, shared: &mut Shared) -> Result<(), End> {
        self.session.leave();
        match &mut self.line {
            Line::WebSocket(line) => line.leave(shared),
            Line::Polling(line) => line.leave(shared),
        }
    }
}

/// One client, half a frame apart, may cost the load client this, and a polling one its box besides; a million of them
/// are held at once.
const _: () = assert!(size_of::<Tab>() <= 128);
