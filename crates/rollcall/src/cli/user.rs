//! `rollcall user add|password|remove`: accounts, while the server runs or not; both may have the database open.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};

use rollcall::accounts::{Account, DisplayName, Email, NewAccount, Password};
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::Config;
use rollcall::store::Actor;

use super::Failure;
use super::storing::block_on;

pub(super) fn add(config: Config, email: &str, name: Option<&str>) -> Result<String, Failure> {
    // What can be judged without the password is judged before it is asked for.
    let email = Email::parse(email).map_err(Failure::because)?;
    let name = name.map(DisplayName::parse).transpose().map_err(Failure::because)?.flatten();
    let password = read_password()?;
    with_app(config, async |app| {
        let new = NewAccount { email, password, name };
        let account = app.accounts.register(new, Actor::Operator).await.map_err(Failure::because)?;
        Ok(format!("{}\n", account.id))
    })
}

/// Another password; all logins of the account end.
pub(super) fn password(config: Config, email: &str) -> Result<String, Failure> {
    let email = Email::parse(email).map_err(Failure::because)?;
    let password = read_password()?;
    with_app(config, async |app| {
        let account = find(app, &email).await?;
        app.accounts.reset_password(&account.id, password).await.map_err(Failure::because)?;
        Ok(String::new())
    })
}

/// Erases the account and what is known of its user.
pub(super) fn remove(config: Config, email: &str) -> Result<String, Failure> {
    let email = Email::parse(email).map_err(Failure::because)?;
    with_app(config, async |app| {
        let account = find(app, &email).await?;
        app.accounts.forget(&account.id, Actor::Operator).await.map_err(Failure::because)?;
        Ok(String::new())
    })
}

async fn find(app: &App, email: &Email) -> Result<Account, Failure> {
    let account = app.accounts.find_by_email(email).await.map_err(Failure::because)?;
    account.ok_or_else(|| Failure::Failed(format!("--email: there is no account {:?}", email.as_str())))
}

fn with_app<T>(config: Config, work: impl AsyncFnOnce(&App) -> Result<T, Failure>) -> Result<T, Failure> {
    super::start_logs(&config)?;
    block_on(async {
        let app = App::open(config, Clock::system()).await.map_err(Failure::because)?;
        let done = work(&app).await;
        app.store.close().await;
        done
    })
}

fn read_password() -> Result<Password, Failure> {
    let text = read_secret_line().map_err(Failure::because)?;
    Password::parse(text).map_err(Failure::because)
}

/// One line without its end. A terminal is asked, twice and without echo.
fn read_secret_line() -> io::Result<String> {
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
