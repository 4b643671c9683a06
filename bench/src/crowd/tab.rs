//! One connection: a socket that is read and written without waiting, with the session on it. Does not know: other
//! connections, and when it is its turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddrV4;
use std::time::Instant;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use super::source::Sources;
use crate::cast::Cast;
use crate::frame::{Frame, FrameError, Opcode};
use crate::handshake::{self, HandshakeError};
use crate::ledger::Ledger;
use crate::message::{Message, MessageError};
use crate::session::{Answer, Session, SessionEnd};

/// A connection and its session. It owns no buffer unless half a frame waits for its other half.
pub(crate) struct Tab {
    /// When the connect began.
    pub(crate) since: Instant,
    pub(crate) session: Session,
    pub(crate) stream: TcpStream,
    stage: Stage,
    rest: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    WebSocket,
}

/// What all connections share while one of them has its turn.
pub(crate) struct Shared {
    /// Where the server listens.
    pub(crate) target: SocketAddrV4,
    /// The path of Socket.IO there.
    pub(crate) path: String,
    /// Who the sessions are.
    pub(crate) cast: Cast,
    /// What went wrong.
    pub(crate) ledger: Ledger,
    /// Engine.IO pings that were answered.
    pub(crate) pings: u64,
    /// The one read buffer; longer only where a list is.
    pub(crate) read: Vec<u8>,
    /// What the connection that has its turn is about to write.
    pub(crate) out: Vec<u8>,
}

/// Why a connection is no more.
#[derive(Debug, Error)]
pub(crate) enum End {
    /// The kernel says so.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The server closed it at the TCP layer.
    #[error("the server closed the connection")]
    Closed,
    /// The server closed it with a close frame.
    #[error("the server closed the WebSocket with the code {0}")]
    ClosedWith(u16),
    /// It takes less at once than the kernel's smallest buffer.
    #[error("the connection took {0} of {1} bytes")]
    ShortWrite(usize, usize),
    /// No WebSocket was opened.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// No WebSocket is spoken.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Neither Engine.IO nor Socket.IO is spoken.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The server ended the session.
    #[error(transparent)]
    Session(#[from] SessionEnd),
    /// No token could be signed.
    #[error("the token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// Neither accepted nor refused in time.
    #[error("no ready and update within {0} s")]
    TimedOut(u64),
}

impl Tab {
    /// Begins a connect from the next source address that is free.
    pub(crate) fn connect(
        now: Instant,
        target: SocketAddrV4,
        sources: &mut Sources,
    ) -> Result<Self, io::Error> {
        let mut tries = SOURCE_TRIES;
        let socket = loop {
            match connect_from(sources.next(), target) {
                // Somebody else listens there, or the kernel remembers an earlier connection of that pair.
                Err(error)
                    if tries > 0
                        && matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) =>
                {
                    tries -= 1;
                }
                connected => break connected?,
            }
        };
        let stream = TcpStream::from_std(socket.into());
        Ok(Self { since: now, session: Session::new(), stream, stage: Stage::Connecting, rest: None })
    }

    /// Takes the next step after the kernel has told of readiness: asks for the WebSocket once connected, reads and
    /// answers all that has come. `at_end` is whether the kernel has also told that the server has sent its last byte.
    pub(crate) fn on_ready(
        &mut self,
        index: usize,
        siblings: u32,
        at_end: bool,
        shared: &mut Shared,
    ) -> Result<(), End> {
        if self.stage == Stage::Connecting {
            // epoll(7) is silent about a socket while it connects, so the first word of any kind is the outcome.
            if at_end {
                return Err(self.stream.take_error()?.map_or(End::Closed, End::Socket));
            }
            let agent = shared.cast.user_agent(index);
            handshake::encode_request(&shared.target.to_string(), &shared.path, agent, &mut shared.out);
            self.stage = Stage::Upgrading;
            return self.flush(shared);
        }
        loop {
            let kept = self.rest.as_deref().unwrap_or_default();
            let filled = kept.len();
            if shared.read.len() < filled + READ_MIN {
                shared.read.resize(2 * (filled + READ_MIN), 0);
            }
            shared.read[..filled].copy_from_slice(kept);
            let room = shared.read.len() - filled;
            let got = match self.stream.read(&mut shared.read[filled..]) {
                Ok(0) => return Err(End::Closed),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let read = std::mem::take(&mut shared.read);
            let used = self.consume(index, siblings, &read[..filled + got], shared);
            self.rest = match used {
                Ok(used) if used < filled + got => Some(read[used..filled + got].into()),
                _ => None,
            };
            shared.read = read;
            self.flush(shared)?;
            used?;
            if got < room && !at_end {
                return Ok(());
            }
        }
    }

    /// Says goodbye as a browser does whose tab is closed: a close frame with "going away" (RFC 6455 section 7.4.1).
    pub(crate) fn leave(&mut self, shared: &mut Shared) -> Result<(), End> {
        self.session.leave();
        Frame { opcode: Opcode::Close, payload: &GOING_AWAY.to_be_bytes() }.encode(&mut shared.out);
        self.flush(shared)
    }

    /// Takes all that is whole in `bytes`, and says how many bytes that was.
    fn consume(
        &mut self,
        index: usize,
        siblings: u32,
        bytes: &[u8],
        shared: &mut Shared,
    ) -> Result<usize, End> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            match handshake::decode_response(bytes)? {
                Some(length) => used = length,
                None => return Ok(0),
            }
            self.stage = Stage::WebSocket;
        }
        while let Some((frame, length)) = Frame::decode(&bytes[used..])? {
            used += length;
            self.on_frame(index, siblings, frame, shared)?;
        }
        Ok(used)
    }

    fn on_frame(
        &mut self,
        index: usize,
        siblings: u32,
        frame: Frame<'_>,
        shared: &mut Shared,
    ) -> Result<(), End> {
        match frame.opcode {
            Opcode::Text if self.session.is_leaving() => {}
            Opcode::Text => {
                let text = String::from_utf8_lossy(frame.payload);
                let message = Message::decode(&text, self.session.own())?;
                match self.session.handle_message(index, siblings, message, &mut shared.ledger)? {
                    Answer::Nothing => {}
                    Answer::Pong => {
                        shared.pings += 1;
                        Frame { opcode: Opcode::Text, payload: b"3" }.encode(&mut shared.out);
                    }
                    Answer::Connect => {
                        let mut connect = Vec::new();
                        shared.cast.encode_connect(index, &mut connect)?;
                        Frame { opcode: Opcode::Text, payload: &connect }.encode(&mut shared.out);
                    }
                }
            }
            Opcode::Ping => Frame { opcode: Opcode::Pong, payload: frame.payload }.encode(&mut shared.out),
            // The answer to the own goodbye: the end of the connection comes behind it.
            Opcode::Close if self.session.is_leaving() => {}
            Opcode::Close => {
                let code = frame.payload.first_chunk().map_or(NO_STATUS, |code| u16::from_be_bytes(*code));
                return Err(End::ClosedWith(code));
            }
            Opcode::Binary | Opcode::Pong => {}
        }
        Ok(())
    }

    /// Writes what is owed. All of it is small and the server has taken what came before, so it fits at once.
    fn flush(&mut self, shared: &mut Shared) -> Result<(), End> {
        if shared.out.is_empty() {
            return Ok(());
        }
        let written = self.stream.write(&shared.out);
        let owed = shared.out.len();
        shared.out.clear();
        match written {
            Ok(written) if written == owed => Ok(()),
            Ok(written) => Err(End::ShortWrite(written, owed)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(End::ShortWrite(0, owed)),
            Err(error) => Err(error.into()),
        }
    }
}

fn connect_from(source: SocketAddrV4, target: SocketAddrV4) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    // Lets a pair be used again while the kernel remembers its last connection.
    socket.set_reuse_address(true)?;
    socket.bind(&source.into())?;
    match socket.connect(&target.into()) {
        Ok(()) => Ok(socket),
        // What a socket that does not wait says when all is well; it has no `ErrorKind` of its own.
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// One connection, half a frame apart, may cost the load client this; a million of them are held at once.
const _: () = assert!(size_of::<Tab>() <= 128);

/// Source addresses tried for one connection.
const SOURCE_TRIES: u32 = 100;
/// Room that a read is given at the least.
const READ_MIN: usize = 4 << 10;
const GOING_AWAY: u16 = 1001;
/// What stands for a close frame without a code (RFC 6455 section 7.1.5).
const NO_STATUS: u16 = 1005;
