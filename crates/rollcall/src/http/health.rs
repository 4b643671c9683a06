//! `GET /livez`: the process runs. `GET /readyz`: send it clients, or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;
use crate::lifecycle::Phase;

pub(super) async fn live() -> Response {
    answer(StatusCode::OK, Health { status: "ok", checks: None })
}

/// 503 only while starting or draining: a server without its database still serves those who are there, and taking it
/// out of the balancer would end that.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let database_is_away = app.store.health().away_since().is_some();
    let checks = Some(Checks { database: if database_is_away { "away" } else { "ok" } });
    let (status, word) = match app.lifecycle.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Phase::Serving if database_is_away => (StatusCode::OK, "degraded"),
        Phase::Serving => (StatusCode::OK, "ok"),
    };
    answer(status, Health { status: word, checks })
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks>,
}

#[derive(Serialize)]
struct Checks {
    database: &'static str,
}

fn answer(status: StatusCode, health: Health) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(health)).into_response()
}
