//! What a user calls a device, who has the name too, and who is told of a login that was never seen before.

use std::time::Duration;

use databases::Database;
use serde_json::{Value, json};

use crate::live::Live;
use crate::live::databases;
use crate::namespace::{Tab, told};

async fn join(live: &Live, user: &str, login: &str, device: Option<&str>) -> Tab {
    let token = live.token_of(user, Some(login), Duration::from_secs(3600));
    let auth = json!({"token": token, "deviceId": device});
    Tab::join_with(live, &format!("40/sessions,{auth}")).await
}

async fn rename(tab: &mut Tab, label: &str) -> Value {
    tab.ask("sessions:rename", &json!({"label": label}).to_string()).await
}

/// The label of the session itself in its `ready`.
fn own_label(tab: &Tab) -> Value {
    let sessions = tab.ready["sessions"].as_array().unwrap();
    sessions.iter().find(|item| item["socketId"] == *tab.id).unwrap()["label"].clone()
}

fn labels(list: &[Value]) -> Vec<(String, Value)> {
    let mut labels: Vec<(String, Value)> = list
        .iter()
        .map(|item| (item["socketId"].as_str().unwrap().to_owned(), item["label"].clone()))
        .collect();
    labels.sort_by(|one, other| one.0.cmp(&other.0));
    labels
}

fn expected(given: &[(&Tab, Value)]) -> Vec<(String, Value)> {
    let mut labels: Vec<(String, Value)> =
        given.iter().map(|(tab, label)| (tab.id.clone(), label.clone())).collect();
    labels.sort_by(|one, other| one.0.cmp(&other.0));
    labels
}

async fn again(live: &Live) -> Live {
    let data = live.folder.path().join("data");
    Live::start(|config| config.data_dir = data).await
}

#[tokio::test]
async fn a_name_is_that_of_the_device_and_all_see_it() {
    let live = Live::start(|_| {}).await;
    let mut phone = join(&live, "ada", "a", Some("phone")).await;
    let same_phone = join(&live, "ada", "b", Some("phone")).await;
    let laptop = join(&live, "ada", "a", Some("laptop")).await;
    let mut witness = join(&live, "ada", "c", None).await;
    witness.list_of(4).await;
    assert_eq!(rename(&mut phone, "Ada's phone 📱").await, json!({"ok": true}));
    let list = witness.list_of(4).await;
    let name = json!("Ada's phone 📱");
    let everybody = [
        (&phone, name.clone()),
        (&same_phone, name.clone()),
        (&laptop, Value::Null),
        (&witness, Value::Null),
    ];
    assert_eq!(labels(&list), expected(&everybody));
    let later = join(&live, "ada", "d", Some("phone")).await;
    assert_eq!(own_label(&later), name);
    let stranger = join(&live, "bob", "a", Some("phone")).await;
    assert_eq!(own_label(&stranger), Value::Null);
}

#[tokio::test]
async fn a_name_outlives_all_sessions_and_a_restart_and_can_be_taken_away() {
    let live = Live::start(|_| {}).await;
    let mut phone = join(&live, "ada", "a", Some("phone")).await;
    rename(&mut phone, "phone").await;
    let mut tab = join(&live, "ada", "desk", None).await;
    rename(&mut tab, "desk").await;
    drop((phone, tab));
    for server in [&live, &again(&live).await] {
        assert_eq!(own_label(&join(server, "ada", "z", Some("phone")).await), "phone");
        assert_eq!(own_label(&join(server, "ada", "desk", None).await), "desk");
        assert_eq!(own_label(&join(server, "ada", "other", None).await), Value::Null);
        assert_eq!(own_label(&join(server, "ada", "desk", Some("tablet")).await), Value::Null);
    }
    let mut phone = join(&live, "ada", "a", Some("phone")).await;
    assert_eq!(rename(&mut phone, "").await, json!({"ok": true}));
    assert_eq!(phone.ask("sessions:list", "").await["sessions"][0]["label"], Value::Null);
    drop(phone);
    assert_eq!(own_label(&join(&again(&live).await, "ada", "a", Some("phone")).await), Value::Null);
}

#[tokio::test]
async fn what_makes_a_name_look_like_another_is_refused() {
    let live = Live::start(|_| {}).await;
    let mut tab = join(&live, "ada", "a", None).await;
    let longest = "é".repeat(256);
    for label in [
        "a\u{202e}b",
        "\u{2066}a",
        "a\u{2028}b",
        "\u{1b}[2J",
        "a\nb",
        "\u{9b}",
        "\u{7f}",
        &format!("{longest}x"),
    ] {
        let answer = rename(&mut tab, label).await;
        assert_eq!(
            told(&answer),
            json!({"ok": false, "code": "payload_invalid", "field": "label"}),
            "{label:?}"
        );
    }
    for label in ["1", "null", "[]", r#""a\u0000""#, r#""\ud800""#, r#"{"__proto__":{}}"#] {
        let answer = tab.ask("sessions:rename", &format!(r#"{{"label":{label}}}"#)).await;
        assert_eq!(
            told(&answer),
            json!({"ok": false, "code": "payload_invalid", "field": "label"}),
            "{label}"
        );
    }
    assert_eq!(told(&tab.ask("sessions:rename", "{}").await)["field"], "label");
    for label in [longest.as_str(), "<img src=x onerror=alert(1)>", "עברית \u{200f}", "😀"] {
        assert_eq!(rename(&mut tab, label).await, json!({"ok": true}), "{label:?}");
        assert_eq!(tab.ask("sessions:list", "").await["sessions"][0]["label"], label);
    }
}

#[tokio::test]
async fn the_other_logins_are_told_of_one_that_was_never_seen() {
    let live = Live::start(|_| {}).await;
    let mut laptop = join(&live, "ada", "laptop", None).await;
    let mut same = join(&live, "ada", "laptop", None).await;
    let mut stranger = join(&live, "bob", "laptop", None).await;
    let mut phone = join(&live, "ada", "phone", Some("phone")).await;
    for tab in [&mut laptop, &mut same] {
        let [new] = &tab.event("sessions:new").await[..] else { panic!("one argument") };
        assert_eq!(
            (&new["session"]["socketId"], new["session"]["deviceId"].as_str().unwrap().len()),
            (&json!(phone.id), 16)
        );
    }
    for tab in [&mut phone, &mut stranger] {
        assert!(
            !tab.heard().await.contains(&"sessions:new".to_owned()),
            "the newcomer itself, and other users"
        );
    }
    drop(phone);
    laptop.list_of(2).await;
    let mut phone = join(&live, "ada", "phone", None).await;
    let mut token = Tab::join(&live, "ada").await; // no login that lasts longer than a token
    let mut third = join(&live, "ada", "tablet", None).await;
    let [new] = &laptop.event("sessions:new").await[..] else { panic!("one argument") };
    assert_eq!(new["session"]["socketId"], json!(third.id), "the others were seen, or do not count");
    for tab in [&mut phone, &mut token] {
        assert_eq!(tab.event("sessions:new").await[0]["session"]["socketId"], json!(third.id));
    }
    assert!(!third.heard().await.contains(&"sessions:new".to_owned()));
    let restarted = again(&live).await;
    let mut laptop = join(&restarted, "ada", "laptop", None).await;
    join(&restarted, "ada", "phone", None).await;
    let fourth = join(&restarted, "ada", "watch", None).await;
    assert_eq!(laptop.event("sessions:new").await[0]["session"]["socketId"], json!(fourth.id));
}

#[tokio::test]
async fn a_login_that_the_database_refuses_for_good_keeps_no_other_waiting() {
    let database = Database::sqlite();
    database.open().await.close().await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON first_seen WHEN NEW.login = 'sid:refused' \
         BEGIN SELECT RAISE(ABORT, 'no'); END";
    database.execute(refuse).await;
    let url = database.config.database.url.clone();
    let live = Live::start(|config| config.database.url = url).await;
    let mut laptop = join(&live, "ada", "laptop", None).await;
    let mut refused = join(&live, "ada", "refused", None).await;
    let phone = join(&live, "ada", "phone", None).await;
    for tab in [&mut laptop, &mut refused] {
        assert_eq!(tab.event("sessions:new").await[0]["session"]["socketId"], json!(phone.id));
    }
    assert_eq!(refused.ask("sessions:list", "").await["sessions"].as_array().unwrap().len(), 3);
}
