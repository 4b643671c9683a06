//! How a client whose token is good gets into the namespace, or is refused there. Does not know: how tokens are judged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::server::{Flow, Outbox};

use super::{Sessions, State};
use crate::gateway::Gateway;
use crate::gateway::admission::Admitted;
use crate::gateway::codes::SessionError;
use crate::gateway::entering::{Entering, JoinedAs};
use crate::gateway::farewell::{Refusal, new_socket_id, refuse};
use crate::gateway::greeting::Greeting;
use crate::gateway::judging::Kept;
use crate::gateway::presence::Joins;
use crate::gateway::stay::Stay;
use crate::identity::{PATIENCE, TokenRefusal};
use crate::registry::session::Details;
use crate::registry::{Entered, Grant, Joining, NotJoined, Session, SocketId, User, UserKey};

impl Sessions {
    pub(super) fn join(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        greeting: Greeting,
        admitted: Admitted,
        label: Option<Arc<str>>,
        out: &mut Outbox<'_>,
    ) -> Flow {
        let Admitted { principal, context, device, replaces } = admitted;
        let (app, id) = (&gateway.app, new_socket_id());
        let tag = app.identity.login_tag(principal.issuer, &principal.subject, &principal.login);
        let Greeting { ip, agent, given } = greeting;
        let connected_at = app.clock.unix_millis();
        let session = Session {
            id,
            connected_at,
            ip,
            agent,
            context,
            grant: Grant::new(&principal, tag, connected_at / 1000),
            details: match (device, label) {
                (None, None) => None,
                (device, label) => Some(Box::new(Details { device, label, activity: None })),
            },
            mailbox: Some(self.mailbox.clone()),
        };
        let joined_as = JoinedAs::of(&session, given);
        let key = UserKey { issuer: principal.issuer, subject: principal.subject.clone() };
        // Asked once more under the lock: a revocation may have come since the token was judged.
        let admit = |_: &Session| !app.identity.revocations().refuses(&principal);
        match app.presence.join(now, &key, Joining { session, replaces }, admit, out) {
            Ok(Joins::In(joined)) => {
                self.is_in(gateway, joined.user, id, joined_as, joined.is_first_of_login);
                Flow::Continue
            }
            Ok(Joins::Waits(user)) => {
                // It has an answer after the one time, whatever Redis does; the other one is beyond all.
                let waits = PATIENCE.max(app.config.registry.ready_timeout() + MARGIN);
                let (deadline, kept) = (now + waits, Kept::default());
                self.state =
                    State::Entering(Box::new(Entering { user, id, joined: joined_as, deadline, kept }));
                Flow::Continue
            }
            Err(refused) => {
                let (session, why) = *refused;
                let error = match why {
                    NotJoined::TooMany => SessionError::TooManySessions,
                    NotJoined::NotAdmitted => SessionError::Token(TokenRefusal::Revoked),
                };
                let greeting = Greeting::again(session, joined_as.given);
                self.refuse(gateway, now, Box::new(greeting), error, out)
            }
        }
    }

    /// The other nodes may have taken note of the session.
    pub(super) fn enter(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        entering: Box<Entering>,
        out: &mut Outbox<'_>,
    ) -> (Flow, Kept) {
        match gateway.app.presence.greet(now, &entering.user, &entering.id, out) {
            Entered::Listed { is_first_of_login } => {
                let Entering { user, id, joined, kept, .. } = *entering;
                self.is_in(gateway, user, id, joined, is_first_of_login);
                (Flow::Continue, kept)
            }
            // Or ended: the request to close is on its way.
            Entered::NotYet | Entered::Gone => {
                self.state = State::Entering(entering);
                (Flow::Continue, Kept::default())
            }
            Entered::Refused(session) => {
                let greeting = Box::new(Greeting::again(*session, entering.joined.given));
                let flow = self.refuse(gateway, now, greeting, SessionError::TooManySessions, out);
                (flow, Kept::default())
            }
        }
    }

    fn is_in(
        &mut self,
        gateway: &Gateway,
        user: Arc<User>,
        id: SocketId,
        joined: JoinedAs,
        is_first_of_login: bool,
    ) {
        gateway.app.metrics.connect("accepted");
        if is_first_of_login {
            gateway.newcomers.note(&user, &id, &joined.login, joined.connected_at);
        }
        self.state = State::In(Stay::new(user, id, joined.expires_at, joined.given));
    }

    pub(super) fn refuse(
        &mut self,
        gateway: &Gateway,
        now: Instant,
        greeting: Box<Greeting>,
        error: SessionError,
        out: &mut Outbox<'_>,
    ) -> Flow {
        let Refusal { deadline, goodbye, flow } = refuse(gateway, now, greeting.ip, error, out);
        self.state = State::Refused { greeting: Some(greeting), deadline, goodbye };
        flow
    }
}

/// What a busy node takes longer than it should.
const MARGIN: Duration = Duration::from_secs(3);
