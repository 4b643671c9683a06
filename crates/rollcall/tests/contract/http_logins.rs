//! Logins over HTTP: the pair, its renewal, and every way in which it ends.

use std::time::Duration;

use rollcall::identity::{Login, TokenRefusal};
use rollcall::store::SuccessorKeys;
use serde_json::json;

use super::database;
use crate::databases::{Database, start};
use crate::support::{ADA, Answer, NOW_MILLIS, Server};

/// A server on the database, which lives as long as the test.
struct Running {
    server: Server,
    database: Database,
}

struct Pair {
    access: String,
    refresh: String,
}

impl Running {
    async fn open() -> Self {
        let database = database().await;
        let url = database.config.database.url.clone();
        let server = Server::with(|config| config.database.url = url).await;
        Self { server, database }
    }

    async fn register(&self) -> Pair {
        let answer = self.server.post("/auth/register", ADA).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        pair(&answer)
    }

    async fn login(&self, password: &str) -> Answer {
        let body = json!({"email": "ada@example.org", "password": password});
        self.server.post("/auth/login", body.to_string()).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.server.post("/auth/refresh", json!({"refresh_token": token}).to_string()).await
    }

    async fn me(&self, token: &str) -> Answer {
        self.server.call("GET", "/auth/me", Some(token), "").await
    }

    fn pass(&self, seconds: u64) {
        let clock = &self.server.app.clock;
        clock.set_unix_millis(clock.unix_millis() + seconds * 1000);
    }

    async fn check_ended(&self, pair: &Pair) {
        self.me(&pair.access).await.check_problem(401, "token_revoked");
        self.refresh(&pair.refresh).await.check_problem(401, "token_invalid");
    }
}

#[track_caller]
fn pair(answer: &Answer) -> Pair {
    assert!(answer.status.is_success(), "{}", answer.text);
    let body = answer.json();
    let keys: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["access_token", "expires_in", "refresh_token", "refresh_token_expires_in", "token_type"]
    );
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Pair { access: text("access_token"), refresh: text("refresh_token") }
}

#[tokio::test]
async fn the_access_tokens_of_a_login_belong_to_it_and_a_second_login_is_another() {
    let running = Running::open().await;
    let first = running.register().await;
    let answer = running.login("correct horse").await;
    assert_eq!(answer.json()["refresh_token_expires_in"], 30 * 24 * 3600);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let second = pair(&answer);
    running.pass(60);
    let renewed = pair(&running.refresh(&first.refresh).await);
    let principal = |pair: &Pair| {
        let now = running.server.app.clock.unix_seconds();
        running.server.app.identity.judge(&pair.access, now).unwrap()
    };
    let Login::Session(id) = principal(&first).login else { panic!("not of a login") };
    assert_eq!(id.len(), 22);
    assert_eq!(principal(&renewed).login, Login::Session(id.clone()));
    assert_ne!(principal(&second).login, Login::Session(id));
    assert_eq!(principal(&renewed).issued_at, Some(NOW_MILLIS / 1000 + 60));
    assert_eq!(principal(&renewed).subject, principal(&second).subject);
}

#[tokio::test]
async fn a_lost_answer_is_had_again_for_ten_seconds_and_an_old_token_ends_the_login() {
    let running = Running::open().await;
    let first = running.register().await;
    let bystander = pair(&running.login("correct horse").await);
    let second = pair(&running.refresh(&first.refresh).await);
    running.pass(10);
    let again = running.refresh(&first.refresh).await;
    assert_eq!(again.json()["refresh_token_expires_in"], 30 * 24 * 3600 - 10);
    assert_eq!(pair(&again).refresh, second.refresh);
    assert_eq!(running.me(&pair(&again).access).await.status, 200);

    running.pass(1);
    running.refresh(&first.refresh).await.check_problem(401, "token_revoked");
    for pair in [&first, &second] {
        running.check_ended(pair).await;
    }
    assert_eq!(running.me(&bystander.access).await.status, 200);
    pair(&running.refresh(&bystander.refresh).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_refreshes_at_once_one_rotates_and_nobody_is_signed_out() {
    for callers in [2, 3, 20] {
        let running = Running::open().await;
        let nodes = [running.server.again().await, running.server.again().await];
        let first = running.register().await;
        let body = json!({"refresh_token": first.refresh}).to_string();
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let router = nodes[caller % 2].router();
                let body = body.clone();
                start(async move { Server::post_to(router, "/auth/refresh", body).await })
            })
            .collect();
        let mut successors = Vec::new();
        for task in tasks {
            successors.push(pair(&task.await.unwrap()));
        }
        assert!(successors.iter().all(|pair| pair.refresh == successors[0].refresh), "{callers} callers");
        assert_eq!(running.database.number("SELECT COUNT(*) FROM refresh_tokens").await, 2);
        for pair in &successors {
            assert_eq!(running.me(&pair.access).await.status, 200);
        }
        running.pass(60);
        pair(&running.refresh(&successors[0].refresh).await);
    }
}

#[tokio::test]
async fn a_login_that_is_refreshed_without_end_is_told_when_to_come_back_and_no_other() {
    let running = Running::open().await;
    let first = running.register().await;
    let blob = if running.database.is_postgres() { "BYTEA" } else { "BLOB" };
    let spent_at = NOW_MILLIS - 29 * 86_400_000;
    let fill = format!(
        "WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 6000) \
         INSERT INTO refresh_tokens (hash, login, expires_at, spent_at) \
         SELECT CAST('x' || value AS {blob}), (SELECT id FROM logins), 9000000000000, {spent_at} FROM numbers"
    );
    running.database.execute(&fill).await;
    let other = pair(&running.login("correct horse").await);
    running.pass(3600);
    let refused = running.refresh(&first.refresh).await;
    refused.check_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("82800"), "30 days after the first was spent");
    pair(&running.refresh(&other.refresh).await);
    running.pass(82_800);
    pair(&running.refresh(&first.refresh).await);
}

#[tokio::test]
async fn a_refresh_token_that_is_none_is_invalid_and_one_that_is_too_old_expired() {
    let running = Running::open().await;
    let first = running.register().await;
    for token in ["", "x", &first.access, &first.refresh[1..], &"A".repeat(43)] {
        running.refresh(token).await.check_problem(401, "token_invalid");
    }
    running.me(&first.refresh).await.check_problem(401, "token_invalid");
    for body in [json!({}), json!({"refresh_token": 7}), json!({"refresh_token": null})] {
        let answer = running.server.post("/auth/refresh", body.to_string()).await;
        answer.check_problem(400, "payload_invalid");
        assert_eq!(answer.json()["field"], "refresh_token");
    }
    running.pass(30 * 24 * 3600);
    let expired = running.refresh(&first.refresh).await;
    expired.check_problem(401, "token_expired");
    assert_eq!(expired.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
}

#[tokio::test]
async fn a_logout_ends_the_login_by_whatever_it_is_named() {
    let running = Running::open().await;
    running.register().await;
    let out = async |token: Option<&str>, body: &str| {
        let answer = running.server.call("POST", "/auth/logout", token, body).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{body}");
    };
    let by_refresh = |token: &str| json!({"refresh_token": token}).to_string();

    let by_bearer = pair(&running.login("correct horse").await);
    out(Some(&by_bearer.access), "").await;
    running.check_ended(&by_bearer).await;

    let by_token = pair(&running.login("correct horse").await);
    out(None, &by_refresh(&by_token.refresh)).await;
    running.check_ended(&by_token).await;

    // One that was spent, within the grace and after it: its successor ends too.
    for seconds in [0, 60] {
        let spent = pair(&running.login("correct horse").await);
        let successor = pair(&running.refresh(&spent.refresh).await);
        running.pass(seconds);
        out(None, &by_refresh(&spent.refresh)).await;
        running.check_ended(&spent).await;
        running.check_ended(&successor).await;
    }

    // Its access token has expired, its refresh token has not.
    let late = pair(&running.login("correct horse").await);
    running.pass(3600);
    out(Some(&late.access), "").await;
    running.refresh(&late.refresh).await.check_problem(401, "token_invalid");

    let both = [pair(&running.login("correct horse").await), pair(&running.login("correct horse").await)];
    out(Some(&both[0].access), &by_refresh(&both[1].refresh)).await;
    running.check_ended(&both[0]).await;
    running.check_ended(&both[1]).await;
}

#[tokio::test]
async fn a_logout_of_nothing_is_one_too_and_writes_nothing() {
    let running = Running::open().await;
    let gone = running.register().await;
    let out = async |token: Option<&str>, body: &str| {
        let answer = running.server.call("POST", "/auth/logout", token, body).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    };
    for _ in 0..3 {
        out(Some(&gone.access), "").await;
        out(None, &json!({"refresh_token": gone.refresh}).to_string()).await;
    }
    out(None, "").await;
    out(Some("x.y.z"), "{}").await;
    out(None, r#"{"refresh_token":"x"}"#).await;
    out(None, "refresh_token=x").await;
    assert_eq!(running.database.number("SELECT COUNT(*) FROM revocations").await, 1);
}

#[tokio::test]
async fn no_body_keeps_anybody_in_whose_token_is_good() {
    let running = Running::open().await;
    running.register().await;
    let long = format!(r#"{{"refresh_token":"{}"}}"#, "x".repeat(5000));
    for (content_type, body, status) in [
        ("application/json", "xx", 204),
        ("application/json", "[]", 204),
        ("application/json", r#"{"refresh_token":7}"#, 204),
        ("application/json", r#"{"refresh_token":"x","refresh_token":"y"}"#, 204),
        ("text/plain", "{}", 204),
        ("", "{}", 204),
        ("application/json", long.as_str(), 413),
    ] {
        let pair = pair(&running.login("correct horse").await);
        let request = axum::http::Request::post("/auth/logout")
            .header("content-type", content_type)
            .header("authorization", format!("Bearer {}", pair.access))
            .body(axum::body::Body::from(body.to_owned()));
        let answer = running.server.send(request.unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{content_type}: {body}");
        running.check_ended(&pair).await;
    }
}

#[tokio::test]
async fn the_revocation_of_a_login_is_kept_as_long_as_its_last_access_token_and_no_longer() {
    let running = Running::open().await;
    let first = running.register().await;
    running.pass(100);
    let second = pair(&running.refresh(&first.refresh).await);
    let answer = running.server.call("POST", "/auth/logout", Some(&first.access), "").await;
    assert_eq!(answer.status, 204);
    running.me(&second.access).await.check_problem(401, "token_revoked");
    let until = running.database.number("SELECT until_seconds FROM revocations").await;
    assert_eq!(until, i64::try_from(NOW_MILLIS / 1000).unwrap() + 100 + 900 + 30);
}

#[tokio::test]
async fn what_was_ended_is_ended_on_other_nodes_and_after_a_restart() {
    let running = Running::open().await;
    let ended = running.register().await;
    let alive = pair(&running.login("correct horse").await);
    let other = running.server.again().await;
    let me =
        async |server: &Server, pair: &Pair| server.call("GET", "/auth/me", Some(&pair.access), "").await;
    assert_eq!(running.server.call("POST", "/auth/logout", Some(&ended.access), "").await.status, 204);
    assert_eq!(me(&other, &ended).await.status, 200);
    other.app.catch_up().await.unwrap();
    let restarted = running.server.again().await;
    for server in [&other, &restarted] {
        me(server, &ended).await.check_problem(401, "token_revoked");
        assert_eq!(me(server, &alive).await.status, 200);
        let now = server.app.clock.unix_seconds();
        let judged = server.app.identity.judge(&ended.access, now).unwrap_err();
        assert_eq!(judged.refusal(), Some(TokenRefusal::Revoked));
    }
}

#[tokio::test]
async fn a_change_of_password_ends_all_logins_but_the_callers() {
    let running = Running::open().await;
    let mine = running.register().await;
    let other = pair(&running.login("correct horse").await);
    let change = async |token: &str, current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new}).to_string();
        running.server.call("POST", "/auth/password", Some(token), &body).await
    };
    change("x", "correct horse", "battery staple").await.check_problem(401, "token_invalid");
    change(&mine.access, "wrong horse", "battery staple").await.check_problem(403, "credentials_invalid");
    let short = change(&mine.access, "correct horse", "short").await;
    short.check_problem(400, "payload_invalid");
    assert_eq!(short.json()["field"], "new_password");
    assert_eq!(running.me(&other.access).await.status, 200);

    let changed = change(&mine.access, "correct horse", "battery staple").await;
    assert_eq!((changed.status.as_u16(), changed.text.as_str()), (204, ""));
    running.check_ended(&other).await;
    assert_eq!(running.me(&mine.access).await.status, 200);
    let mine = pair(&running.refresh(&mine.refresh).await);
    assert_eq!(running.me(&mine.access).await.status, 200);
    running.login("correct horse").await.check_problem(401, "credentials_invalid");
    // In the same second as the change.
    let new = pair(&running.login("battery staple").await);
    assert_eq!(running.me(&new.access).await.status, 200);
    let audit = running.database.texts("SELECT action FROM audit ORDER BY id").await;
    assert_eq!(audit, ["account.registered", "password.changed"]);
}

#[tokio::test]
async fn an_erased_account_is_gone_and_its_address_free() {
    let running = Running::open().await;
    let mine = running.register().await;
    let other = pair(&running.login("correct horse").await);
    let id = running.me(&mine.access).await.json()["id"].clone();
    let erase =
        async |token: &str, body: &str| running.server.call("DELETE", "/auth/me", Some(token), body).await;
    erase(&mine.access, "").await.check_problem(415, "unsupported_media_type");
    erase(&mine.access, "{}").await.check_problem(400, "payload_invalid");
    erase(&mine.access, r#"{"password":"wrong horse"}"#).await.check_problem(403, "credentials_invalid");
    assert_eq!(running.me(&mine.access).await.status, 200);

    let erased = erase(&mine.access, r#"{"password":"correct horse"}"#).await;
    assert_eq!((erased.status.as_u16(), erased.text.as_str()), (204, ""));
    running.check_ended(&mine).await;
    running.check_ended(&other).await;
    running.login("correct horse").await.check_problem(401, "credentials_invalid");
    let dump = running.database.dump().await;
    assert!(!dump.contains("ada@example.org") && dump.contains("user.erased"), "{dump}");
    let again = running.register().await;
    assert_ne!(running.me(&again.access).await.json()["id"], id);
}

#[tokio::test]
async fn a_token_from_elsewhere_has_no_account_to_change() {
    let running = Running::open().await;
    let identity = &running.server.app.identity;
    let token = identity.mint("elsewhere", None, NOW_MILLIS / 1000, Duration::from_secs(60)).unwrap();
    let password = json!({"current_password": "correct horse", "new_password": "battery staple"}).to_string();
    for (method, path, body) in [
        ("GET", "/auth/me", ""),
        ("DELETE", "/auth/me", r#"{"password":"correct horse"}"#),
        ("POST", "/auth/password", &password),
    ] {
        let answer = running.server.call(method, path, Some(&token), body).await;
        answer.check_problem(404, "account_not_found");
    }
    // It can be logged out all the same: that token alone.
    assert_eq!(running.server.call("POST", "/auth/logout", Some(&token), "").await.status, 204);
    running.me(&token).await.check_problem(401, "token_revoked");
}

#[tokio::test]
async fn a_database_that_is_away_is_said_and_nothing_changes() {
    let running = Running::open().await;
    let mine = running.register().await;
    running.server.app.store.close().await;
    let refresh = json!({"refresh_token": mine.refresh}).to_string();
    let password = json!({"current_password": "correct horse", "new_password": "battery staple"}).to_string();
    let token = Some(mine.access.as_str());
    for (method, path, token, body) in [
        ("POST", "/auth/register", None, ADA),
        ("POST", "/auth/login", None, ADA),
        ("POST", "/auth/refresh", None, &refresh),
        ("POST", "/auth/logout", token, ""),
        ("POST", "/auth/logout", None, &refresh),
        ("GET", "/auth/me", token, ""),
        ("DELETE", "/auth/me", token, r#"{"password":"correct horse"}"#),
        ("POST", "/auth/password", token, &password),
    ] {
        let answer = running.server.call(method, path, token, body).await;
        answer.check_problem(503, "storage_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"), "{method} {path}");
    }
    let again = Running { server: running.server.again().await, database: running.database };
    assert_eq!(again.me(&mine.access).await.status, 200);
    pair(&again.refresh(&mine.refresh).await);
}

#[tokio::test]
async fn a_secret_may_be_changed_while_a_refresh_is_asked_for_again() {
    let running = Running::open().await;
    let first = running.register().await;
    let second = pair(&running.refresh(&first.refresh).await);
    let mut config = running.server.app.config.clone();
    config.identity.previous_secrets = config.identity.secret.take().into_iter().collect();
    let identity = rollcall::app::open_identity(&config).unwrap();
    let keys = SuccessorKeys::new(identity.refresh_keys());
    assert_eq!(identity.refresh_keys().len(), 2);
    let token = rollcall::store::RefreshToken::parse(&first.refresh).unwrap();
    let times = rollcall::store::LoginTimes { refresh_ttl: 1000, access_ttl: 1 };
    let refreshed = running.server.app.store.refresh(NOW_MILLIS, &token, &keys, times, None).await.unwrap();
    let rollcall::store::Refreshed::Good { refresh_token, .. } = refreshed else { panic!("{refreshed:?}") };
    assert_eq!(refresh_token.text(), second.refresh);
}
