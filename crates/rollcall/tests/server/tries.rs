//! How often somebody may try, over HTTP: by address as the proxies tell it, by name whether it exists or not.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use axum::body::Body;
use axum::http::Request;
use rollcall::config::{Config, TrustedProxies};
use rollcall::http::PeerAddress;
use serde_json::json;

use crate::support::{self, ADA, Answer, Server};

fn per_minute(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// From this peer, with this `X-Forwarded-For` unless it is empty.
async fn post(server: &Server, peer: &str, forwarded: &str, path: &str, body: &str) -> Answer {
    let mut request = Request::post(path).header("content-type", "application/json");
    if !forwarded.is_empty() {
        request = request.header("x-forwarded-for", forwarded);
    }
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    request.extensions_mut().insert(PeerAddress(SocketAddr::new(peer.parse().unwrap(), 4711)));
    server.send(request).await
}

fn credentials(name: &str, password: &str) -> String {
    json!({"email": format!("{name}@example.org"), "password": password}).to_string()
}

#[track_caller]
fn check_limited(answer: &Answer, seconds: std::ops::RangeInclusive<u32>) {
    answer.check_problem(429, "rate_limited");
    let retry_after: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds.contains(&retry_after), "{retry_after}");
}

#[tokio::test]
async fn each_kind_of_request_has_a_minutes_worth_an_address() {
    let few = |config: &mut Config| {
        config.accounts.logins_per_minute = per_minute(2);
        config.accounts.registrations_per_minute = per_minute(2);
        config.accounts.refreshes_per_minute = per_minute(2);
    };
    let server = Server::with(few).await;
    let refresh = json!({"refresh_token": "x"}).to_string();
    let login = credentials("nobody", "correct horse");
    for (path, body, status) in
        [("/auth/register", ADA, 201), ("/auth/login", &login, 401), ("/auth/refresh", &refresh, 401)]
    {
        assert_eq!(post(&server, "192.0.2.1", "", path, body).await.status, status, "{path}");
        // What is wrong with the body does not matter: it is not read, so the connection ends with the answer.
        post(&server, "192.0.2.1", "", path, "{}").await.check_problem(400, "payload_invalid");
        let limited = post(&server, "192.0.2.1", "", path, body).await;
        check_limited(&limited, 29..=30);
        assert_eq!(limited.header("connection"), Some("close"));
        assert_ne!(post(&server, "192.0.2.2", "", path, body).await.status, 429, "{path}");
    }
    // A logout counts with refreshes, a password given once more with logins.
    check_limited(&post(&server, "192.0.2.1", "", "/auth/logout", "").await, 29..=30);
    check_limited(&post(&server, "192.0.2.1", "", "/auth/password", "{}").await, 29..=30);
    // What needs no password is free.
    assert_eq!(server.get("/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_made_up_forwarded_address_buys_nothing_and_a_trusted_one_counts() {
    let one = |config: &mut Config| config.accounts.logins_per_minute = per_minute(1);
    let login = credentials("nobody", "correct horse");
    let server = Server::with(one).await;
    post(&server, "192.0.2.1", "198.51.100.1", "/auth/login", &login)
        .await
        .check_problem(401, "credentials_invalid");
    for forwarded in ["198.51.100.2", "2001:db8::1", ""] {
        check_limited(&post(&server, "192.0.2.1", forwarded, "/auth/login", &login).await, 1..=60);
    }

    let proxied = Server::with(|config| {
        one(config);
        config.http.trusted_proxies = trusted("10.0.0.0/8");
    })
    .await;
    let from = async |forwarded: &str| post(&proxied, "10.0.0.1", forwarded, "/auth/login", &login).await;
    assert_eq!(from("198.51.100.1").await.status, 401);
    check_limited(&from("203.0.113.9, 198.51.100.1").await, 1..=60);
    assert_eq!(from("198.51.100.2").await.status, 401);
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_of_64_bits_are_one_client() {
    let server = Server::with(|config| config.accounts.logins_per_minute = per_minute(2)).await;
    let login = async |peer: &str, name: &str| {
        post(&server, peer, "", "/auth/login", &credentials(name, "correct horse")).await
    };
    assert_eq!(login("2001:db8:0:1::1", "a").await.status, 401);
    assert_eq!(login("2001:db8:0:1::2", "b").await.status, 401);
    check_limited(&login("2001:db8:0:1:ffff::3", "c").await, 29..=30);
    assert_eq!(login("2001:db8:0:2::1", "d").await.status, 401);
}

#[tokio::test]
async fn a_name_is_slowed_down_from_everywhere_whether_it_exists_or_not() {
    let server = Server::open().await;
    assert_eq!(server.post("/auth/register", ADA).await.status, 201);
    let hasher = server.app.accounts.hasher();
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        let before = hasher.computed();
        for number in 0..5 {
            let peer = format!("192.0.2.{number}");
            let wrong = post(&server, &peer, "", "/auth/login", &credentials(name, "wrong horse")).await;
            wrong.check_problem(401, "credentials_invalid");
        }
        // Another address, another spelling, even the right password: what is refused is not judged at all.
        for password in ["wrong horse", "correct horse"] {
            let body = credentials(&name.to_uppercase(), password);
            answers.push(post(&server, "192.0.2.9", "", "/auth/login", &body).await);
        }
        assert_eq!(hasher.computed(), before + 5, "{name}");
    }
    for answer in &answers {
        check_limited(answer, 1..=1);
        assert_eq!((&answer.headers, &answer.text), (&answers[0].headers, &answers[0].text));
    }
    // Never locked: after the wait the owner is in.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let right = post(&server, "192.0.2.9", "", "/auth/login", &credentials("ada", "correct horse")).await;
    assert_eq!(right.status, 200, "{}", right.text);
}

#[tokio::test]
async fn who_guesses_elsewhere_does_not_slow_down_where_the_account_was_registered() {
    let server = Server::open().await;
    assert_eq!(post(&server, "192.0.2.1", "", "/auth/register", ADA).await.status, 201);
    for _ in 0..5 {
        post(&server, "192.0.2.2", "", "/auth/login", &credentials("ada", "wrong horse")).await;
    }
    check_limited(&post(&server, "192.0.2.3", "", "/auth/login", ADA).await, 1..=1);
    assert_eq!(post(&server, "192.0.2.1", "", "/auth/login", ADA).await.status, 200);
}

#[tokio::test]
async fn a_password_given_once_more_counts_for_the_same_name() {
    let server = Server::open().await;
    let pair = server.post("/auth/register", ADA).await.json();
    let token = pair["access_token"].as_str();
    for _ in 0..5 {
        let answer = server.call("DELETE", "/auth/me", token, r#"{"password":"wrong horse"}"#).await;
        answer.check_problem(403, "credentials_invalid");
    }
    let change = json!({"current_password": "correct horse", "new_password": "battery staple"}).to_string();
    check_limited(&server.call("POST", "/auth/password", token, &change).await, 1..=1);
    check_limited(&server.post("/auth/login", ADA).await, 1..=1);
    assert_eq!(server.call("GET", "/auth/me", token, "").await.status, 200);
}

#[tokio::test]
async fn passwords_that_were_not_judged_do_not_count_against_a_name() {
    let server = Server::with(|config| config.accounts.hash_queue = std::num::NonZeroUsize::MIN).await;
    server.post("/auth/register", ADA).await;
    let mut overloaded = 0;
    for _ in 0..10 {
        // Strangers take all the places; ada is turned away, or judged, but never slowed down for it.
        let strangers = (0..8).map(|number| {
            let body = credentials(&format!("stranger{number}{overloaded}"), "correct horse");
            let router = server.router();
            async move { Server::post_to(router, "/auth/login", body).await }
        });
        let ada = async { server.post("/auth/login", ADA).await };
        let (_, answer) = tokio::join!(support::join_all(strangers), ada);
        assert!([200, 503].contains(&answer.status.as_u16()), "{}", answer.text);
        overloaded += usize::from(answer.status == 503);
    }
    assert!(overloaded > 5, "ada was turned away only {overloaded} times");
    assert_eq!(server.post("/auth/login", ADA).await.status, 200);
}

fn trusted(text: &str) -> TrustedProxies {
    #[derive(serde::Deserialize)]
    struct Only {
        http: rollcall::config::HttpConfig,
    }
    toml::from_str::<Only>(&format!("[http]\ntrusted_proxies = '{text}'")).unwrap().http.trusted_proxies
}
