//! A session over HTTP long-polling: one connection on which the handshake, the CONNECT and then one poll after the
//! other is sent, and a second one when something is to be said while a poll waits. Both are kept alive. Does not know:
//! what its packets mean.
//!
//! ```text
//! Connecting --> Opening --sid--> Posting (CONNECT, pongs) --ok--> Polling --packets--> Posting or Polling
//! ```

use mio::Token;
use serde::Deserialize;

use super::hearing::Hearing;
use super::shared::{End, Shared};
use super::wire::Wire;
use crate::http::{self, Response};

/// The connections.
pub(super) struct Polling {
    first: Line,
    second: Option<Line>,
    second_token: Token,
    index: usize,
    /// Engine.IO's id of the session; empty until the handshake was answered.
    sid: Box<str>,
    /// Packets that the next request of the first connection carries.
    owed: Vec<u8>,
    /// Packets that wait for the second connection.
    mail: Vec<u8>,
}

struct Line {
    wire: Wire,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Opening,
    Posting,
    Polling,
    /// Open, and nothing was asked.
    Resting,
}

impl Polling {
    /// Begins a connect for the session `index`.
    pub(super) fn connect(
        index: usize,
        tokens: (Token, Token),
        shared: &mut Shared,
    ) -> Result<Self, std::io::Error> {
        let first = Line { wire: Wire::connect(tokens.0, shared)?, stage: Stage::Connecting };
        let (owed, mail) = (Vec::new(), Vec::new());
        Ok(Self { first, second: None, second_token: tokens.1, index, sid: "".into(), owed, mail })
    }

    /// Takes the next step after the kernel has told of the readiness of one of the connections.
    pub(super) fn on_ready(
        &mut self,
        token: Token,
        at_end: bool,
        hearing: &mut Hearing<'_>,
        shared: &mut Shared,
    ) -> Result<(), End> {
        match token == self.second_token {
            true => self.on_second_ready(at_end, hearing, shared),
            false => self.on_first_ready(token, at_end, hearing, shared),
        }
    }

    /// Sends a packet, over the second connection if need be.
    pub(super) fn send(&mut self, packet: &[u8], shared: &mut Shared) -> Result<(), End> {
        separate(&mut self.mail);
        self.mail.extend_from_slice(packet);
        match &self.second {
            None => {
                let wire = Wire::connect(self.second_token, shared)?;
                self.second = Some(Line { wire, stage: Stage::Connecting });
                Ok(())
            }
            Some(_) => self.post_mail(shared),
        }
    }

    /// Says goodbye with Engine.IO's close packet.
    pub(super) fn leave(&mut self, shared: &mut Shared) -> Result<(), End> {
        match self.sid.is_empty() {
            true => Err(End::Closed),
            false => self.send(b"1", shared),
        }
    }

    fn on_first_ready(
        &mut self,
        token: Token,
        at_end: bool,
        hearing: &mut Hearing<'_>,
        shared: &mut Shared,
    ) -> Result<(), End> {
        if self.first.stage == Stage::Connecting {
            self.first.wire.connected(at_end)?;
            return self.ask(shared);
        }
        let Self { first, sid, owed, .. } = self;
        let (mut answered, mut closes) = (false, false);
        let stage = first.stage;
        let read = first.wire.read(at_end, shared, |bytes, shared| {
            let Some((response, length)) = Response::decode(bytes)? else { return Ok(0) };
            closes = response.closes;
            answered = true;
            on_response(stage, &response, sid, owed, hearing, shared)?;
            Ok(length)
        });
        match read {
            Err(End::Closed) if closes => {}
            read => read?,
        }
        if answered && hearing.session.is_leaving() {
            // The answer to the goodbye comes on the second connection.
            self.first.stage = Stage::Resting;
            return Ok(());
        }
        match (answered, closes) {
            (false, _) => Ok(()),
            (true, true) => {
                self.first = Line { wire: Wire::connect(token, shared)?, stage: Stage::Connecting };
                Ok(())
            }
            (true, false) => self.ask(shared),
        }
    }

    /// Sends what the first connection has to ask next.
    fn ask(&mut self, shared: &mut Shared) -> Result<(), End> {
        let host = shared.target.to_string();
        let agent = shared.cast.user_agent(self.index);
        let target = self.target(&shared.path);
        let (stage, body) = match (self.sid.is_empty(), self.owed.is_empty()) {
            (true, _) => (Stage::Opening, None),
            (false, false) => (Stage::Posting, Some(std::mem::take(&mut self.owed))),
            (false, true) => (Stage::Polling, None),
        };
        http::encode_request(&host, &target, agent, body.as_deref(), &mut shared.out);
        self.first.stage = stage;
        self.first.wire.write(shared)
    }

    fn on_second_ready(
        &mut self,
        at_end: bool,
        hearing: &mut Hearing<'_>,
        shared: &mut Shared,
    ) -> Result<(), End> {
        let Some(second) = &mut self.second else { return Ok(()) };
        if second.stage == Stage::Connecting {
            second.wire.connected(at_end)?;
            second.stage = Stage::Resting;
            return self.post_mail(shared);
        }
        let (mut answered, mut closes) = (false, false);
        let read = second.wire.read(at_end, shared, |bytes, _| {
            let Some((response, length)) = Response::decode(bytes)? else { return Ok(0) };
            closes = response.closes;
            answered = true;
            accept(&response)?;
            Ok(length)
        });
        match read {
            // A server need not keep a connection that rests.
            Err(End::Closed) if answered || second.stage == Stage::Resting => closes = true,
            read => read?,
        }
        if answered && hearing.session.is_leaving() {
            return Err(End::Closed);
        }
        if closes {
            self.second = None;
            return match self.mail.is_empty() {
                true => Ok(()),
                false => {
                    let mail = std::mem::take(&mut self.mail);
                    self.send(&mail, shared)
                }
            };
        }
        if answered {
            second.stage = Stage::Resting;
        }
        self.post_mail(shared)
    }

    /// Sends the mail unless the second connection is busy.
    fn post_mail(&mut self, shared: &mut Shared) -> Result<(), End> {
        let target = self.target(&shared.path);
        let Some(second) = &mut self.second else { return Ok(()) };
        if second.stage != Stage::Resting || self.mail.is_empty() {
            return Ok(());
        }
        let (host, agent) = (shared.target.to_string(), shared.cast.user_agent(self.index));
        http::encode_request(&host, &target, agent, Some(&self.mail), &mut shared.out);
        self.mail = Vec::new();
        second.stage = Stage::Posting;
        second.wire.write(shared)
    }

    fn target(&self, path: &str) -> String {
        match self.sid.is_empty() {
            true => format!("{path}?EIO=4&transport=polling"),
            false => format!("{path}?EIO=4&transport=polling&sid={}", self.sid),
        }
    }
}

/// Takes an answer on the first connection.
fn on_response(
    stage: Stage,
    response: &Response<'_>,
    sid: &mut Box<str>,
    owed: &mut Vec<u8>,
    hearing: &mut Hearing<'_>,
    shared: &mut Shared,
) -> Result<(), End> {
    if hearing.session.is_leaving() {
        return Ok(());
    }
    accept(response)?;
    if stage == Stage::Posting {
        return Ok(());
    }
    for packet in response.body.split(|&byte| byte == SEPARATOR) {
        if let Some(open) = packet.strip_prefix(b"0")
            && stage == Stage::Opening
        {
            *sid = serde_json::from_slice::<Open>(open).map(|open| open.sid).unwrap_or_default();
        }
        if let Some(answer) = hearing.hear(packet, shared)? {
            separate(owed);
            owed.extend_from_slice(&answer);
        }
    }
    Ok(())
}

fn accept(response: &Response<'_>) -> Result<(), End> {
    match response.status {
        200 | 204 => Ok(()),
        status => {
            let body = String::from_utf8_lossy(&response.body).chars().take(BODY_SHOWN).collect();
            Err(End::Status { status, body })
        }
    }
}

fn separate(payload: &mut Vec<u8>) {
    if !payload.is_empty() {
        payload.push(SEPARATOR);
    }
}

#[derive(Deserialize)]
struct Open {
    sid: Box<str>,
}

/// A million of them are held at once, on as many connections.
const _: () = assert!(size_of::<Polling>() <= 192);

/// Between the packets of a payload (Engine.IO v4).
const SEPARATOR: u8 = 0x1e;
const BODY_SHOWN: usize = 200;
