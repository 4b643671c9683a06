//! What other servers may do by key: end a user's logins or connections, send messages, have a user forgotten.

use std::process::{Command, Output};
use std::time::Duration;

use rollcall::identity::IssuerId;
use serde_json::{Value, json};

use crate::calls::{KEY, beside, body, call, check_ended, check_problem, delete, get, make_key};
use crate::live::Live;
use crate::namespace::Tab;

const HOUR: Duration = Duration::from_secs(3600);

async fn start() -> Live {
    let live = Live::start(|_| {}).await;
    make_key(&live, KEY, "read,revoke,send", None).await;
    live
}

async fn is_good(live: &Live, token: &str) -> bool {
    get(live, "/api/sessions", token).await.status == 200
}

#[tokio::test]
async fn a_login_ends_by_one_of_its_sessions_and_all_logins_end_at_once() {
    let live = start().await;
    let [phones, laptops] = ["phone", "laptop"].map(|login| live.token_of("ada", Some(login), HOUR));
    let mut phone = Tab::join_as(&live, "ada", "phone").await;
    let mut other = Tab::join_as(&live, "ada", "phone").await;
    let mut laptop = Tab::join_as(&live, "ada", "laptop").await;
    let mut bob = Tab::join(&live, "bob").await;
    let one = |user: &str, id: &str| format!("/api/users/{user}/sessions/{id}");

    check_problem(&delete(&live, &one("bob", &phone.id), KEY).await, 404, "session_not_found");
    check_ended(&delete(&live, &one("ada", &phone.id), KEY).await, 2, "login");
    phone.check_revoked().await;
    other.check_revoked().await;
    assert!(!is_good(&live, &phones).await && is_good(&live, &laptops).await);

    check_ended(&delete(&live, "/api/users/ada/sessions", KEY).await, 1, "login");
    laptop.check_revoked().await;
    assert!(!is_good(&live, &laptops).await);
    check_ended(&delete(&live, "/api/users/nobody/sessions", KEY).await, 0, "token");
    assert_eq!(bob.ask("sessions:list", "").await["sessions"].as_array().unwrap().len(), 1);

    let data = live.folder.path().join("data");
    let restarted = Live::start(|config| config.data_dir = data).await;
    assert!(!is_good(&restarted, &phones).await && !is_good(&restarted, &laptops).await);
}

#[tokio::test]
async fn who_is_only_disconnected_may_come_back() {
    let live = start().await;
    let token = live.token_of("ada", Some("phone"), HOUR);
    let mut tabs = Vec::new();
    for _ in 0..3 {
        tabs.push(Tab::join_as(&live, "ada", "phone").await);
    }
    let one = format!("/api/users/ada/sessions/{}", tabs[0].id);
    check_problem(&delete(&live, &format!("{one}?tokens=lose"), KEY).await, 400, "payload_invalid");
    check_ended(&delete(&live, &format!("{one}?tokens=keep"), KEY).await, 1, "none");
    tabs[0].check_revoked().await;
    check_problem(&delete(&live, &format!("{one}?tokens=keep"), KEY).await, 404, "session_not_found");
    tabs[1].list_of(2).await;
    check_ended(&delete(&live, "/api/users/ada/sessions?tokens=keep", KEY).await, 2, "none");
    tabs[1].check_revoked().await;
    assert!(is_good(&live, &token).await);
}

#[tokio::test]
async fn a_message_reaches_the_sessions_that_it_names_as_it_was_written() {
    let live = start().await;
    let mut one = Tab::join(&live, "ada").await;
    let mut two = Tab::join(&live, "ada").await;
    let mut bob = Tab::join(&live, "bob").await;
    let send = async |message: &str| call(&live, "POST", "/api/users/ada/messages", KEY, message).await;

    let data = r#"{"price": 1.10, "big": 12345678901234567890123, "text": "\u00e9"}"#;
    let answer = send(&format!(r#"{{"event": "offer", "data": {data}}}"#)).await;
    assert_eq!((answer.status, body(&answer)), (200, json!({"delivered": 2, "complete": true})));
    for tab in [&mut one, &mut two] {
        let message = loop {
            let text = tab.text().await;
            if text.contains("sessions:message") {
                break text;
            }
        };
        assert!(
            message.contains(&format!(r#"{{"from":null,"event":"offer","data":{data},"sentAt":""#)),
            "{message}"
        );
    }
    let answer = send(&json!({"event": "hi", "data": null, "to": two.id}).to_string()).await;
    assert_eq!(body(&answer), json!({"delivered": 1, "complete": true}));
    assert_eq!(two.event("sessions:message").await[0]["data"], Value::Null);
    assert!(!one.heard().await.contains(&"sessions:message".to_owned()));
    assert!(!bob.heard().await.contains(&"sessions:message".to_owned()));

    check_problem(
        &send(&json!({"event": "hi", "data": 1, "to": bob.id}).to_string()).await,
        404,
        "session_not_found",
    );
    check_problem(&send(r#"{"event":"hi","data":1,"to":"others"}"#).await, 404, "session_not_found");
    let nobody = call(&live, "POST", "/api/users/nobody/messages", KEY, r#"{"event":"hi","data":1}"#).await;
    assert_eq!(body(&nobody), json!({"delivered": 0, "complete": true}));
}

#[tokio::test]
async fn what_is_no_message_is_refused_by_the_field_that_is_to_blame() {
    let live = start().await;
    let mut tab = Tab::join(&live, "ada").await;
    let send = async |message: &str| call(&live, "POST", "/api/users/ada/messages", KEY, message).await;
    let long = "x".repeat(129);
    for (message, field) in [
        (r#"{"data":1}"#.to_owned(), "event"),
        (r#"{"event":"","data":1}"#.to_owned(), "event"),
        (r#"{"event":7,"data":1}"#.to_owned(), "event"),
        (json!({"event": long, "data": 1}).to_string(), "event"),
        (r#"{"event":"hi"}"#.to_owned(), "data"),
        (r#"{"event":"hi","data":{"a":1,"a":2}}"#.to_owned(), "data"),
        (r#"{"event":"hi","data":1e999}"#.to_owned(), "data"),
        (r#"{"event":"hi","data":"\ud800"}"#.to_owned(), "data"),
        (r#"{"event":"hi","data":1,"to":[]}"#.to_owned(), "to"),
    ] {
        let answer = send(&message).await;
        check_problem(&answer, 400, "payload_invalid");
        assert_eq!(body(&answer)["field"], field, "{message}");
    }
    for broken in ["[]", "{", "{} {}", "{\"event\":\"\u{0}\"}", r#"{"event":"a","data":1,"\u0065vent":"b"}"#]
    {
        check_problem(&send(broken).await, 400, "payload_invalid");
    }
    let of = |bytes: usize| json!({"event": "hi", "data": "x".repeat(bytes)}).to_string();
    assert_eq!(send(&of(99_998)).await.status, 200, "100,000 bytes with its quotes");
    check_problem(&send(&of(99_999)).await, 413, "payload_too_large");
    check_problem(&send(&of(200_000)).await, 413, "payload_too_large");
    assert_eq!(tab.event("sessions:message").await[0]["data"].as_str().unwrap().len(), 99_998);
    assert_eq!(tab.heard().await, Vec::<String>::new());
}

#[tokio::test]
async fn each_call_needs_a_key_of_its_scope() {
    let live = Live::start(|_| {}).await;
    for scope in ["read", "revoke", "send"] {
        make_key(&live, scope, scope, Some(IssuerId::BUILT_IN)).await;
    }
    let tab = Tab::join(&live, "ada").await;
    let message = r#"{"event":"hi","data":1}"#;
    for (scope, method, target, body) in [
        ("read", "GET", "/api/users/ada/sessions".to_owned(), ""),
        ("send", "POST", "/api/users/ada/messages".to_owned(), message),
        ("revoke", "DELETE", format!("/api/users/ada/sessions/{}?tokens=keep", tab.id), ""),
        ("revoke", "DELETE", "/api/users/ada/sessions".to_owned(), ""),
        ("revoke", "DELETE", "/api/users/ada".to_owned(), ""),
    ] {
        for key in ["read", "revoke", "send"].into_iter().filter(|key| *key != scope) {
            check_problem(&call(&live, method, &target, key, body).await, 403, "forbidden");
        }
        check_problem(&call(&live, method, &target, &live.token("ada"), body).await, 401, "token_invalid");
        let mark = if target.contains('?') { '&' } else { '?' };
        check_problem(
            &call(&live, method, &format!("{target}{mark}issuer=other"), scope, body).await,
            403,
            "forbidden",
        );
        assert_eq!(call(&live, method, &target, scope, body).await.status, 200, "{method} {target}");
    }
}

#[tokio::test]
async fn a_user_is_forgotten_and_may_begin_anew() {
    let live = Live::start(|config| config.accounts.registration = true).await;
    make_key(&live, KEY, "revoke", None).await;
    let ada = r#"{"email":"ada@example.org","password":"correct horse"}"#;
    let registered = call(&live, "POST", "/auth/register", "", ada).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let token = body(&registered)["access_token"].as_str().unwrap().to_owned();
    let refresh = json!({"refresh_token": body(&registered)["refresh_token"]}).to_string();
    let me = body(&get(&live, "/auth/me", &token).await);
    let id = me["id"].as_str().unwrap();
    let mut tab = Tab::join_with(&live, &format!(r#"40/sessions,{{"token":"{token}"}}"#)).await;
    assert_eq!(tab.ask("sessions:rename", r#"{"label":"Ada's"}"#).await["ok"], true);

    check_ended(&delete(&live, &format!("/api/users/{id}"), KEY).await, 1, "login");
    tab.check_revoked().await;
    assert!(!is_good(&live, &token).await);
    check_problem(&call(&live, "POST", "/auth/login", "", ada).await, 401, "credentials_invalid");
    check_problem(&call(&live, "POST", "/auth/refresh", "", &refresh).await, 401, "token_invalid");
    let app = beside(&live).await;
    let user = rollcall::store::User { issuer: IssuerId::BUILT_IN, subject: id };
    assert_eq!(app.store.labels_of(user).await.unwrap().len(), 0);

    assert_eq!(call(&live, "POST", "/auth/register", "", ada).await.status, 201, "the address is free");
    check_ended(&delete(&live, "/api/users/nobody", KEY).await, 0, "token");
}

/// `rollcall sessions list` against this server.
async fn list(live: &Live, arguments: &[&str], key: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(["sessions", "list"]).args(arguments).env_clear().current_dir(live.folder.path());
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command.env("ROLLCALL_URL", format!("http://{}", live.address));
    command.envs(key.map(|key| ("ROLLCALL_API_KEY", key)));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_operator_lists_a_users_sessions() {
    let live = start().await;
    let token = live.token("a/b");
    let mut tabs = Vec::new();
    for context in ["one", "\u{1b}[2J"] {
        let packet = format!("40/sessions,{}", json!({"token": token, "context": context}));
        tabs.push(Tab::join_with(&live, &packet).await);
    }
    assert_eq!(tabs[1].ask("sessions:rename", r#"{"label":"phone \"1\""}"#).await["ok"], true);
    let listed = list(&live, &["--user", "a/b"], Some(KEY)).await;
    assert!(listed.status.success(), "{listed:?}");
    let text = String::from_utf8(listed.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), [&tabs[0].id, &tabs[1].id], "{text}");
    assert_eq!((rows[0].len(), rows[0][2]), (5, "127.0.0.1"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(list(&live, &["--user", "nobody"], Some(KEY)).await.stdout, b"");

    for (arguments, key, part) in [
        (&["--user", "a/b"][..], None, "ROLLCALL_API_KEY: not set"),
        (&["--user", "a/b"], Some("another key"), "401"),
        (
            &["--user", "a/b", "--issuer", "other"],
            Some(KEY),
            "issuer must be the name of a configured issuer",
        ),
        (&["--user", ""], Some(KEY), "--user: given 0 bytes"),
        (&["--user", "a/b", "--url", "ftp://x"], Some(KEY), "--url: given"),
        (&["--user", "a/b", "--url", "http://127.0.0.1:1"], Some(KEY), "no answer"),
    ] {
        let failed = list(&live, arguments, key).await;
        let stderr = String::from_utf8(failed.stderr).unwrap();
        assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(1), &b""[..]), "{stderr}");
        assert!(stderr.contains(part) && stderr.lines().count() == 1, "{part}: {stderr}");
    }
}
