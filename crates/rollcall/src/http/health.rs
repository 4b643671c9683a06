//! `GET /livez`: the process runs. `GET /readyz`: send it clients, or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::OPS;
use crate::app::App;
use crate::lifecycle::Phase;

/// The process runs.
#[utoipa::path(get, path = "/livez", operation_id = "live", tag = OPS, responses(
    (status = 200, description = "It does.", body = Health),
))]
pub(super) async fn live() -> Response {
    answer(StatusCode::OK, Health { status: "ok", checks: None })
}

/// Whether to send it clients.
///
/// 503 only while starting or draining: a server without its database, or without Redis, still serves those who are there, and taking it
/// out of the balancer would end that.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = OPS, responses(
    (status = 200, description = "Yes: `ok` or `degraded`.", body = Health),
    (status = 503, description = "No: `starting` or `draining`.", body = Health),
))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let word = |is_away| if is_away { "away" } else { "ok" };
    let database_is_away = app.store.health().away_since().is_some();
    let registry_is_away = app.cluster.as_ref().map(|cluster| !cluster.is_complete());
    let checks = Some(Checks { database: word(database_is_away), registry: registry_is_away.map(word) });
    let is_degraded = database_is_away || registry_is_away == Some(true);
    let (status, word) = match app.lifecycle.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Phase::Serving if is_degraded => (StatusCode::OK, "degraded"),
        Phase::Serving => (StatusCode::OK, "ok"),
    };
    answer(status, Health { status: word, checks })
}

/// How the server is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// One word.
    status: &'static str,
    /// What it was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks>,
}

/// Each part that can be away.
#[derive(Serialize, ToSchema)]
struct Checks {
    /// `ok` or `away`.
    database: &'static str,
    /// Of one of several nodes: `ok`, or `away` while lists may not hold the sessions of all nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    registry: Option<&'static str>,
}

fn answer(status: StatusCode, health: Health) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(health)).into_response()
}
