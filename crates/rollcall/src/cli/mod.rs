//! The command line: what can be typed, one file a command. A command gives its text for standard output or an error;
//! logs go to standard error. Does not know: how the server works.

mod serve;
mod config;
mod token;
mod user;
mod sessions;
mod sessions_list;
mod sessions_watch;
mod cluster;
mod key;
mod audit;
mod migrate;
mod backup;
mod doctor;
mod healthcheck;

mod asking;
mod plain;
mod storing;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rollcall::config::{Config, ConfigError, Setting, Sources, parse_duration};
use rollcall::identity::{BUILT_IN_NAME, is_subject};
use rollcall::store::KeyScopes;

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
    /// Who is signed in
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Several nodes
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Keys of server-side callers
    #[command(subcommand)]
    Key(KeyCommand),
    /// Who ended, changed, made or erased what, when, and from where: the newest first
    Audit(audit::AuditArgs),
    /// Bring the database up to date, for where database.migrate is off
    Migrate,
    /// Copy the SQLite database into a new file, consistent while the server runs
    ///
    /// The copy is for its owner only (mode 0600) and overwrites nothing. Back up identity.key of the data folder too.
    /// After a restored backup run `rollcall sessions revoke --all-users`: what was revoked since is not in it.
    Backup {
        /// The new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Look at all that a server needs (configuration, folder, database, Redis, clock, limits), say what to do
    ///
    /// Run it as the user that the server runs as. It changes nothing. Exit status: 0 when a server would start, warnings
    /// or not; 1 when something has failed; 2 when the configuration is wrong.
    Doctor {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Ask the server that runs whether it lives; says nothing when it does
    Healthcheck {
        /// The server [default: where this configuration listens, `ops.listen` first]
        #[arg(long, value_name = "URL", env = "ROLLCALL_URL")]
        url: Option<String>,
    },
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
    /// Set another password, asked for as `add` does; all logins of the account end
    Password {
        /// The account's e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// Erase an account and all that is known of its user
    Remove {
        /// The account's e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// A user's live sessions: id, since when, from where, login, name; asked of a server that runs
    List(AskArgs),
    /// The same as a table that follows, until Ctrl-C; into a file or a pipe a line for each that comes and goes
    Watch {
        #[command(flatten)]
        asked: AskArgs,
        /// How often the server is asked
        #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
        interval: Duration,
    },
    /// End logins: tokens issued up to now are refused, their sockets closed within a few seconds
    Revoke {
        #[command(flatten)]
        whose: Whose,
        /// The name of the user's issuer entry
        #[arg(long, value_name = "NAME", default_value = BUILT_IN_NAME, conflicts_with = "all_users")]
        issuer: String,
    },
}

/// Whom, and where to ask.
#[derive(Debug, Args)]
struct AskArgs {
    /// The user's `sub`
    #[arg(long, value_name = "USER")]
    user: String,
    /// The name of the user's issuer entry
    #[arg(long, value_name = "NAME", default_value = BUILT_IN_NAME)]
    issuer: String,
    /// The server [default: where this configuration listens, `ops.listen` first]
    #[arg(long, value_name = "URL", env = "ROLLCALL_URL")]
    url: Option<String>,
    /// An API key of scope `read`: better in the environment, where not everybody sees it
    #[arg(long, value_name = "KEY", env = "ROLLCALL_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

impl AskArgs {
    fn asked(self) -> asking::Asked {
        let Self { user, issuer, url, api_key } = self;
        asking::Asked { user, issuer, url, api_key }
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// All logins of this user (its `sub`)
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Everybody's: after a restored backup. A signing key that others may know has to be changed instead
    #[arg(long)]
    all_users: bool,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// The nodes that meet in Redis: what is left of their leases, sessions, users, what waits to be said
    Status {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key and print it, nothing else, on standard output; it is never shown again
    New {
        /// For the server API
        #[arg(long, required = true)]
        api: bool,
        /// What you call it
        #[arg(long, value_name = "NAME")]
        name: String,
        #[command(flatten)]
        users: KeyUsers,
        /// What for: read, revoke, send, with commas between them
        #[arg(long, value_name = "SCOPES", value_parser = scopes)]
        scope: KeyScopes,
    },
    /// Name, issuer, scopes and date of each key
    List,
    /// End a key; servers obey within a few seconds
    Revoke {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct KeyUsers {
    /// For the users of this issuer entry, such as built-in
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// For the users of all issuers
    #[arg(long)]
    all: bool,
}

/// Why a command ended without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong: exit status 2.
    Configuration(ConfigError),
    /// Anything else: exit status 1.
    Failed(String),
    /// The command has done its work, and what it has found is for standard output with this exit status.
    Found(String, u8),
}

impl Cli {
    /// Does what was asked and gives the text for standard output.
    pub(crate) fn execute(self) -> Result<String, Failure> {
        let listen = match &self.command {
            Some(Command::Serve(args)) => args.listen.clone().or(self.serve.listen),
            Some(
                Command::Config(_)
                | Command::Token(_)
                | Command::User(_)
                | Command::Sessions(_)
                | Command::Cluster(_)
                | Command::Key(_)
                | Command::Audit(_)
                | Command::Migrate
                | Command::Backup { .. }
                | Command::Doctor { .. }
                | Command::Healthcheck { .. },
            )
            | None => self.serve.listen,
        };
        let loaded = Config::load(&Sources::of_process(self.config, listen));
        if let Some(Command::Doctor { json }) = self.command {
            return doctor::examine(loaded, json);
        }
        let config = loaded.map_err(Failure::Configuration)?;
        match self.command {
            None | Some(Command::Serve(_)) => serve::execute(config),
            Some(Command::Config(ConfigCommand::Check)) => Ok(config::check(&config)),
            Some(Command::Config(ConfigCommand::Print)) => config::print(&config),
            Some(Command::Token(TokenCommand::Mint { user, ttl })) => token::mint(&config, &user, ttl),
            Some(Command::User(UserCommand::Add { email, name })) => {
                user::add(config, &email, name.as_deref())
            }
            Some(Command::User(UserCommand::Password { email })) => user::password(config, &email),
            Some(Command::User(UserCommand::Remove { email })) => user::remove(config, &email),
            Some(Command::Sessions(SessionsCommand::List(asked))) => {
                sessions_list::list(&config, &asked.asked())
            }
            Some(Command::Sessions(SessionsCommand::Watch { asked, interval })) => {
                sessions_watch::watch(&config, &asked.asked(), interval)
            }
            Some(Command::Sessions(SessionsCommand::Revoke { whose, issuer })) => {
                sessions::revoke(&config, whose.user.as_deref(), &issuer)
            }
            Some(Command::Cluster(ClusterCommand::Status { json })) => cluster::status(&config, json),
            Some(Command::Key(KeyCommand::New { api: _, name, users, scope })) => {
                key::new(&config, &name, users.issuer.as_deref(), scope)
            }
            Some(Command::Key(KeyCommand::List)) => key::list(&config),
            Some(Command::Key(KeyCommand::Revoke { name })) => key::revoke(&config, &name),
            Some(Command::Audit(args)) => audit::audit(&config, &args),
            Some(Command::Migrate) => migrate::migrate(&config),
            Some(Command::Backup { file }) => backup::backup(&config, &file),
            Some(Command::Doctor { json }) => doctor::examine(Ok(config), json),
            Some(Command::Healthcheck { url }) => healthcheck::check(&config, url),
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

fn scopes(text: &str) -> Result<KeyScopes, String> {
    KeyScopes::parse(text)
        .ok_or_else(|| "allowed: read, revoke, send, each at most once, with commas between".to_owned())
}

/// Whether `--user` can name anybody.
fn check_user(subject: &str) -> Result<(), Failure> {
    match is_subject(subject) {
        true => Ok(()),
        false => {
            let given = subject.len();
            Err(Failure::Failed(format!("--user: given {given} bytes; allowed: 1 to 255, no NUL")))
        }
    }
}

fn start_logs(config: &Config) -> Result<(), Failure> {
    rollcall::telemetry::logs::start(&config.log).map_err(Failure::because)
}
