//! What the server and a client say to each other in the namespace `sessions`, as types. `/asyncapi.json` and the types of
//! the TypeScript client are made of these. Frames are written by hand, once for all their receivers; a test compares real ones
//! with what stands here. Does not know: how anything is written or read.

mod ack;
pub mod asyncapi;
mod requests;
#[cfg(test)]
mod typescript;

use serde::Serialize;
#[cfg(test)]
use ts_rs::TS;
use utoipa::ToSchema;

pub use ack::{AckError, AckErrorCode, DoneAck, Held, ListAck, RefreshAck, RevokeAck, SendAck};
pub use requests::{RefreshRequest, RenameRequest, RevokeRequest, SendRequest, SessionsAuth, StateRequest};

/// The kind of a device.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
pub enum DeviceType {
    /// A computer.
    Desktop,
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// A program.
    Bot,
    /// Something else.
    Other,
}

/// What a `User-Agent` says of its device; what is not known is left out.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub struct Device {
    /// Such as `iOS`.
    #[schema(nullable = false)]
    pub os: Option<String>,
    /// Such as `Safari`.
    #[schema(nullable = false)]
    pub browser: Option<String>,
    /// What kind of device it is.
    pub r#type: DeviceType,
}

/// What the user does with a client.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionActivity {
    /// Works with it.
    Active,
    /// Is elsewhere.
    Idle,
    /// Does not see it.
    Hidden,
}

/// What the first request of a session said.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct SessionMetadata {
    /// Without port, as far as `privacy.ip` keeps it.
    pub ip: String,
    /// As far as `privacy.user_agent` keeps it.
    pub user_agent: String,
    /// The client's label.
    #[schema(nullable = false)]
    pub context: Option<String>,
}

/// One session of the list. More fields may come; those that are not known are to be passed over.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct SessionItem {
    /// The `socket.id` of its client.
    pub socket_id: String,
    /// ISO 8601, UTC, milliseconds.
    pub connected_at: String,
    /// What its first request said.
    pub metadata: SessionMetadata,
    /// The same for all sessions of one login, and for no others of the user.
    pub login: String,
    /// What its `User-Agent` says.
    #[schema(nullable = false)]
    pub device: Option<Device>,
    /// 16 hexadecimal digits for the `deviceId` that the client sent.
    #[schema(nullable = false)]
    pub device_id: Option<String>,
    /// The name given by `sessions:rename`.
    #[schema(nullable = false)]
    pub label: Option<String>,
    /// What the user does with it.
    #[schema(nullable = false)]
    pub state: Option<SessionActivity>,
    /// ISO 8601, UTC, milliseconds.
    #[schema(nullable = false)]
    pub last_active_at: Option<String>,
}

/// `sessions:ready`: once a connection, before everything else.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct SessionsReady {
    /// The client's own.
    pub socket_id: String,
    /// The whole list, itself among it.
    pub sessions: Vec<SessionItem>,
    /// Grows with each change.
    pub revision: u64,
    /// Whether these are the sessions of all nodes.
    pub complete: bool,
    /// The end of the token: ISO 8601, UTC, milliseconds.
    pub expires_at: String,
}

/// The second argument of `sessions:update`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct UpdateMeta {
    /// Grows with each change.
    pub revision: u64,
    /// Whether these are the sessions of all nodes.
    pub complete: bool,
}

/// The codes of `sessions:error`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their meanings are a table of docs/wire.md")]
pub enum SessionsErrorCode {
    TokenMissing,
    TokenInvalid,
    TokenExpired,
    TokenRevoked,
    ContextInvalid,
    TooManySessions,
    SessionRevoked,
    SessionEvicted,
    Unavailable,
    ServerShutdown,
    RateLimited,
    SlowConsumer,
}

/// `sessions:error`: the last event before the end.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct SessionsError {
    /// Why.
    pub code: SessionsErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// Of `context_invalid`: what is not allowed.
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// Of `rate_limited`: milliseconds.
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
}

/// `sessions:expiring`: the token of this connection ends soon.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct SessionsExpiring {
    /// ISO 8601, UTC, milliseconds.
    pub expires_at: String,
    /// Whole seconds.
    pub expires_in: u64,
}

/// `sessions:message`: what another session of the user, or the application's server, has sent.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct SessionsMessage {
    /// The sender's `socketId`; `null` when it was sent over HTTP.
    #[schema(required = true)]
    pub from: Option<String>,
    /// The sender's name for it, 1 to 128 characters.
    pub event: String,
    /// Any JSON, with binary attachments in it if need be.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub data: serde_json::Value,
    /// ISO 8601, UTC, milliseconds.
    pub sent_at: String,
}

/// `sessions:new`: a login of the user that was never seen before.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct SessionsNew {
    /// Its session.
    pub session: SessionItem,
}
