//! A session over a WebSocket. Does not know: polling, and what its packets mean.

use mio::Token;

use super::hearing::Hearing;
use super::shared::{End, Shared};
use super::wire::Wire;
use crate::frame::{Frame, Opcode};
use crate::handshake;

/// The connection.
pub(super) struct WebSocket {
    wire: Wire,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    Open,
}

impl WebSocket {
    /// Begins a connect.
    pub(super) fn connect(token: Token, shared: &mut Shared) -> Result<Self, std::io::Error> {
        Ok(Self { wire: Wire::connect(token, shared)?, stage: Stage::Connecting })
    }

    /// Takes the next step after the kernel has told of readiness: asks for the WebSocket once connected, reads and
    /// answers all that has come. `at_end` is whether the kernel has also told that the server has sent its last byte.
    pub(super) fn on_ready(
        &mut self,
        at_end: bool,
        hearing: &mut Hearing<'_>,
        shared: &mut Shared,
    ) -> Result<(), End> {
        if self.stage == Stage::Connecting {
            self.wire.connected(at_end)?;
            let agent = shared.cast.user_agent(hearing.seat.index);
            let host = shared.target.to_string();
            handshake::encode_request(&host, &shared.path, agent, &mut shared.out);
            self.stage = Stage::Upgrading;
            return self.wire.write(shared);
        }
        let stage = &mut self.stage;
        self.wire.read(at_end, shared, |bytes, shared| consume(stage, bytes, hearing, shared))
    }

    /// Sends a packet.
    pub(super) fn send(&mut self, packet: &[u8], shared: &mut Shared) -> Result<(), End> {
        Frame { opcode: Opcode::Text, payload: packet }.encode(&mut shared.out);
        self.wire.write(shared)
    }

    /// Says goodbye as a browser does whose tab is closed: a close frame with "going away" (RFC 6455 section 7.4.1).
    pub(super) fn leave(&mut self, shared: &mut Shared) -> Result<(), End> {
        Frame { opcode: Opcode::Close, payload: &GOING_AWAY.to_be_bytes() }.encode(&mut shared.out);
        self.wire.write(shared)
    }
}

/// Takes all that is whole in `bytes`, and says how many bytes that was.
fn consume(
    stage: &mut Stage,
    bytes: &[u8],
    hearing: &mut Hearing<'_>,
    shared: &mut Shared,
) -> Result<usize, End> {
    let mut used = 0;
    if *stage == Stage::Upgrading {
        match handshake::decode_response(bytes)? {
            Some(length) => used = length,
            None => return Ok(0),
        }
        *stage = Stage::Open;
    }
    while let Some((frame, length)) = Frame::decode(&bytes[used..])? {
        used += length;
        on_frame(frame, hearing, shared)?;
    }
    Ok(used)
}

fn on_frame(frame: Frame<'_>, hearing: &mut Hearing<'_>, shared: &mut Shared) -> Result<(), End> {
    let leaving = hearing.session.is_leaving();
    match frame.opcode {
        Opcode::Text if leaving => {}
        Opcode::Text => {
            if let Some(answer) = hearing.hear(frame.payload, shared)? {
                Frame { opcode: Opcode::Text, payload: &answer }.encode(&mut shared.out);
            }
        }
        Opcode::Ping => Frame { opcode: Opcode::Pong, payload: frame.payload }.encode(&mut shared.out),
        // The answer to the own goodbye: the end of the connection comes behind it.
        Opcode::Close if leaving => {}
        Opcode::Close => {
            let code = frame.payload.first_chunk().map_or(NO_STATUS, |code| u16::from_be_bytes(*code));
            return Err(End::ClosedWith(code));
        }
        Opcode::Binary | Opcode::Pong => {}
    }
    Ok(())
}

const GOING_AWAY: u16 = 1001;
/// What stands for a close frame without a code (RFC 6455 section 7.1.5).
const NO_STATUS: u16 = 1005;
