//! HTTP calls with a Bearer token or an API key to a running server, and what comes back.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::time::Duration;

use rollcall::app::App;
use rollcall::config::{Config, Secret, Setting};
use rollcall::identity::IssuerId;
use rollcall::store::{Actor, ApiKey, KeyScopes};
use serde_json::{Value, json};

use crate::live::Live;
use crate::live::wire::Answer;
use crate::support::SECRET;

pub const KEY: &str = "a key of forty-three characters, more or less";

pub async fn get(live: &Live, target: &str, bearer: &str) -> Answer {
    call(live, "GET", target, bearer, "").await
}

pub async fn delete(live: &Live, target: &str, bearer: &str) -> Answer {
    call(live, "DELETE", target, bearer, "").await
}

/// With JSON, when there is something to say.
pub async fn call(live: &Live, method: &str, target: &str, bearer: &str, body: &str) -> Answer {
    let json = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let headers = format!("authorization: Bearer {bearer}\r\n{json}");
    live.wire().await.request(method, target, &headers, body).await
}

pub fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[track_caller]
pub fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &body(answer)["code"]), (status, &json!(code)), "{answer:?}");
}

/// The answer of a call that has ended sessions.
#[track_caller]
pub fn check_ended(answer: &Answer, revoked: usize, held: &str) {
    assert_eq!((answer.status, body(answer)), (200, json!({"revoked": revoked, "held": held})), "{answer:?}");
}

/// So many sessions are left. Asked right after an answer: what another process would learn in a moment holds already.
pub async fn check_left(live: &Live, sessions: usize) {
    let metrics = live.wire().await.get("/metrics").await.body;
    let line = format!("rollcall_sessions {sessions}");
    assert!(metrics.lines().any(|found| found == line), "not {line}: {metrics}");
}

/// The same as soon as it is so.
pub async fn check_left_in_time(live: &Live, sessions: usize) {
    let line = format!("rollcall_sessions {sessions}");
    for _ in 0..400 {
        if live.wire().await.get("/metrics").await.body.lines().any(|found| found == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {line}");
}

/// Makes a key as the command does, beside the running server, and waits until that knows it.
pub async fn make_key(live: &Live, key: &str, scopes: &str, issuer: Option<IssuerId>) {
    let app = beside(live).await;
    let allows = ApiKey { name: key.into(), issuer, scopes: KeyScopes::parse(scopes).unwrap() };
    assert!(app.store.add_api_key(1, key, &allows, Actor::Operator).await.unwrap());
    for _ in 0..600 {
        if get(live, "/api/users/nobody/sessions", key).await.status != 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server does not know the key");
}

/// The parts of a server on the same data, as a command has them.
pub async fn beside(live: &Live) -> std::sync::Arc<App> {
    let data_dir = live.folder.path().join("data");
    let mut config = Config { data_dir, database: live.database.clone(), ..Config::default() };
    config.identity.secret = Secret::parse(SECRET);
    App::open(config, live.clock.clone()).await.unwrap()
}
