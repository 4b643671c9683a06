//! The real command with hardly any file descriptors: it stops accepting before it has none, says so once a second, works no
//! more for it, keeps whoever is there, and goes on when there are some again.

use std::process::Command;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::live::wire::{PATIENCE, Wire};
use crate::served::Served;

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// Ticks of a hundredth of a second that the process has had a core.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn complaints(served: &Served) -> usize {
    served.log().lines().filter(|line| line.contains("nearly all file descriptors are used")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_new_connections_wait_and_whoever_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("LOG__LEVEL", "info"),
        ("HEARTBEAT__INTERVAL_MS", "1000"),
        ("HEARTBEAT__TIMEOUT_MS", "3000"),
        ("HTTP__HEADER_TIMEOUT", "60s"),
    ];
    let served = Served::start(folder.path(), &settings);
    let mut there = Wire::websocket(served.address, WEBSOCKET).await;
    let limited = Command::new("prlimit")
        .args(["--nofile=64:64", "--pid", &served.pid().to_string()])
        .status()
        .expect("prlimit of util-linux");
    assert!(limited.success());

    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(served.address).await.unwrap()); // the queue of the listener takes them
    }
    let full = timeout(PATIENCE, async {
        while complaints(&served) == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    });
    full.await.expect("a line that says so");
    let (before, lines) = (ticks(served.pid()), complaints(&served));
    let mut pings = 0;
    let stayed = timeout(Duration::from_secs(5), async {
        loop {
            if there.text().await == "2" {
                pings += 1;
                there.say("3").await;
            }
        }
    });
    assert!(stayed.await.is_err());
    assert!(pings >= 4, "{pings} pings in five seconds");
    let (worked, said) = (ticks(served.pid()) - before, complaints(&served) - lines);
    assert!(worked < 100, "{worked} ticks of 500");
    assert!((3..=6).contains(&said), "{said} lines in five seconds");

    drop(crowd);
    let again = timeout(PATIENCE, Wire::websocket(served.address, WEBSOCKET)).await;
    again.expect("accepted again").say("40").await;
    let (status, log) = served.end("-TERM");
    assert!(status.success() && !log.contains("panicked"), "{log}");
}
