//! Starts and stops one gateway: a child process on a free port with a data folder of its own.
//! Knows the command line and the log line that names the port, nothing of the protocol.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// The secret that the gateway under test is given; `tokens` signs with it. At least 32 bytes.
pub const SECRET: &str = "e2e-secret-of-forty-bytes-for-tests-only";

/// One running gateway.
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The port, to start another one in its place.
    pub port: u16,
    child: Child,
    data: TempDir,
    log: Lines<BufReader<ChildStderr>>,
}

impl Server {
    /// Starts a gateway on a free port.
    pub async fn start() -> Self {
        Self::start_with(0, &[]).await
    }

    /// Starts a gateway on `port` and returns once it listens.
    pub async fn start_on(port: u16) -> Self {
        Self::start_with(port, &[]).await
    }

    /// Starts a gateway on `port` (0: a free one) with settings, their names without the `ROLLCALL_` before them.
    pub async fn start_with(port: u16, settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROLLCALL_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .env("ROLLCALL_DATA_DIR", data.path())
            .env("ROLLCALL_LOG__FORMAT", "json")
            .env("ROLLCALL_IDENTITY__SECRET", SECRET)
            .env("ROLLCALL_SHUTDOWN__DRAIN", "1s")
            // Tests in numbers want more sessions of one user than a person has.
            .env("ROLLCALL_LIMITS__SESSIONS_PER_USER", "1000")
            .env("ROLLCALL_LIMITS__SESSIONS_PER_LOGIN", "1000")
            .envs(settings.iter().map(|(name, value)| (format!("ROLLCALL_{name}"), value)))
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway's binary starts; ROLLCALL_BIN names it");
        let mut log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let port = timeout(START, listening_port(&mut log)).await.expect("the gateway listens in time");
        Self { url: format!("http://127.0.0.1:{port}"), port, child, data, log }
    }

    /// The folder in which the gateway keeps its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends the gateway by SIGTERM and asserts that it exits with 0.
    pub async fn stop(mut self) {
        let pid = self.child.id().expect("still running").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM could not be sent");
        let status = timeout(EXIT, self.drain()).await.expect("the gateway exits in time");
        assert_eq!(status.code(), Some(0), "exit after SIGTERM");
        self.data.close().expect("the data folder can be removed");
    }

    /// Reads the log to its end, so that the gateway never waits for a reader, and then its exit.
    async fn drain(&mut self) -> ExitStatus {
        while let Ok(Some(line)) = self.log.next_line().await {
            assert!(!line.contains("panicked at"), "the gateway panicked: {line}");
        }
        self.child.wait().await.expect("a child can be waited for")
    }
}

/// How long a start, and an exit after SIGTERM, may take on a loaded machine.
const START: Duration = Duration::from_secs(30);
const EXIT: Duration = Duration::from_secs(15);

async fn listening_port(log: &mut Lines<BufReader<ChildStderr>>) -> u16 {
    let mut seen = Vec::new();
    while let Ok(Some(line)) = log.next_line().await {
        if let Some(port) = port_in(&line) {
            return port;
        }
        seen.push(line);
    }
    panic!("the gateway ended before it listened: {seen:#?}");
}

/// The port of a `listening` line; its fields stand flat or under `fields`.
fn port_in(line: &str) -> Option<u16> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields").unwrap_or(&entry);
    if fields.get("message")? != "listening" {
        return None;
    }
    fields.get("address")?.as_str()?.rsplit(':').next()?.parse().ok()
}

fn binary() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(std::env::var("ROLLCALL_BIN").unwrap_or_else(|_| "target/debug/rollcall".into()))
}
