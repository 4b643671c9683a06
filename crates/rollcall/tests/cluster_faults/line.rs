//! The connection of a client, over each transport that stock clients use: packets in, packets out. Does not know: what
//! they mean.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::Value;

use crate::live::wire::{Wire, client_frame, request, upgrade_headers};
use crate::live::{POLL, WEBSOCKET};

/// How a client reaches its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    Polling,
    /// Begins with polling and goes on with a WebSocket, as browsers do.
    Upgrade,
}

/// An open session of Engine.IO.
pub enum Line {
    WebSocket(Wire),
    Polling(Polling),
}

/// The poll on one connection, what is said on another.
pub struct Polling {
    polls: Wire,
    posts: Wire,
    target: String,
    /// A poll is under way.
    has_asked: bool,
    unread: VecDeque<String>,
}

impl Line {
    /// `None` when the node lets nobody in, or ends first.
    pub async fn open(address: SocketAddr, transport: Transport) -> Option<Self> {
        match transport {
            Transport::WebSocket => Some(Self::WebSocket(upgraded(address, WEBSOCKET).await?)),
            Transport::Polling => Some(Self::Polling(Polling::open(address).await?)),
            Transport::Upgrade => {
                let polling = Polling::open(address).await?;
                let target = polling.target.replace("transport=polling", "transport=websocket");
                let mut line = Self::WebSocket(upgraded(address, &target).await?);
                line.say("2probe").await?;
                let probed = line.packet().await?;
                assert_eq!(probed, "3probe");
                line.say("5").await?;
                Some(line)
            }
        }
    }

    /// The next packet; `None` at the end. Dropped half-way it loses nothing.
    pub async fn packet(&mut self) -> Option<String> {
        match self {
            Self::WebSocket(wire) => {
                let frame = wire.frame().await?;
                (frame.first == 0x81).then(|| String::from_utf8(frame.payload).ok()).flatten()
            }
            Self::Polling(polling) => polling.packet().await,
        }
    }

    /// `None` when nobody takes it any more.
    pub async fn say(&mut self, packet: &str) -> Option<()> {
        match self {
            Self::WebSocket(wire) => wire.try_send(client_frame(0x81, packet.as_bytes())).await.ok(),
            Self::Polling(polling) => polling.post(packet).await,
        }
    }

    /// Ends it as a tab does that is shut. Who polls has to say so: between two polls nothing shows that it has gone.
    pub async fn leave(mut self) {
        if let Self::Polling(polling) = &mut self {
            polling.post("1").await;
        }
    }
}

impl Polling {
    async fn open(address: SocketAddr) -> Option<Self> {
        let mut polls = Wire::try_connect(address).await.ok()?;
        let posts = Wire::try_connect(address).await.ok()?;
        polls.try_send(request("GET", POLL, "", "")).await.ok()?;
        let answer = polls.try_answer().await.filter(|answer| answer.status == 200)?;
        let mut packets = answer.body.split('\u{1e}').map(str::to_owned);
        let open = packets.next()?;
        let open: Value = serde_json::from_str(open.strip_prefix('0')?).ok()?;
        let target = format!("{POLL}&sid={}", open["sid"].as_str()?);
        Some(Self { polls, posts, target, has_asked: false, unread: packets.collect() })
    }

    async fn packet(&mut self) -> Option<String> {
        loop {
            match self.unread.pop_front().as_deref() {
                Some("6") => continue,
                Some("1") => return None,
                Some(packet) => return Some(packet.to_owned()),
                None => {}
            }
            if !self.has_asked {
                self.polls.try_send(request("GET", &self.target, "", "")).await.ok()?;
                self.has_asked = true;
            }
            let answer = self.polls.try_answer().await.filter(|answer| answer.status == 200)?;
            self.has_asked = false;
            self.unread.extend(answer.body.split('\u{1e}').map(str::to_owned));
        }
    }

    async fn post(&mut self, packet: &str) -> Option<()> {
        let headers = "content-type: text/plain;charset=UTF-8\r\n";
        self.posts.try_send(request("POST", &self.target, headers, packet)).await.ok()?;
        self.posts.try_answer().await.filter(|answer| answer.status == 200).map(|_| ())
    }
}

async fn upgraded(address: SocketAddr, target: &str) -> Option<Wire> {
    let mut wire = Wire::try_connect(address).await.ok()?;
    wire.try_send(request("GET", target, &upgrade_headers(), "")).await.ok()?;
    (wire.try_answer().await?.status == 101).then_some(wire)
}
