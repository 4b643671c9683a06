//! `GET /openapi.json`: what this server answers, as OpenAPI 3.1, made of the annotations that stand on the actions
//! themselves; `GET /docs`: the same for people. Does not know: what an action does.

mod page;
mod problems;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{
    auth_backchannel_logout, auth_login, auth_logout, auth_me, auth_password, auth_refresh, auth_register,
    health, jwks, metrics, problem, sessions_end, sessions_history, sessions_list, user_erase, user_messages,
    user_sessions, user_sessions_end,
};
use crate::app::App;

/// Everything that is described: an action is a line here and an annotation where it stands.
#[derive(OpenApi)]
#[openapi(
    info(title = "Rollcall", description = "A realtime sessions gateway. What sockets say is in docs/wire.md."),
    paths(
        auth_register::handle,
        auth_login::handle,
        auth_refresh::handle,
        auth_logout::handle,
        auth_me::handle,
        auth_me::erase,
        auth_password::handle,
        auth_backchannel_logout::handle,
        sessions_list::handle,
        sessions_history::own,
        sessions_end::one,
        sessions_end::many,
        user_sessions::handle,
        sessions_history::of_user,
        user_sessions_end::all,
        user_sessions_end::one,
        user_messages::handle,
        user_erase::handle,
        jwks::handle,
        health::live,
        health::ready,
        metrics::handle,
    ),
    components(schemas(problem::ProblemBody<'static>)),
    tags(
        (name = AUTH, description = "The built-in accounts."),
        (name = SESSIONS, description = "A user's own live sessions."),
        (name = SERVERS, description = "For other servers, with a key; where operators' routes are."),
        (name = KEYS, description = "How others can check this server's tokens."),
        (name = OPS, description = "For operators. With `ops.listen` set they answer there and nowhere else."),
    )
)]
struct Annotations;

/// The two routes and the style of the page. They do not change while the server runs.
pub(super) fn routes() -> Router<Arc<App>> {
    let document = document();
    let page: Arc<str> = page::render(&document).into();
    let text: Arc<str> = document.to_string().into();
    let json = move || async move {
        let headers = [(CONTENT_TYPE, "application/json"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        (headers, text.to_string()).into_response()
    };
    Router::new()
        .route("/openapi.json", get(json))
        .merge(page::routes(page))
        .method_not_allowed_fallback(super::method_not_allowed)
}

/// The whole document.
fn document() -> Value {
    // Maps with text as keys only, so this cannot fail.
    let mut document = serde_json::to_value(Annotations::openapi()).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A user's token, from `/auth/login` or from a configured issuer.",
        },
        API_KEY: {
            "type": "http",
            "scheme": "bearer",
            "description": "A key made with `rollcall key new --api`.",
        },
    });
    problems::complete(&mut document);
    document
}

/// Tag of the accounts' routes, which pages may call.
pub(super) const AUTH: &str = "Accounts";
/// Tag of what users may do with their own sessions.
pub(super) const SESSIONS: &str = "Own sessions";
/// Tag of what other servers may do.
pub(super) const SERVERS: &str = "Sessions of users";
/// Tag of the published keys.
pub(super) const KEYS: &str = "Keys";
/// Tag of health and metrics.
pub(super) const OPS: &str = "Operation";
/// Name of the scheme for users' tokens.
pub(super) const BEARER: &str = "token";
/// Name of the scheme for keys of server-side callers.
pub(super) const API_KEY: &str = "apiKey";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_openapi_3_1_and_its_operations_have_names_of_their_own() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut names: Vec<&str> = problems::operations(&document)
            .map(|(path, method, operation)| {
                operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"))
            })
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert!(count == 22 && names.len() == count, "{names:?}");
    }

    #[test]
    fn every_error_is_a_problem_with_known_codes() {
        let document = document();
        for (path, method, operation) in problems::operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let status: u16 = status.parse().unwrap();
                let text = response["description"].as_str().unwrap();
                assert!(!text.is_empty() && !text.contains("unknown code"), "{method} {path}: {text}");
                if status >= 400 && response["content"].get("application/json").is_none() {
                    let schema = &response["content"]["application/problem+json"]["schema"];
                    let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
                    assert!(codes.is_some_and(|codes| !codes.is_empty()), "{method} {path} {status}");
                }
            }
        }
        let login = &document["paths"]["/auth/login"]["post"]["responses"];
        for status in ["200", "400", "401", "403", "408", "413", "415", "429", "503"] {
            assert!(login.get(status).is_some(), "{status} of login");
        }
        assert!(document["paths"]["/metrics"]["get"]["responses"].get("500").is_some());
    }
}
