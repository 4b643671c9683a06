//! TLS in the server: what a client may speak, how long it may take, that certificates are taken anew, and that sessions
//! over it are like all others.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::live::wire::Wire;
use crate::live::{self, Live, WEBSOCKET, event};
use crate::secure::{Files, client, put, relay, shake};
use crate::served::Served;
use crate::support::SECRET;

/// A server that speaks TLS, and its files; the folder is theirs.
async fn start(change: impl FnOnce(&mut rollcall::config::Config)) -> (Live, Files, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::write(folder.path(), "tls");
    let live = Live::start_without_redis(|config| {
        config.http.tls_certificate_file = Some(files.certificate.clone());
        config.http.tls_key_file = Some(files.key.clone());
        change(config);
    })
    .await;
    (live, files, folder)
}

fn trusting(files: &Files) -> Arc<ClientConfig> {
    client(&[&files.der], &[&TLS13, &TLS12], &[])
}

async fn livez(address: SocketAddr) -> u16 {
    Wire::connect(address).await.get("/livez").await.status
}

/// A WebSocket that has joined; what it was told first is taken.
async fn join(address: SocketAddr, live: &Live, user: &str) -> Wire {
    let mut wire = Wire::websocket(address, WEBSOCKET).await;
    assert!(wire.text().await.starts_with('0'));
    wire.say(&live.connect_packet(user)).await;
    assert!(wire.text().await.starts_with("40/sessions,"));
    assert_eq!(event(&wire.text().await).unwrap().0, "sessions:ready");
    assert_eq!(event(&wire.text().await).unwrap().0, "sessions:update");
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_and_1_3_are_spoken_and_http_1_1_only() {
    let (live, files, _folder) = start(|_| {}).await;
    for (versions, protocols) in [
        (vec![&TLS12], vec![]),
        (vec![&TLS13], vec![]),
        (vec![&TLS13, &TLS12], vec!["http/1.1"]),
        (vec![&TLS13, &TLS12], vec!["h2", "http/1.1"]),
    ] {
        let config = client(&[&files.der], &versions, &protocols);
        let stream = shake(live.address, &config, usize::MAX).await.unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen, (!protocols.is_empty()).then(|| b"http/1.1".to_vec()), "{protocols:?}");
        assert_eq!(livez(relay(live.address, config, usize::MAX).await).await, 200);
    }
    let h2 = client(&[&files.der], &[&TLS13, &TLS12], &["h2"]);
    let refused = shake(live.address, &h2, usize::MAX).await.unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_over_tls_is_like_any_other_even_byte_by_byte() {
    let (live, files, _folder) = start(|_| {}).await;
    for piece in [usize::MAX, 1] {
        let address = relay(live.address, trusting(&files), piece).await;
        let user = format!("ada-{piece}");
        let (mut one, mut other) = (join(address, &live, &user).await, join(address, &live, &user).await);
        assert_eq!(event(&one.text().await).unwrap().0, "sessions:update");
        // More than a record of TLS, both ways.
        let data = "x".repeat(40_000);
        let message =
            format!(r#"42/sessions,7["sessions:send",{{"to":"others","event":"e","data":"{data}"}}]"#);
        one.say(&message).await;
        assert!(one.text().await.starts_with(r#"43/sessions,7[{"ok":true,"delivered":1"#));
        let (name, arguments) = event(&other.text().await).unwrap();
        assert_eq!((name.as_str(), arguments[0]["data"].as_str()), ("sessions:message", Some(data.as_str())));
        drop(other);
        let (name, arguments) = event(&one.text().await).unwrap();
        assert_eq!((name.as_str(), arguments[0].as_array().unwrap().len()), ("sessions:update", 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_over_tls_gets_all_in_order_and_one_that_takes_nothing_is_cut() {
    let (live, files, _folder) =
        start(|config| config.limits.sends_per_second = 1000.try_into().unwrap()).await;
    let address = relay(live.address, trusting(&files), usize::MAX).await;
    let mut sender = join(address, &live, "ada").await;
    // Straight to the server, so that nobody between takes what this one does not.
    let mut stuck = shake(live.address, &trusting(&files), usize::MAX).await.unwrap();
    let opening = live::wire::request("GET", WEBSOCKET, &live::wire::upgrade_headers(), "");
    stuck.write_all(opening.as_bytes()).await.unwrap();
    let connect = live::wire::client_frame(0x81, live.connect_packet("ada").as_bytes());
    stuck.write_all(&connect).await.unwrap();
    assert_eq!(event(&sender.text().await).unwrap().0, "sessions:update");
    let data = "y".repeat(90_000);
    let mut sent = 0_u32;
    // The system's buffers of both ends, then the server's own, are full at some time.
    for number in 0..200 {
        let message = format!(
            r#"42/sessions,{number}["sessions:send",{{"to":"others","event":"e{number}","data":"{data}"}}]"#
        );
        sender.say(&message).await;
        let ack = loop {
            let text = sender.text().await;
            if text.starts_with("43/") {
                break text;
            }
        };
        if ack.contains(r#""delivered":0"#) {
            break;
        }
        sent += 1;
    }
    assert!(sent < 200, "what waits for a client that reads nothing has no bound");
    measured(address, &["rollcall_slow_consumers_total 1"]).await;
    let mut told = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stuck.read_to_end(&mut told)).await;
    assert!(read.is_ok(), "the connection is not closed");
    let text = String::from_utf8_lossy(&told);
    let places: Vec<_> =
        (0..sent).map_while(|number| text.find(&format!(r#""event":"e{number}""#))).collect();
    assert!(!places.is_empty() && places.is_sorted(), "{places:?}");

    let mut slow = shake(live.address, &trusting(&files), 700).await.unwrap();
    slow.write_all(live::wire::request("GET", "/openapi.json", "connection: close\r\n", "").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{} bytes", body.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_shake_hands_is_let_go_and_harms_nobody() {
    let (live, files, _folder) = start(|config| config.http.header_timeout = Duration::from_secs(1)).await;
    let mut silent = TcpStream::connect(live.address).await.unwrap();
    let mut slow = TcpStream::connect(live.address).await.unwrap();
    let mut plain = TcpStream::connect(live.address).await.unwrap();
    slow.write_all(b"\x16\x03\x01").await.unwrap(); // the beginning of a hello
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let address = relay(live.address, trusting(&files), usize::MAX).await;
    assert_eq!(livez(address).await, 200);
    for stream in [&mut silent, &mut slow, &mut plain] {
        let mut told = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut told)).await;
        assert!(read.is_ok() && !told.starts_with(b"HTTP"), "{read:?} {told:?}");
    }
    let reset = TcpStream::connect(live.address).await.unwrap();
    reset.set_zero_linger().unwrap();
    drop(reset);
    let counted = [
        r#"rollcall_tls_handshakes_total{result="timeout"} 2"#,
        r#"rollcall_tls_handshakes_total{result="failed"} 2"#,
        "rollcall_tls_certificate_not_after_seconds 6",
    ];
    measured(address, &counted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_taken_and_connections_that_are_open_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::write(folder.path(), "tls");
    let served = Served::start(folder.path(), &files.settings());
    let old = trusting(&files);
    let mut open = Wire::connect(relay(served.address, old.clone(), usize::MAX).await).await;
    assert_eq!(open.get("/livez").await.status, 200);

    // Half of a change, then all of it.
    let others = Files::write(folder.path(), "other");
    put(&files.certificate, &fs::read_to_string(&others.certificate).unwrap());
    until(|| served.log().contains("cannot take a new TLS certificate")).await;
    shake(served.address, &old, usize::MAX).await.expect("the old pair is still in use");
    put(&files.key, &fs::read_to_string(&others.key).unwrap());
    until(|| served.log().contains("took a new TLS certificate")).await;

    let refused = shake(served.address, &client(&[&files.der], &[&TLS13], &[]), usize::MAX).await;
    assert!(refused.is_err(), "the old certificate is still shown");
    shake(served.address, &trusting(&others), usize::MAX).await.unwrap();
    assert_eq!(open.get("/livez").await.status, 200);
    let log = served.end("-TERM").1;
    assert_eq!(log.matches("cannot take a new TLS certificate").count(), 1, "{log}");
}

#[test]
fn files_that_cannot_be_used_end_the_start_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let (good, other) = (Files::write(folder.path(), "good"), Files::write(folder.path(), "other"));
    let start = |settings: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().current_dir(folder.path());
        command.env("ROLLCALL_IDENTITY__SECRET", SECRET);
        command.envs(settings.iter().map(|(name, value)| (format!("ROLLCALL_{name}"), value)));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let check = |certificate: &str, key: &str, status: i32, parts: &[&str]| {
        let mut settings = vec![("HTTP__TLS_CERTIFICATE_FILE", certificate), ("HTTP__TLS_KEY_FILE", key)];
        settings.retain(|(_, value)| !value.is_empty());
        let (code, told) = start(&settings);
        assert_eq!(code, Some(status), "{told}");
        for part in parts {
            assert!(told.contains(part), "no {part} in {told}");
        }
        assert!(!told.contains("PRIVATE KEY"), "{told}");
    };
    let (certificate, key) = (good.certificate.to_str().unwrap(), good.key.to_str().unwrap());
    check(
        certificate,
        other.key.to_str().unwrap(),
        1,
        &["http.tls_key_file", "other.key", "good.pem", "pair"],
    );
    check(certificate, "none.key", 1, &["http.tls_key_file", "none.key", "No such file"]);
    check("none.pem", key, 1, &["http.tls_certificate_file", "none.pem", "No such file"]);
    check(key, key, 1, &["http.tls_certificate_file", "good.key", "holds no certificate"]);
    check(certificate, certificate, 1, &["http.tls_key_file", "good.pem", "allowed"]);
    check(certificate, "", 2, &["http.tls_certificate_file", "without http.tls_key_file"]);
    check("", key, 2, &["http.tls_key_file", "without http.tls_certificate_file"]);
    assert_eq!(start(&[("OPS__TLS", "true")]).0, Some(2));
    fs::set_permissions(&good.key, Permissions::from_mode(0o644)).unwrap();
    check(certificate, key, 1, &["http.tls_key_file", "chmod 600"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_of_operators_speaks_tls_only_when_it_is_told_to() {
    for tls in [false, true] {
        let ops = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (live, files, _folder) = start(|config| {
            config.ops.listen = Some(ops);
            config.ops.tls = tls;
        })
        .await;
        let secure = relay(live.address, trusting(&files), usize::MAX).await;
        assert_eq!(livez(secure).await, 404);
        let address = if tls { relay(ops, trusting(&files), usize::MAX).await } else { ops };
        assert_eq!(livez(address).await, 200);
    }
}

/// Waits for lines of `/metrics` that begin like this: a thing is counted a moment after it shows.
async fn measured(address: SocketAddr, lines: &[&str]) {
    let mut wire = Wire::connect(address).await;
    for line in lines {
        let mut tries = 0;
        while !wire.get("/metrics").await.body.lines().any(|found| found.starts_with(line)) {
            tries += 1;
            assert!(tries < 300, "no {line}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn until(probe: impl Fn() -> bool) {
    for _ in 0..2000 {
        if probe() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it has not come to that");
}
