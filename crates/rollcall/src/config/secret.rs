//! Secrets of the configuration: never shown, never short, never from a file that everybody can read.
//! Does not know: what a secret signs.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serializer;

use super::setting::Setting;

/// A secret text. `Debug`, `config print` and error messages show `***` only.
#[derive(Clone, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the cryptography and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting for Secret {
    const ALLOWED: &'static str = "a random secret of 32 bytes or more that stands in no documentation; `openssl rand -base64 48` makes one";

    fn parse(text: &str) -> Option<Self> {
        let good = text.len() >= SECRET_MIN && !looks_like_an_example(text);
        good.then(|| Self(text.to_owned()))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
    fn given(text: &str) -> String {
        let kind = if text.len() < SECRET_MIN { "" } else { ", an example or too regular" };
        format!("a secret of {} bytes (not shown){kind}", text.len())
    }
}

/// Words that stand in the examples of libraries and tutorials and in no random text.
fn looks_like_an_example(text: &str) -> bool {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let words = [
        "changeme",
        "yoursecret",
        "your256bitsecret",
        "secretatleast",
        "supersecret",
        "secretkey",
        "example",
    ];
    let sequences = ["0123456789abcdef", "1234567890123456", "abcdefghijklmnop"];
    let known = words.iter().chain(&sequences).any(|part| plain.contains(part));
    let mut bytes = text.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    known || bytes.len() < DISTINCT_MIN
}

/// The text of a file that holds a secret, without a trailing newline. A file that everybody on the machine may read
/// is an error that says what to do.
pub fn read_private_file(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    if metadata.mode() & 0o007 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "everybody on this machine may read it (mode {:04o}); allow only its owner: `chmod 600 {}`, \
                 or mode 0400 for a mounted secret",
                metadata.mode() & 0o7777,
                path.display()
            ),
        ));
    }
    let mut text = fs::read_to_string(path)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// RFC 7518 section 3.2: a key for HS256 has at least the 256 bits of its hash.
const SECRET_MIN: usize = 32;

/// 32 random bytes in any usual spelling (hexadecimal included) have more different bytes than this all but never not.
const DISTINCT_MIN: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_well_known_secrets_are_refused() {
        for text in [
            "",
            "secret",
            "0123456789012345678901234567890",
            "a-string-secret-at-least-256-bits-long",
            "your-256-bit-secret-your-256-bit-secret",
            "CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(Secret::parse(text), None, "{text:?}");
        }
        for text in [
            crate::ids::secret().as_str(),
            "51728390465172839046517283904651",
            "9f86d081884c7d659a2feaa0c55ad015",
        ] {
            assert!(Secret::parse(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let secret = Secret::parse("kT9#zLqv28RmWp5xYbN4cHd7sJf1gQe6").unwrap();
        assert_eq!(format!("{secret:?}"), "***");
        assert!(!Secret::given("kT9#zLqv").contains("kT9"));
    }
}
