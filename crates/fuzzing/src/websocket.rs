//! WebSocket frames, in pieces and cut anywhere. tungstenite, which reads the same bytes as a server of its own, is the
//! judge: whatever is delivered here it delivers too, in the same order.

use std::io::{self, Read, Write};

use engineio::Violation;
use engineio::fragments::{Assembler, Item};
use engineio::frame::{Opcode, encode, encode_with, split_server_frame};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

/// What a client's frames amount to.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Vec<u8>),
    Refused(Violation),
}

/// The first byte says how large a message may be, the second how the rest is cut; the rest is what a client sends.
pub fn websocket_frames(input: &[u8]) {
    let [limit, cut, stream @ ..] = input else { return };
    let max_payload = [5, 125, 1000, 100_000][usize::from(limit % 4)];
    let whole = receive(stream, stream.len().max(1), max_payload);
    for step in [1, usize::from(cut % 32) + 1] {
        assert_eq!(receive(stream, step, max_payload), whole, "in steps of {step}");
    }
    compare(stream, max_payload, &whole);
    for seen in &whole {
        send(seen);
    }
    let mut rest = stream;
    while let Some((_, payload, behind)) = split_server_frame(rest) {
        assert!(payload.len() + behind.len() + 2 <= rest.len());
        rest = behind;
    }
}

/// Reads the stream as it comes in steps of this size; what is not a whole frame waits.
fn receive(stream: &[u8], step: usize, max_payload: usize) -> Vec<Seen> {
    let mut assembler = Assembler::default();
    let (mut waiting, mut seen, mut pieces) = (Vec::new(), Vec::new(), 0);
    for chunk in stream.chunks(step) {
        waiting.extend_from_slice(chunk);
        let mut start = 0;
        loop {
            let left = waiting.len() - start;
            let (item, len) = match assembler.next_item(&mut waiting[start..], max_payload) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(violation) => {
                    seen.push(Seen::Refused(violation));
                    return seen;
                }
            };
            assert!((6..=left).contains(&len), "a frame of {len} bytes of {left}");
            match item {
                Item::Text(text) => seen.push(Seen::Text(text.to_owned())),
                Item::Binary(data) => seen.push(Seen::Binary(data.to_vec())),
                Item::Ping(data) => seen.push(Seen::Ping(data.to_vec())),
                Item::Close(data) => {
                    seen.push(Seen::Close(data.to_vec()));
                    return seen;
                }
                Item::Nothing => {}
            }
            start += len;
            pieces = if assembler.release() { 0 } else { pieces + 1 };
            assert!(pieces <= PIECES_MAX * 2, "{pieces} frames and no end");
            assert!(assembler.incomplete_bytes() <= max_payload, "too much is held");
        }
        waiting.drain(..start);
        assert!(waiting.len() <= max_payload + HEADER_MAX + step, "a frame that is too large is waited for");
    }
    seen
}

/// tungstenite may deliver more (it asks less of a header), never less and nothing else.
fn compare(stream: &[u8], max_payload: usize, seen: &[Seen]) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_payload))
        .max_frame_size(Some(max_payload))
        .read_buffer_size(4096); // 128 KiB otherwise, for each input
    let mut judge = WebSocket::from_raw_socket(Wire(stream), Role::Server, Some(config));
    for (place, expected) in seen.iter().enumerate() {
        let mut read = judge.read();
        while matches!(read, Ok(tungstenite::Message::Pong(_))) {
            read = judge.read();
        }
        let found = match (expected, read) {
            (Seen::Refused(_), _) => return,
            // It judges text by its pieces, as it may, and then hears no pings between them: no message can follow.
            (Seen::Ping(_) | Seen::Close(_), Err(tungstenite::Error::Utf8(_))) => {
                let is_message = |seen: &Seen| matches!(seen, Seen::Text(_) | Seen::Binary(_));
                return assert!(!seen[place..].iter().any(is_message), "{seen:?}");
            }
            (_, Ok(tungstenite::Message::Text(text))) => Seen::Text(text.as_str().to_owned()),
            (_, Ok(tungstenite::Message::Binary(data))) => Seen::Binary(data.to_vec()),
            (_, Ok(tungstenite::Message::Ping(data))) => Seen::Ping(data.to_vec()),
            (Seen::Close(_), Ok(tungstenite::Message::Close(_))) => return,
            (expected, other) => panic!("{expected:?}, tungstenite: {other:?}"),
        };
        assert_eq!(found, *expected);
    }
}

/// What was delivered comes back from a frame of ours.
fn send(seen: &Seen) {
    let (opcode, payload) = match seen {
        Seen::Text(text) => (Opcode::Text, text.as_bytes()),
        Seen::Binary(data) => (Opcode::Binary, data.as_slice()),
        Seen::Ping(data) => (Opcode::Pong, data.as_slice()),
        Seen::Close(data) => (Opcode::Close, data.as_slice()),
        Seen::Refused(_) => return,
    };
    let (mut out, mut around) = (Vec::new(), Vec::new());
    encode(opcode, payload, &mut out);
    encode_with(opcode, &mut around, |out| out.extend_from_slice(payload));
    assert_eq!(out, around);
    assert_eq!(split_server_frame(&out), Some((opcode, payload, &[][..])));
}

/// What the judge reads; what it answers is nobody's affair.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.is_empty() {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => self.0.read(buffer),
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Pieces of one message, as the documents say.
const PIECES_MAX: usize = 1024;
/// Bytes of the longest header.
const HEADER_MAX: usize = 14;
