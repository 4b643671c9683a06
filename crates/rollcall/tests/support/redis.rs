//! A redis-server of its own for a test, on a free port; ended with the test.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A running server.
pub struct Redis {
    child: Child,
    /// Of the server itself.
    pid: String,
    pub port: u16,
    folder: tempfile::TempDir,
    /// Beside the usual arguments.
    arguments: Vec<String>,
}

/// A Redis Cluster of three masters, each with a replica.
pub struct RedisCluster {
    pub servers: Vec<Redis>,
}

impl RedisCluster {
    pub fn start() -> Self {
        let servers: Vec<Redis> = (0..6)
            .map(|_| {
                let bus = free_port().to_string();
                let more = [
                    ["--cluster-enabled", "yes"],
                    ["--cluster-port", &bus],
                    ["--cluster-node-timeout", "1000"],
                    ["--repl-diskless-sync-delay", "0"],
                ];
                Redis::start_with(more.as_flattened())
            })
            .collect();
        let places: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]).args(&places).args([
            "--cluster-replicas",
            "1",
            "--cluster-yes",
        ]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { servers };
        for _ in 0..1000 {
            // A replica that has not copied its master does not take its place.
            let is_ready = |server: &Redis| {
                let info = server.ask("CLUSTER INFO");
                let has_copied = !server.ask("INFO replication").contains("master_link_status:down");
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6") && has_copied
            };
            if cluster.servers.iter().all(is_ready) {
                return cluster;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the Redis Cluster is not ready");
    }

    /// Some of its servers are enough.
    pub fn url(&self) -> String {
        let places: Vec<String> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis+cluster://{}", places.join(","))
    }
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            // Whoever takes the port in between makes this one end, and there are others.
            let port = free_port();
            let child = spawn(port, &folder, &arguments);
            let mut redis = Self { child, pid: String::new(), port, folder, arguments: arguments.clone() };
            if redis.wait() {
                return redis;
            }
        }
        panic!("no redis-server for this test");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Ends it by force.
    pub fn kill(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    pub fn is_running(&self) -> bool {
        self.child.stdin.is_some()
    }

    /// Starts it again on its port, with the same arguments.
    pub fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    /// The same, with more arguments this time.
    pub fn start_again_with(&mut self, more: &[&str]) {
        let more = more.iter().map(|&argument| argument.to_owned());
        let arguments: Vec<String> = self.arguments.iter().cloned().chain(more).collect();
        self.child = spawn(self.port, &self.folder, &arguments);
        assert!(self.wait(), "redis-server did not come back");
    }

    /// A signal by its name, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid]).status().unwrap().success());
    }

    /// One command without blanks in its words; gives the answer as it comes.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap_or_else(|| panic!("{command}: no answer"))
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
        let (mut stream, mut answer) = (BufReader::new(stream), String::new());
        stream.read_line(&mut answer).ok()?;
        // Of more than a line the end is that of the connection. Whom it was asked to pause it pauses too.
        if !answer.starts_with(['+', '-', ':']) {
            stream.read_to_string(&mut answer).ok()?;
            answer.truncate(answer.strip_suffix("+OK\r\n").map_or(answer.len(), str::len));
        }
        Some(answer)
    }

    /// Until it answers; `false` when it has ended instead.
    fn wait(&mut self) -> bool {
        for _ in 0..1000 {
            if let Some(info) = self.try_ask("INFO server").filter(|info| !info.starts_with("-LOADING")) {
                let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"));
                self.pid = pid.unwrap_or_default().trim().to_owned();
                return self.child.try_wait().unwrap().is_none();
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// It ends when this process does, however that comes to its end: the shell waits for the end of its input.
fn spawn(port: u16, folder: &tempfile::TempDir, arguments: &[String]) -> Child {
    let script = r#"redis-server "$@" & server=$!; read -r _ || kill -9 $server; wait"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", "--port", &port.to_string(), "--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
