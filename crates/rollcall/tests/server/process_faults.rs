//! What befalls a process: signals, a clock that jumps, a disk that is full, a pause. `support/oracle.rs` judges.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::live::event;
use crate::oracle::{HEARTBEAT, Oracle, held, join};
use crate::served::{OPEN_ACCOUNTS, Served, call};
use crate::support::token;

fn serve(folder: &Path, settings: &[(&str, &str)]) -> Served {
    Served::start(folder, &[&HEARTBEAT[..], settings].concat())
}

/// Failing without the second branch of `Signals::obey`: the process takes its hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), &[("SHUTDOWN__DRAIN", "1h")]);
    let mut tab = join(served.address, &token("ada", "a")).await.unwrap();
    served.signal("-TERM");
    let told = async {
        while !served.log().contains("a second signal ends at once") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), told).await.unwrap();
    let ended = tokio::task::spawn_blocking(move || served.end("-TERM"));
    let (status, log) = timeout(Duration::from_secs(5), ended).await.expect("at once").unwrap();
    assert_eq!(status.code(), Some(128 + 15), "{log}");
    while tab.frame().await.is_some() {}
}

/// Failing with a drain that tells everybody in its first moment (`spread` set to zero), and with one that outlasts its
/// time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets_are_told_one_after_another_and_the_end_is_in_time() {
    const SOCKETS: usize = 2000;
    const DRAIN: Duration = Duration::from_secs(4);
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LOG__LEVEL", "info"), ("SHUTDOWN__DRAIN", "4s"), ("HEARTBEAT__INTERVAL_MS", "25000")];
    let served = Served::start(folder.path(), &settings);
    let address = served.address;
    let mut tabs = JoinSet::new();
    for number in 0..SOCKETS {
        tabs.spawn(async move { join(address, &token(&format!("u{}", number / 4), "a")).await.unwrap() });
        if number % 100 == 99 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    let tabs = tabs.join_all().await;
    assert_eq!(held(&served).await.sessions, SOCKETS as u64);
    let clock = rollcall::clock::Clock::system();
    let since = clock.now();
    served.signal("-TERM");
    let mut ends = JoinSet::new();
    for mut tab in tabs {
        let clock = clock.clone();
        ends.spawn(async move {
            let mut code = None;
            while let Some(frame) = tab.frame().await {
                let text = String::from_utf8(frame.payload).unwrap_or_default();
                if let Some((name, arguments)) = event(&text)
                    && name == "sessions:error"
                {
                    code = arguments[0]["code"].as_str().map(str::to_owned);
                }
            }
            (code, clock.now() - since)
        });
    }
    let ends = ends.join_all().await;
    let (status, log) = tokio::task::spawn_blocking(move || {
        let mut served = served;
        served.wait()
    })
    .await
    .unwrap();
    let took = clock.now() - since;
    assert!(status.success() && !log.contains("panicked at"), "{log}");
    assert!(took < DRAIN + Duration::from_secs(3), "{took:?}");
    assert!(ends.iter().all(|(code, _)| code.as_deref() == Some("server_shutdown")));
    // Spread: no second of the four has more than half of them.
    for second in 0..4 {
        let within = ends.iter().filter(|(_, at)| at.as_secs() == second).count();
        assert!(within < SOCKETS / 2, "{within} in second {second}");
    }
}

/// Failing without `handle_pauses` of the session: all sockets end by `ping timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stood_still_blames_nobody_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = serve(folder.path(), &[]);
    let oracle = Oracle::watch(&served).await;
    let mut tab = join(served.address, &token("ada", "a")).await.unwrap();
    let mut answering = JoinSet::new();
    answering.spawn(async move {
        while let Some(frame) = tab.frame().await {
            if frame.payload == b"2" {
                tab.say("3").await;
            }
        }
    });
    for seconds in [4, 7] {
        sleep(Duration::from_millis(1500)).await;
        served.signal("-STOP");
        sleep(Duration::from_secs(seconds)).await;
        served.signal("-CONT");
    }
    sleep(Duration::from_secs(4)).await;
    assert!(answering.try_join_next().is_none(), "{}", served.log());
    drop(answering);
    oracle.assert_healthy(&mut served, Duration::from_secs(7)).await;
}

/// Failing without the handler of `SIGXFSZ` in `Signals`, and with a store that takes an error of the disk for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_what_must_be_written_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = serve(folder.path(), &OPEN_ACCOUNTS);
    let address = served.address;
    let body =
        |name: &str| json!({"email": format!("{name}@example.org"), "password": "correct horse"}).to_string();
    assert_eq!(call(address, "POST", "/auth/register", "", &body("ada")).await.status, 201);
    let oracle = Oracle::watch(&served).await;
    let limit = |bytes: &str| {
        let of =
            ["--pid", &served.pid().to_string(), &format!("--fsize={bytes}:unlimited")].map(str::to_owned);
        assert!(Command::new("prlimit").args(of).status().expect("prlimit of util-linux").success());
    };
    limit("1"); // no file may grow beyond a byte
    for name in ["bob", "eve"] {
        let answer = call(address, "POST", "/auth/register", "", &body(name)).await;
        assert!(answer.status == 503 && answer.body.contains("storage_unavailable"), "{answer:?}");
    }
    let answer = call(address, "POST", "/auth/login", "", &body("ada")).await;
    assert!(answer.status == 503 && answer.body.contains("storage_unavailable"), "{answer:?}");
    let tab = join(address, &token("ada", "another")).await.expect("a good token needs no disk");
    drop(tab);
    limit("unlimited");
    let registered = call(address, "POST", "/auth/register", "", &body("bob")).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(call(address, "POST", "/auth/login", "", &body("ada")).await.status, 200);
    oracle.assert_healthy(&mut served, Duration::ZERO).await;
    let (status, _) = served.end("-TERM");
    assert!(status.success());
    let again = serve(folder.path(), &OPEN_ACCOUNTS);
    assert_eq!(call(again.address, "POST", "/auth/login", "", &body("bob")).await.status, 200);
}
