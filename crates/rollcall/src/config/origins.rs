//! `http.allowed_origins`: everybody, or a list of web origins (RFC 6454). Does not know: which headers follow.

use engineio::server::Origins;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::setting;

/// Who may call from a browser: `*` is any page, never with credentials; a list is these pages only, with credentials.
/// In lower case, without a default port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllowedOrigins(pub Origins);

impl<'de> Deserialize<'de> for AllowedOrigins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = setting::deserialize_texts(deserializer, ALLOWED)?;
        if texts == ["*"] {
            return Ok(Self(Origins::Any));
        }
        let origins: Option<Vec<String>> = texts.iter().map(|text| parse_origin(text)).collect();
        match origins {
            Some(origins) if !origins.is_empty() => Ok(Self(Origins::Listed(origins))),
            Some(_) | None => {
                Err(D::Error::custom(format!("given {:?}; allowed: {ALLOWED}", texts.join(","))))
            }
        }
    }
}

impl Serialize for AllowedOrigins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Origins::Any => ["*"].serialize(serializer),
            Origins::Listed(origins) => origins.serialize(serializer),
        }
    }
}

/// `scheme://host[:port]` and nothing behind it; browsers leave a default port out, so it is left out here too.
fn parse_origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let scheme_is_name = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    if !scheme_is_name || authority.is_empty() || !authority.bytes().all(known) {
        return None;
    }
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let authority = match default_port {
        "" => authority,
        port => authority.strip_suffix(port).unwrap_or(authority),
    };
    Some(format!("{scheme}://{authority}"))
}

const ALLOWED: &str = "* alone, or a list of origins like https://app.example.org or http://localhost:5173 \
                       (scheme, host and port, no path, no * among them)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse_origin(text).as_deref(), expected, "{text}")
        };
        check("https://App.Example.org", Some("https://app.example.org"));
        check("https://app.example.org:443", Some("https://app.example.org"));
        check("http://localhost:5173", Some("http://localhost:5173"));
        check("http://[::1]:3000", Some("http://[::1]:3000"));
        check("https://app.example.org/", None);
        check("https://*.example.org", None);
        check("app.example.org", None);
        check("null", None);
        check("https://", None);
    }
}
