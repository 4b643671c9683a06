//! Section `admin`: the namespace `/admin`, for the Socket.IO Admin UI. Does not know: who signs in.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::setting::{self, Setting};

/// Who may look at all sockets, and disconnect them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// What is typed beside the password. Default `admin`.
    #[serde(with = "setting")]
    pub username: String,
    /// Opens the namespace `/admin`: on `ops.listen` and nowhere else when that is set, else on the main listener.
    /// Default: absent, and there is no such namespace.
    #[serde(with = "setting")]
    pub password: Option<AdminPassword>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { username: "admin".to_owned(), password: None }
    }
}

/// A password of the configuration. `Debug`, `config print` and error messages show `***` only.
#[derive(Clone, PartialEq)]
pub struct AdminPassword(String);

impl AdminPassword {
    /// The password itself, to be compared and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting for AdminPassword {
    const ALLOWED: &'static str = "a password of 12 to 255 characters; `openssl rand -base64 18` makes one";

    fn parse(text: &str) -> Option<Self> {
        let good = (SHORTEST..=LONGEST).contains(&text.chars().count()) && !text.contains(char::is_control);
        good.then(|| Self(text.to_owned()))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
    fn given(text: &str) -> String {
        format!("a password of {} characters (not shown)", text.chars().count())
    }
}

/// Characters. Tries are spaced out, so nobody gets through even the words of a dictionary in pairs.
const SHORTEST: usize = 12;
const LONGEST: usize = 255;
