//! `GET /metrics`: all metrics in the OpenMetrics text format.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Problem;
use super::openapi::OPS;
use crate::app::App;

/// All metrics in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = OPS, responses(
    (status = 200, description = "Ends with `# EOF`.", content_type = "application/openmetrics-text", body = str),
    (status = 500, description = "internal_error"),
))]
pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    app.measure_limits();
    let text = app.metrics.encode().map_err(|_| Problem::internal())?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
