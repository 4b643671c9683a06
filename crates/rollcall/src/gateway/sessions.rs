//! The `sessions` namespace of one socket: joins, is refused, leaves, answers events.
//! Does not know: frames, transports, when it is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::Message;
use engineio::server::{Flow, Goodbye, Mailbox, Outbox};
use socketio::connection::{encode_connected, encode_disconnected};
use socketio::event;

use super::Gateway;
use super::admission::{NotAdmitted, judge};
use super::codes::{Ending, SessionError};
use super::events::{self, Call, Caller};
use super::greeting::{Given, Greeting};
use super::judging::{Judging, Kept, wake_when_resolved};
use crate::identity::Principal;
use crate::ids;
use crate::registry::{Roster, Session, SocketId, User, UserKey};

/// The namespace that all of this is about.
pub(super) const NAMESPACE: &str = "/sessions";

/// What one socket is in the namespace.
///
/// ```text
/// out --CONNECT, good--> in --client leaves--> out
///  |                      `--error, close-----> (the socket ends)
///  |--CONNECT, refused--> refused --the client closes, or time is up--> (the socket ends)
///  |                         `--CONNECT again--> as from out
///  `--CONNECT, its key is not there yet--> judging --woken--> as from out
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
    In {
        user: Arc<User>,
        id: SocketId,
        /// What the first request carried in the place of `auth`: needed again if the client leaves and comes back.
        given: Option<Box<Given>>,
    },
    /// Its token cannot be judged yet.
    Judging(Box<Judging>),
    /// Refused; the socket ends at the deadline if the client does not end it before.
    Refused { greeting: Box<Greeting>, deadline: Instant, goodbye: Goodbye },
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
            State::Refused { greeting, deadline, .. } => (greeting, Some(deadline)),
            // The connection refuses a second CONNECT before it comes here.
            state @ (State::In { .. } | State::Judging(_) | State::Changing) => {
                self.state = state;
                return Flow::Close(Goodbye::Violation);
            }
        };
        let flow = match judge(gateway, &greeting, auth) {
            Ok((principal, context)) => {
                self.accept(gateway, now, *greeting, principal, context, out);
                return Flow::Continue;
            }
            Err(NotAdmitted::Refused(error)) => self.refuse(gateway, now, greeting, error, out),
            Err(NotAdmitted::Pending(pending)) => match Judging::new(now, greeting, auth) {
                Ok(judging) => {
                    wake_when_resolved(pending, self.mailbox.clone());
                    self.state = State::Judging(Box::new(judging));
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
            state => {
                self.state = state;
                return (Flow::Continue, Kept::default());
            }
        };
        match judge(gateway, &judging.greeting, &judging.auth.0) {
            Ok((principal, context)) => {
                self.accept(gateway, now, *judging.greeting, principal, context, out);
                (Flow::Continue, judging.kept)
            }
            Err(NotAdmitted::Refused(error)) => {
                (self.refuse(gateway, now, judging.greeting, error, out), Kept::default())
            }
            Err(NotAdmitted::Pending(pending)) => {
                wake_when_resolved(pending, self.mailbox.clone());
                self.state = State::Judging(Box::new(judging));
                (Flow::Continue, Kept::default())
            }
        }
    }

    /// Whether what the client sends is to be kept until it has an answer.
    pub(super) fn is_judging(&self) -> bool {
        matches!(self.state, State::Judging(_))
    }

    /// Keeps a message while [`Self::is_judging`].
    pub(super) fn keep(&mut self, message: Message<'_>, max_bytes: usize) -> Flow {
        match &mut self.state {
            State::Judging(judging) => match judging.kept.keep(message, max_bytes) {
                true => Flow::Continue,
                false => Flow::Close(Goodbye::Violation),
            },
            State::Out(_) | State::In { .. } | State::Refused { .. } | State::Changing => Flow::Continue,
        }
    }

    /// The client asks for something.
    pub(super) fn on_event(&self, gateway: &Gateway, now: Instant, call: &Call<'_>, out: &mut Outbox<'_>) {
        match &self.state {
            State::In { user, id, .. } => events::handle(gateway, now, Caller { user, id }, call, out),
            // The connection lets no event through from one who is not in, and it is kept from one who is judged.
            State::Out(_) | State::Judging(_) | State::Refused { .. } | State::Changing => {}
        }
    }

    /// The socket's stay in the namespace ends; everybody else of the user is told.
    pub(super) fn leave(&mut self, gateway: &Gateway, now: Instant, reason: &'static str) {
        match std::mem::replace(&mut self.state, State::Changing) {
            State::In { user, id, given } => {
                let tell = |roster: &mut Roster<'_>| {
                    // Under the lock: from here on nobody puts this user's lists into the mailbox, and none that waits
                    // there reaches whoever joins over this socket next.
                    self.mailbox.discard();
                    gateway.fanout.changed(now, &user, roster);
                };
                let Some(session) = gateway.registry.leave(&user, &id, tell) else { return };
                gateway.app.metrics.session_ended(reason);
                self.state = State::Out(Box::new(Greeting::again(session, given)));
            }
            state => self.state = state,
        }
    }

    /// The socket is gone for good.
    pub(super) fn close(&mut self, gateway: &Gateway, now: Instant, reason: &'static str) {
        self.leave(gateway, now, reason);
        match std::mem::replace(&mut self.state, State::Changing) {
            State::Out(greeting) | State::Refused { greeting, .. } => {
                gateway.user_agents.release(greeting.user_agent);
            }
            State::Judging(judging) => gateway.user_agents.release(judging.greeting.user_agent),
            State::In { .. } | State::Changing => {}
        }
    }

    /// Tells the client why its open socket is about to end. Nothing is said to one that has not asked to join.
    pub(super) fn last_words(&self, gateway: &Gateway, error: SessionError, out: &mut Outbox<'_>) {
        match self.state {
            State::In { .. } => {
                out.start_payload();
                encode_error(gateway, error, out);
            }
            State::Judging(_) => {
                out.text(|out| encode_connected(NAMESPACE, new_socket_id().as_str(), out));
                out.start_payload();
                encode_error(gateway, error, out);
            }
            State::Out(_) | State::Refused { .. } | State::Changing => {}
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Refused { deadline, .. } => Some(*deadline),
            State::Judging(judging) => Some(judging.deadline),
            State::Out(_) | State::In { .. } | State::Changing => None,
        }
    }

    /// Ends the socket of a refused client that has not ended it itself, and the wait of one that has no answer yet.
    pub(super) fn handle_timeout(&mut self, gateway: &Gateway, now: Instant, out: &mut Outbox<'_>) -> Flow {
        match std::mem::replace(&mut self.state, State::Changing) {
            State::Judging(judging) if judging.deadline <= now => {
                self.refuse(gateway, now, judging.greeting, SessionError::Unavailable, out)
            }
            state => {
                let flow = match &state {
                    State::Refused { deadline, goodbye, .. } if *deadline <= now => Flow::Close(*goodbye),
                    State::Refused { .. }
                    | State::Judging(_)
                    | State::Out(_)
                    | State::In { .. }
                    | State::Changing => Flow::Continue,
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

    fn accept(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        greeting: Greeting,
        principal: Principal,
        context: Option<Box<str>>,
        out: &mut Outbox<'_>,
    ) {
        gateway.app.metrics.connect("accepted");
        let id = new_socket_id();
        let expires_at = principal.expires_at;
        let key = UserKey { issuer: principal.issuer, subject: principal.subject };
        let session = Session {
            id,
            connected_at: gateway.app.clock.unix_millis(),
            ip: greeting.ip,
            user_agent: greeting.user_agent,
            context,
            mailbox: self.mailbox.clone(),
        };
        out.text(|out| encode_connected(NAMESPACE, id.as_str(), out));
        let user = gateway.registry.join(&key, session, |user, roster| {
            gateway.fanout.joined(now, user, roster, &id, expires_at, out);
        });
        gateway.app.metrics.session_started();
        self.state = State::In { user, id, given: greeting.given };
    }

    fn refuse(
        &mut self,
        gateway: &Gateway,
        now: Instant,
        greeting: Box<Greeting>,
        error: SessionError,
        out: &mut Outbox<'_>,
    ) -> Flow {
        gateway.app.metrics.connect(error.code());
        let ip = greeting.ip.map(tracing::field::display);
        tracing::info!(code = error.code(), ip, "refused a session");
        out.text(|out| encode_connected(NAMESPACE, new_socket_id().as_str(), out));
        let (deadline, goodbye) = match error.ending() {
            Ending::Disconnect => {
                encode_error(gateway, error, out);
                out.text(|out| encode_disconnected(NAMESPACE, out));
                (now + DISCONNECT_WAIT, Goodbye::Orderly)
            }
            Ending::Transport => {
                out.start_payload();
                encode_error(gateway, error, out);
                return self.refused(greeting, now, Goodbye::Abrupt, Flow::Close(Goodbye::Abrupt));
            }
            Ending::DelayedTransport => {
                out.start_payload();
                encode_error(gateway, error, out);
                (now + ids::duration_between(DELAY_SHORTEST, DELAY_LONGEST), Goodbye::Abrupt)
            }
        };
        self.refused(greeting, deadline, goodbye, Flow::Continue)
    }

    fn refused(&mut self, greeting: Box<Greeting>, deadline: Instant, goodbye: Goodbye, flow: Flow) -> Flow {
        self.state = State::Refused { greeting, deadline, goodbye };
        flow
    }
}

fn encode_error(gateway: &Gateway, error: SessionError, out: &mut Outbox<'_>) {
    out.text(|out| {
        event::encode(out, NAMESPACE, "sessions:error", |out| {
            out.extend_from_slice(br#",{"code":""#);
            out.extend_from_slice(error.code().as_bytes());
            out.extend_from_slice(br#"","message":"#);
            event::encode_string(error.message(), out);
            if error == SessionError::RateLimited {
                let limits = &gateway.app.config.limits;
                // The time in which an empty bucket fills.
                let millis =
                    1000 * u64::from(limits.packets_burst.get()) / u64::from(limits.packets_per_second.get());
                out.extend_from_slice(format!(r#","retryAfterMs":{millis}"#).as_bytes());
            }
            out.push(b'}');
        });
    });
}

fn new_socket_id() -> SocketId {
    loop {
        // The ids are made of just those characters: the first one is taken.
        if let Some(id) = SocketId::parse(&ids::socket_id()) {
            return id;
        }
    }
}

/// Stock clients close by themselves after a DISCONNECT, at once.
const DISCONNECT_WAIT: Duration = Duration::from_secs(1);
/// Between these the transport of a client that is to come back later is closed at random.
const DELAY_SHORTEST: Duration = Duration::from_secs(1);
const DELAY_LONGEST: Duration = Duration::from_secs(5);
