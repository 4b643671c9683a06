//! The sessions namespace as the stock Rust client sees it, each test over WebSocket, polling and an upgrade.

use std::sync::atomic::Ordering;

use rollcall_e2e::client::{Auth, Mode, Notebook};
use rollcall_e2e::each_mode;
use rollcall_e2e::server::Server;
use rollcall_e2e::tokens::{expired_token_of, forged_token_of, new_user, token_of};
use serde_json::{Value, json};

each_mode!(ready_comes_first_and_once, check_ready);
each_mode!(a_join_and_a_leave_reach_the_others, check_join_and_leave);
each_mode!(two_users_never_see_each_other, check_isolation);
each_mode!(a_token_in_each_place_lets_its_user_in, check_places);
each_mode!(refused_clients_are_told_a_code_and_stay_away, check_refusals);
each_mode!(an_unknown_event_is_acknowledged, check_unknown_event);
each_mode!(a_client_comes_back_after_a_shutdown, check_shutdown);

async fn check_ready(mode: Mode) {
    let server = Server::start().await;
    let auth = json!({"token": token_of(&new_user()), "context": "a-tab"});
    let mut client = Notebook::open(&server, mode, Auth::Object(auth)).await;
    let first = client.next().await;
    assert_eq!(first.name, "sessions:ready");
    let ready = &first.args[0];
    let item = &ready["sessions"][0];
    assert_eq!(ready["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(item["socketId"], ready["socketId"]);
    assert_eq!(item["metadata"]["ip"], "127.0.0.1");
    assert_eq!(item["metadata"]["context"], "a-tab");
    assert_eq!(ready["complete"], true);

    let second = client.next().await;
    assert_eq!(second.name, "sessions:update");
    assert_eq!(second.args[0], ready["sessions"]);
    assert_eq!(second.args[1]["complete"], true);
    assert!(second.args[1]["revision"].as_u64() >= ready["revision"].as_u64());
    client.close().await;
    server.stop().await;
}

async fn check_join_and_leave(mode: Mode) {
    let server = Server::start().await;
    let user = new_user();
    let mut first = Notebook::join(&server, mode, &user).await;
    let mut second = Notebook::join(&server, mode, &user).await;
    let (id, other) = (first.id.clone(), second.id.clone());
    first.list_is(&[&id, &other]).await;
    second.list_is(&[&id, &other]).await;
    second.close().await;
    first.list_is(&[&id]).await;
    first.close().await;
    server.stop().await;
}

async fn check_isolation(mode: Mode) {
    let server = Server::start().await;
    let (ada, bob) = (new_user(), new_user());
    let mut of_ada = Notebook::join(&server, mode, &ada).await;
    let of_bob = Notebook::join(&server, mode, &bob).await;
    let also_ada = Notebook::join(&server, mode, &ada).await;
    let (id, other, bobs) = (of_ada.id.clone(), also_ada.id.clone(), of_bob.id.clone());
    let mut lists = of_ada.list_is(&[&id, &other]).await;
    of_bob.close().await;
    also_ada.close().await;
    lists.extend(of_ada.list_is(&[&id]).await);
    assert!(!lists.concat().contains(&bobs), "another user's session was told: {lists:?}");
    of_ada.close().await;
    server.stop().await;
}

async fn check_places(mode: Mode) {
    let server = Server::start().await;
    let token = || token_of(&new_user());
    for auth in [
        Auth::Object(json!({"token": token()})),
        Auth::Object(json!({"token": format!("Bearer {}", token())})),
        Auth::Header(token()),
        Auth::Header(format!("Bearer {}", token())),
        Auth::Query(token()),
        Auth::Query(format!("Bearer%20{}", token())),
    ] {
        let mut client = Notebook::open(&server, mode, auth).await;
        client.ready().await;
        client.close().await;
    }
    server.stop().await;
}

async fn check_refusals(mode: Mode) {
    let server = Server::start().await;
    let user = new_user();
    for (code, auth) in [
        ("token_missing", json!({})),
        ("token_invalid", json!({"token": forged_token_of(&user)})),
        ("token_invalid", json!({"token": 7})),
        ("token_expired", json!({"token": expired_token_of(&user)})),
        ("context_invalid", json!({"token": token_of(&user), "context": ["a"]})),
    ] {
        let mut client = Notebook::open(&server, mode, Auth::Object(auth)).await;
        let told = client.next().await;
        assert_eq!((told.name.as_str(), &told.args[0]["code"]), ("sessions:error", &Value::from(code)));
        assert!(told.args[0]["message"].as_str().is_some_and(|message| !message.is_empty()));
        client.event("close").await;
        client.stays_away().await;
    }
    server.stop().await;
}

async fn check_unknown_event(mode: Mode) {
    let server = Server::start().await;
    let mut client =
        Notebook::open(&server, mode, Auth::Object(json!({"token": token_of(&new_user())}))).await;
    client.ready().await;
    let answer = client.ask("no:such:event", json!({"any": "thing"})).await;
    assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("event_unknown")));
    client.close().await;
    server.stop().await;
}

async fn check_shutdown(mode: Mode) {
    let server = Server::start().await;
    let mut client = Notebook::open(&server, mode, Auth::Fresh(new_user())).await;
    client.ready().await;
    let (before, port) = (client.id.clone(), server.port);
    server.stop().await;
    let error = client.event("sessions:error").await;
    assert_eq!(error[0]["code"], "server_shutdown");

    let next = Server::start_on(port).await;
    client.ready().await;
    assert_ne!(client.id, before);
    assert!(client.asked.load(Ordering::Relaxed) >= 1, "the client was not asked for a new token");
    client.close().await;
    next.stop().await;
}

/// Not over polling alone: this client then takes minutes to send what the others send in seconds. And not more than a
/// hundred: each parses each list, which grows with the cube; the JavaScript client does two hundred.
mod after_many_joined_and_half_of_them_left_the_list_is_right {
    #[tokio::test(flavor = "multi_thread")]
    async fn over_websocket() {
        super::check_many(super::Mode::WebSocket, 100).await;
    }
    #[tokio::test(flavor = "multi_thread")]
    async fn over_an_upgrade() {
        super::check_many(super::Mode::Upgrade, 40).await;
    }
}

async fn check_many(mode: Mode, count: usize) {
    let server = Server::start().await;
    let user = new_user();
    let (mut staying, mut leaving) = (Vec::new(), Vec::new());
    for _ in 0..count / 2 {
        staying.push(Notebook::join(&server, mode, &user).await);
        leaving.push(Notebook::join(&server, mode, &user).await);
    }
    for client in leaving {
        client.close().await;
    }
    let ids: Vec<String> = staying.iter().map(|client| client.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for client in &mut staying {
        client.list_is(&ids).await;
    }
    for client in staying {
        client.close().await;
    }
    server.stop().await;
}
