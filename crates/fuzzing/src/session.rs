//! Operations on an Engine.IO session, a letter each, against a model: the same one as in the crate's own tests.

use engineio::handshake::TransportName;
use model::Op;

#[path = "../../engineio/tests/model/mod.rs"]
mod model;

/// `W` in front: the session begins on WebSocket, else with polling. Then `w5000` waits so many milliseconds, `s5000` is a
/// standstill of the process; `m`, `p`, `o`, `e` and `i` are packets (message, pong, passed over, close, ping); `c`
/// brings a candidate, which says `r` (2probe), `f` (5), `x` (something else) or is lost, `l`. What is none is passed
/// over.
pub fn session_operations(input: &[u8]) {
    let (transport, letters) = match input {
        [b'W', letters @ ..] => (TransportName::WebSocket, letters),
        letters => (TransportName::Polling, letters),
    };
    model::check(transport, Ops(letters));
}

struct Ops<'a>(&'a [u8]);

impl Iterator for Ops<'_> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        loop {
            let (letter, rest) = self.0.split_first()?;
            self.0 = rest;
            return Some(match letter {
                b'w' => Op::Wait(self.number()),
                b's' => Op::Pause(self.number()),
                b'm' => Op::Message,
                b'p' => Op::Pong,
                b'o' => Op::Passed,
                b'e' => Op::Close,
                b'i' => Op::Ping,
                b'c' => Op::Candidate,
                b'r' => Op::Probe,
                b'f' => Op::Finish,
                b'x' => Op::Wrong,
                b'l' => Op::Lost,
                _ => continue,
            });
        }
    }
}

impl Ops<'_> {
    /// Up to six digits: a quarter of an hour is longer than anything that is waited for.
    fn number(&mut self) -> u32 {
        let digits = self.0.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(digits);
        self.0 = rest;
        digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    }
}
