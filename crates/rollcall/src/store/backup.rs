//! A copy of an SQLite database into a file of its own, as it is: a copy from before an upgrade is of the schema from before
//! it. Does not know: PostgreSQL, which has its own tool.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::connect::{self, OpenError};
use crate::config::Config;

/// There is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy, or it cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file cannot be made; one that exists is never overwritten.
    #[error("{path}: {problem}")]
    File {
        /// The new file.
        path: String,
        /// What the system said.
        problem: io::Error,
    },
    /// The database did not do it.
    #[error("the copy failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// Writes a whole and consistent copy, for its owner's eyes only, and flushes it to the disk. Takes as long as it takes;
/// readers and writers go on meanwhile.
///
/// # Errors
/// There is no copy, and no file of it.
pub async fn backup(config: &Config, file: &Path) -> Result<(), BackupError> {
    let explain = |problem| BackupError::File { path: file.display().to_string(), problem };
    let path = file.to_str().ok_or_else(|| explain(io::Error::other("the path must be UTF-8")))?;
    let mut connection = connect::as_it_is(config).await?;
    // Made here, empty, so that it is private from the first byte on, and nobody else's.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(explain)?;
    let copied = sqlx::query("VACUUM INTO $1").bind(path).execute(&mut connection).await;
    let done = copied.map_err(BackupError::from).and_then(|_| flush(&made, file).map_err(explain));
    if done.is_err() {
        fs::remove_file(file).map_err(explain)?;
    }
    done
}

/// The file, and its name in the folder.
fn flush(made: &File, path: &Path) -> io::Result<()> {
    made.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
