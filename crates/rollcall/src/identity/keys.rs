//! The HS256 secrets: one that signs and verifies, earlier ones that only verify. Configured, or made at first start
//! and kept in the data folder. Does not know: claims.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::claims::header_is_good;
use super::tags::TagKey;
use crate::config::{IdentityConfig, Secret, Setting, read_private_file};
use crate::ids;

/// Signs with one secret, verifies with any.
pub struct Keys {
    /// Public tags are made with it.
    pub(super) tagging: TagKey,
    signing: EncodingKey,
    /// The signing one first: nearly all tokens are its.
    verifying: Vec<DecodingKey>,
}

/// The first-start secret cannot be used; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the token secret {path}: {problem}")]
    File {
        /// The file in the data folder.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the token secret {path} is damaged: it holds no secret of 32 bytes or more; restore it from a backup, or \
             delete it to have a new one made, which makes all tokens of the old one invalid"
    )]
    Damaged {
        /// The file in the data folder.
        path: PathBuf,
    },
}

impl Keys {
    /// The configured secret, or the one in `data_dir`, which is made if there is none yet. The folder must exist.
    pub fn open(config: &IdentityConfig, data_dir: &Path) -> Result<Self, KeyError> {
        let keys = match &config.secret {
            Some(secret) => Self::new(secret.expose(), &config.previous_secrets),
            None => Self::new(first_start_secret(data_dir)?.expose(), &config.previous_secrets),
        };
        Ok(keys)
    }

    fn new(secret: &str, previous: &[Secret]) -> Self {
        let verifying = std::iter::once(secret).chain(previous.iter().map(Secret::expose));
        Self {
            tagging: TagKey::new(secret.as_bytes()),
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: verifying.map(|secret| DecodingKey::from_secret(secret.as_bytes())).collect(),
        }
    }

    pub(super) fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    /// The decoded payload of a compact JWS (RFC 7515 section 7.1) with a good header and a good signature, and the part
    /// that is signed.
    pub(super) fn verified_payload<'a>(&self, token: &'a str) -> Option<(Vec<u8>, &'a str)> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') || !header_is_good(&URL_SAFE_NO_PAD.decode(header).ok()?) {
            return None;
        }
        let is_good = |key: &DecodingKey| {
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), key, Algorithm::HS256).unwrap_or(false)
        };
        let payload = self.verifying.iter().any(is_good).then(|| URL_SAFE_NO_PAD.decode(payload).ok())??;
        Some((payload, signed))
    }
}

fn first_start_secret(data_dir: &Path) -> Result<Secret, KeyError> {
    let path = data_dir.join(KEY_FILE);
    let explain = |problem| KeyError::File { path: path.clone(), problem };
    if !path.try_exists().map_err(explain)? && make_secret(data_dir, &path).map_err(explain)? {
        tracing::warn!(path = %path.display(), "made a token secret at first start: back this up");
    }
    let text = read_private_file(&path).map_err(explain)?;
    Secret::parse(&text).ok_or(KeyError::Damaged { path })
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
