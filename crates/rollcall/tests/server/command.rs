//! The `rollcall` command as a person or a service manager runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rollcall::accounts::{Email, Password};
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::{Config, Secret, Setting};

use crate::support::SECRET;

/// No environment but what a test gives; the working directory is the test's own.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    // Where coverage, if it is measured, is to be written; otherwise it would land in the folder.
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn check_failure(output: &Output, status: i32, parts: &[&str]) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{stdout}{stderr}");
    assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

#[test]
fn a_wrong_configuration_ends_every_command_with_one_line_and_status_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [&["serve"][..], &[], &["config", "check"], &["config", "print"], &["token", "mint", "--user", "u"]]
    {
        let output = command(folder.path(), arguments).env("ROLLCALL_HTTP__LISTENN", "x").output().unwrap();
        check_failure(&output, 2, &["http.listenn", "ROLLCALL_HTTP__LISTENN", "allowed: "]);
    }
    let output = command(folder.path(), &["--config", "none.toml"]).output().unwrap();
    check_failure(&output, 2, &["none.toml", "No such file"]);
    let output = command(folder.path(), &["--listen", "nowhere"]).output().unwrap();
    check_failure(&output, 2, &["http.listen", "--listen", "\"nowhere\""]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was made");
}

#[test]
fn config_check_and_print_show_what_a_start_would_use() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rollcall.toml"), "[accounts]\nregistration = true\n").unwrap();
    let environment = [("ROLLCALL_IDENTITY__SECRET", SECRET), ("ROLLCALL_HTTP__LISTEN", "127.0.0.1:4000")];
    let check = command(folder.path(), &["config", "check"]).envs(environment).output().unwrap();
    let told = text(&check.stdout);
    assert!(
        check.status.success() && told.contains("warning: accounts.registration") && told.contains("is good"),
        "{told}"
    );

    let print = command(folder.path(), &["config", "print"]).envs(environment).output().unwrap();
    let printed = text(&print.stdout);
    assert!(print.status.success() && !printed.contains(SECRET), "{printed}");
    let printed: toml::Table = printed.parse().unwrap();
    assert_eq!(printed["identity"]["secret"].as_str(), Some("***"));
    assert_eq!(printed["http"]["listen"].as_str(), Some("127.0.0.1:4000"));
    assert_eq!(printed["accounts"]["registration"].as_bool(), Some(true));
}

#[test]
fn token_mint_prints_a_token_that_the_server_takes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mint = |more: &[&str]| {
        let arguments = [&["token", "mint", "--user", "u-1"], more].concat();
        command(folder.path(), &arguments).env("ROLLCALL_IDENTITY__SECRET", SECRET).output().unwrap()
    };
    let output = mint(&[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = text(&output.stdout);
    let token = printed.strip_suffix('\n').unwrap();
    let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
    config.identity.secret = Secret::parse(SECRET);
    let identity = rollcall::app::open_identity(&config).unwrap();
    let now = Clock::system().unix_seconds();
    let principal = identity.judge(token, now).unwrap();
    assert_eq!(&*principal.subject, "u-1");
    assert_eq!(principal.expires_at - principal.issued_at.unwrap(), 3600);
    let day = identity.judge(text(&mint(&["--ttl", "24h"]).stdout).trim(), now).unwrap();
    assert_eq!(day.expires_at - day.issued_at.unwrap(), 86_400);
    check_failure(&mint(&["--ttl", "401d"]), 1, &["--ttl", "401d", "400d"]);
    assert_eq!(mint(&["--ttl", "soon"]).status.code(), Some(2));
}

#[test]
fn user_add_takes_the_password_from_standard_input_and_the_account_can_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let add = |email: &str, password: &str| {
        let mut command = command(folder.path(), &["user", "add", "--email", email]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env("ROLLCALL_IDENTITY__SECRET", SECRET).spawn().unwrap();
        // A command that refuses the address ends without reading the password.
        let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
        child.wait_with_output().unwrap()
    };
    let added = add("ada@example.org", "correct horse\n");
    assert!(added.status.success(), "{added:?}");
    let id = text(&added.stdout).trim().to_owned();
    check_failure(&add("Ada@example.org", "another horse\n"), 1, &["e-mail address exists"]);
    check_failure(&add("bob@example.org", "short\n"), 1, &["password", "8 to 1024"]);
    check_failure(&add("bob", "correct horse\n"), 1, &["email", "name@example.org"]);

    let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    config.identity.secret = Secret::parse(SECRET);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = App::open(config, Clock::system()).await.unwrap();
        let email = Email::parse("ada@example.org").unwrap();
        let password = Password::parse("correct horse".to_owned()).unwrap();
        let address = std::net::IpAddr::from([127, 0, 0, 1]);
        assert_eq!(app.accounts.login(&email, password, address).await.unwrap().account, id);
    });
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let output = command(folder.path(), &["--listen", &address]).output().unwrap();
    check_failure(&output, 1, &["http.listen", &address, "in use"]);
}

#[test]
fn help_explains_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        (
            &["--help"][..],
            &["serve", "config", "token", "user", "ROLLCALL_<SECTION>__<KEY>", "Exit status"][..],
        ),
        (&["serve", "--help"], &["--listen", "--config"]),
        (&["config", "--help"], &["check", "print", "masked"]),
        (&["token", "mint", "--help"], &["--user", "--ttl", "[default: 1h]"]),
        (&["user", "add", "--help"], &["--email", "--name", "standard input"]),
    ] {
        let output = command(folder.path(), arguments).output().unwrap();
        let help = text(&output.stdout);
        assert!(output.status.success());
        for part in parts {
            assert!(help.contains(part), "no {part:?} in\n{help}");
        }
    }
}

/// A server that is ended with the test.
struct Served {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: SocketAddr,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let mut command = command(folder, &["serve", "--listen", "127.0.0.1:0"]);
        command.env("ROLLCALL_LOG__FORMAT", "json").env("ROLLCALL_SHUTDOWN__DRAIN", "0s");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut served = Self { child, stderr, address: SocketAddr::from(([0; 4], 0)) };
        let line = served.wait_for_line("listening");
        served.address = line["address"].as_str().unwrap().parse().unwrap();
        served
    }

    /// Reads the log up to the event with this message.
    fn wait_for_line(&mut self, message: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "the log ended without {message:?}");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_server_answers_ignores_sighup_and_stops_on_sigterm_with_status_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(folder.path());
    let ask = |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask(served.address).starts_with("HTTP/1.1 200 "));
    served.signal("-HUP");
    served.wait_for_line("SIGHUP is ignored");
    assert!(ask(served.address).starts_with("HTTP/1.1 200 "));
    served.signal("-TERM");
    served.wait_for_line("stopped");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}
