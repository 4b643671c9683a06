//! What a client may do on an open socket: each event by its name, one file an event that does more than answer. Each is
//! acknowledged when an acknowledgement was asked for; an error without one is counted and nothing more.
//! Does not know: packets, how an acknowledgement looks.

mod fields;
mod reply;
mod steps;
mod send;
pub(super) mod state;
mod refresh;
mod rename;
mod revoke;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use engineio::server::{Mailbox, Outbox};

use super::Gateway;
use super::stay::Stay;
use fields::Fields;
use reply::{Answer, EventError};
use steps::{Request, begin};
pub(super) use steps::{Steps, on_wake};

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

/// What an event leads to.
enum Doing {
    Done(Answer),
    /// Something that may have to be waited for.
    Step(Request),
}

/// Does what the client asks for and answers it, now or when it is done.
pub(super) fn handle(
    gateway: &Arc<Gateway>,
    now: Instant,
    stay: &mut Stay,
    mailbox: &Arc<Mailbox>,
    call: &Call<'_>,
    out: &mut Outbox<'_>,
) {
    match understand(gateway, now, stay, call) {
        Ok(Doing::Step(request)) => begin(gateway, now, stay, mailbox, call.id, request, out),
        Ok(Doing::Done(answer)) => answer_call(gateway, stay, call.id, Ok(answer), out),
        Err(error) => answer_call(gateway, stay, call.id, Err(error), out),
    }
}

fn understand(
    gateway: &Gateway,
    now: Instant,
    stay: &mut Stay,
    call: &Call<'_>,
) -> Result<Doing, EventError> {
    match call.name {
        "sessions:send" => return send::send(gateway, now, stay, call),
        // Apart, so that a tab that asks for the list without end keeps nobody from signing it out.
        "sessions:refresh" | "sessions:revoke" => {
            let taken = stay.user.roster().vital().try_take(&gateway.app.presence.controls, now);
            taken.map_err(|retry_after| EventError::RateLimited { retry_after })?;
        }
        "sessions:list" | "sessions:state" | "sessions:rename" => {
            let taken = stay.user.roster().controls().try_take(&gateway.app.presence.controls, now);
            taken.map_err(|retry_after| EventError::RateLimited { retry_after })?;
        }
        _ => return Err(EventError::EventUnknown),
    }
    match call.name {
        "sessions:state" => state::state(gateway, now, stay, call).map(|()| Doing::Done(Answer::Done)),
        "sessions:refresh" => refresh::read(call).map(Doing::Step),
        "sessions:rename" => rename::read(call).map(Doing::Step),
        "sessions:revoke" => revoke::read(call).map(Doing::Step),
        _ => Fields::read(call.json, []).map(|[]| Doing::Done(Answer::List)),
    }
}

/// Answers, if an answer was asked for.
fn answer_call(
    gateway: &Gateway,
    stay: &Stay,
    id: Option<u64>,
    answer: Result<Answer, EventError>,
    out: &mut Outbox<'_>,
) {
    if let Err(error) = &answer {
        gateway.app.metrics.event_error(error.code());
    }
    if let Some(id) = id {
        reply::acknowledge(id, stay, answer, out);
    }
}
