//! The stream that hyper is given. It holds the answer back that turns HTTP into a WebSocket, so that it goes out with
//! the first packet of the session: one write, one segment and one wake-up of the client less. Does not know: what is
//! asked, what is answered otherwise.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Stream;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One accepted connection.
#[derive(Debug)]
pub struct HttpStream {
    stream: Stream,
    /// What was read before hyper came, and hyper has not seen yet.
    read: Bytes,
    /// The whole `101` once it has been written by hyper, and by nobody to the socket.
    held: Vec<u8>,
}

impl HttpStream {
    /// Takes over an accepted connection.
    pub fn new(stream: impl Into<Stream>) -> Self {
        Self::with_read(stream.into(), Bytes::new())
    }

    /// The same, of which these bytes were read already.
    pub(super) fn with_read(stream: Stream, read: Bytes) -> Self {
        Self { stream, read, held: Vec::new() }
    }

    /// The socket, what was read of it that hyper has not seen, and what it still has to be told before anything else: for
    /// whoever takes it over once hyper has let go of it.
    pub fn into_parts(self) -> (Stream, Bytes, Vec<u8>) {
        (self.stream, self.read, self.held)
    }

    /// Whether these bytes are to be held: behind a `101` hyper writes nothing more.
    fn holds(&self, bytes: &[u8]) -> bool {
        !self.held.is_empty() || bytes.starts_with(SWITCHING_PROTOCOLS)
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let count = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read[..count]);
            self.read.advance(count);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.holds(bytes) {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if slices.first().is_some_and(|first| self.holds(first)) {
            let before = self.held.len();
            slices.iter().for_each(|slice| self.held.extend_from_slice(slice));
            return Poll::Ready(Ok(self.held.len() - before));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const SWITCHING_PROTOCOLS: &[u8] = b"HTTP/1.1 101 ";

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn what_was_read_before_comes_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(b" / HTTP/1.1").await.unwrap();
        client.shutdown().await.unwrap();
        let socket = listener.accept().await.unwrap().0;
        let mut stream = HttpStream::with_read(socket.into(), Bytes::from_static(b"GET"));
        let mut short = [0; 2];
        stream.read_exact(&mut short).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!((&short[..], &rest[..]), (&b"GE"[..], &b"T / HTTP/1.1"[..]));
    }

    #[tokio::test]
    async fn only_the_switch_of_protocols_is_held() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = HttpStream::new(listener.accept().await.unwrap().0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        let written =
            stream.write_vectored(&[IoSlice::new(&switch[..20]), IoSlice::new(&switch[20..])]).await;
        assert_eq!(written.unwrap(), switch.len());
        let (socket, read, held) = stream.into_parts();
        assert_eq!((&read[..], &held[..]), (&b""[..], &switch[..]));
        drop(socket);
        let mut told = Vec::new();
        client.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, b"HTTP/1.1 200 OK\r\n\r\n");
    }
}
