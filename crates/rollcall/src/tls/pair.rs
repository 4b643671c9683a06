//! A certificate and its private key, read from two PEM files. Does not know: what they are used for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::validity;
use crate::config::read_private_file;

/// What a server proves itself with.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) key: CertifiedKey,
    /// The end of the certificate, in seconds since the epoch.
    pub(crate) not_after: u64,
}

/// A file that cannot be used; names it and says why.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate's file.
    #[error(
        "http.tls_certificate_file {path}: {problem}; allowed: PEM, the server's own certificate first, then those that lead to \
         the authority's"
    )]
    Certificate {
        /// As it is configured.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The key's file.
    #[error("http.tls_key_file {path}: {problem}")]
    Key {
        /// As it is configured.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Each is good, and they are not of each other.
    #[error(
        "http.tls_key_file {key}: is not the key of the first certificate in http.tls_certificate_file {certificate}; allowed: a \
         pair that was made together"
    )]
    Mismatch {
        /// As it is configured.
        certificate: PathBuf,
        /// As it is configured.
        key: PathBuf,
    },
    /// The library has no randomness, or refuses its own defaults.
    #[error("TLS: {0}")]
    Library(rustls::Error),
}

impl Pair {
    /// Reads and checks both.
    ///
    /// # Errors
    /// Which file, and why.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let of_certificate =
            |problem: String| TlsError::Certificate { path: certificate.to_owned(), problem };
        let of_key = |problem: String| TlsError::Key { path: key.to_owned(), problem };
        let text = fs::read(certificate).map_err(|error| of_certificate(error.to_string()))?;
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|error| of_certificate(format!("is no PEM: {error}")))?;
        let Some(own) = chain.first() else {
            return Err(of_certificate("holds no certificate".to_owned()));
        };
        let not_after = validity::not_after(own)
            .ok_or_else(|| of_certificate("its first certificate cannot be read".to_owned()))?;
        let text = read_private_file(key).map_err(|error| of_key(error.to_string()))?;
        let private = PrivateKeyDer::from_pem_slice(text.as_bytes());
        // The parser's own words could quote the file.
        let private = private.map_err(|_| {
            of_key(
                "holds no private key; allowed: PEM, without a password, PKCS#8, PKCS#1 or SEC1".to_owned(),
            )
        })?;
        let signing = aws_lc_rs::default_provider().key_provider.load_private_key(private);
        let signing = signing.map_err(|_| {
            of_key("its key is of no kind that can be used; allowed: RSA of 2048 bits or more, P-256, P-384, Ed25519".to_owned())
        })?;
        let pair = CertifiedKey::new(chain, signing);
        match pair.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self { key: pair, not_after })
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
            }
            Err(error) => Err(of_certificate(format!("its first certificate cannot be used: {error}"))),
        }
    }
}

/// Tells two states of both files apart, links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp([(u64, u64, u64, i64, i64); 2]);

impl Stamp {
    /// `None` while one of them is not there.
    pub(super) fn of(certificate: &Path, key: &Path) -> Option<Self> {
        let of = |path: &Path| {
            let now = fs::metadata(path)?;
            io::Result::Ok((now.dev(), now.ino(), now.size(), now.mtime(), now.mtime_nsec()))
        };
        Some(Self([of(certificate).ok()?, of(key).ok()?]))
    }
}
