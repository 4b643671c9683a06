//! What a client sends.

use serde::Serialize;
#[cfg(test)]
use ts_rs::TS;
use utoipa::ToSchema;

use super::SessionActivity;

/// What a client sends with CONNECT.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct SessionsAuth {
    /// The user's token.
    pub token: String,
    /// A label, at most 256 characters.
    #[schema(nullable = false)]
    pub context: Option<String>,
    /// What the client calls its device, at most 64 characters.
    #[schema(nullable = false)]
    pub device_id: Option<String>,
    /// The `socketId` that this client had before.
    #[schema(nullable = false)]
    pub replaces: Option<String>,
}

/// The argument of `sessions:rename`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct RenameRequest {
    /// At most 256 characters; none takes the name away.
    pub label: String,
}

/// The argument of `sessions:state`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct StateRequest {
    /// What the user does.
    pub state: SessionActivity,
}

/// The argument of `sessions:revoke`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(untagged)]
pub enum RevokeRequest {
    /// The login of this session; of the own login this session alone.
    One {
        /// Which.
        #[serde(rename = "socketId")]
        socket_id: String,
    },
    /// Every login but the own.
    Others {
        /// `true`.
        #[cfg_attr(test, ts(type = "true"))]
        #[schema(schema_with = super::asyncapi::literal_true)]
        others: bool,
    },
    /// Every login.
    All {
        /// `true`.
        #[cfg_attr(test, ts(type = "true"))]
        #[schema(schema_with = super::asyncapi::literal_true)]
        all: bool,
    },
}

/// The argument of `sessions:send`. `to` is a `socketId`, `others` or `all`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct SendRequest {
    /// Which sessions.
    pub to: String,
    /// 1 to 128 characters.
    pub event: String,
    /// Any JSON, with binary attachments in it if need be.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub data: serde_json::Value,
}

/// The argument of `sessions:refresh`.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(TS))]
pub struct RefreshRequest {
    /// Another token of the same user.
    pub token: String,
}
