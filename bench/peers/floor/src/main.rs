//! The floor: what the kernel alone costs for a session. It reads and writes as often and as much as Rollcall does for
//! one, and does nothing else: it reads no token, looks for no header, keeps no list. Connections are taken in pairs, in
//! the order in which they are accepted: the two sessions of a user.
//!
//! It believes its client: a head ends where a read ends with an empty line, a frame is whole when it has come.

mod canned;

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use socket2::SockRef;

use crate::canned::{Canned, Role};

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT")?.parse()?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    // What the listener has, the sockets that it accepts have too (tcp(7)): no system call for each.
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    SockRef::from(&listener).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening");

    let mut floor =
        Floor { places: Vec::new(), free: Vec::new(), left: Vec::new(), live: 0, canned: Canned::new() };
    let mut events = Events::with_capacity(EVENTS_AT_ONCE);
    let mut buffer = vec![0; READ_BUFFER];
    let mut ticks = Ticks { next: Instant::now(), slot: 0 };
    loop {
        let patience = (floor.live > 0).then(|| ticks.next.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, patience) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener, poll.registry())?,
                Token(place) => floor.on_readable(place, &mut buffer, poll.registry()),
            }
        }
        floor.tell_left();
        if floor.live > 0 && Instant::now() >= ticks.next {
            floor.ping(ticks.slot);
            // From when it was due, so that lateness does not add up and a round takes 25 s; but nothing is made up for.
            let next = (ticks.next + TICK).max(Instant::now());
            ticks = Ticks { next, slot: (ticks.slot + 1) % SLOTS };
        }
    }
}

/// The one timer: each tick pings the places of one slot.
struct Ticks {
    next: Instant,
    slot: usize,
}

struct Floor {
    places: Vec<Place>,
    /// Places that nobody has, the one that was left last at the end: who returns gets the partner back.
    free: Vec<u32>,
    /// Those whose partners have just gone.
    left: Vec<usize>,
    live: usize,
    canned: Canned,
}

/// All that is kept of a connection: its descriptor and how far it has come.
struct Place {
    stream: Option<TcpStream>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Opened,
    Joined,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let place = self.take_place();
            registry.register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
            self.places[place] = Place { stream: Some(stream), stage: Stage::Head };
            self.live += 1;
        }
    }

    fn on_readable(&mut self, place: usize, buffer: &mut [u8], registry: &Registry) {
        let Place { stream: Some(stream), stage } = &mut self.places[place] else { return };
        let read = match stream.read(buffer) {
            Ok(0) => return self.close(place, registry),
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return self.close(place, registry),
        };
        match stage {
            Stage::Head if read.ends_with(b"\r\n\r\n") => {
                *stage = Stage::Opened;
                self.write(place, |canned| &canned.opened);
            }
            Stage::Head => {}
            Stage::Opened | Stage::Joined if has_close(read) => {
                self.write(place, |canned| &canned.close);
                self.close(place, registry);
            }
            Stage::Opened => self.join(place),
            Stage::Joined => {}
        }
    }

    /// Tells those whose partners have gone since the last time. Rollcall's sessions hear of it by their mailboxes, so
    /// that one who goes too is told nothing.
    fn tell_left(&mut self) {
        while let Some(place) = self.left.pop() {
            if self.is_joined(place) && !self.is_joined(partner(place)) {
                self.write(place, |canned| &canned.left[Role::of(place) as usize]);
            }
        }
    }

    fn join(&mut self, place: usize) {
        self.places[place].stage = Stage::Joined;
        let role = Role::of(place) as usize;
        if self.is_joined(partner(place)) {
            self.write(place, |canned| &canned.joined[role].together);
            self.write(partner(place), |canned| &canned.update);
        } else {
            self.write(place, |canned| &canned.joined[role].alone);
        }
    }

    fn close(&mut self, place: usize, registry: &Registry) {
        let Some(mut stream) = self.places[place].stream.take() else { return };
        // Dropping the socket would do; the runtime that Rollcall stands on takes it out first.
        let _ = registry.deregister(&mut stream);
        drop(stream);
        self.live -= 1;
        let other = partner(place);
        if self.places[place].stage == Stage::Joined && self.is_joined(other) {
            self.left.push(other);
        }
        self.free.push(place as u32);
        if self.live == 0 {
            self.places.clear();
            self.free.clear();
        }
    }

    fn ping(&mut self, slot: usize) {
        for place in (slot..self.places.len()).step_by(SLOTS) {
            if self.places[place].stage != Stage::Head {
                self.write(place, |canned| &canned.ping);
            }
        }
    }

    /// Writes to who is there. All of it fits into an empty socket buffer; who does not read is not waited for, and an
    /// error is told once more by the next event.
    fn write(&mut self, place: usize, what: impl FnOnce(&Canned) -> &[u8]) {
        if let Some(stream) = &mut self.places[place].stream {
            let _ = stream.write(what(&self.canned));
        }
    }

    fn take_place(&mut self) -> usize {
        match self.free.pop() {
            Some(place) => place as usize,
            None => {
                self.places.push(Place { stream: None, stage: Stage::Head });
                self.places.len() - 1
            }
        }
    }

    fn is_joined(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| place.stream.is_some() && place.stage == Stage::Joined)
    }
}

/// Whether there is a close frame among these frames of a client, which are masked (RFC 6455 section 5.2).
fn has_close(mut frames: &[u8]) -> bool {
    while let [first, second, rest @ ..] = frames {
        if *first == CLOSE_FRAME {
            return true;
        }
        let length = match (second & 0x7f, rest) {
            (126, [high, low, ..]) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
            (length, _) => usize::from(length),
        };
        frames = rest.get(MASK_KEY + length..).unwrap_or_default();
    }
    false
}

fn partner(place: usize) -> usize {
    place ^ 1
}

const LISTENER: Token = Token(usize::MAX);
const EVENTS_AT_ONCE: usize = 1_024;
/// As large as Rollcall's, so that one read takes whatever has come.
const READ_BUFFER: usize = 64 << 10;
/// FIN and the opcode 8 (RFC 6455 section 5.2).
const CLOSE_FRAME: u8 = 0x88;
/// Bytes of the key.
const MASK_KEY: usize = 4;
/// 500 of them are the ping interval of 25 s.
const TICK: Duration = Duration::from_millis(50);
const SLOTS: usize = 500;
/// As Rollcall's.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// A descriptor and a byte; debug builds of mio keep more.
#[cfg(not(debug_assertions))]
const _: () = assert!(size_of::<Place>() <= 8);
