//! The real command as a process, with its log at its finest.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::live::wire::{Answer, Wire, request};
use crate::support::SECRET;

/// Settings under which anybody may register, and as often as a test likes.
pub const OPEN_ACCOUNTS: [(&str, &str); 3] = [
    ("ACCOUNTS__REGISTRATION", "true"),
    ("ACCOUNTS__REGISTRATIONS_PER_MINUTE", "10000"),
    ("ACCOUNTS__LOGINS_PER_MINUTE", "10000"),
];

/// The command, ended with the test.
pub struct Served {
    child: Child,
    /// Reads on, so that the process never waits for somebody to take its lines.
    reader: Option<JoinHandle<()>>,
    log: Arc<Mutex<String>>,
    pub address: SocketAddr,
}

impl Served {
    /// Starts it in a folder, with settings beside the usual ones, their names without the `ROLLCALL_` before them; an
    /// empty one takes a usual one away.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_in(folder, settings, &[])
    }

    /// The same, with more in its environment.
    pub fn start_in(folder: &Path, settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().current_dir(folder);
        command.envs(environment.iter().copied());
        command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
        let usual = [
            ("LOG__FORMAT", "json"),
            ("LOG__LEVEL", "trace"),
            ("SHUTDOWN__DRAIN", "0s"),
            ("IDENTITY__SECRET", SECRET),
        ];
        for (name, value) in usual.iter().chain(settings) {
            match *value {
                "" => command.env_remove(format!("ROLLCALL_{name}")),
                value => command.env(format!("ROLLCALL_{name}"), value),
            };
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let begin = log.len();
            assert_ne!(stderr.read_line(&mut log).unwrap(), 0, "{log}");
            if let Some(address) = listening(&log[begin..]) {
                break address;
            }
        };
        let log = Arc::new(Mutex::new(log));
        let lines = log.clone();
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
                lines.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self { child, reader: Some(reader), log, address }
    }

    /// Ends it by this signal; its exit status and its whole log.
    pub fn end(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        self.wait()
    }

    /// A signal by its name, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Open descriptors, by the kernel.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Resident memory, by the kernel.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Until it has ended; its exit status and its whole log.
    pub fn wait(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().map(JoinHandle::join);
        (status, self.log())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// Asks over a connection of its own: JSON, with a Bearer token unless that is empty.
pub async fn call(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let mut headers = "content-type: application/json\r\n".to_owned();
    if !token.is_empty() {
        headers += &format!("authorization: Bearer {token}\r\n");
    }
    let mut wire = Wire::connect(address).await;
    wire.send(request(method, path, &headers, body)).await;
    wire.answer().await
}

/// The address in the line that says so, as text or JSON.
fn listening(line: &str) -> Option<SocketAddr> {
    if let Some((_, address)) = line.split_once(" rollcall: listening address=") {
        return Some(address.trim_end().parse().unwrap());
    }
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str().unwrap().parse().unwrap())
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
