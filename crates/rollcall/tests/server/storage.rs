//! What is on the disk: private files, what survives a restart, and databases that a start must not touch.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rollcall::accounts::{Email, Password};
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::Config;
use rollcall::store::{Actor, Store};
use sqlx::{AnyConnection, Connection};

use crate::databases::{self, Database};
use crate::support::{ADA, Server};

fn config(data_dir: &Path) -> Config {
    Config { data_dir: data_dir.to_owned(), ..Config::default() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn start_error(config: Config) -> String {
    match App::open(config, Clock::system()).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn folder_and_files_are_for_their_owner_only() {
    let server = Server::with(|config| config.identity.secret = None).await;
    assert_eq!(server.post("/auth/register", ADA).await.status, 201);
    let folder = &server.app.config.data_dir;
    assert_eq!(mode(folder), 0o700);
    for name in ["rollcall.db", "rollcall.db-wal", "rollcall.db-shm", "identity.key"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn accounts_and_the_first_start_secret_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = App::open(config(folder.path()), Clock::system()).await.unwrap();
    let email = Email::parse("ada@example.org").unwrap();
    let password = Password::parse("correct horse".to_owned()).unwrap();
    let new = rollcall::accounts::NewAccount { email: email.clone(), password: password.clone(), name: None };
    let account = first.accounts.register(new, Actor::User).await.unwrap();
    let now = first.clock.unix_seconds();
    let token = first.identity.mint(&account.id, None, now, first.identity.access_ttl()).unwrap();
    // No orderly end: the database is left as a killed process leaves it.
    std::mem::forget(first);

    let second = App::open(config(folder.path()), Clock::system()).await.unwrap();
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    assert_eq!(second.accounts.login(&email, password, address).await.unwrap().account, account.id);
    assert_eq!(&*second.identity.judge(&token, now).unwrap().subject, account.id);
}

#[tokio::test]
async fn a_database_of_a_later_release_is_used_if_it_allows_it_and_refused_if_not() {
    let folder = tempfile::tempdir().unwrap();
    let set = async |schema: i64, readable_from: i64| {
        App::open(config(folder.path()), Clock::system()).await.unwrap();
        let url = format!("sqlite:{}", folder.path().join("rollcall.db").display());
        let update = "UPDATE rollcall_schema SET schema = $1, readable_from = $2";
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        sqlx::query(update).bind(schema).bind(readable_from).execute(&mut connection).await.unwrap();
    };
    set(9, 1).await;
    set(9, 9).await; // above whatever this release knows
    let error = start_error(config(folder.path())).await;
    assert!(
        error.contains("rollcall.db") && error.contains("knows schema 9") && error.contains("newer release"),
        "{error}"
    );
}

#[tokio::test]
async fn a_backup_from_before_an_upgrade_is_of_the_schema_from_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (config, copy) = (config(folder.path()), folder.path().join("copy.db"));
    let error = rollcall::store::backup(&config, &copy).await.unwrap_err().to_string();
    assert!(error.contains("rollcall.db"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");

    let url = format!("sqlite:{}?mode=rwc", folder.path().join("rollcall.db").display());
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE old (word TEXT); INSERT INTO old VALUES ('kept')")
        .execute(&mut connection)
        .await
        .unwrap();
    rollcall::store::backup(&config, &copy).await.unwrap();
    let url = format!("sqlite:{}", copy.display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master").fetch_all(&mut connection).await.unwrap();
    assert_eq!(tables, ["old"]);
    assert_eq!(mode(&copy), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_make_the_same_database_at_once_all_open_it() {
    for _ in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let open = |_| {
            let config = config(folder.path());
            databases::start(async move { Store::open(&config, vec!["built-in".into()]).await })
        };
        let opening: Vec<_> = (0..8).map(open).collect();
        for opened in opening {
            opened.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_migrated_when_that_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.database.migrate = false;
    let error = start_error(config.clone()).await;
    assert!(error.contains("schema 0") && error.contains("database.migrate = true"), "{error}");
    config.database.migrate = true;
    App::open(config.clone(), Clock::system()).await.unwrap();
    config.database.migrate = false;
    App::open(config.clone(), Clock::system()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollcall.db");
    let content = "a letter to a friend\n".repeat(500);
    fs::write(&file, &content).unwrap();
    let error = start_error(config(folder.path())).await;
    assert!(error.contains("rollcall.db") && error.contains("not a database"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = start_error(config(&file.join("data"))).await;
    assert!(error.contains("data_dir") && error.contains("file/data"), "{error}");
}

#[tokio::test]
async fn no_stored_password_can_be_read_back() {
    let server = Server::open().await;
    server.post("/auth/register", ADA).await;
    for entry in fs::read_dir(&server.app.config.data_dir).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"correct horse"));
    }
}

#[tokio::test]
async fn a_postgres_that_drops_its_connections_is_connected_to_again() {
    let database = Database::postgres().await;
    let url = database.config.database.url.clone();
    let server = Server::with(|config| config.database.url = url).await;
    assert_eq!(server.post("/auth/register", ADA).await.status, 201);
    for round in 0..3 {
        database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        let answer = server.post("/auth/login", ADA).await;
        assert_eq!(answer.status, 200, "round {round}: {}", answer.text);
    }
}
