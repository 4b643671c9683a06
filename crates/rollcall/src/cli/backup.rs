//! `rollcall backup FILE`: a copy of the SQLite database, whole and consistent while the server runs.

use std::path::Path;

use rollcall::config::{Config, DatabaseUrl};

use super::Failure;
use super::storing::block_on;

pub(super) fn backup(config: &Config, file: &Path) -> Result<String, Failure> {
    if let Some(DatabaseUrl::Postgres(url)) = &config.database.url {
        return Err(Failure::Failed(format!(
            "the database is {}: use pg_dump, which comes with PostgreSQL",
            url.masked()
        )));
    }
    super::start_logs(config)?;
    block_on(async { rollcall::store::backup(config, file).await.map_err(Failure::because) })?;
    Ok(String::new())
}
