//! What an account's owner does over HTTP, seen from open sockets: logout, refresh, change of password, erasure.

use rollcall::clock::Clock;
use serde_json::{Value, json};

use crate::calls::{body, call, check_left, check_problem, get};
use crate::live::Live;
use crate::namespace::Tab;

const NOW: u64 = 1_800_000_000_000;

async fn start() -> Live {
    Live::start_by(Clock::manual(NOW), |config| config.accounts.registration = true).await
}

/// A token pair of Ada's, by `register` or `login`.
async fn pair(live: &Live, how: &str) -> Value {
    let ada = json!({"email": "ada@example.org", "password": "correct horse"}).to_string();
    let answer = call(live, "POST", &format!("/auth/{how}"), "", &ada).await;
    assert!(answer.status < 300, "{answer:?}");
    body(&answer)
}

fn access(pair: &Value) -> &str {
    pair["access_token"].as_str().unwrap()
}

async fn join(live: &Live, pair: &Value) -> Tab {
    Tab::join_with(live, &format!(r#"40/sessions,{{"token":"{}"}}"#, access(pair))).await
}

/// No token of this login is taken any more.
async fn check_ended(live: &Live, pair: &Value) {
    check_problem(&get(live, "/api/sessions", access(pair)).await, 401, "token_revoked");
    let refresh = json!({"refresh_token": pair["refresh_token"]}).to_string();
    check_problem(&call(live, "POST", "/auth/refresh", "", &refresh).await, 401, "token_invalid");
}

#[tokio::test]
async fn a_logout_ends_the_sockets_of_its_login() {
    let live = start().await;
    let (laptop, phone) = (pair(&live, "register").await, pair(&live, "login").await);
    let mut stays = join(&live, &laptop).await;
    let mut tab = join(&live, &phone).await;
    stays.list_of(2).await;
    assert_eq!(call(&live, "POST", "/auth/logout", access(&phone), "").await.status, 204);
    check_left(&live, 1).await;
    tab.check_revoked().await;
    stays.list_of(1).await;
    check_ended(&live, &phone).await;
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_the_sockets_of_its_login() {
    let live = start().await;
    let (stolen, other) = (pair(&live, "register").await, pair(&live, "login").await);
    let mut tab = join(&live, &stolen).await;
    let mut stays = join(&live, &other).await;
    stays.list_of(2).await;
    let spent = json!({"refresh_token": stolen["refresh_token"]}).to_string();
    assert_eq!(call(&live, "POST", "/auth/refresh", "", &spent).await.status, 200);
    live.clock.set_unix_millis(NOW + 11_000);
    check_problem(&call(&live, "POST", "/auth/refresh", "", &spent).await, 401, "token_revoked");
    check_left(&live, 1).await;
    tab.check_revoked().await;
    stays.list_of(1).await;
    check_ended(&live, &stolen).await;
}

#[tokio::test]
async fn a_change_of_password_ends_the_sockets_of_the_other_logins() {
    let live = start().await;
    let (mine, other) = (pair(&live, "register").await, pair(&live, "login").await);
    let mut tabs = [join(&live, &mine).await, join(&live, &mine).await];
    let mut ended = join(&live, &other).await;
    let change = json!({"current_password": "wrong horse", "new_password": "battery staple"});
    let refused = call(&live, "POST", "/auth/password", access(&mine), &change.to_string()).await;
    check_problem(&refused, 403, "credentials_invalid");
    let change = json!({"current_password": "correct horse", "new_password": "battery staple"});
    let answer = call(&live, "POST", "/auth/password", access(&mine), &change.to_string()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    check_left(&live, 2).await;
    ended.check_revoked().await;
    for tab in &mut tabs {
        tab.list_of(2).await;
        assert!(!tab.heard().await.contains(&"sessions:error".to_owned()));
    }
    check_ended(&live, &other).await;
    assert_eq!(get(&live, "/api/sessions", access(&mine)).await.status, 200);
}

#[tokio::test]
async fn an_erasure_ends_all_sockets_of_the_account_and_nobody_elses() {
    let live = start().await;
    let (mine, other) = (pair(&live, "register").await, pair(&live, "login").await);
    let mut tabs = [join(&live, &mine).await, join(&live, &other).await];
    let mut bob = Tab::join(&live, "bob").await;
    let password = json!({"password": "correct horse"}).to_string();
    let answer = call(&live, "DELETE", "/auth/me", access(&mine), &password).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    check_left(&live, 1).await;
    for tab in &mut tabs {
        tab.check_revoked().await;
    }
    for pair in [&mine, &other] {
        check_ended(&live, pair).await;
    }
    assert_eq!(bob.ask("sessions:list", "").await["sessions"].as_array().unwrap().len(), 1);
}
