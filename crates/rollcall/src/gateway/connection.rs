//! What the driver drives: one client's connection. Its [`Client::on_message`] is the table of contents of the product:
//! a message becomes an event, an event becomes a step in the namespace, and the step's frames go out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use engineio::handshake::TransportName;
use engineio::server::{Application, CloseCode, Cut, Flow, Goodbye, Outbox};
use engineio::{CloseReason, Message};
use socketio::connection::{encode_connect_error, encode_invalid_namespace};
use socketio::{Connection, Event, NamespaceId};

use super::Gateway;
use super::codes::{Ending, SessionError};
use super::events::Call;
use super::sessions::Sessions;
use crate::admin::{self, Visitor};
use crate::overload::{Limit, Place};

/// One socket: its Socket.IO connection, and what it is in the namespace.
pub struct Client {
    gateway: Arc<Gateway>,
    connection: Connection,
    sessions: Sessions,
    transport: TransportName,
    /// Why the session ends, when the gateway knows it better than the transport.
    ending: Option<SessionError>,
    /// What it is counted by in the process.
    place: Place,
}

impl Client {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        connection: Connection,
        sessions: Sessions,
        transport: TransportName,
        place: Place,
    ) -> Self {
        gateway.app.metrics.connection_opened(name_of(transport));
        Self { gateway, connection, sessions, transport, ending: None, place }
    }

    fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Outbox<'_>) -> Flow {
        match event {
            Event::Connect { auth, .. } => {
                let flow = self.sessions.on_connect(&self.gateway, now, auth, out);
                self.settle_if_in();
                self.pass_over_if_refused();
                flow
            }
            Event::UnknownNamespace { namespace } => {
                out.text(|out| encode_invalid_namespace(namespace, out));
                Flow::Continue
            }
            Event::Disconnect { .. } => {
                self.sessions.leave(&self.gateway, now, "client_disconnect");
                Flow::Continue
            }
            Event::Event { id, name, json, attachments, .. } => {
                let call = Call { id, name: &name, json: &json, attachments: &attachments };
                self.sessions.on_event(&self.gateway, now, &call, out);
                Flow::Continue
            }
            // The server asks for none.
            Event::Ack { .. } => Flow::Continue,
        }
    }

    /// The socket ends; its client may come back at once.
    fn end(&mut self, error: SessionError, out: &mut Outbox<'_>) -> Flow {
        self.ending = Some(error);
        self.sessions.last_words(&self.gateway, error, out);
        Flow::Close(Goodbye::Abrupt)
    }

    /// Once the client is let in its handshake is over.
    fn settle_if_in(&mut self) {
        if self.sessions.is_inside() {
            self.gateway.app.overload.settle(&mut self.place);
        }
    }

    /// A page asks for `/admin`, which is on this listener: once it has signed in the connection is its own.
    fn visit(&mut self, now: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        let Some((ip, mailbox)) = self.sessions.outsider() else {
            let why = "this namespace needs a connection of its own";
            out.text(|out| encode_connect_error(admin::NAMESPACE, why, out));
            return Flow::Continue;
        };
        let address = ip.unwrap_or(NOWHERE);
        let Some(mut visitor) = Visitor::new(now, &self.gateway.app, mailbox, address, None) else {
            return Flow::Continue;
        };
        let flow = visitor.on_message(now, message, out);
        if visitor.is_signed_in() {
            self.sessions.hand_over(&self.gateway, Box::new(visitor));
            self.gateway.app.overload.settle(&mut self.place);
        }
        flow
    }

    /// What a refused client sent before it could know is no violation.
    fn pass_over_if_refused(&mut self) {
        if self.sessions.is_refused() {
            self.connection.leave(SESSIONS);
        }
    }
}

impl Application for Client {
    fn on_message(&mut self, now: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        if let Some(visitor) = self.sessions.visitor_mut() {
            return visitor.on_message(now, message, out);
        }
        if self.sessions.is_kept_waiting() {
            return self.sessions.keep(message, self.gateway.app.config.limits.max_payload.get());
        }
        let event = match message {
            Message::Text(text) => self.connection.handle_text(&self.gateway.socketio, text),
            Message::Binary(data) => self.connection.handle_binary(&self.gateway.socketio, data),
        };
        match event {
            Ok(Some(Event::UnknownNamespace { namespace: admin::NAMESPACE })) if self.gateway.shows_admin => {
                self.visit(now, message, out)
            }
            Ok(Some(event)) => self.on_event(now, event, out),
            Ok(None) => Flow::Continue,
            Err(_) => Flow::Close(Goodbye::Violation),
        }
    }

    fn on_wake(&mut self, now: Instant, out: &mut Outbox<'_>) -> Flow {
        let (mut flow, kept) = self.sessions.on_wake(&self.gateway, now, out);
        self.settle_if_in();
        self.pass_over_if_refused();
        for message in kept.messages() {
            if flow == Flow::Continue {
                flow = self.on_message(now, message, out);
            }
        }
        flow
    }

    fn on_close_request(&mut self, now: Instant, code: CloseCode, out: &mut Outbox<'_>) -> Flow {
        let Some(error) = SessionError::from_close_code(code) else { return Flow::Close(Goodbye::Abrupt) };
        match error.ending() {
            Ending::Disconnect => {
                let flow = self.sessions.on_ended(&self.gateway, now, error, out);
                self.pass_over_if_refused();
                flow
            }
            Ending::Transport | Ending::DelayedTransport => self.end(error, out),
        }
    }

    fn on_timeout(&mut self, now: Instant, out: &mut Outbox<'_>) -> Flow {
        if let Some(visitor) = self.sessions.visitor_mut() {
            return visitor.on_timeout(now, out);
        }
        match self.connection.handle_timeout(now) {
            Ok(()) => {
                let done = self.sessions.handle_timeout(&self.gateway, now, out);
                self.pass_over_if_refused();
                done.unwrap_or_else(|error| self.end(error, out))
            }
            Err(_) => Flow::Close(Goodbye::Violation),
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        if let Some(visitor) = self.sessions.visitor() {
            return visitor.next_timeout();
        }
        match (self.connection.next_timeout(), self.sessions.next_timeout(&self.gateway)) {
            (Some(connection), Some(sessions)) => Some(connection.min(sessions)),
            (connection, sessions) => connection.or(sessions),
        }
    }

    fn is_established(&self) -> bool {
        self.sessions.is_inside() || self.sessions.visitor().is_some_and(Visitor::is_signed_in)
    }

    fn incomplete_bytes(&self) -> usize {
        let visitor = self.sessions.visitor().map_or(0, Application::incomplete_bytes);
        self.connection.incomplete_bytes() + self.sessions.kept_bytes() + visitor
    }

    fn on_upgraded(&mut self) {
        self.transport = TransportName::WebSocket;
        self.gateway.app.metrics.connection_upgraded();
    }

    fn on_cut(&mut self, _: Instant, cut: Cut, out: &mut Outbox<'_>) {
        let error = match cut {
            Cut::SlowConsumer => {
                self.gateway.app.metrics.slow_consumer();
                SessionError::SlowConsumer
            }
            Cut::TooManyPackets => SessionError::RateLimited,
            Cut::Overload => {
                self.gateway.app.metrics.limits.refused(Limit::IncompleteTotal);
                SessionError::Unavailable
            }
        };
        self.ending = Some(error);
        self.sessions.last_words(&self.gateway, error, out);
    }

    fn on_closed(&mut self, now: Instant, reason: CloseReason) {
        let why = self.ending.map_or(reason.as_str(), SessionError::code);
        self.sessions.close(&self.gateway, now, why);
        self.gateway.app.metrics.connection_closed(name_of(self.transport), reason.as_str());
    }
}

impl Drop for Client {
    /// However it ends, by a panic too, others may have its place.
    fn drop(&mut self) {
        self.gateway.app.overload.leave(&mut self.place);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client")
    }
}

fn name_of(transport: TransportName) -> &'static str {
    match transport {
        TransportName::Polling => "polling",
        TransportName::WebSocket => "websocket",
    }
}

/// The one namespace of `socketio::Config::namespaces`.
const SESSIONS: NamespaceId = NamespaceId(0);

/// Where tries are counted whose address may not be known.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A million of them are held. Growing this is a decision, not an accident.
const _: () = assert!(size_of::<Client>() <= 104);
