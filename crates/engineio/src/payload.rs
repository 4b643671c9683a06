//! A polling payload: several packets in one body, separated by `\x1e`, binary messages as `b` + base64.
//! Does not know: requests, sessions.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::{Message, Packet, Violation};

/// Separates packets in a payload (Engine.IO protocol v4, "HTTP long-polling").
pub const SEPARATOR: u8 = b'\x1e';

/// The packets of one body, in their order.
#[derive(Debug)]
pub struct Payload<'a> {
    rest: Option<&'a str>,
}

impl<'a> Payload<'a> {
    /// Begins to read `body`. An empty body holds one empty, and so malformed, packet.
    pub fn new(body: &'a str) -> Self {
        Self { rest: Some(body) }
    }

    /// The next packet, or `None` after the last. A binary message is decoded into `scratch` and borrows it.
    ///
    /// # Errors
    /// [`Violation::UnknownPacket`] or [`Violation::InvalidBase64`]; what stands behind it must not be read.
    pub fn next_packet<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Option<Result<Packet<'s>, Violation>>
    where
        'a: 's,
    {
        let rest = self.rest?;
        let text = match memchr::memchr(SEPARATOR, rest.as_bytes()) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                &rest[..at]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(match text.strip_prefix('b') {
            Some(encoded) => {
                scratch.clear();
                match BASE64.decode_vec(encoded, scratch) {
                    Ok(()) => Ok(Packet::Message(Message::Binary(scratch))),
                    Err(_) => Err(Violation::InvalidBase64),
                }
            }
            None => Packet::decode(text),
        })
    }
}

/// Appends `SEPARATOR` unless `out` is empty: what stands between two packets.
pub fn separate(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(SEPARATOR);
    }
}

/// Appends a binary message as it stands in a payload.
pub fn encode_binary(data: &[u8], out: &mut Vec<u8>) {
    out.push(b'b');
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    // The space is exactly what padded base64 of `data` takes, so the slice cannot be too small.
    let written = BASE64.encode_slice(data, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// Padding is written, and not asked for: the reference server takes either.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a body into printable packets, up to and with the first violation.
    fn decode(body: &str) -> Vec<String> {
        let mut payload = Payload::new(body);
        let mut scratch = Vec::new();
        let mut seen = Vec::new();
        while let Some(packet) = payload.next_packet(&mut scratch) {
            seen.push(match packet {
                Ok(packet) => format!("{packet:?}"),
                Err(violation) => {
                    seen.push(format!("{violation:?}"));
                    break;
                }
            });
        }
        seen
    }

    #[test]
    fn packets_of_a_payload_come_in_order() {
        assert_eq!(
            decode("4hello\u{1e}bAQIDBA==\u{1e}3"),
            ["Message(Text(\"hello\"))", "Message(Binary([1, 2, 3, 4]))", "Pong(\"\")"]
        );
    }

    #[test]
    fn base64_without_padding_is_taken() {
        assert_eq!(decode("bAQIDBA"), ["Message(Binary([1, 2, 3, 4]))"]);
    }

    #[test]
    fn malformed_payloads_end_at_the_fault() {
        assert_eq!(decode(""), ["UnknownPacket"]);
        assert_eq!(decode("4a\u{1e}\u{1e}4b"), ["Message(Text(\"a\"))", "UnknownPacket"]);
        assert_eq!(decode("b%%"), ["InvalidBase64"]);
    }

    proptest::proptest! {
        #[test]
        fn binary_messages_survive_the_round_trip(data: Vec<u8>) {
            let mut out = Vec::new();
            encode_binary(&data, &mut out);
            let mut scratch = Vec::new();
            let body = String::from_utf8(out).unwrap();
            let packet = Payload::new(&body).next_packet(&mut scratch);
            proptest::prop_assert_eq!(packet, Some(Ok(Packet::Message(Message::Binary(&data)))));
        }

        #[test]
        fn no_body_panics_or_loops(body: String) {
            let mut payload = Payload::new(&body);
            let mut scratch = Vec::new();
            let mut packets = 0;
            while let Some(packet) = payload.next_packet(&mut scratch) {
                packets += 1;
                if packet.is_err() { break; }
            }
            proptest::prop_assert!(packets <= body.len() + 1);
        }
    }
}
