//! How a connection that nobody has joined over becomes that of a page of `/admin`. Does not know: who may look.

use std::net::IpAddr;
use std::sync::Arc;

use engineio::server::Mailbox;

use super::{Sessions, State};
use crate::admin::Visitor;
use crate::gateway::Gateway;

impl Sessions {
    /// The address, as far as it may be known, and the mailbox of a client that has not asked to join; `None` of any other.
    pub(in crate::gateway) fn outsider(&self) -> Option<(Option<IpAddr>, Arc<Mailbox>)> {
        match &self.state {
            State::Out(greeting) => Some((greeting.ip, self.mailbox.clone())),
            State::In(_)
            | State::Judging(_)
            | State::Entering(_)
            | State::Refused { .. }
            | State::Visited(_)
            | State::Changing => None,
        }
    }

    /// From here on the connection is a page's.
    pub(in crate::gateway) fn hand_over(&mut self, gateway: &Gateway, visitor: Box<Visitor>) {
        if let State::Out(greeting) = std::mem::replace(&mut self.state, State::Visited(visitor)) {
            gateway.app.presence.agents().release(greeting.agent);
        }
    }

    /// The page, if the connection is one's.
    pub(in crate::gateway) fn visitor(&self) -> Option<&Visitor> {
        match &self.state {
            State::Visited(visitor) => Some(visitor),
            State::Out(_)
            | State::In(_)
            | State::Judging(_)
            | State::Entering(_)
            | State::Refused { .. }
            | State::Changing => None,
        }
    }

    /// The same to be told something.
    pub(in crate::gateway) fn visitor_mut(&mut self) -> Option<&mut Visitor> {
        match &mut self.state {
            State::Visited(visitor) => Some(visitor),
            State::Out(_)
            | State::In(_)
            | State::Judging(_)
            | State::Entering(_)
            | State::Refused { .. }
            | State::Changing => None,
        }
    }
}
