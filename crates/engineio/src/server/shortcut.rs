//! The short way in. Most connections begin with the request that opens a session over a WebSocket: such a one becomes a
//! session with no HTTP library between, and so without a connection object, a buffer and two tasks of its own. With
//! whatever else a connection begins, and with what would be refused, hyper is given every byte that was read: nothing
//! is refused in two places. Does not know: how anything is refused.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use httparse::Status;
use tokio::io::{AsyncRead, ReadBuf};

use super::application::{Factory, Opening};
use super::driver::{self, Driver};
use super::switch::{accept_websocket, encode_switch, wants_upgrade};
use super::transport::Transport;
use super::transport::websocket::WebSocket;
use super::{HttpStream, Mailbox, Server, Stream, clock, spawn};
use crate::handshake::{Query, TransportName};

impl<F: Factory> Server<F> {
    /// Reads the first head of a new connection, and opens the session that it asks for if that is one over a WebSocket at
    /// a path that is `ours`. Gives what is to be served over HTTP, which is everything else; a head of more than
    /// `head_max` bytes is not waited for. May be dropped at any time, which closes the connection.
    pub async fn open_at_once(
        self: &Arc<Self>,
        stream: impl Into<Stream>,
        peer: SocketAddr,
        head_max: usize,
        ours: impl Fn(&str) -> bool,
    ) -> Option<HttpStream> {
        let (mut stream, mut read) = (stream.into(), Bytes::new());
        let head = poll_fn(|context| poll_head(context, &mut stream, &mut read, head_max)).await;
        let now = clock::now();
        let opened = head.filter(|head| ours(head.target.path())).and_then(|head| {
            let (application, mailbox, switch) = self.open_shortly(now, peer, &head)?;
            Some((application, mailbox, switch, head.length))
        });
        match opened {
            Some((application, mailbox, switch, length)) => {
                let transport = Transport::WebSocket(WebSocket::new(stream, &read[length..]));
                let driver = Driver::new(now, self.clone(), transport, application, mailbox);
                // A task of its own, so that it does not carry what only this needs.
                spawn(driver.open_and_run(now, switch));
                None
            }
            None => Some(HttpStream::with_read(stream, read)),
        }
    }

    /// The session that a request opens, and its `101`; `None` when it opens none.
    fn open_shortly(
        &self,
        now: Instant,
        peer: SocketAddr,
        head: &Head,
    ) -> Option<(F::Application, Arc<Mailbox>, Vec<u8>)> {
        let (headers, query) = (&head.headers, head.target.query().unwrap_or_default());
        if !self.config.origins.allow(headers) {
            return None;
        }
        let asked = Query::parse(query, self.config.protocol.transports).ok()?;
        if asked.sid.is_some() || asked.transport != TransportName::WebSocket {
            return None;
        }
        asked.judge_opening("GET", wants_upgrade(headers)).ok()?;
        let mut response = accept_websocket(headers).ok()?;
        self.config.origins.answer(headers, response.headers_mut());
        let mailbox = self.make_mailbox(TransportName::WebSocket);
        let opening = Opening { headers, query, peer, transport: TransportName::WebSocket };
        let application = self.factory.open(now, &opening, &mailbox).ok()?;
        Some((application, mailbox, encode_switch(response.headers())))
    }
}

/// A whole head of a `GET` in HTTP/1.1 that no body follows.
struct Head {
    target: PathAndQuery,
    headers: HeaderMap,
    /// Bytes that it has.
    length: usize,
}

impl Head {
    /// `None` for whatever else begins with these bytes.
    fn parse(read: &Bytes) -> Option<Status<Self>> {
        let mut lines = [const { MaybeUninit::uninit() }; LINES_MAX];
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(read, &mut lines).ok()? {
            Status::Complete(length) => length,
            Status::Partial => return Some(Status::Partial),
        };
        let path = request.path.filter(|path| path.starts_with('/'))?;
        if request.method != Some("GET") || request.version != Some(1) {
            return None;
        }
        let target = PathAndQuery::from_maybe_shared(read.slice_ref(path.as_bytes())).ok()?;
        let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
        for line in request.headers {
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT].contains(&name) {
                return None;
            }
            headers.append(name, HeaderValue::from_maybe_shared(read.slice_ref(line.value)).ok()?);
        }
        Some(Status::Complete(Self { target, headers, length }))
    }
}

/// Reads until there is a head in `read`; `None` when there will be none that is of use here.
fn poll_head(
    context: &mut Context<'_>,
    stream: &mut Stream,
    read: &mut Bytes,
    head_max: usize,
) -> Poll<Option<Head>> {
    loop {
        let before = read.len();
        // The end of the stream, and an error too, shows again to whoever reads next.
        let Ok(true) = ready!(poll_more(context, stream, read)) else { return Poll::Ready(None) };
        if read.len() > head_max {
            return Poll::Ready(None);
        }
        // Only a line more makes a head of what was none: one that comes byte by byte is not parsed at each.
        if before > 0 && !read[before..].contains(&b'\n') {
            continue;
        }
        match Head::parse(read) {
            Some(Status::Complete(head)) => return Poll::Ready(Some(head)),
            Some(Status::Partial) => {}
            None => return Poll::Ready(None),
        }
    }
}

/// Reads what is there, by way of the worker's buffer: a connection that says nothing yet holds none. `false` at the end.
fn poll_more(context: &mut Context<'_>, stream: &mut Stream, read: &mut Bytes) -> Poll<io::Result<bool>> {
    driver::with_read_buffer(|buffer| {
        let mut more = ReadBuf::new(buffer);
        ready!(Pin::new(stream).poll_read(context, &mut more))?;
        let more = more.filled();
        *read = match read.is_empty() {
            true => Bytes::copy_from_slice(more),
            false => [read, more].concat().into(),
        };
        Poll::Ready(Ok(!more.is_empty()))
    })
}

/// Lines of a head, as many as hyper takes: of what is too long here it says no at once, and nobody has time for a second
/// head.
const LINES_MAX: usize = 100;
