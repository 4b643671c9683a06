//! `rollcall audit`: which rows, in which order, for people and for programs.

use std::process::{Command, Output};

use rollcall::config::DatabaseUrl;
use rollcall::identity::IssuerId;
use rollcall::store::{Action, Actor, Audit, User};
use serde_json::{Value, json};

use crate::databases::Database;

const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn run(database: &Database, arguments: &[&str]) -> Output {
    let url = match database.config.database.url.as_ref().unwrap() {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.arg("audit").args(arguments).env_clear().current_dir(&database.config.data_dir);
    command.env("ROLLCALL_IDENTITY__SECRET", "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u");
    command.env("ROLLCALL_DATABASE__URL", url).env("ROLLCALL_DATA_DIR", &database.config.data_dir);
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The users of the rows, in order.
fn users(database: &Database, arguments: &[&str]) -> Vec<String> {
    let rows: Value =
        serde_json::from_str(&stdout(&run(database, &[arguments, &["--json"]].concat()))).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["user"].as_str().unwrap_or("-").to_owned()).collect()
}

async fn fill(database: &Database) {
    let store = database.open().await;
    let user = |issuer, subject| User { issuer: IssuerId(issuer), subject };
    let rows = [
        (Action::LoginRevoked, Actor::User, user(0, "ada")),
        (Action::UserRevoked, Actor::ApiKey("crm"), user(1, "ada")),
        (Action::UserRevoked, Actor::ApiKey("ops"), user(1, "bob")),
        (Action::PasswordChanged, Actor::User, user(0, "eve\u{1b}[2J")),
        (Action::LoginRevoked, Actor::Issuer, user(1, "dan")),
    ];
    for (place, (action, by, user)) in rows.into_iter().enumerate() {
        let by = by.at(Some([192, 0, 2, place as u8].into()));
        let audit = Audit::of(action, by, Some(user));
        store.revoke(NOW + place as u64 * MINUTE, &[], &audit).await.unwrap();
    }
}

#[tokio::test]
async fn the_newest_rows_come_first_and_filters_say_which() {
    for database in [Database::sqlite(), Database::postgres().await] {
        fill(&database).await;
        let check = |arguments: &[&str], expected: &[&str]| {
            assert_eq!(users(&database, arguments), expected, "{arguments:?}");
        };
        check(&[], &["dan", "eve\u{1b}[2J", "bob", "ada", "ada"]);
        check(&["--limit", "2"], &["dan", "eve\u{1b}[2J"]);
        check(&["--user", "ada"], &["ada", "ada"]);
        check(&["--user", "ada", "--issuer", "built-in"], &["ada"]);
        check(&["--issuer", "shop"], &["dan", "bob", "ada"]);
        check(&["--issuer", "gone"], &[]);
        check(&["--action", "login.revoked"], &["dan", "ada"]);
        check(&["--by", "api_key"], &["bob", "ada"]);
        check(&["--by", "api_key:crm"], &["ada"]);
        check(&["--by", "issuer"], &["dan"]);
        check(&["--since", "2027-01-15T08:03:00Z"], &["dan", "eve\u{1b}[2J"]);
        check(&["--until", "2027-01-15T08:02:00Z"], &["ada", "ada"]);
        check(&["--since", "2027-01-15", "--until", "2027-01-16", "--limit", "1"], &["dan"]);

        let text = stdout(&run(&database, &["--limit", "2"]));
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], ["AT", "ACTION", "BY", "FROM", "ISSUER", "USER", "DETAIL"]);
        let second = [
            "2027-01-15T08:03:00.000Z",
            "password.changed",
            "user",
            "192.0.2.3",
            "built-in",
            "eve\\u{1b}[2J",
            "-",
        ];
        assert_eq!(lines[2], second);
        let rows: Value =
            serde_json::from_str(&stdout(&run(&database, &["--by", "issuer", "--json"]))).unwrap();
        let row = json!([{"at": "2027-01-15T08:04:00.000Z", "action": "login.revoked", "by": "issuer",
            "issuer": "shop", "user": "dan", "address": "192.0.2.4"}]);
        assert_eq!(rows, row);
    }
}

#[test]
fn what_no_filter_can_be_is_wrong_usage() {
    let database = Database::sqlite();
    for (arguments, allowed) in [
        (&["--action", "login"][..], "login.revoked"),
        (&["--by", "ada"], "api_key:NAME"),
        (&["--by", "api_key:"], "api_key:NAME"),
        (&["--since", "yesterday"], "30d"),
        (&["--limit", "0"], "1..=100000"),
    ] {
        let output = run(&database, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(allowed), "{stderr}");
    }
}
