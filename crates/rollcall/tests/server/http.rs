//! What is not `/auth`: health, metrics, the page, and the errors that every path shares.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use rollcall::config::{Setting, SocketPath};
use rollcall::http::has_devices_page;
use rollcall::lifecycle::Phase;
use serde_json::json;

use crate::support::{Server, answer};

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let server = Server::open().await;
    for path in ["/nothing", "/auth", "/auth/", "/auth/nothing", "/livez/", "/api"] {
        server.get(path).await.check_problem(404, "not_found");
    }
    for (method, path, allow) in [
        ("DELETE", "/auth/login", "POST"),
        ("POST", "/auth/me", "GET,HEAD,DELETE"),
        ("GET", "/auth/logout", "POST"),
        ("PUT", "/readyz", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let answer =
            server.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        answer.check_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn readiness_follows_the_lifecycle() {
    let server = Server::open().await;
    assert_eq!(server.get("/livez").await.json(), json!({"status": "ok"}));
    let ready = async || {
        let answer = server.get("/readyz").await;
        (answer.status.as_u16(), answer.json()["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(ready().await, (503, "starting".to_owned()));
    server.app.lifecycle.advance(Phase::Serving);
    assert_eq!(ready().await, (200, "ok".to_owned()));
    server.app.lifecycle.advance(Phase::Draining);
    assert_eq!(ready().await, (503, "draining".to_owned()));
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn without_its_database_the_server_is_degraded_then_unavailable_and_comes_back() {
    let server = Server::open().await;
    let app = &server.app;
    app.lifecycle.advance(Phase::Serving);
    let file = app.config.data_dir.join("rollcall.db");
    let aside = app.config.data_dir.join("aside.db");

    app.store.health().look(&app.clock).await;
    assert_eq!(app.store.health().away_since(), None);
    fs::rename(&file, &aside).unwrap();
    app.store.health().look(&app.clock).await;
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"status": "degraded", "checks": {"database": "away"}}));

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(299)).await;
    assert!(!app.is_unavailable());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(app.is_unavailable());
    tokio::time::resume();

    fs::write(&file, "another file of this name").unwrap();
    app.store.health().look(&app.clock).await;
    assert!(app.is_unavailable());
    fs::rename(&aside, &file).unwrap();
    app.store.health().look(&app.clock).await;
    assert!(!app.is_unavailable());
    assert_eq!(server.get("/readyz").await.json(), json!({"status": "ok", "checks": {"database": "ok"}}));
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let server = Server::open().await;
    let answer = server.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(
        answer.text.contains("\nrollcall_sessions 0\n") && answer.text.ends_with("# EOF\n"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_listener_for_operators_takes_their_routes_off_the_main_one() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 9));
    let server = Server::with(|config| config.ops.listen = Some(listen)).await;
    let ops = rollcall::http::ops_router(server.app.clone());
    for path in ["/livez", "/metrics"] {
        server.get(path).await.check_problem(404, "not_found");
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(answer(ops.clone(), request).await.status, 200, "{path}");
    }
    let path = "/api/users/ada/sessions";
    server.get(path).await.check_problem(404, "not_found");
    let request = Request::get(path).body(Body::empty()).unwrap();
    answer(ops.clone(), request).await.check_problem(401, "token_missing");
    for path in ["/", "/auth/me", "/api/sessions"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        answer(ops.clone(), request).await.check_problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_page_asks_nobody_else_and_can_be_switched_off() {
    let server = Server::with(|config| config.http.socket_path = SocketPath::parse("/live/").unwrap()).await;
    let page = server.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(!page.text.contains("://") || !has_devices_page(), "{}", page.text);
    assert!(!page.text.contains("<script>") && !page.text.contains("style="), "{}", page.text);
    assert!(page.text.contains("/live/") && !page.text.contains("{{"), "{}", page.text);
    // One of the two is in this program; the other has tests of its own beside its code.
    let (there, other) = if has_devices_page() {
        (asset_of(&page.text), "/page.css")
    } else {
        ("/page.css".into(), "/assets/")
    };
    assert_eq!(server.get(&there).await.header("content-type"), Some("text/css; charset=utf-8"));
    server.get(other).await.check_problem(404, "not_found");

    let without = Server::with(|config| config.http.page = false).await;
    for path in ["/", &there] {
        without.get(path).await.check_problem(404, "not_found");
    }
}

/// The address of the style sheet that the devices page names.
fn asset_of(page: &str) -> String {
    let css = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".css"));
    css.unwrap().to_owned()
}

#[tokio::test]
async fn the_description_is_for_programs_and_for_people_and_asks_nobody_else() {
    let server = Server::open().await;
    let description = server.get("/openapi.json").await;
    assert_eq!(description.header("content-type"), Some("application/json"));
    let document = description.json();
    assert_eq!(document["openapi"], "3.1.0");
    for path in document["paths"].as_object().unwrap().keys().filter(|path| !path.contains('{')) {
        assert_ne!(server.get(path).await.status, 404, "{path} is described and not there");
    }

    let page = server.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text.contains(&format!(" {path}</code></h3>")), "{path} is not on the page");
    }
    for unwanted in ["<script", "style=", "http://", "https://"] {
        assert!(!page.text.contains(unwanted), "{unwanted} is on the page");
    }
    assert_eq!(server.get("/docs.css").await.header("content-type"), Some("text/css; charset=utf-8"));
}
