//! One Engine.IO session without its sockets: who may say what when, the heartbeat, the upgrade.
//! Time and settings are arguments; replies are appended to the caller's buffer; nothing is owned but what it must
//! remember.

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
    has_websocket: bool,
    /// A WebSocket stands beside the polling. Boxed, since it is there for a moment in a session's life.
    probing: Option<Box<Probing>>,
    /// The scheduled instant of the next ping, or of the last one while its pong is awaited: deadlines are counted
    /// from it and never from a late tick, so that they do not drift.
    ping_at: Instant,
    awaiting_pong: bool,
    /// Milliseconds of the process's own pauses that were taken into account.
    pauses_seen: u32,
}

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

/// The candidate of an upgrade.
#[derive(Debug)]
struct Probing {
    /// By when it has to be done.
    deadline: Instant,
    /// `2probe` came.
    probed: bool,
}

impl Session {
    /// A session that opens now over this transport. The first ping follows one interval later.
    pub fn new(config: &Config, now: Instant, transport: TransportName) -> Self {
        Self {
            has_websocket: match transport {
                TransportName::Polling => false,
                TransportName::WebSocket => true,
            },
            probing: None,
            ping_at: now + config.ping_interval,
            awaiting_pong: false,
            pauses_seen: 0,
        }
    }

    /// Takes a packet that came over the session's own transport.
    pub fn handle_packet<'a>(
        &mut self,
        config: &Config,
        now: Instant,
        packet: Packet<'a>,
    ) -> Option<Event<'a>> {
        match packet {
            Packet::Message(message) => Some(Event::Message(message)),
            Packet::Pong(_) => {
                if self.awaiting_pong {
                    self.awaiting_pong = false;
                    self.ping_at = (self.ping_at + config.ping_interval).max(now);
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
    pub fn handle_candidate(&mut self, config: &Config, now: Instant) -> bool {
        if self.has_websocket || self.probing.is_some() {
            return false;
        }
        let deadline = now + config.upgrade_timeout;
        self.probing = Some(Box::new(Probing { deadline, probed: false }));
        true
    }

    /// Takes a packet that came over the candidate; a reply is appended to `out` as a WebSocket frame for it.
    pub fn handle_candidate_packet(&mut self, packet: Packet<'_>, out: &mut Vec<u8>) -> CandidateStep {
        match (&mut self.probing, packet) {
            (Some(probing), Packet::Ping(PROBE)) => {
                probing.probed = true;
                frame::encode_with(Opcode::Text, out, |out| Packet::Pong(PROBE).encode(out));
                CandidateStep::Probed
            }
            (Some(_), Packet::Upgrade) => {
                self.probing = None;
                self.has_websocket = true;
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
        self.probing = None;
    }

    /// Does what is due by `now`: a ping is appended to `out` as a WebSocket frame. To be called before any packet is
    /// taken, so that one that comes too late is too late however late the tick is.
    pub fn handle_timeout(
        &mut self,
        config: &Config,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Event<'static>> {
        if self.probing.take_if(|probing| probing.deadline <= now).is_some() {
            return Some(Event::CandidateTimedOut);
        }
        if !self.awaiting_pong && self.ping_at <= now {
            self.awaiting_pong = true;
            frame::encode_with(Opcode::Text, out, |out| Packet::Ping("").encode(out));
        }
        if self.awaiting_pong && self.ping_at + config.ping_timeout <= now {
            return Some(Event::Closed(CloseReason::PingTimeout));
        }
        None
    }

    /// How long the whole process has stood still so far, in milliseconds that only grow. What is new since the last call
    /// is time in which the peer had no fair chance to be heard: a pong that is awaited may take that much longer, and a
    /// ping that came due meanwhile is due now. To be told once before anything else, so that older pauses do not count.
    pub fn handle_pauses(&mut self, now: Instant, total_millis: u32) {
        if total_millis == self.pauses_seen {
            return;
        }
        let pause = Duration::from_millis(total_millis.wrapping_sub(self.pauses_seen).into());
        self.pauses_seen = total_millis;
        self.ping_at = match self.awaiting_pong {
            true => self.ping_at + pause,
            // One that is still to come stays where it is.
            false if self.ping_at > now => self.ping_at,
            false => now,
        };
    }

    /// When [`Self::handle_timeout`] has something to do again.
    pub fn next_timeout(&self, config: &Config) -> Instant {
        let heartbeat = if self.awaiting_pong { self.ping_at + config.ping_timeout } else { self.ping_at };
        match &self.probing {
            Some(probing) => heartbeat.min(probing.deadline),
            None => heartbeat,
        }
    }

    /// Whether a poll that waits, or comes, is to be ended with a noop: a probe has succeeded.
    pub fn is_probed(&self) -> bool {
        self.probing.as_ref().is_some_and(|probing| probing.probed)
    }
}

/// A million of them are held. Growing this is a decision, not an accident.
const _: () = assert!(size_of::<Session>() <= 32);
