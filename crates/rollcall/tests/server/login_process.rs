//! The real command with its log at its finest, on both databases: no password, token or key is ever repeated, no name
//! forges a line, and what was acknowledged is true after SIGKILL.

use std::net::SocketAddr;

use databases::{Database, start};
use rollcall::config::DatabaseUrl;
use serde_json::{Value, json};

use crate::live::databases;
use crate::live::wire::{Answer, Wire, request};
use crate::served::{OPEN_ACCOUNTS, Served, call};

/// The command on a database.
fn serve(database: &Database) -> Served {
    let url = match database.config.database.url.as_ref().unwrap() {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    };
    Served::start(&database.config.data_dir, &[&OPEN_ACCOUNTS[..], &[("DATABASE__URL", &url)]].concat())
}

/// Access and refresh token.
fn pair(answer: &Answer) -> (String, String) {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn check_secrets(database: &Database) {
    let served = serve(database);
    let to = served.address;
    let mut secrets = Vec::new();
    let mut told = String::new();
    let password = "canary-password-5f1c";
    let body = |password: &str| json!({"email": "ada@example.org", "password": password}).to_string();
    let registered = pair(&call(to, "POST", "/auth/register", "", &body(password)).await);
    let logged_in = pair(&call(to, "POST", "/auth/login", "", &body(password)).await);
    let refresh = |token: &str| json!({"refresh_token": token}).to_string();
    let renewed = pair(&call(to, "POST", "/auth/refresh", "", &refresh(&logged_in.1)).await);
    for (access, token) in [&registered, &logged_in, &renewed] {
        secrets.extend([access.rsplit('.').next().unwrap().to_owned(), token.clone()]);
    }
    secrets.extend(["canary-password", "canary-wrong", "canary-new", "canary-token"].map(str::to_owned));

    // Everything that can go wrong, with something in it that must not come back.
    let change = |old: &str, new: &str| json!({"current_password": old, "new_password": new}).to_string();
    let wrong = "canary-wrong-77aa";
    for (method, path, token, body) in [
        ("POST", "/auth/login", "", body(wrong)),
        ("POST", "/auth/login", "", format!("{{\"email\":\"x\",\"password\":\"{wrong}")),
        ("POST", "/auth/register", "", body(wrong)),
        ("POST", "/auth/refresh", "", refresh("canary-token-31bd")),
        ("POST", "/auth/refresh", "", json!({"refresh_token": ["canary-token-31bd"]}).to_string()),
        ("POST", "/auth/logout", "canary-token-31bd.x.y", refresh("canary-token-31bd")),
        ("GET", "/auth/me", "canary-token-31bd", String::new()),
        ("GET", "/auth/me?token=canary-token-31bd", "", String::new()),
        ("DELETE", "/auth/me", renewed.0.as_str(), json!({"password": wrong}).to_string()),
        ("POST", "/auth/password", renewed.0.as_str(), change(wrong, "canary-new-0d2e")),
        ("POST", "/auth/password", renewed.0.as_str(), change(password, "canary-new-0d2e")),
        ("POST", "/auth/refresh", "", refresh(&registered.1)),
        ("POST", "/auth/logout", renewed.0.as_str(), refresh(&renewed.1)),
        ("GET", "/metrics", "", String::new()),
    ] {
        let answer = call(to, method, path, token, &body).await;
        told += &answer.head;
        told += &answer.body;
    }
    assert!(told.contains("credentials_invalid") && told.contains("token_invalid"), "{told}");
    let (_, log) = served.end("-TERM");
    assert!(log.contains("account registered") && log.contains("password changed"), "{log}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} in the log: {log}");
        assert!(!told.contains(secret.as_str()), "{secret} was told: {told}");
    }
    let dump = database.dump().await;
    assert!(secrets.iter().all(|secret| !dump.contains(secret.as_str())), "{dump}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_and_no_token_is_ever_repeated() {
    check_secrets(&Database::sqlite()).await;
    check_secrets(&Database::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_neither_forges_a_line_of_the_log_nor_steers_a_terminal() {
    let database = Database::sqlite();
    let served = serve(&database);
    let forged = "\u{1b}[2J\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{9b}\u{7}\u{2028}\u{202e}";
    for (field, path) in [("email", "/auth/login"), ("email", "/auth/register"), ("name", "/auth/register")] {
        let mut body = json!({"email": "ada@example.org", "password": "correct horse"});
        body[field] = json!(format!("ada{forged}@example.org"));
        let answer = call(served.address, "POST", path, "", &body.to_string()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let raw = |c: char| c.is_control() && !matches!(c, '\r' | '\n');
        assert!(!answer.head.contains(raw) && !answer.body.contains(raw), "{answer:?}");
    }
    let (_, log) = served.end("-TERM");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line:?}"));
        assert_ne!(event["message"], "forged", "{log}");
    }
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{2028}', '\u{202e}']), "{log:?}");
}

/// What one client was told before the server was killed.
#[derive(Default)]
struct Acknowledged {
    registered: Vec<String>,
    /// Refresh tokens that are the newest of their login, unless what follows was under way.
    newest: Vec<String>,
    ended: Vec<(String, String)>,
}

/// Registers, renews and logs out until the server is gone.
async fn work(to: SocketAddr, worker: usize) -> Acknowledged {
    let mut known = Acknowledged::default();
    for turn in 0.. {
        let email = format!("w{worker}t{turn}@example.org");
        let body = json!({"email": email, "password": "correct horse"}).to_string();
        let Some(answer) = try_call(to, "/auth/register", "", &body).await else { break };
        assert_eq!(answer.status, 201, "{answer:?}");
        known.registered.push(email);
        let first = pair(&answer);
        let body = json!({"refresh_token": first.1}).to_string();
        let Some(answer) = try_call(to, "/auth/refresh", "", &body).await else { break };
        let second = pair(&answer);
        if turn % 2 == 0 {
            known.newest.push(second.1);
            continue;
        }
        let Some(answer) = try_call(to, "/auth/logout", &second.0, "").await else { break };
        assert_eq!(answer.status, 204, "{answer:?}");
        known.ended.push(second);
    }
    known
}

/// `None` when the server is gone before its answer was whole.
async fn try_call(to: SocketAddr, path: &str, token: &str, body: &str) -> Option<Answer> {
    let mut headers = "content-type: application/json\r\n".to_owned();
    if !token.is_empty() {
        headers += &format!("authorization: Bearer {token}\r\n");
    }
    tokio::net::TcpStream::connect(to).await.ok()?;
    let mut wire = Wire::connect(to).await;
    wire.try_send(request("POST", path, &headers, body)).await.ok()?;
    wire.try_answer().await
}

async fn check_sigkill(database: &Database, rounds: usize) {
    for round in 0..rounds {
        let served = serve(database);
        let to = served.address;
        let workers: Vec<_> = (0..4).map(|worker| start(work(to, round * 10 + worker))).collect();
        // In the middle of it, a little later each time.
        let least = 3 + i64::try_from(round).unwrap();
        let before = database.number("SELECT COUNT(*) FROM accounts").await;
        while database.number("SELECT COUNT(*) FROM accounts").await < before + least {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        served.end("-KILL");
        let mut known = Vec::new();
        for worker in workers {
            known.push(worker.await.unwrap());
        }

        let again = serve(database);
        let to = again.address;
        for Acknowledged { registered, newest, ended } in &known {
            for email in registered {
                let body = json!({"email": email, "password": "correct horse"}).to_string();
                assert_eq!(
                    call(to, "POST", "/auth/login", "", &body).await.status,
                    200,
                    "round {round}: {email}"
                );
            }
            for token in newest {
                let body = json!({"refresh_token": token}).to_string();
                assert_eq!(call(to, "POST", "/auth/refresh", "", &body).await.status, 200, "round {round}");
            }
            for (access, refresh) in ended {
                let me = call(to, "GET", "/auth/me", access, "").await;
                assert!(me.body.contains("token_revoked"), "round {round}: {me:?}");
                let body = json!({"refresh_token": refresh}).to_string();
                assert_eq!(call(to, "POST", "/auth/refresh", "", &body).await.status, 401, "round {round}");
            }
        }
        again.end("-TERM");
        // All or nothing: no login without a good token, no token without its login, each spent one has its successor.
        for (question, expected) in [
            ("SELECT COUNT(*) FROM refresh_tokens WHERE login NOT IN (SELECT id FROM logins)", 0),
            (
                "SELECT COUNT(*) FROM logins WHERE id NOT IN \
                     (SELECT login FROM refresh_tokens WHERE spent_at IS NULL)",
                0,
            ),
            (
                "SELECT COUNT(*) FROM refresh_tokens WHERE spent_at IS NOT NULL \
                     AND successor NOT IN (SELECT hash FROM refresh_tokens)",
                0,
            ),
        ] {
            assert_eq!(database.number(question).await, expected, "round {round}: {question}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_true_after_sigkill() {
    check_sigkill(&Database::sqlite(), 5).await;
    check_sigkill(&Database::postgres().await, 5).await;
}
