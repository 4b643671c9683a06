//! One WebSocket frame (RFC 6455, section 5): the client's are decoded in place, the server's encoded. The
//! header's layout is tungstenite's; what a client may not send is judged here.
//! Does not know: messages in several frames, sockets.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::Violation;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A further piece of the message that an earlier frame began.
    Continuation,
    /// Text, or its first piece.
    Text,
    /// Bytes, or their first piece.
    Binary,
    /// The sender closes.
    Close,
    /// To be answered with a pong that carries the same bytes.
    Ping,
    /// The answer to a ping.
    Pong,
}

/// The header of a client's frame, and where its payload stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whether the message ends with this frame.
    pub is_final: bool,
    /// What the frame is for.
    pub opcode: Opcode,
    /// The key that the payload is masked with.
    pub mask: [u8; 4],
    /// Bytes of the header itself.
    pub header_len: usize,
    /// Bytes of payload behind the header.
    pub payload_len: usize,
}

impl Head {
    /// Reads the header of a frame from a client. `None`: more bytes are needed; nothing was allocated.
    ///
    /// # Errors
    /// [`Violation::InvalidFrame`] for no mask, a reserved bit or opcode, or a control frame that is fragmented or
    /// longer than 125 bytes; [`Violation::PayloadTooLarge`] for more than `max_payload` bytes, or a 64-bit length
    /// where a shorter one is due.
    pub fn decode(bytes: &[u8], max_payload: usize) -> Result<Option<Self>, Violation> {
        let mut cursor = Cursor::new(bytes);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            Err(_) => return Err(Violation::InvalidFrame),
        };
        let opcode = match header.opcode {
            OpCode::Data(Data::Continue) => Opcode::Continuation,
            OpCode::Data(Data::Text) => Opcode::Text,
            OpCode::Data(Data::Binary) => Opcode::Binary,
            OpCode::Control(Control::Close) => Opcode::Close,
            OpCode::Control(Control::Ping) => Opcode::Ping,
            OpCode::Control(Control::Pong) => Opcode::Pong,
            OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
                return Err(Violation::InvalidFrame);
            }
        };
        let is_control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
        let Some(mask) = header.mask else { return Err(Violation::InvalidFrame) };
        if header.rsv1 || header.rsv2 || header.rsv3 || (is_control && (!header.is_final || length > 125)) {
            return Err(Violation::InvalidFrame);
        }
        let header_len = cursor.position() as usize; // at most 14
        if length > max_payload as u64 || (header_len == LONGEST_HEADER && length <= u64::from(u16::MAX)) {
            return Err(Violation::PayloadTooLarge);
        }
        Ok(Some(Self { is_final: header.is_final, opcode, mask, header_len, payload_len: length as usize }))
    }

    /// Bytes of the whole frame.
    pub fn frame_len(&self) -> usize {
        self.header_len + self.payload_len
    }
}

/// Takes the client's mask off, in place (RFC 6455, section 5.3).
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(wide.to_ne_bytes()) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends a whole server frame, unmasked and final, around what `write` appends.
pub fn encode_with(opcode: Opcode, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; SHORT_HEADER]); // most payloads are short: their header fits where it was left
    let body = out.len();
    write(out);
    let len = out.len() - body;
    let mut header = [0; LONGEST_HEADER];
    let header_len = encode_header(opcode, len, &mut header);
    match header_len {
        SHORT_HEADER => {}
        longer => {
            let shift = longer - SHORT_HEADER;
            out.resize(out.len() + shift, 0);
            out.copy_within(body..body + len, body + shift);
        }
    }
    out[start..start + header_len].copy_from_slice(&header[..header_len]);
}

/// Appends a whole server frame with this payload.
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let mut header = [0; LONGEST_HEADER];
    let header_len = encode_header(opcode, payload.len(), &mut header);
    out.reserve(header_len + payload.len());
    out.extend_from_slice(&header[..header_len]);
    out.extend_from_slice(payload);
}

/// Appends a close frame with a code and no reason.
pub fn encode_close(code: u16, out: &mut Vec<u8>) {
    encode(Opcode::Close, &code.to_be_bytes(), out);
}

/// Takes the first whole server frame off `bytes`: its opcode and payload, and what stands behind it. This is how a
/// frame made once for all receivers reaches one that polls. `None` at the end.
pub fn split_server_frame(bytes: &[u8]) -> Option<(Opcode, &[u8], &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let (header, length) = FrameHeader::parse(&mut cursor).ok()??;
    let opcode = match header.opcode {
        OpCode::Data(Data::Text) => Opcode::Text,
        OpCode::Data(Data::Binary) => Opcode::Binary,
        OpCode::Control(Control::Close) => Opcode::Close,
        OpCode::Control(Control::Ping) => Opcode::Ping,
        OpCode::Control(Control::Pong) => Opcode::Pong,
        OpCode::Data(_) | OpCode::Control(_) => return None,
    };
    let behind_header = bytes.get(cursor.position() as usize..)?;
    let (payload, rest) = behind_header.split_at_checked(usize::try_from(length).ok()?)?;
    Some((opcode, payload, rest))
}

/// Writes the header of an unmasked, final frame; its length in bytes is 2, 4 or 10.
fn encode_header(opcode: Opcode, payload_len: usize, out: &mut [u8; LONGEST_HEADER]) -> usize {
    let opcode = match opcode {
        Opcode::Continuation => OpCode::Data(Data::Continue),
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Binary => OpCode::Data(Data::Binary),
        Opcode::Close => OpCode::Control(Control::Close),
        Opcode::Ping => OpCode::Control(Control::Ping),
        Opcode::Pong => OpCode::Control(Control::Pong),
    };
    let header = FrameHeader { is_final: true, opcode, mask: None, ..FrameHeader::default() };
    let payload_len = payload_len as u64;
    let header_len = header.len(payload_len);
    // Writing into an array that holds the longest header cannot fail.
    let written = header.format(payload_len, &mut &mut out[..]);
    debug_assert!(written.is_ok());
    header_len
}

/// Bytes of a header with a 64-bit length and a mask.
const LONGEST_HEADER: usize = 14;
/// Bytes of an unmasked header of a payload below 126 bytes.
const SHORT_HEADER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A client's frame, masked, with any first byte.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..126 => bytes.push(0x80 | len as u8),
            len @ 126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        let mask = [7, 200, 31, 64];
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    fn check(bytes: &[u8], expected: Result<Option<Opcode>, Violation>) {
        let found = Head::decode(bytes, 1000).map(|head| head.map(|head| head.opcode));
        assert_eq!(found, expected, "{bytes:?}");
    }

    #[test]
    fn frames_of_every_kind_are_read() {
        check(&client_frame(0x81, b"4hello"), Ok(Some(Opcode::Text)));
        check(&client_frame(0x82, b""), Ok(Some(Opcode::Binary)));
        check(&client_frame(0x00, b"x"), Ok(Some(Opcode::Continuation)));
        check(&client_frame(0x88, b""), Ok(Some(Opcode::Close)));
        check(&client_frame(0x89, &[0; 125]), Ok(Some(Opcode::Ping)));
        check(&client_frame(0x8a, b""), Ok(Some(Opcode::Pong)));
        check(&client_frame(0x81, &[b'4'; 1000]), Ok(Some(Opcode::Text)));
    }

    #[test]
    fn what_rfc_6455_forbids_is_an_invalid_frame() {
        check(&[0x81, 0x02, b'4', b'x'], Err(Violation::InvalidFrame)); // no mask
        for reserved_bit in [0xC1, 0xA1, 0x91] {
            check(&client_frame(reserved_bit, b"x"), Err(Violation::InvalidFrame));
        }
        for opcode in (3..=7).chain(0xB..=0xF) {
            check(&client_frame(0x80 | opcode, b""), Err(Violation::InvalidFrame));
        }
        check(&client_frame(0x09, b""), Err(Violation::InvalidFrame)); // a control frame in pieces
        check(&client_frame(0x89, &[0; 126]), Err(Violation::InvalidFrame)); // a control frame too long
    }

    #[test]
    fn lengths_above_the_limit_are_refused_before_the_payload_is_there() {
        let mut huge = vec![0x82, 0xFF];
        huge.extend_from_slice(&(u64::MAX >> 1).to_be_bytes());
        huge.extend_from_slice(&[0; 4]);
        check(&huge, Err(Violation::PayloadTooLarge));
        let mut padded = vec![0x82, 0xFF];
        padded.extend_from_slice(&5_u64.to_be_bytes());
        padded.extend_from_slice(&[0; 4]);
        check(&padded, Err(Violation::PayloadTooLarge));
        check(&client_frame(0x81, &[b'4'; 1001]), Err(Violation::PayloadTooLarge));
    }

    #[test]
    fn half_a_header_is_waited_for() {
        let whole = client_frame(0x81, &[b'4'; 300]);
        for len in 0..8 {
            check(&whole[..len], Ok(None));
        }
        check(&whole[..8], Ok(Some(Opcode::Text)));
    }

    proptest! {
        #[test]
        fn a_clients_payload_comes_out_as_it_went_in(payload in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let mut bytes = client_frame(0x82, &payload);
            let head = Head::decode(&bytes, usize::MAX).unwrap().unwrap();
            prop_assert_eq!(head.frame_len(), bytes.len());
            let body = &mut bytes[head.header_len..];
            unmask(body, head.mask);
            prop_assert_eq!(&*body, payload.as_slice());
        }

        #[test]
        fn a_servers_frames_are_split_as_they_were_joined(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70_000), 1..4)) {
            let mut joined = Vec::new();
            for (at, payload) in payloads.iter().enumerate() {
                match at % 2 {
                    0 => encode(Opcode::Binary, payload, &mut joined),
                    _ => encode_with(Opcode::Binary, &mut joined, |out| out.extend_from_slice(payload)),
                }
            }
            let mut rest = joined.as_slice();
            for payload in &payloads {
                let (opcode, found, behind) = split_server_frame(rest).unwrap();
                prop_assert_eq!(opcode, Opcode::Binary);
                prop_assert_eq!(found, payload.as_slice());
                rest = behind;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Ok(Some(head)) = Head::decode(&bytes, 100) {
                prop_assert!(head.payload_len <= 100);
            }
            let _ = split_server_frame(&bytes);
        }
    }
}
