//! The bytes of one accepted connection, in the clear or over TLS, behind the same calls: read when something is there,
//! write at once what fits. TLS is rustls itself, since what stands between it and tokio elsewhere has no write that only
//! tries. Does not know: HTTP, WebSocket, where certificates come from.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// One accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// Over TLS; boxed, so that it costs those in the clear nothing.
    Secure(Box<SecureStream>),
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct SecureStream {
    tcp: TcpStream,
    tls: ServerConnection,
}

const _: () =
    assert!(size_of::<Stream>() == size_of::<TcpStream>(), "TLS costs nothing where it is not used");

impl Stream {
    /// Takes over an accepted connection and does its TLS handshake. Waits for the client as long as that takes: whoever
    /// calls sets the bound. May be dropped at any time, which closes the connection.
    ///
    /// # Errors
    /// The client speaks no TLS, or none that is allowed here, or has gone.
    pub async fn accept_tls(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(OWED_MAX));
        let mut stream = Box::new(SecureStream { tcp, tls });
        std::future::poll_fn(|context| stream.poll_handshake(context)).await?;
        Ok(Self::Secure(stream))
    }

    /// Writes at once what fits; `WouldBlock` when nothing does.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Secure(stream) => stream.try_write(bytes),
        }
    }

    /// Whether bytes that were written still wait for the socket to take them: see [`Self::poll_send`].
    pub(super) fn owes(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Secure(stream) => stream.tls.wants_write(),
        }
    }

    /// Gives the socket some of what is owed.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Secure(stream) => stream.poll_send(context),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }
}

impl SecureStream {
    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send_all(context))?;
            if !self.tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_receive(context))? == 0 {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Hands what the socket has to TLS; 0 at the end of the stream. To be called when all that was read is taken.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.tls.read_tls(&mut Polled { tcp: &mut self.tcp, context });
        let count = ready!(pending(read))?;
        let processed = self.tls.process_new_packets();
        // An alert, or what the protocol answers by itself. What does not fit goes with the next write.
        if let Poll::Ready(Err(error)) = self.poll_send_all(context) {
            return Poll::Ready(Err(error));
        }
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Poll::Ready(Ok(count))
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.tls.write_tls(&mut Polled { tcp: &mut self.tcp, context });
        Poll::Ready(sent_some(ready!(pending(sent))))
    }

    fn poll_send_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            ready!(self.poll_send(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes one piece of plaintext; nothing while something is owed, so that what is owed has a bound.
    fn poll_write_by(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send_all(context))?;
        let count = write(&mut self.tls.writer())?;
        match self.poll_send_all(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_send_all()?;
        let count = self.tls.writer().write(bytes)?;
        match self.try_send_all() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(count),
        }
    }

    fn try_send_all(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            sent_some(self.tls.write_tls(&mut Tried(&self.tcp)))?;
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = match &mut *self {
            Self::Plain(tcp) => return Pin::new(tcp).poll_read(context, buffer),
            Self::Secure(stream) => stream,
        };
        loop {
            match stream.tls.reader().read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(stream.poll_receive(context))?; // its end shows with the next read
                }
                // Cut off without a goodbye. Who reads here knows by the layer above whether all has come.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Secure(stream) => stream.poll_write_by(context, |writer| writer.write(bytes)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Self::Secure(stream) => stream.poll_write_by(context, |writer| writer.write_vectored(slices)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true // both are
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Secure(stream) => stream.poll_send_all(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Secure(stream) => {
                stream.tls.send_close_notify(); // once, however often it is called
                ready!(stream.poll_send_all(context))?;
                Pin::new(&mut stream.tcp).poll_shutdown(context)
            }
        }
    }
}

/// The socket as rustls reads and writes it, where somebody waits: `WouldBlock` means that the task will be woken.
struct Polled<'a, 'c> {
    tcp: &'a mut TcpStream,
    context: &'a mut Context<'c>,
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        blocking(Pin::new(&mut *self.tcp).poll_read(self.context, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.tcp).poll_write(self.context, bytes))
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.tcp).poll_write_vectored(self.context, slices))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same where nobody waits.
struct Tried<'a>(&'a TcpStream);

impl Write for Tried<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocking<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

fn pending<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        other => Poll::Ready(other),
    }
}

/// A socket that takes nothing although it is ready never will.
fn sent_some(sent: io::Result<usize>) -> io::Result<()> {
    match sent? {
        0 => Err(ErrorKind::WriteZero.into()),
        _ => Ok(()),
    }
}

/// Bytes of plaintext that may be encrypted and wait for the socket: four records.
const OWED_MAX: usize = 64 * 1024;
