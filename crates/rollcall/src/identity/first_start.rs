//! The secret that is made when none is configured: once, at first start, kept in the data folder for its owner alone.
//! Does not know: what it signs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::KeyError;
use crate::config::{Secret, Setting, read_private_file};
use crate::ids;

/// The secret in this folder, made if there is none yet.
pub(super) fn first_start_secret(data_dir: &Path) -> Result<Secret, KeyError> {
    let path = data_dir.join(KEY_FILE);
    let explain = |problem| KeyError::File { path: path.clone(), problem };
    if !path.try_exists().map_err(explain)? && make_secret(data_dir, &path).map_err(explain)? {
        tracing::warn!(path = %path.display(), "made a token secret at first start: back this up");
    }
    let text = read_private_file(&path).map_err(explain)?;
    Secret::parse(&text).ok_or(KeyError::Damaged { path })
}

/// The secret's file, if there is one, and it can be used. Makes nothing.
///
/// # Errors
/// What a start would end with.
pub fn examine(data_dir: &Path) -> Result<Option<PathBuf>, KeyError> {
    let path = data_dir.join(KEY_FILE);
    match read_private_file(&path) {
        Ok(text) if Secret::parse(&text).is_some() => Ok(Some(path)),
        Ok(_) => Err(KeyError::Damaged { path }),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(KeyError::File { path, problem }),
    }
}

/// Writes beside and links into place, so that neither a crash nor a second process at the same time leaves half a
/// secret, and the first one to finish wins. Returns whether it was this one.
fn make_secret(data_dir: &Path, path: &Path) -> io::Result<bool> {
    let beside = data_dir.join(format!("{KEY_FILE}.{}", ids::node_tag()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = writeln!(file, "{}", ids::secret()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&beside, path));
    fs::remove_file(&beside)?;
    match linked {
        Ok(()) => File::open(data_dir)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

const KEY_FILE: &str = "identity.key";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_start_makes_one_secret_for_ever_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let first = first_start_secret(folder.path()).unwrap();
        assert_eq!(first_start_secret(folder.path()).unwrap(), first);
        let entries: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(entries, [folder.path().join(KEY_FILE)]);
        assert_eq!(fs::metadata(&entries[0]).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_first_starts_at_once_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        assert!(make_secret(folder.path(), &path).unwrap());
        let first = fs::read(&path).unwrap();
        assert!(!make_secret(folder.path(), &path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), first);
    }

    #[test]
    fn a_secret_that_all_can_read_or_that_is_cut_short_ends_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        first_start_secret(folder.path()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        let error = first_start_secret(folder.path()).unwrap_err().to_string();
        assert!(error.contains("identity.key") && error.contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        let error = first_start_secret(folder.path()).unwrap_err().to_string();
        assert!(error.contains("damaged") && !error.contains("short\n"), "{error}");
    }
}
