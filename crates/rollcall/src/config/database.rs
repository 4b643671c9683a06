//! Section `database`: where accounts are kept.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::setting::{self, Setting};

/// The SQL database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Default: the file `rollcall.db` in the data folder.
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

/// An SQLite file.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseUrl(PathBuf);

impl DatabaseUrl {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Setting for DatabaseUrl {
    const ALLOWED: &'static str =
        "sqlite:PATH, like sqlite:/var/lib/rollcall/rollcall.db (only SQLite is there yet)";

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let is_file = !path.is_empty() && !path.starts_with(':') && !path.contains('?');
        is_file.then(|| Self(PathBuf::from(path)))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("sqlite:{}", self.0.display()))
    }
    /// A URL of another kind may hold a password: only its scheme is shown.
    fn given(text: &str) -> String {
        match text.split_once("://") {
            Some((scheme, _)) if scheme != "sqlite" => format!("\"{scheme}://***\""),
            Some(_) | None => format!("{text:?}"),
        }
    }
}
