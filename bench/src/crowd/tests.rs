//! The crowd against servers of canned answers on threads of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::thread;

use super::*;
use crate::args::{Target, Transport};

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
    let (mut crowd, result) = connect(Script { to_one: &GREETING, to_all: &[UPDATE, "2"], hangs_up: false });
    let ramp = result.unwrap();
    assert_eq!(ramp.latencies.len(), 4);
    crowd.compare_lists(PATIENCE).unwrap();
    let deadline = clock::now() + PATIENCE;
    while crowd.tally().pings < 4 && clock::now() < deadline {
        crowd.watch(ramp::TURN).unwrap();
    }
    assert_eq!((crowd.live(), crowd.tally().pings), (4, 4));
    assert_eq!(crowd.leave_all(PATIENCE).unwrap(), 0);
    let ledger = crowd.ledger();
    assert_eq!(ledger.total(), 0, "{:?}", ledger.examples());
}

#[test]
fn a_list_that_stays_wrong_is_noted_for_each_session() {
    let (mut crowd, result) = connect(Script { to_one: &GREETING, to_all: &[], hangs_up: false });
    result.unwrap();
    crowd.compare_lists(Duration::ZERO).unwrap();
    let ledger = crowd.ledger();
    assert_eq!(ledger.entries()[0].violation, Violation::FinalListWrong.to_string());
    assert_eq!(ledger.total(), 4, "{:?}", ledger.examples());
}

#[test]
fn a_session_that_gets_ready_and_no_update_is_overdue_for_who_waits_for_both() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut crowd = crowd(address_of(&listener));
    let script = Script { to_one: &GREETING[..2], to_all: &[], hangs_up: false };
    thread::spawn(move || serve(&listener, &script));
    (0..4).for_each(|index| crowd.open(index).unwrap());
    let deadline = clock::now() + PATIENCE;
    while !crowd.overdue(Duration::ZERO, Session::is_ready).is_empty() && clock::now() < deadline {
        crowd.watch(ramp::TURN).unwrap();
    }
    assert!(crowd.overdue(Duration::ZERO, Session::is_ready).is_empty());
    assert_eq!(crowd.overdue(Duration::ZERO, Session::is_settled), [0, 1, 2, 3]);
    assert!(crowd.overdue(PATIENCE, Session::is_settled).is_empty());
}

#[test]
fn a_connection_that_the_server_keeps_after_the_goodbye_is_noted() {
    let (mut crowd, result) = connect(Script { to_one: &GREETING, to_all: &[UPDATE], hangs_up: false });
    result.unwrap();
    assert_eq!(crowd.leave_all(Duration::ZERO).unwrap(), 4);
    let ledger = crowd.ledger();
    assert_eq!(ledger.entries()[0].violation, Violation::NotLetGo.to_string());
    assert_eq!((ledger.total(), crowd.live()), (4, 0));
}

#[test]
fn a_session_that_is_dropped_is_noted() {
    let (mut crowd, result) = connect(Script { to_one: &GREETING, to_all: &[UPDATE], hangs_up: true });
    result.unwrap();
    let deadline = clock::now() + PATIENCE;
    while crowd.live() > 0 && clock::now() < deadline {
        crowd.watch(ramp::TURN).unwrap();
    }
    let ledger = crowd.ledger();
    assert_eq!(ledger.entries()[0].violation, Violation::EndedEarly.to_string());
    assert_eq!(ledger.total(), 4, "{:?}", ledger.examples());
}

#[test]
fn a_refused_token_is_told_with_its_code() {
    let refusal: &[&str] = &[r#"42/sessions,["sessions:error",{"code":"token_invalid","message":"No."}]"#];
    let (_, result) = connect(Script { to_one: refusal, to_all: &[], hangs_up: false });
    let error = result.unwrap_err().to_string();
    assert!(error.contains("was not accepted: refused with the code token_invalid: No."), "{error}");
}

#[test]
fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = address_of(&listener);
    drop(listener);
    let error = crowd(address).ramp(0..4, 2).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("refused"), "{error}");
}

#[test]
fn a_polling_client_answers_a_ping_and_says_goodbye_while_its_poll_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut load = load(address_of(&listener));
    load.transport = Transport::Polling;
    let (polled, waits) = sync_channel(1);
    let server = thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let mut asked = vec![answer(&mut first, r#"0{"sid":"engine"}"#), answer(&mut first, "ok")];
        let told = GREETING.map(|packet| packet.replace('$', "s0")).join("\u{1e}");
        asked.extend([answer(&mut first, &format!("{told}\u{1e}2")), answer(&mut first, "ok")]);
        asked.push(read_request(&mut first));
        polled.send(()).unwrap();
        let (mut second, _) = listener.accept().unwrap();
        asked.push(answer(&mut second, "ok"));
        asked
    });
    let mut crowd = Crowd::new(&load, 1, 1).unwrap();
    assert_eq!(crowd.ramp(0..1, 1).unwrap().latencies.len(), 1);
    crowd.compare_lists(PATIENCE).unwrap();
    let deadline = clock::now() + PATIENCE;
    while waits.try_recv().is_err() && clock::now() < deadline {
        crowd.watch(ramp::TURN).unwrap();
    }
    assert_eq!(crowd.tally().pings, 1);
    assert_eq!(crowd.leave_all(PATIENCE).unwrap(), 0);
    assert_eq!(crowd.ledger().total(), 0, "{:?}", crowd.ledger().examples());
    let asked: Vec<(String, String)> = server
        .join()
        .unwrap()
        .into_iter()
        .map(|request| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            (head.split(" HTTP").next().unwrap().to_owned(), body.chars().take(14).collect())
        })
        .collect();
    let (open, session) =
        ("/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=polling&sid=engine");
    let expected = [
        (format!("GET {open}"), ""),
        (format!("POST {session}"), "40/sessions,{\""),
        (format!("GET {session}"), ""),
        (format!("POST {session}"), "3"),
        (format!("GET {session}"), ""),
        (format!("POST {session}"), "1"),
    ];
    assert_eq!(asked, expected.map(|(request, body)| (request, body.to_owned())));
}

#[test]
fn a_polling_client_that_is_turned_away_says_with_what() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut load = load(address_of(&listener));
    load.transport = Transport::Polling;
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nfull").unwrap();
        // Until the client has gone.
        read_until(&mut stream, b"never");
    });
    let error = Crowd::new(&load, 1, 1).unwrap().ramp(0..1, 1).unwrap_err().to_string();
    assert!(error.contains("was answered 503: full"), "{error}");
}

/// Four sessions of one user, after their ramp.
fn connect(script: Script) -> (Crowd, Result<Ramp, CrowdError>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut crowd = crowd(address_of(&listener));
    thread::spawn(move || serve(&listener, &script));
    let result = crowd.ramp(0..4, 2);
    (crowd, result)
}

fn crowd(target: SocketAddrV4) -> Crowd {
    Crowd::new(&load(target), 4, 4).unwrap()
}

/// Four sessions of one user over WebSocket, two at once.
pub(crate) fn load(target: SocketAddrV4) -> Load {
    Load {
        url: Target(target),
        path: "/socket.io/".into(),
        transport: Transport::Websocket,
        sessions: 4,
        per_user: 4,
        first_user: 0,
        in_flight: 2,
        secret: "secret".into(),
        server_pid: None,
        canned: false,
        json: None,
    }
}

pub(crate) fn address_of(listener: &TcpListener) -> SocketAddrV4 {
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

/// Reads one request and answers it with `body`; gives the request.
fn answer(stream: &mut TcpStream, body: &str) -> String {
    let request = read_request(stream);
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    request
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let mut request = String::from_utf8(head).unwrap();
    let length = request.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    request.push_str(std::str::from_utf8(&body).unwrap());
    request
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

const GREETING: [&str; 3] = [
    r#"40/sessions,{"sid":"$"}"#,
    r#"42/sessions,["sessions:ready",{"socketId":"$","sessions":[{"socketId":"$"}],"revision":1}]"#,
    r#"42/sessions,["sessions:update",[{"socketId":"$"}],{"revision":1}]"#,
];
const UPDATE: &str = r#"42/sessions,["sessions:update",@,{"revision":2}]"#;
const PATIENCE: Duration = Duration::from_secs(10);
