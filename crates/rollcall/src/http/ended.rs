//! What the end of sessions is answered with, and the path of one of them. Does not know: who asks, what ends.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::app::App;
use crate::gateway::revoking::{Held, NotRevoked, Revoked};
use crate::registry::SocketId;

/// What has ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Ended)]
pub(super) struct EndedBody {
    /// Live sessions.
    revoked: usize,
    /// What it is worth: `login` (new tokens of it are refused too), `token` (its issuer can give another), `none` (no
    /// token is refused).
    held: &'static str,
}

impl EndedBody {
    /// Sessions that may come back.
    pub(super) fn disconnected(count: usize) -> Json<Self> {
        Json(Self { revoked: count, held: Held::None.as_str() })
    }

    /// Logins.
    pub(super) fn of(revoked: &Revoked) -> Json<Self> {
        Json(Self { revoked: revoked.count, held: revoked.held.as_str() })
    }
}

impl From<NotRevoked> for Problem {
    fn from(error: NotRevoked) -> Self {
        match error {
            NotRevoked::SessionNotFound => {
                Self::new(StatusCode::NOT_FOUND, "session_not_found", "The user has no such session.")
            }
            NotRevoked::Storage(error) => error.into(),
        }
    }
}

/// `{socketId}` of a path. What is none is nobody's.
pub(super) struct SessionPath(pub(super) SocketId);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    socket_id: String,
}

impl FromRequestParts<Arc<App>> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let params: Result<Path<Params>, _> = Path::from_request_parts(parts, app).await;
        let id = params.ok().and_then(|Path(Params { socket_id })| SocketId::parse(&socket_id));
        id.map(Self).ok_or_else(|| NotRevoked::SessionNotFound.into())
    }
}
