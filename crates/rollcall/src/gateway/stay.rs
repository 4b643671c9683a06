//! One session while it is in the namespace: what its client asks for, and how long its token lasts.
//! Does not know: how it came in, what becomes of the socket afterwards.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use engineio::server::{Mailbox, Outbox};
use socketio::event;

use super::Gateway;
use super::codes::SessionError;
use super::events::state::{self, Spoken};
use super::events::{self, Call, Steps};
use super::greeting::Given;
use super::lifetime::{Due, Lifetime};
use super::sessions::NAMESPACE;
use crate::clock::encode_iso8601;
use crate::registry::{SocketId, User};

/// A session that is in.
#[derive(Debug)]
pub(super) struct Stay {
    pub(super) user: Arc<User>,
    pub(super) id: SocketId,
    pub(super) lifetime: Lifetime,
    /// What an idle session does without.
    pub(super) rare: Option<Box<Rare>>,
}

/// What only some sessions have, or only for a while.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// What the first request carried in the place of `auth`: needed again if the client leaves and comes back.
    given: Option<Box<Given>>,
    /// What the client has asked for and waits for.
    pub(super) steps: Steps,
    /// What it has said of its user.
    pub(super) spoken: Option<Spoken>,
}

impl Stay {
    pub(super) fn new(user: Arc<User>, id: SocketId, expires_at: u32, given: Option<Box<Given>>) -> Self {
        let rare = given.map(|given| Box::new(Rare { given: Some(given), ..Rare::default() }));
        Self { user, id, lifetime: Lifetime::new(expires_at), rare }
    }

    /// The client asks for something.
    pub(super) fn on_event(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        mailbox: &Arc<Mailbox>,
        call: &Call<'_>,
        out: &mut Outbox<'_>,
    ) {
        events::handle(gateway, now, self, mailbox, call, out);
        self.let_go_of_rare();
    }

    /// What the client waits for may be there.
    pub(super) fn on_wake(
        &mut self,
        gateway: &Arc<Gateway>,
        now: Instant,
        mailbox: &Arc<Mailbox>,
        out: &mut Outbox<'_>,
    ) {
        events::on_wake(gateway, now, self, mailbox, out);
        self.let_go_of_rare();
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn next_timeout(&self, gateway: &Gateway) -> Option<Instant> {
        let look = self.lifetime.next_look(&gateway.lifetimes);
        let spoken = self.rare.as_ref().and_then(|rare| rare.spoken.as_ref());
        match (look, spoken.and_then(Spoken::next_timeout)) {
            (Some(look), Some(spoken)) => Some(look.min(spoken)),
            (look, spoken) => look.or(spoken),
        }
    }

    /// Tells the client that its token is about to expire, and the others what its user does.
    ///
    /// # Errors
    /// The token has expired.
    pub(super) fn handle_timeout(
        &mut self,
        gateway: &Gateway,
        now: Instant,
        out: &mut Outbox<'_>,
    ) -> Result<(), SessionError> {
        state::handle_timeout(gateway, now, self);
        let clock = &gateway.app.clock;
        match self.lifetime.look(&gateway.lifetimes, clock) {
            Due::Nothing => Ok(()),
            Due::Expired => Err(SessionError::TokenRanOut),
            Due::Expiring => {
                out.text(|out| {
                    event::encode(out, NAMESPACE, "sessions:expiring", |out| {
                        out.extend_from_slice(b",{");
                        encode_expiry(self.lifetime, self.lifetime.seconds_left(clock), out);
                        out.push(b'}');
                    });
                });
                Ok(())
            }
        }
    }

    /// What is needed when the client joins again over the same socket.
    pub(super) fn into_given(self) -> Option<Box<Given>> {
        self.rare.and_then(|rare| rare.given)
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn let_go_of_rare(&mut self) {
        self.rare.take_if(|rare| rare.given.is_none() && rare.steps.is_idle() && rare.spoken.is_none());
    }
}

/// Appends `"expiresAt":…,"expiresIn":…`, without braces; `seconds_left` may have been counted by another clock.
pub(super) fn encode_expiry(lifetime: Lifetime, seconds_left: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#""expiresAt":""#);
    encode_iso8601(u64::from(lifetime.expires_at) * 1000, out);
    let _ = write!(out, r#"","expiresIn":{seconds_left}"#); // writing into a vector cannot fail
}
