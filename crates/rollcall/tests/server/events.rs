//! What a client may do on an open socket, through real sockets: `sessions:send`, `sessions:list`, and what comes of
//! anything else.

use serde_json::{Value, json};

use crate::live::{self, Live, event};
use crate::namespace::{Tab, told};

#[tokio::test]
async fn a_message_reaches_those_that_it_is_meant_for_and_nobody_else() {
    let live = Live::start(|_| {}).await;
    let mut sender = Tab::join(&live, "ada").await;
    let mut second = Tab::join(&live, "ada").await;
    let mut third = Tab::join(&live, "ada").await;
    let mut stranger = Tab::join(&live, "bob").await;
    let say = |to: &str, word: &str| format!(r#"{{"to":"{to}","event":"word","data":{{"word":"{word}"}}}}"#);
    for (to, word, delivered) in [(second.id.as_str(), "one", 1), ("others", "two", 2), ("all", "three", 3)] {
        let answer = sender.ask("sessions:send", &say(to, word)).await;
        assert_eq!(answer, json!({"ok": true, "delivered": delivered, "complete": true}), "{to}");
    }
    for (tab, expected) in [
        (&mut sender, vec!["three"]),
        (&mut second, vec!["one", "two", "three"]),
        (&mut third, vec!["two", "three"]),
    ] {
        for word in expected {
            let [message] = &tab.event("sessions:message").await[..] else { panic!("one argument") };
            assert_eq!(message["data"], json!({"word": word}));
            assert_eq!((&message["event"], message["sentAt"].as_str().unwrap().len()), (&json!("word"), 24));
        }
        assert!(!tab.heard().await.contains(&"sessions:message".to_owned()));
    }
    assert_eq!(stranger.heard().await, ["sessions:update"]);
}

#[tokio::test]
async fn the_sender_is_named_by_the_server() {
    let live = Live::start(|_| {}).await;
    let mut sender = Tab::join(&live, "ada").await;
    let mut other = Tab::join(&live, "ada").await;
    let forged = r#"{"to":"others","event":"x","data":1,"from":"somebody"}"#;
    let answer = sender.ask("sessions:send", forged).await;
    assert_eq!(told(&answer), json!({"ok": false, "code": "payload_invalid", "field": "from"}));
    sender.ask("sessions:send", r#"{"to":"others","event":"x","data":{"from":"somebody"}}"#).await;
    assert_eq!(other.event("sessions:message").await[0]["from"], json!(sender.id));
}

#[tokio::test]
async fn attachments_follow_their_message_as_they_came() {
    let live = Live::start(|_| {}).await;
    let mut sender = Tab::join(&live, "ada").await;
    let mut receiver = Tab::join(&live, "ada").await;
    let (mut polling, target) = live.poll().await;
    polling.post(&target, &live.connect_packet("ada")).await.check(200, "ok");
    polling.get(&target).await;
    let data = r#"{"b":{"_placeholder":true,"num":1},"a":{"_placeholder":true,"num":0}}"#;
    let text = format!(r#"452-/sessions,9["sessions:send",{{"to":"others","event":"blob","data":{data}}}]"#);
    sender.wire.say(&text).await;
    for attachment in [&b"\x00\xff"[..], b"second"] {
        sender.wire.send(live::wire::client_frame(0x82, attachment)).await;
    }
    assert_eq!(sender.acknowledgement(9).await["delivered"], 2);
    let header = loop {
        let text = receiver.wire.text().await;
        if let Some(json) = text.strip_prefix("452-/sessions,") {
            break serde_json::from_str::<Value>(json).unwrap();
        }
    };
    assert_eq!(
        (&header[0], &header[1]["data"]),
        (&json!("sessions:message"), &serde_json::from_str(data).unwrap())
    );
    for attachment in [&b"\x00\xff"[..], b"second"] {
        let frame = receiver.wire.frame().await.unwrap();
        assert_eq!((frame.first, &frame.payload[..]), (0x82, attachment));
    }
    let packets = loop {
        let body = polling.get(&target).await.body;
        if body.contains("sessions:message") {
            break body;
        }
    };
    let packets: Vec<&str> = packets.split('\u{1e}').collect();
    let at = packets.iter().position(|packet| packet.starts_with("452-")).unwrap();
    assert_eq!(packets[at + 1..at + 3], ["bAP8=", "bc2Vjb25k"]);
}

#[tokio::test]
async fn who_is_not_in_the_users_list_is_not_found() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join(&live, "ada").await;
    let mut stranger = Tab::join(&live, "bob").await;
    for to in [stranger.id.as_str(), "AAAAAAAAAAAAAAAAAAAA", "nobody", "", "ALL"] {
        let answer = tab.ask("sessions:send", &format!(r#"{{"to":"{to}","event":"x","data":1}}"#)).await;
        assert_eq!(told(&answer), json!({"ok": false, "code": "session_not_found"}), "{to}");
    }
    assert_eq!(stranger.heard().await, ["sessions:update"]);
    let answer = tab.ask("sessions:send", r#"{"to":"others","event":"x","data":null}"#).await;
    assert_eq!(answer, json!({"ok": true, "delivered": 0, "complete": true}));
}

#[tokio::test]
async fn arguments_that_a_library_could_choke_on_are_refused_by_field() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join(&live, "ada").await;
    let mut other = Tab::join(&live, "ada").await;
    let keys: Vec<String> = (0..10_000).map(|number| format!("\"{number}\":1")).collect();
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = "x".repeat(129);
    for (field, argument) in [
        ("data", r#"{"to":"all","event":"x","data":{"__proto__":{"a":1}}}"#.to_owned()),
        ("data", r#"{"to":"all","event":"x","data":[{"constructor":{}}]}"#.to_owned()),
        ("data", r#"{"to":"all","event":"x","data":{"a":1,"a":2}}"#.to_owned()),
        ("data", format!(r#"{{"to":"all","event":"x","data":{nested}}}"#)),
        ("data", format!(r#"{{"to":"all","event":"x","data":{{{}}}}}"#, keys.join(","))),
        ("data", r#"{"to":"all","event":"x","data":"a\u0000"}"#.to_owned()),
        ("data", r#"{"to":"all","event":"x","data":"\ud800"}"#.to_owned()),
        ("data", r#"{"to":"all","event":"x","data":1e999}"#.to_owned()),
        ("data", r#"{"to":"all","event":"x"}"#.to_owned()),
        ("event", format!(r#"{{"to":"all","event":"{long}","data":1}}"#)),
        ("event", r#"{"to":"all","event":"","data":1}"#.to_owned()),
        ("event", r#"{"to":"all","event":1,"data":1}"#.to_owned()),
        ("event", r#"{"to":"all","event":"a\u0000","data":1}"#.to_owned()),
        ("to", r#"{"to":["all"],"event":"x","data":1}"#.to_owned()),
        ("to", r#"{"event":"x","data":1}"#.to_owned()),
        ("to", r#"{"to":"all","to":"all","event":"x","data":1}"#.to_owned()),
        ("__proto__", r#"{"__proto__":{"to":"all"},"event":"x","data":1}"#.to_owned()),
        ("payload", r#""all""#.to_owned()),
        ("payload", String::new()),
    ] {
        let answer = tab.ask("sessions:send", &argument).await;
        assert_eq!(
            told(&answer),
            json!({"ok": false, "code": "payload_invalid", "field": field}),
            "{argument:.90}"
        );
    }
    assert!(!other.heard().await.contains(&"sessions:message".to_owned()));
    let longest = "é".repeat(128);
    let argument = format!(r#"{{"to":"others","event":"{longest}","data":{{"a":[1e300,"\ud83d\ude00"]}}}}"#);
    assert_eq!(tab.ask("sessions:send", &argument).await["delivered"], 1);
    assert_eq!(other.event("sessions:message").await[0]["data"], json!({"a": [1e300, "😀"]}));
}

#[tokio::test]
async fn what_is_larger_than_a_message_may_be_is_not_relayed() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join(&live, "ada").await;
    let data = format!(r#"["{}",{{"_placeholder":true,"num":0}}]"#, "x".repeat(60_000));
    let text = format!(r#"451-/sessions,1["sessions:send",{{"to":"all","event":"x","data":{data}}}]"#);
    tab.wire.say(&text).await;
    tab.wire.send(live::wire::client_frame(0x82, &[7; 60_000])).await;
    let answer = tab.acknowledgement(1).await;
    assert_eq!(told(&answer), json!({"ok": false, "code": "payload_too_large"}));
}

#[tokio::test]
async fn twenty_messages_a_second_are_a_users_and_the_next_says_when() {
    let live = Live::start(|_| {}).await;
    let mut one = Tab::join(&live, "ada").await;
    let mut two = Tab::join(&live, "ada").await;
    let mut stranger = Tab::join(&live, "bob").await;
    const MESSAGE: &str = r#"{"to":"all","event":"x","data":1}"#;
    let mut refused = Vec::new();
    for turn in 0..60 {
        let tab = if turn % 2 == 0 { &mut one } else { &mut two };
        let answer = tab.ask("sessions:send", MESSAGE).await;
        match answer["ok"].as_bool().unwrap() {
            true => {}
            false => refused.push(answer),
        }
    }
    // A machine that stands still for a second lets twenty more pass.
    assert!(!refused.is_empty(), "sixty messages at once");
    for answer in refused {
        assert_eq!(answer["code"], "rate_limited");
        assert!((1..=51).contains(&answer["retryAfterMs"].as_u64().unwrap()), "{answer}");
    }
    assert_eq!(stranger.ask("sessions:send", MESSAGE).await["ok"], true);
}

#[tokio::test]
async fn the_list_is_that_of_the_last_update() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join(&live, "ada").await;
    let mut other = Tab::join(&live, "ada").await;
    let updated = tab.list_of(2).await;
    let revision = other.ready["revision"].clone();
    for argument in ["", "null", "{}"] {
        let list = tab.ask("sessions:list", argument).await;
        assert_eq!((&list["ok"], &list["sessions"]), (&json!(true), &json!(updated)));
        assert_eq!((&list["complete"], &list["revision"]), (&json!(true), &revision));
    }
    let answer = other.ask("sessions:list", r#"{"user":"bob"}"#).await;
    assert_eq!(told(&answer), json!({"ok": false, "code": "payload_invalid", "field": "user"}));
}

#[tokio::test]
async fn an_error_that_nobody_asked_for_is_counted_and_not_sent() {
    let live = Live::start(|_| {}).await;
    let mut tab = Tab::join(&live, "ada").await;
    tab.wire.say(r#"42/sessions,["sessions:send",{"to":"nobody","event":"x","data":1}]"#).await;
    tab.wire.say(r#"42/sessions,["sessions:none"]"#).await;
    assert_eq!(tab.heard().await, ["sessions:update"]);
    let metrics = live.wire().await.get("/metrics").await.body;
    for line in [
        r#"rollcall_event_errors_total{code="session_not_found"} 1"#,
        r#"rollcall_event_errors_total{code="event_unknown"} 2"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
}

#[tokio::test]
async fn messages_to_one_socket_come_in_the_order_in_which_they_were_sent() {
    let live = Live::start(|config| config.limits.sends_per_second = 1000.try_into().unwrap()).await;
    let mut sender = Tab::join(&live, "ada").await;
    let mut receiver = Tab::join(&live, "ada").await;
    for number in 0..300 {
        let argument = format!(r#"{{"to":"{}","event":"n","data":{number}}}"#, receiver.id);
        sender.wire.say(&format!(r#"42/sessions,["sessions:send",{argument}]"#)).await;
    }
    let mut expected = 0;
    while expected < 300 {
        let Some((name, arguments)) = event(&receiver.wire.text().await) else { panic!("an event") };
        if name == "sessions:message" {
            assert_eq!(arguments[0]["data"], expected);
            expected += 1;
        }
    }
}

#[tokio::test]
async fn who_asks_for_lists_without_end_can_still_be_signed_out() {
    let live = Live::start(|_| {}).await;
    let mut owner = Tab::join_as(&live, "ada", "laptop").await;
    let mut flood = Tab::join_as(&live, "ada", "phone").await;
    let asked: Vec<u8> = (1..=400)
        .flat_map(|id| {
            live::wire::client_frame(0x81, format!(r#"42/sessions,{id}["sessions:list"]"#).as_bytes())
        })
        .collect();
    flood.wire.send(asked).await;
    let mut refused = 0;
    for id in 1..=400 {
        refused += u32::from(flood.acknowledgement(id).await["code"] == "rate_limited");
    }
    assert!(refused > 0);
    let one = format!(r#"{{"socketId":"{}"}}"#, flood.id);
    assert_eq!(owner.ask("sessions:revoke", &one).await, json!({"ok": true, "revoked": 1, "held": "login"}));
}

#[tokio::test]
async fn messages_that_find_no_room_are_lost_and_cut_nobody() {
    let live = Live::start(|_| {}).await;
    let mut sender = Tab::join(&live, "ada").await;
    let (mut polling, target) = live.poll().await;
    polling.post(&target, &live.connect_packet("ada")).await.check(200, "ok");
    while !polling.get(&target).await.body.contains("sessions:update") {}
    let message = format!(r#"{{"to":"others","event":"x","data":"{}"}}"#, "x".repeat(90_000));
    let mut delivered = Vec::new();
    for _ in 0..4 {
        delivered.push(sender.ask("sessions:send", &message).await["delivered"].clone());
    }
    assert_eq!(delivered, [1, 1, 0, 0], "262,144 bytes may wait");
    let waiting = polling.get(&target).await.body;
    assert_eq!(waiting.matches("sessions:message").count(), 2);
    assert_eq!(sender.ask("sessions:send", &message).await["delivered"], 1, "it is still there");
}
