//! The end of logins, seen from open sockets: who is ended, who stays, what comes back, and what outlives a restart.

use std::time::Duration;

use rollcall::clock::Clock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::live::{self, Live, event};
use crate::namespace::{Tab, told};

const HOUR: Duration = Duration::from_secs(3600);

/// The code of the refusal of this token, or `accepted`.
async fn judged(live: &Live, token: &str) -> String {
    let mut wire = live.socket().await;
    wire.say(&format!(r#"40/sessions,{{"token":"{token}"}}"#)).await;
    wire.text().await;
    let (name, arguments) = event(&wire.text().await).unwrap();
    match name.as_str() {
        "sessions:ready" => "accepted".to_owned(),
        _ => arguments[0]["code"].as_str().unwrap().to_owned(),
    }
}

async fn join(live: &Live, token: &str) -> Tab {
    Tab::join_with(live, &format!(r#"40/sessions,{{"token":"{token}"}}"#)).await
}

async fn revoke(tab: &mut Tab, argument: &Value) -> Value {
    tab.ask("sessions:revoke", &argument.to_string()).await
}

async fn check_revoked(tab: &mut Tab) {
    tab.check_revoked().await;
    tab.wire.orderly_end().await; // a second later
}

/// Another server on the same data: after a restart, or beside it.
async fn again(live: &Live) -> Live {
    let data = live.folder.path().join("data");
    Live::start(|config| config.data_dir = data).await
}

#[tokio::test]
async fn one_login_ends_another_with_all_its_tabs_and_tokens() {
    let live = Live::start(|_| {}).await;
    let phone_token = live.token_of("ada", Some("phone"), HOUR);
    let mut laptop = Tab::join_as(&live, "ada", "laptop").await;
    let mut phones = [join(&live, &phone_token).await, Tab::join_as(&live, "ada", "phone").await];
    let mut bob = Tab::join_as(&live, "bob", "phone").await;
    laptop.list_of(3).await;
    let answer = revoke(&mut laptop, &json!({"socketId": phones[0].id})).await;
    assert_eq!(answer, json!({"ok": true, "revoked": 2, "held": "login"}));
    for phone in &mut phones {
        check_revoked(phone).await;
    }
    laptop.list_of(1).await;
    assert_eq!(judged(&live, &phone_token).await, "token_revoked");
    let new_token = live.token_of("ada", Some("phone"), HOUR);
    assert_eq!(judged(&live, &new_token).await, "token_revoked", "a new token of the same login");
    assert_eq!(judged(&live, &live.token_of("bob", Some("phone"), HOUR)).await, "accepted");
    assert_eq!(judged(&again(&live).await, &phone_token).await, "token_revoked", "after a restart");
    assert_eq!(bob.ask("sessions:list", "").await["ok"], true);
    let metrics = live.wire().await.get("/metrics").await.body;
    assert!(metrics.contains("rollcall_session_ends_total{reason=\"session_revoked\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_tab_of_the_own_login_is_closed_and_may_come_back() {
    let live = Live::start(|_| {}).await;
    let token = live.token_of("ada", Some("laptop"), HOUR);
    let (mut one, mut other) = (join(&live, &token).await, join(&live, &token).await);
    let answer = revoke(&mut one, &json!({"socketId": other.id})).await;
    assert_eq!(answer, json!({"ok": true, "revoked": 1, "held": "none"}));
    check_revoked(&mut other).await;
    assert_eq!(judged(&live, &token).await, "accepted");
    let itself = json!({"socketId": one.id});
    assert_eq!(revoke(&mut one, &itself).await, json!({"ok": true, "revoked": 1, "held": "none"}));
    check_revoked(&mut one).await;
    assert_eq!(judged(&live, &token).await, "accepted");
}

#[tokio::test]
async fn all_others_end_and_the_own_tabs_stay() {
    let live = Live::start(|_| {}).await;
    let mine = live.token_of("ada", Some("laptop"), HOUR);
    let (mut one, mut two) = (join(&live, &mine).await, join(&live, &mine).await);
    let not_live = live.token_of("ada", Some("tablet"), HOUR);
    let mut phone = Tab::join_as(&live, "ada", "phone").await;
    let mut script = join(&live, &live.token("ada")).await; // no session claim: a token of its own
    one.list_of(4).await;
    let answer = revoke(&mut one, &json!({"others": true})).await;
    assert_eq!(answer, json!({"ok": true, "revoked": 2, "held": "token"}), "the weakest of what ended");
    check_revoked(&mut phone).await;
    check_revoked(&mut script).await;
    one.list_of(2).await;
    two.list_of(2).await;
    assert_eq!(judged(&live, &mine).await, "accepted");
    assert_eq!(judged(&live, &not_live).await, "token_revoked", "its iat is not later");
    assert_eq!(judged(&again(&live).await, &not_live).await, "token_revoked");
    let answer = revoke(&mut one, &json!({"others": true})).await;
    assert_eq!(answer, json!({"ok": true, "revoked": 0, "held": "login"}));
}

#[tokio::test]
async fn all_end_and_the_answer_comes_first() {
    let live = Live::start(|_| {}).await;
    let token = live.token_of("ada", Some("laptop"), HOUR);
    let mut tab = join(&live, &token).await;
    let mut other = join(&live, &token).await;
    tab.list_of(2).await;
    let answer = revoke(&mut tab, &json!({"all": true})).await; // an error before it would end the test
    assert_eq!(answer, json!({"ok": true, "revoked": 2, "held": "login"}));
    check_revoked(&mut tab).await;
    check_revoked(&mut other).await;
    assert_eq!(judged(&live, &token).await, "token_revoked");
}

#[tokio::test]
async fn nobody_ends_another_users_session() {
    let live = Live::start(|_| {}).await;
    let mut ada = Tab::join_as(&live, "ada", "laptop").await;
    let mut bob = Tab::join_as(&live, "bob", "laptop").await;
    for id in [bob.id.as_str(), "AAAAAAAAAAAAAAAAAAAA", "", "x"] {
        let answer = revoke(&mut ada, &json!({"socketId": id})).await;
        assert_eq!(told(&answer), json!({"ok": false, "code": "session_not_found"}));
    }
    for (field, argument) in [
        ("payload", json!({})),
        ("payload", json!({"others": true, "all": true})),
        ("payload", json!({"socketId": bob.id, "all": true})),
        ("payload", json!("all")),
        ("others", json!({"others": false})),
        ("others", json!({"others": "true"})),
        ("all", json!({"all": 1})),
        ("socketId", json!({"socketId": [bob.id]})),
        ("userId", json!({"userId": "bob"})),
    ] {
        let answer = revoke(&mut ada, &argument).await;
        assert_eq!(
            told(&answer),
            json!({"ok": false, "code": "payload_invalid", "field": field}),
            "{argument}"
        );
    }
    revoke(&mut ada, &json!({"others": true})).await;
    assert_eq!(bob.ask("sessions:list", "").await["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_without_a_date_is_refused_by_its_login() {
    let live = Live::start(|_| {}).await;
    let undated =
        |login: &str| live.sign(&json!({"sub": "ada", "sid": login, "exp": live.clock.unix_seconds() + 600}));
    let (phone, never_seen) = (undated("phone"), undated("never seen"));
    let mut laptop = Tab::join_as(&live, "ada", "laptop").await;
    let mut tab = join(&live, &phone).await;
    laptop.list_of(2).await;
    assert_eq!(revoke(&mut laptop, &json!({"others": true})).await["revoked"], 1);
    check_revoked(&mut tab).await;
    assert_eq!(judged(&live, &phone).await, "token_revoked");
    assert_eq!(judged(&live, &never_seen).await, "accepted", "nothing is known of it");
}

#[tokio::test]
async fn what_another_process_revokes_ends_open_sockets_within_seconds() {
    let live = Live::start(|_| {}).await;
    let node = again(&live).await;
    let token = live.token_of("ada", Some("phone"), HOUR);
    let mut here = join(&live, &token).await;
    let mut undated = {
        let claims = json!({"sub": "ada", "sid": "script", "exp": live.clock.unix_seconds() + 600});
        join(&live, &live.sign(&claims)).await
    };
    let mut there = join(&node, &live.token_of("ada", Some("laptop"), HOUR)).await;
    // In one second a token that was just made counts as made before.
    // Nodes of a cluster know of each other's sockets.
    let known = if live::is_in_cluster() { 2 } else { 0 };
    assert_eq!(revoke(&mut there, &json!({"others": true})).await["revoked"], known);
    check_revoked(&mut here).await;
    check_revoked(&mut undated).await;
    assert_eq!(judged(&live, &token).await, "token_revoked");
    let metrics = live.wire().await.get("/metrics").await.body;
    assert!(metrics.contains("\nrollcall_revocation_lag_seconds_count 1\n"), "{metrics}");
}

/// What was revoked is read back from the database up to two seconds later, here and on other nodes.
#[tokio::test]
async fn a_socket_that_got_a_new_token_after_a_revocation_stays() {
    let clock = Clock::manual(1_800_000_000_000);
    let live = Live::start_by(clock.clone(), |_| {}).await;
    let second = clock.unix_seconds();
    let token = |user: &str, id: &str, iat: Option<u64>| {
        let mut claims = json!({"sub": user, "jti": id, "exp": second + 3600});
        if let Some(iat) = iat {
            claims["iat"] = json!(iat);
        }
        live.sign(&claims)
    };
    let mut stayed = Vec::new();
    for (user, iat) in [("ada", Some(second + 101)), ("bob", None)] {
        let tab = join(&live, &token(user, "1", Some(second))).await;
        stayed.push((tab, token(user, "2", iat)));
    }
    clock.set_unix_millis((second + 100) * 1000);
    for (tab, _) in &mut stayed {
        assert_eq!(revoke(tab, &json!({"others": true})).await["ok"], true);
    }
    clock.set_unix_millis((second + 100) * 1000 + 900);
    for (tab, renewed) in &mut stayed {
        assert_eq!(tab.ask("sessions:refresh", &json!({"token": renewed}).to_string()).await["ok"], true);
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for (tab, renewed) in &mut stayed {
        assert_eq!(tab.ask("sessions:list", "").await["ok"], true);
        assert_eq!(judged(&live, renewed).await, "accepted");
    }
}

#[tokio::test]
async fn a_refresh_that_comes_after_a_revocation_loses() {
    let live = Live::start(|_| {}).await;
    let mut laptop = Tab::join_as(&live, "ada", "laptop").await;
    let mut phone = Tab::join_as(&live, "ada", "phone").await;
    let old = live.token_of("ada", Some("old phone"), HOUR);
    let mut spent = join(&live, &old).await;
    assert_eq!(revoke(&mut laptop, &json!({"socketId": spent.id})).await["held"], "login");
    check_revoked(&mut spent).await;
    let answer = phone.ask("sessions:refresh", &format!(r#"{{"token":"{old}"}}"#)).await;
    assert_eq!(told(&answer), json!({"ok": false, "code": "token_revoked"}));
    assert_eq!(phone.ask("sessions:list", "").await["ok"], true, "it goes on with the token that it has");
}

/// Whichever comes first: when both have their answers no socket of the ended login is open, and none comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_and_refreshes_that_race_with_a_revocation_lose() {
    let live = Live::start(|config| config.limits.sessions_per_user = 1000.try_into().unwrap()).await;
    for round in 0..20 {
        let user = format!("u{round}");
        let bad = live.token_of(&user, Some("bad"), HOUR);
        let mut laptop = Tab::join_as(&live, &user, "laptop").await;
        let target = join(&live, &bad).await;
        let mut good = Tab::join_as(&live, &user, "good").await;
        let mut joins = JoinSet::new();
        joins.spawn({
            let (address, packet) = (live.address, format!(r#"40/sessions,{{"token":"{bad}"}}"#));
            async move {
                let mut wires = Vec::new();
                for _ in 0..8 {
                    let mut wire = live::wire::Wire::websocket(address, live::WEBSOCKET).await;
                    wire.text().await;
                    wire.say(&packet).await;
                    wires.push(wire);
                }
                wires
            }
        });
        let asked = laptop.emit("sessions:revoke", &json!({"socketId": target.id}).to_string()).await;
        let refreshed = good.emit("sessions:refresh", &json!({"token": bad}).to_string()).await;
        assert_eq!(laptop.acknowledgement(asked).await["ok"], true);
        let _wires = joins.join_next().await.unwrap().unwrap();
        // The refresh came first and was ended with the login, or it was refused and its socket goes on.
        let survived = match good.try_acknowledgement(refreshed).await {
            Some(answer) if answer["ok"] == false => {
                assert_eq!(answer["code"], "token_revoked");
                true
            }
            _ => {
                assert_eq!(good.end().await.0["code"], "session_revoked");
                false
            }
        };
        let expected = if survived { 2 } else { 1 };
        let left = loop {
            let list = laptop.ask("sessions:list", "").await["sessions"].as_array().unwrap().clone();
            if list.len() == expected {
                break list;
            }
        };
        assert!(left.iter().any(|item| item["socketId"] == laptop.id));
        assert_eq!(judged(&live, &bad).await, "token_revoked");
    }
}

#[tokio::test]
async fn steps_of_one_socket_are_done_in_order_and_not_too_many_wait() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join_as(&live, "ada", "laptop").await;
    let mut asked = Vec::new();
    for number in 0..40 {
        asked.push(tab.emit("sessions:rename", &json!({"label": format!("n{number}")}).to_string()).await);
    }
    let mut last_done = None;
    for (number, id) in asked.into_iter().enumerate() {
        let answer = tab.answers(id).await;
        match answer["ok"].as_bool().unwrap() {
            true => last_done = Some(number),
            false => {
                assert_eq!(answer["code"], "rate_limited");
                assert!(answer["retryAfterMs"].as_u64().unwrap() > 0);
            }
        }
    }
    let list = tab.ask("sessions:list", "").await;
    assert_eq!(list["sessions"][0]["label"], format!("n{}", last_done.unwrap()));
}
