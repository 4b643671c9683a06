//! A TCP connection that is read and written without waiting. It owns no buffer unless half of something waits for its
//! other half. Does not know: what is said on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddrV4;

use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::shared::{End, Shared};

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    rest: Option<Box<[u8]>>,
}

impl Wire {
    /// Begins a connect from the next source address that is free; the outcome is told for `token`.
    pub(super) fn connect(token: Token, shared: &mut Shared) -> io::Result<Self> {
        let mut tries = SOURCE_TRIES;
        let socket = loop {
            match connect_from(shared.sources.next(), shared.target) {
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
        let mut stream = TcpStream::from_std(socket.into());
        shared.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, rest: None })
    }

    /// The outcome of the connect. epoll(7) is silent about a socket while it connects, so the first word of any kind
    /// is it; `at_end` is whether that word was that nothing more will come.
    pub(super) fn connected(&self, at_end: bool) -> Result<(), End> {
        match at_end {
            true => Err(self.stream.take_error()?.map_or(End::Closed, End::Socket)),
            false => Ok(()),
        }
    }

    /// Reads until nothing more is there. `take` is given what came, and before it what it left the last time; it says
    /// how much of that it has taken.
    pub(super) fn read(
        &mut self,
        at_end: bool,
        shared: &mut Shared,
        mut take: impl FnMut(&[u8], &mut Shared) -> Result<usize, End>,
    ) -> Result<(), End> {
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
            let taken = take(&read[..filled + got], shared);
            self.rest = match taken {
                Ok(taken) if taken < filled + got => Some(read[taken..filled + got].into()),
                _ => None,
            };
            shared.read = read;
            self.write(shared)?;
            taken?;
            if got < room && !at_end {
                return Ok(());
            }
        }
    }

    /// Writes what is owed. All of it is small and the server has taken what came before, so it fits at once.
    pub(super) fn write(&mut self, shared: &mut Shared) -> Result<(), End> {
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

/// Source addresses tried for one connection.
const SOURCE_TRIES: u32 = 100;
/// Room that a read is given at the least.
const READ_MIN: usize = 4 << 10;
