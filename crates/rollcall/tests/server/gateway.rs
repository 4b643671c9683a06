//! The gateway through real sockets: who is told what, how often, and what is never told.

use std::num::NonZeroU32;

use rollcall::config::{NodeTag, Setting};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::live::wire::{PATIENCE, Wire, upgrade_headers};
use crate::live::{self, Live, event};

/// Reads up to the `update` whose list has this many sessions; gives the revisions of all updates on the way.
async fn read_until(wire: &mut Wire, sessions: usize) -> Vec<u64> {
    let mut revisions = Vec::new();
    loop {
        let Some((name, arguments)) = event(&wire.text().await) else { continue };
        assert_eq!(name, "sessions:update");
        revisions.push(arguments[1]["revision"].as_u64().unwrap());
        if arguments[0].as_array().unwrap().len() == sessions {
            return revisions;
        }
    }
}

/// Joins, and reads its CONNECT and its `ready`, which come before everything else.
async fn join(wire: &mut Wire, packet: &str) -> u64 {
    wire.say(packet).await;
    assert!(wire.text().await.starts_with(r#"40/sessions,{"sid":""#));
    let (name, arguments) = event(&wire.text().await).unwrap();
    assert_eq!(name, "sessions:ready");
    let own = &arguments[0]["socketId"];
    assert!(arguments[0]["sessions"].as_array().unwrap().iter().any(|session| session["socketId"] == *own));
    arguments[0]["revision"].as_u64().unwrap()
}

#[tokio::test]
async fn ready_comes_once_and_before_update() {
    let live = Live::start(|_| {}).await;
    let packet = live.connect_packet("ada");
    let mut first = live.socket().await;
    join(&mut first, &packet).await;
    read_until(&mut first, 1).await;
    let mut second = live.socket().await;
    join(&mut second, &packet).await;
    read_until(&mut second, 2).await; // only updates: a second ready would end the test
    read_until(&mut first, 2).await;
    second.say("41/sessions,").await;
    read_until(&mut first, 1).await;
    let mut stranger = live.socket().await;
    join(&mut stranger, &live.connect_packet("bob")).await;
    read_until(&mut stranger, 1).await;
}

#[tokio::test]
async fn a_thousand_sockets_of_one_user_cost_a_few_updates_each() {
    const SOCKETS: usize = 1000;
    let live = Live::start(|config| {
        config.limits.sessions_per_user = SOCKETS.try_into().unwrap();
        config.limits.sessions_per_login = SOCKETS.try_into().unwrap();
    })
    .await;
    let packet = live.connect_packet("ada");
    let mut wires = Vec::new();
    for _ in 0..SOCKETS {
        wires.push(live.socket().await);
    }
    for wire in &mut wires {
        wire.say(&packet).await;
    }
    let mut updates = 0;
    for mut wire in wires {
        assert!(wire.text().await.starts_with("40/sessions,"));
        assert_eq!(event(&wire.text().await).unwrap().0, "sessions:ready");
        updates += timeout(PATIENCE, read_until(&mut wire, SOCKETS)).await.unwrap().len();
    }
    assert!((SOCKETS..=40 * SOCKETS).contains(&updates), "{updates}");
}

#[tokio::test]
async fn what_stands_behind_connect_is_answered_after_ready() {
    let live = Live::start(|_| {}).await;
    let (mut wire, target) = live.poll().await;
    let packet = live.connect_packet("ada");
    let body = format!("{packet}\u{1e}42/sessions,7[\"sessions:none\"]");
    wire.post(&target, &body).await.check(200, "ok");
    let answer = wire.get(&target).await.body;
    let packets: Vec<&str> = answer.split('\u{1e}').collect();
    assert!(packets[0].starts_with("40/sessions,") && packets[1].contains("sessions:ready"), "{answer}");
    let acknowledged = packets.iter().position(|packet| packet.starts_with("43/sessions,7[")).unwrap();
    assert!(acknowledged > 1 && packets[acknowledged].contains("event_unknown"), "{answer}");
}

#[tokio::test]
async fn what_a_refused_client_goes_on_to_say_is_passed_over() {
    let live = Live::start(|_| {}).await;
    let mut wire = live.socket().await;
    let frames = ["40/sessions,{\"token\":\"x\"}", "42/sessions,1[\"sessions:list\"]", "42/sessions,[\"a\"]"];
    for text in frames {
        wire.say(text).await;
    }
    assert!(wire.text().await.starts_with("40/sessions,"));
    let (name, arguments) = event(&wire.text().await).unwrap();
    assert_eq!((name.as_str(), &arguments[0]["code"]), ("sessions:error", &"token_invalid".into()));
    assert_eq!(wire.text().await, "41/sessions,");
    wire.orderly_end().await;
}

#[tokio::test]
async fn a_second_connect_closes_the_connection_and_the_session_leaves() {
    let live = Live::start(|_| {}).await;
    let packet = live.connect_packet("ada");
    let mut witness = live.socket().await;
    join(&mut witness, &packet).await;
    let mut wire = live.socket().await;
    join(&mut wire, &packet).await;
    read_until(&mut witness, 2).await;
    wire.say(&packet).await;
    assert_eq!(wire.close_code().await, Some(1002));
    read_until(&mut witness, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_rise_with_every_update_of_a_socket_however_many_join_at_once() {
    let live = Live::start(|_| {}).await;
    for round in 0..60 {
        let packet = live.connect_packet(&format!("u{round}"));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let mut wire = live.socket().await;
            let packet = packet.clone();
            tasks.spawn(async move {
                join(&mut wire, &packet).await;
                let revisions = read_until(&mut wire, 4).await;
                (wire, revisions)
            });
        }
        let mut joined = Vec::new();
        while let Some(done) = tasks.join_next().await {
            joined.push(done.unwrap());
        }
        for (mut wire, mut revisions) in joined {
            wire.say("42/sessions,1[\"x\"]").await; // behind its answer nothing of the round is left
            loop {
                let text = wire.text().await;
                if text.starts_with("43") {
                    break;
                }
                revisions.push(event(&text).unwrap().1[1]["revision"].as_u64().unwrap());
            }
            assert!(revisions.is_sorted_by(|one, next| one < next), "round {round}: {revisions:?}");
        }
    }
}

/// The names of a payload's packets: `40`, `41`, or the event's name.
fn names(payload: &str) -> Vec<String> {
    let name = |packet: &str| event(packet).map_or_else(|| packet[..2].to_owned(), |(name, _)| name);
    payload.split('\u{1e}').map(name).collect()
}

#[tokio::test]
async fn a_list_that_waits_for_one_who_left_reaches_nobody_who_joins_over_the_same_socket() {
    let live = Live::start(|_| {}).await;
    let refused = r#"40/sessions,{"token":"x"}"#.to_owned();
    for (next, expected) in [
        (live.connect_packet("bob"), ["40", "sessions:ready", "sessions:update"]),
        (live.connect_packet("ada"), ["40", "sessions:ready", "sessions:update"]),
        (refused, ["40", "sessions:error", "41"]),
    ] {
        let (mut wire, target) = live.poll().await;
        wire.post(&target, &live.connect_packet("ada")).await.check(200, "ok");
        wire.get(&target).await;
        let mut other = live.socket().await;
        join(&mut other, &live.connect_packet("ada")).await; // from here on an update waits for the one who polls
        let body = format!("41/sessions,\u{1e}{next}");
        wire.post(&target, &body).await.check(200, "ok");
        let answer = wire.get(&target).await.body;
        assert_eq!(names(&answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_list_larger_than_the_mailbox_makes_nobody_a_slow_consumer() {
    let live = Live::start(|config| config.limits.mailbox = 1024.try_into().unwrap()).await;
    let token = live.token("ada");
    let packet = format!(r#"40/sessions,{{"token":"{token}","context":"{}"}}"#, "é".repeat(256));
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = live.socket().await;
        join(&mut other, &packet).await;
        others.push(other);
    }
    let (mut wire, target) = live.poll().await;
    wire.post(&target, &packet).await.check(200, "ok");
    assert_eq!(names(&wire.get(&target).await.body)[..2], ["40", "sessions:ready"]);
    let mut last = live.socket().await;
    join(&mut last, &packet).await;
    assert_eq!(names(&wire.get(&target).await.body), ["sessions:update"]);
}

#[tokio::test]
async fn an_answer_that_is_under_way_at_the_end_is_still_given() {
    // Long enough for the server to see all requests, and far too short for their hashes.
    let delay = std::time::Duration::from_millis(300);
    let live = Live::start(|config| {
        config.accounts.registration = true;
        config.accounts.registrations_per_minute = std::num::NonZeroU32::new(100).unwrap();
        config.shutdown.delay = delay;
    })
    .await;
    let headers = "content-type: application/json\r\n";
    let mut wires = Vec::new();
    for person in 0..40 {
        let body = format!(r#"{{"email":"ada{person}@example.org","password":"correct horse battery"}}"#);
        let mut wire = live.wire().await;
        wire.send(live::wire::request("POST", "/auth/register", headers, &body)).await;
        wires.push(wire);
    }
    live.trigger.shut_down();
    for mut wire in wires {
        assert_eq!(wire.answer().await.status, 201);
    }
}

#[tokio::test]
async fn a_connection_that_begins_with_a_websocket_while_draining_is_told_to_come_back() {
    let live = Live::start(|config| config.shutdown.drain = std::time::Duration::from_secs(60)).await;
    // Of two the second is told half a minute later: the server is there until then.
    let _open = [live.socket().await, live.socket().await];
    live.trigger.shut_down();
    for headers in [upgrade_headers(), format!("{}content-length: 0\r\n", upgrade_headers())] {
        let answer = loop {
            let mut wire = live.wire().await;
            let answer = wire.request("GET", live::WEBSOCKET, &headers, "").await;
            if answer.status != 101 {
                assert!(wire.end().await.is_empty(), "the connection ends");
                break answer;
            }
        };
        assert_eq!(answer.status, 503, "{answer:?}");
        for line in ["retry-after: 2", "connection: close", "access-control-allow-origin: *"] {
            assert!(answer.head.lines().any(|found| found == line), "{line}: {answer:?}");
        }
    }
    let metrics = live.wire().await.get("/metrics").await.body;
    let refused = "rollcall_refused_requests_total{reason=\"server_shutdown\"} 2";
    assert!(metrics.lines().any(|line| line == refused), "{metrics}");
}

#[tokio::test]
async fn a_poll_that_comes_to_the_wrong_node_is_refused_and_counted_apart() {
    let tagged = async |tag: &str| Live::start(|config| config.http.node_tag = NodeTag::parse(tag)).await;
    let (one, other) = (tagged("one").await, tagged("other").await);
    let (_wire, target) = one.poll().await;
    assert!(target.contains("&sid=one."), "{target}");
    let refused = other.wire().await.get(&target).await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#)
    );
    let metrics = other.wire().await.get("/metrics").await.body;
    assert!(metrics.contains("rollcall_refused_requests_total{reason=\"foreign_sid\"} 1"), "{metrics}");
}

/// Whichever request is one packet too many: the `POST` is taken and a poll is told. Seen failing when that `POST` is refused,
/// and when that poll is dropped.
#[tokio::test]
async fn who_polls_and_says_too_much_is_told_before_anything_is_refused() {
    for packets_before in [0, 1] {
        let live = Live::start(|config| {
            config.limits.packets_per_second = NonZeroU32::MIN;
            config.limits.packets_burst = NonZeroU32::new(20).unwrap();
        })
        .await;
        let (mut wire, target) = live.poll().await;
        wire.post(&target, &live.connect_packet("ada")).await.check(200, "ok");
        assert!(wire.get(&target).await.body.contains("sessions:ready"));
        if packets_before > 0 {
            wire.post(&target, r#"42/sessions,["sessions:none"]"#).await.check(200, "ok");
        }
        let mut told = String::new();
        while !told.contains("sessions:error") {
            wire.post(&target, r#"42/sessions,1["sessions:list"]"#).await.check(200, "ok");
            let poll = timeout(PATIENCE, wire.get(&target)).await.unwrap();
            assert_eq!(poll.status, 200, "{poll:?} after {told}");
            told = poll.body;
        }
        assert!(told.contains("rate_limited"), "{told}");
        wire.get(&target).await.check(400, r#"{"code":1,"message":"Session ID unknown"}"#);
    }
}
