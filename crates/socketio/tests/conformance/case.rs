//! One case: what a client does on a fresh WebSocket, and what it must see. Does not know: why.

use std::net::SocketAddr;

use crate::wire::{Frame, Wire, client_frame};

/// First bytes of frames: the FIN bit and an opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;
/// Pieces: the first one of a text, one in the middle, the last one.
pub(crate) const TEXT_BEGINS: u8 = 0x01;
pub(crate) const GOES_ON: u8 = 0x00;
pub(crate) const ENDS: u8 = 0x80;

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) number: String,
    steps: Vec<Step>,
    cut: Cut,
    end: End,
}

#[derive(Debug, Clone)]
enum Step {
    Send(Vec<u8>),
    /// The next frame of the server, as soon as all before it has been sent.
    Get(Frame),
}

/// How the bytes of frames that follow one another are written.
#[derive(Debug, Clone, Copy)]
enum Cut {
    AtOnce,
    FrameByFrame,
    /// In writes of so many bytes.
    Octets(usize),
}

/// How the connection ends, with nothing between that was not expected.
#[derive(Debug, Clone)]
enum End {
    /// The client closes with 1000, and gets that back.
    ByClient,
    /// The server says a close frame with this payload, be it by itself or in answer to what was sent.
    ByServer(Vec<u8>),
}

impl Case {
    /// One in which the client closes with 1000 in the end.
    pub(crate) fn new(number: impl Into<String>) -> Self {
        Self { number: number.into(), steps: Vec::new(), cut: Cut::AtOnce, end: End::ByClient }
    }

    /// The client sends a frame.
    pub(crate) fn send(mut self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(client_frame(first, payload.as_ref())));
        self
    }

    /// The client sends bytes that are no whole frame.
    pub(crate) fn send_bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    /// The server has sent this frame before the client goes on.
    pub(crate) fn get(mut self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Get(Frame { first, payload: payload.as_ref().to_vec() }));
        self
    }

    /// The client sends a message, and gets it back.
    pub(crate) fn echo(self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref();
        self.send(first, payload).get(first, payload)
    }

    /// Each frame is written by itself.
    pub(crate) fn frame_by_frame(self) -> Self {
        Self { cut: Cut::FrameByFrame, ..self }
    }

    /// No write has more than so many bytes.
    pub(crate) fn in_octets(self, count: usize) -> Self {
        Self { cut: Cut::Octets(count), ..self }
    }

    /// The server ends it with this code and no reason.
    pub(crate) fn fails(self, code: u16) -> Self {
        self.closed_with(code.to_be_bytes())
    }

    /// The server ends it with a close frame of this payload.
    pub(crate) fn closed_with(self, payload: impl AsRef<[u8]>) -> Self {
        Self { end: End::ByServer(payload.as_ref().to_vec()), ..self }
    }

    /// Goes through it on a connection of its own.
    pub(crate) async fn run(&self, address: SocketAddr) -> Result<(), String> {
        let mut wire = Wire::websocket(address, "/echo").await;
        for steps in self.steps.chunk_by(|one, next| matches!((one, next), (Step::Send(_), Step::Send(_)))) {
            match &steps[0] {
                Step::Get(expected) => expect(wire.frame().await, Some(expected))?,
                Step::Send(_) => self.write(&mut wire, steps).await,
            }
        }
        let close = match &self.end {
            End::ByServer(payload) => payload.clone(),
            End::ByClient => {
                let normal = 1000_u16.to_be_bytes();
                wire.send(client_frame(CLOSE, &normal)).await;
                normal.to_vec()
            }
        };
        expect(wire.frame().await, Some(&Frame { first: CLOSE, payload: close }))?;
        expect(wire.frame().await, None)?;
        match wire.end().await.as_slice() {
            [] => Ok(()),
            rest => Err(format!("half a frame at the end: {rest:x?}")),
        }
    }

    async fn write(&self, wire: &mut Wire, steps: &[Step]) {
        let frames: Vec<&[u8]> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Send(bytes) => Some(bytes.as_slice()),
                Step::Get(_) => None,
            })
            .collect();
        match self.cut {
            Cut::AtOnce => wire.send(frames.concat()).await,
            Cut::FrameByFrame => {
                for frame in frames {
                    wire.send(frame).await;
                }
            }
            Cut::Octets(count) => {
                for octets in frames.concat().chunks(count) {
                    wire.send(octets).await;
                }
            }
        }
    }
}

fn expect(seen: Option<Frame>, expected: Option<&Frame>) -> Result<(), String> {
    match seen.as_ref() == expected {
        true => Ok(()),
        false => Err(format!("{} instead of {}", told(seen.as_ref()), told(expected))),
    }
}

fn told(frame: Option<&Frame>) -> String {
    match frame {
        None => "the end".to_owned(),
        Some(Frame { first, payload }) => {
            format!("{first:#x} with {} bytes {:x?}", payload.len(), &payload[..payload.len().min(20)])
        }
    }
}
