//! Socket.IO v5 for servers, without any IO: messages in, events out, and back.
//!
//! # The protocol in one page
//! Socket.IO speaks through an Engine.IO session, which gives it ordered text and binary messages. On one such
//! connection a client joins any number of **namespaces**, and in each it and the server exchange **events**:
//!
//! ```text
//! 40/sessions,{"token":"…"}          CONNECT: the client asks to join, with what its `auth` holds
//! 40/sessions,{"sid":"…"}            CONNECT: it may; `sid` becomes its `socket.id`
//! 44/x,{"message":"Invalid namespace"}   CONNECT_ERROR: it may not
//! 42/sessions,["name",1,{"a":2}]     EVENT: a name and any number of JSON arguments
//! 42/sessions,7["name"]              EVENT that asks for an acknowledgement, under the number 7
//! 43/sessions,7[{"ok":true}]         ACK of 7
//! 451-["file",{"_placeholder":true,"num":0}]   BINARY_EVENT: one binary message follows and takes that place
//! 461-7[{"_placeholder":true,"num":0}]         BINARY_ACK, likewise
//! 41/sessions,                       DISCONNECT: either side leaves the namespace
//! ```
//!
//! (The first `4` is Engine.IO's own *message*; this crate neither sees nor writes it.) The namespace `/` is left
//! out: `40`, `42["name"]`.
//!
//! # What this crate does with it
//! [`Packet`] reads and writes one packet, [`event`] looks into an event's JSON as far as the protocol has to and
//! leaves the rest as it came, and [`Connection`] holds what one connection must remember: the namespaces it has
//! joined, a binary packet whose attachments are still to come, the time until which it has to join something. It
//! owns no socket, reads no clock and allocates nothing for a text packet.
//!
//! Source of every rule here: the Socket.IO protocol, revision 5, and the behaviour of its reference server.

pub mod packet;
pub mod event;
pub mod binary;
pub mod connection;
pub mod config;

pub use config::Config;
pub use connection::{Connection, Event, NamespaceId};
pub use packet::{Kind, Packet};

/// Something that a client may not send: its connection is closed, nobody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// The first character is no packet type.
    UnknownPacket,
    /// The digits of an acknowledgement's number, or of the count of attachments, are none or too many.
    InvalidNumber,
    /// Not JSON, or not the JSON that this packet needs.
    InvalidPayload,
    /// An event with a name that both sides keep for themselves, such as `connect`.
    ReservedEvent,
    /// A packet that may not stand here: for a namespace that was not joined, a second CONNECT, a text while
    /// attachments are due, an attachment that nobody announced.
    UnexpectedPacket,
    /// More attachments, or more bytes of them, than the limits allow.
    TooManyAttachments,
    /// Placeholders that do not name each attachment once.
    InvalidPlaceholder,
    /// No namespace was joined in time.
    ConnectTimeout,
}
