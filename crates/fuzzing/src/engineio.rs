//! Engine.IO packets and the payloads of polling.

use engineio::payload::{Payload, SEPARATOR, encode_binary, separate};
use engineio::{Message, Packet, Violation};

/// Text is a packet by its first character alone, and what was read is written as it came.
pub fn engineio_packet(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let decoded = Packet::decode(text);
    let is_packet = matches!(text.as_bytes().first(), Some(b'0'..=b'6'));
    assert_eq!(decoded.is_ok(), is_packet, "{text:?}");
    let Ok(packet) = decoded else { return assert_eq!(decoded, Err(Violation::UnknownPacket)) };
    let encoded = encode(&packet);
    match packet {
        Packet::Close | Packet::Upgrade | Packet::Noop => assert_eq!(encoded, &input[..1]),
        _ => assert_eq!(encoded, input),
    }
    let again = std::str::from_utf8(&encoded).expect("a packet is text");
    assert_eq!(Packet::decode(again), Ok(packet));
}

/// A payload is read as its pieces are, up to the first that is none, and is the same when it was written again.
pub fn engineio_payload(input: &[u8]) {
    let Ok(body) = std::str::from_utf8(input) else { return };
    let (packets, violation) = read(body);
    let pieces: Vec<&str> = body.split(char::from(SEPARATOR)).collect();
    assert_eq!(packets.len() + usize::from(violation.is_some()), pieces.len().min(packets.len() + 1));
    for (packet, piece) in packets.iter().zip(&pieces) {
        assert_eq!(read(piece), (vec![packet.clone()], None), "alone {piece:?}");
        assert!(packet.1.len() <= piece.len(), "{piece:?} grew");
    }
    if violation.is_some() {
        assert_eq!(read(pieces[packets.len()]), (Vec::new(), violation));
    }
    let mut encoded = Vec::new();
    for (kind, data) in &packets {
        separate(&mut encoded);
        match kind {
            b'b' => encode_binary(data, &mut encoded),
            kind => {
                encoded.push(*kind);
                encoded.extend_from_slice(data);
            }
        }
    }
    if !packets.is_empty() {
        let again = std::str::from_utf8(&encoded).expect("a payload is text");
        assert_eq!(read(again), (packets, None));
    }
}

/// Each packet as its type and its data, `b` for a binary message; and what ended the reading before its end.
fn read(body: &str) -> (Vec<(u8, Vec<u8>)>, Option<Violation>) {
    let (mut payload, mut scratch) = (Payload::new(body), Vec::new());
    let mut packets = Vec::new();
    loop {
        match payload.next_packet(&mut scratch) {
            None => return (packets, None),
            Some(Err(violation)) => return (packets, Some(violation)),
            Some(Ok(Packet::Message(Message::Binary(data)))) => packets.push((b'b', data.to_vec())),
            Some(Ok(packet)) => {
                let encoded = encode(&packet);
                packets.push((encoded[0], encoded[1..].to_vec()));
            }
        }
    }
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(&mut out);
    out
}
