//! Lists of live sessions over HTTP: for a user by token, for other servers by key.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

#[path = "support/live.rs"]
mod live;
#[path = "support/namespace.rs"]
mod namespace;
mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use live::Live;
use live::wire::Answer;
use namespace::Tab;
use rollcall::app::App;
use rollcall::config::{Config, Secret, Setting};
use rollcall::identity::IssuerId;
use rollcall::store::{Actor, ApiKey, KeyScopes};
use serde_json::{Value, json};
use support::SECRET;

const KEY: &str = "a key of forty-three characters, more or less";

async fn get(live: &Live, target: &str, bearer: &str) -> Answer {
    let headers = format!("authorization: Bearer {bearer}\r\n");
    live.wire().await.request("GET", target, &headers, "").await
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[track_caller]
fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &body(answer)["code"]), (status, &json!(code)), "{answer:?}");
}

fn ids(list: &Value) -> Vec<&str> {
    list["sessions"].as_array().unwrap().iter().map(|item| item["socketId"].as_str().unwrap()).collect()
}

/// Makes a key as the command does, beside the running server, and waits until that knows it.
async fn make_key(live: &Live, key: &str, scopes: &str, issuer: Option<IssuerId>) {
    let mut config = Config { data_dir: live.folder.path().join("data"), ..Config::default() };
    config.identity.secret = Secret::parse(SECRET);
    let app = App::open(config, live.clock.clone()).await.unwrap();
    let allows = ApiKey { name: key.into(), issuer, scopes: KeyScopes::parse(scopes).unwrap() };
    assert!(app.store.add_api_key(1, key, &allows, Actor::Operator).await.unwrap());
    while get(live, "/api/users/nobody/sessions", key).await.status == 401 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_user_gets_the_list_that_their_sockets_see_and_nobody_elses_and_the_cap_does_not_count() {
    let live = Live::start(|config| config.limits.sessions_per_user = NonZeroUsize::new(2).unwrap()).await;
    let _first = Tab::join(&live, "ada").await;
    let second = Tab::join(&live, "ada").await;
    let _other = Tab::join(&live, "bob").await;
    let answer = get(&live, "/api/sessions", &live.token("ada")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("cache-control: no-store"), "{answer:?}");
    let list = body(&answer);
    assert_eq!(list["sessions"], second.ready["sessions"]);
    assert_eq!((list["complete"].clone(), list.get("next")), (json!(true), None));
    assert_eq!(list["revision"], second.ready["revision"]);

    let nobody = body(&get(&live, "/api/sessions", &live.token("carol")).await);
    assert_eq!(nobody, json!({"sessions": [], "revision": 0, "complete": true}));
    check_problem(&live.wire().await.get("/api/sessions").await, 401, "token_missing");
    check_problem(&get(&live, "/api/sessions", "x.y.z").await, 401, "token_invalid");
}

#[tokio::test]
async fn a_list_comes_in_pieces_that_leave_nothing_out() {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read", None).await;
    let mut tabs = Vec::new();
    for _ in 0..5 {
        tabs.push(Tab::join(&live, "a/b c").await);
    }
    let path = "/api/users/a%2Fb%20c/sessions";
    let whole = body(&get(&live, path, KEY).await);
    assert_eq!((ids(&whole).len(), whole.get("next")), (5, None));

    let (mut target, mut seen, mut pieces) = (format!("{path}?limit=2"), Vec::new(), 0);
    loop {
        let piece = body(&get(&live, &target, KEY).await);
        seen.extend(ids(&piece).into_iter().map(str::to_owned));
        pieces += 1;
        let Some(next) = piece.get("next") else { break };
        target = format!("{path}?limit=2&cursor={}", next.as_str().unwrap());
    }
    assert_eq!((pieces, seen), (3, ids(&whole).into_iter().map(str::to_owned).collect()));

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=two", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("issuer=nobody", "issuer"),
    ] {
        let answer = get(&live, &format!("{path}?{query}"), KEY).await;
        check_problem(&answer, 400, "payload_invalid");
        assert_eq!(body(&answer)["field"], field, "{query}");
    }
}

#[tokio::test]
async fn a_key_is_for_its_scopes_and_its_issuer_and_no_page_is_told_that_it_may_call() {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read", Some(IssuerId::BUILT_IN)).await;
    make_key(&live, "a key that only sends", "send", None).await;
    let path = "/api/users/ada/sessions";
    check_problem(&live.wire().await.get(path).await, 401, "token_missing");
    check_problem(&get(&live, path, "no key of this server").await, 401, "token_invalid");
    check_problem(&get(&live, path, &live.token("ada")).await, 401, "token_invalid");
    check_problem(&get(&live, path, "a key that only sends").await, 403, "forbidden");
    check_problem(&get(&live, &format!("{path}?issuer=other"), KEY).await, 403, "forbidden");
    check_problem(&get(&live, "/api/sessions", KEY).await, 401, "token_invalid");
    for user in ["%00", "%ff", &"x".repeat(256)] {
        check_problem(&get(&live, &format!("/api/users/{user}/sessions"), KEY).await, 400, "payload_invalid");
    }
    assert_eq!(get(&live, &format!("{path}?issuer=built-in"), KEY).await.status, 200);

    let asked = "origin: https://evil.example\r\naccess-control-request-method: GET\r\n";
    let preflight = live.wire().await.request("OPTIONS", path, asked, "").await;
    check_problem(&preflight, 405, "method_not_allowed");
    assert!(!preflight.head.contains("access-control-allow"), "{preflight:?}");
}
