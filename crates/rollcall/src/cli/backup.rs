//! `rollcall backup FILE`: a copy of the SQLite database, whole and consistent while the server runs.

use std::path::Path;

use rollcall::config::{Config, DatabaseUrl};

use super::Failure;
use super::storing::with_store;

pub(super) fn backup(config: &Config, file: &Path) -> Result<String, Failure> {
    if let Some(DatabaseUrl::Postgres(url)) = &config.database.url {
        return Err(Failure::Failed(format!(
            "the database is {}: use pg_dump, which comes with PostgreSQL",
            url.masked()
        )));
    }
    with_store(config, async |storing| {
        storing
            .store
            .backup(file)
            .await
            .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
        Ok(String::new())
    })
}
