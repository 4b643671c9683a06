//! A copy of an SQLite database into a file of its own. Does not know: PostgreSQL, which has its own tool.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Store;

/// There is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be made; one that exists is never overwritten.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The database did not do it.
    #[error("the copy failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// Writes a whole and consistent copy, for its owner's eyes only, and flushes it to the disk. Takes as long as it
    /// takes; readers and writers go on meanwhile.
    pub async fn backup(&self, file: &Path) -> Result<(), BackupError> {
        // Made here, empty, so that it is private from the first byte on, and nobody else's.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        let copied = self.copy_to(file, &made).await;
        if copied.is_err() {
            fs::remove_file(file)?;
        }
        copied
    }

    async fn copy_to(&self, file: &Path, made: &File) -> Result<(), BackupError> {
        let path = file.to_str().ok_or_else(|| io::Error::other("the path must be UTF-8"))?;
        sqlx::query("VACUUM INTO $1").bind(path).execute(self.pool()).await?;
        made.sync_all()?;
        Ok(())
    }
}
