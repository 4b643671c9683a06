//! A client made of bytes: HTTP/1.1 requests and WebSocket frames as a test wants them, right or wrong.
//! Does not know: what is a correct one. Every wait has a deadline.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes so long unless it never comes.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Lower case, without the status line.
    pub head: String,
    pub body: String,
}

/// A server's frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// With the FIN bit.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    /// For a server that may not be there.
    pub async fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("connect in time")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// A WebSocket that was accepted.
    pub async fn websocket(address: SocketAddr, target: &str) -> Self {
        let mut wire = Self::connect(address).await;
        let answer = wire.request("GET", target, &upgrade_headers(), "").await;
        assert_eq!(answer.status, 101, "{answer:?}");
        wire
    }

    /// The same with a receive buffer of so many bytes: who then reads nothing is soon slow.
    pub async fn websocket_with_buffer(address: SocketAddr, target: &str, bytes: u32) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        let stream = timeout(PATIENCE, socket.connect(address)).await.expect("connect in time").unwrap();
        let mut wire = Self { stream, read: Vec::new() };
        let answer = wire.request("GET", target, &upgrade_headers(), "").await;
        assert_eq!(answer.status, 101, "{answer:?}");
        wire
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// For bytes that a server may not want any more.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("taken in time")
    }

    pub async fn request(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        self.send(request(method, target, headers, body)).await;
        self.answer().await
    }

    pub async fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, "", "").await
    }

    pub async fn post(&mut self, target: &str, body: &str) -> Answer {
        self.request("POST", target, "content-type: text/plain;charset=UTF-8\r\n", body).await
    }

    /// The next answer, its body by `content-length`.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer before the end of the connection")
    }

    /// `None` when the connection ends instead. Dropped half-way it loses nothing.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let head_len = loop {
            match self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.fill().await?,
            }
        };
        let head = String::from_utf8(self.read[..head_len].to_vec()).unwrap().to_ascii_lowercase();
        let (status_line, head) = head.split_once("\r\n").unwrap();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.read.len() < head_len + length {
            self.fill().await?;
        }
        self.read.drain(..head_len);
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Answer { status, head: head.to_owned(), body })
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((header, length)) = server_header(&self.read)
                && self.read.len() >= header + length
            {
                let mut frame: Vec<u8> = self.read.drain(..header + length).collect();
                return Some(Frame { first: frame[0], payload: frame.split_off(header) });
            }
            self.fill().await?;
        }
    }

    /// The next frame, which is text.
    pub async fn text(&mut self) -> String {
        let frame = self.frame().await.expect("a text before the end of the connection");
        assert_eq!(frame.first, 0x81, "{frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    pub async fn say(&mut self, text: &str) {
        self.send(client_frame(0x81, text.as_bytes())).await;
    }

    /// Asserts that nothing comes any more but the orderly end: a close packet and a close frame.
    pub async fn orderly_end(&mut self) {
        assert_eq!(self.text().await, "1");
        let close = self.frame().await.expect("a close frame");
        assert_eq!((close.first, close.payload.as_slice()), (0x88, &1000_u16.to_be_bytes()[..]));
    }

    /// The code of the close frame that ends the connection; other frames before it are passed over.
    pub async fn close_code(&mut self) -> Option<u16> {
        while let Some(frame) = self.frame().await {
            if frame.first == 0x88 {
                return Some(u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
            }
        }
        None
    }

    /// Waits for the end of the connection; gives what still came.
    pub async fn end(&mut self) -> Vec<u8> {
        while self.fill().await.is_some() {}
        std::mem::take(&mut self.read)
    }

    /// Says nothing more, and goes on listening.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Ends the connection with a reset (`SO_LINGER` 0).
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    async fn fill(&mut self) -> Option<()> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        match read.expect("something, or the end, in time") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

impl Answer {
    #[track_caller]
    pub fn check(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body));
    }
}

/// The bytes of a request with a `content-length` when it has a body; `headers` are whole lines.
pub fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = match body.len() {
        0 if method == "GET" => String::new(),
        length => format!("content-length: {length}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{headers}{length}\r\n{body}")
}

pub fn upgrade_headers() -> String {
    format!(
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\
         sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
    )
}

/// A frame with any first byte, masked as a client's is.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [0x1f, 0xa0, 0x33, 0x7c];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Bytes of header and payload of the frame that `bytes` begin with.
fn server_header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()).into())),
        127 => Some((10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize)),
        length => Some((2, length.into())),
    }
}
