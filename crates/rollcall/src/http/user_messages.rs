//! `POST /api/users/{userId}/messages`: other servers say something to a user's sessions. Does not know: sockets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Problem;
use super::body::{Body, Fields, Payload};
use super::openapi::SERVERS;
use super::server_call::{Send, ServerCall, UserParams};
use crate::app::App;
use crate::config::Config;
use crate::gateway::messaging::is_event;
use crate::gateway::revoking::NotRevoked;
use crate::gateway::strict::is_strict;
use crate::registry::SocketId;

/// A message: `sessions:message` with `from: null`.
#[derive(ToSchema)]
pub(super) struct UserMessage {
    /// What the receivers know it by.
    #[schema(min_length = 1, max_length = 128)]
    event: String,
    /// Any JSON that every JSON library reads alike.
    #[schema(value_type = serde_json::Value)]
    data: Box<RawValue>,
    /// A `socketId`, or `all`, which is also meant without it.
    to: Option<String>,
}

impl Payload for UserMessage {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        let event = fields.text("event")?;
        if !is_event(&event) {
            return Err(Problem::field("event", "event must be 1 to 128 characters without NUL"));
        }
        let data = fields.json("data").ok_or_else(|| Problem::field("data", "data is required"))?;
        if !is_strict(&data) {
            let detail = "data must be JSON that every library reads alike: no key twice, no lone surrogate, no NUL, no \
                          number beyond a double, at most 128 deep and 4,096 keys";
            return Err(Problem::field("data", detail));
        }
        Ok(Self { event, data, to: fields.optional_text("to")? })
    }

    fn body_max(config: &Config) -> usize {
        config.limits.max_payload.get() + REST
    }
}

/// Where it went.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveredBody {
    /// Sessions whose queue took it.
    delivered: usize,
    /// `false` when other nodes cannot be asked just now.
    complete: bool,
}

/// Sends a message to one session of a user, or to all. No receipt: at most once.
#[utoipa::path(
    post, path = "/api/users/{userId}/messages", operation_id = "sendMessage", tag = SERVERS,
    security(("apiKey" = [])), request_body = UserMessage,
    params(UserParams),
    responses(
        (status = 200, description = "It is on its way.", body = DeliveredBody),
        (status = 404, description = "session_not_found"),
    ),
)]
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    call: ServerCall<Send>,
    Body(message): Body<UserMessage>,
) -> Result<Json<DeliveredBody>, Problem> {
    let data = message.data.get();
    let max = app.config.limits.max_payload.get();
    if data.len() > max {
        let detail = format!("data may have at most {max} bytes.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail));
    }
    let to = match message.to.as_deref() {
        None | Some("all") => None,
        Some(id) => Some(SocketId::parse(id).ok_or(NotRevoked::SessionNotFound)?),
    };
    let sent = app.send(&call.user, to, &message.event, data).await;
    let sent = sent.ok_or(NotRevoked::SessionNotFound)?;
    Ok(Json(DeliveredBody { delivered: sent.count, complete: sent.complete }))
}

/// Bytes of a body beside `data`.
const REST: usize = 4096;
