//! The `sessions` namespace of one socket: joins, is refused, leaves, ends. What it does while it is in is [`Stay`]'s.
//! Does not know: frames, transports, when it is called.

mod joining;
mod visiting;

use std::sync::Arc;
use std::time::Instant;

use engineio::Message;
use engineio::server::{Flow, Goodbye, Mailbox, Outbox};
use socketio::connection::encode_connected;

use super::Gateway;
use super::codes::SessionError;
use super::entering::Entering;
use super::events::Call;
use super::farewell::{dismiss, encode_error, new_socket_id};
use super::greeting::Greeting;
use super::judging::{Judging, Kept, Verdict, verdict};
use super::stay::Stay;
use crate::admin::Visitor;

/// The namespace that all of this is about.
pub(super) const NAMESPACE: &str = "/sessions";

/// What one socket is in the namespace.
///
/// ```text
/// out --CONNECT, good--> (entering, in a cluster) --> in --client leaves--> out
///  |                     |`--revoked, evicted--> refused, for good
///  |                     `--another error, close--> (the socket ends)
///  |--CONNECT, refused--> refused --the client closes, or time is up--> (the socket ends)
///  |                         `--CONNECT again--> as from out
///  |--CONNECT, its key is not there yet--> judging --woken--> as from out
///  `--a page of `/admin` signs in--> visited, for good
/// ```
#[derive(Debug)]
pub(super) struct Sessions {
    state: State,
    mailbox: Arc<Mailbox>,
}

#[derive(Debug)]
enum State {
    /// Has not joined, or has left by itself.
    Out(Box<Greeting>),
    /// Joined.
    In(Stay),
    /// Its token cannot be judged yet.
    Judging(Box<Judging>),
    /// The other nodes are being told of it.
    Entering(Box<Entering>),
    /// Refused; the socket ends at the deadline if the client does not end it before. Without a greeting there is no
    /// second try.
    Refused { greeting: Option<Box<Greeting>>, deadline: Instant, goodbye: Goodbye },
    /// A page of `/admin` has signed in over it.
    Visited(Box<Visitor>),
    /// Only while one of the above becomes another.
    Changing,
}

impl Sessions {
    pub(super) fn new(mailbox: Arc<Mailbox>, greeting: Greeting) -> Self {
        Self { state: State::Out(Box::new(greeting)), mailbox }
    }

    /// The client wants to join; `auth` is a JSON object, or `""`.
    pub(super) fn on_connect(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        auth: &str,
        out: &mut Outbox<'_>,
    ) -> Flow {
        let (greeting, latest) = match std::mem::replace(&mut self.state, State::Changing) {
            State::Out(greeting) => (greeting, None),
            // Trying again does not put the end off.
            State::Refused { greeting: Some(greeting), deadline, .. } => (greeting, Some(deadline)),
            // The connection refuses a second CONNECT before it comes here.
            state @ (State::Refused { .. }
            | State::In(_)
            | State::Judging(_)
            | State::Entering(_)
            | State::Visited(_)
            | State::Changing) => {
                self.state = state;
                return Flow::Close(Goodbye::Violation);
            }
        };
        let flow = match verdict(gateway, &greeting, auth, None, &self.mailbox) {
            Verdict::Admitted(admitted, label) => self.join(gateway, now, *greeting, admitted, label, out),
            Verdict::Refused(error) => self.refuse(gateway, now, greeting, error, out),
            Verdict::NotYet(looked_up) => match Judging::new(now, greeting, auth) {
                Ok(judging) => {
                    self.state = State::Judging(Box::new(Judging { looked_up, ..judging }));
                    return Flow::Continue;
                }
                Err(greeting) => self.refuse(gateway, now, greeting, SessionError::Unavailable, out),
            },
        };
        if let (State::Refused { deadline, .. }, Some(latest)) = (&mut self.state, latest) {
            *deadline = latest.min(*deadline);
        }
        flow
    }

    /// What was waited for may be there. Gives the messages that were kept meanwhile, once there is an answer.
    pub(super) fn on_wake(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        out: &mut Outbox<'_>,
    ) -> (Flow, Kept) {
        let judging = match std::mem::replace(&mut self.state, State::Changing) {
            State::Judging(judging) => *judging,
            State::Entering(entering) => return self.enter(gateway, now, entering, out),
            mut state => {
                if let State::In(stay) = &mut state {
                    stay.on_wake(gateway, now, &self.mailbox, out);
                }
                self.state = state;
                return (Flow::Continue, Kept::default());
            }
        };
        match verdict(gateway, &judging.greeting, &judging.auth.0, judging.looked_up.clone(), &self.mailbox) {
            Verdict::Admitted(admitted, label) => {
                let flow = self.join(gateway, now, *judging.greeting, admitted, label, out);
                match &mut self.state {
                    State::In(_) => (flow, judging.kept),
                    State::Entering(entering) => {
                        entering.kept = judging.kept;
                        (flow, Kept::default())
                    }
                    State::Out(_)
                    | State::Judging(_)
                    | State::Refused { .. }
                    | State::Visited(_)
                    | State::Changing => (flow, Kept::default()),
                }
            }
            Verdict::Refused(error) => {
                (self.refuse(gateway, now, judging.greeting, error, out), Kept::default())
            }
            Verdict::NotYet(looked_up) => {
                self.state = State::Judging(Box::new(Judging { looked_up, ..judging }));
                (Flow::Continue, Kept::default())
            }
        }
    }

    /// Whether what the client sends is to be kept until it has an answer.
    pub(super) fn is_kept_waiting(&self) -> bool {
        matches!(self.state, State::Judging(_) | State::Entering(_))
    }

    /// Keeps a message while [`Self::is_kept_waiting`].
    pub(super) fn keep(&mut self, message: Message<'_>, max_bytes: usize) -> Flow {
        let kept = match &mut self.state {
            State::Judging(judging) => &mut judging.kept,
            State::Entering(entering) => &mut entering.kept,
            State::Out(_) | State::In(_) | State::Refused { .. } | State::Visited(_) | State::Changing => {
                return Flow::Continue;
            }
        };
        match kept.keep(message, max_bytes) {
            true => Flow::Continue,
            false => Flow::Close(Goodbye::Violation),
        }
    }

    /// Whether the client is one that was let in.
    pub(super) fn is_inside(&self) -> bool {
        matches!(self.state, State::In(_))
    }

    /// Bytes of what is kept of a client that waits for its answer.
    pub(super) fn kept_bytes(&self) -> usize {
        match &self.state {
            State::Judging(judging) => judging.auth.0.len() + judging.kept.bytes(),
            State::Entering(entering) => entering.kept.bytes(),
            State::Out(_) | State::In(_) | State::Refused { .. } | State::Visited(_) | State::Changing => 0,
        }
    }

    /// The client asks for something.
    pub(super) fn on_event(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        call: &Call<'_>,
        out: &mut Outbox<'_>,
    ) {
        match &mut self.state {
            State::In(stay) => stay.on_event(gateway, now, &self.mailbox, call, out),
            // The connection lets no event through from one who is not in, and it is kept from one who is judged.
            State::Out(_)
            | State::Judging(_)
            | State::Entering(_)
            | State::Refused { .. }
            | State::Visited(_)
            | State::Changing => {}
        }
    }

    /// The socket's stay in the namespace ends; everybody else of the user is told.
    pub(super) fn leave(&mut self, gateway: &Gateway, now: Instant, reason: &'static str) {
        let (user, id, given, was_in) = match std::mem::replace(&mut self.state, State::Changing) {
            State::In(stay) => (stay.user.clone(), stay.id, stay.into_given(), true),
            State::Entering(entering) => (entering.user, entering.id, entering.joined.given, false),
            state => {
                self.state = state;
                return;
            }
        };
        self.state = match gateway.app.presence.leave(now, &user, &id, (reason, was_in), &self.mailbox) {
            Some(session) => State::Out(Box::new(Greeting::again(session, given))),
            // Somebody has ended it in this moment, and the request to close is on its way.
            None => State::Refused { greeting: None, deadline: now, goodbye: Goodbye::Orderly },
        };
    }

    /// The socket is gone for good.
    pub(super) fn close(&mut self, gateway: &Gateway, now: Instant, reason: &'static str) {
        self.leave(gateway, now, reason);
        match std::mem::replace(&mut self.state, State::Changing) {
            State::Out(greeting) | State::Refused { greeting: Some(greeting), .. } => {
                gateway.app.presence.agents().release(greeting.agent);
            }
            State::Judging(judging) => gateway.app.presence.agents().release(judging.greeting.agent),
            State::In(_)
            | State::Entering(_)
            | State::Refused { .. }
            | State::Visited(_)
            | State::Changing => {}
        }
    }

    /// Somebody has ended the session: its client is told, and has a while to close.
    pub(super) fn on_ended(
        &mut self,
        gateway: &Gateway,
        now: Instant,
        error: SessionError,
        out: &mut Outbox<'_>,
    ) -> Flow {
        match self.state {
            State::In(_) => {}
            // It was ended before its client heard that it is in.
            State::Entering(_) => {
                out.text(|out| encode_connected(NAMESPACE, new_socket_id().as_str(), out));
            }
            State::Out(_)
            | State::Judging(_)
            | State::Refused { .. }
            | State::Visited(_)
            | State::Changing => {
                return Flow::Close(Goodbye::Orderly);
            }
        }
        let deadline = dismiss(gateway, now, error, out);
        self.state = State::Refused { greeting: None, deadline, goodbye: Goodbye::Orderly };
        Flow::Continue
    }

    /// Tells the client why its open socket is about to end. Nothing is said to one that has not asked to join.
    pub(super) fn last_words(&self, gateway: &Gateway, error: SessionError, out: &mut Outbox<'_>) {
        match self.state {
            State::In(_) => {
                out.start_payload();
                encode_error(gateway, error, out);
            }
            State::Judging(_) | State::Entering(_) => {
                out.text(|out| encode_connected(NAMESPACE, new_socket_id().as_str(), out));
                out.start_payload();
                encode_error(gateway, error, out);
            }
            State::Out(_) | State::Refused { .. } | State::Visited(_) | State::Changing => {}
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn next_timeout(&self, gateway: &Gateway) -> Option<Instant> {
        match &self.state {
            State::Refused { deadline, .. } => Some(*deadline),
            State::Judging(judging) => Some(judging.deadline),
            State::Entering(entering) => Some(entering.deadline),
            State::In(stay) => stay.next_timeout(gateway),
            State::Out(_) | State::Visited(_) | State::Changing => None,
        }
    }

    /// Ends the socket of a refused client that has not ended it itself, the wait of one that has no answer yet, and the
    /// stay of one whose token has expired: the last is an error for [`Self::last_words`].
    pub(super) fn handle_timeout(
        &mut self,
        gateway: &Gateway,
        now: Instant,
        out: &mut Outbox<'_>,
    ) -> Result<Flow, SessionError> {
        match std::mem::replace(&mut self.state, State::Changing) {
            State::Judging(judging) if judging.deadline <= now => {
                Ok(self.refuse(gateway, now, judging.greeting, SessionError::Unavailable, out))
            }
            State::Entering(entering) if entering.deadline <= now => {
                self.state = State::Entering(entering);
                self.leave(gateway, now, "unavailable");
                match std::mem::replace(&mut self.state, State::Changing) {
                    State::Out(greeting) => {
                        Ok(self.refuse(gateway, now, greeting, SessionError::Unavailable, out))
                    }
                    state => {
                        self.state = state;
                        Ok(Flow::Continue)
                    }
                }
            }
            mut state => {
                let flow = match &mut state {
                    State::Refused { deadline, goodbye, .. } if *deadline <= now => Ok(Flow::Close(*goodbye)),
                    State::In(stay) => stay.handle_timeout(gateway, now, out).map(|()| Flow::Continue),
                    State::Refused { .. }
                    | State::Judging(_)
                    | State::Entering(_)
                    | State::Out(_)
                    | State::Visited(_)
                    | State::Changing => Ok(Flow::Continue),
                };
                self.state = state;
                flow
            }
        }
    }

    /// Whether the client was refused, so that what it says is passed over.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused { .. })
    }
}
