//! A session and a model of it, which knows only what anybody can say from outside: where it talks, which ping is out,
//! when something is due. Each operation is done to both, and they have to agree. Drawn by a property test here and by the
//! fuzzer of operations.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use engineio::handshake::TransportName;
use engineio::packet::PROBE;
use engineio::session::{CandidateStep, Event};
use engineio::{CloseReason, Config, Message, Packet, Session, Violation};

/// What may be done to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// So many milliseconds pass, then it is looked at.
    Wait(u32),
    /// The whole process stands still for so many milliseconds.
    Pause(u32),
    Message,
    Pong,
    /// Packets that are passed over.
    Passed,
    /// A close packet.
    Close,
    /// A ping, which a client may not send.
    Ping,
    Candidate,
    Probe,
    Finish,
    Wrong,
    Lost,
}

/// Does these operations until the session ends.
pub(crate) fn check(transport: TransportName, ops: impl IntoIterator<Item = Op>) {
    let mut trial = Trial::new(transport);
    for op in ops {
        trial.apply(op);
        assert_eq!(trial.session.is_probed(), trial.model.candidate.is_some_and(|(_, probed)| probed));
        assert_eq!(trial.closed, trial.model.closed, "after {op:?}");
        if trial.closed.is_some() {
            return;
        }
        let due = trial.session.next_timeout(&CONFIG);
        assert!(due > trial.now, "after {op:?}: what was due was not done");
        assert_eq!(due, trial.start + Duration::from_millis(trial.model.due()), "after {op:?}");
    }
}

struct Trial {
    session: Session,
    model: Model,
    start: Instant,
    now: Instant,
    paused: u32,
    closed: Option<CloseReason>,
}

impl Trial {
    fn new(transport: TransportName) -> Self {
        let start = beginning();
        let websocket = transport == TransportName::WebSocket;
        let model =
            Model { now: 0, ping_at: 25_000, awaiting: false, candidate: None, websocket, closed: None };
        let session = Session::new(&CONFIG, start, transport);
        Self { session, model, start, now: start, paused: 0, closed: None }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Wait(millis) => self.pass(millis, 0),
            Op::Pause(millis) => self.pass(millis, millis),
            Op::Message => {
                let said = Packet::Message(Message::Text("x"));
                assert_eq!(self.receive(said), Some(Event::Message(Message::Text("x"))));
            }
            Op::Pong => {
                assert_eq!(self.receive(Packet::Pong("")), None);
                self.model.pong();
            }
            Op::Passed => {
                for packet in [Packet::Noop, Packet::Open("{}"), Packet::Upgrade] {
                    assert_eq!(self.receive(packet), None);
                }
            }
            Op::Close => self.end(Packet::Close, CloseReason::ClientClosed),
            Op::Ping => self.end(Packet::Ping(""), CloseReason::Violation(Violation::UnexpectedPacket)),
            Op::Candidate => {
                let taken = self.session.handle_candidate(&CONFIG, self.now);
                assert_eq!(taken, !self.model.websocket && self.model.candidate.is_none());
                if taken {
                    self.model.candidate = Some((self.model.now, false));
                }
            }
            Op::Probe => {
                let there = self.model.candidate.is_some();
                let expected = if there { CandidateStep::Probed } else { CandidateStep::Abandoned };
                self.candidate_says(Packet::Ping(PROBE), expected);
                self.model.candidate = self.model.candidate.map(|(since, _)| (since, true));
            }
            Op::Finish => {
                let there = self.model.candidate.take().is_some();
                let expected = if there { CandidateStep::Upgraded } else { CandidateStep::Abandoned };
                self.candidate_says(Packet::Upgrade, expected);
                self.model.websocket |= there;
            }
            Op::Wrong => {
                self.candidate_says(Packet::Noop, CandidateStep::Abandoned);
                self.model.candidate = None;
            }
            Op::Lost => {
                self.session.handle_candidate_lost();
                self.model.candidate = None;
            }
        }
    }

    /// Time passes, in which the process may have stood still; then all that is due is done.
    fn pass(&mut self, millis: u32, paused: u32) {
        self.now += Duration::from_millis(millis.into());
        self.paused = self.paused.wrapping_add(paused);
        self.session.handle_pauses(self.now, self.paused);
        let expected = self.model.pass(millis.into(), paused.into());
        let (mut pings, mut given_up) = (0, 0);
        while self.closed.is_none() && self.session.next_timeout(&CONFIG) <= self.now {
            let mut out = Vec::new();
            let event = self.session.handle_timeout(&CONFIG, self.now, &mut out);
            if !out.is_empty() {
                assert_eq!(out, [0x81, 1, b'2'], "a ping is a text frame");
                pings += 1;
            }
            match event {
                Some(Event::Closed(reason)) => self.closed = Some(reason),
                Some(Event::CandidateTimedOut) => given_up += 1,
                Some(Event::Message(message)) => panic!("time brings no message: {message:?}"),
                None => assert!(!out.is_empty(), "nothing was due"),
            }
        }
        assert_eq!((pings, given_up), expected, "pings and candidates given up");
    }

    fn receive(&mut self, packet: Packet<'static>) -> Option<Event<'static>> {
        self.session.handle_packet(&CONFIG, self.now, packet)
    }

    fn end(&mut self, packet: Packet<'static>, reason: CloseReason) {
        assert_eq!(self.receive(packet), Some(Event::Closed(reason)));
        (self.closed, self.model.closed) = (Some(reason), Some(reason));
    }

    fn candidate_says(&mut self, packet: Packet<'_>, expected: CandidateStep) {
        let mut out = Vec::new();
        assert_eq!(self.session.handle_candidate_packet(packet, &mut out), expected);
        let answer: &[u8] = if expected == CandidateStep::Probed { b"\x81\x063probe" } else { b"" };
        assert_eq!(out, answer);
    }
}

/// Times in milliseconds since the opening.
struct Model {
    now: u64,
    ping_at: u64,
    awaiting: bool,
    candidate: Option<(u64, bool)>,
    websocket: bool,
    closed: Option<CloseReason>,
}

impl Model {
    /// How many pings are due, and how many candidates are given up.
    fn pass(&mut self, millis: u64, paused: u64) -> (usize, usize) {
        let (mut pings, mut given_up) = (0, 0);
        self.now += millis;
        if paused > 0 {
            // Who could not be heard has that much longer to answer; a ping that nobody could send is due now.
            self.ping_at = match self.awaiting {
                true => self.ping_at + paused,
                false => {
                    if self.ping_at <= self.now {
                        self.now
                    } else {
                        self.ping_at
                    }
                }
            };
        }
        if self.candidate.is_some_and(|(since, _)| since + 10_000 <= self.now) {
            self.candidate = None;
            given_up = 1;
        }
        if !self.awaiting && self.ping_at <= self.now {
            self.awaiting = true;
            pings = 1;
        }
        if self.awaiting && self.ping_at + 20_000 <= self.now {
            self.closed = Some(CloseReason::PingTimeout);
        }
        (pings, given_up)
    }

    fn pong(&mut self) {
        if std::mem::take(&mut self.awaiting) {
            self.ping_at = (self.ping_at + 25_000).max(self.now);
        }
    }

    /// When something is due again.
    fn due(&self) -> u64 {
        let heartbeat = if self.awaiting { self.ping_at + 20_000 } else { self.ping_at };
        self.candidate.map_or(heartbeat, |(since, _)| heartbeat.min(since + 10_000))
    }
}

static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);

/// Any instant will do: all others are counted from it.
#[expect(clippy::disallowed_methods, reason = "the beginning of a clock that is moved by hand")]
fn beginning() -> Instant {
    Instant::now()
}
