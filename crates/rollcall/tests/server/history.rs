//! Sessions that have ended: each once, with its reason, for its user and for other servers, and nothing of who was
//! forgotten.

use std::num::NonZeroU32;
use std::time::Duration;

use rollcall::config::{IpPrivacy, UserAgentPrivacy};
use rollcall::identity::IssuerId;
use rollcall::store::{EndedRow, User};
use serde_json::{Value, json};

use crate::calls::{self, KEY, beside, body, check_problem, delete, get, make_key};
use crate::live::Live;
use crate::namespace::Tab;

/// The user's history once it has so many sessions, the last one first.
async fn history(live: &Live, user: &str, sessions: usize) -> Vec<Value> {
    for _ in 0..400 {
        let answer = get(live, "/api/sessions/history", &live.token(user)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = body(&answer)["sessions"].as_array().unwrap().clone();
        if list.len() >= sessions {
            assert_eq!(list.len(), sessions, "{list:?}");
            return list;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {sessions} sessions of {user} have ended");
}

/// Reason, detail and who did it.
fn why(item: &Value) -> [String; 3] {
    ["reason", "detail", "by"].map(|name| item[name].as_str().unwrap_or("-").to_owned())
}

#[tokio::test]
async fn each_session_has_its_one_reason() {
    let live = Live::start(|config| config.identity.leeway = Duration::ZERO).await;
    let mut left = Tab::join(&live, "left").await;
    left.wire.say("41/sessions,").await;
    drop(Tab::join(&live, "dropped").await);
    let short = live.token_of("expired", None, Duration::from_secs(2));
    let mut expired = Tab::join_with(&live, &format!(r#"40/sessions,{{"token":"{short}"}}"#)).await;
    expired.event("sessions:error").await;
    let ghost = Tab::join_as(&live, "replaced", "desk").await;
    let token = live.token_of("replaced", Some("desk"), Duration::from_secs(3600));
    let packet = json!({"token": token, "replaces": ghost.id});
    let _again = Tab::join_with(&live, &format!("40/sessions,{packet}")).await;

    let expected = [
        ("left", "closed", "client_disconnect"),
        ("dropped", "closed", "transport_closed"),
        ("expired", "expired", "token_expired"),
        ("replaced", "evicted", "session_evicted"),
    ];
    for (user, reason, detail) in expected {
        assert_eq!(why(&history(&live, user, 1).await[0]), [reason, detail, "-"], "{user}");
    }
    let item = &history(&live, "replaced", 1).await[0];
    let listed = ghost.ready["sessions"][0].as_object().unwrap();
    assert!(listed.iter().all(|(name, value)| item[name] == *value), "{item} is {listed:?} and its end");
    assert!(item["endedAt"].as_str() >= item["connectedAt"].as_str(), "{item}");
    calls::check_left(&live, 1).await;
}

#[tokio::test]
async fn who_does_not_answer_a_ping_has_timed_out() {
    let live = Live::start(|config| {
        config.heartbeat.interval_ms = NonZeroU32::new(1000).unwrap();
        config.heartbeat.timeout_ms = NonZeroU32::new(1000).unwrap();
    })
    .await;
    let _deaf = Tab::join(&live, "ada").await;
    assert_eq!(why(&history(&live, "ada", 1).await[0]), ["timeout", "ping_timeout", "-"]);
}

#[tokio::test]
async fn a_revoked_session_says_by_whom_whoever_did_it() {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read,revoke", Some(IssuerId::BUILT_IN)).await;
    let desk = live.token_of("ada", Some("desk"), Duration::from_secs(3600));
    let tab = Tab::join_as(&live, "ada", "phone").await;
    delete(&live, &format!("/api/sessions/{}", tab.id), &desk).await;
    assert_eq!(why(&history(&live, "ada", 1).await[0]), ["revoked", "session_revoked", "user"]);
    // Of the own login only the socket is closed: nothing is revoked, and it is known all the same.
    let tab = Tab::join_as(&live, "ada", "desk").await;
    delete(&live, &format!("/api/sessions/{}", tab.id), &desk).await;
    assert_eq!(why(&history(&live, "ada", 2).await[0])[2], "user");
    let _tab = Tab::join_as(&live, "ada", "desk").await;
    delete(&live, "/api/users/ada/sessions?tokens=keep", KEY).await;
    assert_eq!(why(&history(&live, "ada", 3).await[0])[2], "api_key", "not what the operator calls it");
    let _tab = Tab::join_as(&live, "ada", "desk").await;
    delete(&live, "/api/users/ada/sessions", KEY).await;
    let list = async || body(&get(&live, "/api/users/ada/sessions/history", KEY).await)["sessions"].clone();
    while list().await.as_array().unwrap().len() < 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(why(&list().await[0])[2], format!("api_key:{KEY}"));

    // By another process on the same database.
    let _tab = Tab::join_as(&live, "bob", "phone").await;
    let app = beside(&live).await;
    let bob = rollcall::registry::UserKey { issuer: IssuerId::BUILT_IN, subject: "bob".into() };
    let by = rollcall::store::Actor::Operator.into();
    let caller = rollcall::gateway::revoking::Caller { by, login: None, session: None };
    app.revoke(&bob, &rollcall::gateway::revoking::Scope::All, caller).await.unwrap();
    let list = async || body(&get(&live, "/api/users/bob/sessions/history", KEY).await)["sessions"].clone();
    while list().await.as_array().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(why(&list().await[0])[2], "operator");
}

#[tokio::test]
async fn the_history_comes_in_pieces_to_its_user_and_to_nobody_else() {
    let live = Live::start(|_| {}).await;
    for _ in 0..5 {
        drop(Tab::join(&live, "ada").await);
    }
    let whole = history(&live, "ada", 5).await;
    assert_eq!(history(&live, "bob", 0).await, Vec::<Value>::new());
    let path = "/api/sessions/history";
    let (mut target, mut seen, mut pieces) = (format!("{path}?limit=2"), Vec::new(), 0);
    loop {
        let piece = body(&get(&live, &target, &live.token("ada")).await);
        seen.extend(piece["sessions"].as_array().unwrap().clone());
        pieces += 1;
        let Some(next) = piece.get("next") else { break };
        target = format!("{path}?limit=2&cursor={}", next.as_str().unwrap());
    }
    assert_eq!((pieces, seen), (3, whole));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=1", "cursor=1.x"] {
        let answer = get(&live, &format!("{path}?{query}"), &live.token("ada")).await;
        check_problem(&answer, 400, "payload_invalid");
        assert_eq!(body(&answer)["field"], query.split('=').next().unwrap());
    }
    check_problem(&get(&live, &format!("{path}?Limit=2"), &live.token("ada")).await, 400, "payload_invalid");
    check_problem(&live.wire().await.get(path).await, 401, "token_missing");
    check_problem(
        &get(&live, "/api/users/ada/sessions/history", &live.token("ada")).await,
        401,
        "token_invalid",
    );
    check_problem(&delete(&live, path, &live.token("ada")).await, 405, "method_not_allowed");
}

async fn rows(live: &Live, subject: &str) -> Vec<EndedRow> {
    let user = User { issuer: IssuerId::BUILT_IN, subject };
    beside(live).await.store.ended_sessions(user, None, 100).await.unwrap()
}

#[tokio::test]
async fn a_server_that_stops_writes_down_every_session() {
    let live = Live::start(|config| config.shutdown.drain = Duration::from_millis(100)).await;
    let mut tabs = Vec::new();
    for _ in 0..20 {
        tabs.push(Tab::join(&live, "ada").await);
    }
    live.trigger.shut_down();
    for _ in 0..400 {
        let rows = rows(&live, "ada").await;
        if rows.len() == 20 {
            assert!(rows.iter().all(|row| row.reason == "shutdown"), "{rows:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", rows(&live, "ada").await);
}

#[tokio::test]
async fn who_is_forgotten_has_no_history_and_gets_none_by_it() {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read,revoke", None).await;
    drop(Tab::join(&live, "ada").await);
    history(&live, "ada", 1).await;
    let mut tab = Tab::join(&live, "ada").await;
    assert_eq!(delete(&live, "/api/users/ada", KEY).await.status, 200);
    tab.check_revoked().await;
    // Whoever ends later is written down later.
    drop(Tab::join(&live, "bob").await);
    history(&live, "bob", 1).await;
    assert_eq!(rows(&live, "ada").await, []);
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not_and_of_the_rest_no_more_than_lists_show() {
    let live = Live::start(|config| config.history.keep_days = 0).await;
    drop(Tab::join(&live, "ada").await);
    calls::check_left_in_time(&live, 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // ten times as long as it would take
    assert_eq!(rows(&live, "ada").await, []);
    check_problem(&get(&live, "/api/sessions/history", &live.token("ada")).await, 404, "history_off");

    let live = Live::start(|config| {
        config.privacy.ip = IpPrivacy::Truncated;
        config.privacy.user_agent = UserAgentPrivacy::None;
    })
    .await;
    drop(Tab::join(&live, "ada").await);
    let item = &history(&live, "ada", 1).await[0];
    assert_eq!(item["metadata"], json!({"ip": "127.0.0.0", "userAgent": ""}));
}
