//! What a client may do on an open socket: each event by its name, one file an event that does more than answer. Each is
//! acknowledged when an acknowledgement was asked for; an error without one is counted and nothing more.
//! Does not know: packets, how an acknowledgement looks.

mod fields;
mod strict;
mod reply;
mod send;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use engineio::server::Outbox;

use super::Gateway;
use crate::registry::{SocketId, User};
use fields::Fields;
use reply::{Answer, EventError};

/// An event as it came.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The number of the acknowledgement that is asked for.
    pub(super) id: Option<u64>,
    pub(super) name: &'a str,
    /// The whole array, the name in front.
    pub(super) json: &'a str,
    /// What the placeholders in `json` stand for.
    pub(super) attachments: &'a [Bytes],
}

/// The session that an event comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) user: &'a Arc<User>,
    pub(super) id: &'a SocketId,
}

/// Does what the client asks for and answers it.
pub(super) fn handle(
    gateway: &Gateway,
    now: Instant,
    caller: Caller<'_>,
    call: &Call<'_>,
    out: &mut Outbox<'_>,
) {
    let answer = match call.name {
        "sessions:list" => Fields::read(call.json, []).map(|[]| Answer::List),
        "sessions:send" => send::send(gateway, now, caller, call).map(Answer::Sent),
        _ => Err(EventError::EventUnknown),
    };
    if let Err(error) = &answer {
        gateway.app.metrics.event_error(error.code());
    }
    if let Some(id) = call.id {
        reply::acknowledge(id, caller.user, answer, out);
    }
}
