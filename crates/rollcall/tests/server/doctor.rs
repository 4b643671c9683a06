//! `rollcall doctor` on set-ups that are broken in one way each: what it finds, what it advises, its exit status.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rollcall::config::DatabaseUrl;
use serde_json::{Value, json};

use crate::issuer::{Answering, Key, Stub, set};
use crate::live::databases::Database;
use crate::live::redis::Redis;
use crate::secure::Files;
use crate::served::Served;
use crate::support::SECRET;

/// The report of `doctor --json` with these settings, their names without the `ROLLCALL_` before them, and its exit status.
fn examine(folder: &Path, settings: &[(&str, &str)]) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    read(&command_in(folder, &mut command, settings).args(["doctor", "--json"]).output().unwrap())
}

fn command_in<'a>(folder: &Path, command: &'a mut Command, settings: &[(&str, &str)]) -> &'a mut Command {
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command.env("ROLLCALL_HTTP__LISTEN", "127.0.0.1:0");
    command.envs(settings.iter().map(|(name, value)| (format!("ROLLCALL_{name}"), value)))
}

fn read(output: &Output) -> (Value, i32) {
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (report, output.status.code().unwrap())
}

/// The report has this finding, with these parts in what was found and advised, and the exit status that follows from it.
#[track_caller]
fn check(examined: &(Value, i32), check: &str, state: &str, parts: &[&str]) {
    let (report, status) = examined;
    let findings = report["findings"].as_array().unwrap();
    let meant = |finding: &&Value| finding["check"] == check && finding["state"] == state;
    let told =
        findings.iter().filter(meant).map(|finding| format!("{} {}", finding["found"], finding["advice"]));
    let told: Vec<String> = told.collect();
    let has_all = |told: &String| parts.iter().all(|part| told.contains(part));
    assert!(told.iter().any(has_all), "no {check} {state} with {parts:?} in {report:#}");
    let has_failed = findings.iter().any(|finding| finding["state"] == "failed");
    assert_eq!((*status == 0, &report["ok"]), (!has_failed, &json!(!has_failed)), "{report:#}");
    for finding in findings {
        assert!(finding["state"] == "ok" || finding["advice"].is_string(), "no advice: {finding}");
    }
    assert!(!report.to_string().contains(SECRET) && !report.to_string().contains("hunter2"), "{report}");
}

#[test]
fn an_empty_folder_is_good_for_a_first_start_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let examined = examine(folder.path(), &[]);
    check(&examined, "configuration", "ok", &[]);
    check(&examined, "data_dir", "ok", &["first start makes it"]);
    check(&examined, "signing_key", "ok", &["first start makes one"]);
    check(&examined, "database", "ok", &["first start makes its tables"]);
    check(&examined, "redis", "ok", &["one node alone"]);
    assert_eq!((examined.1, fs::read_dir(folder.path()).unwrap().count()), (0, 0), "{:#}", examined.0);
}

#[test]
fn people_read_a_line_a_finding_with_what_to_do_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("prlimit");
    command.arg("--nofile=1024:1024").arg(env!("CARGO_BIN_EXE_rollcall"));
    let output = command_in(folder.path(), &mut command, &[]).arg("doctor").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.ends_with("A server would start; warnings: 1.\n"), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.starts_with("warning  descriptors  ")).unwrap();
    assert!(lines[place + 1].contains("-> raise the limit: LimitNOFILE="), "{text}");
}

#[test]
fn too_few_descriptors_for_any_server_are_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64:64").arg(env!("CARGO_BIN_EXE_rollcall"));
    let output = command_in(folder.path(), &mut command, &[]).args(["doctor", "--json"]).output().unwrap();
    check(&read(&output), "descriptors", "failed", &["64 at most", "LimitNOFILE="]);
}

#[test]
fn a_wrong_configuration_is_the_only_finding_and_has_the_status_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let examined = examine(folder.path(), &[("HTTP__LISTENN", "x"), ("IDENTITY__SECRET", SECRET)]);
    check(&examined, "configuration", "failed", &["http.listenn", "allowed", "rollcall.example.toml"]);
    assert_eq!((examined.1, examined.0["findings"].as_array().unwrap().len()), (2, 1));
    let doubtful = [("ACCOUNTS__REGISTRATION", "true"), ("IDENTITY__SECRET", SECRET)];
    check(&examine(folder.path(), &doubtful), "configuration", "warning", &["accounts.registration"]);
}

#[test]
fn a_data_folder_is_a_folder_that_only_its_owner_looks_into() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    check(&examine(folder.path(), &[("DATA_DIR", "file")]), "data_dir", "failed", &["no folder", "data_dir"]);
    let below = examine(folder.path(), &[("DATA_DIR", "file/below")]);
    check(&below, "data_dir", "failed", &["file/below"]);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    check(&examine(folder.path(), &[]), "data_dir", "warning", &["0755", "chmod 700"]);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let examined = examine(folder.path(), &[]);
    check(&examined, "data_dir", "ok", &["0700"]);
    check(&examined, "disk", "ok", &["MiB free"]);
}

#[test]
fn a_signing_key_that_others_can_read_or_that_is_damaged_is_found_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("identity.key");
    let settings = [("DATA_DIR", folder.path().to_str().unwrap())];
    for (text, mode, parts) in
        [(SECRET, 0o644, ["identity.key", "chmod 600"]), ("short", 0o600, ["damaged", "backup"])]
    {
        fs::write(&key, text).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        check(&examine(folder.path(), &settings), "signing_key", "failed", &parts);
    }
    fs::write(&key, SECRET).unwrap();
    check(&examine(folder.path(), &settings), "signing_key", "ok", &["identity.key"]);
}

#[tokio::test]
async fn a_database_that_is_no_database_or_too_new_or_locked_is_told_apart() {
    let database = Database::sqlite();
    let Some(DatabaseUrl::Sqlite(path)) = &database.config.database.url else { panic!() };
    let url = format!("sqlite:{}", path.display());
    let look = || examine(path.parent().unwrap(), &[("DATABASE__URL", &url)]);
    check(&look(), "database", "ok", &["first start makes its tables"]);
    assert!(!path.exists());
    database.open().await.close().await;
    check(&look(), "database", "ok", &["schema", "answers in"]);

    let mut other = database.connect().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    check(&look(), "database", "failed", &["takes no writes", "locked"]);
    drop(other);

    database.execute("UPDATE rollcall_schema SET schema = 0").await;
    let without = [("DATABASE__URL", url.as_str()), ("DATABASE__MIGRATE", "false")];
    check(&look(), "database", "ok", &["the next start makes it"]);
    check(&examine(path.parent().unwrap(), &without), "database", "failed", &["rollcall migrate"]);
    database.execute("UPDATE rollcall_schema SET schema = 99, readable_from = 99").await;
    check(&look(), "database", "failed", &["99", "newer release"]);

    fs::write(path, "this is no database, and long enough to be sure of that").unwrap();
    check(&look(), "database", "failed", &["cannot be opened"]);
}

#[tokio::test]
async fn postgresql_is_asked_for_its_release_rights_and_clock() {
    let database = Database::postgres().await;
    let Some(DatabaseUrl::Postgres(url)) = &database.config.database.url else { panic!() };
    let folder = tempfile::tempdir().unwrap();
    let look = || examine(folder.path(), &[("DATABASE__URL", url.expose())]);
    check(&look(), "database", "ok", &["is empty"]);
    check(&look(), "clock", "ok", &["agrees with PostgreSQL"]);
    database.open().await.close().await;
    check(&look(), "database", "ok", &["PostgreSQL", "answers in"]);
    let away = [("DATABASE__URL", "postgres://ada:hunter2@127.0.0.1:1/r?sslmode=disable")];
    check(
        &examine(folder.path(), &away),
        "database",
        "failed",
        &["postgres://ada:***@127.0.0.1:1/r", "pg_hba.conf"],
    );
}

#[tokio::test]
async fn redis_that_is_away_another_kind_or_forbids_something_is_told_apart() {
    let database = Database::postgres().await;
    let Some(DatabaseUrl::Postgres(url)) = &database.config.database.url else { panic!() };
    let redis = Redis::start();
    let folder = tempfile::tempdir().unwrap();
    let look = |redis: &str| {
        let settings =
            [("REGISTRY__REDIS_URL", redis), ("IDENTITY__SECRET", SECRET), ("DATABASE__URL", url.expose())];
        examine(folder.path(), &settings)
    };
    let good = look(&redis.url());
    check(&good, "redis", "ok", &["answers in", "0 nodes meet there"]);
    check(&good, "clock", "ok", &["agrees with PostgreSQL, Redis"]);
    assert_eq!((good.1, redis.ask("DBSIZE").trim()), (0, ":0"));

    redis.ask("CONFIG SET maxmemory 100mb");
    redis.ask("CONFIG SET maxmemory-policy allkeys-lru");
    check(&look(&redis.url()), "redis", "warning", &["allkeys-lru", "noeviction"]);
    redis.ask("ACL SETUSER ada on >hunter2 ~rollcall:* &rollcall:* +@read +@write +@connection +info +time");
    let place = format!("127.0.0.1:{}", redis.port);
    check(&look(&format!("redis://ada:hunter2@{place}")), "redis", "failed", &["eval", "Several nodes"]);
    check(&look(&format!("redis://ada:wrong@{place}")), "redis", "failed", &["ada:***@"]);
    check(&look("redis://:hunter2@127.0.0.1:1"), "redis", "failed", &["refused"]);
    redis.ask("REPLICAOF 127.0.0.1 1");
    check(&look(&redis.url()), "redis", "failed", &["is a replica"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_is_asked_for_its_keys_and_its_clock() {
    let keys = set(&[Key::p256().published("k", json!({"alg": "ES256"}))]);
    let stub = Stub::start(Answering::Body(keys)).await;
    let folder = tempfile::tempdir().unwrap();
    let issuers = json!([{"name": "shop", "issuer": "https://id", "audience": "api", "session_claim": "sid", "jwks_url": stub.url()}]);
    let look = || examine(folder.path(), &[("IDENTITY__ISSUERS", &issuers.to_string())]);
    check(&look(), "issuer", "ok", &["\\\"shop\\\" publishes 1 keys"]);
    stub.answer(Answering::Body(json!({"keys": []}).to_string()));
    check(&look(), "issuer", "failed", &["no key that can be used", "jwks_url"]);
    stub.answer(Answering::Head("404 Not Found".to_owned()));
    check(&look(), "issuer", "failed", &["404"]);
    let body = set(&[Key::p256().published("k", json!({}))]);
    let head = format!(
        "200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stub.answer(Answering::Raw(head)); // keys are taken, the time is not
    check(&look(), "clock", "failed", &["ahead of issuer", "identity.leeway"]);
}

#[test]
fn a_port_is_free_or_a_server_of_ours_has_it_or_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let examined = examine(folder.path(), &[("HTTP__LISTEN", &taken)]);
    check(&examined, "listen", "failed", &[&taken, "ss -ltnp", "http.listen"]);
    check(&examine(folder.path(), &[("OPS__LISTEN", &taken)]), "ops_listen", "failed", &["ops.listen"]);
    let nobodys = examine(folder.path(), &[("HTTP__LISTEN", "192.0.2.1:80")]);
    check(&nobodys, "listen", "failed", &["192.0.2.1:80", "of this machine"]);

    let served = Served::start(folder.path(), &[]);
    let address = served.address.to_string();
    let settings = [("HTTP__LISTEN", address.as_str()), ("IDENTITY__SECRET", SECRET)];
    let examined = examine(folder.path(), &settings);
    check(&examined, "listen", "ok", &["a server is running there"]);
    assert_eq!(examined.1, 0, "{:#}", examined.0);
}

#[test]
fn a_certificate_and_its_key_are_looked_at_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (files, other) = (Files::write(folder.path(), "tls"), Files::write(folder.path(), "other"));
    let open = [("HTTP__LISTEN", "0.0.0.0:0"), files.settings()[0], files.settings()[1]];
    let examined = examine(folder.path(), &open);
    check(&examined, "tls", "ok", &["tls.pem", "good until"]);
    check(&examined, "proxies", "ok", &["speaks TLS"]);
    let mixed = [files.settings()[0], other.settings()[1]];
    check(&examine(folder.path(), &mixed), "tls", "failed", &["other.key", "tls.pem"]);
}

#[test]
fn what_other_machines_reach_in_the_clear_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    check(&examine(folder.path(), &[]), "proxies", "ok", &["from this machine only", "http.trusted_proxies"]);
    let open = examine(folder.path(), &[("HTTP__LISTEN", "0.0.0.0:0")]);
    check(&open, "proxies", "warning", &["without TLS", "trusted_proxies"]);
    check(&open, "operators", "warning", &["/metrics", "ops.listen"]);
    let behind =
        [("HTTP__LISTEN", "0.0.0.0:0"), ("HTTP__TRUSTED_PROXIES", "private"), ("OPS__LISTEN", "127.0.0.1:0")];
    check(&examine(folder.path(), &behind), "proxies", "ok", &["behind a proxy"]);
}
