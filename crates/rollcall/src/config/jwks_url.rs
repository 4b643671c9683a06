//! Where an issuer's keys are fetched from: an address that nobody on the way can answer for.

use http::Uri;

use super::web_address::{self, Wrong};

/// An `https` address; `http` only to this machine, or where it is allowed expressly.
#[derive(Clone, Debug, PartialEq)]
pub struct JwksUrl {
    uri: Uri,
    text: String,
    allow_http: bool,
}

impl JwksUrl {
    /// Reads an address; what is wrong with it, and what is allowed, otherwise.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, &'static str> {
        let uri = web_address::parse(text, allow_http).map_err(|wrong| match wrong {
            Wrong::NoAddress => "which is no web address; allowed: an https:// address",
            Wrong::WithUser => "with a user or password; allowed: an https:// address without them",
            Wrong::Plain => {
                "which anybody on the way could answer; allowed: https://, or http:// to this machine, or with jwks_allow_http = true"
            }
        })?;
        Ok(Self { uri, text: text.to_owned(), allow_http })
    }

    /// The address.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// As it is configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `http` was allowed expressly.
    pub fn allows_http(&self) -> bool {
        self.allow_http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        let check = |url: &str, allow_http: bool, good: bool| {
            assert_eq!(JwksUrl::parse(url, allow_http).is_ok(), good, "{url}");
        };
        for url in [
            "https://id.example.org/jwks",
            "https://id.example.org:8443/a?b=c",
            "http://127.0.0.1:1/",
            "http://127.9.9.9/jwks",
            "http://[::1]:8080/jwks",
            "http://localhost/jwks",
        ] {
            check(url, false, true);
        }
        for url in [
            "http://id.example.org/jwks",
            "http://169.254.169.254/",
            "http://localhost.example.org/",
            "http://10.0.0.1/",
        ] {
            check(url, false, false);
            check(url, true, true);
        }
        for url in [
            "",
            "/jwks",
            "id.example.org/jwks",
            "ftp://a/b",
            "file:///etc/passwd",
            "https://",
            "https://u:p@a/b",
            "https://a b/",
        ] {
            check(url, true, false);
        }
    }
}
