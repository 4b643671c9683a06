//! A receiver of webhooks that behaves as a test wants it, and what it was sent.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engineio::server::spawn;
use rollcall::config::Webhooks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: [u8; 32] = *b"thirty-two bytes that sign hooks";

/// How it answers from now on.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The status line behind `HTTP/1.1`, and headers, each with its end of line.
    Answer(&'static str, String),
    /// It reads and says nothing.
    Silent,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: String,
    pub timestamp: u64,
    pub body: Value,
}

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<(Mode, Vec<Sent>)>>,
}

/// As it stands in the configuration.
pub fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(SECRET))
}

/// One entry for each address, with these events and a second for each try.
pub fn webhooks(addresses: &[SocketAddr], events: &[&str]) -> Webhooks {
    serde_json::from_value(entries(addresses, events)).unwrap()
}

/// The same as JSON.
pub fn entries(addresses: &[SocketAddr], events: &[&str]) -> Value {
    let entry = |address: &SocketAddr| {
        let url = format!("http://{address}/hooks?key=1");
        json!({"url": url, "secret": secret(), "events": events, "timeout": "2s"})
    };
    addresses.iter().map(entry).collect()
}

/// A port where nobody listens, for now.
pub async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new((Mode::Answer("204 No Content", String::new()), Vec::new())));
        let shared = state.clone();
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                spawn(async move { serve(stream, &state).await.unwrap_or_default() });
            }
        });
        Self { address, state }
    }

    pub fn set(&self, mode: Mode) {
        self.state.lock().unwrap().0 = mode;
    }

    /// What it was sent so far, whatever it answered.
    pub fn sent(&self) -> Vec<Sent> {
        self.state.lock().unwrap().1.clone()
    }

    /// Waits until it was sent so many that `is_wanted`; gives them.
    pub async fn wait_for(&self, count: usize, is_wanted: impl Fn(&Sent) -> bool) -> Vec<Sent> {
        for _ in 0..1200 {
            let wanted: Vec<Sent> = self.sent().into_iter().filter(&is_wanted).collect();
            if wanted.len() >= count {
                return wanted;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} were wanted: {:?}", self.sent());
    }

    /// The same of this kind.
    pub async fn events(&self, count: usize, kind: &str) -> Vec<Sent> {
        self.wait_for(count, |sent| sent.body["type"] == kind).await
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<(Mode, Vec<Sent>)>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let head_end = loop {
            match read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => fill(&mut stream, &mut read).await?,
            }
        };
        let head = String::from_utf8(read[..head_end].to_vec()).unwrap();
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name} in {head}")).split_once(": ").unwrap().1.to_owned()
        };
        let length: usize = header("content-length").parse().unwrap();
        while read.len() < head_end + length {
            fill(&mut stream, &mut read).await?;
        }
        let body: Vec<u8> = read.drain(..head_end + length).skip(head_end).collect();
        assert!(head.starts_with("POST /hooks?key=1 HTTP/1.1\r\n"), "{head}");
        assert_eq!(header("content-type"), "application/json");
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let signed = [format!("{id}.{timestamp}.").as_bytes(), &body].concat();
        let signature = STANDARD.encode(sign(&Key::new(HMAC_SHA256, &SECRET), &signed));
        assert_eq!(header("webhook-signature"), format!("v1,{signature}"));
        let sent =
            Sent { id, timestamp: timestamp.parse().unwrap(), body: serde_json::from_slice(&body).unwrap() };
        let mode = {
            let mut state = state.lock().unwrap();
            state.1.push(sent);
            state.0.clone()
        };
        match mode {
            Mode::Answer(status, headers) => {
                let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            Mode::Silent => std::future::pending().await,
        }
    }
}

async fn fill(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(read).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}
