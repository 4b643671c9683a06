//! `/echo`: a plain WebSocket on which every message comes back as it is, with no Engine.IO around it. Handshake, frames,
//! messages and close codes are those of the crate `engineio`.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use engineio::fragments::{Assembler, Item};
use engineio::frame::{self, Opcode};
use engineio::server::{HttpStream, Stream, accept_websocket, spawn, wants_upgrade};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers the request that opens such a WebSocket.
pub(crate) fn open(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let accepted = accept_websocket(request.headers());
    match accepted {
        Ok(response) if wants_upgrade(request.headers()) => {
            let upgrade = hyper::upgrade::on(&mut request);
            spawn(async move {
                // A client that breaks its connection is its own affair.
                let _ = echo(upgrade).await;
            });
            response
        }
        _ => super::refusal(StatusCode::BAD_REQUEST, "not a WebSocket handshake\n"),
    }
}

async fn echo(upgrade: OnUpgrade) -> io::Result<()> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    let Ok(parts) = upgraded.downcast::<TokioIo<HttpStream>>() else {
        return Err(io::Error::other("a connection of another kind than main.rs serves"));
    };
    let (mut stream, unseen, switch) = parts.io.into_inner().into_parts();
    stream.write_all(&switch).await?;
    let mut input = [parts.read_buf, unseen].concat();
    let (mut assembler, mut out) = (Assembler::default(), Vec::new());
    loop {
        let life = answer(&mut assembler, &mut input, &mut out);
        stream.write_all(&out).await?;
        out.clear();
        input.reserve(READ_BYTES);
        match life {
            Life::Open if stream.read_buf(&mut input).await? == 0 => return Ok(()),
            Life::Open => {}
            Life::Closed => return close(stream).await,
        }
    }
}

/// Whether anything more is said on a WebSocket.
enum Life {
    Open,
    Closed,
}

/// Takes the whole frames off `input` and appends what they are answered with.
fn answer(assembler: &mut Assembler, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Life {
    let mut at = 0;
    let life = loop {
        match assembler.next_item(&mut input[at..], MAX_PAYLOAD) {
            Ok(None) => break Life::Open,
            Ok(Some((item, length))) => {
                at += length;
                match item {
                    Item::Text(text) => frame::encode(Opcode::Text, text.as_bytes(), out),
                    Item::Binary(data) => frame::encode(Opcode::Binary, data, out),
                    Item::Ping(data) => frame::encode(Opcode::Pong, data, out),
                    Item::Nothing => {}
                    Item::Close(payload) => {
                        frame::encode(Opcode::Close, payload, out);
                        break Life::Closed;
                    }
                }
            }
            Err(violation) => {
                frame::encode_close(violation.close_code(), out);
                break Life::Closed;
            }
        }
    };
    input.drain(..at);
    life
}

/// What the client still says is read and thrown away: bytes left in the socket would reset it, and a reset takes the
/// close frame with it.
async fn close(mut stream: Stream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut thrown_away = [0; 4096];
    let to_the_end = async {
        while stream.read(&mut thrown_away).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(CLOSING_WAIT, to_the_end).await.unwrap_or(Ok(()))
}

/// Bytes of the largest message.
const MAX_PAYLOAD: usize = 1_000_000;
/// What is read at once.
const READ_BYTES: usize = 64 * 1024;
/// How long a client may take to close its side.
const CLOSING_WAIT: Duration = Duration::from_secs(1);
