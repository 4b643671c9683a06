//! WebSocket frames as a client sees them (RFC 6455 section 5): encodes its own, masked; decodes those of a server,
//! which are not. Does not know: Engine.IO, sockets, fragmented messages (no server measured here sends them).

use thiserror::Error;

/// What a frame is for (RFC 6455 section 5.2), as far as a whole message in one frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// A UTF-8 message.
    Text,
    /// A binary message.
    Binary,
    /// The start or the answer of the closing handshake.
    Close,
    /// A ping of the WebSocket layer; Engine.IO has its own on top.
    Ping,
    /// The answer to [`Opcode::Ping`].
    Pong,
}

/// A whole frame; the payload borrows from what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
}

/// What a server must not send, or what this client does not take.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// An extension that was never agreed on.
    #[error("a frame with reserved bits set, none were negotiated")]
    ReservedBits,
    /// A message in several frames.
    #[error("a fragmented message, only whole ones are taken")]
    Fragmented,
    /// An opcode that RFC 6455 does not define.
    #[error("a frame with the reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    /// RFC 6455 section 5.1: a server must not mask.
    #[error("a masked frame from the server")]
    Masked,
    /// RFC 6455 section 5.5: at most 125 bytes.
    #[error("a control frame of more than 125 bytes")]
    ControlTooLong,
    /// More than [`PAYLOAD_MAX`].
    #[error("a frame of {0} bytes, at most {PAYLOAD_MAX} are taken")]
    TooLong(u64),
}

impl<'a> Frame<'a> {
    /// The first frame in `bytes` and the bytes that it takes; `None` while it has not come whole.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(FrameError::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0f)?;
        if first & FIN == 0 {
            return Err(FrameError::Fragmented);
        }
        if second & MASK != 0 {
            return Err(FrameError::Masked);
        }
        let (length, extended) = match second {
            126 => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            length => (u64::from(length), 0),
        };
        if opcode.is_control() && length > CONTROL_PAYLOAD_MAX {
            return Err(FrameError::ControlTooLong);
        }
        let length = match usize::try_from(length) {
            Ok(length) if length <= PAYLOAD_MAX => length,
            _ => return Err(FrameError::TooLong(length)),
        };
        let whole = 2 + extended + length;
        Ok(rest.get(extended..extended + length).map(|payload| (Self { opcode, payload }, whole)))
    }

    /// Appends the frame as a client must send it: masked, though with a key of zero, which leaves the payload as it
    /// is. The key protects proxies from hostile pages (RFC 6455 section 10.3); there are neither here.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(FIN | self.opcode.bits());
        match self.payload.len() {
            length @ 0..=125 => out.push(MASK | length as u8),
            length @ 126..=0xffff => {
                out.push(MASK | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(MASK | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&MASK_KEY);
        out.extend_from_slice(self.payload);
    }
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, FrameError> {
        match bits {
            0 => Err(FrameError::Fragmented),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            bits => Err(FrameError::ReservedOpcode(bits)),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// Longest payload that is taken: a list of 50,000 sessions fits, a length that went wrong does not.
pub(crate) const PAYLOAD_MAX: usize = 16 << 20;
const CONTROL_PAYLOAD_MAX: u64 = 125;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASK: u8 = 0x80;
const MASK_KEY: [u8; 4] = [0; 4];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_frame_is_decoded_at_each_form_of_its_length_and_only_when_whole() {
        for length in [0, 1, 125, 126, 0xffff, 0x1_0000, 200_000] {
            let payload = vec![b'x'; length];
            let mut bytes = vec![0x81];
            match length {
                0..=125 => bytes.push(length as u8),
                126..=0xffff => {
                    bytes.push(126);
                    bytes.extend((length as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend((length as u64).to_be_bytes());
                }
            }
            bytes.extend(&payload);
            let whole = bytes.len();
            for cut in [0, 1, 2, 3, 9, whole - 1] {
                let cut = cut.min(whole - 1);
                assert_eq!(Frame::decode(&bytes[..cut]), Ok(None), "{cut} of {whole}");
            }
            bytes.extend(b"the next one");
            let frame = Frame { opcode: Opcode::Text, payload: &payload };
            assert_eq!(Frame::decode(&bytes), Ok(Some((frame, whole))), "{length}");
        }
    }

    #[test]
    fn a_client_frame_is_masked_with_a_zero_key() {
        let check = |opcode, payload: &[u8], header: &[u8]| {
            let mut out = Vec::new();
            Frame { opcode, payload }.encode(&mut out);
            assert_eq!(&out[..header.len()], header);
            assert_eq!(&out[header.len()..], payload);
        };
        check(Opcode::Text, b"3", &[0x81, 0x81, 0, 0, 0, 0]);
        check(Opcode::Close, &[3, 233], &[0x88, 0x82, 0, 0, 0, 0]);
        check(Opcode::Binary, &[7; 126], &[0x82, 0xfe, 0, 126, 0, 0, 0, 0]);
        check(Opcode::Text, &[b'y'; 65_536], &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        let check = |bytes: &[u8], error| assert_eq!(Frame::decode(bytes), Err(error), "{bytes:x?}");
        check(&[0xc1, 1, b'2'], FrameError::ReservedBits);
        check(&[0x01, 1, b'2'], FrameError::Fragmented);
        check(&[0x80, 1, b'2'], FrameError::Fragmented);
        check(&[0x83, 0], FrameError::ReservedOpcode(3));
        check(&[0x8b, 0], FrameError::ReservedOpcode(11));
        check(&[0x81, 0x81, 0, 0, 0, 0, b'2'], FrameError::Masked);
        check(&[0x89, 126, 0, 126], FrameError::ControlTooLong);
        check(&[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0], FrameError::TooLong(0xff << 56));
    }
}
