//! A client that cannot be answered yet, since the keys of its token's issuer are being fetched or the name of its device
//! is looked up: what is kept of it until they are there. Does not know: who fetches them, what becomes of the client.

use std::sync::Arc;
use std::time::Instant;

use engineio::Message;
use engineio::server::{Mailbox, spawn};

use super::Gateway;
use super::admission::{Admitted, NotAdmitted, judge};
use super::codes::SessionError;
use super::greeting::Greeting;
use super::naming::{LookedUp, look_up};
use crate::identity::{PATIENCE, Pending};

/// What becomes of a client that wants to join.
pub(super) enum Verdict {
    /// It is let in; with this name, if its device has one that was looked up.
    Admitted(Admitted, Option<Arc<str>>),
    Refused(SessionError),
    /// It has to wait; with the name that is being looked up.
    NotYet(Option<LookedUp>),
}

/// One client between its CONNECT and the answer.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) greeting: Box<Greeting>,
    /// What its CONNECT said, to be judged once more.
    pub(super) auth: Auth,
    /// By then it has an answer.
    pub(super) deadline: Instant,
    /// The name of its device, once it was asked for.
    pub(super) looked_up: Option<LookedUp>,
    pub(super) kept: Kept,
}

/// The `auth` of a CONNECT packet. Holds a token, so it appears in no log.
pub(super) struct Auth(pub(super) Box<str>);

/// Messages that came after the CONNECT, to be looked at after `ready`.
#[derive(Default)]
pub(super) struct Kept {
    messages: Vec<Owned>,
    bytes: usize,
}

enum Owned {
    Text(Box<str>),
    Binary(Box<[u8]>),
}

impl Judging {
    /// `None` when this `auth` is too long to be kept.
    pub(super) fn new(now: Instant, greeting: Box<Greeting>, auth: &str) -> Result<Self, Box<Greeting>> {
        if auth.len() > AUTH_BYTES {
            return Err(greeting);
        }
        let (auth, deadline, kept) = (Auth(auth.into()), now + PATIENCE, Kept::default());
        Ok(Self { greeting, auth, deadline, looked_up: None, kept })
    }
}

impl Kept {
    /// Keeps one more; `false` when there are more of them, or more bytes, than a client has reason to send.
    pub(super) fn keep(&mut self, message: Message<'_>, max_bytes: usize) -> bool {
        let (owned, bytes) = match message {
            Message::Text(text) => (Owned::Text(text.into()), text.len()),
            Message::Binary(data) => (Owned::Binary(data.into()), data.len()),
        };
        self.bytes += bytes;
        self.messages.push(owned);
        self.messages.len() <= KEPT_MESSAGES && self.bytes <= max_bytes
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.messages.iter().map(Owned::as_message)
    }
}

impl Owned {
    fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
        }
    }
}

/// May this client in, and under which name? If that cannot be said yet the socket is woken when it can.
pub(super) fn verdict(
    gateway: &Arc<Gateway>,
    greeting: &Greeting,
    auth: &str,
    looked_up: Option<LookedUp>,
    mailbox: &Arc<Mailbox>,
) -> Verdict {
    let admitted = match judge(gateway, greeting, auth) {
        Ok(admitted) => admitted,
        Err(NotAdmitted::Refused(error)) => return Verdict::Refused(error),
        Err(NotAdmitted::Pending(pending)) => {
            wake_when_resolved(pending, mailbox.clone());
            return Verdict::NotYet(looked_up);
        }
    };
    match looked_up.or_else(|| look_up(gateway, &admitted, mailbox)) {
        None => Verdict::Admitted(admitted, None),
        Some(looked_up) => match looked_up.answer() {
            Some(label) => Verdict::Admitted(admitted, label),
            None => Verdict::NotYet(Some(looked_up)),
        },
    }
}

/// Wakes this socket, and no other, when it can be judged again.
fn wake_when_resolved(pending: Pending, mailbox: Arc<Mailbox>) {
    spawn(async move {
        pending.resolved().await;
        mailbox.wake();
    });
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Auth(…)")
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Kept({} messages)", self.messages.len())
    }
}

/// The longest token and label fit, escaped characters included; more is only there to fill memory.
const AUTH_BYTES: usize = 16 * 1024;
/// Stock clients send nothing before they are in.
const KEPT_MESSAGES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_messages_are_kept_and_their_bytes_are_bounded() {
        let mut kept = Kept::default();
        for _ in 0..8 {
            assert!(kept.keep(Message::Text("2/x"), 100) && kept.keep(Message::Binary(b"ab"), 100));
        }
        assert_eq!(kept.messages().count(), 16);
        assert!(matches!(kept.messages().next(), Some(Message::Text("2/x"))));
        assert!(!kept.keep(Message::Text(""), 100));

        let mut kept = Kept::default();
        assert!(kept.keep(Message::Text("12345"), 10) && kept.keep(Message::Binary(b"67890"), 10));
        assert!(!kept.keep(Message::Text("1"), 10));
    }
}
