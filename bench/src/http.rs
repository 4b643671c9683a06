//! HTTP/1.1 as a polling client needs it (RFC 9112): its requests, and the answers of a server with a length or in
//! chunks. Does not know: sockets, Engine.IO's packets, compression (none is asked for).

use std::borrow::Cow;

use thiserror::Error;

/// A whole answer; the body borrows from what was read unless it came in chunks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: Cow<'a, [u8]>,
    /// Whether the server closes the connection behind it.
    pub(crate) closes: bool,
}

/// Not an answer that this client can read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// The head.
    #[error("an answer that is no HTTP/1.1: {0}")]
    Head(#[from] httparse::Error),
    /// RFC 9112 section 6.3: then it goes on until the connection is closed.
    #[error("an answer with neither a length nor chunks")]
    NoLength,
    /// RFC 9112 section 7.1.
    #[error("an answer whose chunks are malformed")]
    Chunks,
    /// It goes on and on.
    #[error("an answer of more than {BODY_MAX} bytes")]
    TooLong,
}

impl<'a> Response<'a> {
    /// The first answer in `bytes` and the bytes that it takes; `None` while it has not come whole.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(start) = head.parse(bytes)? else { return Ok(None) };
        let status = head.code.unwrap_or_default();
        let value = |name: &str| {
            let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let closes = value("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let whole = match value("Content-Length").and_then(|length| length.parse::<usize>().ok()) {
            Some(length) if length > BODY_MAX => return Err(HttpError::TooLong),
            Some(length) => {
                let end = start + length;
                bytes.get(start..end).map(|body| (Cow::Borrowed(body), end))
            }
            None if status == NO_CONTENT => Some((Cow::Borrowed(&[][..]), start)),
            None if value("Transfer-Encoding")
                .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) =>
            {
                join_chunks(bytes, start)?.map(|(body, end)| (Cow::Owned(body), end))
            }
            None => return Err(HttpError::NoLength),
        };
        Ok(whole.map(|(body, end)| (Self { status, body, closes }, end)))
    }
}

/// Appends a request as the polling transport of a page sends it: a `GET` without `body`, else a `POST` of it.
pub(crate) fn encode_request(
    host: &str,
    target: &str,
    user_agent: &str,
    body: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let method = if body.is_some() { "POST" } else { "GET" };
    let head = format!(
        "{method} {target} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Connection: keep-alive\r\n\
         User-Agent: {user_agent}\r\n\
         Accept: */*\r\n\
         Origin: http://{host}\r\n\
         Accept-Language: en-GB,en;q=0.9\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    if let Some(body) = body {
        let about =
            format!("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n", body.len());
        out.extend_from_slice(about.as_bytes());
        out.extend_from_slice(body);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// The chunks of `bytes` from `start` on, put together, and where they end; `None` while the last has not come.
fn join_chunks(bytes: &[u8], start: usize) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
    let (mut body, mut at) = (Vec::new(), start);
    loop {
        let size = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| HttpError::Chunks)?;
        let httparse::Status::Complete((line, length)) = size else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| HttpError::TooLong)?;
        if length.saturating_add(body.len()) > BODY_MAX {
            return Err(HttpError::TooLong);
        }
        at += line;
        let Some(chunk) = bytes.get(at..at + length + CRLF.len()) else { return Ok(None) };
        match chunk.strip_suffix(CRLF) {
            // No server measured here sends trailers behind the last chunk.
            Some(data) => body.extend_from_slice(data),
            None => return Err(HttpError::Chunks),
        }
        at += length + CRLF.len();
        if length == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// A list of 50,000 sessions fits, a length that went wrong does not.
const BODY_MAX: usize = 16 << 20;
const HEADERS_MAX: usize = 32;
const NO_CONTENT: u16 = 204;
const CRLF: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, status: u16, body: &str, closes: bool) {
        let bytes = format!("{text}HTTP/1.1 the next one");
        for cut in 0..text.len() {
            assert_eq!(Response::decode(&bytes.as_bytes()[..cut]), Ok(None), "{cut} of {text}");
        }
        let expected = Response { status, body: body.as_bytes().into(), closes };
        assert_eq!(Response::decode(bytes.as_bytes()), Ok(Some((expected, text.len()))), "{text}");
    }

    #[test]
    fn an_answer_is_taken_when_whole_and_what_follows_is_left() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok", false);
        check("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, "", true);
        check("HTTP/1.1 204 No Content\r\n\r\n", 204, "", false);
        let chunks = "HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n";
        check(chunks, 400, "abc0123456789", false);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let check = |text: &str, error| assert_eq!(Response::decode(text.as_bytes()), Err(error), "{text}");
        check("HTTP/1.1 200 OK\r\n\r\n", HttpError::NoLength);
        check("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", HttpError::TooLong);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", HttpError::Chunks);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", HttpError::Chunks);
        assert!(matches!(Response::decode(b"SSH-2.0-x\r\n"), Err(HttpError::Head(_))));
    }

    #[test]
    fn a_request_is_a_get_or_a_post_with_its_length() {
        let request = |body| {
            let mut out = Vec::new();
            encode_request("127.0.0.1:3000", "/socket.io/?EIO=4", "Agent/1", body, &mut out);
            String::from_utf8(out).unwrap()
        };
        let (get, post) = (request(None), request(Some(b"40/sessions,{}")));
        assert!(get.starts_with("GET /socket.io/?EIO=4 HTTP/1.1\r\n") && get.ends_with("\r\n\r\n"), "{get}");
        assert!(post.starts_with("POST ") && post.ends_with("\r\nContent-Length: 14\r\n\r\n40/sessions,{}"));
        assert!(get.contains("\r\nUser-Agent: Agent/1\r\n"), "{get}");
    }
}
