//! A database of its own for each test: an SQLite file in a folder, or one in a PostgreSQL server that all test
//! processes share and that ends after the last of them (`scripts/postgres-for-tests`).

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rollcall::config::{Config, DatabaseUrl, Setting, Webhooks};
use rollcall::identity::Revocation;
use rollcall::ids;
use rollcall::store::Store;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

/// What [`Store::revocations_since`] gives, without the times.
pub async fn revocations_since(store: &Store, now: u64, seq: u64) -> (Vec<Revocation>, u64) {
    let (written, last) = store.revocations_since(now, seq).await.unwrap();
    (written.into_iter().map(|(revocation, _)| revocation).collect(), last)
}

/// One empty database; gone with this.
pub struct Database {
    /// Leads to it.
    pub config: Config,
    url: String,
    /// The rest of the data folder, and SQLite's file.
    folder: tempfile::TempDir,
    postgres: Option<String>,
}

impl Database {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        Self::at(format!("sqlite:{}", path.display()), folder, None)
    }

    pub async fn postgres() -> Self {
        let server = server();
        let name = format!("t_{}{}", ids::node_tag(), ids::node_tag());
        let mut connection = connect(server).await;
        let statement = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
        Self::at(url, tempfile::tempdir().unwrap(), Some(name))
    }

    fn at(url: String, folder: tempfile::TempDir, postgres: Option<String>) -> Self {
        let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        config.database.url = DatabaseUrl::parse(&url);
        config.webhooks = webhooks();
        assert!(config.database.url.is_some(), "{url}");
        Self { config, url, folder, postgres }
    }

    /// As another node of the same cluster would open it.
    pub async fn open(&self) -> Store {
        Store::open(&self.config, issuers()).await.unwrap()
    }

    /// A connection beside the store, for a look at what it does not show.
    pub async fn connect(&self) -> AnyConnection {
        connect(&self.url).await
    }

    /// Runs one statement beside the store.
    pub async fn execute(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.connect().await).await.unwrap();
    }

    /// One number.
    pub async fn number(&self, query: &str) -> i64 {
        let query = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
        query.fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// The first column, text, of all rows.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection);
        rows.await.unwrap().iter().map(|row: &AnyRow| row.get(0)).collect()
    }

    /// All that is stored, as text: what somebody sees who steals a copy.
    pub async fn dump(&self) -> String {
        let mut dump = String::new();
        for table in TABLES {
            let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")));
            for row in rows.fetch_all(&mut self.connect().await).await.unwrap() {
                dump += &format!("{table}:");
                for column in 0..row.len() {
                    let text = row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
                    let number =
                        |_| row.try_get::<Option<i64>, _>(column).map(|number| format!("{number:?}"));
                    let bytes =
                        |_| row.try_get::<Option<Vec<u8>>, _>(column).map(|bytes| format!("{bytes:x?}"));
                    dump += &format!(" {}", text.or_else(number).or_else(bytes).unwrap());
                }
                dump += "\n";
            }
        }
        dump
    }

    pub fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(name) = &self.postgres {
            // The server goes anyway, and the database with it.
            let _ = script().args(["drop".as_ref(), folder().as_os_str(), name.as_ref()]).status();
        }
    }
}

/// Runs beside the test; its result is awaited.
#[expect(clippy::disallowed_methods, reason = "a test waits for what it has started")]
pub fn start<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

/// One that is owed everything.
pub fn webhooks() -> Webhooks {
    let secret = "whsec_dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBrbm93cw==";
    serde_json::from_value(serde_json::json!([{ "url": "http://127.0.0.1:1/", "secret": secret }])).unwrap()
}

/// Whose names the stores of tests know, in the order of their ids.
pub fn issuers() -> Vec<Box<str>> {
    ["built-in", "shop", "desk"].map(Box::from).into()
}

const TABLES: [&str; 13] = [
    "accounts",
    "logins",
    "refresh_tokens",
    "revocations",
    "used_logout_tokens",
    "first_seen",
    "labels",
    "api_keys",
    "history",
    "outbox",
    "audit",
    "sequences",
    "rollcall_schema",
];

/// A connection beside the store.
pub async fn connect(url: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await.unwrap()
}

/// The URL of the server's database `postgres`: of the one that the environment names, or of the shared one, which is
/// started if it is not there.
fn server() -> &'static str {
    static SERVER: OnceLock<(String, Option<File>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| match std::env::var("ROLLCALL_TEST_POSTGRES") {
        Ok(url) => (url, None),
        Err(_) => {
            let in_use = use_folder(&folder());
            let output = script().arg("start").arg(folder()).output().unwrap();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "no PostgreSQL for this test: {complaint}");
            (String::from_utf8(output.stdout).unwrap().trim().to_owned(), Some(in_use))
        }
    });
    url
}

/// Says that the server is in use for as long as this process lives.
fn use_folder(folder: &Path) -> File {
    DirBuilder::new().recursive(true).mode(0o755).create(folder).unwrap();
    let users =
        OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("users")).unwrap();
    users.lock_shared().unwrap();
    users
}

/// Short, since it holds a Unix socket; one for each user of the machine and each checkout.
fn folder() -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    std::env::temp_dir().join(format!("rollcall-postgres-{owner}-{:08x}", hasher.finish() as u32))
}

/// A PostgreSQL server for one test alone, which may be ended and started again.
pub struct OwnPostgres {
    /// Of its database `postgres`.
    pub url: String,
    folder: tempfile::TempDir,
    _in_use: File,
}

impl OwnPostgres {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let in_use = use_folder(folder.path());
        let output = script().arg("start").arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let url = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { url, folder, _in_use: in_use }
    }

    /// As after a crash; there again when this returns.
    pub fn restart(&self) {
        assert!(script().arg("restart").arg(self.folder.path()).status().unwrap().success());
    }

    /// A connection beside the server under test.
    pub async fn connect(&self) -> AnyConnection {
        connect(&self.url).await
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        let _ = script().arg("stop").arg(self.folder.path()).status(); // its watchdog would do it too
    }
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres-for-tests"))
}
