//! Nobody writes lines into the log but the server: whatever clients, issuers and paths are called, each line is one event
//! and shows no control character. The real command, in both formats, at its finest level.

use std::net::SocketAddr;

use rollcall::clock::Clock;
use serde_json::{Value, json};

use crate::issuer::{Answering, Key, Stub, set};
use crate::live::wire::{Wire, request, upgrade_headers};
use crate::live::{WEBSOCKET, event};
use crate::served::Served;

/// What a terminal obeys, what ends a line, what turns the direction of writing, and what looks like a line of the log.
const HOSTILE: &str = "\u{1b}[2J\r\n2030-01-01T00:00:00.000000Z ERROR rollcall: forged\n{\"message\":\"forged\"}\
     \u{9b}31m\u{7}\u{2028}forged\u{202e}txt\u{7f}";
/// As much of it as a header can hold.
const HOSTILE_HEADER: &str =
    "Mozilla\u{9b}31m\u{2028}2030-01-01T00:00:00.000000Z ERROR rollcall: forged\u{202e}txt";

/// A server whose data folder has a hostile name and whose issuer publishes a key with one, after clients with such names
/// have come and gone: its log.
async fn log_of_hostile_names(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::p256();
    let stub = Stub::start(Answering::Body(set(&[key.published(HOSTILE, json!({}))]))).await;
    let issuers =
        json!([{"name": "shop", "issuer": "https://id.example", "audience": "api", "jwks_url": stub.url()}]);
    let settings = [
        ("DATA_DIR", HOSTILE),
        ("IDENTITY__SECRET", ""),
        ("IDENTITY__ISSUERS", &issuers.to_string()),
        ("LOG__FORMAT", format),
    ];
    let served = Served::start(folder.path(), &settings);
    let expires_at = Clock::system().unix_seconds() + 3600;
    let claims =
        json!({"iss": "https://id.example", "aud": "api", "sub": HOSTILE, "sid": HOSTILE, "exp": expires_at});
    visit(served.address, &key.sign_as(HOSTILE, &claims)).await;
    ask(served.address).await;
    let (status, log) = served.end("-TERM");
    assert!(status.success(), "{log}");
    log
}

/// A client whose every name is hostile: it joins, does what there is no event for, and sends bad values.
async fn visit(address: SocketAddr, token: &str) {
    for token in ["x.y.z", token] {
        let mut wire = Wire::connect(address).await;
        let headers = format!("{}user-agent: {HOSTILE_HEADER}\r\n", upgrade_headers());
        assert_eq!(wire.request("GET", WEBSOCKET, &headers, "").await.status, 101);
        assert!(wire.text().await.starts_with('0'));
        let auth =
            json!({"token": token, "context": HOSTILE, "deviceId": &HOSTILE[..32], "replaces": HOSTILE});
        wire.say(&format!("40/sessions,{auth}")).await;
        assert!(wire.text().await.starts_with("40/sessions,"));
        let (name, arguments) = event(&wire.text().await).unwrap();
        if name == "sessions:error" {
            assert_eq!(arguments[0]["code"], "token_invalid");
            continue;
        }
        let user_agent = arguments[0]["sessions"][0]["metadata"]["userAgent"].as_str().unwrap().to_owned();
        assert!(user_agent.contains("forged") && !user_agent.contains(char::is_control), "{user_agent:?}");
        for (name, argument) in [
            (HOSTILE, json!({})),
            ("sessions:send", json!({"to": "others", "event": HOSTILE, "data": HOSTILE})),
            ("sessions:rename", json!({"label": HOSTILE})),
            ("sessions:refresh", json!({"token": HOSTILE})),
            ("sessions:list", json!({HOSTILE: 1})),
        ] {
            wire.say(&format!("42/sessions,1{}", json!([name, argument]))).await;
            while !wire.text().await.starts_with("43/sessions,1[") {}
        }
    }
}

/// The same over HTTP, also as headers that no server takes.
async fn ask(address: SocketAddr) {
    let encoded: String = HOSTILE.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let json = "content-type: application/json\r\n";
    let login = json!({"email": format!("ada{HOSTILE}@example.org"), "password": HOSTILE}).to_string();
    let hostile = format!("user-agent: {HOSTILE_HEADER}\r\nx-forwarded-for: {HOSTILE_HEADER}\r\n");
    let broken = format!("user-agent: {HOSTILE}\r\n");
    for (method, target, headers, body) in [
        ("GET", format!("/{encoded}"), &*hostile, ""),
        ("GET", format!("/api/users/{encoded}/sessions"), &hostile, ""),
        ("GET", format!("/socket.io/?EIO=4&transport={encoded}&sid={encoded}"), &hostile, ""),
        ("POST", "/auth/login".to_owned(), json, &login),
        ("GET", "/livez".to_owned(), &broken, ""),
    ] {
        let mut wire = Wire::connect(address).await;
        wire.send(request(method, &target, headers, body)).await;
        assert!(wire.try_answer().await.is_some_and(|answer| answer.status >= 400), "{method} {target}");
    }
}

/// Whether nothing in this line moves a cursor, ends a line or turns the direction of writing.
fn is_plain(line: &str) -> bool {
    !line.contains(|character: char| {
        character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_text_every_line_is_the_servers_own_and_plain() {
    let log = log_of_hostile_names("text").await;
    let lines = log.strip_suffix('\n').unwrap().split('\n');
    for line in lines {
        assert!(is_plain(line), "{line:?}");
        let mut words = line.split_whitespace();
        let (time, level) = (words.next().unwrap(), words.next().unwrap());
        assert!(time.len() == 27 && time.ends_with('Z') && !time.starts_with("2030"), "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
    }
    // The hostile names did reach it: the folder, and the id of the key.
    assert!(log.matches("forged").count() >= 4 && log.contains("refused a session"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_json_every_line_is_one_object_of_the_servers_own_and_plain() {
    let log = log_of_hostile_names("json").await;
    let mut paths = Vec::new();
    for line in log.strip_suffix('\n').unwrap().split('\n') {
        assert!(is_plain(line), "{line:?}");
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["message"] != "forged", "{line}");
        paths.extend(line["path"].as_str().map(str::to_owned));
    }
    assert!(paths.iter().any(|path| path.contains(HOSTILE)), "{log}");
    assert!(log.contains("refused a session"), "{log}");
}
