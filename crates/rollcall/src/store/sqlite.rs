//! The file of an SQLite database: made private, told from another one of the same name. Does not know: what is in it.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file, told from another one that later has the same name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Whether the path still leads to the file that was opened: what is written to a deleted file is lost.
    pub(super) fn is_still_there(&self) -> io::Result<bool> {
        Self::at(&self.path).map(|now| now == *self)
    }
}

/// SQLite gives its journal files the mode of the main file, so that one must be private before SQLite sees it.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The URL by which sqlx opens exactly this file, whatever characters its path has.
pub(super) fn url(path: &Path) -> io::Result<String> {
    let absolute = std::path::absolute(path)?;
    let mut url = "sqlite://".to_owned();
    for byte in absolute.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                url.push(char::from(*byte))
            }
            other => write!(url, "%{other:02X}").map_err(io::Error::other)?,
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_characters_becomes_a_url() {
        let check = |path: &str, expected: &str| assert_eq!(url(Path::new(path)).unwrap(), expected);
        check("/var/lib/rollcall.db", "sqlite:///var/lib/rollcall.db");
        check("/a b?c#d%41/ü.db", "sqlite:///a%20b%3Fc%23d%2541/%C3%BC.db");
    }
}
