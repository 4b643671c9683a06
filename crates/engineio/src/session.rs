//! One Engine.IO session without its sockets: who may say what when, the heartbeat, the upgrade.
//! Time is an argument; replies are appended to the caller's buffer; nothing is owned but what it must remember.

use std::time::{Duration, Instant};

use crate::frame::{self, Opcode};
use crate::handshake::TransportName;
use crate::packet::{Message, PROBE, Packet};
use crate::{CloseReason, Config, Violation};

/// The state of one session.
///
/// ```text
/// polling --candidate--> probing --"5"--> websocket --any close--> gone (the owner drops it)
///    ^---- lost, timed out ----'
/// ```
#[derive(Debug)]
pub struct Session {
    state: State,
    /// The scheduled instant of the next ping, or of the last one while its pong is awaited: deadlines are counted
    /// from it and never from a late tick, so that they do not drift.
    ping_at: Instant,
    awaiting_pong: bool,
    ping_interval: Milliseconds,
    ping_timeout: Milliseconds,
    upgrade_timeout: Milliseconds,
}

/// A duration in four bytes: up to 49 days, which is far above what a heartbeat may be.
#[derive(Debug, Clone, Copy)]
struct Milliseconds(u32);

/// What a packet, or the passing of time, means for the caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message for the layer above.
    Message(Message<'a>),
    /// The session is to be closed.
    Closed(CloseReason),
    /// The upgrade took too long: close the candidate, stay on polling.
    CandidateTimedOut,
}

/// What a packet on the candidate of an upgrade leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateStep {
    /// `3probe` was appended for the candidate; polls are to be ended with a noop from here on.
    Probed,
    /// The session goes on over the candidate.
    Upgraded,
    /// The candidate said something else: close it, stay on polling.
    Abandoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Polling,
    /// A WebSocket stands beside the polling; `probed` once `2probe` came.
    Probing {
        since: Instant,
        probed: bool,
    },
    WebSocket,
}

impl Session {
    /// A session that opens now over this transport. The first ping follows one interval later.
    pub fn new(config: &Config, now: Instant, transport: TransportName) -> Self {
        Self {
            state: match transport {
                TransportName::Polling => State::Polling,
                TransportName::WebSocket => State::WebSocket,
            },
            ping_at: now + config.ping_interval,
            awaiting_pong: false,
            ping_interval: config.ping_interval.into(),
            ping_timeout: config.ping_timeout.into(),
            upgrade_timeout: config.upgrade_timeout.into(),
        }
    }

    /// Takes a packet that came over the session's own transport.
    pub fn handle_packet<'a>(&mut self, now: Instant, packet: Packet<'a>) -> Option<Event<'a>> {
        match packet {
            Packet::Message(message) => Some(Event::Message(message)),
            Packet::Pong(_) => {
                if self.awaiting_pong {
                    self.awaiting_pong = false;
                    self.ping_at = (self.ping_at + self.ping_interval.duration()).max(now);
                }
                None
            }
            Packet::Close => Some(Event::Closed(CloseReason::ClientClosed)),
            // In revision 4 the server pings; a client that does is none of this protocol.
            Packet::Ping(_) => Some(Event::Closed(CloseReason::Violation(Violation::UnexpectedPacket))),
            // Passed over, as in the reference server.
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => None,
        }
    }

    /// A WebSocket wants to take the session over. `false` when there is nothing to take over: the session has one
    /// already, or another candidate is being probed.
    pub fn handle_candidate(&mut self, now: Instant) -> bool {
        match self.state {
            State::Polling => {
                self.state = State::Probing { since: now, probed: false };
                true
            }
            State::Probing { .. } | State::WebSocket => false,
        }
    }

    /// Takes a packet that came over the candidate; a reply is appended to `out` as a WebSocket frame for it.
    pub fn handle_candidate_packet(&mut self, packet: Packet<'_>, out: &mut Vec<u8>) -> CandidateStep {
        match (self.state, packet) {
            (State::Probing { since, .. }, Packet::Ping(PROBE)) => {
                self.state = State::Probing { since, probed: true };
                frame::encode_with(Opcode::Text, out, |out| Packet::Pong(PROBE).encode(out));
                CandidateStep::Probed
            }
            (State::Probing { .. }, Packet::Upgrade) => {
                self.state = State::WebSocket;
                CandidateStep::Upgraded
            }
            _ => {
                self.handle_candidate_lost();
                CandidateStep::Abandoned
            }
        }
    }

    /// The candidate was closed or lost: the session stays on polling.
    pub fn handle_candidate_lost(&mut self) {
        if let State::Probing { .. } = self.state {
            self.state = State::Polling;
        }
    }

    /// Does what is due by `now`: a ping is appended to `out` as a WebSocket frame. To be called before any packet is
    /// taken, so that one that comes too late is too late however late the tick is.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Event<'static>> {
        if let State::Probing { since, .. } = self.state
            && since + self.upgrade_timeout.duration() <= now
        {
            self.state = State::Polling;
            return Some(Event::CandidateTimedOut);
        }
        if !self.awaiting_pong && self.ping_at <= now {
            self.awaiting_pong = true;
            frame::encode_with(Opcode::Text, out, |out| Packet::Ping("").encode(out));
        }
        if self.awaiting_pong && self.ping_at + self.ping_timeout.duration() <= now {
            return Some(Event::Closed(CloseReason::PingTimeout));
        }
        None
    }

    /// The whole process stood still for this long until now, so the peer had no fair chance to be heard: a pong that is
    /// awaited may take that much longer, and a ping that came due meanwhile is due now.
    pub fn handle_pause(&mut self, now: Instant, pause: Duration) {
        self.ping_at = match self.awaiting_pong {
            true => self.ping_at + pause,
            // One that is still to come stays where it is.
            false if self.ping_at > now => self.ping_at,
            false => now,
        };
    }

    /// When [`Self::handle_timeout`] has something to do again.
    pub fn next_timeout(&self) -> Instant {
        let heartbeat =
            if self.awaiting_pong { self.ping_at + self.ping_timeout.duration() } else { self.ping_at };
        match self.state {
            State::Probing { since, .. } => heartbeat.min(since + self.upgrade_timeout.duration()),
            State::Polling | State::WebSocket => heartbeat,
        }
    }

    /// Whether a poll that waits, or comes, is to be ended with a noop: a probe has succeeded.
    pub fn is_probed(&self) -> bool {
        matches!(self.state, State::Probing { probed: true, .. })
    }
}

impl Milliseconds {
    fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl From<Duration> for Milliseconds {
    /// What is above 49 days is taken as 49 days.
    fn from(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
    }
}

/// A million of them are held. Growing this is a decision, not an accident.
const _: () = assert!(size_of::<Session>() <= 64);
