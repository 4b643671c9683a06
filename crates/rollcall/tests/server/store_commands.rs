//! Commands that work on the database, beside a server or without one.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rollcall::config::{DatabaseUrl, PostgresUrl};
use rollcall::store::KeyScope;
use serde_json::json;

use crate::databases::Database;
use crate::support::{ADA, SECRET, Server};

/// The command on the database of this server, with this on its standard input.
fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(arguments).env_clear().current_dir(server.folder.path());
    command.env("ROLLCALL_IDENTITY__SECRET", SECRET).env("ROLLCALL_DATA_DIR", &server.app.config.data_dir);
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    if let Some(DatabaseUrl::Postgres(url)) = &server.app.config.database.url {
        command.env("ROLLCALL_DATABASE__URL", url.expose());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments ends without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn check_failure(output: &Output, parts: &[&str]) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice(), stderr.lines().count()),
        (Some(1), &b""[..], 1),
        "{stderr}"
    );
    for part in parts {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

async fn on_postgres() -> (Server, Database) {
    let database = Database::postgres().await;
    let url = database.config.database.url.clone();
    (Server::with(|config| config.database.url = url).await, database)
}

async fn check_keys(server: &Server) {
    let new = ["key", "new", "--api", "--name", "crm", "--issuer", "built-in", "--scope", "read,send"];
    let key = stdout(&run(server, &new, "")).trim().to_owned();
    assert!(key.starts_with("rck_") && key.len() == 47, "{key}");
    let all = ["key", "new", "--api", "--name", "ops", "--all", "--scope", "revoke"];
    let other = stdout(&run(server, &all, "")).trim().to_owned();
    assert_ne!(key, other);
    check_failure(&run(server, &new, ""), &["--name", "\"crm\"", "already"]);

    // As a server that runs does every two seconds.
    assert_eq!(server.app.store.api_key(&key), None);
    server.app.store.catch_up().await.unwrap();
    let allows = server.app.store.api_key(&key).unwrap();
    assert!(allows.scopes.contain(KeyScope::Send) && !allows.scopes.contain(KeyScope::Revoke));
    assert_eq!(server.app.store.api_key(&other).unwrap().issuer, None);

    let listed = stdout(&run(server, &["key", "list"], ""));
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines[0][..3], ["crm", "built-in", "read,send"]);
    assert_eq!(lines[1][..3], ["ops", "(all)", "revoke"]);
    assert!(!listed.contains("rck_") && lines.len() == 2, "{listed}");

    assert_eq!(stdout(&run(server, &["key", "revoke", "crm"], "")), "");
    check_failure(&run(server, &["key", "revoke", "crm"], ""), &["\"crm\"", "key list"]);
    server.app.store.catch_up().await.unwrap();
    assert_eq!(server.app.store.api_key(&key), None);
}

#[tokio::test]
async fn api_keys_are_made_listed_and_revoked_beside_a_server() {
    check_keys(&Server::open().await).await;
    let (server, _database) = on_postgres().await;
    check_keys(&server).await;
}

#[tokio::test]
async fn a_key_needs_a_name_users_and_scopes_that_there_are() {
    let server = Server::open().await;
    let new = |more: &[&str]| run(&server, &[&["key", "new", "--api"][..], more].concat(), "");
    let nobodys = new(&["--name", "crm", "--issuer", "nobody", "--scope", "read"]);
    check_failure(&nobodys, &["--issuer", "\"nobody\"", "allowed: built-in"]);
    for name in ["", "a b", "a\tb", "a\u{1b}[2J", &"x".repeat(65)] {
        check_failure(&new(&["--name", name, "--all", "--scope", "read"]), &["--name", "allowed"]);
    }
    for arguments in [
        &["--name", "crm", "--all", "--scope", "write"][..],
        &["--name", "crm", "--all"],
        &["--name", "crm", "--scope", "read"],
        &["--name", "crm", "--all", "--issuer", "built-in", "--scope", "read"],
        &["--all", "--scope", "read"],
    ] {
        assert_eq!(new(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let without = ["key", "new", "--name", "crm", "--all", "--scope", "read"];
    assert_eq!(run(&server, &without, "").status.code(), Some(2));
    assert_eq!(server.app.store.api_keys().await.unwrap(), []);
}

async fn check_user_commands(server: &Server) {
    server.post("/auth/register", ADA).await;
    let login = async |password: &str| {
        let body = json!({"email": "ada@example.org", "password": password});
        server.post("/auth/login", body.to_string()).await
    };
    let pair = login("correct horse").await.json();
    let set = ["user", "password", "--email", "Ada@example.org"];
    check_failure(&run(server, &set, "short\n"), &["password", "8 to 1024"]);
    assert_eq!(stdout(&run(server, &set, "battery staple\n")), "");
    login("correct horse").await.check_problem(401, "credentials_invalid");
    assert_eq!(login("battery staple").await.status, 200);
    server.app.catch_up().await.unwrap();
    let me = server.call("GET", "/auth/me", pair["access_token"].as_str(), "").await;
    me.check_problem(401, "token_revoked");

    let remove = ["user", "remove", "--email", "ada@example.org"];
    assert_eq!(stdout(&run(server, &remove, "")), "");
    check_failure(&run(server, &remove, ""), &["--email", "no account"]);
    check_failure(&run(server, &set, "battery staple\n"), &["--email", "no account"]);
    login("battery staple").await.check_problem(401, "credentials_invalid");
}

#[tokio::test]
async fn an_operator_sets_a_password_and_removes_an_account() {
    check_user_commands(&Server::open().await).await;
    let (server, _database) = on_postgres().await;
    check_user_commands(&server).await;
}

#[tokio::test]
async fn an_operator_ends_the_logins_of_a_user_or_of_everybody() {
    let server = Server::open().await;
    let mut pairs = Vec::new();
    for email in ["ada@example.org", "bob@example.org"] {
        let body = json!({"email": email, "password": "correct horse"}).to_string();
        pairs.push(server.post("/auth/register", body).await.json());
    }
    let me = async |pair: &serde_json::Value| {
        server.call("GET", "/auth/me", pair["access_token"].as_str(), "").await
    };
    let refresh = async |pair: &serde_json::Value| {
        let body = json!({"refresh_token": pair["refresh_token"]}).to_string();
        server.post("/auth/refresh", body).await
    };
    let ada = me(&pairs[0]).await.json()["id"].as_str().unwrap().to_owned();
    // The tokens of this server's clock are from the future of the command's.
    server.app.clock.set_unix_millis(rollcall::clock::Clock::system().unix_millis());
    let body = json!({"email": "ada@example.org", "password": "correct horse"}).to_string();
    pairs[0] = server.post("/auth/login", body.clone()).await.json();
    pairs[1] = server.post("/auth/login", body.replace("ada", "bob")).await.json();

    assert_eq!(stdout(&run(&server, &["sessions", "revoke", "--user", &ada], "")), "");
    server.app.catch_up().await.unwrap();
    me(&pairs[0]).await.check_problem(401, "token_revoked");
    refresh(&pairs[0]).await.check_problem(401, "token_invalid");
    assert_eq!(me(&pairs[1]).await.status, 200);

    assert_eq!(stdout(&run(&server, &["sessions", "revoke", "--all-users"], "")), "");
    server.app.catch_up().await.unwrap();
    me(&pairs[1]).await.check_problem(401, "token_revoked");
    refresh(&pairs[1]).await.check_problem(401, "token_invalid");

    check_failure(&run(&server, &["sessions", "revoke", "--user", ""], ""), &["--user", "0 bytes"]);
    let nobodys = run(&server, &["sessions", "revoke", "--user", "u", "--issuer", "nobody"], "");
    check_failure(&nobodys, &["--issuer", "\"nobody\""]);
    for arguments in [&["sessions", "revoke"][..], &["sessions", "revoke", "--user", "u", "--all-users"]] {
        assert_eq!(run(&server, arguments, "").status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_backup_is_private_whole_and_overwrites_nothing() {
    let server = Server::open().await;
    server.post("/auth/register", ADA).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it's a copy?.db");
    let path = file.to_str().unwrap();
    assert_eq!(stdout(&run(&server, &["backup", path], "")), "");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let content = std::fs::read(&file).unwrap();
    check_failure(&run(&server, &["backup", path], ""), &["it's a copy?.db", "exists"]);
    assert_eq!(std::fs::read(&file).unwrap(), content);
    let nowhere = folder.path().join("nowhere/copy.db");
    check_failure(
        &run(&server, &["backup", nowhere.to_str().unwrap()], ""),
        &["nowhere/copy.db", "No such file"],
    );

    // Restored in another place it lets the same people in.
    let restored = Server::with(|config| {
        std::fs::create_dir(&config.data_dir).unwrap();
        std::fs::copy(&file, config.data_dir.join("rollcall.db")).unwrap();
    });
    assert_eq!(restored.await.post("/auth/login", ADA).await.status, 200);
}

#[tokio::test]
async fn a_backup_of_postgresql_is_its_own_tools_affair() {
    let (server, _database) = on_postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    check_failure(&run(&server, &["backup", file.to_str().unwrap()], ""), &["pg_dump", "postgres://"]);
    assert!(!file.exists());
}

#[tokio::test]
async fn migrate_makes_the_tables_that_a_start_without_it_asks_for() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let url = match database.config.database.url.as_ref().unwrap() {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => PostgresUrl::expose(url).to_owned(),
        };
        let command = |arguments: &[&str]| -> Output {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
            command.args(arguments).env_clear().current_dir(&database.config.data_dir);
            command.env("ROLLCALL_DATABASE__MIGRATE", "false").env("ROLLCALL_DATABASE__URL", &url);
            command.env("ROLLCALL_IDENTITY__SECRET", SECRET).output().unwrap()
        };
        check_failure(&command(&["key", "list"]), &["schema 0", "rollcall migrate"]);
        assert_eq!(stdout(&command(&["migrate"])), "The database has schema 3.\n");
        assert_eq!(stdout(&command(&["key", "list"])), "");
    }
}

#[test]
fn the_password_of_a_database_that_is_not_there_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let output = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.args(["key", "list"]).env_clear().current_dir(path).env("ROLLCALL_LOG__LEVEL", "trace");
        command.env("ROLLCALL_IDENTITY__SECRET", SECRET);
        command.env("ROLLCALL_DATABASE__URL", "postgres://ada:hunter2@127.0.0.1:1/r?sslmode=disable");
        command.output().unwrap()
    };
    let output = output(folder.path());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("postgres://ada:***@127.0.0.1:1/r") && stderr.contains("refused"), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}
