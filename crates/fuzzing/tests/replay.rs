//! What was found once is tried with every change: each file of `fuzz/corpus` is given to what it is for, with a second's
//! time.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use fuzzing::{TARGETS, Target};

macro_rules! replay {
    ($($name:ident)*) => {
        /// One test each, so that a failure names what it is of.
        const TESTS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), fuzzing::$name);
            }
        )*
    };
}

replay! {
    engineio_packet engineio_payload websocket_frames session_operations socketio_packet connection_operations
    query jwt jwks configuration registry_record relayed_json
}

#[test]
fn each_target_has_a_test_a_program_and_a_folder_and_each_folder_a_target() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let tests: BTreeSet<String> = TESTS.iter().map(|name| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz().join(folder)).unwrap();
        let stem = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| stem(entry.unwrap())).collect()
    };
    assert_eq!(tests, targets);
    assert_eq!(names("targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in &targets {
        assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
    }
}

/// Another thread does the work, so that an input that never ends is named too.
fn replay(name: &str, target: Target) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(fuzz().join("corpus").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let (done, finished) = sync_channel(0);
    let worker = thread::spawn(move || {
        for input in inputs {
            target(&input);
            done.send(()).expect("somebody waits");
        }
    });
    for file in &files {
        match finished.recv_timeout(TIME_LIMIT) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => panic!("{} takes more than {TIME_LIMIT:?}", file.display()),
            Err(RecvTimeoutError::Disconnected) => panic!("{} does not hold: see above", file.display()),
        }
    }
    worker.join().unwrap();
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// For one input.
const TIME_LIMIT: Duration = Duration::from_secs(1);
