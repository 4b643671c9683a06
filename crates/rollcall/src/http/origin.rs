//! The guard of `/auth` against foreign web pages; the rules are those of the socket path. Does not know: what is called.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::ACCESS_CONTROL_REQUEST_METHOD;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::app::App;

/// Refuses foreign pages, answers preflights, marks all other answers.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origins = &app.config.http.allowed_origins.0;
    let headers = request.headers().clone();
    let mut response = if !origins.allow(&headers) {
        Problem::origin_forbidden().into_response()
    } else if *request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        let mut response = StatusCode::NO_CONTENT.into_response();
        origins.answer_preflight(&headers, "GET, POST, DELETE", response.headers_mut());
        return response;
    } else {
        next.run(request).await
    };
    origins.answer(&headers, response.headers_mut());
    response
}
