//! `GET /asyncapi.json`: what sockets say in the namespace, as AsyncAPI 3.0. Does not know: what that is.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;
use crate::wire::asyncapi::document;

/// The document, which does not change while the server runs.
pub(super) fn routes() -> Router<Arc<App>> {
    let text: Arc<str> = document().to_string().into();
    let json = move || async move {
        let headers = [(CONTENT_TYPE, "application/json"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        (headers, text.to_string()).into_response()
    };
    Router::new().route("/asyncapi.json", get(json)).method_not_allowed_fallback(super::method_not_allowed)
}
