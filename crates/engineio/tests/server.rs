//! The server over real sockets: polls, posts and upgrades, and what each limit answers.
//! Does not know: malformed frames (frames.rs), resets (resets.rs).

#![cfg(feature = "server")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod support;

use std::fmt::Write;
use std::time::Duration;

use engineio::server::ServerConfig;
use engineio::{CloseReason, Violation};
use support::wire::{KEY, client_frame, request, upgrade_headers};
use support::{POLL, Served, WEBSOCKET, sid_of, unhurried, with_upgrade_timeout};

const UNKNOWN_SID: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

#[tokio::test]
async fn a_session_polls_posts_and_moves_to_a_websocket() {
    let served = Served::start(unhurried()).await;
    let (mut wire, target) = served.open().await;
    wire.post(&target, "4one\u{1e}bAQI=").await.check(200, "ok");
    wire.get(&target).await.check(200, "4one\u{1e}bAQI=");

    let mut candidate = served.candidate(&target).await;
    wire.send(request("GET", &target, "", "")).await; // a poll waits
    candidate.say("2probe").await;
    assert_eq!(candidate.text().await, "3probe");
    wire.answer().await.check(200, "6");
    wire.get(&target).await.check(200, "6"); // every further one too, until the upgrade has ended
    candidate.say("5").await;
    candidate.say("4two").await;
    assert_eq!(candidate.text().await, "4two");
    wire.post(&target, "4three").await.check(400, BAD_REQUEST); // polling is over
    candidate.say("4four").await;
    assert_eq!(candidate.text().await, "4four");
    candidate.say("1").await;
    assert_eq!(candidate.close_code().await, Some(1000));
    assert_eq!(served.ends().await, [CloseReason::ClientClosed]);
}

// Seen failing: what waits for a poll is left behind.
#[tokio::test]
async fn what_is_said_during_an_upgrade_arrives_once_and_in_order() {
    let served = Served::start(unhurried()).await;
    for round in 0..20 {
        let (mut wire, target) = served.open().await;
        let mut candidate = served.candidate(&target).await;
        candidate.say("2probe").await;
        assert_eq!(candidate.text().await, "3probe");
        let mut posted = String::new();
        for number in 0..50 {
            write!(posted, "{}4{number}", if number > 0 { "\u{1e}" } else { "" }).unwrap();
        }
        wire.post(&target, &posted).await.check(200, "ok"); // its answers wait: nobody polls
        served.tell("told");
        // All at once: the end of polling, and what follows it on the WebSocket.
        let mut frames = support::wire::client_frame(0x81, b"5");
        frames.extend(support::wire::client_frame(0x81, b"450"));
        candidate.send(frames).await;
        let mut said = Vec::new();
        while said.len() < 52 {
            said.push(candidate.text().await);
        }
        // What others tell comes between the replies, at any place.
        let told = said.iter().position(|text| text == "4told").map(|at| said.remove(at));
        assert!(told.is_some(), "round {round}: {said:?}");
        let expected: Vec<String> = (0..51).map(|number| format!("4{number}")).collect();
        assert_eq!(said, expected, "round {round}");
        candidate.say("1").await;
        assert_eq!(candidate.close_code().await, Some(1000));
        drop(candidate); // otherwise its last words are waited for
        served.ends().await;
    }
}

// Seen failing: the time of an upgrade passes unnoticed.
#[tokio::test]
async fn a_candidate_that_goes_silent_is_closed_and_the_session_polls_on() {
    let served = Served::start(with_upgrade_timeout(Duration::from_millis(200))).await;
    for probes in [false, true] {
        let (mut wire, target) = served.open().await;
        let mut candidate = served.candidate(&target).await;
        if probes {
            candidate.say("2probe").await;
            assert_eq!(candidate.text().await, "3probe");
        }
        assert_eq!(candidate.close_code().await, Some(1000));
        candidate.end().await;
        wire.post(&target, "4still here").await.check(200, "ok");
        wire.get(&target).await.check(200, "4still here");
        let mut another = served.candidate(&target).await;
        another.say("2probe").await;
        assert_eq!(another.text().await, "3probe");
        another.say("5").await;
        another.say("1").await;
        assert_eq!(another.close_code().await, Some(1000));
        served.ends().await;
    }
}

// Seen failing: a second candidate takes the place of the first.
#[tokio::test]
async fn a_second_candidate_is_closed_and_disturbs_nobody() {
    let served = Served::start(unhurried()).await;
    let (_wire, target) = served.open().await;
    let mut candidate = served.candidate(&target).await;
    candidate.say("2probe").await;
    assert_eq!(candidate.text().await, "3probe");
    assert_eq!(served.candidate(&target).await.close_code().await, Some(1008));
    candidate.say("5").await;
    candidate.say("4on").await;
    assert_eq!(candidate.text().await, "4on");
    assert_eq!(served.candidate(&target).await.close_code().await, Some(1008)); // it has its WebSocket
    candidate.say("4and on").await;
    assert_eq!(candidate.text().await, "4and on");
    let unknown = format!("{WEBSOCKET}&sid=a.b");
    let refused = served.connect().await.request("GET", &unknown, &upgrade_headers(), "").await;
    refused.check(400, UNKNOWN_SID);
}

// Seen failing: what stands behind 5,000 packets is dropped.
#[tokio::test]
async fn ten_thousand_packets_of_one_post_keep_their_order() {
    let served = Served::start(unhurried()).await;
    let (mut wire, target) = served.open().await;
    let packets: Vec<String> = (0..10_000).map(|number| format!("4{number}")).collect();
    let body = packets.join("\u{1e}");
    assert!(body.len() <= 100_000);
    wire.post(&target, &body).await.check(200, "ok");
    wire.get(&target).await.check(200, &body);
}

// Seen failing: a limit of 100 MB.
#[tokio::test]
async fn a_body_of_max_payload_is_taken_and_one_byte_more_is_413() {
    let served = Served::start(unhurried()).await;
    let (mut wire, target) = served.open().await;
    let largest = format!("4{}", "x".repeat(99_999));
    let many = format!("4{}", vec!["x".repeat(9_998); 10].join("\u{1e}4"));
    assert_eq!(many.len(), 99_999);
    for body in [&largest[..99_999], &largest, &many, &format!("{many}x")] {
        wire.post(&target, body).await.check(200, "ok");
        wire.get(&target).await.check(200, body);
    }

    let larger = format!("{largest}x");
    let mut sized = served.connect().await;
    let answer = sized.post(&target, &larger).await;
    assert_eq!((answer.status, answer.body.as_str()), (413, ""));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    sized.end().await;

    let mut chunked = served.connect().await;
    let head = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    chunked.send(head).await;
    chunked.send(format!("{:x}\r\n{larger}\r\n", larger.len())).await; // and no end
    assert_eq!(chunked.answer().await.status, 413);
    chunked.end().await;

    wire.post(&target, "4the session goes on").await.check(200, "ok");
    wire.get(&target).await.check(200, "4the session goes on");
}

// Seen failing: octets are read as text.
#[tokio::test]
async fn a_body_that_no_stock_client_sends_is_refused() {
    let served = Served::start(unhurried()).await;
    let (mut wire, target) = served.open().await;
    let gzip = wire.request("POST", &target, "content-encoding: gzip\r\n", "4x").await;
    assert_eq!(gzip.status, 415);
    let mut wire = served.connect().await;
    wire.post(&target, "4x").await.check(200, "ok");
    let octets = wire.request("POST", &target, "content-type: application/octet-stream\r\n", "4x").await;
    octets.check(400, BAD_REQUEST);
    assert_eq!(served.ends().await, [CloseReason::TransportClosed]);

    for (body, violation) in [
        ("", Violation::UnknownPacket),
        ("9", Violation::UnknownPacket),
        ("4a\u{1e}", Violation::UnknownPacket),
        ("4a\u{1e}\u{1e}4b", Violation::UnknownPacket),
        ("b!", Violation::InvalidBase64),
        ("2", Violation::UnexpectedPacket),
    ] {
        let served = Served::start(unhurried()).await;
        let (mut wire, target) = served.open().await;
        wire.post(&target, body).await.check(400, BAD_REQUEST);
        served.connect().await.get(&target).await.check(400, UNKNOWN_SID);
        assert_eq!(served.ends().await, [CloseReason::Violation(violation)], "{body:?}");
    }
}

// Seen failing: two posts at a time are taken.
#[tokio::test]
async fn overlapping_requests_close_the_session() {
    for method in ["GET", "POST"] {
        let served = Served::start(unhurried()).await;
        let (mut first, target) = served.open().await;
        let waiting = match method {
            "GET" => request("GET", &target, "", ""),
            _ => format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n4"), // a byte is missing
        };
        first.send(waiting).await;
        // The first is under way once its connection has been served that far: polled by asking until one is refused.
        let mut second = served.connect().await;
        let body = if method == "GET" { "" } else { "4y" };
        let answer = second.request(method, &target, "", body).await;
        let refused =
            if answer.status == 400 { answer } else { second.request(method, &target, "", body).await };
        assert_eq!(refused.status, 400, "{method}");
        assert_eq!(served.ends().await, [CloseReason::Violation(Violation::OverlappingRequest)], "{method}");
    }
}

// Seen failing: any key, version and connection will do.
#[tokio::test]
async fn a_websocket_handshake_is_judged_whole() {
    let served = Served::start(unhurried()).await;
    let (mut wire, polling) = served.open().await;
    let good = upgrade_headers();
    let key = format!("sec-websocket-key: {KEY}\r\n");
    assert!(good.contains(&key));
    for (wrong, why) in [
        (good.replace(&key, ""), "no key"),
        (good.replace(&key, &key.repeat(2)), "two keys"),
        (good.replace(KEY, "c2hvcnQ="), "a short key"),
        (good.replace(KEY, ""), "an empty key"),
        (good.replace("version: 13", "version: 8"), "another version"),
        (good.replace("sec-websocket-version: 13\r\n", ""), "no version"),
        (good.replace("connection: Upgrade", "connection: keep-alive"), "no upgrade in connection"),
        (good.replace("upgrade: websocket\r\n", ""), "no upgrade"),
        (good.replace("upgrade: websocket", "upgrade: h2c"), "another upgrade"),
    ] {
        for target in [WEBSOCKET.to_owned(), polling.replace("polling", "websocket")] {
            let answer = served.connect().await.request("GET", &target, &wrong, "").await;
            assert_eq!((answer.status, answer.body.as_str()), (400, BAD_REQUEST), "{why}");
        }
    }
    wire.post(&polling, "4undisturbed").await.check(200, "ok");
    wire.get(&polling).await.check(200, "4undisturbed");
    assert_eq!(served.server.open_sessions(), 1);
}

// Seen failing: an extension is agreed.
#[tokio::test]
async fn compression_is_never_agreed_and_lists_of_tokens_are_read_as_lists() {
    let served = Served::start(unhurried()).await;
    let odd = upgrade_headers()
        .replace("connection: Upgrade", "Connection: keep-alive, UPGRADE")
        .replace("upgrade: websocket", "Upgrade: WebSocket");
    for headers in [upgrade_headers(), odd] {
        assert!(headers.contains("permessage-deflate"));
        let mut wire = served.connect().await;
        let answer = wire.request("GET", WEBSOCKET, &headers, "").await;
        assert_eq!(answer.status, 101);
        assert!(
            answer.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{}",
            answer.head
        );
        assert!(!answer.head.contains("sec-websocket-extensions"), "{}", answer.head);
        assert!(wire.text().await.contains(r#""upgrades":[]"#));
    }
}

#[tokio::test]
async fn frames_right_behind_the_request_are_not_lost() {
    let served = Served::start(unhurried()).await;
    let mut wire = served.connect().await;
    let mut bytes = request("GET", WEBSOCKET, &upgrade_headers(), "").into_bytes();
    bytes.extend(support::wire::client_frame(0x81, b"4early"));
    wire.send(bytes).await;
    assert_eq!(wire.answer().await.status, 101);
    assert!(!sid_of(&wire.text().await).is_empty());
    assert_eq!(wire.text().await, "4early");
}

// Seen failing: no limit.
#[tokio::test]
async fn a_flood_of_packets_is_cut_and_a_neighbour_does_not_notice() {
    let mut config = unhurried();
    (config.packets_per_second, config.packets_burst) = (1, 50);
    let served = Served::start(config).await;
    let mut neighbour = served.websocket().await;
    for kind in [0x81, 0x89, 0x8A, 0x82] {
        let mut wire = served.websocket().await;
        let flood = support::wire::client_frame(kind, if kind == 0x81 { b"3" } else { b"x" }).repeat(60);
        wire.send(flood).await;
        assert_eq!(wire.close_code().await, Some(1008), "{kind:x}");
    }
    let (mut wire, target) = served.open().await;
    wire.post(&target, &vec!["3"; 60].join("\u{1e}")).await.check(200, "ok");
    wire.get(&target).await.check(400, UNKNOWN_SID);
    neighbour.say("4there?").await;
    assert_eq!(neighbour.text().await, "4there?");
    let closed = served.book().lock().unwrap().closed.clone();
    assert_eq!(closed, [CloseReason::Violation(Violation::TooManyPackets); 5]);
}

#[tokio::test]
async fn other_versions_of_http_are_not_spoken() {
    let served = Served::start(unhurried()).await;
    let mut wire = served.connect().await;
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let rest = wire.end().await;
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 4") || rest.starts_with(b"HTTP/1.1 505"),
        "{rest:?}"
    );
    let h2c = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n";
    let opened = served.connect().await.request("GET", POLL, h2c, "").await;
    assert_eq!(opened.status, 200, "the offer is passed over");
}

// Seen failing: a transport may be named twice.
#[tokio::test]
async fn an_unknown_transport_is_refused_before_all_else() {
    let served = Served::start(unhurried()).await;
    let long = "x".repeat(10_000);
    for transport in [
        "",
        "__proto__",
        "constructor",
        "polling&transport=polling",
        &long,
        "%00",
        "%ff%fe",
        "Polling",
        "webtransport",
    ] {
        let answer = served.connect().await.get(&format!("/?EIO=4&transport={transport}")).await;
        answer.check(400, r#"{"code":0,"message":"Transport unknown"}"#);
    }
    for (target, body) in [
        ("/?EIO=3&transport=polling", r#"{"code":5,"message":"Unsupported protocol version"}"#),
        ("/?transport=polling", r#"{"code":5,"message":"Unsupported protocol version"}"#),
        ("/?EIO=4&transport=websocket", BAD_REQUEST),
        ("/?EIO=4&transport=polling&sid=x", UNKNOWN_SID),
    ] {
        served.connect().await.get(target).await.check(400, body);
    }
    let post = served.connect().await.post(POLL, "4x").await;
    post.check(400, r#"{"code":2,"message":"Bad handshake method"}"#);
    assert_eq!(served.server.open_sessions(), 0);
}

#[tokio::test]
async fn a_batch_whose_answers_are_more_than_may_wait_is_not_kept_as_one_answer() {
    let config = || ServerConfig { mailbox_bytes: 1024, ..unhurried() };
    let batch = |messages: usize| vec![format!("4{}", "x".repeat(100)); messages].join("\u{1e}");
    let served = Served::start(config()).await;
    let (mut wire, target) = served.open().await;
    wire.post(&target, &batch(8)).await.check(200, "ok");
    assert_eq!(wire.get(&target).await.body, batch(8));
    // Nobody polls: no piece of it may be of any size, as one answer may.
    wire.post(&target, &batch(50)).await.check(400, BAD_REQUEST);
    assert!(wire.get(&target).await.body.len() < batch(50).len());
    wire.get(&target).await.check(400, UNKNOWN_SID);

    // Who takes them as they come gets all.
    let mut socket = served.websocket().await;
    let frames =
        batch(50).split('\u{1e}').flat_map(|text| client_frame(0x81, text.as_bytes())).collect::<Vec<u8>>();
    socket.send(frames).await;
    for _ in 0..50 {
        assert_eq!(socket.text().await.len(), 101);
    }
}
