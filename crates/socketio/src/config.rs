//! What a Socket.IO server can be told, with each default and its reason.

use std::time::Duration;

/// Settings of the protocol, the same for all connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The namespaces that exist, each with its `/`; at most eight.
    pub namespaces: &'static [&'static str],
    /// Time in which a client has to join a namespace. 45 s, as in the reference server.
    pub connect_timeout: Duration,
    /// Attachments of one packet. 10, as in the reference server since CVE-2026-33151.
    pub max_attachments: u32,
    /// Bytes of all attachments of one packet. 100 kB: as much as one message may have.
    pub max_attachment_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespaces: &["/"],
            connect_timeout: Duration::from_secs(45),
            max_attachments: 10,
            max_attachment_bytes: 100_000,
        }
    }
}
