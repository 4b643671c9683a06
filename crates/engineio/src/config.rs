//! What an Engine.IO server can be told, with each default and its reason.

use std::time::Duration;

use crate::handshake::TransportName;

/// Settings of the protocol. They are sent to each client in the open packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Time between two pings. 25 s is the protocol's own default: every load balancer that gives up on silent
    /// connections waits longer; a shorter one costs a wake-up and two packets each.
    pub ping_interval: Duration,
    /// Time that a pong may take. 20 s is the protocol's own default.
    pub ping_timeout: Duration,
    /// Bytes of the largest WebSocket message and of the largest polling body. 100 kB: what a session says is
    /// small, and this much memory a peer can pin.
    pub max_payload: usize,
    /// Time that an upgrade may take from its WebSocket's opening to `5`. 10 s, as in the reference server.
    pub upgrade_timeout: Duration,
    /// The transports that are served. Both, as in the reference server.
    pub transports: Transports,
}

/// Which transports are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transports {
    /// Polling, WebSocket, and the upgrade from one to the other.
    #[default]
    Both,
    /// Polling without upgrade.
    Polling,
    /// WebSocket alone: no load balancer has to be sticky then.
    WebSocket,
}

impl Transports {
    /// Whether this one is served.
    pub fn contains(self, transport: TransportName) -> bool {
        match (self, transport) {
            (Self::Both, _)
            | (Self::Polling, TransportName::Polling)
            | (Self::WebSocket, TransportName::WebSocket) => true,
            (Self::Polling, TransportName::WebSocket) | (Self::WebSocket, TransportName::Polling) => false,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 100_000,
            upgrade_timeout: Duration::from_secs(10),
            transports: Transports::Both,
        }
    }
}
