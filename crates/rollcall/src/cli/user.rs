//! `rollcall user add`: makes an account while the server runs or not; both may have the database open.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};

use rollcall::accounts::{DisplayName, Email, NewAccount, Password};
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::Config;
use rollcall::store::Actor;

use super::Failure;

pub(super) fn add(config: Config, email: &str, name: Option<&str>) -> Result<String, Failure> {
    // What can be judged without the password is judged before it is asked for.
    let email = Email::parse(email).map_err(Failure::because)?;
    let name = name.map(DisplayName::parse).transpose().map_err(Failure::because)?.flatten();
    let password = read_password().map_err(Failure::because)?;
    let password = Password::parse(password).map_err(Failure::because)?;

    super::start_logs(&config)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        let app = App::open(config, Clock::system()).await.map_err(Failure::because)?;
        let account = app
            .accounts
            .register(NewAccount { email, password, name }, Actor::Operator)
            .await
            .map_err(Failure::because);
        app.store.close().await;
        Ok(format!("{}\n", account?.id))
    })
}

/// One line without its end. A terminal is asked, twice and without echo.
fn read_password() -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return read_line(&mut stdin.lock());
    }
    let silent = Silence::begin();
    let answers = ask("Password: ").and_then(|first| Ok((first, ask("Again: ")?)));
    drop(silent);
    let (first, second) = answers?;
    if first == second { Ok(first) } else { Err(io::Error::other("the two passwords differ")) }
}

fn ask(question: &str) -> io::Result<String> {
    let mut terminal = io::stderr();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let answer = read_line(&mut io::stdin().lock());
    writeln!(terminal)?;
    answer
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The terminal shows nothing that is typed until this is dropped. Where `stty` is missing, it shows it.
struct Silence;

impl Silence {
    fn begin() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        stty("echo");
    }
}

fn stty(argument: &str) {
    let status = Command::new("stty").arg(argument).stderr(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        tracing::debug!("the terminal's echo could not be changed");
    }
}
