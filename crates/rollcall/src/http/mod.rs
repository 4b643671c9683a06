//! HTTP: the routes on one screen, one file an action. The socket path is not among them: it belongs to the gateway.

mod auth_register;
mod auth_login;
mod auth_refresh;
mod auth_logout;
mod auth_me;
mod auth_password;
mod auth_backchannel_logout;
mod sessions_list;
mod sessions_end;
mod sessions_history;
mod user_sessions;
mod user_sessions_end;
mod user_messages;
mod user_erase;
mod health;
mod jwks;
mod metrics;
mod openapi;
mod asyncapi;
mod devices_page;
mod page;

mod bearer;
mod body;
mod caller;
pub mod client_address;
mod ended;
mod origin;
mod paging;
mod problem;
mod query;
mod rest_of_body;
mod server_call;
mod session_list;
mod token_pair;
mod unhindered;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Uri};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{delete, get, post};

pub use client_address::{ClientAddresses, PeerAddress};
pub use problem::Problem;

use crate::app::App;

/// What the main listener answers, the socket path excepted.
pub fn router(app: Arc<App>) -> Router {
    let mut routes = Router::new()
        .merge(auth_routes(&app))
        .merge(session_routes(&app))
        .merge(key_routes())
        .merge(openapi::routes())
        .merge(asyncapi::routes());
    if app.config.ops.listen.is_none() {
        routes = routes.merge(ops_routes());
    }
    if app.config.http.page {
        let devices = devices_page::routes(devices_page::EMBEDDED, &app.config);
        routes = routes.merge(devices.unwrap_or_else(|| page::routes(&app.config.http.socket_path)));
    }
    finish(routes, app)
}

/// Whether the devices page was built before this program, and so is in it; else `/` says how to connect.
pub fn has_devices_page() -> bool {
    !devices_page::EMBEDDED.is_empty()
}

/// What the listener of `ops.listen` answers.
pub fn ops_router(app: Arc<App>) -> Router {
    finish(ops_routes(), app)
}

fn auth_routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/auth/register", post(auth_register::handle))
        .route("/auth/login", post(auth_login::handle))
        .route("/auth/refresh", post(auth_refresh::handle))
        .route("/auth/logout", post(auth_logout::handle))
        .route("/auth/me", get(auth_me::handle).delete(auth_me::erase))
        .route("/auth/password", post(auth_password::handle))
        .route("/auth/backchannel-logout", post(auth_backchannel_logout::handle))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(no_store))
        .layer(from_fn_with_state(Arc::clone(app), origin::guard))
}

/// What a user may do with their own sessions.
fn session_routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/api/sessions", get(sessions_list::handle).delete(sessions_end::many))
        .route("/api/sessions/history", get(sessions_history::own))
        .route("/api/sessions/{socketId}", delete(sessions_end::one))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(no_store))
        .layer(from_fn_with_state(Arc::clone(app), origin::guard))
}

/// What other servers may do; no page calls these, so there is no preflight.
fn server_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/users/{userId}", delete(user_erase::handle))
        .route("/api/users/{userId}/sessions", get(user_sessions::handle).delete(user_sessions_end::all))
        .route("/api/users/{userId}/sessions/history", get(sessions_history::of_user))
        .route("/api/users/{userId}/sessions/{socketId}", delete(user_sessions_end::one))
        .route("/api/users/{userId}/messages", post(user_messages::handle))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(no_store))
}

fn key_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks::handle))
        .method_not_allowed_fallback(method_not_allowed)
}

fn ops_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::handle))
        .method_not_allowed_fallback(method_not_allowed)
        .merge(server_routes())
}

fn finish(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes.fallback(not_found).layer(from_fn(rest_of_body::take)).layer(map_response(secure)).with_state(app)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!("There is nothing at {}.", uri.path()))
}

/// axum adds `Allow` with the methods that there are.
async fn method_not_allowed(request: Request) -> Problem {
    Problem::method_not_allowed(format!("{} does not answer {}.", request.uri().path(), request.method()))
}

/// Answers with tokens and names in them are kept by nobody on the way.
async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
