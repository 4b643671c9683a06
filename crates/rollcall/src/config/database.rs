//! Section `database`: where everything is kept that must survive.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use sqlx::postgres::PgConnectOptions;

use super::setting::{self, Setting};

/// The SQL database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// An SQLite file or a PostgreSQL database, see `DatabaseUrl`. Default: the file `rollcall.db` in the data folder.
    #[serde(with = "setting")]
    pub url: Option<DatabaseUrl>,
    /// Whether start brings the tables up to date by itself. Default true; false where another step does it.
    #[serde(with = "setting")]
    pub migrate: bool,
    /// Connections at the same time. Default 10: SQLite writes one at a time anyway, the rest read.
    #[serde(with = "setting")]
    pub max_connections: NonZeroU32,
    /// How long the database may be away before new connects are refused as `unavailable`. Default 5m: until then
    /// what is known from memory is good enough.
    #[serde(with = "setting")]
    pub unavailable_after: Duration,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            migrate: true,
            max_connections: NonZeroU32::MIN.saturating_add(9),
            unavailable_after: Duration::from_secs(300),
        }
    }
}

/// An SQLite file, or a PostgreSQL database.
#[derive(Clone, Debug, PartialEq)]
pub enum DatabaseUrl {
    /// The file.
    Sqlite(PathBuf),
    /// Where and as whom.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database, as its own tools take it. May hold a password: `Debug`, `config print` and error
/// messages show `***` in its place.
#[derive(Clone, PartialEq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// The URL itself, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// For people: `***` instead of a password, before the host or among the parameters.
    pub fn masked(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", ""));
        let (place, parameters) = match rest.split_once('?') {
            Some((place, parameters)) => (place, Some(parameters)),
            None => (rest, None),
        };
        let place = match place.rsplit_once('@') {
            Some((who, host)) => match who.split_once(':') {
                Some((user, _)) => format!("{user}:***@{host}"),
                None => format!("{who}@{host}"),
            },
            None => place.to_owned(),
        };
        let masked = |parameter: &str| match parameter.split_once('=') {
            Some((name, _)) if !SHOWN_PARAMETERS.contains(&name) => format!("{name}=***"),
            Some(_) | None => parameter.to_owned(),
        };
        match parameters {
            Some(parameters) => {
                let parameters: Vec<String> = parameters.split('&').map(masked).collect();
                format!("{scheme}://{place}?{}", parameters.join("&"))
            }
            None => format!("{scheme}://{place}"),
        }
    }
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Setting for DatabaseUrl {
    const ALLOWED: &'static str = "sqlite:PATH, like sqlite:/var/lib/rollcall/rollcall.db, or postgres://USER:PASSWORD@HOST:PORT/DATABASE";

    fn parse(text: &str) -> Option<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // Everything that is wrong with it is found here, and not when somebody connects.
            let good = PgConnectOptions::from_str(text).is_ok() && !text.contains(char::is_control);
            return good.then(|| Self::Postgres(PostgresUrl(text.to_owned())));
        }
        let rest = text.strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let is_file = !path.is_empty() && !path.starts_with(':') && !path.contains('?');
        is_file.then(|| Self::Sqlite(PathBuf::from(path)))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sqlite(path) => serializer.serialize_str(&format!("sqlite:{}", path.display())),
            Self::Postgres(url) => serializer.serialize_str(&url.masked()),
        }
    }
    /// A URL of another kind may hold a password, one with a slash too few too: its scheme is shown at most.
    fn given(text: &str) -> String {
        match text.split_once("://") {
            Some((scheme, _)) if scheme != "sqlite" => format!("{:?}", format!("{scheme}://***")),
            Some(_) | None if text.contains('@') => "\"***\"".to_owned(),
            Some(_) | None => format!("{text:?}"),
        }
    }
}

/// Parameters of a URL that hold no secret; any other shows as `***`.
const SHOWN_PARAMETERS: [&str; 10] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "application_name",
    "statement-cache-capacity",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_shown_nowhere() {
        let check = |text: &str, masked: &str| {
            let Some(DatabaseUrl::Postgres(url)) = DatabaseUrl::parse(text) else { panic!("{text}") };
            assert_eq!((url.masked().as_str(), format!("{url:?}").as_str()), (masked, masked));
            assert_eq!(url.expose(), text);
        };
        check("postgres://db.example/rollcall", "postgres://db.example/rollcall");
        check("postgres://ada@db.example", "postgres://ada@db.example");
        check("postgresql://ada:s%40:x@db.example:5433/r", "postgresql://ada:***@db.example:5433/r");
        check(
            "postgres:///r?host=/run/postgresql&user=ada&password=secret&sslmode=disable",
            "postgres:///r?host=/run/postgresql&user=ada&password=***&sslmode=disable",
        );
        for text in ["postgres://ada:secret@db.example:port/r", "postgres://ada:secret@db/r?sslmode=maybe"] {
            assert_eq!(DatabaseUrl::parse(text), None, "{text}");
            assert_eq!(DatabaseUrl::given(text), "\"postgres://***\"");
        }
    }

    /// Found by the fuzzer of configurations.
    #[test]
    fn what_is_no_url_shows_no_password_either() {
        for text in ["postgres:ada:secret@db/r", "postgres:/ada:secret@db/r", "sqlite://ada:secret@db/r"] {
            assert!(!DatabaseUrl::given(text).contains("secret"), "{text}");
        }
        assert_eq!(DatabaseUrl::given("rollcall.db"), "\"rollcall.db\"");
    }
}
