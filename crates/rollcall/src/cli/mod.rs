//! The command line: what can be typed, one file a command. A command gives its text for standard output or an error;
//! logs go to standard error. Does not know: how the server works.

mod config;
mod serve;
mod token;
mod user;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rollcall::config::{Config, ConfigError, Setting, Sources, parse_duration};

/// A realtime sessions gateway: every user sees all of their live sessions, in sync.
///
/// Settings come from rollcall.toml, the environment (ROLLCALL_<SECTION>__<KEY>) and flags, in this order, the later
/// wins. Without a command the server starts. Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
#[derive(Debug, Parser)]
#[command(name = "rollcall", version)]
pub(crate) struct Cli {
    /// The configuration file [default: rollcall.toml in the working directory, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    serve: ServeArgs,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Address and port to listen on; wins over http.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (the default)
    Serve(ServeArgs),
    /// Look at the configuration without starting anything
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Access tokens of the built-in issuer
    #[command(subcommand)]
    Token(TokenCommand),
    /// Built-in accounts
    #[command(subcommand)]
    User(UserCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read everything, say what is wrong or doubtful
    Check,
    /// Print the configuration that a start would use, as TOML with secrets masked
    Print,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Sign a token and print it, nothing else, on standard output
    Mint {
        /// Whom it speaks for: its `sub`, 1 to 255 bytes
        #[arg(long, value_name = "USER")]
        user: String,
        /// How long it is good, like 15m, 12h or 30d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make an account and print its id
    ///
    /// The password is asked for, or read from the first line of standard input when that is not a terminal. It never
    /// stands on the command line, where every user of the machine could read it.
    Add {
        /// The e-mail address to log in with
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// What the person is called
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

/// Why a command ended without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong: exit status 2.
    Configuration(ConfigError),
    /// Anything else: exit status 1.
    Failed(String),
}

impl Cli {
    /// Does what was asked and gives the text for standard output.
    pub(crate) fn execute(self) -> Result<String, Failure> {
        let listen = match &self.command {
            Some(Command::Serve(args)) => args.listen.clone().or(self.serve.listen),
            Some(Command::Config(_) | Command::Token(_) | Command::User(_)) | None => self.serve.listen,
        };
        let config =
            Config::load(&Sources::of_process(self.config, listen)).map_err(Failure::Configuration)?;
        match self.command {
            None | Some(Command::Serve(_)) => serve::execute(config),
            Some(Command::Config(ConfigCommand::Check)) => Ok(config::check(&config)),
            Some(Command::Config(ConfigCommand::Print)) => config::print(&config),
            Some(Command::Token(TokenCommand::Mint { user, ttl })) => token::mint(&config, &user, ttl),
            Some(Command::User(UserCommand::Add { email, name })) => {
                user::add(config, &email, name.as_deref())
            }
        }
    }
}

impl Failure {
    fn because(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("allowed: {}", Duration::ALLOWED))
}

fn start_logs(config: &Config) -> Result<(), Failure> {
    rollcall::telemetry::logs::start(&config.log).map_err(Failure::because)
}
