//! What a server provides: the layer above Engine.IO, one value a session, and what makes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use super::{CloseCode, Mailbox, Outbox};
use crate::handshake::TransportName;
use crate::{CloseReason, Message};

/// What a session drives. No call may block; each appends its replies to `out`, which reach the client at once.
pub trait Application: Send + 'static {
    /// A message came.
    fn on_message(&mut self, now: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow;

    /// Somebody put [`Mailbox::wake`]: a result that this session waits for is there.
    fn on_wake(&mut self, now: Instant, out: &mut Outbox<'_>) -> Flow;

    /// Somebody put [`Mailbox::close`]: the session is to end, and this is why.
    fn on_close_request(&mut self, now: Instant, code: CloseCode, out: &mut Outbox<'_>) -> Flow;

    /// [`Self::next_timeout`] has passed.
    fn on_timeout(&mut self, now: Instant, out: &mut Outbox<'_>) -> Flow;

    /// When [`Self::on_timeout`] is due, if ever.
    fn next_timeout(&self) -> Option<Instant>;

    /// Whether the client is one that was let in: others are the first to go when there is too much of something.
    fn is_established(&self) -> bool {
        true
    }

    /// Bytes that are held of messages which cannot be taken yet, such as those whose attachments are still to come.
    fn incomplete_bytes(&self) -> usize {
        0
    }

    /// The session has moved from polling to WebSocket.
    fn on_upgraded(&mut self) {}

    /// The session is about to be cut by the layer below: the chance for last words.
    fn on_cut(&mut self, now: Instant, cut: Cut, out: &mut Outbox<'_>);

    /// The session has ended. The last call, made exactly once.
    fn on_closed(&mut self, now: Instant, reason: CloseReason);
}

/// Makes an [`Application`] for each session.
pub trait Factory: Send + Sync + Sized + 'static {
    /// What a session drives.
    type Application: Application;

    /// A client wants to open a session; `mailbox` will be this session's.
    ///
    /// # Errors
    /// [`Rejection`], when none can be taken now.
    fn open(
        &self,
        now: Instant,
        opening: &Opening<'_>,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Self::Application, Rejection>;

    /// A request was refused before it reached a session; `why` is a stable word for a metric.
    fn on_refused(&self, why: &'static str);
}

/// The first request of a session.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query without the `?`, percent-encoded.
    pub query: &'a str,
    /// The other end of its connection.
    pub peer: SocketAddr,
    /// The transport that it opens with.
    pub transport: TransportName,
}

/// No session can be opened now: `503`, or `429`, so that the client's own back-off grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// Seconds until another try makes sense (RFC 9110, section 10.2.3).
    pub retry_after: u32,
    /// Whether the connection is closed after the answer: a server that goes away wants it so.
    pub close_connection: bool,
    /// A stable word for a metric and for the answer's body.
    pub why: &'static str,
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// It ends; what stands in the outbox is sent before.
    Close(Goodbye),
}

/// How a session that its own server ends looks to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// A close packet: over WebSocket before the close frame, on polling as the answer to the next poll.
    Orderly,
    /// WebSocket: a close frame. Polling: the next poll is answered with `400`, unknown session, which stock clients
    /// take as a lost transport and come back from.
    Abrupt,
    /// The client broke the protocol of the layer above.
    Violation,
}

/// Why the layer below cuts a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The client takes no bytes, or too many wait for it.
    SlowConsumer,
    /// The client sends more packets than the limit allows.
    TooManyPackets,
    /// All clients together have begun more messages than there is room for, and this one needs more.
    Overload,
}
