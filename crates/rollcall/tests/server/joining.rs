//! Who may join beside whom, and what the others see of a session: caps, ghosts, devices, states, privacy.

use std::collections::BTreeSet;
use std::time::Duration;

use rollcall::config::{Config, IpPrivacy, ProxyRange, TrustedProxies, UserAgentPrivacy};
use rollcall::registry::Policy;
use serde_json::{Value, json};

use crate::live::wire::{Wire, upgrade_headers};
use crate::live::{self, Live, WEBSOCKET, event};
use crate::namespace::{Tab, told};

/// What a refused client is told: the code, and that a DISCONNECT follows.
async fn refusal(live: &Live, packet: &str) -> Value {
    let mut wire = live.socket().await;
    wire.say(packet).await;
    assert!(wire.text().await.starts_with("40/sessions,"));
    let (name, mut arguments) = event(&wire.text().await).unwrap();
    assert_eq!((name.as_str(), wire.text().await.as_str()), ("sessions:error", "41/sessions,"));
    arguments.remove(0)
}

/// The CONNECT packet of this login with more in its `auth`.
fn packet(live: &Live, user: &str, login: &str, more: &str) -> String {
    let token = live.token_of(user, Some(login), Duration::from_secs(3600));
    format!(r#"40/sessions,{{"token":"{token}"{more}}}"#)
}

fn ids(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|item| item["socketId"].as_str().unwrap()).collect()
}

/// Sessions that joined in the same millisecond stand in the order of their ids.
fn set<const N: usize>(ids: [&String; N]) -> BTreeSet<&str> {
    ids.into_iter().map(String::as_str).collect()
}

fn caps(per_user: usize, per_login: usize, policy: Policy) -> impl FnOnce(&mut Config) {
    move |config| {
        config.limits.sessions_per_user = per_user.try_into().unwrap();
        config.limits.sessions_per_login = per_login.try_into().unwrap();
        config.limits.sessions_policy = policy;
    }
}

#[tokio::test]
async fn one_session_too_many_is_refused_until_another_has_left() {
    let live = Live::start(caps(3, 2, Policy::Deny)).await;
    let mut first = Tab::join_as(&live, "ada", "laptop").await;
    let second = Tab::join_as(&live, "ada", "laptop").await;
    let error = refusal(&live, &packet(&live, "ada", "laptop", "")).await;
    assert_eq!(told(&error), json!({"code": "too_many_sessions"}), "of one login");
    let _phone = Tab::join_as(&live, "ada", "phone").await;
    let error = refusal(&live, &packet(&live, "ada", "tablet", "")).await;
    assert_eq!(told(&error), json!({"code": "too_many_sessions"}), "of one user");
    first.list_of(3).await;
    drop(second);
    first.list_of(2).await;
    Tab::join_as(&live, "ada", "tablet").await;
    Tab::join_as(&live, "bob", "laptop").await;
}

#[tokio::test]
async fn the_oldest_of_the_largest_login_can_make_room() {
    let live = Live::start(caps(2, 2, Policy::EvictOldest)).await;
    let mut first = Tab::join_as(&live, "ada", "laptop").await;
    let mut second = Tab::join_as(&live, "ada", "laptop").await;
    let third = Tab::join_as(&live, "ada", "phone").await;
    assert_eq!(third.ready["sessions"].as_array().unwrap().len(), 2);
    let (error, disconnected) = first.end().await;
    assert_eq!((told(&error), disconnected), (json!({"code": "session_evicted"}), true));
    let list = second.event("sessions:update").await.remove(0);
    assert_eq!(list.as_array().unwrap().len(), 2);
    let list = second.event("sessions:update").await.remove(0);
    assert_eq!(ids(&list), set([&second.id, &third.id]), "joined and evicted in one update");
}

#[tokio::test]
async fn a_client_that_comes_back_takes_the_place_of_its_ghost() {
    let live = Live::start(caps(2, 2, Policy::Deny)).await;
    let mut ghost = Tab::join_as(&live, "ada", "laptop").await;
    let mut witness = Tab::join_as(&live, "ada", "phone").await;
    witness.list_of(2).await;
    let more = format!(r#","replaces":"{}""#, ghost.id);
    let back = Tab::join_with(&live, &packet(&live, "ada", "laptop", &more)).await;
    let (list, about) = {
        let mut arguments = witness.event("sessions:update").await;
        (arguments.remove(0), arguments.remove(0))
    };
    let ids: Vec<&str> =
        list.as_array().unwrap().iter().map(|item| item["socketId"].as_str().unwrap()).collect();
    assert_eq!(ids, [witness.id.as_str(), &back.id], "one update for both");
    assert_eq!(about["revision"], back.ready["revision"], "one update for both");
    assert_eq!(told(&ghost.end().await.0), json!({"code": "session_evicted"}));
    ghost.wire.orderly_end().await; // a second later
}

#[tokio::test]
async fn nobody_takes_the_place_of_another_login_or_user() {
    let live = Live::start(|_| {}).await;
    let mut phone = Tab::join_as(&live, "ada", "phone").await;
    let mut bob = Tab::join_as(&live, "bob", "laptop").await;
    for replaces in
        [json!(phone.id), json!(bob.id), json!("x"), json!(7), json!(null), json!({"__proto__": 1})]
    {
        let more = format!(r#","replaces":{replaces},"extra":[{{}}],"__proto__":{{"token":"x"}}"#);
        let tab = Tab::join_with(&live, &packet(&live, "ada", "laptop", &more)).await;
        drop(tab);
    }
    for tab in [&mut phone, &mut bob] {
        assert!(!tab.heard().await.contains(&"sessions:error".to_owned()));
    }
}

#[tokio::test]
async fn a_device_id_is_shown_as_another_text_that_differs_from_user_to_user() {
    let live = Live::start(|_| {}).await;
    let shown = |tab: &Tab| {
        let sessions = tab.ready["sessions"].as_array().unwrap();
        sessions.iter().find(|item| item["socketId"] == *tab.id).unwrap()["deviceId"].clone()
    };
    let device = r#","deviceId":"my phone""#;
    let one = Tab::join_with(&live, &packet(&live, "ada", "a", device)).await;
    let same = Tab::join_with(&live, &packet(&live, "ada", "b", device)).await;
    let bob = Tab::join_with(&live, &packet(&live, "bob", "a", device)).await;
    let none = Tab::join_as(&live, "ada", "c").await;
    let id = shown(&one);
    let text = id.as_str().unwrap();
    assert!(text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    assert_eq!(shown(&same), id);
    assert_ne!(shown(&bob), id);
    assert_eq!(shown(&none), Value::Null);
    for device in [json!("x".repeat(65)), json!(1), json!(["a"])] {
        let error = refusal(&live, &packet(&live, "ada", "a", &format!(r#","deviceId":{device}"#))).await;
        assert_eq!(told(&error), json!({"code": "context_invalid", "field": "deviceId"}));
    }
    let error = refusal(&live, &packet(&live, "ada", "a", r#","context":7"#)).await;
    assert_eq!(told(&error), json!({"code": "context_invalid", "field": "context"}));
}

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
    (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1";

/// The item of a session that comes with this User-Agent.
async fn item(live: &Live, user_agent: &str) -> Value {
    let mut wire = Wire::connect(live.address).await;
    let headers = format!("user-agent: {user_agent}\r\n{}", upgrade_headers());
    assert_eq!(wire.request("GET", WEBSOCKET, &headers, "").await.status, 101);
    wire.text().await;
    wire.say(&live.connect_packet("ada")).await;
    wire.text().await;
    let (_, arguments) = event(&wire.text().await).unwrap();
    arguments[0]["sessions"][0].clone()
}

#[tokio::test]
async fn a_device_is_read_out_of_the_user_agent_and_privacy_says_what_stays() {
    let phone = json!({"os": "iOS", "browser": "Safari", "type": "phone"});
    for (ip, user_agent, metadata, device) in [
        (
            IpPrivacy::Full,
            UserAgentPrivacy::Full,
            json!({"ip": "127.0.0.1", "userAgent": IPHONE}),
            phone.clone(),
        ),
        (IpPrivacy::Truncated, UserAgentPrivacy::Parsed, json!({"ip": "127.0.0.0", "userAgent": ""}), phone),
        (IpPrivacy::None, UserAgentPrivacy::None, json!({"ip": "", "userAgent": ""}), Value::Null),
    ] {
        let live = Live::start(|config| {
            config.privacy.ip = ip;
            config.privacy.user_agent = user_agent;
        })
        .await;
        let item = item(&live, IPHONE).await;
        assert_eq!((&item["metadata"], &item["device"]), (&metadata, &device), "{user_agent:?}");
        assert_eq!(item["login"].as_str().unwrap().len(), 12);
    }
}

/// The `ip` of a session that begins with a WebSocket whose request has these lines: as the first of its connection, and
/// behind another request.
async fn addresses(live: &Live, lines: &str) -> [String; 2] {
    let mut found = [const { String::new() }; 2];
    for (ip, is_first) in found.iter_mut().zip([true, false]) {
        let mut wire = live.wire().await;
        if !is_first {
            assert_eq!(wire.get("/livez").await.status, 200);
        }
        let answer = wire.request("GET", WEBSOCKET, &format!("{lines}{}", upgrade_headers()), "").await;
        assert_eq!((answer.status, answer.head.contains("date: ")), (101, !is_first), "{answer:?}");
        wire.text().await;
        wire.say(&live.connect_packet(&format!("{lines:?} {is_first}"))).await;
        wire.text().await;
        let (_, arguments) = event(&wire.text().await).unwrap();
        *ip = arguments[0]["sessions"][0]["metadata"]["ip"].as_str().unwrap().to_owned();
    }
    found
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_clients_however_a_websocket_begins() {
    let own = |config: &mut Config| {
        config.http.trusted_proxies = TrustedProxies(vec![
            ProxyRange::Network { address: [127, 0, 0, 1].into(), prefix: 32 },
            ProxyRange::Private,
        ]);
    };
    let (proxied, open) = (Live::start(own).await, Live::start(|_| {}).await);
    for (lines, expected) in [
        ("", "127.0.0.1"),
        ("x-forwarded-for: 6.6.6.6, 192.0.2.7, 10.9.9.9\r\n", "192.0.2.7"),
        ("x-forwarded-for: 6.6.6.6\r\nx-forwarded-for: 192.0.2.7:4711\r\n", "192.0.2.7"),
        ("forwarded: for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https, for=10.9.9.9\r\n", "2001:db8::7"),
        ("forwarded: for=6.6.6.6, for=unknown, for=10.9.9.9\r\n", "10.9.9.9"),
        ("x-forwarded-for: 192.0.2.7\r\nforwarded: for=192.0.2.8\r\n", "127.0.0.1"),
        ("x-forwarded-for: \"9.9.9.9%, 192.0.2.7\r\n", "192.0.2.7"),
        ("forwarded: for=\"9.9.9.9%, for=192.0.2.7\r\n", "127.0.0.1"),
    ] {
        assert_eq!(addresses(&proxied, lines).await, [expected; 2], "{lines:?}");
        assert_eq!(addresses(&open, lines).await, ["127.0.0.1"; 2], "{lines:?} of somebody else");
    }
}

#[tokio::test]
async fn several_authorization_lines_are_no_token_however_a_socket_begins() {
    let live = Live::start(|_| {}).await;
    let good = format!("authorization: Bearer {}\r\n", live.token("ada"));
    let told = |packet: &str| event(packet).unwrap().1[0]["code"].clone();
    for lines in
        [good.repeat(2), format!("{good}authorization: Basic x\r\n"), format!("authorization: x\r\n{good}")]
    {
        for is_first in [true, false] {
            let mut wire = live.wire().await;
            if !is_first {
                assert_eq!(wire.get("/livez").await.status, 200);
            }
            let answer = wire.request("GET", WEBSOCKET, &format!("{lines}{}", upgrade_headers()), "").await;
            assert_eq!(answer.status, 101);
            wire.text().await;
            // A good token in another place counts for nothing: that of the header is there.
            wire.say(&live.connect_packet("ada")).await;
            wire.text().await;
            assert_eq!(told(&wire.text().await), "token_invalid", "{lines}");
        }
        let mut wire = live.wire().await;
        let opened = wire.request("GET", live::POLL, &lines, "").await;
        let open: Value = serde_json::from_str(&opened.body[1..]).unwrap();
        let target = format!("{}&sid={}", live::POLL, open["sid"].as_str().unwrap());
        assert_eq!(wire.request("POST", &target, "", "40/sessions,").await.status, 200);
        let packets = wire.get(&target).await.body;
        assert_eq!(
            told(packets.split('\u{1e}').find(|packet| packet.starts_with("42")).unwrap()),
            "token_invalid"
        );
    }
}

#[tokio::test]
async fn what_a_user_does_is_seen_by_the_others() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join_as(&live, "ada", "laptop").await;
    let mut other = Tab::join_as(&live, "ada", "phone").await;
    other.list_of(2).await;
    assert_eq!(tab.ask("sessions:state", r#"{"state":"active"}"#).await, json!({"ok": true}));
    let of = |list: &[Value], id: &str| list.iter().find(|item| item["socketId"] == id).unwrap().clone();
    let list = other.list_of(2).await;
    assert_eq!(
        (&of(&list, &tab.id)["state"], &of(&list, &other.id)["state"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(of(&list, &tab.id)["lastActiveAt"].as_str().unwrap().len(), 24);
    for state in ["idle", "hidden"] {
        assert_eq!(
            tab.ask("sessions:state", &format!(r#"{{"state":"{state}"}}"#)).await,
            json!({"ok": true})
        );
    }
    let list = other.ask("sessions:list", "").await;
    assert_eq!(
        of(list["sessions"].as_array().unwrap(), &tab.id)["state"],
        "active",
        "one change in ten seconds counts"
    );
    let list = other.list_of(2).await;
    assert_eq!(of(&list, &tab.id)["state"], "hidden", "and the last one in the end");
    for state in [r#""away""#, "1", "null", r#""active\u0000""#] {
        let answer = tab.ask("sessions:state", &format!(r#"{{"state":{state}}}"#)).await;
        assert_eq!(told(&answer), json!({"ok": false, "code": "payload_invalid", "field": "state"}));
    }
}

#[tokio::test]
async fn what_is_odd_in_auth_is_refused_or_passed_over_and_never_believed() {
    let live = Live::start(|_| {}).await;
    let token = live.token("ada");
    for (more, code) in [
        (format!(r#","token":"{token}""#), "token_invalid"),
        (r#","context":"a","context":"b""#.to_owned(), "token_invalid"),
        (r#","context":"\ud800""#.to_owned(), "context_invalid"),
        (r#","context":{"__proto__":1}"#.to_owned(), "context_invalid"),
        (r#","deviceId":["a"]"#.to_owned(), "context_invalid"),
    ] {
        let error = refusal(&live, &format!(r#"40/sessions,{{"token":"{token}"{more}}}"#)).await;
        assert_eq!(error["code"], code, "{more}");
    }
    let deep = format!(r#","deep":{}{}"#, "[".repeat(10_000), "]".repeat(10_000));
    let many: String = (0..5_000).map(|number| format!(r#","k{number}":1"#)).collect();
    for more in [
        r#","__proto__":{"sub":"bob"},"constructor":{"prototype":{}}"#,
        r#","unknown":1e999"#,
        r#","sub":"bob","issuer":"other","login":"other""#,
        &deep,
        &many,
    ] {
        let tab = Tab::join_with(&live, &format!(r#"40/sessions,{{"token":"{token}"{more}}}"#)).await;
        assert!(ids(&tab.ready["sessions"]).contains(tab.id.as_str()), "{more:.40}");
    }
    assert_eq!(get_sessions(&live, "bob").await, json!([]), "nobody became somebody else");
}

async fn get_sessions(live: &Live, user: &str) -> Value {
    let headers = format!("authorization: Bearer {}\r\n", live.token(user));
    let answer = live.wire().await.request("GET", "/api/sessions", &headers, "").await;
    serde_json::from_str::<Value>(&answer.body).unwrap()["sessions"].clone()
}
