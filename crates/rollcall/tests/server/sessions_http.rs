//! A user's live sessions over HTTP: lists and ends, for a user by token.

use std::num::NonZeroUsize;
use std::time::Duration;

use rollcall::identity::IssuerId;
use serde_json::{Value, json};

use crate::calls::{KEY, body, check_ended, check_problem, delete, get, make_key};
use crate::live::wire::upgrade_headers;
use crate::live::{self, Live, event};
use crate::namespace::Tab;

fn ids(list: &Value) -> Vec<&str> {
    list["sessions"].as_array().unwrap().iter().map(|item| item["socketId"].as_str().unwrap()).collect()
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

const HOUR: Duration = Duration::from_secs(3600);

/// The code that a token is refused with, or `accepted`.
async fn judged(live: &Live, token: &str) -> String {
    let answer = get(live, "/api/sessions", token).await;
    match answer.status {
        200 => "accepted".to_owned(),
        _ => body(&answer)["code"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn one_session_ends_with_its_login_and_of_the_own_login_only_the_session() {
    let live = Live::start(|_| {}).await;
    let [mine, phones] = ["laptop", "phone"].map(|login| live.token_of("ada", Some(login), HOUR));
    let mut phone = Tab::join_as(&live, "ada", "phone").await;
    let mut laptop = Tab::join_as(&live, "ada", "laptop").await;
    let bob = Tab::join(&live, "bob").await;
    let target = |id: &str| format!("/api/sessions/{id}");

    check_problem(&delete(&live, &target(&bob.id), &mine).await, 404, "session_not_found");
    check_problem(&delete(&live, &target("%00"), &mine).await, 404, "session_not_found");
    check_problem(&delete(&live, &target(&phone.id), "x.y.z").await, 401, "token_invalid");
    check_ended(&delete(&live, &target(&phone.id), &mine).await, 1, "login");
    phone.check_revoked().await;
    assert_eq!(judged(&live, &phones).await, "token_revoked");
    check_problem(&delete(&live, &target(&phone.id), &mine).await, 404, "session_not_found");
    check_problem(&delete(&live, &target(&laptop.id), &phones).await, 401, "token_revoked");

    check_ended(&delete(&live, &target(&laptop.id), &mine).await, 1, "none");
    laptop.check_revoked().await;
    assert_eq!(judged(&live, &mine).await, "accepted");
}

#[tokio::test]
async fn who_has_as_many_as_may_be_gets_in_again_by_ending_the_others() {
    let live = Live::start(|config| config.limits.sessions_per_user = NonZeroUsize::new(2).unwrap()).await;
    let [mine, phones] = ["laptop", "phone"].map(|login| live.token_of("ada", Some(login), HOUR));
    let mut tabs = [Tab::join_as(&live, "ada", "phone").await, Tab::join_as(&live, "ada", "phone").await];
    let mut wire = live.socket().await;
    wire.say(&format!(r#"40/sessions,{{"token":"{mine}"}}"#)).await;
    wire.text().await;
    let (_, refusal) = event(&wire.text().await).unwrap();
    assert_eq!(refusal[0]["code"], "too_many_sessions");

    for query in ["", "?scope=", "?scope=mine", "?scope=all&scope=others"] {
        let answer = delete(&live, &format!("/api/sessions{query}"), &mine).await;
        check_problem(&answer, 400, "payload_invalid");
        assert_eq!(body(&answer)["field"], "scope", "{query}");
    }
    check_ended(&delete(&live, "/api/sessions?scope=others", &mine).await, 2, "login");
    for tab in &mut tabs {
        tab.check_revoked().await;
    }
    let tab = Tab::join_as(&live, "ada", "laptop").await;
    assert_eq!(tab.ready["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(judged(&live, &phones).await, "token_revoked");
}

#[tokio::test]
async fn all_end_and_the_token_that_asked_ends_with_them() {
    let live = Live::start(|_| {}).await;
    let mine = live.token_of("ada", Some("laptop"), HOUR);
    let mut tab = Tab::join_as(&live, "ada", "laptop").await;
    let mut bob = Tab::join(&live, "bob").await;
    check_ended(&delete(&live, "/api/sessions?scope=all", &mine).await, 1, "login");
    tab.check_revoked().await;
    assert_eq!(judged(&live, &mine).await, "token_revoked");
    assert_eq!(bob.ask("sessions:list", "").await["ok"], true);
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_data_everywhere_it_goes() {
    let live = Live::start(|_| {}).await;
    let mut witness = Tab::join(&live, "ada").await;
    let token = live.token("ada");
    for hostile in [
        r#""><script>alert(1)</script>"#,
        "javascript:alert(1)",
        "</script><!--",
        "\u{202e}gpj.exe\u{2066}",
        "{\"__proto__\":{\"admin\":true}}",
        "\u{2028}\u{2029}\\u0000\\",
    ] {
        let headers = upgrade_headers() + &format!("user-agent: {hostile}\r\n");
        let mut wire = live.wire().await;
        assert_eq!(wire.request("GET", live::WEBSOCKET, &headers, "").await.status, 101, "{hostile}");
        wire.text().await;
        wire.say(&format!("40/sessions,{}", json!({"token": token, "context": hostile}))).await;
        let list = witness.list_of(2).await;
        let metadata = &list.iter().find(|item| item["socketId"] != json!(witness.id)).unwrap()["metadata"];
        assert_eq!((&metadata["context"], &metadata["userAgent"]), (&json!(hostile), &json!(hostile)));
        let answer = get(&live, "/api/sessions", &token).await;
        assert!(
            body(&answer)["sessions"].as_array().unwrap().iter().any(|item| item["metadata"] == *metadata)
        );
        assert!(answer.head.contains("content-type: application/json\r\n"), "{answer:?}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{answer:?}");
        drop(wire);
        witness.list_of(1).await;
    }
}

#[tokio::test]
async fn a_user_agent_that_is_no_text_harms_nobody() {
    let live = Live::start(|_| {}).await;
    let mut wire = live.wire().await;
    let mut request =
        format!("GET {} HTTP/1.1\r\nhost: x\r\n{}user-agent: a", live::WEBSOCKET, upgrade_headers())
            .into_bytes();
    request.extend_from_slice(b"\xff\xc0\x80b\r\n\r\n");
    wire.send(request).await;
    assert_eq!(wire.answer().await.status, 101);
    wire.text().await;
    wire.say(&live.connect_packet("ada")).await;
    wire.text().await;
    let (_, ready) = event(&wire.text().await).unwrap();
    let user_agent = ready[0]["sessions"][0]["metadata"]["userAgent"].as_str().unwrap();
    assert!(user_agent.starts_with('a') && user_agent.ends_with('b'), "{user_agent:?}");
}

#[tokio::test]
async fn who_signs_out_everywhere_without_a_session_is_signed_out_too() {
    let live = Live::start(|_| {}).await;
    let exp = live.clock.unix_seconds() + 3600;
    for (user, claims, held) in [
        ("ada", json!({"sub": "ada", "sid": "laptop", "exp": exp}), "login"),
        ("bob", json!({"sub": "bob", "jti": "one", "exp": exp}), "token"),
        ("eve", json!({"sub": "eve", "exp": exp}), "token"),
    ] {
        let undated = live.sign(&claims);
        assert_eq!(judged(&live, &undated).await, "accepted");
        check_ended(&delete(&live, "/api/sessions?scope=all", &undated).await, 0, held);
        assert_eq!(judged(&live, &undated).await, "token_revoked", "{user}");
    }
    assert_eq!(
        judged(&live, &live.token_of("ada", Some("laptop"), HOUR)).await,
        "token_revoked",
        "a new one"
    );
}
