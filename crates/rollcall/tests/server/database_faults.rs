//! What befalls a database under a running server, and what is found at a start. `support/oracle.rs` judges: sockets that
//! are there, and new ones with good tokens, go on; whatever must be written says so in bounded time; afterwards all is
//! well, and each thing that was acknowledged is there once.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rollcall::clock::Clock;
use serde_json::json;
use sqlx::{AnyConnection, Row};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::databases::{OwnPostgres, connect};
use crate::live::wire::Answer;
use crate::oracle::{HEARTBEAT, Oracle, join};
use crate::served::{OPEN_ACCOUNTS, Served, call};
use crate::support::token;

/// The longest wait of a request for the database, `OPERATION_TIMEOUT` of the store, and what a loaded machine takes.
const BOUND: Duration = Duration::from_secs(10 + 3);

fn serve(folder: &Path, url: &str) -> Served {
    let database = [("DATABASE__MAX_CONNECTIONS", "4"), ("DATABASE__URL", url)];
    Served::start(folder, &[&OPEN_ACCOUNTS[..], &database, &HEARTBEAT].concat())
}

async fn post(address: SocketAddr, path: &str, name: &str) -> Answer {
    let body = json!({"email": format!("{name}@example.org"), "password": "correct horse"}).to_string();
    call(address, "POST", path, "", &body).await
}

/// A server on this database with an account, and the judge who watches it.
async fn begin(folder: &Path, url: &str) -> (Served, Oracle) {
    let served = serve(folder, url);
    assert_eq!(post(served.address, "/auth/register", "ada").await.status, 201);
    let oracle = Oracle::watch(&served).await;
    (served, oracle)
}

/// Registers while the database does not do as it should.
async fn check_refused(address: SocketAddr, name: &str) {
    let clock = Clock::system();
    let since = clock.now();
    let answer = post(address, "/auth/register", name).await;
    assert!(answer.status == 503 && answer.body.contains("storage_unavailable"), "{answer:?}");
    assert!(clock.now() - since < BOUND);
    join(address, &token(name, "a")).await.expect("a good token needs no database");
}

async fn accounts(connection: &mut AnyConnection, name: &str) -> i64 {
    let query = format!("SELECT count(*) FROM accounts WHERE email = '{name}@example.org'");
    sqlx::query(sqlx::AssertSqlSafe(query)).fetch_one(connection).await.unwrap().get(0)
}

/// Failing without `busy_timeout`: the short lock is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_waited_for_and_then_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollcall.db");
    let url = format!("sqlite:{}", file.display());
    let (mut served, oracle) = begin(folder.path(), &url).await;
    let address = served.address;
    let mut locker = connect(&url).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut locker).await.unwrap();
    check_refused(address, "bob").await;
    let waiting = async {
        sleep(Duration::from_millis(500)).await;
        sqlx::raw_sql("COMMIT").execute(&mut locker).await.unwrap();
    };
    let (answer, ()) = tokio::join!(post(address, "/auth/register", "eve"), waiting);
    assert_eq!(answer.status, 201, "a short lock is waited for: {answer:?}");
    assert_eq!(post(address, "/auth/login", "ada").await.status, 200);
    assert_eq!((accounts(&mut locker, "bob").await, accounts(&mut locker, "eve").await), (0, 1));
    drop(locker);
    oracle.assert_healthy(&mut served, Duration::ZERO).await;
}

/// Failing without the look at the file's identity: what is acknowledged goes into a file that nobody finds again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_taken_away_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollcall.db");
    let (mut served, oracle) = begin(folder.path(), &format!("sqlite:{}", file.display())).await;
    let address = served.address;
    let aside = folder.path().join("aside.db");
    fs::rename(&file, &aside).unwrap();
    check_refused(address, "bob").await;
    fs::rename(&aside, &file).unwrap();
    assert_eq!(post(address, "/auth/register", "bob").await.status, 201);
    assert_eq!(post(address, "/auth/login", "ada").await.status, 200);
    oracle.assert_healthy(&mut served, Duration::ZERO).await;
}

/// Failing with a start that makes a new file where it cannot read the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_head_is_refused_at_the_start_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollcall.db");
    let url = format!("sqlite:{}", file.display());
    let served = serve(folder.path(), &url);
    assert_eq!(post(served.address, "/auth/register", "ada").await.status, 201);
    assert!(served.end("-TERM").0.success());
    let mut bytes = fs::read(&file).unwrap();
    bytes[..16].copy_from_slice(b"SQLite formal 3\0");
    fs::write(&file, &bytes).unwrap();
    let (status, said) = start(Command::new(env!("CARGO_BIN_EXE_rollcall")), folder.path(), &url);
    assert!(status != 0 && said.contains("rollcall.db") && said.contains("not a database"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(fs::read(&file).unwrap() == bytes, "the file was changed");
}

/// Failing with a store that opens what it cannot write. Root writes everywhere, so the server runs as another user where
/// the test does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_written_is_refused_at_the_start() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("data/rollcall.db"));
    fs::create_dir(&data).unwrap();
    let url = format!("sqlite:{}", file.display());
    assert!(serve(&data, &url).end("-TERM").0.success());
    let program = folder.path().join("rollcall");
    fs::copy(env!("CARGO_BIN_EXE_rollcall"), &program).unwrap(); // where anybody finds it
    let mut command = Command::new(&program);
    if rustix::process::geteuid().is_root() {
        for path in [folder.path(), &data, &file] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let (status, said) = start(command, folder.path(), &url);
    assert!(status != 0 && said.contains("rollcall.db"), "{said}");
    assert!(said.contains("readonly") || said.contains("Permission denied"), "{said}");
}

/// Starts the command, which is to end by itself; its status and what it says on standard error.
fn start(mut command: Command, folder: &Path, url: &str) -> (i32, String) {
    command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().current_dir(folder);
    command.env("ROLLCALL_DATABASE__URL", url).env("ROLLCALL_LOG__LEVEL", "error");
    command.env("ROLLCALL_IDENTITY__SECRET", crate::support::SECRET);
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap_or_default(), String::from_utf8(output.stderr).unwrap())
}

/// Failing without the bounds (`statement_timeout`, `ACQUIRE_TIMEOUT`, `OPERATION_TIMEOUT`): no answer comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_postgresql_holds_up_requests_and_no_socket() {
    let postgres = OwnPostgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (mut served, oracle) = begin(folder.path(), &postgres.url).await;
    let address = served.address;
    let mut locker = postgres.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").execute(&mut locker).await.unwrap();
    let mut waiting = JoinSet::new();
    for number in 0..12 {
        // Three times as many as there are connections.
        waiting.spawn(async move { check_refused(address, &format!("bob{number}")).await });
    }
    waiting.join_all().await;
    sqlx::raw_sql("COMMIT").execute(&mut locker).await.unwrap();
    assert_eq!(post(address, "/auth/register", "bob0").await.status, 201);
    assert_eq!(post(address, "/auth/login", "ada").await.status, 200);
    for number in 0..12 {
        let count = accounts(&mut locker, &format!("bob{number}")).await;
        assert_eq!(count, i64::from(number == 0));
    }
    drop(locker);
    oracle.assert_healthy(&mut served, Duration::ZERO).await;
}

/// Failing with an answer that comes before the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_may_crash_under_a_stream_of_logins() {
    let postgres = OwnPostgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (mut served, oracle) = begin(folder.path(), &postgres.url).await;
    let address = served.address;
    let mut stream = JoinSet::new();
    for worker in 0..3 {
        stream.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..20 {
                let name = format!("w{worker}n{number}");
                let answer = post(address, "/auth/register", &name).await;
                match answer.status {
                    201 => acknowledged.push(name),
                    503 => assert!(answer.body.contains("storage_unavailable"), "{answer:?}"),
                    _ => panic!("{answer:?}"),
                }
            }
            acknowledged
        });
    }
    for _ in 0..2 {
        sleep(Duration::from_millis(700)).await;
        postgres.restart();
    }
    let acknowledged: Vec<String> = stream.join_all().await.concat();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let mut connection = postgres.connect().await;
    for name in &acknowledged {
        assert_eq!(accounts(&mut connection, name).await, 1, "{name} was acknowledged");
    }
    drop(connection);
    assert_eq!(post(address, "/auth/login", "ada").await.status, 200);
    oracle.assert_healthy(&mut served, Duration::ZERO).await;
}
