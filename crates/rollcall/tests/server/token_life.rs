//! How long a token lets its socket be open: told before, ended after, refreshed in place. The wall clock stands until a
//! test moves it; sockets see that with their next ping.

use std::time::Duration;

use rollcall::clock::Clock;
use serde_json::{Value, json};

use crate::live::wire::{PATIENCE, Wire};
use crate::live::{Live, event};
use crate::namespace::{Tab, told};
use crate::support::NOW_MILLIS;

/// A server whose wall clock stands, and which pings often.
async fn start() -> Live {
    Live::start_by(Clock::manual(NOW_MILLIS), |config| config.heartbeat.interval_ms = 100.try_into().unwrap())
        .await
}

/// Moves the wall clock to so many seconds after the start.
fn at(live: &Live, seconds: u64) {
    live.clock.set_unix_millis(NOW_MILLIS + seconds * 1000);
}

fn token(live: &Live, user: &str, seconds: u64) -> String {
    live.token_of(user, Some("login"), Duration::from_secs(seconds))
}

async fn join(live: &Live, token: &str) -> Tab {
    Tab::join_with(live, &format!(r#"40/sessions,{{"token":"{token}"}}"#)).await
}

async fn refresh(tab: &mut Tab, token: &str) -> Value {
    tab.ask("sessions:refresh", &format!(r#"{{"token":"{token}"}}"#)).await
}

/// The packets of the next poll besides a ping, which is answered.
async fn poll_packets(wire: &mut Wire, target: &str) -> String {
    loop {
        let body = wire.get(target).await.body;
        let packets: Vec<&str> = body.split('\u{1e}').filter(|packet| *packet != "2").collect();
        if packets.len() < body.split('\u{1e}').count() {
            wire.post(target, "3").await.check(200, "ok");
        }
        if !packets.is_empty() {
            return packets.join("\u{1e}");
        }
    }
}

#[tokio::test]
async fn a_socket_is_told_before_its_token_expires_and_ends_after_the_leeway() {
    let live = start().await;
    let mut tab = join(&live, &token(&live, "ada", 900)).await;
    let mut other = join(&live, &token(&live, "ada", 9000)).await;
    at(&live, 839);
    assert!(!tab.heard_in(Duration::from_millis(1500)).await.contains(&"sessions:expiring".to_owned()));
    at(&live, 845);
    assert_eq!(
        tab.event("sessions:expiring").await,
        [json!({"expiresAt": "2027-01-15T08:15:00.000Z", "expiresIn": 55})]
    );
    at(&live, 929);
    let heard = tab.heard_in(Duration::from_millis(1500)).await;
    assert_eq!(heard, Vec::<String>::new(), "told once, and good until the leeway is over");
    at(&live, 930);
    let (error, disconnected) = tab.end().await;
    assert_eq!((&error["code"], disconnected), (&json!("token_expired"), false));
    assert_eq!(other.list_of(1).await[0]["socketId"], json!(other.id));
    let metrics = live.wire().await.get("/metrics").await.body;
    assert!(metrics.contains("rollcall_session_ends_total{reason=\"token_expired\"} 1"), "{metrics}");
}

#[tokio::test]
async fn who_comes_with_little_time_left_is_told_right_after_ready() {
    let live = start().await;
    let mut tab = join(&live, &token(&live, "ada", 20)).await;
    assert_eq!(tab.ready["expiresAt"], "2027-01-15T08:00:20.000Z");
    assert_eq!(event(&tab.text().await).unwrap().0, "sessions:update");
    let (name, arguments) = event(&tab.text().await).unwrap();
    assert_eq!((name.as_str(), &arguments[0]["expiresIn"]), ("sessions:expiring", &json!(20)));
}

#[tokio::test]
async fn a_new_token_counts_from_its_acknowledgement_on() {
    let live = start().await;
    let mut tab = join(&live, &token(&live, "ada", 900)).await;
    at(&live, 880);
    tab.event("sessions:expiring").await;
    let answer = refresh(&mut tab, &format!("Bearer {}", token(&live, "ada", 900))).await;
    assert_eq!(answer, json!({"ok": true, "expiresAt": "2027-01-15T08:29:40.000Z", "expiresIn": 900}));
    at(&live, 1700);
    assert_eq!(tab.heard_in(Duration::from_millis(1500)).await, Vec::<String>::new());
    at(&live, 1725);
    assert_eq!(tab.event("sessions:expiring").await[0]["expiresIn"], 55, "told again");
    at(&live, 1810);
    assert_eq!(tab.end().await.0["code"], "token_expired");
}

#[tokio::test]
async fn tokens_that_would_not_be_let_in_change_nothing() {
    let live = start().await;
    at(&live, 10_000);
    let old = token(&live, "ada", 60);
    at(&live, 20_000);
    let mut tab = join(&live, &token(&live, "ada", 900)).await;
    for (argument, answer) in [
        (
            format!(r#"{{"token":"{}"}}"#, token(&live, "bob", 900)),
            json!({"ok": false, "code": "user_mismatch"}),
        ),
        (format!(r#"{{"token":"{old}"}}"#), json!({"ok": false, "code": "token_expired"})),
        (r#"{"token":"x"}"#.to_owned(), json!({"ok": false, "code": "token_invalid"})),
        (r#"{"token":7}"#.to_owned(), json!({"ok": false, "code": "token_invalid"})),
        (r#"{"token":null}"#.to_owned(), json!({"ok": false, "code": "token_missing"})),
        ("{}".to_owned(), json!({"ok": false, "code": "token_missing"})),
        (r#"{"jwt":"x"}"#.to_owned(), json!({"ok": false, "code": "payload_invalid", "field": "jwt"})),
        ("\"x\"".to_owned(), json!({"ok": false, "code": "payload_invalid", "field": "payload"})),
    ] {
        assert_eq!(told(&tab.ask("sessions:refresh", &argument).await), answer, "{argument:.40}");
    }
    at(&live, 20_850);
    assert_eq!(tab.event("sessions:expiring").await[0]["expiresIn"], 50, "the first token still counts");
}

#[tokio::test]
async fn the_login_becomes_that_of_the_new_token() {
    let live = start().await;
    let mut tab = join(&live, &token(&live, "ada", 900)).await;
    let mut other = Tab::join_as(&live, "ada", "phone").await;
    // Both joined in the same millisecond of a clock that stands still: found by their ids.
    let item =
        |list: &[Value], tab: &Tab| list.iter().find(|item| item["socketId"] == *tab.id).unwrap().clone();
    let before = other.list_of(2).await;
    assert_ne!(item(&before, &tab)["login"], item(&before, &other)["login"]);
    let answer = refresh(&mut tab, &live.token_of("ada", Some("phone"), Duration::from_secs(900))).await;
    assert_eq!(answer["ok"], true);
    let after = other.list_of(2).await;
    assert_eq!(item(&after, &tab)["login"], item(&before, &other)["login"]);
    assert_eq!(item(&after, &other)["login"], item(&before, &other)["login"]);
    assert_eq!(
        item(&after, &tab)["connectedAt"],
        item(&before, &tab)["connectedAt"],
        "it is the same session"
    );
}

#[tokio::test]
async fn a_polling_socket_is_told_in_a_payload_of_its_own_and_then_unknown() {
    let live = start().await;
    let (mut wire, target) = live.poll().await;
    let packet = format!(r#"40/sessions,{{"token":"{}"}}"#, token(&live, "ada", 900));
    wire.post(&target, &packet).await.check(200, "ok");
    assert!(wire.get(&target).await.body.contains("sessions:ready"));
    at(&live, 840);
    let poll = poll_packets(&mut wire, &target).await;
    assert!(poll.contains("sessions:expiring"), "{poll}");
    at(&live, 930);
    let poll = poll_packets(&mut wire, &target).await;
    let (name, arguments) = event(&poll).expect("the error alone");
    assert_eq!((name.as_str(), &arguments[0]["code"]), ("sessions:error", &json!("token_expired")));
    wire.get(&target).await.check(400, r#"{"code":1,"message":"Session ID unknown"}"#);
}

#[tokio::test]
async fn a_clock_that_is_put_back_ends_nobody() {
    let live = start().await;
    at(&live, 5000);
    let mut tab = join(&live, &token(&live, "ada", 900)).await;
    live.clock.set_unix_millis(NOW_MILLIS - 10 * 365 * 24 * 3_600_000);
    assert_eq!(tab.heard_in(Duration::from_millis(1500)).await, ["sessions:update"]);
    at(&live, 5850);
    tab.event("sessions:expiring").await;
    assert!(tokio::time::timeout(PATIENCE, tab.ask("sessions:list", "")).await.unwrap()["ok"] == true);
}
