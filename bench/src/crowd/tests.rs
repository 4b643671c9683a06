//! The crowd against a server of canned answers on a thread of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;

use super::*;
use crate::cast::Cast;
use crate::ledger::Ledger;

/// What the server says to each session: the id of the session, made from its number, stands for `$`.
struct Script {
    /// After the CONNECT of each.
    to_one: &'static [&'static str],
    /// To all of them after the last one's CONNECT; `@` stands for all their ids as a list of sessions.
    to_all: &'static [&'static str],
    /// Whether it hangs up then.
    hangs_up: bool,
}

#[test]
fn a_crowd_comes_is_told_and_goes() {
    let (mut crowd, result) = ramp(Script { to_one: GREETING, to_all: &[UPDATE, "2"], hangs_up: false });
    let ramp = result.unwrap();
    assert_eq!(ramp.latencies.len(), 4);
    crowd.compare_lists(PATIENCE).unwrap();
    let deadline = clock::now() + PATIENCE;
    while crowd.pings() < 4 && clock::now() < deadline {
        crowd.turn_and_note(TURN).unwrap();
    }
    assert_eq!((crowd.live(), crowd.pings()), (4, 4));
    assert_eq!(crowd.leave(PATIENCE).unwrap(), 0);
    let ledger = crowd.into_shared().ledger;
    assert_eq!(ledger.total(), 0, "{:?}", ledger.examples());
}

#[test]
fn a_list_that_stays_wrong_is_noted_for_each_session() {
    let (mut crowd, result) = ramp(Script { to_one: GREETING, to_all: &[], hangs_up: false });
    result.unwrap();
    crowd.compare_lists(Duration::ZERO).unwrap();
    let ledger = crowd.into_shared().ledger;
    assert_eq!(ledger.entries()[0].violation, Violation::FinalListWrong.to_string());
    assert_eq!(ledger.total(), 4, "{:?}", ledger.examples());
}

#[test]
fn a_session_that_is_dropped_is_noted() {
    let (mut crowd, result) = ramp(Script { to_one: GREETING, to_all: &[UPDATE], hangs_up: true });
    result.unwrap();
    let deadline = clock::now() + PATIENCE;
    while crowd.live() > 0 && clock::now() < deadline {
        crowd.turn_and_note(TURN).unwrap();
    }
    let ledger = crowd.into_shared().ledger;
    assert_eq!(ledger.entries()[0].violation, Violation::EndedEarly.to_string());
    assert_eq!(ledger.total(), 4, "{:?}", ledger.examples());
}

#[test]
fn a_refused_token_is_told_with_its_code() {
    let refusal: &[&str] = &[r#"42/sessions,["sessions:error",{"code":"token_invalid","message":"No."}]"#];
    let (_, result) = ramp(Script { to_one: refusal, to_all: &[], hangs_up: false });
    let error = result.unwrap_err().to_string();
    assert!(error.contains("was not accepted: refused with the code token_invalid: No."), "{error}");
}

#[test]
fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = address_of(&listener);
    drop(listener);
    let error = crowd(address).ramp(2, &mut Sources::new(0)).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("refused"), "{error}");
}

/// Four sessions of one user, after their ramp.
fn ramp(script: Script) -> (Crowd, Result<Ramp, CrowdError>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut crowd = crowd(address_of(&listener));
    thread::spawn(move || serve(&listener, &script));
    let result = crowd.ramp(2, &mut Sources::new(std::process::id()));
    (crowd, result)
}

fn crowd(target: SocketAddrV4) -> Crowd {
    let shared = Shared {
        target,
        path: "/socket.io/".into(),
        cast: Cast::new(clock::unix_seconds(), "secret", 0, 4),
        ledger: Ledger::default(),
        pings: 0,
        read: Vec::new(),
        out: Vec::new(),
    };
    Crowd::new(4, 4, shared).unwrap()
}

fn address_of(listener: &TcpListener) -> SocketAddrV4 {
    match listener.local_addr().unwrap() {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(address) => panic!("{address} was not asked for"),
    }
}

/// Plays `script` to four sessions, one after the other, then reads until they go.
fn serve(listener: &TcpListener, script: &Script) {
    let mut streams = Vec::new();
    for number in 0..4 {
        let (mut stream, _) = listener.accept().unwrap();
        read_until(&mut stream, b"\r\n\r\n");
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            )
            .unwrap();
        say(&mut stream, r#"0{"sid":"engine"}"#);
        read_until(&mut stream, b"}");
        // In two parts, so that half a frame has to wait.
        let packets: Vec<u8> = script
            .to_one
            .iter()
            .flat_map(|packet| framed(&packet.replace('$', &format!("s{number}"))))
            .collect();
        let (first, second) = packets.split_at(packets.len() / 3);
        stream.write_all(first).unwrap();
        stream.write_all(second).unwrap();
        streams.push(stream);
    }
    let all: Vec<String> = (0..4).map(|number| format!(r#"{{"socketId":"s{number}"}}"#)).collect();
    for stream in &mut streams {
        for packet in script.to_all {
            say(stream, &packet.replace('@', &format!("[{}]", all.join(","))));
        }
    }
    if script.hangs_up {
        return;
    }
    for mut stream in streams {
        read_until(&mut stream, &1001u16.to_be_bytes());
        stream.write_all(&[0x88, 2, 3, 233]).unwrap();
    }
}

fn say(stream: &mut TcpStream, packet: &str) {
    stream.write_all(&framed(packet)).unwrap();
}

fn framed(packet: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    frame.extend((packet.len() as u16).to_be_bytes());
    frame.extend(packet.as_bytes());
    frame
}

fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(end) && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        seen.push(byte[0]);
    }
}

const GREETING: &[&str] = &[
    r#"40/sessions,{"sid":"$"}"#,
    r#"42/sessions,["sessions:ready",{"socketId":"$","sessions":[{"socketId":"$"}],"revision":1}]"#,
    r#"42/sessions,["sessions:update",[{"socketId":"$"}],{"revision":1}]"#,
];
const UPDATE: &str = r#"42/sessions,["sessions:update",@,{"revision":2}]"#;
const PATIENCE: Duration = Duration::from_secs(10);
