//! The clock of the machine is put forward and back while the server runs, by `libfaketime`, which leaves the monotonic
//! clock alone as a correction of the time does. `support/oracle.rs` judges.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use crate::live::event;
use crate::live::wire::Wire;
use crate::oracle::{HEARTBEAT, Oracle, join};
use crate::served::Served;
use crate::support::token_for;

/// Where Debian has it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn serve(folder: &Path, clock: &Path) -> Served {
    assert!(Path::new(LIBRARY).exists(), "scripts/debian-packages libfaketime");
    let environment = [
        ("LD_PRELOAD", LIBRARY),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    Served::start_in(folder, &HEARTBEAT, &environment)
}

/// How the open socket of a client ends that answers pings.
async fn end_of(wire: &mut Wire) -> String {
    loop {
        let text = wire.text().await;
        match event(&text) {
            Some((name, arguments)) if name == "sessions:error" => {
                return arguments[0]["code"].as_str().unwrap().to_owned();
            }
            _ if text == "2" => wire.say("3").await,
            _ => {}
        }
    }
}

/// Failing with heartbeats by the wall clock (`Clock::now` made of `SystemTime`): all sockets end at the first jump.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_judges_tokens_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    fs::write(&clock, "+0").unwrap();
    let mut served = serve(folder.path(), &clock);
    let oracle = Oracle::watch(&served).await;
    let mut short = join(served.address, &token_for("ada", "a", 1800)).await.unwrap();
    let refusals = [
        ("+1h", Some("token_expired")),
        ("-1h", Some("token_invalid")), // it says that it was made an hour from now
        ("-10y", Some("token_invalid")),
        ("+0", None),
    ];
    for (jump, refused) in refusals {
        fs::write(&clock, jump).unwrap();
        if jump == "+1h" {
            assert_eq!(end_of(&mut short).await, "token_expired", "its time is over by the clock there is");
        }
        sleep(Duration::from_millis(2500)).await;
        let joined = join(served.address, &token_for("ada", "b", 1800)).await;
        assert_eq!(joined.err().as_deref(), refused, "{jump}");
    }
    oracle.assert_healthy(&mut served, Duration::ZERO).await;
}
