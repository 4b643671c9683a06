//! The opening handshake of a WebSocket (RFC 6455 section 4.1) to an Engine.IO path, with the headers that a browser
//! sends. Does not know: sockets, and what is said once the connection is open.

use thiserror::Error;

/// Why there is no WebSocket.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    /// The server answered something else, as it does for a wrong path or when it sheds load.
    #[error("the server answered {status:?} instead of 101: {body}")]
    Status {
        /// Its number; 0 when there is none.
        code: u16,
        /// The status line.
        status: String,
        /// What came of the body with it, at most [`BODY_SHOWN`] characters.
        body: String,
    },
    /// It speaks another protocol, or answers somebody else's key.
    #[error("the answer has no right Sec-WebSocket-Accept")]
    WrongAccept,
    /// It switched on what the load client cannot read.
    #[error("the server negotiated an extension: {0}")]
    Extension(String),
    /// It goes on and on.
    #[error("the head of the answer has more than {HEAD_MAX} bytes")]
    TooLong,
}

/// Appends the request that opens an Engine.IO v4 session over WebSocket at `path` on `host`.
pub(crate) fn encode_request(host: &str, path: &str, user_agent: &str, out: &mut Vec<u8>) {
    let request = format!(
        "GET {path}?EIO=4&transport=websocket HTTP/1.1\r\n\
         Host: {host}\r\n\
         Connection: Upgrade\r\n\
         Pragma: no-cache\r\n\
         Cache-Control: no-cache\r\n\
         User-Agent: {user_agent}\r\n\
         Upgrade: websocket\r\n\
         Origin: http://{host}\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br\r\n\
         Accept-Language: en-GB,en;q=0.9\r\n\
         Sec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    );
    out.extend_from_slice(request.as_bytes());
}

/// The length of the response's head once it has come whole and says 101; frames may follow it in `bytes`.
pub(crate) fn decode_response(bytes: &[u8]) -> Result<Option<usize>, HandshakeError> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX { Err(HandshakeError::TooLong) } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let code = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    if code != 101 {
        let body = String::from_utf8_lossy(&bytes[end + 4..]).chars().take(BODY_SHOWN).collect();
        return Err(HandshakeError::Status { code, status: status.to_owned(), body });
    }
    let mut accepted = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("Sec-WebSocket-Accept") {
            accepted = value.trim() == ACCEPT;
        }
        if name.eq_ignore_ascii_case("Sec-WebSocket-Extensions") {
            return Err(HandshakeError::Extension(value.trim().to_owned()));
        }
    }
    if accepted { Ok(Some(end + 4)) } else { Err(HandshakeError::WrongAccept) }
}

/// The example of RFC 6455 section 1.3: the key proves that a server speaks WebSocket, it is no secret.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What that section says must be answered to [`KEY`].
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// More than any server's head, so that an endless one is noticed.
const HEAD_MAX: usize = 16 << 10;
const BODY_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_when_whole_and_what_follows_is_left() {
        let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nSec-Websocket-Accept: \
                    s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let bytes = format!("{head}\u{1}frames");
        assert!(matches!(decode_response(&bytes.as_bytes()[..head.len() - 1]), Ok(None)));
        assert!(matches!(decode_response(bytes.as_bytes()), Ok(Some(length)) if length == head.len()));
    }

    #[test]
    fn any_other_answer_says_why() {
        let check = |answer: &str, part: &str| {
            let error = decode_response(answer.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n{\"code\":3}", "503 Service");
        check("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n{\"code\":3}", "{\"code\":3}");
        check("HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\n\r\n", "Sec-WebSocket-Accept");
        check("HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: x\r\n\r\n", "Sec-WebSocket-Accept");
        check(
            "HTTP/1.1 101 Ok\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            "permessage-deflate",
        );
        check(&"x".repeat(HEAD_MAX + 1), "more than");
    }

    #[test]
    fn a_request_asks_for_engine_io_4_over_websocket() {
        let mut out = Vec::new();
        encode_request("127.0.0.1:3000", "/socket.io/", "Agent/1", &mut out);
        let request = String::from_utf8(out).unwrap();
        assert!(request.starts_with("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("\r\nUser-Agent: Agent/1\r\n") && request.ends_with("\r\n\r\n"),
            "{request}"
        );
    }
}
