//! What all connections of a crowd share while one of them has its turn, and what they tell it. Does not know: who
//! asks.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use mio::Registry;
use thiserror::Error;

use super::source::Sources;
use crate::args::Transport;
use crate::cast::Cast;
use crate::frame::FrameError;
use crate::handshake::HandshakeError;
use crate::http::HttpError;
use crate::ledger::Ledger;
use crate::message::{Ack, MessageError, Relayed};
use crate::session::SessionEnd;

/// Where to, who, what was seen, and the buffers.
pub(crate) struct Shared {
    /// Where the server listens.
    pub(crate) target: SocketAddrV4,
    /// The path of Socket.IO there.
    pub(crate) path: String,
    pub(crate) transport: Transport,
    /// Whether the server says the same to everybody.
    pub(crate) canned: bool,
    /// Who the sessions are.
    pub(crate) cast: Cast,
    /// Where the connections come from.
    pub(crate) sources: Sources,
    /// Where the readiness of new connections is asked for.
    pub(crate) registry: Registry,
    /// What went wrong.
    pub(crate) ledger: Ledger,
    /// What was counted.
    pub(crate) tally: Tally,
    /// Updates are counted and not read, for when there is no time to.
    pub(crate) counts_only: bool,
    /// Every packet that came, for who wants to read them whole.
    pub(crate) transcript: Option<Vec<(usize, String)>>,
    /// When the connection that has its turn got it.
    pub(crate) now: Instant,
    /// What has happened since the last look.
    pub(crate) news: Vec<News>,
    /// The one read buffer; longer only where a list is.
    pub(crate) read: Vec<u8>,
    /// What the connection that has its turn is about to write.
    pub(crate) out: Vec<u8>,
}

/// Counts since the crowd was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Engine.IO pings that were answered.
    pub(crate) pings: u64,
    /// `sessions:update`.
    pub(crate) updates: u64,
    /// Their bytes as packets, without the framing of the transport.
    pub(crate) update_bytes: u64,
}

/// Something that a mode may want to know.
#[derive(Debug)]
pub(crate) struct News {
    /// The session.
    pub(crate) index: usize,
    pub(crate) at: Instant,
    pub(crate) what: What,
}

/// What has happened to a session.
#[derive(Debug)]
pub(crate) enum What {
    /// CONNECT was written.
    Asked,
    /// `ready` came, so long after the connect began.
    Ready(Duration),
    /// The first update with the session itself in it came.
    Settled,
    /// A list of this length came.
    Updated(u32),
    /// Another session of the user has sent this.
    Relayed(Relayed),
    /// The event with this number was answered.
    Acked(u64, Ack),
    /// The connection is no more.
    Ended {
        /// Why.
        end: End,
        /// Whether the session was leaving by itself.
        left: bool,
        /// Whether it had been settled.
        settled: bool,
    },
}

/// Why a connection is no more.
#[derive(Debug, Error)]
pub(crate) enum End {
    /// The kernel says so.
    #[error("{0}")]
    Socket(#[from] std::io::Error),
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
    /// No HTTP is spoken.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A request of the polling transport was not answered with 200.
    #[error("a request was answered {status}: {body}")]
    Status {
        /// Of the answer.
        status: u16,
        /// Its first characters.
        body: String,
    },
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

impl Shared {
    /// Adds to the news.
    pub(crate) fn tell(&mut self, index: usize, what: What) {
        self.news.push(News { index, at: self.now, what });
    }
}
