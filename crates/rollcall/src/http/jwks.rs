//! `GET /.well-known/jwks.json`: the public keys that the tokens made here are signed with (RFC 7517). A secret is never
//! among them; without a key file the set is empty.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use super::openapi::KEYS;
use crate::app::App;

/// The public keys of the tokens that are made here.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "keys", tag = KEYS, responses(
    (
        status = 200,
        description = "A key set (RFC 7517); empty without a key file.",
        content_type = "application/jwk-set+json",
        body = Object,
    ),
))]
pub(super) async fn handle(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, app.identity.published_keys().to_owned())
}
