//! `sessions:send`: a message from one of a user's sessions to others of the same user, its JSON as it came, its
//! attachments behind it. Does not know: other users.

use std::time::Instant;

use bytes::Bytes;

use super::Call;
use super::fields::{Fields, text};
use super::reply::{EventError, Sent};
use crate::gateway::Gateway;
use crate::gateway::fanout::{Message, Receivers};
use crate::gateway::messaging::is_event;
use crate::gateway::stay::Stay;
use crate::registry::SocketId;

/// Relays one message.
pub(super) fn send(
    gateway: &Gateway,
    now: Instant,
    stay: &Stay,
    call: &Call<'_>,
) -> Result<Sent, EventError> {
    let [to, event, data] = Fields::read(call.json, ["to", "event", "data"])?;
    let (to, event) = (text(to, "to")?, text(event, "event")?);
    let data = data.ok_or_else(|| EventError::invalid("data"))?.get();
    if !is_event(&event) {
        return Err(EventError::invalid("event"));
    }
    let receivers = match &*to {
        "all" => Receivers::All,
        "others" => Receivers::AllBut(stay.id),
        id => Receivers::One(SocketId::parse(id).ok_or(EventError::SessionNotFound)?),
    };
    let bytes = data.len() + call.attachments.iter().map(Bytes::len).sum::<usize>();
    if bytes > gateway.app.config.limits.max_payload.get() {
        return Err(EventError::PayloadTooLarge);
    }
    let mut roster = stay.user.roster();
    if let Receivers::One(id) = receivers
        && !roster.sessions().iter().any(|session| session.id == id)
    {
        return Err(EventError::SessionNotFound);
    }
    let taken = roster.sends().try_take(&gateway.app.presence.sends, now);
    taken.map_err(|retry_after| EventError::RateLimited { retry_after })?;
    let message = Message { from: Some(stay.id), event: &event, data, attachments: call.attachments };
    let delivered = gateway.app.presence.message(&roster, receivers, &message);
    Ok(Sent { delivered, complete: roster.is_complete() })
}
