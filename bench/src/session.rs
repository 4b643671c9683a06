//! One session as its client lives it: what may be said in which order, what is answered, and what the gateway got
//! wrong. Does not know: sockets, frames, time.
//!
//! ```text
//! Opening --0--> Joining --40--> Joined --ready--> Joined --update with itself--> settled
//!    any stage --leave()--> Leaving
//! ```

use thiserror::Error;

use crate::ledger::{Ledger, Violation};
use crate::message::{Ack, List, Message, Relayed};

/// What a client remembers of its session: a few numbers, whatever the lists hold.
#[derive(Debug)]
pub(crate) struct Session {
    stage: Stage,
    ready: bool,
    /// `id_hash` of the own socket id; 0 until CONNECT was answered.
    own: u64,
    /// The newest update, or that of `ready` before the first.
    newest: List,
    updated: bool,
    told_itself: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Joining,
    Joined,
    Leaving,
}

/// Whose session it is, and what may be asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Which of all sessions, for the ledger.
    pub(crate) index: usize,
    /// How many sessions the user may be seen with.
    pub(crate) siblings: u32,
    /// The server says the same to everybody: what it says is not looked at.
    pub(crate) canned: bool,
}

/// What follows from a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Nothing,
    /// Socket.IO's CONNECT with the token is owed to the server.
    Connect,
    /// Engine.IO's pong, `3`, is.
    Pong,
    /// `ready` has come.
    Ready,
    /// A list has come.
    Updated,
    /// Another session of the user has sent this.
    Relayed(Relayed),
    /// An event was answered: its number, and how.
    Acked(u64, Ack),
}

/// The server ended the session, or does not speak the protocol.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// `sessions:error`.
    #[error("refused with the code {code}: {message}")]
    Refused {
        /// One of the gateway's codes.
        code: String,
        /// The gateway's sentence.
        message: String,
    },
    /// `44`.
    #[error("CONNECT was refused: {0}")]
    ConnectRefused(String),
    /// `41` or `1`.
    #[error("the server ended the session without a sessions:error")]
    Disconnected,
    /// A packet at a time when it makes no sense.
    #[error("{0} out of order")]
    OutOfOrder(&'static str),
}

impl Session {
    /// Before the first packet.
    pub(crate) fn new() -> Self {
        let newest = List::default();
        Self { stage: Stage::Opening, ready: false, own: 0, newest, updated: false, told_itself: false }
    }

    /// Takes one packet. `seat` is for the `ledger`.
    pub(crate) fn handle_message(
        &mut self,
        seat: Seat,
        message: Message,
        ledger: &mut Ledger,
    ) -> Result<Step, SessionEnd> {
        if self.stage == Stage::Leaving {
            return Ok(Step::Nothing);
        }
        match message {
            Message::Open if self.stage == Stage::Opening => {
                self.stage = Stage::Joining;
                return Ok(Step::Connect);
            }
            Message::Open => return Err(SessionEnd::OutOfOrder("an Engine.IO open packet")),
            Message::Ping => return Ok(Step::Pong),
            Message::Connected(own) if self.stage == Stage::Joining => {
                self.stage = Stage::Joined;
                self.own = own;
            }
            Message::Connected(_) => return Err(SessionEnd::OutOfOrder("an answer to CONNECT")),
            Message::Ready(..) | Message::Update(_) if self.stage != Stage::Joined => {
                return Err(SessionEnd::OutOfOrder("a list"));
            }
            Message::Ready(own, list) => return Ok(self.on_ready(seat, own, list, ledger)),
            Message::Update(list) => {
                self.on_update(seat, list, ledger);
                return Ok(Step::Updated);
            }
            Message::Relayed(relayed) => return Ok(Step::Relayed(relayed)),
            Message::Ack { id, ack } => return Ok(Step::Acked(id, ack)),
            Message::Error { code, message } => return Err(SessionEnd::Refused { code, message }),
            Message::ConnectRefused(message) => return Err(SessionEnd::ConnectRefused(message)),
            Message::Disconnected | Message::Close => return Err(SessionEnd::Disconnected),
            Message::Noop | Message::OtherEvent(_) => {}
        }
        Ok(Step::Nothing)
    }

    /// From now on the client goes; whatever still comes is not read.
    pub(crate) fn leave(&mut self) {
        self.stage = Stage::Leaving;
    }

    /// Takes an update whose list nobody reads: there was no time to.
    pub(crate) fn count_update(&mut self) {
        self.updated = true;
        self.told_itself = true;
    }

    /// Whether `ready` has come.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether `ready` has come, and an update with the session in it.
    pub(crate) fn is_settled(&self) -> bool {
        self.ready && self.told_itself
    }

    /// Whether the client is going.
    pub(crate) fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }

    /// The hash of the own socket id; 0 until the namespace was joined.
    pub(crate) fn own(&self) -> u64 {
        self.own
    }

    /// The newest list that the gateway told.
    pub(crate) fn newest(&self) -> List {
        self.newest
    }

    fn on_ready(&mut self, seat: Seat, own: u64, list: List, ledger: &mut Ledger) -> Step {
        if self.ready {
            ledger.note(Violation::ReadyTwice, seat.index, format_args!("{} sessions", list.len));
            return Step::Nothing;
        }
        if own != self.own && !seat.canned {
            ledger.note(Violation::ReadyForAnother, seat.index, "socketId and sid differ");
        }
        if !list.has_own && !seat.canned {
            ledger.note(Violation::ReadyWithoutSelf, seat.index, format_args!("{} sessions", list.len));
        }
        self.ready = true;
        self.take(seat, list, ledger);
        Step::Ready
    }

    fn on_update(&mut self, seat: Seat, list: List, ledger: &mut Ledger) {
        if !self.ready {
            ledger.note(Violation::UpdateBeforeReady, seat.index, format_args!("{} sessions", list.len));
        }
        if let (Some(before), Some(now)) = (self.newest.revision, list.revision) {
            // The first update may be the very change that `ready` told.
            let rises = if self.updated { now > before } else { now >= before };
            if !rises && !seat.canned {
                ledger.note(Violation::RevisionNotRising, seat.index, format_args!("{now} after {before}"));
            }
        }
        self.updated = true;
        self.told_itself |= list.has_own || seat.canned;
        self.take(seat, list, ledger);
    }

    fn take(&mut self, seat: Seat, list: List, ledger: &mut Ledger) {
        if list.len > seat.siblings && !seat.canned {
            let seen = format_args!("{} of {}", list.len, seat.siblings);
            ledger.note(Violation::ListTooLong, seat.index, seen);
        }
        self.newest = list;
    }
}

/// A million of them are held at once.
const _: () = assert!(size_of::<Session>() <= 64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::id_hash;

    /// A session that was told all of `packets`, and the violations that it found.
    fn told(packets: &[&str]) -> (Session, Result<Step, SessionEnd>, Ledger) {
        let mut session = Session::new();
        let mut ledger = Ledger::default();
        let mut last = Ok(Step::Nothing);
        for packet in packets {
            let message = Message::decode(packet, session.own()).unwrap();
            last = session.handle_message(SEAT, message, &mut ledger);
        }
        (session, last, ledger)
    }

    fn check(packets: &[&str], violation: Option<Violation>) {
        let (_, last, ledger) = told(packets);
        assert!(last.is_ok(), "{last:?}");
        let found: Vec<String> = ledger.entries().into_iter().map(|entry| entry.violation).collect();
        let expected: Vec<String> = violation.iter().map(Violation::to_string).collect();
        assert_eq!(found, expected, "{packets:?}");
    }

    const SEAT: Seat = Seat { index: 0, siblings: 2, canned: false };
    const OPEN: &str = r#"0{"sid":"engine"}"#;
    const CONNECTED: &str = r#"40/sessions,{"sid":"a"}"#;
    const READY: &str =
        r#"42/sessions,["sessions:ready",{"socketId":"a","sessions":[{"socketId":"a"}],"revision":5}]"#;
    const UPDATE: &str = r#"42/sessions,["sessions:update",[{"socketId":"a"}],{"revision":5}]"#;
    const NEXT: &str =
        r#"42/sessions,["sessions:update",[{"socketId":"a"},{"socketId":"b"}],{"revision":6}]"#;

    #[test]
    fn a_session_settles_with_its_own_ready_and_update() {
        assert_eq!(told(&[OPEN]).1, Ok(Step::Connect));
        let (session, ..) = told(&[OPEN, CONNECTED, READY]);
        assert!(session.is_ready() && !session.is_settled());
        let (session, last, ledger) = told(&[OPEN, CONNECTED, READY, UPDATE, NEXT, "2"]);
        assert_eq!(last, Ok(Step::Pong));
        assert!(session.is_settled());
        assert_eq!(session.newest().digest, id_hash("a").wrapping_add(id_hash("b")));
        assert_eq!(ledger.total(), 0, "{:?}", ledger.examples());
    }

    #[test]
    fn each_broken_rule_is_noted() {
        check(&[OPEN, CONNECTED, READY, READY, UPDATE], Some(Violation::ReadyTwice));
        check(&[OPEN, CONNECTED, UPDATE, READY], Some(Violation::UpdateBeforeReady));
        check(&[OPEN, CONNECTED, READY, NEXT, NEXT], Some(Violation::RevisionNotRising));
        check(&[OPEN, CONNECTED, READY, UPDATE, NEXT], None);
        let lonely = r#"42/sessions,["sessions:ready",{"socketId":"a","sessions":[]}]"#;
        check(&[OPEN, CONNECTED, lonely, UPDATE], Some(Violation::ReadyWithoutSelf));
        check(&[OPEN, r#"40/sessions,{"sid":"z"}"#, READY], Some(Violation::ReadyForAnother));
        let crowded =
            r#"42/sessions,["sessions:update",[{"socketId":"a"},{"socketId":"b"},{"socketId":"c"}]]"#;
        check(&[OPEN, CONNECTED, READY, crowded], Some(Violation::ListTooLong));
        let older = r#"42/sessions,["sessions:update",[{"socketId":"a"}],{"revision":4}]"#;
        check(&[OPEN, CONNECTED, READY, older], Some(Violation::RevisionNotRising));
    }

    #[test]
    fn of_a_canned_server_only_the_order_is_asked() {
        let canned = Seat { canned: true, ..SEAT };
        let mut session = Session::new();
        let mut ledger = Ledger::default();
        let ready = r#"42/sessions,["sessions:ready",{"socketId":"y","sessions":[]}]"#;
        for packet in [OPEN, r#"40/sessions,{"sid":"z"}"#, ready, UPDATE, UPDATE] {
            let message = Message::decode(packet, session.own()).unwrap();
            session.handle_message(canned, message, &mut ledger).unwrap();
        }
        assert!(session.is_settled());
        assert_eq!(ledger.total(), 0, "{:?}", ledger.examples());
        let message = Message::decode(ready, 0).unwrap();
        session.handle_message(canned, message, &mut ledger).unwrap();
        assert_eq!(ledger.total(), 1);
    }

    #[test]
    fn what_is_relayed_and_acknowledged_is_handed_on() {
        let message = r#"42/sessions,["sessions:message",{"from":"b","event":"x","data":3}]"#;
        let relayed = Relayed { from: id_hash("b"), event: "x".into(), data: 3 };
        assert_eq!(told(&[OPEN, CONNECTED, READY, message]).1, Ok(Step::Relayed(relayed)));
        let ack = Ack { ok: true, delivered: Some(1), code: None };
        let packet = r#"43/sessions,9[{"ok":true,"delivered":1}]"#;
        assert_eq!(told(&[OPEN, CONNECTED, READY, packet]).1, Ok(Step::Acked(9, ack)));
    }

    #[test]
    fn what_ends_a_session_says_why() {
        let error = r#"42/sessions,["sessions:error",{"code":"token_expired","message":"Too late."}]"#;
        let refused = SessionEnd::Refused { code: "token_expired".into(), message: "Too late.".into() };
        assert_eq!(told(&[OPEN, CONNECTED, error]).1, Err(refused));
        assert_eq!(told(&[OPEN, CONNECTED, READY, "41/sessions,"]).1, Err(SessionEnd::Disconnected));
        assert!(matches!(told(&[OPEN, READY]).1, Err(SessionEnd::OutOfOrder(_))));
        assert!(matches!(told(&[OPEN, OPEN]).1, Err(SessionEnd::OutOfOrder(_))));
        assert!(matches!(told(&[OPEN, "44/sessions,{}"]).1, Err(SessionEnd::ConnectRefused(_))));
    }

    #[test]
    fn a_client_that_goes_reads_nothing_more() {
        let (mut session, _, mut ledger) = told(&[OPEN, CONNECTED, READY, UPDATE]);
        session.leave();
        let message = Message::decode("41/sessions,", 0).unwrap();
        assert_eq!(session.handle_message(SEAT, message, &mut ledger), Ok(Step::Nothing));
    }
}
