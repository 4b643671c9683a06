//! One WebSocket: reads into the worker's buffer, writes at once, keeps only what did not fit.
//! Does not know: packets, sessions.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::Stream;
use crate::fragments::Assembler;
use crate::frame;
use crate::server::budget::{Budget, Held};

/// A socket after its HTTP upgrade. Idle it owns nothing but the stream.
#[derive(Debug)]
pub(in crate::server) struct WebSocket {
    stream: Stream,
    kept: Option<Box<Kept>>,
}

/// What a socket holds while one of its directions stands still half-way.
#[derive(Debug, Default)]
struct Kept {
    input: Option<Input>,
    output: Option<Output>,
    /// What is counted of messages that are not whole yet.
    held: Option<Held>,
}

/// What was read and is not a whole message yet.
#[derive(Debug, Default)]
pub(in crate::server) struct Input {
    pub(in crate::server) bytes: Vec<u8>,
    pub(in crate::server) assembler: Assembler,
    /// Nobody has looked at `bytes` yet: they came right behind the request.
    unseen: bool,
}

#[derive(Debug)]
struct Output {
    queue: VecDeque<Bytes>,
    /// Bytes of the session's own replies that were added to it since it was last empty.
    replies: usize,
    since: Instant,
}

impl WebSocket {
    /// Takes over an upgraded stream; `first` is what its client sent right behind the request.
    pub(in crate::server) fn new(stream: Stream, first: &[u8]) -> Self {
        let input = (!first.is_empty()).then(|| Input {
            bytes: first.to_vec(),
            assembler: Assembler::default(),
            unseen: true,
        });
        let kept = input.map(|input| Box::new(Kept { input: Some(input), ..Kept::default() }));
        Self { stream, kept }
    }

    /// Reads what is there. `Ok(0)`: the end of the stream.
    pub(in crate::server) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// What an earlier read left over; to be given back with [`Self::keep_input`].
    pub(in crate::server) fn take_input(&mut self) -> Input {
        let input = self.kept.as_mut().and_then(|kept| kept.input.take());
        self.release();
        input.unwrap_or_default()
    }

    /// Whether bytes wait that nobody has looked at; they count as looked at from here on.
    pub(in crate::server) fn take_unseen(&mut self) -> bool {
        let input = self.kept.as_mut().and_then(|kept| kept.input.as_mut());
        input.is_some_and(|input| std::mem::take(&mut input.unseen))
    }

    /// Keeps what is not a whole message yet, and nothing if all was.
    pub(in crate::server) fn keep_input(&mut self, mut input: Input) {
        if !input.assembler.release() || !input.bytes.is_empty() {
            input.bytes.shrink_to(input.bytes.len().saturating_mul(2));
            self.kept.get_or_insert_default().input = Some(input);
        }
    }

    /// Bytes that are kept of a message whose end has not come.
    pub(in crate::server) fn incomplete_bytes(&self) -> usize {
        let input = self.kept.as_ref().and_then(|kept| kept.input.as_ref());
        input.map_or(0, |input| input.bytes.len() + input.assembler.incomplete_bytes())
    }

    /// Has what is counted of such messages changed; `false` when there is no room for it.
    pub(in crate::server) fn hold(&mut self, change: impl FnOnce(&mut Option<Held>) -> bool) -> bool {
        let mut held = self.kept.as_mut().and_then(|kept| kept.held.take());
        let fits = change(&mut held);
        if held.is_some() {
            self.kept.get_or_insert_default().held = held;
        } else {
            self.release();
        }
        fits
    }

    /// Nothing more is taken in: drops what is kept of a message whose end has not come.
    pub(in crate::server) fn forget_incomplete(&mut self) {
        if let Some(kept) = &mut self.kept {
            (kept.input, kept.held) = (None, None);
        }
        self.release();
    }

    /// Writes at once what the socket takes and queues a copy of the rest, which counts as `waiting`.
    pub(in crate::server) fn write(
        &mut self,
        now: Instant,
        bytes: &[u8],
        waiting: &Arc<Budget>,
    ) -> io::Result<()> {
        let caught_up = self.output().is_none();
        let written = self.try_write(bytes)?;
        if written < bytes.len() {
            let output = self.queue(now, waiting.frame(bytes[written..].to_vec()));
            // One reply may be of any size, such as a long list to a session that joins: what counts is what comes on top.
            if !caught_up {
                output.replies += bytes.len();
            }
        }
        self.note_owed(now);
        Ok(())
    }

    /// The same for a shared frame: the rest is not copied.
    pub(in crate::server) fn write_shared(&mut self, now: Instant, mut frame: Bytes) -> io::Result<()> {
        let written = self.try_write(&frame)?;
        if written < frame.len() {
            frame.advance(written);
            self.queue(now, frame);
        }
        self.note_owed(now);
        Ok(())
    }

    /// Writes what is owed. `Ready` when nothing is owed any more.
    pub(in crate::server) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        while let Some(kept) = &mut self.kept
            && let Some(output) = &mut kept.output
        {
            if self.stream.owes() {
                ready!(self.stream.poll_send(context))?;
                output.since = now;
                continue;
            }
            let Some(frame) = output.queue.front_mut() else {
                kept.output = None;
                self.release();
                break;
            };
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, frame))?;
            output.since = now;
            frame.advance(written);
            if frame.is_empty() {
                output.queue.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the client that nothing more comes.
    pub(in crate::server) fn shut_down_writing(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()), // of TLS, whose goodbye did not fit: the end of the stream says it too
        }
    }

    /// Tells the peer that this socket is not wanted, and closes it.
    pub(in crate::server) fn refuse(mut self, now: Instant, code: u16, waiting: &Arc<Budget>) {
        let mut close = Vec::new();
        frame::encode_close(code, &mut close);
        let _ = self.write(now, &close, waiting); // a peer that has gone needs no goodbye
    }

    /// Bytes of replies that were queued on top of others since the socket last took all: what a client that asks and
    /// does not listen could grow.
    pub(in crate::server) fn owed_replies(&self) -> usize {
        self.output().map_or(0, |output| output.replies)
    }

    /// Since when the socket has taken no byte of what is owed.
    pub(in crate::server) fn owed_since(&self) -> Option<Instant> {
        self.output().map(|output| output.since)
    }

    /// Nothing is written while something is queued: the order stays.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.output().is_some() {
            return Ok(0);
        }
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.try_write(&bytes[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    fn queue(&mut self, now: Instant, rest: Bytes) -> &mut Output {
        let output = self.owing(now);
        output.queue.push_back(rest);
        output
    }

    /// What TLS has taken and the socket has not is waited for as what is queued is.
    fn note_owed(&mut self, now: Instant) {
        if self.stream.owes() {
            self.owing(now);
        }
    }

    fn owing(&mut self, now: Instant) -> &mut Output {
        let kept = self.kept.get_or_insert_default();
        kept.output.get_or_insert_with(|| Output { queue: VecDeque::new(), replies: 0, since: now })
    }

    fn output(&self) -> Option<&Output> {
        self.kept.as_ref().and_then(|kept| kept.output.as_ref())
    }

    /// Nothing is held for what has caught up.
    fn release(&mut self) {
        self.kept.take_if(|kept| kept.input.is_none() && kept.output.is_none() && kept.held.is_none());
    }
}
