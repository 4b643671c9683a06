//! How an event of a client is acknowledged.

use serde::Serialize;
#[cfg(test)]
use ts_rs::TS;
use utoipa::ToSchema;

use super::SessionItem;
use super::asyncapi::{literal_false, literal_true};

/// What a revocation is worth: new tokens of the login are refused too, only this token, or none.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// New tokens of the login are refused too.
    Login,
    /// The issuer can give another token.
    Token,
    /// A session of the own login was closed.
    None,
}

/// The codes of an acknowledgement that says no.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their meanings are a table of docs/wire.md")]
pub enum AckErrorCode {
    PayloadInvalid,
    PayloadTooLarge,
    SessionNotFound,
    UserMismatch,
    TokenMissing,
    TokenInvalid,
    TokenExpired,
    TokenRevoked,
    Unavailable,
    RateLimited,
    Forbidden,
    EventUnknown,
}

/// An acknowledgement that says no.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct AckError {
    /// `false`.
    #[cfg_attr(test, ts(type = "false"))]
    #[schema(schema_with = literal_false)]
    pub ok: bool,
    /// Why.
    pub code: AckErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// Of `payload_invalid`: the part that is wrong.
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// Of `rate_limited`: milliseconds.
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
}

/// The acknowledgement of `sessions:list`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct ListAck {
    /// `true`.
    #[cfg_attr(test, ts(type = "true"))]
    #[schema(schema_with = literal_true)]
    pub ok: bool,
    /// The whole list.
    pub sessions: Vec<SessionItem>,
    /// Grows with each change.
    pub revision: u64,
    /// Whether these are the sessions of all nodes.
    pub complete: bool,
}

/// The acknowledgement of `sessions:rename` and `sessions:state`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct DoneAck {
    /// `true`.
    #[cfg_attr(test, ts(type = "true"))]
    #[schema(schema_with = literal_true)]
    pub ok: bool,
}

/// The acknowledgement of `sessions:revoke`: how many sessions ended, and what that is worth.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct RevokeAck {
    /// `true`.
    #[cfg_attr(test, ts(type = "true"))]
    #[schema(schema_with = literal_true)]
    pub ok: bool,
    /// Sessions that ended.
    pub revoked: u64,
    /// The weakest of all that ended.
    pub held: Held,
}

/// The acknowledgement of `sessions:send`: how many sessions' queues took it; no receipt.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct SendAck {
    /// `true`.
    #[cfg_attr(test, ts(type = "true"))]
    #[schema(schema_with = literal_true)]
    pub ok: bool,
    /// Sessions whose queue took it.
    pub delivered: u64,
    /// Whether the sessions of all nodes were known.
    pub complete: bool,
}

/// The acknowledgement of `sessions:refresh`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct RefreshAck {
    /// `true`.
    #[cfg_attr(test, ts(type = "true"))]
    #[schema(schema_with = literal_true)]
    pub ok: bool,
    /// ISO 8601, UTC, milliseconds.
    pub expires_at: String,
    /// Whole seconds.
    pub expires_in: u64,
}
