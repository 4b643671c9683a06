//! Takes the database of a gateway away: another process holds SQLite's write lock until told to let go.
//! Knows SQLite's file header and its lock, no schema.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The lock, held until `release`.
pub struct SqlLock {
    holder: Child,
}

impl SqlLock {
    /// Locks the SQLite file in `folder`.
    pub async fn hold(folder: &Path) -> Self {
        let mut holder = Command::new("python3")
            .args(["-c", HOLD])
            .arg(database_in(folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 starts");
        let said = BufReader::new(holder.stdout.take().expect("stdout is piped")).lines().next_line().await;
        assert_eq!(said.ok().flatten().as_deref(), Some("held"), "the lock was not taken");
        Self { holder }
    }

    /// Lets the lock go.
    pub async fn release(mut self) {
        drop(self.holder.stdin.take());
        let status = self.holder.wait().await.expect("a child can be waited for");
        assert!(status.success(), "the lock's holder ended with {status}");
    }
}

const HOLD: &str = r#"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
database.execute("ROLLBACK")
"#;

fn database_in(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).expect("the data folder can be read");
    let mut files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let is_database =
        |file: &PathBuf| std::fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"));
    files.find(is_database).expect("a SQLite file in the data folder")
}
