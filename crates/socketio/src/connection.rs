//! What one connection must remember: the namespaces it has joined, a binary packet that is not whole yet, the time by
//! which it has to join. Time is an argument; replies are the caller's to write.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;

use crate::binary::{Reassembly, check_placeholders};
use crate::{Config, Kind, Packet, Violation, event, packet};

/// The state of one connection.
///
/// ```text
/// each namespace:  out --CONNECT--> in --DISCONNECT (client)--> out
///                                   in --leave() (server)-----> left: what the client still says is passed over
/// ```
#[derive(Debug)]
pub struct Connection {
    joined: u8,
    left: u8,
    /// Until when a namespace has to be joined; `None` once one was.
    deadline: Option<Instant>,
    binary: Option<Box<Reassembly>>,
}

/// Which of [`Config::namespaces`], by its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NamespaceId(pub u8);

/// What a message of the client means.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It joins a namespace, and is in it from here on. `auth` is a JSON object, or `""`.
    Connect {
        /// The namespace.
        namespace: NamespaceId,
        /// What the client's `auth` holds.
        auth: &'a str,
    },
    /// It asks for a namespace that does not exist: to be answered with [`encode_invalid_namespace`].
    UnknownNamespace {
        /// As the client wrote it.
        namespace: &'a str,
    },
    /// It leaves a namespace.
    Disconnect {
        /// The namespace.
        namespace: NamespaceId,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: NamespaceId,
        /// The number of the acknowledgement that it asks for.
        id: Option<u64>,
        /// The event's name.
        name: Cow<'a, str>,
        /// The whole JSON array as it came, the name in front.
        json: Cow<'a, str>,
        /// What its placeholders stand for.
        attachments: Vec<Bytes>,
    },
    /// The acknowledgement of an event of the server's.
    Ack {
        /// The namespace.
        namespace: NamespaceId,
        /// The number that the server gave.
        id: u64,
        /// The JSON array of arguments as it came.
        json: Cow<'a, str>,
        /// What its placeholders stand for.
        attachments: Vec<Bytes>,
    },
}

impl Connection {
    /// A connection that has joined nothing yet.
    pub fn new(config: &Config, now: Instant) -> Self {
        debug_assert!(config.namespaces.len() <= 8, "one bit a namespace");
        Self { joined: 0, left: 0, deadline: Some(now + config.connect_timeout), binary: None }
    }

    /// Takes a text message.
    ///
    /// # Errors
    /// Any [`Violation`] but those of attachments' bytes: the connection is to be closed.
    pub fn handle_text<'a>(
        &mut self,
        config: &Config,
        text: &'a str,
    ) -> Result<Option<Event<'a>>, Violation> {
        if self.binary.is_some() {
            return Err(Violation::UnexpectedPacket);
        }
        let packet = Packet::decode(text)?;
        let namespace = config.namespaces.iter().position(|known| *known == packet.namespace);
        let Some(namespace) = namespace.map(|place| NamespaceId(place as u8)) else {
            return match packet.kind {
                Kind::Connect => {
                    event::check_auth(packet.data)?;
                    Ok(Some(Event::UnknownNamespace { namespace: packet.namespace }))
                }
                _ => Err(Violation::UnexpectedPacket),
            };
        };
        if packet.kind == Kind::Connect {
            return self.join(namespace, packet.data).map(Some);
        }
        match (self.is_joined(namespace), self.left & bit(namespace) != 0) {
            (true, _) => {}
            // Sent before the client could know that it is out.
            (false, true) => return Ok(None),
            (false, false) => return Err(Violation::UnexpectedPacket),
        }
        match packet.kind {
            Kind::Disconnect if packet.data.is_empty() => {
                self.joined &= !bit(namespace);
                Ok(Some(Event::Disconnect { namespace }))
            }
            Kind::Disconnect => Err(Violation::InvalidPayload),
            Kind::BinaryEvent | Kind::BinaryAck if packet.attachments > 0 => {
                check(&packet)?;
                self.binary = Some(Box::new(Reassembly::new(config, text, packet.attachments)?));
                Ok(None)
            }
            Kind::Event | Kind::BinaryEvent => {
                let name = event::name(packet.data)?;
                let json = Cow::Borrowed(packet.data);
                Ok(Some(Event::Event { namespace, id: packet.id, name, json, attachments: Vec::new() }))
            }
            Kind::Ack | Kind::BinaryAck => {
                check(&packet)?;
                let id = packet.id.ok_or(Violation::InvalidNumber)?;
                Ok(Some(Event::Ack {
                    namespace,
                    id,
                    json: Cow::Borrowed(packet.data),
                    attachments: Vec::new(),
                }))
            }
            Kind::Connect | Kind::ConnectError => Err(Violation::UnexpectedPacket),
        }
    }

    /// Takes a binary message: the next attachment of the packet before it.
    ///
    /// # Errors
    /// [`Violation::UnexpectedPacket`] when none is due, [`Violation::TooManyAttachments`],
    /// [`Violation::InvalidPlaceholder`].
    pub fn handle_binary(
        &mut self,
        config: &Config,
        data: &[u8],
    ) -> Result<Option<Event<'static>>, Violation> {
        let Some(mut reassembly) = self.binary.take() else { return Err(Violation::UnexpectedPacket) };
        if !reassembly.add(config, data)? {
            self.binary = Some(reassembly);
            return Ok(None);
        }
        let Reassembly { text, attachments, .. } = *reassembly;
        let packet = Packet::decode(&text)?;
        check_placeholders(packet.data, packet.attachments)?;
        // The namespace was known when the packet came, and one with attachments under way cannot be left by the client.
        let place = config.namespaces.iter().position(|known| *known == packet.namespace);
        let namespace = NamespaceId(place.ok_or(Violation::UnexpectedPacket)? as u8);
        if !self.is_joined(namespace) {
            return Ok(None);
        }
        let json = Cow::Owned(packet.data.to_owned());
        Ok(Some(match packet.kind {
            Kind::BinaryAck => {
                Event::Ack { namespace, id: packet.id.ok_or(Violation::InvalidNumber)?, json, attachments }
            }
            _ => {
                let name = Cow::Owned(event::name(packet.data)?.into_owned());
                Event::Event { namespace, id: packet.id, name, json, attachments }
            }
        }))
    }

    /// The server ends the client's stay in a namespace (and writes DISCONNECT). What the client has sent before it
    /// could know is passed over; it may join again.
    pub fn leave(&mut self, namespace: NamespaceId) {
        self.joined &= !bit(namespace);
        self.left |= bit(namespace);
    }

    /// The time to join something is over.
    ///
    /// # Errors
    /// [`Violation::ConnectTimeout`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Violation> {
        match self.deadline {
            Some(deadline) if deadline <= now => Err(Violation::ConnectTimeout),
            _ => Ok(()),
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the client is in this namespace.
    pub fn is_joined(&self, namespace: NamespaceId) -> bool {
        self.joined & bit(namespace) != 0
    }

    /// Bytes that are held of a packet whose attachments are still to come.
    pub fn incomplete_bytes(&self) -> usize {
        self.binary.as_ref().map_or(0, |reassembly| reassembly.held_bytes())
    }

    /// Whether the client is in no namespace.
    pub fn is_idle(&self) -> bool {
        self.joined == 0
    }

    fn join<'a>(&mut self, namespace: NamespaceId, auth: &'a str) -> Result<Event<'a>, Violation> {
        if self.is_joined(namespace) {
            return Err(Violation::UnexpectedPacket);
        }
        event::check_auth(auth)?;
        self.joined |= bit(namespace);
        self.left &= !bit(namespace);
        self.deadline = None;
        Ok(Event::Connect { namespace, auth })
    }
}

/// Appends CONNECT: the client is in, under this `sid`, which needs no escape in JSON.
pub fn encode_connected(namespace: &str, sid: &str, out: &mut Vec<u8>) {
    packet::encode_head(Kind::Connect, 0, namespace, None, out);
    out.extend_from_slice(br#"{"sid":""#);
    out.extend_from_slice(sid.as_bytes());
    out.extend_from_slice(br#""}"#);
}

/// Appends DISCONNECT: the client is out.
pub fn encode_disconnected(namespace: &str, out: &mut Vec<u8>) {
    Packet { kind: Kind::Disconnect, attachments: 0, namespace, id: None, data: "" }.encode(out);
}

/// Appends CONNECT_ERROR for a namespace that does not exist.
pub fn encode_invalid_namespace(namespace: &str, out: &mut Vec<u8>) {
    encode_connect_error(namespace, "Invalid namespace", out);
}

/// Appends CONNECT_ERROR: the client may not join, and this is what its `connect_error` says.
pub fn encode_connect_error(namespace: &str, message: &str, out: &mut Vec<u8>) {
    packet::encode_head(Kind::ConnectError, 0, namespace, None, out);
    out.extend_from_slice(br#"{"message":"#);
    event::encode_string(message, out);
    out.push(b'}');
}

/// What can be judged of a packet's JSON before its attachments are there.
fn check(packet: &Packet<'_>) -> Result<(), Violation> {
    match packet.kind {
        Kind::BinaryEvent => event::name(packet.data).map(|_| ()),
        _ => event::check_array(packet.data),
    }
}

fn bit(namespace: NamespaceId) -> u8 {
    1_u8.checked_shl(namespace.0.into()).unwrap_or(0)
}

/// One of these stands for each session, idle or not.
const _: () = assert!(size_of::<Connection>() <= 32);
