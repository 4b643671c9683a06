//! The WebSocket handshake of RFC 6455, section 4.2: what a client must have asked for, and the `101` that it gets.
//! Does not know: sessions, sockets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use tungstenite::handshake::derive_accept_key;

use crate::handshake::Refusal;

/// Whether a request wants to go on as a WebSocket.
pub fn wants_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &header::UPGRADE, "websocket")
}

/// Judges the rest of a WebSocket handshake (RFC 6455, section 4.2.1) and makes its `101`. No extension is ever agreed.
///
/// # Errors
/// [`Refusal::BadRequest`] when a header is missing, twice there or malformed.
pub fn accept_websocket(headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Refusal> {
    let once = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let key = once(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::BadRequest)?;
    let version = once(header::SEC_WEBSOCKET_VERSION).ok_or(Refusal::BadRequest)?;
    let sound = STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
        && version == "13"
        && has_token(headers, &header::CONNECTION, "upgrade");
    if !sound {
        return Err(Refusal::BadRequest);
    }
    let accept =
        HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| Refusal::BadRequest)?;
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The bytes of a `101` with these headers, as hyper writes them, but for the `date`, which only other answers must have
/// (RFC 9110, section 6.6.1).
pub(super) fn encode_switch(headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(SWITCH_BYTES);
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Whether a header that is a list of tokens holds this one, in any case (RFC 9110, section 5.6.1).
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// Of a `101`, and of the open packet that follows it in the same write.
const SWITCH_BYTES: usize = 448;
