//! `sessions:send`: a message from one of a user's sessions to others of the same user, its JSON as it came, its
//! attachments behind it. Does not know: other users.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::fields::{Fields, text};
use super::reply::{Answer, EventError, Sent};
use super::steps::{Outcome, Progress, Request};
use super::{Call, Doing};
use crate::gateway::Gateway;
use crate::gateway::fanout::{Message, Receivers};
use crate::gateway::messaging::{Elsewhere, is_event};
use crate::gateway::stay::Stay;
use crate::gateway::visit::Visited;
use crate::registry::SocketId;

/// Relays one message.
pub(super) fn send(
    gateway: &Gateway,
    now: Instant,
    stay: &Stay,
    call: &Call<'_>,
) -> Result<Doing, EventError> {
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
    let sent_at = gateway.app.clock.unix_millis();
    let message =
        Message { from: Some(stay.id), event: &event, data, attachments: call.attachments, sent_at };
    let delivered = gateway.app.presence.message(&roster, receivers, &message);
    let sent = Sent { delivered, complete: roster.is_complete() };
    let elsewhere = Elsewhere::of(&Visited::Here(roster), receivers);
    Ok(match elsewhere.is_empty() {
        true => Doing::Done(Answer::Sent(sent)),
        false => Doing::Step(Request::Relay(Relay(Arc::new(Relayed {
            sent,
            elsewhere,
            receivers,
            event: event.into_owned(),
            data: data.to_owned(),
            attachments: call.attachments.to_vec(),
            sent_at,
        })))),
    })
}

/// The part of a message that goes to other nodes: those are asked, one message after the other.
#[derive(Debug, Clone)]
pub(super) struct Relay(Arc<Relayed>);

impl Relay {
    /// What has become of it without the other nodes.
    pub(super) fn of_this_node(&self) -> Answer {
        Answer::Sent(Sent { complete: false, ..self.0.sent })
    }
}

#[derive(Debug)]
struct Relayed {
    /// What has become of it here.
    sent: Sent,
    elsewhere: Elsewhere,
    receivers: Receivers,
    event: String,
    data: String,
    attachments: Vec<Bytes>,
    sent_at: u64,
}

/// Relays it.
pub(super) fn relay(gateway: &Arc<Gateway>, stay: &Stay, relay: Relay) -> Progress {
    let (app, user, from) = (gateway.app.clone(), stay.user.clone(), stay.id);
    Progress::Later(Box::pin(async move {
        let Relayed { sent, elsewhere, receivers, event, data, attachments, sent_at } = &*relay.0;
        let message = Message { from: Some(from), event, data, attachments, sent_at: *sent_at };
        let relayed = app.relay(user.key(), *receivers, &message, elsewhere).await;
        Outcome::answer(Ok(Answer::Sent(Sent { delivered: sent.delivered + relayed, ..*sent })))
    }))
}
