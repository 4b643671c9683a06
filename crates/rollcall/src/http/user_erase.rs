//! `DELETE /api/users/{userId}`: other servers have a user forgotten. Does not know: what is kept of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Problem;
use super::ended::EndedBody;
use super::openapi::SERVERS;
use super::server_call::{Erase, ServerCall, UserParams};
use super::unhindered::unhindered;
use crate::app::App;

/// Ends every login of a user and forgets the user: account, names of devices, logins seen, audit so far.
#[utoipa::path(
    delete, path = "/api/users/{userId}", operation_id = "eraseUser", tag = SERVERS, security(("apiKey" = [])),
    params(UserParams),
    responses(
        (status = 200, description = "Nothing is left, also when there was nothing.", body = EndedBody),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    call: ServerCall<Erase>,
) -> Result<Json<EndedBody>, Problem> {
    unhindered(async move {
        let erased = app.erase(&call.user, call.asker()).await?;
        tracing::info!(key = &*call.key.name, "user erased by another server");
        Ok(EndedBody::of(&erased))
    })
    .await
}
