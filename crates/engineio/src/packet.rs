//! One Engine.IO packet: a digit for its type, then its data. Decoding stands beside encoding.
//! Does not know: frames, payloads, sessions.

use crate::Violation;

/// A packet as it stands in a WebSocket text frame or between two separators of a polling payload
/// (Engine.IO protocol v4, "Packet encoding").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the handshake, from the server; the data is JSON.
    Open(&'a str),
    /// `1`: the sender closes the session.
    Close,
    /// `2`: from the server a heartbeat without data, from a client that probes an upgrade `2probe`.
    Ping(&'a str),
    /// `3`: the answer to a ping, with the ping's data.
    Pong(&'a str),
    /// `4`, or a whole binary frame: what the layer above exchanges.
    Message(Message<'a>),
    /// `5`: the client moves the session to this transport.
    Upgrade,
    /// `6`: nothing; ends a polling request that waits.
    Noop,
}

/// What the layer above exchanges: text, or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message without its `4`.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> Packet<'a> {
    /// Reads a packet from text.
    ///
    /// # Errors
    /// [`Violation::UnknownPacket`] when `text` is empty or its first character is no packet type.
    pub fn decode(text: &'a str) -> Result<Self, Violation> {
        let kind = *text.as_bytes().first().ok_or(Violation::UnknownPacket)?;
        if !kind.is_ascii_digit() {
            return Err(Violation::UnknownPacket);
        }
        let data = &text[1..]; // an ASCII digit is one byte: the cut is at a character's boundary
        Ok(match kind {
            b'0' => Self::Open(data),
            b'1' => Self::Close,
            b'2' => Self::Ping(data),
            b'3' => Self::Pong(data),
            b'4' => Self::Message(Message::Text(data)),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return Err(Violation::UnknownPacket),
        })
    }

    /// Appends the packet as text; a binary message is appended as the `b` + base64 of a polling payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, data) = match *self {
            Self::Open(data) => (b'0', data),
            Self::Close => (b'1', ""),
            Self::Ping(data) => (b'2', data),
            Self::Pong(data) => (b'3', data),
            Self::Message(Message::Text(data)) => (b'4', data),
            Self::Message(Message::Binary(data)) => return crate::payload::encode_binary(data, out),
            Self::Upgrade => (b'5', ""),
            Self::Noop => (b'6', ""),
        };
        out.push(kind);
        out.extend_from_slice(data.as_bytes());
    }
}

/// The data of the ping and the pong that test a new transport (Engine.IO protocol v4, "Upgrade").
pub const PROBE: &str = "probe";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Packet<'_>, Violation>) {
        assert_eq!(Packet::decode(text), expected, "decode {text:?}");
        if let Ok(packet) = expected {
            let mut out = Vec::new();
            packet.encode(&mut out);
            assert_eq!(out, text.as_bytes(), "encode {packet:?}");
        }
    }

    #[test]
    fn packets_are_read_and_written() {
        check("0{\"sid\":1}", Ok(Packet::Open("{\"sid\":1}")));
        check("1", Ok(Packet::Close));
        check("2", Ok(Packet::Ping("")));
        check("2probe", Ok(Packet::Ping(PROBE)));
        check("3probe", Ok(Packet::Pong(PROBE)));
        check("4", Ok(Packet::Message(Message::Text(""))));
        check("4héllo", Ok(Packet::Message(Message::Text("héllo"))));
        check("5", Ok(Packet::Upgrade));
        check("6", Ok(Packet::Noop));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for text in ["", "7", "9x", "abc", " 4", "é", "\u{0}", "b"] {
            check(text, Err(Violation::UnknownPacket));
        }
    }
}
