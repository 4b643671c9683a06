//! `GET /` of a program without the devices page: says what this is and how to connect. No script, no request to
//! anybody else.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;
use crate::config::SocketPath;

pub(super) fn routes(socket_path: &SocketPath) -> Router<Arc<App>> {
    // Nothing to escape: a socket path is made of plain characters only.
    let page: Arc<str> = PAGE.replace("{{socket_path}}", socket_path.as_str()).into();
    let page = move || async move {
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
        (headers, page.to_string()).into_response()
    };
    Router::new()
        .route("/", get(page))
        .route(
            "/page.css",
            get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()),
        )
        .method_not_allowed_fallback(super::method_not_allowed)
}

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// Only the style sheet of this server; no script, no form, no frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
